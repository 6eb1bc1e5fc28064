//! Many simulations for their results alone: side by side, each plan once, no directories.

use crate::batch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, total_ns};
use std::collections::BTreeMap;
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
        let keys: Vec<String> = plans.iter().map(|plan| key(plan, sameness)).collect();
        let mut missing: BTreeMap<&str, &Plan> = BTreeMap::new();
        for (key, plan) in keys.iter().zip(plans) {
            if self.known(key).is_none() {
                missing.entry(key).or_insert(plan);
            }
        }
        let todo: Vec<&Plan> = missing.into_values().collect();
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
        if done.len() < todo.len() || self.interrupt.load(Ordering::Relaxed) {
            let help = "nothing is written: run it again, with fewer seeds if it takes too long";
            return Err(Failure::new(Exit::Interrupted, "interrupted").help(help));
        }
        self.remember(&todo, &done);
        Ok(keys.iter().filter_map(|key| self.known(key)).collect())
    }

    fn remember(&self, plans: &[&Plan], results: &[Arc<RunResult>]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (plan, result) in plans.iter().zip(results) {
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

fn key(plan: &Plan, sameness: Sameness) -> String {
    match sameness {
        Sameness::Plan => format!("plan {}", plan.digest()),
        Sameness::Figures => format!("run {}", plan.run_digest()),
    }
}
