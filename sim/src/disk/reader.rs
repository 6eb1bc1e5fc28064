//! Reads through the page cache, with read-ahead. Leaves out read-ahead that is started before a
//! reader reaches the end of what was read: each miss is waited for.
//!
//! As with one open file per segment, read-ahead follows one stream per file: a miss where the
//! last one ended doubles the window, up to a chunk; any other sets it back.

use super::config::DiskConfig;
use super::page_cache::{Lookup, PageCache};
use super::store::Extent;
use super::volume::{Io, Volumes};

/// Read-ahead state of a file.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    next: u64,
    window: u64,
}

/// The reading side of a host's page cache.
#[derive(Debug)]
pub(crate) struct Reader {
    readahead_bytes: u64,
    streams: Vec<Stream>,
    pub(crate) hit_bytes: u64,
    pub(crate) miss_bytes: u64,
}

impl Reader {
    pub(crate) fn new(config: &DiskConfig) -> Self {
        Self {
            readahead_bytes: u64::from(config.readahead_bytes),
            streams: Vec::new(),
            hit_bytes: 0,
            miss_bytes: 0,
        }
    }

    /// Reads a stretch; when all of it is there, ns.
    pub(crate) fn read(
        &mut self,
        now_ns: u64,
        extent: &Extent,
        cache: &mut PageCache,
        volumes: &mut Volumes,
    ) -> u64 {
        if let Some(arrived_ns) = cache.lookup_recent(extent.file, extent.from, extent.to) {
            self.hit_bytes += extent.to - extent.from;
            return now_ns.max(arrived_ns);
        }
        let mut ready_ns = now_ns;
        let mut at = extent.from;
        while at < extent.to {
            let chunk_end = (at / cache.chunk_bytes() + 1) * cache.chunk_bytes();
            let to = extent.to.min(chunk_end);
            match cache.lookup(extent.file, at, to) {
                Lookup::Hit(arrived_ns) => {
                    self.hit_bytes += to - at;
                    ready_ns = ready_ns.max(arrived_ns);
                }
                Lookup::Miss { from, to: absent_to } => {
                    let absent = absent_to.min(to).saturating_sub(from);
                    self.miss_bytes += absent;
                    self.hit_bytes += (to - at).saturating_sub(absent);
                    let window = self.window(extent, from, cache.chunk_bytes());
                    let end = absent_to.max((from + window).min(chunk_end).min(extent.len));
                    let arrives_ns = volumes.submit(now_ns, extent.volume, Io::Read(end - from));
                    cache.insert(extent.file, from, end, arrives_ns);
                    self.streams[extent.file.0 as usize].next = end;
                    ready_ns = ready_ns.max(arrives_ns);
                }
            }
            at = to;
        }
        ready_ns
    }

    /// The power failed: memory is empty.
    pub(crate) fn reset(&mut self) {
        self.streams.clear();
    }

    fn window(&mut self, extent: &Extent, from: u64, window_max: u64) -> u64 {
        let file = extent.file.0 as usize;
        if file >= self.streams.len() {
            self.streams.resize(file + 1, Stream::default());
        }
        let stream = &mut self.streams[file];
        let sequential = stream.window > 0 && stream.next == from;
        stream.window =
            if sequential { (stream.window * 2).min(window_max) } else { self.readahead_bytes };
        stream.window
    }
}
