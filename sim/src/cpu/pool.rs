//! Thread pools of a broker that share the cores of its host, first come first served. Leaves out
//! time slices, priorities, hyper-threading and migration: a thread that got a core keeps it until
//! its demand is done.
//!
//! Answers are given at submission. Two approximations follow. A job that waits for a thread of
//! its pool reserves its core ahead, so that another pool cannot use that core in between; callers
//! that start jobs with [`Cpu::begin`] when they are due avoid this. And a collection pauses what
//! starts or would go on after it was triggered; answers already given are not revised.

use super::credits::Credits;
use super::pause::Collector;
use super::profile::MissingConstant;
use crate::rng::Stream;
use stormglass_scenarios::plan::{HostPlan, ModelPlan};

/// The thread pools of a broker, with Kafka's configs that size them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// `num.network.threads`: parse, encrypt, copy to and from sockets.
    Network,
    /// `num.io.threads`: request handlers.
    Handler,
    /// `num.replica.fetchers`: append what leaders sent.
    Fetcher,
    /// `remote.log.manager.copier.thread.pool.size` and `remote.log.reader.threads`: what goes to and
    /// comes from remote storage is encrypted and copied.
    Remote,
}

const POOLS: usize = 4;

/// Threads per pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSizes {
    /// `num.network.threads`.
    pub network: u32,
    /// `num.io.threads`.
    pub handler: u32,
    /// Replica fetcher threads: `num.replica.fetchers` times the peers fetched from.
    pub fetcher: u32,
    /// Threads for remote storage.
    pub remote: u32,
}

/// What a host offers.
#[derive(Debug)]
pub struct CpuConfig {
    vcpus: u32,
    sizes: PoolSizes,
    credits: Credits,
    collector: Collector,
}

impl CpuConfig {
    /// From a host's plan and the `jvm.*` constants. `pauses`: random stream of their lengths.
    ///
    /// # Errors
    /// Names the constant that is missing.
    pub fn new(
        host: &HostPlan,
        model: &ModelPlan,
        sizes: PoolSizes,
        pauses: Stream,
    ) -> Result<Self, MissingConstant> {
        let vcpus = host.vcpus.max(1);
        let credits = Credits::new(vcpus, host.cpu_baseline_permille, host.cpu_credits_ns);
        Ok(Self { vcpus, sizes, credits, collector: Collector::new(model, pauses)? })
    }
}

/// Names a job's thread, for [`Cpu::hold_until`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pool: Pool,
    thread: u32,
}

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// It got its thread and core, ns.
    pub start_ns: u64,
    /// Its demand is done, ns.
    pub finish_ns: u64,
    /// Its thread.
    pub ticket: Ticket,
}

/// Use of the CPU since the last [`Cpu::take_counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuCounters {
    /// Idle share of the request handlers, parts per thousand (`RequestHandlerAvgIdlePercent`).
    pub handler_idle_permille: u32,
    /// Idle share of the network processors, parts per thousand.
    pub network_idle_permille: u32,
    /// Used share of all vCPUs, parts per thousand. A throttled thread counts what it achieves.
    pub cpu_permille: u32,
    /// CPU credits left, parts per thousand of the most that can be kept.
    pub credit_permille: u32,
    /// Time in which collections stopped the process, ns.
    pub pause_ns: u64,
    /// Jobs begun.
    pub jobs: u64,
    /// Time that jobs waited for a thread and a core, ns.
    pub wait_ns: u64,
}

/// A thread or a core as one number, so that one comparison orders two of them: when it is free,
/// above its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot(u128);

impl Slot {
    fn new(free_at_ns: u64, id: u32) -> Self {
        Self(u128::from(free_at_ns) << 64 | u128::from(id))
    }

    fn free_at_ns(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn id(self) -> u32 {
        self.0 as u32
    }
}

/// Busy time of a set of slots, with what lies in the future kept apart.
#[derive(Debug, Default)]
struct Busy {
    /// The first to become free first; of several at one time, in order of their ids.
    slots: Vec<Slot>,
    /// Since when each slot is busy without a gap, by id, ns.
    since_ns: Vec<u64>,
    total_ns: u64,
}

impl Busy {
    fn new(count: usize) -> Self {
        let ids = 0..u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let slots: Vec<Slot> = ids.map(|id| Slot::new(0, id)).collect();
        Self { since_ns: vec![0; slots.len()], slots, total_ns: 0 }
    }

