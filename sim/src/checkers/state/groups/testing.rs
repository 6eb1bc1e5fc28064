//! What groups in the consumer protocol look like, for tests that change what they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, TopicId, TopicPartition};
use stormglass_broker_core::inspect::{ConsumerGroupView, ConsumerMemberView};

pub(super) const TOPIC: TopicId = TopicId(7);

/// Partitions of that topic.
pub(super) fn partitions(indices: &[i32]) -> Vec<TopicPartition> {
    indices.iter().map(|index| TopicPartition::new(TOPIC, *index)).collect()
}

/// A member that subscribes to topics, and has nothing.
pub(super) fn member<'a>(
    id: &'a Arc<str>,
    topics: &'a BTreeSet<Arc<str>>,
) -> ConsumerMemberView<'a> {
    ConsumerMemberView {
        id,
        instance: None,
        topics,
        regex: None,
        assignor: None,
        target: Vec::new(),
        owned: Vec::new(),
        is_settled: false,
    }
}

/// A group that has found targets for topics as they are, none of which are there.
pub(super) fn group<'a>(
    group: &'a Arc<str>,
    members: Vec<ConsumerMemberView<'a>>,
) -> ConsumerGroupView<'a> {
    ConsumerGroupView {
        group,
        epoch: 3,
        is_assigned: true,
        knows_topics: true,
        hash: 1,
        hash_of_topics: 1,
        topics: BTreeMap::new(),
        misowned: None,
        members,
    }
}

/// A group whose members are to have these partitions of a topic of three, by `uniform`.
pub(super) fn with<R>(targets: &[&[i32]], check: impl FnOnce(&ConsumerGroupView<'_>) -> R) -> R {
    with_in(3, targets, check)
}

/// Of a coordinator whose log is led in an epoch.
pub(super) fn with_in<R>(
    epoch: LeaderEpoch,
    targets: &[&[i32]],
    check: impl FnOnce(&ConsumerGroupView<'_>) -> R,
) -> R {
    with_hash((epoch, 1), targets, check)
}

/// Of one whose group goes by topics of a hash; that of what there is is 1.
pub(super) fn with_hash<R>(
    (epoch, hash): (LeaderEpoch, i64),
    targets: &[&[i32]],
    check: impl FnOnce(&ConsumerGroupView<'_>) -> R,
) -> R {
    let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("t")]));
    let is_to_have = |target: &&[i32]| ConsumerMemberView {
        assignor: Some("uniform"),
        target: partitions(target),
        ..member(&id, &topics)
    };
    let members = targets.iter().map(is_to_have).collect();
    let of_group = BTreeMap::from([("t", (TOPIC, 3))]);
    check(&ConsumerGroupView { epoch, hash, topics: of_group, ..group(&id, members) })
}
