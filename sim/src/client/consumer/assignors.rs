//! What members tell each other through the group's leader, and how the leader divides partitions:
//! Kafka's `ConsumerProtocol`, `RangeAssignor` and `CooperativeStickyAssignor` (KIP-429). The sticky one
//! keeps what members have and evens out the rest; Java's also weighs several topics against each other.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Version of both messages that is written; older ones leave the tail out.
const VERSION: i16 = 2;

/// How a group's leader divides partitions (`partition.assignment.strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// `RangeAssignor`: everything is given up before each rebalance.
    Range,
    /// `CooperativeStickyAssignor` (KIP-429): only what moves is given up.
    CooperativeSticky,
}

/// A partition by name.
pub(crate) type Named = (Arc<str>, u32);

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscriber {
    /// Member id, or instance id where it has one: what members are sorted by.
    pub(crate) sort_key: Arc<str>,
    /// Member id.
    pub(crate) member: Arc<str>,
    /// Topics.
    pub(crate) topics: Vec<Arc<str>>,
    /// What it has, and since which generation.
    pub(crate) owned: Vec<Named>,
    /// See above.
    pub(crate) generation: i32,
}

/// Name of an assignor on the wire.
pub(crate) fn name_of(assignor: Assignor) -> &'static str {
    match assignor {
        Assignor::Range => "range",
        Assignor::CooperativeSticky => "cooperative-sticky",
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    out.put_slice(text.as_bytes());
}

fn put_partitions(out: &mut BytesMut, partitions: &[Named]) {
    let mut by_topic: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        by_topic.entry(topic).or_default().push(*partition);
    }
    out.put_i32(i32::try_from(by_topic.len()).unwrap_or(0));
    for (topic, list) in by_topic {
        put_text(out, topic);
        out.put_i32(i32::try_from(list.len()).unwrap_or(0));
        list.iter().for_each(|partition| out.put_u32(*partition));
    }
}

fn take_text(from: &mut Bytes) -> Option<Arc<str>> {
    let len = usize::try_from(from.try_get_i16().ok()?).ok()?;
    let bytes = (from.len() >= len).then(|| from.split_to(len))?;
    std::str::from_utf8(&bytes).ok().map(Arc::from)
}

fn take_partitions(from: &mut Bytes) -> Option<Vec<Named>> {
    let mut partitions = Vec::new();
    for _ in 0..from.try_get_i32().ok()? {
        let topic = take_text(from)?;
        for _ in 0..from.try_get_i32().ok()? {
            partitions.push((Arc::clone(&topic), from.try_get_u32().ok()?));
        }
    }
    Some(partitions)
}

/// A member's subscription.
pub(crate) fn subscription(topics: &[Arc<str>], owned: &[Named], generation: i32) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(i32::try_from(topics.len()).unwrap_or(0));
    topics.iter().for_each(|topic| put_text(&mut out, topic));
    out.put_i32(-1);
    put_partitions(&mut out, owned);
    out.put_i32(generation);
    out.freeze()
}

/// Reads a subscription.
pub(crate) fn subscriber(
    member: &Arc<str>,
    instance: Option<&Arc<str>>,
    mut bytes: Bytes,
) -> Option<Subscriber> {
    bytes.try_get_i16().ok()?;
    let count = bytes.try_get_i32().ok()?;
    let topics = (0..count).map(|_| take_text(&mut bytes)).collect::<Option<Vec<_>>>()?;
    bytes.try_get_i32().ok()?;
    let owned = take_partitions(&mut bytes)?;
    let generation = bytes.try_get_i32().ok()?;
    let sort_key = Arc::clone(instance.unwrap_or(member));
    Some(Subscriber { sort_key, member: Arc::clone(member), topics, owned, generation })
}

/// A member's assignment.
pub(crate) fn assignment(partitions: &[Named]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    put_partitions(&mut out, partitions);
    out.put_i32(-1);
    out.freeze()
}

/// Reads an assignment; an empty one has no bytes at all.
pub(crate) fn assigned(mut bytes: Bytes) -> Vec<Named> {
    if bytes.try_get_i16().is_err() {
        return Vec::new();
    }
    take_partitions(&mut bytes).unwrap_or_default()
}

/// Divides the partitions of topics (name, number of partitions) among members.
pub(crate) fn divide(
    assignor: Assignor,
    members: &[Subscriber],
    topics: &[(Arc<str>, u32)],
) -> Vec<(Arc<str>, Vec<Named>)> {
    let mut members: Vec<&Subscriber> = members.iter().collect();
    members.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
    match assignor {
        Assignor::Range => range(&members, topics),
        Assignor::CooperativeSticky => cooperative_sticky(&members, topics),
    }
}

