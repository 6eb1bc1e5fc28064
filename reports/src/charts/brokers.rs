//! What each broker does over time. Above six brokers a line each would be a tangle: then the
//! busiest, the mean and the least busy broker of every second stand for all.

use super::axis::{self, Scale};
use super::chart::Chart;
use super::palette;
use super::time::{Panel, Series, Stroke, Thin, TimeChart, to_f64};
use super::traffic::top;
use crate::recording::{BrokerSecond, Recording};
use crate::result::{BrokerResources, Milli, RunResult, Scope};
use crate::text;
use stormglass_scenarios::plan::Plan;

const BROKERS_MAX: usize = 6;
const PERCENT: Scale = Scale::Linear { max: 100.0 };
/// 100 %.
const WHOLE: Milli = Milli::from_units(100_000);

type Gauge = fn(&BrokerSecond) -> f64;

fn percent(permille: u32) -> f64 {
    f64::from(permille) / 10.0
}

fn mb(bytes: u64) -> f64 {
    Milli::mb_from_bytes(bytes).to_f64()
}

fn percent_tick(value: f64) -> String {
    format!("{} %", axis::label(value))
}

/// A line per broker, or three for many. A broker that is down has no value.
fn lines(plan: &Plan, recording: &Recording, of: Gauge) -> Vec<Series> {
    let count = plan.cluster.brokers.len();
    if count > BROKERS_MAX {
        return envelope(recording, of);
    }
    plan.cluster
        .brokers
        .iter()
        .enumerate()
        .map(|(index, node)| Series {
            label: format!("broker {}", node.id),
            ink: palette::series(index),
            stroke: Stroke::nth(index),
            values: recording
                .seconds
                .iter()
                .map(|second| second.brokers.get(index).filter(|broker| broker.up).map(of))
                .collect(),
        })
        .collect()
}

fn envelope(recording: &Recording, of: Gauge) -> Vec<Series> {
    let line = |label: &str, index, stroke, pick: fn(&[f64]) -> f64| Series {
        label: label.to_owned(),
        ink: palette::series(index),
        stroke,
        values: recording
            .seconds
            .iter()
            .map(|second| {
                let up: Vec<f64> =
                    second.brokers.iter().filter(|broker| broker.up).map(of).collect();
                (!up.is_empty()).then(|| pick(&up))
            })
            .collect(),
    };
    vec![
        line("busiest broker", 1, Stroke::Line, |up| up.iter().copied().fold(0.0, f64::max)),
        line("mean", 0, Stroke::Line, |up| up.iter().sum::<f64>() / to_f64(up.len())),
        line("least busy", 2, Stroke::Thin, |up| up.iter().copied().fold(f64::MAX, f64::min)),
    ]
}

fn panel(
    heading: &'static str,
    plan: &Plan,
    recording: &Recording,
    scale: Option<Scale>,
    of: Gauge,
) -> Panel {
    let series = lines(plan, recording, of);
    let tick = if scale.is_some() { percent_tick } else { axis::label };
    let scale = scale.unwrap_or_else(|| Scale::linear(top(&series)));
    Panel { heading, scale, tick, thin: Thin::Mean, series }
}

/// The broker with the highest of some figure.
fn busiest(result: &RunResult, of: fn(&BrokerResources) -> Milli) -> Option<&BrokerResources> {
    result.resources.iter().max_by_key(|row| (of(row), std::cmp::Reverse(row.broker)))
}

/// vCPU time.
pub(crate) fn cpu(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    let most = busiest(result, |row| row.cpu_percent_max)?;
    let caption = format!(
        "Share of all vCPU time. Broker {} peaks at {} % and averages {} %.",
        most.broker,
        text::number(most.cpu_percent_max, 0),
        text::number(most.cpu_percent_avg, 0),
    );
    TimeChart {
        name: "cpu",
        title: "CPU per broker".to_owned(),
        caption,
        panels: vec![panel("CPU", plan, recording, Some(PERCENT), |s| percent(s.cpu_permille))],
    }
    .draw(plan, recording)
}

