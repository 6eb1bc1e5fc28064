//! Trogdor task specs: what loads a cluster here, faults in `trogdor_faults`.
//!
//! Several specs make one scenario; their `startMs` count from the earliest.

use super::doc::Doc;
use super::draft::{
    Configs, ConsumerDraft, Draft, Fact, ProducerDraft, Rate, TopicDraft, plain_name,
};
use super::properties::{Owner, keep};
use super::{ImportError, trogdor_faults};
use std::collections::BTreeSet;

/// A range such as `[1-5]` makes no more topics than this.
const TOPICS_MAX: usize = 1000;
const DEFAULT_SIZE: u64 = 1024;

/// What the specs say of time.
#[derive(Debug, Default)]
pub(super) struct Trogdor {
    /// Start and length of each task, ms.
    spans: Vec<(u64, u64)>,
    pub(super) faults: Vec<trogdor_faults::Fault>,
}

/// When a task runs, ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start_ms: u64,
    pub(super) duration_ms: u64,
}

/// Reads one spec.
pub(super) fn spec(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let wrapped = doc.get("spec").filter(|_| doc.get("class").is_none());
    let doc = wrapped.as_ref().unwrap_or(doc);
    let class = doc.need("class")?;
    let name = class.text()?.rsplit('.').next().unwrap_or_default().to_owned();
    let time = |key: &str| doc.get(key).map_or(Ok(0), |doc| doc.whole(1 << 50));
    let span = Span { start_ms: time("startMs")?, duration_ms: time("durationMs")? };
    if draft.name.is_none() {
        draft.name = Some(Fact::new(plain_name(&name.replace("Spec", "")), class.place()));
    }
    match name.as_str() {
        "ProduceBenchSpec" => {
            producers(doc, draft, &rate(doc)?)?;
        }
        "ConsumeBenchSpec" => consume_bench(doc, draft)?,
        "RoundTripWorkloadSpec" => {
            let topics = producers(doc, draft, &rate(doc)?)?;
            consumers(doc, "round-trip", topics, draft)?;
        }
        "ConfigurableProducerSpec" => configurable(doc, draft)?,
        "NetworkPartitionFaultSpec"
        | "DegradedNetworkFaultSpec"
        | "ProcessStopFaultSpec"
        | "FilesUnreadableFaultSpec" => {
            trogdor_faults::fault(&name, doc, span, draft)?;
        }
        "NoOpTaskSpec" => {}
        "SustainedConnectionSpec" | "ConnectionStressSpec" | "ExternalCommandSpec" => {
            draft.leave_out(format!("{name}: the scenario language has no such load"));
        }
        _ => {
            let known = "ProduceBenchSpec, ConsumeBenchSpec, RoundTripWorkloadSpec, \
                         ConfigurableProducerSpec and the fault specs are";
            return Err(class.error(format!("`{}` is not known", plain_name(&name))).help(known));
        }
    }
    if span.duration_ms > 0 {
        draft.trogdor.spans.push((span.start_ms, span.duration_ms));
    }
    Ok(())
}

fn rate(doc: &Doc<'_>) -> Result<Fact<u64>, ImportError> {
    let rate = doc.need("targetMessagesPerSec")?;
    let value = rate.whole(1_000_000_000)?;
    if value == 0 {
        return Err(rate.error("a load has at least one message per second"));
    }
    Ok(Fact::new(value, rate.place()))
}

/// A window's messages over its length. The spec's own example has other names than its code.
fn windowed(doc: &Doc<'_>, draft: &mut Draft) -> Result<Fact<u64>, ImportError> {
    let generator = doc.need("throughputGenerator")?;
    let names = ["messagesPerWindow", "messagesPerWindowAverage", "messagesPerSecondAverage"];
    let found = names.iter().find_map(|name| generator.get(name));
    let messages = found.ok_or_else(|| generator.error("`messagesPerWindow` is missing"))?;
    let window = generator.get("windowSizeMs").map_or(Ok(100), |doc| doc.whole(3_600_000))?.max(1);
    if generator.get("messagesPerWindowDeviation").is_some() {
        draft.leave_out("throughputGenerator's deviation: its average is the rate");
    }
    let per_second = messages.whole(1_000_000_000)?.saturating_mul(1000) / window;
    Ok(Fact::new(per_second.max(1), messages.place()))
}

