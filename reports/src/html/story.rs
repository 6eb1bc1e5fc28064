//! What happened when: cluster events grouped and put into sentences.
//!
//! Sixty elections in one second are one line. A group holds events of one kind with at most two
//! seconds between neighbours.

use crate::recording::ClusterEvent;
use crate::result::{Milli, RunResult};
use crate::run_dir::ReportInput;
use crate::text;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

const GROUP_GAP_NS: u64 = 2_000_000_000;
const LINES_MAX: usize = 60;

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
    Fault,
    Loss,
    Change,
    Recovery,
}

impl Tone {
    const fn of(kind: &str) -> Self {
        match kind.as_bytes() {
            b"fault-begin" | b"violation" => Self::Fault,
            b"broker-down" | b"broker-fenced" | b"isr-shrink" | b"truncation" => Self::Loss,
            b"fault-end" | b"broker-up" | b"broker-unfenced" | b"isr-expand" => Self::Recovery,
            _ => Self::Change,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Loss => "loss",
            Self::Change => "change",
            Self::Recovery => "recovery",
        }
    }
}

/// The section.
pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    let lines = lines(&input.recording.events);
    let left_out = lines.len().saturating_sub(LINES_MAX);
    html! {
        section id="story" {
            h2 { "What happened" }
            @if lines.is_empty() {
                p { "No fault and no change of leadership was recorded." }
            } @else {
                ol.story {
                    @for line in lines.iter().take(LINES_MAX) {
                        li class=(line.tone.word()) {
                            span.when { (when(line)) }
                            span.tone { (line.tone.word()) }
                            span.what { (line.sentence) }
                        }
                    }
                }
                @if left_out > 0 { p.small { (text::counted(left_out as u64, "line")) " more." } }
                p.small { (all_events(input.result)) }
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

/// Events of one kind in a row.
struct Group<'a> {
    first: usize,
    events: Vec<&'a ClusterEvent>,
}

fn lines(events: &[ClusterEvent]) -> Vec<Line> {
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
    groups.iter().flat_map(Group::lines).collect()
}

impl Group<'_> {
    fn lines(&self) -> Vec<Line> {
        let kind = self.events[0].kind.as_str();
        let partitions: BTreeSet<&str> =
            self.events.iter().filter_map(|event| event.partition.as_deref()).collect();
        let count = partitions.len() as u64;
        let many = text::counted(count, "partition");
        let sentence = match kind {
            "leader-elected" if count > 1 => format!("{many} elected a new leader"),
            "isr-shrink" if count > 1 => format!("{many} dropped a replica from the ISR"),
            "isr-expand" if count > 1 => format!("{many} took a replica back into the ISR"),
            "truncation" if count > 1 => format!("{many} truncated a diverged replica"),
            _ if self.events.len() > 4 => format!(
                "{}: {} times, first: {}",
                kind.replace('-', " "),
                text::grouped(self.events.len() as u64),
                self.events[0].detail
            ),
            _ => {
                return self
                    .events
                    .iter()
                    .map(|event| line(&[event], event.detail.clone()))
                    .collect();
            }
        };
        vec![line(&self.events, format!("{sentence}{}", self.nodes()))]
    }

    /// ` (on broker 2: 10, on broker 3: 10)` for elections.
    fn nodes(&self) -> String {
        if self.events[0].kind != "leader-elected" {
            return String::new();
        }
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for node in self.events.iter().filter_map(|event| event.node) {
            *counts.entry(node).or_default() += 1;
        }
        let shares: Vec<String> =
            counts.iter().map(|(node, count)| format!("{count} on broker {node}")).collect();
        if shares.is_empty() || shares.len() > 6 {
            String::new()
        } else {
            format!(" ({})", shares.join(", "))
        }
    }
}

fn line(events: &[&ClusterEvent], sentence: String) -> Line {
    let (first, last) = (events[0], events[events.len() - 1]);
    let until = match first.until_ns {
        Some(until_ns) if first.kind == "fault-begin" => {
            format!(", until t={} s", text::number(Milli::seconds_from_ns(until_ns), 1))
        }
        _ => String::new(),
    };
    Line {
        from_ns: first.at_ns,
        until_ns: last.at_ns,
        tone: Tone::of(&first.kind),
        sentence: format!("{sentence}{until}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_outage_reads_as_a_story() {
        let lines = lines(&testing::az_outage().events);
        let told: Vec<String> =
            lines.iter().map(|line| format!("{} {}", when(line), line.sentence)).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_long_pause_starts_a_new_line() {
        let mut events = testing::az_outage().events;
        events.retain(|event| event.kind == "leader-elected");
        assert_eq!(lines(&events).len(), 2, "the elections and the way back are seventy s apart");
    }
}
