//! One simulation of a plan, its result, and the files of its directory.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::host;
use crate::unfinished::Unfinished;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stormglass_reports::recording::Recording;
use stormglass_reports::result::{self, RunResult};
use stormglass_reports::run_dir::{ReportInput, RunInfo, write_run_dir, write_whole};
use stormglass_reports::summary::{self, Style, SummaryInput};
use stormglass_reports::timeline::timeline_page;
use stormglass_scenarios::plan::Plan;
use stormglass_sim::{Finished, Progress, RunOptions, SimError, simulate};

/// Where reports go unless `--out` says otherwise.
const OUT_DIR: &str = "stormglass-out";

/// A plan with what was seen when it was simulated.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The published result.
    pub(crate) result: RunResult,
    /// What was recorded.
    pub(crate) recording: Recording,
    plan: Plan,
    info: RunInfo,
    command: String,
}

/// What to simulate.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The plan.
    pub(crate) plan: Plan,
    /// Historical bug to put back.
    pub(crate) plant: Option<String>,
    /// Set to stop early.
    pub(crate) interrupt: Arc<AtomicBool>,
    /// The command that reproduces the run.
    pub(crate) command: String,
}

impl Job {
    /// Simulates the plan, on a thread of its own: no state of an earlier run can leak in.
    pub(crate) fn simulate(self, progress: Box<dyn Progress>) -> Result<Outcome, Failure> {
        let options =
            RunOptions { plant: self.plant, interrupt: self.interrupt, ..RunOptions::default() };
        let plan = self.plan;
        let simulated = simulate(&plan, options, progress);
        let Finished { recording, wall } =
            simulated.map_err(|error| refused(error, &self.command))?;
        let result = result::build(&plan.digest(), &plan.model.catalogue_digest, &plan, &recording);
        let info = RunInfo::new(
            wall,
            recording.sim_ns,
            recording.events_processed,
            host::peak_rss_bytes(),
            host::description(),
        );
        Ok(Outcome { result, recording, plan, info, command: self.command })
    }

    /// The same into a run's directory: the plan at once, the report at the end.
    pub(crate) fn simulate_into(
        self,
        dir: &Path,
        progress: Box<dyn Progress>,
    ) -> Result<Outcome, Failure> {
        let unfinished = Unfinished::begin(dir, &self.plan)?;
        match self.simulate(progress) {
            Ok(outcome) => {
                outcome.write(dir)?;
                unfinished.done();
                Ok(outcome)
            }
            Err(failure) => Err(unfinished.failed(failure)),
        }
    }
}

/// Refuses a planted bug that this build does not have, before anything is printed or written.
pub(crate) fn check_plant(plant: Option<&str>, command: &str) -> Result<(), Failure> {
    let Some(plant) = plant else { return Ok(()) };
    stormglass_sim::check_plant(plant).map_err(|error| refused(error, command))
}

/// What was measured elsewhere than in a simulation, as an outcome.
pub(crate) fn measured(plan: Plan, recording: Recording, command: String) -> Outcome {
    let result = result::build(&plan.digest(), &plan.model.catalogue_digest, &plan, &recording);
    let wall = Duration::from_nanos(recording.sim_ns);
    let info = RunInfo::new(
        wall,
        recording.sim_ns,
        recording.events_processed,
        host::peak_rss_bytes(),
        host::description(),
    );
    Outcome { result, recording, plan, info, command }
}

impl Outcome {
    /// How the process ends after this run alone.
    pub(crate) fn exit(&self) -> Exit {
        Exit::of_verdict(self.result.verdict.exit_code)
    }

    /// The command that reproduces the run.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// Writes the run's directory.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Failure> {
        let input = ReportInput {
            plan: &self.plan,
            result: &self.result,
            recording: &self.recording,
            run_info: &self.info,
            plan_json: &self.plan.to_json(),
            command: &self.command,
        };
        write_run_dir(dir, &input).map_err(|error| {
            Failure::new(Exit::Internal, error.to_string())
                .help("choose another place with --out DIR")
        })
    }

    /// Writes `timeline.html` when a promise was broken in a cluster that is small enough to draw.
    pub(crate) fn write_timeline(&self, dir: &Path) -> Result<(), Failure> {
        let title = format!("{}, seed {}", self.plan.scenario, self.plan.seed);
        let Some(page) = timeline_page(&title, &self.recording) else { return Ok(()) };
        let path = dir.join("timeline.html");
        write_whole(&path, page.as_bytes())
            .map_err(|error| Failure::new(Exit::Internal, error.to_string()))
    }

    /// The summary for people; `dir` holds the report.
    pub(crate) fn summary(&self, dir: &Path, style: Style) -> String {
        let page = dir.join("index.html").display().to_string();
        let input = SummaryInput {
            result: &self.result,
            recording: &self.recording,
            report_path: Some(&page),
            command: &self.command,
        };
        summary::render(&input, style)
    }
}

/// Why there is no recording, for people.
fn refused(error: SimError, command: &str) -> Failure {
    match error {
        SimError::Setup(_) => Failure::new(Exit::InvalidScenario, error.to_string())
            .help("the cluster does not come up as it is described"),
        SimError::NoPlants => {
            let words = command.strip_prefix("stormglass ").unwrap_or(command);
            Failure::usage(error.to_string())
                .help(format!("in a checkout: cargo run --features planted-bugs -- {words}"))
        }
        SimError::UnknownPlant(_) => Failure::usage(error.to_string()),
        SimError::Panicked(_) | SimError::ApplicationPanicked(_) | SimError::Endless(_) => {
            Failure::new(Exit::Internal, error.to_string())
        }
    }
}

/// The default directory of a run.
pub(crate) fn default_dir(plan: &Plan, suffix: &str) -> PathBuf {
    Path::new(OUT_DIR).join(format!("{}-{}{suffix}", file_safe(&plan.scenario), plan.seed))
}

/// Simulated time of a plan, ns.
pub(crate) fn total_ns(plan: &Plan) -> u64 {
    plan.phases.ends_ns()
}

/// A plan file may hold any name: it must not lead out of the directory.
fn file_safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn a_plans_name_stays_in_the_directory() {
        let source = Source::library("az-outage").unwrap();
        let heal = [("phases.heal".to_owned(), "90s".to_owned())];
        let mut plan = load(&source, &heal, 7).unwrap();
        assert_eq!(default_dir(&plan, ""), Path::new("stormglass-out/az-outage-7"));
        let phases = plan.phases;
        let others = phases.warmup_ns + phases.measure_ns + phases.drain_ns;
        assert_eq!(total_ns(&plan), others + 90_000_000_000);
        "../../etc".clone_into(&mut plan.scenario);
        assert_eq!(default_dir(&plan, "-replay"), Path::new("stormglass-out/______etc-7-replay"));
    }
}
