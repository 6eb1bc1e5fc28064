//! What a coordinator says is in its log: whoever reads that log next would say the same. Looked at when a
//! member is told of another epoch or generation, or, in the consumer protocol, of what it may have, as that means
//! reading the log.

use super::{Says, Speaker};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::{
    ConsumerEpochsView, ReplicaView, consumer_epochs_from_log, member_epoch_from_log,
};
use stormglass_broker_core::protocol::{Request, Response};

/// Longer logs are not read, bytes.
pub(super) const BYTES_MAX: u64 = 8 << 20;

/// A node, a group and a member.
type Key = (i32, Arc<str>, Arc<str>);

/// Epochs and generations that members were told last.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<Key, i32>);

impl Told {
    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.0.retain(|(of, ..), _| *of != node);
    }

    /// Whether a member is told of another epoch than before.
    fn is_news(&mut self, key: Key, epoch: i32) -> bool {
        self.0.insert(key, epoch) != Some(epoch)
    }
}

/// Group, member, and the epoch or generation in which an answer has it.
fn of_member<'a>(
    asked: &'a Request,
    answer: &'a Response,
) -> Option<(&'a Arc<str>, &'a Arc<str>, i32)> {
    match (asked, answer) {
        (Request::ConsumerGroupHeartbeat(asked), Response::ConsumerGroupHeartbeat(answer)) => {
            let member = answer.member.as_ref().unwrap_or(&asked.member);
            let is_member = answer.error.is_ok() && answer.epoch > 0;
            is_member.then_some((&asked.group, member, answer.epoch))
        }
        (Request::SyncGroup(asked), Response::SyncGroup(answer)) => {
            answer.error.is_ok().then_some((&asked.group, &asked.member, asked.generation))
        }
        _ => None,
    }
}

/// A coordinator answers a member.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    told: &mut Told,
    (asked, answer): (&Request, &Response),
) {
    let Some((group, member, epoch)) = of_member(asked, answer) else { return };
    if let Response::ConsumerGroupHeartbeat(answer) = answer
        && answer.assignment.is_some()
    {
        finds_place(says, by, (group, member));
    }
    if !told.is_news((by.node, Arc::clone(group), Arc::clone(member)), epoch) {
        return;
    }
    // a later change, which the log has as well, has removed it
    if by.broker.member_epoch(group, member).flatten().is_none() {
        return;
    }
    let Some(tp) = by.broker.partition_of_group(group) else { return };
    let Some(view) = by.broker.replica_view(tp) else { return };
    let Some(lead) = view.lead.as_ref().filter(|_| view.log.size_bytes() <= BYTES_MAX) else {
        return;
    };
    // what a leader has begun with counts
    let upto = view.high_watermark.max(lead.epoch_start);
    let found = by.disk.batches(tp, &(0..upto));
    let known = |batches: usize| {
        member_epoch_from_log(found[..batches].iter().map(|batch| &**batch), group, member)
    };
    // it may have left with what was committed at once, and be about to come back (hunt seed 841541)
    let mut newest_first = (0..=found.len()).rev();
    let holds = newest_first.any(|batches| known(batches).is_some_and(|known| known >= epoch));
    says.rule(holds, &|| {
        let known = known(found.len());
        format!(
            "coordinator {} tells member {member} of {group} that it is in epoch or generation \
             {epoch}; whoever reads the log up to offset {upto}, where it is committed, finds {known:?}",
            by.node
        )
    });
}

/// A member in the consumer protocol is told what it may have: whoever reads the log finds that, and what the member has
/// to give up, which is nobody else's until it has. Not looked at while something of the group is on its way there.
fn finds_place(says: &mut Says<'_>, by: Speaker<'_>, (group, member): (&Arc<str>, &Arc<str>)) {
    let known = by.broker.consumer_epochs(group, member);
    let Some(known) = known.filter(|known| known.is_confirmed) else { return };
    let Some(tp) = by.broker.partition_of_group(group) else { return };
    let view = by.broker.replica_view(tp).filter(|view| view.lead.is_some());
    if view.is_none_or(|view| view.log.size_bytes() > BYTES_MAX) {
        return;
    }
    let batches = by.disk.batches(tp, &(0..Offset::MAX));
    let found = consumer_epochs_from_log(batches.iter().map(|batch| &**batch), group, member);
    says.rule(is_same(&known, found.as_ref()), &|| {
        format!(
            "coordinator {} goes on with member {member} of {group} as {known:?}, and whoever reads its log with \
             {found:?}",
            by.node
        )
    });
}

fn is_same(known: &ConsumerEpochsView, found: Option<&ConsumerEpochsView>) -> bool {
    found == Some(known)
}

/// A process has started, and `lost` is the first offset that its disk has lost: the log ends there, whatever
/// later segments are left, or begins anew where it has been deleted up to.
pub(super) fn ends_at_loss(
    says: &mut Says<'_>,
    node: i32,
    replica: &ReplicaView<'_>,
    lost: Option<Offset>,
) {
    let (start, next) = (replica.log.log_start_offset(), replica.log.next_offset());
    says.rule(lost.is_none_or(|lost| next <= lost || next == start), &|| {
        format!(
            "replica {node} loads a log from {start} to {next}, of which its disk has lost what came \
             from {lost:?} on"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn the_log_has_what_a_member_is_to_give_up() {
        let view = |revoking: &[i32]| ConsumerEpochsView {
            epoch: 5,
            previous: 4,
            assigned: [tp(0)].into(),
            revoking: revoking.iter().copied().map(tp).collect(),
            is_confirmed: true,
        };
        assert!(is_same(&view(&[1]), Some(&view(&[1]))));
        assert!(!is_same(&view(&[1]), Some(&view(&[]))), "others could have it");
        assert!(!is_same(&view(&[]), None));
    }

    #[test]
    fn the_log_has_where_a_member_is_and_what_it_may_have() {
        let known = ConsumerEpochsView {
            epoch: 5,
            previous: 4,
            assigned: [tp(0), tp(1)].into(),
            revoking: [tp(2)].into(),
            is_confirmed: true,
        };
        assert!(is_same(&known, Some(&known)));
        let of = |change: fn(&mut ConsumerEpochsView)| {
            let mut found = known.clone();
            change(&mut found);
            is_same(&known, Some(&found))
        };
        assert!(!of(|found| found.epoch = 4), "the epoch was not written");
        assert!(!of(|found| found.previous = 3), "it could not ask once more in the one before");
        assert!(!of(|found| found.assigned = [tp(0)].into()), "others could have it");
        assert!(!of(|found| found.assigned.extend([tp(3)])), "it was never told of it");
        assert!(!of(|found| found.revoking = [tp(2), tp(1)].into()), "it may keep that");
    }
}
