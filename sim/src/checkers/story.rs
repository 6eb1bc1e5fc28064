//! The cluster's story: trace events become cluster events that people read.
//!
//! What happens to many partitions within 100 ms is one event with a count and a list, not a line
//! each. Controllers are told apart from brokers only by what they say. Left out: what is routine
//! (appends, high watermarks, votes, marks).

use super::history::nodes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::seam::TraceEvent;
use stormglass_reports::recording::ClusterEvent;

/// Length of a window, ns.
const WINDOW_NS: u64 = 100_000_000;
/// Partitions named in one event.
const NAMES_MAX: usize = 8;

/// What is grouped: kind of event, node, and what is said of every partition alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: &'static str,
    node: i32,
    what: String,
}

#[derive(Debug)]
struct Group {
    first_ns: u64,
    partitions: BTreeSet<TopicPartition>,
}

/// Groups trace events into cluster events.
#[derive(Debug, Default)]
pub struct Story {
    topics: BTreeMap<TopicId, Arc<str>>,
    window_end_ns: u64,
    groups: BTreeMap<Key, Group>,
}

impl Story {
    /// Of a cluster at its beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins a topic's id with its name. Partitions of topics without a name are not told of.
    pub fn topic(&mut self, id: TopicId, name: &Arc<str>) {
        self.topics.insert(id, Arc::clone(name));
    }

    /// Something changed inside a node; events that are complete are added to `out`.
    pub fn trace(
        &mut self,
        now_ns: u64,
        node: i32,
        event: &TraceEvent,
        out: &mut Vec<ClusterEvent>,
    ) {
        if !is_told(event) {
            return;
        }
        if now_ns >= self.window_end_ns {
            self.flush(out);
            self.window_end_ns = now_ns - now_ns % WINDOW_NS + WINDOW_NS;
        }
        match event {
            TraceEvent::BecameLeader { tp, .. } => {
                self.add(now_ns, ("leader-elected", node, "leads"), *tp);
            }
            TraceEvent::IsrCommitted { tp, old, isr, .. } => {
                self.isr(now_ns, node, *tp, (old, isr))
            }
            TraceEvent::Truncated { tp, to, from, high_watermark } if to < from => {
                let below = if to < high_watermark { " below its high watermark" } else { "" };
                let what = format!("truncates{below}");
                self.add(now_ns, ("truncation", node, &what), *tp);
            }
            TraceEvent::PartitionChanged { tp, leader, unclean, .. } => match leader {
                None => self.add(now_ns, ("leader-lost", node, "finds no leader for"), *tp),
                Some(leader) if *unclean => {
                    let what = format!("elects out-of-sync broker {leader} for");
                    self.add(now_ns, ("unclean-election", node, &what), *tp);
                }
                Some(_) => {}
            },
            _ => out.extend(single(now_ns, node, event)),
        }
    }

    /// Events of the current window; to be called at least at the end of the run.
    pub fn flush(&mut self, out: &mut Vec<ClusterEvent>) {
        let groups = std::mem::take(&mut self.groups);
        let mut events: Vec<ClusterEvent> =
            groups.into_iter().map(|(key, group)| self.tell(&key, &group)).collect();
        events.sort_by_key(|event| event.at_ns);
        out.extend(events);
    }

    fn isr(
        &mut self,
        now_ns: u64,
        node: i32,
        tp: TopicPartition,
        (old, isr): (&[NodeId], &[NodeId]),
    ) {
        let missing_in = |list: &[NodeId], other: &[NodeId]| -> Vec<NodeId> {
            list.iter().filter(|node| !other.contains(node)).copied().collect()
        };
        let (left, joined) = (missing_in(old, isr), missing_in(isr, old));
        if !left.is_empty() {
            let what = format!("drops {} from the ISR of", nodes(&left));
            self.add(now_ns, ("isr-shrink", node, &what), tp);
        }
        if !joined.is_empty() {
            let what = format!("takes {} into the ISR of", nodes(&joined));
            self.add(now_ns, ("isr-expand", node, &what), tp);
        }
    }

