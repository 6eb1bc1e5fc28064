//! What the arguments of `hunt` mean: the range of seeds, this machine's share of it, the time.

use super::high::{Target, jobs, pairs};
use super::low::LowHunt;
use crate::failure::Failure;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use stormglass_scenarios::units;

/// Seeds of a hunt that says nothing about them.
const SEEDS_DEFAULT: Range<u64> = 1..101;
/// Array jobs: variable of the index, variable of the count, number of the first index.
const ARRAY_JOBS: [(&str, &str, u64); 4] = [
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", 0),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT", 0),
    ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
];

/// `hunt`.
#[derive(Debug)]
pub(crate) struct Hunt {
    /// Which scenario.
    pub(crate) target: Target,
    /// The scenario as typed.
    pub(crate) scenario: String,
    /// Pairs of path and value.
    pub(crate) sets: Vec<(String, String)>,
    /// Seeds of all shards together.
    pub(crate) seeds: Range<u64>,
    /// This machine's share.
    pub(crate) shard: Shard,
    /// Runs at a time.
    pub(crate) jobs: usize,
    /// No new seed is begun after this long.
    pub(crate) time: Option<Duration>,
    /// Make failing plans smaller.
    pub(crate) shrink: bool,
    /// Where to; the default if not given.
    pub(crate) out: Option<PathBuf>,
    /// Historical bug to put back.
    pub(crate) plant: Option<String>,
}

/// Every `count`-th seed, the `index`-th of each `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 0.
    pub(crate) index: u64,
    /// At least 1.
    pub(crate) count: u64,
}

impl Shard {
    /// All seeds.
    pub(crate) const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether a seed is of this share.
    pub(crate) fn has(self, seed: u64) -> bool {
        seed % self.count == self.index
    }
}

pub(super) fn hunt(low: LowHunt) -> Result<Hunt, Failure> {
    let seeds = match (&low.seeds, &low.time) {
        (Some(text), _) => seeds(text)?,
        (None, Some(_)) => 1..u64::MAX,
        (None, None) => SEEDS_DEFAULT,
    };
    let shard = match &low.shard {
        Some(text) => shard("--shard", text)?,
        None => array_job(&environment)?,
    };
    Ok(Hunt {
        target: Target::new(&low.scenario),
        sets: pairs("--set", &low.set)?,
        seeds,
        shard,
        jobs: jobs(low.jobs),
        time: low.time.as_deref().map(time).transpose()?,
        shrink: low.shrink,
        out: low.out,
        plant: low.plant,
        scenario: low.scenario,
    })
}

fn seeds(text: &str) -> Result<Range<u64>, Failure> {
    let range = text.split_once("..").and_then(|(from, to)| {
        let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
        (range.start < range.end).then_some(range)
    });
    range.ok_or_else(|| {
        Failure::usage(format!("--seeds `{text}` is not a range of seeds"))
            .help("write A..B with A below B, such as 1..1001 for a thousand seeds")
    })
}

fn shard(what: &str, text: &str) -> Result<Shard, Failure> {
    let shard = text.split_once('/').and_then(|(index, count)| {
        let shard = Shard { index: index.trim().parse().ok()?, count: count.trim().parse().ok()? };
        (shard.index < shard.count).then_some(shard)
    });
    shard.ok_or_else(|| {
        Failure::usage(format!("{what} `{text}` is not a share"))
            .help("write I/N with I from 0 and below N, such as 0/4 for the first of four")
    })
}

#[expect(clippy::disallowed_methods, reason = "schedulers tell a task its share this way")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The share that an array job's variables name; the whole without any.
fn array_job(variable: &dyn Fn(&str) -> Option<String>) -> Result<Shard, Failure> {
    for (index, count, first) in ARRAY_JOBS {
        let (Some(at), Some(of)) = (variable(index), variable(count)) else { continue };
        let text = match at.trim().parse::<u64>() {
            Ok(at) if at >= first => format!("{}/{of}", at - first),
            _ => format!("{at}/{of}"),
        };
        return shard(&format!("{index} and {count}:"), &text);
    }
    Ok(Shard::WHOLE)
}

fn time(text: &str) -> Result<Duration, Failure> {
    let ns = units::parse_duration_ns(text).map_err(|error| {
        Failure::usage(format!("--for `{text}`: {}", error.message)).help(error.help)
    })?;
    Ok(Duration::from_nanos(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_shares_are_read() {
        assert_eq!(seeds("1..1001").unwrap(), 1..1001);
        for wrong in ["5", "5..5", "9..3", "a..b", "..3", "1..=3"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(shard("", "3/4").unwrap(), Shard { index: 3, count: 4 });
        for wrong in ["4/4", "1", "1/0", "-1/3"] {
            assert!(shard("", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_of_a_range_are_the_range() {
        let shares = (0..3).map(|index| Shard { index, count: 3 });
        let mut all: Vec<u64> =
            shares.flat_map(|share| (10..30).filter(move |seed| share.has(*seed))).collect();
        all.sort_unstable();
        assert_eq!(all, (10..30).collect::<Vec<_>>());
    }

    #[test]
    fn array_jobs_name_their_share() {
        let job = |pairs: &'static [(&str, &str)]| {
            array_job(&move |name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(job(&[]).unwrap(), Shard::WHOLE);
        let slurm = [("SLURM_ARRAY_TASK_ID", "2"), ("SLURM_ARRAY_TASK_COUNT", "8")];
        let slurm: &'static [(&str, &str)] = Box::leak(Box::new(slurm));
        assert_eq!(job(slurm).unwrap(), Shard { index: 2, count: 8 });
        let ci: &'static [(&str, &str)] =
            Box::leak(Box::new([("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")]));
        assert_eq!(job(ci).unwrap(), Shard { index: 0, count: 4 });
        let wrong: &'static [(&str, &str)] = Box::leak(Box::new([
            ("AWS_BATCH_JOB_ARRAY_INDEX", "9"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "4"),
        ]));
        assert!(job(wrong).is_err());
    }
}
