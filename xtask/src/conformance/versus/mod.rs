//! `cargo xtask conformance --bench`: `stormglass serve` and an Apache Kafka, side by side on this
//! machine, with Kafka's own perf tools and the same settings. Writes docs/against-kafka.md.
//!
//! Each case has a topic of its own. First it is filled as fast as the producer can, then read from
//! the beginning (from the page cache, as it was just written), then filled at a fixed rate that both
//! brokers keep up with, which is where their latencies can be compared. The brokers take turns case by
//! case, so that both get the same share of whatever else the machine does, and who begins alternates;
//! the median of several rounds counts. The one whose turn it is not is stopped (SIGSTOP): an idle Kafka
//! takes some percent of a core.

mod figures;
mod page;
mod process;
mod tools;
mod topics;

use super::apache::Apache;
use super::clients::class_path;
use super::cluster::{self, Cluster};
use crate::ci::root;
use figures::{Broker, Measured};
use process::{Usage, usage};
use std::fs;
use std::process::Command;
use tools::{Tools, Work};
use topics::Topics;

/// Apache Kafka's version: the first one whose producer tool can tell a warm-up apart (KIP-1052).
const KAFKA: &str = "4.2.0";
/// Rounds, if nobody says how many.
pub(crate) const ROUNDS: u32 = 3;
/// Bytes that the fastest filling of a topic writes, and how many of them warm the client up.
const FILL_BYTES: u64 = 200_000_000;
const FILL_WARM_UP_BYTES: u64 = 60_000_000;
/// The fixed rate, bytes per second, for how long, s, and how much of that is warm-up.
const PACED_BYTES_PER_SEC: u64 = 10_000_000;
const PACED_SECONDS: u64 = 8;
const PACED_WARM_UP_SECONDS: u64 = 3;
/// What both brokers are told beside their defaults.
const SETTINGS: [(&str, &str); 2] = [
    // as in the server.properties that comes with Kafka: a group of one need not wait for others
    ("group.initial.rebalance.delay.ms", "0"),
    // no controller takes a broker for dead that is stopped while the other one has its turn
    ("broker.session.timeout.ms", "600000"),
];
/// Kafka deletes a topic's files after a minute, and until then they are on their way to the disk, while the
/// other broker has its turn. `stormglass serve` deletes them at once.
const DELETES_AT_ONCE: (&str, &str) = ("log.segment.delete.delay.ms", "0");

/// What is written.
#[derive(Debug, Clone, Copy)]
struct Case {
    acks: &'static str,
    record_bytes: u64,
    partitions: u32,
}

const CASES: [Case; 8] = [
    Case { acks: "1", record_bytes: 100, partitions: 1 },
    Case { acks: "1", record_bytes: 100, partitions: 16 },
    Case { acks: "1", record_bytes: 1024, partitions: 1 },
    Case { acks: "1", record_bytes: 1024, partitions: 16 },
    Case { acks: "all", record_bytes: 100, partitions: 1 },
    Case { acks: "all", record_bytes: 100, partitions: 16 },
    Case { acks: "all", record_bytes: 1024, partitions: 1 },
    Case { acks: "all", record_bytes: 1024, partitions: 16 },
];

