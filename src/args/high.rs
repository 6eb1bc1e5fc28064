//! What the arguments mean: targets told apart, pairs split, units read, defaults filled in.
//!
//! Reads no file; whether a scenario or a plan exists is the command's business.

use super::bench::{self, Bench};
use super::hunt::{self, Hunt};
use super::low::{
    LowCommand, LowCompare, LowCost, LowExplain, LowGate, LowHunt, LowHuntAction, LowMonth,
    LowReplay, LowRun, LowScenariosAction, LowServe, LowSweep,
};
use super::plan::{self, Plan};
use super::price;
use super::transfer::{self, Export, Import};
use super::vary::{self, Vary};
use crate::failure::Failure;
use crate::output::Output;
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use stormglass_reports::cost::{CostOptions, Month, Workload};
use stormglass_reports::figures::FigureName;
use stormglass_reports::sweep::SWEPT;
use stormglass_scenarios::suite::Base;

use stormglass_scenarios::{split_pair, units};
use stormglass_server::Options;

pub(crate) use super::low::{Band, LogLevel, Schema};

/// Around every command.
#[derive(Debug)]
pub(crate) struct Context {
    /// How to print.
    pub(crate) output: Output,
    /// The command line as typed.
    pub(crate) invocation: String,
    /// Its words, the program's name first.
    pub(crate) words: Vec<OsString>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Simulate a scenario.
    Run(Run),
    /// Simulate many storms.
    Hunt(Hunt),
    /// Add up the directories of a hunt's shards, into one if not the default.
    MergeHunts(Vec<PathBuf>, Option<PathBuf>),
    /// Simulate a plan.
    Replay(Replay),
    /// Where the time goes.
    Explain(Explain),
    /// What changed.
    Compare(Compare),
    /// Fail when a suite got worse.
    Gate(Gate),
    /// A scenario at many values.
    Sweep(Sweep),
    /// Find a cluster.
    Plan(Plan),
    /// Find a cluster for the requirements of a file.
    PlanFile(PathBuf),
    /// Price a cluster.
    Cost(Bill),
    /// Make a scenario of other tools' files.
    Import(Import),
    /// Write a run's results in another format.
    Export(Export),
    /// Run a workload against a real cluster.
    Bench(Bench),
    /// Run a broker.
    Serve(Serve),
    /// List the scenarios.
    ListScenarios,
    /// Print the text of the scenario of that name.
    ShowScenario(String),
    /// Print one schema, or all.
    Schema(Option<Schema>),
    /// Print completions.
    Completions(Shell),
}

/// Which scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file.
    File(PathBuf),
    /// One of the library.
    Library(String),
}

impl Target {
    /// A file if the text has a slash or ends in `.toml`.
    pub(crate) fn new(text: &str) -> Self {
        if text.contains(['/', '\\']) || text.ends_with(".toml") {
            Self::File(PathBuf::from(text))
        } else {
            Self::Library(text.to_owned())
        }
    }
}

/// `run`.
#[derive(Debug)]
pub(crate) struct Run {
    /// Which scenario.
    pub(crate) target: Target,
    /// The scenario as typed.
    pub(crate) scenario: String,
    /// Pairs of path and value.
    pub(crate) sets: Vec<(String, String)>,
    /// First seed.
    pub(crate) seed: u64,
    /// Number of seeds if `--seeds` was given.
    pub(crate) seeds: Option<u64>,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// Where to; the default if not given.
    pub(crate) out: Option<PathBuf>,
    /// Say where the trace is.
    pub(crate) trace: bool,
    /// Historical bug to put back.
    pub(crate) plant: Option<String>,
}

/// `replay`.
#[derive(Debug)]
pub(crate) struct Replay {
    /// A plan or the directory that has one.
    pub(crate) plan: PathBuf,
    /// Audit instead of a report.
    pub(crate) check: bool,
    /// Where to; the default if not given.
    pub(crate) out: Option<PathBuf>,
    /// Historical bug to put back.
    pub(crate) plant: Option<String>,
}

/// `explain`.
#[derive(Debug)]
pub(crate) struct Explain {
    /// A result or the directory that has one.
    pub(crate) result: PathBuf,
    /// Only this band.
    pub(crate) band: Option<Band>,
}