    fn add(&mut self, now_ns: u64, key: (&'static str, i32, &str), tp: TopicPartition) {
        if !self.topics.contains_key(&tp.topic) {
            return;
        }
        let (kind, node, what) = (key.0, key.1, key.2.to_owned());
        let group = self.groups.entry(Key { kind, node, what });
        let group =
            group.or_insert_with(|| Group { first_ns: now_ns, partitions: BTreeSet::new() });
        group.partitions.insert(tp);
    }

    fn tell(&self, key: &Key, group: &Group) -> ClusterEvent {
        let name = |tp: &TopicPartition| {
            let topic = self.topics.get(&tp.topic).map_or("?", |name| name);
            format!("{topic}-{}", tp.partition)
        };
        let mut list: Vec<String> = group.partitions.iter().take(NAMES_MAX).map(name).collect();
        let count = group.partitions.len();
        if count > NAMES_MAX {
            list.push(format!("{} more", count - NAMES_MAX));
        }
        let detail = match count {
            1 => format!("node {} {} {}", key.node, key.what, list[0]),
            _ => format!("node {} {} {count} partitions: {}", key.node, key.what, list.join(", ")),
        };
        ClusterEvent {
            at_ns: group.first_ns,
            kind: key.kind.to_owned(),
            node: Some(key.node),
            partition: (count == 1).then(|| list.swap_remove(0)),
            partitions: count as u64,
            detail,
            until_ns: None,
        }
    }
}

fn is_told(event: &TraceEvent) -> bool {
    !matches!(
        event,
        TraceEvent::LeaderAppended { .. }
            | TraceEvent::FollowerAppended { .. }
            | TraceEvent::HighWatermark { .. }
    )
}

/// Events that stand for themselves.
fn single(at_ns: u64, node: i32, event: &TraceEvent) -> Option<ClusterEvent> {
    let (kind, node, detail) = match event {
        TraceEvent::ControllerElected { epoch } => {
            ("controller-elected", node, format!("controller {node} is active in epoch {epoch}"))
        }
        TraceEvent::ControllerResigned { epoch } => {
            ("controller-resigned", node, format!("controller {node} gives up epoch {epoch}"))
        }
        TraceEvent::BrokerFenced { broker, fenced: true } => {
            ("broker-fenced", broker.0, format!("controller {node} fences broker {broker}"))
        }
        TraceEvent::BrokerFenced { broker, fenced: false } => {
            ("broker-unfenced", broker.0, format!("controller {node} unfences broker {broker}"))
        }
        TraceEvent::Recovered { scanned_bytes, truncated_bytes } if *scanned_bytes > 0 => {
            let detail = format!(
                "broker {node} has recovered its logs: {} MB scanned, {} KB of torn tail cut",
                scanned_bytes.div_ceil(1_000_000),
                truncated_bytes.div_ceil(1000),
            );
            ("log-recovered", node, detail)
        }
        _ => return None,
    };
    Some(ClusterEvent {
        at_ns,
        kind: kind.to_owned(),
        node: Some(node),
        partition: None,
        partitions: 0,
        detail,
        until_ns: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn story() -> Story {
        let mut story = Story::new();
        story.topic(TopicId(7), &"orders".into());
        story
    }

    fn leads(partition: i32) -> TraceEvent {
        let tp = TopicPartition::new(TopicId(7), partition);
        TraceEvent::BecameLeader { tp, epoch: 2, start: 0, isr: vec![NodeId(1)] }
    }

    #[test]
    fn sixty_elections_at_once_are_one_event() {
        let (mut story, mut out) = (story(), Vec::new());
        for partition in 0..60_i32 {
            let at_ns = 510 * MS + u64::from(partition.unsigned_abs());
            story.trace(at_ns, 1, &leads(partition), &mut out);
        }
        story.trace(540 * MS, 2, &leads(99), &mut out);
        assert!(out.is_empty());
        story.trace(600 * MS, 1, &leads(3), &mut out);
        let lines: Vec<_> = out.iter().map(|event| (event.at_ns, event.detail.as_str())).collect();
        assert_eq!(
            lines,
            [
                (
                    510 * MS,
                    "node 1 leads 60 partitions: orders-0, orders-1, orders-2, orders-3, orders-4, \
                     orders-5, orders-6, orders-7, 52 more"
                ),
                (540 * MS, "node 2 leads orders-99"),
            ]
        );
        assert_eq!(out[1].partition.as_deref(), Some("orders-99"));
        story.flush(&mut out);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn isr_changes_say_who_left_and_who_joined() {
        let (mut story, mut out) = (story(), Vec::new());
        let tp = TopicPartition::new(TopicId(7), 0);
        let change = |old: &[i32], isr: &[i32]| TraceEvent::IsrCommitted {
            tp,
            epoch: 1,
            old: old.iter().copied().map(NodeId).collect(),
            isr: isr.iter().copied().map(NodeId).collect(),
        };
        story.trace(1, 1, &change(&[1, 2, 3], &[1]), &mut out);
        story.trace(2, 1, &change(&[1], &[1, 3]), &mut out);
        story.flush(&mut out);
        let lines: Vec<_> = out.iter().map(|e| (e.kind.as_str(), e.detail.as_str())).collect();
        assert_eq!(
            lines,
            [
                ("isr-shrink", "node 1 drops 2,3 from the ISR of orders-0"),
                ("isr-expand", "node 1 takes 3 into the ISR of orders-0"),
            ]
        );
    }

    #[test]
    fn controllers_and_fencing_are_told_at_once() {
        let (mut story, mut out) = (story(), Vec::new());
        story.trace(5, 10_001, &TraceEvent::ControllerElected { epoch: 3 }, &mut out);
        let fenced = TraceEvent::BrokerFenced { broker: NodeId(2), fenced: true };
        story.trace(6, 10_001, &fenced, &mut out);
        story.trace(7, 1, &TraceEvent::Mark("rare"), &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!((out[1].kind.as_str(), out[1].node), ("broker-fenced", Some(2)));
    }
}
