//! What the log and tools are told of a group.

use super::member::Member;
use super::{Cx, Membership};
use crate::error::ErrorCode;
use crate::group::codec::{GroupValue, MemberValue, subscribed_topics};
use crate::group::timers::{Due, Timers};
use crate::ids::LeaderEpoch;
use crate::inspect::{ClassicGroupView, ClassicMemberView, ClassicPlaceView, SyncWaitView};
use crate::protocol::{DescribedGroup, DescribedMember, GroupState};
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Membership {
    /// What the log is told; with assignments that are not handed out yet, or the current ones.
    pub(in crate::group) fn value(
        &self,
        assignments: Option<&BTreeMap<Arc<str>, Bytes>>,
    ) -> GroupValue {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let member = |member: &Member| MemberValue {
            id: Arc::clone(&member.id),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: millis(member.rebalance),
            session_timeout_ms: millis(member.session),
            subscription: member.metadata(self.protocol.as_ref()),
            assignment: match assignments {
                Some(given) => given.get(&member.id).cloned().unwrap_or_default(),
                None => member.assignment.clone(),
            },
        };
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: self.members.values().map(member).collect(),
        }
    }

    /// A group as the log tells of it.
    pub(in crate::group) fn load(group: Arc<str>, value: GroupValue) -> Self {
        let mut loaded = Self::new(group);
        loaded.generation = value.generation;
        loaded.notes_logged(&value);
        loaded.protocol_type = (!value.protocol_type.is_empty()).then_some(value.protocol_type);
        loaded.leader = value.leader;
        loaded.state_since_ms = value.state_since_ms;
        if !value.members.is_empty() {
            loaded.state = GroupState::Stable;
        }
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        for member in value.members {
            if let Some(instance) = &member.instance {
                loaded.instances.insert(Arc::clone(instance), Arc::clone(&member.id));
            }
            let protocols =
                value.protocol.iter().map(|p| (Arc::clone(p), member.subscription.clone()));
            let protocols = protocols.collect();
            let member = Member {
                id: member.id,
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                session: millis(member.session_timeout_ms),
                rebalance: millis(member.rebalance_timeout_ms),
                protocols,
                assignment: member.assignment,
                joining: None,
                syncing: None,
                is_new: false,
                expires: Instant::ZERO,
                queued: None,
            };
            loaded.members.insert(Arc::clone(&member.id), member);
        }
        loaded.protocol = value.protocol;
        loaded
    }

    /// The log takes, or has, a record of the group.
    pub(in crate::group) fn notes_logged(&mut self, value: &GroupValue) {
        self.logged = Some((value.generation, value.members.len()));
    }

    /// The log is read: from now on members must show that they are alive. Where there is room for fewer, those that
    /// join again first stay; until then all may commit.
    pub(in crate::group) fn loaded(&mut self, cx: &mut Cx<'_, '_>, size_max: usize) {
        for member in self.members.values_mut() {
            let session = member.session;
            member.expect(cx, &self.group, session);
        }
        if self.members.len() > size_max {
            self.prepare(cx);
        }
    }

    /// Kind of the group, empty before its first member.
    pub(in crate::group) fn protocol_type(&self) -> Arc<str> {
        self.protocol_type.clone().unwrap_or_else(|| "".into())
    }

    /// What tools are told. Metadata and assignments mean something in a stable group only.
    pub(in crate::group) fn describe(&self) -> DescribedGroup {
        let stable = self.state == GroupState::Stable;
        let member = |member: &Member| DescribedMember {
            member: Arc::clone(&member.id),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: if stable { member.metadata(self.protocol.as_ref()) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        };
        let protocol = self.protocol.clone().filter(|_| stable);
        DescribedGroup {
            error: ErrorCode::None,
            group: Arc::clone(&self.group),
            state: Some(self.state),
            protocol_type: self.protocol_type(),
            protocol: protocol.unwrap_or_else(|| "".into()),
            members: self.members.values().map(member).collect(),
        }
    }

    /// Topics that members read, whose positions must stay; `None`: they may be any, as no protocol is chosen yet, or
    /// what a member says cannot be read (`ClassicGroup.isSubscribedToTopic`).
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP`: it has members that are no consumers.
    pub(in crate::group) fn subscriptions(&self) -> Result<Option<BTreeSet<Arc<str>>>, ErrorCode> {
        let mut topics = BTreeSet::new();
        if self.members.is_empty() {
            return Ok(Some(topics));
        }
        if self.protocol_type.as_deref() != Some("consumer") {
            return Err(ErrorCode::NonEmptyGroup);
        }
        if self.protocol.is_none() {
            return Ok(None);
        }
        for (_, metadata) in self.members.values().flat_map(|member| &member.protocols) {
            let Some(named) = subscribed_topics(metadata) else { return Ok(None) };
            topics.extend(named);
        }
        Ok(Some(topics))
    }
}

impl Member {
    /// For checkers.
    fn place(&self) -> ClassicPlaceView<'_> {
        ClassicPlaceView {
            id: &self.id,
            instance: self.instance.as_ref(),
            protocols: &self.protocols,
            assignment: &self.assignment,
        }
    }
}

impl Membership {
    /// The generation, if that is a member of it; for checkers.
    pub(in crate::group) fn generation_of(&self, member: &str) -> Option<i32> {
        self.members.contains_key(member).then_some(self.generation)
    }

    /// A member, and where the group is; for checkers.
    pub(in crate::group) fn member_view(&self, member: &str) -> Option<ClassicMemberView<'_>> {
        let of = self.members.get(member)?;
        Some(ClassicMemberView {
            state: self.state,
            generation: self.generation,
            leads: self.leader.as_ref() == Some(&of.id),
            instance: of.instance.as_ref(),
            protocols: &of.protocols,
            is_new: of.is_new,
            is_awaited: self.unsynced.contains(member),
        })
    }

    /// The group and its members; for checkers. `epoch`: in which its log is led.
    pub(in crate::group) fn view(&self, epoch: LeaderEpoch) -> ClassicGroupView<'_> {
        let known = self.instances.iter();
        let known = known.filter_map(|(name, id)| Some((name, self.members.get(id)?.expires)));
        ClassicGroupView {
            group: &self.group,
            epoch,
            state: self.state,
            generation: self.generation,
            is_put_off: self.joining.is_some_and(|joining| joining.initial.is_some()),
            is_logged: self.is_logged(),
            protocol: self.protocol.as_ref(),
            leader: self.leader.as_ref(),
            members: self.members.keys().collect(),
            places: self.members.values().map(Member::place).collect(),
            instances: known.collect(),
        }
    }

    /// How long it waits for members to ask for their assignments, if it does; for checkers.
    pub(in crate::group) fn sync_wait(&self) -> Option<SyncWaitView> {
        let longest = self.members.values().map(|member| member.rebalance).max()?;
        Some(SyncWaitView { generation: self.generation, until: self.sync_until?, longest })
    }

    /// The member that has a name; for checkers.
    pub(in crate::group) fn named(&self, instance: &str) -> Option<&Arc<str>> {
        self.instances.get(instance)
    }

    /// Whether the newest record of a group that does not rebalance says where it is, as far as the log has taken that.
    fn is_logged(&self) -> bool {
        let is_settled = matches!(self.state, GroupState::Empty | GroupState::Stable);
        let is_same = |logged: (i32, usize)| logged == (self.generation, self.members.len());
        !is_settled || self.logged.is_none_or(is_same)
    }

    /// When a member's session ends; for checkers.
    pub(in crate::group) fn session_of(&self, member: &str) -> Option<Instant> {
        self.members.get(member).map(|member| member.expires)
    }

    /// A member without a deadline for its next heartbeat, or an id that was given out and that nobody would take back
    /// when it is not used; for checkers.
    pub(in crate::group) fn unguarded(&self, timers: &Timers) -> Option<&Arc<str>> {
        let is_guarded = |id: &Arc<str>, member: &Member| {
            let queued = member.queued.is_some_and(|at| timers.will_look(at, &self.group, id));
            queued || member.is_waiting()
        };
        let mut members = self.members.iter().filter(|_| self.state == GroupState::Stable);
        let silent = members.find(|(id, member)| !is_guarded(id, member)).map(|(id, _)| id);
        let ends =
            |id: &Arc<str>, at| timers.will_come(at, &self.group, Due::Pending(Arc::clone(id)));
        let unused = || self.pending.iter().find(|(id, at)| !ends(id, **at)).map(|(id, _)| id);
        silent.or_else(unused)
    }

    /// A member that has joined by an id which counts as not used yet, for checkers: the others would wait for whoever
    /// it was given to (KIP-394).
    pub(in crate::group) fn joined_unused(&self) -> Option<&Arc<str>> {
        self.pending.keys().find(|id| self.members.contains_key(*id))
    }

    /// Members that wait for an answer, for checkers.
    pub(in crate::group) fn answers_owed(&self) -> usize {
        let all = self.members.values();
        all.map(|of| usize::from(of.joining.is_some()) + usize::from(of.syncing.is_some())).sum()
    }

    /// A member that waits for what will not come, for checkers: for the next generation while none is being made, or
    /// for an assignment that nobody will make.
    pub(in crate::group) fn stranded(&self) -> Option<&Arc<str>> {
        let waits_in_vain = |member: &Member| {
            member.joining.is_some() && self.state != GroupState::PreparingRebalance
                || member.syncing.is_some() && self.state != GroupState::CompletingRebalance
        };
        self.members.iter().find(|(_, member)| waits_in_vain(member)).map(|(id, _)| id)
    }

    /// Whether it waits for members to join though nobody is missing, for checkers: all have joined, or none is left,
    /// and no id is out by which another one may join. Before its first generation it waits on purpose (KIP-134).
    pub(in crate::group) fn waits_for_nobody(&self) -> bool {
        let waits = self.state == GroupState::PreparingRebalance
            && self.joining.is_some_and(|joining| joining.initial.is_none());
        let mut all = self.members.values();
        waits && self.pending.is_empty() && all.all(|member| member.joining.is_some())
    }

    /// How a stable group differs from what its log says, or one without members that the log has taken, for checkers.
    pub(in crate::group) fn differs_from(&self, log: Option<&Self>) -> Option<String> {
        if self.state == GroupState::Empty {
            let left = log.filter(|log| self.logged.is_some() && !log.members.is_empty())?;
            return Some(format!("none, by its log {:?}", left.members.keys()));
        }
        if self.state != GroupState::Stable {
            return None;
        }
        let Some(log) = log else { return Some("they are not in its log".to_owned()) };
        let of = |group: &Self| {
            let member = |member: &Member| {
                let metadata = member.metadata(group.protocol.as_ref());
                (member.instance.clone(), metadata, member.assignment.clone())
            };
            let members = group.members.iter().map(|(id, of)| (Arc::clone(id), member(of)));
            (group.generation, group.protocol.clone(), members.collect::<BTreeMap<_, _>>())
        };
        let (ours, theirs) = (of(self), of(log));
        (ours != theirs).then(|| format!("{ours:?}, by its log {theirs:?}"))
    }

    /// Whether a rebalance that goes on may never end, for checkers: no time is set for those who do not join,
    /// or do not ask for their assignment.
    pub(in crate::group) fn hangs(&self, timers: &Timers) -> bool {
        let will =
            |at: Option<Instant>, due| at.is_some_and(|at| timers.will_come(at, &self.group, due));
        match self.state {
            GroupState::PreparingRebalance => {
                !will(self.joining.map(|joining| joining.until), Due::Join)
            }
            GroupState::CompletingRebalance => {
                !self.unsynced.is_empty() && !will(self.sync_until, Due::Sync)
            }
            GroupState::Empty | GroupState::Stable | GroupState::Dead => false,
        }
    }
}
