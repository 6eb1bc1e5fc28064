//! Which faults a seed knows, and where they fall.
//!
//! A seed enables some kinds of faults (swarm testing: what is left out lets the rest go further),
//! picks a victim, and places episodes: an anchor, and follow-ups at the moments at which a protocol
//! is about to take a step because of it. Most failures of real systems take one isolated node, a
//! restart and a second fault (OSDI'18 study of partitions), so that is what most episodes are.
//!
//! Budget: power is lost by one broker only in most seeds, so that an acknowledged record always has
//! an intact copy; two of them may lose it in one seed out of ten, in turn or together, and what is
//! lost then is excused by the checkers. Controllers fsync, so power may go at any of them.

mod compound;

use super::dice::Dice;
use super::timing::Timing;
use compound::Compound;
use stormglass_scenarios::plan::{Action, AzDownMode, Endpoint, EventPlan, LinkEffect, Plan};

const MS: u64 = 1_000_000;
/// Faults of a storm at most.
const EVENTS_MAX: usize = 32;
/// What a broker may take to hand over what it leads, ns.
const SHUTDOWN_NS: u64 = 4_000 * MS;
/// The longest fault, ns.
const LONGEST_NS: u64 = 12_000 * MS;

/// A kind of fault that a seed may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    HostCrash,
    ProcessCrash,
    Pause,
    /// One broker from the other brokers.
    CutFromBrokers,
    /// Between two brokers, often in one direction.
    CutPair,
    CutFromControllers,
    CutFromClients,
    /// From everything.
    Isolate,
    /// Answers of all brokers to all clients.
    LoseAnswers,
    Delay,
    Loss,
    Flap,
    SlowDisk,
    DiskFull,
    /// EIO: the process ends, and comes back to the disk as it is.
    DiskError,
    /// EIO of fsync alone: what was not synced may be gone.
    SyncError,
    /// Checksums fail in what is read from a volume.
    BitRot,
    /// Of a wall clock, by less or more than anything is kept.
    ClockJump,
    /// Of both clocks' rate.
    ClockDrift,
    AzIsolate,
    /// With its clients, which begin anew.
    AzPowerOff,
    RollingRestart,
    /// One broker is shut down in order, and comes back.
    OrderlyRestart,
    ControllerCrash,
    ControllerPause,
    ControllerCut,
    /// Messages of a controller come late: votes of an election that is over, for one.
    ControllerDelay,
    /// All brokers from the controllers: their sessions end together.
    CutAllFromControllers,
    ConsumerPause,
    /// Producers or consumers begin anew.
    ClientCrash,
    LoadBurst,
    /// Several faults that belong together.
    Compound(Compound),
}

const KINDS: [Kind; 31] = [
    Kind::HostCrash,
    Kind::ProcessCrash,
    Kind::Pause,
    Kind::CutFromBrokers,
    Kind::CutPair,
    Kind::CutFromControllers,
    Kind::CutFromClients,
    Kind::Isolate,
    Kind::LoseAnswers,
    Kind::Delay,
    Kind::Loss,
    Kind::Flap,
    Kind::SlowDisk,
    Kind::DiskFull,
    Kind::DiskError,
    Kind::SyncError,
    Kind::BitRot,
    Kind::ClockJump,
    Kind::ClockDrift,
    Kind::AzIsolate,
    Kind::AzPowerOff,
    Kind::RollingRestart,
    Kind::OrderlyRestart,
    Kind::ControllerCrash,
    Kind::ControllerPause,
    Kind::ControllerCut,
    Kind::ControllerDelay,
    Kind::CutAllFromControllers,
    Kind::ConsumerPause,
    Kind::ClientCrash,
    Kind::LoadBurst,
];

/// What a storm over the quorum alone is made of: elections need several faults in a row.
const QUORUM_KINDS: [Kind; 8] = [
    Kind::Compound(Compound::ControllerRestarts),
    Kind::ControllerCrash,
    Kind::ControllerPause,
    Kind::ControllerCut,
    Kind::ControllerDelay,
    Kind::CutAllFromControllers,
    Kind::CutFromControllers,
    Kind::ClientCrash,
];

