//! Whether the brokers' volumes hold what the planned load leaves within the topics' retention, and how
//! soon they are full if they do not. A run is far too short to show it.
//!
//! Whole numbers throughout. Load is even over a topic's partitions, and a broker's volumes are one. Leaves
//! out compacted topics, headers of batches, and segments, which go as a whole: a partition keeps up to
//! one more than its retention says.

use super::kept::{Retention, is_compacted};
use super::workload::rate_of;
use crate::result::Milli;
use crate::text;
use stormglass_scenarios::plan::{NodePlan, Plan, TopicPlan};

const GIB: u128 = 1 << 30;
/// Rates are in bytes per so many seconds, so that a share of a slow topic is not nothing.
const RATE_SECONDS: u128 = 1000;
const MS_PER_SECOND: u128 = 1000;
const MINUTE_MS: u128 = 60_000;
const HOUR_MS: u128 = 60 * MINUTE_MS;
const DAY_MS: u128 = 24 * HOUR_MS;
/// Names of compacted topics that are written out.
const NAMES_MAX: usize = 3;

/// That volumes do not hold the retention, without a full stop; nothing where they do, and where storage
/// is the service's and is paid by use.
pub(crate) fn shortage(plan: &Plan) -> Option<String> {
    if plan.cluster.kind.has_elastic_storage() {
        return None;
    }
    let topics = counted(plan);
    let brokers = plan.cluster.brokers.iter();
    let lacking: Vec<Lacking> = brokers.filter_map(|node| on_broker(node, &topics)).collect();
    // all figures are of one broker: others may be larger, and need more
    let first = lacking.iter().min_by_key(|one| (one.full_after_ms, one.broker))?;
    let whose = if lacking.len() == plan.cluster.brokers.len() {
        "the volumes".to_owned()
    } else {
        let ids: Vec<i32> = lacking.iter().map(|one| one.broker).collect();
        format!("the volumes of {}", text::brokers(&ids))
    };
    let needs = first.needs_bytes.map_or_else(
        || "what is kept for ever fits no volume".to_owned(),
        |bytes| {
            let (needed, has) = (gib(bytes.div_ceil(GIB)), gib(first.has_bytes / GIB));
            format!("{} needs {needed} a broker, which has {has}", words(&topics))
        },
    );
    let (after, left_out) = (span(first.full_after_ms), left_out(plan));
    Some(format!("at the planned load {whose} are full after {after}; {needs}{left_out}"))
}

/// A broker whose volumes are too small.
struct Lacking {
    broker: i32,
    full_after_ms: u128,
    /// None: there is no end to it.
    needs_bytes: Option<u128>,
    has_bytes: u128,
}

/// Replicas of a topic on a broker.
struct Growth {
    /// Bytes per [`RATE_SECONDS`].
    rate: u128,
    /// What is there before the run.
    begins: u128,
    /// What they keep in the end; none: they grow for ever.
    ends: Option<u128>,
}

impl Growth {
    /// When they keep no more than before.
    fn steady_ms(&self) -> Option<u128> {
        let grows = self.ends?.saturating_sub(self.begins);
        Some(grows * RATE_SECONDS * MS_PER_SECOND / self.rate)
    }
}

fn on_broker(node: &NodePlan, topics: &[Counted<'_>]) -> Option<Lacking> {
    let has_bytes: u128 = node.host.volumes.iter().map(|one| u128::from(one.size_bytes)).sum();
    let growths: Vec<Growth> = topics.iter().filter_map(|topic| topic.growth(node.id)).collect();
    let needs_bytes: Option<u128> = growths.iter().map(|growth| growth.ends).sum();
    if needs_bytes.is_some_and(|needed| needed <= has_bytes) {
        return None;
    }
    let full_after_ms = full_after_ms(growths, has_bytes)?;
    Some(Lacking { broker: node.id, full_after_ms, needs_bytes, has_bytes })
}

/// A topic whose size follows from load and retention.
struct Counted<'a> {
    topic: &'a TopicPlan,
    /// What comes into a partition, bytes per [`RATE_SECONDS`].
    share: u128,
    retention: Retention,
}

/// Topics that somebody writes to, without compacted ones.
fn counted(plan: &Plan) -> Vec<Counted<'_>> {
    let topics = plan.topics.iter().filter(|topic| !is_compacted(plan, topic));
    topics
        .filter_map(|topic| {
            let partitions = topic.assignment.len() as u128;
            let share = rate_of(plan, topic) * RATE_SECONDS / partitions.max(1);
            let retention = Retention::on_volumes(plan, topic);
            (share > 0).then_some(Counted { topic, share, retention })
        })
        .collect()
}

