//! Thousands of `murder-swarm` peers on a virtual network in virtual time.
