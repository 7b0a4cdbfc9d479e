//! What was to be reached, beside what was measured: the table that the report begins with.

use std::fmt::Write as _;

use super::table::spread;
use crate::record::{Record, Sample, ToolRecord};
use crate::stats::Spread;

/// One line a goal, whether it was met or missed or not measured.
pub(super) fn table(records: &[Record]) -> String {
    let results = Results(records);
    let mut rows = Vec::new();
    for (peers, most) in [(16, 1.06), (32, 1.08), (64, 1.08)] {
        swarm(&results, peers, most, &mut rows);
    }
    rows.push(foretold(&results));
    for (pieces, peers) in [(512, 100), (512, 1000), (512, 10_000), (2048, 100), (2048, 1000)] {
        rows.push(simulated(&results, peers, pieces));
    }
    costs(&results, &mut rows);
    tracker(&results, &mut rows);
    archive(&results, &mut rows);
    rows.extend(workstation(&results));
    rows.extend(agent(&results));
    let mut text =
        "| what | to be reached | measured | beside | |\n|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let (measured, met) = row.measured.map_or(("not measured".into(), ""), |measured| {
            (measured.text, if measured.met { "met" } else { "**missed**" })
        });
        let _ =
            writeln!(text, "| {} | {} | {measured} | {} | {met} |", row.what, row.goal, row.beside);
    }
    text
}

struct Row {
    what: String,
    goal: String,
    /// `None` without results.
    measured: Option<Measured>,
    /// What others reach.
    beside: String,
}

struct Measured {
    text: String,
    met: bool,
}

impl Row {
    fn new(what: &str, goal: &str, measured: Option<Measured>, beside: String) -> Self {
        Self { what: what.into(), goal: goal.into(), measured, beside }
    }

    /// A median that must not be greater than something.
    fn at_most(
        what: &str,
        most: f64,
        digits: usize,
        unit: &str,
        ours: Option<Spread>,
        beside: String,
    ) -> Self {
        let measured = ours
            .map(|ours| Measured { text: shown(&ours, digits, unit), met: ours.median <= most });
        Self::new(what, &format!("≤ {most}{unit}"), measured, beside)
    }

    /// A median of ours by one of others that must not be greater than something.
    fn by(what: &str, most: f64, ours: Option<Spread>, theirs: Option<(String, Spread)>) -> Self {
        let goal = format!("≤ {most} of it");
        let Some((ours, (name, theirs))) = ours.zip(theirs) else {
            return Self::new(what, &goal, None, String::new());
        };
        let share = ours.median / theirs.median;
        let text = format!("{share:.2}: {:.3} by {:.3}", ours.median, theirs.median);
        Self::new(what, &goal, Some(Measured { text, met: share <= most }), name)
    }
}

/// What is kept of all scenarios.
struct Results<'a>(&'a [Record]);

impl Results<'_> {
    fn tools(&self, scenario: &str) -> &[ToolRecord] {
        let record = self.0.iter().find(|record| record.scenario == scenario);
        record.map_or(&[], |record| &record.tools)
    }

    /// The runs of the tool whose name begins so, of one size where there are several.
    fn spread(
        &self,
        scenario: &str,
        tool: &str,
        key: &str,
        size: Option<(&str, f64)>,
    ) -> Option<Spread> {
        let tool = self.tools(scenario).iter().find(|known| known.tool.starts_with(tool))?;
        let of_size =
            |run: &&Sample| size.is_none_or(|(by, size)| run.numbers.get(by) == Some(&size));
        spread(&tool.runs.iter().filter(of_size).collect::<Vec<_>>(), key)
    }

    fn ours(&self, scenario: &str, key: &str) -> Option<Spread> {
        self.spread(scenario, "murder", key, None)
    }

    /// The one of these tools with the least median.
    fn best(&self, scenario: &str, tools: &[&str], key: &str) -> Option<(String, Spread)> {
        let known = tools
            .iter()
            .filter_map(|tool| Some(((*tool).to_owned(), self.spread(scenario, tool, key, None)?)));
        known.min_by(|a, b| a.1.median.total_cmp(&b.1.median))
    }

    /// What these tools reach, each with its name.
    fn beside(&self, scenario: &str, tools: &[&str], key: &str, digits: usize) -> String {
        let known = tools.iter().filter_map(|tool| {
            let median = self.spread(scenario, tool, key, None)?.median;
            Some(format!("{tool} {median:.digits$}"))
        });
        known.collect::<Vec<_>>().join(", ")
    }
}

