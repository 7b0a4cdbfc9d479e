//! Parts of the C library and of its unwinder that std links and this executable has no use for.
//!
//! A static executable takes along whatever is called, and what that calls. Each function here
//! stands in for one of the same name, does what its contract allows at the least, and says what
//! is lost. Only the agent that is pushed to hosts has them: `agent/embed.rs` sets `slim`.
#![expect(unsafe_code, reason = "a name that C code links to is promised to have C's signature")]

use std::ffi::{c_int, c_ulong, c_void};

/// Walks up a stack without frames.
///
/// std calls it where a panic is printed and `RUST_BACKTRACE` is set, to name each frame with a
/// reader of DWARF. The agent is stripped, so no frame has a name, and a panic says its file and
/// line anyway. Without the walk the reader isn't linked: 100 kB of the gzipped agent.
// SAFETY: the signature is that of the Itanium C++ ABI, Level I; the return value is an enum.
#[unsafe(export_name = "_Unwind_Backtrace")]
extern "C" fn walk_no_frames(_each: *const c_void, _argument: *mut c_void) -> c_int {
    /// `_URC_END_OF_STACK`.
    const END_OF_STACK: c_int = 5;
    END_OF_STACK
}

/// Knows no thread's attributes.
///
/// std asks for the bounds of stacks, to say "has overflowed its stack" where a fault is beyond
/// one, and does without where they aren't known: then the process ends by the fault's own signal.
/// glibc would read /proc/self/maps with `sscanf`, with all its floating point and wide
/// characters: 43 kB of the gzipped agent.
// SAFETY: the signature is that of pthread_getattr_np(3), which may fail.
#[unsafe(export_name = "pthread_getattr_np")]
extern "C" fn know_no_attributes(_thread: c_ulong, _attributes: *mut c_void) -> c_int {
    /// `ENOSYS` on Linux.
    const NOT_PROVIDED: c_int = 38;
    NOT_PROVIDED
}
