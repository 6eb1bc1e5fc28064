//! A follower takes over where its leader's log begins, whether records come with the answer or not: what is deleted
//! there would be back if it led next.

use super::{Before, Says, Speaker};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::FetchPartitionResponse;

/// What a follower is about to hear of its leader's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    tp: TopicPartition,
    /// Where the log begins, at most where the follower knows it to be committed.
    start: Offset,
    /// Where the records end that come with it, if some do.
    upto: Option<Offset>,
}

impl Told {
    /// Of an answer, if it says something new and answers what the follower waits for.
    pub(super) fn of(
        broker: &Broker,
        (view, before): (&ReplicaView<'_>, &Before),
        answer: &FetchPartitionResponse,
    ) -> Option<Self> {
        let begins = view.log.log_start_offset();
        let start = answer.log_start_offset.min(before.high_watermark);
        let is_taken = answer.error.is_ok() && answer.diverging_epoch.is_none();
        let is_followed = before.follows == (Some(before.from.0), before.from.1);
        if start <= begins || !is_taken || !is_followed || before.log_end != before.asked {
            return None;
        }
        // one that another fetcher copies by now takes no answer of the one before
        let mut followed = broker.followed().into_iter();
        let is_asked = followed.any(|part| part.tp == answer.tp && part.is_asked);
        let is_heard = is_asked && !are_written(before, answer.records.first_offset());
        let upto = answer.records.last_offset().map(|last| last + 1);
        is_heard.then_some(Self { tp: answer.tp, start, upto })
    }

    pub(super) fn tp(&self) -> TopicPartition {
        self.tp
    }
}

/// Whether records are in the log already, and so are refused: a follower asks from where the disk has confirmed
/// its log, and an append of the fetcher before may still be under way. They may end where the log does, as if
/// they had been taken (hunt seed 10000124; Kafka's replica appends at once).
fn are_written(before: &Before, first: Option<Offset>) -> bool {
    before.asked < before.next && first.is_some_and(|first| first < before.next)
}

/// It has heard it.
pub(super) fn is_taken_over(says: &mut Says<'_>, by: Speaker<'_>, told: Told) {
    let Some(view) = by.broker.replica_view(told.tp) else { return };
    begins(says, by.node, (view.log.log_start_offset(), view.log.next_offset()), told);
}

/// A log has a start, and goes on somewhere. With records that were refused, nothing is taken.
fn begins(says: &mut Says<'_>, node: i32, (start, next): (Offset, Offset), told: Told) {
    if told.upto.is_some_and(|upto| upto != next) {
        return;
    }
    says.rule(start >= told.start, &|| {
        format!(
            "replica {node} has heard that its leader's log begins at {}, and its own begins at {start} still",
            told.start
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::ids::NodeId;

    fn broken(start: Offset, upto: Option<Offset>) -> usize {
        let (mut ledger, history) = (Ledger::default(), History::default());
        let (label, is_gapless) = ("t-0", true);
        let mut says = Says { ledger: &mut ledger, label, history: &history, is_gapless };
        begins(&mut says, 1, (start, 30), Told { tp: tp(0), start: 20, upto });
        ledger.finish().1.len()
    }

    #[test]
    fn a_log_begins_where_its_leaders_does() {
        assert_eq!((broken(20, None), broken(25, Some(30))), (0, 0));
        assert_eq!((broken(19, None), broken(19, Some(30))), (1, 1));
        assert_eq!(broken(19, Some(40)), 0, "the records were refused");
    }

    /// Hunt seed 10000124: the log ended where the records did, since it had them.
    #[test]
    fn records_that_are_written_already_are_refused() {
        let before = |asked, next| Before {
            tp: tp(0),
            from: (NodeId(2), 1),
            follows: (Some(NodeId(2)), 1),
            asked,
            log_end: asked,
            next,
            high_watermark: 20,
            records: None,
        };
        let refused = |asked, next, first| are_written(&before(asked, next), first);
        assert!(refused(20, 30, Some(20)), "the disk has not confirmed them yet");
        assert!(!refused(20, 30, Some(30)), "compaction has left nothing in between");
        assert!(!refused(20, 30, None), "nothing comes that could be refused");
        assert!(!refused(20, 20, Some(20)), "they are new");
        assert!(!refused(20, 20, Some(15)), "a log that begins amid a batch takes it whole");
    }
}
