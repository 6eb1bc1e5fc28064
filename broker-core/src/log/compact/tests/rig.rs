//! A log of keyed records with its disk, and passes over it.

use crate::config::Ratio;
use crate::ids::Offset;
use crate::log::compact::pass::Done;
use crate::log::testing::{MemoryDisk, TP, client, epochs_written};
use crate::log::{
    AppendContext, CleaningError, CleaningStart, Compaction, Log, LogConfig, Origin, Pass,
    Progress, Recover,
};
use crate::records::{Batch, EndTxnMarker, Record, Records};
use crate::seam::DiskOpKind;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A key's number, and a value's; no value is a tombstone.
pub(super) type Write = (u32, Option<u32>);

pub(super) struct Rig {
    pub(super) log: Log,
    pub(super) disk: MemoryDisk,
    pub(super) cleaned: Option<Offset>,
    pub(super) now_ms: i64,
    pub(super) map_bytes: u64,
    pub(super) read_bytes: u32,
    sequences: BTreeMap<i64, i32>,
}

pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 400,
        index_interval_bytes: 100,
        compaction: Some(Compaction {
            min_dirty_ratio: Ratio::of_text("0").unwrap(),
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 1000,
        }),
        ..LogConfig::kafka_defaults()
    }
}

fn bytes(number: u32) -> Bytes {
    Bytes::from(format!("{number:05}"))
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            log: Log::create(TP, config(), 0),
            disk: MemoryDisk::default(),
            cleaned: None,
            now_ms: 10_000,
            map_bytes: 1 << 20,
            read_bytes: 300,
            sequences: BTreeMap::new(),
        }
    }

    pub(super) fn batch(&self, writes: &[Write]) -> Batch {
        let record = |(key, value): &Write| Record::new(Some(bytes(*key)), value.map(bytes));
        let mut records: Vec<Record> = writes.iter().map(record).collect();
        Batch::build(self.now_ms, &mut records)
    }

    pub(super) fn write(&mut self, writes: &[Write]) -> Offset {
        let batch = self.batch(writes);
        self.append(batch, client(1))
    }

    /// As the leader of an epoch.
    pub(super) fn write_in_epoch(&mut self, epoch: i32, writes: &[Write]) -> Offset {
        let batch = self.batch(writes);
        self.append(batch, AppendContext { leader_epoch: epoch, ..client(1) })
    }

    /// A batch that a codec has compressed.
    pub(super) fn write_packed(&mut self, codec: i16, writes: &[Write]) -> Offset {
        let mut batch = self.batch(writes);
        let records = batch.records().unwrap();
        batch.header.attributes |= codec;
        let packed = batch.with_records(records, None).unwrap();
        self.append(packed, client(1))
    }

    /// Part of a producer's transaction.
    pub(super) fn write_in_txn(&mut self, producer_id: i64, writes: &[Write]) -> Offset {
        let mut batch = self.batch(writes);
        batch.header = batch.header.as_transactional();
        let count = i32::try_from(writes.len()).unwrap();
        let sequence = self.sequences.entry(producer_id).or_insert(0);
        batch.header.producer_id = producer_id;
        batch.header.producer_epoch = 0;
        batch.header.base_sequence = *sequence;
        *sequence += count;
        self.append(batch, client(1))
    }

    pub(super) fn end_txn(&mut self, producer_id: i64, commit: bool) -> Offset {
        let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
        let batch = marker.to_batch(producer_id, 0, self.now_ms);
        self.append(batch, AppendContext { origin: Origin::Coordinator, ..client(1) })
    }

    fn append(&mut self, batch: Batch, context: AppendContext) -> Offset {
        let mut ops = Vec::new();
        let records = Records::single(Arc::new(batch));
        let appended = self.log.append_as_leader(&records, context, &mut ops).unwrap();
        self.carry_out(&ops);
        self.log.append_done(appended.number);
        appended.last_offset
    }

    pub(super) fn roll(&mut self) {
        let mut ops = Vec::new();
        self.log.roll(&mut ops);
        self.carry_out(&ops);
    }

    pub(super) fn carry_out(&mut self, ops: &[DiskOpKind]) {
        epochs_written(&mut self.log, ops);
        for op in ops {
            self.disk.apply(std::slice::from_ref(op));
            if let DiskOpKind::Sync { segment, .. } = op {
                self.log.sync_done(*segment);
            }
        }
    }

    /// A pass that has not begun; `None` when nothing is dirty.
    pub(super) fn pass(&mut self) -> Option<Pass> {
        let high_watermark = self.log.log_end_offset();
        self.log.note_high_watermark(high_watermark);
        let dirty = self.log.dirty(self.cleaned, high_watermark, self.now_ms)?;
        let config = self.log.config().compaction?;
        let start = CleaningStart {
            dirty,
            wall_ms: self.now_ms,
            map_bytes: self.map_bytes,
            read_bytes: self.read_bytes,
        };
        dirty.is_due(&config).then(|| Pass::new(&self.log, config, start))
    }

    /// One step of a pass, its disk operations done; `each` sees the disk before every one.
    pub(super) fn step(
        &mut self,
        pass: &mut Pass,
        each: &mut dyn FnMut(&Self),
    ) -> Result<Progress, CleaningError> {
        let (mut ops, mut done) = (Vec::new(), Done::default());
        let progress = pass.next(&mut self.log, &mut ops, &mut done)?;
        while let Some(op) = (!ops.is_empty()).then(|| ops.remove(0)) {
            each(self);
            if let DiskOpKind::Read { ranges, .. } = &op {
                let records = self.disk.read(&ranges[0]);
                pass.take(&self.log, &records, &mut ops, &mut done)?;
            } else {
                self.carry_out(&[op]);
            }
        }
        each(self);
        Ok(progress)
    }

    /// Passes until nothing is dirty; how many.
    pub(super) fn clean(&mut self) -> usize {
        for passes in 0..1000 {
            let Some(mut pass) = self.pass() else { return passes };
            let before = self.cleaned.unwrap_or(0);
            let upto = loop {
                match self.step(&mut pass, &mut |_| {}).unwrap() {
                    Progress::Waits => {}
                    Progress::Done(upto) => break upto,
                }
            };
            assert!(upto > before, "each pass gets further (LOG-14)");
            self.cleaned = Some(upto);
            self.check();
        }
        panic!("the cleaner never comes to an end");
    }

    /// All segments but the active one are cleaned.
    pub(super) fn clean_all(&mut self) -> usize {
        self.roll();
        self.clean()
    }

    /// What holds of any log: positions and sizes are those of the disk, and every batch is found.
    pub(super) fn check(&self) {
        let bases: Vec<Offset> = self.log.segments.iter().map(|segment| segment.base).collect();
        let mut start_bytes = self.log.oldest().start_bytes;
        for segment in &self.log.segments {
            assert_eq!(segment.bytes, self.disk.segment_bytes(segment.base));
            assert_eq!(segment.start_bytes, start_bytes);
            start_bytes = segment.end_bytes();
        }
        let stored: Vec<Offset> = self.disk.segments.keys().copied().collect();
        assert!(stored.iter().all(|base| bases.contains(base)), "{stored:?} {bases:?}");
        let mut next = self.log.log_start_offset();
        for batch in self.disk.batches() {
            assert!(batch.base_offset() >= next, "offsets go up");
            let plan = self.log.read_plan(next, i64::MAX, 1).unwrap().expect("there is more");
            let found = self.disk.read(&plan);
            assert_eq!(found.batches()[0], batch, "the batch after a gap is found");
            next = batch.next_offset();
        }
        assert_eq!(self.log.read_plan(next, i64::MAX, 1).unwrap(), None);
    }

    /// Records of the log: offset, key, value.
    pub(super) fn records(&self) -> Vec<(Offset, u32, Option<u32>)> {
        let number = |bytes: &Bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap();
        let mut all = Vec::new();
        for batch in self.disk.batches().iter().filter(|batch| !batch.header.is_control()) {
            let records = batch.records().unwrap();
            assert_eq!(records.len(), usize::try_from(batch.header.record_count).unwrap());
            for record in records {
                let offset = batch.base_offset() + i64::from(record.offset_delta);
                assert!(offset <= batch.last_offset());
                all.push((
                    offset,
                    number(record.key.as_ref().unwrap()),
                    record.value.as_ref().map(number),
                ));
            }
        }
        all
    }

    /// What a reader that keeps the newest value of each key ends up with.
    pub(super) fn table(&self) -> BTreeMap<u32, u32> {
        let mut table = BTreeMap::new();
        for (_, key, value) in self.records() {
            match value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
        table
    }

    /// The log as a crash leaves it, or a clean shutdown.
    pub(super) fn recovered(&self, clean: bool) -> Log {
        let mut disk = self.disk.clone();
        disk.cleaned = None;
        let boot = Recover {
            recovery_point: if clean { self.log.recovery_point() } else { 0 },
            log_start_offset: self.log.log_start_offset(),
            clean,
            high_watermark: None,
            tiered: false,
        };
        Log::recover(TP, config(), &disk, boot, &mut Vec::new()).0
    }
}
