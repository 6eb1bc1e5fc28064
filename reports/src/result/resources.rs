//! Use of each broker's resources, and which one filled up first.

use super::decimal::Milli;
use super::full::Full;
use super::phase::Scope;
use super::types::{BrokerResources, FULL_VOLUME, Saturation};
use crate::recording::{BrokerSecond, Recording, Second};
use stormglass_scenarios::plan::{HostPlan, Plan};

const SATURATED_PERMILLE: u32 = 900;
const SECOND_NS: u64 = 1_000_000_000;
/// A t3 CPU credit is one vCPU for one minute.
const CREDIT_MS: i128 = 60_000;

/// One row per broker, over the seconds of measure and heal in which it was up; none when brokers were
/// not looked into, as on a real cluster.
pub(crate) fn rows(plan: &Plan, recording: &Recording) -> Vec<BrokerResources> {
    if recording.seconds.iter().all(|second| second.brokers.is_empty()) {
        return Vec::new();
    }
    plan.cluster
        .brokers
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let all: Vec<&BrokerSecond> = Scope::Measured
                .seconds(recording)
                .filter_map(|second| second.brokers.get(index))
                .collect();
            let up: Vec<&BrokerSecond> = all.iter().copied().filter(|second| second.up).collect();
            let seen = Seen { up: &up };
            let (hits, misses) =
                (seen.sum(|s| s.cache_hit_bytes), seen.sum(|s| s.cache_miss_bytes));
            let burstable = node.host.cpu_baseline_permille < 1000;
            let credits = seen.min(|s| s.cpu_credits_ms);
            BrokerResources {
                broker: node.id,
                az: plan.cluster.azs.get(node.az).cloned().unwrap_or_default(),
                instance: node.host.instance.clone(),
                up_percent: Milli::ratio(up.len() as i128 * 100, all.len() as i128),
                cpu_percent_avg: seen.percent_avg(|s| s.cpu_permille),
                cpu_percent_max: seen.percent_max(|s| s.cpu_permille),
                network_percent_avg: seen.percent_avg(|s| s.net_permille),
                network_percent_max: seen.percent_max(|s| s.net_permille),
                disk_percent_avg: seen.percent_avg(|s| s.disk_permille),
                disk_percent_max: seen.percent_max(|s| s.disk_permille),
                in_mb_per_s_avg: seen.mb_avg(|s| s.bytes_in),
                out_mb_per_s_avg: seen.mb_avg(|s| s.bytes_out),
                cpu_credits_min: burstable.then(|| Milli::ratio(i128::from(credits), CREDIT_MS)),
                network_credits_percent_min: (node.host.nic.bucket > 0)
                    .then(|| seen.percent_min(|s| s.net_credits_permille)),
                burst_balance_percent_min: has_volume_burst(&node.host)
                    .then(|| seen.percent_min(|s| s.burst_balance_permille)),
                cache_hit_percent: (hits + misses > 0)
                    .then(|| Milli::ratio(hits * 100, hits + misses)),
                handler_idle_percent_avg: seen.percent_avg(|s| s.handler_idle_permille),
                handler_idle_percent_min: seen.percent_min(|s| s.handler_idle_permille),
                network_idle_percent_avg: seen.percent_avg(|s| s.network_idle_permille),
                request_queue_max: up.iter().map(|s| s.request_queue).max().unwrap_or(0),
                log_bytes_end: recording
                    .seconds
                    .last()
                    .and_then(|second| second.brokers.get(index))
                    .map_or(0, |second| second.log_bytes),
            }
        })
        .collect()
}

fn has_volume_burst(host: &HostPlan) -> bool {
    host.volumes.iter().any(|volume| {
        [volume.throughput, volume.iops, volume.instance_throughput]
            .iter()
            .any(|rate| rate.bucket > 0)
    })
}

/// The seconds in which a broker was up.
struct Seen<'a> {
    up: &'a [&'a BrokerSecond],
}

