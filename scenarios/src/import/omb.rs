//! OpenMessaging Benchmark: a workload or a template of workloads, and a Kafka driver.
//!
//! `producerRate` is of the whole workload; it is shared evenly by all topics. A template's lists
//! become a sweep. Unknown keys are ignored by the benchmark, too, and are said to be left out.

use super::doc::Doc;
use super::draft::{
    Configs, ConsumerDraft, Draft, Fact, ProducerDraft, Rate, TopicDraft, plain_name, set,
};
use super::properties::{Owner, keep, pairs};
use super::{ImportError, Varied};
use std::collections::BTreeSet;

/// More topics become one with as many partitions.
const TOPICS_MAX: u64 = 200;
const KEYS: u64 = 10_000;
/// More producers or members of a group are simulated as so many.
const CLIENTS_MAX: u32 = 10_000;
/// A key is seven bytes in base64.
const KEY_BYTES: u64 = 10;
/// The benchmark's start when it looks for the highest rate.
const SEARCH_START: u64 = 10_000;

const LISTED: [&str; 7] = [
    "topics",
    "partitionsPerTopic",
    "messageSize",
    "subscriptionsPerTopic",
    "producersPerTopic",
    "consumerPerSubscription",
    "producerRate",
];
const USED: [&str; 9] = [
    "name",
    "nameFormat",
    "keyDistributor",
    "testDurationMinutes",
    "warmupDurationMinutes",
    "producerRateList",
    "useRandomizedPayloads",
    "randomBytesRatio",
    "driver",
];

/// What the files of the benchmark say.
#[derive(Debug, Default)]
pub(super) struct Omb {
    workload: Option<Workload>,
    driver: Option<Driver>,
}

#[derive(Debug)]
struct Driver {
    from: String,
    replication: Option<Fact<u32>>,
    topic: Configs,
    producer: Configs,
    consumer: Configs,
}

#[derive(Debug)]
struct Workload {
    from: String,
    /// Values by the order of [`LISTED`]; more than one in a template.
    values: Vec<Vec<u64>>,
    keyed: bool,
    compressed_percent: Option<Fact<u64>>,
    /// Second and records per second.
    curve: Vec<(u64, u64)>,
}

impl Workload {
    fn first(&self, key: &str) -> u64 {
        self.list(key).first().copied().unwrap_or(1)
    }

    fn list(&self, key: &str) -> &[u64] {
        let at = LISTED.iter().position(|one| *one == key);
        at.and_then(|at| self.values.get(at)).map_or(&[], Vec::as_slice)
    }

    fn place(&self, key: &str) -> String {
        format!("{}: {key}", self.from)
    }
}

/// Reads a driver.
pub(super) fn driver(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    if let Some(class) = doc.get("driverClass")
        && !class.text()?.contains("kafka")
    {
        let message = format!("`{}` is not a driver of Kafka", class.text()?);
        return Err(class.error(message).help("import the driver of a Kafka benchmark"));
    }
    if draft.omb.driver.is_some() {
        return Err(doc.error("a second driver").help("import one driver at a time"));
    }
    let mut texts = |key: &str, owners: &[Owner]| -> Result<Vec<Configs>, ImportError> {
        let Some(text) = doc.get(key) else { return Ok(vec![Configs::new(); owners.len()]) };
        let pairs = pairs(text.text()?);
        Ok(owners
            .iter()
            .map(|owner| {
                let mut configs = Configs::new();
                keep(pairs.iter().cloned(), *owner, text.place(), &mut configs, draft);
                configs
            })
            .collect())
    };
    let mut common = texts("commonConfig", &[Owner::Producer, Owner::Consumer])?.into_iter();
    let mut merged = |key: &str, owner: Owner| -> Result<Configs, ImportError> {
        let mut configs = common.next().unwrap_or_default();
        configs.extend(texts(key, &[owner])?.remove(0));
        Ok(configs)
    };
    let producer = merged("producerConfig", Owner::Producer)?;
    let consumer = merged("consumerConfig", Owner::Consumer)?;
    let topic = texts("topicConfig", &[Owner::Topic])?.remove(0);
    let replication = match doc.get("replicationFactor") {
        Some(factor) => Some(Fact::new(factor.count(32)?.max(1), factor.place())),
        None => None,
    };
    let from = doc.place().to_owned();
    draft.omb.driver = Some(Driver { from, replication, topic, producer, consumer });
    Ok(())
}