/// `compare`.
#[derive(Debug)]
pub(crate) struct Compare {
    /// First side.
    pub(crate) a: SideArgs,
    /// Second side.
    pub(crate) b: SideArgs,
    /// Seeds of scenarios.
    pub(crate) seeds: Vec<u64>,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// Figure whose change the keys explain.
    pub(crate) figure: FigureName,
    /// Whether to find out what each key explains.
    pub(crate) keys: bool,
    /// Where to.
    pub(crate) out: PathBuf,
}

/// `gate`.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The suite's file.
    pub(crate) suite: PathBuf,
    /// In place of the suite's own base.
    pub(crate) base: Option<Base>,
    /// Compare with other seeds.
    pub(crate) noise: bool,
    /// Show the effect of another program apart.
    pub(crate) rebaseline: bool,
    /// First seed.
    pub(crate) seed: u64,
    /// In place of the suite's own number of seeds.
    pub(crate) seeds: Option<u64>,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// Pairs of path and value for this side.
    pub(crate) sets: Vec<(String, String)>,
    /// Where to store this side's results.
    pub(crate) save: Option<PathBuf>,
    /// Whether to speak to GitHub Actions.
    pub(crate) github: bool,
    /// Its summary of the step.
    pub(crate) github_summary: Option<PathBuf>,
    /// Print every figure of what failed.
    pub(crate) verbose: bool,
    /// Where to.
    pub(crate) out: PathBuf,
}

/// `sweep`.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Which scenario.
    pub(crate) target: Target,
    /// What varies.
    pub(crate) vary: Vec<Vary>,
    /// Pairs of path and value at every point.
    pub(crate) sets: Vec<(String, String)>,
    /// Seeds of every point.
    pub(crate) seeds: Vec<u64>,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// Columns.
    pub(crate) figures: Vec<FigureName>,
    /// Where to.
    pub(crate) out: PathBuf,
}

/// A side of a comparison.
#[derive(Debug)]
pub(crate) struct SideArgs {
    /// As typed.
    pub(crate) text: String,
    /// What to call it: the text, and what only this side has.
    pub(crate) name: String,
    /// The scenario, if the text names one.
    pub(crate) target: Target,
    /// Pairs of path and value, if it is a scenario.
    pub(crate) sets: Vec<(String, String)>,
}

/// `cost`.
#[derive(Debug)]
pub(crate) struct Bill {
    /// What is priced.
    pub(crate) subject: CostSubject,
    /// How.
    pub(crate) options: CostOptions,
    /// File of prices, which come after those of the command line.
    pub(crate) prices: Option<PathBuf>,
    /// Also the workload elsewhere.
    pub(crate) alternatives: bool,
}

/// `serve`.
#[derive(Debug)]
pub(crate) struct Serve {
    /// What is started.
    pub(crate) what: Served,
    /// Where counts are asked for.
    pub(crate) metrics: Option<SocketAddr>,
    /// Least level that is logged.
    pub(crate) log: LogLevel,
}

/// What `serve` starts.
#[derive(Debug)]
pub(crate) enum Served {
    /// A cluster in this process.
    Cluster(Options),
    /// One node of a cluster of several processes.
    Node {
        /// Its config.
        file: PathBuf,
        /// More keys, which win.
        sets: BTreeMap<String, String>,
    },
}

/// What is priced.
#[derive(Debug)]
pub(crate) enum CostSubject {
    /// A scenario's cluster; the text may also name the directory of a run.
    Scenario {
        /// Which scenario.
        target: Target,
        /// Pairs of path and value.
        sets: Vec<(String, String)>,
    },
    /// A plan's cluster.
    Plan(PathBuf),
    /// A cluster described by flags.
    Cluster(ClusterFlags),
    /// A workload without a cluster, and its partition replicas.
    Workload(Workload, u64),
}

/// A cluster described by flags.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFlags {
    /// Instance type of each broker.
    pub(crate) instance: String,
    /// Number of brokers.
    pub(crate) brokers: u32,
    /// Number of AZs.
    pub(crate) azs: u32,
    /// Bytes of storage, all brokers together.
    pub(crate) storage_bytes: Option<u64>,
}

