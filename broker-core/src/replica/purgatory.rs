//! Requests that wait: produces for replication, fetches for data. `DelayedOperationPurgatory`
//! without threads: appends and high-watermark moves call in, one timer covers all deadlines.

use super::append::{AppendOrigin, ProduceOutcome};
use super::session::Parked;
use super::{ReplicaManager, Waiting};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, Offset};
use crate::pending::Window;
use crate::plant::{Plant, planted};
use crate::protocol::{Acks, ProducePartitionResponse, ProduceResponse, Response};
use crate::seam::{Reply, TimerKey};
use crate::step::Step;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A produce request on its way.
#[derive(Debug)]
pub(super) struct DelayedProduce {
    origin: AppendOrigin,
    acks: Acks,
    deadline: Instant,
    parts: Vec<Part>,
    open: u32,
    /// Its connection is gone; the outcome goes nowhere.
    orphaned: bool,
}

#[derive(Debug, Clone)]
struct Part {
    answer: Option<ProducePartitionResponse>,
    required: Offset,
    settled: bool,
}

impl DelayedProduce {
    pub(super) fn new(origin: AppendOrigin, acks: Acks, deadline: Instant, parts: usize) -> Self {
        let blank = Part { answer: None, required: 0, settled: false };
        Self {
            origin,
            acks,
            deadline,
            parts: vec![blank; parts],
            open: u32::try_from(parts).unwrap_or(u32::MAX),
            orphaned: false,
        }
    }
}

/// Deadlines in order. Most requests use the same time-out, so that insertion is at the back;
/// entries of answered requests are dropped when they reach the front.
#[derive(Debug)]
struct Deadlines<K>(VecDeque<(Instant, K)>);

impl<K: Copy> Deadlines<K> {
    fn insert(&mut self, at: Instant, key: K) {
        if self.0.back().is_none_or(|(last, _)| *last <= at) {
            return self.0.push_back((at, key));
        }
        let place = self.0.iter().rposition(|(other, _)| *other <= at).map_or(0, |i| i + 1);
        self.0.insert(place, (at, key));
    }

    /// Drops entries from the front for as long as they are stale.
    fn drop_stale(&mut self, is_stale: impl Fn(Instant, K) -> bool) {
        while self.0.front().is_some_and(|(at, key)| is_stale(*at, *key)) {
            self.0.pop_front();
        }
    }

