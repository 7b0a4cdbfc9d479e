//! Messages that prove who sent them, on a connection that anybody may listen to or write into.
//!
//! Both ends have a key that came to each of them over SSH and is never sent between them. Each
//! connection has a key of its own, from that one and from a word of chance of either end, so that
//! nothing of one connection is of use on another. Every message has its sender, its number and
//! its text sealed with HMAC-SHA256 (RFC 2104), so that none can be made, changed, repeated, left
//! out or sent back by somebody in between. It hides nothing.

use hmac::{Hmac, KeyInit as _, Mac as _};
use murder_protocol::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A sealed message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// How many its sender has sealed on this connection, this one included.
    pub number: u64,
    /// JSON.
    pub text: String,
    /// In hexadecimal digits.
    pub seal: String,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that gives orders.
    Tracker,
    /// The one that waits for them.
    Agent,
}

/// What one end of a connection seals with, and how far it is.
#[derive(Debug)]
pub struct Seals {
    key: [u8; 32],
    side: Side,
    sent: u64,
    heard: u64,
}

/// Why a message is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Whoever sent it does not know the key, or sent something else.
    #[error("the seal is not the other end's")]
    Forged,
    /// It is not the next one.
    #[error("message {got} came where {expected} was due")]
    Order {
        /// Its number.
        got: u64,
        /// The number that was due.
        expected: u64,
    },
    /// It is sealed, and yet no message.
    #[error("what is sealed is no message")]
    Text(#[from] serde_json::Error),
}

impl Seals {
    /// For one connection of a host's agent, with the words of chance of the agent and of the
    /// tracker.
    pub fn new(key: &Secret, host: &str, agents: &str, trackers: &str, side: Side) -> Self {
        // Each part with its length, so that no two lists of parts look alike.
        let parts = [PURPOSE, host, agents, trackers];
        let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let key = hmac(key.0.as_bytes(), &[text.as_bytes()]);
        Self { key, side, sent: 0, heard: 0 }
    }

    /// The number of the other end's last message.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Seals the next message.
    pub fn seal(&mut self, message: &impl Serialize) -> Sealed {
        self.sent += 1;
        let text = serde_json::to_string(message).expect("every message has a JSON form");
        let seal = hex(&self.of(self.side, self.sent, &text));
        Sealed { number: self.sent, text, seal }
    }

    /// Opens the other end's next message.
    pub fn open<T: DeserializeOwned>(&mut self, sealed: &Sealed) -> Result<T, SealError> {
        let other = match self.side {
            Side::Tracker => Side::Agent,
            Side::Agent => Side::Tracker,
        };
        let seal = hex(&self.of(other, sealed.number, &sealed.text));
        if !same(&seal, &sealed.seal) {
            return Err(SealError::Forged);
        }
        let expected = self.heard + 1;
        if sealed.number != expected {
            return Err(SealError::Order { got: sealed.number, expected });
        }
        self.heard = expected;
        Ok(serde_json::from_slice(sealed.text.as_bytes())?)
    }

    fn of(&self, sender: Side, number: u64, text: &str) -> [u8; 32] {
        let sender: &[u8] = match sender {
            Side::Tracker => b"t",
            Side::Agent => b"a",
        };
        hmac(&self.key, &[sender, &number.to_be_bytes(), text.as_bytes()])
    }
}

/// The SHA-256 of what travels beside a sealed message, to be named in it.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes).into())
}

/// Whether two keys or seals are the same, looking at every byte. Their length is no secret.
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let differ =
        one.iter().zip(other).fold(0, |differ, (a, b)| std::hint::black_box(differ | (a ^ b)));
    one.len() == other.len() && differ == 0
}

/// HMAC-SHA256 (RFC 2104) of the parts in a row.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps keys of other uses apart.
const PURPOSE: &str = "murder waiting agent 2";

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (Seals, Seals) {
        let key = Secret("k".to_owned());
        let seals = |side| Seals::new(&key, "web01", "one", "two", side);
        (seals(Side::Tracker), seals(Side::Agent))
    }

    fn refused(seals: &mut Seals, sealed: &Sealed) -> String {
        seals.open::<u32>(sealed).unwrap_err().to_string()
    }

    #[test]
    fn hmac_gives_the_values_of_rfc_4231() {
        let case = |key: &[u8], text: &str| hex(&hmac(key, &[text.as_bytes()]));
        assert_eq!(
            case(&[0x0b; 20], "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            case(b"Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            case(&[0xaa; 131], "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn what_one_end_seals_the_other_one_opens() {
        let (mut tracker, mut agent) = ends();
        for number in [7, 8] {
            assert_eq!(agent.open::<u32>(&tracker.seal(&number)).unwrap(), number);
            assert_eq!(tracker.open::<u32>(&agent.seal(&number)).unwrap(), number);
        }
    }

    #[test]
    fn a_message_that_was_changed_repeated_left_out_or_sent_back_is_not_opened() {
        let (mut tracker, mut agent) = ends();
        let (first, second) = (tracker.seal(&1), tracker.seal(&2));
        assert_eq!(refused(&mut agent, &second), "message 2 came where 1 was due");
        let forged = "the seal is not the other end's";
        assert_eq!(refused(&mut agent, &Sealed { text: "2".to_owned(), ..first.clone() }), forged);
        assert_eq!(refused(&mut agent, &Sealed { number: 1, ..second }), forged);
        assert_eq!(agent.open::<u32>(&first).unwrap(), 1);
        assert_eq!(refused(&mut agent, &first), "message 1 came where 2 was due");
        let own = agent.seal(&1);
        assert_eq!(refused(&mut agent, &own), forged);
    }

    #[test]
    fn nothing_of_another_connection_host_or_key_is_opened() {
        let key = |text: &str| Secret(text.to_owned());
        let cases = [
            Seals::new(&key("K"), "web01", "one", "two", Side::Tracker),
            Seals::new(&key("k"), "web02", "one", "two", Side::Tracker),
            Seals::new(&key("k"), "web01", "One", "two", Side::Tracker),
            Seals::new(&key("k"), "web01", "one", "Two", Side::Tracker),
            Seals::new(&key("k"), "web01", "on", "etwo", Side::Tracker),
        ];
        for mut other in cases {
            assert!(matches!(ends().1.open::<u32>(&other.seal(&1)), Err(SealError::Forged)));
        }
    }
}
