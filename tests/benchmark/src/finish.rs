//! Who of the peers has everything, and when: each tool's peers say so in a line of their own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::Outcome;
use crate::clock::now;

/// Collects the peers' last words.
pub(crate) struct Finishes {
    sender: Sender<Said>,
    receiver: Receiver<Said>,
}

/// What a peer said last: when it was done, or why it never will be.
type Said = Result<f64, String>;

impl Finishes {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver }
    }

    /// Takes a peer to be done once it writes a line with the word, or, without a word, once it
    /// closes the pipe.
    pub(crate) fn on_line(
        &self,
        who: String,
        pipe: impl Read + Send + 'static,
        word: Option<&'static str>,
    ) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            let mut last = String::new();
            let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
            let done = lines.any(|line| {
                let done = word.is_some_and(|word| line.contains(word));
                last = line;
                done
            });
            let said = match done || word.is_none() {
                true => Ok(now()),
                false => Err(format!("{who} ended early: {last}")),
            };
            // Whoever gave up waiting does not listen.
            let _ = sender.send(said);
            // The process must not wait for a reader.
            lines.for_each(drop);
        });
    }

    /// Takes a peer to be done once its log has a line with the word.
    pub(crate) fn on_logs(&self, logs: Vec<PathBuf>, word: &'static str) -> Outcome<()> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        let mut waiting = Vec::new();
        for log in logs {
            let watch = inotify::add_watch(&inotify, &log, WatchFlags::MODIFY)?;
            waiting.push((watch, log));
        }
        let sender = self.sender.clone();
        let has = move |log: &PathBuf| {
            let mut text = String::new();
            let read = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
            read.is_ok() && text.contains(word)
        };
        thread::spawn(move || {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&inotify, &mut space);
            // Whoever was done before the watch began.
            waiting.retain(|(_, log)| !has(log) || sender.send(Ok(now())).is_err());
            while !waiting.is_empty() {
                let Ok(event) = events.next() else { return };
                let watch = event.wd();
                let at = now();
                waiting
                    .retain(|(of, log)| *of != watch || !has(log) || sender.send(Ok(at)).is_err());
            }
        });
        Ok(())
    }

    /// Waits for so many peers, until the time is over.
    pub(crate) fn wait(&self, peers: usize, until: f64) -> Outcome<Vec<f64>> {
        let mut times = Vec::new();
        while times.len() < peers {
            let left = Duration::from_secs_f64((until - now()).max(0.0));
            match self.receiver.recv_timeout(left) {
                Ok(said) => times.push(said?),
                Err(RecvTimeoutError::Timeout) => {
                    let done = times.len();
                    return Err(format!("{done} of {peers} peers were done in time").into());
                }
                Err(RecvTimeoutError::Disconnected) => return Err("nobody is watched".into()),
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }
}
