//! Members of groups hear what others of them have said: a leader gets the metadata with which members have
//! joined, of all that have, and of nobody else but static ones, which keep their places (KIP-345). And whoever joins
//! without a member id gets one that nobody has had before, also under a name of its own: who had that name goes by
//! another id, and is fenced by that (KAFKA-8500).

use super::Says;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_broker_core::protocol::{JoinGroupRequest, JoinGroupResponse};

/// Bytes of a protocol's metadata.
type Content = Arc<[u8]>;
/// Protocols with what a member says of itself in each.
type Protocols = Vec<(Arc<str>, Content)>;
/// Leader epoch in which a node coordinates a group. The next coordinator goes by what its log has, which may be
/// older or newer (hunt seeds 1502714, 1505405).
pub(super) type Term = Option<LeaderEpoch>;
/// A group and a member.
type Member = (Arc<str>, Arc<str>);

/// The term of a group's coordinator.
pub(super) fn term(broker: &Broker, group: &str) -> Term {
    let led = broker.partition_of_group(group).and_then(|tp| broker.replica_view(tp));
    led.map(|view| view.leader_epoch)
}

/// What a member has said.
#[derive(Debug)]
struct Said {
    term: Term,
    protocols: Protocols,
    /// Of which a leader has been told that the member has joined it, since it has asked.
    generation: Option<i32>,
}

/// What members have said.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// By node: members that have asked to join by their ids, since the process began.
    joined: BTreeMap<i32, BTreeMap<Member, Said>>,
    /// Member ids that were told to who had none, by any node: they are random, and come once.
    given: BTreeSet<Member>,
}

impl Members {
    /// A member asks to join.
    pub(super) fn joins(&mut self, (node, term): (i32, Term), asked: &JoinGroupRequest) {
        if asked.member.is_empty() {
            return; // its id is yet to be made
        }
        let named = asked.protocols.iter();
        let protocols = named.map(|(name, bytes)| (Arc::clone(name), Arc::from(&bytes[..])));
        let member = (Arc::clone(&asked.group), Arc::clone(&asked.member));
        let said = Said { term, protocols: protocols.collect(), generation: None };
        self.joined.entry(node).or_default().insert(member, said);
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.joined.remove(&node);
    }

    /// A member has joined, or has not.
    pub(super) fn joined(
        &mut self,
        says: &mut Says<'_>,
        (node, term): (i32, Term),
        asked: &JoinGroupRequest,
        answer: &JoinGroupResponse,
    ) {
        self.gives(says, node, asked, answer);
        let Some(joined) = self.joined.get_mut(&node) else { return };
        if answer.error != ErrorCode::None {
            joined.remove(&(Arc::clone(&asked.group), Arc::clone(&asked.member)));
            return;
        }
        for other in &answer.members {
            let member = (Arc::clone(&asked.group), Arc::clone(&other.member));
            let Some(known) = joined.get_mut(&member).filter(|of| of.term == term) else {
                continue;
            };
            let mut own = known.protocols.iter();
            let own = own.find(|(name, _)| Some(name) == answer.protocol.as_ref());
            let holds = own.is_some_and(|(_, said)| **said == *other.metadata);
            says.rule(holds, &|| {
                format!(
                    "coordinator {node} tells the leader of {} something else of {} than it has said in \
                     {:?}",
                    asked.group, other.member, answer.protocol
                )
            });
            // one that leads, and is back under another id, hears who they are once more
            let is_looked_at = other.instance.is_none() && !answer.skip_assignment;
            let before = known.generation.filter(|last| *last < answer.generation);
            says.rule(before.is_none() || !is_looked_at, &|| {
                format!(
                    "coordinator {node} has member {} of {} in generation {}, which has not asked to join since \
                     {before:?}",
                    other.member, asked.group, answer.generation
                )
            });
            known.generation = Some(answer.generation);
        }
    }

