//! The lines on an agent's stdin and stdout.
//!
//! Login shells print messages of the day, and wrappers print warnings, so every line of ours
//! begins with a mark; a line without it is noise and is kept only for error messages.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::verbs::Verb;

/// The version of everything in this crate. Both ends refuse another one.
pub const PROTOCOL: u32 = 2;

/// The first line on an agent's stdin.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request<V> {
    /// The sender's [`PROTOCOL`].
    pub protocol: u32,
    /// What is asked for.
    pub request: V,
}

/// One line on an agent's stdout.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame<E, R> {
    /// Something happened; more lines follow.
    Event(E),
    /// The verb is done. The last line.
    Reply(R),
    /// The verb can't be done. The last line.
    Failed(Failure),
}

/// What a line of output turned out to be.
#[derive(Debug)]
pub enum Decoded<E, R> {
    /// A line of ours.
    Frame(Frame<E, R>),
    /// Somebody else's: a message of the day, a shell's complaint.
    Noise,
    /// It bears our mark but can't be read.
    Garbled(serde_json::Error),
}

/// A request as the line to send, with its line feed.
pub fn encode_request<V: Verb>(request: &V) -> String {
    #[derive(Serialize)]
    struct Borrowed<'a, V> {
        protocol: u32,
        request: &'a V,
    }
    line("", &Borrowed { protocol: PROTOCOL, request })
}

/// A frame, or any further input of a verb, as the line to send, with its line feed.
pub fn encode<E: Serialize, R: Serialize>(frame: &Frame<E, R>) -> String {
    line(MARK, frame)
}

/// Reads one line of an agent's output.
pub fn decode<E: DeserializeOwned, R: DeserializeOwned>(line: &str) -> Decoded<E, R> {
    match line.trim_end().strip_prefix(MARK) {
        None => Decoded::Noise,
        // From bytes here and in the agent: another kind of reader would be another copy of every
        // type's parser, and the agent is small.
        Some(json) => match serde_json::from_slice(json.as_bytes()) {
            Ok(frame) => Decoded::Frame(frame),
            Err(error) => Decoded::Garbled(error),
        },
    }
}

fn line(mark: &str, value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("every type of this crate has a JSON form");
    format!("{mark}{json}\n")
}

const MARK: &str = "murder/1 ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blame;
    use crate::verbs::{Hello, NoEvent};

    #[test]
    fn a_frame_survives_its_line() {
        let sent: Frame<NoEvent, u32> = Frame::Reply(7);
        match decode::<NoEvent, u32>(&encode(&sent)) {
            Decoded::Frame(got) => assert_eq!(got, sent),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_of_the_day_is_noise() {
        assert!(matches!(decode::<NoEvent, u32>("Welcome to web01!\n"), Decoded::Noise));
    }

    #[test]
    fn a_marked_line_that_is_cut_short_is_garbled() {
        assert!(matches!(decode::<NoEvent, u32>("murder/1 {\"re"), Decoded::Garbled(_)));
    }

    #[test]
    fn a_failure_carries_its_hint() {
        let failure = Failure::new(Blame::Host, "no space left").hint("free some");
        let line = encode::<NoEvent, u32>(&Frame::Failed(failure.clone()));
        assert!(line.contains("\"hint\":\"free some\""));
        assert_eq!(failure.to_string(), "no space left (free some)");
    }

    #[test]
    fn a_request_names_its_protocol() {
        assert_eq!(encode_request(&Hello {}), "{\"protocol\":2,\"request\":{}}\n");
    }
}
