//! The last turning points of a partition, for accounts of violations: leaders, epochs, ISR changes,
//! truncations, crashes; and between them the faults of the plan.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};

/// Turning points kept.
const LINES_MAX: usize = 48;
/// Faults kept.
const FAULTS_MAX: usize = 256;

/// A turning point.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Leads { epoch: LeaderEpoch, start: Offset, isr: Vec<NodeId> },
    Follows { epoch: LeaderEpoch, leader: Option<NodeId> },
    Isr { epoch: LeaderEpoch, isr: Vec<NodeId> },
    Changed { epoch: LeaderEpoch, leader: Option<NodeId>, isr: Vec<NodeId>, unclean: bool },
    Active { epoch: LeaderEpoch },
    Voted { epoch: LeaderEpoch, candidate: NodeId },
    Truncated { to: Offset, from: Offset, high_watermark: Offset },
    Down { lost_unsynced: bool, why: String },
    Void { reason: &'static str },
}

/// Turning points in order of time.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: VecDeque<(u64, i32, Turn)>,
    dropped: u64,
}

/// Of what is about no partition.
pub(crate) static NO_HISTORY: History = History { lines: VecDeque::new(), dropped: 0 };

impl History {
    pub(crate) fn push(&mut self, at_ns: u64, node: i32, turn: Turn) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back((at_ns, node, turn));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One line each, with the faults in their places.
    pub(crate) fn write(&self, faults: &Faults, out: &mut String) {
        if self.dropped > 0 {
            let _ = writeln!(out, "  ({} earlier lines left out)", self.dropped);
        }
        let begin_ns =
            if self.dropped > 0 { self.lines.front().map_or(0, |line| line.0) } else { 0 };
        let mut faults = faults.0.iter().filter(|(at_ns, _)| *at_ns >= begin_ns).peekable();
        for (at_ns, node, turn) in &self.lines {
            while let Some((fault_ns, what)) = faults.next_if(|(fault_ns, _)| fault_ns <= at_ns) {
                let _ = writeln!(out, "  {} FAULT {what}", seconds(*fault_ns));
            }
            let _ = writeln!(out, "  {} {} {turn}", seconds(*at_ns), role(turn, *node));
        }
        for (fault_ns, what) in faults {
            let _ = writeln!(out, "  {} FAULT {what}", seconds(*fault_ns));
        }
    }
}

/// Faults and operations of the plan, as they begin and end.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(u64, String)>);

impl Faults {
    pub(crate) fn push(&mut self, at_ns: u64, what: &str) {
        if self.0.len() < FAULTS_MAX {
            self.0.push((at_ns, what.to_owned()));
        }
    }
}

/// A time as seconds with microseconds, exactly.
pub(crate) fn seconds(at_ns: u64) -> String {
    format!("{}.{:06} s", at_ns / 1_000_000_000, at_ns / 1_000 % 1_000_000)
}

/// `1,2,3`, or `none`.
pub(crate) fn nodes(list: &[NodeId]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = list.iter().map(ToString::to_string).collect();
    names.join(",")
}

fn or_nobody(node: Option<NodeId>) -> String {
    node.map_or_else(|| "nobody".to_owned(), |node| node.to_string())
}

/// Who a turn is said of.
fn role(turn: &Turn, node: i32) -> String {
    match turn {
        Turn::Changed { .. } | Turn::Active { .. } => format!("controller {node}"),
        Turn::Down { .. } | Turn::Voted { .. } | Turn::Truncated { .. } => format!("node {node}"),
        Turn::Leads { .. } | Turn::Follows { .. } | Turn::Isr { .. } => format!("broker {node}"),
        Turn::Void { .. } => "PROMISE".to_owned(),
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leads { epoch, start, isr } => {
                write!(f, "leads in epoch {epoch} from offset {start}, ISR {}", nodes(isr))
            }
            Self::Follows { epoch, leader: None } => write!(f, "has no leader in epoch {epoch}"),
            Self::Follows { epoch, leader: Some(leader) } => {
                write!(f, "follows {leader} in epoch {epoch}")
            }
            Self::Isr { epoch, isr } => write!(f, "knows ISR {} in epoch {epoch}", nodes(isr)),
            Self::Changed { epoch, leader, isr, unclean } => {
                let how = if *unclean { ", elected uncleanly" } else { "" };
                let (leader, isr) = (or_nobody(*leader), nodes(isr));
                write!(f, "decides: leader {leader} in epoch {epoch}{how}, ISR {isr}")
            }
            Self::Active { epoch } => write!(f, "is active in Raft epoch {epoch}"),
            Self::Voted { epoch, candidate } => {
                write!(f, "votes for {candidate} in Raft epoch {epoch}")
            }
            Self::Truncated { to, from, high_watermark } => {
                let below = if to < high_watermark { ", BELOW" } else { ";" };
                let its = format!("its high watermark {high_watermark}");
                write!(f, "cuts its log from {from} to {to}{below} {its}")
            }
            Self::Down { lost_unsynced: true, why } => {
                write!(f, "goes down and loses what was not on disk ({why})")
            }
            Self::Down { lost_unsynced: false, why } => {
                write!(f, "goes down, its page cache stays ({why})")
            }
            Self::Void { reason } => write!(f, "is void from here to the next election: {reason}"),
        }
    }
}
