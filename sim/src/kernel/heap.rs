//! A min-heap of 16-byte keys, a cache line of siblings at a time. It holds no payload and knows
//! nothing of events.
//!
//! A key's children lie side by side in one aligned group, so a level costs one miss and a short
//! tournament without branches. A pop walks the hole down to a leaf and lifts the displaced key
//! from there: that key came from the bottom and nearly always stays near it.

/// Sorts behind every key: fills places without one.
const VACANT: u128 = u128::MAX;

const ARITY: usize = 4;

/// The root's place: the last of group 0, so that the children of place `n` fill group `n - 2`.
const ROOT: usize = ARITY - 1;

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Siblings([u128; ARITY]);

/// A min-heap of distinct numbers.
#[derive(Debug)]
pub(super) struct Heap {
    groups: Vec<Siblings>,
    /// The first vacant place; keys fill all from the root to here.
    end: usize,
}

impl Heap {
    pub(super) fn new() -> Self {
        Self { groups: vec![Siblings([VACANT; ARITY])], end: ROOT }
    }

    pub(super) fn first(&self) -> Option<u128> {
        (self.end > ROOT).then_some(self.groups[0].0[ROOT])
    }

    pub(super) fn push(&mut self, key: u128) {
        debug_assert!(key < VACANT, "a key sorts before a vacancy");
        let place = self.end;
        self.end += 1;
        if place / ARITY == self.groups.len() {
            self.groups.push(Siblings([VACANT; ARITY]));
        }
        self.lift(place, key);
    }

    pub(super) fn pop(&mut self) -> Option<u128> {
        let first = self.first()?;
        self.end -= 1;
        let last = std::mem::replace(self.at_mut(self.end), VACANT);
        if self.end > ROOT {
            let hole = self.sink_hole();
            self.lift(hole, last);
        }
        Some(first)
    }

    /// Moves the hole at the root down along the smallest children; returns its place.
    fn sink_hole(&mut self) -> usize {
        let mut hole = ROOT;
        loop {
            let Some(Siblings(four)) = self.groups.get(hole - 2) else { return hole };
            // A tournament: the two halves do not wait for one another.
            let left = usize::from(four[1] < four[0]);
            let right = 2 + usize::from(four[3] < four[2]);
            let lane = if four[right] < four[left] { right } else { left };
            let smallest = four[lane];
            if smallest == VACANT {
                return hole;
            }
            *self.at_mut(hole) = smallest;
            hole = (hole - 2) * ARITY + lane;
        }
    }

    /// Puts `key` into place `hole` or one above it.
    fn lift(&mut self, mut hole: usize, key: u128) {
        while hole > ROOT {
            let parent = hole / ARITY + 2;
            let above = *self.at_mut(parent);
            if key > above {
                break;
            }
            *self.at_mut(hole) = above;
            hole = parent;
        }
        *self.at_mut(hole) = key;
    }

    fn at_mut(&mut self, place: usize) -> &mut u128 {
        &mut self.groups[place / ARITY].0[place % ARITY]
    }
}
