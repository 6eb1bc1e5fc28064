//! The search for clusters: bounds first, then simulations, the cheapest cluster and the hardest
//! state first; what was simulated is kept by the digest of its plan.

use super::plan_options::{Choice, Options, options};
use super::plan_scenario::{Shape, Trial};
use crate::args::Plan as PlanArgs;
use crate::batch;
use crate::build;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::output::{Output, json_text};
use crate::progress;
use crate::simulation::{Job, total_ns};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use stormglass_reports::planner::{Candidate, Judgement, Requirements, RuledOut, State, judge};
use stormglass_scenarios::plan::ClusterKind;

/// Clusters that are simulated before the search gives up.
const SIMULATED_MAX: usize = 40;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Clusters that fit, the cheapest first.
    pub(super) fits: Vec<Candidate>,
    /// Clusters that were simulated and do not.
    pub(super) misses: Vec<Candidate>,
    /// Clusters that are ruled out without a simulation.
    pub(super) cut: u32,
    /// Kinds of which none is left.
    pub(super) ruled_out: Vec<RuledOut>,
    /// Simulations.
    pub(super) runs: u32,
    /// Whether it was cut short.
    pub(super) interrupted: bool,
}

/// A search that is under way.
pub(super) struct Search<'a> {
    pub(super) args: &'a PlanArgs,
    output: Output,
    interrupt: Arc<AtomicBool>,
    runs: AtomicU32,
}

impl<'a> Search<'a> {
    /// Once per process: it takes over Ctrl-C.
    pub(super) fn new(args: &'a PlanArgs, output: Output) -> Result<Self, Failure> {
        let interrupt = interrupt::install()?;
        Ok(Self { args, output, interrupt, runs: AtomicU32::new(0) })
    }

    /// Searches. What an interruption leaves is found, without headroom.
    pub(super) fn run(&self) -> Result<Found, Failure> {
        let Options { choices, cut, ruled_out } = options(self.args)?;
        let mut found = Found { cut, ruled_out, ..Found::default() };
        let searched = self.search(choices, &mut found);
        let searched = searched.and_then(|()| {
            keep_smallest(&mut found.fits, self.args.top);
            self.add_headroom(&mut found.fits)
        });
        match searched {
            Err(failure) if failure.exit() == Exit::Interrupted => {
                keep_smallest(&mut found.fits, self.args.top);
                found.interrupted = true;
            }
            other => other?,
        }
        found.runs = self.runs.load(Ordering::Relaxed);
        Ok(found)
    }

    /// Judges the options, the cheapest first, until there are enough that fit; then, where several
    /// kinds are looked among, until there is one of each.
    fn search(&self, mut options: Vec<Choice>, found: &mut Found) -> Result<(), Failure> {
        let mut simulated = 0;
        loop {
            if found.fits.len() >= self.args.top {
                let has = |one: &Choice| {
                    found.fits.iter().any(|fit| fit.cluster.kind == one.candidate.cluster.kind)
                };
                options.retain(|one| !has(one));
            }
            if options.is_empty() || simulated >= SIMULATED_MAX {
                return Ok(());
            }
            let wave: Vec<Choice> = options.drain(..self.args.jobs.min(options.len())).collect();
            simulated += wave.len();
            for (one, candidate) in wave.iter().zip(self.judge_all(&wave)?) {
                if candidate.fits {
                    // More of the same instance only costs more.
                    options.retain(|other| other.shape.instance != one.shape.instance);
                    found.fits.push(candidate);
                } else {
                    found.misses.push(candidate);
                }
            }
        }
    }

