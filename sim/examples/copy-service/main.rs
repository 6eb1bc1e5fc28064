//! Hunts for storms that make the copy service lose an order, or make two invoices of one.
//!
//! ```text
//! cargo run -p stormglass-sim --example copy-service                   # the service as it is
//! cargo run -p stormglass-sim --example copy-service -- --planted      # with its bug
//! cargo run -p stormglass-sim --example copy-service -- --planted --seeds 7..8
//! cargo run -p stormglass-sim --example copy-service -- --planted --plan FILE
//! ```

mod service;

use service::{INVOICES, Mode, ORDERS, application};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::{Source, load};
use stormglass_sim::app::{CopyRule, Simulation};
use stormglass_sim::hunt::{Failure, Judgement};

/// The cluster, and the shop that writes orders.
const SCENARIO: &str = include_str!("copy-service.toml");
/// Runs that making a plan smaller may take.
const SHRINK_RUNS_MAX: u32 = 150;

struct Args {
    mode: Mode,
    seeds: Range<u64>,
    plan: Option<String>,
}

fn main() -> ExitCode {
    let ended = parse(std::env::args().skip(1)).and_then(|args| match &args.plan {
        Some(file) => replay(&args, file),
        None => hunt(&args),
    });
    match ended {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args { mode: Mode::Correct, seeds: 1..41, plan: None };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--planted" => parsed.mode = Mode::PositionsAfterwards,
            "--seeds" => {
                let text = args.next().unwrap_or_default();
                parsed.seeds = range(&text).ok_or(format!("no range of seeds: `{text}`"))?;
            }
            "--plan" => parsed.plan = args.next(),
            other => {
                return Err(format!("unknown argument `{other}`; see the example's first lines"));
            }
        }
    }
    Ok(parsed)
}

/// `A..B`, without B.
fn range(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

fn simulation(mode: Mode) -> Result<Simulation, String> {
    let source = Source::new("copy-service.toml", SCENARIO);
    let plan = load(&source, &[], 1).map_err(|error| error.to_string())?;
    let rule = CopyRule::new(ORDERS, INVOICES);
    Ok(Simulation::new(plan).application(application(mode)).promises(rule))
}

/// Seeds, until one breaks the promise.
fn hunt(args: &Args) -> Result<ExitCode, String> {
    let calm = simulation(args.mode)?;
    for seed in args.seeds.clone() {
        let storm = calm.storm(seed);
        let outcome = storm.run();
        match &outcome.judgement {
            Judgement::Failed(failure) => {
                println!("seed {seed}: {}\n{}", failure.signature, failure.account);
                return found(args.mode, seed, &storm, failure);
            }
            Judgement::Refused(why) => return Err(why.clone()),
            Judgement::Sound | Judgement::Excused => {
                println!("seed {seed}: {:?}", outcome.judgement)
            }
        }
    }
    println!("no broken promise in seeds {}..{}", args.seeds.start, args.seeds.end);
    Ok(ExitCode::SUCCESS)
}

/// Makes the plan smaller, keeps it, and says how to see the failure again.
fn found(mode: Mode, seed: u64, storm: &Simulation, failure: &Failure) -> Result<ExitCode, String> {
    let small = storm.shrink(failure, SHRINK_RUNS_MAX);
    let file = format!("copy-service-{seed}.json");
    std::fs::write(&file, small.plan().to_json()).map_err(|error| format!("{file}: {error}"))?;
    let (before, after) = (storm.plan().events.len(), small.plan().events.len());
    println!("{before} faults, of which {after} suffice:");
    for event in &small.plan().events {
        let ms = |ns: u64| ns / 1_000_000;
        let lasts = event.for_ns.map_or("to the end".to_owned(), |ns| format!("for {} ms", ms(ns)));
        println!("  at {} ms {lasts}: {:?}", ms(event.at_ns), event.action);
    }
    let planted = if mode == Mode::Correct { "" } else { "--planted " };
    println!("cargo run -p stormglass-sim --example copy-service -- {planted}--plan {file}");
    Ok(ExitCode::from(8))
}

fn replay(args: &Args, file: &str) -> Result<ExitCode, String> {
    let text =
        std::fs::read_to_string(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
    let plan = Plan::from_json(&text).map_err(|error| format!("{file}: {error}"))?;
    let outcome = simulation(args.mode)?.with_plan(plan).run();
    match outcome.failure() {
        Some(failure) => {
            println!("{}\n{}", failure.signature, failure.account);
            Ok(ExitCode::from(8))
        }
        None => {
            println!("{:?}", outcome.judgement);
            Ok(ExitCode::SUCCESS)
        }
    }
}
