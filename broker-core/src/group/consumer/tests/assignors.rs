//! Assignors: everything is given away, evenly, to those who read it, and little moves.

use super::super::assignor::{Assignor, Candidate, Sizes, Targets};
use super::super::state::Partitions;
use crate::ids::{TopicId, TopicPartition};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn candidate(id: &str, topics: impl IntoIterator<Item = u128>) -> Candidate {
    let topics = topics.into_iter().map(TopicId).collect();
    Candidate { id: id.into(), instance: None, topics, target: Arc::default() }
}

fn sizes(list: &[(u128, i32)]) -> Sizes {
    list.iter().map(|(id, count)| (TopicId(*id), *count)).collect()
}

/// Targets as `topic.partition`, for eyes.
fn shown(targets: &Targets) -> Vec<(String, Vec<String>)> {
    let one = |tp: &TopicPartition| format!("{}.{}", { tp.topic.0 }, tp.partition);
    targets.iter().map(|(id, list)| (id.to_string(), list.iter().map(one).collect())).collect()
}

#[test]
fn ranges_are_those_of_kafka() {
    let members = [candidate("m0", [1, 2]), candidate("m1", [1, 2])];
    let targets = Assignor::Range.assign(&members, &sizes(&[(1, 3), (2, 3)]));
    let expected = [("m0", vec!["1.0", "1.1", "2.0", "2.1"]), ("m1", vec!["1.2", "2.2"])];
    let expected = expected
        .map(|(id, list)| (id.to_owned(), list.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(shown(&targets), expected);
}

#[test]
fn static_members_come_first_in_ranges() {
    let mut fixed = candidate("z", [1]);
    fixed.instance = Some("one".into());
    let targets = Assignor::Range.assign(&[candidate("a", [1]), fixed], &sizes(&[(1, 3)]));
    assert_eq!(targets["z"].len(), 2);
}

#[test]
fn topics_that_few_read_do_not_make_it_uneven() {
    let members = [candidate("x", [1]), candidate("y", [1, 2])];
    let targets = Assignor::Uniform.assign(&members, &sizes(&[(1, 4), (2, 2)]));
    assert_eq!((targets["x"].len(), targets["y"].len()), (3, 3));
    let members = [candidate("x", [1]), candidate("y", [1, 2])];
    let targets = Assignor::Uniform.assign(&members, &sizes(&[(1, 2), (2, 9)]));
    assert_eq!((targets["x"].len(), targets["y"].len()), (2, 9));
}

/// A member with some partitions of topic 1.
fn holding(id: &str, partitions: &[i32]) -> Candidate {
    let tp = |partition: &i32| TopicPartition::new(TopicId(1), *partition);
    let target = Arc::new(partitions.iter().map(tp).collect());
    Candidate { target, ..candidate(id, [1]) }
}

/// KAFKA-18688: whoever comes first by its id does not get the one more that another member has.
#[test]
fn what_is_even_stays_whoever_has_one_more() {
    let topic = sizes(&[(1, 5)]);
    let given = |members: &[Candidate]| {
        let targets = Assignor::Uniform.assign(members, &topic);
        let list = |tps: &Partitions| tps.iter().map(|tp| tp.partition).collect::<Vec<_>>();
        targets.values().map(list).collect::<Vec<_>>()
    };
    let even = [holding("a", &[0, 1]), holding("b", &[2]), holding("c", &[3, 4])];
    assert_eq!(given(&even), [vec![0, 1], vec![2], vec![3, 4]]);
    let even = [holding("a", &[0]), holding("b", &[1, 2]), holding("c", &[3, 4])];
    assert_eq!(given(&even), [vec![0], vec![1, 2], vec![3, 4]]);
    // of those who have too much the first ones keep one more
    let moves = [holding("a", &[]), holding("b", &[0, 1, 2]), holding("c", &[3, 4])];
    assert_eq!(given(&moves), [vec![2], vec![0, 1], vec![3, 4]]);
    // nobody has one more: it is for the last ones
    let grown = [holding("a", &[0]), holding("b", &[1]), holding("c", &[2])];
    assert_eq!(given(&grown), [vec![0], vec![1, 3], vec![2, 4]]);
}

fn groups() -> impl Strategy<Value = (Vec<Candidate>, Sizes)> {
    let members = proptest::collection::vec(proptest::collection::btree_set(1..4_u128, 0..4), 1..7);
    let same = proptest::collection::btree_set(1..4_u128, 0..4);
    let members =
        prop_oneof![members, (same, 1..7_usize).prop_map(|(topics, count)| vec![topics; count]),];
    let list = |members: Vec<BTreeSet<u128>>| {
        let one = |(at, topics)| candidate(&format!("m{at}"), topics);
        members.into_iter().enumerate().map(one).collect::<Vec<_>>()
    };
    (members.prop_map(list), proptest::collection::btree_map(1..4_u128, 0..12_i32, 0..4)).prop_map(
        |(members, sizes)| {
            (members, sizes.into_iter().map(|(id, count)| (TopicId(id), count)).collect())
        },
    )
}

/// Each partition that somebody reads has one of its readers.
fn check(members: &[Candidate], sizes: &Sizes, targets: &Targets) {
    let mut given = Partitions::new();
    for member in members {
        for tp in &targets[&member.id] {
            assert!(member.topics.contains(&tp.topic), "{} does not read {tp:?}", member.id);
            assert!(given.insert(*tp), "{tp:?} is given twice");
        }
    }
    let read: BTreeSet<_> = members.iter().flat_map(|member| &member.topics).collect();
    let counts = sizes.iter().filter(|(topic, _)| read.contains(topic));
    let total: i32 = counts.map(|(_, count)| *count).sum();
    assert_eq!(given.len(), usize::try_from(total).unwrap());
}

/// Nobody could take a partition from somebody who has two more.
fn check_even(members: &[Candidate], targets: &Targets) {
    for (from, to) in members.iter().flat_map(|a| members.iter().map(move |b| (a, b))) {
        let (many, few) = (&targets[&from.id], &targets[&to.id]);
        if many.len() > few.len() + 1 {
            assert!(!many.iter().any(|tp| to.topics.contains(&tp.topic)), "{many:?} {few:?}");
        }
    }
}

proptest! {
    #[test]
    fn everything_is_given_to_one_who_reads_it((mut members, sizes) in groups(), gone in 0..7_usize) {
        for assignor in Assignor::ALL {
            let targets = assignor.assign(&members, &sizes);
            check(&members, &sizes, &targets);
        }
        let before = Assignor::Uniform.assign(&members, &sizes);
        check_even(&members, &before);
        for member in &mut members {
            member.target = Arc::new(before[&member.id].clone());
        }
        let again = Assignor::Uniform.assign(&members, &sizes);
        prop_assert_eq!(&again, &before, "nothing moves without need");
        if members.len() > 1 {
            let gone = members.remove(gone % members.len());
            let after = Assignor::Uniform.assign(&members, &sizes);
            check(&members, &sizes, &after);
            check_even(&members, &after);
            let same = members.iter().all(|member| member.topics == gone.topics);
            let kept: BTreeMap<_, _> = members.iter().map(|m| (&m.id, &before[&m.id])).collect();
            if same {
                for (id, had) in kept {
                    prop_assert!(had.is_subset(&after[id]), "{} lost something", id);
                }
            }
        }
    }
}
