//! DescribeTransactions (key 65, KIP-664).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactional_ids = reader.array(Reader::string)?;
    reader.skip_tags()?;
    let request = DescribeTransactionsRequest { transactional_ids };
    Ok(Asked::Broker(Request::DescribeTransactions(request)))
}

pub(crate) fn encode(out: &mut Writer, response: &DescribeTransactionsResponse) {
    out.i32(0); // throttle time
    out.array(response.transactions.iter(), |out, (id, found)| {
        out.error(found.as_ref().err().copied().unwrap_or(ErrorCode::None));
        let found = found.as_ref().ok();
        out.string(id);
        out.string(found.map_or("", |found| found.state.name()));
        out.i32(found.map_or(0, |found| found.timeout_ms));
        out.i64(found.map_or(0, |found| found.start_ms));
        out.i64(found.map_or(0, |found| found.producer.id));
        out.i16(found.map_or(0, |found| found.producer.epoch));
        let topics = found.map_or(&[][..], |found| &found.partitions);
        out.array(topics.iter(), |out, (topic, partitions)| {
            out.string(topic);
            out.array(partitions.iter(), |out, partition| out.i32(*partition));
            out.no_tags();
        });
        out.no_tags();
    });
    out.no_tags();
}
