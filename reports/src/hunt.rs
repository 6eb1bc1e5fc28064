//! What a hunt found: `hunt.json` of its directory, of one shard or of several merged.
//!
//! Everything here is a function of version, scenario and seeds: the number of jobs changes nothing,
//! and shards add up to what one machine would have found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this document's shape.
pub const HUNT_SCHEMA_VERSION: u32 = 1;

/// Seeds kept by number for each failure; more are only counted.
const SEEDS_KEPT: usize = 20;

/// A hunt's findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HuntResult {
    /// [`HUNT_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of Stormglass.
    pub version: String,
    /// The scenario that storms were drawn from.
    pub scenario: String,
    /// SHA-256 of its text.
    pub scenario_digest: String,
    /// Planted bug, if any.
    pub plant: Option<String>,
    /// Whether it was cut short; then seeds are missing.
    pub interrupted: bool,
    /// What a merge lacks of the hunts that were divided, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Seeds that were run.
    pub seeds: u64,
    /// Which they are: a seed of two hunts would count twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<SeedShare>,
    /// Seeds in which every promise was kept.
    pub sound: u64,
    /// Seeds in which only what Kafka itself does not promise under the faults was broken.
    pub excused: u64,
    /// Seeds in which a promise was broken.
    pub failed: u64,
    /// Seeds whose plan could not be run.
    pub refused: u64,
    /// Events of all runs.
    pub events: u64,
    /// Simulated time of all runs, ms.
    pub sim_ms: u64,
    /// Records acknowledged in all runs.
    pub acked_records: u64,
    /// Sum of the event hashes of all runs, hex: the same seeds have the same sum.
    pub hash: String,
    /// How many seeds reached each mark, those that none reached included.
    pub marks: BTreeMap<String, u64>,
    /// Faults that the plans had, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Broken promises by signature.
    pub failures: Vec<FailureRow>,
}

/// Every `count`-th seed from `from` up to, but not with, `to`: those that leave `index` when divided by
/// `count`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct SeedShare {
    /// First seed of the range.
    pub from: u64,
    /// Where the range ends.
    pub to: u64,
    /// One of how many shares, at least 1.
    pub count: u64,
    /// Which of them, from 0.
    pub index: u64,
}

impl SeedShare {
    /// How many seeds it has.
    #[must_use]
    pub fn seeds(&self) -> u64 {
        let count = self.count.max(1);
        let first = self.first();
        if first >= self.to { 0 } else { (self.to - 1 - first) / count + 1 }
    }

    /// The lowest seed of both, if there is one.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<u64> {
        let (wide, narrow) = if self.count >= other.count { (self, other) } else { (other, self) };
        let (from, to) = (wide.from.max(narrow.from), wide.to.min(narrow.to));
        let first = Self { from, to, ..*wide }.first();
        let step = usize::try_from(wide.count.max(1)).unwrap_or(usize::MAX);
        // what is left of seeds so far apart comes round again after so many of them
        let round = usize::try_from(narrow.count.max(1)).unwrap_or(usize::MAX);
        let is_narrow = |seed: &u64| seed % narrow.count.max(1) == narrow.index;
        (first..to).step_by(step).take(round).find(is_narrow)
    }

    /// The lowest seed from the beginning of the range that it has; it may be beyond the end.
    fn first(&self) -> u64 {
        let count = self.count.max(1);
        let (index, at) = (self.index % count, self.from % count);
        let above = if index >= at { index - at } else { index + (count - at) };
        self.from.saturating_add(above)
    }
}

/// Shares in order; those that are together a whole range become one.
fn joined(mut shares: Vec<SeedShare>) -> Vec<SeedShare> {
    shares.sort_unstable();
    let mut joined: Vec<SeedShare> = Vec::new();
    for share in shares {
        joined.push(share);
        let count = usize::try_from(share.count.max(1)).unwrap_or(usize::MAX);
        let Some(begins) = joined.len().checked_sub(count) else { continue };
        let range = |one: &SeedShare| (one.from, one.to, one.count);
        if joined[begins..].iter().all(|one| range(one) == range(&share)) {
            joined.truncate(begins);
            joined.push(SeedShare { count: 1, index: 0, ..share });
        }
    }
    joined
}

