//! A member in the classic protocol that has joined hears of its generation as it is: which protocol it goes by, and who
//! leads. The leader hears of all members, or else some of them would be assigned nothing, and nobody else hears of any.
//! From then on, the coordinator owes it nothing, and it is no new member any more. Whoever leads a generation that
//! begins has joined it, and hears so with the others. No generation has more members that have joined it than a group
//! may have (KIP-389), be it by ids that were given out before (KIP-394; KAFKA-9885).

use super::{Says, Speaker, sync_times};
use crate::checkers::suite::Checkers;
use std::sync::Arc;
use stormglass_broker_core::inspect::{ClassicGroupView, ClassicMemberView};
use stormglass_broker_core::protocol::{
    GroupState, JoinGroupRequest, JoinGroupResponse, JoinedMember, Request, Response,
};
use stormglass_broker_core::seam::Reply;

impl Checkers {
    /// A node answers: members that have waited for a generation are told of it when it begins, all at once.
    pub(super) fn begins_generations(&mut self, by: Speaker<'_>, replies: &[Reply]) {
        for reply in replies {
            let Some(Response::JoinGroup(answer)) = &reply.response else { continue };
            let key = (by.node, reply.conn.0, reply.correlation.0);
            let open = self.talk.open.get(&key);
            let Some(open) = open.filter(|open| open.noted.is_before(answer.generation)) else {
                continue;
            };
            let Request::JoinGroup(asked) = &open.request else { continue };
            let group = Arc::clone(&asked.group);
            self.rest(|says| leader_has_joined(says, by.node, answer, replies));
            if self.has_right_clocks {
                self.rest(|says| sync_times::begins(says, by, &group, answer.generation));
            }
        }
    }
}

/// Whoever leads is told so, too. A static member keeps its place without joining, and may have led (KIP-345): then
/// another one has to lead, or nobody would assign anything until the former leader is given up (KAFKA-7862; Kafka's
/// `GroupMetadata.maybeElectNewJoinedLeader`).
fn leader_has_joined(says: &mut Says<'_>, node: i32, told: &JoinGroupResponse, replies: &[Reply]) {
    let is_leaders = |reply: &Reply| {
        let Some(Response::JoinGroup(answer)) = &reply.response else { return false };
        let is_same = (&answer.member, answer.generation) == (&told.leader, told.generation);
        is_same && answer.error.is_ok()
    };
    says.rule(replies.iter().any(is_leaders), &|| {
        format!(
            "coordinator {node} tells member {} of a generation that has just begun, and whoever leads that has not \
             joined it: {told:?}",
            told.member
        )
    });
}

/// A coordinator answers.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, asked: &Request, answer: &Response) {
    let (Request::JoinGroup(asked), Response::JoinGroup(answer)) = (asked, answer) else { return };
    if !answer.error.is_ok() {
        return;
    }
    let limit = by.broker.properties().map_or(i32::MAX, |of| of.group_max_size);
    says.rule(has_room(answer, limit), &|| {
        format!(
            "coordinator {} lets more members into {} than {limit}, which it may have: {answer:?}",
            by.node, asked.group
        )
    });
    let group = by.broker.classic_group(&asked.group);
    let Some(group) = group.filter(|of| is_in(of, answer)) else {
        return; // more has happened
    };
    let wrong = flaw(&group, asked, answer);
    says.rule(wrong.is_none(), &|| {
        format!(
            "coordinator {} tells member {} that it has joined {}, and {}: {answer:?}, {group:?}",
            by.node,
            answer.member,
            asked.group,
            wrong.unwrap_or_default()
        )
    });
    let known = by.broker.classic_member(&asked.group, &answer.member);
    says.rule(is_established(known.as_ref()), &|| {
        format!(
            "coordinator {} has told member {} of {} that it has joined, and takes it for new: {known:?}",
            by.node, answer.member, asked.group
        )
    });
}

/// Whether a leader hears of no more members than there may be. Static ones keep their places without joining, and are
/// more than that together with those who have joined meanwhile (KIP-345; Kafka's `acceptJoiningMember`).
fn has_room(answer: &JoinGroupResponse, limit: i32) -> bool {
    let joined = answer.members.iter().filter(|member| member.instance.is_none()).count();
    usize::try_from(limit).is_ok_and(|limit| joined <= limit)
}

/// Whether a group is in the generation that a member hears of.
pub(super) fn is_in(group: &ClassicGroupView<'_>, answer: &JoinGroupResponse) -> bool {
    let is_settled = matches!(group.state, GroupState::CompletingRebalance | GroupState::Stable);
    is_settled && group.generation == answer.generation
}

fn is_established(known: Option<&ClassicMemberView<'_>>) -> bool {
    known.is_none_or(|known| !known.is_new)
}

