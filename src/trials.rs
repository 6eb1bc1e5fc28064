//! Many simulations for their results alone: side by side, each plan once, no directories.

use crate::batch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, total_ns};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::Plan;

/// When a result serves for another plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sameness {
    /// The plans are the same to the byte.
    Plan,
    /// The runs are the same; name, wording and thresholds may differ. For figures only.
    Figures,
}

/// Runs plans, and remembers their results.
#[derive(Debug)]
pub(crate) struct Trials {
    jobs: usize,
    interrupt: Arc<AtomicBool>,
    output: Output,
    known: Mutex<BTreeMap<String, Arc<RunResult>>>,
    runs: Mutex<u32>,
}

impl Trials {
    /// With so many simulations at a time. Once per process: it takes over Ctrl-C.
    pub(crate) fn new(jobs: usize, output: Output) -> Result<Self, Failure> {
        let interrupt = interrupt::install()?;
        Ok(Self { jobs, interrupt, output, known: Mutex::default(), runs: Mutex::default() })
    }

    /// Simulations so far.
    pub(crate) fn runs(&self) -> u32 {
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Set by the first Ctrl-C.
    pub(crate) fn interrupt(&self) -> &AtomicBool {
        &self.interrupt
    }

    /// The results of some plans, in their order.
    ///
    /// # Errors
    /// If a simulation fails, or with [`Exit::Interrupted`]: half of a comparison is none.
    pub(crate) fn run(
        &self,
        plans: &[Plan],
        sameness: Sameness,
        label: &str,
    ) -> Result<Vec<Arc<RunResult>>, Failure> {
        let results = self.run_until_interrupted(plans, sameness, label)?;
        let all: Option<Vec<Arc<RunResult>>> = results.into_iter().collect();
        all.filter(|_| !self.interrupt.load(Ordering::Relaxed)).ok_or_else(interrupted)
    }

    /// The results of some plans, in their order; none of those that an interruption left undone.
    pub(crate) fn run_until_interrupted(
        &self,
        plans: &[Plan],
        sameness: Sameness,
        label: &str,
    ) -> Result<Vec<Option<Arc<RunResult>>>, Failure> {
        let keys: Vec<String> = plans.iter().map(|plan| key(plan, sameness)).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let is_missing = |key: &str| self.known(key).is_none();
        let todo: Vec<&Plan> = (keys.iter().zip(plans))
            .filter(|(key, _)| seen.insert(key) && is_missing(key))
            .map(|(_, plan)| plan)
            .collect();
        let total = todo.iter().map(|plan| total_ns(plan)).fold(0, u64::saturating_add);
        let label = format!("{label}, {} runs", todo.len());
        let done = progress::watch(self.output, &label, total, |board| {
            batch::map(todo.len(), self.jobs, &self.interrupt, |index| {
                let job = Job {
                    plan: todo[index].clone(),
                    plant: None,
                    interrupt: Arc::clone(&self.interrupt),
                    command: String::new(),
                };
                Ok(Arc::new(job.simulate(board.meter())?.result))
            })
        })?;
        self.remember(&todo, &done);
        Ok(keys.iter().map(|key| self.known(key)).collect())
    }

    fn remember(&self, plans: &[&Plan], results: &[Arc<RunResult>]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = plans.iter().zip(results).filter(|(_, result)| !result.is_interrupted());
        for (plan, result) in whole {
            for sameness in [Sameness::Plan, Sameness::Figures] {
                known.entry(key(plan, sameness)).or_insert_with(|| Arc::clone(result));
            }
        }
        let runs = u32::try_from(results.len()).unwrap_or(u32::MAX);
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner) += runs;
    }

    fn known(&self, key: &str) -> Option<Arc<RunResult>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// What was half done is of no use.
pub(crate) fn interrupted() -> Failure {
    let help = "nothing is written: run it again, with fewer seeds if it takes too long";
    Failure::new(Exit::Interrupted, "interrupted").help(help)
}

fn key(plan: &Plan, sameness: Sameness) -> String {
    match sameness {
        Sameness::Plan => format!("plan {}", plan.digest()),
        Sameness::Figures => format!("run {}", plan.run_digest()),
    }
}
