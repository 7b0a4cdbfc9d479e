//! What a member asks the tracker over HTTP.

use std::net::{IpAddr, SocketAddr};

use super::percent;
use crate::tracker::{Announce, Event, Want};
use crate::wire::{InfoHash, PeerId};

/// A request target that the tracker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `/announce` (BEP 3).
    Announce(AnnounceQuery),
    /// `/scrape` (BEP 48), of these torrents.
    Scrape(Vec<InfoHash>),
}

/// The parameters of `/announce` (BEP 3, 7, 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The member.
    pub peer_id: PeerId,
    /// The port that it listens on.
    pub port: u16,
    /// Its own word for its address.
    pub ip: Option<IpAddr>,
    /// Bytes that it has sent.
    pub uploaded: u64,
    /// Bytes that it has received.
    pub downloaded: u64,
    /// Bytes that it lacks; unknown to a client that has no metainfo yet.
    pub left: Option<u64>,
    /// Why it calls.
    pub event: Event,
    /// How many others it wants to hear of.
    pub numwant: u32,
    /// How it wants to hear of them.
    pub form: Form,
}

/// The form of the peers in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 6 or 18 bytes each (BEP 23, BEP 7).
    Compact,
    /// A dictionary each (BEP 3).
    Dicts,
    /// A dictionary each, without the peer id.
    DictsWithoutId,
}

/// Why a request is not answered. The text is the `failure reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Another path.
    #[error("this tracker has /announce and /scrape only")]
    NoSuchPath,
    /// A parameter that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter has a value that it can not have.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    /// A list of all torrents would let anybody in.
    #[error("a scrape names its torrents")]
    ScrapeOfAll,
    /// More than anybody needs.
    #[error("a scrape names at most 64 torrents")]
    ScrapeOfMany,
}

impl Query {
    /// Reads a request target, such as `/announce?info_hash=...`.
    pub fn parse(target: &str) -> Result<Self, QueryError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/announce" => AnnounceQuery::parse(query).map(Self::Announce),
            "/scrape" => parse_scrape(query).map(Self::Scrape),
            _ => Err(QueryError::NoSuchPath),
        }
    }
}

impl AnnounceQuery {
    /// What it means, if it came from `observed`. A member's own word for its address counts,
    /// since whoever knows the info hash may be trusted that far.
    pub fn announce(&self, observed: IpAddr) -> Announce {
        let given = self.ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        let ip = given.unwrap_or(observed).to_canonical();
        Announce {
            info_hash: self.info_hash,
            peer_id: self.peer_id,
            addr: SocketAddr::new(ip, self.port),
            event: self.event,
            left: self.left.unwrap_or(u64::MAX),
            want: Want::UpTo(self.numwant),
        }
    }

    fn parse(query: &str) -> Result<Self, QueryError> {
        let typed = Typed::of(query);
        let form = match (typed.compact, typed.no_peer_id) {
            (Some("0"), Some("1")) => Form::DictsWithoutId,
            (Some("0"), _) => Form::Dicts,
            _ => Form::Compact,
        };
        let port: u16 = number(typed.port, "port")?.ok_or(QueryError::Missing("port"))?;
        if port == 0 {
            return Err(QueryError::Invalid("port"));
        }
        Ok(Self {
            info_hash: InfoHash(id(typed.info_hash, "info_hash")?),
            peer_id: PeerId(id(typed.peer_id, "peer_id")?),
            port,
            ip: typed.ip.map(parse_ip).transpose()?.flatten(),
            uploaded: number(typed.uploaded, "uploaded")?.unwrap_or(0),
            downloaded: number(typed.downloaded, "downloaded")?.unwrap_or(0),
            left: parse_left(typed.left)?,
            event: parse_event(typed.event)?,
            numwant: parse_numwant(typed.numwant)?,
            form,
        })
    }
}

/// The parameters of an announce as they were typed. Of one that comes twice the first counts.
#[derive(Default)]
struct Typed<'a> {
    info_hash: Option<&'a str>,
    peer_id: Option<&'a str>,
    port: Option<&'a str>,
    ip: Option<&'a str>,
    uploaded: Option<&'a str>,
    downloaded: Option<&'a str>,
    left: Option<&'a str>,
    event: Option<&'a str>,
    numwant: Option<&'a str>,
    compact: Option<&'a str>,
    no_peer_id: Option<&'a str>,
}