/// A failure: all seeds whose runs broke the same promise in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureRow {
    /// Checker, and what it saw without its numbers.
    pub signature: String,
    /// Checker that fired, `panic`, `application-panic` or `endless`.
    pub checker: String,
    /// Lowest seed; its plan is in the folder.
    pub seed: u64,
    /// Seeds that failed so.
    pub count: u64,
    /// The first of them.
    pub seeds: Vec<u64>,
    /// Faults and load changes in the plan of the lowest seed.
    pub plan_events: u64,
    /// Faults and load changes that are left after shrinking.
    pub shrunk_events: Option<u64>,
    /// Runs that shrinking took.
    pub shrink_runs: Option<u64>,
    /// Folder with plan.json and account.txt, relative to the hunt's directory.
    pub folder: String,
}

impl FailureRow {
    /// Of one seed.
    #[must_use]
    pub fn new(signature: &str, checker: &str, seed: u64, plan_events: u64) -> Self {
        Self {
            signature: signature.to_owned(),
            checker: checker.to_owned(),
            seed,
            count: 1,
            seeds: vec![seed],
            plan_events,
            shrunk_events: None,
            shrink_runs: None,
            folder: format!("failures/{}", folder_name(signature)),
        }
    }

    /// Adds what another row of the same signature says. Whether the other one's plan is of a lower
    /// seed, so that its folder is to replace this one's.
    pub fn absorb(&mut self, other: &Self) -> bool {
        self.count += other.count;
        self.seeds.extend(&other.seeds);
        self.seeds.sort_unstable();
        self.seeds.dedup();
        self.seeds.truncate(SEEDS_KEPT);
        let replaces = other.seed < self.seed;
        if replaces {
            self.seed = other.seed;
            self.plan_events = other.plan_events;
            self.shrunk_events = other.shrunk_events;
            self.shrink_runs = other.shrink_runs;
        }
        replaces
    }
}

/// The JSON Schema of `hunt.json`, as committed in `reports/schema/hunt.schema.json`.
#[must_use]
pub fn hunt_schema() -> serde_json::Value {
    schemars::schema_for!(HuntResult).to_value()
}

impl HuntResult {
    /// As indented JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a hunt's result is plain data");
        text.push('\n');
        text
    }

    /// A share of another hunt's of which this one has a seed too, and the lowest such seed. What is
    /// of an earlier version does not say its seeds.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<(SeedShare, u64)> {
        let common = |theirs: &SeedShare| {
            let seeds = self.shares.iter().filter_map(|ours| ours.common(theirs));
            seeds.min().map(|seed| (*theirs, seed))
        };
        other.shares.iter().find_map(common)
    }

    /// Adds another shard's numbers; failures are the caller's, as they have folders, and so is what is
    /// missing, as it follows from all shares.
    ///
    /// # Errors
    /// If the other one hunted something else.
    pub fn absorb_numbers(&mut self, other: &Self) -> Result<(), String> {
        for (what, a, b) in [
            ("version", &self.version, &other.version),
            ("scenario", &self.scenario, &other.scenario),
            ("scenario text", &self.scenario_digest, &other.scenario_digest),
        ] {
            if a != b {
                return Err(format!("different {what}: `{a}` and `{b}`"));
            }
        }
        if self.plant != other.plant {
            return Err(format!("different bugs planted: {:?} and {:?}", self.plant, other.plant));
        }
        self.interrupted |= other.interrupted;
        self.shares = joined(self.shares.iter().chain(&other.shares).copied().collect());
        self.seeds += other.seeds;
        self.sound += other.sound;
        self.excused += other.excused;
        self.failed += other.failed;
        self.refused += other.refused;
        self.events += other.events;
        self.sim_ms += other.sim_ms;
        self.acked_records += other.acked_records;
        self.hash = add_hashes(&self.hash, &other.hash);
        for (ours, theirs) in [(&mut self.marks, &other.marks), (&mut self.faults, &other.faults)] {
            for (name, count) in theirs {
                *ours.entry(name.clone()).or_default() += count;
            }
        }
        Ok(())
    }
}

