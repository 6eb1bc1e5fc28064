//! Plans and batches for tests.

use crate::client::{BatchDone, RecordTimes};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::records::{Batch, BatchHeader, Body, BodyTemplate};
use stormglass_scenarios::plan::*;

pub(crate) const TOPIC: TopicId = TopicId(7);

pub(crate) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

/// A batch of `count` records at an offset, with a tag of its own.
pub(crate) fn batch(base_offset: i64, count: i32, tag: u64) -> Arc<Batch> {
    let header = BatchHeader {
        base_offset,
        partition_leader_epoch: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        record_count: count,
    };
    let template = Arc::new(BodyTemplate::new(Bytes::from_static(&[0; 39]), 0));
    Arc::new(Batch { header, body: Body::Template { template, tag } })
}

/// Transactions of a record each.
pub(crate) fn transactions_plan() -> TransactionsPlan {
    TransactionsPlan {
        records: 1,
        length_ns: 1,
        aborted_permille: 0,
        epoch_each: false,
        positions: false,
        former_members: false,
        restart_timeout_ms: None,
    }
}

/// A batch that was acknowledged, its records handed over when intended, sent 1 ns later.
pub(crate) fn batch_done(
    tp: TopicPartition,
    tag: u64,
    intended_ns: &[u64],
    done_ns: u64,
) -> BatchDone {
    let times = |&intended_ns: &u64| RecordTimes { intended_ns, handed_ns: intended_ns };
    let last_ns = intended_ns.last().copied().unwrap_or(0);
    BatchDone {
        tp,
        base_offset: 0,
        batch: Some(batch(0, i32::try_from(intended_ns.len()).unwrap(), tag)),
        tag,
        records: intended_ns.iter().map(times).collect(),
        raw_bytes: 100 * intended_ns.len() as u64,
        first_sent_ns: last_ns + 1,
        sent_ns: last_ns + 1,
        done_ns,
        retries: 0,
        ambiguous: false,
        broker: NodeId(1),
        correlation: 1,
    }
}

/// A plan of 10 s warm-up, 20 s measure, 10 s heal; producer group `p` and consumer groups `c0`,
/// `c1` on topic `t`.
pub(crate) fn plan() -> Plan {
    let quantiles = || {
        let points = vec![(0, 1), (1_000_000, 1)];
        Quantiles { points, source: String::new(), confidence: String::new() }
    };
    let second = 1_000_000_000;
    Plan {
        schema_version: 1,
        scenario: "test".to_owned(),
        question: String::new(),
        expect: String::new(),
        scenario_digest: String::new(),
        seed: 1,
        wire: false,
        shuffled: false,
        first_producer_epoch: 0,
        model: ModelPlan {
            version: String::new(),
            catalogue_digest: String::new(),
            cpu_profile: String::new(),
            constants: BTreeMap::new(),
            latency_same_az: quantiles(),
            latency_cross_az: quantiles(),
            volume_read: quantiles(),
            volume_write: quantiles(),
            remote_request: None,
        },
        cluster: ClusterPlan {
            limits: None,
            kind: ClusterKind::SelfManaged,
            region: String::new(),
            azs: vec!["a".to_owned()],
            brokers: Vec::new(),
            controllers: Vec::new(),
            config: BTreeMap::new(),
            tls_client: false,
            tls_in_cluster: false,
        },
        topics: Vec::new(),
        producers: vec![producer_plan("p", "all")],
        consumers: vec![consumer_plan("c0"), consumer_plan("c1")],
        events: Vec::new(),
        phases: PhasesPlan {
            warmup_ns: 10 * second,
            measure_ns: 20 * second,
            heal_ns: 10 * second,
            drain_ns: 10 * second,
        },
        thresholds: Vec::new(),
        prices: Vec::new(),
    }
}

/// A producer group on topic `t`.
pub(crate) fn producer_plan(name: &str, acks: &str) -> ProducerPlan {
    ProducerPlan {
        name: name.to_owned(),
        topic: "t".to_owned(),
        count: 1,
        azs: vec![0],
        profile: ClientProfile::Java,
        config: BTreeMap::from([("acks".to_owned(), acks.to_owned())]),
        arrival: Arrival::Uniform,
        rate_curve: vec![(0, 1_000)],
        record_size: SizeDist::Fixed { bytes: 100 },
        keys: KeyDist::None,
        compression_permille: 1_000,
        transactions: None,
        first_sequence: 0,
    }
}

pub(crate) fn consumer_plan(group: &str) -> ConsumerPlan {
    ConsumerPlan {
        group: group.to_owned(),
        topics: vec!["t".to_owned()],
        count: 1,
        azs: vec![0],
        profile: ClientProfile::Java,
        config: BTreeMap::new(),
        start_ns: 0,
        process_ns_per_record: 0,
        from_beginning: true,
        membership: None,
    }
}
