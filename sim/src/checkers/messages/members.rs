//! Members of groups hear what others of them have said: a leader gets the metadata with which members have
//! joined, and a member gets the share that a leader of its generation has given it.

use super::Says;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

/// Bytes of a protocol's metadata, or of a share.
type Content = Arc<[u8]>;
/// A group and a member.
type Member = (Arc<str>, Arc<str>);

/// Shares that leaders of a generation have given; another leader may do so again.
#[derive(Debug, Default)]
struct Given {
    generation: i32,
    shares: Vec<BTreeMap<Arc<str>, Content>>,
}

/// What members have said.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// By node: protocols of members that have joined by their ids, since the process began.
    joined: BTreeMap<i32, BTreeMap<Member, Vec<(Arc<str>, Content)>>>,
    /// By group: of the newest generation.
    given: BTreeMap<Arc<str>, Given>,
}

impl Members {
    /// A member joins.
    pub(super) fn joins(&mut self, node: i32, asked: &JoinGroupRequest) {
        if asked.member.is_empty() {
            return; // its id is yet to be made
        }
        let named = asked.protocols.iter();
        let protocols = named.map(|(name, bytes)| (Arc::clone(name), Arc::from(&bytes[..])));
        let member = (Arc::clone(&asked.group), Arc::clone(&asked.member));
        self.joined.entry(node).or_default().insert(member, protocols.collect());
    }

    /// A member wants its share; a leader brings those of all.
    pub(super) fn shares(&mut self, asked: &SyncGroupRequest) {
        if asked.assignments.is_empty() {
            return;
        }
        let given = self.given.entry(Arc::clone(&asked.group)).or_default();
        if given.generation < asked.generation {
            *given = Given { generation: asked.generation, shares: Vec::new() };
        }
        if given.generation == asked.generation {
            let each = asked.assignments.iter();
            let shares = each.map(|(id, bytes)| (Arc::clone(id), Arc::from(&bytes[..]))).collect();
            given.shares.push(shares);
        }
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.joined.remove(&node);
    }

    /// A member has joined, or has not.
    pub(super) fn joined(
        &mut self,
        says: &mut Says<'_>,
        node: i32,
        asked: &JoinGroupRequest,
        answer: &JoinGroupResponse,
    ) {
        let Some(joined) = self.joined.get_mut(&node) else { return };
        if answer.error != ErrorCode::None {
            joined.remove(&(Arc::clone(&asked.group), Arc::clone(&asked.member)));
            return;
        }
        for other in &answer.members {
            let Some(said) = joined.get(&(Arc::clone(&asked.group), Arc::clone(&other.member)))
            else {
                continue;
            };
            let own = said.iter().find(|(name, _)| Some(name) == answer.protocol.as_ref());
            let holds = own.is_some_and(|(_, said)| **said == *other.metadata);
            says.rule(holds, &|| {
                format!(
                    "coordinator {node} tells the leader of {} something else of {} than it has said in \
                     {:?}",
                    asked.group, other.member, answer.protocol
                )
            });
        }
    }

    /// A member has got its share.
    pub(super) fn shared(
        &self,
        says: &mut Says<'_>,
        node: i32,
        asked: &SyncGroupRequest,
        answer: &SyncGroupResponse,
    ) {
        let given = self.given.get(&asked.group);
        let given = given.filter(|given| given.generation == asked.generation);
        let Some(given) = given.filter(|_| answer.error == ErrorCode::None) else { return };
        let own = |shares: &BTreeMap<Arc<str>, Content>| {
            let share = shares.get(&asked.member);
            share.map_or(answer.assignment.is_empty(), |share| **share == *answer.assignment)
        };
        says.rule(given.shares.iter().any(own), &|| {
            format!(
                "coordinator {node} gives {} of {} another share of generation {} than its leader has",
                asked.member, asked.group, asked.generation
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use bytes::Bytes;
    use stormglass_broker_core::protocol::JoinedMember;

    fn broken(check: impl FnOnce(&mut Says<'_>)) -> usize {
        let (mut ledger, history) = (Ledger::default(), History::default());
        check(&mut Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true });
        ledger.finish().1.len()
    }

    fn joins(metadata: &'static [u8]) -> JoinGroupRequest {
        JoinGroupRequest {
            group: "g".into(),
            member: "a".into(),
            instance: None,
            session_timeout_ms: 1,
            rebalance_timeout_ms: 1,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), Bytes::from_static(metadata))],
            requires_known_member: true,
            can_skip_assignment: false,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
        }
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
        let mut members = Members::default();
        members.joins(1, &joins(b"new"));
        let mut told = |said: &'static [u8], of: i32| {
            let answer = joined(ErrorCode::None, said);
            broken(|says| members.joined(says, of, &joins(b"new"), &answer))
        };
        assert_eq!((told(b"new", 1), told(b"old", 1), told(b"old", 2)), (0, 1, 0));
        let refused = joined(ErrorCode::UnknownMemberId, b"");
        assert_eq!(broken(|says| members.joined(says, 1, &joins(b"new"), &refused)), 0);
        let answer = joined(ErrorCode::None, b"old");
        assert_eq!(broken(|says| members.joined(says, 1, &joins(b"new"), &answer)), 0, "refused");
    }

    #[test]
    fn a_member_gets_what_its_leader_has_given_it() {
        let mut members = Members::default();
        let asked = |generation, given: Option<&'static [u8]>| SyncGroupRequest {
            group: "g".into(),
            generation,
            member: "a".into(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: given
                .map(|given| ("a".into(), Bytes::from_static(given)))
                .into_iter()
                .collect(),
        };
        let got = |members: &Members, generation, share: &'static [u8]| {
            let answer = SyncGroupResponse {
                error: ErrorCode::None,
                protocol_type: None,
                protocol: None,
                assignment: Bytes::from_static(share),
            };
            broken(|says| members.shared(says, 1, &asked(generation, None), &answer))
        };
        assert_eq!(got(&members, 2, b"x"), 0, "nobody has given anything");
        members.shares(&asked(2, Some(b"x")));
        members.shares(&asked(1, Some(b"w")));
        assert_eq!(
            (got(&members, 2, b"x"), got(&members, 2, b"w"), got(&members, 3, b"w")),
            (0, 1, 0)
        );
        members.shares(&asked(2, Some(b"y")));
        assert_eq!((got(&members, 2, b"x"), got(&members, 2, b"y")), (0, 0));
    }
}
