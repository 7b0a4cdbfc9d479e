//! What work tells its readers.

use std::sync::mpsc;

use murder_protocol::verbs::OutputStream;
use murder_protocol::{Failure, FleetEvent, HostOutcome, Phase, RunId, Tag};

use crate::fleet::{HostResult, Outcome};
use crate::recipe::Secrets;
use crate::settings::TaskName;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task begins on these hosts. A task may begin inside another one, as those of
    /// `distribute` do; the outermost one gets the summary.
    TaskStarted {
        /// Which task.
        task: TaskName,
        /// The hosts that will each have one [`Event::HostEnded`].
        hosts: Vec<String>,
    },
    /// The bytes that each host is to get are known.
    Archive {
        /// Bytes of the archive.
        bytes: u64,
        /// The run, where there is one.
        run: Option<RunId>,
    },
    /// The workstation sees a host in another phase than before.
    HostPhase {
        /// Which host.
        host: String,
        /// What it does now.
        phase: Phase,
    },
    /// A step of one host, for `-v`.
    Step {
        /// Which host.
        host: String,
        /// What is done: "pushes the agent (1.1 MiB)".
        text: String,
    },
    /// One host packs, or an agent is being pushed.
    Progress {
        /// Which host.
        host: String,
        /// What it does: "packing".
        what: &'static str,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// What commands of a recipe printed: the same lines on each of these hosts.
    Output {
        /// Which hosts.
        hosts: Vec<String>,
        /// Where they printed.
        stream: OutputStream,
        /// Lines without their line feeds.
        lines: Vec<String>,
    },
    /// What the tracker says of the run's hosts.
    Fleet(FleetEvent),
    /// A host's part in the innermost task is over: exactly once per host and task.
    HostEnded(HostResult),
    /// The innermost task is over: each of its hosts has ended.
    TaskEnded,
    /// Something of this release is on the hosts, so that trying again means to try it by its name.
    Begun(Tag),
    /// Something worth knowing, one sentence without its full stop.
    Note(String),
    /// Something that is likely to surprise, one sentence without its full stop.
    Warning(String),
    /// What a task was asked for, such as the output of `status`: this goes to stdout.
    Data(Data),
    /// Ctrl-C. The process ends after it.
    Interrupted(GoesOn),
    /// Nothing more is reported. [`crate::report::Report::finish`] sends it.
    Closed,
}

/// What a task was asked for, in its two forms.
#[derive(Clone, Debug)]
pub struct Data {
    /// For people: lines, each with its line feed.
    pub text: String,
    /// For programs: objects with an "event" key, as they are written, one line each.
    pub json: Vec<String>,
}

/// What runs on without the workstation after Ctrl-C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// Nothing.
    Nothing,
    /// What a host had begun when it was let go.
    Begun,
    /// The peers of a tag.
    Peers(Tag),
    /// Hosts that were told to switch to this release.
    Switch(Tag),
}

/// Where events go. Cheap to clone; may be used from any thread. No text passes it with a secret
/// in it.
#[derive(Clone, Debug)]
pub struct Reporter {
    events: mpsc::Sender<Event>,
    secrets: Secrets,
}

impl Reporter {
    /// A reporter, and the end where its events come out.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (events, received) = mpsc::channel();
        (Self { events, secrets: Secrets::default() }, received)
    }

    /// What nobody may see. Whatever is added is in no later event.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Passes an event on. Never blocks; an event that nobody reads any more is dropped.
    pub fn emit(&self, mut event: Event) {
        if !self.secrets.is_empty() {
            event.hide(&self.secrets);
        }
        // The reader lives until the process ends, so this fails only while it ends.
        let _ = self.events.send(event);
    }
}

impl Event {
    /// Masks every text that somebody may have put a secret into. Names of hosts are none.
    fn hide(&mut self, secrets: &Secrets) {
        match self {
            Self::Note(text) | Self::Warning(text) | Self::Step { text, .. } => secrets.hide(text),
            Self::Output { lines, .. } => lines.iter_mut().for_each(|line| secrets.hide(line)),
            Self::Data(Data { text, json }) => {
                secrets.hide(text);
                json.iter_mut().for_each(|line| secrets.hide(line));
            }
            Self::HostEnded(HostResult { outcome, .. }) => match outcome {
                Outcome::Ok(text) | Outcome::Skipped(text) => secrets.hide(text),
                Outcome::Failed(failure) | Outcome::Unreachable(failure) => {
                    hide_failure(failure, secrets);
                }
            },
            Self::Fleet(FleetEvent { reports, .. }) => {
                for outcome in reports.iter_mut().filter_map(|report| report.outcome.as_mut()) {
                    match outcome {
                        HostOutcome::Ok => {}
                        HostOutcome::Failed(failure) => hide_failure(failure, secrets),
                        HostOutcome::Skipped(text) => secrets.hide(text),
                    }
                }
            }
            Self::TaskStarted { .. }
            | Self::Archive { .. }
            | Self::HostPhase { .. }
            | Self::Progress { .. }
            | Self::Begun(_)
            | Self::TaskEnded
            | Self::Interrupted(_)
            | Self::Closed => {}
        }
    }
}

fn hide_failure(failure: &mut Failure, secrets: &Secrets) {
    secrets.hide(&mut failure.message);
    failure.hint.iter_mut().for_each(|hint| secrets.hide(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_order() {
        let (reporter, events) = Reporter::channel();
        reporter.emit(Event::Note("one".into()));
        reporter.clone().emit(Event::TaskEnded);
        assert!(matches!(events.recv(), Ok(Event::Note(text)) if text == "one"));
        assert!(matches!(events.recv(), Ok(Event::TaskEnded)));
    }

    #[test]
    fn no_text_of_an_event_has_a_secret_in_it() {
        let (reporter, events) = Reporter::channel();
        reporter.secrets().add("hunter2");
        let text = || "login hunter2".to_owned();
        let failure = || Failure::new(murder_protocol::Blame::Host, text()).hint(text());
        let ended = |outcome| {
            Event::HostEnded(HostResult { host: "a".into(), outcome, elapsed: Default::default() })
        };
        let fleet = |outcome| {
            let report = murder_protocol::HostReport {
                host: "a".into(),
                phase: Phase::Done,
                bytes: 0,
                total: 0,
                uploaded: 0,
                downloaded: 0,
                elapsed_ms: 0,
                outcome: Some(outcome),
            };
            Event::Fleet(FleetEvent { reports: vec![report], seeder_uploaded: 0 })
        };
        let (hosts, stream) = (vec!["a".to_owned()], OutputStream::Err);
        let all = [
            Event::Note(text()),
            Event::Warning(text()),
            Event::Step { host: "a".into(), text: text() },
            Event::Output { hosts, stream, lines: vec![text()] },
            Event::Data(Data { text: text(), json: vec![text()] }),
            ended(Outcome::Ok(text())),
            ended(Outcome::Skipped(text())),
            ended(Outcome::Failed(failure())),
            ended(Outcome::Unreachable(failure())),
            fleet(HostOutcome::Failed(failure())),
            fleet(HostOutcome::Skipped(text())),
        ];
        for event in all {
            reporter.emit(event);
            let shown = format!("{:?}", events.recv().unwrap());
            assert!(shown.contains("login ***") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_event_that_nobody_reads_is_dropped() {
        let (reporter, events) = Reporter::channel();
        drop(events);
        reporter.emit(Event::TaskEnded);
    }
}
