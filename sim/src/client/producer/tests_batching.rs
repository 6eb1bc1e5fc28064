//! How records become batches: closed forms, limits, memory, balance.

use super::{Producer, ProducerSetup};
use crate::client::arrivals::{Arrival, Arrivals, PlannedArrivals};
use crate::client::config::{ClientCosts, ProducerConfig};
use crate::client::io::{BatchDone, ClientInput, Outcome, RejectReason};
use crate::client::mock::{Listed, MS, Mock};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::NodeId;
use stormglass_scenarios::plan::{
    Arrival as Process, ClientProfile, KeyDist, ProducerPlan, SizeDist,
};

fn plan(profile: ClientProfile, pairs: &[(&str, &str)]) -> ProducerPlan {
    let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ProducerPlan {
        name: "p".to_owned(),
        topic: "t".to_owned(),
        count: 1,
        azs: vec![0],
        profile,
        config: config.collect(),
        arrival: Process::Poisson,
        rate_curve: Vec::new(),
        record_size: SizeDist::Fixed { bytes: 100 },
        keys: KeyDist::None,
        compression_permille: 1_000,
        transactions: None,
        first_sequence: 0,
    }
}

pub(super) fn config(profile: ClientProfile, pairs: &[(&str, &str)]) -> ProducerConfig {
    ProducerConfig::parse(&plan(profile, pairs)).unwrap()
}

pub(super) fn producer(config: ProducerConfig, arrivals: Box<dyn Arrivals>) -> Producer {
    Producer::new(ProducerSetup {
        config,
        costs: ClientCosts::default(),
        bootstrap: vec![NodeId(1)],
        topic: Arc::from("t"),
        arrivals,
        draws: crate::rng::Streams::new(3).stream("client", "draws"),
        transactions: None,
        first_tag: 5 << 40,
    })
}

pub(super) fn java(pairs: &[(&str, &str)], arrivals: Box<dyn Arrivals>) -> Producer {
    producer(config(ClientProfile::Java, pairs), arrivals)
}

pub(super) fn acked(outcomes: &[Outcome]) -> Vec<&BatchDone> {
    let done = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Acked(done) => Some(done),
        _ => None,
    });
    done.collect()
}

fn records(outcomes: &[Outcome]) -> usize {
    acked(outcomes).iter().map(|done| done.records.len()).sum()
}

/// Poisson arrivals at `per_sec`, `count` of them, after the client has warmed up.
fn poisson(per_sec: f64, count: u64, bytes: u32) -> Box<Listed> {
    let mut draws = crate::rng::Streams::new(11).stream("client", "draws");
    let mut at_ns = 100.0 * MS as f64;
    let mut next = || {
        let uniform = (draws.below(1 << 53) + 1) as f64 / (1u64 << 53) as f64;
        at_ns -= libm::log(uniform) / per_sec * 1e9;
        Arrival { intended_ns: at_ns as u64, bytes, key_hash: None }
    };
    Box::new(Listed((0..count).map(|_| next()).collect()))
}

/// P(Poisson(mean) < n).
fn poisson_below(mean: f64, n: u32) -> f64 {
    let mut term = libm::exp(-mean);
    (0..n).fold(0.0, |sum, k| {
        let now = sum + term;
        term *= mean / f64::from(k + 1);
        now
    })
}

/// Batches close at the (N+1)th arrival or T after the first one, whichever is first. With A the
/// Poisson number of arrivals in (0, T], mean m = rate * T: E[size] = 1 + E[min(A, N - 1)], and
/// the first record waits E[min(T, time of the Nth later arrival)] = sum over k < N of
/// P(A > k) / rate.
#[test]
fn batch_size_and_wait_match_the_closed_form() {
    for (rate, linger_ms) in [(500.0, 5), (2_000.0, 5), (4_000.0, 10)] {
        // 10 records of 1,000 bytes fill a batch; the 11th does not fit
        let linger = linger_ms.to_string();
        let keys = [("batch.size", "10200"), ("linger.ms", linger.as_str())];
        let mut mock = Mock::new(java(&keys, poisson(rate, 40_000, 1_000)), 1, 1);
        mock.run_until(200_000 * MS);
        let done = acked(&mock.outcomes);
        assert_eq!(records(&mock.outcomes), 40_000);
        let mean = rate * f64::from(linger_ms) / 1_000.0;
        let above = |k: u32| 1.0 - poisson_below(mean, k + 1);
        let size: f64 = 1.0 + (0..9).map(above).sum::<f64>();
        let wait_ns: f64 = (0..10).map(above).sum::<f64>() / rate * 1e9;
        let seen_size = 40_000.0 / done.len() as f64;
        let waits = done.iter().map(|d| (d.sent_ns - d.records[0].intended_ns) as f64);
        let seen_wait_ns = waits.sum::<f64>() / done.len() as f64;
        assert!((seen_size / size - 1.0).abs() < 0.02, "{rate}: {seen_size} against {size}");
        assert!((seen_wait_ns / wait_ns - 1.0).abs() < 0.02, "{seen_wait_ns} against {wait_ns}");
    }
}

