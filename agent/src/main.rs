//! `murder-agent`: what murder runs on its hosts.

fn main() {}
