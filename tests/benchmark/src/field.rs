//! Where swarms are measured: a seeder, peers and a tracker, a file to distribute, and the rules of
//! a race that hold for each tool.
//!
//! The rules: the seeder is up, and known to its tracker, before anybody else. Then it is held
//! (SIGSTOP), and the peers come up, until each has a connection to another one. Everybody being
//! told, the seeder goes on, and the clock begins. So no tool gains or loses by how long its
//! processes take to start, and none has a head start.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use murder_testfleet::{Fleet, Host, PROGRAMS, Plan, Traffic, child_of};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::now;
use crate::finish::Finishes;
use crate::machine::{Busy, warm_memory};
use crate::member::Member;
use crate::payload;
use crate::record::Sample;
use crate::tools::rqbit;
use crate::{Outcome, relay};

/// The members, and the file.
pub(crate) struct Field {
    fleet: Arc<Fleet>,
    seeder: Member,
    peers: Vec<Member>,
    tracker: Member,
    hash: [u8; 32],
    pub(crate) mib: u64,
    /// TCP payload of one flow between two members, in bytes a second.
    pub(crate) goodput: f64,
    /// What such a flow sends over the wire for each byte of payload, if there is a wire.
    overhead: Option<f64>,
}

/// Where the file is: the seeder has it in a folder of its own.
pub(crate) const PAYLOAD: &str = "/srv/payload/data.bin";

impl Field {
    /// So many peers, the seeder and the tracker, each with a host of its own, and with links of
    /// so many Mbit/s, or with links that only the machine limits. The tracker's never is.
    pub(crate) fn of_hosts(peers: usize, mib: u64, mbit: Option<u32>) -> Outcome<Self> {
        let fleet = bring_up(peers + 1)?;
        if let Some(mbit) = mbit {
            for host in fleet.hosts() {
                host.limit_uplink(mbit);
                host.limit_downlink(mbit);
            }
        }
        let members = (1..=peers + 1).map(|number| Member::on_host(&fleet, number)).collect();
        let tracker = Member::on_host(&fleet, 0);
        // A limited link takes the same time each time.
        let flows = if mbit.is_some() { 1 } else { UNLIMITED_FLOWS };
        Self::set_up(fleet, members, tracker, mib, flows)
    }

    /// So many peers, the seeder and the tracker, each with a loopback address of one host.
    pub(crate) fn of_loopback(peers: usize, mib: u64) -> Outcome<Self> {
        let fleet = bring_up(1)?;
        let members = (0..=peers).map(|number| Member::on_loopback(&fleet, number)).collect();
        let tracker = Member::on_loopback(&fleet, peers + 1);
        Self::set_up(fleet, members, tracker, mib, UNLIMITED_FLOWS)
    }

    fn set_up(
        fleet: Arc<Fleet>,
        mut members: Vec<Member>,
        tracker: Member,
        mib: u64,
        flows: usize,
    ) -> Outcome<Self> {
        let seeder = members.remove(0);
        seeder.host().sh("mkdir /srv/payload");
        let hash = payload::make(&seeder.host().path(PAYLOAD), mib)?;
        let (goodput, overhead) = (0.0, None);
        let mut field =
            Self { fleet, seeder, peers: members, tracker, hash, mib, goodput, overhead };
        field.sweep();
        (field.goodput, field.overhead) = field.measure_flow(flows)?;
        Ok(field)
    }

    pub(crate) fn seeder(&self) -> &Member {
        &self.seeder
    }

    /// All but the seeder.
    pub(crate) fn peers(&self) -> &[Member] {
        &self.peers
    }

    /// Who runs the tracker.
    pub(crate) fn tracker(&self) -> &Member {
        &self.tracker
    }

    /// Everybody.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        [&self.seeder, &self.tracker].into_iter().chain(&self.peers)
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> f64 {
        (self.mib << 20) as f64
    }

    /// The time that one flow takes for the file, in seconds.
    pub(crate) fn flow_seconds(&self) -> f64 {
        self.bytes() / self.goodput
    }

    /// Has the memory at hand that a run on loopback addresses takes, since the machine is all that
    /// limits it: what a peer gets, what becomes of that, and the programs.
    pub(crate) fn warm(&self) {
        if self.overhead.is_none() {
            warm_memory(2 * self.mib * self.peers.len() as u64 + 256);
        }
    }

    /// Lets the seeder go on and waits for all peers. Everything is up and told by now.
    pub(crate) fn race(&self, finishes: &Finishes, go: impl FnOnce()) -> Outcome<Sample> {
        let before = Meters::read(self);
        let began = now();
        go();
        let patience = 8.0 * self.flow_seconds() + 30.0;
        let times = finishes.wait(began + patience)?;
        let spent = Meters::read(self).since(&before);
        let curve: Vec<f64> = times.iter().map(|time| time - began).collect();
        Ok(self.sample(&spent, curve))
    }

