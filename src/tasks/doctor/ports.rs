//! Whether hosts reach each other: a sample of them listens where peers would, and each dials
//! the others and the tracker.

use std::net::SocketAddr;
use std::sync::Arc;

use murder_protocol::verbs::{Doctor as DoctorVerb, DoctorEvent, DoctorReply, Role, Status};
use murder_protocol::{Blame, Failure};

use super::finding::Finding;
use crate::fleet::{Done, HostResult, Job, Outcome};
use crate::inventory::Host;
use crate::report::GoesOn;
use crate::ssh::{Step, Stream};
use crate::tasks::context::{Context, Stop};

/// One end that others dial.
struct Listening {
    host: String,
    what: &'static str,
    address: SocketAddr,
    /// Keeps the port open; the tracker's own needs none.
    _stream: Option<Box<Stream<DoctorVerb>>>,
}

/// What was found, by the host that it was found from.
pub(super) async fn try_ports(
    context: &Context,
    well: &[Arc<Host>],
    sample: usize,
) -> Result<Vec<(String, Finding)>, Stop> {
    let sampled = spread(well, sample);
    let work = async {
        let mut findings = Vec::new();
        let mut open = Vec::new();
        let ready = context
            .gather(sampled.clone(), context.quick(), |host| listen(context.clone(), host))
            .await?;
        for end in ready {
            match (end.value, end.result.outcome) {
                (Some(listening), _) => open.push(listening),
                (None, Outcome::Failed(failure) | Outcome::Unreachable(failure)) => {
                    findings.push((end.result.host, Finding::problem(failure.to_string())));
                }
                _ => {}
            }
        }
        match tracker(context).await {
            Ok(listening) => open.push(listening),
            Err(finding) => findings.push((context.cast.tracker.name.clone(), finding)),
        }
        let targets: Arc<Vec<_>> =
            Arc::new(open.iter().map(|end| (end.host.clone(), end.what, end.address)).collect());
        let dialled = context
            .gather(sampled, context.quick(), |host| dial(context.clone(), targets.clone(), host))
            .await?;
        for end in dialled {
            let HostResult { host, outcome, .. } = end.result;
            let failed = outcome.failure().map(|failure| Finding::problem(failure.to_string()));
            let found = end.value.into_iter().flatten().chain(failed);
            findings.extend(found.map(|found| (host.clone(), found)));
        }
        Ok(findings)
    };
    tokio::select! {
        findings = work => findings,
        () = context.interrupt.wait() => Err(context.interrupted(GoesOn::Nothing)),
    }
}

/// So many hosts, from the first to the last.
fn spread(hosts: &[Arc<Host>], sample: usize) -> Vec<Arc<Host>> {
    let sample = sample.min(hosts.len());
    (0..sample).map(|n| hosts[n * hosts.len() / sample].clone()).collect()
}

async fn listen(context: Context, host: Arc<Host>) -> Job<Listening> {
    let ports = host.peer_ports();
    match hold(&context, &host, (ports.first, ports.last)).await? {
        Held::Open(address, stream) => {
            let host = host.name.clone();
            let value = Listening { host, what: "peer port", address, _stream: Some(stream) };
            Ok(Done { detail: String::new(), value })
        }
        Held::Closed(why) => {
            let message = format!("none of the peer ports {ports} can be listened on: {why}");
            Err(Outcome::Failed(Failure::new(Blame::Host, message)))
        }
    }
}

/// What became of a wish for a port.
enum Held {
    /// It is held open as long as this stream is there.
    Open(SocketAddr, Box<Stream<DoctorVerb>>),
    /// None of them can be, for this reason.
    Closed(String),
}

async fn hold(context: &Context, host: &Host, ports: (u16, u16)) -> Result<Held, Outcome> {
    let request = DoctorVerb {
        paths: Vec::new(),
        listen: Some(ports),
        dial: Vec::new(),
        announce_ip: host.announce_ip(),
    };
    let mut stream = context.stream(host, &request).await?;
    if let Step::Event(DoctorEvent { listening }) = stream.next().await?
        && let Some(address) = listening.first()
    {
        return Ok(Held::Open(*address, Box::new(stream)));
    }
    stream.close_input();
    Ok(Held::Closed(why_closed(stream.reply().await?)))
}

fn why_closed(reply: DoctorReply) -> String {
    match (reply.port_error, reply.busy_ports.as_slice()) {
        (Some(error), _) => error,
        (None, [_]) => "another program holds it".into(),
        (None, [_, ..]) => "other programs hold them".into(),
        (None, []) => "murder's own agents hold them".into(),
    }
}

/// The running tracker, or its port held open for the moment.
async fn tracker(context: &Context) -> Result<Listening, Finding> {
    let host = context.cast.tracker.clone();
    let failed = |outcome: Outcome| {
        let message = outcome.failure().map(ToString::to_string).unwrap_or_default();
        Finding::problem(message)
    };
    let port = host.tracker_port();
    let name = host.name.clone();
    let running = async {
        let roles = context.call(&host, &Status { tag: None }).await?.roles;
        let tracker = roles.into_iter().find(|role| role.role == Role::Tracker);
        Ok(tracker.filter(|role| role.pid.is_some()).and_then(|role| role.address))
    };
    let running: Option<SocketAddr> = running.await.map_err(failed)?;
    if let Some(address) = running.filter(|address| !address.ip().is_unspecified()) {
        return Ok(Listening { host: name, what: "tracker port", address, _stream: None });
    }
    // A tracker that listens on every address holds the port. The host's address is then learnt
    // with another port.
    let ports = match running {
        Some(_) => (host.peer_ports().first, host.peer_ports().last),
        None => (port, port),
    };
    match hold(context, &host, ports).await.map_err(failed)? {
        Held::Open(address, stream) => {
            let address = SocketAddr::new(address.ip(), port);
            Ok(Listening { host: name, what: "tracker port", address, _stream: Some(stream) })
        }
        Held::Closed(_) if running.is_some() => Err(Finding::note(
            "the tracker port was not tried: the address of its host is not known",
        )),
        Held::Closed(why) => {
            Err(Finding::problem(format!("the tracker port {port} can't be listened on: {why}")))
        }
    }
}

async fn dial(
    context: Context,
    targets: Arc<Vec<(String, &'static str, SocketAddr)>>,
    host: Arc<Host>,
) -> Job<Vec<Finding>> {
    let others =
        targets.iter().filter(|(name, what, _)| *name != host.name || *what != "peer port");
    let request = DoctorVerb {
        paths: Vec::new(),
        listen: None,
        dial: others.map(|(_, _, address)| *address).collect(),
        announce_ip: None,
    };
    let reply = context.call(&host, &request).await?;
    let findings = reply.dialled.into_iter().filter_map(|(address, error)| {
        let error = error?;
        let (name, what, _) = targets.iter().find(|(_, _, target)| *target == address)?;
        Some(Finding::problem(format!("the {what} of {name} at {address}: {error}")))
    });
    Ok(Done { detail: String::new(), value: findings.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    #[test]
    fn a_sample_is_spread_over_the_fleet() {
        let names: String = (0..10).map(|n| format!("h{n}\n")).collect();
        let inventory = Inventory::parse(names.as_bytes(), "hosts", &[]).unwrap();
        let hosts: Vec<_> = inventory.hosts.into_iter().map(Arc::new).collect();
        let names = |sample| {
            spread(&hosts, sample).iter().map(|host| host.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(3), ["h0", "h3", "h6"]);
        assert_eq!(names(20).len(), 10);
        assert!(spread(&[], 3).is_empty());
    }
}