    fn first(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    /// Drops what is settled from the front, and takes the first one that is due.
    fn pop_due(&mut self, now: Instant, live: impl Fn(Instant, K) -> bool) -> Option<K> {
        while let Some((at, key)) = self.0.front().copied() {
            let is_live = live(at, key);
            if is_live && at > now {
                return None;
            }
            self.0.pop_front();
            if is_live {
                return Some(key);
            }
        }
        None
    }
}

/// Waiting requests.
#[derive(Debug)]
pub(super) struct Purgatory {
    produces: Window<DelayedProduce>,
    /// Appends of coordinators that took too long, by the same ids: coordinators must know what the log
    /// has, however late.
    overdue: BTreeMap<u64, DelayedProduce>,
    produce_deadlines: Deadlines<u64>,
    /// By session slot; stale when its parked fetch has another deadline by then.
    fetch_deadlines: Deadlines<u32>,
    /// Timers under way, the earliest last. Each is there until it fires: one that is armed again
    /// before it has would fire twice, and for ever.
    armed: Vec<Instant>,
    outcomes: Vec<ProduceOutcome>,
}

impl Default for Purgatory {
    fn default() -> Self {
        Self {
            produces: Window::default(),
            overdue: BTreeMap::new(),
            produce_deadlines: Deadlines(VecDeque::new()),
            fetch_deadlines: Deadlines(VecDeque::new()),
            armed: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

impl Purgatory {
    pub(super) fn open(&mut self, produce: DelayedProduce) -> u64 {
        self.produces.push(produce)
    }

    /// A partition whose outcome is known at once.
    pub(super) fn settle(&mut self, produce: u64, index: u32, answer: ProducePartitionResponse) {
        self.expect(produce, index, answer, 0);
        self.done(produce, index);
    }

    /// A partition whose append is under way.
    pub(super) fn expect(
        &mut self,
        produce: u64,
        index: u32,
        answer: ProducePartitionResponse,
        required: Offset,
    ) {
        if let Some(delayed) = self.produces.get_mut(produce) {
            delayed.parts[index as usize] = Part { answer: Some(answer), required, settled: false };
        }
    }

    pub(super) fn required(&self, produce: u64, index: u32) -> Option<Offset> {
        let part = self.get(produce)?.parts.get(index as usize)?;
        (!part.settled).then_some(part.required)
    }

    pub(super) fn acks(&self, produce: u64) -> Option<Acks> {
        self.get(produce).map(|delayed| delayed.acks)
    }

    fn get(&self, produce: u64) -> Option<&DelayedProduce> {
        self.produces.get(produce).or_else(|| self.overdue.get(&produce))
    }

    fn get_mut(&mut self, produce: u64) -> Option<&mut DelayedProduce> {
        self.produces.get_mut(produce).or_else(|| self.overdue.get_mut(&produce))
    }

    fn remove(&mut self, produce: u64) -> Option<DelayedProduce> {
        self.produces.remove(produce).or_else(|| self.overdue.remove(&produce))
    }

    pub(super) fn done(&mut self, produce: u64, index: u32) {
        if let Some(delayed) = self.get_mut(produce) {
            let part = &mut delayed.parts[index as usize];
            if !part.settled {
                part.settled = true;
                delayed.open -= 1;
            }
        }
    }

    #[cold]
    pub(super) fn fail(&mut self, produce: u64, index: u32, error: ErrorCode) {
        if let Some(delayed) = self.get_mut(produce) {
            let part = &mut delayed.parts[index as usize];
            if let Some(answer) = part.answer.as_mut().filter(|_| !part.settled) {
                answer.error = error;
                answer.base_offset = crate::ids::NO_OFFSET;
            }
        }
        self.done(produce, index);
    }

    /// A coordinator hears that its append takes too long. That goes on waiting, until it is replicated or
    /// the replica leads no longer.
    fn put_off(&mut self, produce: u64) -> bool {
        let token = match self.produces.get(produce).map(|delayed| delayed.origin) {
            Some(AppendOrigin::Coordinator(token)) => token,
            Some(AppendOrigin::Client(_)) | None => return false,
        };
        let Some(delayed) = self.produces.remove(produce) else { return false };
        self.overdue.insert(produce, delayed);
        let error = ErrorCode::RequestTimedOut;
        self.outcomes.push(ProduceOutcome { token, error, is_overdue: true });
        true
    }

    /// Keeps a timer at or before a deadline.
    fn arm(&mut self, step: &mut Step<'_>, at: Instant) {
        if self.armed.last().is_none_or(|armed| at < *armed) {
            self.armed.push(at);
            step.timer(at, TimerKey::Purgatory);
        }
    }

    /// The earliest deadline.
    fn first_deadline(&self) -> Option<Instant> {
        let first = [self.produce_deadlines.first(), self.fetch_deadlines.first()];
        first.into_iter().flatten().min()
    }

    /// When the timer is due, for checkers.
    pub(super) fn armed(&self) -> Option<Instant> {
        self.armed.last().copied()
    }

    /// Deadline of the first produce that waits, for checkers.
    pub(super) fn first_produce_deadline(&self) -> Option<Instant> {
        let waits = |(at, id): &(Instant, u64)| self.produces.get(*id).map(|_| *at);
        self.produce_deadlines.0.iter().filter_map(waits).min()
    }

    /// Produces with a deadline that nothing looks at: they would wait for longer than they may. For checkers.
    pub(super) fn unwatched_produces(&self) -> usize {
        let has_deadline = |delayed: &&DelayedProduce| {
            delayed.acks == Acks::All && delayed.deadline == Instant::FAR_FUTURE
        };
        let live = self.produce_deadlines.0.iter();
        let live = live.filter(|(_, id)| self.produces.get(*id).is_some()).count();
        self.produces.iter().filter(has_deadline).count().saturating_sub(live)
    }

    /// Produces of clients that are still there, and are not answered; for checkers.
    pub(super) fn answers_owed(&self) -> usize {
        let waits = |delayed: &&DelayedProduce| {
            matches!(delayed.origin, AppendOrigin::Client(_)) && !delayed.orphaned
        };
        self.produces.iter().filter(waits).count()
    }

    /// Appends of coordinators whose end is to come, for checkers.
    pub(super) fn coordinators_appends(&self) -> BTreeSet<u64> {
        let open = self.produces.iter().chain(self.overdue.values());
        let tokens = open.filter_map(|delayed| match delayed.origin {
            AppendOrigin::Coordinator(token) => Some(token),
            AppendOrigin::Client(_) => None,
        });
        tokens.chain(self.outcomes.iter().map(|end| end.token)).collect()
    }

    /// Those of them that take too long, for checkers.
    pub(super) fn overdue_appends(&self) -> BTreeSet<u64> {
        let tokens = self.overdue.values().filter_map(|delayed| match delayed.origin {
            AppendOrigin::Coordinator(token) => Some(token),
            AppendOrigin::Client(_) => None,
        });
        tokens.collect()
    }

    /// Parts of produces that are not settled, for checkers.
    pub(super) fn open_parts(&self) -> usize {
        let all = self.produces.iter().chain(self.overdue.values());
        all.map(|delayed| delayed.open as usize).sum()
    }

    fn watch_produce(&mut self, step: &mut Step<'_>, at: Instant, produce: u64) {
        let produces = &self.produces;
        self.produce_deadlines.drop_stale(|_, id| produces.get(id).is_none());
        self.produce_deadlines.insert(at, produce);
        self.arm(step, at);
    }

    #[cold]
    pub(super) fn drop_connection(&mut self, conn: ConnectionId) {
        for delayed in self.produces.iter_mut() {
            if matches!(delayed.origin, AppendOrigin::Client(to) if to.conn == conn) {
                delayed.orphaned = true;
            }
        }
    }
}

impl ReplicaManager {
    /// Answers a produce request when nothing of it is open any more; else gives it a deadline.
    pub(super) fn finish_produce(&mut self, step: &mut Step<'_>, produce: u64) {
        let Some(delayed) = self.purgatory.get_mut(produce) else { return };
        if delayed.open > 0 {
            let at = std::mem::replace(&mut delayed.deadline, Instant::FAR_FUTURE);
            if at != Instant::FAR_FUTURE && delayed.acks == Acks::All {
                self.purgatory.watch_produce(step, at, produce);
            }
            return;
        }
        let Some(delayed) = self.purgatory.remove(produce) else { return };
        self.answer_produce(step, delayed);
    }

    fn answer_produce(&mut self, step: &mut Step<'_>, delayed: DelayedProduce) {
        // into a list of their own: collected in place they would be moved to a smaller one, which takes longer
        let mut partitions: Vec<ProducePartitionResponse> = Vec::with_capacity(delayed.parts.len());
        partitions.extend(delayed.parts.into_iter().filter_map(|part| part.answer));
        match delayed.origin {
            AppendOrigin::Coordinator(token) => {
                let error = partitions.first().map_or(ErrorCode::UnknownServerError, |p| p.error);
                self.purgatory.outcomes.push(ProduceOutcome { token, error, is_overdue: false });
            }
            AppendOrigin::Client(_) if delayed.orphaned => {}
            AppendOrigin::Client(to) => {
                let has_error = partitions.iter().any(|p| !p.error.is_ok());
                let response = ProduceResponse { partitions, throttle_ms: 0 };
                if delayed.acks == Acks::None {
                    step.effects.replies.push(Reply {
                        conn: to.conn,
                        correlation: to.correlation,
                        response: None,
                        throttle_ms: 0,
                        closes: has_error,
                    });
                } else {
                    step.reply(to, Response::Produce(response));
                }
            }
        }
    }

    /// What became of coordinators' appends since the last call.
    pub(crate) fn take_outcomes(&mut self) -> Vec<ProduceOutcome> {
        std::mem::take(&mut self.purgatory.outcomes)
    }

    /// The end of a coordinator's append that was refused at once; it is among the outcomes no
    /// more.
    pub(crate) fn take_refusal(&mut self, token: u64) -> Option<ErrorCode> {
        let outcomes = &mut self.purgatory.outcomes;
        let at = outcomes.iter().position(|end| end.token == token && !end.error.is_ok())?;
        Some(outcomes.remove(at).error)
    }

    pub(crate) fn has_outcomes(&self) -> bool {
        !self.purgatory.outcomes.is_empty()
    }

    /// Deadlines passed: `acks=all` fails with `REQUEST_TIMED_OUT`, coordinators wait on, fetches answer
    /// with what there is.
    #[cold]
    pub(crate) fn purgatory_due(&mut self, step: &mut Step<'_>) {
        // Timers fire in order of their times.
        self.purgatory.armed.pop();
        loop {
            let Purgatory { produces, produce_deadlines, .. } = &mut self.purgatory;
            let due = produce_deadlines.pop_due(step.now, |_, id| produces.get(id).is_some());
            let Some(id) = due else { break };
            self.expire_produce(step, id);
        }
        loop {
            let sessions = &self.sessions;
            let due = self
                .purgatory
                .fetch_deadlines
                .pop_due(step.now, |at, slot| sessions.parked_until(slot) == Some(at));
            let Some(slot) = due else { break };
            self.answer_fetch(step, slot, true);
        }
        if planted(self.config.plant, Plant::PurgatoryNotArmed) {
            return;
        }
        if let Some(at) = self.purgatory.first_deadline() {
            self.purgatory.arm(step, at);
        }
    }

    #[cold]
    fn expire_produce(&mut self, step: &mut Step<'_>, produce: u64) {
        let acknowledges = planted(self.config.plant, Plant::TimeoutAcks);
        if !acknowledges && self.purgatory.put_off(produce) {
            return;
        }
        let Some(delayed) = self.purgatory.produces.get(produce) else { return };
        for index in 0..u32::try_from(delayed.parts.len()).unwrap_or(u32::MAX) {
            if acknowledges {
                self.purgatory.done(produce, index);
            }
            self.purgatory.fail(produce, index, ErrorCode::RequestTimedOut);
        }
        self.finish_produce(step, produce);
    }

    /// Parks a session's fetch until data or its deadline.
    pub(super) fn park(&mut self, step: &mut Step<'_>, slot: u32, to: Waiting, deadline: Instant) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.parked = Some(Parked { to, deadline });
        let (sessions, due) = (&self.sessions, &mut self.purgatory.fetch_deadlines);
        due.drop_stale(|at, slot| sessions.parked_until(slot) != Some(at));
        due.insert(deadline, slot);
        self.purgatory.arm(step, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_produce_whose_deadline_nothing_looks_at_is_seen() {
        let mut purgatory = Purgatory::default();
        let origin = AppendOrigin::Coordinator(1);
        let id = purgatory.open(DelayedProduce::new(origin, Acks::All, Instant::FAR_FUTURE, 1));
        assert_eq!(purgatory.unwatched_produces(), 1);
        purgatory.produce_deadlines.insert(Instant::ZERO, id);
        assert_eq!(purgatory.unwatched_produces(), 0);
        purgatory.remove(id);
        assert_eq!(purgatory.unwatched_produces(), 0);
    }
}