impl<'a> Typed<'a> {
    fn of(query: &'a str) -> Self {
        let mut typed = Self::default();
        for (key, value) in parameters(query) {
            let place = match key {
                "info_hash" => &mut typed.info_hash,
                "peer_id" => &mut typed.peer_id,
                "port" => &mut typed.port,
                "ip" => &mut typed.ip,
                "uploaded" => &mut typed.uploaded,
                "downloaded" => &mut typed.downloaded,
                "left" => &mut typed.left,
                "event" => &mut typed.event,
                "numwant" => &mut typed.numwant,
                "compact" => &mut typed.compact,
                "no_peer_id" => &mut typed.no_peer_id,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        typed
    }
}

fn parse_scrape(query: &str) -> Result<Vec<InfoHash>, QueryError> {
    let wanted = parameters(query).filter(|(key, _)| *key == "info_hash");
    let wanted: Vec<_> =
        wanted.map(|(_, value)| id_of("info_hash", value)).collect::<Result<_, _>>()?;
    match wanted.len() {
        0 => Err(QueryError::ScrapeOfAll),
        1..=MAX_SCRAPE => Ok(wanted.into_iter().map(InfoHash).collect()),
        _ => Err(QueryError::ScrapeOfMany),
    }
}

fn parse_event(text: Option<&str>) -> Result<Event, QueryError> {
    match text {
        // BEP 21's `paused` is a member that is still there.
        None | Some("" | "empty" | "paused") => Ok(Event::Regular),
        Some("started") => Ok(Event::Started),
        Some("completed") => Ok(Event::Completed),
        Some("stopped") => Ok(Event::Stopped),
        Some(_) => Err(QueryError::Invalid("event")),
    }
}

/// BEP 3 allows a DNS name here. This tracker resolves nothing, so a name counts as not given.
fn parse_ip(text: &str) -> Result<Option<IpAddr>, QueryError> {
    let bytes = percent::decode(text).map_err(|_| QueryError::Invalid("ip"))?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()))
}

/// Some clients send the largest number of 64 bits, or -1, while they do not know yet.
fn parse_left(text: Option<&str>) -> Result<Option<u64>, QueryError> {
    match text {
        Some("-1") => Ok(None),
        _ => number(text, "left"),
    }
}

/// Negative numbers mean that the tracker may choose.
fn parse_numwant(text: Option<&str>) -> Result<u32, QueryError> {
    let wanted: Option<i64> = number(text, "numwant")?;
    Ok(wanted.and_then(|wanted| u32::try_from(wanted).ok()).unwrap_or(DEFAULT_NUMWANT))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|parameter| parameter.split_once('='))
}

fn number<T: std::str::FromStr>(
    text: Option<&str>,
    key: &'static str,
) -> Result<Option<T>, QueryError> {
    text.map(|text| text.parse().map_err(|_| QueryError::Invalid(key))).transpose()
}

fn id(text: Option<&str>, key: &'static str) -> Result<[u8; 20], QueryError> {
    id_of(key, text.ok_or(QueryError::Missing(key))?)
}

fn id_of(key: &'static str, value: &str) -> Result<[u8; 20], QueryError> {
    percent::decode_exactly(value).map_err(|_| QueryError::Invalid(key))
}

