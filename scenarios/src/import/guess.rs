//! What no file tells: said as a guess, and small enough that it does not drown what is known.

use super::draft::{ConsumerDraft, Draft, Fact, ProducerDraft, Rate, TopicDraft};
use super::guess_managed;
use crate::catalogue::hardware;
use crate::catalogue::managed::express_instance;
use crate::catalogue::services::regions;
use crate::resolve::version;
use crate::units::scaled_decimal;
use std::collections::{BTreeMap, BTreeSet};

const MB: u64 = 1_000_000;
/// Load of a scenario whose files tell none.
const DEFAULT_RATE: u64 = 10 * MB;
const DEFAULT_RECORD: u64 = 1024;
/// A client is taken to carry this much.
const CLIENT_RATE: u64 = 10 * MB;
/// More groups than this are no fan-out but a wrong figure.
const GROUPS_MAX: u64 = 20;
const MIN_PROVISIONED_MIB: u64 = 250;
/// A topic has no more partitions than this by a guess.
const PARTITIONS_EACH_MAX: u64 = 10_000;

/// Fills in everything that a scenario needs.
pub(super) fn complete(draft: &mut Draft) {
    region(draft);
    referred_topics(draft);
    load(draft);
    readers(draft);
    topology(draft);
    instance(draft);
    kafka(draft);
    topics(draft);
    tiered(draft);
    storage(draft);
    phases(draft);
    guess_managed::settle(draft);
}

/// A region of which no price is known is not one that a scenario can have.
fn region(draft: &mut Draft) {
    let Some(known) = draft.cluster.region.take() else { return };
    if regions().contains(&known.value.as_str()) {
        draft.cluster.region = Some(known);
        return;
    }
    let shown: String = known.value.chars().take(40).collect();
    draft.leave_out(format!(
        "region {shown}: no prices of it are known, those of us-east-1 stand in"
    ));
}

/// A cluster with tiered storage whose topics do not say which of them use it: those that can.
fn tiered(draft: &mut Draft) {
    const KEY: &str = "remote.storage.enable";
    const MSK_RETENTION_MS_MIN: i64 = 3 * 86_400_000;
    let Some(from) = draft.cluster.tiered.clone() else { return };
    if draft.topics.values().any(|topic| topic.config.contains_key(KEY)) {
        return;
    }
    let can = |topic: &TopicDraft| {
        let value = |key: &str| topic.config.get(key).map(|fact| fact.value.as_str());
        let days = value("retention.ms").and_then(|text| text.parse::<i64>().ok());
        !value("cleanup.policy").is_some_and(|policy| policy.contains("compact"))
            && days.is_none_or(|ms| !(0..MSK_RETENTION_MS_MIN).contains(&ms))
    };
    for topic in draft.topics.values_mut().filter(|topic| can(topic)) {
        let on = Fact { value: "true".to_owned(), from: Some(from.clone()) };
        topic.config.insert(KEY.to_owned(), on);
    }
    draft.guess(
        "every topic that can have tiered storage has it, and keeps on the volumes what it keeps at all: \
         set local.retention.ms",
    );
}

/// Topics that a group reads or that traffic names.
fn referred_topics(draft: &mut Draft) {
    let mut names: BTreeSet<String> = draft.traffic.bytes_in_by_topic.keys().cloned().collect();
    names.extend(draft.consumers.iter().flat_map(|group| group.topics.value.iter().cloned()));
    for name in names {
        draft.topics.entry(name).or_default();
    }
    if draft.topics.is_empty() {
        draft.guess("one topic: no file names any");
        draft.topics.insert("events".to_owned(), TopicDraft::default());
    }
}

/// Producers, from what was measured.
fn load(draft: &mut Draft) {
    if !draft.producers.is_empty() {
        return;
    }
    let record = draft.record_bytes.clone().unwrap_or_else(|| {
        draft.guess(format!("records have {DEFAULT_RECORD} bytes"));
        Fact::guess(DEFAULT_RECORD)
    });
    let mut rates = draft.traffic.bytes_in_by_topic.clone();
    rates.retain(|_, rate| rate.value > 0);
    if rates.is_empty() {
        rates = shared_load(draft, record.value);
    }
    draft.guess("producers: acks=all and the client's own defaults, a client for each 10 MB/s");
    for (topic, rate) in rates {
        let count = u32::try_from(rate.value.div_ceil(CLIENT_RATE)).unwrap_or(1).clamp(1, 1000);
        draft.producers.push(ProducerDraft {
            name: format!("to-{topic}").chars().take(200).collect(),
            topic,
            count: Fact::guess(count),
            rate: Fact { value: Rate::Bytes(rate.value.max(1)), from: rate.from },
            curve: Vec::new(),
            record_bytes: record.clone(),
            arrival: None,
            keys: None,
            compressed_percent: None,
            config: BTreeMap::new(),
        });
    }
}