impl Seen<'_> {
    fn sum(&self, of: fn(&BrokerSecond) -> u64) -> i128 {
        self.up.iter().map(|second| i128::from(of(second))).sum()
    }

    fn min(&self, of: fn(&BrokerSecond) -> u64) -> u64 {
        self.up.iter().map(|second| of(second)).min().unwrap_or(0)
    }

    fn percent_avg(&self, of: fn(&BrokerSecond) -> u32) -> Milli {
        let sum: i128 = self.up.iter().map(|second| i128::from(of(second))).sum();
        Milli::ratio(sum, self.up.len() as i128 * 10)
    }

    fn percent_max(&self, of: fn(&BrokerSecond) -> u32) -> Milli {
        let max = self.up.iter().map(|second| of(second)).max().unwrap_or(0);
        Milli::percent_from_permille(u64::from(max))
    }

    fn percent_min(&self, of: fn(&BrokerSecond) -> u32) -> Milli {
        let min = self.up.iter().map(|second| of(second)).min().unwrap_or(0);
        Milli::percent_from_permille(u64::from(min))
    }

    fn mb_avg(&self, of: fn(&BrokerSecond) -> u64) -> Milli {
        Milli::ratio(self.sum(of), self.up.len() as i128 * 1_000_000)
    }
}

