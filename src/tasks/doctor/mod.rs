//! `doctor`: looks at every host for whatever could stop a run, and tries the ports of tracker
//! and peers from a sample of hosts. Findings are folded: one line each, with its hosts.

mod finding;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use murder_protocol::verbs::{Doctor as DoctorVerb, Hello};
use murder_protocol::{Blame, Failure};

use super::context::{Context, Stop};
use crate::fleet::{Done, HostResult, Job, Outcome};
use crate::inventory::Host;
use crate::report::Event;
use crate::settings::{Doctor, TaskName};
use finding::{Finding, Grade};

/// Runs it. A host with a problem fails, so that the exit code says so.
pub(super) async fn run(context: &Context, doctor: &Doctor) -> Result<Vec<HostResult>, Stop> {
    // The ports are tried with the tracker, so it is looked at whatever the limit.
    let hosts = context.cast.named_and_tracker();
    context.task_started(TaskName::Doctor, &hosts);
    let looked = context
        .gather(hosts.clone(), context.quick(), |host| look(context.clone(), doctor.clone(), host))
        .await?;
    let mut findings: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    let mut well = BTreeSet::new();
    for end in &looked {
        let name = &end.result.host;
        let failed = end.result.outcome.failure();
        let failed = failed.map(|failure| Finding::problem(failure.to_string()));
        let found = end.value.iter().flatten().cloned().chain(failed);
        findings.entry(name.clone()).or_default().extend(found);
        if end.value.is_some() {
            well.insert(name);
        }
    }
    let well: Vec<_> = hosts.into_iter().filter(|host| well.contains(&host.name)).collect();
    let tried = ports::try_ports(context, &well, doctor.sample).await?;
    for (host, finding) in tried {
        findings.entry(host).or_default().push(finding);
    }
    let mut results = Vec::new();
    for end in looked {
        let HostResult { host, outcome, elapsed } = end.result;
        let outcome = match outcome {
            Outcome::Ok(_) => verdict(findings.get(&host)),
            other => other,
        };
        results.push(context.host_ended(&host, outcome, elapsed));
    }
    context.reporter.emit(Event::Data(finding::data(&findings, results.len())));
    context.reporter.emit(Event::TaskEnded);
    Ok(results)
}

fn verdict(findings: Option<&Vec<Finding>>) -> Outcome {
    let problems = findings.into_iter().flatten().filter(|finding| finding.grade == Grade::Problem);
    let texts: Vec<_> = problems.map(|finding| finding.text.as_str()).collect();
    match texts.is_empty() {
        true => Outcome::Ok(String::new()),
        false => Outcome::Failed(Failure::new(Blame::Host, texts.join("; "))),
    }
}

async fn look(context: Context, doctor: Doctor, host: Arc<Host>) -> Job<Vec<Finding>> {
    let connection = context.open(&host).await?;
    let fitting = connection.fitting_agent(&context.agents).await?;
    let hello = connection.call(&Hello {}).await?;
    let mut findings = Vec::new();
    if hello.sha256 != fitting.sha256 {
        findings.push(Finding::note(format!(
            "the agent (version {}) is not this program's; murder distribute_files replaces it",
            hello.version
        )));
    }
    let destination =
        doctor.destination_path.as_deref().or_else(|| host.default_destination_path());
    let temp = doctor.temp_path.as_deref().or_else(|| host.temp_path());
    let request = DoctorVerb {
        paths: destination.into_iter().chain(temp).map(str::to_owned).collect(),
        listen: None,
        dial: Vec::new(),
        announce_ip: host.announce_ip(),
    };
    let before = now_ms();
    let reply = connection.call(&request).await?;
    findings.extend(reply.file_systems.iter().flat_map(finding::of_file_system));
    findings.extend(finding::of_clock(reply.clock_unix_ms, before, now_ms()));
    Ok(Done { detail: String::new(), value: findings })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
