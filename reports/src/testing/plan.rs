//! The plan behind the made-up outage.

use std::collections::BTreeMap;
use stormglass_scenarios::plan::{
    Action, Aggregate, Arrival, AzDownMode, ClientProfile, ClusterKind, ClusterPlan, Comparison,
    Constant, ConsumerPlan, EventPlan, HostPlan, KeyDist, Metric, ModelPlan, NodePlan,
    PLAN_SCHEMA_VERSION, PhasesPlan, Plan, Price, ProducerPlan, Quantiles, RatePlan, SizeDist,
    Threshold, TopicPlan, VolumePlan,
};

const SECOND: u64 = 1_000_000_000;

/// Three `kafka.m5.large` in three AZs; AZ a is away from second 60 to second 120.
pub(crate) fn plan() -> Plan {
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        scenario: "az-outage".to_owned(),
        question: "What do clients see when one of three availability zones loses power at peak?"
            .to_owned(),
        expect: "A third of the partitions stalls for up to ten seconds and recovers; nothing \
                 acknowledged is lost."
            .to_owned(),
        scenario_digest: "5c1e".repeat(16),
        seed: 7,
        wire: false,
        shuffled: false,
        first_producer_epoch: 0,
        model: model(),
        cluster: cluster(),
        topics: vec![TopicPlan {
            name: "orders".to_owned(),
            assignment: (0..60).map(|p| (0..3).map(|r| (p + r) % 3 + 1).collect()).collect(),
            config: BTreeMap::new(),
            preload_bytes: 0,
            preload_record_bytes: 0,
        }],
        producers: vec![producer()],
        consumers: ["billing", "search"].map(consumer).to_vec(),
        events: vec![EventPlan {
            at_ns: 60 * SECOND,
            for_ns: Some(60 * SECOND),
            action: Action::AzDown { az: 0, mode: AzDownMode::PowerOff, clients: false },
            line: Some(31),
        }],
        phases: PhasesPlan {
            warmup_ns: 20 * SECOND,
            measure_ns: 130 * SECOND,
            heal_ns: 40 * SECOND,
            drain_ns: 10 * SECOND,
        },
        thresholds: thresholds(),
        prices: prices(),
    }
}

fn model() -> ModelPlan {
    let constant = |value, unit: &str, source: &str, confidence: &str| Constant {
        value,
        unit: unit.to_owned(),
        source: source.to_owned(),
        confidence: confidence.to_owned(),
    };
    let constants = BTreeMap::from([
        (
            "cpu.request_fixed_ns".to_owned(),
            constant(21_000, "ns", "measured: xtask calibrate", "M"),
        ),
        (
            "controller.session_timeout_ns".to_owned(),
            constant(9_000_000_000, "ns", "Kafka default broker.session.timeout.ms", "A"),
        ),
        (
            "disk.writeback_interval_ns".to_owned(),
            constant(5_000_000_000, "ns", "Linux default vm.dirty_writeback_centisecs", "A"),
        ),
    ]);
    let quantiles = |points: &[(u32, u64)]| Quantiles {
        points: points.to_vec(),
        source: "published inter-AZ measurements".to_owned(),
        confidence: "C".to_owned(),
    };
    ModelPlan {
        version: "1".to_owned(),
        catalogue_digest: "9a".repeat(32),
        cpu_profile: "kafka-jvm".to_owned(),
        constants,
        latency_same_az: quantiles(&[(0, 40_000), (500_000, 60_000), (1_000_000, 900_000)]),
        latency_cross_az: quantiles(&[(0, 250_000), (500_000, 450_000), (1_000_000, 4_000_000)]),
        volume_read: quantiles(&[(0, 300_000), (500_000, 600_000), (1_000_000, 20_000_000)]),
        volume_write: quantiles(&[(0, 400_000), (500_000, 900_000), (1_000_000, 30_000_000)]),
        remote_request: None,
    }
}

fn cluster() -> ClusterPlan {
    let node = |id: i32, az: usize| NodePlan { id, az, host: host() };
    ClusterPlan {
        limits: None,
        kind: ClusterKind::MskStandard,
        region: "us-east-1".to_owned(),
        azs: ["a", "b", "c"].map(str::to_owned).to_vec(),
        brokers: vec![node(1, 0), node(2, 1), node(3, 2)],
        controllers: vec![node(10_001, 0), node(10_002, 1), node(10_003, 2)],
        config: BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]),
        tls_client: true,
        tls_in_cluster: true,
    }
}

