//! Names and bounds of phases and latency kinds as they stand in files.

use crate::recording::{LatencyKind, Phase, Recording, Second};
use stormglass_scenarios::plan::PhasesPlan;

/// Phases in order of time.
pub(crate) const PHASES: [Phase; 4] = [Phase::Warmup, Phase::Measure, Phase::Heal, Phase::Drain];
/// Kinds in order of a record's way.
pub(crate) const KINDS: [LatencyKind; 4] =
    [LatencyKind::Delay, LatencyKind::Service, LatencyKind::Response, LatencyKind::EndToEnd];
/// Name of measure and heal together, which is what thresholds without a phase cover.
pub(crate) const MEASURED: &str = "measure+heal";
/// Stands for "all groups" or "all topics" in latency rows.
pub(crate) const ALL: &str = "*";

/// The phase's name in files and thresholds.
#[must_use]
pub const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Warmup => "warmup",
        Phase::Measure => "measure",
        Phase::Heal => "heal",
        Phase::Drain => "drain",
    }
}

/// The latency kind's name in files.
#[must_use]
pub const fn kind_name(kind: LatencyKind) -> &'static str {
    match kind {
        LatencyKind::Delay => "delay",
        LatencyKind::Service => "service",
        LatencyKind::Response => "response",
        LatencyKind::EndToEnd => "end_to_end",
    }
}

/// Which phases a figure covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Measure and heal.
    Measured,
    /// One phase.
    Only(Phase),
}

impl Scope {
    /// From a threshold's phase. An unknown name covers nothing, so that it cannot pass by luck.
    pub(crate) fn from_name(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some(MEASURED) => Some(Self::Measured),
            Some(name) => {
                PHASES.into_iter().find(|phase| phase_name(*phase) == name).map(Self::Only)
            }
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Measured => MEASURED,
            Self::Only(phase) => phase_name(phase),
        }
    }

    pub(crate) fn covers(self, phase: Phase) -> bool {
        match self {
            Self::Measured => phase.is_measured(),
            Self::Only(only) => only == phase,
        }
    }

    /// The timeline's seconds that belong to this scope.
    pub(crate) fn seconds(self, recording: &Recording) -> impl Iterator<Item = &Second> + Clone {
        recording.seconds.iter().filter(move |second| self.covers(second.phase))
    }

    /// The phase that time `at_ns` falls into, then whether this scope covers it.
    pub(crate) fn covers_time(self, phases: &PhasesPlan, at_ns: u64) -> bool {
        self.covers(phase_at(phases, at_ns))
    }
}

/// The phase at a time since the run began.
#[must_use]
pub fn phase_at(phases: &PhasesPlan, at_ns: u64) -> Phase {
    let [measure, heal, drain] = phases.starts_ns();
    if at_ns < measure {
        Phase::Warmup
    } else if at_ns < heal {
        Phase::Measure
    } else if at_ns < drain {
        Phase::Heal
    } else {
        Phase::Drain
    }
}

/// Start and end of a phase, ns since the run began.
pub(crate) fn phase_bounds(phases: &PhasesPlan, phase: Phase) -> (u64, u64) {
    let [measure, heal, drain] = phases.starts_ns();
    match phase {
        Phase::Warmup => (0, measure),
        Phase::Measure => (measure, heal),
        Phase::Heal => (heal, drain),
        Phase::Drain => (drain, phases.ends_ns()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_the_later_phase() {
        let phases = PhasesPlan { warmup_ns: 10, measure_ns: 20, heal_ns: 30, drain_ns: 40 };
        assert_eq!(phase_at(&phases, 9), Phase::Warmup);
        assert_eq!(phase_at(&phases, 10), Phase::Measure);
        assert_eq!(phase_at(&phases, 30), Phase::Heal);
        assert_eq!(phase_at(&phases, 60), Phase::Drain);
    }

    #[test]
    fn a_threshold_without_phase_covers_measure_and_heal() {
        let scope = Scope::from_name(None).unwrap();
        assert!(scope.covers(Phase::Measure) && scope.covers(Phase::Heal));
        assert!(!scope.covers(Phase::Warmup) && !scope.covers(Phase::Drain));
        assert_eq!(Scope::from_name(Some("heal")), Some(Scope::Only(Phase::Heal)));
        assert_eq!(Scope::from_name(Some("noon")), None);
    }
}