impl Counted<'_> {
    /// Nothing on a broker without a replica.
    fn growth(&self, broker: i32) -> Option<Growth> {
        let assignment = self.topic.assignment.iter();
        let replicas = assignment.filter(|ids| ids.contains(&broker)).count() as u128;
        if replicas == 0 {
            return None;
        }
        let Retention { ms, bytes } = self.retention;
        let by_age = ms.map(|ms| self.share * u128::from(ms) / RATE_SECONDS / MS_PER_SECOND);
        let ends = by_age.into_iter().chain(bytes.map(u128::from)).min();
        let before = u128::from(self.topic.preload_bytes);
        let begins = ends.map_or(before, |most| most.min(before));
        Some(Growth {
            rate: self.share * replicas,
            begins: begins * replicas,
            ends: ends.map(|most| most * replicas),
        })
    }
}

/// When growths fill a room. Each is steady until it keeps no more, so that the sum bends there.
fn full_after_ms(mut growths: Vec<Growth>, room: u128) -> Option<u128> {
    growths.sort_by_key(|growth| growth.steady_ms().unwrap_or(u128::MAX));
    let begins: u128 = growths.iter().map(|growth| growth.begins).sum();
    let mut rate: u128 = growths.iter().map(|growth| growth.rate).sum();
    // bytes per RATE_SECONDS times ms
    let mut left = room.saturating_sub(begins) * RATE_SECONDS * MS_PER_SECOND;
    let mut at_ms = 0;
    for growth in growths {
        let needed_ms = left.div_ceil(rate);
        let lasts_ms = growth.steady_ms().map(|steady_ms| steady_ms - at_ms);
        let Some(lasts_ms) = lasts_ms.filter(|lasts_ms| *lasts_ms < needed_ms) else {
            return Some(at_ms + needed_ms);
        };
        left -= rate * lasts_ms;
        at_ms += lasts_ms;
        rate -= growth.rate;
    }
    None
}

