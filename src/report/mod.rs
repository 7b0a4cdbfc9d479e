//! What happens, as events, and the readers that show it: bars for a terminal, plain lines for a
//! log, JSON lines for a program. Work emits events and never prints.

mod bars;
mod desk;
mod ending;
mod event;
mod failed;
mod json;
mod ledger;
mod paint;
mod plain;
mod rate;
mod reader;
mod refusal;
mod screen;
mod state;
mod summary;
mod talk;
mod thread;
pub mod units;

pub use bars::Bars;
pub use desk::Desk;
pub use event::{Data, Event, GoesOn, Reporter};
pub use failed::FailedHosts;
pub use json::Json;
pub use ledger::{Happened, Ledger};
pub use paint::Paint;
pub use plain::Plain;
pub use reader::{Ending, Line, Reader, Size};
pub use refusal::Refusal;
pub use screen::Screen;
pub use state::{HostState, State, TaskState};
pub use summary::{Bad, Good, Summary, Times};
pub use talk::Talk;
pub use thread::Report;
