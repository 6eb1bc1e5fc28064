//! What was typed. The one source of parsing, help and completions; decides nothing.

use super::bench::LowBench;
use super::transfer::{LowExport, LowImport};
use super::workload::LowWorkload;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes:
  0  done, promises kept, thresholds met    6  nothing to compare with
  1  internal or I/O error                  7  no cluster meets the requirements
  2  usage                                  8  safety or liveness promise broken
  3  regression                             9  replay differs
  4  threshold missed                     130  interrupted, partial results written
  5  scenario, suite, plan, result or import invalid or not there";

/// Replays storms on a simulated Kafka cluster: latency, throughput, safety and cost from one
/// scenario.
#[derive(Debug, Parser)]
#[command(name = "stormglass", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Low {
    #[command(subcommand)]
    pub(super) command: LowCommand,
    /// Print the result as JSON on stdout.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// One per command.
#[derive(Debug, Subcommand)]
pub(super) enum LowCommand {
    /// Simulate a scenario, print a summary, write a report.
    Run(LowRun),
    /// Simulate many storms, each drawn from a seed, and keep a plan of every way to break a promise.
    Hunt(LowHunt),
    /// Simulate a plan again, exactly; with --check, audit that it is the same run.
    Replay(LowReplay),
    /// Show where the time of produce requests goes, by percentile.
    Explain(LowExplain),
    /// Say what changed from one run or scenario to another, and what explains it.
    Compare(LowCompare),
    /// Fail when a suite of scenarios got worse.
    Gate(LowGate),
    /// Simulate a scenario at many values of some keys.
    Sweep(LowSweep),
    /// Find the cheapest cluster that meets requirements in every failure state.
    Plan(super::plan::LowPlan),
    /// Price a cluster, line by line.
    Cost(LowCost),
    /// Make a scenario of other tools' files: MSK, CloudWatch, Kafka's tools, Prometheus, benchmarks.
    Import(LowImport),
    /// Write a run's results in another tool's format.
    Export(LowExport),
    /// Run a real Kafka broker, on real sockets and files.
    Serve(LowServe),
    /// Run a scenario's workload against a real Kafka cluster, beside its simulation.
    Bench(LowBench),
    /// List the scenarios that are built in.
    Scenarios(LowScenarios),
    /// Print a JSON Schema.
    Schema(LowSchema),
    /// Print completions for a shell.
    Completions(LowCompletions),
}

/// `run`.
#[derive(Debug, clap::Args)]
pub(super) struct LowRun {
    /// A file (with a `/`, or ending in `.toml`), or a name that `stormglass scenarios` lists.
    pub(super) scenario: String,
    /// Seed of every random stream.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Run K seeds from --seed on, in parallel, each into its own directory.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) seeds: Option<u64>,
    /// Runs at a time with --seeds; the machine's threads if not given.
    #[arg(long, value_name = "N", requires = "seeds",
          value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// Change a key of the scenario, such as `producers.0.rate="20 MB/s"`. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Directory of the report; with --seeds, of one directory per seed. Default:
    /// stormglass-out/SCENARIO-SEED.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Say where the trace of cluster events is.
    #[arg(long)]
    pub(super) trace: bool,
    /// Put a bug of Kafka's past back into the brokers, such as REP-01, to see which checker
    /// notices. Only in a build with `cargo run --features planted-bugs`.
    #[arg(long, value_name = "NAME")]
    pub(super) plant: Option<String>,
}

/// `hunt`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  stormglass hunt --seeds 1..2001 --jobs 8 --shrink
  stormglass hunt az-outage --for 10m
  stormglass hunt --seeds 1..20001 --shard 3/16 --out shard-3
  stormglass hunt merge shard-* --out all")]
