//! A 4-ary min-heap of plain keys. It holds no payload and knows nothing of events.
//!
//! Four children share two cache lines, and the tree is half as deep as a binary one. A pop walks
//! the hole down to a leaf and lifts the displaced key from there: that key came from the bottom,
//! so it nearly always stays near it, and a comparison per level is saved.

/// What the heap orders by: time, then rank. `slot` rides along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) at_ns: u64,
    pub(super) rank: u64,
    pub(super) slot: u32,
}

impl Key {
    /// Whether this key leaves the heap first. Branch-free: one wide comparison.
    fn before(&self, other: &Self) -> bool {
        self.order() < other.order()
    }

    fn order(&self) -> u128 {
        (u128::from(self.at_ns) << 64) | u128::from(self.rank)
    }
}

const ARITY: usize = 4;

/// A min-heap of [`Key`]s.
#[derive(Debug, Default)]
pub(super) struct Heap {
    keys: Vec<Key>,
}

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn first(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(super) fn push(&mut self, key: Key) {
        self.keys.push(key);
        self.lift(self.keys.len() - 1, key);
    }

    pub(super) fn pop(&mut self) -> Option<Key> {
        let last = self.keys.pop()?;
        let Some(&first) = self.keys.first() else { return Some(last) };
        let hole = self.sink_hole();
        self.lift(hole, last);
        Some(first)
    }

    /// Moves the hole at the root down along the smallest children; returns the leaf it ends at.
    fn sink_hole(&mut self) -> usize {
        let keys = self.keys.as_mut_slice();
        let mut hole = 0;
        loop {
            let child = hole * ARITY + 1;
            let smallest = if let Some(four) = keys.get(child..child + ARITY) {
                // A tournament: the two halves do not wait for one another.
                let left = usize::from(four[1].before(&four[0]));
                let right = 2 + usize::from(four[3].before(&four[2]));
                child + if four[right].before(&four[left]) { right } else { left }
            } else {
                let Some(few) = keys.get(child..) else { return hole };
                let Some(offset) = (0..few.len()).min_by_key(|&i| few[i].order()) else {
                    return hole;
                };
                child + offset
            };
            keys[hole] = keys[smallest];
            hole = smallest;
        }
    }

    /// Places `key` at `hole` or above it.
    fn lift(&mut self, mut hole: usize, key: Key) {
        let keys = self.keys.as_mut_slice();
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if !key.before(&keys[parent]) {
                break;
            }
            keys[hole] = keys[parent];
            hole = parent;
        }
        keys[hole] = key;
    }
}
