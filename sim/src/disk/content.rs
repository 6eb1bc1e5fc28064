//! What a segment's file holds: a hot tail of shared batches behind cold blocks that regenerate
//! theirs. Leaves out the index files, which the broker keeps itself and rebuilds.

use super::dictionary::Dictionary;
use super::packed::{Cold, Packed};
use super::run::Run;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

/// Batches that are packed at once. More make better use of what neighbours have in common, fewer
/// make a lookup shorter.
const BLOCK: usize = 128;

/// Batches of the tail that stay shared: what followers and consumers that keep up still read.
const HOT: usize = 64;

/// Cold batches with where they begin and end.
#[derive(Debug)]
struct Block {
    first_offset: Offset,
    next_offset: Offset,
    first_position: u32,
    end_position: u32,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    Packed(Packed),
    Run(Box<Run>),
}

/// A batch of the tail and where it lies.
#[derive(Debug)]
pub(crate) struct Hot {
    /// Kept here so that a search touches no batch.
    next_offset: Offset,
    pub(crate) position: u32,
    pub(crate) batch: Arc<Batch>,
}

/// A batch on the way out: shared, or to be built.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Hot(u32, &'a Arc<Batch>),
    Cold(Cold),
}

impl Found<'_> {
    pub(crate) fn position(&self) -> u32 {
        match self {
            Self::Hot(position, _) => *position,
            Self::Cold(cold) => cold.position,
        }
    }

    pub(crate) fn size_bytes(&self) -> u32 {
        match self {
            Self::Hot(_, batch) => batch.size_bytes(),
            Self::Cold(cold) => cold.size_bytes,
        }
    }

    pub(crate) fn base_offset(&self) -> Offset {
        match self {
            Self::Hot(_, batch) => batch.base_offset(),
            Self::Cold(cold) => cold.header.base_offset,
        }
    }

    pub(crate) fn last_offset(&self) -> Offset {
        match self {
            Self::Hot(_, batch) => batch.last_offset(),
            Self::Cold(cold) => cold.last_offset(),
        }
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        match self {
            Self::Hot(_, batch) => batch.header.max_timestamp,
            Self::Cold(cold) => cold.header.max_timestamp,
        }
    }

    /// Whether compaction has left any record.
    pub(crate) fn has_records(&self) -> bool {
        match self {
            Self::Hot(_, batch) => batch.header.record_count > 0,
            Self::Cold(cold) => cold.header.record_count > 0,
        }
    }

    pub(crate) fn into_batch(self, dictionary: &Dictionary) -> Arc<Batch> {
        match self {
            Self::Hot(_, batch) => Arc::clone(batch),
            Self::Cold(cold) => cold.build(dictionary),
        }
    }
}

/// Content of one segment.
#[derive(Debug, Default)]
pub(crate) struct Content {
    blocks: Vec<Block>,
    hot: Vec<Hot>,
    end_position: u32,
}

impl Content {
    /// Bytes of whole batches.
    pub(crate) fn end_position(&self) -> u32 {
        self.end_position
    }

    /// Offset after the last record, if there is one.
    pub(crate) fn next_offset(&self) -> Option<Offset> {
        match self.hot.last() {
            Some(hot) => Some(hot.next_offset),
            None => self.blocks.last().map(|block| block.next_offset),
        }
    }

    pub(crate) fn push(&mut self, batch: Arc<Batch>, dictionary: &mut Dictionary) {
        debug_assert!(self.next_offset().is_none_or(|next| batch.base_offset() >= next));
        let position = self.end_position;
        self.end_position += batch.size_bytes();
        self.hot.push(Hot { next_offset: batch.next_offset(), position, batch });
        if self.hot.len() >= BLOCK + HOT && !dictionary.keeps_whole {
            self.pack(BLOCK, dictionary);
        }
    }

    /// Adds a run of synthetic batches.
    pub(crate) fn push_run(&mut self, run: Run) {
        assert!(self.hot.is_empty(), "runs come before what is written");
        let first_position = self.end_position;
        self.end_position += run.size_bytes();
        self.blocks.push(Block {
            first_offset: run.first_offset(),
            next_offset: run.next_offset(),
            first_position,
            end_position: self.end_position,
            payload: Payload::Run(Box::new(run)),
        });
    }

    /// Packs everything: nobody will append here any more.
    pub(crate) fn seal(&mut self, dictionary: &mut Dictionary) {
        if dictionary.keeps_whole {
            return;
        }
        while !self.hot.is_empty() {
            self.pack(BLOCK.min(self.hot.len()), dictionary);
        }
        self.hot = Vec::new();
        self.blocks.shrink_to_fit();
    }

