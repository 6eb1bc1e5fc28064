//! Page cache of a host: which stretches of which files are in memory, and which of them are not
//! yet on the volume. Leaves out single pages, the active and inactive lists and memory mapping.
//!
//! The unit is a chunk of a file. Of each chunk one contiguous stretch is resident; a read beside
//! it fetches the gap too. A chunk is clean (in the list of least recent use, may be evicted),
//! dirty (in the order in which it became so) or being written back. Everything is O(1).

use super::segment::FileId;
use rustc_hash::FxHashMap;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Clean,
    Dirty,
    Writing,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    file: FileId,
    index: u32,
    /// Resident stretch within the chunk.
    from: u32,
    to: u32,
    /// Start of the part that is not on the volume; it ends at `to`.
    dirty_from: u32,
    state: State,
    /// When it became dirty, ns.
    dirty_since_ns: u64,
    /// When what is being read into it arrives, ns.
    ready_ns: u64,
    prev: u32,
    next: u32,
}

/// A list threaded through the chunks: first to go at the head.
#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List { head: NONE, tail: NONE };

/// A stretch to be written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writeback {
    pub(crate) file: FileId,
    index: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The file was cut there in the meantime: what lies behind says nothing about what comes next.
    pub(crate) cut_at: u64,
}

/// What a read finds in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// All there, from this time on.
    Hit(u64),
    /// At least this stretch of the file has to be read.
    Miss { from: u64, to: u64 },
}

/// The cache.
#[derive(Debug)]
pub(crate) struct PageCache {
    chunk_bytes: u64,
    capacity: u64,
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    index: FxHashMap<(u32, u32), u32>,
    /// Per file, the chunk used last, as most accesses are to the tail.
    recent: Vec<u32>,
    clean: List,
    dirty: List,
    resident_bytes: u64,
    dirty_bytes: u64,
    writing_bytes: u64,
}

impl PageCache {
    pub(crate) fn new(capacity: u64, chunk_bytes: u32) -> Self {
        Self {
            chunk_bytes: u64::from(chunk_bytes),
            capacity,
            chunks: Vec::new(),
            free: Vec::new(),
            index: FxHashMap::default(),
            recent: Vec::new(),
            clean: EMPTY,
            dirty: EMPTY,
            resident_bytes: 0,
            dirty_bytes: 0,
            writing_bytes: 0,
        }
    }

    pub(crate) fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    /// Bytes not on the volume: waiting for writeback, and being written.
    pub(crate) fn unwritten_bytes(&self) -> u64 {
        self.dirty_bytes + self.writing_bytes
    }

    /// Bytes waiting for writeback.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    /// When the oldest dirty chunk became so, ns.
    pub(crate) fn oldest_dirty_ns(&self) -> Option<u64> {
        (self.dirty.head != NONE).then(|| self.chunks[self.dirty.head as usize].dirty_since_ns)
    }

    /// Bytes `from..to` were appended to a file.
    pub(crate) fn append(&mut self, now_ns: u64, file: FileId, from: u64, to: u64) {
        if !self.append_to_dirty(file, from, to) {
            self.append_by_chunk(now_ns, file, from, to);
        }
        self.evict();
    }

    /// Appends within the chunk used last, if that is dirty up to here.
    fn append_to_dirty(&mut self, file: FileId, from: u64, to: u64) -> bool {
        let chunk_bytes = self.chunk_bytes;
        let Some(chunk) = self.recent_mut(file) else { return false };
        let start = u64::from(chunk.index) * chunk_bytes;
        let fits = from == start + u64::from(chunk.to) && to <= start + chunk_bytes;
        if !fits || chunk.state != State::Dirty {
            return false;
        }
        chunk.to += within(to - from);
        self.resident_bytes += to - from;
        self.dirty_bytes += to - from;
        true
    }

    fn append_by_chunk(&mut self, now_ns: u64, file: FileId, mut from: u64, to: u64) {
        while from < to {
            let index = chunk_index(from / self.chunk_bytes);
            let start = u64::from(index) * self.chunk_bytes;
            let end = to.min(start + self.chunk_bytes);
            self.append_within(now_ns, file, index, within(from - start), within(end - start));
            from = end;
        }
    }

