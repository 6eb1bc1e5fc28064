//! State per producer id (Kafka's `ProducerStateManager`): duplicates, sequences, fencing, expiry
//! and transactions, open or aborted. Leaves out transaction verification, which comes before.

use super::aborted::Aborted;
use super::types::{AppendError, Origin};
use crate::ids::Offset;
use crate::inspect::ProducerView;
use crate::records::{Batch, BatchHeader, EndTxnMarker};

/// Batches remembered per producer, as many as an idempotent producer may have in flight.
pub(crate) const REMEMBERED_BATCHES: usize = 5;

/// Kafka's `NO_SEQUENCE`.
const NO_SEQUENCE: i32 = -1;

/// A batch that a producer has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BatchMeta {
    /// Sequence of its last record.
    pub(crate) last_sequence: i32,
    /// Offset of its last record minus offset of its first.
    pub(crate) offset_delta: i32,
    /// Offset of its last record.
    pub(crate) last_offset: Offset,
    /// Its largest timestamp, ms since the epoch.
    pub(crate) timestamp: i64,
}

impl BatchMeta {
    fn of(batch: &Batch) -> Self {
        Self {
            last_sequence: batch.header.last_sequence(),
            offset_delta: batch.header.last_offset_delta,
            last_offset: batch.last_offset(),
            timestamp: batch.header.max_timestamp,
        }
    }

    /// Offset of its first record.
    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset - Offset::from(self.offset_delta)
    }

    /// Sequence of its first record; sequences wrap from `i32::MAX` to 0.
    pub(crate) fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        let wrapped = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
        i32::try_from(wrapped).unwrap_or(NO_SEQUENCE)
    }
}

/// What is known of one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    /// Producer id.
    pub(crate) id: i64,
    /// Newest epoch that has written.
    pub(crate) epoch: i16,
    /// Number of remembered batches.
    len: u8,
    /// The newest batches of this epoch, oldest first; the first `len` count.
    batches: [BatchMeta; REMEMBERED_BATCHES],
    /// Largest timestamp of its newest batch, ms since the epoch.
    pub(crate) last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker, `-1` = none.
    pub(crate) coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub(crate) open_transaction: Option<Offset>,
}

impl Producer {
    /// A producer without batches.
    pub(crate) fn new(id: i64, epoch: i16) -> Self {
        Self {
            id,
            epoch,
            len: 0,
            batches: [BatchMeta::default(); REMEMBERED_BATCHES],
            last_timestamp: -1,
            coordinator_epoch: -1,
            open_transaction: None,
        }
    }

    /// What is remembered of it, for checkers.
    pub(crate) fn view(&self) -> ProducerView {
        ProducerView {
            id: self.id,
            epoch: self.epoch,
            batches: self.batches().len(),
            newest: self.batches().last().map(|b| (b.last_sequence, b.last_offset)),
            last_ms: self.last_timestamp,
            is_open: self.open_transaction.is_some(),
        }
    }

    /// Remembered batches, oldest first.
    pub(crate) fn batches(&self) -> &[BatchMeta] {
        &self.batches[..usize::from(self.len)]
    }

    /// Adds the newest batch; returns the one that is forgotten for it.
    pub(crate) fn push(&mut self, batch: BatchMeta) -> Option<BatchMeta> {
        let len = usize::from(self.len);
        if len < REMEMBERED_BATCHES {
            self.batches[len] = batch;
            self.len += 1;
            return None;
        }
        let evicted = self.batches[0];
        self.batches.copy_within(1.., 0);
        self.batches[REMEMBERED_BATCHES - 1] = batch;
        Some(evicted)
    }

    /// Takes back the last [`Self::push`].
    fn unpush(&mut self, evicted: Option<BatchMeta>) {
        match evicted {
            Some(first) => {
                self.batches.copy_within(..REMEMBERED_BATCHES - 1, 1);
                self.batches[0] = first;
            }
            None => {
                self.len -= 1;
                self.batches[usize::from(self.len)] = BatchMeta::default();
            }
        }
    }

    fn clear_batches(&mut self) {
        self.batches = [BatchMeta::default(); REMEMBERED_BATCHES];
        self.len = 0;
    }

    /// Sequence of its newest record, `-1` = none.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMeta> {
        let same = |batch: &&BatchMeta| {
            batch.first_sequence() == header.base_sequence
                && batch.last_sequence == header.last_sequence()
        };
        if header.producer_epoch != self.epoch {
            return None;
        }
        self.batches().iter().find(same).copied()
    }

    /// Sequences must follow each other; a new epoch starts at 0.
    fn check_sequence(&self, header: &BatchHeader) -> Result<(), AppendError> {
        let last = if header.producer_epoch == self.epoch { self.last_sequence() } else { -1 };
        let expected = if last == i32::MAX { 0 } else { last + 1 };
        if header.base_sequence == expected {
            return Ok(());
        }
        let (producer_id, found) = (self.id, header.base_sequence);
        Err(AppendError::OutOfOrderSequence { producer_id, expected, found })
    }
}

