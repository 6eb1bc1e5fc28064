//! Where a partition's promises end, and which records a new leader took away.
//!
//! A promise ends with what the configuration gives up (an unclean election) or with what Kafka
//! itself does not survive (every in-sync replica loses power before its bytes are on disk). Either
//! holds until the next election. The first breaks nothing; the second is a loss all the same, told
//! together with the faults that it took.

use super::history::seconds;
use std::fmt::Write as _;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};
use stormglass_reports::recording::Excuse;

/// Losses of a partition that are kept.
const LOSSES_MAX: usize = 256;

/// Why a process ended: a fault of the plan, or something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// Index into the plan's events.
    pub event: Option<u32>,
    /// In words.
    pub what: String,
}

/// Why promises are void until the next election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Void {
    /// The leader was elected from outside the ISR: the configuration allows that.
    Unclean,
    /// Every member of the ISR lost what it had not synced, through these faults.
    PowerLost(Vec<Excuse>),
}

impl Void {
    /// Why, in words.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unclean => "the leader was elected from outside the ISR",
            Self::PowerLost(_) => "every member of the ISR has lost unsynced bytes",
        }
    }
}

/// A leader's log does not have what was in the log before it.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) at_ns: u64,
    pub(crate) leader: NodeId,
    pub(crate) epoch: LeaderEpoch,
    /// First offset that is gone.
    pub(crate) from: Offset,
    pub(crate) void: Option<Void>,
    /// Whether nothing was there yet; the leader before may go on there all the same.
    pub(crate) is_empty: bool,
    /// Acknowledged records among those that were not kept one by one any more.
    pub(crate) folded: u64,
}

impl Loss {
    /// When and how it was decided, as a line.
    pub(crate) fn decided(&self) -> String {
        format!(
            "{} when broker {} began to lead in epoch {}, without these records from offset {} on",
            seconds(self.at_ns),
            self.leader,
            self.epoch,
            self.from
        )
    }

    /// The faults without which Kafka would have kept the records; empty when it should have.
    pub(crate) fn excuses(&self) -> &[Excuse] {
        match &self.void {
            Some(Void::PowerLost(excuses)) => excuses,
            _ => &[],
        }
    }
}

/// Losses in order of time.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    pub(crate) fn push(&mut self, loss: Loss) {
        if self.0.len() < LOSSES_MAX {
            self.0.push(loss);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Loss)> {
        self.0.iter().enumerate()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Loss> {
        self.0.get(at)
    }

    /// The first one that took away what an earlier epoch had at an offset.
    pub(crate) fn of(&self, epoch: LeaderEpoch, offset: Offset) -> Option<usize> {
        self.0.iter().position(|loss| loss.epoch > epoch && loss.from <= offset)
    }

    /// The first one that took away what an epoch had at an offset, of those after it was acknowledged: what
    /// a new leader did not have may come back with another one, and only then be committed (hunt seed 893349).
    pub(crate) fn of_acked(
        &self,
        (epoch, offset): (LeaderEpoch, Offset),
        ns: u64,
    ) -> Option<usize> {
        let takes = |loss: &Loss| loss.epoch > epoch && loss.from <= offset;
        let later = self.0.iter().position(|loss| takes(loss) && loss.at_ns >= ns);
        later.or_else(|| self.of(epoch, offset))
    }

    /// Whether an unclean election took away what an epoch has at an offset.
    pub(crate) fn are_unclean(&self, epoch: LeaderEpoch, offset: Offset) -> bool {
        let loss = self.of(epoch, offset).and_then(|at| self.get(at));
        loss.is_some_and(|loss| loss.void == Some(Void::Unclean))
    }

    /// The one that took away everything from an offset on.
    pub(crate) fn from(&self, offset: Offset) -> Option<usize> {
        self.0.iter().position(|loss| loss.from == offset && !loss.is_empty)
    }

    /// Whether what an epoch has at an offset was lost where Kafka does not promise to keep it.
    pub(crate) fn are_void(&self, epoch: LeaderEpoch, offset: Offset) -> bool {
        let loss = self.of(epoch, offset).and_then(|at| self.get(at));
        loss.is_some_and(|loss| loss.void.is_some())
    }

    /// From where on an election without promises gave up what a leader's log holds, or will hold.
    pub(crate) fn given_up_from(&self, epoch: LeaderEpoch) -> Option<Offset> {
        let later = self.0.iter().filter(|loss| loss.epoch > epoch && loss.void.is_some());
        later.map(|loss| loss.from).min()
    }
}

/// Where Kafka's own promise ends, in an operator's words.
pub(crate) fn end_of_promise(excuses: &[Excuse], min_isr: usize) -> String {
    let count = excuses.len();
    let (who, was) = match count {
        1 => ("the only in-sync replica".to_owned(), "it"),
        _ => (format!("all {count} in-sync replicas"), "they"),
    };
    let mut text = format!(
        "Kafka's own promise ends here: acks=all means that the in-sync replicas hold a record, not \
         that it is on their disks, and {who} lost power with records that {was} held in memory \
         alone (min.insync.replicas is {min_isr}):"
    );
    for excuse in excuses {
        let _ = write!(text, "\n  {} {}", seconds(excuse.at_ns), excuse.detail);
    }
    text
}