/// A template's name, of its first values.
fn named(format: String, doc: &Doc<'_>) -> Result<String, ImportError> {
    let mut name = format;
    for key in LISTED {
        let first = numbers(doc, key)?.into_iter().next();
        if let Some(first) = first {
            name = name.replace(&format!("${{{key}}}"), &first.to_string());
        }
    }
    Ok(name)
}

/// Reads a workload or a template.
pub(super) fn workload(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    if draft.omb.workload.is_some() {
        return Err(doc.error("a second workload").help("import one workload at a time"));
    }
    let mut values = Vec::new();
    for key in LISTED {
        values.push(numbers(doc, key)?);
    }
    if let Some(name) = doc.get("name").or_else(|| doc.get("nameFormat"))
        && draft.name.is_none()
    {
        let text = plain_name(&named(name.scalar()?, doc)?);
        set(&mut draft.name, text, name.place())?;
    }
    let keyed = match doc.get("keyDistributor") {
        None => false,
        Some(kind) => match kind.text()? {
            "NO_KEY" => false,
            "KEY_ROUND_ROBIN" | "RANDOM_NANO" => true,
            other => {
                draft.leave_out(format!(
                    "{}: `{}` is unknown, so no keys",
                    kind.place(),
                    plain_name(other)
                ));
                false
            }
        },
    };
    minutes(doc, draft)?;
    let workload = Workload {
        from: doc.place().to_owned(),
        keyed,
        compressed_percent: compressed(doc)?,
        curve: rate_list(doc)?,
        values,
    };
    for (key, _) in doc.entries()? {
        if !LISTED.contains(&key) && !USED.contains(&key) {
            draft.leave_out(format!("workload key {}", plain_name(key)));
        }
    }
    draft.omb.workload = Some(workload);
    Ok(())
}

/// One number, or a template's list of them.
fn numbers(doc: &Doc<'_>, key: &str) -> Result<Vec<u64>, ImportError> {
    let (max, least) = match key {
        "messageSize" => (1 << 20, 1),
        "producerRate" => (1_000_000_000, 0),
        "topics" | "partitionsPerTopic" => (100_000, 1),
        "subscriptionsPerTopic" | "consumerPerSubscription" => (1_000, 0),
        _ => (10_000, 1),
    };
    let Some(value) = doc.get(key) else {
        if key == "producerRate" && doc.get("producerRateList").is_none() {
            return Err(doc.error("`producerRate` is missing"));
        }
        return Ok(vec![if key == "messageSize" { 1024 } else { 1 }]);
    };
    let items = if value.value().is_array() { value.items()? } else { vec![value.clone()] };
    let mut numbers = Vec::new();
    for item in &items {
        let number = item.whole(max).map_err(|error| match key {
            "topics" => error.help(
                "import it with fewer: those beyond 200 are simulated as one topic with the partitions \
                 of all, and a cluster has no more than that many partitions",
            ),
            "messageSize" => error.help("a record of Kafka's defaults has at most 1 MiB"),
            _ => error,
        })?;
        if number < least {
            return Err(item.error(format!("{key} is at least {least}")));
        }
        numbers.push(number);
    }
    if numbers.is_empty() {
        return Err(value.error("an empty list"));
    }
    Ok(numbers)
}

fn minutes(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    if let Some(test) = doc.get("testDurationMinutes") {
        set(&mut draft.measure_seconds, test.whole(60 * 24 * 30)?.max(1) * 60, test.place())?;
    }
    // The benchmark's own default is a minute.
    let warmup = doc.get("warmupDurationMinutes");
    let from = warmup.as_ref().map_or_else(
        || format!("{}: the benchmark's default of 1 min", doc.place()),
        |doc| doc.place().to_owned(),
    );
    let minutes = warmup.map_or(Ok(1), |doc| doc.whole(60 * 24))?;
    set(&mut draft.warmup_seconds, minutes * 60, &from)
}

