//! Batches of clients that a leader must refuse, whatever else it thinks of them.

use stormglass_broker_core::Broker;
use stormglass_broker_core::config::TimestampType;
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{ProducePartition, Request};
use stormglass_broker_core::records::BatchHeader;

/// Clocks of brokers are wrong by less, ms.
const CLOCKS_MS: i64 = 2 * 24 * 3_600_000;

/// Why a leader must not take a produce; `None`: it may. Of a request for several partitions nothing is said,
/// as its answer is one for each.
pub(super) fn objection(broker: &Broker, request: &Request, wall_ms: i64) -> Option<String> {
    let Request::Produce(asked) = request else { return None };
    let [data] = asked.partitions.as_slice() else { return None };
    let replica = broker.replica_view(data.tp)?;
    let flaw = flaw(data, &replica, wall_ms)?;
    Some(format!("a batch for {:?} {flaw}", data.tp))
}

fn flaw(data: &ProducePartition, replica: &ReplicaView<'_>, wall_ms: i64) -> Option<&'static str> {
    let [batch] = data.records.batches() else { return Some("is not alone, or is not there") };
    let config = replica.log.config();
    if batch.size_bytes() > config.max_message_bytes {
        return Some("is larger than max.message.bytes");
    }
    let ahead_ms = batch.header.max_timestamp.saturating_sub(wall_ms);
    if ahead_ms.saturating_sub(CLOCKS_MS) > config.timestamp_after_max_ms
        && config.timestamp_type == TimestampType::CreateTime
    {
        return Some("is from the future");
    }
    of_header(&batch.header)
}

fn of_header(header: &BatchHeader) -> Option<&'static str> {
    let knows_no_more = header.base_sequence < 0 || header.producer_epoch < 0;
    let flaws = [
        (header.record_count <= 0, "has no records"),
        (header.last_offset_delta != header.record_count - 1, "has another number of records"),
        (header.base_offset != 0, "does not begin at offset 0"),
        (header.is_control(), "is a marker"),
        (header.has_producer_id() && knows_no_more, "has a producer id and no sequence"),
        (header.is_transactional() && !header.has_producer_id(), "is of nobody's transaction"),
    ];
    flaws.into_iter().find_map(|(is_so, flaw)| is_so.then_some(flaw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::records::{Batch, Record};

    fn header(change: impl FnOnce(&mut BatchHeader)) -> BatchHeader {
        let mut batch = Batch::build(5, &mut [Record::new(None, None), Record::new(None, None)]);
        change(&mut batch.header);
        batch.header
    }

    #[test]
    fn a_header_has_at_most_what_a_client_may_say() {
        assert_eq!(of_header(&header(|_| ())), None);
        let produced = |of: &mut BatchHeader| {
            (of.producer_id, of.producer_epoch, of.base_sequence) = (3, 0, 0);
        };
        assert_eq!(of_header(&header(produced)), None);
        let changes: [fn(&mut BatchHeader); 6] = [
            |of| of.record_count = 0,
            |of| of.last_offset_delta += 1,
            |of| of.base_offset = 1,
            |of| *of = of.as_control(),
            |of| of.producer_id = 3,
            |of| *of = of.as_transactional(),
        ];
        let flaws = changes.map(|change| of_header(&header(change)));
        assert!(flaws.iter().all(Option::is_some), "{flaws:?}");
    }
}
