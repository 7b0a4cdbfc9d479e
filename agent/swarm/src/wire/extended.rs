//! The handshake of the extension protocol (BEP 10), which either side may send again later.

use std::net::IpAddr;

use crate::bencode::{BencodeError, Dict, Keys, Value};

/// What a peer says about itself, once the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// `m`: extensions by name, with the id under which the sender wants to get their messages.
    pub extensions: Vec<Extension>,
    /// `p`: the port on which the sender listens.
    pub port: Option<u16>,
    /// `v`: the sender's name and version.
    pub client: Option<String>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `reqq`: how many requests the sender is willing to have waiting.
    pub request_queue: Option<u32>,
    /// `upload_only` (BEP 21): whether the sender will ask for anything.
    pub wants: Wants,
    /// `murder`: what one of our agents can do beyond the standards.
    pub murder: Option<Murder>,
}

/// One extension of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its name, such as `ut_metadata`.
    pub name: String,
    /// Its message id; never 0, which means that it is switched off.
    pub id: u8,
}

/// Whether a peer still wants pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// It says nothing, or that it does.
    #[default]
    Pieces,
    /// It has what it wants (BEP 21), so two such peers need no connection.
    Nothing,
}

/// What our agents say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Murder {
    /// The longest block that may be requested, in bytes; at least [`Murder::LEAST_BLOCK`].
    pub block: u32,
}

impl Murder {
    /// What everybody must serve: the block length that all clients use.
    pub const LEAST_BLOCK: u32 = 16 * 1024;
}

/// Why a payload is not a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedError {
    /// It is not bencoded.
    #[error("an extension handshake that can't be read")]
    Bencode(#[from] BencodeError),
    /// It is something else.
    #[error("an extension handshake that is not a dictionary")]
    NotDict,
}

impl ExtendedHandshake {
    /// The message id of the handshake itself (BEP 10).
    pub const ID: u8 = 0;

    /// Reads the payload of an extended message with id 0. Keys of unexpected types are passed
    /// over, since other clients have their own ideas of them.
    pub fn parse(payload: &[u8]) -> Result<Self, ExtendedError> {
        let value = Value::parse(payload, Keys::Unsorted)?;
        let dict = value.as_dict().ok_or(ExtendedError::NotDict)?;
        let integer = |key| dict.get(key).and_then(Value::as_integer);
        Ok(Self {
            extensions: dict.get("m").and_then(Value::as_dict).map(extensions).unwrap_or_default(),
            port: integer("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            client: dict
                .get("v")
                .and_then(Value::as_text)
                .map(|text| text.chars().take(64).collect()),
            your_ip: dict.get("yourip").and_then(Value::as_bytes).and_then(address),
            request_queue: integer("reqq").and_then(|n| u32::try_from(n).ok()).filter(|n| *n != 0),
            wants: if integer("upload_only") == Some(1) { Wants::Nothing } else { Wants::Pieces },
            murder: dict.get("murder").and_then(Value::as_dict).and_then(murder),
        })
    }

    /// The payload of an extended message with id 0.
    pub fn encode(&self) -> Vec<u8> {
        let m = self.extensions.iter().fold(Dict::default(), |m, extension| {
            m.with(&extension.name, Value::Integer(extension.id.into()))
        });
        let your_ip = self.your_ip.map(octets);
        let mut dict = Dict::default().with("m", Value::Dict(m));
        if let Some(port) = self.port {
            dict = dict.with("p", Value::Integer(port.into()));
        }
        if let Some(client) = &self.client {
            dict = dict.with("v", Value::Bytes(client.as_bytes()));
        }
        if let Some(octets) = &your_ip {
            dict = dict.with("yourip", Value::Bytes(octets));
        }
        if let Some(requests) = self.request_queue {
            dict = dict.with("reqq", Value::Integer(requests.into()));
        }
        if self.wants == Wants::Nothing {
            dict = dict.with("upload_only", Value::Integer(1));
        }
        if let Some(murder) = self.murder {
            let own = Dict::default().with("block", Value::Integer(murder.block.into()));
            dict = dict.with("murder", Value::Dict(own));
        }
        let mut out = Vec::new();
        dict.encode(&mut out);
        out
    }
}

fn extensions(m: &Dict<'_>) -> Vec<Extension> {
    m.iter()
        .filter_map(|(name, id)| {
            let name = std::str::from_utf8(name).ok()?.to_owned();
            let id = u8::try_from(id.as_integer()?).ok().filter(|id| *id != 0)?;
            Some(Extension { name, id })
        })
        .collect()
}

fn murder(dict: &Dict<'_>) -> Option<Murder> {
    let block = u32::try_from(dict.get("block")?.as_integer()?).ok()?;
    (block >= Murder::LEAST_BLOCK).then_some(Murder { block })
}

/// BEP 10: "either an IPv4 (4 bytes) or IPv6 (16 bytes) address".
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> ExtendedHandshake {
        ExtendedHandshake {
            extensions: vec![Extension { name: "ut_metadata".into(), id: 3 }],
            port: Some(6881),
            client: Some("murder 0.1.0".into()),
            your_ip: Some("10.0.0.7".parse().unwrap()),
            request_queue: Some(250),
            wants: Wants::Nothing,
            murder: Some(Murder { block: 128 * 1024 }),
        }
    }

    #[test]
    fn a_handshake_survives_its_bytes() {
        assert_eq!(
            ours().encode(),
            b"d1:md11:ut_metadatai3ee6:murderd5:blocki131072ee1:pi6881e4:reqqi250e\
              11:upload_onlyi1e1:v12:murder 0.1.06:yourip4:\x0a\0\0\x07e"
        );
        assert_eq!(ExtendedHandshake::parse(&ours().encode()), Ok(ours()));
        let silent = ExtendedHandshake::default();
        assert_eq!(silent.encode(), b"d1:mdee");
        assert_eq!(ExtendedHandshake::parse(b"d1:mdee"), Ok(silent));
    }

    #[test]
    fn a_handshake_like_the_example_of_bep_10_is_read() {
        let payload =
            b"d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e";
        let got = ExtendedHandshake::parse(payload).unwrap();
        let names: Vec<_> = got.extensions.iter().map(|e| (e.name.as_str(), e.id)).collect();
        assert_eq!(names, [("LT_metadata", 1), ("µT_PEX", 2)]);
        assert_eq!((got.port, got.client.as_deref()), (Some(6881), Some("µTorrent 1.2")));
        assert_eq!((got.wants, got.murder), (Wants::Pieces, None));
    }

    #[test]
    fn keys_of_unexpected_types_or_values_are_passed_over() {
        let odd =
            b"d1:m0:6:murderd5:blocki1ee1:pi70000e4:reqqi-1e11:upload_only1:11:vi1e6:yourip3:abce";
        assert_eq!(ExtendedHandshake::parse(odd), Ok(ExtendedHandshake::default()));
    }

    #[test]
    fn an_extension_that_is_switched_off_is_none() {
        let got = ExtendedHandshake::parse(b"d1:md6:ut_pexi0eee").unwrap();
        assert_eq!(got.extensions, []);
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        let error = ExtendedHandshake::parse(b"i1e").unwrap_err();
        assert_eq!(error.to_string(), "an extension handshake that is not a dictionary");
        let error = ExtendedHandshake::parse(b"d").unwrap_err();
        assert_eq!(error.to_string(), "an extension handshake that can't be read");
    }
}
