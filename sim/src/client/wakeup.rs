//! The single timer of a client: the next interesting time.

use super::io::{ClientEffects, ClientTimer};

/// Never.
pub(crate) const NEVER: u64 = u64::MAX;

/// Keeps at most one live timer. A later wish does not move an armed timer: it fires early, and
/// the client arms the next one then, which costs one event as a cancelled one would.
#[derive(Debug)]
pub(crate) struct Wakeup {
    armed_ns: u64,
    generation: u64,
}

impl Wakeup {
    /// Nothing armed.
    pub(crate) fn new() -> Self {
        Self { armed_ns: NEVER, generation: 0 }
    }

    /// Asks to be woken at `at_ns` or earlier.
    pub(crate) fn arm(&mut self, at_ns: u64, effects: &mut ClientEffects) {
        if at_ns >= self.armed_ns {
            return;
        }
        self.armed_ns = at_ns;
        self.generation += 1;
        effects.timers.push((at_ns, ClientTimer { generation: self.generation }));
    }

    /// Whether a timer that is due is the live one.
    pub(crate) fn fired(&mut self, timer: ClientTimer) -> bool {
        let live = timer.generation == self.generation;
        if live {
            self.armed_ns = NEVER;
        }
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_wish_replaces_the_timer_and_a_later_one_does_not() {
        let mut effects = ClientEffects::default();
        let mut wakeup = Wakeup::new();
        wakeup.arm(100, &mut effects);
        wakeup.arm(200, &mut effects);
        wakeup.arm(50, &mut effects);
        let timers: Vec<_> =
            effects.timers.iter().map(|timer| (timer.0, timer.1.generation)).collect();
        assert_eq!(timers, [(100, 1), (50, 2)]);
        assert!(!wakeup.fired(ClientTimer { generation: 1 }));
        assert!(wakeup.fired(ClientTimer { generation: 2 }));
        wakeup.arm(200, &mut effects);
        assert_eq!(effects.timers.len(), 3);
    }
}
