//! Events in order of time, counted from the begin of the run.

use crate::plan::{
    self, AzDownMode, ClusterPlan, CreditResource, Endpoint, EventPlan, LinkEffect, Operation,
};
use crate::schema::decode::{At, List};
use crate::schema::events::{Action, AzMode, Event, Resource};
use crate::schema::scalar::Text;
use crate::schema::scenario::{PhaseTimes, Scenario};
use crate::text::source::Sources;

/// Pause of a rolling restart when none is written.
const ROLLING_PAUSE_NS: u64 = 30_000_000_000;

/// The events of a plan.
pub(crate) fn events(
    scenario: &Scenario,
    cluster: &ClusterPlan,
    sources: &Sources,
    times: PhaseTimes,
) -> Vec<EventPlan> {
    let mut events = Vec::new();
    for event in &scenario.events.items {
        let line = sources.place(event.span).line;
        for action in actions(&event.value, cluster) {
            events.push(EventPlan {
                at_ns: times.warmup_ns + event.value.time.at.value.0,
                for_ns: event.value.time.r#for.as_ref().map(|duration| duration.value.0),
                action,
                line: Some(line),
            });
        }
    }
    events.sort_by_key(|event| event.at_ns);
    events
}

/// What an event does: one action, or one for each broker.
fn actions(event: &Event, cluster: &ClusterPlan) -> Vec<plan::Action> {
    let Action::SetCredits(credits) = &event.action else {
        return vec![action(&event.action, cluster)];
    };
    let nodes = match &credits.node {
        Some(node) => vec![id(node.value.0)],
        None => cluster.brokers.iter().map(|broker| broker.id).collect(),
    };
    let resource = match credits.resource.value {
        Resource::Cpu => CreditResource::Cpu,
        Resource::Network => CreditResource::Network,
        Resource::Volume => CreditResource::Volume,
    };
    let level_permille = permille(credits.level.value.0);
    let set = |node| plan::Action::SetCredits { node, resource, level_permille };
    nodes.into_iter().map(set).collect()
}

fn id(number: u32) -> i32 {
    i32::try_from(number).expect("node ids are bounded by their type")
}

fn permille(ppm: u64) -> u32 {
    u32::try_from(ppm / 1_000).expect("check bounded the share")
}

fn action(action: &Action, cluster: &ClusterPlan) -> plan::Action {
    match action {
        Action::AzDown(fault) => plan::Action::AzDown {
            az: az(&fault.az.value.0, cluster),
            mode: match fault.mode.as_ref().map(|mode| mode.value) {
                None | Some(AzMode::PowerOff) => AzDownMode::PowerOff,
                Some(AzMode::Isolate) => AzDownMode::Isolate,
            },
            clients: fault.clients.as_ref().is_some_and(|clients| clients.value),
        },
        Action::HostCrash(fault) => plan::Action::HostCrash { node: id(fault.node.value.0) },
        Action::ProcessCrash(fault) => plan::Action::ProcessCrash { node: id(fault.node.value.0) },
        Action::ProcessPause(fault) => plan::Action::ProcessPause { node: id(fault.node.value.0) },
        Action::LinkCut(_) | Action::LinkDelay(_) | Action::LinkLoss(_) => link(action, cluster),
        Action::SlowDisk(fault) => plan::Action::SlowDisk {
            node: id(fault.node.value.0),
            rate_permille: fault.rate.as_ref().map_or(1_000, |rate| permille(rate.value.0)),
            extra_latency_ns: fault.extra_latency.as_ref().map_or(0, |extra| extra.value.0),
        },
        Action::ObjectStorage(fault) => plan::Action::ObjectStorage {
            reject_permille: fault.rejects.as_ref().map_or(0, |share| permille(share.value.0)),
            extra_latency_ns: fault.extra_latency.as_ref().map_or(0, |extra| extra.value.0),
        },
        Action::DiskFull(fault) => plan::Action::DiskFull { node: id(fault.node.value.0) },
        Action::DiskError(fault) => plan::Action::DiskError { node: id(fault.node.value.0) },
        Action::SyncError(fault) => plan::Action::SyncError { node: id(fault.node.value.0) },
        Action::BitRot(fault) => plan::Action::BitRot {
            node: id(fault.node.value.0),
            share_permille: fault.share.as_ref().map_or(1_000, |share| permille(share.value.0)),
        },
        Action::ClockDrift(fault) => {
            let ppm = i32::try_from(fault.by.value.0).unwrap_or(i32::MAX);
            let is_slow = fault.slow.as_ref().is_some_and(|slow| slow.value);
            let ppm = if is_slow { -ppm } else { ppm };
            plan::Action::ClockDrift { node: id(fault.node.value.0), ppm }
        }
        Action::ClockJump(fault) => plan::Action::ClockJump {
            node: id(fault.node.value.0),
            by_ns: signed(fault.by.value.0, fault.back.as_ref().is_some_and(|back| back.value)),
        },
        Action::RollingRestart(fault) => plan::Action::RollingRestart {
            nodes: match &fault.nodes {
                Some(nodes) => nodes.value.items.iter().map(|node| id(node.value.0)).collect(),
                None => cluster.brokers.iter().map(|broker| broker.id).collect(),
            },
            down_ns: fault.down.value.0,
            pause_ns: fault.pause.as_ref().map_or(ROLLING_PAUSE_NS, |pause| pause.value.0),
        },
        Action::ConsumerPause(fault) => {
            plan::Action::ConsumerPause { group: fault.group.value.0.clone(), member: None }
        }
        Action::ClientCrash(fault) => {
            plan::Action::ClientCrash { client: fault.client.value.0.clone() }
        }
        Action::ClientPause(fault) => {
            let instance = fault.instance.as_ref().map(|instance| instance.value.0);
            plan::Action::ClientPause { client: fault.client.value.0.clone(), instance }
        }
        Action::Reassign(_) | Action::TopicConfig(_) => {
            plan::Action::Admin { operation: operation(action) }
        }
        Action::Load(load) => plan::Action::Load {
            producer: load.producer.as_ref().map(|producer| producer.value.0.clone()),
            rate_permille: permille(load.load.value.0),
        },
        Action::SetCredits(_) => unreachable!("resolved for each broker by the caller"),
    }
}

