//! One member, and whom to answer for it.

use super::Cx;
use crate::error::ErrorCode;
use crate::group::timers::Due;
use crate::protocol::{JoinGroupRequest, JoinGroupResponse, Response, SyncGroupResponse};
use crate::step::ReplyTo;
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::sync::Arc;

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    /// Protocols with metadata, most preferred first.
    pub(super) protocols: Vec<(Arc<str>, Bytes)>,
    pub(super) assignment: Bytes,
    /// Waits for the answer to JoinGroup.
    pub(super) joining: Option<ReplyTo>,
    /// Waits for the answer to SyncGroup.
    pub(super) syncing: Option<ReplyTo>,
    /// Has not been in a generation yet.
    pub(super) is_new: bool,
    /// When its session ends.
    pub(super) expires: Instant,
    /// When the queue of deadlines looks at it next.
    pub(super) queued: Option<Instant>,
}

impl Member {
    pub(super) fn new(id: Arc<str>, request: JoinGroupRequest) -> Self {
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            id,
            instance: request.instance,
            client_id: request.client_id,
            client_host: request.client_host,
            session: millis(request.session_timeout_ms),
            rebalance: millis(request.rebalance_timeout_ms),
            protocols: request.protocols,
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            expires: Instant::ZERO,
            queued: None,
        }
    }

    /// Takes what a member says of itself when it joins again.
    pub(super) fn update(&mut self, request: &JoinGroupRequest) {
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        self.protocols.clone_from(&request.protocols);
        self.session = millis(request.session_timeout_ms);
        self.rebalance = millis(request.rebalance_timeout_ms);
    }

    /// A sign of life is expected within this time. Most members give it long before, so that
    /// their place in the queue of deadlines is left as it is and looked at again when it is due.
    pub(super) fn expect(&mut self, cx: &mut Cx<'_, '_>, group: &Arc<str>, within: Duration) {
        self.expires = cx.step.now + within;
        if self.queued.is_none_or(|queued| self.expires < queued) {
            self.queue(cx, group);
        }
    }

    pub(super) fn queue(&mut self, cx: &mut Cx<'_, '_>, group: &Arc<str>) {
        self.queued = Some(self.expires);
        cx.timers.insert(self.expires, group, Due::Session(Arc::clone(&self.id)));
    }

    /// Whether the coordinator owes it an answer, so that its silence means nothing. A new member
    /// may give up all the same before its first generation.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| **name == *protocol)
    }

    pub(super) fn metadata(&self, protocol: Option<&Arc<str>>) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| Some(name) == protocol);
        found.map_or_else(Bytes::new, |(_, metadata)| metadata.clone())
    }

    /// Waits for the next generation. Who waited for it before has given up, or another has taken
    /// its name; its connection is not left hanging.
    pub(super) fn wait_join(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo) {
        self.answer_join_error(cx, ErrorCode::RebalanceInProgress);
        self.joining = Some(to);
    }

    /// Waits for the assignment, likewise.
    pub(super) fn wait_sync(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo) {
        self.answer_sync_error(cx, ErrorCode::RebalanceInProgress);
        self.syncing = Some(to);
    }

    pub(super) fn answer_join(&mut self, cx: &mut Cx<'_, '_>, answer: JoinGroupResponse) {
        if let Some(to) = self.joining.take() {
            cx.step.reply(to, Response::JoinGroup(Box::new(answer)));
        }
    }

    pub(super) fn answer_join_error(&mut self, cx: &mut Cx<'_, '_>, error: ErrorCode) {
        let answer = join_error(Arc::clone(&self.id), error);
        self.answer_join(cx, answer);
    }

    pub(super) fn answer_sync_error(&mut self, cx: &mut Cx<'_, '_>, error: ErrorCode) {
        if let Some(to) = self.syncing.take() {
            cx.step.reply(to, Response::SyncGroup(Box::new(sync_error(error))));
        }
    }
}

/// The answer to a JoinGroup that failed.
pub(in crate::group) fn join_error(member: Arc<str>, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error,
        generation: -1,
        protocol_type: None,
        protocol: None,
        leader: "".into(),
        skip_assignment: false,
        member,
        members: Vec::new(),
    }
}

/// The answer to a SyncGroup that failed.
pub(in crate::group) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
}