fn host() -> HostPlan {
    let rate = |baseline_per_sec: u64, burst_per_sec: u64| RatePlan {
        baseline_per_sec,
        burst_per_sec,
        bucket: burst_per_sec * 60,
        initial: burst_per_sec * 60,
    };
    HostPlan {
        instance: "kafka.m5.large".to_owned(),
        vcpus: 2,
        cpu_speed_permille: 1000,
        cpu_baseline_permille: 1000,
        cpu_credits_ns: 0,
        memory_bytes: 8 << 30,
        heap_bytes: 4 << 30,
        nic: rate(93_750_000, 1_250_000_000),
        flow_cap_bytes_per_sec: 625_000_000,
        volumes: vec![VolumePlan {
            kind: "gp3".to_owned(),
            size_bytes: 1000 << 30,
            throughput: rate(131_072_000, 131_072_000),
            iops: rate(3000, 3000),
            provisioned_iops: None,
            instance_throughput: rate(81_250_000, 593_750_000),
            io_size_bytes: 262_144,
        }],
    }
}

fn producer() -> ProducerPlan {
    ProducerPlan {
        name: "checkout".to_owned(),
        topic: "orders".to_owned(),
        count: 6,
        azs: vec![0, 1, 2, 0, 1, 2],
        profile: ClientProfile::Java,
        config: BTreeMap::from([("acks".to_owned(), "all".to_owned())]),
        arrival: Arrival::Poisson,
        rate_curve: vec![(0, 40_000_000)],
        record_size: SizeDist::Fixed { bytes: 1000 },
        keys: KeyDist::None,
        compression_permille: 1000,
        transactions: None,
        first_sequence: 0,
    }
}

fn consumer(group: &str) -> ConsumerPlan {
    ConsumerPlan {
        group: group.to_owned(),
        topics: vec!["orders".to_owned()],
        count: 3,
        azs: vec![0, 1, 2],
        profile: ClientProfile::Java,
        config: BTreeMap::new(),
        start_ns: 0,
        process_ns_per_record: 0,
        from_beginning: false,
        membership: None,
    }
}

fn thresholds() -> Vec<Threshold> {
    let threshold = |metric, phase: Option<&str>, aggregate, op, limit, text: &str| Threshold {
        metric,
        phase: phase.map(str::to_owned),
        aggregate,
        op,
        limit,
        text: text.to_owned(),
    };
    let lt = Comparison::Lt;
    vec![
        threshold(Metric::LostRecords, None, Aggregate::Count, Comparison::Eq, 0, "count == 0"),
        threshold(
            Metric::ResponseLatency,
            Some("heal"),
            Aggregate::P(990_000),
            lt,
            50_000_000,
            "p(99) < 50ms",
        ),
        threshold(Metric::Unavailability, None, Aggregate::Max, lt, 15_000_000_000, "max < 15s"),
        threshold(
            Metric::ProduceThroughput,
            Some("heal"),
            Aggregate::Avg,
            Comparison::Gt,
            39_000_000,
            "avg > 39 MB/s",
        ),
        threshold(Metric::MonthlyCost, None, Aggregate::Value, lt, 600_000, "value < 6000 USD"),
    ]
}

fn prices() -> Vec<Price> {
    let price = |meter: &str, nano_usd, unit: &str, source: &str, date: &str| Price {
        meter: meter.to_owned(),
        nano_usd,
        unit: unit.to_owned(),
        source: source.to_owned(),
        date: date.to_owned(),
        confidence: "A".to_owned(),
    };
    let msk = "AWS price list, us-east-1";
    vec![
        price("broker-hour", 210_000_000, "USD per broker-hour", msk, "2026-07-20"),
        price("storage-gb-month", 100_000_000, "USD per GB-month", msk, "2026-07-20"),
        price(
            "cross-az-gb",
            20_000_000,
            "USD per GB between AZs (0.01 out and 0.01 in)",
            "AWS EC2 data transfer",
            "2024-07-01",
        ),
        price("broker-replication-gb", 0, "USD per GB between brokers", msk, "2026-07-20"),
    ]
}
