//! Keys of pending events by time: a sorted list for today, a ring of unsorted days for the near
//! future, and one heap for what lies beyond. Most events are a few milliseconds away: they cost a
//! push into a day's list, their share of sorting a handful of keys, and a pop from its end. What
//! comes for today when today has begun waits in a heap beside the list, so that a full day never
//! moves for it.
//!
//! Leaves out what an event is. The order is that of the keys, whatever the days are.

use super::heap::Heap;
use super::queue::time_of;

/// A day is 2^17 ns, 131 us.
const DAY_BITS: u32 = 17;
/// Days in the ring: 33 ms. A small ring stays in the cache.
const DAYS: u64 = 256;
const WORD_BITS: u64 = 64;

/// Pending keys, smallest first.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Keys of the current day that were there when it began, smallest last.
    today: Vec<u128>,
    /// Keys of the current day and before that came later.
    late: Heap,
    day: u64,
    /// Keys of the days after, by day modulo [`DAYS`].
    ring: Vec<Vec<u128>>,
    /// Which of them hold keys.
    occupied: [u64; (DAYS / WORD_BITS) as usize],
    /// Keys that were beyond the ring when they came.
    far: Heap,
    len: usize,
}

impl Calendar {
    pub(super) fn new() -> Self {
        Self {
            today: Vec::new(),
            late: Heap::new(),
            day: 0,
            ring: vec![Vec::new(); DAYS as usize],
            occupied: [0; (DAYS / WORD_BITS) as usize],
            far: Heap::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, at_ns: u64, key: u128) {
        let day = at_ns >> DAY_BITS;
        self.len += 1;
        if day <= self.day {
            self.late.push(key);
        } else if day - self.day < DAYS {
            let place = day % DAYS;
            self.ring[place as usize].push(key);
            self.occupied[(place / WORD_BITS) as usize] |= 1 << (place % WORD_BITS);
        } else {
            self.far.push(key);
        }
    }

    pub(super) fn pop(&mut self) -> Option<u128> {
        loop {
            let late = self.late.first();
            let key = match self.today.last() {
                Some(&key) if late.is_none_or(|late| key < late) => self.today.pop(),
                _ => self.late.pop(),
            };
            if key.is_some() {
                self.len -= 1;
                return key;
            }
            self.begin_next_day()?;
        }
    }

    /// The smallest key.
    pub(super) fn first(&self) -> Option<u128> {
        let today = self.today.last().copied().into_iter().chain(self.late.first()).min();
        if today.is_some() {
            return today;
        }
        let near = self.next_near_day().map(|day| &self.ring[(day % DAYS) as usize]);
        let near = near.and_then(|keys| keys.iter().copied().min());
        near.into_iter().chain(self.far.first()).min()
    }

    /// Moves to the next day that holds keys. Nothing is left of the one before.
    fn begin_next_day(&mut self) -> Option<()> {
        let far = self.far.first().map(day_of);
        self.day = self.next_near_day().into_iter().chain(far).min()?;
        let place = self.day % DAYS;
        let mask = 1 << (place % WORD_BITS);
        let word = &mut self.occupied[(place / WORD_BITS) as usize];
        if *word & mask != 0 {
            *word &= !mask;
            std::mem::swap(&mut self.today, &mut self.ring[place as usize]);
            self.today.sort_unstable_by(|a, b| b.cmp(a));
        }
        while let Some(key) = self.far.first().filter(|key| day_of(*key) <= self.day) {
            self.far.pop();
            self.late.push(key);
        }
        Some(())
    }

    /// The first day of the ring that holds keys. The ring holds only days after the current one,
    /// and its place of the current day is empty.
    fn next_near_day(&self) -> Option<u64> {
        let from = (self.day + 1) % DAYS;
        let words = DAYS / WORD_BITS;
        for step in 0..=words {
            let index = (from / WORD_BITS + step) % words;
            let mut word = self.occupied[index as usize];
            if step == 0 {
                word &= u64::MAX << (from % WORD_BITS);
            }
            if word != 0 {
                let place = index * WORD_BITS + u64::from(word.trailing_zeros());
                return Some(self.day + 1 + (place + DAYS - from) % DAYS);
            }
        }
        None
    }
}

fn day_of(key: u128) -> u64 {
    time_of(key) >> DAY_BITS
}
