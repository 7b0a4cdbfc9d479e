//! Messages to bytes and back, with a bound on what a hostile peer can make us hold.

use super::{Message, Span};
use crate::Lengths;

/// Bytes of a `piece` message before its payload.
pub const BLOCK_HEADER: usize = 13;

/// How long messages of one torrent may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    bitfield: u32,
    block: u32,
}

impl Limits {
    /// The limits of a torrent of which nobody is asked for more than `block` bytes at once.
    pub fn new(lengths: &Lengths, block: u32) -> Self {
        Self { bitfield: lengths.pieces().div_ceil(8), block }
    }

    /// The most bytes that [`decode`] asks for before it has something: room for a read buffer.
    pub fn buffer(&self) -> usize {
        LENGTH + self.longest_in_memory() as usize
    }

    fn longest_in_memory(&self) -> u32 {
        (self.bitfield + 1).max(EXTENDED_LIMIT)
    }

    fn of(&self, id: u8) -> u32 {
        match id {
            BITFIELD => self.bitfield + 1,
            PIECE => self.block.saturating_add(PIECE_FIELDS),
            _ => EXTENDED_LIMIT,
        }
    }
}

/// What the bytes received so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The beginning of something.
    NeedMore,
    /// A whole message.
    Message {
        /// The message.
        message: Message,
        /// Its bytes.
        consumed: usize,
    },
    /// A `piece` message: `span.len` bytes of payload follow the header.
    BlockHeader {
        /// The block that follows.
        span: Span,
        /// Bytes of the header: [`BLOCK_HEADER`].
        consumed: usize,
    },
    /// A message that no BEP of ours knows; to be passed over.
    Unknown {
        /// Its number.
        id: u8,
        /// Its bytes.
        consumed: usize,
    },
}

/// What a peer can do wrong with the form of its messages. It is not worth talking to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Nobody may make us hold so much.
    #[error("a message {id} of {len} bytes, where at most {limit} are allowed")]
    TooLong {
        /// The message's number.
        id: u8,
        /// Bytes after the length prefix.
        len: u32,
        /// The most bytes after the length prefix.
        limit: u32,
    },
    /// A message of fixed length had another.
    #[error("a message {id} of {len} bytes, which is not its length")]
    WrongLength {
        /// The message's number.
        id: u8,
        /// Bytes after the length prefix.
        len: u32,
    },
}

/// Reads the first message of `bytes`. Call again with the bytes after it until more are needed.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, WireError> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return Ok(Decoded::NeedMore);
    };
    let len = u32::from_be_bytes(*prefix);
    if len == 0 {
        return Ok(Decoded::Message { message: Message::KeepAlive, consumed: LENGTH });
    }
    let Some((&id, rest)) = rest.split_first() else {
        return Ok(Decoded::NeedMore);
    };
    check_length(id, len, limits)?;
    if id == PIECE {
        return Ok(decode_block_header(rest, len));
    }
    let Some(body) = rest.get(..len as usize - 1) else {
        return Ok(Decoded::NeedMore);
    };
    let consumed = LENGTH + len as usize;
    Ok(match decode_body(id, body) {
        Some(message) => Decoded::Message { message, consumed },
        None => Decoded::Unknown { id, consumed },
    })
}

/// Appends the bytes of a message.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0; LENGTH]);
    encode_body(message, out);
    let len = u32::try_from(out.len() - start - LENGTH).expect("no message of ours has 4 GiB");
    out[start..start + LENGTH].copy_from_slice(&len.to_be_bytes());
}

/// The bytes of a `piece` message up to its payload of `len` bytes.
pub fn encode_block_header(index: u32, begin: u32, len: u32) -> [u8; BLOCK_HEADER] {
    let mut header = [0; BLOCK_HEADER];
    header[..4].copy_from_slice(&(PIECE_FIELDS + len).to_be_bytes());
    header[4] = PIECE;
    header[5..9].copy_from_slice(&index.to_be_bytes());
    header[9..].copy_from_slice(&begin.to_be_bytes());
    header
}

fn check_length(id: u8, len: u32, limits: &Limits) -> Result<(), WireError> {
    let limit = limits.of(id);
    let fits = match id {
        CHOKE | UNCHOKE | INTERESTED | NOT_INTERESTED | HAVE_ALL | HAVE_NONE => len == 1,
        HAVE | SUGGEST_PIECE | ALLOWED_FAST => len == 5,
        REQUEST | CANCEL | REJECT_REQUEST => len == 13,
        PORT => len == 3,
        // An empty block would say nothing, and an extended message without its id neither.
        PIECE => len > PIECE_FIELDS,
        EXTENDED => len > 1,
        _ => true,
    };
    match fits {
        true if len > limit => Err(WireError::TooLong { id, len, limit }),
        true => Ok(()),
        false => Err(WireError::WrongLength { id, len }),
    }
}

