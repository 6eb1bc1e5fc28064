//! A partition has one owner in a generation of its group, and one at a time in the consumer protocol.

use super::configured::operations;
use super::history::{History, seconds};
use super::ledger::{Check, Ledger, Promise};
use super::timeouts::hurry_ppm;
use crate::client::{ConsumerConfig, Outcome};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, TopicPartition};
use stormglass_scenarios::plan::{ConsumerPlan, Operation, Plan};

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
    /// How its partition of `__consumer_offsets` is led, where a member is told its share.
    pub(crate) reign: Option<Reign>,
}

/// How a group's log is led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reign {
    /// The newest leader epoch.
    pub(crate) epoch: LeaderEpoch,
    /// Its leader has not committed yet what it found when it began to lead, and what it has loaded.
    pub(crate) is_unsure: bool,
}

/// Who was told to have a partition in a generation.
#[derive(Debug)]
struct Owner {
    member: Arc<str>,
    at_ns: u64,
    /// Leader epoch of its coordinator, if that was unsure.
    unsure_in: Option<LeaderEpoch>,
}

impl Owner {
    fn new(member: &Arc<str>, at_ns: u64, reign: Option<Reign>) -> Self {
        let unsure_in = reign.filter(|reign| reign.is_unsure).map(|reign| reign.epoch);
        Self { member: Arc::clone(member), at_ns, unsure_in }
    }

    /// Whether the coordinator may have told it of a generation that its log has lost since. What was loaded is handed
    /// out before it is committed, in Kafka as well (`GroupMetadataManager.classicGroupSync` answers at once when a
    /// group is stable, and a loaded one is); the next leader may not have it, and counts on from the generation
    /// before (hunt seed 21009178).
    fn may_be_lost(&self, reign: Option<Reign>) -> bool {
        self.unsure_in.zip(reign).is_some_and(|(epoch, reign)| epoch < reign.epoch)
    }
}

/// Who has a partition, as its coordinator knows.
#[derive(Debug)]
struct Holder {
    member: Arc<str>,
    /// The member's epoch when it was first told so.
    epoch: i32,
    /// When it asked then, ns.
    since_ns: u64,
    /// Until then the coordinator has no reason to give the member up, ns.
    until_ns: u64,
}

impl Holder {
    /// Whether another member that had the partition in this epoch may have had it before. Its answer may be
    /// long on its way (hunt seed 751884); but a partition that goes over does so in a later epoch.
    fn may_follow(&self, epoch: i32, asked_ns: u64) -> bool {
        epoch < self.epoch && asked_ns < self.since_ns
    }
}

/// Members that were told their shares of a generation.
#[derive(Debug, Default)]
struct Told {
    generation: i32,
    members: BTreeSet<Arc<str>>,
    /// One of them asked again: a static member that was restarted.
    again: bool,
}

/// Who was told what.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    /// Per group, generation and partition.
    owners: BTreeMap<(usize, i32, TopicPartition), Owner>,
    /// The newest generation that members of a group of the classic protocol were told, per group.
    told: BTreeMap<usize, Told>,
    /// Members in the consumer protocol, per group and partition.
    holders: BTreeMap<(usize, TopicPartition), Holder>,
    /// When a group was removed last, ns.
    removed_ns: BTreeMap<usize, u64>,
    /// Groups that have a member again which had left.
    revived: BTreeSet<usize>,
    /// Per group.
    patience: Vec<Patience>,
}

/// How long a coordinator waits at least, ns.
#[derive(Debug, Clone, Copy, Default)]
struct Patience {
    /// For a member that is silent.
    session_ns: u64,
    /// For one that has to give up partitions.
    rebalance_ns: u64,
}

impl Patience {
    /// Until when a member is not given up that asked, and had asked when it was first told to give up what it still
    /// has. That it is heard makes its session longer, and not the time for giving up (Kafka's
    /// `scheduleConsumerGroupRebalanceTimeout` is for a member's changes; hunt seed 23010322).
    fn until_ns(self, asked_ns: u64, gives_up_since_ns: Option<u64>) -> u64 {
        let session_ns = asked_ns.saturating_add(self.session_ns);
        let told_ns = gives_up_since_ns.unwrap_or(asked_ns);
        session_ns.min(told_ns.saturating_add(self.rebalance_ns))
    }
}

impl Ownership {
    pub(crate) fn of(plan: &Plan) -> Self {
        let patience = plan.consumers.iter().map(|group| patience(plan, group)).collect();
        Self { patience, ..Self::default() }
    }

