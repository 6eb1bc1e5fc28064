//! Producers and consumers: counts, AZs, rate curves, sizes, configs.

use super::configs::{Role, client_config};
use crate::plan::{
    Arrival, Assignor, ClientProfile, ClusterPlan, ConsumerPlan, KeyDist, MembershipPlan,
    ProducerPlan, SizeDist, Subscriptions, TransactionsPlan,
};
use crate::schema::decode::{At, List};
use crate::schema::scalar::{Name, RateValue};
use crate::schema::scenario::{PhaseTimes, Scenario};
use crate::schema::workload::{
    self, AssignorName, Consumer, From, Interpolation, Isolation, Keys, Membership, Producer,
    Profile, RecordSize, Transaction,
};

/// Size of a record when none is written, bytes.
const RECORD_BYTES_DEFAULT: u64 = 1024;
/// Records of a transaction when none are written.
const TRANSACTION_RECORDS_DEFAULT: u32 = 100;
/// Length of a transaction when none is written, ns.
const TRANSACTION_NS_DEFAULT: u64 = 100_000_000;

/// The producers of a plan.
pub(crate) fn producers(
    scenario: &Scenario,
    cluster: &ClusterPlan,
    times: PhaseTimes,
) -> Vec<ProducerPlan> {
    let (major, _) = scenario.cluster.sound().kafka_version();
    let producers = scenario.producers.items.iter();
    producers.map(|producer| self::producer(&producer.value, cluster, times, major)).collect()
}

fn producer(
    producer: &Producer,
    cluster: &ClusterPlan,
    times: PhaseTimes,
    kafka_major: u32,
) -> ProducerPlan {
    let profile = producer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let count = producer.count.as_ref().map_or(1, |count| count.value.0);
    let written = producer.config.as_ref().map(|config| &config.value);
    let compressed = producer.compressed_to.as_ref().map_or(1_000_000, |share| share.value.0);
    ProducerPlan {
        name: producer.name.value.0.clone(),
        topic: producer.topic.value.0.clone(),
        count,
        azs: spread(count, producer.azs.as_ref(), cluster),
        profile: plan_profile(profile),
        config: client_config(profile, Role::Producer, written, kafka_major),
        arrival: arrival(producer),
        rate_curve: rate_curve(producer, times),
        record_size: record_size(producer),
        keys: keys(producer),
        compression_permille: to_u32(compressed / 1_000),
        transactions: transactions(producer),
        first_sequence: 0,
    }
}

fn transactions(producer: &Producer) -> Option<TransactionsPlan> {
    producer.transactional.as_ref().filter(|written| written.value)?;
    let written = producer.transaction.as_ref().map(|written| &written.value);
    let records = written.and_then(|Transaction { records, .. }| records.as_ref());
    let length = written.and_then(|Transaction { length, .. }| length.as_ref());
    let aborted = written.and_then(|Transaction { aborted, .. }| aborted.as_ref());
    Some(TransactionsPlan {
        records: records.map_or(TRANSACTION_RECORDS_DEFAULT, |count| count.value.0),
        length_ns: length.map_or(TRANSACTION_NS_DEFAULT, |length| length.value.0),
        aborted_permille: aborted.map_or(0, |share| to_u32(share.value.0 / 1_000)),
        epoch_each: false,
        positions: false,
        former_members: false,
        restart_timeout_ms: None,
    })
}

/// Values that `check` has bounded far below 32 bits.
fn to_u32(value: u64) -> u32 {
    u32::try_from(value).expect("check bounded the value")
}

fn plan_profile(profile: Profile) -> ClientProfile {
    match profile {
        Profile::Java => ClientProfile::Java,
        Profile::Librdkafka => ClientProfile::Librdkafka,
    }
}

/// AZ of each instance: the named AZs, or all, in turn.
fn spread(count: u32, names: Option<&At<List<Name>>>, cluster: &ClusterPlan) -> Vec<usize> {
    let index = |name: &At<Name>| cluster.azs.iter().position(|az| *az == name.value.0);
    let azs: Vec<usize> = match names {
        Some(names) => names.value.items.iter().filter_map(index).collect(),
        None => (0..cluster.azs.len()).collect(),
    };
    azs.iter().copied().cycle().take(count as usize).collect()
}

fn arrival(producer: &Producer) -> Arrival {
    match producer.arrival.as_ref().map(|arrival| &arrival.value) {
        None | Some(workload::Arrival::Poisson) => Arrival::Poisson,
        Some(workload::Arrival::Uniform) => Arrival::Uniform,
        Some(workload::Arrival::Bursty(bursty)) => {
            Arrival::Bursty { on_ns: bursty.on.value.0, off_ns: bursty.off.value.0 }
        }
        Some(workload::Arrival::Closed(closed)) => {
            Arrival::Closed { outstanding: closed.outstanding.value.0 }
        }
    }
}

fn record_size(producer: &Producer) -> SizeDist {
    match producer.record_size.as_ref().map(|size| &size.value) {
        None => SizeDist::Fixed { bytes: to_u32(RECORD_BYTES_DEFAULT) },
        Some(RecordSize::Fixed(size)) => SizeDist::Fixed { bytes: to_u32(size.0) },
        Some(RecordSize::Between(range)) => SizeDist::Uniform {
            min_bytes: to_u32(range.min.value.0),
            max_bytes: to_u32(range.max.value.0),
        },
    }
}

