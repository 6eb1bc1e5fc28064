//! What is wrong with who has, and shall have, what of the topics that a group in the consumer protocol reads, by what
//! its coordinator knows.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_broker_core::inspect::{ConsumerGroupView, ConsumerMemberView};
use stormglass_broker_core::metadata::MetadataImage;

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
pub(super) fn stranger(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
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

/// Whether targets are found for topics as they are. Of those as they were the group has kept but the hash (KIP-1101).
fn has_shared_out(group: &ConsumerGroupView<'_>) -> bool {
    group.is_assigned && group.hash == group.hash_of_topics
}

/// A partition that a member is to have, once targets are found, and that is in none of the topics that the group goes
/// by: it is deleted, or nobody reads it any more.
pub(super) fn vanished(group: &ConsumerGroupView<'_>) -> Option<String> {
    let sizes: BTreeMap<TopicId, i32> = group.topics.values().copied().collect();
    let is_there = |tp: &&TopicPartition| {
        sizes.get(&tp.topic).is_some_and(|partitions| (0..*partitions).contains(&tp.partition))
    };
    group.members.iter().filter(|_| has_shared_out(group)).find_map(|member| {
        let tp = member.target.iter().find(|tp| !is_there(tp))?;
        Some(format!("member {} is to have {tp:?}, and it goes by {:?}", member.id, group.topics))
    })
}

/// A partition that somebody reads, and not exactly one member is to have, once targets are found; who has left may
/// be another one, or the only one where the group had others.
pub(super) fn unowned(
    group: &ConsumerGroupView<'_>,
    has_left: impl Fn(&str) -> bool,
    had_others: impl Fn() -> bool,
) -> Option<String> {
    if !has_shared_out(group) {
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
            [] => had_others(),
            [_] => true,
            several => several.iter().filter(|member| !has_left(member)).count() <= 1,
        };
        let partition = all.find(|partition| !has_one(*partition))?;
        Some(format!("{:?} members are to have {name}-{partition}", of(partition).map(Vec::len)))
    })
}