fn decode_block_header(rest: &[u8], len: u32) -> Decoded {
    match rest.first_chunk::<8>() {
        None => Decoded::NeedMore,
        Some(fields) => Decoded::BlockHeader {
            span: Span {
                index: number(fields, 0),
                begin: number(fields, 4),
                len: len - PIECE_FIELDS,
            },
            consumed: BLOCK_HEADER,
        },
    }
}

/// The lengths were checked before.
fn decode_body(id: u8, body: &[u8]) -> Option<Message> {
    let span = || Span { index: number(body, 0), begin: number(body, 4), len: number(body, 8) };
    Some(match id {
        CHOKE => Message::Choke,
        UNCHOKE => Message::Unchoke,
        INTERESTED => Message::Interested,
        NOT_INTERESTED => Message::NotInterested,
        HAVE => Message::Have(number(body, 0)),
        BITFIELD => Message::Bitfield(body.to_vec()),
        REQUEST => Message::Request(span()),
        CANCEL => Message::Cancel(span()),
        PORT => Message::Port(u16::from_be_bytes([body[0], body[1]])),
        SUGGEST_PIECE => Message::SuggestPiece(number(body, 0)),
        HAVE_ALL => Message::HaveAll,
        HAVE_NONE => Message::HaveNone,
        REJECT_REQUEST => Message::RejectRequest(span()),
        ALLOWED_FAST => Message::AllowedFast(number(body, 0)),
        EXTENDED => Message::Extended { id: body[0], payload: body[1..].to_vec() },
        _ => return None,
    })
}

fn encode_body(message: &Message, out: &mut Vec<u8>) {
    let mut put = |id: u8, numbers: &[u32]| {
        out.push(id);
        numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
    };
    match message {
        Message::KeepAlive => {}
        Message::Choke => put(CHOKE, &[]),
        Message::Unchoke => put(UNCHOKE, &[]),
        Message::Interested => put(INTERESTED, &[]),
        Message::NotInterested => put(NOT_INTERESTED, &[]),
        Message::Have(index) => put(HAVE, &[*index]),
        Message::Request(span) => put(REQUEST, &[span.index, span.begin, span.len]),
        Message::Cancel(span) => put(CANCEL, &[span.index, span.begin, span.len]),
        Message::SuggestPiece(index) => put(SUGGEST_PIECE, &[*index]),
        Message::HaveAll => put(HAVE_ALL, &[]),
        Message::HaveNone => put(HAVE_NONE, &[]),
        Message::RejectRequest(span) => put(REJECT_REQUEST, &[span.index, span.begin, span.len]),
        Message::AllowedFast(index) => put(ALLOWED_FAST, &[*index]),
        Message::Bitfield(bits) => {
            out.push(BITFIELD);
            out.extend(bits);
        }
        Message::Port(port) => {
            out.push(PORT);
            out.extend(port.to_be_bytes());
        }
        Message::Extended { id, payload } => {
            out.extend([EXTENDED, *id]);
            out.extend(payload);
        }
    }
}

fn number(body: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
}

/// Bytes of the length prefix (BEP 3).
const LENGTH: usize = 4;
/// Bytes of a `piece` message after the length prefix and before the payload: id, index, begin.
const PIECE_FIELDS: u32 = 9;
/// The longest extended or unknown message. BEP 10 sets no limit, but an extension handshake has
/// some hundred bytes, and the longest message of a known extension is a 16 KiB block of BEP 9.
const EXTENDED_LIMIT: u32 = 32 * 1024;

