//! What a controller does by itself when it is asked for no more than that it be done: topics whose replicas it places,
//! lists that words are added to, elections; and what brokers say of configs.

use super::Says;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::metadata::{ConfigResource, MetadataImage, PartitionImage};
use stormglass_broker_core::protocol::{
    ConfigChange, ConfigEntry, ConfigOp, ConfigSource, ConfigTarget,
    ConsumerGroupHeartbeatResponse, CreateTopicsRequest, CreateTopicsResponse,
    DescribeConfigsResponse, ElectLeadersRequest, ElectionKind, Placement,
};

/// Whether the controller can place the replicas of new topics, or why not; `None`: others name them.
pub(super) fn placement(
    image: &MetadataImage,
    asked: &CreateTopicsRequest,
) -> Option<Result<(), String>> {
    let [topic] = asked.topics.as_slice() else { return None };
    let Placement::Automatic { partitions, replication_factor } = topic.placement else {
        return None;
    };
    if partitions == -1 || replication_factor == -1 {
        return None; // as configs of the brokers say
    }
    let known = image.brokers().count();
    let factor = usize::try_from(replication_factor).unwrap_or(0);
    if factor == 0 || factor > known {
        return Some(Err(format!("{known} brokers cannot have {factor} replicas")));
    }
    if partitions <= 0 {
        return Some(Err(format!("a topic cannot have {partitions} partitions")));
    }
    let is_up = image.brokers().any(|(_, broker)| broker.is_active());
    is_up.then_some(Ok(()))
}

/// It is answered.
pub(super) fn created(says: &mut Says<'_>, node: i32, answer: &CreateTopicsResponse) {
    let is_reason = |error: ErrorCode| {
        matches!(error, ErrorCode::InvalidReplicationFactor | ErrorCode::InvalidPartitions)
    };
    let refused = answer.topics.iter().find(|topic| is_reason(topic.error));
    says.rule(refused.is_none(), &|| {
        format!("controller {node} does not place a topic, without a reason: {refused:?}")
    });
}

/// As many replicas as were asked for are on different brokers, in as many racks as can be, and a broker that is up, and
/// stays so, comes first, and before those of its rack that are not; where all are up, racks lead as many partitions as
/// each other.
pub(super) fn is_placed(
    image: &MetadataImage,
    partitions: &[PartitionImage],
    asked: &Placement,
) -> bool {
    let Placement::Automatic { partitions: count, replication_factor } = asked else { return true };
    let rack = |id: &NodeId| image.broker(*id).map(|broker| &broker.rack);
    let racks: BTreeSet<_> = image.brokers().map(|(_, broker)| &broker.rack).collect();
    let factor = usize::try_from(*replication_factor).unwrap_or(0);
    let is_right = |state: &PartitionImage| {
        let distinct: BTreeSet<&NodeId> = state.replicas.iter().collect();
        let spread: BTreeSet<_> = state.replicas.iter().filter_map(rack).collect();
        state.replicas.len() == factor
            && distinct.len() == factor
            && spread.len() == factor.min(racks.len())
            && state.replicas.first().is_some_and(|first| image.is_active(*first))
            && state.leader.as_ref() == state.replicas.first()
            && !takes_one_that_goes(image, &state.replicas)
    };
    let mut led: BTreeMap<_, usize> = racks.iter().map(|rack| (Some(*rack), 0)).collect();
    for state in partitions {
        *led.entry(state.replicas.first().and_then(rack)).or_default() += 1;
    }
    let (least, most) = (led.values().min(), led.values().max());
    let is_even = most.copied().unwrap_or(0) <= least.copied().unwrap_or(0) + 1;
    let all_up = image.brokers().all(|(_, broker)| broker.is_active());
    partitions.len() == usize::try_from(*count).unwrap_or(0)
        && partitions.iter().all(is_right)
        && (is_even || !all_up)
}

/// Whether a replica is on a broker that is away, or about to go, while another broker of that rack has none.
fn takes_one_that_goes(image: &MetadataImage, replicas: &[NodeId]) -> bool {
    let goes = |id: &&NodeId| !image.is_active(**id);
    let going = replicas.iter().filter(goes).filter_map(|id| image.broker(*id));
    let racks: BTreeSet<_> = going.map(|broker| &broker.rack).collect();
    let is_free = |id: NodeId| !replicas.contains(&id);
    let mut stay = image.brokers().filter(|(_, broker)| broker.is_active());
    stay.any(|(id, broker)| is_free(id) && racks.contains(&broker.rack))
}

