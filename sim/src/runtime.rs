//! The container of a simulation: a fresh thread with a madsim runtime, which owns clock, entropy
//! and hash seeds, so that even a stray `SystemTime::now` in a dependency is deterministic.
//!
//! madsim's clock follows the event loop; its own timers, network and files are not used.

use crate::app::Load;
use crate::kernel::Order;
use crate::world::{Observer, SetupError, World};
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stormglass_broker_core::plant::Plant;
use stormglass_reports::recording::Recording;
use stormglass_scenarios::plan::Plan;

/// Names of the threads that simulate begin with this.
const THREAD_PREFIX: &str = "sim-";

/// How to run a plan.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Name of a planted bug; refused without the feature `planted-bugs`.
    pub plant: Option<String>,
    /// Set to end the run early; looked at once a simulated second.
    pub interrupt: Arc<AtomicBool>,
    /// Events after which a run counts as endless; no limit if not given.
    pub events_max: Option<u64>,
    /// Only the verdict is wanted: no latencies are measured, and no samples of replicas taken. Events
    /// and verdict are the same either way.
    pub verdict_only: bool,
}

/// Told about progress from the simulation's thread. Must not change the run.
pub trait Progress: Send {
    /// Simulated time and the plan's end, ns since the run began, and events so far.
    fn tick(&mut self, sim_ns: u64, total_ns: u64, events: u64);
}

impl Progress for () {
    fn tick(&mut self, _sim_ns: u64, _total_ns: u64, _events: u64) {}
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub recording: Recording,
    /// Wall time, set-up included.
    pub wall: Duration,
}

/// Why there is no recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimError {
    /// The plan cannot be simulated.
    Setup(SetupError),
    /// This build has no planted bugs.
    NoPlants,
    /// No planted bug of that name.
    UnknownPlant(String),
    /// The simulation itself is wrong: an assertion failed.
    Panicked(String),
    /// An application under test panicked.
    ApplicationPanicked(String),
    /// The run did not end within this many events.
    Endless(u64),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::NoPlants => f.write_str(
                "this build has no planted bugs: they lose records, so only a debug build with the \
                 feature `planted-bugs` has them",
            ),
            Self::UnknownPlant(name) => {
                let known: Vec<_> = Plant::ALL.iter().map(|(name, _)| *name).collect();
                write!(f, "no planted bug `{name}`; known are {}", known.join(", "))
            }
            Self::Panicked(message) => write!(
                f,
                "the simulation stopped at one of its own assertions: {message}\n\
                 This is a bug of Stormglass; the plan reproduces it."
            ),
            Self::ApplicationPanicked(message) => write!(f, "an application panicked: {message}"),
            Self::Endless(events) => write!(
                f,
                "the run did not end within {events} events: something goes on without time passing"
            ),
        }
    }
}

impl std::error::Error for SimError {}

impl From<SetupError> for SimError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

/// Runs a plan to its end on a thread of its own.
///
/// # Errors
/// A plan that cannot be simulated, or a failed assertion.
pub fn simulate(
    plan: &Plan,
    options: RunOptions,
    progress: Box<dyn Progress>,
) -> Result<Finished, SimError> {
    simulate_with(plan, Load::default(), options, progress)
}

/// As [`simulate`], with applications.
pub(crate) fn simulate_with(
    plan: &Plan,
    load: Load,
    options: RunOptions,
    progress: Box<dyn Progress>,
) -> Result<Finished, SimError> {
    let plant = match &options.plant {
        Some(name) => Some(find_plant(name)?),
        None => None,
    };
    let plan = plan.clone();
    let began = wall_clock();
    let thread = std::thread::Builder::new().name(format!("{THREAD_PREFIX}{}", plan.seed));
    let run = move || {
        // The run owns all that it touches, so nothing half-changed is left behind.
        let run = AssertUnwindSafe(|| run_inside_madsim(plan, load, plant, &options, progress));
        catch_unwind(run).map_err(|panic| stopped_by(&*panic))
    };
    let spawned = thread.spawn(run).map_err(|error| SimError::Panicked(error.to_string()))?;
    let outcome = spawned.join().map_err(|panic| SimError::Panicked(panic_message(&*panic)))?;
    let recording = outcome??;
    Ok(Finished { recording, wall: wall_clock() - began })
}