pub(super) struct LowHunt {
    #[command(subcommand)]
    pub(super) action: Option<LowHuntAction>,
    /// A file, or a name that `stormglass scenarios` lists. `swarm` draws cluster, load and faults;
    /// any other keeps its own and gets faults on top.
    #[arg(default_value = "swarm")]
    pub(super) scenario: String,
    /// Seeds from A up to, but not with, B. Default: 1..101; without end when --for is given.
    #[arg(long, value_name = "A..B")]
    pub(super) seeds: Option<String>,
    /// Runs at a time; the machine's threads if not given. Changes no result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// Begin no new seed after this long, such as 10m.
    #[arg(long = "for", value_name = "TIME")]
    pub(super) time: Option<String>,
    /// Only every N-th seed, the I-th of each N (from 0). Default: what an array job says in
    /// SLURM_ARRAY_TASK_ID and ..._COUNT, AWS_BATCH_JOB_ARRAY_INDEX and ..._SIZE,
    /// JOB_COMPLETION_INDEX and ..._COUNT, or CI_NODE_INDEX and ..._TOTAL.
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<String>,
    /// Make the plan of every failure as small as possible.
    #[arg(long)]
    pub(super) shrink: bool,
    /// Change a key of the scenario first. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Where to; hunts add to nothing that is there. Default: stormglass-out/hunt-SCENARIO.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Put a bug of Kafka's past back into the brokers, such as REP-01, to see how soon it is found.
    /// Only in a build with `cargo run --profile hunt --features planted-bugs`.
    #[arg(long, value_name = "NAME")]
    pub(super) plant: Option<String>,
}

/// `hunt merge`.
#[derive(Debug, Subcommand)]
pub(super) enum LowHuntAction {
    /// Add up the directories of shards.
    Merge {
        /// Directories of hunts.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// Where to. Default: stormglass-out/hunt-merged.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct LowReplay {
    /// A plan.json, or the directory of a run.
    pub(super) plan: PathBuf,
    /// Run it twice and compare event hashes and result.json, also with a result.json beside the
    /// plan; write nothing unless --out is given. The verdict on the cluster is left aside.
    #[arg(long)]
    pub(super) check: bool,
    /// Directory of the report. Default: stormglass-out/SCENARIO-SEED-replay.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Put a bug of Kafka's past back into the brokers, such as REP-01, to see which checker
    /// notices. Only in a build with `cargo run --features planted-bugs`.
    #[arg(long, value_name = "NAME")]
    pub(super) plant: Option<String>,
}

/// `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct LowExplain {
    /// The directory of a run, or its result.json.
    pub(super) result: PathBuf,
    /// Only this band of latency.
    #[arg(long, value_name = "BAND", value_enum)]
    pub(super) band: Option<Band>,
}

/// A band of latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Band {
    /// Every sample.
    All,
    /// Around the median.
    P50,
    /// Around the 90th percentile.
    P90,
    /// Around the 99th percentile.
    P99,
    /// The slowest.
    Max,
}

/// `compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs are paired by seed. Of two scenarios, each changed key is switched over alone \
and left out alone, to see what it explains. Examples:
  stormglass compare stormglass-out/before stormglass-out/after
  stormglass compare steady steady --set-b producers.*.config.linger.ms=20
