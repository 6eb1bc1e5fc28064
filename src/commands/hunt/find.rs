//! What was found so far: numbers, and a failure per signature, kept on disk as it is found.

use super::folder;
use crate::args::Hunt;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stormglass_reports::hunt::{
    FailureRow, HUNT_SCHEMA_VERSION, HuntResult, SeedShare, add_hashes,
};
use stormglass_scenarios::plan::Plan;
use stormglass_sim::Finished;
use stormglass_sim::checkers::MARKS;
use stormglass_sim::hunt::{Judgement, fault_name};

/// hunt.json is written after so many seeds, too: what is killed hard leaves numbers behind.
const SAVE_EVERY: u64 = 500;

/// Findings of a hunt.
#[derive(Debug)]
pub(super) struct Finds {
    numbers: HuntResult,
    failures: BTreeMap<String, FailureRow>,
    dir: PathBuf,
    plant: Option<String>,
    /// The seeds that were asked for, and one above the highest that was run.
    share: SeedShare,
    above: u64,
    /// Why the first plan that could not be run could not.
    refusal: Option<String>,
}

impl Finds {
    /// None yet. Clears what an earlier hunt left in the same place.
    pub(super) fn new(args: &Hunt, base: &Plan, dir: &Path) -> Result<Self, Failure> {
        folder::clear(dir)?;
        let numbers = HuntResult {
            schema_version: HUNT_SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: base.scenario.clone(),
            scenario_digest: base.scenario_digest.clone(),
            plant: args.plant.clone(),
            interrupted: false,
            missing: Vec::new(),
            seeds: 0,
            shares: Vec::new(),
            sound: 0,
            excused: 0,
            failed: 0,
            refused: 0,
            events: 0,
            sim_ms: 0,
            acked_records: 0,
            hash: "0".repeat(16),
            marks: MARKS.iter().map(|(mark, _)| ((*mark).to_owned(), 0)).collect(),
            faults: BTreeMap::new(),
            failures: Vec::new(),
        };
        let (seeds, shard) = (&args.seeds, args.shard);
        Ok(Self {
            numbers,
            failures: BTreeMap::new(),
            dir: dir.to_owned(),
            plant: args.plant.clone(),
            share: SeedShare {
                from: seeds.start,
                to: seeds.end,
                count: shard.count,
                index: shard.index,
            },
            above: seeds.start,
            refusal: None,
        })
    }

    /// The hunt was cut short.
    pub(super) fn interrupted(&mut self) {
        self.numbers.interrupted = true;
    }

    /// A seed's run is over.
    pub(super) fn add(
        &mut self,
        plan: &Plan,
        judgement: &Judgement,
        finished: Option<&Finished>,
        story: Option<String>,
    ) -> Result<(), Failure> {
        self.count(plan, judgement, finished);
        if let Judgement::Failed(failure) = judgement {
            let events = plan.events.len() as u64;
            let row = FailureRow::new(&failure.signature, &failure.checker, plan.seed, events);
            let known = self.failures.get_mut(&failure.signature);
            let is_first = known.is_none_or(|known| known.absorb(&row));
            let row = self.failures.entry(failure.signature.clone()).or_insert(row);
            if is_first {
                let account = story.unwrap_or_else(|| failure.account.clone());
                let found = folder::Found { row, plan, account: &account, plant: &self.plant };
                folder::write(&self.dir, &found)?;
                self.save()?;
            }
        }
        if self.numbers.seeds.is_multiple_of(SAVE_EVERY) { self.save() } else { Ok(()) }
    }

    fn count(&mut self, plan: &Plan, judgement: &Judgement, finished: Option<&Finished>) {
        let numbers = &mut self.numbers;
        numbers.seeds += 1;
        self.above = self.above.max(plan.seed.saturating_add(1));
        match judgement {
            Judgement::Sound => numbers.sound += 1,
            Judgement::Excused => numbers.excused += 1,
            Judgement::Failed(_) => numbers.failed += 1,
            Judgement::Refused(why) => {
                numbers.refused += 1;
                self.refusal.get_or_insert_with(|| format!("seed {}: {why}", plan.seed));
            }
        }
        for event in &plan.events {
            *numbers.faults.entry(fault_name(&event.action).to_owned()).or_default() += 1;
        }
        let Some(Finished { recording, .. }) = finished else { return };
        numbers.events += recording.events_processed;
        numbers.sim_ms += recording.sim_ns / 1_000_000;
        numbers.acked_records += recording.seconds.iter().map(|s| s.acked_records).sum::<u64>();
        numbers.hash = add_hashes(&numbers.hash, &recording.event_hash);
        for mark in recording.marks.keys() {
            *numbers.marks.entry(mark.clone()).or_default() += 1;
        }
    }

    /// Failures in order of signature.
    pub(super) fn failures(&self) -> Vec<FailureRow> {
        self.failures.values().cloned().collect()
    }

    /// A failure's plan was made smaller.
    pub(super) fn shrunk(
        &mut self,
        signature: &str,
        runs: u32,
        plan: &Plan,
        account: &str,
    ) -> Result<(), Failure> {
        let Some(row) = self.failures.get_mut(signature) else { return Ok(()) };
        row.shrunk_events = Some(plan.events.len() as u64);
        row.shrink_runs = Some(u64::from(runs));
        let found = folder::Found { row, plan, account, plant: &self.plant };
        folder::write_shrunk(&self.dir, &found)?;
        self.save()
    }

    /// Everything, as published.
    pub(super) fn result(&self) -> HuntResult {
        let shares = self.shares();
        HuntResult { shares, failures: self.failures(), ..self.numbers.clone() }
    }

    /// What was asked for if all of it was run, else up to the highest seed that was.
    fn shares(&self) -> Vec<SeedShare> {
        match self.numbers.seeds {
            0 => Vec::new(),
            seeds if seeds == self.share.seeds() => vec![self.share],
            _ => vec![SeedShare { to: self.above, ..self.share }],
        }
    }

    /// Writes hunt.json.
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        folder::write_result(&self.dir, &self.result())?;
        match &self.refusal {
            Some(why) if self.numbers.refused == self.numbers.seeds => {
                let message = format!("no plan of this hunt can be run: {why}");
                Err(Failure::new(crate::exit::Exit::InvalidScenario, message))
            }
            _ => Ok(()),
        }
    }

    /// In a few words, for the line of progress.
    pub(super) fn headline(&self) -> String {
        let HuntResult { seeds, failed, excused, .. } = self.numbers;
        let kinds = self.failures.len();
        format!("{seeds} seeds, {excused} excused, {failed} failed in {kinds} ways")
    }
}
