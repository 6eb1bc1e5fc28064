//! Evaluates a scenario's thresholds over what was recorded.
//!
//! All arithmetic is in thousandths of the metric's base unit (ns, bytes/s, records, parts per
//! thousand, cents), so that a limit is compared exactly. How samples become one number:
//! latencies use the histogram of all groups; throughput, lag (of the furthest partition) and CPU
//! (of the busiest broker) take one sample per second; unavailability one per partition; the rest
//! are single values. A metric without samples fails: nothing measured proves nothing.

use crate::cost::CostReport;
use crate::recording::{LatencyKind, Recording, Second};
use crate::result::{Milli, ThresholdResult, div_half_up};
use crate::result::{Scope, mean_ns, merged};
use stormglass_scenarios::plan::{Aggregate, Comparison, Metric, Plan, Threshold};

/// What thresholds look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) recording: &'a Recording,
    pub(crate) cost: &'a CostReport,
    pub(crate) lost_records: u64,
}

/// Every threshold of the plan, in its order.
pub(crate) fn evaluate(measured: Measured<'_>) -> Vec<ThresholdResult> {
    measured.plan.thresholds.iter().map(|threshold| measured.one(threshold)).collect()
}

impl Measured<'_> {
    fn one(self, threshold: &Threshold) -> ThresholdResult {
        let scope = Scope::from_name(threshold.phase.as_deref());
        let actual = scope.and_then(|scope| self.actual(threshold, scope));
        let limit = i128::from(threshold.limit) * 1000;
        let (unit, divisor) = unit_of(threshold);
        let printed = |thousandths: i128| Milli::ratio(thousandths, divisor * 1000);
        ThresholdResult {
            metric: metric_name(threshold.metric).to_owned(),
            phase: scope.map_or_else(
                || threshold.phase.clone().unwrap_or_default(),
                |scope| scope.name().to_owned(),
            ),
            text: threshold.text.clone(),
            actual: actual.map(printed),
            limit: printed(limit),
            unit: unit.to_owned(),
            passed: actual.is_some_and(|actual| holds(threshold.op, actual, limit)),
            margin: actual.map(|actual| printed(margin(threshold.op, actual, limit))),
        }
    }

    /// The measured number in thousandths of the base unit.
    fn actual(self, threshold: &Threshold, scope: Scope) -> Option<i128> {
        let aggregate = threshold.aggregate;
        match threshold.metric {
            Metric::ResponseLatency => self.latency(LatencyKind::Response, aggregate, scope),
            Metric::ServiceLatency => self.latency(LatencyKind::Service, aggregate, scope),
            Metric::DelayLatency => self.latency(LatencyKind::Delay, aggregate, scope),
            Metric::EndToEndLatency => self.latency(LatencyKind::EndToEnd, aggregate, scope),
            Metric::ProduceThroughput => self.gauge(aggregate, scope, |s| s.acked_bytes),
            Metric::ConsumeThroughput => self.gauge(aggregate, scope, |s| s.consumed_bytes),
            Metric::ProduceErrors => self.counter(aggregate, scope, |s| s.failed_records),
            Metric::Unavailability => self.unavailability(aggregate, scope),
            Metric::ConsumerLag => self.gauge(aggregate, scope, |second| {
                second.groups.iter().map(|group| group.max_lag).max().unwrap_or(0)
            }),
            Metric::LostRecords => Some(i128::from(self.lost_records) * 1000),
            Metric::CpuUtilisation => self.gauge(aggregate, scope, |second| {
                let up = second.brokers.iter().filter(|broker| broker.up);
                u64::from(up.map(|broker| broker.cpu_permille).max().unwrap_or(0))
            }),
            Metric::MonthlyCost => Some(i128::from(self.cost.total_usd.units()) * 1000),
        }
    }

    fn latency(self, kind: LatencyKind, aggregate: Aggregate, scope: Scope) -> Option<i128> {
        let histogram = merged(self.recording, scope, kind, None);
        if aggregate == Aggregate::Count {
            return Some(i128::from(histogram.len()) * 1000);
        }
        if histogram.is_empty() {
            return None;
        }
        let ns = match aggregate {
            Aggregate::Avg | Aggregate::Value | Aggregate::Count => mean_ns(&histogram),
            Aggregate::Min => histogram.min(),
            Aggregate::Max => histogram.max(),
            Aggregate::Med => histogram.value_at_quantile(0.5),
            Aggregate::P(ppm) => histogram.value_at_quantile(f64::from(ppm) / 1_000_000.0),
            Aggregate::Rate => {
                let seconds = scope.seconds(self.recording).count() as i128;
                return per_second(i128::from(histogram.len()), seconds);
            }
        };
        Some(i128::from(ns) * 1000)
    }

    /// One sample per second; `value` is the last one.
    fn gauge(
        self,
        aggregate: Aggregate,
        scope: Scope,
        of: impl Fn(&Second) -> u64,
    ) -> Option<i128> {
        let samples: Vec<u64> = scope.seconds(self.recording).map(of).collect();
        if aggregate == Aggregate::Value {
            return samples.last().map(|last| i128::from(*last) * 1000);
        }
        aggregated(samples, aggregate)
    }

    /// A counter: `count` and `value` are its sum, `rate` its sum per second.
    fn counter(
        self,
        aggregate: Aggregate,
        scope: Scope,
        of: impl Fn(&Second) -> u64,
    ) -> Option<i128> {
        let samples: Vec<u64> = scope.seconds(self.recording).map(of).collect();
        match aggregate {
            Aggregate::Count | Aggregate::Value => {
                Some(samples.iter().map(|sample| i128::from(*sample)).sum::<i128>() * 1000)
            }
            _ => aggregated(samples, aggregate),
        }
    }

    /// One sample per partition whose gap began in the scope; none at all means no gap.
    fn unavailability(self, aggregate: Aggregate, scope: Scope) -> Option<i128> {
        let samples: Vec<u64> = self
            .recording
            .unavailability
            .iter()
            .filter(|gap| scope.covers_time(&self.plan.phases, gap.from_ns))
            .map(|gap| gap.longest_ns)
            .collect();
        match aggregate {
            Aggregate::Count => Some(samples.len() as i128 * 1000),
            _ if samples.is_empty() => Some(0),
            Aggregate::Value => aggregated(samples, Aggregate::Max),
            _ => aggregated(samples, aggregate),
        }
    }
}