Exit 6 when one of the two is not there, or they cannot be compared: other values in the catalogue, \
other schema, interrupted."
)]
pub(super) struct LowCompare {
    /// First side: the directory of a run or of its seeds, a result.json, or a scenario.
    pub(super) a: String,
    /// Second side.
    pub(super) b: String,
    /// First seed of the scenarios.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Seeds of the scenarios.
    #[arg(long, value_name = "K", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) seeds: u64,
    /// Runs at a time; the machine's threads if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// Change a key of both scenarios. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Change a key of the first scenario only. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set_a: Vec<String>,
    /// Change a key of the second scenario only. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set_b: Vec<String>,
    /// Figure whose change the keys explain.
    #[arg(long, value_name = "FIGURE", default_value = "response_latency p(99)")]
    pub(super) figure: String,
    /// Do not run what it takes to say what each key explains.
    #[arg(long)]
    pub(super) no_keys: bool,
    /// Directory of the page and of compare.json. Default: stormglass-out/compare.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

/// `gate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A suite is TOML: name, base, seeds, and [[scenarios]] with scenario, set and limits \
such as
  response_latency = [\"p(99) < +5%\"]
A limit is passed when the median of the paired changes is beyond it and all seeds agree on the \
direction (one of sixteen may differ). Exit 3 then, 4 when a scenario misses a threshold of its own, 6 when the base is \
missing or has other values in its catalogue. `stormglass schema suite` has every key."
)]
pub(super) struct LowGate {
    /// The suite's file.
    pub(super) suite: PathBuf,
    /// What to compare with, in place of the suite's own: `git:REVISION`, a file that --save wrote,
    /// or `none`.
    #[arg(long, value_name = "BASE", conflicts_with = "noise")]
    pub(super) base: Option<String>,
    /// Compare the scenarios with themselves at other seeds: what passes a limit then is noise.
    #[arg(long)]
    pub(super) noise: bool,
    /// When the base has another program or catalogue, run its scenarios with this one, too, show
    /// both effects apart, and judge the scenarios' alone.
    #[arg(long)]
    pub(super) rebaseline: bool,
    /// First seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Paired seeds, in place of the suite's own.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) seeds: Option<u64>,
    /// Runs at a time; the machine's threads if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// Change a key of every scenario on this side only. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Store this side's results, to be a base later.
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// Print annotations of GitHub Actions on stderr and add to its step summary; by itself in a
    /// job of GitHub Actions.
    #[arg(long)]
    pub(super) github: bool,
    /// Print every figure of what failed.
    #[arg(long)]
    pub(super) verbose: bool,
    /// Directory of index.html, gate.json, junit.xml, metrics.txt and summary.md. Default:
    /// stormglass-out/gate.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

/// `sweep`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Every combination of the values is a point. Example:
  stormglass sweep steady --vary 'producers.*.rate=10 MB/s,20 MB/s,40 MB/s' \\
    --vary cluster.instance=kafka.m7g.large,kafka.m7g.xlarge
A missed threshold is what a sweep looks for, and no failure; a broken promise is exit 8.")]
pub(super) struct LowSweep {
    /// A file, or a name that `stormglass scenarios` lists.
    pub(super) scenario: String,
    /// A key and its values. Repeatable: every combination is run.
    #[arg(long, value_name = "PATH=VALUE,VALUE", required = true)]
    pub(super) vary: Vec<String>,
    /// Change a key at every point. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// First seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Seeds of every point; figures are their medians.
    #[arg(long, value_name = "K", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) seeds: u64,
    /// Runs at a time; the machine's threads if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// A column, such as \"response_latency{phase:heal} p(99)\". Repeatable; replaces the usual
    /// ones.
    #[arg(long, value_name = "FIGURE")]
    pub(super) figure: Vec<String>,
    /// Directory of index.html, sweep.csv, sweep.json and charts. Default: stormglass-out/sweep.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

/// `cost`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, three small brokers and 100 GiB at prices of one's own, $118.00:
  stormglass cost --instance kafka.t3.small --brokers 3 --storage '100 GiB' --month 30d \\
    --price broker-hour=0.05 --price storage-gb-month=0.10
The same workload elsewhere:
  stormglass cost steady --alternatives
  stormglass cost --ingress '100 MiB/s' --egress '200 MiB/s' --replicas 1000")]
pub(super) struct LowCost {
    /// A scenario, a plan.json, or the directory of a run (whose bill includes its traffic).
    pub(super) subject: Option<String>,
    /// Instead of a scenario: instance type of the brokers, such as kafka.m7g.large.
    #[arg(long, value_name = "TYPE", conflicts_with = "subject", requires = "brokers")]
    pub(super) instance: Option<String>,
    /// Number of brokers.
    #[arg(long, value_name = "N", requires = "instance",
          value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(super) brokers: Option<u32>,
    /// Number of availability zones. Default: 3.
    #[arg(long, value_name = "N", requires = "instance",
          value_parser = clap::value_parser!(u32).range(1..=6))]
    pub(super) azs: Option<u32>,
    /// Storage of all brokers together, such as '1500 GiB'. Default: 1000 GiB each. Of Express
    /// brokers, which have no volumes, what is kept; default: nothing.
    #[arg(long, value_name = "SIZE", requires = "instance")]
    pub(super) storage: Option<String>,
    /// Change a key of the scenario first. Repeatable.
    #[arg(long, value_name = "PATH=VALUE", conflicts_with = "instance")]
    pub(super) set: Vec<String>,
    /// Length of the month: 730h, a twelfth of a year as AWS counts it, or 30d.
    #[arg(long, value_enum, default_value_t = LowMonth::Average)]
    pub(super) month: LowMonth,
    /// Replace a price of the catalogue, in US dollars per unit of the meter. Repeatable.
    #[arg(long, value_name = "METER=USD")]
    pub(super) price: Vec<String>,
    /// Replace prices by those of a TOML file: `[[prices]]` with meter, usd, and if known source, date
    /// and confidence.
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Also the same workload on other services and their limits, what would save money, AWS's
    /// sizing script, and when Kafka is the wrong tool.
    #[arg(long)]
    pub(super) alternatives: bool,
    #[command(flatten)]
    pub(super) workload: LowWorkload,
}

