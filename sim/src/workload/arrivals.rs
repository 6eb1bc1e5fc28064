//! Intended times of one client instance's records, pulled one at a time.
//!
//! All instances of a group share one total rate. Work accrues at `rate x multiplier`; a record
//! falls due after each `gap` of work: the same every time (uniform), exponential (Poisson, by the
//! time change of the curve's integral), or uniform within bursts. A time is the first whole
//! nanosecond at which the work is done, and what was done beyond it counts for the next record,
//! so that rounding never adds up: uniform arrivals hit their long-run rate exactly.
//!
//! Leaves out closed loops, whose times depend on acknowledgements: no time is ever due.

use super::curve::RateCurve;
use crate::rng::Stream;
use stormglass_scenarios::plan::Arrival;

/// Work of one record: milli-records/s x ns x parts per thousand.
const RECORD: u128 = 1_000_000_000_000_000;

/// How many records to take at once: up to the first bound that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// No record later than this, ns.
    pub until_ns: u64,
    /// No record after the first one that comes then or later, ns.
    pub enough_ns: u64,
    /// No more records.
    pub max: usize,
}

/// The arrival process of one client instance.
#[derive(Debug)]
pub struct Arrivals {
    curve: RateCurve,
    process: Process,
    /// Work between two records of this instance, on average.
    mean_gap: u128,
    /// Multipliers of the rate in parts per thousand, with the time from which each holds.
    multipliers: Vec<(u64, u32)>,
    /// State after the record handed out last.
    position: Position,
    /// Work between that record and the next.
    gap: u128,
    /// The next record's time and the state after it.
    next: Option<(u64, Position)>,
    /// A shortcut while the rate is constant.
    steady: Option<Steady>,
}

/// While the rate is constant, 64 bits and one division do.
#[derive(Debug, Clone, Copy)]
struct Steady {
    rate: u64,
    end_ns: u64,
}

#[derive(Debug)]
enum Process {
    Uniform,
    /// With the mean gap as a float.
    Poisson(Box<Stream>, f64),
    Bursty {
        on_ns: u64,
        off_ns: u64,
    },
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    at_ns: u64,
    /// Work done beyond the last record.
    over: u128,
    segment: usize,
    multiplier: usize,
}

impl Arrivals {
    /// Arrivals of instance `instance` of `count` that share `curve`. Uniform instances take turns;
    /// bursts of all instances coincide and begin at time 0; `stream` serves Poisson only.
    ///
    /// # Panics
    /// If `instance` is not below `count`, or a burst has no length.
    #[must_use]
    pub fn new(
        arrival: Arrival,
        curve: RateCurve,
        (instance, count): (u32, u32),
        stream: Stream,
    ) -> Self {
        assert!(instance < count, "instance {instance} of {count}");
        let share = u128::from(count) * RECORD;
        let turn = (u128::from(instance) + 1) * RECORD;
        let (process, mean_gap, gap) = match arrival {
            Arrival::Uniform => (Process::Uniform, share, turn),
            Arrival::Poisson => (Process::Poisson(Box::new(stream), share as f64), share, 0),
            Arrival::Bursty { on_ns, off_ns } => {
                assert!(on_ns > 0, "a burst has a length");
                // The rate within a burst is (on + off) / on of the mean, so a gap takes less work.
                let squeeze =
                    |work| work * u128::from(on_ns) / (u128::from(on_ns) + u128::from(off_ns));
                (Process::Bursty { on_ns, off_ns }, squeeze(share), squeeze(turn))
            }
            Arrival::Closed { .. } => (Process::Closed, share, share),
        };
        let mut arrivals = Self {
            curve,
            process,
            mean_gap,
            multipliers: vec![(0, 1000)],
            position: Position { at_ns: 0, over: 0, segment: 0, multiplier: 0 },
            gap,
            next: None,
            steady: None,
        };
        if matches!(arrivals.process, Process::Poisson(..)) {
            arrivals.gap = arrivals.process.draw_gap(mean_gap);
        }
        arrivals.solve_next();
        arrivals
    }

    /// Intended time of the next record, ns; `None` while the rate stays at zero.
    #[must_use]
    pub fn peek_ns(&self) -> Option<u64> {
        self.next.map(|(at_ns, _)| at_ns)
    }

