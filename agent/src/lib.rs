//! `murder-agent`: the one executable that murder runs on its hosts.

pub mod channel;
