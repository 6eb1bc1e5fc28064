//! CloudWatch metric data: `get-metric-data` with the queries that asked for it, and
//! `get-metric-statistics`.
//!
//! The results of `get-metric-data` carry neither metric nor dimensions, only ids and labels: the
//! query file says what they mean. Ours ([`queries`]) says so in its labels, too.

use super::ImportError;
use super::doc::Doc;
use super::draft::Draft;
use super::series::Series;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Metrics that make a load.
const METRICS: [&str; 3] = ["BytesInPerSec", "BytesOutPerSec", "MessagesInPerSec"];
/// `get-metric-data` takes no more queries at once.
const QUERIES_MAX: usize = 500;

/// What to ask CloudWatch for.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// `Cluster Name`.
    pub cluster: String,
    /// Brokers, ids 1 to this.
    pub brokers: u32,
    /// Topics by name; all topics together if empty.
    pub topics: Vec<String>,
}

/// The text of a query file for `aws cloudwatch get-metric-data --cli-input-json`, whose results can
/// be imported.
///
/// # Errors
/// When it takes more than the 500 queries that CloudWatch answers at once.
pub fn queries(options: &QueryOptions) -> Result<String, ImportError> {
    let mut list = Vec::new();
    for broker in 1..=options.brokers {
        for (number, metric) in METRICS.into_iter().enumerate() {
            for topic in 0..options.topics.len().max(1) {
                let name = options.topics.get(topic);
                list.push(query(options, metric, broker, name.map(String::as_str), number, topic));
            }
        }
    }
    if list.len() > QUERIES_MAX {
        let message = format!("{} queries are more than the {QUERIES_MAX} of a call", list.len());
        return Err(ImportError::new("--topics", message)
            .help("name fewer topics, or none to ask for all of them together"));
    }
    let mut text = serde_json::to_string_pretty(&json!({ "MetricDataQueries": list }))
        .expect("JSON's own types can be written");
    text.push('\n');
    Ok(text)
}

fn query(
    options: &QueryOptions,
    metric: &str,
    broker: u32,
    topic: Option<&str>,
    number: usize,
    index: usize,
) -> Value {
    let id = format!("b{broker}_m{number}_t{index}");
    let label = match topic {
        Some(topic) => format!("{metric} broker={broker} topic={topic}"),
        None => format!("{metric} broker={broker}"),
    };
    let dimension = |name: &str, value: &str| json!({ "Name": name, "Value": value });
    match topic {
        Some(topic) => json!({
            "Id": id,
            "Label": label,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Kafka",
                    "MetricName": metric,
                    "Dimensions": [
                        dimension("Cluster Name", &options.cluster),
                        dimension("Broker ID", &broker.to_string()),
                        dimension("Topic", topic),
                    ],
                },
                "Period": 60,
                "Stat": "Average",
            },
        }),
        // Bytes are metered by topic at the free level of monitoring: a search adds them up.
        None => json!({
            "Id": id,
            "Label": label,
            "Expression": format!(
                "SUM(SEARCH('{{AWS/Kafka,\"Cluster Name\",\"Broker ID\",Topic}} \
                 MetricName=\"{metric}\" \"Cluster Name\"=\"{}\" \"Broker ID\"=\"{broker}\"', \
                 'Average', 60))",
                options.cluster.replace(['\'', '"'], "")
            ),
        }),
    }
}

/// What a result means.
#[derive(Debug, Clone, Default)]
struct Meaning {
    metric: String,
    broker: Option<String>,
    topic: Option<String>,
    /// Whether values are rates: neither sums nor counts.
    is_rate: bool,
    /// Statistic, the better the lower, and all dimensions, where the query is known.
    rank: u8,
    identity: Option<String>,
}

/// Queries by id.
#[derive(Debug, Default)]
pub(super) struct Queries(BTreeMap<String, Meaning>);

impl Queries {
    /// Reads a query file.
    pub(super) fn read(&mut self, doc: &Doc<'_>) -> Result<(), ImportError> {
        let list = doc.get("MetricDataQueries").unwrap_or_else(|| doc.clone());
        for query in list.items()? {
            let id = query.need("Id")?.text()?.to_owned();
            let label = query.get("Label").map(|doc| doc.text().map(str::to_owned)).transpose()?;
            let meaning = match query.get("MetricStat") {
                Some(stat) => Some(of_stat(&stat)?),
                None => label.as_deref().and_then(of_label),
            };
            if let Some(meaning) = meaning {
                self.0.insert(id, meaning);
            }
        }
        Ok(())
    }
}

