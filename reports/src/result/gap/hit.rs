//! What faults of the plan do to a node, and to the clients.

use stormglass_scenarios::plan::{
    Action, AzDownMode, Endpoint, EventPlan, LinkEffect, Plan, ProducerPlan,
};

const SECOND_NS: u64 = 1_000_000_000;

/// A fault that keeps a node from its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// When it began, ns since the run began.
    pub(crate) at_ns: u64,
    /// When it ended.
    pub(crate) ends_ns: u64,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    AzPower(String),
    AzCutOff(String),
    Power,
    Killed,
    Stopped,
    Link,
    VolumeFull,
    VolumeFailed,
    SyncFailed,
}

impl Hit {
    /// A volume that the load filled: no fault that is planned ends it.
    pub(super) const fn full_volume(at_ns: u64) -> Self {
        Self { at_ns, ends_ns: u64::MAX, kind: Kind::VolumeFull }
    }

    /// Whether it fills a volume.
    pub(crate) fn is_full_volume(&self) -> bool {
        self.kind == Kind::VolumeFull
    }

    /// What happened to the node, as a predicate.
    pub(crate) fn predicate(&self) -> String {
        match &self.kind {
            Kind::AzPower(az) => format!("lost power with AZ {az}"),
            Kind::AzCutOff(az) => format!("was cut off with AZ {az}"),
            Kind::Power => "lost power".to_owned(),
            Kind::Killed => "was killed".to_owned(),
            Kind::Stopped => "was stopped".to_owned(),
            Kind::Link => "was behind a cut link".to_owned(),
            Kind::VolumeFull => "had a full volume and halted".to_owned(),
            Kind::VolumeFailed => "had a failed volume and halted".to_owned(),
            Kind::SyncFailed => "halted as an fsync failed".to_owned(),
        }
    }

    /// Where requests stay without any answer; `None` where the system resets their connections.
    pub(super) fn silent(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::AzPower(_) | Kind::Power => Some("a host without power"),
            Kind::AzCutOff(_) | Kind::Link => Some("a host that is cut off"),
            Kind::Stopped => Some("a process that is stopped"),
            Kind::Killed | Kind::VolumeFull | Kind::VolumeFailed | Kind::SyncFailed => None,
        }
    }

    /// How long a node is away after it, until its process begins; `None` where it only goes on.
    pub(crate) fn boot_ns(&self, plan: &Plan) -> Option<u64> {
        let constant = |name: &str| {
            let value = plan.model.constants.get(name).map(|one| one.value);
            value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
        };
        let process_ns = constant("node.process_start_ns");
        match &self.kind {
            Kind::AzPower(_) | Kind::Power => Some(constant("node.host_boot_ns") + process_ns),
            Kind::Killed | Kind::VolumeFull | Kind::VolumeFailed | Kind::SyncFailed => {
                Some(process_ns)
            }
            Kind::AzCutOff(_) | Kind::Stopped | Kind::Link => None,
        }
    }

    /// Whether requests that it holds up are answered once it is over.
    pub(super) fn lets_go(&self) -> bool {
        self.loses_packets() || self.kind == Kind::Stopped
    }

    /// Whether what is sent meanwhile does not arrive: TCP sends it again, after pauses that double.
    pub(super) fn loses_packets(&self) -> bool {
        matches!(self.kind, Kind::AzCutOff(_) | Kind::Link)
    }
}

/// The fault that a node suffers at a moment, or a second later at most; the last to begin counts.
pub(super) fn hit(plan: &Plan, node: i32, now_ns: u64) -> Option<Hit> {
    hits(plan, node)
        .filter(|hit| hit.at_ns <= now_ns.saturating_add(SECOND_NS) && hit.ends_ns > now_ns)
        .max_by_key(|hit| hit.at_ns)
}

/// Whether a node suffers any fault at a moment.
pub(super) fn is_hit(plan: &Plan, node: i32, now_ns: u64) -> bool {
    hits(plan, node).any(|hit| (hit.at_ns..hit.ends_ns).contains(&now_ns))
}

/// All that a node suffers.
pub(crate) fn hits(plan: &Plan, node: i32) -> impl Iterator<Item = Hit> {
    plan.events.iter().filter_map(move |event| {
        let kind = kind(plan, &event.action, node)?;
        Some(Hit { at_ns: event.at_ns, ends_ns: event.ends_ns(&plan.phases), kind })
    })
}

