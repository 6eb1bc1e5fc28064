//! Records of a body: round trips, damage, templates.

use super::*;
use crate::records::RecordView;
use crate::records::walk::get_varint;
use proptest::prelude::*;
use std::sync::Arc;

fn blob() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from))
}

fn record() -> impl Strategy<Value = Record> {
    let header = (blob(), blob())
        .prop_map(|(key, value)| RecordHeader { key: key.unwrap_or_default(), value });
    let headers = prop::collection::vec(header, 0..3);
    (any::<i32>(), any::<i64>(), blob(), blob(), headers).prop_map(
        |(offset_delta, timestamp_delta, key, value, headers)| Record {
            offset_delta,
            timestamp_delta,
            key,
            value,
            headers,
        },
    )
}

fn decode(bytes: &Bytes) -> Result<Record, RecordError> {
    let mut left = bytes.as_ref();
    let record = RecordView::decode(&mut left)?.to_record(bytes);
    assert!(left.is_empty());
    Ok(record)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_has_its_computed_size_and_is_read_back(record in record()) {
        let mut out = BytesMut::new();
        record.encode(&mut out);
        prop_assert_eq!(out.len(), record.size_bytes());
        prop_assert_eq!(decode(&out.freeze()), Ok(record));
    }

    #[test]
    fn junk_is_refused_or_read_without_panic(junk in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut batch = Batch::build(0, &mut [Record::default()]);
        batch.body = Body::Owned(junk.into());
        let _ = batch.records();
    }

    #[test]
    fn varints_have_their_length(value in any::<i64>(), shift in 0..63) {
        let value = value >> shift;
        let mut out = BytesMut::new();
        put_varint(&mut out, value);
        prop_assert_eq!(out.len(), varint_len(value));
        prop_assert_eq!(get_varint(&mut out.as_ref()), Ok(value));
    }
}

#[test]
fn a_cut_record_and_an_endless_number_are_errors() {
    let mut out = BytesMut::new();
    Record::new(None, Some(Bytes::from_static(b"value"))).encode(&mut out);
    let bytes = out.freeze();
    let cut = bytes.slice(..bytes.len() - 1);
    assert_eq!(decode(&cut), Err(RecordError::TooShort));
    let endless = Bytes::from_static(&[0xff; 11]);
    assert_eq!(decode(&endless), Err(RecordError::BadVarint));
}

#[test]
fn a_body_that_is_not_what_its_codec_makes_is_an_error() {
    let mut batch = Batch::build(0, &mut [Record::default()]);
    batch.header.attributes = 4;
    assert_eq!(batch.records(), Err(RecordError::BadCompression));
}

#[test]
fn a_template_is_valid_records_and_the_tag_is_in_the_first_value() {
    for (count, key, value) in [(1, 0, 8), (3, 10, 100), (70, 0, 7), (2, 3, 0)] {
        let template = Arc::new(BodyTemplate::of_records(count, key, value));
        let tag = u64::from_be_bytes(*b"storm!!!");
        let batch = Batch {
            header: Batch::build(0, &mut vec![Record::default(); count as usize]).header,
            body: Body::Template { template, tag },
        };
        let records = batch.records().expect("a template is records");
        assert_eq!(records.len(), count as usize);
        for (delta, record) in (0..).zip(&records) {
            assert_eq!(record.offset_delta, delta);
            let length = record.value.as_ref().map(Bytes::len);
            assert_eq!(length, Some(value));
        }
        let first = records[0].value.clone().unwrap();
        assert_eq!(first.starts_with(b"storm!!!"), value >= 8);
    }
}

#[test]
fn a_batch_has_as_many_records_as_its_header_says() {
    let mut batch = Batch::build(0, &mut vec![Record::default(); 3]);
    for count in [-1, 0, 2, 4, i32::MAX] {
        batch.header.record_count = count;
        assert_eq!(batch.records(), Err(RecordError::BadCount), "{count}");
    }
    let mut seen = 0;
    batch.header.record_count = 2;
    let mut count = |_: RecordView<'_>| -> Result<(), RecordError> {
        seen += 1;
        Ok(())
    };
    assert_eq!(batch.walk(&batch.unpack().unwrap(), &mut count), Err(RecordError::BadCount));
    assert_eq!(seen, 2, "what is too much is not looked at");
}

#[test]
fn a_record_is_inside_of_its_batch() {
    let batch = Batch::build(0, &mut vec![Record::default(); 3]);
    let offset_of = |offset_delta| {
        let mut bytes = BytesMut::new();
        Record { offset_delta, ..Record::default() }.encode(&mut bytes);
        batch.offset_of(RecordView::decode(&mut bytes.as_ref()).unwrap())
    };
    for (delta, offset) in [(0, Ok(0)), (2, Ok(2)), (3, Err(RecordError::BadOffset))] {
        assert_eq!(offset_of(delta), offset);
    }
    assert_eq!(offset_of(-1), Err(RecordError::BadOffset));
}

#[test]
fn timestamps_at_the_ends_of_their_range_do_not_wrap_around() {
    for (base, delta) in [(i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (i64::MAX, i64::MIN)] {
        let mut records = [Record { timestamp_delta: delta, ..Record::default() }];
        let batch = Batch::build(base, &mut records);
        let once = batch.with_records(records.to_vec(), Some(1000)).unwrap();
        let again = once.with_records(once.records().unwrap(), None).unwrap();
        assert_eq!(again.header.max_timestamp >= 0, delta > 0 && base > 0, "{base} {delta}");
    }
}