/// One number from many, in thousandths. `rate` is their mean: a sample covers one second.
fn aggregated(mut samples: Vec<u64>, aggregate: Aggregate) -> Option<i128> {
    samples.sort_unstable();
    let last = *samples.last()?;
    let sum: i128 = samples.iter().map(|sample| i128::from(*sample)).sum();
    let rank = |ppm: u32| {
        let rank = (samples.len() as u128 * u128::from(ppm)).div_ceil(1_000_000).max(1);
        samples.get(usize::try_from(rank - 1).ok()?).copied()
    };
    Some(match aggregate {
        Aggregate::Avg | Aggregate::Rate => per_second(sum, samples.len() as i128)?,
        Aggregate::Count => sum * 1000,
        Aggregate::Min => i128::from(samples[0]) * 1000,
        Aggregate::Max | Aggregate::Value => i128::from(last) * 1000,
        Aggregate::Med => i128::from(rank(500_000)?) * 1000,
        Aggregate::P(ppm) => i128::from(rank(ppm.min(1_000_000))?) * 1000,
    })
}

fn per_second(sum: i128, seconds: i128) -> Option<i128> {
    (seconds > 0).then(|| div_half_up(sum * 1000, seconds))
}

fn holds(op: Comparison, actual: i128, limit: i128) -> bool {
    match op {
        Comparison::Lt => actual < limit,
        Comparison::Le => actual <= limit,
        Comparison::Gt => actual > limit,
        Comparison::Ge => actual >= limit,
        Comparison::Eq => actual == limit,
        Comparison::Ne => actual != limit,
    }
}

fn margin(op: Comparison, actual: i128, limit: i128) -> i128 {
    match op {
        Comparison::Lt | Comparison::Le => limit - actual,
        Comparison::Gt | Comparison::Ge => actual - limit,
        Comparison::Eq => -(limit - actual).abs(),
        Comparison::Ne => (limit - actual).abs(),
    }
}

/// The unit that is printed, and how many base units make one of it.
fn unit_of(threshold: &Threshold) -> (&'static str, i128) {
    let samples = matches!(threshold.aggregate, Aggregate::Count);
    match threshold.metric {
        Metric::ResponseLatency
        | Metric::ServiceLatency
        | Metric::DelayLatency
        | Metric::EndToEndLatency => match threshold.aggregate {
            Aggregate::Count => ("records", 1),
            Aggregate::Rate => ("records/s", 1),
            _ => ("ms", 1_000_000),
        },
        Metric::ProduceThroughput | Metric::ConsumeThroughput if samples => ("MB", 1_000_000),
        Metric::ProduceThroughput | Metric::ConsumeThroughput => ("MB/s", 1_000_000),
        Metric::ProduceErrors if threshold.aggregate == Aggregate::Rate => ("records/s", 1),
        Metric::ProduceErrors | Metric::ConsumerLag | Metric::LostRecords => ("records", 1),
        Metric::Unavailability if samples => ("partitions", 1),
        Metric::Unavailability => ("ms", 1_000_000),
        Metric::CpuUtilisation => ("%", 10),
        Metric::MonthlyCost => ("USD", 100),
    }
}

/// The metric's name in scenarios.
pub(crate) const fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::ResponseLatency => "response_latency",
        Metric::ServiceLatency => "service_latency",
        Metric::DelayLatency => "delay_latency",
        Metric::EndToEndLatency => "end_to_end_latency",
        Metric::ProduceThroughput => "produce_throughput",
        Metric::ConsumeThroughput => "consume_throughput",
        Metric::ProduceErrors => "produce_errors",
        Metric::Unavailability => "unavailability",
        Metric::ConsumerLag => "consumer_lag",
        Metric::LostRecords => "lost_records",
        Metric::CpuUtilisation => "cpu_utilisation",
        Metric::MonthlyCost => "monthly_cost",
    }
}

#[cfg(test)]
mod tests;
