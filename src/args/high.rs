//! What the arguments mean: targets told apart, pairs split, units read, defaults filled in.
//!
//! Reads no file; whether a scenario or a plan exists is the command's business.

use super::hunt::{self, Hunt};
use super::low::{
    LowCommand, LowCost, LowExplain, LowHunt, LowHuntAction, LowMonth, LowReplay, LowRun,
    LowScenariosAction, LowServe,
};
use super::price;
use crate::failure::Failure;
use crate::output::Output;
use clap_complete::Shell;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use stormglass_reports::cost::{CostOptions, Month};
use stormglass_scenarios::units;
use stormglass_server::Options;

pub(crate) use super::low::{Band, LogLevel, Schema};

/// Around every command.
#[derive(Debug)]
pub(crate) struct Context {
    /// How to print.
    pub(crate) output: Output,
    /// The command line as typed.
    pub(crate) invocation: String,
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
    /// Price a cluster.
    Cost(Bill),
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
    pub(super) fn new(text: &str) -> Self {
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

/// `cost`.
#[derive(Debug)]
pub(crate) struct Bill {
    /// What is priced.
    pub(crate) subject: CostSubject,
    /// How.
    pub(crate) options: CostOptions,
}

/// `serve`.
#[derive(Debug)]
pub(crate) struct Serve {
    /// What the server is told.
    pub(crate) options: Options,
    /// Least level that is logged.
    pub(crate) log: LogLevel,
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
            LowCommand::Cost(low) => Self::Cost(bill(low)?),
            LowCommand::Serve(low) => Self::Serve(serve(low)?),
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
    if let Some(count) = low.seeds
        && low.seed.checked_add(count - 1).is_none()
    {
        let message = format!("--seed {} and --seeds {count} go past {}", low.seed, u64::MAX);
        return Err(Failure::usage(message).help("start at a smaller seed"));
    }
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

/// Runs at a time: the machine's threads unless said otherwise.
pub(super) fn jobs(asked: Option<u64>) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(threads)
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
            let help = "name a scenario, a plan.json or a run's directory, or give --instance and \
                        --brokers";
            return Err(Failure::usage("nothing to price").help(help));
        }
    };
    Ok(Bill { subject, options })
}

fn serve(low: LowServe) -> Result<Serve, Failure> {
    let options = Options {
        data_dir: low.data_dir,
        listen: low.listen,
        advertised_host: low.advertised_host,
        brokers: low.brokers,
        cluster_id: low.cluster_id,
        properties: pairs("--set", &low.set)?.into_iter().collect(),
    };
    Ok(Serve { options, log: low.log })
}

fn storage(text: &str) -> Result<u64, Failure> {
    units::parse_bytes(text).map_err(|error| {
        Failure::usage(format!("--storage `{text}`: {}", error.message)).help(error.help)
    })
}

/// `PATH=VALUE` split at the first `=` outside of quotes.
pub(super) fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        let mut quoted = false;
        let at = text.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == '=' && !quoted
        });
        match at {
            Some((at, _)) if at > 0 => Ok((text[..at].to_owned(), text[at + 1..].to_owned())),
            _ => Err(Failure::usage(format!("{flag} `{text}` is not a pair"))
                .help(format!("write {flag} NAME=VALUE"))),
        }
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