thread_local! {
    /// Where this thread's last panic was, if [`quiet_panics`] watches.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a failed assertion of a simulation is not printed; its message names the place
/// instead. For hunts, in which it is a finding like any other. Panics elsewhere are printed as before.
pub fn quiet_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        if !thread.name().is_some_and(|name| name.starts_with(THREAD_PREFIX)) {
            return loud(info);
        }
        // Without the directory: it differs from machine to machine.
        let place = info.location().map(|at| {
            let file = at.file().rsplit_once("/src/").map_or(at.file(), |(_, file)| file);
            format!("{file}:{}", at.line())
        });
        PANICKED_AT.with(|at| *at.borrow_mut() = place);
    }));
}

/// Whether this build has a planted bug: what [`simulate`] would say of it, without a run.
///
/// # Errors
/// If it does not.
pub fn check_plant(name: &str) -> Result<(), SimError> {
    find_plant(name)?;
    Ok(())
}

fn find_plant(name: &str) -> Result<Plant, SimError> {
    if !cfg!(feature = "planted-bugs") {
        return Err(SimError::NoPlants);
    }
    Plant::by_name(name).ok_or_else(|| SimError::UnknownPlant(name.to_owned()))
}

/// Wall time since the first call. Outside of madsim, where the libc clock is the real one.
fn wall_clock() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "how long a run takes, outside the simulation")]
    let now = std::time::Instant::now();
    now - *START.get_or_init(|| now)
}

/// A panic of an application, on its way out of the simulation.
#[derive(Debug)]
pub(crate) struct ApplicationPanic(pub(crate) String);

fn stopped_by(panic: &(dyn std::any::Any + Send)) -> SimError {
    match panic.downcast_ref::<ApplicationPanic>() {
        Some(ApplicationPanic(message)) => SimError::ApplicationPanicked(message.clone()),
        None => SimError::Panicked(panic_message(panic)),
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "panic".to_owned());
    match PANICKED_AT.take() {
        Some(place) => format!("{place}: {text}"),
        None => text,
    }
}

fn run_inside_madsim(
    plan: Plan,
    load: Load,
    plant: Option<Plant>,
    options: &RunOptions,
    progress: Box<dyn Progress>,
) -> Result<Recording, SimError> {
    let runtime =
        madsim::runtime::Runtime::with_seed_and_config(plan.seed, madsim::Config::default());
    let runtime = Rc::new(runtime);
    let inside = Rc::clone(&runtime);
    runtime.block_on(async move {
        let has_applications = !load.applications.is_empty();
        let mut watcher = Watcher { progress, total_ns: plan.phases.ends_ns(), has_applications };
        let order = if plan.shuffled { Order::Shuffled(plan.seed) } else { Order::Fixed };
        let mut world = World::new(plan, plant, order)?;
        if options.verdict_only {
            world.wants_verdict_only();
        }
        world.add_applications(inside, load);
        let events_max = options.events_max.unwrap_or(u64::MAX);
        world.run(&mut watcher, &options.interrupt, events_max)
    })
}

/// Passes on progress, and moves madsim's clock.
struct Watcher {
    progress: Box<dyn Progress>,
    total_ns: u64,
    /// They move the clock themselves: it runs on a little whenever they do.
    has_applications: bool,
}

impl Observer for Watcher {
    fn progress(&mut self, sim_ns: u64, events: u64) {
        self.progress.tick(sim_ns, self.total_ns, events);
    }

    fn advance(&mut self, by_ns: u64) {
        if !self.has_applications {
            madsim::time::advance(Duration::from_nanos(by_ns));
        }
    }
}
