//! Writeback of dirty data: in the background, when old, for a sync, and for writers that are over
//! the limit. Leaves out the smooth slowing down of writers below the limit and the estimate of
//! the volume's bandwidth: a writer over the limit waits until the excess is written.

use super::config::DiskConfig;
use super::page_cache::{PageCache, Writeback};
use super::segment::FileId;
use super::store::Store;
use super::volume::{Io, Volumes};
use std::collections::BTreeMap;

/// Bytes of background writeback that are on the way to a volume at once: as many of its I/Os as
/// it serves at once. More would only make reads wait behind them.
const IN_FLIGHT_BYTES_MAX: u64 = 8 << 20;

/// What the flusher works on.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) cache: &'a mut PageCache,
    pub(crate) store: &'a mut Store,
    pub(crate) volumes: &'a mut Volumes,
}

/// The flusher of a host.
#[derive(Debug)]
pub(crate) struct Flusher {
    background_bytes: u64,
    limit_bytes: u64,
    expire_ns: u64,
    interval_ns: u64,
    in_flight_bytes_max: u64,
    /// By end and order of submission.
    in_flight: BTreeMap<(u64, u64), Writeback>,
    in_flight_bytes: u64,
    first_end_ns: u64,
    submitted: u64,
    pub(crate) written_bytes: u64,
}

impl Flusher {
    pub(crate) fn new(config: &DiskConfig) -> Self {
        Self {
            background_bytes: config.dirty_background_bytes,
            limit_bytes: config.dirty_limit_bytes,
            expire_ns: config.writeback_expire_ns,
            interval_ns: config.writeback_interval_ns,
            in_flight_bytes_max: IN_FLIGHT_BYTES_MAX * config.volumes.len() as u64,
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            first_end_ns: u64::MAX,
            submitted: 0,
            written_bytes: 0,
        }
    }

    /// Takes note of what has reached the volume by now.
    pub(crate) fn settle(&mut self, now_ns: u64, target: &mut Target<'_>) {
        while self.first_end_ns <= now_ns {
            let Some((_, writeback)) = self.in_flight.pop_first() else { break };
            let bytes = writeback.to - writeback.from;
            self.in_flight_bytes -= bytes;
            self.written_bytes += bytes;
            target.cache.written(&writeback);
            let to = writeback.to.min(writeback.cut_at);
            if writeback.from < to {
                // of what was cut off altogether nothing is waited for (hunt seed 1011600)
                let others = self
                    .in_flight
                    .values()
                    .filter(|other| other.file == writeback.file && other.from < other.cut_at);
                let barrier = others.map(|other| other.from).min().unwrap_or(u64::MAX);
                target.store.written_back(writeback.file, to, barrier);
            }
            self.first_end_ns = self.in_flight.keys().next().map_or(u64::MAX, |key| key.0);
        }
    }

    /// Starts as much background writeback as is due and fits.
    pub(crate) fn pump(&mut self, now_ns: u64, target: &mut Target<'_>) {
        while self.in_flight_bytes < self.in_flight_bytes_max
            && self.due_ns(target.cache).is_some_and(|due_ns| due_ns <= now_ns)
        {
            let Some(writeback) = target.cache.take_oldest() else { break };
            self.write(now_ns, writeback, target);
        }
    }

    /// When a writer may go on, ns: at once below the limit, otherwise when the excess is written.
    pub(crate) fn throttle(&mut self, now_ns: u64, target: &mut Target<'_>) -> u64 {
        let excess = target.cache.unwritten_bytes().saturating_sub(self.limit_bytes);
        if excess == 0 {
            return now_ns;
        }
        while self.in_flight_bytes < excess {
            let Some(writeback) = target.cache.take_oldest() else { break };
            self.write(now_ns, writeback, target);
        }
        let mut written = 0;
        self.in_flight
            .iter()
            .find(|(_, writeback)| {
                written += writeback.to - writeback.from;
                written >= excess
            })
            .map_or(now_ns, |((end_ns, _), _)| *end_ns)
    }

    /// Writes a file's stretch `from..to` back; when all of the file that is on its way has
    /// arrived, ns.
    pub(crate) fn write_file(
        &mut self,
        now_ns: u64,
        file: FileId,
        from: u64,
        to: u64,
        target: &mut Target<'_>,
    ) -> u64 {
        let chunk_bytes = target.cache.chunk_bytes();
        for index in from / chunk_bytes..to.div_ceil(chunk_bytes) {
            if let Some(writeback) = target.cache.take_of_file(file, index) {
                self.write(now_ns, writeback, target);
            }
        }
        let of_file = self.in_flight.iter().filter(|(_, writeback)| writeback.file == file);
        of_file.map(|((end_ns, _), _)| *end_ns).max().unwrap_or(now_ns)
    }

    /// When [`Self::pump`] has something to do, ns.
    pub(crate) fn next_wakeup(&self, cache: &PageCache) -> Option<u64> {
        let due_ns = self.due_ns(cache)?;
        let full = self.in_flight_bytes >= self.in_flight_bytes_max;
        Some(if full { due_ns.max(self.first_end_ns) } else { due_ns })
    }

    /// A file was cut: what is on its way beyond `len` says nothing about what comes there next.
    pub(crate) fn forget(&mut self, file: FileId, len: u64) {
        for writeback in self.in_flight.values_mut() {
            if writeback.file == file {
                writeback.cut_at = writeback.cut_at.min(len);
            }
        }
    }

    /// The host lost power.
    pub(crate) fn reset(&mut self) {
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.first_end_ns = u64::MAX;
    }

    /// When the oldest dirty data has to be written back: at once above the background threshold,
    /// otherwise at the first look after it expired.
    fn due_ns(&self, cache: &PageCache) -> Option<u64> {
        let since_ns = cache.oldest_dirty_ns()?;
        if cache.dirty_bytes() > self.background_bytes {
            return Some(0);
        }
        let expired_ns = since_ns.saturating_add(self.expire_ns);
        Some(expired_ns.checked_next_multiple_of(self.interval_ns).unwrap_or(u64::MAX))
    }

    fn write(&mut self, now_ns: u64, writeback: Writeback, target: &mut Target<'_>) {
        let bytes = writeback.to - writeback.from;
        let Some(volume) = target.store.volume_of(writeback.file) else {
            target.cache.written(&writeback);
            return;
        };
        let end_ns = target.volumes.submit(now_ns, volume, Io::Write(bytes));
        self.submitted += 1;
        self.in_flight.insert((end_ns, self.submitted), writeback);
        self.in_flight_bytes += bytes;
        self.first_end_ns = self.first_end_ns.min(end_ns);
    }
}
