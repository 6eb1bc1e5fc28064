//! Where to read: committed offsets, resets by policy, and validation after leader changes
//! (KIP-320). Kafka's `OffsetFetcher` and `ConsumerCoordinator`.

use super::machine::{Call, Consumer, Coordinator};
use super::membership::Membership;
use super::partition::Phase;
use crate::client::config::AutoOffsetReset;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};
use stormglass_broker_core::protocol::{
    IsolationLevel, ListOffsetsRequest, ListOffsetsResponse, OffsetFetchGroup, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetSpec,
    Request,
};

/// Partitions to ask one broker about.
type Asks = Vec<(NodeId, Vec<u32>)>;

impl Consumer {
    /// Asks for what partitions need before they can be fetched. When to come back, ns.
    pub(crate) fn look_up_positions(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        if self.unsettled == 0 { NEVER } else { self.look_up_unsettled(cx) }
    }

    #[cold]
    fn look_up_unsettled(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let (mut committed, mut resets, mut validations) = (Vec::new(), Asks::new(), Asks::new());
        for at in 0..self.partitions.len() {
            let state = &self.partitions[at];
            if state.pending || state.retry_ns > cx.now_ns || self.tp(at).is_none() {
                continue;
            }
            let id = u32::try_from(at).unwrap_or(u32::MAX);
            let known = self.network.view.partition(state.topic, state.partition);
            let leader = known.and_then(|known| known.leader);
            match (state.phase, leader) {
                (Phase::Committed, _) => committed.push(id),
                (Phase::Reset(_), Some(leader)) => group(&mut resets, leader, id),
                (Phase::Validate, Some(leader)) => group(&mut validations, leader, id),
                (Phase::Reset(_) | Phase::Validate, None) => self.network.view.want_refresh(),
                (Phase::Fetch | Phase::Stopped | Phase::Revoking | Phase::Unassigned, _) => {}
            }
        }
        let mut wake_ns = self.ask_committed(committed, cx);
        for (leader, asked) in resets {
            wake_ns = wake_ns.min(self.ask_offsets(leader, asked, cx));
        }
        for (leader, asked) in validations {
            wake_ns = wake_ns.min(self.ask_validation(leader, asked, cx));
        }
        wake_ns
    }

    fn ask_committed(&mut self, asked: Vec<u32>, cx: &mut ClientCx<'_>) -> u64 {
        if asked.is_empty() {
            return NEVER;
        }
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let partitions = asked.iter().filter_map(|at| self.tp(*at as usize)).collect();
        let group = self.config.group.clone();
        let consumer = self.membership.as_ref().and_then(Membership::consumer);
        let member = consumer.map(|member| (Arc::clone(member.id()), member.epoch()));
        let groups = vec![OffsetFetchGroup { group, partitions: Some(partitions), member }];
        // as in Java; the load's groups commit in no transactions
        let require_stable =
            self.desk.is_some() && self.config.isolation == IsolationLevel::ReadCommitted;
        let request = Request::OffsetFetch(OffsetFetchRequest { require_stable, groups });
        let call = Call::OffsetFetch(asked, self.assignments);
        self.ask(node, request, call, cx)
    }

    fn ask_offsets(&mut self, leader: NodeId, asked: Vec<u32>, cx: &mut ClientCx<'_>) -> u64 {
        let entry = |at: &u32| {
            let at = *at as usize;
            let spec = match self.partitions[at].phase {
                Phase::Reset(AutoOffsetReset::Latest) => OffsetSpec::Latest,
                _ => OffsetSpec::Earliest,
            };
            Some((self.tp(at)?, self.known_epoch(at), spec))
        };
        let partitions = asked.iter().filter_map(entry).collect();
        let isolation = self.config.isolation;
        let request = Request::ListOffsets(ListOffsetsRequest { isolation, partitions });
        self.ask(leader, request, Call::ListOffsets(asked), cx)
    }

