//! Whether hosts reach each other: a sample of them listens where peers would, and each dials
//! the others and the tracker.

use std::net::SocketAddr;
use std::sync::Arc;

use murder_protocol::verbs::{Doctor as DoctorVerb, Role, Status};

use super::finding::Finding;
use crate::fleet::{Done, Job, Outcome};
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
    _stream: Option<Stream<DoctorVerb>>,
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
                    findings.push((end.result.host, Finding::problem(failure.message)));
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
            let host = end.result.host;
            findings.extend(end.value.into_iter().flatten().map(|found| (host.clone(), found)));
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
    let stream = hold(&context, &host, (ports.first, ports.last)).await?;
    match stream {
        (Some(address), stream) => {
            let host = host.name.clone();
            let value = Listening { host, what: "peer port", address, _stream: Some(stream) };
            Ok(Done { detail: String::new(), value })
        }
        (None, _) => Err(Outcome::Failed(murder_protocol::Failure::new(
            murder_protocol::Blame::Host,
            format!("none of the peer ports {ports} can be listened on"),
        ))),
    }
}

async fn hold(
    context: &Context,
    host: &Host,
    ports: (u16, u16),
) -> Result<(Option<SocketAddr>, Stream<DoctorVerb>), Outcome> {
    let connection = context.open(host).await?;
    let request = DoctorVerb {
        paths: Vec::new(),
        listen: Some(ports),
        dial: Vec::new(),
        announce_ip: host.announce_ip(),
    };
    let mut stream = connection.stream(&request).await?;
    let address = match stream.next().await? {
        Step::Event(event) => event.listening.first().copied(),
        Step::Reply(_) => None,
    };
    Ok((address, stream))
}

/// The running tracker, or its port held open for the moment.
async fn tracker(context: &Context) -> Result<Listening, Finding> {
    let host = context.cast.tracker.clone();
    let failed = |outcome: Outcome| {
        let message = outcome.failure().map(ToString::to_string).unwrap_or_default();
        Finding::problem(format!("tracker: {message}"))
    };
    let port = host.tracker_port();
    let name = host.name.clone();
    let running = async {
        let connection = context.open(&host).await?;
        let roles = connection.call(&Status { tag: None }).await?.roles;
        let tracker = roles.into_iter().find(|role| role.role == Role::Tracker);
        Ok(tracker.filter(|role| role.pid.is_some()).and_then(|role| role.address))
    };
    let running: Option<SocketAddr> = running.await.map_err(failed)?;
    if let Some(address) = running.filter(|address| !address.ip().is_unspecified()) {
        return Ok(Listening { host: name, what: "tracker port", address, _stream: None });
    }
    // A tracker that listens on every address holds the port; a free one beside it has the same
    // way there but for a firewall's rule for that port.
    let (address, stream) = hold(context, &host, (port, port)).await.map_err(failed)?;
    match (address, running) {
        (Some(address), _) => {
            Ok(Listening { host: name, what: "tracker port", address, _stream: Some(stream) })
        }
        (None, Some(_)) => {
            let ports = host.peer_ports();
            let (address, _) =
                hold(context, &host, (ports.first, ports.last)).await.map_err(failed)?;
            let address = address.map(|address| SocketAddr::new(address.ip(), port));
            address
                .map(|address| Listening {
                    host: name,
                    what: "tracker port",
                    address,
                    _stream: None,
                })
                .ok_or_else(|| Finding::note("the tracker's address is not known"))
        }
        (None, None) => Err(Finding::problem(format!(
            "the tracker port {port} can't be listened on: something else holds it"
        ))),
    }
}

async fn dial(
    context: Context,
    targets: Arc<Vec<(String, &'static str, SocketAddr)>>,
    host: Arc<Host>,
) -> Job<Vec<Finding>> {
    let connection = context.open(&host).await?;
    let others =
        targets.iter().filter(|(name, what, _)| *name != host.name || *what != "peer port");
    let request = DoctorVerb {
        paths: Vec::new(),
        listen: None,
        dial: others.map(|(_, _, address)| *address).collect(),
        announce_ip: None,
    };
    let reply = connection.call(&request).await?;
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
