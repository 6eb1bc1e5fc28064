//! Which records were acknowledged, and which ones each group got: what was promised, on a real
//! cluster.

use crate::producer::TAG_BITS;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_reports::recording::{CheckerSummary, Violation};

/// A set of records, by tag.
#[derive(Debug, Default, Clone)]
struct Tags(Vec<Vec<u64>>);

impl Tags {
    /// Adds a tag; `false`: it was there.
    fn insert(&mut self, tag: u64) -> bool {
        let (producer, number) = ((tag >> TAG_BITS) as usize, tag & ((1 << TAG_BITS) - 1));
        if self.0.len() <= producer {
            self.0.resize(producer + 1, Vec::new());
        }
        let words = &mut self.0[producer];
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let fresh = words[word] & bit == 0;
        words[word] |= bit;
        fresh
    }

    fn len(&self) -> u64 {
        self.0.iter().flatten().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of these are not in `other`.
    fn missing_in(&self, other: &Self) -> u64 {
        let words = |tags: &Self, producer: usize, word: usize| {
            tags.0.get(producer).and_then(|words| words.get(word)).copied().unwrap_or(0)
        };
        let mut missing = 0;
        for (producer, list) in self.0.iter().enumerate() {
            for (word, bits) in list.iter().enumerate() {
                missing += u64::from((bits & !words(other, producer, word)).count_ones());
            }
        }
        missing
    }
}

/// What a consumer group has got.
#[derive(Debug, Default)]
struct Group {
    name: String,
    /// Places in the plan of the producer groups whose topic it reads.
    reads: Vec<usize>,
    seen: Tags,
    duplicates: u64,
}

/// The account of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Acknowledged records, by producer group.
    acked: Vec<Tags>,
    groups: Vec<Group>,
    /// Offset behind the last record, acknowledged and of each group.
    ends: BTreeMap<TopicPartition, i64>,
    positions: Vec<BTreeMap<TopicPartition, i64>>,
}

impl Ledger {
    /// Of producer groups, and of consumer groups with their names and the producer groups they read.
    pub(crate) fn new(producers: usize, groups: Vec<(String, Vec<usize>)>) -> Self {
        let positions = vec![BTreeMap::new(); groups.len()];
        let groups = groups.into_iter();
        let groups = groups.map(|(name, reads)| Group { name, reads, ..Group::default() });
        Self {
            acked: vec![Tags::default(); producers],
            groups: groups.collect(),
            ends: BTreeMap::new(),
            positions,
        }
    }

    /// A record is acknowledged.
    pub(crate) fn acked(&mut self, producer: usize, tag: u64, (tp, offset): (TopicPartition, i64)) {
        self.acked[producer].insert(tag);
        let end = self.ends.entry(tp).or_default();
        *end = (*end).max(offset + 1);
    }

    /// A group got a record.
    pub(crate) fn got(
        &mut self,
        group: usize,
        tag: Option<u64>,
        (tp, offset): (TopicPartition, i64),
    ) {
        let position = self.positions[group].entry(tp).or_default();
        *position = (*position).max(offset + 1);
        let group = &mut self.groups[group];
        if tag.is_some_and(|tag| !group.seen.insert(tag)) {
            group.duplicates += 1;
        }
    }

    /// Sum and maximum of a group's lags, records.
    pub(crate) fn lag(&self, group: usize) -> (u64, u64) {
        let positions = &self.positions[group];
        let lags = self.ends.iter().map(|(tp, end)| {
            u64::try_from(end - positions.get(tp).copied().unwrap_or(0)).unwrap_or(0)
        });
        lags.fold((0, 0), |(sum, max), lag| (sum + lag, max.max(lag)))
    }

    /// Whether every group has got everything that was acknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        self.groups.iter().all(|group| self.lost(group) == 0)
    }

    fn lost(&self, group: &Group) -> u64 {
        group.reads.iter().map(|producer| self.acked[*producer].missing_in(&group.seen)).sum()
    }

    /// What was checked, what was found, and how many acknowledged records nobody got.
    pub(crate) fn verdict(&self, at_ns: u64) -> (Vec<CheckerSummary>, Vec<Violation>, u64) {
        let mut violations = Vec::new();
        let mut most = 0;
        for group in &self.groups {
            let lost = self.lost(group);
            most = most.max(lost);
            if lost > 0 {
                violations.push(Violation {
                    checker: "everything-consumed".to_owned(),
                    at_ns,
                    partition: None,
                    account: format!(
                        "promised: what is acknowledged is delivered to every group\nseen: group {} \
                         has not got {lost} acknowledged records by the end of the drain",
                        group.name
                    ),
                    excused_by: Vec::new(),
                });
            }
        }
        let checked =
            if self.groups.is_empty() { 0 } else { self.acked.iter().map(Tags::len).sum() };
        let summary = CheckerSummary {
            name: "everything-consumed".to_owned(),
            promise: "what is acknowledged is delivered to every group".to_owned(),
            checked,
            violations: violations.len() as u64,
        };
        (vec![summary], violations, most)
    }

    /// Records that groups got more than once.
    pub(crate) fn duplicates(&self) -> u64 {
        self.groups.iter().map(|group| group.duplicates).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::place;
    use stormglass_broker_core::ids::TopicId;

    #[test]
    fn what_a_group_lacks_is_found() {
        let mut ledger = Ledger::new(2, vec![("g".to_owned(), vec![0])]);
        let at = |offset| (place(TopicId(1), 0), offset);
        for number in 0..100 {
            ledger.acked(0, number, at(number as i64));
            ledger.acked(1, 1 << TAG_BITS | number, (place(TopicId(2), 0), 5));
        }
        for number in (0..100).filter(|number| *number != 70) {
            ledger.got(0, Some(number), at(number as i64));
        }
        assert!(!ledger.is_drained());
        let (checked, violations, lost) = ledger.verdict(9);
        assert_eq!((checked[0].checked, violations.len(), lost), (200, 1, 1));
        assert!(violations[0].account.contains("has not got 1 acknowledged"));
        ledger.got(0, Some(70), at(70));
        ledger.got(0, Some(3), at(3));
        ledger.got(0, None, at(4));
        assert!(ledger.is_drained());
        assert_eq!((ledger.verdict(9).2, ledger.duplicates()), (0, 1));
    }

    #[test]
    fn lag_is_what_was_acknowledged_and_not_got() {
        let mut ledger = Ledger::new(1, vec![("g".to_owned(), vec![0])]);
        ledger.acked(0, 1, (place(TopicId(1), 0), 9));
        ledger.acked(0, 2, (place(TopicId(1), 1), 4));
        ledger.got(0, Some(1), (place(TopicId(1), 0), 6));
        assert_eq!(ledger.lag(0), (8, 5));
    }
}