    fn pack(&mut self, count: usize, dictionary: &mut Dictionary) {
        let first_offset = self.hot[0].batch.base_offset();
        let last = &self.hot[count - 1];
        let block = Block {
            first_offset,
            next_offset: last.next_offset,
            first_position: self.hot[0].position,
            end_position: last.position + last.batch.size_bytes(),
            payload: Payload::Packed(Packed::new(
                self.hot[..count].iter().map(|hot| &hot.batch),
                first_offset,
                dictionary,
            )),
        };
        self.blocks.push(block);
        self.hot.drain(..count);
    }

    /// Batches in order from the one that holds `from`, or the first one after it.
    pub(crate) fn batches_from<'a>(
        &'a self,
        from: Offset,
        dictionary: &'a Dictionary,
    ) -> impl Iterator<Item = Found<'a>> + 'a {
        let first_block = self.blocks.partition_point(|block| block.next_offset <= from);
        let first_hot = if first_block < self.blocks.len() { 0 } else { self.first_hot(from) };
        self.blocks[first_block..]
            .iter()
            .flat_map(move |block| block.iter(from, dictionary))
            .skip_while(move |cold| cold.last_offset() < from)
            .map(Found::Cold)
            .chain(self.hot[first_hot..].iter().map(|hot| Found::Hot(hot.position, &hot.batch)))
    }

    /// As [`Self::batches_from`], when all of them are in the tail, which is where nearly all reads
    /// are.
    pub(crate) fn tail_from(&self, from: Offset) -> Option<&[Hot]> {
        let in_tail = self.blocks.last().is_none_or(|block| block.next_offset <= from);
        in_tail.then(|| &self.hot[self.first_hot(from)..])
    }

    /// Index of the first batch of the tail that ends behind an offset. Most reads are near the
    /// end, so the search gallops backwards from there.
    fn first_hot(&self, from: Offset) -> usize {
        let len = self.hot.len();
        let mut step = 1;
        while step < len && self.hot[len - step].next_offset > from {
            step *= 2;
        }
        let start = len.saturating_sub(step);
        start + self.hot[start..].partition_point(|hot| hot.next_offset <= from)
    }

    /// The first batch that ends behind a position: its base offset and its position.
    pub(crate) fn batch_across(
        &self,
        position: u64,
        dictionary: &Dictionary,
    ) -> Option<(Offset, u32)> {
        let block = self.blocks.partition_point(|block| u64::from(block.end_position) <= position);
        let from = match self.blocks.get(block) {
            Some(block) => block.first_offset,
            None => self.hot.first()?.batch.base_offset(),
        };
        self.batches_from(from, dictionary)
            .find(|found| u64::from(found.position()) + u64::from(found.size_bytes()) > position)
            .map(|found| (found.base_offset(), found.position()))
    }

    /// Cuts every batch that holds `to` or comes after it.
    pub(crate) fn truncate(&mut self, to: Offset, dictionary: &Dictionary) {
        let keep_hot = self.hot.partition_point(|hot| hot.next_offset <= to);
        if let Some(first_cut) = self.hot.get(keep_hot) {
            self.end_position = first_cut.position;
            self.hot.truncate(keep_hot);
        }
        while let Some(block) = self.blocks.pop_if(|block| block.next_offset > to) {
            debug_assert!(self.hot.is_empty(), "the tail lies behind every block");
            self.end_position = block.first_position;
            match block.payload {
                Payload::Run(run) => {
                    if let Some(run) = run.truncated(to) {
                        self.push_run(run);
                    }
                }
                Payload::Packed(packed) => {
                    let kept = packed
                        .iter(block.first_offset, block.first_position, dictionary)
                        .take_while(|cold| cold.last_offset() < to);
                    for cold in kept {
                        self.end_position = cold.position + cold.size_bytes;
                        let (next_offset, position) = (cold.last_offset() + 1, cold.position);
                        let batch = cold.build(dictionary);
                        self.hot.push(Hot { next_offset, position, batch });
                    }
                }
            }
        }
    }

    /// Memory of the content, bytes; shared batches count once per log.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let blocks = self.blocks.iter().map(|block| match &block.payload {
            Payload::Packed(packed) => packed.memory_bytes(),
            Payload::Run(_) => size_of::<Run>() as u64,
        });
        let vectors = self.blocks.capacity() * size_of::<Block>()
            + self.hot.capacity() * size_of::<Hot>()
            + self.hot.len() * (size_of::<Batch>() + 16);
        blocks.sum::<u64>() + vectors as u64
    }
}