/// Sum of two hashes in hex, modulo 2^64: in whatever order they are added, it is the same.
#[must_use]
pub fn add_hashes(a: &str, b: &str) -> String {
    let value = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
    format!("{:016x}", value(a).wrapping_add(value(b)))
}

/// A name for the folder of a signature: readable, and unlike any other's.
fn folder_name(signature: &str) -> String {
    let mut name = String::new();
    for c in signature.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let short: String = name.trim_matches('-').chars().take(48).collect();
    // FNV-1a of the whole signature: names that are cut stay apart
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let hash = signature.bytes().fold(0xCBF2_9CE4_8422_2325_u64, fold);
    format!("{}-{:08x}", short.trim_end_matches('-'), hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_signature_add_up_whatever_comes_first() {
        let (low, high) = (FailureRow::new("a: b", "a", 3, 7), FailureRow::new("a: b", "a", 9, 2));
        let (mut up, mut down) = (low.clone(), high.clone());
        assert!(!up.absorb(&high) && down.absorb(&low));
        assert_eq!(up, down);
        assert_eq!((up.seed, up.count, up.plan_events), (3, 2, 7));
        assert_eq!(up.seeds, [3, 9]);
    }

    #[test]
    fn shares_know_their_seeds_and_which_they_have_in_common() {
        let share = |from, to, count, index| SeedShare { from, to, count, index };
        let of = |one: &SeedShare| {
            (one.from..one.to).filter(|seed| seed % one.count == one.index).collect::<Vec<u64>>()
        };
        let shares = [
            share(1, 7, 1, 0),
            share(1, 7, 2, 0),
            share(1, 7, 2, 1),
            share(5, 40, 6, 4),
            share(6, 40, 4, 1),
            share(7, 30, 1, 0),
            share(3, 3, 1, 0),
        ];
        for one in &shares {
            assert_eq!(one.seeds(), of(one).len() as u64, "{one:?}");
            for other in &shares {
                let expected = of(one).into_iter().find(|seed| of(other).contains(seed));
                assert_eq!(one.common(other), expected, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn shares_that_are_a_whole_range_become_one() {
        let share = |count, index| SeedShare { from: 1, to: 7, count, index };
        assert_eq!(joined(vec![share(2, 1), share(2, 0)]), [share(1, 0)]);
        assert_eq!(joined(vec![share(3, 2), share(3, 0)]), [share(3, 0), share(3, 2)]);
        assert_eq!(joined(vec![share(1, 0)]), [share(1, 0)]);
    }

    /// After a change of the types: `stormglass schema hunt` prints the new text.
    #[test]
    fn the_committed_schema_is_the_types_schema() {
        let committed = include_str!("../schema/hunt.schema.json");
        let mut current = serde_json::to_string_pretty(&hunt_schema()).unwrap();
        current.push('\n');
        assert!(committed == current, "reports/schema/hunt.schema.json is out of date");
    }

    #[test]
    fn hashes_add_up_in_any_order() {
        let sum = add_hashes("ffffffffffffffff", "0000000000000002");
        assert_eq!(sum, "0000000000000001");
        assert_eq!(sum, add_hashes("0000000000000002", "ffffffffffffffff"));
    }

    #[test]
    fn folders_have_plain_names_that_differ() {
        let name = folder_name("isr-rules: leader # of P/../x has ISR #");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        let long = |end: &str| folder_name(&format!("{}{end}", "x".repeat(100)));
        assert_ne!(long("a"), long("b"));
    }
}
