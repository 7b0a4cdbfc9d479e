//! The three names of 20 bytes: of a torrent, of what is in it, and of a peer.

use std::fmt;
use std::str::FromStr;

/// SHA-1 of a torrent's info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// Of a torrent's lengths and piece hashes. Unlike the info hash it does not change when the same
/// archive is made into a torrent again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 20]);

/// The name that a peer chose for itself (BEP 3, BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// The id of one of our agents: client and version (BEP 20), then chance.
    pub fn ours(chance: [u8; 12]) -> Self {
        let mut id = [0; 20];
        id[..8].copy_from_slice(CLIENT);
        id[8..].copy_from_slice(&chance);
        Self(id)
    }

    /// Whether one of our agents, of any version, made it.
    pub fn is_ours(&self) -> bool {
        self.0[..3] == CLIENT[..3] && self.0[7] == b'-'
    }
}

/// Why a text is not a name of 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 40 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! hex_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

hex_id!(InfoHash);
hex_id!(ContentHash);
hex_id!(PeerId);

fn parse_hex(text: &str) -> Result<[u8; 20], ParseIdError> {
    let digits = text.as_bytes();
    if digits.len() != 40 {
        return Err(ParseIdError);
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Result<u8, ParseIdError> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(ParseIdError)
}

/// Azureus style (BEP 20): two letters for the client, four digits for its version.
const CLIENT: &[u8; 8] = b"-MU0100-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_hexadecimal_form() {
        let id = InfoHash(std::array::from_fn(|i| (i * 13) as u8));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{:?}", InfoHash([0xab; 20])), format!("InfoHash({})", "ab".repeat(20)));
    }

    #[test]
    fn a_text_of_another_length_or_with_other_digits_is_no_id() {
        for text in ["", "ab", &"a".repeat(41), &"g".repeat(40), &"+1".repeat(20), &"é".repeat(20)]
        {
            let error = text.parse::<PeerId>().unwrap_err();
            assert_eq!(error.to_string(), "not 40 hexadecimal digits", "{text}");
        }
    }

    #[test]
    fn our_peer_ids_name_the_client_and_its_version() {
        let id = PeerId::ours(*b"twelve bytes");
        assert_eq!(&id.0, b"-MU0100-twelve bytes");
        assert!(id.is_ours() && !PeerId(*b"-TR4000-abcdefghijkl").is_ours());
        let version = env!("CARGO_PKG_VERSION").replace('.', "");
        assert!(id.0[3..7].starts_with(version.as_bytes()), "{version}");
    }
}
