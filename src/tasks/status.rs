//! `status` and `logs`: what hosts say of themselves.

use std::collections::HashMap;

use murder_protocol::verbs::{Logs as LogsVerb, LogsReply, Role, RoleStatus, Status};
use murder_protocol::{HostOutcome, Phase};
use serde_json::json;

use super::context::{Context, Stop};
use crate::fleet::{Done, Ended};
use crate::report::{Data, Event};
use crate::settings::{Attach, Logs, TaskName};

/// What runs where, for which tag, how far.
pub(super) async fn run(
    context: &Context,
    wanted: &Attach,
) -> Result<Vec<Ended<Vec<RoleStatus>>>, Stop> {
    let hosts = context.cast.named.clone();
    let ends = context
        .ask_with_more(
            TaskName::Status,
            hosts,
            |_| Status { tag: wanted.tag.clone() },
            |reply| {
                let running = reply.roles.iter().filter(|role| role.pid.is_some()).count();
                let detail = match running {
                    0 => "nothing runs".to_owned(),
                    n => format!("{n} running"),
                };
                Ok(Done { detail, value: reply.roles })
            },
        )
        .await?;
    context.reporter.emit(Event::Data(status_data(&in_order(context, &ends))));
    context.reporter.emit(Event::TaskEnded);
    Ok(ends)
}

/// The end of the hosts' logs.
pub(super) async fn logs(context: &Context, wanted: &Logs) -> Result<Vec<Ended<LogsReply>>, Stop> {
    let hosts = context.cast.named.clone();
    let request = |_: &_| LogsVerb { tag: wanted.tag.clone(), lines: wanted.lines };
    let ends = context
        .ask_with_more(TaskName::Logs, hosts, request, |reply| {
            let detail = match reply.logs.len() {
                1 => "1 log".to_owned(),
                n => format!("{n} logs"),
            };
            Ok(Done { detail, value: reply })
        })
        .await?;
    context.reporter.emit(Event::Data(logs_data(&in_order(context, &ends))));
    context.reporter.emit(Event::TaskEnded);
    Ok(ends)
}

/// What each host handed over, in the inventory's order.
pub(super) fn in_order<'a, T>(context: &Context, ends: &'a [Ended<T>]) -> Vec<(&'a str, &'a T)> {
    let named = context.cast.named.iter().map(|host| host.name.as_str());
    let place: HashMap<&str, usize> = named.zip(0..).collect();
    let mut rows: Vec<_> = ends
        .iter()
        .filter_map(|end| Some((end.result.host.as_str(), end.value.as_ref()?)))
        .collect();
    rows.sort_by_key(|(name, _)| place.get(name));
    rows
}

fn status_data(hosts: &[(&str, &Vec<RoleStatus>)]) -> Data {
    let mut rows = vec![["HOST", "ROLE", "TAG", "STATE", "DONE"].map(str::to_owned)];
    let mut json = Vec::new();
    for (host, roles) in hosts {
        if roles.is_empty() {
            rows.push([host, "-", "-", "nothing runs", "-"].map(str::to_owned));
        }
        for role in *roles {
            rows.push(row(host, role));
        }
        json.push(json!({ "event": "status", "host": host, "roles": roles }).to_string());
    }
    Data { text: table(&rows), json }
}

fn row(host: &str, status: &RoleStatus) -> [String; 5] {
    let role = match status.role {
        Role::Tracker => "tracker",
        Role::Seeder => "seeder",
        Role::Peer => "peer",
        Role::Warm => "warm",
    };
    let tag = status.tag.as_ref().map_or("-", |tag| tag.as_str());
    let done = match status.total {
        0 => "-".to_owned(),
        total => format!("{} %", (status.bytes.saturating_mul(100) / total).min(100)),
    };
    [host.to_owned(), role.to_owned(), tag.to_owned(), state(status), done]
}

fn state(status: &RoleStatus) -> String {
    let phase = status.phase.map(|phase| match phase {
        Phase::Connecting => "connecting",
        Phase::Starting => "starting",
        Phase::Verifying => "verifying",
        Phase::Downloading => "downloading",
        Phase::Extracting => "extracting",
        Phase::Done => "done",
        Phase::Failed => "failed",
    });
    match (&status.outcome, status.pid) {
        (Some(HostOutcome::Failed(failure)), _) => format!("failed: {failure}"),
        (Some(HostOutcome::Skipped(reason)), _) => format!("skipped: {reason}"),
        (Some(HostOutcome::Ok), Some(pid)) => format!("done, serves others, process {pid}"),
        (Some(HostOutcome::Ok), None) => "done".to_owned(),
        (None, Some(pid)) if status.role == Role::Peer => {
            format!("{}, process {pid}", phase.unwrap_or("running"))
        }
        (None, Some(pid)) if status.role == Role::Warm => format!("waiting, process {pid}"),
        (None, Some(pid)) => format!("running, process {pid}"),
        (None, None) => format!("not running, was {}", phase.unwrap_or("stopped")),
    }
}

/// Columns that are as wide as their widest cell, two spaces apart.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row: &[String; N]| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn logs_data(hosts: &[(&str, &LogsReply)]) -> Data {
    let mut text = String::new();
    let mut json = Vec::new();
    for (host, reply) in hosts {
        for log in &reply.logs {
            text.push_str(&format!("==> {host} {} <==\n{}\n\n", log.name, log.text.trim_end()));
            let line = json!({
                "event": "log", "host": host, "name": log.name, "text": log.text
            });
            json.push(line.to_string());
        }
    }
    Data { text, json }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murder_protocol::verbs::LogText;

    fn role(role: Role, tag: Option<&str>) -> RoleStatus {
        RoleStatus {
            role,
            tag: tag.map(|tag| tag.parse().unwrap()),
            pid: Some(7),
            phase: Some(Phase::Downloading),
            bytes: 1,
            total: 4,
            uploaded: 0,
            outcome: None,
            address: None,
            updated_unix: 0,
        }
    }

    #[test]
    fn the_table_has_a_line_per_role_and_one_for_an_idle_host() {
        let tracker = RoleStatus { total: 0, phase: None, ..role(Role::Tracker, None) };
        let busy = vec![tracker, role(Role::Peer, Some("v1"))];
        let data = status_data(&[("web1", &busy), ("web2", &Vec::new())]);
        assert_eq!(
            data.text,
            "HOST  ROLE     TAG  STATE                   DONE\n\
             web1  tracker  -    running, process 7      -\n\
             web1  peer     v1   downloading, process 7  25 %\n\
             web2  -        -    nothing runs            -\n"
        );
        assert_eq!(data.json.len(), 2);
    }

    #[test]
    fn each_log_has_a_heading() {
        let text = LogText { name: "peer-v1.log".into(), text: "one\ntwo\n".into() };
        let data = logs_data(&[("web1", &LogsReply { logs: vec![text] })]);
        assert_eq!(data.text, "==> web1 peer-v1.log <==\none\ntwo\n\n");
        assert!(data.json[0].contains(r#""name":"peer-v1.log""#), "{}", data.json[0]);
    }
}
