//! The made-up recording, second by second.

use crate::recording::{
    BrokerSecond, CheckerSummary, ClusterEvent, GroupSecond, Interval, LatencyKind, LatencySeries,
    PathParts, PathSample, Phase, Recording, Second, SecondLatency, TransferTotals, Unavailability,
    VOLUME_FULL, Violation,
};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const OUTAGE: std::ops::Range<u64> = 60..120;
/// Second in which the new leaders are elected.
const ELECTED: u64 = 69;
/// Second in which the lost broker is back in every ISR.
const HEALED: u64 = 141;
const RATE: u64 = 40_000;

/// A recording in which nothing happened.
pub(crate) fn empty_recording() -> Recording {
    Recording {
        latency: Vec::new(),
        seconds: Vec::new(),
        response_intervals: Vec::new(),
        events: Vec::new(),
        paths: Vec::new(),
        violations: Vec::new(),
        checkers: Vec::new(),
        lost_records: 0,
        unresolved_records: 0,
        unavailability: Vec::new(),
        transfer: TransferTotals::default(),
        event_hash: "0".repeat(16),
        checkpoints: Vec::new(),
        events_processed: 0,
        sim_ns: 0,
        interrupted: false,
        quota_waits: Vec::new(),
        assumptions: Vec::new(),
        marks: BTreeMap::new(),
        replicas: Vec::new(),
        remote: None,
    }
}

/// A second in which nothing happened.
pub(crate) fn empty_second(index: u32, phase: Phase) -> Second {
    Second {
        index,
        phase,
        offered_records: 0,
        offered_bytes: 0,
        acked_records: 0,
        acked_bytes: 0,
        failed_records: 0,
        consumed_bytes: 0,
        offline_partitions: 0,
        controller: Some(10_002),
        response: SecondLatency::default(),
        end_to_end: SecondLatency::default(),
        brokers: Vec::new(),
        groups: Vec::new(),
    }
}

/// The made-up outage.
pub(crate) fn az_outage() -> Recording {
    let mut recording = empty_recording();
    let mut stalled = 0_u64;
    for index in 0..200 {
        recording.seconds.push(second(index, &mut stalled));
        recording.response_intervals.push(interval(index));
    }
    recording.latency = latency();
    recording.events = events();
    recording.paths = paths();
    recording.checkers = checkers();
    recording.unavailability = (0..20)
        .map(|n| Unavailability {
            partition: format!("orders-{}", n * 3),
            longest_ns: 9_700 * MS - n * 11 * MS,
            from_ns: 60 * SECOND + n * 7 * MS,
        })
        .collect();
    recording.transfer = TransferTotals {
        measured_ns: 170 * SECOND,
        produce_cross_az_bytes: 4_500_000_000,
        consume_cross_az_bytes: 9_000_000_000,
        replication_cross_az_bytes: 13_000_000_000,
        ..TransferTotals::default()
    };
    recording.event_hash = "9f3a61d2c07be845".to_owned();
    recording.events_processed = 18_400_219;
    recording.sim_ns = 200 * SECOND;
    recording.assumptions =
        vec!["The CPU model was calibrated up to 80 % use; broker 2 reached 83 %.".to_owned()];
    recording
}

/// The same seconds, and no events but brokers that halt for want of room, at milliseconds.
pub(crate) fn halting(halts: &[(i32, u64)]) -> Recording {
    let mut recording = az_outage();
    recording.events.clear();
    recording.events.extend(halts.iter().map(|(node, at_ms)| {
        let detail = format!("node {node} is down: {VOLUME_FULL}");
        event(*at_ms, "broker-down", Some(*node), &detail)
    }));
    recording
}

/// A violation with an account of several lines.
pub(crate) fn violations() -> Vec<Violation> {
    vec![Violation {
        checker: "no-acked-loss".to_owned(),
        at_ns: 71_250 * MS,
        partition: Some("orders-12".to_owned()),
        account: "Promised: offset 88213 was acknowledged with acks=all at t=59.871 s.\n\
                  Seen: leader 2, epoch 6, starts at offset 88197.\n\
                  History: leader 1 (epoch 5) acknowledged before broker 3 had fetched."
            .to_owned(),
        excused_by: Vec::new(),
    }]
}

/// A number in `0..range` that depends on its arguments alone.
fn noise(seed: u64, range: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (x ^ (x >> 32)) % range
}

fn phase_of(index: u64) -> Phase {
    match index {
        0..20 => Phase::Warmup,
        20..150 => Phase::Measure,
        150..190 => Phase::Heal,
        _ => Phase::Drain,
    }
}