/// A resource's name and its use in a second, parts per thousand.
type Gauge = (&'static str, fn(&BrokerSecond) -> u32);

const GAUGES: [Gauge; 5] = [
    ("cpu", |s| s.cpu_permille),
    ("network", |s| s.net_permille),
    ("disk", |s| s.disk_permille),
    ("request handlers", |s| 1000_u32.saturating_sub(s.handler_idle_permille)),
    ("network threads", |s| 1000_u32.saturating_sub(s.network_idle_permille)),
];

/// The first resource over 90 % in measure and heal, or a volume that the load has filled by then.
pub(super) fn saturated_first(
    plan: &Plan,
    recording: &Recording,
    full: &[Full],
) -> Option<Saturation> {
    let busy = busy_first(plan, recording);
    let by_then = |full: &&Full| full.at_ns < plan.phases.drain_starts_ns();
    let full = full.first().filter(by_then).map(|full| filled(plan, recording, *full));
    match (full, busy) {
        (Some(full), Some(busy)) if busy.second < full.second => Some(busy),
        (full, busy) => full.or(busy),
    }
}

/// A full volume, and the seconds of measure and heal in which its broker was down from then on.
fn filled(plan: &Plan, recording: &Recording, full: Full) -> Saturation {
    let second = u32::try_from(full.at_ns / SECOND_NS).unwrap_or(u32::MAX);
    let at = plan.cluster.brokers.iter().position(|node| node.id == full.broker);
    let is_down = |one: &&Second| {
        let gauges = at.and_then(|at| one.brokers.get(at));
        one.index >= second && gauges.is_some_and(|gauges| !gauges.up)
    };
    Saturation {
        resource: FULL_VOLUME.to_owned(),
        broker: full.broker,
        second,
        percent: Milli::percent_from_permille(1000),
        seconds_above: Scope::Measured.seconds(recording).filter(is_down).count() as u64,
    }
}

/// Of what has a rate. The fullest one when several share a second.
fn busy_first(plan: &Plan, recording: &Recording) -> Option<Saturation> {
    let gauges: Vec<&Gauge> =
        GAUGES.iter().filter(|(name, _)| is_recorded(recording, name)).collect();
    for second in Scope::Measured.seconds(recording) {
        let mut fullest: Option<(u32, &Gauge, usize)> = None;
        for (index, broker) in second.brokers.iter().enumerate().filter(|(_, broker)| broker.up) {
            for gauge in &gauges {
                let permille = (gauge.1)(broker);
                if permille > fullest.map_or(SATURATED_PERMILLE, |(most, _, _)| most) {
                    fullest = Some((permille, gauge, index));
                }
            }
        }
        if let Some((permille, gauge, index)) = fullest {
            return Some(Saturation {
                resource: gauge.0.to_owned(),
                broker: plan.cluster.brokers.get(index).map_or(-1, |node| node.id),
                second: second.index,
                percent: Milli::percent_from_permille(u64::from(permille)),
                seconds_above: seconds_above(recording, gauge, index),
            });
        }
    }
    None
}

fn seconds_above(recording: &Recording, gauge: &Gauge, index: usize) -> u64 {
    Scope::Measured
        .seconds(recording)
        .filter_map(|second| second.brokers.get(index))
        .filter(|broker| broker.up && (gauge.1)(broker) > SATURATED_PERMILLE)
        .count() as u64
}

/// A measured real cluster may not report thread idleness; all zeros then mean "unknown".
fn is_recorded(recording: &Recording, name: &str) -> bool {
    let idle: fn(&BrokerSecond) -> u32 = match name {
        "request handlers" => |s| s.handler_idle_permille,
        "network threads" => |s| s.network_idle_permille,
        _ => return true,
    };
    recording.seconds.iter().flat_map(|second| &second.brokers).any(|broker| idle(broker) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Phase;
    use crate::result::full;
    use crate::testing;

    fn saturated_first(plan: &Plan, recording: &Recording) -> Option<Saturation> {
        super::saturated_first(plan, recording, &full::volumes(plan, recording))
    }

    fn with_disk(permille: &[u32]) -> Recording {
        let mut recording = testing::empty_recording();
        for (index, disk) in permille.iter().enumerate() {
            let mut second = testing::empty_second(u32::try_from(index).unwrap(), Phase::Measure);
            let idle = BrokerSecond {
                up: true,
                handler_idle_permille: 990,
                network_idle_permille: 990,
                ..BrokerSecond::default()
            };
            second.brokers = vec![idle; 3];
            second.brokers[1].disk_permille = *disk;
            recording.seconds.push(second);
        }
        recording
    }

    /// The same with gauges of nothing.
    fn quiet(mut recording: Recording) -> Recording {
        for second in &mut recording.seconds {
            second.brokers.clear();
        }
        recording
    }

    #[test]
    fn brokers_that_nobody_looked_into_have_no_rows() {
        let mut recording = with_disk(&[400]);
        assert_eq!(rows(&testing::plan(), &recording).len(), 3);
        recording.seconds[0].brokers.clear();
        assert!(rows(&testing::plan(), &recording).is_empty());
    }

    #[test]
    fn finds_the_first_second_over_ninety_percent() {
        let recording = with_disk(&[100, 900, 950, 990]);
        let found = saturated_first(&testing::plan(), &recording).unwrap();
        assert_eq!((found.resource.as_str(), found.broker, found.second), ("disk", 2, 2));
        assert_eq!((found.percent.to_string().as_str(), found.seconds_above), ("95.000", 2));
    }

    #[test]
    fn a_broker_that_is_down_saturates_nothing() {
        let mut recording = with_disk(&[950]);
        recording.seconds[0].brokers[1].up = false;
        assert_eq!(saturated_first(&testing::plan(), &recording), None);
        recording.seconds[0].brokers[0].handler_idle_permille = 40;
        let found = saturated_first(&testing::plan(), &recording).unwrap();
        assert_eq!((found.resource.as_str(), found.broker), ("request handlers", 1));
    }

    #[test]
    fn a_volume_that_was_full_first_is_named() {
        let mut recording = testing::halting(&[(3, 65_100), (1, 65_200)]);
        for second in &mut recording.seconds[65..] {
            second.brokers[2].up = false;
        }
        // Of the made-up outage, the disk of broker 1 is over 90 % from second 129 on.
        let found = saturated_first(&testing::plan(), &recording).unwrap();
        assert_eq!((found.resource.as_str(), found.broker, found.second), (FULL_VOLUME, 3, 65));
        assert_eq!((found.percent.to_string().as_str(), found.seconds_above), ("100.000", 125));
        recording.events[0].at_ns = 140 * SECOND_NS;
        recording.events[1].at_ns = 140 * SECOND_NS;
        let found = saturated_first(&testing::plan(), &recording).unwrap();
        assert_eq!((found.resource.as_str(), found.second), ("disk", 129));
        // The made-up plan drains from second 190 on.
        let told =
            |at_ms| saturated_first(&testing::plan(), &quiet(testing::halting(&[(1, at_ms)])));
        assert_eq!(told(189_900).unwrap().resource, FULL_VOLUME);
        assert_eq!(told(190_000), None);
    }

    #[test]
    fn averages_leave_out_the_time_away() {
        let mut recording = with_disk(&[400, 200]);
        recording.seconds[1].brokers[1].up = false;
        let rows = rows(&testing::plan(), &recording);
        assert_eq!(rows[1].disk_percent_avg.to_string(), "40.000");
        assert_eq!(rows[1].up_percent.to_string(), "50.000");
        assert_eq!(rows[1].cache_hit_percent, None);
        assert_eq!(rows[1].cpu_credits_min, None, "m5 is not burstable");
    }
}