/// Adds a storm to a plan's events.
pub(super) fn draw(plan: &mut Plan) {
    let mut storm = Storm::new(plan);
    let window = storm.to_ns.saturating_sub(storm.from_ns);
    if window == 0 || storm.brokers.is_empty() {
        return;
    }
    let episodes = match storm.dice.percent(25) {
        true => storm.dice.between(6, 12),
        false => storm.dice.between(2, 6),
    };
    for _ in 0..episodes {
        storm.episode();
    }
    plan.events = storm.events;
    plan.events.sort_by_key(|event| event.at_ns);
}

struct Storm<'a> {
    plan: &'a Plan,
    dice: Dice,
    timing: Timing,
    kinds: Vec<Kind>,
    brokers: Vec<i32>,
    controllers: Vec<i32>,
    /// The broker that most faults hit.
    victim: i32,
    /// Brokers whose hosts may lose power.
    powerless: Vec<i32>,
    from_ns: u64,
    to_ns: u64,
    events: Vec<EventPlan>,
}

impl<'a> Storm<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut dice = Dice::new(plan.seed, "storm");
        let compounds = Compound::ALL.map(Kind::Compound);
        let all = KINDS.into_iter().chain(compounds);
        let mut kinds: Vec<Kind> = all.filter(|_| dice.percent(45)).collect();
        if plan.topics.iter().any(|topic| topic.config.contains_key("retention.ms")) {
            // logs are deleted to their ends when nothing is written
            kinds.extend([Kind::Compound(Compound::IdlePower); 4]);
        }
        if dice.percent(10) {
            kinds = QUORUM_KINDS.to_vec();
        }
        if kinds.is_empty() {
            kinds.push(Kind::ProcessCrash);
        }
        let brokers: Vec<i32> = plan.cluster.brokers.iter().map(|node| node.id).collect();
        let controllers = plan.cluster.controllers.iter().map(|node| node.id).collect();
        let shuffled = dice.shuffled(&brokers);
        let powerless = if dice.percent(10) { 2 } else { 1 };
        let phases = &plan.phases;
        Self {
            timing: Timing::of(plan),
            victim: shuffled.first().copied().unwrap_or(0),
            powerless: shuffled.into_iter().take(powerless).collect(),
            from_ns: phases.warmup_ns + 500 * MS,
            to_ns: phases.heal_starts_ns().saturating_sub(2_000 * MS),
            events: plan.events.clone(),
            kinds,
            brokers,
            controllers,
            plan,
            dice,
        }
    }

    /// An anchor and what follows from it.
    fn episode(&mut self) {
        let at = self.dice.between(self.from_ns, self.to_ns.max(self.from_ns));
        let node = self.broker();
        let kind = self.kind();
        let lasts = self.length();
        self.fault(kind, node, at, lasts);
        for _ in 0..self.dice.pick(&[0, 1, 1, 2, 2, 3]) {
            let boundary = self.dice.pick(&self.timing.boundaries(lasts));
            let late = match self.dice.percent(70) {
                true => self.dice.around(60 * MS),
                false => self.dice.around(600 * MS),
            };
            let node = if self.dice.percent(35) { node } else { self.broker() };
            let (kind, lasts) = (self.kind(), self.length());
            self.fault(kind, node, at + boundary + late, lasts);
        }
    }

    fn kind(&mut self) -> Kind {
        self.dice.pick(&self.kinds)
    }

    fn broker(&mut self) -> i32 {
        if self.dice.percent(45) { self.victim } else { self.dice.pick(&self.brokers) }
    }

    fn other(&mut self, than: i32) -> i32 {
        let others: Vec<i32> = self.brokers.iter().copied().filter(|id| *id != than).collect();
        if others.is_empty() { than } else { self.dice.pick(&others) }
    }

    /// A little below or above what a protocol waits for, or short.
    fn length(&mut self) -> u64 {
        let patience = self.dice.pick(&self.timing.patience());
        let lasts = match self.dice.index(8) {
            0 => self.dice.between(5, 120) * MS,
            1 => self.dice.around(1_000 * MS),
            2 => patience * 95 / 100,
            3 => patience * 2,
            4 => patience * 4,
            _ => patience * 11 / 10 + self.dice.around(200 * MS),
        };
        lasts.clamp(5 * MS, LONGEST_NS)
    }

    fn fault(&mut self, kind: Kind, node: i32, at: u64, lasts: u64) {
        use Endpoint::{Brokers, Clients, Controllers, Node};
        let one_way = self.dice.percent(40);
        let cut = |from: Vec<Endpoint>, to: Vec<Endpoint>, one_way| Action::Link {
            from,
            to,
            one_way,
            effect: LinkEffect::Cut,
        };
        let action = match kind {
            Kind::HostCrash if self.powerless.contains(&node) => Action::HostCrash { node },
            Kind::HostCrash | Kind::ProcessCrash => Action::ProcessCrash { node },
            Kind::Pause => Action::ProcessPause { node },
            Kind::CutFromBrokers => self.sided(vec![Node(node)], self.others_of(node), one_way),
            Kind::CutPair => cut(vec![Node(node)], vec![Node(self.other(node))], one_way),
            Kind::CutFromControllers => self.sided(vec![Node(node)], vec![Controllers], one_way),
            Kind::CutFromClients => self.sided(vec![Node(node)], vec![Clients], one_way),
            Kind::Isolate => {
                let mut all = self.others_of(node);
                all.extend([Controllers, Clients]);
                cut(vec![Node(node)], all, false)
            }
            Kind::LoseAnswers => cut(vec![Brokers], vec![Clients], true),
            Kind::Delay => self.slow_link(node, one_way),
            Kind::Loss => self.lossy_link(node),
            Kind::Flap => return self.flap(node, at, lasts),
            Kind::Compound(compound) => return self.compound(compound, node, at, lasts),
            Kind::SlowDisk | Kind::DiskFull | Kind::DiskError | Kind::SyncError | Kind::BitRot => {
                self.disk_fault(kind, node)
            }
            Kind::ClockJump => self.clock_jump(node),
            Kind::ClockDrift => self.clock_drift(node),
            Kind::AzIsolate => {
                let az = self.dice.index(self.plan.cluster.azs.len());
                Action::AzDown { az, mode: AzDownMode::Isolate, clients: true }
            }
            Kind::AzPowerOff => match self.powerless_az() {
                Some(az) => Action::AzDown { az, mode: AzDownMode::PowerOff, clients: true },
                None => return,
            },
            Kind::RollingRestart => match self.rolling_restart(at) {
                Some(action) => action,
                None => return,
            },
            Kind::OrderlyRestart => return self.orderly_restart(node, at),
            Kind::CutAllFromControllers => self.sided(vec![Brokers], vec![Controllers], one_way),
            Kind::ControllerCrash
            | Kind::ControllerPause
            | Kind::ControllerCut
            | Kind::ControllerDelay => {
                return self.controller_fault(kind, at, lasts);
            }
            Kind::ConsumerPause => match self.dice.index(self.plan.consumers.len().max(1)) {
                group if group < self.plan.consumers.len() => {
                    let group = self.plan.consumers[group].group.clone();
                    Action::ConsumerPause { group, member: None }
                }
                _ => return,
            },
            Kind::ClientCrash => match self.client() {
                Some(client) => Action::ClientCrash { client },
                None => return,
            },
            // next to nothing: epochs pass without a record
            Kind::LoadBurst => {
                Action::Load { producer: None, rate_permille: self.dice.pick(&[2, 100, 3_000]) }
            }
        };
        self.push(at, lasts, action);
    }

    /// Of a broker's volumes.
    fn disk_fault(&mut self, kind: Kind, node: i32) -> Action {
        match kind {
            Kind::SlowDisk => Action::SlowDisk {
                node,
                rate_permille: self.dice.pick(&[10, 100, 500]),
                extra_latency_ns: self.dice.pick(&[0, 20, 200, 1_500]) * MS,
            },
            Kind::DiskFull => Action::DiskFull { node },
            // as with power, promises need a broker that keeps what it has
            Kind::SyncError if self.powerless.contains(&node) => Action::SyncError { node },
            Kind::BitRot => {
                Action::BitRot { node, share_permille: self.dice.pick(&[20, 200, 1_000]) }
            }
            _ => Action::DiskError { node },
        }
    }

    /// A producer or a consumer group.
    fn client(&mut self) -> Option<String> {
        let producers = self.plan.producers.iter().map(|producer| &producer.name);
        let groups = self.plan.consumers.iter().map(|consumer| &consumer.group);
        let clients: Vec<String> = producers.chain(groups).cloned().collect();
        (!clients.is_empty()).then(|| self.dice.pick(&clients))
    }

    /// A cut whose one direction, if it has only one, is either.
    fn sided(&mut self, a: Vec<Endpoint>, b: Vec<Endpoint>, one_way: bool) -> Action {
        let (from, to) = if self.dice.percent(50) { (a, b) } else { (b, a) };
        Action::Link { from, to, one_way, effect: LinkEffect::Cut }
    }

    fn others_of(&self, node: i32) -> Vec<Endpoint> {
        self.brokers.iter().filter(|id| **id != node).map(|id| Endpoint::Node(*id)).collect()
    }

    /// Of a broker or a controller, by milliseconds to minutes, as Jepsen's does; not beyond what
    /// logs and producers are kept for, as records would expire by right.
    fn clock_jump(&mut self, node: i32) -> Action {
        let node = match self.dice.percent(25) && !self.controllers.is_empty() {
            true => self.dice.pick(&self.controllers),
            false => node,
        };
        let ms = self.dice.pick(&[11_i64, 130, 1_500, 9_000, 70_000, 288_000]);
        let sign = if self.dice.percent(50) { 1 } else { -1 };
        Action::ClockJump { node, by_ns: sign * ms * 1_000_000 }
    }

    /// Of a broker or a controller, from what a crystal does to what only a broken one does.
    fn clock_drift(&mut self, node: i32) -> Action {
        let node = match self.dice.percent(40) && !self.controllers.is_empty() {
            true => self.dice.pick(&self.controllers),
            false => node,
        };
        let sign = if self.dice.percent(50) { 1 } else { -1 };
        Action::ClockDrift { node, ppm: sign * self.dice.pick(&[200, 5_000, 50_000, 100_000]) }
    }

    /// One that is through before the storm is over: nothing lifts it.
    fn rolling_restart(&mut self, at: u64) -> Option<Action> {
        let nodes = self.dice.shuffled(&self.brokers);
        let down_ns = self.dice.between(50, 1_500) * MS;
        let pause_ns = self.dice.between(100, 1_500) * MS;
        // each one's shutdown may wait for leaders to move, and the next one for replicas
        let each_ns = down_ns + self.timing.process_start_ns + 2 * pause_ns + 2_000 * MS;
        let lasts_ns = each_ns * u64::try_from(nodes.len()).unwrap_or(u64::MAX);
        (at + lasts_ns <= self.to_ns).then_some(Action::RollingRestart { nodes, down_ns, pause_ns })
    }

    /// One broker ends in order, unless it could not be back in time.
    fn orderly_restart(&mut self, node: i32, at: u64) {
        let down_ns = self.dice.between(20, 1_500) * MS;
        let lasts = down_ns + self.timing.process_start_ns + SHUTDOWN_NS;
        let pause_ns = 100 * MS;
        if at + lasts <= self.to_ns {
            let action = Action::RollingRestart { nodes: vec![node], down_ns, pause_ns };
            self.push(at, lasts, action);
        }
    }

    /// An AZ all of whose brokers may lose power.
    fn powerless_az(&self) -> Option<usize> {
        let az_of = |id: i32| {
            let node = self.plan.cluster.brokers.iter().find(|node| node.id == id);
            node.map(|node| node.az)
        };
        let az = self.powerless.first().and_then(|id| az_of(*id))?;
        let all = self.brokers.iter().filter(|id| az_of(**id) == Some(az));
        all.into_iter().all(|id| self.powerless.contains(id)).then_some(az)
    }

    fn slow_link(&mut self, node: i32, one_way: bool) -> Action {
        let extra_ns = self.dice.pick(&[5, 50, 300, 1_200, 3_000]) * MS;
        let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / self.dice.pick(&[2, 20]) };
        let to = match self.dice.index(4) {
            0 => Endpoint::Controllers,
            1 => Endpoint::Clients,
            _ => Endpoint::Node(self.other(node)),
        };
        Action::Link { from: vec![Endpoint::Node(node)], to: vec![to], one_way, effect }
    }

    fn lossy_link(&mut self, node: i32) -> Action {
        let effect = LinkEffect::Loss { ppm: self.dice.pick(&[10_000, 100_000, 300_000]) };
        let mut to = self.others_of(node);
        to.push(Endpoint::Controllers);
        Action::Link { from: vec![Endpoint::Node(node)], to, one_way: false, effect }
    }

    /// Up and down, several times.
    fn flap(&mut self, node: i32, at: u64, lasts: u64) {
        let (down, up) = (self.dice.between(50, 900) * MS, self.dice.between(50, 900) * MS);
        let action = self.sided(vec![Endpoint::Node(node)], self.others_of(node), false);
        let times = (lasts / (down + up)).clamp(2, 4);
        for time in 0..times {
            self.push(at + time * (down + up), down, action.clone());
        }
    }

    fn controller_fault(&mut self, kind: Kind, at: u64, lasts: u64) {
        if self.controllers.is_empty() {
            return;
        }
        let node = self.dice.pick(&self.controllers);
        let action = match kind {
            Kind::ControllerCrash if self.dice.percent(50) => Action::HostCrash { node },
            Kind::ControllerCrash => Action::ProcessCrash { node },
            Kind::ControllerPause => Action::ProcessPause { node },
            Kind::ControllerDelay => {
                let extra_ns = self.dice.pick(&[100, 400, 900, 2_000]) * MS;
                let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 2 };
                let (from, to) = (vec![Endpoint::Node(node)], vec![Endpoint::Controllers]);
                Action::Link { from, to, one_way: self.dice.percent(60), effect }
            }
            _ => {
                let others = self.controllers.iter().filter(|id| **id != node);
                let mut others: Vec<_> = others.map(|id| Endpoint::Node(*id)).collect();
                if self.dice.percent(50) {
                    others.push(Endpoint::Brokers);
                }
                let one_way = self.dice.percent(30);
                self.sided(vec![Endpoint::Node(node)], others, one_way)
            }
        };
        self.push(at, lasts, action);
    }

    /// Adds an event unless the storm is full, or over by then, or the same target has it already:
    /// the end of one would lift the other.
    fn push(&mut self, at_ns: u64, lasts: u64, action: Action) {
        let event = EventPlan { at_ns, for_ns: Some(lasts), action, line: None };
        let fits = self.events.len() < EVENTS_MAX && at_ns <= self.to_ns;
        if fits && !self.events.iter().any(|other| clash(other, &event)) {
            self.events.push(event);
        }
    }
}

