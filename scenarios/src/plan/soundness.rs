//! Whether a plan that was read from a file makes sense: its nodes, AZs and topics are there, what is
//! preloaded has room, and its numbers are such as a scenario could have asked for. A plan that a scenario was
//! resolved into does, and so does a storm that was drawn from one.
//!
//! Leaves out what simulations refuse with a reason of their own, such as values of configs.

mod magnitudes;
mod numbers;

use super::{Action, ClusterPlan, Endpoint, EventPlan, NodePlan, Plan, Quantiles, TopicPlan};
use crate::catalogue::model::model;
use crate::digest::PlanError;
use std::collections::BTreeSet;

/// More than this of a backlog is in no simulation, whatever storage would hold, bytes.
const PRELOAD_MAX: u128 = 1 << 46;

fn refuse<T>(message: String) -> Result<T, PlanError> {
    Err(PlanError { message })
}

impl Plan {
    /// What [`Plan::from_json`] finds out about a plan that has the right shape.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        check_version(&self.model.version)?;
        check_cluster(&self.cluster)?;
        self.check_numbers()?;
        let topics: BTreeSet<&str> = self.topics.iter().map(|topic| topic.name.as_str()).collect();
        for (index, topic) in self.topics.iter().enumerate() {
            check_topic(index, topic, &self.cluster)?;
        }
        self.check_preload()?;
        self.check_clients(&topics)?;
        for (index, event) in self.events.iter().enumerate() {
            check_event(index, event, &self.cluster)?;
            magnitudes::check(index, event)?;
        }
        let model = &self.model;
        for (name, quantiles) in [
            ("latency_same_az", &model.latency_same_az),
            ("latency_cross_az", &model.latency_cross_az),
            ("volume_read", &model.volume_read),
            ("volume_write", &model.volume_write),
        ] {
            check_quantiles(name, quantiles)?;
        }
        let remote = model.remote_request.as_ref();
        remote.map_or(Ok(()), |quantiles| check_quantiles("remote_request", quantiles))
    }

    /// Replicas of what exists before the run are on the brokers' volumes.
    fn check_preload(&self) -> Result<(), PlanError> {
        let volumes = self.cluster.brokers.iter().flat_map(|broker| &broker.host.volumes);
        let room: u128 = volumes.map(|volume| u128::from(volume.size_bytes)).sum();
        let mut held: u128 = 0;
        for (index, topic) in self.topics.iter().enumerate() {
            let replicas: usize = topic.assignment.iter().map(Vec::len).sum();
            held = held.saturating_add(u128::from(topic.preload_bytes) * replicas as u128);
            let room = if topic.is_tiered() { PRELOAD_MAX } else { room.min(PRELOAD_MAX) };
            if held > room {
                return refuse(format!(
                    "topics[{index}].preload_bytes is {}: all replicas of what is preloaded are {} GiB, \
                     and there is room for {} GiB",
                    topic.preload_bytes,
                    held >> 30,
                    room >> 30
                ));
            }
        }
        Ok(())
    }

    fn check_clients(&self, topics: &BTreeSet<&str>) -> Result<(), PlanError> {
        let azs = &self.cluster.azs;
        for (index, producer) in self.producers.iter().enumerate() {
            check_azs(&format!("producers[{index}].azs"), &producer.azs, azs)?;
            if !topics.contains(producer.topic.as_str()) {
                let topic = &producer.topic;
                return refuse(format!("producers[{index}].topic is `{topic}`, and no topic is"));
            }
        }
        for (index, consumer) in self.consumers.iter().enumerate() {
            check_azs(&format!("consumers[{index}].azs"), &consumer.azs, azs)?;
            if let Some(topic) = consumer.topics.iter().find(|name| !topics.contains(name.as_str()))
            {
                return refuse(format!("consumers[{index}].topics has `{topic}`, and no topic is"));
            }
        }
        Ok(())
    }
}

/// Other formulas give other figures: a replay would not be one.
fn check_version(version: &str) -> Result<(), PlanError> {
    let own = &model().version;
    if version == own {
        return Ok(());
    }
    refuse(format!(
        "model.version is \"{version}\", and the models of this program are of version \"{own}\": use \
         the Stormglass that wrote the plan, or run the scenario again"
    ))
}

fn check_cluster(cluster: &ClusterPlan) -> Result<(), PlanError> {
    let mut ids = BTreeSet::new();
    for (role, nodes) in [("brokers", &cluster.brokers), ("controllers", &cluster.controllers)] {
        if nodes.is_empty() {
            return refuse(format!("cluster.{role} is empty: a cluster has at least one of them"));
        }
        for (index, node) in nodes.iter().enumerate() {
            let place = format!("cluster.{role}[{index}]");
            check_node(&place, node, &cluster.azs)?;
            if !ids.insert(node.id) {
                return refuse(format!("{place}.id is {}, as another node's", node.id));
            }
        }
    }
    Ok(())
}

fn check_node(place: &str, node: &NodePlan, azs: &[String]) -> Result<(), PlanError> {
    check_azs(&format!("{place}.az"), &[node.az], azs)?;
    if node.id < 0 {
        return refuse(format!("{place}.id is {}: node ids begin at 0", node.id));
    }
    if node.host.volumes.is_empty() {
        return refuse(format!("{place}.host.volumes is empty: a host has at least one volume"));
    }
    numbers::check_host(&format!("{place}.host"), &node.host)
}

fn check_azs(place: &str, used: &[usize], azs: &[String]) -> Result<(), PlanError> {
    match used.iter().find(|az| **az >= azs.len()) {
        None => Ok(()),
        Some(az) => refuse(format!(
            "{place} has {az}, an index into cluster.azs, which has {} of them",
            azs.len()
        )),
    }
}