/// `retention of 168 h`, if it is one for all.
fn words(topics: &[Counted<'_>]) -> String {
    let is_local = topics.iter().any(|one| one.topic.is_tiered());
    let name = if is_local { "retention on volumes" } else { "retention" };
    let mut ages: Vec<Option<u64>> = topics.iter().map(|one| one.retention.ms).collect();
    ages.dedup();
    let is_by_age = topics.iter().all(|one| one.retention.bytes.is_none());
    match ages.as_slice() {
        [Some(ms)] if is_by_age => {
            let hours = Milli::ratio(i128::from(*ms), 3_600_000);
            format!("{name} of {} h", text::short_seconds(hours))
        }
        _ => name.to_owned(),
    }
}

/// Compacted topics keep what their keys are, which nobody knows here.
fn left_out(plan: &Plan) -> String {
    let all: Vec<&str> = plan
        .topics
        .iter()
        .filter(|topic| is_compacted(plan, topic))
        .map(|topic| topic.name.as_str())
        .collect();
    match all.as_slice() {
        [] => String::new(),
        [only] => format!("; the compacted topic {only} is not counted"),
        few if few.len() <= NAMES_MAX => {
            format!("; the compacted topics {} are not counted", few.join(", "))
        }
        many => format!("; {} compacted topics are not counted", many.len()),
    }
}

fn gib(count: u128) -> String {
    format!("{} GiB", text::grouped(u64::try_from(count).unwrap_or(u64::MAX)))
}

/// `71 s`, `45 min`, `9.9 h`, `12.3 days`.
fn span(ms: u128) -> String {
    let (unit_ms, places, name) = match ms {
        _ if ms < 2 * MINUTE_MS => (MS_PER_SECOND, 0, "s"),
        _ if ms < 2 * HOUR_MS => (MINUTE_MS, 0, "min"),
        _ if ms < 4 * DAY_MS => (HOUR_MS, 1, "h"),
        _ => (DAY_MS, 1, "days"),
    };
    let signed = |value: u128| i128::try_from(value).unwrap_or(i128::MAX / 1_000_000);
    format!("{} {name}", text::number(Milli::ratio(signed(ms), signed(unit_ms)), places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use stormglass_scenarios::plan::{ClusterKind, SizeDist};

    /// 15 MB/s in one topic of three replicas on three brokers with 500 GiB each.
    fn plan() -> Plan {
        let mut plan = testing::plan();
        plan.producers[0].rate_curve = vec![(0, 15_000_000)];
        plan.producers[0].record_size = SizeDist::Fixed { bytes: 1000 };
        for node in &mut plan.cluster.brokers {
            node.host.volumes[0].size_bytes = 500 << 30;
        }
        plan
    }

    fn with(configs: &[(&str, &str)]) -> Plan {
        let mut plan = plan();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        plan.topics[0].config.extend(configs.iter().map(own));
        plan
    }

    /// 500 GiB at 15 MB/s are 35,791.4 s; a week of it is 9,072,000 MB, 8,448.96... GiB.
    #[test]
    fn a_week_does_not_fit_and_by_when_it_shows() {
        assert_eq!(
            shortage(&plan()).unwrap(),
            "at the planned load the volumes are full after 9.9 h; retention of 168 h needs 8,449 \
             GiB a broker, which has 500 GiB"
        );
    }

    #[test]
    fn records_count_as_they_are_compressed() {
        let mut plan = plan();
        plan.producers[0].compression_permille = 500;
        let told = shortage(&plan).unwrap();
        assert!(told.contains("after 19.9 h") && told.contains("needs 4,225 GiB"), "{told}");
    }

    #[test]
    fn what_fits_is_not_told() {
        // 9 h of 15 MB/s are 486 GB.
        for configs in [
            [("retention.ms", "32400000")],
            // 60 partitions of 5 GB.
            [("retention.bytes", "5000000000")],
        ] {
            assert_eq!(shortage(&with(&configs)), None, "{configs:?}");
        }
        let mut paid_by_use = plan();
        paid_by_use.cluster.kind = ClusterKind::MskExpress;
        assert_eq!(shortage(&paid_by_use), None);
        let mut idle = plan();
        idle.producers.clear();
        assert_eq!(shortage(&idle), None);
    }

    #[test]
    fn of_remote_topics_the_local_part_counts() {
        let tiered = ("remote.storage.enable", "true");
        assert_eq!(shortage(&with(&[tiered, ("local.retention.ms", "3600000")])), None);
        let told = shortage(&with(&[tiered, ("local.retention.ms", "43200000")])).unwrap();
        // 12 h are 648 GB, 603.5 GiB.
        assert!(told.contains("retention on volumes of 12 h needs 604 GiB a broker"), "{told}");
    }

    #[test]
    fn compacted_topics_are_left_out_with_a_word() {
        let compacted = ("cleanup.policy", "compact");
        assert_eq!(shortage(&with(&[compacted])), None, "nothing else is there");
        let mut two = with(&[compacted]);
        let mut other = plan().topics[0].clone();
        "clicks".clone_into(&mut other.name);
        two.topics.push(other);
        let mut producer = two.producers[0].clone();
        "clicks".clone_into(&mut producer.topic);
        two.producers.push(producer);
        let told = shortage(&two).unwrap();
        assert!(told.ends_with("; the compacted topic orders is not counted"), "{told}");
        assert!(told.contains("needs 8,449 GiB"), "{told}");
    }

    #[test]
    fn what_is_kept_for_ever_fits_nowhere() {
        let told = shortage(&with(&[("retention.ms", "-1")])).unwrap();
        assert!(told.contains("after 9.9 h; what is kept for ever fits no volume"), "{told}");
        // A limit of size is a limit: 60 partitions of 10 GB.
        let told = shortage(&with(&[("retention.ms", "-1"), ("retention.bytes", "10000000000")]));
        assert!(told.unwrap().contains("; retention needs 559 GiB a broker"));
    }

    #[test]
    fn brokers_that_hold_more_than_others_are_named() {
        let mut plan = plan();
        for ids in &mut plan.topics[0].assignment {
            *ids = vec![2];
        }
        let told = shortage(&plan).unwrap();
        assert!(told.contains("the volumes of broker 2 are full after 9.9 h"), "{told}");
    }

    /// Broker 1 needs more than broker 2, and lasts longer.
    #[test]
    fn all_figures_are_of_the_broker_that_is_full_first() {
        let mut plan = plan();
        for (index, ids) in plan.topics[0].assignment.iter_mut().enumerate() {
            *ids = if index % 2 == 0 { vec![1, 2] } else { vec![1] };
        }
        plan.cluster.brokers[1].host.volumes[0].size_bytes = 100 << 30;
        assert_eq!(
            shortage(&plan).unwrap(),
            "at the planned load the volumes of brokers 1, 2 are full after 4.0 h; retention of 168 \
             h needs 4,225 GiB a broker, which has 100 GiB"
        );
    }

    #[test]
    fn what_keeps_no_more_fills_no_more() {
        let growth = |rate, ends| Growth { rate: rate * RATE_SECONDS, begins: 0, ends };
        // 1 B/s up to 10 B, and 1 B/s for ever: 20 B at 10 s, 30 B at 20 s.
        let full = |room| full_after_ms(vec![growth(1, None), growth(1, Some(10))], room);
        assert_eq!([15, 20, 30].map(full), [7_500, 10_000, 20_000].map(Some));
        assert_eq!(full_after_ms(vec![growth(1, Some(10))], 11), None);
    }

    #[test]
    fn spans_have_a_unit_that_fits() {
        let shown = [71_200, 150_000, 35_791_394, 1_062_720_000].map(span);
        assert_eq!(shown, ["71 s", "3 min", "9.9 h", "12.3 days"]);
    }
}
