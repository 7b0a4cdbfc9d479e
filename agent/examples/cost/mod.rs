//! What this process has cost so far, for the programs that measure.

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// User and system time of this process (proc(5), fields 14 and 15, in ticks of 10 ms).
pub(crate) fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().ok_or("no stat")?.split(' ');
    let ticks: f64 = fields.skip(11).take(2).flat_map(str::parse::<f64>).sum();
    Ok(ticks / 100.0)
}

/// The most memory that was resident at once.
pub(crate) fn peak_mib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}
