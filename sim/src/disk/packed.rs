//! Cold batches in about six bytes each: headers as differences to what the previous batch lets
//! one expect, bodies as template and tag. Regenerates equal batches. Owned bodies are kept.

use super::cold_bytes::Place;
use super::dictionary::Dictionary;
use super::varint::{Reader, put, put_signed};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, BatchHeader, Body};

/// Attributes, offset delta and record count are not those of the previous batch.
const SHAPE: u8 = 1;
/// Another leader epoch.
const EPOCH: u8 = 2;
/// The base offset does not follow the previous batch.
const GAP: u8 = 4;
/// The sequence does not follow the producer's last one.
const SEQUENCE: u8 = 8;
/// Another template.
const TEMPLATE: u8 = 16;
/// The body is kept as it is.
const OWNED: u8 = 32;
/// The tag does not follow the producer's last one.
const TAG: u8 = 64;
/// Another producer.
const PRODUCER: u8 = 128;

/// Producers whose sequence and tag are remembered while a block is coded. More producers than
/// that cost bytes, not correctness.
const MEMORY: usize = 64;

/// A run of batches.
#[derive(Debug)]
pub(crate) struct Packed {
    bytes: Place,
    owned: Box<[Bytes]>,
}

/// What the next batch is expected to look like; coder and decoder go through the same states.
struct Expect {
    header: BatchHeader,
    producer: u32,
    template: u32,
    tag: u64,
    memory: [(u32, i32, u64); MEMORY],
}

impl Expect {
    fn new(base_offset: Offset) -> Self {
        let header = BatchHeader {
            base_offset,
            partition_leader_epoch: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        Self { header, producer: u32::MAX, template: 0, tag: 0, memory: [(u32::MAX, 0, 0); MEMORY] }
    }

    fn next_offset(&self) -> Offset {
        self.header.base_offset + Offset::from(self.header.last_offset_delta) + 1
    }

    /// Sequence and tag that are expected of a producer.
    fn of_producer(&self, producer: u32) -> (i32, u64) {
        match self.memory[producer as usize % MEMORY] {
            (known, sequence, tag) if known == producer => (sequence, tag),
            _ => (-1, self.tag),
        }
    }

    fn advance(&mut self, header: BatchHeader, producer: u32, tag: Option<u64>) {
        let last = header.last_sequence();
        let sequence = match last {
            i32::MAX => 0,
            last if last < 0 => last,
            last => last + 1,
        };
        let tag = tag.map_or(self.tag, |tag| tag.wrapping_add(1));
        self.memory[producer as usize % MEMORY] = (producer, sequence, tag);
        (self.header, self.producer, self.tag) = (header, producer, tag);
    }
}

impl Packed {
    /// Packs batches of one segment, in order.
    pub(crate) fn new<'a>(
        batches: impl Iterator<Item = &'a Arc<Batch>> + Clone,
        first_offset: Offset,
        dictionary: &mut Dictionary,
    ) -> Self {
        // Batches have left the processor's caches long ago. Coding waits for one after the other;
        // a look at all of them first lets these waits overlap.
        let owned = batches.clone().filter_map(|batch| match &batch.body {
            Body::Owned(body) => Some(body.clone()),
            Body::Template { .. } => None,
        });
        let owned = owned.collect();
        let mut expect = Expect::new(first_offset);
        let mut bytes = dictionary.take_scratch();
        for batch in batches {
            encode(batch, &mut expect, &mut bytes, dictionary);
        }
        let packed = Self { bytes: dictionary.cold.keep(&bytes), owned };
        dictionary.give_back(bytes);
        packed
    }

    /// Bytes of memory, owned bodies left out.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.bytes.memory_bytes() + size_of_val(&*self.owned)) as u64
    }

    pub(crate) fn iter<'a>(
        &'a self,
        first_offset: Offset,
        first_position: u32,
        dictionary: &'a Dictionary,
    ) -> Unpack<'a> {
        Unpack {
            bytes: dictionary.cold.read(&self.bytes),
            at: 0,
            owned: self.owned.iter(),
            expect: Expect::new(first_offset),
            position: first_position,
            dictionary,
        }
    }
}

