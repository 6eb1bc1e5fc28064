//! `stormglass replay`: exactly the run of a plan again; the audit is in `replay_check`.

use super::load::plan_file;
use super::{replay_check, run};
use crate::args::Replay;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::invocation::quoted;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, check_plant, default_dir, total_ns};
use stormglass_reports::narrative::narrative;

/// Simulates the plan, writes the report, prints the summary; if a promise was broken, what led to
/// it comes first.
pub(super) fn replay(args: &Replay, output: Output) -> Result<Exit, Failure> {
    check_plant(args.plant.as_deref(), &reproducing(args))?;
    let (plan, dir_of_plan) = plan_file(&args.plan)?;
    let label = format!("replay of {} seed {}", plan.scenario, plan.seed);
    let total_ns = total_ns(&plan);
    let dir = args.out.clone().unwrap_or_else(|| default_dir(&plan, "-replay"));
    match (&args.out, args.check) {
        // an audit writes nothing unless it is told where
        (None, true) => {}
        _ => files::ready(&dir)?,
    }
    let job = Job {
        plan,
        plant: args.plant.clone(),
        interrupt: interrupt::install()?,
        command: reproducing(args),
    };
    if args.check {
        return replay_check::check(args, &job, &dir_of_plan, output);
    }
    let outcome = progress::watch(output, &label, total_ns, |board| job.simulate(board.meter()))?;
    outcome.write(&dir)?;
    outcome.write_timeline(&dir)?;
    if let Some(story) = narrative(&outcome.recording).filter(|_| !output.is_json()) {
        output.text(&format!("{story}\n"))?;
    }
    run::show(&outcome, &dir, true, output)
}

/// The command that replays this plan again.
pub(super) fn reproducing(args: &Replay) -> String {
    let mut words =
        vec!["stormglass".to_owned(), "replay".to_owned(), args.plan.display().to_string()];
    if args.check {
        words.push("--check".to_owned());
    }
    if let Some(plant) = &args.plant {
        words.extend(["--plant".to_owned(), plant.clone()]);
    }
    quoted(words)
}
