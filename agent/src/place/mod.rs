//! Puts an unpacked tree or file where the operator wants it, at once or not at all.
//!
//! [`Placement::check`] looks at the destination before anything moves, [`Placement::stage`] makes
//! a private folder beside it to unpack into, and [`Placement::commit`] renames what is in there
//! to its final path: a reader sees what was there before, nothing, or the whole.

mod commit;
mod error;
mod forbidden;
mod placement;
mod remove;
mod staging;

pub use commit::Placed;
pub use error::PlaceError;
pub use placement::Placement;
pub use remove::remove_tree;
pub use staging::{Staging, sweep};
