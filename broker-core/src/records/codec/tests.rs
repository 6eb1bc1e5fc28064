//! The codec against an independent one, against itself, and against damage.

use super::*;
use crate::records::{BodyTemplate, Record};
use kafka_protocol::records as theirs;
use proptest::prelude::*;

fn header() -> impl Strategy<Value = BatchHeader> {
    let ids = (any::<i64>(), any::<i32>(), any::<i16>(), any::<i64>(), any::<i64>());
    let producer = (any::<i64>(), any::<i16>(), any::<i32>(), 0..i32::MAX, any::<i32>());
    (ids, producer).prop_map(|(a, b)| BatchHeader {
        base_offset: a.0,
        partition_leader_epoch: a.1,
        attributes: a.2,
        base_timestamp: a.3,
        max_timestamp: a.4,
        producer_id: b.0,
        producer_epoch: b.1,
        base_sequence: b.2,
        last_offset_delta: b.3,
        record_count: b.4.rem_euclid(b.3.saturating_add(1)),
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    let body = prop::collection::vec(any::<u8>(), 0..300);
    (header(), body).prop_map(|(header, body)| Batch { header, body: Body::Owned(body.into()) })
}

fn bytes_of(batch: &Batch) -> Bytes {
    let mut out = BytesMut::new();
    batch.encode(&mut out);
    out.freeze()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(batches in prop::collection::vec(batch(), 0..5)) {
        let records = Records::new(batches.into_iter().map(Arc::new).collect());
        let mut out = BytesMut::new();
        records.encode(&mut out);
        let bytes = out.freeze();
        prop_assert_eq!(bytes.len(), records.size_bytes() as usize);
        prop_assert_eq!(Records::decode(bytes.clone()), Ok(records.clone()));
        let positions: Vec<_> = BatchWalk::new(bytes).map(|(position, _)| position).collect();
        let starts: Vec<_> = records.batches().iter().scan(0, |at, batch| {
            let start = *at;
            *at += u64::from(batch.size_bytes());
            Some(start)
        }).collect();
        prop_assert_eq!(positions, starts);
    }

    #[test]
    fn a_torn_tail_ends_the_walk(first in batch(), torn in batch(), share in 0..1000_usize) {
        let (whole, tail) = (bytes_of(&first), bytes_of(&torn));
        let cut = tail.len() * share / 1000;
        let mut file = BytesMut::from(&whole[..]);
        file.put_slice(&tail[..cut]);
        let mut walk = BatchWalk::new(file.freeze());
        let found: Vec<_> = walk.by_ref().map(|(_, batch)| batch.header).collect();
        prop_assert_eq!(found, vec![first.header]);
        prop_assert_eq!(walk.rest_bytes(), cut);
        prop_assert_eq!(walk.error().is_some(), cut > 0);
    }

    #[test]
    fn any_flipped_bit_under_the_crc_is_found(
        batch in batch(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = bytes_of(&batch).to_vec();
        let at = CRC_AT + at.index(bytes.len() - CRC_AT);
        bytes[at] ^= 1_u8 << bit;
        let error = Batch::decode(&mut Bytes::from(bytes)).unwrap_err();
        let is_crc = matches!(error, BatchError::BadCrc { .. });
        prop_assert!(is_crc);
    }

    #[test]
    fn junk_is_refused_without_panic(junk in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Batch::decode(&mut Bytes::from(junk)).is_err());
    }
}

#[test]
fn offset_and_epoch_are_not_under_the_crc() {
    let mut batch = Batch::build(7, &mut [Record::new(None, Some(Bytes::from_static(b"v")))]);
    let before = bytes_of(&batch);
    batch.header.base_offset = 1 << 40;
    batch.header.partition_leader_epoch = 12;
    let after = bytes_of(&batch);
    assert_ne!(before[..16], after[..16]);
    assert_eq!(before[16..], after[16..], "magic, CRC and all after it");
}

#[test]
fn bodies_share_the_memory_of_their_input() {
    let mut records = [Record::new(None, Some(Bytes::from_static(b"value")))];
    let bytes = bytes_of(&Batch::build(7, &mut records));
    let batch = Batch::decode(&mut bytes.clone()).unwrap();
    let Body::Owned(body) = &batch.body else { panic!("decoded bodies are bytes") };
    assert_eq!(body.as_ptr(), bytes[HEADER_BYTES..].as_ptr());
}

#[test]
fn each_error_has_its_name() {
    let mut batch = Batch::build(7, &mut [Record::new(None, None)]);
    let good = bytes_of(&batch);
    let decode = |bytes: &[u8]| Batch::decode(&mut Bytes::copy_from_slice(bytes)).unwrap_err();
    let found = good.len() - 1;
    assert_eq!(decode(&good[..found]), BatchError::TooShort { needed: found + 1, found });
    let mut bad = good.to_vec();
    bad[11] = 3;
    assert_eq!(decode(&bad), BatchError::BadLength(3));
    bad[8] = 0xff;
    assert!(matches!(decode(&bad), BatchError::BadLength(length) if length < 0));
    bad = good.to_vec();
    bad[16] = 1;
    assert_eq!(decode(&bad), BatchError::UnsupportedMagic(1));
    batch.header.record_count = -1;
    assert_eq!(decode(&bytes_of(&batch)), BatchError::NegativeCount);
}

#[test]
fn dur_20_more_records_than_offsets_are_refused() {
    let mut batch = Batch::build(7, &mut [Record::new(None, None), Record::new(None, None)]);
    batch.header.last_offset_delta = 0;
    let error = Batch::decode(&mut bytes_of(&batch)).unwrap_err();
    assert_eq!(error, BatchError::CountMismatch { record_count: 2, last_offset_delta: 0 });
    assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
}

#[test]
fn a_fetch_may_end_inside_a_batch_but_not_be_damaged() {
    let batch = Batch::build(7, &mut [Record::new(None, None)]);
    let one = bytes_of(&batch);
    let mut two = [one.clone(), one.clone()].concat();
    let cut = Bytes::copy_from_slice(&two[..two.len() - 3]);
    assert_eq!(Records::decode_prefix(cut.clone()).unwrap().batches().len(), 1);
    assert!(Records::decode(cut).is_err());
    let last = two.len() - 1;
    two[last] ^= 1;
    assert!(matches!(Records::decode_prefix(two.into()), Err(BatchError::BadCrc { .. })));
}

#[test]
fn an_independent_decoder_reads_our_batches() {
    let template = Arc::new(BodyTemplate::of_records(15, 4, 1024));
    let mut batch = Batch::build(1000, &mut vec![Record::default(); 15]);
    batch.header.base_offset = 42;
    batch.header.producer_id = 9;
    batch.header.producer_epoch = 1;
    batch.header.base_sequence = 30;
    batch.body = Body::Template { template, tag: 0x1122_3344_5566_7788 };
    let set = theirs::RecordBatchDecoder::decode(&mut bytes_of(&batch)).unwrap();
    assert_eq!(set.records.len(), 15);
    for (delta, record) in (0..).zip(&set.records) {
        assert_eq!((record.offset, record.sequence), (42 + delta, 30 + delta as i32));
        assert_eq!((record.producer_id, record.timestamp), (9, 1000));
        assert_eq!(record.key.as_ref().map(Bytes::len), Some(4));
        assert_eq!(record.value.as_ref().map(Bytes::len), Some(1024));
    }
    let first = set.records[0].value.as_ref().unwrap();
    assert_eq!(first[..8], 0x1122_3344_5566_7788_u64.to_be_bytes());
}

#[test]
fn we_read_the_batches_of_an_independent_encoder() {
    let record = |offset: i64| theirs::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 3,
        producer_id: 77,
        producer_epoch: 2,
        timestamp_type: theirs::TimestampType::Creation,
        offset,
        sequence: 5 + i32::try_from(offset).unwrap(),
        timestamp: 1000 + offset,
        key: (offset > 0).then(|| Bytes::from_static(b"key")),
        value: Some(Bytes::from(vec![b'v'; 200 * offset as usize])),
        headers: [("h".into(), Some(Bytes::from_static(b"1"))), ("n".into(), None)].into(),
    };
    let written: Vec<_> = (0..4).map(record).collect();
    let options =
        theirs::RecordEncodeOptions { version: 2, compression: theirs::Compression::None };
    let mut out = BytesMut::new();
    theirs::RecordBatchEncoder::encode(&mut out, &written, &options).unwrap();
    let bytes = out.freeze();
    let batch = Batch::decode(&mut bytes.clone()).unwrap();
    assert_eq!(batch.header.record_count, 4);
    assert_eq!((batch.header.producer_id, batch.header.base_sequence), (77, 5));
    assert_eq!(batch.header.max_timestamp, 1003);
    let read = batch.records().unwrap();
    for (record, written) in read.iter().zip(&written) {
        assert_eq!(i64::from(record.offset_delta), written.offset);
        assert_eq!((&record.key, &record.value), (&written.key, &written.value));
        assert_eq!(record.headers.len(), 2);
        assert_eq!(record.headers[1].value, None);
    }
    assert_eq!(bytes_of(&batch), bytes, "and write them back unchanged");
}
