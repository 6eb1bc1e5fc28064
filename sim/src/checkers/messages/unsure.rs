//! A new leader does not know where its log ends for readers before it has committed what it found when it began to lead:
//! its high watermark may be behind what an earlier leader has told (KIP-207). It does not name an end, nor does it say
//! that there is nothing as young as somebody asks for (Kafka's `Partition.fetchOffsetForTimestamp`).

use super::answers::may_not_know;
use super::{Says, Speaker, timestamps};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, OffsetSpec,
};

/// A partition whose leader did not know its end as it was asked about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsure {
    tp: TopicPartition,
    /// In which it led.
    epoch: LeaderEpoch,
    /// It was asked for the end, or else for what is found by time.
    wants_end: bool,
}

/// Partitions that are asked for their ends, or by time, and whose leader does not know their ends, as it is asked.
pub(super) fn of(broker: &Broker, asked: &ListOffsetsRequest) -> Vec<Unsure> {
    let unsure = asked.partitions.iter().filter_map(|(tp, epoch, spec)| {
        let wants_end = *spec == OffsetSpec::Latest;
        if !wants_end && !timestamps::is_by_time(*spec) {
            return None;
        }
        let view = broker.replica_view(*tp).filter(is_unsure)?;
        let is_of_epoch = *epoch == NO_EPOCH || *epoch == view.leader_epoch;
        is_of_epoch.then_some(Unsure { tp: *tp, epoch: view.leader_epoch, wants_end })
    });
    unsure.collect()
}

fn is_unsure(view: &ReplicaView<'_>) -> bool {
    may_not_know(view.high_watermark, view.lead.as_ref().map(|lead| lead.epoch_start))
}

/// A partition of ListOffsets. `unsure`: what [`of`] said when it was asked for.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    unsure: &[Unsure],
    part: &ListOffsetsPartitionResponse,
) {
    let Some(of) = unsure.iter().find(|of| of.tp == part.tp) else { return };
    let view = by.broker.replica_view(part.tp);
    // from when it was asked until now
    let is_still = view.is_some_and(|view| view.leader_epoch == of.epoch && is_unsure(&view));
    says.rule(may_say(*of, is_still, part), &|| {
        format!(
            "broker {} names offset {}, and had not committed yet what it began to lead with",
            by.node, part.offset
        )
    });
}

/// Whether a leader may say that of what it was `unsure` of as it was asked. It looks for times before it answers, and
/// may have got to know its end since, unless it `is_still` unsure.
fn may_say(unsure: Unsure, is_still: bool, part: &ListOffsetsPartitionResponse) -> bool {
    let is_found = !unsure.wants_end && (part.offset >= 0 || !is_still);
    !part.error.is_ok() || is_found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;

    #[test]
    fn who_does_not_know_the_end_says_so() {
        let says = |wants_end, is_still, error, offset| {
            let (tp, timestamp, leader_epoch) = (tp(0), -1, 1);
            let part = ListOffsetsPartitionResponse { tp, error, timestamp, offset, leader_epoch };
            may_say(Unsure { tp, epoch: 1, wants_end }, is_still, &part)
        };
        let (fine, unknown) = (ErrorCode::None, ErrorCode::OffsetNotAvailable);
        assert!(!says(true, true, fine, 5) && !says(true, false, fine, 5));
        assert!(says(true, true, unknown, -1) && says(false, true, unknown, -1));
        assert!(says(false, true, fine, 5), "it is below all that may be unknown");
        assert!(!says(false, true, fine, -1), "there may be one");
        assert!(says(false, false, fine, -1), "it has got to know");
    }
}
