//! Answers to producers and to those that ask for offsets.

use super::{Says, Speaker, fetches};
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::inspect::{ProducerView, ReplicaView};
use stormglass_broker_core::protocol::{
    Acks, EpochEndOffset, IsolationLevel, ListOffsetsPartitionResponse, ListOffsetsRequest,
    OffsetForLeaderEpochRequest, OffsetSpec, ProducePartition, ProducePartitionResponse,
    ProduceRequest,
};
use stormglass_broker_core::records::Batch;

/// A partition of a produce.
pub(super) fn produce(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (asked, in_order): (&ProduceRequest, &[TopicPartition]),
    part: &ProducePartitionResponse,
) {
    let node = by.node;
    let Some(view) = by.broker.replica_view(part.tp) else { return };
    let Some(data) = asked.partitions.iter().find(|data| data.tp == part.tp) else { return };
    let Some(batch) = data.records.batches().first() else { return };
    match part.error {
        ErrorCode::None if asked.acks == Acks::All && part.base_offset >= 0 => {
            let next = part.base_offset + Offset::from(batch.header.last_offset_delta) + 1;
            says.rule(next <= view.high_watermark, &|| {
                format!(
                    "broker {node} acknowledges offsets {}..{next} with acks=all at high watermark {}",
                    part.base_offset, view.high_watermark
                )
            });
        }
        // refused at once, unless other partitions wait
        ErrorCode::NotEnoughReplicas if asked.partitions.len() == 1 => {
            let Some(lead) = &view.lead else { return };
            says.rule(lead.isr.len() < lead.min_isr, &|| {
                format!("broker {node} wants more replicas, with an ISR of {}", lead.isr.len())
            });
        }
        // the same: what was missing may have been written while they did (hunt seed 860389), so the
        // batch must have been in order when it came, too
        ErrorCode::OutOfOrderSequenceNumber
            if asked.partitions.len() == 1 || in_order.contains(&part.tp) =>
        {
            sequence(says, by, batch, &view);
        }
        _ => {}
    }
}

/// A batch is refused for its sequence: then it is not in order.
fn sequence(says: &mut Says<'_>, by: Speaker<'_>, batch: &Batch, replica: &ReplicaView<'_>) {
    let header = &batch.header;
    let known = replica.log.producer_view(header.producer_id);
    says.rule(!is_in_order(batch, known), &|| {
        format!(
            "broker {} refuses sequence {} of producer {} in epoch {}, of whom it knows {known:?}",
            by.node, header.base_sequence, header.producer_id, header.producer_epoch
        )
    });
}

/// Partitions of a produce to several whose batch is in order, as it comes.
pub(super) fn in_order(broker: &Broker, asked: &ProduceRequest) -> Vec<TopicPartition> {
    let is_in_order = |data: &&ProducePartition| {
        let batch = data.records.batches().first();
        let Some(batch) = batch.filter(|batch| batch.header.producer_id >= 0) else { return false };
        let Some(replica) = broker.replica_view(data.tp) else { return false };
        is_in_order(batch, replica.log.producer_view(batch.header.producer_id))
    };
    if asked.partitions.len() == 1 {
        return Vec::new(); // answered as it comes
    }
    asked.partitions.iter().filter(is_in_order).map(|data| data.tp).collect()
}

/// Whether a batch goes on where its producer's last one ended, or begins a new epoch.
pub(super) fn is_in_order(batch: &Batch, known: Option<ProducerView>) -> bool {
    let Some(known) = known else { return true };
    let header = &batch.header;
    if header.producer_epoch > known.epoch {
        return header.base_sequence == 0;
    }
    let last = known.newest.map_or(-1, |(sequence, _)| sequence);
    let expected = if last == i32::MAX { 0 } else { last + 1 };
    header.base_sequence == expected
}

