//! Where events, the ledger and the readers meet. Still pure: lines and frames come out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::Event;
use super::failed::FailedHosts;
use super::ledger::{Happened, Ledger};
use super::reader::{Ending, Line, Reader, Size};
use super::summary::Summary;
use crate::cli::{On, TaskSpec};
use crate::settings::{Invocation, TaskName};

/// The ledger and its readers.
pub struct Desk {
    ledger: Ledger,
    readers: Vec<Box<dyn Reader>>,
    invocation: Invocation,
    failed: FailedHosts,
    summary: Option<Summary>,
}

impl Desk {
    /// A desk with these readers. `failed` keeps the names of the hosts that failed.
    pub fn new(readers: Vec<Box<dyn Reader>>, invocation: Invocation, failed: FailedHosts) -> Self {
        Self { ledger: Ledger::default(), readers, invocation, failed, summary: None }
    }

    /// An event happened.
    pub fn handle(&mut self, event: &Event, now: Duration) -> Vec<Line> {
        if let Event::Begun(release) = event {
            self.invocation.name_release(release);
        }
        let mut happened = self.ledger.apply(event, now);
        let over = match happened.pop() {
            Some(Happened::RunOver(summary)) => Some(summary),
            other => {
                happened.extend(other);
                None
            }
        };
        let mut lines = self.read(event, &happened, now);
        if let Some(summary) = over {
            lines.extend(self.finish(summary, now));
        }
        lines
    }

    /// Time went by.
    pub fn tick(&mut self, now: Duration) -> Vec<Line> {
        self.readers.iter_mut().flat_map(|reader| reader.tick(&self.ledger, now)).collect()
    }

    /// What is to stand at the bottom of a terminal.
    pub fn frame(&self, now: Duration, size: Size) -> Vec<String> {
        self.readers.iter().flat_map(|reader| reader.frame(&self.ledger, now, size)).collect()
    }

    /// The numbers of the run, once it is over.
    pub fn into_summary(self) -> Option<Summary> {
        self.summary
    }

    fn read(&mut self, event: &Event, happened: &[Happened], now: Duration) -> Vec<Line> {
        let ledger = &self.ledger;
        let readers = self.readers.iter_mut();
        readers.flat_map(|reader| reader.handle(event, happened, ledger, now)).collect()
    }

    fn finish(&mut self, summary: Summary, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut retry = None;
        if !summary.bad.is_empty() {
            match self.remember(&summary) {
                Ok(Some(path)) if summary.task == TaskName::Attach => {
                    retry = Some(self.invocation.peer_on(&path));
                }
                Ok(Some(path)) => retry = Some(self.invocation.retry(&path)),
                Ok(None) => retry = Some(self.invocation.again()),
                Err(warning) => lines = self.read(&Event::Warning(warning), &[], now),
            }
        }
        let ending = Ending { summary: &summary, retry: retry.as_deref() };
        lines.extend(self.readers.iter_mut().flat_map(|reader| reader.finish(&ending)));
        self.summary = Some(summary);
        lines
    }

    /// Writes the failed hosts down, where `--limit` can choose them.
    fn remember(&self, summary: &Summary) -> Result<Option<PathBuf>, String> {
        let task = summary.task;
        let narrow = TaskSpec::find(task.as_str())
            .is_some_and(|spec| matches!(spec.on, On::All | On::Peers | On::SeederAndPeers));
        // Without an archive it is the tracker that failed, and not the hosts of a run.
        let followed = task == TaskName::Attach && summary.archive.is_some();
        if !narrow && !followed {
            return Ok(None);
        }
        let hosts = summary.bad.iter().map(|bad| bad.host.as_str());
        let told = |path: &Path, error: std::io::Error| {
            format!("can't write the failed hosts to {}: {error}", path.display())
        };
        let path = self.failed.path(task);
        self.failed.write(task, hosts).map_err(|error| told(&path, error))?;
        Ok(Some(path))
    }
}