/// A transaction that a reader of committed records must not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Transaction {
    producer_id: i64,
    first_offset: Offset,
    /// Its marker once it has ended.
    end: Option<End>,
}

/// How a transaction has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    /// Offset of its marker.
    marker: Offset,
    /// Its producer before that.
    before: Box<Producer>,
}

impl Transaction {
    /// Whether it has no marker below an offset.
    fn is_open_at(&self, offset: Offset) -> bool {
        self.end.as_ref().is_none_or(|end| end.marker >= offset)
    }
}

/// How to take back what one batch did to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// It did nothing.
    Nothing,
    /// It was the first of its producer.
    Created(i64),
    /// It was remembered, and perhaps another one forgotten.
    Pushed {
        /// Producer.
        id: i64,
        /// Timestamp of the producer before.
        last_timestamp: i64,
        /// The forgotten one.
        evicted: Option<BatchMeta>,
    },
    /// The producer looked like this before.
    Replaced(Box<Producer>),
}

/// Producers of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    /// Sorted by id; new ids are nearly always the largest.
    producers: Vec<Producer>,
    /// By first offset.
    transactions: Vec<Transaction>,
    /// By offset of the marker.
    aborted: Vec<Aborted>,
}

impl Producers {
    /// From a snapshot's entries.
    pub(crate) fn from_entries(mut producers: Vec<Producer>) -> Self {
        producers.sort_by_key(|producer| producer.id);
        let mut transactions: Vec<Transaction> = producers
            .iter()
            .filter_map(|p| p.open_transaction.map(|first_offset| (p.id, first_offset)))
            .map(|(producer_id, first_offset)| Transaction { producer_id, first_offset, end: None })
            .collect();
        transactions.sort_by_key(|transaction| transaction.first_offset);
        Self { producers, transactions, aborted: Vec::new() }
    }

    /// A producer.
    pub(crate) fn get(&self, id: i64) -> Option<&Producer> {
        self.find(id).ok().map(|index| &self.producers[index])
    }

    /// Aborted transactions, by offset of the marker.
    pub(crate) fn aborted(&self) -> &[Aborted] {
        &self.aborted
    }

    /// Adds what the index of a segment says.
    pub(crate) fn load_aborted(&mut self, entries: impl Iterator<Item = Aborted>) {
        self.aborted.extend(entries);
    }

    /// Forgets transactions whose records compaction has removed, marker or not: a reader who never
    /// meets the marker must not learn of them.
    pub(crate) fn retain_aborted(&mut self, keep: impl FnMut(&Aborted) -> bool) {
        self.aborted.retain(keep);
    }

    /// Forgets transactions that were aborted below an offset.
    pub(crate) fn forget_aborted_below(&mut self, offset: Offset) {
        let count = self.aborted.partition_point(|entry| entry.last_offset < offset);
        self.aborted.drain(..count);
    }

    /// Entries by producer id.
    pub(crate) fn entries(&self) -> &[Producer] {
        &self.producers
    }

    /// What is remembered, for checkers.
    pub(crate) fn views(&self) -> Vec<ProducerView> {
        self.producers.iter().map(Producer::view).collect()
    }

    fn find(&self, id: i64) -> Result<usize, usize> {
        match self.producers.last() {
            Some(last) if last.id < id => Err(self.producers.len()),
            _ => self.producers.binary_search_by_key(&id, |producer| producer.id),
        }
    }

