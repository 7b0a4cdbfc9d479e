//! A tree as one `.tgz` or `.tar.zst`, and back: packed in one pass on the seeder, unpacked with
//! suspicion on every peer.

mod arrivals;
mod attributes;
mod codec;
mod content;
mod entries;
mod exclude;
mod frames;
mod header;
mod member_writer;
mod members;
mod new_file;
mod pack;
mod pieces;
mod plan;
mod receive;
mod refusal;
mod stamp;
mod tarball;
mod tree;
mod unpack;
mod walk;

pub use arrivals::Arrivals;
pub use codec::Level;
pub use exclude::{Exclude, ExcludeError};
pub use members::Members;
pub use pack::{PackError, PackRequest, Packed, Sent, pack, pack_into};
pub use receive::receive;
pub use refusal::{Refusal, UnpackError};
pub use tree::{Limits, Reading, Unpacked};
pub use unpack::{UnpackRequest, unpack};
