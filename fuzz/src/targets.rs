//! The readers of foreign bytes, one function each.

use crate::one_topic::OneTopic;
use bytes::Bytes;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::CorrelationId;
use stormglass_broker_core::metadata::{decode_batch, decode_record, decode_snapshot};
use stormglass_broker_core::records::{Batch, Body, EndTxnMarker, Record, Records};
use stormglass_scenarios::import::{ImportFile, ImportOptions, import};
use stormglass_scenarios::{Source, load};
use stormglass_server::NodeOptions;
use stormglass_wire::{
    Decoded, Hello, WireError, decode_peer_request, decode_peer_response, decode_request,
    encode_peer_request, encode_peer_response,
};

/// What became of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The broker would be asked.
    Asks,
    /// The codec has the answer.
    Answered,
    /// The connection would be closed.
    Refused,
}

/// A frame as a client may send it, without its length.
pub fn frames(data: &[u8]) -> Frame {
    match decode_request(Bytes::copy_from_slice(data), &OneTopic) {
        Ok(Decoded::Ask(..)) => Frame::Asks,
        Ok(Decoded::Answer(_) | Decoded::Silence) => Frame::Answered,
        Err(_) => Frame::Refused,
    }
}

/// A frame between nodes. What can be read comes out the same when it is written, read, and written
/// again.
///
/// # Panics
/// If it does not.
pub fn nodes(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    if let Ok(hello) = Hello::decode(frame.clone()) {
        let again = Hello::decode(hello.encode().to_bytes().slice(PREFIX_BYTES..));
        assert_eq!(again.ok().as_ref(), Some(&hello));
    }
    comes_back(&frame, decode_peer_request, encode_peer_request);
    comes_back(&frame, decode_peer_response, encode_peer_response);
}

/// What can be read and written. Bytes are compared, as a number may be none (NaN).
fn comes_back<T>(
    frame: &Bytes,
    decode: fn(Bytes) -> Result<(CorrelationId, T), WireError>,
    encode: fn(CorrelationId, &T) -> Option<stormglass_wire::Frame>,
) {
    if let Ok((correlation, message)) = decode(frame.clone())
        && let Some(written) = encode(correlation, &message)
    {
        let written = written.to_bytes();
        let again = decode(written.slice(PREFIX_BYTES..));
        let (correlation, message) = again.expect("it was written by this codec");
        let again = encode(correlation, &message).map(|frame| frame.to_bytes());
        assert_eq!(again, Some(written));
    }
}

/// Bytes of a frame's length.
const PREFIX_BYTES: usize = 4;

/// Record batches. Those that are sound are encoded as they were.
///
/// # Panics
/// If they are not.
pub fn batches(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(records) = Records::decode(bytes.clone()) {
        let mut again = bytes::BytesMut::new();
        records.encode(&mut again);
        assert_eq!(again.freeze(), bytes, "a batch has other bytes than it came with");
    }
    let _ = Records::decode_prefix(bytes.clone());
    let mut rest = bytes;
    while let Ok(batch) = Batch::decode(&mut rest) {
        let _ = batch.records();
        let _ = EndTxnMarker::of(&batch);
    }
    // what is behind a CRC is seldom reached: the same bytes as the records of a sound batch
    for attributes in 0..5 {
        let mut batch = Batch::build(0, &mut [Record::new(None, None)]);
        batch.header.attributes = attributes;
        batch.header.record_count = 3;
        batch.header.last_offset_delta = 2;
        batch.body = Body::Owned(Bytes::copy_from_slice(data));
        let _ = batch.records();
    }
}

/// Records and snapshots of the metadata log.
pub fn metadata(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = decode_record(data);
    let _ = decode_snapshot(data);
    let _ = decode_snapshot(&[data, &crc32c::crc32c(data).to_be_bytes()].concat());
    let mut rest = bytes;
    while let Ok(batch) = Batch::decode(&mut rest) {
        let _ = decode_batch(&batch);
    }
}

/// A scenario, or a node.toml.
pub fn configs(data: &[u8]) {
    let _ = load(&Source::new("fuzz.toml", data), &[], 1);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = NodeOptions::parse(text, &BTreeMap::new());
    }
}

/// A file of another tool, named so that its kind is told by what is in it.
pub fn imports(data: &[u8]) {
    for name in ["fuzz.json", "fuzz.yaml", "fuzz.txt", "fuzz.properties", "fuzz.csv"] {
        let file = ImportFile { name: name.to_owned(), bytes: data.to_vec() };
        let _ = import(&[file], &ImportOptions::default());
    }
}
