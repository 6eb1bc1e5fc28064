//! Shards that a merge lacks: those that are there say how many there were.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use stormglass_reports::hunt::SeedShare;

/// Shards that are named; of more, how many there are.
const NAMED_MAX: usize = 20;

/// What is missing of one hunt that was divided.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Into how many shards it was divided.
    count: u64,
    /// The missing ones, as far as they are named.
    named: Vec<u64>,
    /// How many they are.
    shards: u64,
    /// How many seeds were not run, of how many; not known where time or an interruption has ended some
    /// shards before others.
    seeds: Option<(u64, u64)>,
}

/// What is missing of the hunts that these shares are of.
pub(super) fn gaps(shares: &[SeedShare]) -> Vec<Gap> {
    let mut hunts: BTreeMap<(u64, u64), Vec<SeedShare>> = BTreeMap::new();
    for share in shares {
        hunts.entry((share.from, share.count.max(1))).or_default().push(*share);
    }
    hunts.values().filter_map(|shares| gap(shares)).collect()
}

/// What is missing of a hunt with these shards, which have the first seed and the number of shards in
/// common.
fn gap(shares: &[SeedShare]) -> Option<Gap> {
    let SeedShare { from, count, .. } = *shares.first()?;
    let count = count.max(1);
    let to = shares.iter().map(|share| share.to).max()?;
    let there: BTreeSet<u64> = shares.iter().map(|share| share.index % count).collect();
    let seeds_of = |index: u64| SeedShare { from, to, count, index }.seeds();
    let all = to.saturating_sub(from);
    // of more shards than seeds, some have none that could be missing
    let with_seeds = there.iter().filter(|index| seeds_of(**index) > 0).count() as u64;
    let shards = count.min(all).saturating_sub(with_seeds);
    if shards == 0 {
        return None;
    }
    let run = there.iter().map(|index| seeds_of(*index)).fold(0, u64::saturating_add);
    let ends_alike = shares.iter().all(|share| share.to == to);
    let missing = (from..to).map(|seed| seed % count).filter(|index| !there.contains(index));
    let named_max = usize::try_from(shards).unwrap_or(usize::MAX).min(NAMED_MAX);
    let mut named: Vec<u64> = missing.take(named_max).collect();
    named.sort_unstable();
    let seeds = ends_alike.then(|| (all.saturating_sub(run), all));
    Some(Gap { count, named, shards, seeds })
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seeds {
            Some((missing, all)) => write!(f, "{missing} of {all} seeds were not run: ")?,
            None => f.write_str("seeds were not run: ")?,
        }
        let mut names: Vec<String> = self.named.iter().map(u64::to_string).collect();
        let more = self.shards - self.named.len() as u64;
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let (count, last) = (self.count, names.pop().unwrap_or_default());
        match names.join(", ") {
            names if names.is_empty() => write!(f, "shard {last} of {count} is missing"),
            names => write!(f, "shards {names} and {last} of {count} are missing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(to: u64, count: u64, index: u64) -> SeedShare {
        SeedShare { from: 1, to, count, index }
    }

    fn said(shares: &[SeedShare]) -> Vec<String> {
        gaps(shares).iter().map(Gap::to_string).collect()
    }

    #[test]
    fn a_missing_shard_is_named_with_its_seeds() {
        let [all @ .., last] = [share(61, 3, 0), share(61, 3, 1), share(61, 3, 2)];
        let expected = ["20 of 60 seeds were not run: shard 2 of 3 is missing"];
        assert_eq!(said(&all), expected);
        let expected = ["40 of 60 seeds were not run: shards 0 and 1 of 3 are missing"];
        assert_eq!(said(&[last]), expected);
        assert_eq!(said(&[all[0], all[1], last]), [""; 0]);
    }

    #[test]
    fn whole_ranges_and_shards_without_seeds_lack_nothing() {
        assert_eq!(said(&[]), [""; 0]);
        assert_eq!(said(&[share(61, 1, 0)]), [""; 0]);
        // seeds 1 and 2: nothing is left for 0 and 3
        assert_eq!(said(&[share(3, 4, 1), share(3, 4, 2)]), [""; 0]);
    }

    #[test]
    fn where_shards_end_apart_nobody_knows_how_many_seeds_there_were() {
        let expected = ["seeds were not run: shard 1 of 3 is missing"];
        assert_eq!(said(&[share(31, 3, 0), share(60, 3, 2)]), expected);
        assert_eq!(said(&[share(31, 3, 0), share(41, 3, 1), share(60, 3, 2)]), [""; 0]);
    }

    #[test]
    fn many_shards_are_counted_and_hunts_are_told_apart() {
        let many = SeedShare { from: 100, to: u64::MAX, count: 1_000_000_000, index: 100 };
        let said = said(&[share(61, 3, 0), many, share(61, 3, 2)]);
        assert_eq!(said[0], "20 of 60 seeds were not run: shard 1 of 3 is missing");
        assert!(said[1].ends_with("119, 120 and 999999979 more of 1000000000 are missing"));
    }
}
