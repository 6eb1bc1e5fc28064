//! WriteTxnMarkers (key 27), between brokers.

use super::shared::{DecodeCx, by_topic, error_codes, producer, tp};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    Request, TransactionRules, TxnMarker, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let markers = reader.array(|reader| {
        let producer = producer(reader)?;
        let commit = reader.bool()?;
        let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
        let partitions = partitions.ok_or(WireError::Null)?;
        let coordinator_epoch = reader.i32()?;
        reader.skip_tags()?;
        // before Kafka 4.2 nobody says by which rules; these have more questions asked again
        let rules = TransactionRules::Added;
        Ok(TxnMarker { producer, commit, coordinator_epoch, rules, partitions })
    })?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::WriteTxnMarkers(WriteTxnMarkersRequest { markers })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &WriteTxnMarkersResponse,
) {
    out.array(response.markers.iter(), |out, (producer_id, partitions)| {
        out.i64(*producer_id);
        error_codes(out, call, cluster, partitions, |error| error);
        out.no_tags();
    });
    out.no_tags();
}