/// A member that is to have two more than another one that reads one of its partitions, where all ask for `uniform`.
pub(super) fn uneven(group: &ConsumerGroupView<'_>) -> Option<String> {
    let members = &group.members;
    if !has_shared_out(group) || members.iter().any(|of| of.assignor != Some("uniform")) {
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

/// A topic whose partitions are not shared out in ranges, where all ask for `range`: as many for one as for the other,
/// or one more for the first ones, static members before others, by their names, so that topics of the same size with
/// the same readers are read together (Kafka's `RangeAssignor`; KAFKA-16944).
pub(super) fn unranged(group: &ConsumerGroupView<'_>) -> Option<String> {
    let members = &group.members;
    let is_due = group.knows_topics && has_shared_out(group);
    if !is_due || members.iter().any(|of| of.assignor != Some("range")) {
        return None; // of a topic that has come, not everybody who subscribes by an expression may know yet
    }
    let mut order: Vec<&ConsumerMemberView<'_>> = members.iter().collect();
    order.sort_by_key(|member| (member.instance.is_none(), member.instance, member.id));
    group.topics.iter().find_map(|(name, (id, count))| {
        let readers: Vec<_> = order.iter().filter(|member| reads(member, name)).collect();
        let (total, all) = (usize::try_from(*count).unwrap_or(0), readers.len().max(1));
        let mut first = 0;
        let other = readers.into_iter().enumerate().find(|(index, member)| {
            let next = first + total / all + usize::from(*index < total % all);
            let is_in = |partition: i32| {
                usize::try_from(partition).is_ok_and(|at| (first..next).contains(&at))
            };
            let of = member.target.iter().filter(|tp| tp.topic == *id);
            let (has, is_range) = (of.clone().count(), of.clone().all(|tp| is_in(tp.partition)));
            let is_other = has != next - first || !is_range;
            first = next;
            is_other
        })?;
        Some(format!("{} is to have no range of {name}: {members:?}", other.1.id))
    })
}

/// A member that has reached its target, and has something else.
pub(super) fn unsettled(group: &ConsumerGroupView<'_>) -> Option<String> {
    let as_set = |of: &[TopicPartition]| of.iter().copied().collect::<BTreeSet<_>>();
    let mut settled = group.members.iter().filter(|member| member.is_settled);
    let member = settled.find(|member| as_set(&member.owned) != as_set(&member.target))?;
    Some(format!("a member is where it should be, and has something else: {member:?}"))
}

/// A partition that two members have, be it to give it up. `has_had`: whether a member may have nothing any more of
/// what it is known to have.
pub(super) fn shared(
    group: &ConsumerGroupView<'_>,
    has_had: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut owners: BTreeMap<TopicPartition, &str> = BTreeMap::new();
    for member in &group.members {
        for tp in &member.owned {
            let Some(other) = owners.insert(*tp, member.id) else { continue };
            if !has_had(other) && !has_had(member.id) {
                return Some(format!("members {} and {other} have {tp:?}", member.id));
            }
            if !has_had(other) {
                owners.insert(*tp, other);
            }
        }
    }
    None
}

/// A partition that is given away as if nobody had it, while a member reads it, or that nobody is ever given, as it
/// counts as that of a member which does not have it (KAFKA-19862).
pub(super) fn misowned(group: &ConsumerGroupView<'_>) -> Option<String> {
    let tp = group.misowned?;
    Some(format!("{tp:?} counts as another's than it is: {:?}", group.members))
}

/// A topic that members read and that exists, and the group does not know it, its size, or where its replicas are.
pub(super) fn unknown(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
    let is_read = |name: &str| group.members.iter().any(|member| reads(member, name));
    let known = image.topics().filter(|topic| is_read(&topic.name));
    let of = known.map(|topic| (&*topic.name, (topic.id, topic.partitions.len())));
    let of = of.map(|(name, (id, count))| (name, (id, i32::try_from(count).unwrap_or(i32::MAX))));
    let of: BTreeMap<&str, (TopicId, i32)> = of.collect();
    let ConsumerGroupView { members, topics, hash, hash_of_topics, .. } = group;
    (!members.is_empty() && (of != *topics || hash != hash_of_topics)).then(|| {
        let of = format!("members read {of:?} ({hash_of_topics:x})");
        format!("{of}, and it knows {topics:?}, and goes by {hash:x}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TOPIC, group, member, partitions, with, with_hash};
    use super::*;
    use crate::checkers::testing::partition_record;
    use std::sync::Arc;
    use stormglass_broker_core::metadata::MetadataRecord;

    #[test]
    fn each_partition_has_one_owner() {
        let nobody = |group: &ConsumerGroupView<'_>| unowned(group, |_| false, || false);
        assert_eq!(with(&[&[0, 2], &[1]], nobody), None);
        assert!(with(&[&[0], &[1]], nobody).is_some());
        assert!(with(&[&[0, 1, 2], &[1]], nobody).is_some());
    }

    #[test]
    fn nobody_is_to_have_what_is_not_there() {
        assert_eq!(with(&[&[0, 2], &[1]], vanished), None);
        assert!(with(&[&[0, 3], &[1]], vanished).is_some(), "the topic has three");
    }

    #[test]
    fn who_has_left_may_be_another_one() {
        let all = |group: &ConsumerGroupView<'_>| unowned(group, |_| true, || false);
        assert_eq!(with(&[&[0, 1, 2], &[1]], all), None);
        assert!(with(&[&[0], &[1]], all).is_some(), "nobody is to have the third");
    }

    #[test]
    fn nobody_has_two_more_than_who_could_have_one_of_them() {
        assert_eq!(with(&[&[0, 2], &[1]], uneven), None);
        assert!(with(&[&[0, 1, 2], &[]], uneven).is_some());
    }

    #[test]
    fn who_has_reached_its_target_has_that_and_nobody_else_has_it() {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::new());
        let of = |owned: &[&[i32]], check: fn(&ConsumerGroupView<'_>) -> Option<String>| {
            let settled = |owned: &&[i32]| ConsumerMemberView {
                target: partitions(&[0]),
                owned: partitions(owned),
                is_settled: true,
                ..member(&id, &topics)
            };
            check(&group(&id, owned.iter().map(settled).collect()))
        };
        assert_eq!(of(&[&[0]], unsettled), None);
        assert!(of(&[&[]], unsettled).is_some() && of(&[&[0, 1]], unsettled).is_some());
        let shared = |group: &ConsumerGroupView<'_>| shared(group, |_| false);
        assert_eq!(of(&[&[0], &[1, 2]], shared), None);
        assert!(of(&[&[0, 1], &[1]], shared).is_some());
    }

    /// Of members `b` and `a`, `b` perhaps with a name, that read topics of three and of two partitions.
    #[test]
    fn topics_are_shared_out_in_ranges() {
        let topics = BTreeSet::from(["t", "u"].map(Arc::<str>::from));
        let [b, a, name, id] = ["b", "a", "z", "m"].map(Arc::<str>::from);
        let ids = [b, a];
        let is_seen = |targets: [(&[i32], &[i32]); 2], assignor, is_static: bool| {
            let reads = |(at, (t, u)): (usize, (&[i32], &[i32]))| {
                let of = |id, indices: &[i32]| -> Vec<TopicPartition> {
                    indices.iter().map(|index| TopicPartition::new(id, *index)).collect()
                };
                ConsumerMemberView {
                    instance: Some(&name).filter(|_| is_static && at == 0),
                    assignor: Some(assignor),
                    target: [of(TOPIC, t), of(TopicId(8), u)].concat(),
                    ..member(&ids[at], &topics)
                }
            };
            let members = targets.into_iter().enumerate().map(reads).collect();
            let topics = BTreeMap::from([("t", (TOPIC, 3)), ("u", (TopicId(8), 2))]);
            unranged(&ConsumerGroupView { topics, ..group(&id, members) }).is_some()
        };
        let (first, last) = ((&[0, 1][..], &[0][..]), (&[2][..], &[1][..]));
        assert!(!is_seen([last, first], "range", false), "by their ids");
        assert!(!is_seen([first, last], "range", true), "who has a name comes first");
        assert!(is_seen([first, last], "range", false) && is_seen([last, first], "range", true));
        let apart = [(&[2][..], &[0][..]), (&[0, 1][..], &[1][..])];
        assert!(is_seen(apart, "range", false), "they are not read together");
        let holes = [(&[1][..], &[1][..]), (&[0, 2][..], &[0][..])];
        assert!(is_seen(holes, "range", false) && !is_seen(holes, "uniform", false));
    }

    #[test]
    fn names_and_patterns_are_read() {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("a")]));
        let member = ConsumerMemberView { regex: Some("b|spare.*"), ..member(&id, &topics) };
        let is_read = ["a", "b", "spare", "spare-2"].map(|name| reads(&member, name));
        assert_eq!((is_read, reads(&member, "bb")), ([true; 4], false));
    }

    #[test]
    fn who_has_given_up_a_topic_is_to_have_nothing_of_it() {
        let stranger = |name: &str| {
            let mut image = MetadataImage::default();
            image.apply(&MetadataRecord::Topic { name: name.into(), id: TOPIC }).unwrap();
            with(&[&[], &[0]], |group| stranger(group, &image))
        };
        assert_eq!(stranger("t"), None);
        assert!(stranger("other").is_some());
    }

    #[test]
    fn a_topic_that_members_do_not_read_is_nothing_to_give() {
        let image = MetadataImage::default();
        assert_eq!(with(&[&[0]], |group| stranger(group, &image)), None, "it is gone");
        assert!(with(&[&[0]], |group| unknown(group, &image)).is_some());
    }

    /// KIP-1101: the group's epoch has a hash of its topics, in which racks count, too.
    #[test]
    fn a_group_knows_where_replicas_of_its_topics_are() {
        let mut image = MetadataImage::default();
        image.apply(&MetadataRecord::Topic { name: "t".into(), id: TOPIC }).unwrap();
        for tp in partitions(&[0, 1, 2]) {
            image.apply(&MetadataRecord::Partition(partition_record(tp, &[1]))).unwrap();
        }
        let unknown = |group: &ConsumerGroupView<'_>| unknown(group, &image);
        assert_eq!(with(&[&[0, 2], &[1]], unknown), None);
        assert!(with_hash((3, 2), &[&[0, 2], &[1]], unknown).is_some());
        assert_eq!(with_hash((3, 2), &[&[0, 3], &[1]], vanished), None, "of others");
    }
}
