//! OpenMessaging Benchmark's result JSON, all of its keys and none besides: its own reader refuses
//! more. What the run's directory does not have at ten seconds is filled from what it has, and a
//! second file says how.

use super::hlog::{self, Interval};
use super::table::Timeline;
use super::{ExportError, OmbMode, RunFiles};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

const WINDOW_S: usize = 10;
const TICKS_PER_HALF_DISTANCE: u32 = 100;
const NS_PER_MS: f64 = 1_000_000.0;
const NS_PER_US: f64 = 1000.0;
/// The benchmark's histogram ends there.
const PUBLISH_MAX_NS: u64 = 60_000_000_000;
const SUFFIXES: [(&str, f64); 6] = [
    ("50pct", 0.5),
    ("75pct", 0.75),
    ("95pct", 0.95),
    ("99pct", 0.99),
    ("999pct", 0.999),
    ("9999pct", 0.9999),
];

/// `result.json` in the benchmark's sense, and the note.
pub(super) fn files(run: &RunFiles, mode: OmbMode) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    let document = Omb::read(run, mode)?.document()?;
    let name = format!("{}-{}.json", run.result.scenario.name, run.result.seed);
    // JSON by another name: the benchmark's scripts are given `*.json`
    let note = format!("{}-{}.provenance", run.result.scenario.name, run.result.seed);
    Ok(vec![(name, pretty(&Value::Object(document))), (note, pretty(&sidecar(run, mode)))])
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("JSON's own types can be written");
    text.push(b'\n');
    text
}

/// What the run's directory has of it.
struct Omb<'a> {
    run: &'a RunFiles,
    mode: OmbMode,
    timeline: Timeline,
    /// Rows of the timeline in each window.
    windows: Vec<Vec<usize>>,
    response: Vec<Interval>,
    service: Histogram<u64>,
    delay: Histogram<u64>,
    end_to_end: Histogram<u64>,
    /// Records that consumers got, in all phases.
    delivered: u64,
}

impl<'a> Omb<'a> {
    fn read(run: &'a RunFiles, mode: OmbMode) -> Result<Self, ExportError> {
        let timeline = Timeline::read(run.file("timeline.csv")?)?;
        let measured: Vec<usize> = (0..timeline.len())
            .filter(|row| ["measure", "heal"].contains(&timeline.text(*row, "Phase")))
            .collect();
        let mut windows: Vec<Vec<usize>> =
            measured.chunks(WINDOW_S).map(<[usize]>::to_vec).collect();
        // A short last window is not one of the benchmark's.
        if windows.len() > 1 && windows.last().is_some_and(|last| last.len() < WINDOW_S) {
            windows.pop();
        }
        let phases = hlog::read("latency/phases.hlog", run.file("latency/phases.hlog")?)?;
        let of = |kind: &str| {
            let is_measured = |tag: &str| tag.ends_with(".measure") || tag.ends_with(".heal");
            let prefix = format!("{kind}.");
            hlog::merged(
                phases.iter().filter(|one| one.tag.starts_with(&prefix) && is_measured(&one.tag)),
            )
        };
        let ends = phases.iter().filter(|one| one.tag.starts_with("end_to_end."));
        let delivered = hlog::merged(ends)?.len();
        let (mut service, mut end_to_end) = (of("service")?, of("end_to_end")?);
        if mode == OmbMode::Strict {
            service = mapped(&service, |ns| Some(ns.min(PUBLISH_MAX_NS)))?;
            end_to_end = mapped(&end_to_end, whole_ms)?;
        }
        let response = hlog::read("latency/response.hlog", run.file("latency/response.hlog")?)?;
        let delay = of("delay")?;
        Ok(Self { run, mode, timeline, windows, response, service, delay, end_to_end, delivered })
    }

    fn document(&self) -> Result<Map<String, Value>, ExportError> {
        let mut map = self.header();
        self.rates(&mut map)?;
        self.publish_windows(&mut map)?;
        self.delay_windows(&mut map);
        scalars("aggregatedPublishLatency", &self.service, NS_PER_MS, &mut map);
        scalars("aggregatedPublishDelayLatency", &self.delay, NS_PER_US, &mut map);
        map.insert(
            "aggregatedPublishLatencyQuantiles".to_owned(),
            quantiles(&self.service, NS_PER_MS),
        );
        let delays = quantiles(&self.delay, NS_PER_US);
        map.insert("aggregatedPublishDelayLatencyQuantiles".to_owned(), delays);
        self.end_to_end_windows(&mut map)?;
        let ends = quantiles(&self.end_to_end, NS_PER_MS);
        map.insert("aggregatedEndToEndLatencyQuantiles".to_owned(), ends);
        scalars("aggregatedEndToEndLatency", &self.end_to_end, NS_PER_MS, &mut map);
        Ok(map)
    }

