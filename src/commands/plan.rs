//! `stormglass plan`: the cheapest clusters that meet requirements in every failure state.

use super::plan_scenario::is_express;
use super::plan_search::{Found, Search};
use crate::args::{Context, Plan};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::json_text;
use stormglass_reports::planner::{self as report, PLANNER_SCHEMA_VERSION, PlanReport};

/// What every answer rests on.
const ASSUMPTIONS: [&str; 7] = [
    "MSK Standard brokers in three AZs; traffic and tiered storage are not part of the bill",
    "burst credits of network, volumes and CPU are spent: what is always there must do",
    "a failure state is judged by its median second from 36 to 46 s after the failure; the stall of \
     detection and election before, and of requests on half-open connections until \
     request.timeout.ms, is the longest gap",
    "runs are shorter than the page cache's writeback: of disks, arithmetic is the judge, not simulation, for the headroom too",
    "rolling restarts are judged over the 40 s in which the first two brokers are restarted",
    "producers have linger.ms=5 and Kafka's other defaults, consumers Kafka's defaults; each group \
     reads everything; a partition takes 5 MB/s at peak",
    "volumes have a quarter more than retention needs, and at least 334 GiB, from which on gp2 has its \
     full throughput; provisioned throughput is not considered",
];

/// What holds of MSK Express instead.
const ASSUMPTIONS_EXPRESS: [&str; 2] = [
    "MSK Express: a broker stays within its sustained quotas in every state, by arithmetic; below them \
     it is Kafka on an m7g host with storage that never binds, as AWS publishes no latencies",
    "MSK Express: the bill has what comes in and what is kept, once; storage is each broker's share of it",
];

fn assumptions(found: &Found) -> Vec<String> {
    let mut all: Vec<String> = ASSUMPTIONS.map(str::to_owned).to_vec();
    let mut candidates = found.fits.iter().chain(&found.misses);
    if candidates.any(|one| is_express(&one.cluster.instance)) {
        all.extend(ASSUMPTIONS_EXPRESS.map(str::to_owned));
    }
    all
}

/// Prints the ranking and writes its page.
pub(super) fn plan(args: &Plan, context: &Context) -> Result<Exit, Failure> {
    let found = Search::new(args, context.output)?.run()?;
    let exit = if found.fits.is_empty() { Exit::NoPlan } else { Exit::Ok };
    let report = PlanReport {
        schema_version: PLANNER_SCHEMA_VERSION,
        exit_code: exit.code(),
        requirements: args.requirements.clone(),
        formulas: report::formulas(found.fits.iter().chain(&found.misses), &args.requirements),
        assumptions: assumptions(&found),
        fits: found.fits,
        misses: found.misses,
        cut_by_bounds: found.cut,
        runs: found.runs,
        command: context.invocation.clone(),
    };
    let (json, page) = (json_text(&report)?, report::page(&report));
    files::write(&args.out, &[("plan.json", json.as_bytes()), ("index.html", page.as_bytes())])?;
    if context.output.is_json() {
        context.output.json(&report)?;
    } else {
        let page = args.out.join("index.html");
        let text = report::table(&report);
        context.output.text(&format!("{text}\nPage: {}\n", page.display()))?;
    }
    if exit != Exit::Ok {
        context.output.note(&context.invocation);
    }
    Ok(exit)
}
