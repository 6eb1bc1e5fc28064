//! What an administrator is told is done is done: the metadata of the controller that says so has it.

use super::{Says, placed, quotas, untouched};
use crate::checkers::unclean;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::ControllerView;
use stormglass_broker_core::metadata::{ConfigResource, MetadataImage, PartitionImage};
use stormglass_broker_core::protocol::{
    AlteredResource, ConfigChange, ConfigOp, ConfigTarget, NewTopic, Placement, Request, Response,
    TopicRef,
};

/// Whether a request is one that [`undone`] knows.
pub(super) fn is_change(request: &Request) -> bool {
    match request {
        Request::ElectLeaders(_) => true,
        Request::AlterConfigs(asked) => !asked.validate_only,
        Request::CreateTopics(asked) => !asked.validate_only,
        Request::CreatePartitions(asked) => !asked.validate_only,
        Request::AlterClientQuotas(asked) => !asked.validate_only,
        Request::DeleteTopics(_)
        | Request::AlterPartitionReassignments(_)
        | Request::UnregisterBroker(_) => true,
        _ => false,
    }
}

/// A change in words that only its end says: who takes a reassignment back wants the replicas that were there before,
/// who asks for all replicas that a moving partition has wants those less that it was to lose, and who changes one
/// config or quota wants the others to stay.
pub(super) fn wanted(image: &MetadataImage, asked: &Request) -> Request {
    let mut asked = asked.clone();
    if let Request::AlterPartitionReassignments(of) = &mut asked {
        for (tp, target) in &mut of.partitions {
            let state = image.partition(*tp);
            *target = match target.take() {
                None => state.and_then(before_moving),
                Some(target) => Some(end_of(state, target)),
            };
        }
    }
    if let Request::AlterConfigs(of) = &mut asked {
        for resource in &mut of.resources {
            let ConfigTarget { kind: ConfigTarget::TOPIC, name } = &resource.target else {
                continue;
            };
            let known = image.configs(&ConfigResource::Topic(Arc::clone(name)));
            for change in &mut resource.changes {
                let now = known.and_then(|known| known.get(&change.key));
                placed::with_words(change, now.map(|now| &**now));
            }
        }
    }
    untouched::stays(image, &mut asked);
    asked
}

/// The replicas of a partition that is being moved, as they were.
fn before_moving(state: &PartitionImage) -> Option<Vec<NodeId>> {
    let moving = state.moving.as_ref()?;
    let stays = |id: &NodeId| !moving.adding.contains(id);
    Some(state.replicas.iter().copied().filter(stays).collect())
}

/// What a reassignment to these replicas ends with. Where none of those that are there goes, what was to go before
/// still does (Kafka's `changePartitionReassignment`).
fn end_of(state: Option<&PartitionImage>, mut target: Vec<NodeId>) -> Vec<NodeId> {
    if let Some(state) = state
        && let Some(moving) = &state.moving
        && state.replicas.iter().all(|id| target.contains(id))
    {
        target.retain(|id| !moving.removing.contains(id));
    }
    target
}

/// What the metadata does not have of a change, though all of it is said to be done.
pub(super) fn undone(image: &MetadataImage, asked: &Request) -> Option<String> {
    match asked {
        Request::AlterConfigs(asked) => {
            let of = asked.resources.iter().find_map(|resource| config(image, resource));
            of.map(|change| format!("{change:?}"))
        }
        Request::CreateTopics(asked) => {
            let missing = asked.topics.iter().find(|topic| !is_created(image, topic))?;
            Some(format!("creation of {missing:?}"))
        }
        Request::CreatePartitions(asked) => {
            let has = |name: &str| image.topic_named(name).map(|topic| topic.partitions.len());
            let is_larger = |count: i32| Some(usize::try_from(count).unwrap_or(0));
            let missing = asked.topics.iter().find(|new| has(&new.name) != is_larger(new.count))?;
            Some(format!("{missing:?}, of which there are {:?}", has(&missing.name)))
        }
        Request::DeleteTopics(asked) => {
            let is_left = |topic: &&TopicRef| match topic {
                TopicRef::Name(name) => image.topic_named(name).is_some(),
                TopicRef::Id(id) => image.topic(*id).is_some(),
            };
            let left = asked.topics.iter().find(is_left)?;
            Some(format!("deletion of {left:?}"))
        }
        Request::AlterPartitionReassignments(asked) => {
            let of = asked.partitions.iter().find(|(tp, target)| {
                !image.partition(*tp).is_some_and(|state| is_moving(state, target.as_deref()))
            });
            of.map(|(tp, target)| format!("{tp:?} to {target:?}: {:?}", image.partition(*tp)))
        }
        Request::UnregisterBroker(asked) => {
            let known = image.broker(asked.broker)?;
            Some(format!("the end of registration {known:?}"))
        }
        Request::AlterClientQuotas(asked) => quotas::undone(image, asked),
        Request::ElectLeaders(asked) => placed::not_elected(image, asked),
        _ => None,
    }
}

