//! Who coordinates a group, or a transactional id, is who leads the partition that has it, and nobody while nobody
//! leads that: clients that are told so wait, and ask again. Whoever else they would be sent to sends them back
//! (Kafka's `KafkaApis.getCoordinator`).

use super::Says;
use crate::checkers::suite::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::partition_for_group;
use stormglass_broker_core::metadata::MetadataImage;
use stormglass_broker_core::protocol::{
    CoordinatorKind, FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator,
};

/// A broker answers, by its metadata.
pub(super) fn answer(
    says: &mut Says<'_>,
    (node, broker): (i32, &Broker),
    asked: &FindCoordinatorRequest,
    answer: &FindCoordinatorResponse,
) {
    let Some(image) = broker.metadata() else { return };
    let wrong = answer.coordinators.iter().find(|found| !is_right(image, asked.kind, found));
    says.rule(wrong.is_none(), &|| {
        let leads = wrong.and_then(|found| leader(image, asked.kind, &found.key));
        format!(
            "broker {node} says who coordinates, and its metadata has {leads:?} as who leads that: {wrong:?}, {:?}",
            asked.kind
        )
    });
}

/// Who leads the partition that has a key's state; both sorts have theirs by the same hash (`Utils.abs(hashCode)`).
fn leader(image: &MetadataImage, kind: CoordinatorKind, key: &str) -> Option<NodeId> {
    let topic = image.topic_named(match kind {
        CoordinatorKind::Group => OFFSETS_TOPIC,
        CoordinatorKind::Transaction => TRANSACTIONS_TOPIC,
    })?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let index = usize::try_from(partition_for_group(key, count)).ok()?;
    topic.partitions.get(index)?.leader
}

/// Whether it is named, or nobody is where nobody leads, or a leader that is fenced.
fn is_right(image: &MetadataImage, kind: CoordinatorKind, found: &FoundCoordinator) -> bool {
    let leads = leader(image, kind, &found.key);
    match found.error.is_ok() {
        true => leads.is_some() && found.node == leads,
        false => leads.is_none_or(|id| image.broker(id).is_none_or(|broker| broker.fenced)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::{partition_record, registered};
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::{TopicId, TopicPartition};
    use stormglass_broker_core::metadata::{MetadataRecord, PartitionRecord, RegisterBrokerRecord};

    /// Brokers 1 and 2, of which the second is fenced, and one partition for each sort of coordinators.
    fn image(groups: Option<i32>, transactions: Option<i32>) -> MetadataImage {
        let mut image = MetadataImage::default();
        for id in [1, 2] {
            let record = RegisterBrokerRecord { fenced: id == 2, ..registered(id) };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        for (id, name, leader) in
            [(7, OFFSETS_TOPIC, groups), (8, TRANSACTIONS_TOPIC, transactions)]
        {
            let id = TopicId(id);
            image.apply(&MetadataRecord::Topic { name: name.into(), id }).unwrap();
            let tp = TopicPartition::new(id, 0);
            let leader = leader.map(NodeId);
            let record = PartitionRecord { leader, ..partition_record(tp, &[1, 2]) };
            image.apply(&MetadataRecord::Partition(record)).unwrap();
        }
        image
    }

    fn found(node: Option<i32>) -> FoundCoordinator {
        let none = ErrorCode::CoordinatorNotAvailable;
        let error = if node.is_some() { ErrorCode::None } else { none };
        FoundCoordinator { key: "g".into(), error, node: node.map(NodeId) }
    }

    #[test]
    fn who_leads_coordinates() {
        use CoordinatorKind::{Group, Transaction};
        let image = image(Some(1), None);
        let is_right = |kind, node| is_right(&image, kind, &found(node));
        assert!(is_right(Group, Some(1)) && !is_right(Group, Some(2)));
        assert!(!is_right(Group, None), "it has a leader");
        assert!(is_right(Transaction, None));
        assert!(!is_right(Transaction, Some(1)), "the first replica does not lead");
    }

    #[test]
    fn nobody_is_sent_to_who_is_fenced_or_where_the_topic_is_not_there() {
        use CoordinatorKind::Group;
        let led_by_fenced = image(Some(2), None);
        assert!(is_right(&led_by_fenced, Group, &found(None)));
        let none = MetadataImage::default();
        assert!(is_right(&none, Group, &found(None)) && !is_right(&none, Group, &found(Some(1))));
    }
}