/// A swarm on limited links.
fn swarm(results: &Results<'_>, peers: usize, most: f64, rows: &mut Vec<Row>) {
    let scenario = format!("swarm-{peers}");
    let ours = |key| results.ours(&scenario, key);
    let busy = ours("busy").is_some_and(|busy| busy.greatest > super::table::BUSY);
    let mark = if busy { " †" } else { "" };
    let all = ["libtorrent", "aria2", CHAIN, "udpcast"];
    let beside = |key| results.beside(&scenario, &all, key, 2);
    let what = |what: &str| format!("{peers} peers: {what}{mark}");
    let ratio = ours("ratio");
    let last = what("last peer's time / bound");
    rows.push(Row::at_most(&last, most, 3, "", ratio, beside("ratio")));
    let worst = ratio.map(|ratio| Measured {
        text: format!("{:.3}", ratio.greatest),
        met: ratio.greatest <= WORST,
    });
    rows.push(Row::new(&what("the same, worst run"), &format!("≤ {WORST}"), worst, String::new()));
    let best = results.best(&scenario, CLIENTS, "ratio");
    rows.push(Row::by(&what("time by the best BitTorrent client's"), 0.87, ratio, best));
    let chain = results.best(&scenario, &[CHAIN], "ratio");
    rows.push(Row::by(&what("time by the chain's"), 1.0, ratio, chain));
    let copies = beside("seeder copies");
    rows.push(Row::at_most(
        &what("seeder's upload, copies"),
        1.06,
        3,
        "",
        ours("seeder copies"),
        copies,
    ));
}

/// The simulator beside the fleet.
fn foretold(results: &Results<'_>) -> Row {
    let real = results.ours("swarm-32", "seconds");
    let simulated = results.spread("swarm-32", SIMULATED, "seconds", None);
    let measured = real.zip(simulated).map(|(real, simulated)| {
        let off = 100.0 * (simulated.median / real.median - 1.0);
        let text = format!("{off:+.1} %: {:.2} s and {:.2} s", simulated.median, real.median);
        Measured { text, met: off.abs() <= 10.0 }
    });
    Row::new("32 peers: simulated time by the real one", "within 10 %", measured, String::new())
}

fn simulated(results: &Results<'_>, peers: u32, pieces: u32) -> Row {
    let size = Some(("peers", f64::from(peers)));
    let tool = format!("{SIMULATED}, {pieces} pieces");
    let ratio = results.spread("simulator", &tool, "ratio", size);
    let what = format!("simulator, {peers} peers, {pieces} pieces: last peer's time / bound");
    Row::at_most(&what, 1.05, 3, "", ratio, String::new())
}

/// What a byte costs, and how fast they go where only the machine limits.
fn costs(results: &Results<'_>, rows: &mut Vec<Row>) {
    for (what, most, key) in [
        ("loopback: seeder's CPU", 0.6, "seeder cpu per GiB"),
        ("loopback: a peer's CPU, hash and disk included", 1.6, "peer cpu per GiB"),
    ] {
        let beside = results.beside("loopback-1", CLIENTS, key, 2);
        rows.push(Row::at_most(
            what,
            most,
            2,
            " s per GiB",
            results.ours("loopback-1", key),
            beside,
        ));
    }
    for (what, scenario) in [
        ("loopback, one peer: time by the fastest client's", "loopback-1"),
        ("loopback, eight peers: time by the fastest client's", "loopback-8"),
    ] {
        let best = results.best(scenario, CLIENTS, "seconds");
        rows.push(Row::by(what, 1.0, results.ours(scenario, "seconds"), best));
    }
    let beside = results.beside("small-32", &["libtorrent", "aria2", CHAIN], "seconds", 3);
    let small = results.ours("small-32", "seconds");
    rows.push(Row::at_most("1 MiB to 32 peers, unlimited", 0.3, 3, " s", small, beside));
}

