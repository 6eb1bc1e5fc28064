//! `stormglass bench`: a scenario's workload against a real cluster, and what its simulation foretold.

use super::compare::{publish, side};
use super::load::plan_of;
use super::run::show;
use crate::args::{Bench, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::invocation::quoted;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, Outcome, default_dir, measured, total_ns};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stormglass_bench::{BenchError, Target};
use stormglass_reports::compare::{self as report, COMPARISON_SCHEMA_VERSION, Comparison, Delta};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::{Action, Plan};

/// Measures, writes the report, simulates and compares unless that is not wanted.
pub(super) fn bench(args: &Bench, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    let plan = plan_of(&args.target, &args.sets, args.seed)?;
    let dir = args.out.clone().unwrap_or_else(|| default_dir(&plan, "-bench"));
    files::ready(&dir)?;
    let interrupt = interrupt::install()?;
    let real = measure(args, &plan, &interrupt, output)?;
    real.write(&dir)?;
    if args.prediction && !interrupt.load(Ordering::Relaxed) {
        let simulated = predict(&plan, &interrupt, context)?;
        simulated.write(&dir.join("prediction"))?;
        compare(&simulated.result, &real.result, &dir.join("comparison"), context)?;
    }
    show(&real, &dir, false, output)
}

fn measure(
    args: &Bench,
    plan: &Plan,
    interrupt: &Arc<AtomicBool>,
    output: Output,
) -> Result<Outcome, Failure> {
    let target = Target {
        bootstrap: args.bootstrap.clone(),
        properties: args.properties.clone(),
        keep_topics: args.keep_topics,
    };
    let (label, total_ns) = (format!("{} on {}", plan.scenario, args.bootstrap), total_ns(plan));
    let recording = progress::watch(output, &label, total_ns, |board| {
        let mut meter = board.meter();
        let heard = |at_ns| meter.tick(at_ns, total_ns, 0);
        stormglass_bench::bench(plan, &target, interrupt, heard)
    });
    let recording = recording.map_err(|error| refused(&error, args))?;
    Ok(measured(plan.clone(), recording, reproducing(args)))
}

fn refused(error: &BenchError, args: &Bench) -> Failure {
    let help = match error {
        BenchError::Unsupported(_) => "take the key out with --set, or another scenario",
        BenchError::Topic(_) => "bench makes topics of its own: it must be allowed to",
        BenchError::Property(key, _) if needs_tls(key) => {
            "TLS and SASL need a build with them: cargo build --release --features tls"
        }
        BenchError::Property(..) => {
            "properties of --property and -X are librdkafka's, see its CONFIGURATION.md"
        }
        _ if args.properties.iter().any(|(key, _)| needs_tls(key)) => {
            "is there a Kafka cluster at --bootstrap, and are the protocol, certificates and credentials \
             of -X those that it takes?"
        }
        _ => "is there a Kafka cluster at --bootstrap, and does it take plain connections?",
    };
    let exit = match error {
        BenchError::Unsupported(_) => Exit::InvalidScenario,
        BenchError::Property(..) => Exit::Usage,
        _ => Exit::Internal,
    };
    Failure::new(exit, format!("{}: {error}", args.bootstrap)).help(help)
}

/// The same workload in the scenario's cluster, without the faults that a bench does not have.
fn predict(
    plan: &Plan,
    interrupt: &Arc<AtomicBool>,
    context: &Context,
) -> Result<Outcome, Failure> {
    let mut plan = plan.clone();
    plan.events.retain(|event| matches!(event.action, Action::Load { .. }));
    let (label, total_ns) = (format!("{}, simulated", plan.scenario), total_ns(&plan));
    let job = Job {
        plan,
        plant: None,
        interrupt: Arc::clone(interrupt),
        command: context.invocation.clone(),
    };
    progress::watch(context.output, &label, total_ns, |board| job.simulate(board.meter()))
}

/// The page that lays what was measured over what was foretold.
fn compare(
    foretold: &RunResult,
    real: &RunResult,
    dir: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let pairs = [(foretold, real)];
    let comparison = Comparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: side("simulated", foretold),
        b: side("measured", real),
        seeds: vec![real.seed],
        deltas: report::deltas(&pairs).into_iter().filter(clients_see).collect(),
        path: Vec::new(),
        work: None,
        plan_changes: Vec::new(),
        keys: None,
        notes: vec![
            "brokers of the real cluster are not looked into: of CPU, network, disks and replicas there \
             are only simulated figures"
                .to_owned(),
        ],
    };
    publish(&comparison, &pairs, dir, context)
}

/// Whether a figure is one that clients can measure.
fn clients_see(delta: &Delta) -> bool {
    const SEEN: [&str; 8] = [
        "delay_latency",
        "service_latency",
        "response_latency",
        "end_to_end_latency",
        "produce_",
        "consume",
        "unavailability",
        "lost_records",
    ];
    SEEN.iter().any(|name| delta.name.metric.starts_with(name))
}

/// The command that does the same again, as far as that is possible.
fn reproducing(args: &Bench) -> String {
    let mut words = vec!["stormglass".to_owned(), "bench".to_owned(), args.scenario.clone()];
    words.extend(["--bootstrap".to_owned(), args.bootstrap.clone()]);
    words.extend(["--seed".to_owned(), args.seed.to_string()]);
    for (path, value) in &args.sets {
        words.extend(["--set".to_owned(), format!("{path}={value}")]);
    }
    for (key, value) in &args.properties {
        words.extend(["--property".to_owned(), format!("{key}={value}")]);
    }
    quoted(words)
}

/// Whether a property of librdkafka is about security.
fn needs_tls(key: &str) -> bool {
    ["ssl.", "sasl.", "security.", "enable.ssl.", "enable.sasl."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}