fn configurable(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let rate = windowed(doc, draft)?;
    let topics = topics_of(&doc.need("activeTopic")?, draft)?;
    if topics.len() != 1 {
        return Err(doc.need("activeTopic")?.error("exactly one topic is wanted"));
    }
    if doc.get("flushGenerator").is_some() {
        draft.leave_out("flushGenerator: clients never call flush()");
    }
    produce_to(doc, &topics, &rate, draft)
}

fn producers(
    doc: &Doc<'_>,
    draft: &mut Draft,
    rate: &Fact<u64>,
) -> Result<Vec<String>, ImportError> {
    let topics = topics_of(&doc.need("activeTopics")?, draft)?;
    if topics.is_empty() {
        return Err(doc.need("activeTopics")?.error("no topic"));
    }
    if let Some(inactive) = doc.get("inactiveTopics") {
        topics_of(&inactive, draft)?;
    }
    for key in ["transactionGenerator", "maxMessages"] {
        if doc.get(key).is_some() {
            draft.leave_out(format!("{key} of {}", doc.place()));
        }
    }
    produce_to(doc, &topics, rate, draft)?;
    Ok(topics)
}

/// One client sends to all topics in turn: the same rate to each, from a producer of its own.
fn produce_to(
    doc: &Doc<'_>,
    topics: &[String],
    rate: &Fact<u64>,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    let config = configs(doc, "producerConf", Owner::Producer, draft)?;
    let size = match doc.get("valueGenerator") {
        Some(generator) => size_of(&generator, draft)?,
        None => Fact::guess(DEFAULT_SIZE),
    };
    if topics.len() > 1 {
        draft.guess("a producer for each topic: Trogdor sends to all topics from one");
    }
    let offset = draft.producers.len();
    for (index, topic) in topics.iter().enumerate() {
        let share = (rate.value / topics.len() as u64).max(1);
        draft.producers.push(ProducerDraft {
            name: format!("producer-{}", offset + index + 1),
            topic: topic.clone(),
            count: Fact::new(1, doc.place()),
            rate: Fact { value: Rate::Records(share), from: rate.from.clone() },
            curve: Vec::new(),
            record_bytes: size.clone(),
            arrival: Some(Fact::new("uniform", "Trogdor's throttle")),
            keys: None,
            compressed_percent: None,
            config: config.clone(),
        });
    }
    Ok(())
}

fn size_of(generator: &Doc<'_>, draft: &mut Draft) -> Result<Fact<u64>, ImportError> {
    let found = ["size", "messageSizeAverage"].into_iter().find_map(|key| generator.get(key));
    let Some(size) = found else {
        draft.guess(format!("records have {DEFAULT_SIZE} bytes: their generator states no size"));
        return Ok(Fact::guess(DEFAULT_SIZE));
    };
    if generator.get("messageSizeDeviation").is_some() {
        draft.leave_out("valueGenerator's deviation: its average is the size");
    }
    Ok(Fact::new(size.whole(1 << 20)?.max(16), size.place()))
}

fn consume_bench(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let list = doc.need("activeTopics")?;
    let mut topics = Vec::new();
    for item in list.items()? {
        for name in expand(item.text()?, item.place())? {
            // `topic:partition`: the partition is an assignment by hand.
            let (topic, partition) =
                name.split_once(':').map_or((name.as_str(), None), |(t, p)| (t, Some(p)));
            if partition.is_some() {
                draft.leave_out("partitions named in activeTopics: a group reads all of a topic");
            }
            if draft.topic(topic, item.place())?.is_some() && !topics.contains(&topic.to_owned()) {
                topics.push(topic.to_owned());
            }
        }
    }
    let group = doc.get("consumerGroup").map(|doc| doc.text().map(plain_name)).transpose()?;
    consumers(doc, &group.unwrap_or_else(|| "consume-bench".to_owned()), topics, draft)
}

fn consumers(
    doc: &Doc<'_>,
    group: &str,
    topics: Vec<String>,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    let config = configs(doc, "consumerConf", Owner::Consumer, draft)?;
    let threads = doc.get("threadsPerWorker");
    let count = match threads {
        Some(threads) => Fact::new(threads.count(10_000)?.max(1), threads.place()),
        None => Fact::new(1, doc.place()),
    };
    let taken = draft.consumers.iter().filter(|one| one.group.starts_with(group)).count();
    let group = if taken == 0 { group.to_owned() } else { format!("{group}-{}", taken + 1) };
    let topics = Fact::new(topics.into_iter().collect::<BTreeSet<_>>(), doc.place());
    draft.consumers.push(ConsumerDraft { group, topics, count, config });
    Ok(())
}