fn range(members: &[&Subscriber], topics: &[(Arc<str>, u32)]) -> Vec<(Arc<str>, Vec<Named>)> {
    let mut shares: Vec<(Arc<str>, Vec<Named>)> =
        members.iter().map(|member| (Arc::clone(&member.member), Vec::new())).collect();
    for (topic, partitions) in topics {
        let of = |at: &usize| members[*at].topics.contains(topic);
        let readers: Vec<usize> = (0..members.len()).filter(of).collect();
        let count = u32::try_from(readers.len()).unwrap_or(u32::MAX).max(1);
        let (each, extra) = (partitions / count, partitions % count);
        let mut next = 0;
        for (rank, at) in (0u32..).zip(readers) {
            let share = each + u32::from(rank < extra);
            shares[at].1.extend((next..next + share).map(|p| (Arc::clone(topic), p)));
            next += share;
        }
    }
    shares
}

fn cooperative_sticky(
    members: &[&Subscriber],
    topics: &[(Arc<str>, u32)],
) -> Vec<(Arc<str>, Vec<Named>)> {
    let named = |(topic, count): &(Arc<str>, u32)| {
        let topic = Arc::clone(topic);
        (0..*count).map(move |partition| (Arc::clone(&topic), partition))
    };
    let all: BTreeSet<Named> = topics.iter().flat_map(named).collect();
    // of two that claim a partition, the one of the newer generation has it
    let mut owners: BTreeMap<Named, (i32, usize)> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for partition in member.owned.iter().filter(|partition| all.contains(*partition)) {
            let claim = owners.entry(partition.clone()).or_insert((member.generation, at));
            if member.generation > claim.0 {
                *claim = (member.generation, at);
            }
        }
    }
    let count = members.len().max(1);
    let (each, mut extra) = (all.len() / count, all.len() % count);
    let mut shares: Vec<Vec<Named>> = vec![Vec::new(); members.len()];
    let mut free: Vec<Named> = Vec::new();
    for partition in all {
        let owner = owners.get(&partition).map(|(_, at)| *at);
        match owner
            .filter(|at| shares[*at].len() < each || (shares[*at].len() == each && extra > 0))
        {
            Some(at) => {
                extra -= usize::from(shares[at].len() == each);
                shares[at].push(partition);
            }
            None => free.push(partition),
        }
    }
    for partition in free {
        let least = (0..shares.len()).min_by_key(|at| (shares[*at].len(), *at));
        let Some(at) = least else { break };
        shares[at].push(partition);
    }
    // what another member still has is handed out in the rebalance after it was given up
    let moves = |partition: &Named, to: usize| owners.get(partition).is_some_and(|o| o.1 != to);
    let settled = shares.into_iter().enumerate().map(|(at, share)| {
        let mine = share.into_iter().filter(|partition| !moves(partition, at)).collect();
        (Arc::clone(&members[at].member), mine)
    });
    settled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, owned: &[u32], generation: i32) -> Subscriber {
        let topics = vec![Arc::from("t")];
        let owned: Vec<Named> = owned.iter().map(|p| (Arc::from("t"), *p)).collect();
        let bytes = subscription(&topics, &owned, generation);
        subscriber(&Arc::from(name), None, bytes).unwrap()
    }

    fn shares(assignor: Assignor, members: &[Subscriber]) -> Vec<Vec<u32>> {
        let divided = divide(assignor, members, &[(Arc::from("t"), 4)]);
        divided
            .into_iter()
            .map(|(_, share)| assigned(assignment(&share)).iter().map(|(_, p)| *p).collect())
            .collect()
    }

    #[test]
    fn range_deals_out_neighbours_in_the_order_of_members() {
        let members = [member("b", &[], -1), member("a", &[], -1), member("c", &[], -1)];
        assert_eq!(shares(Assignor::Range, &members), [vec![0, 1], vec![2], vec![3]]);
    }

    #[test]
    fn sticky_keeps_what_fits_and_moves_in_two_steps() {
        let sticky = Assignor::CooperativeSticky;
        let members = [member("a", &[0, 1, 2, 3], 1), member("b", &[], -1)];
        assert_eq!(shares(sticky, &members), [vec![0, 1], vec![]], "b waits for 2 and 3");
        let members = [member("a", &[0, 1], 2), member("b", &[], 2)];
        assert_eq!(shares(sticky, &members), [vec![0, 1], vec![2, 3]]);
        let members = [member("a", &[0, 1], 3), member("b", &[0, 1, 2], 2)];
        assert_eq!(shares(sticky, &members), [vec![0, 1], vec![2, 3]], "the newer claim counts");
    }

    #[test]
    fn no_bytes_are_no_partitions() {
        assert!(assigned(Bytes::new()).is_empty());
    }
}