    fn append_within(&mut self, now_ns: u64, file: FileId, index: u32, from: u32, to: u32) {
        let mut slot = self.slot_or_insert(file, index, from);
        if self.chunks[slot as usize].to < from {
            // A clean beginning of the chunk with a hole behind it: nothing is worth keeping.
            self.remove(slot);
            slot = self.slot_or_insert(file, index, from);
        }
        let chunk = self.chunks[slot as usize];
        let added = u64::from(to.saturating_sub(chunk.to));
        self.resident_bytes += added;
        self.dirty_bytes += added;
        self.chunks[slot as usize].to = chunk.to.max(to);
        if chunk.state != State::Dirty {
            if chunk.state == State::Clean {
                self.unlink(slot);
            }
            let chunk = &mut self.chunks[slot as usize];
            (chunk.state, chunk.dirty_from, chunk.dirty_since_ns) = (State::Dirty, from, now_ns);
            self.push(slot);
        }
    }

    /// When `from..to` is there, ns, if all of it is in the chunk used last.
    pub(crate) fn lookup_recent(&mut self, file: FileId, from: u64, to: u64) -> Option<u64> {
        let chunk_bytes = self.chunk_bytes;
        let chunk = self.recent_mut(file)?;
        let start = u64::from(chunk.index) * chunk_bytes;
        let there = from >= start + u64::from(chunk.from) && to <= start + u64::from(chunk.to);
        // A clean one moves in the list of least recent use.
        (there && chunk.state != State::Clean).then_some(chunk.ready_ns)
    }

    /// What a read of `from..to`, within one chunk, finds.
    pub(crate) fn lookup(&mut self, file: FileId, from: u64, to: u64) -> Lookup {
        let index = chunk_index(from / self.chunk_bytes);
        let start = u64::from(index) * self.chunk_bytes;
        debug_assert!(from < to && to <= start + self.chunk_bytes, "one chunk at a time");
        let Some(slot) = self.slot(file, index) else { return Lookup::Miss { from, to } };
        let chunk = self.chunks[slot as usize];
        let (have_from, have_to) = (start + u64::from(chunk.from), start + u64::from(chunk.to));
        if chunk.state == State::Clean && self.clean.tail != slot {
            self.unlink(slot);
            self.push(slot);
        }
        if from >= have_from && to <= have_to {
            return Lookup::Hit(chunk.ready_ns);
        }
        if to > have_to {
            return Lookup::Miss { from: if from < have_from { from } else { have_to }, to };
        }
        Lookup::Miss { from, to: have_from }
    }

    /// Bytes `from..to`, within one chunk, are being read and arrive at `ready_ns`.
    pub(crate) fn insert(&mut self, file: FileId, from: u64, to: u64, ready_ns: u64) {
        let index = chunk_index(from / self.chunk_bytes);
        let start = u64::from(index) * self.chunk_bytes;
        let slot = self.slot_or_insert(file, index, within(from - start));
        let chunk = &mut self.chunks[slot as usize];
        let before = chunk.to - chunk.from;
        chunk.from = chunk.from.min(within(from - start));
        // The tail of a dirty chunk is in memory by definition: only a clean one grows at its end.
        if chunk.state == State::Clean || chunk.state == State::Free {
            chunk.to = chunk.to.max(within(to - start));
        }
        chunk.ready_ns = chunk.ready_ns.max(ready_ns);
        self.resident_bytes += u64::from(chunk.to - chunk.from - before);
        if chunk.state == State::Free {
            chunk.state = State::Clean;
            self.push(slot);
        }
        self.evict();
    }

    /// Takes the oldest dirty chunk for writeback.
    pub(crate) fn take_oldest(&mut self) -> Option<Writeback> {
        let slot = self.dirty.head;
        (slot != NONE).then(|| self.take(slot))
    }

    /// Takes a file's chunk for writeback if it is dirty.
    pub(crate) fn take_of_file(&mut self, file: FileId, index: u64) -> Option<Writeback> {
        let slot = self.slot(file, chunk_index(index))?;
        (self.chunks[slot as usize].state == State::Dirty).then(|| self.take(slot))
    }