/// The cluster's rate, shared by what topics store, or evenly.
fn shared_load(draft: &mut Draft, record: u64) -> BTreeMap<String, Fact<u64>> {
    let messages = draft.traffic.messages_in.clone();
    let of_messages =
        messages.map(|fact| Fact { value: fact.value.saturating_mul(record), from: fact.from });
    let known = draft.traffic.bytes_in.clone().or(of_messages).filter(|rate| rate.value > 0);
    let total = known.unwrap_or_else(|| {
        draft.guess("the load, 10 MB/s in all: no file tells it");
        Fact::guess(DEFAULT_RATE)
    });
    let stored = |topic: &TopicDraft| topic.stored_bytes.as_ref().map_or(0, |bytes| bytes.value);
    let sum: u128 = draft.topics.values().map(|topic| u128::from(stored(topic))).sum();
    let count = draft.topics.len() as u64;
    if count > 1 {
        let how = if sum > 0 { "as their stored bytes are" } else { "evenly" };
        draft.guess(format!("topics share the load {how}"));
    }
    let share = |topic: &TopicDraft| {
        if sum == 0 {
            return total.value / count;
        }
        u64::try_from(u128::from(total.value) * u128::from(stored(topic)) / sum).unwrap_or(0)
    };
    draft
        .topics
        .iter()
        .map(|(name, topic)| (name.clone(), share(topic)))
        .filter(|(_, rate)| *rate > 0)
        .map(|(name, rate)| (name, Fact { value: rate, from: total.from.clone() }))
        .collect()
}

/// Files that name groups may leave out who else reads: what left the brokers tells.
fn unnamed_readers(draft: &mut Draft) {
    let traffic = &draft.traffic;
    let (Some(data_in), Some(data_out)) = (&traffic.bytes_in, &traffic.bytes_out) else { return };
    let groups = draft.consumers.len() as u64;
    let read = traffic.bytes_in_of_senders.unwrap_or(data_in.value);
    let tenths = data_out.value.saturating_mul(10).checked_div(read).unwrap_or(0);
    if tenths > groups.saturating_mul(10) + 5 {
        let said = format!(
            "bytes out are {}.{} times bytes in, and the files name {groups} group{}: who else reads",
            tenths / 10,
            tenths % 10,
            if groups == 1 { "" } else { "s" },
        );
        draft.leave_out(said);
    }
}

/// Groups, from the bytes that left.
fn readers(draft: &mut Draft) {
    let all: BTreeSet<String> = draft.topics.keys().cloned().collect();
    for group in &mut draft.consumers {
        if group.topics.value.is_empty() {
            group.topics = Fact::guess(all.clone());
        }
    }
    if !draft.consumers.is_empty() {
        unnamed_readers(draft);
        return;
    }
    let ratio = draft.traffic.bytes_in.as_ref().zip(draft.traffic.bytes_out.as_ref()).and_then(
        |(bytes_in, bytes_out)| {
            let read = draft.traffic.bytes_in_of_senders.unwrap_or(bytes_in.value);
            let groups = (bytes_out.value + read / 2).checked_div(read)?;
            Some(Fact { value: groups.min(GROUPS_MAX), from: bytes_out.from.clone() })
        },
    );
    let is_only_measured = draft.traffic.bytes_in.is_some() || draft.record_bytes.is_some();
    let groups = match ratio {
        Some(groups) => {
            draft.guess(format!(
                "{} consumer groups that read everything: bytes out over bytes in, rounded",
                groups.value
            ));
            groups
        }
        None if is_only_measured || draft.producers.iter().all(|one| one.rate.from.is_none()) => {
            draft.guess("one consumer group that reads everything");
            Fact::guess(1)
        }
        // A benchmark's files say who reads: nobody.
        None => return,
    };
    let rate: u64 = draft.producers.iter().map(bytes_per_sec).sum();
    let members = u32::try_from(rate.div_ceil(CLIENT_RATE)).unwrap_or(1).clamp(1, 100);
    for number in 1..=groups.value {
        draft.consumers.push(ConsumerDraft {
            group: format!("group-{number}"),
            topics: Fact { value: all.clone(), from: groups.from.clone() },
            count: Fact::guess(members),
            config: BTreeMap::new(),
        });
    }
}

