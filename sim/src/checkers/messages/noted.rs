//! What is noted of a request as a node begins to work on it, where its answer is compared with that: of members in the
//! classic protocol, of groups that are to be deleted, of readers that are ahead of a log, or behind it, and of what is to
//! become part of a transaction.

use super::{Says, Speaker, ahead, classic, committed, joined, let_in, missing};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::protocol::{Request, Response};

/// What is noted.
#[derive(Debug)]
pub(super) struct Noted {
    /// Of who asks something of its group.
    member: Option<classic::Before>,
    /// A group that is to be deleted, or to lose positions.
    found: Option<missing::Found>,
    /// Positions of a fetch that are in no part of a log.
    outside: Vec<ahead::Outside>,
    /// Partitions for which batches of a transaction come.
    came: Vec<let_in::Came>,
}

impl Noted {
    /// A node begins to work on a request.
    pub(super) fn of(broker: &Broker, request: &Request) -> Self {
        let outside = match request {
            Request::Fetch(fetch) => ahead::of(broker, fetch),
            _ => Vec::new(),
        };
        let came = match request {
            Request::TransactionalProduce(asked) => let_in::came(broker, asked),
            _ => Vec::new(),
        };
        let (member, found) = (classic::Before::of(broker, request), missing::of(broker, request));
        Self { member, found, outside, came }
    }

    /// Partitions for which batches of a transaction came.
    pub(super) fn came(&self) -> &[let_in::Came] {
        &self.came
    }

    /// Somebody asks to take members out of a group.
    pub(super) fn leaves(&mut self, asked: &Request, group: &Arc<str>) {
        if let Some(member) = &mut self.member {
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
        if let Some(member) = &self.member {
            member.answered(says, by.node, asked, answer);
        }
        if let Some(found) = &self.found {
            found.answered(says, by, answer);
        }
        classic::answer(says, by, asked, answer);
        joined::answer(says, by, asked, answer);
        committed::answer(says, by, asked, answer);
        if let Response::Fetch(answer) = answer
            && !self.outside.is_empty()
        {
            answer.partitions.iter().for_each(|part| ahead::answer(says, by, &self.outside, part));
        }
    }
}
