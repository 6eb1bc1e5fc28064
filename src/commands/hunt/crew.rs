//! Runs the seeds, several at a time, each with its own plan and thread: the number of jobs changes
//! no result.

use super::find::Finds;
use super::show::{self, Findings};
use super::shrinking;
use crate::args::Hunt;
use crate::commands::load::{plan_of, source, tell_unread};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::output::Output;
use crate::progress::{self, Board};
use crate::simulation::{check_plant, total_ns};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stormglass_reports::narrative::narrative;
use stormglass_scenarios::plan::Plan;
use stormglass_sim::hunt::{Judgement, judge, swarm};
use stormglass_sim::{Finished, RunOptions, SimError, quiet_panics, simulate};

/// Events per simulated second after which a run counts as endless: a thousand times what a storm
/// has, ten times what the largest scenario has.
const EVENTS_PER_SECOND_MAX: u64 = 10_000_000;
/// The same for storms, which have a few thousand: what goes round in circles is found in seconds.
const STORM_EVENTS_PER_SECOND_MAX: u64 = 40_000;

/// What the jobs share.
pub(super) struct Crew<'a> {
    pub(super) args: &'a Hunt,
    /// The scenario's plan, before any draw.
    pub(super) base: Plan,
    pub(super) dir: PathBuf,
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) finds: Mutex<Finds>,
    next: AtomicU64,
    first_seed: u64,
    failed: AtomicBool,
    deadline: Option<Instant>,
}

/// Hunts, shrinks what was found if that was asked for, and prints the findings.
pub(in crate::commands) fn hunt(args: &Hunt, output: Output) -> Result<Exit, Failure> {
    let base = plan_of(&args.target, &args.sets, args.seeds.start)?;
    let dir = args.out.clone().unwrap_or_else(|| default_dir(&base.scenario));
    // before an earlier hunt in the same place is cleared away
    check_plant(args.plant.as_deref(), &command(args))?;
    files::ready(&dir)?;
    quiet_panics();
    tell_unread(&source(&args.target)?, &[&args.sets], output);
    let began = now();
    let shard = args.shard;
    let first_seed = args.seeds.clone().find(|seed| shard.has(*seed)).unwrap_or(args.seeds.end);
    let label = format!("hunt {}", base.scenario);
    let seeds_ns = total_ns(&base).saturating_mul((args.seeds.end - first_seed) / shard.count);
    let crew = Crew {
        finds: Mutex::new(Finds::new(args, &base, &dir)?),
        args,
        base,
        dir,
        interrupt: interrupt::install()?,
        next: AtomicU64::new(0),
        first_seed,
        failed: AtomicBool::new(false),
        deadline: args.time.and_then(|time| began.checked_add(time)),
    };
    let hunting = progress::watch(output, &label, seeds_ns, |board| crew.run(board));
    let wall = now() - began;
    // Whatever was found so far is kept, also when a job could not go on.
    let shrunk = hunting.and_then(|()| {
        if args.shrink {
            progress::watch(output, "shrinking", 0, |board| shrinking::shrink_all(&crew, board))
        } else {
            Ok(())
        }
    });
    let Crew { finds, dir, .. } = crew;
    let mut finds = finds.into_inner().unwrap_or_else(PoisonError::into_inner);
    let saved = finds.save();
    let result = finds.result();
    let took = Some((wall, args.jobs));
    let exit = show::show(&Findings { result: &result, took, dir: &dir }, output)?;
    show::write_speed(&result, wall, args.jobs, &dir).ok();
    shrunk.and(saved)?;
    Ok(exit)
}

fn default_dir(scenario: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let name: String = scenario.chars().map(safe).collect();
    PathBuf::from(format!("stormglass-out/hunt-{name}"))
}

#[expect(clippy::disallowed_methods, reason = "how long a hunt takes, outside of simulations")]
fn now() -> Instant {
    Instant::now()
}

impl Crew<'_> {
    fn run(&self, board: &Arc<Board>) -> Result<(), Failure> {
        thread::scope(|scope| {
            let job = || scope.spawn(|| self.job(board));
            let jobs: Vec<_> = std::iter::repeat_with(job).take(self.args.jobs).collect();
            let join = |job: thread::ScopedJoinHandle<'_, _>| {
                job.join().unwrap_or_else(|_| Err(Failure::internal("a job panicked")))
            };
            jobs.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
        })
    }

    /// Takes one seed after another until there is none left.
    fn job(&self, board: &Arc<Board>) -> Result<(), Failure> {
        while let Some(seed) = self.next_seed() {
            let done = self.seed(seed, board);
            if done.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            done?;
        }
        Ok(())
    }

    fn next_seed(&self) -> Option<u64> {
        let stopped = self.is_stopped() || self.deadline.is_some_and(|deadline| now() >= deadline);
        if stopped {
            let all = self.args.seeds.end;
            let next = self.seed_at(self.next.load(Ordering::Relaxed));
            // with --for alone there is no end that was missed
            if next.is_some() && all != u64::MAX {
                self.finds().interrupted();
            }
            return None;
        }
        self.seed_at(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn seed_at(&self, index: u64) -> Option<u64> {
        let seed = self.first_seed.checked_add(index.checked_mul(self.args.shard.count)?)?;
        (seed < self.args.seeds.end).then_some(seed)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    fn seed(&self, seed: u64, board: &Arc<Board>) -> Result<(), Failure> {
        let plan = swarm(&self.base, seed);
        let outcome = self.simulate(&plan, board);
        let is_cut_short = |finished: &Finished| finished.recording.interrupted;
        if outcome.as_ref().is_ok_and(is_cut_short) {
            self.finds().interrupted();
            return Ok(());
        }
        let judgement = judge(&outcome);
        let story = match (&judgement, &outcome) {
            (Judgement::Failed(_), Ok(finished)) => narrative(&finished.recording),
            _ => None,
        };
        let mut finds = self.finds();
        let found = finds.add(&plan, &judgement, outcome.as_ref().ok(), story);
        board.note(finds.headline());
        found
    }

    /// One run, with the bug that the hunt plants, if any.
    pub(super) fn simulate(&self, plan: &Plan, board: &Arc<Board>) -> Result<Finished, SimError> {
        let per_second = match plan.scenario == stormglass_sim::hunt::SWARM {
            true => STORM_EVENTS_PER_SECOND_MAX,
            false => EVENTS_PER_SECOND_MAX,
        };
        let options = RunOptions {
            plant: self.args.plant.clone(),
            interrupt: Arc::clone(&self.interrupt),
            events_max: Some(per_second.saturating_mul(total_ns(plan) / 1_000_000_000 + 10)),
            verdict_only: true,
        };
        simulate(plan, options, board.meter())
    }

    pub(super) fn finds(&self) -> std::sync::MutexGuard<'_, Finds> {
        self.finds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command without what changes nothing about a refusal.
fn command(args: &Hunt) -> String {
    let mut words = vec!["stormglass".to_owned(), "hunt".to_owned(), args.scenario.clone()];
    if let Some(plant) = &args.plant {
        words.extend(["--plant".to_owned(), plant.clone()]);
    }
    crate::invocation::quoted(words)
}

/// Seeds, events or anything else per second of wall time, in thousandths.
pub(super) fn rate_milli(count: u64, wall: Duration) -> u64 {
    let ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).max(1);
    u64::try_from(u128::from(count) * 1_000_000 / u128::from(ms)).unwrap_or(u64::MAX)
}