    /// Judges some clusters side by side.
    fn judge_all(&self, wave: &[Choice]) -> Result<Vec<Candidate>, Failure> {
        let names: Vec<String> = wave.iter().map(|one| one.candidate.name()).collect();
        let total = wave.iter().flat_map(|one| self.plans(&one.shape)).sum();
        self.side_by_side(&names.join(", "), total, wave.len(), |at, board| {
            let mut candidate = wave[at].candidate.clone();
            for state in &self.args.requirements.states {
                let load = state.load_permille(self.args.requirements.peak_permille);
                let trial = wave[at].shape.trial(&self.args.requirements, *state, load);
                let judgement = self.judge(&wave[at].shape, trial, board)?;
                let holds = judgement.holds;
                candidate.states.push(judgement);
                if !holds {
                    return Ok(candidate);
                }
            }
            candidate.fits = true;
            Ok(candidate)
        })
    }

    fn plans(&self, shape: &Shape) -> Vec<u64> {
        let requirements = &self.args.requirements;
        let time = |state: &State| {
            let trial = shape.trial(requirements, *state, 1000);
            shape.plan(requirements, trial, 1).map_or(0, |plan| total_ns(&plan))
        };
        requirements.states.iter().map(time).collect()
    }

    /// Does `work` for `0..count` on all jobs, with its progress shown.
    pub(super) fn side_by_side<T: Send>(
        &self,
        label: &str,
        total_ns: u64,
        count: usize,
        work: impl Fn(usize, &Arc<progress::Board>) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let done = progress::watch(self.output, label, total_ns, |board| {
            batch::map(count, self.args.jobs, &self.interrupt, |at| work(at, board))
        })?;
        if self.interrupt.load(Ordering::Relaxed) {
            let help = "what was simulated is kept: the same command goes on from there";
            return Err(Failure::new(Exit::Interrupted, "interrupted").help(help));
        }
        Ok(done)
    }

    /// A trial of a cluster: known from earlier, or simulated.
    pub(super) fn judge(
        &self,
        shape: &Shape,
        trial: Trial,
        board: &Arc<progress::Board>,
    ) -> Result<Judgement, Failure> {
        let requirements = &self.args.requirements;
        let plan = shape.plan(requirements, trial, self.args.seed)?;
        let known = known_name(&plan.run_digest(), requirements);
        if let Some(judgement) = known.as_deref().and_then(|name| self.known(name)) {
            return Ok(judgement);
        }
        let job = Job {
            plan,
            plant: None,
            interrupt: Arc::clone(&self.interrupt),
            command: String::new(),
        };
        let outcome = job.simulate(board.meter())?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let run = (&outcome.result, &outcome.recording);
        let judgement =
            judge(trial.state, trial.load_permille, requirements, &trial.settled(), run);
        if let Some(name) = known.filter(|_| !self.interrupt.load(Ordering::Relaxed)) {
            let json = json_text(&judgement)?;
            files::write(&self.known_dir(), &[(&name, json.as_bytes())])?;
        }
        Ok(judgement)
    }

    fn known_dir(&self) -> PathBuf {
        self.args.out.join("known")
    }

    /// What an earlier command of this very build has found.
    fn known(&self, name: &str) -> Option<Judgement> {
        serde_json::from_slice(&fs::read(self.known_dir().join(name)).ok()?).ok()
    }
}

/// The plan and the build decide the run, the threshold its judgement. A build that cannot be told from
/// others keeps nothing.
fn known_name(digest: &str, requirements: &Requirements) -> Option<String> {
    Some(format!("{digest}-{}-{}.json", build::digest()?, requirements.p99_ns))
}

/// Of a wave, a larger cluster of the same instance may have fitted as well. Beyond the first, only
/// the cheapest of each kind stays.
fn keep_smallest(fits: &mut Vec<Candidate>, top: usize) {
    let (mut instances, mut kinds): (Vec<String>, Vec<ClusterKind>) = (Vec::new(), Vec::new());
    fits.retain(|one| {
        let is_new = !instances.contains(&one.cluster.instance);
        instances.push(one.cluster.instance.clone());
        is_new
    });
    let mut rank = 0;
    fits.retain(|one| {
        let is_first = !kinds.contains(&one.cluster.kind);
        kinds.push(one.cluster.kind);
        rank += 1;
        rank <= top || is_first
    });
}