fn bytes_per_sec(producer: &ProducerDraft) -> u64 {
    match producer.rate.value {
        Rate::Bytes(bytes) => bytes,
        Rate::Records(records) => records.saturating_mul(producer.record_bytes.value),
    }
}

/// AZs and brokers.
fn topology(draft: &mut Draft) {
    let least = draft.topics.values().filter_map(|topic| topic.replication.as_ref());
    let least = least.map(|factor| factor.value).max().unwrap_or(1);
    if draft.cluster.brokers.is_none() {
        let brokers = least.max(3).next_multiple_of(3);
        draft.guess(format!("{brokers} brokers"));
        draft.cluster.brokers = Some(Fact::guess(brokers));
    }
    if draft.cluster.azs.is_none() {
        let brokers = draft.cluster.brokers.as_ref().map_or(3, |brokers| brokers.value);
        let azs = [3, 2, 1].into_iter().find(|azs| brokers.is_multiple_of(*azs)).unwrap_or(1);
        draft.guess(format!("{azs} AZs"));
        draft.cluster.azs = Some(Fact::guess(azs));
    }
    let azs = draft.cluster.azs.as_ref().map_or(3, |azs| azs.value);
    if azs > 6 {
        draft.guess(format!("6 AZs in place of {azs}"));
        draft.cluster.azs = Some(Fact::guess(6));
    }
}

/// The instance type: the simulated one that comes closest.
fn instance(draft: &mut Draft) {
    let known = draft.cluster.instance.clone();
    let offers = hardware::msk_offers();
    let is_offered =
        |name: &str| name != "kafka.t3.small" && offers.iter().any(|offer| offer.name == name);
    if draft.cluster.is_serverless {
        return;
    }
    let Some(known) = known else {
        let name = by_load(draft);
        draft.guess(format!(
            "instance type {name}: the smallest whose network carries twice the load"
        ));
        draft.cluster.instance = Some(Fact::guess(name));
        return;
    };
    let name = known.value.as_str();
    let is_known = is_offered(name) || express_instance(name).is_some();
    if is_known || hardware::ec2_instance(name).is_some() {
        return;
    }
    let stand_in = if name.starts_with("express.") {
        "express.m7g.large"
    } else if name.starts_with("kafka.t3") {
        "kafka.m5.large"
    } else {
        "kafka.m7g.large"
    };
    draft.leave_out(format!("{name} is not simulated: {stand_in} stands in for it"));
    let stand_in = stand_in.to_owned();
    draft.cluster.instance = Some(Fact { value: stand_in, from: known.from });
}

/// MSK takes multiples of its 2 or 3 AZs; other clusters are self-managed on the same EC2 type.
fn by_load(draft: &Draft) -> String {
    let brokers = draft.cluster.brokers.as_ref().map_or(3, |brokers| brokers.value).max(1);
    let azs = draft.cluster.azs.as_ref().map_or(3, |azs| azs.value).max(1);
    let rate: u64 = draft.producers.iter().map(bytes_per_sec).sum();
    let flows = draft.consumers.len() as u64 + 2;
    let needed = rate.saturating_mul(flows).saturating_mul(2) / u64::from(brokers);
    let sizes = ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
    let carries = |size: &&&str| {
        let row = hardware::ec2_instance(&format!("m7g.{size}"));
        let bits = row.and_then(|row| scaled_decimal(&row.net_base_gbps, 1_000_000_000));
        bits.is_some_and(|bits| bits / 8 >= needed)
    };
    let size = sizes.iter().find(carries).unwrap_or(&"16xlarge");
    let is_msk = (2..=3).contains(&azs) && brokers.is_multiple_of(azs) && brokers <= 60;
    if is_msk { format!("kafka.m7g.{size}") } else { format!("m7g.{size}") }
}

/// The version, if it is one that is simulated.
fn kafka(draft: &mut Draft) {
    let Some(known) = draft.cluster.kafka.take() else { return };
    let short: Vec<&str> = known.value.split('.').take(2).collect();
    let short = short.join(".");
    let is_msk = draft.cluster.instance.as_ref().is_some_and(|name| {
        ["kafka.", "express."].iter().any(|prefix| name.value.starts_with(prefix))
    });
    let is_express =
        draft.cluster.instance.as_ref().is_some_and(|name| name.value.starts_with("express."));
    let least = match (is_express, is_msk || draft.cluster.is_serverless) {
        (true, _) => (3, 9),
        (false, true) => (3, 7),
        (false, false) => (3, 3),
    };
    if version(&short).is_some_and(|version| version >= least && version < (5, 0)) {
        draft.cluster.kafka = Some(Fact { value: short, from: known.from });
    } else {
        let shown: String = known.value.chars().take(40).collect();
        draft.leave_out(format!("Kafka {shown}: not simulated, 3.9 stands in for it"));
    }
}