fn tracker(results: &Results<'_>, rows: &mut Vec<Row>) {
    for peers in [1000, 10_000, 100_000] {
        let size = Some(("peers", f64::from(peers)));
        let of = |tool, key| results.spread("tracker", tool, key, size);
        let both = of("murder", ANNOUNCES).zip(of("opentracker", ANNOUNCES));
        let measured = both.map(|(ours, theirs)| Measured {
            text: shown(&ours, 0, " a second"),
            met: ours.median >= theirs.median,
        });
        let beside = both.map_or(String::new(), |both| format!("opentracker {:.0}", both.1.median));
        let what = format!("tracker, {peers} peers: announces");
        rows.push(Row::new(&what, "≥ opentracker's", measured, beside));
        let beside = of("opentracker", BYTES)
            .map_or(String::new(), |theirs| format!("opentracker {:.0}", theirs.median));
        let what = format!("tracker, {peers} peers: memory");
        rows.push(Row::at_most(&what, 300.0, 0, " bytes a peer", of("murder", BYTES), beside));
    }
}

fn archive(results: &Results<'_>, rows: &mut Vec<Row>) {
    let ours = |key| results.ours("archive", key);
    let theirs = |key| results.best("archive", &["tar"], key);
    rows.push(Row::by(
        "packing a tree: time by tar's, pigz's and mktorrent's",
        1.0,
        ours("pack"),
        theirs("pack"),
    ));
    rows.push(Row::by("packing a tree: size by theirs", 1.03, ours("mib"), theirs("mib")));
    let after = "the tree in place after the last piece, by tar's time";
    rows.push(Row::by(after, 0.6, ours("after"), theirs("after")));
}

fn workstation(results: &Results<'_>) -> Vec<Row> {
    let ssh = ["clush", "pdsh"];
    let by = |what: &str, key| {
        Row::by(what, 1.2, results.ours("fan-out", key), results.best("fan-out", &ssh, key))
    };
    let few = |size| Some(("hosts", size));
    let peak = |size| results.spread("workstation", "murder", "peak", few(size));
    let growth = peak(MANY).zip(peak(FEW)).map(|(many, few)| {
        let each = (many.median - few.median) * 1024.0 / (MANY - FEW);
        let text = format!(
            "{each:.1} KiB: {:.1} MiB with {FEW}, {:.1} with {MANY}",
            few.median, many.median
        );
        Measured { text, met: each <= KIB_A_HOST }
    });
    let flat = |what: &str, key| {
        let of = |size| results.spread("workstation", "murder", key, few(size));
        let measured = of(MANY).zip(of(FEW)).map(|(many, few)| Measured {
            text: format!("{:.0} with {FEW} hosts, {:.0} with {MANY}", few.median, many.median),
            met: many.median <= few.median * 1.1,
        });
        Row::new(what, "flat, within a tenth", measured, String::new())
    };
    vec![
        by("64 hosts over SSH: time by that of `true`, twice", "seconds"),
        by("64 hosts over SSH: workstation's CPU by that", "cpu"),
        Row::new(
            "workstation: memory for each further host",
            &format!("≤ {KIB_A_HOST} KiB"),
            growth,
            String::new(),
        ),
        flat("workstation: processes", "processes"),
        flat("workstation: open files", "descriptors"),
    ]
}

fn agent(results: &Results<'_>) -> Vec<Row> {
    let pushed = results.spread("agent", "murder distribute_files", "pushed", None);
    let moved = |key| results.spread("agent", "murder's agents", key, None);
    vec![
        Row::at_most("agent: bytes sent to a host", 1.0, 3, " MiB", pushed, String::new()),
        Row::at_most(
            "agent: memory of a seeder of 4 GiB",
            32.0,
            1,
            " MiB",
            moved("seeder peak"),
            String::new(),
        ),
        Row::at_most(
            "agent: memory of a peer that gets 4 GiB",
            32.0,
            1,
            " MiB",
            moved("peer peak"),
            String::new(),
        ),
    ]
}

/// The median, and the least and the greatest where they differ.
fn shown(spread: &Spread, digits: usize, unit: &str) -> String {
    let Spread { least, median, greatest } = spread;
    match least == greatest {
        true => format!("{median:.digits$}{unit}"),
        false => format!("{median:.digits$}{unit} ({least:.digits$}–{greatest:.digits$})"),
    }
}

const CLIENTS: &[&str] = &["libtorrent", "aria2", "rqbit"];
const CHAIN: &str = "chain of relays";
const SIMULATED: &str = "murder (simulated)";
const ANNOUNCES: &str = "announces a second";
const BYTES: &str = "bytes a peer";
/// No run may take longer, by the bound.
const WORST: f64 = 1.12;
/// Hosts of the workstation's scenario.
const FEW: f64 = 100.0;
const MANY: f64 = 2000.0;
/// What "a few KiB a host" is taken to be.
const KIB_A_HOST: f64 = 8.0;