/// Whether a client is another one, or an instance of it (`copy-0` of `copy`).
fn is_part_of(part: &str, whole: &str) -> bool {
    let rest = part.strip_prefix(whole);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok())
    })
}

/// Whether two events would undo each other.
pub(super) fn clash(a: &EventPlan, b: &EventPlan) -> bool {
    let end = |event: &EventPlan| event.for_ns.map_or(u64::MAX, |lasts| event.at_ns + lasts);
    let overlap = a.at_ns <= end(b) && b.at_ns <= end(a);
    let same = match (process_of(&a.action), process_of(&b.action)) {
        (Some(a), Some(b)) => a == b,
        _ => match (&a.action, &b.action) {
            (Action::SlowDisk { node: a, .. }, Action::SlowDisk { node: b, .. }) => a == b,
            (Action::ClockJump { node: a, .. }, Action::ClockJump { node: b, .. })
            | (Action::ClockDrift { node: a, .. }, Action::ClockDrift { node: b, .. })
            | (Action::BitRot { node: a, .. }, Action::BitRot { node: b, .. }) => a == b,
            (Action::ObjectStorage { .. }, Action::ObjectStorage { .. }) => true,
            (Action::ConsumerPause { group: a, .. }, Action::ConsumerPause { group: b, .. }) => {
                a == b
            }
            (
                Action::ClientPause { client: a, instance: Some(one) },
                Action::ClientPause { client: b, instance: Some(other) },
            ) if a == b => one == other,
            (
                Action::ClientCrash { client: a } | Action::ClientPause { client: a, .. },
                Action::ClientCrash { client: b } | Action::ClientPause { client: b, .. },
            ) => is_part_of(a, b) || is_part_of(b, a),
            (Action::AzDown { az: a, .. }, Action::AzDown { az: b, .. }) => a == b,
            (Action::Load { .. }, Action::Load { .. }) => true,
            (Action::RollingRestart { nodes: a, .. }, Action::RollingRestart { nodes: b, .. }) => {
                match (&a[..], &b[..]) {
                    ([a], [b]) => a == b,
                    // one of several brokers has no end of its own
                    _ => return true,
                }
            }
            _ => false,
        },
    };
    overlap && same
}

/// The node whose process an action stops.
fn process_of(action: &Action) -> Option<i32> {
    match action {
        Action::HostCrash { node }
        | Action::ProcessCrash { node }
        | Action::ProcessPause { node }
        | Action::DiskFull { node }
        | Action::DiskError { node }
        | Action::SyncError { node } => Some(*node),
        _ => None,
    }
}