#[test]
fn a_full_batch_leaves_at_the_record_that_does_not_fit_and_costs_few_steps() {
    // 1 KiB records each 0.1 ms: 15 fit in 16 KiB
    let arrivals = Listed::even(100 * MS, MS / 10, 15_000, 1_024);
    let mut mock = Mock::new(java(&[("linger.ms", "50")], arrivals), 1, 1);
    mock.run_until(10_000 * MS);
    let done = acked(&mock.outcomes);
    assert_eq!(done.len(), 1_000);
    for batch in &done[..999] {
        assert_eq!(batch.records.len(), 15);
        assert_eq!(batch.sent_ns, batch.records[14].intended_ns + MS / 10);
        assert!(batch.records.iter().all(|times| times.intended_ns == times.handed_ns));
    }
    assert!(mock.steps < 2_100, "{} steps for 1,000 batches", mock.steps);
    let tags: std::collections::BTreeSet<u64> = done.iter().map(|batch| batch.tag).collect();
    assert_eq!((tags.len(), tags.first().copied()), (1_000, Some(5 << 40)));
}

#[test]
fn requests_in_flight_stay_within_the_limit_and_records_gather_meanwhile() {
    for (limit, most) in [("1", 1), ("3", 3), ("9", 5)] {
        let keys = [("max.in.flight.requests.per.connection", limit)];
        let mut mock = Mock::new(java(&keys, Listed::even(100 * MS, MS / 10, 5_000, 200)), 1, 1);
        mock.latency_ns = 20 * MS;
        mock.run_until(5_000 * MS);
        assert_eq!(mock.in_flight[&NodeId(1)].1, most, "idempotence allows 5 at most");
        assert_eq!(records(&mock.outcomes), 5_000);
        assert!(
            mock.steps < 1_200,
            "{} steps: arrivals do not wake a saturated client",
            mock.steps
        );
    }
}

#[test]
fn a_full_buffer_delays_the_handing_over_and_nothing_is_lost() {
    // four batches of memory, an answer each 40 ms: less than the offered load at first
    let keys = [("buffer.memory", "65536"), ("max.in.flight.requests.per.connection", "1")];
    let mut mock = Mock::new(java(&keys, Listed::even(100 * MS, MS / 2, 600, 1_024)), 1, 1);
    mock.latency_ns = 20 * MS;
    mock.run_until(100 * MS + 10_000 * MS);
    let done = acked(&mock.outcomes);
    assert_eq!(records(&mock.outcomes), 600);
    let delay = |times: &&crate::client::RecordTimes| times.handed_ns - times.intended_ns;
    let all: Vec<_> = done.iter().flat_map(|batch| &batch.records).collect();
    let delayed = all.iter().filter(|times| delay(times) > 0).count();
    assert!(delayed > 300, "{delayed}");
    assert!(all.windows(2).all(|pair| pair[0].handed_ns <= pair[1].handed_ns));
    assert_eq!(mock.client.buffered_bytes(), 0);
    // steady state: a batch of 15 each 40 ms; the last record waited for about 600/15 of them
    let last = delay(all.last().unwrap()) / MS;
    assert!((1_100..1_500).contains(&last), "{last}");
}

#[test]
fn a_call_that_blocks_too_long_is_refused() {
    let keys = [("buffer.memory", "16384"), ("max.block.ms", "500"), ("linger.ms", "0")];
    let mut mock = Mock::new(java(&keys, Listed::even(1_000 * MS, MS, 40, 16_000)), 1, 1);
    mock.run_until(999 * MS);
    mock.half_open.insert(NodeId(1));
    mock.run_until(5_000 * MS);
    let refused = mock.outcomes.iter().filter(|outcome| {
        **outcome == Outcome::Rejected { records: 1, reason: RejectReason::BlockedTooLong }
    });
    // the first record holds the buffer; then each call blocks for half a second from 1.001 s on
    assert_eq!(refused.count(), 7);
}

