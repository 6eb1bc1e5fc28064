//! A partition has one owner in a generation of its group.

use super::history::{History, seconds};
use super::ledger::{Check, Ledger, Promise};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;

pub(crate) const PROMISE: Promise = Promise {
    name: "single-owner",
    text: "in one generation of a group, a partition is assigned to one member only; a static member is \
           the same after a restart",
};

/// Who was told what, per group (index into the plan), generation and partition.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    owners: BTreeMap<(usize, i32, TopicPartition), (Arc<str>, u64)>,
}

impl Ownership {
    /// A member was told its share. `void`: the group's own state may be gone, and its generations
    /// may be counted anew.
    pub(crate) fn assigned(
        &mut self,
        ledger: &mut Ledger,
        (group, name, void): (usize, &str, bool),
        (generation, member, partitions): (i32, &Arc<str>, &[TopicPartition]),
    ) {
        for tp in partitions {
            ledger.checked(Check::Ownership, 1);
            let now_ns = ledger.now_ns;
            let owner = self.owners.entry((group, generation, *tp));
            let owner = owner.or_insert_with(|| (Arc::clone(member), now_ns));
            if owner.0 == *member || void {
                continue;
            }
            let (other, at_ns) = owner.clone();
            ledger.broken(Check::Ownership, ("", &History::default()), &|| {
                format!(
                    "group {name}, generation {generation}: partition {} of topic {:x} was given to \
                     {other} at {} and to {member} at {}",
                    tp.partition,
                    { tp.topic.0 },
                    seconds(at_ns),
                    seconds(now_ns)
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn two_owners_in_a_generation_are_seen_and_a_new_generation_is_another_matter() {
        let (mut ledger, mut ownership) = (Ledger::default(), Ownership::default());
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let group = (0, "g", false);
        ownership.assigned(&mut ledger, group, (1, &a, &[tp(0), tp(1)]));
        ownership.assigned(&mut ledger, group, (1, &a, &[tp(0)]));
        ownership.assigned(&mut ledger, group, (2, &b, &[tp(0), tp(1)]));
        ownership.assigned(&mut ledger, (0, "g", true), (1, &b, &[tp(0)]));
        ownership.assigned(&mut ledger, group, (1, &b, &[tp(1)]));
        let (_, violations) = ledger.finish();
        assert_eq!(violations.len(), 1);
        assert!(violations[0].account.contains("partition 1"), "{}", violations[0].account);
    }
}
