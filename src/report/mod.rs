//! What happens, as events, and the readers that show it: bars for a terminal, plain lines for a
//! log, JSON lines for a program. Work emits events and never prints.

mod event;
mod refusal;

pub use event::{Data, Event, GoesOn, Reporter};
pub use refusal::Refusal;