fn topics(draft: &mut Draft) {
    let brokers = draft.cluster.brokers.as_ref().map_or(3, |brokers| brokers.value);
    let mut unknown = 0;
    let mut fewer = BTreeSet::new();
    let measured = measured_partitions(draft);
    let each = measured.unwrap_or(brokers.saturating_mul(2).min(100_000));
    for topic in draft.topics.values_mut() {
        if topic.partitions.is_none() {
            unknown += 1;
            topic.partitions = Some(Fact::guess(each));
        }
        match &topic.replication {
            None => topic.replication = Some(Fact::guess(brokers.min(3))),
            Some(factor) if factor.value > brokers => {
                fewer.insert(factor.value);
                topic.replication = Some(Fact::guess(brokers));
            }
            Some(_) => {}
        }
    }
    if unknown > 0 && measured.is_some() {
        draft.guess(format!(
            "{each} partitions for each of {unknown} topic(s): an even share of the measured leaders, \
             those of Kafka's own topics among them"
        ));
    } else if unknown > 0 {
        draft.guess(format!(
            "two partitions for each broker: no file tells those of {unknown} topic(s)"
        ));
    }
    if !fewer.is_empty() {
        draft.guess(format!(
            "replication factor {brokers}: more than there are brokers was asked for"
        ));
    }
}

/// What leaders of topics without a known number of partitions there are, for each.
fn measured_partitions(draft: &Draft) -> Option<u32> {
    let leaders = draft.traffic.leaders.as_ref()?.value;
    let partitions = draft.topics.values().map(|topic| topic.partitions.as_ref());
    let known: u64 = partitions.clone().flatten().map(|count| u64::from(count.value)).sum();
    let unknown = partitions.filter(Option::is_none).count() as u64;
    let each = leaders.saturating_sub(known).checked_div(unknown)?.clamp(1, PARTITIONS_EACH_MAX);
    u32::try_from(each).ok()
}

/// Volumes that hold what is stored, where no file tells their size.
fn storage(draft: &mut Draft) {
    if let Some(throughput) = draft.cluster.throughput_mib.take() {
        let instance = draft.cluster.instance.as_ref().map_or("", |name| name.value.as_str());
        let row = hardware::msk_instance(instance);
        let max = row.and_then(|row| row.max_provisioned_mib_per_sec.as_deref());
        let max = max.and_then(|text| text.split('.').next()?.parse::<u64>().ok());
        if throughput.value >= MIN_PROVISIONED_MIB && max.is_some_and(|max| throughput.value <= max)
        {
            draft.cluster.throughput_mib = Some(throughput);
        } else {
            draft.leave_out(format!(
                "provisioned throughput of {} MiB/s: {instance} does not take it",
                throughput.value
            ));
        }
    }
    let copies = |topic: &TopicDraft| {
        let factor = topic.replication.as_ref().map_or(1, |factor| u64::from(factor.value));
        Some(topic.stored_bytes.as_ref()?.value.saturating_mul(factor))
    };
    let stored = draft.topics.values().filter_map(copies).fold(0, u64::saturating_add);
    let brokers = u64::from(draft.cluster.brokers.as_ref().map_or(3, |brokers| brokers.value));
    let needed_gib = stored.div_ceil(brokers << 30).saturating_mul(3) / 2;
    match &draft.cluster.storage_gib {
        Some(size) if needed_gib > size.value => {
            draft.leave_out("bytes that topics store: they would fill the volumes");
            draft.topics.values_mut().for_each(|topic| topic.stored_bytes = None);
        }
        None if needed_gib > 1000 && needed_gib <= 16_384 => {
            draft.guess(format!(
                "volumes of {needed_gib} GiB: what is stored, and half as much again"
            ));
            draft.cluster.storage_gib = Some(Fact::guess(needed_gib));
        }
        None if needed_gib > 16_384 => {
            draft
                .leave_out("bytes that topics store: more than the volumes of so few brokers hold");
            draft.topics.values_mut().for_each(|topic| topic.stored_bytes = None);
        }
        _ => {}
    }
}

fn phases(draft: &mut Draft) {
    if draft.measure_seconds.is_none() {
        draft.guess("60 s are measured, after 10 s of warm-up");
        draft.measure_seconds = Some(Fact::guess(60));
    }
    if draft.warmup_seconds.is_none() {
        draft.warmup_seconds = Some(Fact::guess(10));
    }
}
