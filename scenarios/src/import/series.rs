//! Measured series, CloudWatch's or Prometheus's, and what they say about the load.
//!
//! A rate of the cluster is the sum over its brokers and topics at one point in time. Metrics by
//! topic, by broker and of the cluster count the same bytes: the finest that there is is taken.

use super::Load;
use super::draft::{Draft, Fact, Traffic};
use std::collections::{BTreeMap, BTreeSet};

/// Metrics of a load: what comes in, what leaves, records.
const LOADS: [&str; 3] = ["BytesInPerSec", "BytesOutPerSec", "MessagesInPerSec"];
/// Metrics that count leaders: by broker, and of the cluster.
const LEADERS: [&str; 2] = ["LeaderCount", "GlobalPartitionCount"];

/// A series of points.
#[derive(Debug)]
pub(super) struct Series {
    /// CloudWatch's name, such as `BytesInPerSec`.
    pub(super) metric: String,
    pub(super) broker: Option<String>,
    pub(super) topic: Option<String>,
    /// Values by time as text; the order of points does not matter.
    pub(super) points: BTreeMap<String, f64>,
    /// File and place.
    pub(super) from: String,
    /// What tells it from another series of the metric, if anything does: two with the same one are
    /// two looks at the same thing.
    pub(super) identity: Option<String>,
    /// How it was measured, the better the lower: the same bytes may be counted in several ways.
    pub(super) rank: u8,
}

impl Series {
    /// Detail: by topic before by broker before the whole cluster.
    fn detail(&self) -> u8 {
        u8::from(self.topic.is_some()) * 2 + u8::from(self.broker.is_some())
    }
}

/// The load at one point in time, or on average.
pub(super) fn reduce(draft: &mut Draft, load: Load) {
    let series = counted_once(std::mem::take(&mut draft.series), draft);
    if series.is_empty() {
        return;
    }
    let traffic = traffic(&series, load, draft);
    brokers(&series, draft);
    if let (Some(bytes), Some(messages)) = (&traffic.bytes_in, &traffic.messages_in)
        && messages.value > 0
        && draft.record_bytes.is_none()
    {
        let size = (bytes.value / messages.value).clamp(16, 1 << 20);
        let from = format!(
            "BytesInPerSec / MessagesInPerSec, {}",
            messages.from.as_deref().unwrap_or_default()
        );
        draft.record_bytes = Some(Fact::new(size, from));
    }
    draft.traffic = traffic;
    for series in &series {
        if !LOADS.contains(&series.metric.as_str()) && !LEADERS.contains(&series.metric.as_str()) {
            draft.leave_out(format!("metric {}: a result, not a load", series.metric));
        }
    }
}

/// Each metric in one way of measuring it, each series of it once: a broker's rate over one minute
/// and over five are not to be added up, nor are pages of an answer that overlap.
fn counted_once(all: Vec<Series>, draft: &mut Draft) -> Vec<Series> {
    let mut best: BTreeMap<String, u8> = BTreeMap::new();
    for one in all.iter().filter(|one| !one.points.is_empty()) {
        let rank = best.entry(one.metric.clone()).or_insert(one.rank);
        *rank = one.rank.min(*rank);
    }
    let mut kept: Vec<Series> = Vec::new();
    let mut at: BTreeMap<(String, String), usize> = BTreeMap::new();
    for one in all {
        if best.get(&one.metric).is_some_and(|rank| *rank != one.rank) {
            draft.leave_out(format!(
                "{}: {} counts the same in another way",
                one.from.split(": ").next().unwrap_or_default(),
                one.metric
            ));
            continue;
        }
        let key = one.identity.clone().map(|identity| (one.metric.clone(), identity));
        match key.as_ref().and_then(|key| at.get(key)) {
            Some(index) => merge(&mut kept[*index], one.points),
            None => {
                at.extend(key.map(|key| (key, kept.len())));
                kept.push(one);
            }
        }
    }
    kept
}

/// More points of a series; what it has stays.
fn merge(series: &mut Series, points: BTreeMap<String, f64>) {
    for (time, value) in points {
        series.points.entry(time).or_insert(value);
    }
}

fn traffic(series: &[Series], load: Load, draft: &mut Draft) -> Traffic {
    let bytes_in = total(series, "BytesInPerSec", load, draft);
    let mut by_topic = BTreeMap::new();
    // Topics are read at the time at which the whole cluster was.
    if let Some((_, at)) = &bytes_in {
        let taken = finest(series, LOADS[0]);
        let names: BTreeSet<&String> = taken.iter().filter_map(|one| one.topic.as_ref()).collect();
        for name in names {
            let own: Vec<&&Series> =
                taken.iter().filter(|one| one.topic.as_ref() == Some(name)).collect();
            let sum: f64 = own.iter().map(|one| value(one, at.as_deref())).sum();
            let from = own.first().map(|one| one.from.clone()).unwrap_or_default();
            by_topic.insert(name.clone(), Fact::new(whole(sum), from));
        }
    }
    let leaders = LEADERS.iter().find_map(|metric| total(series, metric, Load::Peak, draft));
    Traffic {
        bytes_in_of_senders: of_senders(series, load, draft),
        leaders: leaders.map(|(fact, _)| fact),
        bytes_out: total(series, "BytesOutPerSec", load, draft).map(|(fact, _)| fact),
        messages_in: total(series, "MessagesInPerSec", load, draft).map(|(fact, _)| fact),
        bytes_in: bytes_in.map(|(fact, _)| fact),
        bytes_in_by_topic: by_topic,
    }
}