    fn take(&mut self, slot: u32) -> Writeback {
        self.unlink(slot);
        let chunk = &mut self.chunks[slot as usize];
        chunk.state = State::Writing;
        let start = u64::from(chunk.index) * self.chunk_bytes;
        let (from, to) = (start + u64::from(chunk.dirty_from), start + u64::from(chunk.to));
        chunk.dirty_from = chunk.to;
        self.dirty_bytes -= to - from;
        self.writing_bytes += to - from;
        Writeback { file: chunk.file, index: chunk.index, from, to, cut_at: u64::MAX }
    }

    /// A stretch has reached the volume.
    pub(crate) fn written(&mut self, writeback: &Writeback) {
        self.writing_bytes -= writeback.to - writeback.from;
        let Some(slot) = self.slot(writeback.file, writeback.index) else { return };
        let chunk = &mut self.chunks[slot as usize];
        if chunk.state == State::Writing {
            chunk.state = State::Clean;
            self.push(slot);
            self.evict();
        }
    }

    /// What waits for writeback counts as clean, as the kernel takes it where an fsync has failed.
    pub(crate) fn give_up_dirty(&mut self) {
        while let Some(given_up) = self.take_oldest() {
            self.written(&given_up);
        }
    }

    /// A file was cut from `before` to `len` bytes; with `len` 0 it may be gone.
    pub(crate) fn truncate(&mut self, file: FileId, len: u64, before: u64) {
        let first = len / self.chunk_bytes;
        for index in first..before.div_ceil(self.chunk_bytes) {
            let Some(slot) = self.slot(file, chunk_index(index)) else { continue };
            let keep = within(len.saturating_sub(index * self.chunk_bytes));
            if keep <= self.chunks[slot as usize].from {
                self.remove(slot);
            } else {
                self.shrink(slot, keep);
            }
        }
    }

    fn shrink(&mut self, slot: u32, keep: u32) {
        let chunk = self.chunks[slot as usize];
        if keep >= chunk.to {
            return;
        }
        self.resident_bytes -= u64::from(chunk.to - keep);
        let dirty_from = chunk.dirty_from.min(keep);
        if chunk.state == State::Dirty {
            self.dirty_bytes -=
                u64::from(chunk.to - chunk.dirty_from) - u64::from(keep - dirty_from);
            if dirty_from == keep {
                self.unlink(slot);
                self.chunks[slot as usize].state = State::Clean;
                self.push(slot);
            }
        }
        let chunk = &mut self.chunks[slot as usize];
        (chunk.to, chunk.dirty_from) = (keep, dirty_from);
    }

    fn remove(&mut self, slot: u32) {
        let chunk = self.chunks[slot as usize];
        match chunk.state {
            State::Clean => self.unlink(slot),
            State::Dirty => {
                self.unlink(slot);
                self.dirty_bytes -= u64::from(chunk.to - chunk.dirty_from);
            }
            State::Writing | State::Free => {}
        }
        self.resident_bytes -= u64::from(chunk.to - chunk.from);
        self.index.remove(&(chunk.file.0, chunk.index));
        self.chunks[slot as usize].state = State::Free;
        self.free.push(slot);
    }

    fn evict(&mut self) {
        while self.resident_bytes > self.capacity && self.clean.head != NONE {
            self.remove(self.clean.head);
        }
    }

    /// The chunk of a file used last.
    fn recent_mut(&mut self, file: FileId) -> Option<&mut Chunk> {
        let slot = *self.recent.get(file.0 as usize)?;
        let chunk = self.chunks.get_mut(slot as usize)?;
        (chunk.file == file && chunk.state != State::Free).then_some(chunk)
    }

    fn slot(&mut self, file: FileId, index: u32) -> Option<u32> {
        let recent = self.recent.get(file.0 as usize).copied().unwrap_or(NONE);
        if let Some(chunk) = self.chunks.get(recent as usize)
            && chunk.file == file
            && chunk.index == index
            && chunk.state != State::Free
        {
            return Some(recent);
        }
        let slot = *self.index.get(&(file.0, index))?;
        self.remember(file, slot);
        Some(slot)
    }