/// A partition that was to be led by another broker, could be, and is not.
pub(super) fn not_elected(image: &MetadataImage, asked: &ElectLeadersRequest) -> Option<String> {
    let is_asked =
        |tp: &TopicPartition| asked.partitions.as_ref().is_none_or(|asked| asked.contains(tp));
    let wrong = |state: &PartitionImage| match asked.kind {
        ElectionKind::Preferred => {
            let mut first = state.replicas.first().into_iter();
            let could = first.any(|id| state.isr.contains(id) && image.is_active(*id));
            could && state.moving.is_none() && state.leader.as_ref() != state.replicas.first()
        }
        ElectionKind::Unclean => {
            state.leader.is_none() && state.replicas.iter().any(|id| image.is_active(*id))
        }
    };
    let mut of = image.partitions().filter(|(tp, state)| is_asked(tp) && wrong(state));
    of.next().map(|(tp, state)| format!("election of a leader for {tp:?}: {state:?}"))
}

/// Of a change of a list, what the list is to be, as `now` is before it.
pub(super) fn with_words(change: &mut ConfigChange, now: Option<&str>) {
    let default = if *change.key == *"cleanup.policy" { "delete" } else { "" };
    let words = |text: &str| -> Vec<String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let named = words(change.value.as_deref().unwrap_or(""));
    let mut list = words(now.unwrap_or(default));
    match change.op {
        ConfigOp::Append => {
            let new: Vec<_> = named.into_iter().filter(|word| !list.contains(word)).collect();
            list.extend(new);
        }
        ConfigOp::Subtract => list.retain(|word| !named.contains(word)),
        ConfigOp::Set | ConfigOp::Delete | ConfigOp::Unknown => return,
    }
    (change.op, change.value) = (ConfigOp::Set, Some(list.join(",").into()));
}

/// A broker tells configs: those that somebody has set, and their values, are those of its metadata.
pub(super) fn described(
    says: &mut Says<'_>,
    (node, broker): (i32, &Broker),
    answer: &DescribeConfigsResponse,
) {
    let Some(image) = broker.metadata() else { return };
    for described in answer.resources.iter().filter(|described| described.error.is_ok()) {
        let name = || Arc::clone(&described.target.name);
        let (resource, source) = match described.target.kind {
            ConfigTarget::TOPIC => (ConfigResource::Topic(name()), ConfigSource::Topic),
            ConfigTarget::GROUP => (ConfigResource::Group(name()), ConfigSource::Group),
            ConfigTarget::CLIENT_METRICS => {
                (ConfigResource::ClientMetrics(name()), ConfigSource::ClientMetrics)
            }
            _ => (ConfigResource::AllBrokers, ConfigSource::AllBrokers),
        };
        let own = |entry: &&ConfigEntry| entry.source == source;
        let told = described.entries.iter().filter(own);
        let told: BTreeMap<&str, &str> = told.map(|entry| (&*entry.key, &*entry.value)).collect();
        let known = image.configs(&resource).into_iter().flatten();
        let known: BTreeMap<&str, &str> = known.map(|(key, value)| (&**key, &**value)).collect();
        says.rule(told == known, &|| {
            format!("broker {node} tells configs {told:?} of {resource:?}, which has {known:?}")
        });
    }
}

/// How often members of a group are to be heard: its own config counts before that of the brokers, ms.
pub(super) fn interval_ms(broker: &Broker, group: &Arc<str>, inherited_ms: i32) -> i32 {
    let resource = ConfigResource::Group(Arc::clone(group));
    let own = broker.metadata().and_then(|image| image.configs(&resource));
    let own = own.and_then(|own| own.get("consumer.heartbeat.interval.ms")?.parse().ok());
    own.unwrap_or(inherited_ms)
}

