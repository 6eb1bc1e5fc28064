//! Which phase a time belongs to.

use stormglass_reports::recording::Phase;
use stormglass_scenarios::plan::PhasesPlan;

/// Phases in order, for arrays by phase.
pub(crate) const PHASES: [Phase; 4] = [Phase::Warmup, Phase::Measure, Phase::Heal, Phase::Drain];

/// Ends of the phases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    /// End of the warm-up, ns.
    pub(crate) warmup_end_ns: u64,
    measure_end_ns: u64,
    /// End of heal, ns. What comes later is drain, however long it takes.
    pub(crate) heal_end_ns: u64,
}

impl Phases {
    pub(crate) fn new(plan: &PhasesPlan) -> Self {
        let [warmup_end_ns, measure_end_ns, heal_end_ns] = plan.starts_ns();
        Self { warmup_end_ns, measure_end_ns, heal_end_ns }
    }

    /// Index into [`PHASES`].
    pub(crate) fn index_at(&self, at_ns: u64) -> usize {
        usize::from(at_ns >= self.warmup_end_ns)
            + usize::from(at_ns >= self.measure_end_ns)
            + usize::from(at_ns >= self.heal_end_ns)
    }

    /// Whether a time counts for prices: measure and heal.
    pub(crate) fn is_measured(&self, at_ns: u64) -> bool {
        (self.warmup_end_ns..self.heal_end_ns).contains(&at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_belongs_to_the_later_phase() {
        let plan = PhasesPlan { warmup_ns: 10, measure_ns: 20, heal_ns: 5, drain_ns: 7 };
        let phases = Phases::new(&plan);
        let at = [0, 9, 10, 29, 30, 34, 35, 1_000].map(|ns| phases.index_at(ns));
        assert_eq!(at, [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!([9, 10, 34, 35].map(|ns| phases.is_measured(ns)), [false, true, true, false]);
    }
}
