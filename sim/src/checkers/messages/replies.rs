//! What a node answers, compared with what it was asked and with what it holds, by the rules of each answer.

use super::open::Open;
use super::{
    Speaker, answers, controller, deleted, deletions, errors, fetches, forwarded, led, located,
    members, named, offsets, owed, paged, placed, proven, session_times, snapshots, timestamps,
    undone, unsaid, unsure, votes, written,
};
use crate::checkers::suite::Checkers;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, ProduceRequest, Request,
    Response,
};
use stormglass_broker_core::seam::Reply;

impl Checkers {
    /// A node answers.
    pub(super) fn replied(&mut self, now_ns: u64, by: Speaker<'_>, reply: &Reply) {
        let key = (by.node, reply.conn.0, reply.correlation.0);
        let asked = self.talk.open.remove(&key);
        // mostly there are none of these, and nothing to look up
        let objections = &mut self.talk.objections;
        let objection = if objections.is_empty() { None } else { objections.remove(&key) };
        let is_welcome = !self.talk.welcome.is_empty() && self.talk.welcome.remove(&key);
        self.talk.awaited.answered(key);
        self.talk.put_off.answered(key);
        if let Some(mut quotas) = self.talk.quotas.take() {
            let of = (now_ns, by.node, by.broker);
            self.rest(|says| quotas.answered(says, of, reply));
            self.talk.quotas = Some(quotas);
        }
        let Some(answer) = reply.response.as_ref() else {
            if let Some(open) = asked.filter(|open| matches!(open.request, Request::Produce(_))) {
                let failed = (&*open.unled, objection.as_deref());
                self.rest(|says| unsaid::answer(says, by.node, failed, reply.closes));
            }
            return;
        };
        self.rest(|says| forwarded::answer(says, by, answer));
        self.rest(|says| errors::answer(says, by, answer));
        if owed::is_answer(answer) {
            let was_asked = self.talk.owed.answered(key);
            self.rest(|says| owed::once(says, by.node, was_asked, answer));
        }
        if proven::is_decision(answer) {
            self.rest(|says| proven::decides(says, by, answer));
        }
        if let Some(epoch) = proven::answered_in(answer) {
            self.rest(|says| proven::epoch_is_kept(says, by, epoch));
        }
        if let Some(objection) = objection {
            self.rest(|says| {
                says.rule(!controller::is_taken(answer), &|| {
                    format!("node {} takes a request, though {objection}", by.node)
                });
            });
        }
        if is_welcome {
            self.rest(|says| undone::reassigned(says, by.node, answer));
            self.rest(|says| votes::given(says, by.node, answer));
        }
        if let Some(asked) = asked {
            self.answered(by, &asked, answer);
            self.compares_open(by, &asked.request, answer);
            if matches!(asked.request, Request::Fetch(_)) {
                self.talk.spare.push(asked.request);
            }
        }
        if let Response::FetchSnapshot(answer) = answer {
            self.rest(|says| snapshots::answer(says, by, answer));
        }
        if let Response::Heartbeat(answer) = answer {
            let mut carried_out = std::mem::take(&mut self.talk.carried_out);
            let mut heard = None;
            self.rest(|says| heard = carried_out.answered(says, by, key, answer));
            self.talk.carried_out = carried_out;
            if let Some(asked) = heard {
                let session_ms = self.talk.session_times.named(&asked.group, &asked.member);
                self.is_heard(by, (&asked.group, &asked.member), session_ms);
            }
        }
    }

    /// A member has shown that it is alive, and its session is to last so long.
    pub(super) fn is_heard(
        &mut self,
        by: Speaker<'_>,
        member: (&Arc<str>, &Arc<str>),
        session_ms: Option<i32>,
    ) {
        if let Some(session_ms) = session_ms.filter(|_| self.has_right_clocks) {
            self.rest(|says| session_times::begins(says, by, member, session_ms));
        }
    }

    /// A fetch is answered.
    fn sends(
        &mut self,
        by: Speaker<'_>,
        (open, fetch): (&Open, &FetchRequest),
        answer: &FetchResponse,
    ) {
        let positions = self.talk.sessions.answered(by.node, fetch, answer);
        self.rest(|says| fetches::forgets(says, by, fetch));
        let is_at_once = fetches::is_sent_on_at_once(by, answer);
        for (part, position) in answer.partitions.iter().zip(&positions) {
            let Some(position) = position else { continue };
            let question = fetches::Question {
                fetch,
                position,
                is_alone: answer.partitions.len() == 1,
                is_at_once,
                was_outside: open.noted.was_outside(position),
                has_agreed: open.agreed.contains(&(part.tp, position.fetch_offset)),
                had: open.had(part.tp),
                differed: open.differed(position),
                unknown: &open.unknown,
            };
            self.about(part.tp, |says| fetches::answer(says, by, question, part));
        }
    }

