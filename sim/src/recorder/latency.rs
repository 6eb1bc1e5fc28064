//! Latency of acknowledged records, per producer group and phase of the intended time.
//!
//! Delay is handed - intended, service is done - first send (retries included, as the client's
//! user sees it), response is done - intended. Records that fail are counted elsewhere and have no
//! latency. Those that have no outcome when the run ends have waited for as long as they were asked to:
//! that counts as their response latency, which is more in truth.

use super::buckets::{Buckets, LATENCY_NS_MAX, bucket_of};
use super::phases::{PHASES, Phases};
use super::tally::Tally;
use crate::client::{BatchDone, RecordTimes};
use stormglass_reports::recording::{LatencyKind, LatencySeries};

/// One kind of latency by phase.
pub(crate) type ByPhase = [Tally; 4];

/// Values above the range, clamped into the last bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clamped {
    /// Records.
    pub(crate) records: u64,
}

impl Clamped {
    /// The latency between two times, within the range.
    pub(crate) fn between(&mut self, from_ns: u64, to_ns: u64) -> u64 {
        let latency_ns = to_ns.saturating_sub(from_ns);
        self.records += u64::from(latency_ns > LATENCY_NS_MAX);
        latency_ns.min(LATENCY_NS_MAX)
    }
}

/// What the records of a batch have in common, ns.
#[derive(Debug, Clone, Copy)]
struct Ended {
    done_ns: u64,
    service_ns: u64,
}

/// Latencies of one producer group.
#[derive(Debug, Default)]
pub(crate) struct ProducerLatency {
    delay: [Buckets; 4],
    service: [Buckets; 4],
    response: ByPhase,
}

impl ProducerLatency {
    /// Adds the records of an acknowledged batch.
    pub(crate) fn acked(&mut self, phases: &Phases, done: &BatchDone, clamped: &mut Clamped) {
        let Some((first, last)) = done.records.first().zip(done.records.last()) else { return };
        let phase_of = |times: &RecordTimes| phases.index_at(times.intended_ns);
        let delay_ns = |times: &RecordTimes| times.handed_ns.saturating_sub(times.intended_ns);
        let service_ns = clamped.between(done.first_sent_ns, done.done_ns);
        let ended = Ended { done_ns: done.done_ns, service_ns };
        let first_delay_ns = delay_ns(first);
        // nearly always one run: intended times rise, and no record waits
        let is_one_run = phase_of(first) == phase_of(last)
            && done.records.iter().all(|times| delay_ns(times) == first_delay_ns);
        if is_one_run {
            return self.run(phase_of(first), &done.records, ended, clamped);
        }
        let key = |times: &RecordTimes| (delay_ns(times), phase_of(times));
        for run in done.records.chunk_by(|a, b| key(a) == key(b)) {
            self.run(phase_of(&run[0]), run, ended, clamped);
        }
    }

    /// Adds records of one delay and one phase.
    fn run(&mut self, phase: usize, run: &[RecordTimes], ended: Ended, clamped: &mut Clamped) {
        let records = run.len() as u64;
        let Ended { done_ns, service_ns } = ended;
        let delay_ns = clamped.between(run[0].intended_ns, run[0].handed_ns);
        self.delay[phase].add(delay_ns, bucket_of(delay_ns), records);
        self.service[phase].add(service_ns, bucket_of(service_ns), records);
        let intended = run.iter().map(|times| times.intended_ns);
        self.response[phase].add_until(done_ns, intended, clamped);
    }

    /// Adds records without an outcome, by their intended times, at the end of the run.
    pub(crate) fn unfinished(
        &mut self,
        phases: &Phases,
        times: &[u64],
        end_ns: u64,
        clamped: &mut Clamped,
    ) {
        for run in times.chunk_by(|a, b| phases.index_at(*a) == phases.index_at(*b)) {
            self.response[phases.index_at(run[0])].add_until(end_ns, run.iter().copied(), clamped);
        }
    }

    /// A second ends: adds its response latencies to `second`.
    pub(crate) fn count(&mut self, second: &mut Buckets) {
        self.response.iter_mut().for_each(|tally| tally.count(second));
    }

    /// Series that have records.
    pub(crate) fn series(&self, group: &str, topic: &str, out: &mut Vec<LatencySeries>) {
        push_series(LatencyKind::Delay, self.delay.iter(), (group, topic), out);
        push_series(LatencyKind::Service, self.service.iter(), (group, topic), out);
        let response = self.response.iter().map(Tally::counted);
        push_series(LatencyKind::Response, response, (group, topic), out);
    }
}

/// Adds the phases that have records.
pub(crate) fn push_series<'a>(
    kind: LatencyKind,
    by_phase: impl Iterator<Item = &'a Buckets>,
    (group, topic): (&str, &str),
    out: &mut Vec<LatencySeries>,
) {
    for (buckets, phase) in by_phase.zip(PHASES) {
        if buckets.total() > 0 {
            let (group, topic) = (group.to_owned(), topic.to_owned());
            out.push(LatencySeries {
                kind,
                group,
                topic,
                phase,
                histogram: buckets.to_histogram(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{batch_done, tp};
    use stormglass_reports::recording::Phase;
    use stormglass_scenarios::plan::PhasesPlan;

    const MS: u64 = 1_000_000;

    #[test]
    fn each_kind_is_measured_from_its_own_start() {
        let plan = PhasesPlan { warmup_ns: 10 * MS, measure_ns: 90 * MS, heal_ns: 0, drain_ns: 0 };
        let mut done = batch_done(tp(0), 1, &[9 * MS, 12 * MS, 12 * MS], 30 * MS);
        done.records[1].handed_ns = 13 * MS;
        done.first_sent_ns = 20 * MS;
        done.sent_ns = 25 * MS;
        let (mut latency, mut second) = (ProducerLatency::default(), Buckets::default());
        let mut clamped = Clamped::default();
        latency.acked(&Phases::new(&plan), &done, &mut clamped);
        latency.count(&mut second);
        let mut series = Vec::new();
        latency.series("g", "t", &mut series);
        let found: Vec<_> = series
            .iter()
            .map(|s| (s.kind, s.phase, s.histogram.len(), s.histogram.max()))
            .collect();
        let about = |ns: u64| value_top(ns);
        assert_eq!(
            found,
            [
                (LatencyKind::Delay, Phase::Warmup, 1, about(0)),
                (LatencyKind::Delay, Phase::Measure, 2, about(MS)),
                (LatencyKind::Service, Phase::Warmup, 1, about(10 * MS)),
                (LatencyKind::Service, Phase::Measure, 2, about(10 * MS)),
                (LatencyKind::Response, Phase::Warmup, 1, about(21 * MS)),
                (LatencyKind::Response, Phase::Measure, 2, about(18 * MS)),
            ]
        );
        assert_eq!((second.total(), second.max_ns(), clamped.records), (3, 21 * MS, 0));
    }

    fn value_top(ns: u64) -> u64 {
        let mut buckets = Buckets::default();
        buckets.add(ns, bucket_of(ns), 1);
        buckets.to_histogram().max()
    }

    #[test]
    fn beyond_an_hour_is_clamped_and_counted() {
        let mut clamped = Clamped::default();
        assert_eq!(clamped.between(0, LATENCY_NS_MAX + 1), LATENCY_NS_MAX);
        assert_eq!(clamped.between(5, 4), 0);
        assert_eq!(clamped.records, 1);
    }
}
