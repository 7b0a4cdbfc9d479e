//! Talking to one host: the system's ssh, once for one command or as a master for several, or a
//! child process where the host is this machine. Each runs the agent by one fixed command, with
//! JSON on its stdin.

mod call;
mod cause;
mod child;
mod connect;
mod error;
mod here;
mod install;
mod login;
mod pace;
mod quote;

pub use call::{Step, Stream};
pub use cause::Unreachable;
pub use connect::{ConnectOptions, Connection, Connector};
pub use error::{CallError, Unanswered};
pub use here::stream_here;
pub use install::Installed;
pub use quote::{QuoteError, quote_path};