fn check_topic(index: usize, topic: &TopicPlan, cluster: &ClusterPlan) -> Result<(), PlanError> {
    let place = format!("topics[{index}].assignment");
    if topic.assignment.is_empty() {
        return refuse(format!("{place} is empty: a topic has at least one partition"));
    }
    for (partition, replicas) in topic.assignment.iter().enumerate() {
        let distinct: BTreeSet<i32> = replicas.iter().copied().collect();
        if replicas.is_empty() || distinct.len() < replicas.len() {
            return refuse(format!(
                "{place}[{partition}] is {replicas:?}: a partition has one replica or more, each on \
                 another broker"
            ));
        }
        let is_there = |id: &i32| cluster.brokers.iter().any(|broker| broker.id == *id);
        if let Some(id) = replicas.iter().find(|id| !is_there(id)) {
            return refuse(format!("{place}[{partition}] has {id}, and no broker has this id"));
        }
    }
    Ok(())
}

fn check_event(index: usize, event: &EventPlan, cluster: &ClusterPlan) -> Result<(), PlanError> {
    let place = format!("events[{index}].action");
    let node = |id: &i32| {
        let mut nodes = cluster.brokers.iter().chain(&cluster.controllers);
        match nodes.any(|node| node.id == *id) {
            true => Ok(()),
            false => refuse(format!("{place} is about node {id}, and no node has this id")),
        }
    };
    let az = |az: usize| check_azs(&format!("{place}.az"), &[az], &cluster.azs);
    match &event.action {
        Action::AzDown { az: lost, .. } => az(*lost),
        Action::HostCrash { node: id }
        | Action::ProcessCrash { node: id }
        | Action::ProcessPause { node: id }
        | Action::SlowDisk { node: id, .. }
        | Action::DiskFull { node: id }
        | Action::DiskError { node: id }
        | Action::SyncError { node: id }
        | Action::BitRot { node: id, .. }
        | Action::ClockJump { node: id, .. }
        | Action::ClockDrift { node: id, .. }
        | Action::SetCredits { node: id, .. } => node(id),
        Action::RollingRestart { nodes, .. } => nodes.iter().try_for_each(node),
        Action::Link { from, to, .. } => from.iter().chain(to).try_for_each(|end| match end {
            Endpoint::Node(id) => node(id),
            Endpoint::Az(index) => az(*index),
            Endpoint::Clients | Endpoint::Controllers | Endpoint::Brokers => Ok(()),
        }),
        Action::ObjectStorage { .. }
        | Action::Load { .. }
        | Action::ConsumerPause { .. }
        | Action::ClientCrash { .. }
        | Action::ClientPause { .. }
        | Action::Admin { .. } => Ok(()),
    }
}

fn check_quantiles(name: &str, quantiles: &Quantiles) -> Result<(), PlanError> {
    let points = &quantiles.points;
    let ends = (points.first().map(|point| point.0), points.last().map(|point| point.0));
    if ends == (Some(0), Some(1_000_000)) && points.is_sorted() {
        return Ok(());
    }
    refuse(format!("model.{name}.points do not rise from 0 to 1000000 parts per million"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{AzDownMode, VolumePlan};
    use crate::{Source, load};

    /// What reading `az-outage`'s plan says after a change.
    pub(super) fn refusal(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = load(&Source::library("az-outage").unwrap(), &[], 1).unwrap();
        assert_eq!(Plan::from_json(&plan.to_json()).as_ref(), Ok(&plan));
        change(&mut plan);
        Plan::from_json(&plan.to_json()).unwrap_err().message
    }

    #[test]
    fn a_cluster_has_nodes_with_volumes_in_its_azs() {
        let volumes = |node: &mut NodePlan| node.host.volumes = Vec::<VolumePlan>::new();
        for (said, expected) in [
            (refusal(|plan| plan.cluster.brokers.clear()), "cluster.brokers is empty"),
            (refusal(|plan| volumes(&mut plan.cluster.brokers[1])), "brokers[1].host.volumes is"),
            (refusal(|plan| volumes(&mut plan.cluster.controllers[0])), "controllers[0].host.vol"),
            (refusal(|plan| plan.cluster.brokers[0].az = 7), "brokers[0].az has 7"),
            (refusal(|plan| plan.cluster.brokers[0].id = 2), "as another node's"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn what_is_preloaded_has_room_and_replicas_have_brokers() {
        for (said, expected) in [
            (refusal(|plan| plan.topics[0].preload_bytes = u64::MAX >> 1), "preload_bytes is"),
            (refusal(|plan| plan.topics[0].assignment[0] = vec![99]), "has 99, and no broker"),
            (refusal(|plan| plan.topics[0].assignment[0] = vec![1, 1]), "each on another broker"),
            (refusal(|plan| plan.producers[0].topic = "none".to_owned()), "topic is `none`"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn events_are_about_what_is_there() {
        let action = |action: Action| {
            refusal(|plan| {
                plan.events.push(EventPlan { at_ns: 0, for_ns: None, action, line: None })
            })
        };
        let lost = Action::AzDown { az: 3, mode: AzDownMode::PowerOff, clients: false };
        assert!(action(lost).contains("az has 3, an index into cluster.azs"));
        assert!(action(Action::DiskFull { node: 77 }).contains("is about node 77"));
        let nodes = vec![1, 88];
        let rolling = Action::RollingRestart { nodes, down_ns: 1, pause_ns: 1 };
        assert!(action(rolling).contains("is about node 88"));
        assert!(refusal(|plan| plan.model.volume_read.points.clear()).contains("volume_read"));
    }

    #[test]
    fn a_plan_of_other_models_is_refused() {
        let said = refusal(|plan| plan.model.version = "99".to_owned());
        assert!(said.starts_with("model.version is \"99\", and the models of this"), "{said}");
    }
}
