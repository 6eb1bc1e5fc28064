//! A partition has one owner in a generation of its group, and one at a time in the consumer protocol.

use super::history::{History, seconds};
use super::ledger::{Check, Ledger, Promise};
use super::timeouts::hurry_ppm;
use crate::client::{ConsumerConfig, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_scenarios::plan::{ConsumerPlan, Plan};

pub(crate) const PROMISE: Promise = Promise {
    name: "single-owner",
    text: "in one generation of a group, or one member epoch, a partition is assigned to one member only; \
           a static member is the same after a restart. In the consumer protocol a partition that a member \
           has is given to another one only when the first has given it up, or has kept its coordinator \
           waiting for as long as it may",
};

/// Whose members an outcome is about.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// Index into the plan.
    pub(crate) index: usize,
    pub(crate) name: &'a str,
    /// The group's own state may be gone, and its generations may be counted anew.
    pub(crate) is_void: bool,
    /// So it may, or a coordinator answers that does not know of its successor.
    pub(crate) is_in_doubt: bool,
}

/// Who has a partition, as its coordinator knows.
#[derive(Debug)]
struct Holder {
    member: Arc<str>,
    /// Until then the coordinator has no reason to give the member up, ns.
    until_ns: u64,
}

/// Who was told what.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    /// Member and time, per group, generation and partition.
    owners: BTreeMap<(usize, i32, TopicPartition), (Arc<str>, u64)>,
    /// Members in the consumer protocol, per group and partition.
    holders: BTreeMap<(usize, TopicPartition), Holder>,
    /// How long a member may be silent, or take to give up a partition, ns; per group.
    patience_ns: Vec<u64>,
}

impl Ownership {
    pub(crate) fn of(plan: &Plan) -> Self {
        let patience_ns = plan.consumers.iter().map(|group| patience_ns(plan, group)).collect();
        Self { patience_ns, ..Self::default() }
    }

    /// A member has another share, or less of it.
    pub(crate) fn outcome(&mut self, ledger: &mut Ledger, group: &Group<'_>, outcome: &Outcome) {
        match outcome {
            Outcome::Assigned { generation, member, partitions } => {
                self.assigned(ledger, group, (*generation, member, partitions));
                self.given(ledger, group, (member, partitions));
            }
            Outcome::Holds { member, partitions, since_ns } => {
                let patience_ns = self.patience_ns.get(group.index).copied().unwrap_or(0);
                let until_ns = since_ns.saturating_add(patience_ns);
                for tp in partitions.iter().filter(|_| !group.is_in_doubt) {
                    let holder = Holder { member: Arc::clone(member), until_ns };
                    self.holders.insert((group.index, *tp), holder);
                }
            }
            Outcome::Released { member, partitions } => {
                for tp in partitions {
                    let held = self.holders.get(&(group.index, *tp));
                    if held.is_some_and(|holder| holder.member == *member) {
                        self.holders.remove(&(group.index, *tp));
                    }
                }
            }
            _ => {}
        }
    }

    /// A member was told that it may have partitions.
    fn given(
        &mut self,
        ledger: &mut Ledger,
        group: &Group<'_>,
        (member, partitions): (&Arc<str>, &[TopicPartition]),
    ) {
        for tp in partitions {
            let Some(holder) = self.holders.get(&(group.index, *tp)) else { continue };
            ledger.checked(Check::Ownership, 1);
            let now_ns = ledger.now_ns;
            if holder.member == *member || group.is_in_doubt || now_ns >= holder.until_ns {
                continue;
            }
            ledger.broken(Check::Ownership, ("", &History::default()), &|| {
                format!(
                    "group {}: partition {} of topic {:x} was given to {member} at {}, while {} had it, \
                     which had not given it up, and could not be given up before {}",
                    group.name,
                    tp.partition,
                    { tp.topic.0 },
                    seconds(now_ns),
                    holder.member,
                    seconds(holder.until_ns)
                )
            });
        }
    }

