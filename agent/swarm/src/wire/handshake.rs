//! The 68 bytes with which each side opens a connection (BEP 3).

use super::{InfoHash, PeerId};

/// What a peer says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The extensions that it speaks.
    pub reserved: Reserved,
    /// The torrent that it is here for.
    pub info_hash: InfoHash,
    /// Its name.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Bytes of a handshake.
    pub const LEN: usize = 68;

    /// The bytes to send.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id.0);
        bytes
    }

    /// Reads the bytes that came.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, HandshakeError> {
        if bytes[..20] != *PROTOCOL {
            return Err(HandshakeError::OtherProtocol);
        }
        Ok(Self {
            reserved: Reserved(array(&bytes[20..28])),
            info_hash: InfoHash(array(&bytes[28..48])),
            peer_id: PeerId(array(&bytes[48..])),
        })
    }
}

/// Why bytes are not a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The first 20 bytes are others.
    #[error("the other side does not speak BitTorrent")]
    OtherProtocol,
}

/// The 64 bits that say which extensions a peer speaks. Unknown bits mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// What our agents speak: the fast extension and the extension protocol.
    pub const OURS: Self = Self([0, 0, 0, 0, 0, EXTENDED, 0, FAST]);

    /// Whether the fast extension can be used (BEP 6: "both ends set this bit").
    pub const fn fast(&self) -> bool {
        self.0[7] & FAST != 0
    }

    /// Whether the extension protocol can be used (BEP 10).
    pub const fn extended(&self) -> bool {
        self.0[5] & EXTENDED != 0
    }

    /// What two peers can use with each other.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}

/// BEP 3: the length of the protocol's name, then the name.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// BEP 6: the third least significant bit of the last byte.
const FAST: u8 = 0x04;
/// BEP 10: bit 20 from the right.
const EXTENDED: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Handshake {
        Handshake {
            reserved: Reserved::OURS,
            info_hash: InfoHash([7; 20]),
            peer_id: PeerId([9; 20]),
        }
    }

    #[test]
    fn a_handshake_survives_its_bytes() {
        let bytes = ours().encode();
        assert_eq!(&bytes[..28], b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04");
        assert_eq!(Handshake::decode(&bytes), Ok(ours()));
    }

    #[test]
    fn another_protocol_is_refused() {
        let mut bytes = ours().encode();
        bytes[..4].copy_from_slice(b"GET ");
        let error = Handshake::decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "the other side does not speak BitTorrent");
    }

    #[test]
    fn only_extensions_of_both_sides_are_used() {
        let dht_and_fast = Reserved([0, 0, 0, 0, 0, 0, 0, 0x05]);
        let common = Reserved::OURS.common(&dht_and_fast);
        assert!(common.fast() && !common.extended());
        assert!(Reserved::OURS.extended());
    }
}