impl Command {
    /// The meaning of what was typed.
    pub(super) fn new(low: LowCommand) -> Result<Self, Failure> {
        Ok(match low {
            LowCommand::Run(low) => Self::Run(run(low)?),
            LowCommand::Hunt(LowHunt {
                action: Some(LowHuntAction::Merge { dirs, out }), ..
            }) => Self::MergeHunts(dirs, out),
            LowCommand::Hunt(low) => Self::Hunt(hunt::hunt(low)?),
            LowCommand::Replay(low) => Self::Replay(replay(low)),
            LowCommand::Explain(LowExplain { result, band }) => {
                Self::Explain(Explain { result, band })
            }
            LowCommand::Compare(low) => Self::Compare(compare(low)?),
            LowCommand::Gate(low) => Self::Gate(gate(low)?),
            LowCommand::Sweep(low) => Self::Sweep(sweep(low)?),
            LowCommand::Plan(low) => match low.requirements {
                Some(file) => Self::PlanFile(file),
                None => Self::Plan(plan::plan(low)?),
            },
            LowCommand::Cost(low) => Self::Cost(bill(low)?),
            LowCommand::Import(low) => Self::Import(transfer::import(low)),
            LowCommand::Export(low) => Self::Export(transfer::export(low)?),
            LowCommand::Serve(low) => Self::Serve(serve(low)?),
            LowCommand::Bench(low) => Self::Bench(bench::bench(low)?),
            LowCommand::Scenarios(low) => match low.action {
                Some(LowScenariosAction::Show { name }) => Self::ShowScenario(name),
                None => Self::ListScenarios,
            },
            LowCommand::Schema(low) => Self::Schema(low.of),
            LowCommand::Completions(low) => Self::Completions(low.shell),
        })
    }
}

fn run(low: LowRun) -> Result<Run, Failure> {
    check_seeds(low.seed, low.seeds.unwrap_or(1))?;
    Ok(Run {
        target: Target::new(&low.scenario),
        sets: pairs("--set", &low.set)?,
        seed: low.seed,
        seeds: low.seeds,
        jobs: jobs(low.jobs),
        out: low.out,
        trace: low.trace,
        plant: low.plant,
        scenario: low.scenario,
    })
}

fn check_seeds(first: u64, count: u64) -> Result<(), Failure> {
    if first.checked_add(count - 1).is_some() {
        return Ok(());
    }
    let message = format!("--seed {first} and --seeds {count} go past {}", u64::MAX);
    Err(Failure::usage(message).help("start at a smaller seed"))
}

/// Runs at a time: the machine's threads if nothing was said.
pub(super) fn jobs(typed: Option<u64>) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    typed.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(threads)
}

fn seeds(first: u64, count: u64) -> Result<Vec<u64>, Failure> {
    check_seeds(first, count)?;
    Ok((first..=first + (count - 1)).collect())
}

fn compare(low: LowCompare) -> Result<Compare, Failure> {
    let both = pairs("--set", &low.set)?;
    let side = |text: String, flag: &str, typed: &[String]| -> Result<SideArgs, Failure> {
        let sets = both.iter().cloned().chain(pairs(flag, typed)?).collect();
        let name = match typed {
            [] => text.clone(),
            _ => format!("{text} with {}", typed.join(", ")),
        };
        Ok(SideArgs { target: Target::new(&text), text, name, sets })
    };
    Ok(Compare {
        a: side(low.a, "--set-a", &low.set_a)?,
        b: side(low.b, "--set-b", &low.set_b)?,
        seeds: seeds(low.seed, low.seeds)?,
        jobs: jobs(low.jobs),
        figure: figure(&low.figure)?,
        keys: !low.no_keys,
        out: low.out.unwrap_or_else(|| PathBuf::from("stormglass-out/compare")),
    })
}

fn gate(low: LowGate) -> Result<Gate, Failure> {
    let in_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let github = low.github || in_github;
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    check_seeds(low.seed, low.seeds.unwrap_or(1))?;
    Ok(Gate {
        suite: low.suite,
        base: low.base.as_deref().map(Base::parse),
        noise: low.noise,
        rebaseline: low.rebaseline,
        seed: low.seed,
        seeds: low.seeds,
        jobs: jobs(low.jobs),
        sets: pairs("--set", &low.set)?,
        save: low.save,
        github,
        github_summary: summary.filter(|_| github).map(PathBuf::from),
        verbose: low.verbose,
        out: low.out.unwrap_or_else(|| PathBuf::from("stormglass-out/gate")),
    })
}

fn sweep(low: LowSweep) -> Result<Sweep, Failure> {
    let usual = SWEPT.map(str::to_owned).to_vec();
    let figures = if low.figure.is_empty() { usual } else { low.figure };
    Ok(Sweep {
        target: Target::new(&low.scenario),
        vary: vary::all(&low.vary)?,
        sets: pairs("--set", &low.set)?,
        seeds: seeds(low.seed, low.seeds)?,
        jobs: jobs(low.jobs),
        figures: figures.iter().map(|text| figure(text)).collect::<Result<_, _>>()?,
        out: low.out.unwrap_or_else(|| PathBuf::from("stormglass-out/sweep")),
    })
}