/// Bytes that came in to the brokers and topics of which it is known what left, if it is not known of
/// all: groups are reckoned from these.
fn of_senders(series: &[Series], load: Load, draft: &mut Draft) -> Option<u64> {
    let (taken_in, taken_out) = (finest(series, LOADS[0]), finest(series, LOADS[1]));
    if taken_in.first()?.detail() != taken_out.first()?.detail() {
        return None;
    }
    let key = |one: &Series| (one.broker.clone(), one.topic.clone());
    let senders: BTreeSet<_> = taken_out.iter().map(|one| key(one)).collect();
    let (known, lacking): (Vec<&Series>, Vec<&Series>) =
        taken_in.into_iter().partition(|one| senders.contains(&key(one)));
    if lacking.is_empty() || known.is_empty() {
        return None;
    }
    draft.leave_out(format!(
        "BytesOutPerSec: no series for {} of {} that BytesInPerSec has; what they send is taken to be as \
         many times what comes in as for the others",
        lacking.len(),
        lacking.len() + known.len(),
    ));
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (at, value) in known.iter().flat_map(|one| &one.points) {
        *sums.entry(at).or_default() += value;
    }
    #[expect(clippy::cast_precision_loss, reason = "points are few")]
    let mean = sums.values().sum::<f64>() / sums.len().max(1) as f64;
    let peak = sums.into_values().max_by(f64::total_cmp).unwrap_or(0.0);
    Some(whole(if load == Load::Peak { peak } else { mean })).filter(|bytes| *bytes > 0)
}

/// Brokers that sent metrics are a lower bound; that of one may have been asked for alone.
fn brokers(series: &[Series], draft: &mut Draft) {
    let taken = finest(series, LOADS[0]);
    let ids: BTreeSet<&String> = taken.iter().filter_map(|one| one.broker.as_ref()).collect();
    let count = u32::try_from(ids.len()).ok().filter(|count| *count > 1);
    if let (Some(count), Some(first)) = (count, taken.first())
        && draft.cluster.brokers.is_none()
    {
        let from = format!("{}, brokers with BytesInPerSec", first.from);
        draft.cluster.brokers = Some(Fact::new(count, from));
    }
}

/// Series of a metric at the finest detail that there is.
fn finest<'a>(series: &'a [Series], metric: &str) -> Vec<&'a Series> {
    let of_metric = series.iter().filter(|one| one.metric == metric);
    let finest = of_metric.clone().map(Series::detail).max();
    of_metric.filter(|one| Some(one.detail()) == finest).collect()
}

/// The value at a time, or the mean.
fn value(series: &Series, at: Option<&str>) -> f64 {
    match at {
        Some(at) => series.points.get(at).copied().unwrap_or(0.0),
        None => {
            #[expect(clippy::cast_precision_loss, reason = "points are few")]
            let count = series.points.len().max(1) as f64;
            series.points.values().sum::<f64>() / count
        }
    }
}

/// The cluster's rate and, at the peak, its time.
fn total(
    series: &[Series],
    metric: &str,
    load: Load,
    draft: &mut Draft,
) -> Option<(Fact<u64>, Option<String>)> {
    let taken = finest(series, metric);
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (at, value) in taken.iter().flat_map(|one| &one.points) {
        let sum = sums.entry(at).or_default();
        *sum = (sum.0 + value, sum.1 + 1);
    }
    let partial = sums.values().filter(|(_, count)| *count < taken.len()).count();
    if partial > 0 {
        draft.leave_out(format!(
            "{metric}: at {partial} of {} points in time some series has no value, which counts as 0",
            sums.len()
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "points are few")]
    let mean = sums.values().map(|(sum, _)| sum).sum::<f64>() / sums.len().max(1) as f64;
    let (peak_at, peak) =
        sums.iter().map(|(at, (sum, _))| (*at, *sum)).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let from = taken.first().map(|one| one.from.clone()).unwrap_or_default();
    Some(match load {
        Load::Peak => {
            let from =
                format!("{from}, sum of {} at {peak_at}; average {}", taken.len(), whole(mean));
            (Fact::new(whole(peak), from), Some(peak_at.to_owned()))
        }
        Load::Average => {
            let from = format!(
                "{from}, average of {} points; peak {} at {peak_at}",
                sums.len(),
                whole(peak)
            );
            (Fact::new(whole(mean), from), None)
        }
    })
}

/// A rate as a whole number; what is negative or no number is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn whole(value: f64) -> u64 {
    if value.is_finite() { value.round().clamp(0.0, 1e15) as u64 } else { 0 }
}
