//! What is noted of a request as a node begins to work on it, where its answer is compared with that: of members in the
//! classic protocol, of who commits positions, of groups that are to be deleted, of readers that are ahead of a log, or
//! behind it, of what is to become part of a transaction, and of topics that are to be made.

use super::looked::Looked;
use super::{
    Says, Speaker, ahead, classic, committed, committing, joined, let_in, merits, missing, replaced,
};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{FetchPartition, Request, Response};

/// What is noted.
#[derive(Debug)]
pub(super) enum Noted {
    Nothing,
    /// Of who asks something of its group.
    Member(classic::Before),
    /// Who asks goes by a name that another member has.
    Replaced,
    /// What who commits positions is to hear.
    Commits(ErrorCode),
    /// A group that is to be deleted, or to lose positions.
    Group(missing::Found),
    /// Positions of a fetch that are out of a log's range.
    Outside(Vec<ahead::Outside>),
    /// Partitions for which batches of a transaction come.
    Came(Vec<let_in::Came>),
    /// Topics that a controller is asked for.
    Topics(merits::Asked),
}

impl Noted {
    /// A node begins to work on a request, which names what is `looked` at if it is a fetch.
    pub(super) fn of(
        broker: &Broker,
        (request, looked): (&Request, &[Looked<'_>]),
        has_right_clocks: bool,
    ) -> Self {
        if replaced::is_replaced(broker, request) {
            return Self::Replaced;
        }
        match request {
            Request::Fetch(_) => Self::Outside(ahead::of(looked)),
            Request::TransactionalProduce(asked) => Self::Came(let_in::came(broker, asked)),
            Request::JoinGroup(_) | Request::SyncGroup(_) => {
                let before = classic::Before::of(broker, request, has_right_clocks);
                before.map_or(Self::Nothing, Self::Member)
            }
            Request::OffsetCommit(asked) => {
                committing::due(broker, asked).map_or(Self::Nothing, Self::Commits)
            }
            Request::DeleteGroups(_) | Request::OffsetDelete(_) => {
                missing::of(broker, request).map_or(Self::Nothing, Self::Group)
            }
            Request::CreateTopics(asked) => {
                merits::Asked::of(broker, asked).map_or(Self::Nothing, Self::Topics)
            }
            _ => Self::Nothing,
        }
    }

    /// Partitions for which batches of a transaction came.
    pub(super) fn came(&self) -> &[let_in::Came] {
        match self {
            Self::Came(came) => came,
            _ => &[],
        }
    }

    /// Whether a position of a fetch was out of a log's range as the fetch came.
    pub(super) fn was_outside(&self, position: &FetchPartition) -> bool {
        matches!(self, Self::Outside(outside) if ahead::is_among(outside, position))
    }

    /// Whether who asks was in an earlier generation of its group.
    pub(super) fn is_before(&self, generation: i32) -> bool {
        matches!(self, Self::Member(member) if member.is_before(generation))
    }

    /// Somebody asks to take members out of a group.
    pub(super) fn leaves(&mut self, asked: &Request, group: &Arc<str>) {
        if let Self::Member(member) = self {
            member.leaves(asked, group);
        }
    }

    /// The request is answered.
    pub(super) fn answered(
        &self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        asked: &Request,
        answer: &Response,
    ) {
        match (self, answer) {
            (Self::Member(member), _) => {
                member.answered(says, by.node, asked, answer);
                member.keeps_places(says, by, asked, answer);
            }
            (Self::Replaced, _) => replaced::answer(says, by.node, asked, answer),
            (Self::Commits(due), _) => committing::answer(says, by.node, *due, (asked, answer)),
            (Self::Group(found), _) => found.answered(says, by, answer),
            (Self::Topics(topics), Response::CreateTopics(answer)) => {
                topics.answered(says, by.node, answer);
            }
            (Self::Outside(outside), Response::Fetch(answer)) if !outside.is_empty() => {
                answer.partitions.iter().for_each(|part| ahead::answer(says, by, outside, part));
            }
            _ => {}
        }
        classic::answer(says, by, asked, answer);
        joined::answer(says, by, asked, answer);
        committed::answer(says, by, asked, answer);
        committing::answer_to_producer(says, by.node, (asked, answer));
    }
}