impl Block {
    fn iter<'a>(
        &'a self,
        from: Offset,
        dictionary: &'a Dictionary,
    ) -> Box<dyn Iterator<Item = Cold> + 'a> {
        match &self.payload {
            Payload::Packed(packed) => {
                Box::new(packed.iter(self.first_offset, self.first_position, dictionary))
            }
            Payload::Run(run) => Box::new(run.iter(from, self.first_position, dictionary)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cold_bytes::ColdBytes;
    use crate::disk::testing::{Maker, Shape};
    use stormglass_broker_core::records::BATCH_OVERHEAD;

    fn filled(count: usize) -> (Content, Vec<Arc<Batch>>, Dictionary) {
        let batches = Maker::new(Shape::default()).batches(count);
        let (mut content, mut dictionary) = (Content::default(), Dictionary::default());
        for batch in &batches {
            content.push(Arc::clone(batch), &mut dictionary);
        }
        (content, batches, dictionary)
    }

    #[test]
    fn every_offset_is_found_hot_and_cold() {
        let (content, batches, dictionary) = filled(1500);
        assert!(!content.blocks.is_empty() && !content.hot.is_empty());
        for from in (0..1500 * 16).step_by(7) {
            let found = content.batches_from(from, &dictionary).next().expect("it is there");
            let index = usize::try_from(from / 16).unwrap();
            assert_eq!(found.position(), u32::try_from(index * (16 << 10)).unwrap());
            assert_eq!(found.into_batch(&dictionary), batches[index]);
        }
        assert!(content.batches_from(1500 * 16, &dictionary).next().is_none());
    }

    #[test]
    fn order_has_no_seam_between_cold_and_hot() {
        let (content, batches, dictionary) = filled(1500);
        let all = content.batches_from(0, &dictionary).map(|found| found.into_batch(&dictionary));
        assert!(all.eq(batches));
    }

    #[test]
    fn batches_beyond_the_budget_are_found() {
        let batches = Maker::new(Shape::default()).batches(1500);
        let (mut content, mut dictionary) = (Content::default(), Dictionary::default());
        dictionary.cold = ColdBytes::with_budget(2000);
        batches.iter().for_each(|batch| content.push(Arc::clone(batch), &mut dictionary));
        content.truncate(1000 * 16, &dictionary);
        content.seal(&mut dictionary);
        let all = content.batches_from(0, &dictionary).map(|found| found.into_batch(&dictionary));
        assert!(all.eq(batches[..1000].iter().cloned()));
        assert!(content.memory_bytes() < 4000, "most of it is not in memory");
    }

    #[test]
    fn hot_batches_are_shared() {
        let (content, batches, dictionary) = filled(300);
        let found = content.batches_from(299 * 16, &dictionary).next().unwrap();
        assert!(Arc::ptr_eq(&found.into_batch(&dictionary), &batches[299]));
    }

    #[test]
    fn truncation_keeps_what_lies_before() {
        for to in [0, 1, 16, 255 * 16, 256 * 16, 700 * 16 + 3, 1499 * 16, 1500 * 16] {
            let (mut content, batches, mut dictionary) = filled(1500);
            content.truncate(to, &dictionary);
            let kept = usize::try_from(to / 16).unwrap();
            assert_eq!(content.end_position(), u32::try_from(kept * (16 << 10)).unwrap(), "{to}");
            assert_eq!(content.next_offset().unwrap_or(0), kept as i64 * 16);
            for batch in &batches[kept..] {
                content.push(Arc::clone(batch), &mut dictionary);
            }
            let all = content.batches_from(0, &dictionary).map(|f| f.into_batch(&dictionary));
            assert!(all.eq(batches), "what was cut can be written again");
        }
    }

    #[test]
    fn the_batch_across_a_position() {
        let (content, _, dictionary) = filled(1500);
        let size = 16 << 10;
        assert_eq!(content.batch_across(0, &dictionary), Some((0, 0)));
        assert_eq!(content.batch_across(size - 1, &dictionary), Some((0, 0)));
        let at = 1000 * size + u64::from(BATCH_OVERHEAD);
        assert_eq!(content.batch_across(at, &dictionary), Some((16_000, 1000 * (16 << 10))));
        assert_eq!(content.batch_across(1500 * size, &dictionary), None);
    }

    #[test]
    fn a_sealed_segment_takes_ten_bytes_a_batch() {
        let (mut content, batches, mut dictionary) = filled(65_536);
        content.seal(&mut dictionary);
        let bytes = content.memory_bytes();
        assert!(bytes <= batches.len() as u64 * 10, "{bytes}");
        assert_eq!(content.next_offset(), Some(65_536 * 16));
    }
}
