//! How far the load of a cluster that fits can rise, what breaks first, and the check of what is
//! stated: at 0.9 times the headroom every state holds, at 1.3 times one breaks.

use super::plan_scenario::{Shape, Trial};
use super::plan_search::Search;
use crate::failure::Failure;
use crate::progress;
use std::sync::Arc;
use stormglass_reports::planner::{
    Bound, Bracket, Candidate, Headroom, Judgement, Requirements, State, Use, Verified, bounds,
    growth,
};
use stormglass_reports::result::Milli;
use stormglass_scenarios::plan::ClusterKind;

/// Multiples of the required load that the chart begins with, parts per thousand; the last is known.
const LIGHTER: [u64; 3] = [500, 750, 1_000];
/// The stated headroom must hold at this much of it, and break at the other, parts per thousand.
const BELOW_PERMILLE: u64 = 900;
const ABOVE_PERMILLE: u64 = 1_300;
/// What the page cache hides at first is there after so much longer, seconds: a fifth of 32 GiB fills
/// at 40 MB/s above what the volume takes.
const LONGER_S: u32 = 180;

/// What is known of a cluster's limit.
#[derive(Debug, Clone)]
struct Limit {
    /// The state that breaks first comes first.
    order: Vec<State>,
    bracket: Bracket,
    /// What happened at the upper end of the bracket.
    broken: Option<Break>,
    /// All that was simulated.
    judged: Vec<Judgement>,
}

/// Why a multiple of the load does not hold.
#[derive(Debug, Clone)]
struct Break {
    state: State,
    binds: Option<Use>,
    reason: Option<String>,
}

impl Search<'_> {
    /// Adds headroom and growth to clusters that fit; the headroom of the cheapest of each kind is
    /// checked.
    pub(super) fn add_headroom(&self, fits: &mut [Candidate]) -> Result<(), Failure> {
        let shapes: Vec<Shape> = fits.iter().filter_map(Shape::of).collect();
        let limits = self.side_by_side("headroom", 0, shapes.len(), |at, board| {
            self.narrowed(&shapes[at], Limit::new(&self.args.requirements.states), board)
        })?;
        let mut kinds: Vec<ClusterKind> = Vec::new();
        for ((candidate, mut limit), shape) in fits.iter_mut().zip(limits).zip(&shapes) {
            let lighter: &[u64] = if kinds.is_empty() { &LIGHTER } else { &[] };
            let is_cheapest = !kinds.contains(&candidate.cluster.kind);
            kinds.push(candidate.cluster.kind);
            let verified = is_cheapest.then(|| self.verify(shape, &mut limit, lighter));
            candidate.headroom = limit.headroom(verified.transpose()?);
            candidate.curve = limit.curve();
            candidate.growth = growth(candidate, &self.args.requirements);
        }
        Ok(())
    }

    /// Looks for the largest multiple at which every state holds.
    fn narrowed(
        &self,
        shape: &Shape,
        mut limit: Limit,
        board: &Arc<progress::Board>,
    ) -> Result<Limit, Failure> {
        loop {
            while let Some(multiple) = limit.bracket.next() {
                let found = self.first_break(shape, &mut limit, 1, multiple, board)?;
                limit.note(multiple, found);
            }
            // The other states where the first one still holds.
            let (at, all) = (limit.bracket.holds(), limit.order.len());
            match self.first_break(shape, &mut limit, all, at, board)? {
                Some(found) if Bracket::is_lowered_by(at) => limit.note(at, Some(found)),
                _ => return Ok(limit),
            }
        }
    }

    /// What breaks at a multiple of the load, in the first few states of the order: by arithmetic,
    /// which costs nothing, or simulated.
    fn first_break(
        &self,
        shape: &Shape,
        limit: &mut Limit,
        states: usize,
        multiple: u64,
        board: &Arc<progress::Board>,
    ) -> Result<Option<Break>, Failure> {
        if let Some(found) = self.by_arithmetic(shape, multiple)? {
            return Ok(Some(found));
        }
        for state in limit.order.clone().into_iter().take(states) {
            let judgement = self.judge(shape, self.trial(shape, state, multiple), board)?;
            limit.judged.push(judgement.clone());
            if !judgement.holds {
                return Ok(Some(Break::of(&judgement)));
            }
        }
        Ok(None)
    }

    /// A resource of which more is needed than there is.
    fn by_arithmetic(&self, shape: &Shape, multiple: u64) -> Result<Option<Break>, Failure> {
        let requirements = &self.args.requirements;
        let plan = shape.plan(requirements, Trial::new(State::None, 1000), self.args.seed)?;
        let raised = Requirements {
            ingress_bytes_per_sec: requirements.ingress_bytes_per_sec * multiple / 1000,
            ..requirements.clone()
        };
        let bounds = bounds(&plan, &raised, shape.partitions_max);
        let tightest = bounds.into_iter().next();
        Ok(tightest.filter(Bound::is_broken).map(|bound| Break {
            state: bound.state,
            reason: Some(bound.says()),
            binds: Some(Use { resource: bound.resource, percent: bound.percent }),
        }))
    }

    fn trial(&self, shape: &Shape, state: State, multiple: u64) -> Trial {
        let requirements = &self.args.requirements;
        let required = state.load_permille(requirements.peak_permille);
        shape.trial(requirements, state, required * multiple / 1000)
    }

    /// Simulates the cluster beside its headroom, and at lighter load for the chart. A headroom of
    /// which nine tenths do not hold is lowered.
    fn verify(
        &self,
        shape: &Shape,
        limit: &mut Limit,
        lighter: &[u64],
    ) -> Result<Verified, Failure> {
        loop {
            let stated = limit.bracket.holds();
            let below = stated * BELOW_PERMILLE / 1000;
            let mut trials: Vec<Trial> =
                limit.order.iter().map(|state| self.trial(shape, *state, below)).collect();
            let first = limit.order.first().copied();
            trials.extend(
                first
                    .into_iter()
                    .flat_map(|state| lighter.iter().map(move |at| self.trial(shape, state, *at))),
            );
            let judged = self.side_by_side("verification", 0, trials.len(), |at, board| {
                self.judge(shape, trials[at], board)
            })?;
            let failed =
                judged.iter().take(limit.order.len()).find(|one| !one.holds).map(Break::of);
            limit.judged.extend(judged);
            if failed.is_some() && Bracket::is_lowered_by(below) {
                limit.note(below, failed);
                let again = self.side_by_side("headroom", 0, 1, |_, board| {
                    self.narrowed(shape, limit.clone(), board)
                })?;
                *limit = again.into_iter().next().unwrap_or_else(|| limit.clone());
                continue;
            }
            let above = self.break_above(shape, limit, stated * ABOVE_PERMILLE / 1000)?;
            return Ok(Verified {
                holds_below: failed.is_none(),
                reason_below: failed.map(|found| found.says()),
                breaks_above: limit.broken.as_ref().map(|_| above.is_some()),
                reason_above: above.map(|found| found.says()),
            });
        }
    }

    /// What breaks in simulation at a multiple: as long as usual in every state, then longer in the
    /// state in which the limit was found; then a service's quota, which is not all simulated. Nothing is
    /// looked for where no limit was found.
    fn break_above(
        &self,
        shape: &Shape,
        limit: &mut Limit,
        multiple: u64,
    ) -> Result<Option<Break>, Failure> {
        let Some(broken) = &limit.broken else { return Ok(None) };
        let is_of_a_quota = broken.is_of_a_quota();
        let mut trials: Vec<Trial> =
            limit.order.iter().map(|state| self.trial(shape, *state, multiple)).collect();
        // The page cache hides no quota.
        let first = trials.first().copied().filter(|_| !is_of_a_quota);
        trials.extend(first.map(|first| Trial { longer_s: LONGER_S, ..first }));
        for trial in trials {
            let judged = self
                .side_by_side("verification", 0, 1, |_, board| self.judge(shape, trial, board))?;
            let Some(judgement) = judged.into_iter().next() else { continue };
            let found = (!judgement.holds).then(|| Break::of(&judgement));
            let is_longer = trial.longer_s == LONGER_S;
            if !is_longer {
                limit.judged.push(judgement);
            }
            if let Some(mut found) = found {
                if is_longer {
                    let after = trial.settled().end;
                    found.reason = found.reason.map(|reason| format!("{reason}, after {after} s"));
                }
                return Ok(Some(found));
            }
        }
        // Above the sustained quotas of a service nothing is simulated, and nothing promised.
        let quota = self.by_arithmetic(shape, multiple)?;
        Ok(quota.filter(Break::is_of_a_quota))
    }
}

