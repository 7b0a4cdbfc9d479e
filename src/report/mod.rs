//! What happens, as events, and the readers that show it: bars for a terminal, plain lines for a
//! log, JSON lines for a program. Work emits events and never prints.

mod event;
mod ledger;
mod rate;
mod refusal;
mod state;
mod summary;
pub mod units;

pub use event::{Data, Event, GoesOn, Reporter};
pub use ledger::{Happened, Ledger};
pub use refusal::Refusal;
pub use state::{HostState, State, TaskState};
pub use summary::{Bad, Good, Summary, Times};
