//! Runs a plan with applications, and judges what they did.

use super::application::Application;
use super::record::Message;
use crate::checkers::CopyPromise;
use crate::hunt::{Failure, Judgement, judge};
use crate::runtime::{Finished, RunOptions, SimError, simulate_with};
use std::fmt;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};
use stormglass_scenarios::plan::Plan;

/// What an application that copies one topic to another promises: each record of the one is made into
/// exactly one record of the other, in order per partition, as readers of committed records see them.
#[derive(Clone)]
pub struct CopyRule {
    pub(crate) promise: CopyPromise,
}

impl fmt::Debug for CopyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CopyRule").field(&self.promise.from).field(&self.promise.to).finish()
    }
}

impl CopyRule {
    /// From a topic to another one. Copies say what they were made from in a header
    /// ([`super::Record::made_from`]).
    #[must_use]
    pub fn new(from: &str, to: &str) -> Self {
        let rule = Self {
            promise: CopyPromise {
                from: from.to_owned(),
                to: to.to_owned(),
                source: Arc::new(|_, _| None),
            },
        };
        rule.made_from(Message::source)
    }

    /// Copies say in another way from which partition and offset they were made.
    #[must_use]
    pub fn made_from(
        mut self,
        source: impl Fn(&Message) -> Option<(i32, Offset)> + Send + Sync + 'static,
    ) -> Self {
        self.promise.source = Arc::new(move |partition, raw| {
            let tp = TopicPartition::new(TopicId(0), partition);
            source(&Message::new(tp, -1, 0, raw))
        });
        self
    }
}

/// A plan with applications.
#[derive(Debug, Clone)]
pub struct Simulation {
    plan: Plan,
    load: Load,
}

/// What a run has beside its plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    pub(crate) applications: Vec<Application>,
    pub(crate) copies: Vec<CopyRule>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The run, or why there is none.
    pub run: Result<Finished, SimError>,
    /// What it is worth.
    pub judgement: Judgement,
}

impl Outcome {
    /// The broken promise, if there is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.judgement {
            Judgement::Failed(failure) => Some(failure),
            Judgement::Sound | Judgement::Excused | Judgement::Refused(_) => None,
        }
    }
}

impl Simulation {
    /// Of a plan: its cluster, topics, load and faults.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { plan, load: Load::default() }
    }

    /// With another application.
    #[must_use]
    pub fn application(mut self, application: Application) -> Self {
        self.load.applications.push(application);
        self
    }

    /// With a promise that is checked when the run is over.
    #[must_use]
    pub fn promises(mut self, rule: CopyRule) -> Self {
        self.load.copies.push(rule);
        self
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same with the storm of a seed: faults of the cluster as `stormglass hunt` draws them, and
    /// the applications' processes killed and stopped.
    #[must_use]
    pub fn storm(&self, seed: u64) -> Self {
        let mut plan = crate::hunt::swarm(&self.plan, seed);
        crate::hunt::strike(&mut plan, &self.victims());
        Self { plan, load: self.load.clone() }
    }

    /// The same with another plan: one that was written to a file, or made smaller.
    #[must_use]
    pub fn with_plan(&self, plan: Plan) -> Self {
        Self { plan, load: self.load.clone() }
    }

    /// Names that faults may hit: of applications, and of their instances where there are several.
    fn victims(&self) -> Vec<String> {
        let applications = self.load.applications.iter();
        applications
            .flat_map(|application| {
                let name = &application.name;
                let count = if application.instances > 1 { application.instances } else { 0 };
                let of = (0..count).map(move |number| format!("{name}-{number}"));
                std::iter::once(name.to_string()).chain(of)
            })
            .collect()
    }

    /// Runs to the end of the plan, on a thread of its own.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let options = RunOptions { verdict_only: true, ..RunOptions::default() };
        let run = simulate_with(&self.plan, self.load.clone(), options, Box::new(()));
        let judgement = judge(&run);
        Outcome { run, judgement }
    }

    /// Makes a failing plan smaller while it fails in the same way, in at most so many runs.
    #[must_use]
    pub fn shrink(&self, failure: &Failure, runs_max: u32) -> Self {
        let mut fails = |plan: &Plan| {
            let outcome = self.with_plan(plan.clone()).run();
            outcome.failure().is_some_and(|other| other.signature == failure.signature)
        };
        let shrunk = crate::hunt::shrink(&self.plan, &self.plan, runs_max, &mut fails);
        match shrunk.verified {
            true => self.with_plan(shrunk.plan),
            false => self.clone(),
        }
    }
}
