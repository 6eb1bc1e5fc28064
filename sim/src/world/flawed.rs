//! Batches of a clumsy producer, each with one thing that is wrong.

use bytes::Bytes;
use std::sync::Arc;
use stormglass_broker_core::records::{Batch, Record, Records};
use stormglass_scenarios::plan::Flaw;

/// More than `max.message.bytes` of Kafka's defaults.
const TOO_LARGE: usize = 1_100_000;
/// More than hunts allow by `message.timestamp.after.max.ms`.
const FUTURE_MS: i64 = 30 * 24 * 3_600_000;
/// A producer id that no coordinator has given.
const STRANGER: i64 = 1 << 50;

/// What such a producer sends.
pub(super) fn records(flaw: Flaw, wall_ms: i64) -> Records {
    let batch = flawed(flaw, wall_ms);
    match flaw {
        Flaw::TwoBatches => Records::new(vec![Arc::new(batch.clone()), Arc::new(batch)]),
        _ => Records::single(Arc::new(batch)),
    }
}

fn flawed(flaw: Flaw, wall_ms: i64) -> Batch {
    let value = match flaw {
        Flaw::TooLarge => Bytes::from(vec![0; TOO_LARGE]),
        _ => Bytes::from_static(b"flawed"),
    };
    let key = Bytes::from_static(b"key");
    let mut batch = Batch::build(wall_ms, &mut [Record::new(Some(key), Some(value))]);
    let header = &mut batch.header;
    match flaw {
        Flaw::RecordCount => header.last_offset_delta += 1,
        Flaw::BaseOffset => header.base_offset = 7,
        Flaw::Control => *header = header.as_control(),
        Flaw::NoSequence => (header.producer_id, header.producer_epoch) = (STRANGER, 0),
        Flaw::NoProducer => *header = header.as_transactional(),
        Flaw::FromTheFuture => {
            header.base_timestamp += FUTURE_MS;
            header.max_timestamp += FUTURE_MS;
        }
        Flaw::TooLarge | Flaw::TwoBatches => {}
    }
    batch
}
