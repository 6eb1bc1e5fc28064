//! What is due when. Nothing is ever taken out early: the core ignores stale timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stormglass_broker_core::ids::CorrelationId;
use stormglass_broker_core::seam::TimerKey;
use stormglass_broker_core::time::Instant;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A timer of the core.
    Core(TimerKey),
    /// A peer has had its time to answer.
    Peer(CorrelationId),
}

/// Deadlines, earliest first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    armed: u64,
}

impl Timers {
    pub(super) fn arm(&mut self, at: Instant, due: Due) {
        self.armed += 1;
        self.heap.push(Reverse((at, self.armed, due)));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the earliest one that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, due))| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_not_early() {
        let at = Instant::from_nanos;
        let mut timers = Timers::default();
        timers.arm(at(30), Due::Core(TimerKey::Raft));
        timers.arm(at(10), Due::Peer(CorrelationId(7)));
        timers.arm(at(30), Due::Core(TimerKey::Flush));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(30)), Some(Due::Peer(CorrelationId(7))));
        assert_eq!(timers.pop(at(30)), Some(Due::Core(TimerKey::Raft)), "in the order of arming");
        assert_eq!(timers.pop(at(30)), Some(Due::Core(TimerKey::Flush)));
        assert_eq!(timers.pop(at(99)), None);
    }
}
