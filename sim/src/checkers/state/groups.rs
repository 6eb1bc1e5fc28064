//! Groups in the consumer protocol (KIP-848): who shall have what.

use super::{Moment, NodeView};
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::partition::Partition;
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_broker_core::inspect::{ConsumerGroupView, ConsumerMemberView};
use stormglass_broker_core::metadata::MetadataImage;

/// Looks at all groups that a node coordinates.
pub(super) fn look(
    (ledger, partitions): (&mut Ledger, &[Partition]),
    view: &NodeView<'_>,
    moment: Moment,
) {
    let Some(image) = view.broker.metadata() else { return };
    let now_ns = ledger.now_ns;
    for group in view.broker.consumer_groups() {
        let has_left = |member: &str| may_be_back(partitions, now_ns, (group.group, member));
        let is_sure = || !group.members.iter().any(|member| has_left(member.id));
        let flaw = stranger(&group, image)
            .or_else(|| unowned(&group, has_left))
            .or_else(|| uneven(&group).filter(|_| is_sure()));
        let flaw = flaw.or_else(|| unknown(&group, image).filter(|_| moment == Moment::Drained));
        ledger.checked(Check::Metadata, 1);
        if let Some(flaw) = flaw {
            ledger.broken(Check::Metadata, (OFFSETS_TOPIC, &History::default()), &|| {
                format!("in group {} of coordinator {}, {flaw}", group.group, view.node)
            });
        }
    }
}

/// Whether a coordinator may have a member that has left: where a replica was away while the removal was compacted
/// away, whoever leads with it loads the member as it was, until its session is over, in Kafka as here (hunt seeds
/// 7000364, 7013343, 7014974).
fn may_be_back(partitions: &[Partition], now_ns: u64, (group, member): (&str, &str)) -> bool {
    let key = target_key(group, member);
    partitions.iter().filter(|p| p.label.starts_with(OFFSETS_TOPIC)).any(|p| {
        let keys = p.keys.as_ref();
        keys.is_some_and(|keys| keys.is_deleted(&key, (&p.committed, p.exposed()), now_ns))
    })
}

/// The key of the record that has a member's target (`ConsumerGroupTargetAssignmentMemberKey`).
fn target_key(group: &str, member: &str) -> Vec<u8> {
    let mut key = 7_i16.to_be_bytes().to_vec();
    for text in [group, member] {
        key.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        key.extend(text.as_bytes());
    }
    key
}

/// Whether a member subscribes to a topic: it names it, or an alternative of its regular expression is the name, or
/// what comes before `.*` in one begins it. Members of the simulator have no others.
fn reads(member: &ConsumerMemberView<'_>, name: &str) -> bool {
    let matches = |part: &str| match part.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => name == part,
    };
    member.topics.contains(name) || member.regex.is_some_and(|regex| regex.split('|').any(matches))
}

/// A member that has a partition of a topic that it does not subscribe to, or is to have it.
fn stranger(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
    let name = |id: TopicId| image.topic(id).map(|topic| &*topic.name);
    group.members.iter().find_map(|member| {
        let of = member.target.iter().chain(&member.owned);
        let mut of = of.filter(|tp| name(tp.topic).is_some_and(|name| !reads(member, name)));
        let tp = of.next()?;
        Some(format!(
            "member {} is given {:?}-{}, and subscribes to {:?} and {:?}",
            member.id,
            name(tp.topic),
            tp.partition,
            member.topics,
            member.regex
        ))
    })
}

/// A partition that somebody reads, and not exactly one member is to have, once targets are found; who has left may
/// be another one.
fn unowned(group: &ConsumerGroupView<'_>, has_left: impl Fn(&str) -> bool) -> Option<String> {
    if !group.is_assigned {
        return None;
    }
    let mut owners: BTreeMap<TopicPartition, Vec<&str>> = BTreeMap::new();
    for member in &group.members {
        for tp in &member.target {
            owners.entry(*tp).or_default().push(member.id);
        }
    }
    group.topics.iter().find_map(|(name, (id, partitions))| {
        let is_read = group.members.iter().any(|member| reads(member, name));
        let mut all = (0..*partitions).filter(|_| is_read);
        let of = |partition: i32| owners.get(&TopicPartition::new(*id, partition));
        let has_one = |partition: i32| match of(partition).map_or(&[][..], Vec::as_slice) {
            [] => false,
            [_] => true,
            several => several.iter().filter(|member| !has_left(member)).count() <= 1,
        };
        let partition = all.find(|partition| !has_one(*partition))?;
        Some(format!("{:?} members are to have {name}-{partition}", of(partition).map(Vec::len)))
    })
}

