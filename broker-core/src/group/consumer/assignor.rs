//! The coordinator's assignors: who shall have which partitions.

use super::state::Partitions;
use crate::ids::{TopicId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An assignor of the coordinator's (`group.consumer.assignors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for one as for the other, and as few as possible change hands.
    Uniform,
    /// Of each topic a range, so that topics of the same size are read together.
    Range,
}

impl Assignor {
    /// Those that there are.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// By name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }
}

/// A member, as assignors see it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    /// Topics that it reads.
    pub(super) topics: BTreeSet<TopicId>,
    /// What it should have until now.
    pub(super) target: Arc<Partitions>,
}

/// Number of partitions of each topic.
pub(super) type Sizes = BTreeMap<TopicId, i32>;

/// New targets, by member.
pub(super) type Targets = BTreeMap<Arc<str>, Partitions>;

impl Assignor {
    /// Gives each partition that somebody reads to one of those who read it.
    pub(super) fn assign(self, members: &[Candidate], sizes: &Sizes) -> Targets {
        match self {
            Self::Range => range(members, sizes),
            Self::Uniform => match members {
                [first, rest @ ..] if rest.iter().all(|m| m.topics == first.topics) => {
                    uniform(members, sizes)
                }
                _ => uniform_of_different(members, sizes),
            },
        }
    }
}

fn partitions_of(topic: TopicId, sizes: &Sizes) -> impl Iterator<Item = TopicPartition> {
    let count = sizes.get(&topic).copied().unwrap_or(0);
    (0..count).map(move |partition| TopicPartition::new(topic, partition))
}

fn nothing_for(members: &[Candidate]) -> Targets {
    members.iter().map(|member| (Arc::clone(&member.id), Partitions::new())).collect()
}

/// Kafka's `RangeAssignor`. Static members come first, by their instance ids.
fn range(members: &[Candidate], sizes: &Sizes) -> Targets {
    let mut order: Vec<&Candidate> = members.iter().collect();
    order.sort_by_key(|member| (member.instance.is_none(), &member.instance, &member.id));
    let mut targets = nothing_for(members);
    for topic in sizes.keys() {
        let readers: Vec<_> = order.iter().filter(|m| m.topics.contains(topic)).collect();
        let mut partitions = partitions_of(*topic, sizes);
        let (total, count) = (partitions.size_hint().0, readers.len());
        for (index, reader) in readers.into_iter().enumerate() {
            let share = total / count + usize::from(index < total % count);
            if let Some(target) = targets.get_mut(&reader.id) {
                target.extend(partitions.by_ref().take(share));
            }
        }
    }
    targets
}

/// Kafka's `UniformHomogeneousAssignmentBuilder`: everybody reads the same topics.
fn uniform(members: &[Candidate], sizes: &Sizes) -> Targets {
    let topics = members.first().map(|member| &member.topics);
    let mut unassigned: Partitions =
        topics.into_iter().flatten().flat_map(|topic| partitions_of(*topic, sizes)).collect();
    let share = unassigned.len() / members.len();
    // how many of those who are left get one more
    let mut extra = unassigned.len() % members.len();
    let mut targets = nothing_for(members);
    let mut quotas = Vec::with_capacity(members.len());
    // who has something keeps it, up to its share
    for (index, member) in members.iter().enumerate() {
        let mut kept: Vec<TopicPartition> =
            member.target.iter().filter(|tp| unassigned.contains(tp)).copied().collect();
        // who has no more than the others leaves that to somebody who has, as long as there are enough left
        // (KAFKA-18688): what is even stays as it is
        let gets_more = extra > 0 && (kept.len() > share || members.len() - index <= extra);
        extra -= usize::from(gets_more);
        let quota = share + usize::from(gets_more);
        kept.truncate(quota);
        kept.iter().for_each(|tp| {
            unassigned.remove(tp);
        });
        targets.insert(Arc::clone(&member.id), kept.into_iter().collect());
        quotas.push(quota);
    }
    let mut rest = unassigned.into_iter();
    for (member, quota) in members.iter().zip(quotas) {
        if let Some(target) = targets.get_mut(&member.id) {
            target.extend(rest.by_ref().take(quota.saturating_sub(target.len())));
        }
    }
    targets
}

/// Members that read different topics. Kafka's `UniformHeterogeneousAssignmentBuilder` promises the
/// same: nobody could take a partition from somebody who has two more than it has.
fn uniform_of_different(members: &[Candidate], sizes: &Sizes) -> Targets {
    let mut targets = nothing_for(members);
    let mut readers: BTreeMap<TopicId, Vec<&Arc<str>>> = BTreeMap::new();
    for member in members {
        for topic in member.topics.iter().filter(|topic| sizes.contains_key(topic)) {
            readers.entry(*topic).or_default().push(&member.id);
        }
    }
    let mut owners: BTreeMap<TopicPartition, &Arc<str>> = BTreeMap::new();
    for member in members {
        let readable = |tp: &&TopicPartition| {
            member.topics.contains(&tp.topic)
                && sizes.get(&tp.topic).is_some_and(|count| tp.partition < *count)
        };
        for tp in member.target.iter().filter(readable) {
            owners.entry(*tp).or_insert(&member.id);
        }
    }
    let mut counts: BTreeMap<&Arc<str>, usize> = members.iter().map(|m| (&m.id, 0)).collect();
    for owner in owners.values() {
        *counts.entry(owner).or_default() += 1;
    }
    // what few can read comes first
    let mut topics: Vec<_> = readers.iter().collect();
    topics.sort_by_key(|(topic, readers)| (readers.len(), **topic));
    for (topic, readers) in &topics {
        for tp in partitions_of(**topic, sizes) {
            let least = readers.iter().min_by_key(|id| (counts.get(**id), **id));
            if let (Some(least), false) = (least, owners.contains_key(&tp)) {
                owners.insert(tp, least);
                *counts.entry(least).or_default() += 1;
            }
        }
    }
    balance(&topics, &mut owners, &mut counts);
    for (tp, owner) in owners {
        if let Some(target) = targets.get_mut(owner) {
            target.insert(tp);
        }
    }
    targets
}

/// Moves partitions until no move makes it more even. Each move makes the sum of the squares of all
/// counts smaller, so that this ends.
fn balance<'a>(
    topics: &[(&TopicId, &Vec<&'a Arc<str>>)],
    owners: &mut BTreeMap<TopicPartition, &'a Arc<str>>,
    counts: &mut BTreeMap<&'a Arc<str>, usize>,
) {
    let readers: BTreeMap<TopicId, &Vec<&'a Arc<str>>> =
        topics.iter().map(|(topic, readers)| (**topic, *readers)).collect();
    let mut moved = true;
    while std::mem::take(&mut moved) {
        for (tp, owner) in owners.iter_mut() {
            let candidates = readers.get(&tp.topic).into_iter().flat_map(|ids| ids.iter());
            let Some(least) = candidates.min_by_key(|id| (counts.get(**id), **id)) else {
                continue;
            };
            let count = |id: &Arc<str>| counts.get(id).copied().unwrap_or(0);
            if count(owner) > count(least) + 1 {
                *counts.entry(*owner).or_default() -= 1;
                *counts.entry(*least).or_default() += 1;
                *owner = *least;
                moved = true;
            }
        }
    }
}
