//! The tracker's form on the wire: HTTP queries (BEP 3, 7, 23, 48) and bencoded answers.
//!
//! The tracker's end is [`Query::parse`] and [`encode_answer`], [`encode_scrape`] and
//! [`encode_failure`]; a member's end is [`announce_url`] and [`TrackerAnswer::parse`].

mod answer;
mod client;
mod percent;
mod query;

pub use answer::{encode_answer, encode_failure, encode_scrape};
pub use client::{AnswerError, TrackerAnswer, announce_url};
pub use query::{AnnounceQuery, Form, Query, QueryError};
