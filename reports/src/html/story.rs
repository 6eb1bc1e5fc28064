//! What happened when: cluster events grouped and put into sentences, with what clients saw.
//!
//! Sixty elections in one second are one line. A group holds events of one kind with at most two
//! seconds between neighbours.

use super::recovery;
use crate::recording::ClusterEvent;
use crate::result::{Milli, Recovery, Return, RunResult};
use crate::run_dir::ReportInput;
use crate::text;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_scenarios::plan::Plan;

const GROUP_GAP_NS: u64 = 2_000_000_000;
const LINES_MAX: usize = 60;
/// A curve of more steps is a shape, not news.
const RATE_STEPS_MAX: usize = 6;
/// A brokers' list longer than this says less than the sum.
const BROKERS_MAX: usize = 6;

/// A line of the story.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    from_ns: u64,
    until_ns: u64,
    tone: Tone,
    sentence: String,
}

/// What kind of news a line is; shown as a word beside a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Phase,
    Fault,
    Degraded,
    Change,
    Recovery,
}

impl Tone {
    const fn of(kind: &str) -> Self {
        match kind.as_bytes() {
            b"phase" => Self::Phase,
            b"fault-begin" | b"violation" => Self::Fault,
            b"broker-down" | b"broker-fenced" | b"isr-shrink" | b"truncation" | b"leader-lost"
            | b"unclean-election" => Self::Degraded,
            b"fault-end" | b"broker-up" | b"broker-unfenced" | b"isr-expand" => Self::Recovery,
            _ => Self::Change,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Fault => "fault",
            Self::Degraded => "degraded",
            Self::Change => "change",
            Self::Recovery => "recovery",
        }
    }
}

/// The section.
pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    let mut lines = lines(input.plan, &input.recording.events);
    lines.extend(input.result.recoveries.iter().flat_map(client_lines));
    lines.extend(planned_lines(input.plan, input.recording.sim_ns));
    lines.sort_by_key(|line| line.from_ns);
    let (shown, hidden) = lines.split_at(lines.len().min(LINES_MAX));
    html! {
        section id="story" {
            h2 { "What happened" }
            (recovery::table(input.result))
            @if lines.is_empty() {
                p { "No fault and no change of leadership was recorded." }
            } @else {
                (list(shown))
                @if !hidden.is_empty() {
                    details {
                        summary { (text::counted(hidden.len() as u64, "more line")) }
                        (list(hidden))
                    }
                }
                p.small { (all_events(input.result)) }
            }
        }
    }
}

fn list(lines: &[Line]) -> Markup {
    html! {
        ol.story {
            @for line in lines {
                li class=(line.tone.word()) {
                    span.when { (when(line)) }
                    span.tone { (line.tone.word()) }
                    span.what { (line.sentence) }
                }
            }
        }
    }
}

fn all_events(result: &RunResult) -> Markup {
    html! {
        "Times count from the start of the run, warm-up included. All "
        (text::counted(result.cluster_events.total, "event"))
        " one by one: " code { "events.jsonl" } "."
    }
}

fn when(line: &Line) -> String {
    let from = text::number(Milli::seconds_from_ns(line.from_ns), 1);
    let until = text::number(Milli::seconds_from_ns(line.until_ns), 1);
    if from == until { format!("{from} s") } else { format!("{from} to {until} s") }
}

/// What clients saw after a fault, by the end of the second in which it showed.
fn client_lines(row: &Recovery) -> Vec<Line> {
    [
        (row.produce, "Producers are acknowledged again: nine tenths of what they offer"),
        (row.backlog, "The backlog of the producers is acknowledged"),
        (row.consumers, "The consumers are no further behind than before"),
        (row.replicas, "Every partition has all of its replicas in sync again"),
    ]
    .into_iter()
    .filter_map(|(state, sentence)| match state {
        Return::Back { after_s } => {
            let at_ns = (row.at_s.units() + after_s.units()).unsigned_abs() * 1_000_000;
            let (from_ns, until_ns) = (at_ns, at_ns);
            Some(Line { from_ns, until_ns, tone: Tone::Recovery, sentence: sentence.to_owned() })
        }
        Return::Undisturbed | Return::NotBack => None,
    })
    .collect()
}

/// What the plan does to the load: groups that start late, rates that change.
fn planned_lines(plan: &Plan, sim_ns: u64) -> Vec<Line> {
    let line =
        |from_ns, until_ns, sentence| Line { from_ns, until_ns, tone: Tone::Change, sentence };
    let starts = plan.consumers.iter().filter(|group| group.start_ns > 0).map(|group| {
        let from = if group.from_beginning { "the beginning" } else { "the end" };
        let sentence = format!("Group {} starts reading from {from} of the logs", group.group);
        line(group.start_ns, group.start_ns, sentence)
    });
    let rate = |milli: u64| text::grouped(milli / 1000);
    let changes = plan.producers.iter().flat_map(|producer| {
        let steps: Vec<Line> = producer
            .rate_curve
            .windows(2)
            .filter(|pair| pair[0].1 != pair[1].1)
            .map(|pair| {
                let (name, from, to) = (&producer.name, rate(pair[0].1), rate(pair[1].1));
                let sentence = format!("Load of {name} goes from {from} to {to} records/s");
                line(pair[0].0, pair[1].0, sentence)
            })
            .collect();
        if steps.len() > RATE_STEPS_MAX { Vec::new() } else { steps }
    });
    starts.chain(changes).filter(|line| line.from_ns < sim_ns).collect()
}