/// What is wrong with what a member hears.
fn flaw(
    group: &ClassicGroupView<'_>,
    asked: &JoinGroupRequest,
    answer: &JoinGroupResponse,
) -> Option<&'static str> {
    let (is_told_to_lead, leads) =
        (answer.leader == answer.member, group.leader == Some(&answer.member));
    if answer.protocol.as_ref() != group.protocol {
        return Some("names another protocol");
    }
    // a leader that is back, and could not be told to leave the assignment as it is, hears that another one leads
    if is_told_to_lead && !leads || leads && !is_told_to_lead && asked.can_skip_assignment {
        return Some("names another leader");
    }
    let is_alike = |told: &JoinedMember| {
        let mut places = group.places.iter();
        places.any(|of| (of.id, of.instance) == (&told.member, told.instance.as_ref()))
    };
    let (told, all) = (answer.members.len(), group.places.len());
    let is_complete = told == all && answer.members.iter().all(is_alike);
    if is_told_to_lead && !is_complete {
        return Some("does not name all members to their leader");
    }
    let is_more = !answer.members.is_empty() || answer.skip_assignment;
    (!is_told_to_lead && is_more).then_some("tells who does not lead what is for the leader")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken_by, join_request};
    use super::*;
    use crate::checkers::testing::classic_group;
    use bytes::Bytes;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
    use stormglass_broker_core::inspect::ClassicPlaceView;

    fn joins(can_skip_assignment: bool) -> JoinGroupRequest {
        JoinGroupRequest { can_skip_assignment, ..join_request("a") }
    }

    /// To member `a`.
    fn told(leader: &str, members: &[&str]) -> JoinGroupResponse {
        let member = |id: &&str| JoinedMember {
            member: Arc::from(*id),
            instance: None,
            metadata: Bytes::new(),
        };
        JoinGroupResponse {
            error: ErrorCode::None,
            generation: 4,
            protocol_type: None,
            protocol: Some("range".into()),
            leader: leader.into(),
            skip_assignment: false,
            member: "a".into(),
            members: members.iter().map(member).collect(),
        }
    }

    /// What is wrong with an answer to member `a` of a group with `a` and `b`.
    fn wrong(leader: &str, can_skip: bool, answer: &JoinGroupResponse) -> Option<&'static str> {
        let (group, assignment): (Arc<str>, _) = ("g".into(), Bytes::new());
        let (leader, protocol): (Arc<str>, Arc<str>) = (leader.into(), "range".into());
        let ids: [Arc<str>; 2] = ["a", "b"].map(Into::into);
        let place = ids.iter().map(|id| ClassicPlaceView {
            id,
            instance: None,
            protocols: &[],
            assignment: &assignment,
        });
        let view = ClassicGroupView {
            protocol: Some(&protocol),
            leader: Some(&leader),
            members: ids.iter().collect(),
            places: place.collect(),
            ..classic_group(&group)
        };
        assert!(is_in(&view, answer));
        flaw(&view, &joins(can_skip), answer)
    }

    #[test]
    fn a_leader_hears_of_all_and_nobody_else_of_any() {
        assert_eq!(wrong("a", true, &told("a", &["a", "b"])), None);
        assert_eq!(wrong("b", true, &told("b", &[])), None);
        assert!(wrong("a", true, &told("a", &["a"])).is_some());
        assert!(wrong("a", true, &told("a", &["a", "c"])).is_some());
        assert!(wrong("b", true, &told("b", &["a", "b"])).is_some());
    }

    #[test]
    fn who_leads_is_named() {
        assert!(wrong("b", true, &told("a", &["a", "b"])).is_some());
        assert!(wrong("a", true, &told("b", &[])).is_some());
        assert_eq!(wrong("a", false, &told("former", &[])), None, "it is not to assign anything");
        let other = JoinGroupResponse { protocol: Some("sticky".into()), ..told("b", &[]) };
        assert!(wrong("b", true, &other).is_some());
    }

    /// KAFKA-7862.
    #[test]
    fn who_leads_a_generation_has_joined_it() {
        let reply = |member: &str, (error, generation): (ErrorCode, i32)| {
            let member = member.into();
            let answer = JoinGroupResponse { error, generation, member, ..told("b", &[]) };
            Reply {
                conn: ConnectionId(1),
                correlation: CorrelationId(1),
                response: Some(Response::JoinGroup(Box::new(answer))),
                throttle_ms: 0,
                closes: false,
            }
        };
        let ok = (ErrorCode::None, 4);
        let broken = |replies: &[Reply]| {
            broken_by(|says| leader_has_joined(says, 1, &told("b", &[]), replies))
        };
        assert_eq!(broken(&[reply("a", ok), reply("b", ok)]), 0);
        assert_eq!(broken(&[reply("a", ok), reply("c", ok)]), 1, "it is away");
        let refused = (ErrorCode::UnknownMemberId, -1);
        assert_eq!(broken(&[reply("a", ok), reply("b", refused)]), 1);
        assert_eq!(broken(&[reply("b", (ErrorCode::None, 5)), reply("a", ok)]), 1, "of the next");
    }

    /// KIP-389.
    #[test]
    fn a_generation_has_no_more_members_than_there_may_be() {
        let mut answer = told("a", &["a", "b", "c"]);
        let has_room_for = |answer: &JoinGroupResponse| [2, 3].map(|limit| has_room(answer, limit));
        assert_eq!(has_room_for(&answer), [false, true]);
        answer.members[1].instance = Some("n".into());
        assert_eq!(has_room_for(&answer), [true; 2], "one may have kept its place");
        assert_eq!(has_room_for(&told("b", &[])), [true; 2], "it does not lead");
    }

    #[test]
    fn who_has_joined_is_not_new() {
        let view = |is_new| ClassicMemberView {
            state: GroupState::Stable,
            generation: 4,
            leads: false,
            instance: None,
            protocols: &[],
            is_new,
            is_awaited: false,
        };
        assert!(is_established(None) && is_established(Some(&view(false))));
        assert!(!is_established(Some(&view(true))));
    }
}
