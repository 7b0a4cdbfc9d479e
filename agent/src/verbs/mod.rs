//! The short-lived part: one request on stdin, events and one reply on stdout.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::ExitCode;

use murder_protocol::verbs::{self, NoEvent, Verb};
use murder_protocol::{Blame, Failure, Frame, PROTOCOL, Request, encode};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::blamed::Blamed as _;
use crate::home::Home;

mod clean;
mod deploy_lock;
mod doctor;
mod exec;
mod hello;
mod logs;
mod orders;
mod peer_start;
mod release;
mod runs;
mod seed_start;
mod status;
mod stop;
mod torrent;
mod tracker_start;
mod uninstall;
mod warm;
mod watch;

pub(crate) use peer_start::start as start_peer;

/// Carries out the verb with this name. The exit status is 0 when a reply was written and 1 when
/// a failure was.
pub fn run(name: &str) -> ExitCode {
    use verbs as v;
    match name {
        v::Hello::NAME => answer(hello::run),
        v::TrackerStart::NAME => answer(tracker_start::run),
        v::TorrentRegister::NAME => answer(runs::register),
        v::RunOpen::NAME => answer(runs::open),
        v::RunList::NAME => answer(runs::list),
        v::Watch::NAME => answer(watch::run),
        v::PeerStart::NAME => answer(peer_start::run),
        v::SeedStart::NAME => answer(seed_start::run),
        v::TorrentCreate::NAME => answer(torrent::create),
        v::TorrentReceive::NAME => answer(torrent::receive),
        v::Pack::NAME => answer_anywhere(torrent::send),
        v::TorrentRead::NAME => answer(torrent::read),
        v::TrackerStop::NAME => answer(stop::tracker),
        v::SeedStop::NAME => answer(stop::seeders),
        v::PeerStop::NAME => answer(stop::peers),
        v::WarmExpect::NAME => answer(warm::expect),
        v::WarmForget::NAME => answer(warm::forget),
        v::WarmStart::NAME => answer(warm::start),
        v::WarmStop::NAME => answer(warm::stop),
        v::HandOut::NAME => answer(orders::hand_out),
        v::Release::NAME => answer(release::run),
        v::ReleaseOut::NAME => answer(orders::release_out),
        v::SwitchOut::NAME => answer(orders::switch_out),
        v::DeployLock::NAME => answer(deploy_lock::lock),
        v::DeployUnlock::NAME => answer(deploy_lock::unlock),
        v::Exec::NAME => answer(exec::run),
        v::Clean::NAME => answer(clean::run),
        v::Status::NAME => answer(status::run),
        v::Logs::NAME => answer(logs::run),
        v::Doctor::NAME => answer(doctor::run),
        v::Uninstall::NAME => answer(uninstall::run),
        other => {
            let text = format!("this agent does not know the verb {other:?}");
            fail(Failure::new(Blame::Operator, text).hint(UPDATE))
        }
    }
}

/// The way back to the workstation while a verb is carried out.
#[derive(Debug)]
pub struct Replies<V> {
    verb: std::marker::PhantomData<fn(V)>,
}

impl<V: Verb> Replies<V> {
    /// Says that something happened. An error means that nobody listens any more.
    pub fn event(&mut self, event: V::Event) -> io::Result<()> {
        write(&encode(&Frame::<V::Event, V::Reply>::Event(event)))
    }

    /// Returns when the workstation has closed its end of stdin.
    ///
    /// A verb that takes further inputs reads them from [`io::stdin`] (or tokio's, which is the
    /// same one): nothing of it was read beyond the request's line.
    pub fn wait_for_end_of_input(&mut self) -> io::Result<()> {
        io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
    }
}

fn answer<V: Verb>(
    carry_out: impl FnOnce(V, &Home, &mut Replies<V>) -> Result<V::Reply, Failure>,
) -> ExitCode {
    answer_anywhere(|request, replies| carry_out(request, &home()?, replies))
}

/// For a verb that needs no folder of the agent's.
fn answer_anywhere<V: Verb>(
    carry_out: impl FnOnce(V, &mut Replies<V>) -> Result<V::Reply, Failure>,
) -> ExitCode {
    let mut replies = Replies { verb: std::marker::PhantomData };
    let result = read_request()
        .and_then(|line| parse(&line))
        .and_then(|request| carry_out(request, &mut replies));
    match result {
        Ok(reply) => {
            let written = write(&encode(&Frame::<V::Event, V::Reply>::Reply(reply)));
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => fail(failure),
    }
}

// What follows is not repeated for each verb, which the agent's size shows.

fn fail(failure: Failure) -> ExitCode {
    // If nobody listens there is nobody to tell that.
    let _ = write(&encode(&Frame::<NoEvent, ()>::Failed(failure)));
    ExitCode::FAILURE
}

fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

fn home() -> Result<Home, Failure> {
    Home::of_executable().map_err(|error| error.failure())
}

/// Looks at the protocol's number first, because the rest of another one may look like anything.
fn read_request() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_REQUEST).read_line(&mut line).map_err(|error| {
        Failure::new(Blame::Network, format!("could not read the request: {error}"))
    })?;
    check_protocol(&line)?;
    Ok(line)
}

fn check_protocol(line: &str) -> Result<(), Failure> {
    if line.is_empty() {
        return Err(Failure::new(Blame::Network, "stdin was closed before a request came"));
    }
    let Request::<IgnoredAny> { protocol, .. } =
        serde_json::from_slice(line.as_bytes()).map_err(unreadable)?;
    if protocol == PROTOCOL {
        return Ok(());
    }
    let text = format!(
        "the workstation speaks protocol {protocol}, and the agent on this host {PROTOCOL}"
    );
    Err(Failure::new(Blame::Operator, text).hint(UPDATE))
}

fn parse<V: DeserializeOwned>(line: &str) -> Result<V, Failure> {
    let request: Request<V> = serde_json::from_slice(line.as_bytes()).map_err(unreadable)?;
    Ok(request.request)
}

fn unreadable(error: serde_json::Error) -> Failure {
    Failure::new(Blame::Bug, format!("the request is unreadable: {error}"))
}

const UPDATE: &str = "run the task distribute_files, which brings the agent up to date";
/// A torrent of 4 GiB in the smallest pieces has 1.3 MB of hashes, and base64 adds a third.
const LONGEST_REQUEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        let refused = check_protocol(line).and_then(|()| parse::<verbs::TorrentRead>(line));
        refused.unwrap_err().to_string()
    }

    #[test]
    fn a_request_of_another_protocol_is_refused_whatever_is_in_it() {
        assert_eq!(
            refusal("{\"protocol\":3,\"request\":{\"new\":[]}}\n"),
            "the workstation speaks protocol 3, and the agent on this host 2 (run the task \
             distribute_files, which brings the agent up to date)"
        );
    }

    #[test]
    fn a_request_that_is_none_is_refused() {
        assert_eq!(refusal(""), "stdin was closed before a request came");
        assert_eq!(refusal("hi"), "the request is unreadable: expected value at line 1 column 1");
        assert_eq!(
            refusal("{\"protocol\":2,\"request\":{}}"),
            "the request is unreadable: missing field `tag` at line 1 column 26"
        );
        assert_eq!(
            refusal("{\"protocol\":2,\"request\":{\"tag\":\"../x\",\"temp_path\":null}}"),
            "the request is unreadable: the tag \"../x\" has '.' where it can't be: letters and \
             digits, and after the first also . _ - at line 1 column 37"
        );
    }
}
