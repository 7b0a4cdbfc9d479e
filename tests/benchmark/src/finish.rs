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

/// Collects when each peer is done.
pub(crate) struct Finishes {
    awaited: Vec<String>,
    sender: Sender<Said>,
    receiver: Receiver<Said>,
}

/// Who says when it was done, or why it never will be.
struct Said {
    who: String,
    done: Result<f64, String>,
}

impl Finishes {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = channel();
        Self { awaited: Vec::new(), sender, receiver }
    }

    /// Takes a peer to be done once it writes a line with the word, or, without a word, once it
    /// closes the pipe.
    pub(crate) fn on_line(
        &mut self,
        who: String,
        pipe: impl Read + Send + 'static,
        word: Option<&'static str>,
    ) {
        let sender = self.sender.clone();
        self.awaited.push(who.clone());
        thread::spawn(move || {
            let mut last = String::new();
            let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
            let done = lines.any(|line| {
                let done = word.is_some_and(|word| line.contains(word));
                last = line;
                done
            });
            let done = match done || word.is_none() {
                true => Ok(now()),
                false => Err(format!("{who} ended early: {last}")),
            };
            // Whoever gave up waiting does not listen.
            let _ = sender.send(Said { who, done });
            // The process must not wait for a reader.
            lines.for_each(drop);
        });
    }

    /// Takes each of these to be done once its log has a line with the word.
    pub(crate) fn on_logs(
        &mut self,
        logs: impl Iterator<Item = (String, PathBuf)>,
        word: &'static str,
    ) -> Outcome<()> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        let mut waiting = Vec::new();
        for (who, log) in logs {
            let watch = inotify::add_watch(&inotify, &log, WatchFlags::MODIFY)?;
            self.awaited.push(who.clone());
            waiting.push((watch, who, log));
        }
        let sender = self.sender.clone();
        let has = move |log: &PathBuf| {
            let mut text = String::new();
            let read = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
            read.is_ok() && text.contains(word)
        };
        let send = move |who: &String, at: f64| {
            // Whoever gave up waiting does not listen.
            let _ = sender.send(Said { who: who.clone(), done: Ok(at) });
        };
        thread::spawn(move || {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&inotify, &mut space);
            // Whoever was done before the watch began.
            waiting
                .extract_if(.., |(_, _, log)| has(log))
                .for_each(|(_, who, _)| send(&who, now()));
            while !waiting.is_empty() {
                let Ok(event) = events.next() else { return };
                let watch = event.wd();
                let at = now();
                let done = waiting.extract_if(.., |(of, _, log)| *of == watch && has(log));
                done.for_each(|(_, who, _)| send(&who, at));
            }
        });
        Ok(())
    }

    /// Waits for all of them, until the time is over.
    pub(crate) fn wait(&self, until: f64) -> Outcome<Vec<f64>> {
        let mut times = Vec::new();
        let mut awaited = self.awaited.clone();
        while !awaited.is_empty() {
            let left = Duration::from_secs_f64((until - now()).max(0.0));
            match self.receiver.recv_timeout(left) {
                Ok(said) => {
                    times.push(said.done?);
                    awaited.retain(|who| *who != said.who);
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("not done in time: {}", awaited.join(" ")).into());
                }
                Err(RecvTimeoutError::Disconnected) => return Err("nobody is watched".into()),
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }
}