    /// Takes the next record's intended time. Never decreases.
    #[inline]
    pub fn next_ns(&mut self) -> Option<u64> {
        let (at_ns, position) = self.next?;
        self.position = position;
        self.gap = self.process.draw_gap(self.mean_gap);
        if !self.step() {
            self.solve_next();
        }
        Some(at_ns)
    }

    /// Takes intended times as [`Arrivals::next_ns`] does one by one, and adds them to `times`. How
    /// many.
    pub fn next_run(&mut self, take: Take, times: &mut Vec<u64>) -> usize {
        let before = times.len();
        while let Some(max) = take.max.checked_sub(times.len() - before).filter(|left| *left > 0) {
            let Some(at_ns) = self.peek_ns().filter(|at_ns| *at_ns <= take.until_ns) else { break };
            if self.steady.is_some() {
                self.steady_run(Take { max, ..take }, times);
            } else {
                self.next_ns();
                times.push(at_ns);
            }
            if times.last().is_some_and(|last_ns| *last_ns >= take.enough_ns) {
                break;
            }
        }
        times.len() - before
    }

    /// Takes records by the shortcut as far as it reaches, at least the next one, which must be
    /// within the bounds.
    fn steady_run(&mut self, take: Take, times: &mut Vec<u64>) {
        let (Some(steady), Some((_, mut at))) = (self.steady, self.next) else { return };
        let Ok(mut over) = u64::try_from(at.over) else {
            times.extend(self.next_ns());
            return;
        };
        let mut left = take.max;
        loop {
            times.push(at.at_ns);
            left -= 1;
            let gap = self.process.draw_gap(self.mean_gap);
            let stepped = u64::try_from(gap).ok().and_then(|gap| steady.step(at.at_ns, over, gap));
            let Some((next_ns, next_over)) = stepped else {
                (self.position, self.gap) = (Position { over: u128::from(over), ..at }, gap);
                return self.solve_next();
            };
            if left == 0 || next_ns > take.until_ns || at.at_ns >= take.enough_ns {
                (self.position, self.gap) = (Position { over: u128::from(over), ..at }, gap);
                at = Position { at_ns: next_ns, over: u128::from(next_over), ..at };
                self.next = Some((next_ns, at));
                return;
            }
            (at.at_ns, over) = (next_ns, next_over);
        }
    }

    /// Multiplies the curve's rate from `now_ns` on, in parts per thousand of the original. Work
    /// already done stays done; a next record that is later than `now_ns` moves.
    pub fn set_multiplier(&mut self, now_ns: u64, permille: u32) {
        let (last_ns, _) = self.multipliers[self.multipliers.len() - 1];
        let from_ns = now_ns.max(last_ns).max(self.position.at_ns);
        self.multipliers.push((from_ns, permille));
        if self.peek_ns().is_none_or(|at_ns| at_ns > from_ns) {
            self.solve_next();
        } else {
            // The shortcut was worked out for the old rate.
            self.steady = None;
        }
    }

    /// The next record by the shortcut; `false` if there is none or it does not reach so far.
    fn step(&mut self) -> bool {
        let Some(steady) = self.steady else { return false };
        let mut at = self.position;
        let (Ok(gap), Ok(over)) = (u64::try_from(self.gap), u64::try_from(at.over)) else {
            return false;
        };
        let Some((at_ns, over)) = steady.step(at.at_ns, over, gap) else { return false };
        (at.at_ns, at.over) = (at_ns, u128::from(over));
        self.next = Some((at_ns, at));
        true
    }

    fn solve_next(&mut self) {
        self.next = self.solve();
        self.steady = self.steady_from_next();
    }

    /// The shortcut from the next record on, if its surroundings allow one.
    fn steady_from_next(&self) -> Option<Steady> {
        let (Process::Uniform | Process::Poisson(..), Some((_, at))) = (&self.process, self.next)
        else {
            return None;
        };
        let (weight, end_ns) = self.stretch(&at);
        let rate = self.curve.segment(at.segment).constant_rate()? * u64::from(weight);
        (rate > 0).then_some(Steady { rate, end_ns })
    }

