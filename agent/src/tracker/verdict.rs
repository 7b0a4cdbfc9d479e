//! What is said of a host that a run gives up.

use std::time::Duration;

use murder_protocol::{Blame, Failure, HostReport, Phase};

/// Nobody is left who would hand the host its job.
pub(super) fn deserted() -> Failure {
    Failure::new(Blame::Operator, "the workstation went away before this host had the job")
        .hint("run the same command again with --limit and this host")
}

/// The host has the job, and its agent never said hello.
pub(super) fn never_came(tracker: &str) -> Failure {
    Failure::new(Blame::Network, format!("took the job but never reached the tracker at {tracker}"))
        .hint(
            "let the host open TCP connections to that address and port, or set the tracker's \
             announce_ip to an address that the host can reach",
        )
}

/// The host was there, and is heard no more.
pub(super) fn went_silent(silence: Duration, report: &HostReport) -> Failure {
    let seconds = silence.as_secs();
    let doing = doing(report);
    Failure::new(Blame::Network, format!("went silent {seconds} s ago while {doing}")).hint(
        "see whether the host is up and its agent runs (murder status), and run the same command \
         again to resume",
    )
}

/// The host is there, but takes too long.
pub(super) fn too_slow(timeout: Duration, report: &HostReport) -> Failure {
    let seconds = timeout.as_secs();
    let doing = doing(report);
    Failure::new(Blame::Network, format!("not done within {seconds} s, still {doing}"))
        .hint("run the same command again to resume, with a longer --timeout")
}

/// Nobody waits on the host who could be told to switch. Why whoever did has left is known if the
/// tracker has seen it.
pub(super) fn missing(left: Option<&str>) -> Failure {
    let message = match left {
        Some(why) => format!("no agent waits on it any more: {why}"),
        None => "no agent waits on it".to_owned(),
    };
    Failure::new(Blame::Host, message)
        .hint("see whether the host is up, and run the same command again")
}

/// The same, where the others were told.
pub(super) fn untold(left: Option<&str>) -> Failure {
    let failure = missing(left);
    Failure { message: format!("{}, so it missed the word to switch", failure.message), ..failure }
}

/// The host may have switched, and can't say so.
pub(super) fn lost_at_switch() -> Failure {
    Failure::new(Blame::Network, "lost after it was told to switch")
        .hint("murder releases tells whether it did")
}

/// "downloading (63 %)".
fn doing(report: &HostReport) -> String {
    let what = match report.phase {
        Phase::Connecting => "connecting",
        Phase::Starting => "starting",
        Phase::Verifying => "verifying",
        Phase::Downloading => "downloading",
        Phase::Extracting => "extracting",
        Phase::Done => "ending",
        Phase::Failed => "failing",
    };
    match (report.phase, report.total) {
        (Phase::Verifying | Phase::Downloading, total @ 1..) => {
            let percent = u128::from(report.bytes) * 100 / u128::from(total);
            format!("{what} ({percent} %)")
        }
        _ => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(phase: Phase, bytes: u64) -> HostReport {
        HostReport {
            host: "web01".to_owned(),
            phase,
            bytes,
            total: 1000,
            uploaded: 0,
            downloaded: 0,
            elapsed_ms: 0,
            outcome: None,
        }
    }

    #[test]
    fn a_silent_host_is_said_to_have_gone_silent_where_it_was() {
        assert_eq!(
            went_silent(Duration::from_millis(30_900), &report(Phase::Downloading, 637))
                .to_string(),
            "went silent 30 s ago while downloading (63 %) (see whether the host is up and its \
             agent runs (murder status), and run the same command again to resume)"
        );
        assert_eq!(
            went_silent(Duration::from_secs(31), &report(Phase::Extracting, 1000)).message,
            "went silent 31 s ago while extracting"
        );
    }

    #[test]
    fn a_host_that_never_came_is_told_which_port_to_open() {
        assert_eq!(
            never_came("10.0.0.1:8998").to_string(),
            "took the job but never reached the tracker at 10.0.0.1:8998 (let the host open TCP \
             connections to that address and port, or set the tracker's announce_ip to an address \
             that the host can reach)"
        );
    }

    #[test]
    fn a_slow_host_is_told_how_to_get_more_time() {
        assert_eq!(
            too_slow(Duration::from_secs(600), &report(Phase::Verifying, 1000)).to_string(),
            "not done within 600 s, still verifying (100 %) (run the same command again to \
             resume, with a longer --timeout)"
        );
    }

    #[test]
    fn a_host_without_a_job_is_blamed_on_the_workstation() {
        assert_eq!(
            deserted().to_string(),
            "the workstation went away before this host had the job (run the same command again \
             with --limit and this host)"
        );
    }
}