/// The AZ of a broker or controller.
fn az_of(plan: &Plan, node: i32) -> Option<usize> {
    let mut nodes = plan.cluster.brokers.iter().chain(&plan.cluster.controllers);
    nodes.find(|one| one.id == node).map(|one| one.az)
}

fn kind(plan: &Plan, action: &Action, node: i32) -> Option<Kind> {
    let own = |of: &i32, kind: Kind| (*of == node).then_some(kind);
    match action {
        Action::AzDown { az, mode, .. } => {
            let name = || plan.cluster.azs.get(*az).cloned().unwrap_or_default();
            let is_there = az_of(plan, node) == Some(*az);
            is_there.then(|| match mode {
                AzDownMode::PowerOff => Kind::AzPower(name()),
                AzDownMode::Isolate => Kind::AzCutOff(name()),
            })
        }
        Action::HostCrash { node } => own(node, Kind::Power),
        Action::ProcessCrash { node } => own(node, Kind::Killed),
        Action::ProcessPause { node } => own(node, Kind::Stopped),
        Action::DiskFull { node } => own(node, Kind::VolumeFull),
        Action::DiskError { node } => own(node, Kind::VolumeFailed),
        Action::SyncError { node } => own(node, Kind::SyncFailed),
        Action::Link { from, to, effect: LinkEffect::Cut, .. } => {
            let mut ends = from.iter().chain(to);
            ends.any(|end| covers(plan, end, node)).then_some(Kind::Link)
        }
        _ => None,
    }
}

/// Whether a node is at this end of a link.
fn covers(plan: &Plan, end: &Endpoint, node: i32) -> bool {
    let is_broker = plan.cluster.brokers.iter().any(|one| one.id == node);
    match end {
        Endpoint::Node(id) => *id == node,
        Endpoint::Az(az) => az_of(plan, node) == Some(*az),
        Endpoint::Clients => false,
        Endpoint::Controllers => !is_broker,
        Endpoint::Brokers => is_broker,
    }
}

/// What the producers of a topic suffer at a moment, all of them, so that nothing comes from any:
/// what in words, and when it ends.
pub(super) fn producers_away(
    plan: &Plan,
    topic: &str,
    leader: i32,
    now_ns: u64,
) -> Option<(String, u64)> {
    let of_topic = || plan.producers.iter().filter(|producer| producer.topic == topic);
    of_topic().next()?;
    let begun = |event: &&EventPlan| {
        let ends_ns = event.ends_ns(&plan.phases);
        event.at_ns <= now_ns.saturating_add(SECOND_NS) && ends_ns > now_ns
    };
    plan.events.iter().filter(begun).find_map(|event| {
        let mut words = of_topic().map(|producer| away(plan, &event.action, producer, leader));
        let first = words.next()??;
        words.all(|other| other.is_some()).then(|| (first, event.ends_ns(&plan.phases)))
    })
}

fn away(plan: &Plan, action: &Action, producer: &ProducerPlan, leader: i32) -> Option<String> {
    let leader_az = az_of(plan, leader);
    match action {
        Action::ClientPause { client, instance: None } if *client == producer.name => {
            Some("were stopped".to_owned())
        }
        Action::ClientCrash { client } if *client == producer.name => {
            Some("were killed".to_owned())
        }
        Action::AzDown { az, mode, clients } => {
            let in_it = !producer.azs.is_empty() && producer.azs.iter().all(|own| own == az);
            let name = plan.cluster.azs.get(*az)?;
            match mode {
                AzDownMode::PowerOff if in_it && *clients => {
                    Some(format!("lost power with AZ {name}"))
                }
                AzDownMode::Isolate if in_it && leader_az != Some(*az) => {
                    Some(format!("were cut off with AZ {name}"))
                }
                _ => None,
            }
        }
        Action::Link { from, to, effect: LinkEffect::Cut, .. } => {
            let clients = |ends: &[Endpoint]| ends.contains(&Endpoint::Clients);
            let brokers = |ends: &[Endpoint]| ends.iter().any(|end| covers(plan, end, leader));
            let is_cut = (clients(from) && brokers(to)) || (clients(to) && brokers(from));
            is_cut.then(|| "were cut off from their leader".to_owned())
        }
        _ => None,
    }
}