/// A member is told so, as it was when it asked.
pub(super) fn heard_every(
    says: &mut Says<'_>,
    (node, interval_ms): (i32, i32),
    answer: &ConsumerGroupHeartbeatResponse,
) {
    let told_ms = answer.heartbeat_interval_ms;
    let is_member = answer.error.is_ok() && answer.epoch >= 0;
    says.rule(!is_member || told_ms == interval_ms, &|| {
        format!(
            "coordinator {node} tells {:?} to be heard every {told_ms} ms, not {interval_ms}",
            answer.member
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::registered;
    use stormglass_broker_core::metadata::{MetadataRecord, RegisterBrokerRecord};

    fn cluster() -> MetadataImage {
        cluster_without(&[])
    }

    /// Some of its brokers are about to go.
    fn cluster_without(going: &[i32]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for (id, rack) in [(1, "a"), (2, "a"), (3, "b")] {
            let record = RegisterBrokerRecord {
                rack: Some(rack.into()),
                in_controlled_shutdown: going.contains(&id),
                ..registered(id)
            };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        image
    }

    fn partition(replicas: &[i32]) -> PartitionImage {
        let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
        PartitionImage {
            isr: replicas.clone(),
            moving: None,
            leader: replicas.first().copied(),
            replicas,
            leader_epoch: 0,
            partition_epoch: 0,
            recovering: false,
        }
    }

    #[test]
    fn replicas_are_spread() {
        let image = cluster();
        let is_placed = |placed: &[&[i32]], replication_factor| {
            let partitions: Vec<_> = placed.iter().map(|replicas| partition(replicas)).collect();
            let count = i32::try_from(placed.len()).unwrap();
            let asked = Placement::Automatic { partitions: count, replication_factor };
            is_placed(&image, &partitions, &asked)
        };
        assert!(is_placed(&[&[1, 3], &[3, 2]], 2) && is_placed(&[&[1, 3, 2]], 3));
        assert!(!is_placed(&[&[1, 2]], 2), "in one rack");
        assert!(!is_placed(&[&[1, 1]], 2) && !is_placed(&[&[1, 3, 2]], 2));
        assert!(!is_placed(&[&[1, 3], &[2, 3]], 2), "one rack leads both");
    }

    #[test]
    fn who_is_about_to_go_gets_replicas_only_where_nobody_else_can() {
        let image = cluster_without(&[2, 3]);
        let ids = |of: &[i32]| of.iter().copied().map(NodeId).collect::<Vec<_>>();
        assert!(!takes_one_that_goes(&image, &ids(&[1, 3])), "nobody else is in its rack");
        assert!(!takes_one_that_goes(&image, &ids(&[1, 3, 2])), "there are no others");
        assert!(takes_one_that_goes(&image, &ids(&[3, 2])));
        let asked = Placement::Automatic { partitions: 1, replication_factor: 1 };
        assert!(is_placed(&image, &[partition(&[1])], &asked));
        assert!(!is_placed(&image, &[partition(&[2])], &asked));
    }

    #[test]
    fn lists_grow_and_shrink() {
        let list = |op, words: &str, now: Option<&str>| {
            let value = Some(words.into());
            let mut change = ConfigChange { key: "cleanup.policy".into(), op, value };
            with_words(&mut change, now);
            change.value.unwrap().to_string()
        };
        assert_eq!(list(ConfigOp::Append, "compact", None), "delete,compact");
        assert_eq!(list(ConfigOp::Append, "delete", Some("delete")), "delete");
        assert_eq!(list(ConfigOp::Subtract, "delete", Some("compact, delete")), "compact");
    }

    #[test]
    fn what_could_lead_and_does_not_is_seen() {
        let asked = |kind| ElectLeadersRequest { kind, partitions: None };
        assert_eq!(not_elected(&cluster(), &asked(ElectionKind::Preferred)), None);
    }

    #[test]
    fn more_replicas_than_brokers_cannot_be() {
        let asked = |replication_factor| {
            let placement = Placement::Automatic { partitions: 1, replication_factor };
            let (name, config) = ("t".into(), BTreeMap::new());
            let topic = stormglass_broker_core::protocol::NewTopic { name, placement, config };
            CreateTopicsRequest { topics: vec![topic], validate_only: false }
        };
        assert_eq!(placement(&cluster(), &asked(3)), Some(Ok(())));
        assert_eq!(placement(&cluster(), &asked(-1)), None, "as configs say");
        assert!(placement(&cluster(), &asked(4)).unwrap().is_err());
    }
}
