//! `stormglass run`: one scenario, one seed; several seeds are in `run_seeds`.

use super::load::{plan_of, source, tell_unread};
use super::run_seeds;
use crate::args::Run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::invocation::quoted;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, Outcome, check_plant, default_dir, total_ns};
use std::path::Path;

/// Simulates, writes the report, prints the summary.
pub(super) fn run(args: &Run, output: Output) -> Result<Exit, Failure> {
    if let Some(count) = args.seeds {
        return run_seeds::run(args, count, output);
    }
    let plan = plan_of(&args.target, &args.sets, args.seed)?;
    check_plant(args.plant.as_deref(), &reproducing(args, args.seed))?;
    let dir = args.out.clone().unwrap_or_else(|| default_dir(&plan, ""));
    files::ready(&dir)?;
    tell_unread(&source(&args.target)?, &[&args.sets], output);
    let label = format!("{} seed {}", plan.scenario, plan.seed);
    let total_ns = total_ns(&plan);
    let job = Job {
        plan,
        plant: args.plant.clone(),
        interrupt: interrupt::install()?,
        command: reproducing(args, args.seed),
    };
    let outcome =
        progress::watch(output, &label, total_ns, |board| job.simulate_into(&dir, board.meter()))?;
    show(&outcome, &dir, args.trace, output)
}

/// Prints one run's result and returns its exit code.
pub(super) fn show(
    outcome: &Outcome,
    dir: &Path,
    trace: bool,
    output: Output,
) -> Result<Exit, Failure> {
    let text = if output.is_json() {
        outcome.result.to_json()
    } else {
        let mut text = String::new();
        if trace {
            text.push_str(&format!("Trace: {}\n\n", dir.join("events.jsonl").display()));
        }
        text + &outcome.summary(dir, output.style())
    };
    output.text(&text)?;
    if output.is_json() && outcome.exit() != Exit::Ok {
        output.note(outcome.command());
    }
    Ok(outcome.exit())
}

/// The command that runs this scenario with this seed again.
pub(super) fn reproducing(args: &Run, seed: u64) -> String {
    let mut words =
        vec!["stormglass".to_owned(), "run".to_owned(), args.scenario.clone(), "--seed".to_owned()];
    words.push(seed.to_string());
    for (path, value) in &args.sets {
        words.extend(["--set".to_owned(), format!("{path}={value}")]);
    }
    if let Some(plant) = &args.plant {
        words.extend(["--plant".to_owned(), plant.clone()]);
    }
    quoted(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Target;

    #[test]
    fn the_reproducing_command_keeps_what_decides_the_run() {
        let args = Run {
            target: Target::Library("steady".to_owned()),
            scenario: "steady".to_owned(),
            sets: vec![("producers.*.rate".to_owned(), "5 MB/s".to_owned())],
            seed: 3,
            seeds: Some(10),
            jobs: 4,
            out: Some("elsewhere".into()),
            trace: true,
            plant: None,
        };
        assert_eq!(
            reproducing(&args, 8),
            "stormglass run steady --seed 8 --set 'producers.*.rate=5 MB/s'"
        );
    }
}