fn keys(producer: &Producer) -> KeyDist {
    match producer.keys.as_ref().map(|keys| &keys.value) {
        None | Some(Keys::None) => KeyDist::None,
        Some(Keys::Uniform(uniform)) => KeyDist::Uniform { count: uniform.count.value.0.into() },
        Some(Keys::Zipf(zipf)) => KeyDist::Zipf {
            count: zipf.count.value.0.into(),
            exponent_permille: zipf
                .exponent
                .as_ref()
                .map_or(1_000, |exponent| to_u32(exponent.value.0)),
        },
    }
}

/// Mean record size in half bytes, so that the mean of two sizes is whole. Of any size that can be written: `check`
/// asks as well.
pub(crate) fn mean_half_bytes(producer: &Producer) -> u64 {
    match producer.record_size.as_ref().map(|size| &size.value) {
        None => 2 * RECORD_BYTES_DEFAULT,
        Some(RecordSize::Fixed(size)) => 2 * size.0,
        Some(RecordSize::Between(range)) => range.min.value.0 + range.max.value.0,
    }
}

/// Milli-records per second of a rate; bytes are divided by the mean record size, rounded down.
pub(crate) fn milli_records(rate: RateValue, producer: &Producer) -> u64 {
    match rate {
        RateValue::MilliRecords(rate) => rate,
        RateValue::Bytes(bytes) => {
            let records = u128::from(bytes) * 2_000 / u128::from(mean_half_bytes(producer).max(1));
            u64::try_from(records).expect("rates are bounded by their unit")
        }
    }
}

/// Points of the rate since the run began; warm-up runs at the first rate.
fn rate_curve(producer: &Producer, times: PhaseTimes) -> Vec<(u64, u64)> {
    if let Some(rate) = &producer.rate {
        return vec![(0, milli_records(rate.value.0, producer))];
    }
    let Some(curve) = &producer.curve else { return vec![(0, 0)] };
    let step =
        producer.interpolation.as_ref().map(|choice| choice.value) == Some(Interpolation::Step);
    let mut points: Vec<(u64, u64)> = Vec::new();
    for point in &curve.value.items {
        let at_ns = times.warmup_ns + point.value.at.value.0;
        let rate = milli_records(point.value.rate.value.0, producer);
        match points.last() {
            None if at_ns > 0 => points.push((0, rate)),
            Some((_, previous)) if step => points.push((at_ns, *previous)),
            _ => {}
        }
        points.push((at_ns, rate));
    }
    points
}

/// The consumers of a plan.
pub(crate) fn consumers(
    scenario: &Scenario,
    cluster: &ClusterPlan,
    times: PhaseTimes,
) -> Vec<ConsumerPlan> {
    let (major, _) = scenario.cluster.sound().kafka_version();
    let consumers = scenario.consumers.items.iter();
    consumers.map(|consumer| self::consumer(&consumer.value, cluster, times, major)).collect()
}

fn consumer(
    consumer: &Consumer,
    cluster: &ClusterPlan,
    times: PhaseTimes,
    kafka_major: u32,
) -> ConsumerPlan {
    let profile = consumer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let count = consumer.count.as_ref().map_or(1, |count| count.value.0);
    let written = consumer.config.as_ref().map(|config| &config.value);
    let mut config = client_config(profile, Role::Consumer, written, kafka_major);
    if let Some(isolation) = &consumer.isolation {
        let level = match isolation.value {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        config.insert("isolation.level".to_owned(), level.to_owned());
    }
    let reset = config.get("auto.offset.reset").is_some_and(|reset| reset == "earliest");
    let from = consumer.from.as_ref().map(|from| from.value == From::Beginning);
    ConsumerPlan {
        group: consumer.group.value.0.clone(),
        topics: consumer.topics.value.items.iter().map(|name| name.value.0.clone()).collect(),
        count,
        azs: spread(count, consumer.azs.as_ref(), cluster),
        profile: plan_profile(profile),
        config,
        start_ns: consumer.start_at.as_ref().map_or(0, |at| times.warmup_ns + at.value.0),
        process_ns_per_record: consumer.process_time.as_ref().map_or(0, |time| time.value.0),
        from_beginning: from.unwrap_or(reset),
        membership: membership(consumer),
    }
}

fn membership(consumer: &Consumer) -> Option<MembershipPlan> {
    let assignor = consumer.assignor.as_ref().map(|written| written.value);
    let assignor = match (consumer.membership.as_ref()?.value, assignor) {
        (Membership::None, _) => return None,
        (Membership::Classic, Some(AssignorName::CooperativeSticky)) => Assignor::CooperativeSticky,
        (Membership::Classic, _) => Assignor::Range,
        (Membership::Consumer, Some(AssignorName::Range)) => Assignor::RemoteRange,
        (Membership::Consumer, _) => Assignor::RemoteUniform,
    };
    let static_members = consumer.static_members.as_ref().is_some_and(|written| written.value);
    Some(MembershipPlan {
        assignor,
        static_members,
        subscriptions: Subscriptions::Same,
        closes: false,
        restarts_as: None,
    })
}