impl Limit {
    fn new(states: &[State]) -> Self {
        Self {
            order: states.to_vec(),
            bracket: Bracket::default(),
            broken: None,
            judged: Vec::new(),
        }
    }

    /// What became of a multiple; the state that broke is the first to be tried from now on.
    fn note(&mut self, multiple: u64, found: Option<Break>) {
        self.bracket.note(multiple, found.is_none());
        if let Some(found) = found {
            if let Some(at) = self.order.iter().position(|state| *state == found.state) {
                self.order[..=at].rotate_right(1);
            }
            self.broken = Some(found);
        }
    }

    fn headroom(&self, verified: Option<Verified>) -> Option<Headroom> {
        let milli = |multiple: u64| Milli::from_units(i64::try_from(multiple).unwrap_or(i64::MAX));
        let broken = self.broken.as_ref();
        Some(Headroom {
            state: *self.order.first()?,
            holds_at: milli(self.bracket.holds()),
            breaks_at: self.bracket.breaks().map(milli),
            binds: broken.and_then(|found| found.binds.clone()),
            reason: broken.and_then(|found| found.reason.clone()),
            verified,
        })
    }

    /// The state that breaks first at rising load.
    fn curve(self) -> Vec<Judgement> {
        let first = self.order.first().copied();
        let mut curve = self.judged;
        curve.retain(|one| Some(one.state) == first);
        curve.sort_by_key(|one| one.load_permille);
        curve.dedup_by_key(|one| one.load_permille);
        curve
    }
}

impl Break {
    fn of(judgement: &Judgement) -> Self {
        Self {
            state: judgement.state,
            binds: judgement.uses.first().cloned(),
            reason: judgement.reason.clone(),
        }
    }

    fn is_of_a_quota(&self) -> bool {
        self.binds.as_ref().is_some_and(|used| used.resource.ends_with(" quota"))
    }

    /// `az-at-peak: response p99 90 ms, not below 50.0 ms`.
    fn says(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("does not hold");
        format!("{}: {reason}", self.state.name())
    }
}
