//! Runs one job per host, at most so many at a time.
//!
//! Drive it with [`FanOut::next`] until `None`: it brings exactly one end for each host, in the
//! order in which they come to it. A host that fails, hangs or makes us panic is that host's
//! matter alone. Dropping it stops whatever runs.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use murder_protocol::{Blame, Failure};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::result::{HostResult, Outcome};
use crate::inventory::Host;
use crate::ssh::{CallError, Unanswered, Unreachable};

/// What a job that worked says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// For the user: "started, process 4711". May be empty.
    pub detail: String,
    /// For whoever ran the job.
    pub value: T,
}

impl Done<()> {
    /// Something was done, and there is nothing further to hand over.
    pub fn with(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), value: () }
    }
}

/// How a job ends. `Err` is any outcome but [`Outcome::Ok`].
pub type Job<T> = Result<Done<T>, Outcome>;

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<CallError> for Outcome {
    fn from(error: CallError) -> Self {
        Self::Failed(error.failure())
    }
}

impl From<Unreachable> for Outcome {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error.failure())
    }
}

impl From<Unanswered> for Outcome {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Unreachable(error) => error.into(),
            Unanswered::Call(error) => error.into(),
        }
    }
}

/// What bounds a fan-out.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many hosts at once; at least one is worked on.
    pub forks: usize,
    /// How long one host may take.
    pub timeout: Duration,
}

/// The end of one host's job.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended<T> {
    /// The host's result.
    pub result: HostResult,
    /// What the job handed over, if it worked.
    pub value: Option<T>,
}

/// One job per host, a window of them at a time.
pub struct FanOut<T, F> {
    waiting: VecDeque<Arc<Host>>,
    running: JoinSet<Job<T>>,
    hosts: HashMap<Id, (String, Instant)>,
    limits: Limits,
    job: F,
}

impl<T, F, Fut> FanOut<T, F>
where
    T: Send + 'static,
    F: FnMut(Arc<Host>) -> Fut,
    Fut: Future<Output = Job<T>> + Send + 'static,
{
    /// Nothing runs before the first [`Self::next`].
    pub fn new(hosts: impl IntoIterator<Item = Arc<Host>>, limits: Limits, job: F) -> Self {
        Self {
            waiting: hosts.into_iter().collect(),
            running: JoinSet::new(),
            hosts: HashMap::new(),
            limits,
            job,
        }
    }

    /// One more host, which waits for its turn.
    pub fn add(&mut self, host: Arc<Host>) {
        self.waiting.push_back(host);
    }

    /// The next end; `None` after the last. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Ended<T>> {
        self.fill();
        let joined = self.running.join_next_with_id().await?;
        let (id, job) = match joined {
            Ok((id, job)) => (id, job),
            Err(error) => (error.id(), Err(Outcome::Failed(bug(error)))),
        };
        let (host, began) = self.hosts.remove(&id)?;
        self.fill();
        let (outcome, value) = match job {
            Ok(done) => (Outcome::Ok(done.detail), Some(done.value)),
            Err(outcome) => (outcome, None),
        };
        Some(Ended { result: HostResult { host, outcome, elapsed: began.elapsed() }, value })
    }

    fn fill(&mut self) {
        while self.running.len() < self.limits.forks.max(1) {
            let Some(host) = self.waiting.pop_front() else { return };
            let name = host.name.clone();
            let job = (self.job)(host);
            let timeout = self.limits.timeout;
            let handle = self.running.spawn(async move {
                tokio::time::timeout(timeout, job)
                    .await
                    .unwrap_or_else(|_| Err(Outcome::Failed(too_slow(timeout))))
            });
            self.hosts.insert(handle.id(), (name, Instant::now()));
        }
    }
}

fn too_slow(timeout: Duration) -> Failure {
    let message = format!("did not end within {timeout:?}");
    Failure::new(Blame::Host, message).hint("look at the host, or raise --timeout")
}

fn bug(error: JoinError) -> Failure {
    let what = match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "for a reason unknown".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Failure::new(Blame::Bug, format!("murder itself panicked: {what}"))
        .hint("please report it, with what you did")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn hosts(n: usize) -> Vec<Arc<Host>> {
        let names: String = (0..n).map(|i| format!("h{i}\n")).collect();
        let inventory = Inventory::parse(names.as_bytes(), "hosts", &[]).unwrap();
        inventory.hosts.into_iter().map(Arc::new).collect()
    }

    fn limits(forks: usize) -> Limits {
        Limits { forks, timeout: Duration::from_secs(60) }
    }

    async fn give_way(times: usize) {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }

    async fn all<T, F, Fut>(mut fan_out: FanOut<T, F>) -> Vec<Ended<T>>
    where
        T: Send + 'static,
        F: FnMut(Arc<Host>) -> Fut,
        Fut: Future<Output = Job<T>> + Send + 'static,
    {
        let mut ends = Vec::new();
        while let Some(end) = fan_out.next().await {
            ends.push(end);
        }
        ends
    }

    #[tokio::test]
    async fn a_failing_a_hanging_and_a_panicking_host_leave_the_others_alone() {
        let job = |host: Arc<Host>| async move {
            match host.name.as_str() {
                "h1" => Err(Outcome::Failed(Failure::new(Blame::Host, "no space left"))),
                "h2" => std::future::pending().await,
                "h3" => panic!("index out of bounds"),
                _ => Ok(Done::with("done")),
            }
        };
        let limits = Limits { forks: 2, timeout: Duration::from_millis(50) };
        let mut ends = all(FanOut::new(hosts(5), limits, job)).await;
        ends.sort_by(|a, b| a.result.host.cmp(&b.result.host));
        let told: Vec<_> = ends
            .iter()
            .map(|end| match &end.result.outcome {
                Outcome::Ok(detail) => detail.clone(),
                Outcome::Failed(failure) => failure.message.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "done",
                "no space left",
                "did not end within 50ms",
                "murder itself panicked: index out of bounds",
                "done"
            ]
        );
    }

    #[tokio::test]
    async fn no_more_hosts_than_forks_are_worked_on_at_a_time() {
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let job = |_| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                give_way(5).await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok(Done::with(""))
            }
        };
        assert_eq!(all(FanOut::new(hosts(20), limits(6), job)).await.len(), 20);
        assert_eq!(most.load(Ordering::Relaxed), 6);
    }

    #[tokio::test]
    async fn a_slow_host_does_not_hold_up_those_behind_it() {
        let others = Arc::new(tokio::sync::Semaphore::new(0));
        let job = |host: Arc<Host>| {
            let others = others.clone();
            async move {
                if host.name == "h0" {
                    let _all = others.acquire_many(9).await.unwrap();
                } else {
                    others.add_permits(1);
                }
                Ok(Done { detail: String::new(), value: host.name.clone() })
            }
        };
        let ends = all(FanOut::new(hosts(10), limits(2), job)).await;
        assert_eq!(ends.last().unwrap().value.as_deref(), Some("h0"));
        assert_eq!(ends.len(), 10);
    }

    #[tokio::test]
    async fn every_host_ends_exactly_once_whatever_the_order() {
        for forks in [1, 3, 100] {
            let job = |host: Arc<Host>| async move {
                let number: usize = host.name[1..].parse().unwrap();
                give_way(number * 7919 % 13).await;
                Ok(Done::with(""))
            };
            let ends = all(FanOut::new(hosts(50), limits(forks), job)).await;
            let names: std::collections::BTreeSet<_> =
                ends.iter().map(|end| end.result.host.clone()).collect();
            assert_eq!((ends.len(), names.len()), (50, 50));
        }
    }
}
