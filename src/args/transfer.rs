//! `import` and `export`: what was typed, and what it means.

use crate::failure::Failure;
use clap::ValueEnum;
use std::path::PathBuf;
use stormglass_reports::export::{Format, OmbMode};
use stormglass_scenarios::import::{ImportOptions, Load, QueryOptions};

/// `import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a file is shows from what is in it: MSK's describe-cluster-v2, create-cluster, \
list-nodes and describe-configuration-revision; CloudWatch's metric data, with the query file that asked for it; kafka-topics, kafka-log-dirs \
and kafka-consumer-groups with --describe; Prometheus range queries and text; OpenMessaging Benchmark \
workloads, templates and drivers; Trogdor specs. All files together make one scenario. Examples:
  stormglass import --emit-queries shop --brokers 3 > queries.json
  aws cloudwatch get-metric-data --cli-input-json file://queries.json \\
    --start-time ... --end-time ... > metrics.json
  stormglass import cluster.json metrics.json queries.json topics.txt
  stormglass import workload.yaml driver.yaml --out w.toml && stormglass run w.toml
What no file tells is guessed and listed. Exit 5 when a file is broken, with its place."
)]
pub(super) struct LowImport {
    /// Files that describe one cluster and its load.
    #[arg(required_unless_present = "emit_queries")]
    pub(super) files: Vec<PathBuf>,
    /// Name of the scenario, in place of the files' own.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Which of the measured load is taken.
    #[arg(long, value_enum, default_value_t = LowLoad::Peak)]
    pub(super) load: LowLoad,
    /// Where the scenario goes. Default: stormglass-out/import/NAME.toml.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Print the query file that asks CloudWatch for the load of this cluster.
    #[arg(long, value_name = "CLUSTER", conflicts_with = "files",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) emit_queries: Option<String>,
    /// Brokers to ask for, ids from 1.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "emit_queries",
          value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(super) brokers: u32,
    /// Topics to ask for one by one; all together if not given.
    #[arg(long, value_name = "TOPIC", value_delimiter = ',', requires = "emit_queries")]
    pub(super) topics: Vec<String>,
}

/// Which of the measured load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowLoad {
    /// The busiest point in time.
    Peak,
    /// The mean over time.
    Average,
}

/// `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stormglass export omb stormglass-out/steady-1
  stormglass export junit stormglass-out/steady-1 --out reports")]
pub(super) struct LowExport {
    /// The other tool's format.
    #[arg(value_enum)]
    pub(super) format: LowFormat,
    /// Directory of a run.
    pub(super) run: PathBuf,
    /// Directory of the files. Default: the run's own, below `export`.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// With omb: latencies as they were, or as the benchmark would have measured them.
    #[arg(long, value_enum, default_value_t = LowOmb::Precise)]
    pub(super) omb_compat: LowOmb,
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowFormat {
    /// OpenMessaging Benchmark's result JSON.
    Omb,
    /// HdrHistogram's percentile distributions.
    Hgrm,
    /// HdrHistogram's interval logs.
    Hlog,
    /// Timeline, latency and cost.
    Csv,
    /// OpenMetrics text, as GitLab's merge requests show it.
    OpenMetrics,
    /// JUnit XML: a case per threshold and promise.
    Junit,
    /// Bencher Metric Format.
    Bencher,
    /// Custom JSON of github-action-benchmark.
    GithubActionBenchmark,
    /// A trace for <https://ui.perfetto.dev>.
    Perfetto,
}

/// How true to the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LowOmb {
    /// As they were.
    Precise,
    /// End to end in whole milliseconds, publish latency cut off at 60 s.
    Strict,
}

/// `import`.
#[derive(Debug)]
pub(crate) enum Import {
    /// Files into a scenario.
    Files {
        /// The files.
        files: Vec<PathBuf>,
        /// How to read them.
        options: ImportOptions,
        /// Where to; the default if not given.
        out: Option<PathBuf>,
    },
    /// A query file.
    Queries(QueryOptions),
}

/// `export`.
#[derive(Debug)]
pub(crate) struct Export {
    /// The other tool's format.
    pub(crate) format: Format,
    /// Directory of the run.
    pub(crate) run: PathBuf,
    /// Directory of the files.
    pub(crate) out: PathBuf,
}

pub(super) fn import(low: LowImport) -> Import {
    match low.emit_queries {
        Some(cluster) => {
            Import::Queries(QueryOptions { cluster, brokers: low.brokers, topics: low.topics })
        }
        None => Import::Files {
            files: low.files,
            options: ImportOptions {
                name: low.name,
                load: match low.load {
                    LowLoad::Peak => Load::Peak,
                    LowLoad::Average => Load::Average,
                },
            },
            out: low.out,
        },
    }
}

pub(super) fn export(low: LowExport) -> Result<Export, Failure> {
    if low.format != LowFormat::Omb && low.omb_compat != LowOmb::Precise {
        return Err(Failure::usage("--omb-compat without the format omb")
            .help("write `stormglass export omb RUN --omb-compat strict`"));
    }
    let mode = match low.omb_compat {
        LowOmb::Precise => OmbMode::Precise,
        LowOmb::Strict => OmbMode::Strict,
    };
    let format = match low.format {
        LowFormat::Omb => Format::Omb(mode),
        LowFormat::Hgrm => Format::Hgrm,
        LowFormat::Hlog => Format::Hlog,
        LowFormat::Csv => Format::Csv,
        LowFormat::OpenMetrics => Format::OpenMetrics,
        LowFormat::Junit => Format::Junit,
        LowFormat::Bencher => Format::Bencher,
        LowFormat::GithubActionBenchmark => Format::GithubActionBenchmark,
        LowFormat::Perfetto => Format::Perfetto,
    };
    let out = low.out.unwrap_or_else(|| low.run.join("export"));
    Ok(Export { format, run: low.run, out })
}
