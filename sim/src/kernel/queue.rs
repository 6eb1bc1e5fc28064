//! Future events in a total order. The queue leaves out what an event means and who handles it.
//!
//! Events leave in order of `(time, class, rank)`. The rank among equals is the order of insertion
//! when measuring, or a permutation of it drawn from the seed when hunting. Cancelling is left to
//! the owner of an event: it carries a generation number there, and a stale one is ignored.

use super::calendar::Calendar;

/// An event's key from high to low: time, class, rank, slot. One comparison orders two events, and
/// the rank is unique, so the slot does not decide; only a shuffled lane's may be that of another event, and
/// then either order is as good.
const CLASS_BITS: u32 = 8;
const RANK_BITS: u32 = 40;
const SLOT_BITS: u32 = 24;
/// Times are below 2.2 years, a run has at most 10^12 events, 16 million of them pending.
const TIME_LIMIT_NS: u64 = 1 << (128 - CLASS_BITS - RANK_BITS - SLOT_BITS);
const RANK_MASK: u64 = (1 << RANK_BITS) - 1;
/// Of a shuffled lane's rank, the low bits are the sequence: a hunt's runs have fewer events.
const LANE_SEQUENCE_BITS: u32 = 32;
/// Mixes bits: the odd integer next to 2^64 over the golden ratio.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
const SLOT_LIMIT: usize = 1 << SLOT_BITS;

/// How events of one time and class are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// First in, first out.
    Fixed,
    /// A permutation keyed by the seed: other seeds try other interleavings.
    Shuffled(u64),
}

/// A priority queue of events.
#[derive(Debug)]
pub struct EventQueue<E> {
    calendar: Calendar,
    slots: Vec<Option<E>>,
    free: Vec<u32>,
    order: Order,
    sequence: u64,
    now_ns: u64,
}

impl<E> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self {
            calendar: Calendar::new(),
            slots: Vec::new(),
            free: Vec::new(),
            order,
            sequence: 0,
            now_ns: 0,
        }
    }

    /// Time of the event popped last, ns.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now_ns
    }

    /// Number of pending events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calendar.len()
    }

    /// Whether no event is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calendar.len() == 0
    }

    /// Number of events pushed so far.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.sequence
    }

    /// Time of the next event, ns.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.calendar.first().map(time_of)
    }

    /// Adds an event at `at_ns`. A lower `class` goes first among events of one time.
    ///
    /// # Panics
    /// If `at_ns` lies before [`now`](Self::now): time never goes backwards.
    pub fn push(&mut self, at_ns: u64, class: u8, event: E) {
        let rank = self.next_rank();
        self.push_ranked(at_ns, class, rank, event);
    }

    /// As [`push`](Self::push). Events of one time, class and `lane` keep the order in which they were
    /// pushed, whatever the order of others: what one device does in turn ends in turn.
    ///
    /// # Panics
    /// If `at_ns` lies before [`now`](Self::now).
    pub fn push_in_lane(&mut self, at_ns: u64, class: u8, lane: u32, event: E) {
        let sequence = self.sequence;
        let rank = match self.order {
            Order::Fixed => self.next_rank(),
            Order::Shuffled(seed) => {
                assert!(sequence >> LANE_SEQUENCE_BITS == 0, "too many events for lanes");
                self.sequence += 1;
                let mixed = (at_ns ^ seed ^ u64::from(lane) << 40).wrapping_mul(MIX);
                let place = mixed >> (64 - (RANK_BITS - LANE_SEQUENCE_BITS));
                place << LANE_SEQUENCE_BITS | sequence
            }
        };
        self.push_ranked(at_ns, class, rank, event);
    }

    fn push_ranked(&mut self, at_ns: u64, class: u8, rank: u64, event: E) {
        assert!(at_ns >= self.now_ns, "event at {at_ns} ns is before now, {} ns", self.now_ns);
        assert!(at_ns < TIME_LIMIT_NS, "event at {at_ns} ns is beyond every run");
        let time_and_class = at_ns << CLASS_BITS | u64::from(class);
        let rank_and_slot = rank << SLOT_BITS | self.store(event) as u64;
        self.calendar.push(at_ns, u128::from(time_and_class) << 64 | u128::from(rank_and_slot));
    }

    /// Removes the next event and moves the time to it.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let key = self.calendar.pop()?;
        let (at_ns, slot) = (time_of(key), key as usize % SLOT_LIMIT);
        debug_assert!(at_ns >= self.now_ns, "the calendar gave an event of the past");
        self.now_ns = at_ns;
        let event = self.slots[slot].take().expect("a pending key owns its slot");
        self.free.push(slot as u32);
        Some((at_ns, event))
    }

    /// As [`pop`](Self::pop), but only if the next event is not later than `limit_ns`.
    pub fn pop_until(&mut self, limit_ns: u64) -> Option<(u64, E)> {
        if self.next_at()? > limit_ns {
            return None;
        }
        self.pop()
    }

    fn store(&mut self, event: E) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(event);
            return slot as usize;
        }
        assert!(self.slots.len() < SLOT_LIMIT, "more pending events than the queue has room for");
        self.slots.push(Some(event));
        self.slots.len() - 1
    }

    /// Rank among equals. Multiplying by an odd number and folding the upper half onto the lower
    /// are both one to one on the rank's bits, so two events never share a rank.
    fn next_rank(&mut self) -> u64 {
        let sequence = self.sequence;
        assert!(sequence <= RANK_MASK, "more events than a run may have");
        self.sequence += 1;
        let Order::Shuffled(seed) = self.order else { return sequence };
        let mut x = (sequence ^ seed) & RANK_MASK;
        for odd in [MIX, seed.rotate_left(32) | 1] {
            x = x.wrapping_mul(odd) & RANK_MASK;
            x ^= x >> (RANK_BITS / 2);
        }
        x
    }
}