#[test]
fn sticky_partitions_are_balanced_and_avoid_long_queues() {
    let arrivals = Listed::even(100 * MS, MS / 100, 200_000, 500);
    let mut mock = Mock::new(java(&[], arrivals), 3, 6);
    mock.run_until(10_000 * MS);
    let mut bytes = BTreeMap::new();
    for batch in acked(&mock.outcomes) {
        *bytes.entry(batch.tp.partition).or_insert(0) += batch.raw_bytes;
    }
    // about 3,000 to 6,000 switches over six partitions: 3 sigma is below 10 %
    let mean = 100_000_000 / 6;
    assert_eq!(bytes.len(), 6);
    assert!(bytes.values().all(|part| part.abs_diff(mean) < mean / 10), "{bytes:?}");
}

#[test]
fn keys_choose_their_partition_and_each_fills_its_own_batch() {
    let keyed = |index: u64| Arrival {
        intended_ns: 100 * MS + index * MS / 10,
        bytes: 1_024,
        key_hash: Some(u32::try_from(index % 4).unwrap() | 0x8000_0000),
    };
    let arrivals = Box::new(Listed((0..6_000).map(keyed).collect()));
    let mut mock = Mock::new(java(&[("linger.ms", "1000")], arrivals), 2, 4);
    mock.run_until(20_000 * MS);
    let done = acked(&mock.outcomes);
    assert_eq!(records(&mock.outcomes), 6_000);
    for batch in &done {
        let first = (batch.records[0].intended_ns - 100 * MS) / (MS / 10);
        assert_eq!(u64::try_from(batch.tp.partition).unwrap(), first % 4);
    }
    // a request takes the waiting batches of all partitions of the broker along, full or not
    let full = done.iter().filter(|batch| batch.records.len() == 15).count();
    assert!(full * 2 >= done.len() - 4, "{full} of {}", done.len());
}

#[test]
fn librdkafka_lingers_five_ms_and_sends_one_partition_per_request() {
    let arrivals = Listed::even(100 * MS, MS / 10, 2_000, 100);
    let client = producer(config(ClientProfile::Librdkafka, &[]), arrivals);
    let mut mock = Mock::new(client, 2, 4);
    mock.run_until(5_000 * MS);
    assert_eq!(records(&mock.outcomes), 2_000);
    assert!(mock.produced.iter().all(|seen| seen.parts.len() == 1));
    assert!(mock.produced.iter().all(|seen| seen.parts[0].1 == -1), "no idempotence by default");
    // the first ones wait for their connection
    for batch in acked(&mock.outcomes).iter().filter(|batch| batch.sent_ns > 200 * MS) {
        assert!(batch.sent_ns - batch.records[0].intended_ns <= 5 * MS);
    }
}

#[test]
fn stopping_the_load_flushes_what_lingers() {
    let arrivals = Listed::even(100 * MS, MS, 1_000, 100);
    let mut mock = Mock::new(java(&[("linger.ms", "100000")], arrivals), 1, 1);
    mock.run_until(150 * MS + 1);
    mock.input(ClientInput::StopLoad);
    mock.run_until(200 * MS);
    assert_eq!(records(&mock.outcomes), 51);
    assert!(mock.client.is_drained());
}

#[test]
fn a_batch_costs_two_steps_whatever_the_number_of_records() {
    let keys = [("batch.size", "17000"), ("linger.ms", "5")];
    let arrivals = Listed::even(100 * MS, MS / 100, 160_000, 1_024);
    let mut mock = Mock::new(java(&keys, arrivals), 3, 60);
    mock.run_until(3_000 * MS);
    let done = acked(&mock.outcomes);
    assert_eq!(records(&mock.outcomes), 160_000);
    // the record that does not fit may open a batch on the same broker, which goes along at once
    let full = done.iter().filter(|batch| batch.records.len() == 16).count();
    assert!(full > 9_800, "{full}");
    assert!(mock.steps < 20_500, "{} steps for {full} batches", mock.steps);
}

#[test]
fn a_change_of_load_takes_effect_within_the_horizon() {
    let mut mock = Mock::new(java(&[], Listed::even(100 * MS, MS, 100_000, 100)), 1, 1);
    mock.run_until(1_000 * MS);
    mock.input(ClientInput::LoadChanged { rate_permille: 0 });
    mock.run_until(5_000 * MS);
    let offered = records(&mock.outcomes);
    assert!((901..=1_001).contains(&offered), "{offered}");
    assert!(mock.steps < 2_500, "an idle client sleeps: {}", mock.steps);
}