/// What an administrator asks for.
fn operation(action: &Action) -> Operation {
    match action {
        Action::Reassign(change) => Operation::Reassign {
            topic: change.topic.value.0.clone(),
            partition: change.partition.value.0,
            replicas: change.replicas.value.items.iter().map(|node| id(node.value.0)).collect(),
        },
        Action::TopicConfig(change) => Operation::SetTopicConfig {
            topic: change.topic.value.0.clone(),
            key: change.key.value.0.clone(),
            value: change.value.as_ref().map(|value| value.value.0.clone()),
        },
        _ => unreachable!("the caller has an operation"),
    }
}

/// A distance in time, into the past if it goes back.
fn signed(ns: u64, back: bool) -> i64 {
    let ns = i64::try_from(ns).unwrap_or(i64::MAX);
    if back { -ns } else { ns }
}

fn link(action: &Action, cluster: &ClusterPlan) -> plan::Action {
    let (from, to, one_way, effect) = match action {
        Action::LinkDelay(fault) => {
            let jitter_ns = fault.jitter.as_ref().map_or(0, |jitter| jitter.value.0);
            let effect = LinkEffect::Delay { extra_ns: fault.extra.value.0, jitter_ns };
            (&fault.from, &fault.to, &fault.one_way, effect)
        }
        Action::LinkLoss(fault) => {
            let ppm = u32::try_from(fault.loss.value.0).expect("check bounded the share");
            (&fault.from, &fault.to, &fault.one_way, LinkEffect::Loss { ppm })
        }
        Action::LinkCut(fault) => (&fault.from, &fault.to, &fault.one_way, LinkEffect::Cut),
        _ => unreachable!("only links are passed here"),
    };
    plan::Action::Link {
        from: endpoints(from, cluster),
        to: endpoints(to, cluster),
        one_way: one_way.as_ref().is_some_and(|one_way| one_way.value),
        effect,
    }
}

fn az(name: &str, cluster: &ClusterPlan) -> usize {
    cluster.azs.iter().position(|az| az == name).expect("check refused unknown AZs")
}

fn endpoints(texts: &At<List<Text>>, cluster: &ClusterPlan) -> Vec<Endpoint> {
    let read = |text: &At<Text>| {
        endpoint(&text.value.0, &cluster.azs).expect("check refused unknown endpoints")
    };
    texts.value.items.iter().map(read).collect()
}

/// One end of a link as written, such as `az:a`.
pub(crate) fn endpoint(text: &str, azs: &[String]) -> Option<Endpoint> {
    match text.split_once(':') {
        None => match text {
            "brokers" => Some(Endpoint::Brokers),
            "controllers" => Some(Endpoint::Controllers),
            "clients" => Some(Endpoint::Clients),
            _ => None,
        },
        Some(("az", name)) => azs.iter().position(|az| az == name).map(Endpoint::Az),
        Some(("node", number)) => number.parse().ok().map(Endpoint::Node),
        Some(_) => None,
    }
}