/// Length of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowMonth {
    /// A twelfth of a year.
    #[value(name = "730h")]
    Average,
    /// 720 hours.
    #[value(name = "30d")]
    ThirtyDays,
}

/// `serve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop it with Ctrl-C or SIGTERM. Data written by an earlier start is there \
again, also after kill -9."
)]
pub(super) struct LowServe {
    /// Where topics are kept, in Kafka's layout; made when absent, locked while in use.
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub(super) data_dir: Option<PathBuf>,
    /// One node of a cluster of several processes: a TOML file with server.properties keys, such as
    /// node.id, process.roles, controller.quorum.voters, listeners, log.dirs and cluster.id.
    #[arg(long, value_name = "FILE", conflicts_with_all =
          ["data_dir", "listen", "advertised_host", "brokers", "cluster_id"])]
    pub(super) config: Option<PathBuf>,
    /// Address of the first broker; others listen on the ports that follow. Port 0 takes any free
    /// one.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9092")]
    pub(super) listen: SocketAddr,
    /// Host that clients are told to connect to, if not the one of --listen.
    #[arg(long, value_name = "HOST")]
    pub(super) advertised_host: Option<String>,
    /// Brokers of the cluster, all in this process, each of them a controller too.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(super) brokers: u16,
    /// Cluster that the data must belong to; a new directory is formatted with it.
    #[arg(long, value_name = "ID")]
    pub(super) cluster_id: Option<String>,
    /// Set a key of server.properties, such as num.partitions=6. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Answer GET /metrics here, in the OpenMetrics format, with Kafka's and CloudWatch's names.
    #[arg(long, value_name = "IP:PORT")]
    pub(super) metrics: Option<SocketAddr>,
    /// How much goes to the log on stderr.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub(super) log: LogLevel,
}

/// Least level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What changed.
    Info,
    /// What happens.
    Debug,
}

/// `scenarios`.
#[derive(Debug, clap::Args)]
pub(super) struct LowScenarios {
    #[command(subcommand)]
    pub(super) action: Option<LowScenariosAction>,
}

/// `scenarios show`.
#[derive(Debug, Subcommand)]
pub(super) enum LowScenariosAction {
    /// Print a scenario's text, to start one's own from.
    Show {
        /// Name, as listed.
        name: String,
    },
}

/// `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct LowSchema {
    /// Of which document; all of them as one object if not given.
    #[arg(value_enum)]
    pub(super) of: Option<Schema>,
}

/// A document with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    /// A scenario file.
    Scenario,
    /// plan.json.
    Plan,
    /// result.json.
    Result,
    /// A suite of `gate`.
    Suite,
    /// hunt.json.
    Hunt,
}

/// `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct LowCompletions {
    /// Which shell.
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

/// The definition of every command and flag.
pub(crate) fn command_tree() -> clap::Command {
    Low::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command_tree().debug_assert();
    }

    #[test]
    fn every_command_and_flag_says_what_it_does() {
        for command in command_tree().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
