//! A new leader does not know where its log ends for readers before it has committed what it found when it began to lead:
//! its high watermark may be behind what an earlier leader has told (KIP-207).

use super::Says;
use super::answers::may_not_know;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{NO_EPOCH, TopicPartition};
use stormglass_broker_core::protocol::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, OffsetSpec,
};

/// Partitions that are asked for something else than their beginnings, and whose leader does not know their ends, as
/// it is asked.
pub(super) fn of(broker: &Broker, asked: &ListOffsetsRequest) -> Vec<TopicPartition> {
    let ends = asked.partitions.iter().filter(|(.., spec)| !is_start(*spec));
    let unsure = ends.filter(|(tp, epoch, _)| {
        let Some(view) = broker.replica_view(*tp) else { return false };
        let begins = view.lead.as_ref().map(|lead| lead.epoch_start);
        let is_of_epoch = *epoch == NO_EPOCH || *epoch == view.leader_epoch;
        is_of_epoch && may_not_know(view.high_watermark, begins)
    });
    unsure.map(|(tp, ..)| *tp).collect()
}

/// A partition of ListOffsets. `unsure`: what [`of`] said when it was asked for.
pub(super) fn answer(
    says: &mut Says<'_>,
    node: i32,
    unsure: &[TopicPartition],
    part: &ListOffsetsPartitionResponse,
) {
    says.rule(!part.error.is_ok() || !unsure.contains(&part.tp), &|| {
        format!(
            "broker {node} names offset {}, and had not committed yet what it began to lead with",
            part.offset
        )
    });
}

fn is_start(spec: OffsetSpec) -> bool {
    matches!(spec, OffsetSpec::Earliest | OffsetSpec::EarliestLocal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;

    #[test]
    fn who_does_not_know_the_end_says_so() {
        let broken = |unsure: &[TopicPartition], error| {
            let (timestamp, offset, leader_epoch) = (-1, 5, 1);
            let tp = tp(0);
            let part = ListOffsetsPartitionResponse { tp, error, timestamp, offset, leader_epoch };
            let (mut ledger, history) = (Ledger::default(), History::default());
            let mut says =
                Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
            answer(&mut says, 1, unsure, &part);
            ledger.finish().1.len()
        };
        assert_eq!(broken(&[tp(0)], ErrorCode::None), 1);
        assert_eq!(broken(&[tp(0)], ErrorCode::OffsetNotAvailable), 0);
        assert_eq!(broken(&[tp(1)], ErrorCode::None), 0, "another one");
        assert!(is_start(OffsetSpec::Earliest) && !is_start(OffsetSpec::MaxTimestamp));
    }
}