/// Whose configs are to be changed; `None`: they are no controller's.
pub(super) fn resource(target: &ConfigTarget) -> Option<ConfigResource> {
    Some(match (target.kind, &*target.name) {
        (ConfigTarget::TOPIC, _) => ConfigResource::Topic(target.name.clone()),
        (ConfigTarget::BROKER, "") => ConfigResource::AllBrokers,
        (ConfigTarget::BROKER, id) => ConfigResource::Broker(NodeId(id.parse().ok()?)),
        (ConfigTarget::GROUP, _) => ConfigResource::Group(target.name.clone()),
        (ConfigTarget::CLIENT_METRICS, _) => ConfigResource::ClientMetrics(target.name.clone()),
        _ => return None,
    })
}

/// A change of a topic's, a group's, or brokers' configs that has not been made.
fn config<'a>(image: &MetadataImage, asked: &'a AlteredResource) -> Option<&'a ConfigChange> {
    let known = image.configs(&resource(&asked.target)?);
    asked.changes.iter().find(|change| {
        let now = known.and_then(|known| known.get(&change.key));
        match change.op {
            ConfigOp::Set => now.map(|now| &**now) != change.value.as_deref().map(str::trim),
            ConfigOp::Delete => now.is_some(),
            ConfigOp::Append | ConfigOp::Subtract | ConfigOp::Unknown => false,
        }
    })
}

/// A topic is there, with the replicas that were asked for. It is new: nothing has moved.
fn is_created(image: &MetadataImage, topic: &NewTopic) -> bool {
    let Some(known) = image.topic_named(&topic.name) else { return false };
    let Placement::Manual(placed) = &topic.placement else {
        return placed::is_placed(image, &known.partitions, &topic.placement);
    };
    known.partitions.len() == placed.len()
        && known.partitions.iter().zip(placed).all(|(known, placed)| known.replicas == *placed)
}

/// A partition has, or is about to have, exactly these replicas, in this order, as the first one is the preferred
/// leader (Kafka's `PartitionReassignmentReplicas`); `None`: it is not being moved.
fn is_moving(state: &PartitionImage, target: Option<&[NodeId]>) -> bool {
    target.map_or(state.moving.is_none(), |target| after_moving(state) == target)
}

/// The replicas that a partition has once it has moved, in order.
pub(super) fn after_moving(state: &PartitionImage) -> Vec<NodeId> {
    let leaves = |id: &NodeId| state.moving.as_ref().is_some_and(|of| of.removing.contains(id));
    state.replicas.iter().copied().filter(|id| !leaves(id)).collect()
}

/// Whether a reassignment must be taken, or why it must be refused, as the metadata is before it; `None`: it may be
/// either. One that has all that is in sync is taken back only where any replica may lead (Kafka's
/// `PartitionReassignmentRevert.unclean`): those that were there before may lack acknowledged records.
pub(super) fn reassignment(by: &ControllerView<'_>, asked: &Request) -> Option<Result<(), String>> {
    let Request::AlterPartitionReassignments(asked) = asked else { return None };
    let [(tp, target)] = asked.partitions.as_slice() else { return None };
    let Some(state) = by.image.partition(*tp) else {
        return Some(Err("the partition does not exist".to_owned()));
    };
    let adding = state.moving.as_ref().map_or(&[][..], |moving| &moving.adding);
    let Some(target) = target else {
        if state.moving.is_none() {
            return Some(Err("it takes back a reassignment, and none is under way".to_owned()));
        }
        let keeps_one = state.isr.iter().any(|id| !adding.contains(id));
        return Some(match keeps_one || unclean::in_force(by, *tp) {
            true => Ok(()),
            false => Err(format!("none of the replicas before is in sync: {state:?}")),
        });
    };
    let distinct: BTreeSet<NodeId> = target.iter().copied().collect();
    let is_known = |id: &NodeId| by.image.broker(*id).is_some();
    if !target.iter().all(is_known) || distinct.len() != target.len() || target.is_empty() {
        return Some(Err(format!("there are no brokers {target:?}")));
    }
    let factor = after_moving(state).len();
    if target.len() != factor && !asked.allow_replication_factor_change {
        return Some(Err(format!("{target:?} are not {factor} replicas")));
    }
    Some(Ok(()))
}

/// Whether an active controller is asked for a reassignment, or a topic, that it has no reason to refuse.
pub(super) fn is_welcome(broker: &Broker, asked: &Request) -> bool {
    match asked {
        Request::AlterPartitionReassignments(_) => {
            let by = broker.active_view();
            by.and_then(|by| reassignment(&by, asked)).is_some_and(|of| of.is_ok())
        }
        Request::CreateTopics(asked) => {
            let image = broker.active_metadata();
            image.is_some_and(|image| placed::placement(image, asked) == Some(Ok(())))
        }
        _ => false,
    }
}

