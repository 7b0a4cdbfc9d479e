//! A tree as one `.tgz`, and back: packed in one pass on the seeder, unpacked with suspicion on
//! every peer.

mod attributes;
mod exclude;
mod gzip;
mod pack;
mod pieces;
mod refusal;
mod stamp;
mod tarball;
mod unpack;
mod walk;

pub use exclude::{Exclude, ExcludeError};
pub use pack::{PackError, PackRequest, Packed, pack};
pub use pieces::piece_length;
pub use refusal::{Refusal, UnpackError};
pub use unpack::{Limits, Unpacked, unpack};