    fn header(&self) -> Map<String, Value> {
        let plan = &self.run.plan;
        let topics = plan.topics.len().max(1) as u64;
        let partitions: u64 = plan.topics.iter().map(|topic| topic.assignment.len() as u64).sum();
        let producers: u64 = plan.producers.iter().map(|one| u64::from(one.count)).sum();
        let members = plan.consumers.first().map_or(0, |group| group.count);
        let instance = plan.cluster.brokers.first().map_or("", |node| node.host.instance.as_str());
        let value = json!({
            "workload": plan.scenario,
            "driver": format!("Stormglass {} x {instance}", plan.cluster.brokers.len()),
            "messageSize": self.message_bytes().round(),
            "topics": topics,
            "partitions": partitions / topics,
            "producersPerTopic": producers / topics,
            "consumersPerTopic": members,
        });
        match value {
            Value::Object(mut map) => {
                // The benchmark's own type is an integer.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a size"
                )]
                map.insert("messageSize".to_owned(), json!(self.message_bytes().round() as u64));
                map
            }
            _ => Map::new(),
        }
    }

    /// Mean size of an offered record.
    fn message_bytes(&self) -> f64 {
        let sum = |column: &str| -> f64 {
            let rows = self.windows.iter().flatten();
            rows.filter_map(|row| self.timeline.number(*row, column).ok().flatten()).sum()
        };
        let records = sum("OfferedRecordsPerSec");
        if records > 0.0 { sum("OfferedBytesPerSec") / records } else { 0.0 }
    }

    /// Mean size of a consumed record on the wire: with its share of a batch's header, and compressed.
    /// Preloaded records count as bytes only, so that with them it is the size of an offered one.
    fn consumed_bytes(&self) -> Result<f64, ExportError> {
        let is_preloaded = self.run.plan.topics.iter().any(|topic| topic.preload_bytes > 0);
        if is_preloaded || self.delivered == 0 {
            return Ok(self.message_bytes());
        }
        let rows: Vec<usize> = (0..self.timeline.len()).collect();
        let bytes: f64 = self.cells(&rows, "ConsumedBytesPerSec")?.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "records of a run are far below 2^53")]
        let records = self.delivered as f64;
        Ok(bytes / records)
    }

    /// A value per window.
    fn list(
        &self,
        of: impl Fn(&[usize]) -> Result<f64, ExportError>,
    ) -> Result<Value, ExportError> {
        let values = self.windows.iter().map(|rows| of(rows)).collect::<Result<Vec<_>, _>>()?;
        Ok(json!(values))
    }

    fn cells(&self, rows: &[usize], column: &str) -> Result<Vec<f64>, ExportError> {
        let cells = rows.iter().map(|row| self.timeline.number(*row, column));
        Ok(cells.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    #[expect(clippy::cast_precision_loss, reason = "a window has ten seconds")]
    fn mean(&self, rows: &[usize], column: &str) -> Result<f64, ExportError> {
        let cells = self.cells(rows, column)?;
        Ok(cells.iter().sum::<f64>() / rows.len().max(1) as f64)
    }

    fn rates(&self, map: &mut Map<String, Value>) -> Result<(), ExportError> {
        let size = self.consumed_bytes()?.max(1.0);
        let lags: Vec<&str> = self.timeline.columns("SumOffsetLag").collect();
        let backlog = |rows: &[usize]| {
            let last = rows.last().copied().unwrap_or(0);
            let cells = lags.iter().map(|column| self.timeline.number(last, column));
            Ok(cells.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().sum())
        };
        map.insert(
            "publishRate".to_owned(),
            self.list(|rows| self.mean(rows, "AckedRecordsPerSec"))?,
        );
        let errors = self.list(|rows| self.mean(rows, "FailedRecordsPerSec"))?;
        map.insert("publishErrorRate".to_owned(), errors);
        let consumed = self.list(|rows| Ok(self.mean(rows, "ConsumedBytesPerSec")? / size))?;
        map.insert("consumeRate".to_owned(), consumed);
        map.insert("backlog".to_owned(), self.list(backlog)?);
        Ok(())
    }

    fn publish_windows(&self, map: &mut Map<String, Value>) -> Result<(), ExportError> {
        let mut histograms = Vec::new();
        for rows in &self.windows {
            let (first, last) = (rows.first().copied(), rows.last().copied());
            let merged = hlog::merged(self.response.iter().filter(|one| {
                let at = usize::try_from(one.start_s).ok();
                at >= first && at <= last
            }))?;
            histograms.push(match self.mode {
                OmbMode::Precise => merged,
                OmbMode::Strict => mapped(&merged, |ns| Some(ns.min(PUBLISH_MAX_NS)))?,
            });
        }
        let list = |of: &dyn Fn(&Histogram<u64>) -> f64| {
            json!(histograms.iter().map(of).collect::<Vec<f64>>())
        };
        map.insert("publishLatencyAvg".to_owned(), list(&|one| one.mean() / NS_PER_MS));
        for (suffix, quantile) in SUFFIXES {
            let values = list(&|one| scaled(one.value_at_quantile(quantile), NS_PER_MS));
            map.insert(format!("publishLatency{suffix}"), values);
        }
        map.insert("publishLatencyMax".to_owned(), list(&|one| scaled(one.max(), NS_PER_MS)));
        Ok(())
    }

    /// The directory has the delay of whole phases only: every window shows the run's.
    fn delay_windows(&self, map: &mut Map<String, Value>) {
        let all = |value: Value| Value::Array(vec![value; self.windows.len()]);
        let key = |suffix: &str| format!("publishDelayLatency{suffix}");
        map.insert(key("Avg"), all(json!(self.delay.mean() / NS_PER_US)));
        for (suffix, quantile) in SUFFIXES {
            map.insert(key(suffix), all(json!(self.delay.value_at_quantile(quantile) / 1000)));
        }
        map.insert(key("Max"), all(json!(self.delay.max() / 1000)));
    }

    /// The timeline has four percentiles of each second: a window shows the worst of its seconds,
    /// and a percentile between two shows the upper one.
    fn end_to_end_windows(&self, map: &mut Map<String, Value>) -> Result<(), ExportError> {
        let columns = [
            ("50pct", "EndToEndP50Ms"),
            ("75pct", "EndToEndP99Ms"),
            ("95pct", "EndToEndP99Ms"),
            ("99pct", "EndToEndP99Ms"),
            ("999pct", "EndToEndP99.9Ms"),
            ("9999pct", "EndToEndMaxMs"),
            ("Max", "EndToEndMaxMs"),
        ];
        let average = self.list(|rows| self.mean(rows, "EndToEndP50Ms"))?;
        map.insert("endToEndLatencyAvg".to_owned(), average);
        for (suffix, column) in columns {
            let worst = self.list(|rows| {
                let worst = self.cells(rows, column)?.into_iter().fold(0.0, f64::max);
                Ok(if self.mode == OmbMode::Strict { worst.floor() } else { worst })
            })?;
            map.insert(format!("endToEndLatency{suffix}"), worst);
        }
        Ok(())
    }
}

/// The benchmark takes end-to-end latency as the difference of two clocks in milliseconds, and drops
/// what is not above zero.
fn whole_ms(ns: u64) -> Option<u64> {
    let ms = ns / 1_000_000;
    (ms > 0).then_some(ms * 1_000_000)
}

fn mapped(
    histogram: &Histogram<u64>,
    to: impl Fn(u64) -> Option<u64>,
) -> Result<Histogram<u64>, ExportError> {
    let mut mapped = Histogram::new(3).expect("three digits are a valid precision");
    for step in histogram.iter_recorded() {
        if let Some(value) = to(step.value_iterated_to()) {
            mapped
                .record_n(value, step.count_at_value())
                .map_err(|error| ExportError::new("latency", error.to_string()))?;
        }
    }
    Ok(mapped)
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 ns")]
fn scaled(ns: u64, unit: f64) -> f64 {
    ns as f64 / unit
}

fn scalars(prefix: &str, of: &Histogram<u64>, unit: f64, map: &mut Map<String, Value>) {
    map.insert(format!("{prefix}Avg"), json!(of.mean() / unit));
    let whole = unit < NS_PER_MS;
    let value = |ns: u64| if whole { json!(ns / 1000) } else { json!(scaled(ns, unit)) };
    for (suffix, quantile) in SUFFIXES {
        map.insert(format!("{prefix}{suffix}"), value(of.value_at_quantile(quantile)));
    }
    map.insert(format!("{prefix}Max"), value(of.max()));
}

/// Percentiles from 0 to 100 as decimal texts.
fn quantiles(of: &Histogram<u64>, unit: f64) -> Value {
    let mut map = Map::new();
    for step in of.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        let value = step.value_iterated_to();
        let value = if unit < NS_PER_MS { json!(value / 1000) } else { json!(scaled(value, unit)) };
        map.insert(format!("{:?}", step.quantile_iterated_to() * 100.0), value);
    }
    Value::Object(map)
}

fn sidecar(run: &RunFiles, mode: OmbMode) -> Value {
    let mode = match mode {
        OmbMode::Precise => "precise",
        OmbMode::Strict => "strict",
    };
    json!({
        "mode": mode,
        "scenario_digest": run.result.scenario.digest,
        "plan_digest": run.result.plan_digest,
        "seed": run.result.seed,
        "version": run.result.version,
        "notes": [
            "aggregatedPublishLatency is service latency, from send() to acknowledgement, as the \
             benchmark measures it; aggregatedPublishDelayLatency is the delay before send()",
            "publishLatency lists are response latency, from the intended time: service latency is \
             not kept by the second; the two differ where a client was held up",
            "publishDelayLatency lists show the whole run's delay in every window",
            "endToEndLatency lists show the worst second of each window; 75pct and 95pct show the \
             99th percentile, 9999pct the maximum, Avg the mean of medians",
            "consumeRate is consumed bytes over the mean size of a consumed record on the wire; where \
             topics were preloaded, over that of an offered one",
            "strict: end-to-end latency in whole milliseconds, those below 1 ms dropped, and publish \
             latency cut off at 60 s",
        ],
    })
}
