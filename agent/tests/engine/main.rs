//! The engine over real sockets and files, without a tracker: the tests hand out the addresses.

mod disks;
mod faults;
mod foreign;
mod hosts;
mod transfers;
