//! Talking to one host: the system's ssh through one master connection, or a child process where
//! the host is this machine. Both run the agent by one fixed command, with JSON on its stdin.

mod behind;
mod call;
mod cause;
mod child;
mod connect;
mod error;
mod install;
mod quote;

pub use call::{Step, Stream};
pub use cause::Unreachable;
pub use connect::{ConnectOptions, Connection, Connector};
pub use error::CallError;
pub use install::Installed;
pub use quote::{QuoteError, quote_path};