    /// Who has no member id is told one, if it is taken in, or is to come again with that (KIP-394).
    fn gives(
        &mut self,
        says: &mut Says<'_>,
        node: i32,
        asked: &JoinGroupRequest,
        answer: &JoinGroupResponse,
    ) {
        let is_told = matches!(answer.error, ErrorCode::None | ErrorCode::MemberIdRequired);
        if !asked.member.is_empty() || !is_told {
            return;
        }
        let is_new = self.given.insert((Arc::clone(&asked.group), Arc::clone(&answer.member)));
        says.rule(is_new, &|| {
            format!(
                "coordinator {node} gives who joins {} as {:?} without a member id {}, which another one was given",
                asked.group, asked.instance, answer.member
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken_by, join_request};
    use super::*;
    use bytes::Bytes;
    use stormglass_broker_core::protocol::JoinedMember;

    fn joins(metadata: &'static [u8]) -> JoinGroupRequest {
        let protocols = vec![("range".into(), Bytes::from_static(metadata))];
        JoinGroupRequest { protocols, ..join_request("a") }
    }

    fn joined(error: ErrorCode, metadata: &'static [u8]) -> JoinGroupResponse {
        let metadata = Bytes::from_static(metadata);
        let other = JoinedMember { member: "a".into(), instance: None, metadata };
        JoinGroupResponse {
            error,
            generation: 1,
            protocol_type: None,
            protocol: Some("range".into()),
            leader: "a".into(),
            skip_assignment: false,
            member: "a".into(),
            members: vec![other],
        }
    }

    #[test]
    fn a_leader_hears_what_members_have_said() {
        let (own, next, other) = ((1, Some(4)), (1, Some(5)), (2, Some(4)));
        let mut members = Members::default();
        members.joins(own, &joins(b"new"));
        let mut told = |said: &'static [u8], of: (i32, Term)| {
            let answer = joined(ErrorCode::None, said);
            broken_by(|says| members.joined(says, of, &joins(b"new"), &answer))
        };
        assert_eq!((told(b"new", own), told(b"old", own), told(b"old", other)), (0, 1, 0));
        assert_eq!(told(b"old", next), 0, "it has loaded that");
        let refused = joined(ErrorCode::UnknownMemberId, b"");
        assert_eq!(broken_by(|says| members.joined(says, own, &joins(b"new"), &refused)), 0);
        let answer = joined(ErrorCode::None, b"old");
        let broken = broken_by(|says| members.joined(says, own, &joins(b"new"), &answer));
        assert_eq!(broken, 0, "refused");
    }

    /// KAFKA-8500.
    #[test]
    fn who_has_no_member_id_is_given_one_that_nobody_has_had() {
        let mut members = Members::default();
        let mut told = |asked: &str, error: ErrorCode, id: &str| {
            let asked = JoinGroupRequest { member: asked.into(), ..joins(b"new") };
            let answer = JoinGroupResponse { member: id.into(), ..joined(error, b"new") };
            broken_by(|says| members.joined(says, (1, Some(4)), &asked, &answer))
        };
        let (none, required) = (ErrorCode::None, ErrorCode::MemberIdRequired);
        assert_eq!((told("", none, "n-1"), told("", required, "c-1")), (0, 0));
        assert_eq!((told("c-1", none, "c-1"), told("n-1", none, "n-1")), (0, 0), "it has it");
        assert_eq!(told("", ErrorCode::FencedInstanceId, "n-1"), 0, "it is refused");
        assert_eq!(told("", none, "n-2"), 0);
        assert_eq!((told("", none, "n-1"), told("", required, "c-1")), (1, 1));
    }

    #[test]
    fn who_has_not_joined_again_is_in_no_other_generation() {
        let (own, asked) = ((1, Some(4)), joins(b"new"));
        let mut members = Members::default();
        let told = |members: &mut Members, generation: i32, instance: Option<&str>| {
            let mut answer = JoinGroupResponse { generation, ..joined(ErrorCode::None, b"new") };
            answer.members[0].instance = instance.map(Into::into);
            broken_by(|says| members.joined(says, own, &asked, &answer))
        };
        members.joins(own, &asked);
        assert_eq!((told(&mut members, 1, None), told(&mut members, 1, None)), (0, 0));
        assert_eq!(told(&mut members, 2, Some("n")), 0, "it keeps its place");
        assert_eq!(told(&mut members, 3, None), 1);
        members.joins(own, &asked);
        assert_eq!(told(&mut members, 4, None), 0);
    }
}
