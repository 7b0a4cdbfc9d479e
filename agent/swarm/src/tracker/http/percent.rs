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
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next())? << 4 | digit(rest.next())?,
            byte => byte,
        });
    }
    Ok(Cow::Owned(bytes))
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
}
