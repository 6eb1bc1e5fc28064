//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: whether this broker may answer, and which group
//! is meant. The rest is the group's own matter.

use super::consumer::ConsumerGroup;
use super::coordinator::GroupCoordinator;
use super::membership::{Membership, join_error, sync_error};
use super::roster::Roster;
use crate::error::ErrorCode;
use crate::metadata::MetadataImage;
use crate::protocol::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse,
    Response, SyncGroupRequest,
};
use crate::replica::ReplicaManager;
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

impl GroupCoordinator {
    /// Partition of a group that this broker coordinates.
    fn place(&mut self, image: &MetadataImage, group: &str) -> Result<i32, ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        self.ready(image, group).map(|partition| partition.tp.partition)
    }

    /// JoinGroup.
    pub(crate) fn join(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: JoinGroupRequest,
    ) {
        let (group, member) = (Arc::clone(&request.group), Arc::clone(&request.member));
        let size_max = self.limits.members_max;
        let joined = self.place_to_join(step, replicas, image, &request).map(|place| {
            self.act(step, replicas, place, &group, |membership, cx| {
                membership.join(cx, to, request, size_max);
            })
        });
        if let Err(error) = joined {
            step.reply(to, Response::JoinGroup(Box::new(join_error(member, error))));
        }
    }

    /// Makes the group if a member may begin one.
    fn place_to_join(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        request: &JoinGroupRequest,
    ) -> Result<i32, ErrorCode> {
        let place = self.place(image, &request.group)?;
        let (min, max) = self.limits.session_timeout_ms;
        if !(min..=max).contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let partition = self.ready(image, &request.group)?;
        if partition.groups.get(&request.group).is_some_and(|g| g.roster.consumer().is_some()) {
            self.begin_classic(step, replicas, image, &request.group)?;
        }
        let partition = self.ready(image, &request.group)?;
        if !partition.groups.contains_key(&request.group) {
            if !request.member.is_empty() {
                return Err(ErrorCode::UnknownMemberId);
            }
            partition.group(&request.group);
        }
        Ok(place)
    }

    /// A group in the consumer protocol begins anew in this one, if it has no members: others are
    /// not converted.
    fn begin_classic(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        id: &Arc<str>,
    ) -> Result<(), ErrorCode> {
        let partition = self.ready(image, id)?;
        let place = (partition.tp, partition.epoch);
        let Some(group) = partition.groups.get(id) else { return Ok(()) };
        if group.roster.is_dead() {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if !group.roster.is_empty() {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if group.roster.consumer().is_some_and(ConsumerGroup::is_awaited) {
            // a member that left is told so first
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        // what the log has not confirmed lies before these, and before all of the new group
        let records = group.roster.tombstones(id);
        self.writes.append_consumers(step, replicas, place, id, records)?;
        step.trace(TraceEvent::GroupRemoved { group: Arc::clone(id) });
        let fresh = Roster::Classic(Box::new(Membership::new(Arc::clone(id))));
        self.ready(image, id)?.group(id).roster = fresh;
        Ok(())
    }

    /// SyncGroup.
    pub(crate) fn sync(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: SyncGroupRequest,
    ) {
        let group = Arc::clone(&request.group);
        // Between two coordinators a member must join anew: assignments are not handed on.
        let error = match self.place(image, &group) {
            Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::RebalanceInProgress,
            Err(error) => error,
            Ok(place) => {
                let done = self.act(step, replicas, place, &group, |membership, cx| {
                    membership.sync(cx, to, request);
                });
                if done.is_some() {
                    return;
                }
                ErrorCode::UnknownMemberId
            }
        };
        step.reply(to, Response::SyncGroup(Box::new(sync_error(error))));
    }

    /// Heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        request: &HeartbeatRequest,
    ) -> HeartbeatResponse {
        let error = match self.place(image, &request.group) {
            // the member is where it should be, and nothing calls for joining again
            Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
            Err(error) => error,
            Ok(place) => {
                let answer = self.act(step, replicas, place, &request.group, |membership, cx| {
                    membership.heartbeat(cx, request)
                });
                answer.unwrap_or(ErrorCode::UnknownMemberId)
            }
        };
        HeartbeatResponse { error }
    }

    /// LeaveGroup.
    pub(crate) fn leave(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: LeaveGroupRequest,
    ) {
        let LeaveGroupRequest { group, members } = request;
        let place = match self.place(image, &group) {
            Ok(place) => place,
            Err(error) => {
                return step.reply(to, Response::LeaveGroup(LeaveGroupResponse::refused(error)));
            }
        };
        let found = self.partitions.get(&place).and_then(|p| Some((p, p.groups.get(&group)?)));
        if found.is_some_and(|(_, known)| known.roster.is_dead()) {
            // what is said of a member is final, and the request as a whole is asked again
            let answer = LeaveGroupResponse::refused(ErrorCode::CoordinatorNotAvailable);
            return step.reply(to, Response::LeaveGroup(answer));
        }
        if let Some((partition, known)) = found
            && known.roster.consumer().is_some()
        {
            let led = (partition.tp, partition.epoch);
            return self.remove_consumers(
                step,
                replicas,
                image,
                led,
                to,
                LeaveGroupRequest { group, members },
            );
        }
        let left = members.into_iter().map(|(member, instance)| {
            let error = self.act(step, replicas, place, &group, |membership, cx| {
                membership.leave(cx, &member, instance.as_ref())
            });
            (member, instance, error.unwrap_or(ErrorCode::UnknownMemberId))
        });
        let answer = LeaveGroupResponse { error: ErrorCode::None, members: left.collect() };
        step.reply(to, Response::LeaveGroup(answer));
    }
}