    /// The chunk; a new one is `Free`, empty at `at` and in no list.
    fn slot_or_insert(&mut self, file: FileId, index: u32, at: u32) -> u32 {
        if let Some(slot) = self.slot(file, index) {
            return slot;
        }
        let chunk = Chunk {
            file,
            index,
            from: at,
            to: at,
            dirty_from: at,
            state: State::Free,
            dirty_since_ns: 0,
            ready_ns: 0,
            prev: NONE,
            next: NONE,
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.chunks[slot as usize] = chunk;
            slot
        } else {
            self.chunks.push(chunk);
            chunk_index(self.chunks.len() as u64 - 1)
        };
        self.index.insert((file.0, index), slot);
        self.remember(file, slot);
        slot
    }

    fn remember(&mut self, file: FileId, slot: u32) {
        let at = file.0 as usize;
        if at >= self.recent.len() {
            self.recent.resize(at + 1, NONE);
        }
        self.recent[at] = slot;
    }

    fn list(&mut self, state: State) -> &mut List {
        if state == State::Dirty { &mut self.dirty } else { &mut self.clean }
    }

    /// Adds a chunk at the tail of its state's list.
    fn push(&mut self, slot: u32) {
        let state = self.chunks[slot as usize].state;
        debug_assert!(matches!(state, State::Clean | State::Dirty));
        let list = self.list(state);
        let last = std::mem::replace(&mut list.tail, slot);
        if last == NONE {
            list.head = slot;
        } else {
            self.chunks[last as usize].next = slot;
        }
        (self.chunks[slot as usize].prev, self.chunks[slot as usize].next) = (last, NONE);
    }

    /// Takes a chunk out of its state's list.
    fn unlink(&mut self, slot: u32) {
        let Chunk { prev, next, state, .. } = self.chunks[slot as usize];
        if prev == NONE {
            self.list(state).head = next;
        } else {
            self.chunks[prev as usize].next = next;
        }
        if next == NONE {
            self.list(state).tail = prev;
        } else {
            self.chunks[next as usize].prev = prev;
        }
    }
}

fn chunk_index(index: u64) -> u32 {
    u32::try_from(index).expect("a file has fewer than 2^32 chunks")
}

