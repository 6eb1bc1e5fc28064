//! A follower takes what its leader has sent, whatever its own configs would let in from a producer: the records are
//! in the leader's log, and must be in the replica's before it can be in sync. One that refuses them is left behind for
//! ever (KAFKA-9617: `max.message.bytes` had become smaller).

use super::{Before, Says, Speaker};
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::protocol::FetchPartitionResponse;

/// Where the records of an answer begin, and where they end.
pub(super) fn records(answer: &FetchPartitionResponse) -> Option<(Offset, Offset)> {
    let is_taken = answer.error.is_ok() && answer.diverging_epoch.is_none();
    let first = answer.records.first_offset().filter(|_| is_taken)?;
    Some((first, answer.records.last_offset()? + 1))
}

/// A follower has heard what it had asked for. A partition that another fetcher copies by now may not be taken from the
/// one before, and one that is throttled is left out all the same: who has refused records asks again after a while.
pub(super) fn are_taken(says: &mut Says<'_>, by: Speaker<'_>, before: &Before) {
    let Some(upto) = due(before) else { return };
    let Some(view) = by.broker.replica_view(before.tp) else { return };
    let next = view.log.next_offset();
    let is_throttled = || by.broker.throttled().any(|of| of.tp == before.tp && of.as_follower);
    let is_left_out = || {
        let mut followed = by.broker.followed().into_iter();
        followed.any(|part| {
            part.is_delayed && part.tp == before.tp && (part.leader, part.epoch) == before.from
        })
    };
    says.rule(next >= upto || !is_left_out() || is_throttled(), &|| {
        format!(
            "replica {} has got records up to {upto} from {:?} (leader, epoch), as it had asked for at offset {}, and \
             refuses them: its log goes on at {next}",
            by.node, before.from, before.asked
        )
    });
}

/// Where a log goes on with what has come, if it follows what the log has, and nothing is under way to the disk.
fn due(before: &Before) -> Option<Offset> {
    let (first, upto) = before.records?;
    let is_followed = before.follows == (Some(before.from.0), before.from.1);
    let is_asked = before.log_end == before.asked && before.next == before.asked;
    (is_followed && is_asked && first >= before.asked).then_some(upto)
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;
    use crate::recorder::testing::{batch, tp};
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::records::Records;

    #[test]
    fn records_that_follow_a_log_are_taken() {
        let before = Before {
            tp: tp(0),
            from: (NodeId(2), 1),
            follows: (Some(NodeId(2)), 1),
            asked: 20,
            log_end: 20,
            next: 20,
            high_watermark: 20,
            records: Some((20, 30)),
        };
        assert_eq!(due(&before), Some(30));
        assert_eq!(due(&Before { records: Some((25, 30)), ..before }), Some(30), "compacted");
        assert_eq!(due(&Before { records: Some((15, 30)), ..before }), None, "it has some");
        assert_eq!(due(&Before { records: None, ..before }), None);
        assert_eq!(due(&Before { next: 25, ..before }), None, "others are under way");
        assert_eq!(due(&Before { log_end: 25, next: 25, ..before }), None, "it has more");
        assert_eq!(due(&Before { follows: (Some(NodeId(2)), 2), ..before }), None);
    }

    #[test]
    fn an_answer_has_the_records_that_count() {
        let answer = told(Records::new(vec![batch(20, 10, 1), batch(30, 5, 2)]));
        assert_eq!(records(&answer), Some((20, 35)));
        assert_eq!(records(&told(Records::default())), None);
        let error = ErrorCode::NotLeaderOrFollower;
        assert_eq!(records(&FetchPartitionResponse { error, ..answer }), None);
    }
}