    /// The remembered batch that this one repeats.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMeta> {
        let index = self.find(header.producer_id).ok()?;
        self.producers[index].duplicate_of(header)
    }

    /// Whether a remembered batch is the newest of its producer.
    pub(crate) fn is_newest(&self, id: i64, batch: &BatchMeta) -> bool {
        let producer = self.find(id).ok().map(|index| &self.producers[index]);
        producer.and_then(|producer| producer.batches().last()) == Some(batch)
    }

    /// Bug IDEM-FOUR: whether a remembered batch is the oldest of five.
    pub(crate) fn is_oldest_of_five(&self, id: i64, batch: &BatchMeta) -> bool {
        let producer = self.find(id).ok().map(|index| &self.producers[index]);
        producer.is_some_and(|p| p.batches().len() == 5 && p.batches().first() == Some(batch))
    }

    /// Bug IDEM-EPOCH: the header as if its producer had not begun a new epoch.
    pub(crate) fn in_known_epoch(&self, header: BatchHeader) -> BatchHeader {
        let known = self.find(header.producer_id).map(|index| self.producers[index].epoch);
        BatchHeader { producer_epoch: known.unwrap_or(header.producer_epoch), ..header }
    }

    /// Whether a batch has a producer of whom nothing is known.
    pub(crate) fn is_stranger(&self, header: &BatchHeader) -> bool {
        header.has_producer_id() && self.find(header.producer_id).is_err()
    }

    /// Whether a leader may append this batch; duplicates have been ruled out. A producer without
    /// state may start anywhere: its state may have expired or its records may be gone.
    pub(crate) fn check(&self, header: &BatchHeader, origin: Origin) -> Result<(), AppendError> {
        let Ok(index) = self.find(header.producer_id) else { return Ok(()) };
        let producer = &self.producers[index];
        if header.producer_epoch < producer.epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: producer.id,
                current: producer.epoch,
                found: header.producer_epoch,
            });
        }
        if origin != Origin::Client {
            return Ok(());
        }
        producer.check_sequence(header)?;
        // whatever its epoch (`ProducerAppendInfo.appendDataBatch`)
        if producer.open_transaction.is_some() && !header.is_transactional() {
            return Err(AppendError::InvalidTxnState { producer_id: producer.id });
        }
        Ok(())
    }

    /// Whether a marker comes from the newest coordinator that this log knows.
    #[cold]
    pub(crate) fn check_marker(&self, batch: &Batch) -> Result<(), AppendError> {
        let producer_id = batch.header.producer_id;
        let known = self.get(producer_id).map_or(-1, |producer| producer.coordinator_epoch);
        let Some(marker) = EndTxnMarker::of(batch) else { return Ok(()) };
        if marker.coordinator_epoch < known {
            return Err(AppendError::CoordinatorFenced { producer_id });
        }
        Ok(())
    }

    /// Takes a batch into the state without any check, as a follower does.
    pub(crate) fn update(&mut self, batch: &Batch) -> Undo {
        let header = &batch.header;
        if !header.has_producer_id() {
            return Undo::Nothing;
        }
        let (index, undo) = match self.find(header.producer_id) {
            Ok(index) => (index, self.undo_of(index, header)),
            Err(index) => {
                if self.producers.is_empty() {
                    self.producers.reserve_exact(1);
                }
                let new = Producer::new(header.producer_id, header.producer_epoch);
                self.producers.insert(index, new);
                (index, Undo::Created(header.producer_id))
            }
        };
        let producer = &mut self.producers[index];
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.clear_batches();
        }
        producer.last_timestamp = header.max_timestamp;
        let evicted = if header.is_control() { None } else { producer.push(BatchMeta::of(batch)) };
        self.track_transaction(index, batch, &undo);
        match undo {
            Undo::Pushed { id, last_timestamp, .. } => Undo::Pushed { id, last_timestamp, evicted },
            other => other,
        }
    }

    /// What must be remembered before [`Self::update`] changes a known producer.
    fn undo_of(&self, index: usize, header: &BatchHeader) -> Undo {
        let producer = &self.producers[index];
        let simple = producer.epoch == header.producer_epoch
            && !header.is_control()
            && !header.is_transactional();
        if !simple {
            return Undo::Replaced(Box::new(*producer));
        }
        let (id, last_timestamp) = (producer.id, producer.last_timestamp);
        Undo::Pushed { id, last_timestamp, evicted: None }
    }

    fn track_transaction(&mut self, index: usize, batch: &Batch, undo: &Undo) {
        let producer = &mut self.producers[index];
        let open = producer.open_transaction;
        if batch.header.is_control() {
            self.end_transaction(index, batch, undo);
        } else if batch.header.is_transactional() && open.is_none() {
            let first_offset = batch.base_offset();
            producer.open_transaction = Some(first_offset);
            let producer_id = producer.id;
            self.transactions.push(Transaction { producer_id, first_offset, end: None });
        }
    }

    /// A marker, with or without records of its transaction.
    #[cold]
    fn end_transaction(&mut self, index: usize, batch: &Batch, undo: &Undo) {
        let marker = EndTxnMarker::of(batch);
        let producer = &mut self.producers[index];
        if let Some(marker) = marker {
            producer.coordinator_epoch = marker.coordinator_epoch;
        }
        let Some(first_offset) = producer.open_transaction.take() else { return };
        let (producer_id, last_offset) = (producer.id, batch.last_offset());
        let ended = |t: &&mut Transaction| t.first_offset == first_offset && t.end.is_none();
        if let Some(transaction) = self.transactions.iter_mut().find(ended)
            && let Undo::Replaced(before) = undo
        {
            transaction.end = Some(End { marker: last_offset, before: before.clone() });
        }
        if marker.is_some_and(|marker| !marker.commit) {
            let open = self.transactions.iter().find(|t| t.end.is_none());
            let last_stable_offset = open.map_or(last_offset + 1, |t| t.first_offset);
            self.aborted.push(Aborted {
                producer_id,
                first_offset,
                last_offset,
                last_stable_offset,
            });
        }
    }

    /// Takes back an update; updates are taken back newest first.
    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Nothing => {}
            Undo::Created(id) => {
                if let Ok(index) = self.find(id) {
                    self.producers.remove(index);
                }
            }
            Undo::Pushed { id, last_timestamp, evicted } => {
                // an expired producer has nothing left to take back
                if let Ok(index) = self.find(id) {
                    let producer = &mut self.producers[index];
                    producer.unpush(evicted);
                    producer.last_timestamp = last_timestamp;
                }
            }
            Undo::Replaced(previous) => match self.find(previous.id) {
                Ok(index) => self.producers[index] = *previous,
                Err(index) => self.producers.insert(index, *previous),
            },
        }
    }

    /// Transactions of a log that now ends at `end`: later ones go, later markers are undone.
    pub(crate) fn truncate_transactions(&mut self, end: Offset) {
        self.transactions.retain(|transaction| transaction.first_offset < end);
        self.aborted.retain(|entry| entry.last_offset < end);
        for transaction in self.transactions.iter_mut().filter(|t| t.is_open_at(end)) {
            transaction.end = None;
        }
    }

    /// A producer whose marker is cut is what it was before that, as in Kafka, which reads it from the log. The
    /// marker may have begun the next epoch (KIP-890): a transaction that were open in that would take its marker,
    /// when it comes again, for one of the past (KIP-1228), and never end (hunt seed 30014580).
    ///
    /// Only where the marker was not below the high watermark known here: of what has ended below that nothing is kept
    /// ([`Self::note_high_watermark`]). If such a marker is cut all the same, its transaction counts as ended, though
    /// what it has left below the cut is undecided; in Kafka it is open again.
    fn take_back_markers(&mut self, end: Offset) {
        let is_cut = |t: &&mut Transaction| t.first_offset < end && t.is_open_at(end);
        let cut = self.transactions.iter_mut().filter(is_cut);
        let ends: Vec<End> = cut.filter_map(|transaction| transaction.end.take()).collect();
        for End { before, .. } in ends {
            self.undo(Undo::Replaced(before));
        }
    }

    /// For a truncation deeper than what can be taken back one by one: forgets batches that are
    /// gone, and producers of whom nothing is left. Those may then go on with any sequence.
    pub(crate) fn forget_from(&mut self, end: Offset) {
        self.take_back_markers(end);
        self.truncate_transactions(end);
        for producer in &mut self.producers {
            let keep = producer.batches().iter().take_while(|b| b.last_offset < end).count();
            producer.len = u8::try_from(keep).unwrap_or(0);
            producer.batches[keep..].fill(BatchMeta::default());
            // open again when it was its marker that went
            let of_it = |t: &&Transaction| t.producer_id == producer.id && t.end.is_none();
            let open = self.transactions.iter().rev().find(of_it);
            producer.open_transaction = open.map(|transaction| transaction.first_offset);
        }
        self.producers.retain(|producer| producer.len > 0 || producer.open_transaction.is_some());
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.producers.clear();
        self.transactions.clear();
        self.aborted.clear();
    }

    /// Forgets producers that have been idle for too long, unless a transaction is open.
    pub(crate) fn expire(&mut self, wall_ms: i64, expiration_ms: i64) {
        self.producers.retain(|producer| {
            producer.open_transaction.is_some()
                || wall_ms.saturating_sub(producer.last_timestamp) < expiration_ms
        });
    }

    /// Forgets transactions whose marker is below the high watermark.
    pub(crate) fn note_high_watermark(&mut self, high_watermark: Offset) {
        if !self.transactions.is_empty() {
            self.transactions.retain(|t| t.is_open_at(high_watermark));
        }
    }

    /// First offset of a transaction that is open or whose marker is not below `high_watermark`.
    pub(crate) fn first_unstable_offset(&self, high_watermark: Offset) -> Option<Offset> {
        let unstable = self.transactions.iter().find(|t| t.is_open_at(high_watermark));
        unstable.map(|t| t.first_offset)
    }
}