/// An offset within a chunk.
fn within(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a chunk is below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId(3);

    /// Eight chunks of 1000 bytes.
    fn cache() -> PageCache {
        PageCache::new(8_000, 1_000)
    }

    fn clean_all(cache: &mut PageCache) {
        while let Some(writeback) = cache.take_oldest() {
            cache.written(&writeback);
        }
    }

    #[test]
    fn what_was_appended_is_there_until_evicted() {
        let mut cache = cache();
        cache.append(5, FILE, 0, 2_500);
        assert_eq!(cache.lookup(FILE, 2_000, 2_500), Lookup::Hit(0));
        assert_eq!(cache.dirty_bytes(), 2_500);
        clean_all(&mut cache);
        assert_eq!((cache.dirty_bytes(), cache.resident_bytes()), (0, 2_500));
        cache.append(6, FileId(4), 0, 7_000);
        assert_eq!(cache.lookup(FILE, 0, 1_000), Lookup::Miss { from: 0, to: 1_000 });
        assert_eq!(cache.lookup(FILE, 2_000, 2_500), Lookup::Hit(0), "least recent goes first");
        assert!(cache.resident_bytes() <= 8_000);
    }

    #[test]
    fn dirty_chunks_are_never_evicted() {
        let mut cache = cache();
        cache.append(0, FILE, 0, 10_000);
        assert_eq!(cache.resident_bytes(), 10_000, "over capacity, but nothing may go");
        let writeback = cache.take_oldest().unwrap();
        assert_eq!((writeback.from, writeback.to), (0, 1_000));
        assert_eq!(cache.unwritten_bytes(), 10_000, "being written is not written");
        cache.written(&writeback);
        assert_eq!((cache.unwritten_bytes(), cache.resident_bytes()), (9_000, 9_000));
    }

    #[test]
    fn a_chunk_dirtied_during_writeback_is_written_again() {
        let mut cache = cache();
        cache.append(0, FILE, 0, 400);
        let first = cache.take_oldest().unwrap();
        cache.append(1, FILE, 400, 700);
        cache.written(&first);
        let second = cache.take_oldest().unwrap();
        assert_eq!((second.from, second.to), (400, 700));
        cache.written(&second);
        assert_eq!(cache.unwritten_bytes(), 0);
        assert_eq!(cache.take_oldest(), None);
    }

    #[test]
    fn what_is_given_up_is_clean_and_not_written_any_more() {
        let mut cache = cache();
        cache.append(0, FILE, 0, 2_500);
        let in_flight = cache.take_oldest().unwrap();
        cache.give_up_dirty();
        assert_eq!((cache.dirty_bytes(), cache.unwritten_bytes()), (0, 1_000), "one is on its way");
        assert_eq!((cache.take_oldest(), cache.oldest_dirty_ns()), (None, None));
        assert_eq!(cache.lookup(FILE, 2_000, 2_500), Lookup::Hit(0), "it is still there");
        cache.append(5, FILE, 2_500, 2_700);
        let next = cache.take_of_file(FILE, 2).unwrap();
        assert_eq!((next.from, next.to), (2_500, 2_700), "what is new alone");
        cache.written(&in_flight);
        cache.written(&next);
        assert_eq!((cache.resident_bytes(), cache.unwritten_bytes()), (2_700, 0));
        cache.append(6, FileId(4), 0, 9_000);
        cache.give_up_dirty();
        assert_eq!(cache.resident_bytes(), 8_000, "what is clean may go");
    }

    #[test]
    fn a_partial_miss_reads_only_what_is_absent() {
        let mut cache = cache();
        cache.insert(FILE, 200, 400, 50);
        assert_eq!(cache.lookup(FILE, 250, 400), Lookup::Hit(50));
        assert_eq!(cache.lookup(FILE, 300, 900), Lookup::Miss { from: 400, to: 900 });
        assert_eq!(cache.lookup(FILE, 0, 300), Lookup::Miss { from: 0, to: 200 });
        assert_eq!(cache.lookup(FILE, 100, 900), Lookup::Miss { from: 100, to: 900 });
    }

    #[test]
    fn an_append_behind_a_hole_forgets_what_lies_before() {
        let mut cache = cache();
        cache.insert(FILE, 0, 200, 0);
        cache.append(5, FILE, 500, 700);
        assert_eq!((cache.resident_bytes(), cache.dirty_bytes()), (200, 200));
        clean_all(&mut cache);
        assert_eq!(cache.unwritten_bytes(), 0);
        assert_eq!(cache.lookup(FILE, 0, 700), Lookup::Miss { from: 0, to: 500 });
    }

    #[test]
    fn truncation_forgets_dirt_and_content() {
        let mut cache = cache();
        cache.append(0, FILE, 0, 3_500);
        let in_flight = cache.take_oldest().unwrap();
        cache.truncate(FILE, 1_400, 3_500);
        assert_eq!((cache.resident_bytes(), cache.dirty_bytes()), (1_400, 400));
        cache.truncate(FILE, 0, 1_400);
        cache.written(&in_flight);
        assert_eq!((cache.resident_bytes(), cache.unwritten_bytes()), (0, 0));
    }

    #[test]
    fn hit_ratio_of_uniform_reads_is_the_share_that_fits() {
        // 8 of 32 chunks fit: uniform random reads hit a quarter of the time
        let mut cache = cache();
        let (mut hits, reads) = (0, 40_000_u64);
        let mut state = 1_u64;
        for _ in 0..reads {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let from = (state >> 59) * 1_000;
            match cache.lookup(FILE, from, from + 1_000) {
                Lookup::Hit(_) => hits += 1,
                Lookup::Miss { from, to } => cache.insert(FILE, from, to, 0),
            }
        }
        let permille = hits * 1000 / reads;
        assert!((235..=265).contains(&permille), "{permille}");
    }

    #[test]
    fn a_scan_larger_than_the_cache_never_hits() {
        let mut cache = cache();
        for _ in 0..3 {
            for chunk in 0..9 {
                let (from, to) = (chunk * 1_000, chunk * 1_000 + 1_000);
                assert_eq!(cache.lookup(FILE, from, to), Lookup::Miss { from, to });
                cache.insert(FILE, from, to, 0);
            }
        }
    }
}
