//! The last turning points of a partition, for accounts of violations: leaders, epochs, ISR changes,
//! truncations, crashes.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};

/// Turning points kept.
const LINES_MAX: usize = 48;

/// A turning point.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Leads { epoch: LeaderEpoch, start: Offset, isr: Vec<NodeId> },
    Follows { epoch: LeaderEpoch, leader: Option<NodeId> },
    Isr { epoch: LeaderEpoch, isr: Vec<NodeId> },
    Changed { epoch: LeaderEpoch, leader: Option<NodeId>, isr: Vec<NodeId>, unclean: bool },
    Truncated { to: Offset, from: Offset, high_watermark: Offset },
    Down { lost_unsynced: bool },
    Void { reason: &'static str },
}

/// Turning points in order of time.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: VecDeque<(u64, i32, Turn)>,
    dropped: u64,
}

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

    /// One line each.
    pub(crate) fn write(&self, out: &mut String) {
        if self.dropped > 0 {
            let _ = writeln!(out, "  ({} earlier lines left out)", self.dropped);
        }
        for (at_ns, node, turn) in &self.lines {
            let _ = writeln!(out, "  {} node {node} {turn}", seconds(*at_ns));
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

fn or_none(node: Option<NodeId>) -> String {
    node.map_or_else(|| "nobody".to_owned(), |node| node.to_string())
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leads { epoch, start, isr } => {
                write!(f, "leads in epoch {epoch} from offset {start}, ISR {}", nodes(isr))
            }
            Self::Follows { epoch, leader } => {
                write!(f, "follows {} in epoch {epoch}", or_none(*leader))
            }
            Self::Isr { epoch, isr } => write!(f, "knows ISR {} in epoch {epoch}", nodes(isr)),
            Self::Changed { epoch, leader, isr, unclean } => {
                let how = if *unclean { "unclean, " } else { "" };
                let leader = or_none(*leader);
                write!(f, "commits {how}epoch {epoch}, leader {leader}, ISR {}", nodes(isr))
            }
            Self::Truncated { to, from, high_watermark } => {
                write!(f, "truncates {from} -> {to}, its high watermark was {high_watermark}")
            }
            Self::Down { lost_unsynced: true } => write!(f, "goes down and loses unsynced bytes"),
            Self::Down { lost_unsynced: false } => write!(f, "goes down"),
            Self::Void { reason } => write!(f, "promises are void from here: {reason}"),
        }
    }
}
