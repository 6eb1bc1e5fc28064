//! Who goes by a name (`group.instance.id`) that another member of its group in the classic protocol has by now hears
//! that it is fenced, whatever it asks (KIP-345): its consumer ends. Whoever hears that it is unknown joins anew, and
//! takes the place back, and so would the other one, without end. Whoever may leave by that name takes its heir along.

use super::Says;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{Request, Response};

/// Whether a request is of a member whose name another one has, as a node begins to work on it.
pub(super) fn is_replaced(broker: &Broker, request: &Request) -> bool {
    let (group, member, instance) = match request {
        Request::Heartbeat(asked) => (&asked.group, &asked.member, &asked.instance),
        Request::JoinGroup(asked) => (&asked.group, &asked.member, &asked.instance),
        Request::SyncGroup(asked) => (&asked.group, &asked.member, &asked.instance),
        Request::OffsetCommit(asked) => (&asked.group, &asked.member, &asked.instance),
        // of several, one may go before the other, and by any name
        Request::LeaveGroup(asked) => match &*asked.members {
            [(member, instance)] => (&asked.group, member, instance),
            _ => return false,
        },
        _ => return false,
    };
    let named = instance.as_ref().and_then(|name| broker.member_named(group, name));
    has_another(named, member)
}

/// Whether a name is another member's. Who has no id yet is about to take its place; and an administrator may name a
/// member that is to leave by that alone.
fn has_another(named: Option<&Arc<str>>, member: &Arc<str>) -> bool {
    !member.is_empty() && named.is_some_and(|id| id != member)
}

/// Such a member is answered, which is at once.
pub(super) fn answer(says: &mut Says<'_>, node: i32, asked: &Request, answer: &Response) {
    let told = match answer {
        Response::Heartbeat(answer) => answer.error,
        Response::JoinGroup(answer) => answer.error,
        Response::SyncGroup(answer) => answer.error,
        Response::OffsetCommit(answer) => match answer.partitions.first() {
            Some((_, error)) => *error,
            None => return,
        },
        // the request may be refused as a whole
        Response::LeaveGroup(answer) => match answer.members.first() {
            Some((.., error)) => *error,
            None => return,
        },
        _ => return,
    };
    says.rule(is_fenced(told), &|| {
        format!(
            "coordinator {node} tells a member whose name another one has {told:?}, and not that it is fenced: {asked:?}"
        )
    });
}

/// Whether a member hears that it is fenced, or something that is not about members.
fn is_fenced(told: ErrorCode) -> bool {
    !matches!(
        told,
        ErrorCode::None
            | ErrorCode::UnknownMemberId
            | ErrorCode::MemberIdRequired
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken_by, join_request};
    use super::*;
    use stormglass_broker_core::protocol::{
        HeartbeatRequest, HeartbeatResponse, LeaveGroupRequest, LeaveGroupResponse,
    };

    #[test]
    fn a_name_that_another_member_has_is_not_ones_own() {
        let [old, new, none] = ["n-1", "n-2", ""].map(Arc::<str>::from);
        assert!(has_another(Some(&new), &old));
        assert!(!has_another(Some(&old), &old) && !has_another(None, &old));
        assert!(!has_another(Some(&old), &none), "it comes back, and has no id yet");
    }

    #[test]
    fn whose_name_another_one_has_is_fenced() {
        let asked = Request::Heartbeat(Box::new(HeartbeatRequest {
            group: "g".into(),
            generation: 4,
            member: "n-1".into(),
            instance: Some("n".into()),
        }));
        let hears = |error| {
            let told = Response::Heartbeat(HeartbeatResponse { error });
            broken_by(|says| answer(says, 1, &asked, &told))
        };
        assert_eq!(hears(ErrorCode::FencedInstanceId), 0);
        assert_eq!(hears(ErrorCode::NotCoordinator), 0, "that is something else");
        assert_eq!((hears(ErrorCode::UnknownMemberId), hears(ErrorCode::None)), (1, 1));
        let joins = Request::JoinGroup(Box::new(join_request("n-1")));
        let told = Response::Heartbeat(HeartbeatResponse { error: ErrorCode::IllegalGeneration });
        assert_eq!(broken_by(|says| answer(says, 1, &joins, &told)), 1);
    }

    #[test]
    fn nobody_leaves_by_a_name_that_another_one_has() {
        let (member, instance) = (Arc::<str>::from("n-1"), Some(Arc::<str>::from("n")));
        let members = vec![(Arc::clone(&member), instance.clone())];
        let asked = Request::LeaveGroup(LeaveGroupRequest { group: "g".into(), members });
        let hears = |error: ErrorCode, of: Option<ErrorCode>| {
            let of = of.map(|of| (Arc::clone(&member), instance.clone(), of));
            let members = of.into_iter().collect();
            let told = Response::LeaveGroup(LeaveGroupResponse { error, members });
            broken_by(|says| answer(says, 1, &asked, &told))
        };
        let none = ErrorCode::None;
        assert_eq!(hears(none, Some(ErrorCode::FencedInstanceId)), 0);
        let unknown = ErrorCode::UnknownMemberId;
        assert_eq!((hears(none, Some(none)), hears(none, Some(unknown))), (1, 1));
        assert_eq!(hears(ErrorCode::NotCoordinator, None), 0, "it is refused as a whole");
    }
}
