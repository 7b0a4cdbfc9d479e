//! Percent-encoding (RFC 3986), which carries the raw bytes of info hashes and peer ids.

use std::borrow::Cow;

/// Why a text is not percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadPercent;

/// The bytes that a part of a query stands for. A plus is a plus: the parts of a tracker's query
/// are bytes and numbers, not the text of a form.
pub(super) fn decode(text: &str) -> Result<Cow<'_, [u8]>, BadPercent> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    bytes(text).collect::<Result<_, _>>().map(Cow::Owned)
}

/// The same for a part that stands for a fixed number of bytes.
pub(super) fn decode_exactly<const N: usize>(text: &str) -> Result<[u8; N], BadPercent> {
    let (mut decoded, mut bytes) = ([0; N], bytes(text));
    for byte in &mut decoded {
        *byte = bytes.next().ok_or(BadPercent)??;
    }
    if bytes.next().is_some() { Err(BadPercent) } else { Ok(decoded) }
}

fn bytes(text: &str) -> impl Iterator<Item = Result<u8, BadPercent>> {
    let mut rest = text.bytes();
    std::iter::from_fn(move || {
        let byte = rest.next()?;
        Some(if byte == b'%' { escaped(rest.next(), rest.next()) } else { Ok(byte) })
    })
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Result<u8, BadPercent> {
    Ok(digit(high)? << 4 | digit(low)?)
}

/// Appends bytes in the form in which they can stand in a query.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn digit(byte: Option<u8>) -> Result<u8, BadPercent> {
    let value = byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(BadPercent)?;
    Ok(value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_query() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        encode(&bytes, &mut text);
        assert!(text.is_ascii() && !text.contains(['&', '=', '+', ' ', '#']));
        assert_eq!(decode(&text).as_deref(), Ok(bytes.as_slice()));
    }

    #[test]
    fn a_percent_sign_needs_two_digits() {
        for text in ["%", "%4", "%4g", "a%"] {
            assert_eq!(decode(text), Err(BadPercent), "{text}");
        }
        assert_eq!(decode("%aF+").as_deref(), Ok(b"\xaf+".as_slice()));
    }

    #[test]
    fn a_name_has_its_number_of_bytes() {
        assert_eq!(decode_exactly("a%62c"), Ok(*b"abc"));
        for text in ["ab", "abcd", "ab%6", "ab%"] {
            assert_eq!(decode_exactly::<3>(text), Err(BadPercent), "{text}");
        }
    }
}