/// BEP 3: "If not specified, the default is 50".
const DEFAULT_NUMWANT: u32 = 50;
/// What libtorrent sends at the most.
const MAX_SCRAPE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: &str = "info_hash=%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10abc%ff\
                       &peer_id=-TR4000-abcdefghijkl";

    fn announce(rest: &str) -> Result<AnnounceQuery, QueryError> {
        match Query::parse(&format!("/announce?{WHO}&{rest}"))? {
            Query::Announce(query) => Ok(query),
            other => panic!("{other:?}"),
        }
    }

    fn refused(target: &str) -> String {
        Query::parse(target).unwrap_err().to_string()
    }

    #[test]
    fn an_announce_is_read() {
        let query = announce(
            "port=6881&uploaded=1&downloaded=2&left=3&event=started&numwant=7&compact=1&key=x&ip=10.0.0.1",
        );
        let mut hash: [u8; 20] = std::array::from_fn(|i| i as u8 + 1);
        hash[16..].copy_from_slice(b"abc\xff");
        let expected = AnnounceQuery {
            info_hash: InfoHash(hash),
            peer_id: PeerId(*b"-TR4000-abcdefghijkl"),
            port: 6881,
            ip: Some("10.0.0.1".parse().unwrap()),
            uploaded: 1,
            downloaded: 2,
            left: Some(3),
            event: Event::Started,
            numwant: 7,
            form: Form::Compact,
        };
        assert_eq!(query, Ok(expected));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let query = announce("port=1").unwrap();
        assert_eq!((query.numwant, query.event, query.left), (50, Event::Regular, None));
        assert_eq!((query.form, query.ip), (Form::Compact, None));
        assert_eq!(announce("port=1&numwant=-1&left=-1&event=").unwrap(), query);
        assert_eq!(announce("port=1&compact=0").unwrap().form, Form::Dicts);
        assert_eq!(announce("port=1&compact=0&no_peer_id=1").unwrap().form, Form::DictsWithoutId);
    }

    #[test]
    fn the_given_address_counts_before_the_observed_one_unless_it_is_none() {
        let addr = |rest: &str, observed: &str| {
            announce(rest).unwrap().announce(observed.parse().unwrap()).addr.to_string()
        };
        assert_eq!(addr("port=1", "10.0.0.9"), "10.0.0.9:1");
        assert_eq!(addr("port=1", "::ffff:10.0.0.9"), "10.0.0.9:1");
        assert_eq!(addr("port=1&ip=10.0.0.1", "10.0.0.9"), "10.0.0.1:1");
        assert_eq!(addr("port=1&ip=fd00%3A%3A1", "10.0.0.9"), "[fd00::1]:1");
        for given in ["0.0.0.0", "224.0.0.1", "host.example", ""] {
            assert_eq!(addr(&format!("port=1&ip={given}"), "10.0.0.9"), "10.0.0.9:1");
        }
    }

    #[test]
    fn a_member_that_knows_not_what_it_lacks_is_no_seed() {
        assert_eq!(
            announce("port=1").unwrap().announce("10.0.0.9".parse().unwrap()).left,
            u64::MAX
        );
    }

    #[test]
    fn bad_announces_say_what_is_wrong() {
        let refused = |rest: &str| announce(rest).unwrap_err().to_string();
        assert_eq!(refused(""), "port is missing");
        assert_eq!(refused("port=0"), "port is not valid");
        assert_eq!(refused("port=65536"), "port is not valid");
        assert_eq!(refused("port=1&left=many"), "left is not valid");
        assert_eq!(refused("port=1&event=begun"), "event is not valid");
        assert_eq!(refused("port=1&numwant=1e9"), "numwant is not valid");
        assert_eq!(refused("port=1&ip=%zz"), "ip is not valid");
    }

    #[test]
    fn ids_are_there_and_have_20_bytes() {
        assert_eq!(refused("/announce?port=1"), "info_hash is missing");
        assert_eq!(refused("/announce?port=1&info_hash=abc"), "info_hash is not valid");
        assert_eq!(refused("/announce?port=1&info_hash=%"), "info_hash is not valid");
        let info_hash = "a".repeat(20);
        assert_eq!(
            refused(&format!("/announce?port=1&info_hash={info_hash}")),
            "peer_id is missing"
        );
    }

    #[test]
    fn other_paths_are_refused() {
        for target in ["/", "", "/announce/", "/stats", "announce?port=1"] {
            assert_eq!(refused(target), "this tracker has /announce and /scrape only");
        }
    }

    #[test]
    fn a_scrape_names_its_torrents() {
        let hashes = [InfoHash([b'a'; 20]), InfoHash([b'b'; 20])];
        let target = format!("/scrape?info_hash={}&info_hash={}", "a".repeat(20), "b".repeat(20));
        assert_eq!(Query::parse(&target), Ok(Query::Scrape(hashes.to_vec())));
        assert_eq!(refused("/scrape"), "a scrape names its torrents");
        let many = format!("/scrape?{}", format!("info_hash={}&", "a".repeat(20)).repeat(65));
        assert_eq!(refused(&many), "a scrape names at most 64 torrents");
        assert_eq!(refused("/scrape?info_hash=short"), "info_hash is not valid");
    }

    #[test]
    fn broken_queries_never_panic() {
        let whole = format!("/announce?{WHO}&port=6881&left=3&event=started&ip=10.0.0.1&numwant=7");
        let mut chance = fastrand::Rng::with_seed(4);
        for _ in 0..20_000 {
            let mut broken: Vec<char> = whole.chars().collect();
            for _ in 0..chance.usize(1..5) {
                let at = chance.usize(..broken.len());
                broken[at] =
                    ['%', '&', '=', '?', '/', '-', '0', '9', 'é', '\0'][chance.usize(..10)];
            }
            let _ = Query::parse(&broken.into_iter().collect::<String>());
        }
    }
}
