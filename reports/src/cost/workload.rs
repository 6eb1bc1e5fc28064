//! What a workload asks of any service: bytes, records, retention, readers.

use super::kept::Retention;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::plan::{Plan, ProducerPlan, SizeDist, TopicPlan};

const DAY_S: u64 = 86_400;

/// A workload, rates as means and peaks over measure and heal. Bytes are those on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Mean bytes per second from producers.
    pub in_bytes_per_sec: u64,
    /// Highest bytes per second from producers.
    pub in_peak_bytes_per_sec: u64,
    /// Mean bytes per second to consumers.
    pub out_bytes_per_sec: u64,
    /// Highest bytes per second to consumers.
    pub out_peak_bytes_per_sec: u64,
    /// Mean records per second from producers.
    pub records_per_sec: u64,
    /// Highest records per second from producers.
    pub records_peak_per_sec: u64,
    /// Largest record, bytes.
    pub record_bytes_max: u64,
    /// Longest retention, seconds.
    pub retention_seconds: u64,
    /// Bytes that are kept, once each.
    pub kept_bytes: u64,
    /// Partitions of all topics, without replicas.
    pub partitions: u64,
    /// Replicas of each partition.
    pub replication: u32,
    /// Consumer groups.
    pub groups: u32,
    /// Clients.
    pub clients: u64,
}

/// Means and peaks of one producer group.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    records: u128,
    records_peak: u128,
    bytes: u128,
    bytes_peak: u128,
}

impl Workload {
    /// A workload at one rate: `in_bytes_per_sec` read by `groups`.
    #[must_use]
    pub fn steady(
        in_bytes_per_sec: u64,
        groups: u32,
        peak_permille: u64,
        record_bytes: u64,
    ) -> Self {
        let peak = |value: u64| value.saturating_mul(peak_permille) / 1000;
        let out = in_bytes_per_sec.saturating_mul(u64::from(groups));
        let records = in_bytes_per_sec.div_ceil(record_bytes.max(1));
        Self {
            in_bytes_per_sec,
            in_peak_bytes_per_sec: peak(in_bytes_per_sec),
            out_bytes_per_sec: out,
            out_peak_bytes_per_sec: peak(out),
            records_per_sec: records,
            records_peak_per_sec: peak(records),
            record_bytes_max: record_bytes,
            retention_seconds: DAY_S,
            kept_bytes: in_bytes_per_sec.saturating_mul(DAY_S),
            partitions: in_bytes_per_sec
                .saturating_mul(peak_permille)
                .div_ceil(5_000_000_000)
                .max(6),
            replication: 3,
            groups,
            clients: 2,
        }
    }

    /// The same, kept this long.
    #[must_use]
    pub const fn kept_for(mut self, seconds: u64) -> Self {
        self.retention_seconds = seconds;
        self.kept_bytes = self.in_bytes_per_sec.saturating_mul(seconds);
        self
    }

    /// The workload of a plan.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let flows: Vec<(&str, Flow)> =
            plan.producers.iter().map(|one| (one.topic.as_str(), flow(plan, one))).collect();
        let sum = |of: fn(&Flow) -> u128| whole(flows.iter().map(|(_, flow)| of(flow)).sum());
        let of_topic = |topic: &str, of: fn(&Flow) -> u128| -> u128 {
            flows.iter().filter(|(name, _)| *name == topic).map(|(_, flow)| of(flow)).sum()
        };
        let read = |of: fn(&Flow) -> u128| -> u64 {
            let topics = plan.consumers.iter().flat_map(|group| &group.topics);
            whole(topics.map(|topic| of_topic(topic, of)).sum())
        };
        let kept = plan.topics.iter().map(|topic| {
            let rate = of_topic(&topic.name, |flow| flow.bytes);
            Retention::of(plan, topic).bytes_of(rate, topic.assignment.len())
        });
        let retention = plan.topics.iter().map(|topic| Retention::of(plan, topic).seconds()).max();
        let replicas = plan.topics.iter().flat_map(|topic| &topic.assignment).map(Vec::len).max();
        let clients = plan.producers.iter().map(|one| u64::from(one.count)).sum::<u64>()
            + plan.consumers.iter().map(|one| u64::from(one.count)).sum::<u64>();
        Self {
            in_bytes_per_sec: sum(|flow| flow.bytes),
            in_peak_bytes_per_sec: sum(|flow| flow.bytes_peak),
            out_bytes_per_sec: read(|flow| flow.bytes),
            out_peak_bytes_per_sec: read(|flow| flow.bytes_peak),
            records_per_sec: sum(|flow| flow.records),
            records_peak_per_sec: sum(|flow| flow.records_peak),
            record_bytes_max: plan.producers.iter().map(|one| sizes(one).1).max().unwrap_or(0),
            retention_seconds: retention.unwrap_or(7 * DAY_S),
            kept_bytes: whole(kept.sum()),
            partitions: plan.topics.iter().map(|topic| topic.assignment.len() as u64).sum(),
            replication: u32::try_from(replicas.unwrap_or(1)).unwrap_or(1),
            groups: u32::try_from(plan.consumers.len()).unwrap_or(u32::MAX),
            clients,
        }
    }
}

impl Workload {
    /// Bytes that topics with remote storage keep there, once each.
    #[must_use]
    pub fn remote_bytes(plan: &Plan) -> u64 {
        whole(tiered(plan).map(|topic| kept(plan, topic, Retention::of(plan, topic))).sum())
    }