/// A partition of ListOffsets. `waited`: for a look at the disk, of another partition perhaps.
pub(super) fn list_offsets(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (asked, waited): (&ListOffsetsRequest, bool),
    part: &ListOffsetsPartitionResponse,
) {
    let node = by.node;
    let Some(view) = by.broker.replica_view(part.tp) else { return };
    if part.error == ErrorCode::OffsetNotAvailable && !waited {
        let begins = view.lead.as_ref().map(|lead| lead.epoch_start);
        return says.rule(may_not_know(view.high_watermark, begins), &|| {
            format!(
                "broker {node} does not name an end, with high watermark {}, and began to lead at {begins:?}",
                view.high_watermark
            )
        });
    }
    if !part.error.is_ok() {
        return;
    }
    let Some((.., spec)) = asked.partitions.iter().find(|(tp, ..)| *tp == part.tp) else { return };
    let start = view.log.log_start_offset();
    let offset = part.offset;
    match spec {
        OffsetSpec::Earliest => says.rule(offset == start || waited && offset < start, &|| {
            format!("broker {node} says that its log begins at {offset}, it begins at {start}")
        }),
        OffsetSpec::EarliestLocal => {
            let local = view.log.local_log_start_offset();
            says.rule(offset == local, &|| {
                format!("broker {node} says that its disk begins at {offset}, it does at {local}")
            });
        }
        OffsetSpec::LatestTiered => says.rule(offset < view.high_watermark, &|| {
            format!(
                "broker {node} says that {offset} is in remote storage, above what is committed"
            )
        }),
        OffsetSpec::Latest => {
            let end = view.high_watermark;
            let committed = asked.isolation == IsolationLevel::ReadCommitted;
            let stable = view.log.last_stable_offset(end);
            if waited && view.lead.is_none() {
                return; // it led when it looked
            }
            says.rule(is_end(offset, (end, stable), (committed, waited)), &|| {
                format!(
                    "broker {node} says that its log is committed up to {offset}, it is to {end}, and \
                     stable to {stable}"
                )
            });
            let begins = view.lead.as_ref().map_or(0, |lead| lead.epoch_start);
            says.rule(committed || waited || offset >= begins, &|| {
                format!("broker {node} names {offset} as its end, but began to lead at {begins}")
            });
        }
        OffsetSpec::Unsupported(time) => says.rule(false, &|| {
            format!("broker {node} answers what {time} stands for, which is nothing")
        }),
        OffsetSpec::MaxTimestamp | OffsetSpec::Timestamp(_) => {
            // that it is not below the log's start is looked at where that start, as it was asked, is known
            says.rule(offset < view.high_watermark, &|| {
                format!("broker {node} finds a timestamp at {offset}, outside what can be read")
            });
        }
    }
}

/// Whether a log may be said to end at an offset for readers, of committed records or of all, that ends at
/// `end`, and for the former at `stable`. Who has waited may be told of an earlier end.
fn is_end(
    offset: Offset,
    (end, stable): (Offset, Offset),
    (committed, waited): (bool, bool),
) -> bool {
    let limit = if committed { stable } else { end };
    offset == limit || waited && offset < limit
}

/// Whether a leader may not know where its log ends for readers: what is committed is below the offset at which it began
/// to lead (KIP-207).
pub(super) fn may_not_know(high_watermark: Offset, begins: Option<Offset>) -> bool {
    begins.is_some_and(|begins| high_watermark < begins)
}

/// A partition of OffsetForLeaderEpoch.
pub(super) fn epoch_end(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    asked: &OffsetForLeaderEpochRequest,
    (tp, error, told): &(TopicPartition, ErrorCode, EpochEndOffset),
) {
    let Some(view) = by.broker.replica_view(*tp).filter(|_| error.is_ok()) else { return };
    let of = |(at, ..): &&(TopicPartition, LeaderEpoch, LeaderEpoch)| at == tp;
    let Some((.., epoch)) = asked.partitions.iter().find(of) else { return };
    let known = fetches::epoch_end(view.log, *epoch);
    says.rule(known == *told, &|| {
        format!("broker {} says that epoch {epoch} ends at {told:?}; it is {known:?}", by.node)
    });
}

#[cfg(test)]
mod tests {
    use super::{is_end, may_not_know};

    #[test]
    fn a_leader_that_has_committed_what_it_found_knows_its_end() {
        assert!(may_not_know(9, Some(10)) && !may_not_know(10, Some(10)));
        assert!(!may_not_know(9, None), "others say that they do not lead");
    }

    #[test]
    fn readers_of_committed_records_are_told_of_no_end_beyond_what_is_stable() {
        let ends = (20, 12);
        assert!(is_end(20, ends, (false, false)) && is_end(12, ends, (true, false)));
        assert!(is_end(18, ends, (false, true)), "it has moved since");
        assert!(!is_end(18, ends, (false, false)) && !is_end(21, ends, (false, true)));
        assert!(!is_end(20, ends, (true, false)), "a transaction is open");
        assert!(!is_end(11, ends, (true, false)) && is_end(11, ends, (true, true)));
    }
}
