//! How long, and how much of a partition, topics keep: by a topic's own configs, by the brokers', or by
//! Kafka's defaults.

use stormglass_scenarios::plan::{Plan, TopicPlan};

const DAY_MS: u64 = 86_400_000;
/// Kafka's default, a week.
const DEFAULT_RETENTION_MS: u64 = 7 * DAY_MS;
/// What is kept for ever is priced as a year's worth.
const FOREVER_MS: u64 = 365 * DAY_MS;
/// What a planned cluster has beyond what it needs, percent.
const RESERVE_PERCENT: u128 = 25;

/// Bytes of all copies of what comes in at this rate and is kept for so long.
#[must_use]
pub fn copies_kept(bytes_per_sec: u64, seconds: u64, copies: u32) -> u128 {
    u128::from(bytes_per_sec) * u128::from(seconds) * u128::from(copies)
}

/// What is planned where volumes need so much, in bytes or bytes per second: a quarter more.
#[must_use]
pub fn with_reserve(needed: u128) -> u128 {
    needed.saturating_mul(100 + RESERVE_PERCENT) / 100
}

/// When records of a topic go; none of a limit: never for that reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    /// Age.
    pub(super) ms: Option<u64>,
    /// Size of a partition.
    pub(super) bytes: Option<u64>,
}

impl Retention {
    /// Of all that a topic keeps.
    pub(super) fn of(plan: &Plan, topic: &TopicPlan) -> Self {
        let limit = |key| number(plan, topic, key);
        let ms = limit("retention.ms").map_or(Some(DEFAULT_RETENTION_MS), |ms| ms.try_into().ok());
        let bytes = limit("retention.bytes").and_then(|bytes| bytes.try_into().ok());
        Self { ms, bytes }
    }

    /// Of what stays on the brokers' volumes: of a topic with remote storage the local part, which goes by
    /// the whole retention where it has no limit of its own.
    pub(super) fn on_volumes(plan: &Plan, topic: &TopicPlan) -> Self {
        let whole = Self::of(plan, topic);
        if !topic.is_tiered() {
            return whole;
        }
        let tighter = |key, whole: Option<u64>| {
            let own = number(plan, topic, key).and_then(|limit| u64::try_from(limit).ok());
            own.into_iter().chain(whole).min()
        };
        Self {
            ms: tighter("local.retention.ms", whole.ms),
            bytes: tighter("local.retention.bytes", whole.bytes),
        }
    }

    /// Seconds that records are kept, of those that are kept for ever those that are priced.
    pub(super) fn seconds(self) -> u64 {
        self.ms.unwrap_or(FOREVER_MS) / 1000
    }

    /// Bytes that are kept of so many partitions, once each, into which this rate comes evenly.
    pub(super) fn bytes_of(self, bytes_per_sec: u128, partitions: usize) -> u128 {
        let by_age = bytes_per_sec * u128::from(self.ms.unwrap_or(FOREVER_MS)) / 1000;
        let by_size = self.bytes.map(|bytes| u128::from(bytes) * partitions as u128);
        by_size.map_or(by_age, |bytes| bytes.min(by_age))
    }
}

/// Whether a topic is compacted, by its own config or the brokers'.
pub(super) fn is_compacted(plan: &Plan, topic: &TopicPlan) -> bool {
    let policy = topic.config.get("cleanup.policy");
    let policy = policy.or_else(|| plan.cluster.config.get("log.cleanup.policy"));
    policy.is_some_and(|policy| policy.contains("compact"))
}

/// A topic's limit, or the brokers', which has `log.` before the name.
fn number(plan: &Plan, topic: &TopicPlan, key: &str) -> Option<i64> {
    let inherited = || plan.cluster.config.get(&format!("log.{key}"));
    topic.config.get(key).or_else(inherited)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn topic(configs: &[(&str, &str)]) -> TopicPlan {
        let mut topic = testing::plan().topics[0].clone();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        topic.config.extend(configs.iter().map(own));
        topic
    }

    #[test]
    fn a_topics_own_limit_counts_before_the_brokers_and_kafkas() {
        let mut plan = testing::plan();
        let of = |plan: &Plan, configs: &[(&str, &str)]| Retention::of(plan, &topic(configs));
        assert_eq!(of(&plan, &[]), Retention { ms: Some(604_800_000), bytes: None });
        for (key, value) in [("log.retention.ms", "1000"), ("log.retention.bytes", "500")] {
            plan.cluster.config.insert(key.to_owned(), value.to_owned());
        }
        assert_eq!(of(&plan, &[]), Retention { ms: Some(1_000), bytes: Some(500) });
        let own = [("retention.ms", "-1"), ("retention.bytes", "-1")];
        assert_eq!(of(&plan, &own), Retention { ms: None, bytes: None });
    }

    /// 100 MB/s for a day.
    #[test]
    fn copies_and_a_reserve_by_hand() {
        let all = copies_kept(100_000_000, 86_400, 3);
        assert_eq!((all, copies_kept(100_000_000, 86_400, 1)), (25_920_000_000_000, all / 3));
        assert_eq!([0, 1, 4, all].map(with_reserve), [0, 1, 5, 32_400_000_000_000]);
    }

    #[test]
    fn whichever_limit_is_met_first_decides() {
        let kept = |ms, bytes| Retention { ms, bytes }.bytes_of(1_000, 3);
        assert_eq!(kept(Some(10_000), None), 10_000);
        assert_eq!(kept(Some(10_000), Some(2_000)), 6_000);
        assert_eq!(kept(Some(10_000), Some(5_000)), 10_000);
        assert_eq!(kept(None, Some(5_000)), 15_000);
    }

    #[test]
    fn volumes_keep_the_local_part_of_a_topic_with_remote_storage() {
        let plan = testing::plan();
        let local = ("local.retention.ms", "3600000");
        let on_volumes = |configs: &[(&str, &str)]| Retention::on_volumes(&plan, &topic(configs));
        assert_eq!(on_volumes(&[local]).ms, Some(604_800_000), "there is no other part");
        let tiered = ("remote.storage.enable", "true");
        assert_eq!(on_volumes(&[tiered, local]).ms, Some(3_600_000));
        // -2: as the whole retention.
        assert_eq!(on_volumes(&[tiered, ("local.retention.ms", "-2")]).ms, Some(604_800_000));
        let size = ("local.retention.bytes", "96");
        assert_eq!(on_volumes(&[tiered, size, ("retention.bytes", "-1")]).bytes, Some(96));
    }
}