/// NIC, both directions together and use of the busier one.
pub(crate) fn network(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    let most = busiest(result, |row| row.network_percent_max)?;
    let credits = result.resources.iter().filter_map(|row| row.network_credits_percent_min).min();
    let caption = format!(
        "Bytes on the wire, sent and received, and how full the busier direction is: broker {} \
         reaches {} %.{}",
        most.broker,
        text::number(most.network_percent_max, 0),
        credits.map_or(String::new(), |least| match least >= WHOLE {
            true => " Burst credits stay full.".to_owned(),
            false => format!(" Burst credits never fall below {} %.", text::whole_down(least)),
        }),
    );
    TimeChart {
        name: "network",
        title: "Network per broker".to_owned(),
        caption,
        panels: vec![
            panel("MB/s", plan, recording, None, |s| mb(s.net_rx + s.net_tx)),
            panel("Use", plan, recording, Some(PERCENT), |s| percent(s.net_permille)),
        ],
    }
    .draw(plan, recording)
}

/// Volume traffic and busy time.
pub(crate) fn disk(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    let most = busiest(result, |row| row.disk_percent_max)?;
    let cache = result.resources.iter().filter_map(|row| row.cache_hit_percent).min();
    let caption = format!(
        "Volume reads and writes, and busy time: broker {} reaches {} %.{}",
        most.broker,
        text::number(most.disk_percent_max, 0),
        cache.map_or(String::new(), |hit| match hit >= WHOLE {
            true => " The page cache served all of every broker's fetches.".to_owned(),
            false => format!(
                " The page cache served at least {} % of every broker's fetches.",
                text::whole_down(hit)
            ),
        }),
    );
    TimeChart {
        name: "disk",
        title: "Disk per broker".to_owned(),
        caption,
        panels: vec![
            panel("MB/s", plan, recording, None, |s| mb(s.disk_read + s.disk_write)),
            panel("Busy", plan, recording, Some(PERCENT), |s| percent(s.disk_permille)),
        ],
    }
    .draw(plan, recording)
}

/// Who leads, and which partitions lack a replica.
pub(crate) fn partitions(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    if result.resources.is_empty() {
        return None;
    }
    let most = Scope::Measured
        .seconds(recording)
        .map(|second| second.brokers.iter().map(|broker| broker.under_replicated).sum::<u32>())
        .max()?;
    let seconds = result.availability.seconds_with_under_replicated;
    let caption = if most == 0 {
        "Every partition had all of its replicas in sync the whole time.".to_owned()
    } else {
        format!(
            "Up to {} were short of a replica, for {} in all; a leader that moves shows as a step.",
            text::counted(u64::from(most), "partition"),
            text::counted(seconds, "second"),
        )
    };
    let sum = |of: fn(&BrokerSecond) -> u32| -> Vec<Option<f64>> {
        let total = |brokers: &[BrokerSecond]| brokers.iter().map(of).sum::<u32>();
        recording.seconds.iter().map(|second| Some(f64::from(total(&second.brokers)))).collect()
    };
    let offline = recording.seconds.iter().map(|second| Some(f64::from(second.offline_partitions)));
    let line = |label: &str, index, stroke, values| Series {
        label: label.to_owned(),
        ink: palette::series(index),
        stroke,
        values,
    };
    let counts = vec![
        line("under-replicated", 1, Stroke::Area, sum(|broker| broker.under_replicated)),
        line("without leader", 4, Stroke::Line, offline.collect()),
        line("below min ISR", 6, Stroke::Thin, sum(|broker| broker.under_min_isr)),
    ];
    TimeChart {
        name: "partitions",
        title: "Leaders and replicas".to_owned(),
        caption,
        panels: vec![
            Panel {
                heading: "Partitions",
                scale: Scale::linear(top(&counts)),
                tick: axis::label,
                thin: Thin::Peak,
                series: counts,
            },
            panel("Leaders", plan, recording, None, |s| f64::from(s.leaders)),
        ],
    }
    .draw(plan, recording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn many_brokers_become_an_envelope() {
        let mut plan = testing::plan();
        let mut recording = testing::az_outage();
        for copy in 0..6 {
            let mut node = plan.cluster.brokers[0].clone();
            node.id = 4 + copy;
            plan.cluster.brokers.push(node);
            for second in &mut recording.seconds {
                second.brokers.push(second.brokers[1].clone());
            }
        }
        let series = lines(&plan, &recording, |second| percent(second.cpu_permille));
        let labels: Vec<&str> = series.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["busiest broker", "mean", "least busy"]);
        for second in 0..recording.seconds.len() {
            let at = |index: usize| series[index].values[second].unwrap();
            assert!(at(0) >= at(1) && at(1) >= at(2));
        }
    }

    #[test]
    fn a_broker_that_is_down_leaves_a_gap() {
        let series =
            lines(&testing::plan(), &testing::az_outage(), |second| percent(second.cpu_permille));
        assert_eq!(series[0].values[65], None);
        assert!(series[1].values[65].is_some());
    }
}