    /// A member has another share, or less of it.
    pub(crate) fn outcome(&mut self, ledger: &mut Ledger, group: &Group<'_>, outcome: &Outcome) {
        match outcome {
            Outcome::Assigned { generation, member, partitions, asked_ns, consumer_protocol } => {
                let is_current = self.removed_ns.get(&group.index) <= Some(asked_ns);
                if is_current {
                    self.assigned(ledger, group, (*generation, member, partitions));
                }
                if *consumer_protocol {
                    self.given(ledger, group, (member, partitions), (*generation, *asked_ns));
                } else if is_current {
                    self.tell(group.index, *generation, member);
                }
            }
            Outcome::Holds { member, partitions, epoch, since_ns, gives_up_since_ns }
                if !group.is_in_doubt =>
            {
                let patience = self.patience.get(group.index).copied().unwrap_or_default();
                let until_ns = patience.until_ns(*since_ns, *gives_up_since_ns);
                let (epoch, since_ns) = (*epoch, *since_ns);
                for tp in partitions {
                    let member = Arc::clone(member);
                    let holder = Holder { member, epoch, since_ns, until_ns };
                    self.holds((group.index, *tp), holder);
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

    /// A group without members and positions is removed when its coordinator looks for what has expired, and its
    /// generations begin at 1 again (hunt seeds 2069, 910187); at once, as the next coordinator may be the first
    /// that reads so (1012011). A member that was stopped may hear afterwards what it had asked before (1402780).
    pub(crate) fn removed(&mut self, group: usize, now_ns: u64) {
        self.removed_ns.insert(group, now_ns);
        self.owners.retain(|(of, ..), _| *of != group);
        self.told.remove(&group);
    }

    /// A group has a member again whose removal was compacted away while a replica was away. It keeps what others have
    /// been given since, and so do they, but not in the same epoch, in Kafka as here
    /// (`ConsumerGroup.addPartitionEpochs`; hunt seed 12000734).
    pub(crate) fn revived(&mut self, group: usize) {
        self.revived.insert(group);
    }

    /// Whether a group has had such a member.
    pub(super) fn has_revived(&self, group: usize) -> bool {
        self.revived.contains(&group)
    }

    fn tell(&mut self, group: usize, generation: i32, member: &Arc<str>) {
        let told = self.told.entry(group).or_default();
        if told.generation < generation {
            *told = Told { generation, ..Told::default() };
        }
        told.again |= told.generation == generation && !told.members.insert(Arc::clone(member));
    }

    /// Whether a partition has no owner because those who were about to share it out were restarted. Members
    /// of the cooperative protocol give up partitions in one generation and are given others in the next.
    /// Static ones that end between the two come back to the generation that there is, and remember nothing
    /// of the next; Kafka's coordinator sees no reason for one, either (KIP-345, KIP-429; hunt seed 821537).
    pub(crate) fn is_left_alone(&self, group: usize, tp: TopicPartition) -> bool {
        let told = self.told.get(&group).filter(|told| told.again);
        told.is_some_and(|told| !self.owners.contains_key(&(group, told.generation, tp)))
    }

    /// A member was told to keep a partition, which it had when it asked.
    fn holds(&mut self, place: (usize, TopicPartition), mut holder: Holder) {
        if let Some(before) = self.holders.get(&place)
            && before.member == holder.member
            && holder.since_ns < before.until_ns
        {
            (holder.epoch, holder.since_ns) = (before.epoch, before.since_ns);
        }
        self.holders.insert(place, holder);
    }

    /// A member was told that it may have partitions.
    fn given(
        &mut self,
        ledger: &mut Ledger,
        group: &Group<'_>,
        (member, partitions): (&Arc<str>, &[TopicPartition]),
        (epoch, asked_ns): (i32, u64),
    ) {
        for tp in partitions {
            let Some(holder) = self.holders.get(&(group.index, *tp)) else { continue };
            ledger.checked(Check::Ownership, 1);
            let now_ns = ledger.now_ns;
            let is_over = now_ns >= holder.until_ns || holder.may_follow(epoch, asked_ns);
            let is_in_doubt = group.is_in_doubt || self.has_revived(group.index);
            if holder.member == *member || is_in_doubt || is_over {
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
            let told = Owner::new(member, now_ns, group.reign);
            let owner = match owner {
                Entry::Vacant(none) => {
                    none.insert(told);
                    continue;
                }
                Entry::Occupied(owner) => owner.into_mut(),
            };
            if owner.member == *member {
                if told.unsure_in.is_none() {
                    owner.unsure_in = None; // the log has it for good
                }
                continue;
            }
            if group.is_void {
                continue;
            }
            if owner.may_be_lost(group.reign) {
                *owner = told;
                continue;
            }
            let (other, at_ns) = (&owner.member, owner.at_ns);
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

/// The session that the brokers give members, and the time that these give themselves to give up partitions.
fn patience(plan: &Plan, group: &ConsumerPlan) -> Patience {
    let session_ms = plan.cluster.config_ms("group.consumer.session.timeout.ms", 45_000);
    let session_ms = own_sessions_ms(plan, group).fold(session_ms, u64::min);
    let config = ConsumerConfig::parse(group).ok();
    let rebalance_ms =
        config.map_or(u64::MAX, |config| config.poll_interval_ms.unsigned_abs().into());
    let soonest_ns = |ms: u64| ms.saturating_mul(1_000_000 - hurry_ppm(plan));
    Patience { session_ns: soonest_ns(session_ms), rebalance_ns: soonest_ns(rebalance_ms) }
}

/// Sessions that an administrator gives a group, ms.
fn own_sessions_ms(plan: &Plan, group: &ConsumerPlan) -> impl Iterator<Item = u64> {
    operations(plan).filter_map(|operation| match operation {
        Operation::SetGroupConfig { group: of, key, value }
            if *of == group.group && key == "consumer.session.timeout.ms" =>
        {
            value.as_deref()?.parse().ok()
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    fn group(is_void: bool) -> Group<'static> {
        Group { index: 0, name: "g", is_void, is_in_doubt: is_void, reign: None }
    }

    fn assigned(generation: i32, member: &Arc<str>, partitions: &[TopicPartition]) -> Outcome {
        let (member, partitions) = (Arc::clone(member), partitions.to_vec());
        Outcome::Assigned { generation, member, partitions, asked_ns: 5, consumer_protocol: false }
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

    /// Hunt seed 21009178.
    #[test]
    fn a_generation_that_was_loaded_and_lost_comes_again() {
        let reign = |epoch, is_unsure| Some(Reign { epoch, is_unsure });
        let violations = |reigns: &[Option<Reign>]| {
            let (mut ledger, mut ownership) = (Ledger::default(), Ownership::default());
            let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
            let (told_last, told_before) = reigns.split_last().unwrap();
            for reign in told_before {
                let group = Group { reign: *reign, ..group(false) };
                ownership.outcome(&mut ledger, &group, &assigned(1, &a, &[tp(0)]));
            }
            let group = Group { reign: *told_last, ..group(false) };
            ownership.outcome(&mut ledger, &group, &assigned(1, &b, &[tp(0)]));
            ownership.outcome(&mut ledger, &group, &assigned(1, &b, &[tp(0)]));
            ledger.finish().1.len()
        };
        assert_eq!(violations(&[reign(4, true), reign(5, false)]), 0);
        assert_eq!(violations(&[reign(4, false), reign(5, false)]), 2, "it was committed");
        assert_eq!(violations(&[reign(4, true), reign(4, false)]), 2, "the same coordinator");
        let again = [reign(4, true), reign(4, false), reign(5, false)];
        assert_eq!(violations(&again), 2, "it was told again when it was committed");
    }

    /// Hunt seed 1402780.
    #[test]
    fn a_member_may_hear_late_what_it_was_in_a_group_that_is_gone() {
        let violations = |removed_ns| {
            let (mut ledger, mut ownership) = (Ledger::default(), Ownership::default());
            let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
            ownership.removed(0, removed_ns);
            ownership.outcome(&mut ledger, &group(false), &assigned(1, &a, &[tp(0)]));
            ownership.outcome(&mut ledger, &group(false), &assigned(1, &b, &[tp(0)]));
            ledger.finish().1.len()
        };
        assert_eq!((violations(5), violations(6)), (1, 0));
    }

    /// Hunt seed 821537.
    #[test]
    fn what_a_generation_leaves_over_stays_so_when_its_static_members_are_restarted() {
        let (mut ledger, mut ownership) = (Ledger::default(), Ownership::default());
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        ownership.outcome(&mut ledger, &group(false), &assigned(6, &a, &[tp(0)]));
        ownership.outcome(&mut ledger, &group(false), &assigned(6, &b, &[]));
        assert!(!ownership.is_left_alone(0, tp(1)), "the next generation is to come");
        ownership.outcome(&mut ledger, &group(false), &assigned(6, &b, &[]));
        assert!(ownership.is_left_alone(0, tp(1)));
        assert!(!ownership.is_left_alone(0, tp(0)), "it has an owner");
        ownership.outcome(&mut ledger, &group(false), &assigned(7, &b, &[]));
        assert!(!ownership.is_left_alone(0, tp(1)), "a rebalance came after all");
    }

    const SECOND_NS: u64 = 1_000_000_000;
    const PATIENCE: Patience = Patience { session_ns: 4 * SECOND_NS, rebalance_ns: 5 * SECOND_NS };

    /// Hunt seed 23010322.
    #[test]
    fn who_is_heard_has_no_more_time_to_give_up_what_it_was_told_to() {
        let until_ns = |asked_ns, told_ns| PATIENCE.until_ns(asked_ns, told_ns);
        assert_eq!(until_ns(10 * SECOND_NS, None), 14 * SECOND_NS, "its session");
        assert_eq!(until_ns(10 * SECOND_NS, Some(9 * SECOND_NS)), 14 * SECOND_NS);
        assert_eq!(until_ns(10 * SECOND_NS, Some(8 * SECOND_NS)), 13 * SECOND_NS);
        let silent = Patience { session_ns: 6 * SECOND_NS, ..PATIENCE };
        assert_eq!(
            silent.until_ns(10 * SECOND_NS, None),
            15 * SECOND_NS,
            "told in the next answer"
        );
    }

    /// `a` has partition 0, and says so at 1 s and 3 s, in epochs 7 and 8; `b` is given it in an epoch, asking
    /// at one time and answered at another.
    fn violations_when_given(
        epoch: i32,
        (asked_ns, at_ns): (u64, u64),
        was_released: bool,
        is_void: bool,
    ) -> usize {
        let mut ledger = Ledger::default();
        let mut ownership = Ownership { patience: vec![PATIENCE], ..Ownership::default() };
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        for (epoch, since_ns) in [(7, SECOND_NS), (8, 3 * SECOND_NS)] {
            let (member, partitions) = (Arc::clone(&a), vec![tp(0)]);
            let holds =
                Outcome::Holds { member, partitions, epoch, since_ns, gives_up_since_ns: None };
            ownership.outcome(&mut ledger, &group(false), &holds);
        }
        if was_released {
            let released = Outcome::Released { member: a, partitions: vec![tp(0)] };
            ownership.outcome(&mut ledger, &group(false), &released);
        }
        ledger.now_ns = at_ns;
        let (member, partitions) = (b, vec![tp(0)]);
        let given = Outcome::Assigned {
            generation: epoch,
            member,
            partitions,
            asked_ns,
            consumer_protocol: true,
        };
        ownership.outcome(&mut ledger, &group(is_void), &given);
        ledger.finish().1.len()
    }

    /// Hunt seed 12000734.
    #[test]
    fn who_is_back_keeps_what_others_were_given_but_not_in_the_same_epoch() {
        let violations = |is_back: bool, epoch: i32| {
            let mut ledger = Ledger::default();
            let mut ownership = Ownership { patience: vec![PATIENCE], ..Ownership::default() };
            let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
            let told = |member: &Arc<str>, generation: i32| Outcome::Assigned {
                generation,
                member: Arc::clone(member),
                partitions: vec![tp(0)],
                asked_ns: SECOND_NS,
                consumer_protocol: true,
            };
            ownership.outcome(&mut ledger, &group(false), &told(&a, 7));
            let (member, partitions) = (Arc::clone(&a), vec![tp(0)]);
            let (since_ns, gives_up_since_ns) = (SECOND_NS, None);
            let holds =
                Outcome::Holds { member, partitions, epoch: 7, since_ns, gives_up_since_ns };
            ownership.outcome(&mut ledger, &group(false), &holds);
            if is_back {
                ownership.revived(0);
            }
            ledger.now_ns = 2 * SECOND_NS;
            ownership.outcome(&mut ledger, &group(false), &told(&b, epoch));
            ledger.finish().1.len()
        };
        assert_eq!((violations(false, 8), violations(true, 8)), (1, 0));
        assert_eq!((violations(false, 7), violations(true, 7)), (2, 1));
    }

    #[test]
    fn a_partition_goes_on_when_it_is_given_up_or_its_member_was_silent_for_too_long() {
        let within = (5 * SECOND_NS, 6 * SECOND_NS);
        assert_eq!(violations_when_given(9, within, false, false), 1);
        assert_eq!(violations_when_given(9, within, true, false), 0);
        assert_eq!(violations_when_given(9, within, false, true), 0);
        assert_eq!(violations_when_given(9, (5 * SECOND_NS, 7 * SECOND_NS), false, false), 0);
    }

    /// Hunt seed 751884: the answer to who had the partition before was on its way for longer than a session.
    #[test]
    fn who_had_a_partition_before_may_hear_of_it_late() {
        let at_ns = 6 * SECOND_NS;
        assert_eq!(violations_when_given(6, (SECOND_NS - 1, at_ns), false, false), 0);
        assert_eq!(violations_when_given(6, (SECOND_NS, at_ns), false, false), 1, "asked since");
        assert_eq!(
            violations_when_given(7, (SECOND_NS - 1, at_ns), false, false),
            1,
            "no later epoch"
        );
    }
}