    /// Bytes that volumes keep of a plan, once each: of topics with remote storage, the local part.
    #[must_use]
    pub fn local_bytes(plan: &Plan) -> u64 {
        let remote = Self::remote_bytes(plan);
        let local = tiered(plan).map(|topic| kept(plan, topic, Retention::on_volumes(plan, topic)));
        Self::of_plan(plan).kept_bytes.saturating_sub(remote).saturating_add(whole(local.sum()))
    }
}

/// Topics with remote storage.
fn tiered(plan: &Plan) -> impl Iterator<Item = &TopicPlan> {
    plan.topics.iter().filter(|topic| topic.is_tiered())
}

/// Bytes of a topic that are kept within a retention, once each.
fn kept(plan: &Plan, topic: &TopicPlan, retention: Retention) -> u128 {
    retention.bytes_of(rate_of(plan, topic), topic.assignment.len())
}

/// Mean bytes per second that come into a topic, as they are on the wire and on volumes.
pub(super) fn rate_of(plan: &Plan, topic: &TopicPlan) -> u128 {
    let writers = plan.producers.iter().filter(|one| one.topic == topic.name);
    writers.map(|one| flow(plan, one).bytes).sum()
}

fn whole(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Mean and largest size of a record, bytes.
fn sizes(producer: &ProducerPlan) -> (u64, u64) {
    match producer.record_size {
        SizeDist::Fixed { bytes } => (u64::from(bytes), u64::from(bytes)),
        SizeDist::Uniform { min_bytes, max_bytes } => {
            (u64::from(min_bytes).midpoint(u64::from(max_bytes)), u64::from(max_bytes))
        }
    }
}

/// The area below the rate's curve over measure and heal.
fn flow(plan: &Plan, producer: &ProducerPlan) -> Flow {
    let [start, _, end] = plan.phases.starts_ns();
    let at = |time: u64| rate_at(&producer.rate_curve, time);
    let mut points = vec![(start, at(start))];
    points.extend(producer.rate_curve.iter().filter(|(time, _)| (start..end).contains(time)));
    points.push((end, at(end)));
    let area: u128 = points
        .windows(2)
        .map(|pair| match pair {
            [(from, a), (to, b)] => u128::from(to - from) * (u128::from(*a) + u128::from(*b)) / 2,
            _ => 0,
        })
        .sum();
    let mean = area.checked_div(u128::from(end - start)).unwrap_or(0);
    let peak = points.iter().map(|(_, rate)| u128::from(*rate)).max().unwrap_or(0);
    let size = u128::from(sizes(producer).0) * u128::from(producer.compression_permille);
    // Curves are thousandths of records: rounding down would lose a byte of many a round rate.
    let bytes = |milli_records: u128| (milli_records * size + 500_000) / 1_000_000;
    Flow {
        records: mean / 1000,
        records_peak: peak / 1000,
        bytes: bytes(mean),
        bytes_peak: bytes(peak),
    }
}

/// Thousandths of records per second at a time; of two points at one time the later one counts.
fn rate_at(curve: &[(u64, u64)], time: u64) -> u64 {
    let after = curve.iter().position(|(at, _)| *at > time).unwrap_or(curve.len());
    match (after.checked_sub(1).and_then(|before| curve.get(before)), curve.get(after)) {
        (Some((t0, a)), Some((t1, b))) => {
            let (span, part) = (u128::from(t1 - t0).max(1), u128::from(time - t0));
            let value = (u128::from(*a) * (span - part) + u128::from(*b) * part) / span;
            whole(value)
        }
        (Some((_, rate)), None) | (None, Some((_, rate))) => *rate,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_curve_is_read_between_its_points() {
        let curve = [(10, 100), (20, 200), (20, 400)];
        let values = [0, 10, 15, 20, 99].map(|time| rate_at(&curve, time));
        assert_eq!(values, [100, 100, 150, 400, 400]);
        assert_eq!(rate_at(&[], 5), 0);
    }

    /// 90 MB/s of 700 bytes are 128,571.428571... records per second.
    #[test]
    fn a_round_rate_stays_round() {
        let mut plan = testing::plan();
        plan.producers[0].rate_curve = vec![(0, 128_571_428)];
        plan.producers[0].record_size = SizeDist::Fixed { bytes: 700 };
        let workload = Workload::of_plan(&plan);
        assert_eq!(workload.in_bytes_per_sec, 90_000_000);
        assert_eq!(workload.kept_bytes, 54_432_000_000_000);
    }

    #[test]
    fn a_plan_is_summed_over_its_groups() {
        let mut plan = testing::plan();
        for producer in &mut plan.producers {
            producer.rate_curve = vec![(0, 1_000_000)];
            producer.record_size = SizeDist::Fixed { bytes: 1000 };
            producer.compression_permille = 500;
        }
        let workload = Workload::of_plan(&plan);
        let count = plan.producers.len() as u64;
        assert_eq!(workload.in_bytes_per_sec, 500_000 * count, "compressed to half");
        assert_eq!(workload.records_per_sec, 1000 * count);
        assert_eq!(workload.in_peak_bytes_per_sec, workload.in_bytes_per_sec);
        let reads: usize = plan.consumers.iter().map(|group| group.topics.len()).sum();
        assert_eq!(workload.out_bytes_per_sec, 500_000 * reads as u64, "a producer for each topic");
    }
}
