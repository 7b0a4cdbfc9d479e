//! How many bytes have to be there before the kernel wakes who reads a socket.
#![expect(unsafe_code, reason = "no crate of ours sets SO_RCVLOWAT")]

use std::io;
use std::os::fd::AsRawFd as _;

use tokio::net::TcpStream;

/// Sets it. A stream that ends, fails, or has no room for so many wakes its reader all the same.
pub(super) fn set(stream: &TcpStream, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let size = libc::socklen_t::try_from(size_of_val(&bytes)).expect("a handful of bytes");
    // SAFETY: the socket is open as long as `stream` is borrowed, and the option is an int, which
    // the kernel copies.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            size,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