/// It is answered.
pub(super) fn reassigned(says: &mut Says<'_>, node: i32, answer: &Response) {
    if let Response::CreateTopics(answer) = answer {
        return placed::created(says, node, answer);
    }
    let Response::AlterPartitionReassignments(answer) = answer else { return };
    let is_reason = |error: ErrorCode| {
        use ErrorCode::{
            InvalidReplicaAssignment, InvalidReplicationFactor, NoReassignmentInProgress,
            UnknownTopicOrPartition,
        };
        matches!(
            error,
            InvalidReplicaAssignment
                | InvalidReplicationFactor
                | NoReassignmentInProgress
                | UnknownTopicOrPartition
        )
    };
    let refused = answer.partitions.iter().find(|(_, error)| is_reason(*error));
    says.rule(refused.is_none(), &|| {
        format!("controller {node} refuses a reassignment without a reason: {refused:?}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::checkers::unclean::testing;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::config::ServerConfig;
    use stormglass_broker_core::metadata::Moving;
    use stormglass_broker_core::protocol::{
        AlterConfigsRequest, AlterPartitionReassignmentsRequest,
        AlterPartitionReassignmentsResponse, DeleteTopicsRequest, UnregisterBrokerRequest,
    };

    fn ids(of: &[i32]) -> Vec<NodeId> {
        of.iter().copied().map(NodeId).collect()
    }

    fn moving(replicas: &[i32], adding: &[i32], removing: &[i32]) -> PartitionImage {
        PartitionImage {
            replicas: ids(replicas),
            isr: ids(replicas),
            moving: Moving { removing: ids(removing), adding: ids(adding) }.kept(),
            leader: Some(NodeId(1)),
            leader_epoch: 0,
            partition_epoch: 0,
            recovering: false,
        }
    }

    #[test]
    fn a_config_that_is_left_as_it_was_is_seen() {
        let image = MetadataImage::default();
        let asked = |(kind, name): (i8, &str), op, value: Option<&str>| {
            let change = ConfigChange { key: "k".into(), op, value: value.map(Into::into) };
            let target = ConfigTarget { kind, name: name.into() };
            let resources = vec![AlteredResource { target, replace: false, changes: vec![change] }];
            Request::AlterConfigs(AlterConfigsRequest { resources, validate_only: false })
        };
        let broker = |id| (ConfigTarget::BROKER, id);
        for of in [(ConfigTarget::TOPIC, "t"), broker(""), broker("7")] {
            assert!(undone(&image, &asked(of, ConfigOp::Set, Some("1"))).is_some());
            assert!(undone(&image, &asked(of, ConfigOp::Delete, None)).is_none());
            assert!(undone(&image, &asked(of, ConfigOp::Append, Some("1"))).is_none());
        }
    }

    #[test]
    fn topics_and_brokers_that_are_not_there_are_gone() {
        let image = MetadataImage::default();
        let topics = vec![TopicRef::Name("t".into())];
        let deletion = Request::DeleteTopics(DeleteTopicsRequest { topics });
        let broker = Request::UnregisterBroker(UnregisterBrokerRequest { broker: NodeId(1) });
        assert!(undone(&image, &deletion).is_none() && undone(&image, &broker).is_none());
        let (config, placement) = (Default::default(), Placement::Manual(vec![ids(&[1])]));
        assert!(!is_created(&image, &NewTopic { name: "t".into(), placement, config }));
    }

    #[test]
    fn a_reassignment_ends_with_what_was_asked_for() {
        assert!(is_moving(&moving(&[4, 2, 3, 1], &[4], &[1]), Some(&ids(&[4, 2, 3]))));
        assert!(is_moving(&moving(&[4, 2, 3], &[], &[]), Some(&ids(&[4, 2, 3]))));
        assert!(!is_moving(&moving(&[4, 2, 3, 1], &[4], &[]), Some(&ids(&[4, 2, 3]))));
        assert!(!is_moving(&moving(&[1, 2, 3], &[], &[]), Some(&ids(&[4, 2, 3]))));
        assert!(is_moving(&moving(&[1, 2, 3], &[], &[]), None));
        assert!(!is_moving(&moving(&[4, 2, 3, 1], &[4], &[1]), None));
    }

    /// KIP-860: as many replicas as the partition is on its way to.
    #[test]
    fn a_reassignment_that_keeps_the_number_of_replicas_goes_by_where_they_go() {
        let image = testing::image(&[1, 2, 3], &[(&[3, 1, 2], &[1, 2], &[3], Some(1))]);
        let server = ServerConfig::kafka_defaults();
        let is_taken = |target: &[i32]| {
            let (partitions, allow_replication_factor_change) =
                (vec![(tp(0), Some(ids(target)))], false);
            let asked =
                AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
            let asked = Request::AlterPartitionReassignments(asked);
            reassignment(&testing::controller(&image, &server), &asked).unwrap().is_ok()
        };
        assert!(is_taken(&[1, 2, 3]), "it is on its way to three");
        assert!(!is_taken(&[1, 2]), "two it had before");
    }

    #[test]
    fn a_reassignment_has_the_replicas_in_the_order_that_was_asked_for() {
        let target = ids(&[4, 3, 2]);
        assert!(is_moving(&moving(&[4, 3, 2, 1], &[4], &[1]), Some(&target)));
        assert!(is_moving(&moving(&[1, 4, 3, 2], &[4], &[1]), Some(&target)), "who leaves is out");
        assert!(!is_moving(&moving(&[1, 2, 3, 4], &[4], &[1]), Some(&target)));
        let reordered = moving(&[1, 2, 3], &[], &[]);
        assert!(!is_moving(&reordered, Some(&ids(&[3, 2, 1]))), "nothing but the order changes");
    }

    #[test]
    fn where_no_replica_goes_those_go_that_were_to_before() {
        let state = moving(&[3, 4, 1, 2], &[3, 4], &[1, 2]);
        let end = |target: &[i32]| end_of(Some(&state), ids(target));
        assert_eq!((end(&[4, 3, 2, 1]), end(&[3, 4, 2])), (ids(&[4, 3]), ids(&[3, 4, 2])));
        assert_eq!(end_of(None, ids(&[1])), ids(&[1]));
    }

    #[test]
    fn a_factor_is_the_one_that_there_will_be() {
        let may_change_to = |target: &[i32]| {
            let (replicas, isr, adding) = (&[2, 3, 4, 1][..], &[2, 1][..], &[3, 4][..]);
            let image = testing::image(&[1, 2, 3, 4], &[(replicas, isr, adding, Some(1))]);
            let partitions = vec![(tp(0), Some(ids(target)))];
            let allow_replication_factor_change = false;
            let asked =
                AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
            let server = ServerConfig::kafka_defaults();
            let by = testing::controller(&image, &server);
            reassignment(&by, &Request::AlterPartitionReassignments(asked)).unwrap().is_ok()
        };
        assert!(may_change_to(&[1, 2, 3, 4]) && !may_change_to(&[3, 4]));
    }

    #[test]
    fn what_does_not_exist_is_not_moved() {
        let partitions = vec![(tp(0), Some(ids(&[1])))];
        let allow_replication_factor_change = false;
        let asked =
            AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
        let asked = Request::AlterPartitionReassignments(asked);
        let (image, server) = (MetadataImage::default(), ServerConfig::kafka_defaults());
        let by = testing::controller(&image, &server);
        assert!(reassignment(&by, &asked).unwrap().is_err());
    }

    #[test]
    fn a_reassignment_that_has_all_that_is_in_sync_stays_unless_any_replica_may_lead() {
        let cancels = || {
            let (partitions, allow_replication_factor_change) = (vec![(tp(0), None)], false);
            let asked =
                AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
            Request::AlterPartitionReassignments(asked)
        };
        let is_taken = |isr: &[i32], adding: &[i32], value: Option<&str>| {
            let mut image = testing::image(&[4], &[(&[4, 2, 1], isr, adding, Some(4))]);
            if let Some(value) = value {
                testing::enable(&mut image, ConfigResource::Topic("t".into()), value);
            }
            let server = ServerConfig::kafka_defaults();
            reassignment(&testing::controller(&image, &server), &cancels()).unwrap().is_ok()
        };
        assert!(is_taken(&[4, 2], &[4], None), "one of those before is in sync");
        assert!(!is_taken(&[4], &[4], None) && !is_taken(&[4], &[4], Some("false")));
        assert!(is_taken(&[4], &[4], Some("true")));
        assert!(!is_taken(&[4, 2, 1], &[], Some("true")), "none is under way");
    }

    #[test]
    fn a_reassignment_that_may_be_is_refused_for_no_reason() {
        let refused = |error| {
            let answer = AlterPartitionReassignmentsResponse {
                error: ErrorCode::None,
                allow_replication_factor_change: false,
                partitions: vec![(tp(0), error)],
            };
            let (mut ledger, history) = (Ledger::default(), History::default());
            let (label, is_gapless) = ("", true);
            let mut says = Says { ledger: &mut ledger, label, history: &history, is_gapless };
            reassigned(&mut says, 1, &Response::AlterPartitionReassignments(answer));
            ledger.finish().1.len()
        };
        assert_eq!(refused(ErrorCode::None) + refused(ErrorCode::NotController), 0);
        assert_eq!(refused(ErrorCode::InvalidReplicationFactor), 1);
    }
}