    fn ask_validation(&mut self, leader: NodeId, asked: Vec<u32>, cx: &mut ClientCx<'_>) -> u64 {
        let entry = |at: &u32| {
            let at = *at as usize;
            Some((self.tp(at)?, self.known_epoch(at), self.partitions[at].position_epoch))
        };
        let partitions = asked.iter().filter_map(entry).collect();
        let request = Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest { partitions });
        self.ask(leader, request, Call::Validate(asked), cx)
    }

    fn ask(&mut self, node: NodeId, request: Request, call: Call, cx: &mut ClientCx<'_>) -> u64 {
        if let Err(retry_ns) = self.network.ready(node, cx) {
            return retry_ns;
        }
        if let Call::OffsetFetch(asked, _) | Call::ListOffsets(asked) | Call::Validate(asked) =
            &call
        {
            let of_group = matches!(call, Call::OffsetFetch(..));
            for at in asked {
                let state = &mut self.partitions[*at as usize];
                state.pending = true;
                if of_group {
                    state.asked_ns = cx.now_ns;
                }
            }
        }
        self.network.connections.send(node, request, Some(call), cx);
        NEVER
    }

    fn known_epoch(&self, at: usize) -> LeaderEpoch {
        let state = &self.partitions[at];
        let known = self.network.view.partition(state.topic, state.partition);
        known.map_or(state.leader_epoch, |known| known.epoch)
    }

    /// A lookup failed: again after a back-off.
    pub(crate) fn look_up_later(&mut self, asked: &[u32], now_ns: u64) {
        let backoff = self.config.connection.retry_backoff();
        let wait_ns = backoff.after(self.lookup_failures, &mut self.network.draws);
        self.lookup_failures = self.lookup_failures.saturating_add(1);
        for at in asked {
            self.partitions[*at as usize].pending = false;
            self.back_off(*at as usize, wait_ns, now_ns);
        }
    }

    /// Takes committed offsets.
    #[cold]
    pub(crate) fn committed_found(
        &mut self,
        asked: &[u32],
        answer: &OffsetFetchResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(answer) = answer.groups.first() else { return };
        if !answer.error.is_ok() {
            // a heartbeat will tell the member what it is
            let is_elsewhere = !matches!(
                answer.error,
                ErrorCode::CoordinatorLoadInProgress
                    | ErrorCode::StaleMemberEpoch
                    | ErrorCode::UnknownMemberId
            );
            if is_elsewhere {
                self.coordinator = Coordinator::Unknown { retry_ns: cx.now_ns };
            }
            self.look_up_later(asked, cx.now_ns);
            return;
        }
        self.lookup_failures = 0;
        for at in asked {
            let at = *at as usize;
            let Some(tp) = self.tp(at).filter(|_| self.partitions[at].phase == Phase::Committed)
            else {
                continue;
            };
            if answer.unstable.contains(&tp) {
                let id = u32::try_from(at).unwrap_or(u32::MAX);
                self.look_up_later(&[id], cx.now_ns);
                continue;
            }
            let found = answer.offsets.iter().find(|at| at.tp == tp);
            match found {
                Some(found) if found.offset >= 0 => {
                    self.found(at, found.offset, found.leader_epoch, true, cx);
                }
                _ => self.reset(at, self.config.start),
            }
        }
    }

    /// A partition has a position.
    fn found(
        &mut self,
        at: usize,
        offset: Offset,
        epoch: LeaderEpoch,
        committed: bool,
        cx: &mut ClientCx<'_>,
    ) {
        let leader_epoch = self.known_epoch(at);
        let state = &mut self.partitions[at];
        let (before, asked_ns) = (state.position, state.asked_ns);
        state.seek(offset, epoch);
        state.leader_epoch = leader_epoch;
        // the log may have been truncated since the commit
        let check = committed && epoch >= 0;
        self.set_phase(at, if check { Phase::Validate } else { Phase::Fetch });
        self.touch(at, cx.now_ns);
        let Some(tp) = self.tp(at) else { return };
        cx.effects.outcomes.push(if before >= 0 {
            Outcome::OffsetReset { tp, from: before, to: offset }
        } else {
            Outcome::PositionFound { tp, offset, committed, asked_ns }
        });
    }

    /// Takes log starts and ends.
    #[cold]
    pub(crate) fn offsets_listed(
        &mut self,
        asked: &[u32],
        answer: &ListOffsetsResponse,
        cx: &mut ClientCx<'_>,
    ) {
        for (at, part) in asked.iter().zip(&answer.partitions) {
            let waits = matches!(self.partitions[*at as usize].phase, Phase::Reset(_));
            if !part.error.is_ok() {
                self.network.view.want_refresh();
                self.look_up_later(&[*at], cx.now_ns);
            } else if waits {
                self.lookup_failures = 0;
                self.drop_buffered(*at as usize);
                self.found(*at as usize, part.offset.max(0), part.leader_epoch, false, cx);
            }
        }
    }

    /// Takes the end offsets of epochs.
    #[cold]
    pub(crate) fn validated(
        &mut self,
        asked: &[u32],
        answer: &OffsetForLeaderEpochResponse,
        cx: &mut ClientCx<'_>,
    ) {
        for (at, (_, error, end)) in asked.iter().zip(&answer.partitions) {
            let state = &mut self.partitions[*at as usize];
            if !error.is_ok() {
                self.network.view.want_refresh();
                self.look_up_later(&[*at], cx.now_ns);
            } else if state.phase == Phase::Validate {
                self.lookup_failures = 0;
                let position = state.position;
                if end.end_offset < position {
                    self.truncated(*at as usize, end.epoch, end.end_offset, cx);
                } else {
                    self.set_phase(*at as usize, Phase::Fetch);
                }
                self.touch(*at as usize, cx.now_ns);
            }
        }
    }

    /// The log differs from what was read: goes back to the first offset that differs, never forward, or
    /// by policy when none is known.
    #[cold]
    pub(crate) fn truncated(
        &mut self,
        at: usize,
        epoch: LeaderEpoch,
        end: Offset,
        cx: &mut ClientCx<'_>,
    ) {
        let position = self.partitions[at].position;
        if let Some(tp) = self.tp(at) {
            cx.effects.outcomes.push(Outcome::TruncationDetected {
                tp,
                position,
                to: end.min(position),
            });
        }
        self.drop_buffered(at);
        if end < 0 || epoch < 0 {
            self.reset(at, self.config.reset);
        } else {
            // after an unclean election the log may end, in that epoch, behind what was read of a shorter
            // one (hunt seed 733716)
            self.partitions[at].seek(end.min(position), epoch);
            self.set_phase(at, Phase::Fetch);
        }
    }
}

fn group(asks: &mut Asks, node: NodeId, at: u32) {
    match asks.iter_mut().find(|(other, _)| *other == node) {
        Some((_, asked)) => asked.push(at),
        None => asks.push((node, vec![at])),
    }
}
