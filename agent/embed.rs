//! Build script of `murder`: builds the agent and embeds it.

fn main() {}
