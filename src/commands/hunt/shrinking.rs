//! `--shrink`: smaller plans for what was found, one failure after another per job.

use super::crew::Crew;
use crate::failure::Failure;
use crate::progress::Board;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use stormglass_reports::hunt::FailureRow;
use stormglass_reports::narrative::narrative;
use stormglass_scenarios::plan::Plan;
use stormglass_sim::hunt::{Judgement, judge, shrink, swarm};

/// Runs that the search for a smaller plan may take.
const RUNS_MAX: u32 = 600;

/// The promise that holds after a time: with less of it, any plan would fail in the same way.
const LIVENESS: &str = "everything-consumed";

fn after_storm_ns(plan: &Plan) -> u64 {
    plan.phases.heal_ns + plan.phases.drain_ns
}

/// Shrinks the plan of every failure.
pub(super) fn shrink_all(crew: &Crew<'_>, board: &Arc<Board>) -> Result<(), Failure> {
    let failures = crew.finds().failures();
    let next = AtomicUsize::new(0);
    let job = || -> Result<(), Failure> {
        while let Some(row) = failures.get(next.fetch_add(1, Ordering::Relaxed)) {
            if crew.is_stopped() {
                break;
            }
            shrink_one(crew, row, board)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let spawn = || scope.spawn(job);
        let jobs: Vec<_> = std::iter::repeat_with(spawn).take(crew.args.jobs).collect();
        let join = |job: thread::ScopedJoinHandle<'_, _>| {
            job.join().unwrap_or_else(|_| Err(Failure::internal("a job panicked")))
        };
        jobs.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
    })
}

fn shrink_one(crew: &Crew<'_>, row: &FailureRow, board: &Arc<Board>) -> Result<(), Failure> {
    let plan = swarm(&crew.base, row.seed);
    let mut runs = 0;
    let mut fails = |candidate: &Plan| {
        runs += 1;
        board.note(format!("{}: {runs} runs, {} events", row.checker, candidate.events.len()));
        // after Ctrl-C nothing is a smaller plan any more
        !crew.is_stopped()
            && (row.checker != LIVENESS || after_storm_ns(candidate) >= after_storm_ns(&plan))
            && signature(crew, candidate, board).is_some_and(|s| s == row.signature)
    };
    let shrunk = shrink(&plan, &crew.base, RUNS_MAX, &mut fails);
    if !shrunk.verified {
        return Ok(());
    }
    let outcome = crew.simulate(&shrunk.plan, board);
    let account = match (judge(&outcome), &outcome) {
        (Judgement::Failed(_), Ok(finished)) => narrative(&finished.recording).unwrap_or_default(),
        (Judgement::Failed(failure), Err(_)) => failure.account,
        _ => return Ok(()),
    };
    crew.finds().shrunk(&row.signature, shrunk.runs, &shrunk.plan, &account)
}

fn signature(crew: &Crew<'_>, plan: &Plan, board: &Arc<Board>) -> Option<String> {
    match judge(&crew.simulate(plan, board)) {
        Judgement::Failed(failure) => Some(failure.signature),
        _ => None,
    }
}