fn figure(text: &str) -> Result<FigureName, Failure> {
    FigureName::parse(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is not a figure"))
            .help("write metric and aggregate, such as \"response_latency{phase:heal} p(99)\"")
    })
}

fn replay(low: LowReplay) -> Replay {
    Replay { plan: low.plan, check: low.check, out: low.out, plant: low.plant }
}

fn bill(low: LowCost) -> Result<Bill, Failure> {
    let options = CostOptions {
        month: match low.month {
            LowMonth::Average => Month::Average,
            LowMonth::ThirtyDays => Month::ThirtyDays,
        },
        prices: price::overrides(&low.price)?,
    };
    let workload = low.workload.read()?;
    let subject = match (low.subject, low.instance) {
        (Some(text), _) if text.ends_with(".json") => CostSubject::Plan(PathBuf::from(text)),
        (Some(text), _) => {
            CostSubject::Scenario { target: Target::new(&text), sets: pairs("--set", &low.set)? }
        }
        (None, Some(instance)) => CostSubject::Cluster(ClusterFlags {
            instance,
            brokers: low.brokers.unwrap_or(3),
            azs: low.azs.unwrap_or(3),
            storage_bytes: low.storage.as_deref().map(storage).transpose()?,
        }),
        (None, None) => {
            if let Some((workload, replicas)) = workload {
                let (prices, alternatives) = (low.prices, true);
                let subject = CostSubject::Workload(workload, replicas);
                return Ok(Bill { subject, options, prices, alternatives });
            }
            let help = "name a scenario, a plan.json or a run's directory, or give --instance and \
                        --brokers, or --ingress";
            return Err(Failure::usage("nothing to price").help(help));
        }
    };
    if low.alternatives && matches!(subject, CostSubject::Cluster(_)) {
        return Err(Failure::usage("--alternatives of a cluster without a load")
            .help("name a scenario or a run, or give --ingress"));
    }
    Ok(Bill { subject, options, prices: low.prices, alternatives: low.alternatives })
}

fn serve(low: LowServe) -> Result<Serve, Failure> {
    let properties = pairs("--set", &low.set)?.into_iter().collect();
    let what = match (low.config, low.data_dir) {
        (Some(file), _) => Served::Node { file, sets: properties },
        (None, Some(data_dir)) => Served::Cluster(Options {
            data_dir,
            listen: low.listen,
            advertised_host: low.advertised_host,
            brokers: low.brokers,
            cluster_id: low.cluster_id,
            properties,
        }),
        (None, None) => return Err(Failure::usage("no --data-dir").help("give --data-dir DIR")),
    };
    Ok(Serve { what, metrics: low.metrics, log: low.log })
}

fn storage(text: &str) -> Result<u64, Failure> {
    units::parse_bytes(text).map_err(|error| {
        Failure::usage(format!("--storage `{text}`: {}", error.message)).help(error.help)
    })
}

/// `PATH=VALUE` split at the first `=` outside of quotes.
pub(super) fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        split_pair(text).ok_or_else(|| {
            Failure::usage(format!("{flag} `{text}` is not a pair"))
                .help(format!("write {flag} NAME=VALUE"))
        })
    };
    texts.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_or_an_ending_makes_a_file() {
        assert_eq!(Target::new("az-outage"), Target::Library("az-outage".to_owned()));
        for file in ["./az-outage", "a.toml", "dir/a", r"dir\a"] {
            assert_eq!(Target::new(file), Target::File(PathBuf::from(file)));
        }
    }

    #[test]
    fn pairs_split_at_the_first_sign_outside_of_quotes() {
        let split = |text: &str| pairs("--set", &[text.to_owned()]).map(|mut all| all.remove(0));
        assert_eq!(split("a.b=c=d").unwrap(), ("a.b".to_owned(), "c=d".to_owned()));
        assert_eq!(split("\"x=y\".z=1").unwrap(), ("\"x=y\".z".to_owned(), "1".to_owned()));
        assert_eq!(split("a=").unwrap(), ("a".to_owned(), String::new()));
        assert!(split("=1").is_err() && split("a").is_err() && split("\"a=1").is_err());
    }
}
