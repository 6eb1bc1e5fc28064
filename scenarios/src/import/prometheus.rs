//! Prometheus: range and instant queries over HTTP, and the text format.
//!
//! Names of kafka_exporter, of the JMX exporter's example (`..._bytesin_total`) and of MSK's Open
//! Monitoring (`kafka_server_BrokerTopicMetrics_OneMinuteRate{name="BytesInPerSec"}`).

use super::ImportError;
use super::doc::Doc;
use super::draft::{Configs, ConsumerDraft, Draft, Fact, plain_name, set};
use super::series::Series;
use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// What a sample is about.
enum Meaning {
    /// A rate, as it is.
    Rate(&'static str),
    /// A counter, whose growth is the rate.
    Counter(&'static str),
    Brokers,
    Partitions,
    Replicas,
    Members,
    GroupReads,
    Other,
}

/// Ways of measuring, the better first. Offsets count records, what the broker counts as it goes is
/// exact, and averages over a minute and more are ever smoother.
const RANKS: [(&str, u8); 5] = [
    ("oneminuterate", 1),
    ("fiveminuterate", 2),
    ("fifteenminuterate", 3),
    ("meanrate", 4),
    ("kafka_topic_partition_current_offset", 5),
];

fn rank(name: &str) -> u8 {
    let lower = name.to_ascii_lowercase();
    RANKS.iter().find(|(part, _)| lower.contains(part)).map_or(0, |(_, rank)| *rank)
}

const RATES: [(&str, &str); 3] = [
    ("bytesin", "BytesInPerSec"),
    ("bytesout", "BytesOutPerSec"),
    ("messagesin", "MessagesInPerSec"),
];

fn meaning(name: &str, labels: &Labels) -> Meaning {
    let lower = name.to_ascii_lowercase();
    let flow = |text: &str| {
        let text = text.to_ascii_lowercase();
        RATES.iter().find(|(short, _)| text.starts_with(short)).map(|(_, metric)| *metric)
    };
    if let Some(rest) = lower.strip_prefix("kafka_server_brokertopicmetrics_") {
        let by_label = labels.get("name").and_then(|name| flow(name));
        return match (rest, flow(rest), by_label) {
            ("oneminuterate" | "fiveminuterate", _, Some(metric)) => Meaning::Rate(metric),
            ("count", _, Some(metric)) => Meaning::Counter(metric),
            (rest, Some(metric), _) if rest.ends_with("total") || rest.ends_with("count") => {
                Meaning::Counter(metric)
            }
            (rest, Some(metric), _) if rest.ends_with("rate") => Meaning::Rate(metric),
            _ => Meaning::Other,
        };
    }
    if let Some(rest) = lower.strip_prefix("kafka_server_replicamanager_") {
        let by_label = labels.get("name").is_some_and(|name| name == "LeaderCount");
        return match rest {
            "leadercount" => Meaning::Rate("LeaderCount"),
            "value" if by_label => Meaning::Rate("LeaderCount"),
            _ => Meaning::Other,
        };
    }
    match lower.as_str() {
        "kafka_brokers" => Meaning::Brokers,
        "kafka_topic_partitions" => Meaning::Partitions,
        "kafka_topic_partition_replicas" => Meaning::Replicas,
        "kafka_topic_partition_current_offset" => Meaning::Counter("MessagesInPerSec"),
        "kafka_consumergroup_members" => Meaning::Members,
        "kafka_consumergroup_current_offset" | "kafka_consumergroup_current_offset_sum" => {
            Meaning::GroupReads
        }
        // `rate(...)` drops the name: the labels may still tell.
        "" => labels.get("name").and_then(|name| flow(name)).map_or(Meaning::Other, Meaning::Rate),
        _ => Meaning::Other,
    }
}

/// The answer to a range or instant query.
pub(super) fn range(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    if let Some(status) = doc.get("status")
        && status.text()? != "success"
    {
        return Err(status
            .error("the query failed")
            .help("export the answer of one that succeeded"));
    }
    let results = doc.need("data")?.need("result")?;
    if results.items()?.is_empty() {
        let help = "ask for a time in which there was load";
        return Err(results.error("the query found nothing").help(help));
    }
    for result in results.items()? {
        let mut labels = Labels::new();
        if let Some(metric) = result.get("metric") {
            for (key, value) in metric.entries()? {
                labels.insert(key.to_owned(), value.scalar()?);
            }
        }
        let mut points = Vec::new();
        match (result.get("values"), result.get("value")) {
            (Some(values), _) => {
                for value in values.items()? {
                    points.extend(point(&value)?);
                }
            }
            (None, Some(value)) => points.extend(point(&value)?),
            (None, None) => return Err(result.error("neither `values` nor `value`")),
        }
        let name = labels.remove("__name__").unwrap_or_default();
        sample(&name, &labels, points, result.place(), draft)?;
    }
    Ok(())
}

/// `[time, "value"]`. NaN is how Prometheus says that there is none.
fn point(doc: &Doc<'_>) -> Result<Option<(f64, f64)>, ImportError> {
    let pair = doc.items()?;
    let [time, value] = pair.as_slice() else {
        return Err(doc.error("a point is a pair of time and value"));
    };
    if value.value().as_str().is_some_and(|text| matches!(text, "NaN" | "+Inf" | "-Inf")) {
        return Ok(None);
    }
    Ok(Some((time.float()?, value.float()?)))
}

/// The text format: one point of each series.
pub(super) fn exposition(file: &str, text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{file}:{number}");
        let broken = || ImportError::new(&place, "not NAME{LABELS} VALUE");
        let (name, labels, rest) = match line.find('{') {
            Some(open) => {
                let close = line.rfind('}').filter(|close| *close > open).ok_or_else(broken)?;
                let labels = parse_labels(&line[open + 1..close]).ok_or_else(broken)?;
                (&line[..open], labels, &line[close + 1..])
            }
            None => {
                let (name, rest) = line.split_once(char::is_whitespace).ok_or_else(broken)?;
                (name, Labels::new(), rest)
            }
        };
        let value = rest.split_whitespace().next().ok_or_else(broken)?;
        let value = value.parse::<f64>().map_err(|_| broken())?;
        let points = if value.is_finite() { vec![(0.0, value)] } else { Vec::new() };
        sample(name.trim(), &labels, points, &place, draft)?;
    }
    Ok(())
}

/// `a="b",c="d"` with `\"`, `\\` and `\n` escaped.
fn parse_labels(text: &str) -> Option<Labels> {
    let mut labels = Labels::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ',' || c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Some(labels);
        }
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=') {
            name.push(c);
        }
        chars.next();
        chars.next_if_eq(&'"')?;
        let mut value = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    'n' => value.push('\n'),
                    c => value.push(c),
                },
                c => value.push(c),
            }
        }
        labels.insert(name.trim().to_owned(), value);
    }
}

