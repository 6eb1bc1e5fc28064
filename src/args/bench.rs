//! `bench`: what was typed, and what it means.

use super::high::{Target, pairs};
use crate::failure::Failure;
use std::path::PathBuf;

/// `bench`, as typed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The topics and groups of a bench are new, have names of their own, and are deleted \
                        after it. Faults of the scenario do not happen, changes of load do.\n\n\
                        Examples:
  stormglass bench steady --bootstrap broker-1:9092,broker-2:9092
  stormglass bench mine.toml --bootstrap localhost:9092 --property statistics.interval.ms=0"
)]
pub(super) struct LowBench {
    /// A file (with a `/`, or ending in `.toml`), or a name that `stormglass scenarios` lists.
    scenario: String,
    /// Brokers to begin with, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: String,
    /// Seed of arrivals, sizes and keys.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Change a key of the scenario, such as `producers.0.rate="20 MB/s"`. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// A property of librdkafka for all clients; wins over the scenario's. Repeatable.
    #[arg(long, short = 'X', value_name = "KEY=VALUE")]
    property: Vec<String>,
    /// Do not simulate the scenario's cluster to compare with.
    #[arg(long)]
    no_prediction: bool,
    /// Leave the topics of the bench in place.
    #[arg(long)]
    keep_topics: bool,
    /// Directory of the report. Default: stormglass-out/SCENARIO-SEED-bench.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `bench`.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Which scenario.
    pub(crate) target: Target,
    /// The scenario as typed.
    pub(crate) scenario: String,
    /// Where the cluster is.
    pub(crate) bootstrap: String,
    /// Seed.
    pub(crate) seed: u64,
    /// Pairs of path and value.
    pub(crate) sets: Vec<(String, String)>,
    /// Pairs of librdkafka's key and value.
    pub(crate) properties: Vec<(String, String)>,
    /// Simulate the scenario's cluster, too.
    pub(crate) prediction: bool,
    /// Leave topics in place.
    pub(crate) keep_topics: bool,
    /// Where to; the default if not given.
    pub(crate) out: Option<PathBuf>,
}

pub(super) fn bench(low: LowBench) -> Result<Bench, Failure> {
    Ok(Bench {
        target: Target::new(&low.scenario),
        scenario: low.scenario,
        bootstrap: low.bootstrap,
        seed: low.seed,
        sets: pairs("--set", &low.set)?,
        properties: pairs("--property", &low.property)?,
        prediction: !low.no_prediction,
        keep_topics: low.keep_topics,
        out: low.out,
    })
}