    /// Place of the slot that of those free at `start_ns` became free last, so that earlier gaps
    /// stay open; without one, of the first to become free. And when it is free. Few slots are
    /// busy as a rule, so the search begins with those.
    fn best_fit(&self, start_ns: u64) -> (usize, u64) {
        let place = self.slots.iter().rposition(|slot| slot.free_at_ns() <= start_ns).unwrap_or(0);
        (place, self.slots[place].free_at_ns())
    }

    /// Gives a slot a job; returns the slot's id.
    fn occupy(&mut self, place: usize, from_ns: u64, to_ns: u64) -> u32 {
        let slot = self.slots[place];
        assert!(slot.free_at_ns() <= from_ns, "a slot holds one job at a time");
        if slot.free_at_ns() < from_ns {
            self.since_ns[slot.id() as usize] = from_ns;
        }
        self.total_ns += to_ns - from_ns;
        self.settle(place, Slot::new(to_ns, slot.id()));
        slot.id()
    }

    /// Puts a slot that was at `place` where its time, no earlier than before, belongs.
    fn settle(&mut self, mut place: usize, slot: Slot) {
        let slots = self.slots.as_mut_slice();
        while place + 1 < slots.len() && slots[place + 1] < slot {
            slots[place] = slots[place + 1];
            place += 1;
        }
        slots[place] = slot;
    }

    fn extend(&mut self, id: u32, to_ns: u64) {
        let place = self.slots.iter().rposition(|slot| slot.id() == id);
        let place = place.expect("a ticket names a thread of its pool");
        let free_at_ns = self.slots[place].free_at_ns();
        if to_ns > free_at_ns {
            self.total_ns += to_ns - free_at_ns;
            self.settle(place, Slot::new(to_ns, id));
        }
    }

    /// Slots that are busy at `from_ns` become free later; their order stays.
    fn pause(&mut self, from_ns: u64, pause_ns: u64) {
        for slot in &mut self.slots {
            if slot.free_at_ns() > from_ns {
                *slot = Slot::new(slot.free_at_ns() + pause_ns, slot.id());
                self.total_ns += pause_ns;
            }
        }
    }

    /// Busy time up to `now_ns`; what lies beyond is left for the next call.
    fn take(&mut self, now_ns: u64) -> u64 {
        let mut future_ns = 0;
        for slot in &self.slots {
            if slot.free_at_ns() > now_ns {
                future_ns += slot.free_at_ns() - self.since_ns[slot.id() as usize].max(now_ns);
            }
        }
        let past_ns = self.total_ns.saturating_sub(future_ns);
        self.total_ns -= past_ns;
        past_ns
    }
}

/// The CPU of one host. Times must not run backwards by more than callers reserve ahead.
#[derive(Debug)]
pub struct Cpu {
    config: CpuConfig,
    pools: [Busy; POOLS],
    cores: Busy,
    /// Nothing runs before this, ns.
    paused_until_ns: u64,
    taken_at_ns: u64,
    work_ns: u64,
    counters: CpuCounters,
}

impl Cpu {
    /// All idle.
    #[must_use]
    pub fn new(config: CpuConfig) -> Self {
        let sizes = config.sizes;
        Self {
            pools: [sizes.network, sizes.handler, sizes.fetcher, sizes.remote]
                .map(|n| Busy::new(n as usize)),
            cores: Busy::new(config.vcpus as usize),
            paused_until_ns: 0,
            taken_at_ns: 0,
            work_ns: 0,
            counters: CpuCounters::default(),
            config,
        }
    }

    /// Queues a job whose demand is known.
    pub fn submit(&mut self, now_ns: u64, pool: Pool, demand_ns: u64) -> Service {
        let service = self.begin(pool, now_ns, demand_ns);
        self.counters.wait_ns += service.start_ns - now_ns;
        service
    }

    /// When a job that comes now would get a thread and a core, ns. A job whose demand is known
    /// only when it starts waits until then and calls [`Self::begin`]; in the meantime others may
    /// have been faster, so ask again.
    #[must_use]
    pub fn earliest_start(&self, now_ns: u64, pool: Pool) -> u64 {
        let (_, thread_ns) = self.pools[pool as usize].best_fit(now_ns);
        let ready_ns = now_ns.max(thread_ns).max(self.paused_until_ns);
        ready_ns.max(self.cores.best_fit(ready_ns).1)
    }

