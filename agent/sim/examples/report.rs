//! Prints how long swarms of several sizes take, beside the least possible time.

use std::time::Duration;

use murder_sim::Scenario;
use murder_swarm::{Lengths, LengthsError};

fn main() -> Result<(), LengthsError> {
    println!("equal links of 50 Mbit/s, 0.5 ms apart, pieces of 256 KiB, all begin within 0.1 s");
    println!("peers pieces  bound s  median s  last s  last/bound  copies   wasted kB");
    for (peers, pieces) in [(1, 192), (16, 192), (64, 192), (256, 192), (1000, 200)] {
        let lengths = Lengths::new(pieces * (256 << 10), 256 << 10)?;
        let mut scenario = Scenario::new(1, peers, lengths);
        scenario.join_within = Duration::from_millis(100);
        match scenario.run() {
            Ok(report) => println!(
                "{peers:5} {pieces:6} {:8.2} {:9.2} {:7.2} {:11.3} {:7.2} {:10}",
                report.bound.as_secs_f64(),
                report.median().as_secs_f64(),
                report.makespan().as_secs_f64(),
                report.ratio(),
                report.seeder_copies,
                report.wasted / 1000,
            ),
            Err(breach) => println!("{peers:5} {pieces:6} {breach}"),
        }
    }
    Ok(())
}
