//! AddPartitionsToTxn (key 24): of one transaction for clients, of several for brokers from version
//! 4 on (KIP-890).

use super::shared::{DecodeCx, by_topic, error_codes, fenced, producer, tp};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, Request, TxnPartitions,
};

/// First version with several transactions.
const BATCHED_FROM: i16 = 4;
/// First version with `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 5;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactions = if cx.version >= BATCHED_FROM {
        reader.array(|reader| read_transaction(reader, cx))?
    } else {
        vec![read_transaction(reader, cx)?]
    };
    if cx.version >= BATCHED_FROM {
        reader.skip_tags()?;
    }
    let request = AddPartitionsToTxnRequest { transactions, by_broker: cx.version >= BATCHED_FROM };
    Ok(Asked::Broker(Request::AddPartitionsToTxn(request)))
}

fn read_transaction(
    reader: &mut Reader,
    cx: &mut DecodeCx<'_>,
) -> Result<TxnPartitions, WireError> {
    let transactional_id = reader.string()?;
    let producer = producer(reader)?;
    let verify_only = if cx.version >= BATCHED_FROM { reader.bool()? } else { false };
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    let partitions = partitions.ok_or(WireError::Null)?;
    reader.skip_tags()?;
    Ok(TxnPartitions { transactional_id, producer, verify_only, partitions })
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &AddPartitionsToTxnResponse,
) {
    out.i32(0); // throttle time
    if call.version >= BATCHED_FROM {
        out.error(ErrorCode::None);
        out.array(response.transactions.iter(), |out, result| {
            out.string(&result.transactional_id);
            write_partitions(out, call, cluster, &result.partitions);
            out.no_tags();
        });
    } else {
        let result = response.transactions.first();
        let partitions = result.map_or(&[][..], |result| &result.partitions);
        write_partitions(out, call, cluster, partitions);
    }
    out.no_tags();
}

fn write_partitions(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    partitions: &[(TopicPartition, ErrorCode)],
) {
    let told = |error| match error {
        ErrorCode::TransactionAbortable if call.version < ABORTABLE_FROM => {
            ErrorCode::InvalidTxnState
        }
        error => fenced(error, call.version >= 2),
    };
    error_codes(out, call, cluster, partitions, told);
}