    /// Starts a job at `start_ns`, or as soon after as a thread and a core are free.
    pub fn begin(&mut self, pool: Pool, start_ns: u64, demand_ns: u64) -> Service {
        let threads = &mut self.pools[pool as usize];
        let (place, thread_ns) = threads.best_fit(start_ns);
        let ready_ns = start_ns.max(thread_ns).max(self.paused_until_ns);
        let (core, core_ns) = self.cores.best_fit(ready_ns);
        let begin_ns = ready_ns.max(core_ns);
        let finish_ns = begin_ns.saturating_add(self.config.credits.occupy(begin_ns, demand_ns));
        let thread = threads.occupy(place, begin_ns, finish_ns);
        self.cores.occupy(core, begin_ns, finish_ns);
        self.work_ns += demand_ns;
        self.counters.jobs += 1;
        Service { start_ns: begin_ns, finish_ns, ticket: Ticket { pool, thread } }
    }

    /// The job's thread is blocked (in a disk append, say) until then, without using a core. To
    /// be called before another job is begun.
    pub fn hold_until(&mut self, ticket: Ticket, until_ns: u64) {
        self.pools[ticket.pool as usize].extend(ticket.thread, until_ns);
    }

    /// Counts what receiving bytes allocates; when that fills the young generation, the process
    /// pauses at once. Returns the end of that pause, ns.
    pub fn on_received(&mut self, now_ns: u64, bytes: u64) -> Option<u64> {
        let pause_ns = self.config.collector.received(bytes)?;
        let from_ns = now_ns.max(self.paused_until_ns);
        self.stop(from_ns, pause_ns);
        self.counters.pause_ns += pause_ns;
        Some(self.paused_until_ns)
    }

    /// Stops the process until a time (SIGSTOP to SIGCONT).
    pub fn pause_until(&mut self, now_ns: u64, until_ns: u64) {
        self.stop(now_ns, until_ns.saturating_sub(now_ns));
    }

    /// The process died: threads and cores are free, credits stay.
    pub fn reset(&mut self, now_ns: u64) {
        for busy in self.pools.iter_mut().chain([&mut self.cores]) {
            let past_ns = busy.take(now_ns);
            *busy = Busy { total_ns: past_ns, ..Busy::new(busy.slots.len()) };
        }
        self.paused_until_ns = now_ns;
    }

    /// Sets CPU credits to parts per thousand of the most that can be kept.
    pub fn set_credit_level(&mut self, now_ns: u64, permille: u32) {
        self.config.credits.set_level(now_ns, permille);
    }

    /// Use since the last call. Work counts when it begins, busy time when it passes.
    pub fn take_counters(&mut self, now_ns: u64) -> CpuCounters {
        let window_ns = now_ns.saturating_sub(self.taken_at_ns).max(1);
        self.taken_at_ns = now_ns;
        let mut counters = std::mem::take(&mut self.counters);
        counters.network_idle_permille = self.idle_permille(Pool::Network, now_ns, window_ns);
        counters.handler_idle_permille = self.idle_permille(Pool::Handler, now_ns, window_ns);
        self.idle_permille(Pool::Fetcher, now_ns, window_ns);
        self.cores.take(now_ns);
        let work_ns = std::mem::take(&mut self.work_ns);
        counters.cpu_permille = permille(work_ns, window_ns * u64::from(self.config.vcpus));
        counters.credit_permille = self.config.credits.level_permille(now_ns);
        counters
    }

    fn idle_permille(&mut self, pool: Pool, now_ns: u64, window_ns: u64) -> u32 {
        let busy = &mut self.pools[pool as usize];
        let threads = busy.slots.len() as u64;
        1000 - permille(busy.take(now_ns), window_ns * threads)
    }

    fn stop(&mut self, from_ns: u64, pause_ns: u64) {
        for busy in self.pools.iter_mut().chain([&mut self.cores]) {
            busy.pause(from_ns, pause_ns);
        }
        self.paused_until_ns = self.paused_until_ns.max(from_ns + pause_ns);
    }
}

/// `part / whole` in parts per thousand, at most 1000.
fn permille(part: u64, whole: u64) -> u32 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    u32::try_from(share.min(1000)).unwrap_or(1000)
}