fn second(index: u64, stalled: &mut u64) -> Second {
    let mut second = empty_second(u32::try_from(index).unwrap(), phase_of(index));
    let offered = if index < 190 { RATE - 400 + noise(index, 800) } else { 0 };
    let acked = if (OUTAGE.start..ELECTED).contains(&index) {
        *stalled += offered / 3;
        offered * 2 / 3
    } else {
        let drained = (*stalled).min(21_000);
        *stalled -= drained;
        offered + drained
    };
    (second.offered_records, second.offered_bytes) = (offered, offered * 1000);
    (second.acked_records, second.acked_bytes) = (acked, acked * 1000);
    second.consumed_bytes = acked * 2000;
    second.offline_partitions = u32::from((OUTAGE.start..ELECTED).contains(&index)) * 20;
    if (OUTAGE.start..OUTAGE.start + 2).contains(&index) {
        second.controller = None;
    }
    second.response = second_latency(index, acked, 0);
    second.end_to_end = second_latency(index, acked * 2, 5 * MS);
    second.brokers = (1..=3).map(|broker| broker_second(index, broker, acked)).collect();
    let lag = *stalled + 400 + noise(index + 5, 300);
    second.groups = vec![
        GroupSecond { sum_lag: lag, max_lag: lag / 20, bytes: acked * 1000 },
        GroupSecond { sum_lag: lag * 2, max_lag: lag / 9, bytes: acked * 1000 },
    ];
    second
}

fn second_latency(index: u64, count: u64, extra: u64) -> SecondLatency {
    if count == 0 {
        return SecondLatency::default();
    }
    let wobble = noise(index * 3 + extra, 1000) * 1500;
    let (p50, p99, p999) = match index {
        60..69 => (5 * MS, 26 * MS, 44 * MS),
        69..71 => (410 * MS, 9_480 * MS, 9_690 * MS),
        71..74 => (9 * MS, 210 * MS, 420 * MS),
        120..141 => (8 * MS, 61 * MS, 118 * MS),
        _ => (6 * MS, 17 * MS, 33 * MS),
    };
    SecondLatency {
        count,
        p50_ns: p50 + extra + wobble,
        p99_ns: p99 + extra + wobble * 3,
        p999_ns: p999 + extra + wobble * 6,
        max_ns: p999 + extra + wobble * 9 + 3 * MS,
    }
}

fn broker_second(index: u64, broker: u64, acked: u64) -> BrokerSecond {
    let away = broker == 1 && (OUTAGE.start..OUTAGE.end + 9).contains(&index);
    if away {
        return BrokerSecond { log_bytes: 800_000_000, ..BrokerSecond::default() };
    }
    let back = broker == 1 && (OUTAGE.end..HEALED).contains(&index);
    let alone = (OUTAGE.start..HEALED).contains(&index);
    let leaders = if !alone || index < ELECTED {
        20
    } else if broker == 1 {
        0
    } else {
        30
    };
    let share = acked * 1000 * leaders / 60;
    let copies = acked * 1000 - share;
    let jitter = u32::try_from(noise(index * 7 + broker, 40)).unwrap();
    let load = u32::try_from(acked / 120).unwrap();
    BrokerSecond {
        up: true,
        cpu_permille: (load + jitter + if alone { 170 } else { 0 }).min(830),
        bytes_in: share,
        bytes_out: share * 2,
        replication_in: if back { 110_000_000 } else { copies },
        replication_out: share * 2,
        messages_in: share / 1000,
        net_rx: share + copies,
        net_tx: share * 4,
        net_permille: (load + jitter + 60).min(920),
        net_credits_permille: 1000_u32.saturating_sub(u32::try_from(index).unwrap() * 2),
        disk_read: if alone && !back { 25_000_000 } else { 0 },
        disk_write: share + if back { 110_000_000 } else { copies },
        disk_ops: 600,
        disk_permille: if back { 940 + jitter } else { 310 + jitter },
        burst_balance_permille: 1000,
        remote_copied: 0,
        remote_fetched: 0,
        remote_rejected: 0,
        dirty_bytes: 90_000_000,
        cache_hit_bytes: share * 2,
        cache_miss_bytes: if alone { share / 10 } else { 0 },
        handler_idle_permille: 720 - load / 2,
        network_idle_permille: 810 - load / 3,
        request_queue: jitter / 9,
        leaders: u32::try_from(leaders).unwrap(),
        partitions: 60,
        under_replicated: if alone { u32::try_from(leaders).unwrap() } else { 0 },
        log_bytes: index * 40_000_000,
        ..BrokerSecond::default()
    }
}

fn interval(index: u64) -> Interval {
    let counts = if index < 190 {
        (1..40).map(|step| (step * MS, 1 + noise(index * step, 2000) / step)).collect()
    } else {
        Vec::new()
    };
    Interval { index: u32::try_from(index).unwrap(), counts }
}

