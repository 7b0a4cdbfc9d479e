//! Talking to one host: the system's ssh through one master connection, or a child process where
//! the host is this machine. Both run the agent by one fixed command, with JSON on its stdin.

mod quote;

pub use quote::{QuoteError, quote_path};