    fn sample(&self, spent: &Meters, curve: Vec<f64>) -> Sample {
        let last = curve.last().copied().unwrap_or_default();
        let median = curve[curve.len() / 2];
        let gib = self.bytes() / f64::from(1 << 30);
        let copies = |bytes: u64| Some(bytes as f64 / self.overhead? / self.bytes());
        let each = |total: u64| Some(copies(total)? / self.peers.len() as f64);
        let sum = |of: fn(&Traffic) -> u64| spent.peers_traffic.iter().map(of).sum::<u64>();
        let sample = Sample { curve, ..Sample::default() };
        sample
            .with("seconds", last)
            .with("ratio", last / self.flow_seconds())
            .with("median ratio", median / self.flow_seconds())
            .with_some("seeder copies", copies(spent.seeder_traffic.sent))
            .with_some("received copies", each(sum(|traffic| traffic.received)))
            .with_some("seeder cpu", spent.seeder_cpu)
            .with_some("peers cpu", spent.peers_cpu)
            .with_some("tracker cpu", spent.tracker_cpu)
            .with_some("seeder cpu per GiB", spent.seeder_cpu.map(|cpu| cpu / gib))
            .with_some(
                "peer cpu per GiB",
                spent.peers_cpu.map(|cpu| cpu / gib / self.peers.len() as f64),
            )
            .with("seeder peak", self.seeder.peak_mib())
            .with("peer peak", self.peers.iter().map(Member::peak_mib).fold(0.0, f64::max))
            .with("busy", Busy::since(spent.busy) * 100.0)
    }