/// Random bytes do not compress, zeros vanish.
fn compressed(doc: &Doc<'_>) -> Result<Option<Fact<u64>>, ImportError> {
    if !doc.get("useRandomizedPayloads").map_or(Ok(false), |doc| doc.boolean())? {
        return Ok(None);
    }
    let Some(ratio) = doc.get("randomBytesRatio") else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let percent = (ratio.float()? * 100.0).round().clamp(1.0, 100.0) as u64;
    Ok(Some(Fact::new(percent, ratio.place())))
}

/// AutoMQ's `[[minute, rate]]` or `[[hour, minute, rate]]`.
fn rate_list(doc: &Doc<'_>) -> Result<Vec<(u64, u64)>, ImportError> {
    let Some(list) = doc.get("producerRateList") else { return Ok(Vec::new()) };
    let mut points = Vec::new();
    for item in list.items()? {
        let numbers: Vec<u64> =
            item.items()?.iter().map(|one| one.whole(1_000_000_000)).collect::<Result<_, _>>()?;
        let (minute, rate) = match numbers.as_slice() {
            [minute, rate] if *minute < 1 << 20 => (*minute, *rate),
            [hour, minute, rate] if *hour < 24 && *minute < 60 => (hour * 60 + minute, *rate),
            _ => return Err(item.error("neither [minute, rate] nor [hour, minute, rate]")),
        };
        points.push((minute * 60, rate));
    }
    points.sort_unstable();
    points.dedup_by_key(|point| point.0);
    // Hours of the day count from the first of them.
    let first = points.first().map_or(0, |point| point.0);
    Ok(points.into_iter().map(|(second, rate)| (second - first, rate)).collect())
}

/// Topics, producers and consumers of workload and driver together.
pub(super) fn finish(draft: &mut Draft) -> Result<(), ImportError> {
    let driver = draft.omb.driver.take();
    let Some(workload) = draft.omb.workload.take() else {
        return match driver {
            Some(driver) => Err(ImportError::new(driver.from, "a driver without a workload")
                .help("import a workload with it")),
            None => Ok(()),
        };
    };
    let driver = driver.unwrap_or_else(|| {
        draft.guess("replication factor and client configs: no driver was imported");
        Driver {
            from: workload.from.clone(),
            replication: None,
            topic: Configs::new(),
            producer: Configs::new(),
            consumer: Configs::new(),
        }
    });
    let shape = Shape::new(&workload, draft);
    topics(&workload, &driver, &shape, draft);
    producers(&workload, driver.producer, &shape, draft);
    consumers(&workload, driver.consumer, &shape, draft);
    sweep(&workload, &shape, draft);
    Ok(())
}

/// Topics as they are simulated.
struct Shape {
    names: Vec<String>,
    /// Topics of the workload that each of them stands for.
    each_is: u64,
}

impl Shape {
    fn new(workload: &Workload, draft: &mut Draft) -> Self {
        let count = workload.first("topics");
        let is_collapsed = count > TOPICS_MAX;
        if is_collapsed {
            draft.guess(format!(
                "{count} topics are simulated as one with all their partitions, producers and consumers"
            ));
        }
        let (shown, each_is) = if is_collapsed { (1, count) } else { (count, 1) };
        let names = (0..shown).map(|index| format!("test-topic-{index:07}")).collect();
        Self { names, each_is }
    }

    fn note_clients(&self, what: &str, count: u64, draft: &mut Draft) {
        if self.times(count) > CLIENTS_MAX {
            draft.guess(format!("{CLIENTS_MAX} {what} in place of {}", self.times(count)));
        }
    }

    fn times(&self, count: u64) -> u32 {
        u32::try_from(count.saturating_mul(self.each_is)).unwrap_or(u32::MAX)
    }
}

fn topics(workload: &Workload, driver: &Driver, shape: &Shape, draft: &mut Draft) {
    let key = "partitionsPerTopic";
    let partitions = shape.times(workload.first(key)).min(100_000);
    for name in &shape.names {
        let topic = TopicDraft {
            partitions: Some(Fact::new(partitions, workload.place(key))),
            replication: driver.replication.clone(),
            config: driver.topic.clone(),
            stored_bytes: None,
        };
        draft.topics.insert(name.clone(), topic);
    }
}

