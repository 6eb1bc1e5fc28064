//! Deadlines of groups: one timer of the shell covers all of them.
//!
//! Nothing is ever taken out early. A group knows which of its deadlines are meant; others are
//! ignored when they are due.

use crate::seam::TimerKey;
use crate::step::Step;
use crate::time::Instant;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The time for joining is over.
    Join,
    /// The time for asking for an assignment is over.
    Sync,
    /// A member's session ends.
    Session(Arc<str>),
    /// A member has had the time that it has for giving up partitions (consumer protocol).
    Rebalance(Arc<str>),
    /// A member id that was given out has not been used.
    Pending(Arc<str>),
}

/// A deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) group: Arc<str>,
    pub(super) due: Due,
}

/// All deadlines, earliest first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<Deadline>,
    armed: Option<Instant>,
}

impl Timers {
    pub(super) fn insert(&mut self, at: Instant, group: &Arc<str>, due: Due) {
        self.queue.insert(Deadline { at, group: Arc::clone(group), due });
    }

    /// Whether somebody will look at a member's session at this time.
    pub(super) fn will_look(&self, at: Instant, group: &Arc<str>, member: &Arc<str>) -> bool {
        self.will_come(at, group, Due::Session(Arc::clone(member)))
    }

    /// Whether something of a group will be due at this time.
    pub(super) fn will_come(&self, at: Instant, group: &Arc<str>, due: Due) -> bool {
        let is_armed = self.armed.is_some_and(|armed| armed <= at);
        is_armed && self.queue.contains(&Deadline { at, group: Arc::clone(group), due })
    }

    /// When the shell's timer fires, for checkers.
    pub(super) fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// Takes the earliest one that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Deadline> {
        if self.queue.first()?.at > now {
            return None;
        }
        self.queue.pop_first()
    }

    /// The shell's timer has fired.
    pub(super) fn fired(&mut self, now: Instant) {
        if self.armed.is_some_and(|at| at <= now) {
            self.armed = None;
        }
    }

    /// Arms the shell's timer if the earliest deadline is earlier than what it waits for.
    pub(super) fn arm(&mut self, step: &mut Step<'_>) {
        let Some(first) = self.queue.first() else { return };
        if self.armed.is_none_or(|armed| first.at < armed) {
            self.armed = Some(first.at);
            step.timer(first.at, TimerKey::Groups);
        }
    }
}