    /// Whether each peer has the file as it was, in its folder.
    pub(crate) fn verify(&self, name: &str) -> Outcome<()> {
        for peer in &self.peers {
            let path = peer.path(name);
            let hash =
                payload::hash(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            if hash != self.hash {
                return Err(format!("{} has another file than the seeder", peer.name).into());
            }
        }
        Ok(())
    }

    /// A failure, and the last words of some members, of those first that it names. They are lost
    /// with the sweep.
    pub(crate) fn with_last_words(&self, failure: &dyn Error) -> String {
        let failure = failure.to_string();
        let named: Vec<&str> = failure.split(|c: char| !c.is_alphanumeric()).collect();
        let (named, others): (Vec<_>, Vec<_>) =
            self.members().partition(|member| named.contains(&member.name.as_str()));
        let words = named.into_iter().chain(others).filter_map(Member::last_words);
        let words: Vec<String> = words.take(LAST_WORDS).collect();
        [vec![failure], words].concat().join("\n")
    }

    /// Ends every process of all hosts, removes what they left, and makes the members' folders.
    pub(crate) fn sweep(&self) {
        let line = "kill -KILL -1; rm -rf /tmp/* /root/.cache /srv/m*";
        let sweep = |host: &Host| {
            let mut command = host.command("sh");
            command.args(["-c", line]).stderr(Stdio::null()).spawn().ok()
        };
        let all = self.fleet.hosts().iter().chain([self.fleet.laptop()]);
        for mut child in all.filter_map(sweep).collect::<Vec<Child>>() {
            let _ = child.wait();
        }
        for member in self.members() {
            // The next one who needs it says so if it is not there.
            let _ = fs::create_dir(member.path(""));
        }
    }

    /// Waits until each peer has a TCP connection to another member. A tool whose members do not
    /// connect before the seeder does is not waited for.
    pub(crate) fn wait_for_connections(&self) {
        let until = now() + 5.0;
        let connected = |peer: &Member| peer.is_connected_beside(&self.tracker);
        while now() < until && !self.peers.iter().all(connected) {
            thread::sleep(PAUSE);
        }
    }

    /// Waits until each peer has a file in its folder.
    pub(crate) fn wait_for_files(&self, name: &str) -> Outcome<()> {
        wait_until(&format!("each peer has {name}"), || {
            self.peers.iter().all(|peer| peer.path(name).exists())
        })
    }

    /// One flow of the file to the first peer, so many times; the median.
    fn measure_flow(&self, times: usize) -> Outcome<(f64, Option<f64>)> {
        let (from, to) = (&self.seeder, &self.peers[0]);
        // Between loopback addresses of one host nothing passes the link that is counted.
        let is_wired = from.host().name() != to.host().name();
        let mut flows = Vec::new();
        for _ in 0..times {
            let sent = from.host().traffic().sent;
            let mut finishes = Finishes::new();
            let mut sink = relayed(to, &["sink", &to.address, &to.file("data.bin"), "-"])
                .stdout(Stdio::piped())
                .spawn()?;
            let sink_says = sink.stdout.take().ok_or("no stdout")?;
            finishes.on_line("the sink".into(), sink_says, Some("complete"));
            wait_until("the sink listens", || to.host().listens(relay::PORT))?;
            let mut source = relayed(from, &["source", &to.address, PAYLOAD]);
            let mut source = source.stdin(Stdio::piped()).spawn()?;
            wait_until("the source is connected", || to.is_connected_beside(&self.tracker))?;
            let began = now();
            drop(source.stdin.take());
            let done = finishes.wait(began + 600.0)?;
            source.wait()?;
            sink.wait()?;
            let seconds = done[0] - began;
            let wire = (from.host().traffic().sent - sent) as f64;
            flows.push((self.bytes() / seconds, is_wired.then_some(wire / self.bytes())));
        }
        flows.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.sweep();
        Ok(flows[times / 2])
    }
}

/// How often the flow is measured over links that only the machine limits.
const UNLIMITED_FLOWS: usize = 3;

fn bring_up(hosts: usize) -> Outcome<Arc<Fleet>> {
    let mut programs = vec![std::env::current_exe()?, agent()?];
    programs.extend(rqbit::installed());
    Ok(Arc::new(Fleet::up(&Plan { hosts, sshd: false, programs })))
}

/// Waits until something is so, for a minute at most.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Outcome<()> {
    let until = now() + 60.0;
    while !is_so() {
        if now() > until {
            return Err(format!("waited a minute in vain until {what}").into());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// A process that is held until the race begins, or until this is dropped.
pub(crate) struct Hold {
    pids: Vec<Pid>,
}

impl Hold {
    /// Holds what a member's command has become.
    pub(crate) fn of_child(entered: &Child) -> Outcome<Self> {
        // nsenter waits for its child, which is the program, and stops when that one does.
        Self::of(&[child_of(entered.id()), entered.id()])
    }

    /// Holds a process of a host.
    pub(crate) fn of_host(host: &Host, pid: u32) -> Outcome<Self> {
        let outer = host.outer_pid(pid);
        Self::of(&[outer.ok_or_else(|| format!("{} has no process {pid}", host.name()))?])
    }

    fn of(pids: &[u32]) -> Outcome<Self> {
        let pid = |pid: &u32| i32::try_from(*pid).ok().and_then(Pid::from_raw);
        let pids: Option<Vec<Pid>> = pids.iter().map(pid).collect();
        let hold = Self { pids: pids.ok_or("no process has that id")? };
        kill_process(hold.pids[0], Signal::STOP)?;
        Ok(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for pid in &self.pids {
            // One that has ended meanwhile is missed by the peers soon enough.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

/// How many members are heard when a tool has failed.
const LAST_WORDS: usize = 3;

const PAUSE: Duration = Duration::from_millis(20);

/// This program's relay, which is the chain's tool.
pub(crate) fn relayed(member: &Member, words: &[&str]) -> Command {
    let mut command = member.command(&format!("{PROGRAMS}/murder-bench"));
    command.arg("relay").args(words).stdin(Stdio::null());
    command
}

/// The agent that this build's `murder` carries.
pub(crate) fn agent() -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let built = here.with_file_name("agent-build");
    let found = std::fs::read_dir(&built)
        .map_err(|error| format!("{}: {error}; build murder first", built.display()))?
        .flatten()
        .flat_map(|triple| ["agent", "agent-dev"].map(|profile| triple.path().join(profile)))
        .map(|folder| folder.join("murder-agent"))
        .find(|path| path.is_file());
    found.ok_or_else(|| format!("no agent is below {}; build murder first", built.display()).into())
}

/// What was used and what went over the wire, all in all.
struct Meters {
    seeder_cpu: Option<f64>,
    peers_cpu: Option<f64>,
    tracker_cpu: Option<f64>,
    seeder_traffic: Traffic,
    peers_traffic: Vec<Traffic>,
    busy: Busy,
}

impl Meters {
    fn read(field: &Field) -> Self {
        Self {
            seeder_cpu: field.seeder.cpu(),
            peers_cpu: field.peers.iter().map(Member::cpu).sum(),
            tracker_cpu: field.tracker.cpu(),
            seeder_traffic: field.seeder.host().traffic(),
            peers_traffic: field.peers.iter().map(|peer| peer.host().traffic()).collect(),
            busy: Busy::now(),
        }
    }

    fn since(&self, before: &Self) -> Self {
        let less = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Self {
            seeder_cpu: less(self.seeder_cpu, before.seeder_cpu),
            peers_cpu: less(self.peers_cpu, before.peers_cpu),
            tracker_cpu: less(self.tracker_cpu, before.tracker_cpu),
            seeder_traffic: self.seeder_traffic - before.seeder_traffic,
            peers_traffic: self
                .peers_traffic
                .iter()
                .zip(&before.peers_traffic)
                .map(|(now, then)| *now - *then)
                .collect(),
            busy: before.busy,
        }
    }
}