fn producers(workload: &Workload, config: Configs, shape: &Shape, draft: &mut Draft) {
    let mut rate = workload.first("producerRate");
    let mut from = workload.place("producerRate");
    if rate == 0 {
        rate = SEARCH_START;
        from = format!("{from} is 0: the highest rate is searched from {SEARCH_START} on");
        draft.guess(
            "the rate: the benchmark searches for the highest that lasts; the sweep below brackets it",
        );
    }
    let topics = shape.names.len() as u64;
    let share = |rate: u64| Rate::Records((rate / topics).max(1));
    let size = workload.first("messageSize");
    let size = if workload.keyed { size + KEY_BYTES } else { size };
    let compresses = config.get("compression.type").is_some_and(|kind| kind.value != "none");
    if compresses && workload.compressed_percent.is_none() {
        draft.guess("payloads do not compress: what is in the payload file is not known");
    }
    shape.note_clients("producers", workload.first("producersPerTopic"), draft);
    for name in &shape.names {
        draft.producers.push(ProducerDraft {
            name: name.replace("test-topic", "producer"),
            topic: name.clone(),
            count: Fact::new(
                shape.times(workload.first("producersPerTopic")).min(CLIENTS_MAX),
                workload.place("producersPerTopic"),
            ),
            rate: Fact::new(share(rate), from.clone()),
            curve: workload.curve.iter().map(|(at, rate)| (*at, share(*rate))).collect(),
            record_bytes: Fact::new(size.clamp(16, 1 << 20), workload.place("messageSize")),
            arrival: Some(Fact::new("uniform", "the benchmark's rate limiter")),
            keys: workload.keyed.then(|| Fact::new(KEYS, workload.place("keyDistributor"))),
            compressed_percent: workload.compressed_percent.clone().filter(|_| compresses),
            config: config.clone(),
        });
    }
    if workload.first("messageSize") < 16 {
        draft.guess("records have 16 bytes: smaller ones are not simulated");
    }
}

fn consumers(workload: &Workload, config: Configs, shape: &Shape, draft: &mut Draft) {
    let (subscriptions, members) =
        (workload.first("subscriptionsPerTopic"), workload.first("consumerPerSubscription"));
    if members == 0 {
        return;
    }
    shape.note_clients("members of a group", members, draft);
    for name in &shape.names {
        for number in 0..subscriptions {
            draft.consumers.push(ConsumerDraft {
                group: format!("sub-{number:03}-{name}"),
                topics: Fact::new(
                    BTreeSet::from([name.clone()]),
                    workload.place("subscriptionsPerTopic"),
                ),
                count: Fact::new(
                    shape.times(members).min(CLIENTS_MAX),
                    workload.place("consumerPerSubscription"),
                ),
                config: config.clone(),
            });
        }
    }
}

/// A template's lists, and the search for a rate.
fn sweep(workload: &Workload, shape: &Shape, draft: &mut Draft) {
    let topics = shape.names.len() as u64;
    let has_consumers = workload.first("consumerPerSubscription") > 0;
    for key in LISTED {
        let list = workload.list(key);
        let is_search = key == "producerRate" && list == [0] && workload.curve.is_empty();
        if list.len() < 2 && !is_search {
            continue;
        }
        let values: Vec<u64> = if is_search {
            (0..6).map(|step| SEARCH_START << step).collect()
        } else {
            list.to_vec()
        };
        let counted = |path: &str| {
            (path.to_owned(), values.iter().map(|value| shape.times(*value).to_string()).collect())
        };
        let (path, values) = match key {
            "partitionsPerTopic" => counted("topics.*.partitions"),
            "producersPerTopic" => counted("producers.*.count"),
            "consumerPerSubscription" if has_consumers => counted("consumers.*.count"),
            "messageSize" => {
                let extra = if workload.keyed { KEY_BYTES } else { 0 };
                let size = |value: &u64| format!("{} B", (value + extra).max(16));
                ("producers.*.record_size".to_owned(), values.iter().map(size).collect())
            }
            "producerRate" => {
                let rate = |value: &u64| format!("{} records/s", (value / topics).max(1));
                let values = values.iter().filter(|value| **value > 0).map(rate).collect();
                ("producers.*.rate".to_owned(), values)
            }
            _ => {
                draft.leave_out(format!(
                    "{key} {list:?}: no one key of a scenario varies it; the first value is taken, \
                     import the template again with another one"
                ));
                continue;
            }
        };
        draft.sweep.push(Varied { path, values });
    }
}
