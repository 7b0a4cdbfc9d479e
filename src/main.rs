//! `murder`: puts a directory on a fleet of servers at once.

fn main() {}
