//! A node's clocks: a wall clock that may be wrong, and a monotonic one that only drifts.
//! Leaves out the time daemon: offsets, drift and jumps are set by the plan, not disciplined.
//!
//! Local elapsed time is `simulated elapsed * (1 + drift_ppb / 10^9)`, rounded down. The crystal's
//! drift moves both clocks; a jump moves the wall clock alone. Valid for |drift| up to
//! [`DRIFT_PPB_MAX`]; real crystals stay within 100,000 ppb. Error: at most 1 ns for each change
//! of the drift.

const BILLION: i64 = 1_000_000_000;

/// Largest drift either way, parts per billion: time still moves forward.
pub const DRIFT_PPB_MAX: i64 = 500_000_000;

/// The clocks of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeClock {
    /// Simulated time at which the drift was last set.
    anchor_sim_ns: u64,
    /// Monotonic reading then.
    anchor_mono_ns: u64,
    drift_ppb: i64,
    /// Wall clock minus monotonic clock.
    wall_offset_ns: i64,
}

impl NodeClock {
    /// A clock whose wall time is `epoch_ns` (ns since 1970) plus `offset_ns` at simulated time 0.
    ///
    /// # Panics
    /// If the drift is beyond [`DRIFT_PPB_MAX`].
    #[must_use]
    pub fn new(epoch_ns: i64, offset_ns: i64, drift_ppb: i64) -> Self {
        assert!(drift_ppb.abs() <= DRIFT_PPB_MAX, "drift of {drift_ppb} ppb");
        let wall_offset_ns = epoch_ns.saturating_add(offset_ns);
        Self { anchor_sim_ns: 0, anchor_mono_ns: 0, drift_ppb, wall_offset_ns }
    }

    /// The monotonic clock at simulated time `sim_ns`.
    ///
    /// # Panics
    /// If `sim_ns` lies before the last change of drift.
    #[must_use]
    pub fn monotonic_ns(&self, sim_ns: u64) -> u64 {
        assert!(sim_ns >= self.anchor_sim_ns, "a clock is not asked about the past");
        if self.drift_ppb == 0 {
            return self.anchor_mono_ns + (sim_ns - self.anchor_sim_ns);
        }
        let local = u128::from(sim_ns - self.anchor_sim_ns) * self.speed() / BILLION as u128;
        self.anchor_mono_ns + local as u64
    }

    /// The wall clock at simulated time `sim_ns`, ns since 1970.
    #[must_use]
    pub fn wall_ns(&self, sim_ns: u64) -> i64 {
        self.wall_offset_ns.saturating_add_unsigned(self.monotonic_ns(sim_ns))
    }

    /// The earliest simulated time at which the monotonic clock shows `mono_ns` or more: when a
    /// timer of this node fires.
    #[must_use]
    pub fn sim_time_of(&self, mono_ns: u64) -> u64 {
        let local = mono_ns.saturating_sub(self.anchor_mono_ns);
        if self.drift_ppb == 0 {
            return self.anchor_sim_ns.saturating_add(local);
        }
        let sim = (u128::from(local) * BILLION as u128).div_ceil(self.speed());
        self.anchor_sim_ns.saturating_add(u64::try_from(sim).unwrap_or(u64::MAX))
    }

    /// Moves the wall clock by `by_ns`, either way. The monotonic clock does not notice.
    pub fn jump(&mut self, by_ns: i64) {
        self.wall_offset_ns = self.wall_offset_ns.saturating_add(by_ns);
    }

    /// Changes the drift from `sim_ns` on.
    ///
    /// # Panics
    /// If the drift is beyond [`DRIFT_PPB_MAX`].
    pub fn set_drift(&mut self, sim_ns: u64, drift_ppb: i64) {
        assert!(drift_ppb.abs() <= DRIFT_PPB_MAX, "drift of {drift_ppb} ppb");
        self.anchor_mono_ns = self.monotonic_ns(sim_ns);
        self.anchor_sim_ns = sim_ns;
        self.drift_ppb = drift_ppb;
    }

    /// Local ns per simulated second; positive because the drift is bounded.
    fn speed(&self) -> u128 {
        u128::from((BILLION + self.drift_ppb).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: i64 = 1_700_000_000_000_000_000;

    #[test]
    fn drift_moves_both_clocks() {
        let clock = NodeClock::new(EPOCH, 5, 100_000);
        assert_eq!(clock.monotonic_ns(1_000_000_000), 1_000_100_000);
        assert_eq!(clock.wall_ns(1_000_000_000), EPOCH + 5 + 1_000_100_000);
    }

    #[test]
    fn a_jump_moves_the_wall_only() {
        let mut clock = NodeClock::new(EPOCH, 0, 0);
        clock.jump(-3_000);
        assert_eq!(clock.monotonic_ns(1_000), 1_000);
        assert_eq!(clock.wall_ns(1_000), EPOCH - 2_000);
    }

    #[test]
    fn a_change_of_drift_keeps_the_reading() {
        let mut clock = NodeClock::new(EPOCH, 0, 300_000_000);
        let before = clock.monotonic_ns(1_000_000_007);
        clock.set_drift(1_000_000_007, -300_000_000);
        assert_eq!(clock.monotonic_ns(1_000_000_007), before);
        assert_eq!(clock.monotonic_ns(1_000_001_007), before + 700);
    }

    #[test]
    fn timers_fire_at_the_first_moment_that_shows_their_time() {
        for drift in [-123_456_789, -50, 0, 1, 77_777_777] {
            let mut clock = NodeClock::new(EPOCH, 0, drift);
            clock.set_drift(999, drift);
            for mono in (1_000..1_000_000).step_by(997) {
                let sim = clock.sim_time_of(mono);
                assert!(clock.monotonic_ns(sim) >= mono);
                assert!(sim == 999 || clock.monotonic_ns(sim - 1) < mono);
            }
        }
    }
}