// BEP 3.
const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
// BEP 5.
const PORT: u8 = 9;
// BEP 6.
const SUGGEST_PIECE: u8 = 0x0d;
const HAVE_ALL: u8 = 0x0e;
const HAVE_NONE: u8 = 0x0f;
const REJECT_REQUEST: u8 = 0x10;
const ALLOWED_FAST: u8 = 0x11;
// BEP 10.
const EXTENDED: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::new(&Lengths::new(100 << 20, 1 << 20).unwrap(), 16 * 1024)
    }

    fn every_message() -> Vec<Message> {
        let span = Span { index: 1, begin: 2, len: 3 };
        vec![
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::Have(0x0102_0304),
            Message::Bitfield(vec![0xff; 13]),
            Message::Request(span),
            Message::Cancel(span),
            Message::Port(6881),
            Message::SuggestPiece(5),
            Message::HaveAll,
            Message::HaveNone,
            Message::RejectRequest(span),
            Message::AllowedFast(6),
            Message::Extended { id: 0, payload: b"de".to_vec() },
        ]
    }

    #[test]
    fn every_message_survives_its_bytes_however_they_are_cut() {
        let mut bytes = Vec::new();
        every_message().iter().for_each(|message| encode(message, &mut bytes));
        let mut got = Vec::new();
        let (mut start, mut end) = (0, 0);
        while start < bytes.len() {
            match decode(&bytes[start..end], &limits()).unwrap() {
                Decoded::NeedMore => end += 1,
                Decoded::Message { message, consumed } => {
                    got.push(message);
                    start += consumed;
                    assert_eq!(start, end);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(got, every_message());
    }

    #[test]
    fn a_request_has_the_bytes_of_bep_3() {
        let mut bytes = Vec::new();
        encode(&Message::Request(Span { index: 1, begin: 0x4000, len: 0x4000 }), &mut bytes);
        assert_eq!(bytes, b"\0\0\0\x0d\x06\0\0\0\x01\0\0\x40\0\0\0\x40\0");
    }

    #[test]
    fn a_block_is_announced_by_its_header_before_its_payload_is_here() {
        let header = encode_block_header(3, 0x8000, 0x4000);
        assert_eq!(decode(&header[..12], &limits()), Ok(Decoded::NeedMore));
        let span = Span { index: 3, begin: 0x8000, len: 0x4000 };
        assert_eq!(decode(&header, &limits()), Ok(Decoded::BlockHeader { span, consumed: 13 }));
    }

    #[test]
    fn a_message_nobody_knows_is_passed_over() {
        let decoded = decode(b"\0\0\0\x03\x63ab\0", &limits());
        assert_eq!(decoded, Ok(Decoded::Unknown { id: 0x63, consumed: 7 }));
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_is_here() {
        let refused = |bytes: &[u8]| decode(bytes, &limits()).unwrap_err().to_string();
        assert_eq!(
            refused(b"\xff\xff\xff\xff\x14"),
            "a message 20 of 4294967295 bytes, where at most 32768 are allowed"
        );
        assert_eq!(
            refused(&encode_block_header(0, 0, 16 * 1024 + 1)),
            "a message 7 of 16394 bytes, where at most 16393 are allowed"
        );
        assert_eq!(
            refused(b"\0\0\0\x0f\x05"),
            "a message 5 of 15 bytes, where at most 14 are allowed"
        );
        assert_eq!(
            refused(b"\0\x01\0\0\xfe"),
            "a message 254 of 65536 bytes, where at most 32768 are allowed"
        );
    }

    #[test]
    fn a_message_of_fixed_length_has_that_length() {
        let refused = |bytes: &[u8]| decode(bytes, &limits()).unwrap_err().to_string();
        assert_eq!(refused(b"\0\0\0\x02\x00"), "a message 0 of 2 bytes, which is not its length");
        assert_eq!(refused(b"\0\0\0\x04\x04"), "a message 4 of 4 bytes, which is not its length");
        assert_eq!(refused(b"\0\0\0\x09\x07"), "a message 7 of 9 bytes, which is not its length");
        assert_eq!(refused(b"\0\0\0\x01\x14"), "a message 20 of 1 bytes, which is not its length");
    }

    #[test]
    fn the_read_buffer_holds_the_longest_message_that_is_not_a_block() {
        assert_eq!(limits().buffer(), 4 + 32 * 1024);
        let million_pieces = Lengths::new(1 << 20, 1).unwrap();
        assert_eq!(Limits::new(&million_pieces, 1).buffer(), 4 + 1 + (1 << 17));
    }

    #[test]
    fn bytes_of_chance_never_panic() {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut bytes = Vec::new();
        every_message().iter().for_each(|message| encode(message, &mut bytes));
        for _ in 0..20_000 {
            let mut broken = bytes.clone();
            for _ in 0..chance.usize(1..4) {
                let at = chance.usize(..broken.len());
                broken[at] = chance.u8(..);
            }
            let mut rest = broken.as_slice();
            while let Ok(
                Decoded::Message { consumed, .. }
                | Decoded::BlockHeader { consumed, .. }
                | Decoded::Unknown { consumed, .. },
            ) = decode(rest, &limits())
            {
                rest = &rest[consumed..];
            }
        }
    }
}
