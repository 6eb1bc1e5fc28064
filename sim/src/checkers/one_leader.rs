//! An epoch has one leader, and a voter one vote.

use super::history::{History, Turn};
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId};

pub(crate) const PROMISE: Promise = Promise {
    name: "one-leader-per-epoch",
    text: "at most one broker leads a partition in a leader epoch, at most one controller is active \
           in a Raft epoch, and once, and nobody votes for two candidates in one epoch",
};

/// Epochs of a partition whose leader is remembered.
const EPOCHS_MAX: usize = 256;

/// A broker leads.
pub(crate) fn leads(p: &mut Partition, ledger: &mut Ledger, node: i32, epoch: LeaderEpoch) {
    ledger.checked(Check::OneLeader, 1);
    let before = *p.leaders.entry(epoch).or_insert(node);
    if before != node {
        ledger.broken(Check::OneLeader, p.about(), &|| {
            format!("node {node} leads in epoch {epoch}, in which node {before} leads already")
        });
    }
    if p.leaders.len() > EPOCHS_MAX {
        p.leaders.pop_first();
    }
}

/// Leaders and votes of the Raft quorum.
#[derive(Debug, Default)]
pub(crate) struct Quorum {
    active: BTreeMap<LeaderEpoch, i32>,
    votes: BTreeMap<(LeaderEpoch, i32), NodeId>,
    history: History,
}

impl Quorum {
    /// A controller became active.
    pub(crate) fn elected(&mut self, ledger: &mut Ledger, node: i32, epoch: LeaderEpoch) {
        ledger.checked(Check::OneLeader, 1);
        self.history.push(ledger.now_ns, node, Turn::Active { epoch });
        let is_first = !self.active.contains_key(&epoch);
        let before = *self.active.entry(epoch).or_insert(node);
        if before == node && !is_first {
            ledger.broken(Check::OneLeader, ("", &self.history), &|| {
                format!(
                    "controller {node} becomes active in Raft epoch {epoch} for the second time: \
                     what it had proposed before may come back"
                )
            });
        }
        if before != node {
            ledger.broken(Check::OneLeader, ("", &self.history), &|| {
                format!("controllers {before} and {node} are both active in Raft epoch {epoch}")
            });
        }
        if self.active.len() > EPOCHS_MAX {
            self.active.pop_first();
        }
    }

    /// A Raft node voted.
    pub(crate) fn voted(
        &mut self,
        ledger: &mut Ledger,
        node: i32,
        (epoch, candidate): (LeaderEpoch, NodeId),
    ) {
        ledger.checked(Check::OneLeader, 1);
        self.history.push(ledger.now_ns, node, Turn::Voted { epoch, candidate });
        let before = *self.votes.entry((epoch, node)).or_insert(candidate);
        if before != candidate {
            ledger.broken(Check::OneLeader, ("", &self.history), &|| {
                format!("node {node} votes for {before} and {candidate} in Raft epoch {epoch}")
            });
        }
        if self.votes.len() > EPOCHS_MAX {
            self.votes.pop_first();
        }
    }
}
