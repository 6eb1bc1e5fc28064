//! Members that go: because they say so, because they fell silent, or because they kept others
//! waiting.

use super::draft::Draft;
use super::heartbeat::{Given, fenced_by, put_removal, unknown, unknown_instance};
use super::refusal::Refusal;
use super::state::{Change, Partitions, State};
use super::topics::{bump_epoch, look};
use crate::error::ErrorCode;
use crate::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, STATIC_LEAVE_EPOCH,
};
use std::sync::Arc;

/// A heartbeat with an epoch that says that the member goes.
pub(super) fn leave(
    draft: &mut Draft<'_>,
    given: &Given<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
    let id = &request.member;
    match &request.instance {
        None if draft.state().members.contains_key(id) => fence(draft, given, id),
        None => return Err(unknown(id, &request.group)),
        Some(instance) => {
            let holder = draft.state().instances.get(instance);
            match holder {
                None => return Err(unknown_instance(instance)),
                Some(holder) if holder != id => return Err(fenced_by(holder, id, instance)),
                Some(_) => {}
            }
            if request.epoch == STATIC_LEAVE_EPOCH {
                step_out(draft, id);
            } else {
                fence(draft, given, id);
            }
        }
    }
    Ok(ConsumerGroupHeartbeatResponse {
        error: ErrorCode::None,
        message: None,
        member: Some(Arc::clone(id)),
        epoch: request.epoch,
        heartbeat_interval_ms: 0,
        assignment: None,
    })
}

/// A static member leaves and will be back: its partitions wait for it.
fn step_out(draft: &mut Draft<'_>, id: &Arc<str>) {
    let Some(member) = draft.state().members.get(id) else { return };
    let mut current = member.current.clone();
    current.epoch = STATIC_LEAVE_EPOCH;
    current.revoking = Partitions::new();
    draft.put(Change::Current(Arc::clone(id), Some(current)));
}

/// A member goes; the others get what it had. A group that is empty then has no target to find
/// (KAFKA-20442).
pub(super) fn fence(draft: &mut Draft<'_>, given: &Given<'_>, id: &Arc<str>) {
    put_removal(draft, id);
    let hash = look(draft, given);
    bump_epoch(draft, hash);
    if draft.state().members.is_empty() {
        let epoch = draft.state().group_epoch;
        draft.put(Change::TargetEpoch(Some(epoch)));
    }
}

/// Whether a commit may come from a member with this epoch. `Err` has the error for members. Those whose client does
/// not know epochs must not commit, whatever they say (`ConsumerGroup.validateOffsetCommit`).
pub(super) fn check_commit(
    state: &State,
    member: &str,
    epoch: i32,
    knows_epochs: bool,
) -> Result<(), ErrorCode> {
    if epoch < 0 && state.members.is_empty() {
        return Ok(());
    }
    if !knows_epochs && state.members.contains_key(member) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    check_epoch_of(state, member, epoch)
}

/// Whether a position may be asked for by a member with this epoch.
pub(super) fn check_epoch_of(state: &State, member: &str, epoch: i32) -> Result<(), ErrorCode> {
    match state.members.get(member) {
        None => Err(ErrorCode::UnknownMemberId),
        Some(known) if known.current.epoch != epoch => Err(ErrorCode::StaleMemberEpoch),
        Some(_) => Ok(()),
    }
}