fn configs(
    doc: &Doc<'_>,
    key: &str,
    owner: Owner,
    draft: &mut Draft,
) -> Result<Configs, ImportError> {
    let mut configs = Configs::new();
    for name in ["commonClientConf", key] {
        let Some(map) = doc.get(name) else { continue };
        let mut pairs = Vec::new();
        for (key, value) in map.entries()? {
            pairs.push((key.to_owned(), value.scalar()?));
        }
        keep(pairs, owner, map.place(), &mut configs, draft);
    }
    Ok(configs)
}

/// Topics of a spec's map, whose names may hold a range.
fn topics_of(doc: &Doc<'_>, draft: &mut Draft) -> Result<Vec<String>, ImportError> {
    let mut all = Vec::new();
    for (name, spec) in doc.entries()? {
        let partitions = match (spec.get("numPartitions"), spec.get("partitionAssignments")) {
            (_, Some(assignments)) => {
                draft.leave_out("partitionAssignments: partitions are spread evenly");
                let count = u32::try_from(assignments.entries()?.len()).unwrap_or(u32::MAX);
                Some(Fact::new(count.max(1), assignments.place()))
            }
            (Some(count), None) => Some(Fact::new(count.count(100_000)?.max(1), count.place())),
            (None, None) => None,
        };
        let replication = match spec.get("replicationFactor") {
            Some(factor) => Some(Fact::new(factor.count(32)?.max(1), factor.place())),
            None => None,
        };
        let config = configs_of(&spec, draft)?;
        for name in expand(name, spec.place())? {
            if draft.topic(&name, spec.place())?.is_none() {
                continue;
            }
            let topic = TopicDraft {
                partitions: partitions.clone(),
                replication: replication.clone(),
                config: config.clone(),
                stored_bytes: None,
            };
            draft.topics.insert(name.clone(), topic);
            all.push(name);
        }
    }
    Ok(all)
}

fn configs_of(spec: &Doc<'_>, draft: &mut Draft) -> Result<Configs, ImportError> {
    let mut configs = Configs::new();
    if let Some(map) = spec.get("configs") {
        let pairs: Vec<(String, String)> = map
            .entries()?
            .into_iter()
            .map(|(key, value)| Ok((key.to_owned(), value.scalar()?)))
            .collect::<Result<_, ImportError>>()?;
        keep(pairs, Owner::Topic, map.place(), &mut configs, draft);
    }
    Ok(configs)
}

/// `foo[1-3]` is `foo1`, `foo2`, `foo3`; every range of the name is expanded.
fn expand(name: &str, place: &str) -> Result<Vec<String>, ImportError> {
    let mut done = Vec::new();
    let mut open = vec![name.to_owned()];
    while let Some(text) = open.pop() {
        let range = text.find('[').and_then(|start| {
            let end = start + text[start..].find(']')?;
            let (low, high) = text[start + 1..end].split_once('-')?;
            Some((start, end, low.parse::<u32>().ok()?, high.parse::<u32>().ok()?))
        });
        match range {
            None => done.push(text),
            Some((start, end, low, high)) => {
                let count = (u64::from(high) + 1).saturating_sub(u64::from(low)) as usize;
                if count == 0 || count + done.len() + open.len() > TOPICS_MAX {
                    let message = format!("a range of {count} names: 1 to {TOPICS_MAX} are taken");
                    return Err(ImportError::new(place, message));
                }
                let names = (low..=high).rev();
                open.extend(names.map(|n| format!("{}{n}{}", &text[..start], &text[end + 1..])));
            }
        }
    }
    Ok(done)
}

/// The phases: from the first task's start to the last one's end.
pub(super) fn finish(draft: &mut Draft) {
    let trogdor = std::mem::take(&mut draft.trogdor);
    let start = trogdor.spans.iter().map(|(start, _)| *start).min().unwrap_or(0);
    let end = trogdor.spans.iter().map(|(start, length)| start.saturating_add(*length)).max();
    if let Some(end) = end {
        let seconds = (end - start).div_ceil(1000).clamp(1, 86_400 * 30);
        draft.measure_seconds = Some(Fact::new(seconds, "startMs and durationMs of the specs"));
    }
    trogdor_faults::events(&trogdor.faults, start, draft);
}