fn latency() -> Vec<LatencySeries> {
    let mut all = Vec::new();
    for (phase, seconds) in [(Phase::Warmup, 20), (Phase::Measure, 130), (Phase::Heal, 40)] {
        for (kind, group, extra) in [
            (LatencyKind::Delay, "checkout", 0),
            (LatencyKind::Service, "checkout", 3 * MS),
            (LatencyKind::Response, "checkout", 4 * MS),
            (LatencyKind::EndToEnd, "billing", 9 * MS),
            (LatencyKind::EndToEnd, "search", 10 * MS),
        ] {
            let histogram = histogram(phase, seconds, extra);
            let (group, topic) = (group.to_owned(), "orders".to_owned());
            all.push(LatencySeries { kind, group, topic, phase, histogram });
        }
    }
    all
}

fn histogram(phase: Phase, seconds: u64, extra: u64) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for step in 0..400 {
        let body = extra + MS / 4 + noise(step, 6000) * 1000;
        histogram.record_n(body, seconds * RATE / 410).unwrap();
        let tail = extra + 8 * MS + noise(step, 30_000) * 1000;
        histogram.record_n(tail, seconds * RATE / 40_000).unwrap();
        if phase == Phase::Measure {
            histogram.record_n(extra + (step + 1) * 24 * MS, 330).unwrap();
        }
    }
    histogram
}

fn event(at_ms: u64, kind: &str, node: Option<i32>, detail: &str) -> ClusterEvent {
    ClusterEvent {
        at_ns: at_ms * MS,
        kind: kind.to_owned(),
        node,
        partition: None,
        partitions: 0,
        detail: detail.to_owned(),
        until_ns: None,
    }
}

fn events() -> Vec<ClusterEvent> {
    let mut events = vec![ClusterEvent {
        until_ns: Some(OUTAGE.end * SECOND),
        ..event(60_000, "fault-begin", None, "AZ a lost power")
    }];
    events.push(event(60_000, "broker-down", Some(1), "broker 1 lost power"));
    events.push(event(
        61_640,
        "controller-elected",
        Some(10_002),
        "controller 10002 leads epoch 4",
    ));
    events.push(event(69_120, "broker-fenced", Some(1), "broker 1 missed its session of 9 s"));
    for (partition, kind) in
        (0..20).flat_map(|p| [(p * 3, "leader-elected"), (p * 3, "isr-shrink")])
    {
        let leader = if partition % 2 == 0 { 2 } else { 3 };
        events.push(ClusterEvent {
            partition: Some(format!("orders-{partition}")),
            partitions: 1,
            ..event(69_130 + partition, kind, Some(leader), &format!("orders-{partition}: {kind}"))
        });
    }
    events.push(event(120_000, "fault-end", None, "AZ a has power again"));
    events.push(event(129_200, "broker-up", Some(1), "broker 1 started and recovered its logs"));
    events.push(event(129_900, "broker-unfenced", Some(1), "broker 1 is unfenced"));
    for partition in 0..60 {
        events.push(ClusterEvent {
            partition: Some(format!("orders-{partition}")),
            partitions: 1,
            ..event(139_000 + partition * 30, "isr-expand", Some(2), "broker 1 joined the ISR")
        });
    }
    for partition in (0..60).step_by(3) {
        events.push(ClusterEvent {
            partition: Some(format!("orders-{partition}")),
            partitions: 1,
            ..event(141_000 + partition, "leader-elected", Some(1), "preferred leader")
        });
    }
    events
}

fn paths() -> Vec<PathSample> {
    (0..4000)
        .map(|n| {
            let slow = if n % 100 == 0 { 60 + noise(n, 90) } else { noise(n, 5) };
            let stall = if n % 400 == 0 { 9_000 * MS } else { 0 };
            PathSample {
                at_ns: 20 * SECOND + n * 40 * MS,
                phase: Phase::Measure,
                group: "checkout".to_owned(),
                broker: i32::try_from(n % 3 + 1).unwrap(),
                parts: PathParts {
                    client_queue_ns: 3 * MS + noise(n + 1, 4000) * 1000 + stall,
                    network_ns: 700_000 + noise(n + 2, 500) * 1000,
                    cpu_queue_ns: 80_000 + slow * 110_000,
                    cpu_ns: 300_000,
                    disk_ns: slow * 60_000,
                    replication_ns: 1_400_000 + slow * 400_000,
                    purgatory_ns: 30_000,
                    response_ns: 500_000 + noise(n + 3, 200) * 1000,
                },
            }
        })
        .collect()
}

fn checkers() -> Vec<CheckerSummary> {
    [
        ("no-acked-loss", "No record acknowledged with acks=all is lost.", 7_412_883),
        ("one-value-per-offset", "An offset never shows two different records.", 22_120_440),
        ("log-matching", "Replicas agree below the high watermark.", 181_320),
        ("one-leader-per-epoch", "At most one leader per partition and epoch.", 100),
        ("no-duplicates", "Idempotent producers write each record once.", 7_412_883),
        ("all-consumed", "Every acknowledged record is delivered after healing.", 14_825_766),
    ]
    .map(|(name, promise, checked)| CheckerSummary {
        name: name.to_owned(),
        promise: promise.to_owned(),
        checked,
        violations: 0,
    })
    .to_vec()
}