    fn answered(&mut self, by: Speaker<'_>, open: &Open, answer: &Response) {
        if let Some(before) = &open.transactional {
            self.rest(|says| before.answered(says, by, &open.request, answer));
        }
        self.rest(|says| {
            named::answer(says, by.node, &open.request, answer);
            led::answer(says, by.node, &open.unled, answer);
            open.noted.answered(says, by, &open.request, answer);
        });
        match (&open.request, answer) {
            (Request::Fetch(fetch), Response::Fetch(answer)) => {
                self.sends(by, (open, fetch), answer);
            }
            (Request::Produce(asked), Response::Produce(answer)) => {
                for part in &answer.partitions {
                    if part.error == ErrorCode::OutOfOrderSequenceNumber {
                        self.refused(by, asked, part.tp);
                    }
                    let asked = (asked, &*open.in_order);
                    self.about(part.tp, |says| answers::produce(says, by, asked, part));
                }
            }
            (Request::TransactionalProduce(asked), Response::Produce(answer)) => {
                self.answers_in_transaction(by, (&**asked, open.noted.came()), answer);
            }
            (Request::ListOffsets(asked), Response::ListOffsets(answer)) => {
                self.names_offsets(by, (open, asked), answer);
            }
            (Request::DeleteRecords(asked), Response::DeleteRecords(answer)) => {
                self.rest(|says| deleted::answer(says, by, asked, answer));
            }
            (Request::OffsetForLeaderEpoch(asked), Response::OffsetForLeaderEpoch(answer)) => {
                for part in &answer.partitions {
                    self.about(part.0, |says| answers::epoch_end(says, by, asked, part));
                }
            }
            (Request::BrokerHeartbeat(asked), Response::BrokerHeartbeat(answer)) => {
                if !self.talk.shutdowns.has_let_go(by.node, asked.broker) {
                    self.rest(|says| controller::lets_end(says, by, asked, answer));
                }
            }
            (
                Request::ConsumerGroupHeartbeat(_) | Request::SyncGroup(_),
                Response::ConsumerGroupHeartbeat(_) | Response::SyncGroup(_),
            ) => self.tells_a_member(by, open, answer),
            (
                Request::DeleteGroups(_) | Request::OffsetDelete(_),
                Response::DeleteGroups(_) | Response::OffsetDelete(_),
            ) => self.rest(|says| deletions::answer(says, by, (&open.request, answer))),
            (Request::OffsetFetch(asked), Response::OffsetFetch(answer)) => {
                self.rest(|says| offsets::answer(says, by, (asked, answer)));
            }
            (Request::JoinGroup(asked), Response::JoinGroup(answer)) => {
                let mut members = std::mem::take(&mut self.talk.members);
                let at = (by.node, members::term(by.broker, &asked.group));
                self.rest(|says| members.joined(says, at, asked, answer));
                self.talk.members = members;
            }
            (Request::FindCoordinator(asked), Response::FindCoordinator(answer)) => {
                self.rest(|says| located::answer(says, (by.node, by.broker), asked, answer));
            }
            (Request::DescribeTopicPartitions(asked), Response::DescribeTopicPartitions(told)) => {
                self.rest(|says| paged::answer(says, (by.node, by.broker), asked, told));
            }
            (asked, answer) => self.rest(|says| controller::answer(says, by, asked, answer)),
        }
    }

    fn names_offsets(
        &mut self,
        by: Speaker<'_>,
        (open, asked): (&Open, &ListOffsetsRequest),
        answer: &ListOffsetsResponse,
    ) {
        let waited = !open.visible.is_empty();
        for part in &answer.partitions {
            let at = self.partition(part.tp);
            let has_lost = self.partitions[at].losses.iter().next().is_some();
            self.about(part.tp, |says| {
                answers::list_offsets(says, by, (asked, waited), part);
                unsure::answer(says, by, &open.unsure, part);
                timestamps::answer(says, by, (asked, &*open.visible, has_lost), part);
            });
        }
    }

    fn tells_a_member(&mut self, by: Speaker<'_>, open: &Open, answer: &Response) {
        if let Response::ConsumerGroupHeartbeat(answer) = answer {
            let of = (by.node, open.interval_ms);
            self.rest(|says| placed::heard_every(says, of, answer));
        }
        let mut told = std::mem::take(&mut self.talk.told);
        self.rest(|says| written::answer(says, by, &mut told, (&open.request, answer)));
        self.talk.told = told;
    }

    #[cold]
    fn refused(&mut self, by: Speaker<'_>, asked: &ProduceRequest, tp: TopicPartition) {
        let Some(view) = by.broker.replica_view(tp) else { return };
        let data = asked.partitions.iter().find(|data| data.tp == tp);
        let batch = data.and_then(|data| data.records.batches().first());
        let at = self.partition(tp);
        if let Some(batch) = batch {
            let (end, epochs) = (view.log.next_offset(), view.log.epoch_entries());
            self.partitions[at].refused.push(&batch.header, end, epochs);
        }
    }
}
