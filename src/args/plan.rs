//! `plan`: what was typed, and what it means.

use super::high::jobs;
use crate::failure::Failure;
use clap::ValueEnum;
use std::path::PathBuf;
use stormglass_reports::planner::{Requirements, State};
use stormglass_scenarios::plan::ClusterKind;
use stormglass_scenarios::units::{self, UnitError};

/// Less is no load to plan for, bytes per second.
pub(crate) const INGRESS_MIN: u64 = 1_000;

/// `plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Arithmetic rules out what cannot carry the load; simulation judges the rest, the \
cheapest first and in the hardest state first. Burst credits count as spent. A failure state is judged \
once it has settled; the stall until then is reported as the longest gap. Example:
  stormglass plan --ingress '100 MB/s' --egress '200 MB/s' --retention 24h --peak 2 --p99 50ms \\
    --survive none,broker,az-at-peak
Exit 7 and the nearest miss when no cluster meets the requirements."
)]
pub(super) struct LowPlan {
    /// A TOML file whose keys are the flags below; what is typed beside it comes first.
    #[arg(long, value_name = "FILE")]
    pub(super) requirements: Option<PathBuf>,
    /// Average rate of producers, such as '100 MB/s'. This, --curve or --requirements is needed.
    #[arg(long, value_name = "RATE")]
    pub(super) ingress: Option<String>,
    /// Instead of --ingress and --peak: a CSV file of the load over time, lines such as `6h,20 MB/s`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ingress", "peak", "egress"])]
    pub(super) curve: Option<PathBuf>,
    /// Average rate of consumers; a whole multiple of --ingress, as each group reads everything.
    /// Default: once --ingress.
    #[arg(long, value_name = "RATE")]
    pub(super) egress: Option<String>,
    /// Instead of --egress: groups that each read everything.
    #[arg(long, value_name = "N", conflicts_with = "egress",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) fan_out: Option<u32>,
    /// Peak over average.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(super) peak: f64,
    /// Growth of the load in a year, such as 30%: says when the headroom is used up.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    pub(super) growth: String,
    /// Size of a record.
    #[arg(long, value_name = "SIZE", default_value = "1 KiB")]
    pub(super) record_size: String,
    /// How long records are kept.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(super) retention: String,
    /// Replicas of each partition.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=5))]
    pub(super) replication: u32,
    /// Response p99 must stay below this.
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pub(super) p99: String,
    /// States in which it must.
    #[arg(long, value_name = "STATE", value_enum, value_delimiter = ',',
          default_values_t = [LowState::None, LowState::Broker, LowState::Az])]
    pub(super) survive: Vec<LowState>,
    /// Only these instance types, or families such as kafka.m7g. Repeatable. Kinds without one of
    /// them stay whole.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(super) instance: Vec<String>,
    /// AWS region, whose prices count.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(super) region: String,
    /// Prices that replace the catalogue's: TOML with `[[prices]]`, each with meter and usd.
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Kinds of clusters. Repeatable; of several, the cheapest of each is found, too. Default: that of
    /// the instances, else msk-standard.
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub(super) kind: Vec<LowKind>,
    /// Largest number of brokers.
    #[arg(long, value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(3..=300))]
    pub(super) brokers_max: u32,
    /// How many clusters to find.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=50))]
    pub(super) top: u64,
    /// Seed of every simulation.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Runs at a time; the machine's threads if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(super) jobs: Option<u64>,
    /// Directory of index.html and plan.json, and of what was simulated, to be known next time.
    /// Default: stormglass-out/plan.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

/// A kind of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowKind {
    /// MSK brokers with volumes.
    #[value(alias = "standard")]
    MskStandard,
    /// MSK Express brokers.
    #[value(alias = "express")]
    MskExpress,
    /// MSK Serverless.
    #[value(alias = "serverless")]
    MskServerless,
    /// EC2 instances of one's own.
    SelfManaged,
}

impl LowKind {
    const fn kind(self) -> ClusterKind {
        match self {
            Self::MskStandard => ClusterKind::MskStandard,
            Self::MskExpress => ClusterKind::MskExpress,
            Self::MskServerless => ClusterKind::MskServerless,
            Self::SelfManaged => ClusterKind::SelfManaged,
        }
    }
}

/// A failure state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowState {
    /// All is well, peak load.
    None,
    /// A broker's host is lost, average load.
    Broker,
    /// Brokers restart one after another, average load.
    Rolling,
    /// An AZ is lost, average load.
    Az,
    /// An AZ is lost, peak load.
    AzAtPeak,
}

/// `plan`.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What the cluster must stand.
    pub(crate) requirements: Requirements,
    /// A file whose average and peak replace those of the requirements.
    pub(crate) curve: Option<PathBuf>,
    /// Instance types or families; all if empty.
    pub(crate) instances: Vec<String>,
    /// Kinds of clusters; if empty, those of the instances, or MSK Standard.
    pub(crate) kinds: Vec<ClusterKind>,
    /// A file of prices that replace the catalogue's.
    pub(crate) prices: Option<PathBuf>,
    /// Largest number of brokers.
    pub(crate) brokers_max: u32,
    /// How many clusters to find.
    pub(crate) top: usize,
    /// Seed of every simulation.
    pub(crate) seed: u64,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// Where to.
    pub(crate) out: PathBuf,
}