    /// A member was told its share.
    fn assigned(
        &mut self,
        ledger: &mut Ledger,
        group: &Group<'_>,
        (generation, member, partitions): (i32, &Arc<str>, &[TopicPartition]),
    ) {
        for tp in partitions {
            ledger.checked(Check::Ownership, 1);
            let now_ns = ledger.now_ns;
            let owner = self.owners.entry((group.index, generation, *tp));
            let owner = owner.or_insert_with(|| (Arc::clone(member), now_ns));
            if owner.0 == *member || group.is_void {
                continue;
            }
            let (other, at_ns) = owner.clone();
            ledger.broken(Check::Ownership, ("", &History::default()), &|| {
                format!(
                    "group {}, generation {generation}: partition {} of topic {:x} was given to \
                     {other} at {} and to {member} at {}",
                    group.name,
                    tp.partition,
                    { tp.topic.0 },
                    seconds(at_ns),
                    seconds(now_ns)
                )
            });
        }
    }
}

/// The shorter one of the session that the brokers give members and the time that these give
/// themselves to give up partitions, ns.
fn patience_ns(plan: &Plan, group: &ConsumerPlan) -> u64 {
    let session_ms = plan.cluster.config_ms("group.consumer.session.timeout.ms", 45_000);
    let config = ConsumerConfig::parse(group).ok();
    let rebalance_ms =
        config.map_or(u64::MAX, |config| config.poll_interval_ms.unsigned_abs().into());
    session_ms.min(rebalance_ms).saturating_mul(1_000_000 - hurry_ppm(plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    fn group(is_void: bool) -> Group<'static> {
        Group { index: 0, name: "g", is_void, is_in_doubt: is_void }
    }

    fn assigned(generation: i32, member: &Arc<str>, partitions: &[TopicPartition]) -> Outcome {
        let (member, partitions) = (Arc::clone(member), partitions.to_vec());
        Outcome::Assigned { generation, member, partitions }
    }

    #[test]
    fn two_owners_in_a_generation_are_seen_and_a_new_generation_is_another_matter() {
        let (mut ledger, mut ownership) = (Ledger::default(), Ownership::default());
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        ownership.outcome(&mut ledger, &group(false), &assigned(1, &a, &[tp(0), tp(1)]));
        ownership.outcome(&mut ledger, &group(false), &assigned(1, &a, &[tp(0)]));
        ownership.outcome(&mut ledger, &group(false), &assigned(2, &b, &[tp(0), tp(1)]));
        ownership.outcome(&mut ledger, &group(true), &assigned(1, &b, &[tp(0)]));
        ownership.outcome(&mut ledger, &group(false), &assigned(1, &b, &[tp(1)]));
        let (_, violations) = ledger.finish();
        assert_eq!(violations.len(), 1);
        assert!(violations[0].account.contains("partition 1"), "{}", violations[0].account);
    }

    /// `a` has partition 0 and is last heard of at 1 s; `b` is given it then.
    fn violations_when_given(at_ns: u64, was_released: bool, is_void: bool) -> usize {
        let mut ledger = Ledger::default();
        let mut ownership = Ownership { patience_ns: vec![3_000_000_000], ..Ownership::default() };
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let (member, partitions) = (Arc::clone(&a), vec![tp(0)]);
        let holds = Outcome::Holds { member, partitions, since_ns: 1_000_000_000 };
        ownership.outcome(&mut ledger, &group(false), &holds);
        if was_released {
            let released = Outcome::Released { member: a, partitions: vec![tp(0)] };
            ownership.outcome(&mut ledger, &group(false), &released);
        }
        ledger.now_ns = at_ns;
        ownership.outcome(&mut ledger, &group(is_void), &assigned(7, &b, &[tp(0)]));
        ledger.finish().1.len()
    }

    #[test]
    fn a_partition_goes_on_when_it_is_given_up_or_its_member_was_silent_for_too_long() {
        assert_eq!(violations_when_given(2_000_000_000, false, false), 1);
        assert_eq!(violations_when_given(2_000_000_000, true, false), 0);
        assert_eq!(violations_when_given(2_000_000_000, false, true), 0);
        assert_eq!(violations_when_given(4_000_000_000, false, false), 0);
    }
}