/// Partitions of acknowledged batches, in order of the first record.
fn partitions_in_order(class: &str, partitions: i32) -> Vec<i32> {
    let class = format!("org.apache.kafka.clients.producer.{class}");
    let keys = [("linger.ms", "1"), ("partitioner.class", class.as_str())];
    // a record each 0.3 ms: three or four in a batch
    let arrivals = Listed::even(100 * MS, 3 * MS / 10, 3_000, 100);
    let mut mock = Mock::new(java(&keys, arrivals), 1, partitions);
    mock.latency_ns = 0;
    mock.run_until(5_000 * MS);
    assert_eq!(records(&mock.outcomes), 3_000);
    let mut done = acked(&mock.outcomes);
    done.sort_by_key(|batch| batch.records[0].intended_ns);
    done.iter().map(|batch| batch.tp.partition).collect()
}

#[test]
fn the_partitioner_of_kafka_2_8_changes_with_each_batch() {
    let seen = partitions_in_order("internals.DefaultPartitioner", 8);
    assert!(seen.len() > 600, "{} batches", seen.len());
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "never the same one again");
    let share = |of: i32| seen.iter().filter(|partition| **partition == of).count() * 8;
    assert!((0..8).all(|of| share(of).abs_diff(seen.len()) * 4 < seen.len()), "evenly");
}

#[test]
fn round_robin_changes_with_each_record() {
    let seen = partitions_in_order("RoundRobinPartitioner", 8);
    // a batch lingers for 1 ms, its partition gets a record each 2.4 ms
    assert_eq!(seen.len(), 3_000);
    assert!(seen.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 8));
}

/// A source that does not tell that its records are alike.
#[derive(Debug)]
struct OneByOne(PlannedArrivals);

impl Arrivals for OneByOne {
    fn peek_ns(&self) -> Option<u64> {
        self.0.peek_ns()
    }

    fn pull(&mut self) -> Option<Arrival> {
        self.0.pull()
    }

    fn set_rate(&mut self, now_ns: u64, rate_permille: u32) {
        self.0.set_rate(now_ns, rate_permille);
    }
}

/// Runs of records that are alike must end up in the same batches at the same times as the same
/// records one by one: through changes of load, a full buffer, a lost connection and the end.
#[test]
fn records_by_the_run_go_the_way_that_they_go_one_by_one() {
    let settings: [&[(&str, &str)]; 5] = [
        &[],
        &[("linger.ms", "0")],
        &[("linger.ms", "100"), ("batch.size", "1000000"), ("max.request.size", "2000000")],
        &[("buffer.memory", "70000"), ("max.in.flight.requests.per.connection", "1")],
        &[("partitioner.class", "RoundRobinPartitioner"), ("linger.ms", "7")],
    ];
    for profile in [ClientProfile::Java, ClientProfile::Librdkafka] {
        for pairs in settings {
            let outcomes = [false, true].map(|by_run| {
                let mut config = config(profile, pairs);
                config.idempotent |= profile == ClientProfile::Java;
                let mut plan = plan(profile, &[]);
                plan.rate_curve = vec![(0, 4_000_000), (1_000 * MS, 9_000_000)];
                plan.record_size = SizeDist::Fixed { bytes: 700 };
                let streams = crate::rng::Streams::new(8);
                let planned = PlannedArrivals::new(&plan, 0, &streams, 0);
                assert_eq!(planned.bytes_of_all(), Some(700));
                let arrivals: Box<dyn Arrivals> =
                    if by_run { Box::new(planned) } else { Box::new(OneByOne(planned)) };
                let mut mock = Mock::new(producer(config, arrivals), 2, 6);
                mock.run_until(600 * MS);
                mock.input(ClientInput::LoadChanged { rate_permille: 2_000 });
                mock.run_until(1_100 * MS);
                mock.disconnect(1);
                mock.run_until(1_400 * MS);
                mock.input(ClientInput::Pause);
                mock.run_until(1_450 * MS);
                mock.input(ClientInput::Resume);
                mock.run_until(1_700 * MS);
                mock.input(ClientInput::StopLoad);
                mock.run_until(4_000 * MS);
                (mock.outcomes, mock.steps, mock.timers)
            });
            assert!(records(&outcomes[0].0) > 1_000, "{profile:?} {pairs:?}");
            assert!(outcomes[0] == outcomes[1], "{profile:?} {pairs:?}");
        }
    }
}