/// Time of a key, ns.
pub(super) fn time_of(key: u128) -> u64 {
    (key >> (64 + CLASS_BITS)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn drain<E>(queue: &mut EventQueue<E>) -> Vec<(u64, E)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn time_then_class_then_insertion() {
        let mut queue = EventQueue::new(Order::Fixed);
        for (at, class, name) in [(5, 1, "d"), (5, 0, "b"), (5, 0, "c"), (9, 0, "e"), (1, 7, "a")] {
            queue.push(at, class, name);
        }
        let names: Vec<_> = drain(&mut queue).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert_eq!(queue.now(), 9);
    }

    #[test]
    fn agrees_with_a_sorted_set_under_mixed_use() {
        let mut queue = EventQueue::new(Order::Fixed);
        let mut model = BTreeSet::new();
        let mut state = 42_u64;
        for id in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (at, class) = (queue.now() + (state >> 40) % 97, (state >> 33) as u8 % 3);
            queue.push(at, class, id);
            model.insert((at, class, id));
            for _ in 0..(state >> 60) % 3 {
                let expected = model.pop_first().map(|(at, _, id)| (at, id));
                assert_eq!(queue.pop(), expected);
            }
        }
        let rest: Vec<_> = model.into_iter().map(|(at, _, id)| (at, id)).collect();
        assert_eq!(drain(&mut queue), rest);
    }

    #[test]
    fn events_near_and_far_leave_in_order() {
        let mut queue = EventQueue::new(Order::Fixed);
        let mut model = BTreeSet::new();
        let mut state = 7_u64;
        for id in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // From the same nanosecond to about a minute ahead.
            let ahead = (state >> 28) >> ((state >> 20) % 36);
            let at = queue.now() + ahead;
            queue.push(at, 0, id);
            model.insert((at, id));
            assert_eq!(queue.next_at(), model.first().map(|(at, _)| *at));
            for _ in 0..(state >> 60) % 3 {
                assert_eq!(queue.pop(), model.pop_first());
            }
            assert_eq!(queue.len(), model.len());
        }
        assert_eq!(drain(&mut queue), model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn shuffling_permutes_only_equals_and_depends_on_the_seed() {
        let order_of = |order| {
            let mut queue = EventQueue::new(order);
            for id in 0..1000_u32 {
                queue.push(u64::from(id / 100), (id / 50 % 2) as u8, id);
            }
            drain(&mut queue).into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        };
        let shuffled = order_of(Order::Shuffled(1));
        assert_ne!(shuffled, order_of(Order::Fixed));
        assert_ne!(shuffled, order_of(Order::Shuffled(2)));
        assert_eq!(shuffled, order_of(Order::Shuffled(1)));
        for (position, id) in (0_u32..).zip(&shuffled) {
            assert_eq!(position / 50, id / 50, "an event left its time and class");
        }
    }

    #[test]
    fn a_lane_keeps_its_order_among_shuffled_events() {
        let order_of = |seed| {
            let mut queue = EventQueue::new(Order::Shuffled(seed));
            for id in 0..60_u32 {
                match id % 3 {
                    0 => queue.push(7, 0, id),
                    lane => queue.push_in_lane(7, 0, lane, id),
                }
            }
            drain(&mut queue).into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        };
        let lane = |order: &[u32], lane: u32| {
            order.iter().copied().filter(|id| id % 3 == lane).collect::<Vec<_>>()
        };
        let lanes = (0..40).map(order_of).map(|order| {
            assert!(lane(&order, 1).is_sorted() && lane(&order, 2).is_sorted());
            assert!(!lane(&order, 0).is_sorted());
            order.iter().position(|id| *id == 1) < order.iter().position(|id| *id == 2)
        });
        let first: BTreeSet<bool> = lanes.collect();
        assert_eq!(first.len(), 2, "either lane goes first");
    }

    #[test]
    fn every_shuffled_pair_is_seen_in_both_orders() {
        let first_wins = |seed| {
            let mut queue = EventQueue::new(Order::Shuffled(seed));
            queue.push(1, 0, 'a');
            queue.push(1, 0, 'b');
            queue.pop().unwrap().1 == 'a'
        };
        let wins = (0..1000).filter(|&seed| first_wins(seed)).count();
        assert!((400..600).contains(&wins), "a came first for {wins} of 1000 seeds");
    }

    #[test]
    fn pop_until_leaves_later_events() {
        let mut queue = EventQueue::new(Order::Fixed);
        queue.push(10, 0, ());
        assert_eq!(queue.pop_until(9), None);
        assert_eq!(queue.pop_until(10), Some((10, ())));
        assert!(queue.is_empty());
    }

    #[test]
    fn the_past_is_refused() {
        let mut queue = EventQueue::new(Order::Fixed);
        queue.push(10, 0, ());
        queue.pop();
        let push = std::panic::AssertUnwindSafe(|| queue.push(9, 0, ()));
        assert!(std::panic::catch_unwind(push).is_err());
    }
}