/// Events of one kind in a row.
struct Group<'a> {
    first: usize,
    events: Vec<&'a ClusterEvent>,
}

fn lines(plan: &Plan, events: &[ClusterEvent]) -> Vec<Line> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let running = open.get(event.kind.as_str()).copied().filter(|group| {
            let last = groups[*group].events.last().map_or(0, |last| last.at_ns);
            event.at_ns.saturating_sub(last) <= GROUP_GAP_NS
        });
        if let Some(group) = running {
            groups[group].events.push(event);
        } else {
            open.insert(&event.kind, groups.len());
            groups.push(Group { first: index, events: vec![event] });
        }
    }
    groups.sort_by_key(|group| group.first);
    groups.iter().flat_map(|group| group.lines(plan)).collect()
}

impl Group<'_> {
    fn lines(&self, plan: &Plan) -> Vec<Line> {
        let kind = self.events[0].kind.as_str();
        let count: u64 = self.events.iter().map(|event| event.partitions).sum();
        let many = text::counted(count, "partition");
        let sentence = match kind {
            "leader-elected" if count > 1 => {
                format!("{many} elected a new leader{}", self.shares())
            }
            "isr-shrink" if count > 1 => format!("{many} dropped a replica from the ISR"),
            "isr-expand" if count > 1 => format!("{many} took a replica back into the ISR"),
            "truncation" if count > 1 => format!("{many} truncated a diverged replica"),
            "leader-lost" if count > 1 => format!("{many} have no leader any more"),
            "unclean-election" if count > 1 => {
                format!("{many} elected a leader that was out of sync")
            }
            _ if self.events.len() > 4 => format!(
                "{}: {} times, first: {}",
                text::capital(&kind.replace('-', " ")),
                text::grouped(self.events.len() as u64),
                self.events[0].detail
            ),
            _ => {
                let line = |event: &&ClusterEvent| line(&[event], sentence(plan, event));
                return self.events.iter().map(line).collect();
            }
        };
        vec![line(&self.events, sentence)]
    }

    /// ` (6 on broker 1, 23 on broker 3)`.
    fn shares(&self) -> String {
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for event in &self.events {
            if let Some(node) = event.node {
                *counts.entry(node).or_default() += event.partitions;
            }
        }
        let shares: Vec<String> =
            counts.iter().map(|(node, count)| format!("{count} on broker {node}")).collect();
        if shares.is_empty() || shares.len() > BROKERS_MAX {
            String::new()
        } else {
            format!(" ({})", shares.join(", "))
        }
    }
}

/// An event's own words, with a node's role in place of "node".
fn sentence(plan: &Plan, event: &ClusterEvent) -> String {
    let brokers: BTreeSet<i32> = plan.cluster.brokers.iter().map(|node| node.id).collect();
    let detail = match event.node {
        Some(id) if event.detail.starts_with("node ") => {
            let role = if brokers.contains(&id) { "broker " } else { "controller " };
            event.detail.replacen("node ", role, 1)
        }
        _ => event.detail.clone(),
    };
    let until = match event.until_ns {
        Some(until_ns) if event.kind == "fault-begin" => {
            let length = Milli::seconds_from_ns(until_ns.saturating_sub(event.at_ns));
            format!(", for {} s", text::short_seconds(length))
        }
        _ => String::new(),
    };
    format!("{}{until}", text::capital(&detail))
}

fn line(events: &[&ClusterEvent], sentence: String) -> Line {
    let (first, last) = (events[0], events[events.len() - 1]);
    Line { from_ns: first.at_ns, until_ns: last.at_ns, tone: Tone::of(&first.kind), sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_outage_reads_as_a_story() {
        let lines = lines(&testing::plan(), &testing::az_outage().events);
        let told: Vec<String> =
            lines.iter().map(|line| format!("{} {}", when(line), line.sentence)).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_the_plan_does_to_the_load_is_told() {
        let mut plan = testing::plan();
        plan.consumers[1].start_ns = 50_000_000_000;
        plan.producers[0].rate_curve =
            vec![(0, 5_000_000), (70_000_000_000, 5_000_000), (70_000_000_000, 15_000_000)];
        let told: Vec<String> = planned_lines(&plan, 60_000_000_000)
            .iter()
            .map(|line| format!("{} {}", when(line), line.sentence))
            .collect();
        assert_eq!(told, ["50.0 s Group search starts reading from the end of the logs"]);
        let told = planned_lines(&plan, 80_000_000_000);
        assert_eq!(told[1].sentence, "Load of checkout goes from 5,000 to 15,000 records/s");
    }

    #[test]
    fn a_long_pause_starts_a_new_line() {
        let mut events = testing::az_outage().events;
        events.retain(|event| event.kind == "leader-elected");
        assert_eq!(
            lines(&testing::plan(), &events).len(),
            2,
            "the elections and the way back are seventy s apart"
        );
    }
}