    /// Time at which `gap` is done from `position` on, and the state then.
    fn solve(&self) -> Option<(u64, Position)> {
        if matches!(self.process, Process::Closed) {
            return None;
        }
        let mut at = self.position;
        loop {
            let Some(need) = self.gap.checked_sub(at.over) else {
                at.over -= self.gap;
                return Some((at.at_ns, at));
            };
            let (weight, end_ns) = self.stretch(&at);
            let segment = self.curve.segment(at.segment);
            if let (Some(rate), true) = (segment.constant_rate(), weight > 0) {
                // The common case costs one division.
                let rate = rate * u64::from(weight);
                let dt = if rate == 0 { u64::MAX } else { div_ceil(need, rate) };
                if dt <= end_ns - at.at_ns && rate > 0 {
                    at.at_ns += dt;
                    at.over = u128::from(dt) * u128::from(rate) - need;
                    return Some((at.at_ns, at));
                }
            }
            if end_ns == u64::MAX || self.is_silent_for_good(&at) {
                return None;
            }
            let work = segment.work(at.at_ns, end_ns) * u128::from(weight);
            if need <= work {
                let time_ns = segment.time_of(at.at_ns, need.div_ceil(u128::from(weight)));
                at.over = segment.work(at.at_ns, time_ns) * u128::from(weight) - need;
                at.at_ns = time_ns;
                return Some((time_ns, at));
            }
            at.over += work;
            self.cross(&mut at, end_ns);
        }
    }

    /// The weight of the rate from `at` on in parts per thousand, and until when it is the same.
    fn stretch(&self, at: &Position) -> (u32, u64) {
        let (_, mut weight) = self.multipliers[at.multiplier];
        let change_ns = self.multipliers.get(at.multiplier + 1).map_or(u64::MAX, |&(ns, _)| ns);
        let mut end_ns = self.curve.segment(at.segment).end_ns.min(change_ns);
        if let Process::Bursty { on_ns, off_ns } = self.process {
            let cycle = on_ns + off_ns;
            let phase = at.at_ns % cycle;
            let burst = phase < on_ns;
            end_ns = end_ns.min(at.at_ns - phase + if burst { on_ns } else { cycle });
            weight = if burst { weight } else { 0 };
        }
        (weight, end_ns)
    }

    fn cross(&self, at: &mut Position, end_ns: u64) {
        at.at_ns = end_ns;
        if self.curve.segment(at.segment).end_ns == end_ns {
            at.segment += 1;
        }
        if self.multipliers.get(at.multiplier + 1).is_some_and(|&(ns, _)| ns == end_ns) {
            at.multiplier += 1;
        }
    }

    fn is_silent_for_good(&self, at: &Position) -> bool {
        let segment = self.curve.segment(at.segment);
        let last = segment.end_ns == u64::MAX && at.multiplier + 1 == self.multipliers.len();
        last && (segment.constant_rate() == Some(0) || self.multipliers[at.multiplier].1 == 0)
    }
}

impl Steady {
    /// The next record's time, and the work done beyond it, from those of the last one. `None` if
    /// it comes after the steady stretch.
    #[inline]
    fn step(self, at_ns: u64, over: u64, gap: u64) -> Option<(u64, u64)> {
        let Some(need) = gap.checked_sub(over) else { return Some((at_ns, over - gap)) };
        let (whole_ns, part) = (need / self.rate, need % self.rate);
        let dt = whole_ns + u64::from(part > 0);
        let over = if part == 0 { 0 } else { self.rate - part };
        (dt <= self.end_ns - at_ns).then(|| (at_ns + dt, over))
    }
}

impl Process {
    /// Work until the next record.
    #[inline]
    fn draw_gap(&mut self, mean_gap: u128) -> u128 {
        match self {
            Self::Poisson(stream, mean_gap) => {
                let work = -libm::log(stream.unit()) * *mean_gap;
                // Conversion to 63 bits is one instruction, to 64 a few, to 128 a function.
                if work < i64::MAX as f64 {
                    u128::from((work as i64).cast_unsigned())
                } else {
                    work as u128
                }
            }
            Self::Uniform | Self::Bursty { .. } | Self::Closed => mean_gap,
        }
    }
}

/// Rounded up, `u64::MAX` if larger. Narrow divisions are several times faster than wide ones.
fn div_ceil(work: u128, rate: u64) -> u64 {
    match u64::try_from(work) {
        Ok(work) => work.div_ceil(rate),
        Err(_) => u64::try_from(work.div_ceil(u128::from(rate))).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests;