/// A member that is to have two more than another one that reads one of its partitions, where all ask for `uniform`.
fn uneven(group: &ConsumerGroupView<'_>) -> Option<String> {
    let members = &group.members;
    if !group.is_assigned || members.iter().any(|of| of.assignor != Some("uniform")) {
        return None;
    }
    group.topics.iter().find_map(|(name, (id, _))| {
        let of = members.iter().filter(|member| reads(member, name));
        let least = of.clone().min_by_key(|member| member.target.len())?;
        let mut has_one = of.filter(|member| member.target.iter().any(|tp| tp.topic == *id));
        let more = has_one.find(|member| member.target.len() > least.target.len() + 1)?;
        Some(format!("{} is to have more than {} by more than one: {members:?}", more.id, least.id))
    })
}

/// A topic that members read and that exists, and the group does not know it as it is.
fn unknown(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
    let is_read = |name: &str| group.members.iter().any(|member| reads(member, name));
    let known = image.topics().filter(|topic| is_read(&topic.name));
    let of = known.map(|topic| (&*topic.name, (topic.id, topic.partitions.len())));
    let of = of.map(|(name, (id, count))| (name, (id, i32::try_from(count).unwrap_or(i32::MAX))));
    let of: BTreeMap<&str, (TopicId, i32)> = of.collect();
    (!group.members.is_empty() && of != group.topics)
        .then(|| format!("members read {of:?}, and it goes by {:?}", group.topics))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    const TOPIC: TopicId = TopicId(7);

    fn with<R>(targets: &[&[i32]], check: impl FnOnce(&ConsumerGroupView<'_>) -> R) -> R {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("t")]));
        let member = |target: &&[i32]| ConsumerMemberView {
            id: &id,
            topics: &topics,
            regex: None,
            assignor: Some("uniform"),
            target: target.iter().map(|index| TopicPartition::new(TOPIC, *index)).collect(),
            owned: Vec::new(),
        };
        check(&ConsumerGroupView {
            group: &id,
            is_assigned: true,
            topics: BTreeMap::from([("t", (TOPIC, 3))]),
            members: targets.iter().map(member).collect(),
        })
    }

    #[test]
    fn each_partition_has_one_owner() {
        let nobody = |group: &ConsumerGroupView<'_>| unowned(group, |_| false);
        assert_eq!(with(&[&[0, 2], &[1]], nobody), None);
        assert!(with(&[&[0], &[1]], nobody).is_some());
        assert!(with(&[&[0, 1, 2], &[1]], nobody).is_some());
    }

    #[test]
    fn who_has_left_may_be_another_one() {
        let all = |group: &ConsumerGroupView<'_>| unowned(group, |_| true);
        assert_eq!(with(&[&[0, 1, 2], &[1]], all), None);
        assert!(with(&[&[0], &[1]], all).is_some(), "nobody is to have the third");
        assert_eq!(target_key("g", "me"), [0, 7, 0, 1, b'g', 0, 2, b'm', b'e']);
    }

    #[test]
    fn nobody_has_two_more_than_who_could_have_one_of_them() {
        assert_eq!(with(&[&[0, 2], &[1]], uneven), None);
        assert!(with(&[&[0, 1, 2], &[]], uneven).is_some());
    }

    #[test]
    fn names_and_patterns_are_read() {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("a")]));
        let member = ConsumerMemberView {
            id: &id,
            topics: &topics,
            regex: Some("b|spare.*"),
            assignor: None,
            target: Vec::new(),
            owned: Vec::new(),
        };
        let is_read = ["a", "b", "spare", "spare-2"].map(|name| reads(&member, name));
        assert_eq!((is_read, reads(&member, "bb")), ([true; 4], false));
    }

    #[test]
    fn a_topic_that_members_do_not_read_is_nothing_to_give() {
        let image = MetadataImage::default();
        assert_eq!(with(&[&[0]], |group| stranger(group, &image)), None, "it is gone");
        assert!(with(&[&[0]], |group| unknown(group, &image)).is_some());
    }
}
