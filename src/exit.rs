//! The process's exit codes. Scripts rely on the numbers.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done, every promise kept, every threshold met.
    Ok,
    /// A file could not be written, or is there and could not be read, or Stormglass itself is at fault.
    Internal,
    /// The arguments make no sense.
    Usage,
    /// A figure is worse than its base by more than its limit.
    Regression,
    /// A threshold of the scenario was missed.
    ThresholdMissed,
    /// The scenario, plan, result or import makes no sense as it is written, or is not there.
    InvalidScenario,
    /// There is nothing to compare with, or it cannot be compared.
    NotComparable,
    /// No cluster meets the requirements.
    NoPlan,
    /// A safety or liveness promise was broken.
    PromiseBroken,
    /// A replay was not the same run.
    ReplayDiffers,
    /// Cut short by a signal, or merged without all shards; what was simulated is written and marked.
    Interrupted,
}

impl Exit {
    /// When several hold, the first in this order is the process's code. An internal error hides
    /// what the rest would have shown, and an interrupted run has missed thresholds for that
    /// reason alone.
    const PRECEDENCE: [Self; 11] = [
        Self::ReplayDiffers,
        Self::PromiseBroken,
        Self::InvalidScenario,
        Self::NotComparable,
        Self::NoPlan,
        Self::Usage,
        Self::Internal,
        Self::Interrupted,
        Self::Regression,
        Self::ThresholdMissed,
        Self::Ok,
    ];

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Regression => 3,
            Self::ThresholdMissed => 4,
            Self::InvalidScenario => 5,
            Self::NotComparable => 6,
            Self::NoPlan => 7,
            Self::PromiseBroken => 8,
            Self::ReplayDiffers => 9,
            Self::Interrupted => 130,
        }
    }

    /// The code that a run's verdict states.
    pub(crate) fn of_verdict(code: u8) -> Self {
        Self::PRECEDENCE.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Internal)
    }

    /// The one that counts when both hold.
    #[must_use]
    pub(crate) fn worst(self, other: Self) -> Self {
        let first = Self::PRECEDENCE.into_iter().find(|exit| *exit == self || *exit == other);
        first.unwrap_or(Self::Internal)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_is_the_one_of_the_contract() {
        let codes = |exits: &[Exit]| exits.iter().fold(Exit::Ok, |a, b| a.worst(*b)).code();
        assert_eq!(codes(&[]), 0);
        assert_eq!(codes(&[Exit::ThresholdMissed, Exit::PromiseBroken, Exit::Interrupted]), 8);
        assert_eq!(codes(&[Exit::ReplayDiffers, Exit::PromiseBroken]), 9);
        assert_eq!(codes(&[Exit::ThresholdMissed, Exit::InvalidScenario]), 5);
        assert_eq!(codes(&[Exit::Interrupted, Exit::ThresholdMissed]), 130);
        assert_eq!(codes(&[Exit::ThresholdMissed, Exit::Regression]), 3);
        assert_eq!(codes(&[Exit::Regression, Exit::NoPlan, Exit::NotComparable]), 6);
    }

    #[test]
    fn every_code_is_found_again_and_an_unknown_one_is_an_error_of_ours() {
        for exit in Exit::PRECEDENCE {
            assert_eq!(Exit::of_verdict(exit.code()), exit);
            assert_eq!(exit.worst(exit), exit);
        }
        assert_eq!(Exit::of_verdict(77), Exit::Internal);
    }
}
