//! `watch`: one stream from the tracker on this host to the workstation, and what the workstation
//! knows back to the tracker. It outlives a tracker that is killed and started again.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use murder_protocol::verbs::{Watch, WatchInput, WatchReply};
use murder_protocol::{Blame, Failure, FleetEvent, Frame, HostReport};

use crate::channel::encode;
use crate::home::Home;
use crate::tracker::admin::AdminRequest;
use crate::tracker::ask::Asking;
use crate::verbs::Replies;

pub(super) fn run(
    request: Watch,
    home: &Home,
    out: &mut Replies<Watch>,
) -> Result<WatchReply, Failure> {
    let inputs = Inputs::default();
    let reading = inputs.clone();
    std::thread::spawn(move || reading.read(io::stdin().lock()));
    follow(&request, home, &inputs, RETURNING, |event| out.event(event))
}

/// Follows the run until it is over, the workstation has closed its end, or the tracker does not
/// come back in time.
fn follow(
    request: &Watch,
    home: &Home,
    inputs: &Inputs,
    returning: Duration,
    mut tell: impl FnMut(FleetEvent) -> io::Result<()>,
) -> Result<WatchReply, Failure> {
    let mut seen = Seen::default();
    let mut tracker = Asking::begin(home, &AdminRequest::Watch(request.clone()))?;
    loop {
        if inputs.attach(&tracker).is_ok() {
            while let Ok(Some(frame)) = tracker.frame() {
                match frame {
                    Frame::Event(event) => {
                        if let Some(event) = seen.what_is_new(event)
                            && tell(event).is_err()
                        {
                            return Ok(seen.reply());
                        }
                    }
                    Frame::Reply(reply) => return Ok(reply),
                    Frame::Failed(failure) => return Err(failure),
                }
            }
        }
        match inputs.end() {
            None => {}
            Some(End::Closed) => return Ok(seen.reply()),
            Some(End::Garbled(why)) => {
                let text = format!("what the workstation says of a host is unreadable: {why}");
                return Err(Failure::new(Blame::Bug, text));
            }
        }
        tracker = wait_for_tracker(request, home, inputs, returning)?;
    }
}

fn wait_for_tracker(
    request: &Watch,
    home: &Home,
    inputs: &Inputs,
    returning: Duration,
) -> Result<Asking, Failure> {
    let until = Instant::now() + returning;
    loop {
        match Asking::begin(home, &AdminRequest::WatchAgain(request.clone())) {
            Ok(tracker) => return Ok(tracker),
            Err(_) if Instant::now() < until && inputs.end().is_none() => {
                std::thread::sleep(AGAIN);
            }
            Err(_) => {
                let seconds = returning.as_secs();
                let text = format!("the tracker ended and did not come back within {seconds} s");
                return Err(Failure::new(Blame::Host, text).hint(
                    "run murder start_tracker, then murder attach; the hosts go on meanwhile",
                ));
            }
        }
    }
}

/// What the workstation was told last of each host, so that a tracker that comes back and tells
/// everything again does not repeat itself to the workstation.
#[derive(Debug, Default)]
struct Seen {
    reports: BTreeMap<String, HostReport>,
    seeder_uploaded: u64,
}

impl Seen {
    fn what_is_new(&mut self, mut event: FleetEvent) -> Option<FleetEvent> {
        event.reports.retain(|report| self.reports.get(&report.host) != Some(report));
        for report in &event.reports {
            self.reports.insert(report.host.clone(), report.clone());
        }
        let uploaded = std::mem::replace(&mut self.seeder_uploaded, event.seeder_uploaded);
        (!event.reports.is_empty() || uploaded != event.seeder_uploaded).then_some(event)
    }

    fn reply(self) -> WatchReply {
        let reports = self.reports.into_values().collect();
        WatchReply { reports, seeder_uploaded: self.seeder_uploaded }
    }
}

/// What the workstation said, kept so that a tracker that was killed hears it again.
#[derive(Clone, Debug, Default)]
struct Inputs(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    lines: Vec<WatchInput>,
    tracker: Option<UnixStream>,
    end: Option<End>,
}

/// Why nothing more comes from the workstation.
#[derive(Clone, Debug)]
enum End {
    Closed,
    Garbled(String),
}