fn of_stat(stat: &Doc<'_>) -> Result<Meaning, ImportError> {
    let metric = stat.need("Metric")?;
    let mut meaning =
        Meaning { metric: metric.need("MetricName")?.text()?.to_owned(), ..Meaning::default() };
    let kind = stat.get("Stat").map_or(Ok("Average"), |doc| doc.text())?;
    meaning.is_rate = kind == "Average" || kind.starts_with("Max") || kind.starts_with('p');
    meaning.rank = u8::from(kind != "Average");
    let mut all = BTreeMap::new();
    if let Some(dimensions) = metric.get("Dimensions") {
        for dimension in dimensions.items()? {
            let value = dimension.need("Value")?.text()?.to_owned();
            let name = dimension.need("Name")?.text()?;
            all.insert(name, value.clone());
            match name {
                "Broker ID" => meaning.broker = Some(value),
                "Topic" => meaning.topic = Some(value),
                _ => {}
            }
        }
    }
    meaning.identity = Some(format!("{all:?}"));
    Ok(meaning)
}

/// `BytesInPerSec broker=1 topic=orders`, or a metric's bare name.
fn of_label(label: &str) -> Option<Meaning> {
    let mut words = label.split(' ');
    let metric = words.next().filter(|name| METRICS.contains(name))?.to_owned();
    let mut meaning = Meaning { metric, is_rate: true, ..Meaning::default() };
    for word in words {
        match word.split_once('=') {
            Some(("broker", id)) => meaning.broker = Some(id.to_owned()),
            Some(("topic", name)) => meaning.topic = Some(name.to_owned()),
            _ => {}
        }
    }
    if meaning.broker.is_some() {
        meaning.identity = Some(label.to_owned());
    }
    Some(meaning)
}

/// Reads results into series.
pub(super) fn results(
    doc: &Doc<'_>,
    queries: &Queries,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    if let Some(points) = doc.get("Datapoints") {
        return statistics(doc, &points, draft);
    }
    let mut understood = 0;
    let all = doc.need("MetricDataResults")?.items()?;
    if all.is_empty() {
        let help = "ask again for a time in which the cluster had load";
        return Err(doc.need("MetricDataResults")?.error("no results").help(help));
    }
    for result in all {
        let id = result.need("Id")?.text()?.to_owned();
        let label = result.get("Label").map(|doc| doc.text()).transpose()?.unwrap_or_default();
        let Some(meaning) = queries.0.get(&id).cloned().or_else(|| of_label(label)) else {
            draft.leave_out(format!("result {id}: no query file says what it is"));
            continue;
        };
        understood += 1;
        let status = result.get("StatusCode").map(|doc| doc.text()).transpose()?;
        if let Some(status) = status.filter(|status| *status != "Complete") {
            draft
                .leave_out(format!("result {id}: CloudWatch says {status}, so points are missing"));
        }
        let points = points(&result)?;
        push(meaning, points, result.place(), draft)?;
    }
    if doc.get("NextToken").is_some() {
        draft.leave_out(format!("{}: more results follow its NextToken", doc.place()));
    }
    if understood == 0 {
        return Err(doc
            .need("MetricDataResults")?
            .error("no result says which metric it is")
            .help(
                "import the query file, too; `stormglass import --emit-queries CLUSTER` writes one",
            ));
    }
    Ok(())
}

fn points(result: &Doc<'_>) -> Result<BTreeMap<String, f64>, ImportError> {
    let times = result.need("Timestamps")?;
    let values = result.need("Values")?;
    let (times, values) = (times.items()?, values.items()?);
    if times.len() != values.len() {
        let message = format!("{} timestamps and {} values", times.len(), values.len());
        return Err(result.error(message));
    }
    times.iter().zip(&values).map(|(time, value)| Ok((time.time()?, value.rate()?))).collect()
}

fn statistics(doc: &Doc<'_>, points: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let label = doc.need("Label")?;
    let meaning = of_label(label.text()?).ok_or_else(|| {
        label
            .error(format!("not one of {}", METRICS.join(", ")))
            .help("leave this file out: other metrics are results of a load, not the load")
    })?;
    let mut values = BTreeMap::new();
    for point in points.items()? {
        let value = point.get("Average").or_else(|| point.get("Maximum"));
        let value = value.ok_or_else(|| {
            point
                .error("neither `Average` nor `Maximum`")
                .help("ask with `--statistics Average`: the sum of a rate's samples is no rate")
        })?;
        values.insert(point.need("Timestamp")?.time()?, value.rate()?);
    }
    push(meaning, values, doc.place(), draft)
}

fn push(
    meaning: Meaning,
    points: BTreeMap<String, f64>,
    place: &str,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    if !meaning.is_rate {
        draft.leave_out(format!("{} of {place}: its statistic is no rate", meaning.metric));
        return Ok(());
    }
    if let Some(topic) = &meaning.topic
        && draft.topic(topic, place)?.is_none()
    {
        return Ok(());
    }
    if points.is_empty() {
        draft.leave_out(format!("{} of {place}: no points", meaning.metric));
    }
    let Meaning { metric, broker, topic, rank, identity, .. } = meaning;
    let from = place.to_owned();
    draft.series.push(Series { metric, broker, topic, points, from, identity, rank });
    Ok(())
}
