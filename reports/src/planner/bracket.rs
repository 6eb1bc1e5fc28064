//! How far a load can rise: the search for the largest multiple at which a cluster still holds.
//!
//! The load rises in steps until something breaks, then the bracket is halved until its ends are
//! close. It rises from below, so that where holding is not monotone (a latency near its limit, the
//! phase of a writeback) the lower limit is stated. Leaves out how a multiple is judged.

/// Multiples of the load that are tried on the way up, parts per thousand.
const STEPS: [u64; 7] = [1_150, 1_300, 1_500, 1_750, 2_000, 2_400, 3_000];
/// The multiple that the requirements themselves are.
const REQUIRED: u64 = 1_000;
/// A bracket is narrow when its upper end is at most this much of its lower one, parts per
/// thousand: well below 1.3, at which a stated headroom must break.
const NARROW_PERMILLE: u64 = 1_080;
/// Multiples between steps are round: parts per thousand.
const ROUND: u64 = 10;

/// Between which multiples of the required load a cluster breaks, parts per thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bracket {
    /// Multiples above 1 at which it held, rising.
    held: Vec<u64>,
    breaks: Option<u64>,
}

impl Bracket {
    /// The largest multiple below everything that broke at which it held; 1 as it is required.
    #[must_use]
    pub fn holds(&self) -> u64 {
        self.held.last().copied().unwrap_or(REQUIRED)
    }

    /// The smallest multiple at which it broke; nothing when it held as far as was looked.
    #[must_use]
    pub fn breaks(&self) -> Option<u64> {
        self.breaks
    }

    /// What to try next; nothing when the bracket is narrow, or the last step held.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let holds = self.holds();
        let Some(breaks) = self.breaks else {
            return STEPS.into_iter().find(|step| *step > holds);
        };
        let middle = (holds + breaks) / 2 / ROUND * ROUND;
        let is_narrow = breaks * 1_000 <= holds * NARROW_PERMILLE;
        (!is_narrow && middle > holds).then_some(middle)
    }

    /// Whether a break at this multiple can lower the bracket: the required load holds, as it did in
    /// the search.
    #[must_use]
    pub const fn is_lowered_by(multiple: u64) -> bool {
        multiple > REQUIRED
    }

    /// What became of a multiple. One at or below the required load says nothing of the bracket.
    pub fn note(&mut self, multiple: u64, holds: bool) {
        if !Self::is_lowered_by(multiple) {
            return;
        }
        if holds {
            if self.breaks.is_none_or(|breaks| multiple < breaks) {
                self.held.push(multiple);
                self.held.sort_unstable();
            }
        } else {
            self.breaks = Some(self.breaks.map_or(multiple, |breaks| breaks.min(multiple)));
            self.held.retain(|held| *held < multiple);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries until the bracket is narrow.
    fn search(bracket: &mut Bracket, holds: impl Fn(u64) -> bool) -> usize {
        let mut tries = 0;
        while let Some(multiple) = bracket.next() {
            bracket.note(multiple, holds(multiple));
            tries += 1;
        }
        tries
    }

    #[test]
    fn nine_tenths_of_what_is_stated_hold_and_thirteen_tenths_break() {
        for limit in 1_000..3_000 {
            let holds = |multiple: u64| multiple <= limit;
            let mut bracket = Bracket::default();
            let tries = search(&mut bracket, holds);
            let stated = bracket.holds();
            assert!(tries <= 10, "{tries} for {limit}");
            assert!(holds(stated) && holds(stated * 900 / 1000), "{stated} for {limit}");
            assert!(!holds(stated * 1_300 / 1000), "{stated} for {limit}");
            assert!(bracket.breaks().is_some_and(|breaks| !holds(breaks)));
        }
    }

    #[test]
    fn what_never_breaks_is_looked_at_up_to_the_last_step() {
        let mut bracket = Bracket::default();
        assert_eq!(search(&mut bracket, |_| true), STEPS.len());
        assert_eq!((bracket.holds(), bracket.breaks()), (3_000, None));
    }

    #[test]
    fn a_break_below_what_held_lowers_the_bracket() {
        let mut bracket = Bracket::default();
        search(&mut bracket, |multiple| multiple < 2_000);
        assert_eq!((bracket.holds(), bracket.breaks()), (1_870, Some(2_000)));
        // Another state breaks where the first one holds.
        bracket.note(1_750, false);
        let holds = |multiple| multiple <= 1_600;
        search(&mut bracket, holds);
        assert!(holds(bracket.holds()) && bracket.holds() >= 1_500, "{bracket:?}");
        assert!(bracket.breaks().unwrap() <= 1_750);
        // Above what broke nothing counts any more.
        bracket.note(1_900, true);
        assert!(bracket.holds() < 1_750);
    }

    #[test]
    fn the_required_load_is_never_taken_back() {
        let mut bracket = Bracket::default();
        bracket.note(900, false);
        assert_eq!((bracket.holds(), bracket.breaks()), (1_000, None));
        assert_eq!(search(&mut bracket, |_| false), 2);
        assert_eq!((bracket.holds(), bracket.breaks()), (1_000, Some(1_070)));
    }
}