impl Inputs {
    /// Reads lines up to their end, and passes each on.
    fn read(&self, from: impl io::BufRead) {
        let mut end = End::Closed;
        for line in from.lines() {
            let Ok(line) = line else { break };
            match serde_json::from_slice(line.as_bytes()) {
                Ok(input) => self.pass_on(input),
                Err(error) => {
                    end = End::Garbled(error.to_string());
                    break;
                }
            }
        }
        let mut said = self.lock();
        said.end = Some(end);
        let tracker = said.tracker.take();
        drop(said);
        if let Some(tracker) = tracker {
            // The tracker hears what was said last, and then closes its end.
            let _ = tracker.shutdown(Shutdown::Write);
            std::thread::sleep(GOODBYE);
            let _ = tracker.shutdown(Shutdown::Both);
        }
    }

    fn pass_on(&self, input: WatchInput) {
        let mut said = self.lock();
        let line = encode(&input);
        said.lines.push(input);
        if let Some(tracker) = &mut said.tracker
            && tracker.write_all(&line).is_err()
        {
            // The next connection gets all lines again.
            let _ = tracker.shutdown(Shutdown::Both);
            said.tracker = None;
        }
    }

    /// Says everything to a tracker, and from now on whatever comes.
    fn attach(&self, tracker: &Asking) -> io::Result<()> {
        let mut said = self.lock();
        let mut stream = tracker.split()?;
        said.lines.iter().try_for_each(|input| stream.write_all(&encode(input)))?;
        if said.end.is_some() {
            return stream.shutdown(Shutdown::Write);
        }
        said.tracker = Some(stream);
        Ok(())
    }

    fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a tracker that was killed has to come back.
const RETURNING: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);

/// How long a tracker has to hear the last words of a workstation that goes.
const GOODBYE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::os::unix::net::UnixListener;

    use murder_protocol::{Phase, RunId};

    use super::*;

    fn report(host: &str, bytes: u64) -> HostReport {
        HostReport {
            host: host.to_owned(),
            phase: Phase::Downloading,
            bytes,
            total: 100,
            uploaded: 0,
            downloaded: 0,
            elapsed_ms: 0,
            outcome: None,
        }
    }

    #[test]
    fn what_the_workstation_saw_before_is_left_out() {
        let mut seen = Seen::default();
        let event = |reports, seeder_uploaded| FleetEvent { reports, seeder_uploaded };
        let both = event(vec![report("a", 1), report("b", 1)], 0);
        assert_eq!(seen.what_is_new(both.clone()), Some(both.clone()));
        assert_eq!(seen.what_is_new(both), None);
        let one = seen.what_is_new(event(vec![report("a", 1), report("b", 2)], 0));
        assert_eq!(one, Some(event(vec![report("b", 2)], 0)));
        assert!(seen.what_is_new(event(Vec::new(), 5)).is_some());
        assert_eq!(seen.reply().reports, [report("a", 1), report("b", 2)]);
    }

    #[test]
    fn a_tracker_that_does_not_come_back_is_said_to_be_gone_with_the_way_on() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let tracker = UnixListener::bind(home.socket()).unwrap();
        let dying = std::thread::spawn(move || {
            let (connection, _) = tracker.accept().unwrap();
            // It dies after it was asked.
            io::BufReader::new(connection).read_line(&mut String::new()).unwrap();
        });
        let request = Watch { run: RunId("r".to_owned()) };
        let inputs = Inputs::default();
        let failure = follow(&request, &home, &inputs, Duration::ZERO, |_| Ok(())).unwrap_err();
        dying.join().unwrap();
        assert_eq!(
            failure.to_string(),
            "the tracker ended and did not come back within 0 s (run murder start_tracker, then \
             murder attach; the hosts go on meanwhile)"
        );
    }

    #[test]
    fn an_unreadable_word_of_the_workstation_ends_the_watch() {
        let inputs = Inputs::default();
        inputs.read(&b"{\"accepted\":\"a\"}\nhello\n"[..]);
        assert!(matches!(inputs.end(), Some(End::Garbled(_))));
        assert_eq!(inputs.lock().lines.len(), 1);
    }
}
