//! `stormglass plan`: the cheapest clusters that meet requirements in every failure state.

use super::plan_curve;
use super::plan_search::{Found, Search};
use crate::args::{Context, Plan};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::json_text;
use stormglass_reports::planner::{self as report, Formulas, PLANNER_SCHEMA_VERSION, PlanReport};
use stormglass_scenarios::plan::ClusterKind;

/// AWS's sizing script has the list prices of this region.
const SCRIPT_REGION: &str = "us-east-1";

/// What every answer rests on.
const ASSUMPTIONS: [&str; 8] = [
    "clusters lie in three AZs, clients evenly in all of them; consumers and followers fetch from \
     leaders. The bill has the traffic of the average load across AZs, and no tiered storage",
    "burst credits of network, volumes and CPU are spent: what is always there must do",
    "a failure state is judged by its median second from 36 to 46 s after the failure; the stall of \
     detection and election before, and of requests on half-open connections until \
     request.timeout.ms, is the longest gap",
    "runs are shorter than the page cache's writeback: of disks, arithmetic is the judge, not simulation, for the headroom too",
    "rolling restarts are judged over the 40 s in which the first two brokers are restarted",
    "producers have linger.ms=5 and Kafka's other defaults, consumers Kafka's defaults; each group \
     reads everything; a partition takes 5 MB/s at peak",
    "volumes have a quarter more than retention needs; on MSK Standard at least 334 GiB, from which on \
     gp2 has its full throughput, and no provisioned throughput",
    "what binds first is the resource that is used most, and in which state, at the lowest load above the \
     headroom that breaks: arithmetic may ask for more than 100 % of it there",
];

/// What holds of MSK Express instead.
const ASSUMPTIONS_EXPRESS: [&str; 2] = [
    "MSK Express: a broker stays within its sustained quotas in every state, by arithmetic; below them \
     it is Kafka on an m7g host with storage that never binds, as AWS publishes no latencies",
    "MSK Express: the bill has what comes in and what is kept, once; storage is each broker's share of it",
];

/// What holds of MSK Serverless.
const ASSUMPTIONS_SERVERLESS: [&str; 4] = [
    "MSK Serverless: a failure state is judged up to 150 s later, once the backlog of the stall has \
     drained: its quotas hold that back as they do the load",
    "MSK Serverless: its quotas decide, of the cluster and of each partition; three brokers of \
     m7g.4xlarge with storage that never binds stand in for what AWS does not show",
    "MSK Serverless: stand-ins that are up share the cluster's quotas, also while an AZ is lost: AWS \
     states them for the cluster, and does not say what becomes of them then",
    "MSK Serverless: a partition is to take four fifths of its quotas at peak; the bill has its five \
     meters, storage once, and no traffic across AZs",
];

/// What holds of clusters on EC2 that one runs oneself.
const ASSUMPTIONS_SELF_MANAGED: [&str; 3] = [
    "self-managed: TLS everywhere as on MSK, three controllers of m6g.large; the bill has them and \
     replication across AZs, which MSK does not bill, and nobody's working hours",
    "self-managed: i3en keeps its data on its own disks, everything else on one gp3 volume, with a \
     quarter more throughput than the peak needs, up to what the instance's EBS path always has",
    "self-managed: at most 4,000 partition replicas for each broker, as the Kafka project recommends",
];

fn assumptions(found: &Found) -> Vec<String> {
    let mut all: Vec<String> = ASSUMPTIONS.map(str::to_owned).to_vec();
    let has = |kind: ClusterKind| {
        found.fits.iter().chain(&found.misses).any(|one| one.cluster.kind == kind)
    };
    if has(ClusterKind::MskExpress) {
        all.extend(ASSUMPTIONS_EXPRESS.map(str::to_owned));
    }
    if has(ClusterKind::MskServerless) {
        all.extend(ASSUMPTIONS_SERVERLESS.map(str::to_owned));
    }
    if has(ClusterKind::SelfManaged) {
        all.extend(ASSUMPTIONS_SELF_MANAGED.map(str::to_owned));
    }
    all
}

/// Brokers by other formulas. AWS's script has a bill at its own prices only.
fn formulas(found: &Found, args: &Plan) -> Vec<Formulas> {
    let requirements = &args.requirements;
    let mut all = report::formulas(found.fits.iter().chain(&found.misses), requirements);
    if args.prices.is_some() || requirements.region != SCRIPT_REGION {
        for one in &mut all {
            one.aws_script_usd = None;
        }
    }
    all
}

/// Prints the ranking and writes its page.
pub(super) fn plan(args: &Plan, context: &Context) -> Result<Exit, Failure> {
    let mut args = args.clone();
    if let Some(path) = args.curve.take() {
        plan_curve::apply(&path, &mut args.requirements)?;
    }
    let args = &args;
    files::ready(&args.out)?;
    let found = Search::new(args, context.output)?.run()?;
    let exit = match (found.interrupted, found.fits.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::NoPlan,
        (false, false) => Exit::Ok,
    };
    let report = PlanReport {
        schema_version: PLANNER_SCHEMA_VERSION,
        exit_code: exit.code(),
        requirements: args.requirements.clone(),
        formulas: formulas(&found, args),
        assumptions: assumptions(&found),
        fits: found.fits,
        misses: found.misses,
        cut_by_bounds: found.cut,
        ruled_out: found.ruled_out,
        interrupted: found.interrupted,
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