/// Measures and writes the page. Another number of rounds than the usual one is a try: its page is only
/// printed.
///
/// # Errors
/// A broker or a tool does not run.
pub(crate) fn versus(rounds: u32) -> Result<(), String> {
    if rounds == 0 {
        return Err("no rounds, no figures".to_owned());
    }
    let binary = cluster::build_profile("release")?;
    let jars = class_path(Some(KAFKA))?;
    let cluster = Cluster::start_with(&binary, 1, &SETTINGS)?;
    let apache = Apache::start(Some(KAFKA), &[&SETTINGS[..], &[DELETES_AT_ONCE]].concat())?;
    let mut turns = [
        Turn::new("stormglass serve", &cluster.bootstrap, cluster.process_id(), &jars)?,
        Turn::new(&format!("Apache Kafka {KAFKA}"), &apache.bootstrap, apache.process_id(), &jars)?,
    ];
    // a JVM is slow until it has compiled what is hot; the other broker gets the same
    for turn in &mut turns {
        turn.measure("warm-up", CASES[3])?;
        signal(turn.process, "STOP")?;
    }
    for round in 0..rounds {
        for (index, case) in (0..).zip(CASES) {
            for at in order(round, index) {
                signal(turns[at].process, "CONT")?;
                let measured = turns[at].measure(&format!("case-{index}-{round}"), case)?;
                turns[at].broker.cases[index as usize].push(measured);
                signal(turns[at].process, "STOP")?;
            }
        }
    }
    let [ours, theirs] = turns;
    let page = page::page(&ours.end()?, &theirs.end()?, rounds);
    signal(cluster.process_id(), "CONT")?;
    cluster.stop()?;
    if rounds == ROUNDS {
        fs::write(root().join("docs/against-kafka.md"), &page)
            .map_err(|error| format!("cannot write docs/against-kafka.md: {error}"))?;
    }
    print!("{page}");
    Ok(())
}

/// Whose turn is first.
fn order(round: u32, case: u32) -> [usize; 2] {
    if (round + case).is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// A broker that takes turns with another one.
struct Turn<'a> {
    process: u32,
    tools: Tools<'a>,
    topics: Topics,
    broker: Broker,
}

impl<'a> Turn<'a> {
    fn new(name: &str, bootstrap: &'a str, process: u32, jars: &'a str) -> Result<Self, String> {
        Ok(Self {
            process,
            tools: Tools { bootstrap, jars },
            topics: Topics::connect(bootstrap)?,
            broker: Broker::new(name, CASES.len()),
        })
    }

    fn measure(&mut self, topic: &str, case: Case) -> Result<Measured, String> {
        self.topics.create(topic, case.partitions)?;
        let fill = Work { bytes: FILL_BYTES, warm_up_bytes: FILL_WARM_UP_BYTES, rate: None };
        let pace = Work {
            bytes: PACED_BYTES_PER_SEC * PACED_SECONDS,
            warm_up_bytes: PACED_BYTES_PER_SEC * PACED_WARM_UP_SECONDS,
            rate: Some(PACED_BYTES_PER_SEC),
        };
        let mut marks: Vec<Usage> = vec![usage(self.process)?];
        let fastest = self.tools.produce(topic, case, fill)?;
        marks.push(usage(self.process)?);
        let read_mib_per_sec = self.tools.consume(topic, FILL_BYTES / case.record_bytes)?;
        marks.push(usage(self.process)?);
        let paced = self.tools.produce(topic, case, pace)?;
        marks.push(usage(self.process)?);
        let cpu = [0, 1, 2].map(|n| marks[n + 1].cpu_seconds - marks[n].cpu_seconds);
        let measured = Measured { fastest, paced, read_mib_per_sec, cpu };
        eprintln!("{}, {topic}: {case:?} {measured:?}", self.broker.name);
        self.topics.delete(topic)?;
        write_back()?;
        Ok(measured)
    }

    /// With what its process takes now.
    fn end(self) -> Result<Broker, String> {
        let Usage { rss_mib, peak_mib, .. } = usage(self.process)?;
        Ok(Broker { rss_mib, peak_mib, ..self.broker })
    }
}

/// What waits to be written to the disk is written now, and not during what is measured next.
fn write_back() -> Result<(), String> {
    succeed(&mut Command::new("sync"))
}

fn signal(process: u32, name: &str) -> Result<(), String> {
    succeed(Command::new("kill").args([format!("-{name}"), process.to_string()]))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broker_begins_half_of_the_time_and_not_always_with_the_same_cases() {
        let begins = |round| (0..8).filter(|case| order(round, *case)[0] == 0).count();
        assert_eq!([begins(0), begins(1)], [4, 4]);
        assert!((0..8).all(|case| order(0, case) != order(1, case)));
    }
}
