//! Which changed keys explain how much of a figure's change.
//!
//! A set of keys is switched over alone, and all others are switched over without it: the mean of
//! both effects is what it explains. Where there are many keys, sets are halved as long as they
//! explain something, so that what has no effect costs two runs a seed and not two for each key.

use crate::failure::Failure;
use crate::trials::{Sameness, Trials};
use stormglass_reports::compare::{ChangedKey, KeyAttribution, KeyShare, deltas};
use stormglass_reports::figures::FigureName;
use stormglass_reports::result::{Milli, RunResult, div_half_up};
use stormglass_scenarios::{Change, Document, load};

/// Up to so many keys, each is looked at on its own.
const SINGLY_MAX: usize = 8;
/// A set that explains less than one part in this many of the change is not halved.
const WORTH_HALVING: i64 = 20;

/// What is asked.
pub(super) struct Question<'a> {
    /// The figure.
    pub(super) figure: &'a FigureName,
    /// Seeds.
    pub(super) seeds: &'a [u64],
    /// What runs the variants.
    pub(super) trials: &'a Trials,
}

/// A set of keys, by position among the changes that take part.
type Set = Vec<usize>;

/// What each changed key explains; nothing when no key differs.
pub(super) fn attribution(
    question: &Question<'_>,
    a: &Document,
    b: &Document,
) -> Result<Option<KeyAttribution>, Failure> {
    let changes = a.changes(b);
    if changes.is_empty() {
        return Ok(None);
    }
    let before = question.trials.runs();
    let (part, apart): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(Change::takes_part);
    let search = Search { question, a, part: &part };
    let whole: Set = (0..part.len()).collect();
    let (change, unit) = match search.effects(&[whole])?.pop().flatten() {
        Some((change, unit)) => (change, unit),
        None => (None, String::new()),
    };
    let mut keys = search.shares(change)?;
    keys.sort_by_key(|share| std::cmp::Reverse(share.explains.map(|one| one.units().abs())));
    let explained: i64 = keys.iter().filter_map(|key| key.explains).map(Milli::units).sum();
    keys.extend(apart.iter().map(|change| KeyShare {
        keys: vec![changed(change)],
        alone: None,
        missing_without: None,
        explains: None,
        share_percent: None,
        takes_part: false,
    }));
    Ok(Some(KeyAttribution {
        figure: question.figure.clone(),
        unit,
        change,
        seeds: question.seeds.to_vec(),
        keys,
        together: change.map(|change| Milli::from_units(change.units() - explained)),
        runs: question.trials.runs() - before,
    }))
}

fn changed(change: &Change) -> ChangedKey {
    let Change { path, before, after, .. } = change;
    ChangedKey { path: path.clone(), before: before.clone(), after: after.clone() }
}

struct Search<'a> {
    question: &'a Question<'a>,
    a: &'a Document,
    part: &'a [Change],
}

/// Change of the figure and its unit; nothing when the variant is no valid scenario.
type Effect = Option<(Option<Milli>, String)>;

impl Search<'_> {
    /// Level by level: all sets of a level are run together, side by side.
    fn shares(&self, change: Option<Milli>) -> Result<Vec<KeyShare>, Failure> {
        let count = self.part.len();
        let all: Set = (0..count).collect();
        let mut level: Vec<Set> = match count {
            0 => Vec::new(),
            1..=SINGLY_MAX => all.iter().map(|key| vec![*key]).collect(),
            _ => halves(&all),
        };
        let mut shares = Vec::new();
        while !level.is_empty() {
            let without =
                |set: &Set| all.iter().copied().filter(|key| !set.contains(key)).collect();
            let variants: Vec<Set> =
                level.iter().cloned().chain(level.iter().map(without)).collect();
            let mut effects = self.effects(&variants)?;
            let others = effects.split_off(level.len());
            let mut next = Vec::new();
            for ((set, alone), rest) in level.iter().zip(effects).zip(others) {
                let share = self.share(set, value(alone), value(rest), change);
                if set.len() > 1 && is_worth_halving(&share, change) {
                    next.extend(halves(set));
                } else {
                    shares.push(share);
                }
            }
            level = next;
        }
        Ok(shares)
    }

    fn share(
        &self,
        set: &Set,
        alone: Option<Milli>,
        rest: Option<Milli>,
        change: Option<Milli>,
    ) -> KeyShare {
        let missing_without =
            change.zip(rest).map(|(change, rest)| Milli::from_units(change.units() - rest.units()));
        let effects: Vec<i64> =
            [alone, missing_without].into_iter().flatten().map(Milli::units).collect();
        let explains = (!effects.is_empty()).then(|| {
            let sum = effects.iter().map(|effect| i128::from(*effect)).sum();
            let mean = div_half_up(sum, effects.len() as i128);
            Milli::from_units(i64::try_from(mean).unwrap_or(i64::MAX))
        });
        let share_percent = explains.zip(change).filter(|(_, change)| *change != Milli::ZERO).map(
            |(explains, change)| {
                let (part, whole) = (i128::from(explains.units()), i128::from(change.units()));
                Milli::ratio(part * 100 * whole.signum(), whole.abs())
            },
        );
        let keys = set.iter().map(|key| changed(&self.part[*key])).collect();
        KeyShare { keys, alone, missing_without, explains, share_percent, takes_part: true }
    }

    /// The figure's change from the first side to the first side with some keys switched over.
    fn effects(&self, sets: &[Set]) -> Result<Vec<Effect>, Failure> {
        let Question { figure, seeds, trials } = self.question;
        let mut plans = Vec::new();
        let mut of_variant: Vec<Option<usize>> = Vec::new();
        for set in std::iter::once(&Set::new()).chain(sets) {
            let source = self.a.with(set.iter().map(|key| &self.part[*key])).source();
            let loaded: Result<Vec<_>, _> =
                seeds.iter().map(|seed| load(&source, &[], *seed)).collect();
            of_variant.push(loaded.is_ok().then_some(plans.len()));
            plans.extend(loaded.unwrap_or_default());
        }
        let results = trials.run(&plans, Sameness::Figures, "what each key explains")?;
        let runs = |at: usize| results[at..at + seeds.len()].iter().map(AsRef::as_ref);
        let Some(base) = of_variant[0] else { return Ok(vec![None; sets.len()]) };
        let effect = |at: &Option<usize>| -> Effect {
            let pairs: Vec<(&RunResult, &RunResult)> = runs(base).zip(runs((*at)?)).collect();
            let delta = deltas(&pairs).into_iter().find(|delta| delta.name == **figure)?;
            Some((delta.change, delta.unit))
        };
        Ok(of_variant[1..].iter().map(effect).collect())
    }
}

fn value(effect: Effect) -> Option<Milli> {
    effect.and_then(|(change, _)| change)
}

/// Also when nothing is known: its halves may be valid scenarios.
fn is_worth_halving(share: &KeyShare, change: Option<Milli>) -> bool {
    let part = |whole: Milli| whole.units().abs() / WORTH_HALVING;
    match (share.explains, change) {
        (Some(explains), Some(change)) => explains.units().abs() > part(change),
        _ => true,
    }
}

fn halves(set: &Set) -> Vec<Set> {
    let (low, high) = set.split_at(set.len() / 2);
    vec![low.to_vec(), high.to_vec()]
}