fn encode(batch: &Batch, expect: &mut Expect, out: &mut Vec<u8>, dictionary: &mut Dictionary) {
    let header = &batch.header;
    let before = expect.header;
    let producer = dictionary.producer_index(header.producer_id, header.producer_epoch);
    let (sequence, expected_tag) = expect.of_producer(producer);
    let body = match &batch.body {
        Body::Owned(_) => None,
        Body::Template { template, tag } => Some((dictionary.template_index(template), *tag)),
    };
    let same_shape = header.attributes == before.attributes
        && header.last_offset_delta == before.last_offset_delta
        && header.record_count == before.record_count;
    let mut flags = 0;
    let mut flag = |when: bool, bit: u8| flags |= if when { bit } else { 0 };
    flag(!same_shape, SHAPE);
    flag(header.partition_leader_epoch != before.partition_leader_epoch, EPOCH);
    flag(header.base_offset != expect.next_offset(), GAP);
    flag(header.base_sequence != sequence, SEQUENCE);
    flag(body.is_some_and(|(template, _)| template != expect.template), TEMPLATE);
    flag(body.is_none(), OWNED);
    flag(body.is_some_and(|(_, tag)| tag != expected_tag), TAG);
    flag(producer != expect.producer, PRODUCER);

    out.push(flags);
    if flags & PRODUCER != 0 {
        put(out, u64::from(producer));
    }
    put_signed(out, header.base_timestamp.wrapping_sub(before.base_timestamp));
    put_signed(out, header.max_timestamp.wrapping_sub(header.base_timestamp));
    if flags & GAP != 0 {
        put_signed(out, header.base_offset - expect.next_offset());
    }
    if flags & EPOCH != 0 {
        put_signed(out, i64::from(header.partition_leader_epoch));
    }
    if flags & SHAPE != 0 {
        put_signed(out, i64::from(header.attributes));
        put_signed(out, i64::from(header.last_offset_delta));
        put_signed(out, i64::from(header.record_count));
    }
    if flags & SEQUENCE != 0 {
        put_signed(out, i64::from(header.base_sequence));
    }
    if let Some((template, tag)) = body {
        if flags & TEMPLATE != 0 {
            put(out, u64::from(template));
        }
        if flags & TAG != 0 {
            put_signed(out, tag.wrapping_sub(expected_tag).cast_signed());
        }
        expect.template = template;
    }
    expect.advance(*header, producer, body.map(|(_, tag)| tag));
}

/// A batch that is not built yet.
#[derive(Debug, Clone)]
pub(crate) struct Cold {
    pub(crate) position: u32,
    pub(crate) size_bytes: u32,
    pub(crate) header: BatchHeader,
    body: ColdBody,
}

#[derive(Debug, Clone)]
enum ColdBody {
    Owned(Bytes),
    Template { index: u32, tag: u64 },
}

impl Cold {
    /// A batch whose body is a template.
    pub(crate) fn of_template(
        position: u32,
        header: BatchHeader,
        index: u32,
        tag: u64,
        dictionary: &Dictionary,
    ) -> Self {
        let size_bytes = size_of_body(dictionary.template(index).len());
        Self { position, size_bytes, header, body: ColdBody::Template { index, tag } }
    }

    pub(crate) fn last_offset(&self) -> Offset {
        self.header.base_offset + Offset::from(self.header.last_offset_delta)
    }

    pub(crate) fn build(self, dictionary: &Dictionary) -> Arc<Batch> {
        let body = match self.body {
            ColdBody::Owned(bytes) => Body::Owned(bytes),
            ColdBody::Template { index, tag } => {
                Body::Template { template: Arc::clone(dictionary.template(index)), tag }
            }
        };
        Arc::new(Batch { header: self.header, body })
    }
}

fn size_of_body(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX - BATCH_OVERHEAD) + BATCH_OVERHEAD
}

/// Goes through a packed run.
pub(crate) struct Unpack<'a> {
    bytes: Cow<'a, [u8]>,
    /// What has been decoded of them.
    at: usize,
    owned: std::slice::Iter<'a, Bytes>,
    expect: Expect,
    position: u32,
    dictionary: &'a Dictionary,
}