fn sample(
    name: &str,
    labels: &Labels,
    points: Vec<(f64, f64)>,
    place: &str,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    let topic = labels.get("topic").filter(|topic| !topic.is_empty());
    if let Some(topic) = topic
        && draft.topic(topic, place)?.is_none()
    {
        return Ok(());
    }
    let last = points.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, value)| *value);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let whole = last.map(|value| value.round().clamp(0.0, 100_000.0) as u32).filter(|n| *n > 0);
    match (meaning(name, labels), topic, whole) {
        (Meaning::Rate(metric), _, _) => series((name, metric), labels, points, place, draft),
        (Meaning::Counter(metric), _, _) => {
            let rates = growth(points);
            if rates.is_empty() {
                draft.leave_out(format!("{name}: a counter needs two points in time"));
            }
            series((name, metric), labels, rates, place, draft);
        }
        (Meaning::Brokers, _, Some(count)) => {
            set(&mut draft.cluster.brokers, count.min(300), place)?;
        }
        (Meaning::Partitions, Some(topic), Some(count)) => {
            let topic = draft.topics.entry(topic.clone()).or_default();
            set(&mut topic.partitions, count, place)?;
        }
        (Meaning::Replicas, Some(topic), Some(count)) => {
            let topic = draft.topics.entry(topic.clone()).or_default();
            if topic.replication.is_none() {
                topic.replication = Some(Fact::new(count.min(32), place));
            }
        }
        (Meaning::Members | Meaning::GroupReads, topic, whole) => {
            let is_members = matches!(meaning(name, labels), Meaning::Members);
            group(labels, topic, whole.filter(|_| is_members), place, draft);
        }
        _ if name.is_empty() => draft.leave_out(
            "series without a name, which rate() and sum() drop: ask for the counter itself, such as \
             kafka_server_brokertopicmetrics_bytesin_total",
        ),
        _ => draft.leave_out(format!("series {name}")),
    }
    Ok(())
}

fn group(
    labels: &Labels,
    topic: Option<&String>,
    members: Option<u32>,
    place: &str,
    draft: &mut Draft,
) {
    let Some(name) = labels.get("consumergroup").map(|name| plain_name(name)) else { return };
    let known = draft.consumers.iter().position(|group| group.group == name);
    let at = known.unwrap_or_else(|| {
        let topics = Fact::new(BTreeSet::new(), place);
        let count = Fact::guess(1);
        draft.consumers.push(ConsumerDraft { group: name, topics, count, config: Configs::new() });
        draft.consumers.len() - 1
    });
    let group = &mut draft.consumers[at];
    group.topics.value.extend(topic.cloned());
    if let Some(members) = members {
        group.count = Fact::new(members.min(10_000), place);
    }
}

fn series(
    (name, metric): (&str, &str),
    labels: &Labels,
    points: Vec<(f64, f64)>,
    place: &str,
    draft: &mut Draft,
) {
    let label = |names: &[&str]| {
        names.iter().find_map(|name| labels.get(*name)).filter(|value| !value.is_empty()).cloned()
    };
    let by_partition = label(&["partition"]);
    // Offsets are counted by partition: each is a part of its topic, as a broker's share is.
    let broker = label(&["instance", "broker", "broker_id"]);
    let broker = match (broker, by_partition) {
        (Some(broker), Some(partition)) => Some(format!("{broker}-{partition}")),
        (broker, partition) => broker.or(partition),
    };
    draft.series.push(Series {
        metric: metric.to_owned(),
        broker,
        topic: label(&["topic"]),
        points: points.into_iter().map(|(at, value)| (format!("{at:.0}"), value)).collect(),
        from: place.to_owned(),
        // One without labels may be of any broker.
        identity: (!labels.is_empty()).then(|| format!("{labels:?}")),
        rank: rank(name),
    });
}

/// Growth of a counter per second. One that falls began anew, as Prometheus's `rate` takes it.
fn growth(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pairs = points.windows(2).filter_map(|pair| {
        let [(t0, v0), (t1, v1)] = pair else { return None };
        let grown = if v1 >= v0 { v1 - v0 } else { *v1 };
        (t1 > t0).then(|| (*t1, grown / (t1 - t0)))
    });
    pairs.collect()
}
