//! A reader that asks for what is beyond the end of a log, or before its start, is told so, and not that there is
//! nothing new: it would wait for records that it then takes for the next ones.

use super::looked::Looked;
use super::{Says, Speaker, fetches};
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{FetchPartition, FetchPartitionResponse};

/// A position that is out of a log's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outside {
    tp: TopicPartition,
    offset: Offset,
    /// In which the replica followed, or led.
    epoch: LeaderEpoch,
    /// It is in no part of the log; else a follower only had nothing of its last epoch, or of any before.
    is_beyond: bool,
}

/// Such positions among those that a fetch names, as it comes.
pub(super) fn of(looked: &[Looked<'_>]) -> Vec<Outside> {
    looked.iter().filter_map(|of| noted(&of.view, of.part)).collect()
}

fn noted(view: &ReplicaView<'_>, part: &FetchPartition) -> Option<Outside> {
    let (tp, offset, epoch) = (part.tp, part.fetch_offset, view.leader_epoch);
    let is_beyond = is_outside(view, offset);
    let follows = view.lead.is_none();
    let is_unknown =
        follows && fetches::is_told(view.log, part).is_some_and(|end| end.end_offset < 0);
    (is_beyond || is_unknown).then_some(Outside { tp, offset, epoch, is_beyond })
}

/// Whether a position is one of them.
pub(super) fn is_among(outside: &[Outside], position: &FetchPartition) -> bool {
    outside.iter().any(|of| of.tp == position.tp && of.offset == position.fetch_offset)
}

/// A partition is answered: it was outside, and is still. Logs go on only forwards in an epoch.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    outside: &[Outside],
    part: &FetchPartitionResponse,
) {
    let Some(of) = outside.iter().find(|of| of.is_beyond && of.tp == part.tp) else { return };
    let Some(view) = by.broker.replica_view(part.tp) else { return };
    if view.leader_epoch != of.epoch || !is_outside(&view, of.offset) {
        return;
    }
    says.rule(is_told(part), &|| {
        format!(
            "broker {} answers a reader of {:?} at offset {} as if nothing were new, and its log is {}..{}",
            by.node,
            part.tp,
            of.offset,
            view.log.log_start_offset(),
            view.log.log_end_offset()
        )
    });
}

fn is_outside(view: &ReplicaView<'_>, offset: Offset) -> bool {
    !(view.log.log_start_offset()..=view.log.log_end_offset()).contains(&offset)
}

/// Whether an answer says more than that there is nothing new: that something is wrong, where logs differ, or who
/// else is to be asked.
fn is_told(part: &FetchPartitionResponse) -> bool {
    let is_sent_on = part.preferred_read_replica.is_some();
    !part.error.is_ok() || part.diverging_epoch.is_some() || is_sent_on
}

#[cfg(test)]
mod tests {
    use super::super::tests::{log, told, view};
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::protocol::EpochEndOffset;
    use stormglass_broker_core::records::Records;

    fn part(error: ErrorCode) -> FetchPartitionResponse {
        FetchPartitionResponse { error, ..told(Records::default()) }
    }

    fn at(partition: i32, fetch_offset: Offset) -> FetchPartition {
        FetchPartition {
            tp: tp(partition),
            current_leader_epoch: 3,
            fetch_offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes: 1,
        }
    }

    /// Hunt seed 25001707.
    #[test]
    fn an_epoch_that_a_follower_has_nothing_of_is_noted_apart() {
        let log = log();
        let follows = ReplicaView { lead: None, ..view(&log) };
        let asked = |view: &ReplicaView<'_>, offset, last_fetched_epoch| {
            noted(view, &FetchPartition { last_fetched_epoch, ..at(0, offset) })
        };
        let unknown = asked(&follows, 30, 4).unwrap();
        assert!(!unknown.is_beyond && is_among(&[unknown], &at(0, 30)));
        assert!([3, 2, -1].iter().all(|epoch| asked(&follows, 30, *epoch).is_none()));
        assert!(asked(&follows, 31, -1).unwrap().is_beyond);
        assert_eq!(asked(&view(&log), 30, 4), None, "a leader knows its epochs");
    }

    #[test]
    fn a_position_is_outside_of_its_log_only() {
        let log = log();
        let view = view(&log);
        assert!([0, 30].iter().all(|offset| !is_outside(&view, *offset)));
        assert!([-1, 31].iter().all(|offset| is_outside(&view, *offset)));
        let outside = [Outside { tp: tp(0), offset: 31, epoch: 3, is_beyond: true }];
        assert!(is_among(&outside, &at(0, 31)));
        assert!(!is_among(&outside, &at(0, 32)), "it has moved on");
        assert!(!is_among(&outside, &at(1, 31)), "another one");
    }

    #[test]
    fn who_is_ahead_hears_of_it() {
        assert!(!is_told(&part(ErrorCode::None)));
        assert!(is_told(&part(ErrorCode::OffsetOutOfRange)));
        let end = EpochEndOffset { epoch: 1, end_offset: 3 };
        let diverging =
            FetchPartitionResponse { diverging_epoch: Some(end), ..part(ErrorCode::None) };
        assert!(is_told(&diverging));
        let preferred_read_replica = Some(NodeId(2));
        let sent_on = FetchPartitionResponse { preferred_read_replica, ..part(ErrorCode::None) };
        assert!(is_told(&sent_on));
    }
}