impl Unpack<'_> {
    fn decode(&mut self) -> Option<Cold> {
        let (mut reader, expect) = (Reader::new(&self.bytes), &mut self.expect);
        reader.seek(self.at);
        let flags = reader.byte()?;
        let mut header = expect.header;
        let producer =
            if flags & PRODUCER != 0 { narrow(reader.unsigned()?)? } else { expect.producer };
        (header.producer_id, header.producer_epoch) = self.dictionary.producer(producer);
        header.base_timestamp = header.base_timestamp.wrapping_add(reader.signed()?);
        header.max_timestamp = header.base_timestamp.wrapping_add(reader.signed()?);
        header.base_offset = expect.next_offset();
        if flags & GAP != 0 {
            header.base_offset += reader.signed()?;
        }
        if flags & EPOCH != 0 {
            header.partition_leader_epoch = i32::try_from(reader.signed()?).ok()?;
        }
        if flags & SHAPE != 0 {
            header.attributes = i16::try_from(reader.signed()?).ok()?;
            header.last_offset_delta = i32::try_from(reader.signed()?).ok()?;
            header.record_count = i32::try_from(reader.signed()?).ok()?;
        }
        let (sequence, mut tag) = expect.of_producer(producer);
        header.base_sequence = sequence;
        if flags & SEQUENCE != 0 {
            header.base_sequence = i32::try_from(reader.signed()?).ok()?;
        }
        let (body, tag, len) = if flags & OWNED != 0 {
            let bytes = self.owned.next()?;
            (ColdBody::Owned(bytes.clone()), None, bytes.len())
        } else {
            if flags & TEMPLATE != 0 {
                expect.template = narrow(reader.unsigned()?)?;
            }
            if flags & TAG != 0 {
                tag = tag.wrapping_add(reader.signed()?.cast_unsigned());
            }
            let index = expect.template;
            let len = self.dictionary.template(index).len();
            (ColdBody::Template { index, tag }, Some(tag), len)
        };
        self.at = reader.position();
        expect.advance(header, producer, tag);
        let cold = Cold { position: self.position, size_bytes: size_of_body(len), header, body };
        self.position += cold.size_bytes;
        Some(cold)
    }
}

impl Iterator for Unpack<'_> {
    type Item = Cold;

    fn next(&mut self) -> Option<Cold> {
        self.decode()
    }
}

fn narrow(value: u64) -> Option<u32> {
    u32::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape};

    fn round_trip(batches: &[Arc<Batch>]) -> u64 {
        let mut dictionary = Dictionary::default();
        let first = batches[0].base_offset();
        let packed = Packed::new(batches.iter(), first, &mut dictionary);
        let mut position = 77;
        let mut again = packed.iter(first, position, &dictionary);
        for batch in batches {
            let cold = again.next().expect("as many batches as were packed");
            assert_eq!(cold.position, position);
            assert_eq!(cold.size_bytes, batch.size_bytes());
            position += batch.size_bytes();
            assert_eq!(cold.build(&dictionary), *batch);
        }
        assert!(again.next().is_none());
        packed.memory_bytes()
    }

    #[test]
    fn typical_batches_take_at_most_ten_bytes() {
        for producers in [1, 6, 60] {
            let shape = Shape { producers, ..Shape::default() };
            let batches = Maker::new(shape).batches(256);
            let bytes = round_trip(&batches);
            let limit = if producers > 20 { 13 } else { 8 };
            assert!(bytes <= 256 * limit, "{producers} producers: {bytes} bytes");
        }
    }

    #[test]
    fn anything_survives() {
        let mut maker = Maker::new(Shape { producers: 100, ..Shape::default() });
        let mut batches = Vec::new();
        for (index, batch) in maker.batches(300).into_iter().enumerate() {
            let mut batch = Arc::unwrap_or_clone(batch);
            match index % 7 {
                0 => batch.body = Body::Owned(Bytes::from(vec![index.to_le_bytes()[0]; index])),
                1 => batch.header.partition_leader_epoch = 5 + index as i32,
                2 => batch.header.max_timestamp = -1,
                3 => batch.header.base_sequence = i32::MAX - 3,
                4 => batch.header.attributes = 0x38,
                5 => batch.header.producer_id = i64::MAX - index as i64,
                _ => batch.header.base_timestamp = i64::MIN,
            }
            // a gap, as compaction leaves it
            batch.header.base_offset += 10 * (index as i64 / 50);
            batches.push(Arc::new(batch));
        }
        round_trip(&batches);
    }

    #[test]
    fn without_idempotence_nothing_is_lost() {
        let shape = Shape { idempotent: false, ..Shape::default() };
        let bytes = round_trip(&Maker::new(shape).batches(256));
        assert!(bytes <= 256 * 10, "{bytes}");
    }
}