pub(super) fn plan(low: LowPlan) -> Result<Plan, Failure> {
    let time = |flag: &str, text: &str| {
        units::parse_duration_ns(text).map_err(|error| refuse(flag, text, error))
    };
    let ingress = ingress(&low)?;
    let egress = match (&low.egress, low.fan_out) {
        (Some(text), _) => rate("--egress", text)?,
        (None, groups) => ingress.saturating_mul(u64::from(groups.unwrap_or(1))),
    };
    if egress % ingress != 0 || egress / ingress > 100 {
        let message = format!("--egress {egress} B/s is no multiple of --ingress {ingress} B/s");
        let help = "each group reads everything: give a whole multiple of it, at most 100";
        return Err(Failure::usage(message).help(help));
    }
    if !(1.0..=100.0).contains(&low.peak) {
        return Err(Failure::usage(format!("--peak {} is no factor", low.peak))
            .help("give a number from 1 to 100"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 100")]
    let peak_permille = (low.peak * 1000.0).round() as u64;
    let growth = &low.growth;
    let growth_permille =
        units::parse_share_ppm(growth).map_err(|error| refuse("--growth", growth, error))? / 1000;
    let record_bytes = units::parse_bytes(&low.record_size)
        .map_err(|error| refuse("--record-size", &low.record_size, error))?;
    let p99_ns = time("--p99", &low.p99)?;
    not_nought("--record-size", record_bytes)?;
    not_nought("--p99", p99_ns)?;
    let retention_seconds = time("--retention", &low.retention)? / 1_000_000_000;
    not_nought("--retention", retention_seconds)?;
    let states =
        State::ALL.into_iter().filter(|state| low.survive.iter().any(|one| one.is(*state)));
    let states: Vec<State> = states.collect();
    survivable(low.replication, &states)?;
    Ok(Plan {
        curve: low.curve,
        requirements: Requirements {
            ingress_bytes_per_sec: ingress,
            groups: u32::try_from(egress / ingress).unwrap_or(1),
            peak_permille,
            record_bytes,
            retention_seconds,
            replication: low.replication,
            p99_ns,
            states,
            growth_permille,
            region: low.region,
        },
        instances: low.instance,
        kinds: low.kind.into_iter().map(LowKind::kind).collect(),
        prices: low.prices,
        brokers_max: low.brokers_max,
        top: usize::try_from(low.top).unwrap_or(usize::MAX),
        seed: low.seed,
        jobs: jobs(low.jobs),
        out: low.out.unwrap_or_else(|| PathBuf::from("stormglass-out/plan")),
    })
}

fn refuse(flag: &str, text: &str, error: UnitError) -> Failure {
    Failure::usage(format!("{flag} `{text}`: {}", error.message)).help(error.help)
}

fn rate(flag: &str, text: &str) -> Result<u64, Failure> {
    units::parse_byte_rate(text).map_err(|error| refuse(flag, text, error))
}

/// The load; a curve's own average and peak take their place once it has been read.
fn ingress(low: &LowPlan) -> Result<u64, Failure> {
    let ingress = match (&low.curve, &low.ingress) {
        (Some(_), _) => INGRESS_MIN,
        (None, Some(text)) => rate("--ingress", text)?,
        (None, None) => {
            let help = "give --ingress RATE, --curve FILE (the load over time), or --requirements \
                        FILE (whose keys are these flags)";
            return Err(Failure::usage("no load to plan for").help(help));
        }
    };
    if ingress < INGRESS_MIN {
        return Err(Failure::usage(format!("--ingress {ingress} B/s is no load to plan for"))
            .help(format!("give {INGRESS_MIN} B/s or more")));
    }
    Ok(ingress)
}

/// Producers go on with the partitions that are left, but readers miss what the others have.
fn survivable(replication: u32, states: &[State]) -> Result<(), Failure> {
    if replication > 1 || states.iter().all(|state| *state == State::None) {
        return Ok(());
    }
    let message =
        "--replication 1 survives no failure: what a lost broker has is gone until it is back";
    Err(Failure::usage(message).help("give --replication 2 or more, or --survive none"))
}

/// Nothing is as small, or as fast, as that.
fn not_nought(flag: &str, value: u64) -> Result<(), Failure> {
    if value > 0 {
        return Ok(());
    }
    Err(Failure::usage(format!("{flag} 0 is no requirement")).help("give more than nought"))
}

impl LowState {
    fn is(self, state: State) -> bool {
        let own = match self {
            Self::None => State::None,
            Self::Broker => State::Broker,
            Self::Rolling => State::Rolling,
            Self::Az => State::Az,
            Self::AzAtPeak => State::AzAtPeak,
        };
        own == state
    }
}
