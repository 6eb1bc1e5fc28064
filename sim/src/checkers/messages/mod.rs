//! What nodes say is what they hold: every answer, and every request between nodes, is compared with
//! the state of who sends it, by rules of their own. A wrong line in the core is seen here when it
//! speaks, not when what it said has done harm.

mod ahead;
mod answers;
mod awaited;
mod carried_out;
mod classic;
mod committed;
mod controller;
mod creations;
mod decided;
mod deleted;
mod deletions;
mod ends;
mod epochs;
mod errors;
mod fenced;
mod fencing;
mod fetches;
mod flawed;
mod forwarded;
mod joined;
mod learned;
mod led;
mod let_in;
mod looked;
mod members;
mod missing;
mod named;
mod noted;
mod offsets;
mod open;
mod overtaken;
mod owed;
mod paged;
mod peers;
mod pending;
mod placed;
mod places;
mod proven;
mod quotas;
mod replaced;
mod session_times;
mod sessions;
mod shutdowns;
mod subscribed;
mod sync_times;
#[cfg(test)]
mod tests;
mod timestamps;
mod transactional;
mod undone;
mod unsure;
mod untouched;
mod unwritten;
mod votes;
mod written;

pub(super) use fetches::{diverging, is_told};
pub(super) use session_times::configured as session_ms;

use super::history::History;
use super::ledger::{Check, Ledger, Promise};
use super::suite::Checkers;
use crate::disk::Disk;
use awaited::Awaited;
use carried_out::CarriedOut;
use creations::Creations;
use decided::Decided;
use ends::Ends;
use let_in::LetIn;
use looked::Looked;
use members::Members;
use open::{Open, is_looked_at};
use overtaken::Overtaken;
use owed::Owed;
use quotas::Quotas;
use rustc_hash::{FxHashMap, FxHashSet};
use session_times::SessionTimes;
use sessions::Sessions;
use shutdowns::Shutdowns;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    FetchPartition, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
    ProduceRequest, Request, Response,
};
use stormglass_broker_core::seam::{PeerError, PeerRequest, Reply, TraceEvent};
use unwritten::Unwritten;
use written::Told;

pub(crate) const PROMISE: Promise = Promise {
    name: "messages-true",
    text: "what a node answers, and asks of others, is what it holds, and follows from what \
           it was asked: offsets, epochs and high watermarks are those of its logs, metadata \
           is that of its image, votes are on disk first, coordinators tell what their logs \
           have; who asks is answered once, about all that was asked, and refused for a \
           reason only; clients wait as their quotas say, and members and producers that are \
           fenced are refused",
};

/// A node that speaks.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// Node id.
    pub node: i32,
    /// Its process, after the step.
    pub broker: &'a Broker,
    /// Its disk.
    pub disk: &'a Disk,
    /// Simulated time on the disk's clock, ns.
    pub disk_now_ns: u64,
}

/// What a follower had before an answer.
#[derive(Debug, Clone, Copy)]
struct Before {
    tp: TopicPartition,
    /// Whom it had asked, and in which epoch.
    from: (NodeId, LeaderEpoch),
    /// Whom it follows, and in which epoch.
    follows: (Option<NodeId>, LeaderEpoch),
    /// What it had asked for.
    asked: Offset,
    log_end: Offset,
    next: Offset,
    high_watermark: Offset,
}

/// Offset that a follower has asked for, its leader epoch, and the request that said so.
type Fetching = (Offset, LeaderEpoch, u64);

/// Members that a controller has taken into an ISR, and the leader epoch.
type TakenIn = (Vec<NodeId>, LeaderEpoch);

/// A follower whose fetch must not count: where its leader took its log to end before.
#[derive(Debug, Clone, Copy)]
struct Unproven {
    tp: TopicPartition,
    follower: NodeId,
    fetch: FetchPartition,
    log_end: Offset,
}

/// Questions that are open, and what fetch sessions hold.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// By node, connection and correlation.
    open: FxHashMap<(i32, u64, u64), Box<Open>>,
    /// Why some of them must be refused.
    objections: FxHashMap<(i32, u64, u64), String>,
    /// Reassignments, and votes, that may be refused for no reason of their own.
    welcome: FxHashSet<(i32, u64, u64)>,
    sessions: Sessions,
    ends: Ends,
    creations: Creations,
    shutdowns: Shutdowns,
    told: Told,
    carried_out: CarriedOut,
    members: Members,
    session_times: SessionTimes,
    owed: Owed,
    awaited: Awaited,
    let_in: LetIn,
    decided: Decided,
    overtaken: Overtaken,
    /// What a follower has asked a leader for last, by node, leader and partition.
    fetching: FxHashMap<(i32, NodeId, TopicPartition), Fetching>,
    /// Of the answer that is being taken.
    before: Vec<Before>,
    /// Of the same answer: where leaders' logs begin by now.
    learned: Vec<learned::Told>,
    /// Of the fetch that is being handled.
    unproven: Vec<Unproven>,
    /// Of the same fetch: what must count.
    proven: Vec<proven::Proven>,
    /// Of the answer that is being taken: partitions whose proposal was refused for good.
    refused: Vec<TopicPartition>,
    /// Of the answer that is being taken: partitions whose ISR was proposed, and with the news that another
    /// leader was elected with it, who is in sync then, and the epoch.
    proposed: Vec<(TopicPartition, Option<TakenIn>)>,
    /// Of the answer that is being taken: markers that are not written.
    unwritten: Option<Unwritten>,
    /// Of the heartbeat that is being handled: a broker that must stay fenced.
    stays_fenced: Option<NodeId>,
    /// Present where clients are under quotas.
    quotas: Option<Box<Quotas>>,
}

/// Says a rule, and how it is broken.
struct Says<'a> {
    ledger: &'a mut Ledger,
    label: &'a str,
    history: &'a History,
    /// Whether every offset between two batches is one of a batch: nothing has been compacted.
    is_gapless: bool,
}

impl Says<'_> {
    fn rule(&mut self, holds: bool, seen: &dyn Fn() -> String) {
        self.ledger.checked(Check::Messages, 1);
        if !holds {
            self.ledger.broken(Check::Messages, (self.label, self.history), seen);
        }
    }
}

impl Talk {
    /// Clients are under quotas at some time.
    pub(super) fn with_quotas(has_right_clocks: bool) -> Self {
        Self { quotas: Some(Box::new(Quotas::new(has_right_clocks))), ..Self::default() }
    }

    /// The high watermark that a follower was told last in a fetch session.
    pub(crate) fn told(&self, node: i32, session: i32, tp: TopicPartition) -> Option<Offset> {
        self.sessions.told(node, session, tp)
    }

    /// Whether a follower is to be told of a partition's state in a fetch session, whatever it was told before.
    pub(crate) fn is_untold(&self, node: i32, session: i32, tp: TopicPartition) -> bool {
        self.sessions.is_untold(node, session, tp)
    }

    /// A node has begun to lead, or an answer of its disk is there.
    pub(crate) fn turned(&mut self, now_ns: u64, node: i32) {
        self.carried_out.turned(now_ns, node);
    }

    /// A replica turns.
    pub(crate) fn traced(&mut self, now_ns: u64, node: i32, event: &TraceEvent) {
        match event {
            TraceEvent::BecameLeader { .. } => self.turned(now_ns, node),
            TraceEvent::Truncated { tp, high_watermark, .. } => {
                open::was_cut(&mut self.open, node, (*tp, *high_watermark));
            }
            _ => {}
        }
    }
}

impl Checkers {
    /// A node begins to work on a request.
    pub fn asked(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        (conn, correlation): (u64, u64),
        request: &Request,
    ) {
        self.talk.unproven.clear();
        self.talk.proven.clear();
        self.talk.unwritten = None;
        let looked = match request {
            Request::Fetch(fetch) => Looked::all(broker, fetch.partitions.iter()),
            _ => Vec::new(),
        };
        if let Request::Fetch(fetch) = request {
            self.fetch_comes(now_ns, (node, broker), (fetch, &looked));
        }
        self.timeouts.asked(now_ns, (node, broker), request);
        self.followed.asked(now_ns, node, request);
        self.in_touch.asked(now_ns, (node, broker), request);
        if let (Request::OffsetCommit(commit), Some(forgotten)) = (request, &mut self.forgotten) {
            forgotten.asked(commit);
        }
        self.lasting.asked(request);
        self.talk.ends.asked(request);
        self.talk.creations.asked(request, self.creates_topics);
        self.talk.shutdowns.asked((node, broker), request);
        self.talk.stays_fenced = controller::stays_fenced(broker, request);
        let key = (node, conn, correlation);
        self.talk.carried_out.asked(now_ns, key, broker, request);
        self.talk.owed.asked(key, request);
        self.talk.awaited.asked(key, broker, request);
        self.talk.let_in.asked(node, request);
        self.talk.overtaken.asked((node, broker), request);
        if let Request::LeaveGroup(asked) = request {
            self.standing.leaves(&asked.group);
            let waits = self.talk.open.iter_mut().filter(|((of, ..), _)| *of == node);
            waits.for_each(|(_, open)| {
                let Open { request, noted, .. } = &mut **open;
                noted.leaves(request, &asked.group);
            });
        }
        if let Request::JoinGroup(asked) = request {
            let term = members::term(broker, &asked.group);
            self.talk.members.joins((node, term), asked);
            self.talk.session_times.joins(asked);
        }
        if let Some(quotas) = &mut self.talk.quotas {
            quotas.asked((node, broker), (conn, correlation), request);
        }
        if let Some(objection) = self.objection(now_ns, (node, broker), request) {
            self.talk.objections.insert(key, objection);
        }
        if undone::is_welcome(broker, request) || votes::is_due(node, broker, request) {
            self.talk.welcome.insert(key);
        }
        if is_looked_at(request) {
            let wall_ms = self.has_right_clocks.then(|| self.ledger.wall_ms(now_ns));
            let asked = (request, &*looked);
            let mut open = Box::new(Open::new(broker, asked, self.group_heartbeat_ms, wall_ms));
            open.note_unknown((node, broker), &self.talk.sessions);
            self.talk.open.insert(key, open);
        }
    }

    /// A node begins to work on a fetch, which names what is `looked` at.
    fn fetch_comes(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        (fetch, looked): (&FetchRequest, &[Looked<'_>]),
    ) {
        let Talk { sessions, unproven, proven, .. } = &mut self.talk;
        let is_anew = sessions.asked(node, fetch);
        let Some(replica) = fetch.replica else { return };
        if is_anew {
            let all = Looked::all(broker, sessions.positions(node, fetch));
            proven.extend(proven::of_fetch(replica, &all));
        } else {
            proven.extend(proven::of_fetch(replica, looked));
        }
        unproven.extend(peers::unproven(replica.id, looked));
        let positions = sessions.positions(node, fetch);
        self.timeouts.fetched(now_ns, (node, broker), (replica.id, fetch), positions);
    }

    /// Why a node must not take a request.
    fn objection(
        &self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        request: &Request,
    ) -> Option<String> {
        let wall_ms = self.ledger.wall_ms(now_ns);
        controller::objection(broker, request)
            .or_else(|| votes::objection(broker, request))
            .or_else(|| self.followed.objection(now_ns, (node, broker), request))
            .or_else(|| fencing::objection(broker, request))
            .or_else(|| quotas::objection(request))
            .or_else(|| flawed::objection(broker, request, wall_ms))
    }

    /// A node is about to take an answer of its disk.
    pub fn reads(&mut self, now_ns: u64, node: i32) {
        self.talk.turned(now_ns, node);
    }

    /// A node is about to take a peer's answer.
    pub fn hears(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        (from, correlation): (NodeId, u64),
        result: &Result<Response, PeerError>,
    ) {
        self.heartbeats.hears(now_ns, (node, correlation), result);
        self.talk.unwritten = Unwritten::of((node, broker), correlation, result);
        self.talk.before.clear();
        self.talk.learned.clear();
        self.talk.unproven.clear();
        self.talk.proven.clear();
        self.talk.refused.clear();
        self.talk.proposed.clear();
        self.talk.stays_fenced = None;
        self.talk.creations.rest();
        self.talk.shutdowns.rest();
        self.talk.carried_out.rest();
        if let Ok(Response::AlterPartition(answer)) = result {
            self.talk.refused = proven::refused_for_good(answer);
            self.talk.proposed.extend(answer.partitions.iter().map(|told| {
                let is_elected = told.error == ErrorCode::NewLeaderElected;
                (told.tp, is_elected.then(|| (told.isr.clone(), told.leader_epoch)))
            }));
        }
        if let Ok(answer) = result {
            self.followed.hears(now_ns, node, from.0, answer);
            self.talk.owed.hears(node, answer);
        }
        let Ok(Response::Fetch(fetch)) = result else { return };
        for answer in &fetch.partitions {
            let asked = self.talk.fetching.get(&(node, from, answer.tp));
            let Some((asked, epoch, asked_by)) = asked.copied() else { continue };
            let Some(view) = broker.replica_view(answer.tp) else { continue };
            let before = Before {
                tp: answer.tp,
                from: (from, epoch),
                follows: (view.leader, view.leader_epoch),
                asked,
                log_end: view.log.log_end_offset(),
                next: view.log.next_offset(),
                high_watermark: view.high_watermark,
            };
            // an answer to what was asked before that is not waited for any more
            if asked_by <= correlation {
                self.talk.learned.extend(learned::Told::of(broker, &before, answer));
            }
            self.talk.before.push(before);
        }
    }

    /// Whether a node is looked at after its step, though it says nothing.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        let Talk {
            stays_fenced,
            before,
            unproven,
            proposed,
            shutdowns,
            carried_out,
            proven,
            awaited,
            overtaken,
            unwritten,
            ..
        } = &self.talk;
        let is_silent = before.is_empty() && unproven.is_empty() && proposed.is_empty();
        let is_silent = is_silent && proven.is_empty() && !awaited.is_due();
        let is_silent = is_silent && !overtaken.is_asked() && unwritten.is_none();
        let asks = stays_fenced.is_some() || shutdowns.is_asked() || carried_out.is_asked();
        asks || !is_silent
    }

    /// A node has taken an input, and perhaps said something.
    pub fn said(&mut self, now_ns: u64, by: Speaker<'_>, replies: &[Reply], sends: &[PeerRequest]) {
        self.ledger.now_ns = now_ns;
        self.has_taken(by, replies);
        for reply in replies {
            self.replied(now_ns, by, reply);
        }
        for send in sends {
            self.asks(by, send);
        }
    }

    /// What has become of the input.
    fn has_taken(&mut self, by: Speaker<'_>, replies: &[Reply]) {
        let mut befores = std::mem::take(&mut self.talk.before);
        for before in befores.drain(..) {
            self.about(before.tp, |says| peers::stale_answer(says, by, before));
        }
        self.talk.before = befores; // its room serves the next answer
        for told in std::mem::take(&mut self.talk.learned) {
            self.about(told.tp(), |says| learned::is_taken_over(says, by, told));
        }
        for unproven in std::mem::take(&mut self.talk.unproven) {
            self.about(unproven.tp, |says| peers::counts_unproven(says, by, unproven));
        }
        self.follows_from(by, replies);
        self.begins_generations(by, replies);
        if let Some(key) = self.talk.awaited.due() {
            self.rest(|says| awaited::at_once(says, by.node, key, replies));
        }
        let unwritten = self.talk.unwritten.take().filter(|of| of.node == by.node);
        if let Some(unwritten) = unwritten {
            self.rest(|says| unwritten.are_still_due(says, by));
        }
        if self.talk.overtaken.is_asked() {
            let markers = self.talk.overtaken.taken(by.node);
            self.rest(|says| overtaken::count_no_more(says, by, (&markers, replies)));
        }
        for (tp, elected) in std::mem::take(&mut self.talk.proposed) {
            self.counts_taken_in(by, tp, elected);
        }
        if let Some(asked) = self.talk.shutdowns.taken(by) {
            self.rest(|says| shutdowns::lets_end(says, by, &asked));
        }
        if let Some(broker) = self.talk.stays_fenced.take() {
            self.rest(|says| controller::is_still_fenced(says, by, broker));
        }
        if let Some((key, objection)) = self.talk.carried_out.objection(by.broker) {
            self.talk.objections.insert(key, objection);
        }
        if let Some(beat) = self.talk.carried_out.beat() {
            let changed = std::mem::take(&mut self.changed_sessions);
            self.rest(|says| beat.is_heard(says, by, (&changed, replies)));
            self.changed_sessions = changed;
            if let Some(member) = beat.taken(by.node, replies) {
                self.is_heard(by, member, session_times::configured(by.broker, member.0));
            }
        }
        if let Some(heard) = self.talk.carried_out.heard() {
            self.rest(|says| heard.handled(says, by, replies));
        }
        for tp in self.talk.carried_out.moved_early(by.broker) {
            self.about(tp, |says| {
                says.rule(false, &|| {
                    format!("controller {} ends a reassignment before all is in sync", by.node)
                });
            });
        }
    }

    /// A node answers.
    fn replied(&mut self, now_ns: u64, by: Speaker<'_>, reply: &Reply) {
        let key = (by.node, reply.conn.0, reply.correlation.0);
        let asked = self.talk.open.remove(&key);
        let objection = self.talk.objections.remove(&key);
        let is_welcome = self.talk.welcome.remove(&key);
        self.talk.awaited.answered(key);
        if let Some(mut quotas) = self.talk.quotas.take() {
            let of = (now_ns, by.node, by.broker);
            self.rest(|says| quotas.answered(says, of, reply));
            self.talk.quotas = Some(quotas);
        }
        let Some(answer) = reply.response.as_ref() else { return };
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
    fn is_heard(
        &mut self,
        by: Speaker<'_>,
        member: (&Arc<str>, &Arc<str>),
        session_ms: Option<i32>,
    ) {
        if let Some(session_ms) = session_ms.filter(|_| self.has_right_clocks) {
            self.rest(|says| session_times::begins(says, by, member, session_ms));
        }
    }

    /// What was asked or answered counts.
    fn follows_from(&mut self, by: Speaker<'_>, replies: &[Reply]) {
        let mut proven = std::mem::take(&mut self.talk.proven);
        if !proven::is_refused(replies) {
            for one in &proven {
                self.about(one.tp, |says| proven::is_counted(says, by, *one));
            }
        }
        proven.clear();
        self.talk.proven = proven;
        for tp in std::mem::take(&mut self.talk.refused) {
            let Some(view) = by.broker.replica_view(tp) else { continue };
            self.about(tp, |says| proven::gives_up(says, by.node, &view));
        }
    }

    /// A node's process ended: nobody answers what it was asked.
    pub(super) fn falls_silent(&mut self, node: i32) {
        self.talk.open.retain(|(of, ..), _| *of != node);
        self.talk.objections.retain(|(of, ..), _| *of != node);
        self.talk.welcome.retain(|(of, ..)| *of != node);
        self.talk.fetching.retain(|(of, ..), _| *of != node);
        self.talk.sessions.forget(node);
        self.talk.told.forget(node);
        self.talk.members.forget(node);
        self.talk.owed.forget(node);
        self.talk.awaited.forget(node);
        self.talk.let_in.forget(node);
        self.talk.decided.forget(node);
        self.talk.shutdowns.forget(node);
        self.talk.unwritten = None;
        self.talk.quotas.iter_mut().for_each(|quotas| quotas.forget(node));
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
        for (part, position) in answer.partitions.iter().zip(&positions) {
            let Some(position) = position else { continue };
            let question = fetches::Question {
                fetch,
                position,
                is_alone: answer.partitions.len() == 1,
                was_outside: open.noted.was_outside(position),
                has_agreed: open.agreed.contains(&(part.tp, position.fetch_offset)),
                had: open.had(part.tp),
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
                unsure::answer(says, by.node, &open.unsure, part);
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

    fn asks(&mut self, by: Speaker<'_>, send: &PeerRequest) {
        self.heartbeats.asks(by.node, send.correlation.0, &send.request);
        if let Some(epoch) = proven::asked_in(&send.request) {
            self.rest(|says| proven::epoch_is_kept(says, by, epoch));
        }
        if let Request::WriteTxnMarkers(markers) = &send.request {
            self.rest(|says| proven::ends_its_own(says, by, markers));
            self.rest(|says| transactional::markers(says, by, markers));
            self.talk.decided.tells(by, markers);
        }
        match &send.request {
            Request::Fetch(fetch) => {
                if fetch.partitions.first().is_some_and(|p| p.tp == TopicPartition::METADATA) {
                    return self.rest(|says| peers::raft_fetch(says, by, fetch));
                }
                for part in &fetch.partitions {
                    let asked = (part.fetch_offset, part.current_leader_epoch, send.correlation.0);
                    self.talk.fetching.insert((by.node, send.to, part.tp), asked);
                    self.about(part.tp, |says| peers::follower_fetch(says, by, send.to, part));
                }
            }
            Request::AlterPartition(alter) => {
                for part in &alter.partitions {
                    self.about(part.tp, |says| peers::proposal(says, by, part));
                }
            }
            Request::Vote(vote) => self.rest(|says| peers::stands(says, by, vote)),
            Request::EndQuorumEpoch(end) => self.in_touch.resigns(&mut self.ledger, by.node, end),
            Request::CreateTopics(asked) => {
                let creations = std::mem::take(&mut self.talk.creations);
                self.rest(|says| creations.asks(says, by, asked));
                self.talk.creations = creations;
            }
            Request::WriteTxnMarkers(markers) if self.has_sound_transactions() => {
                let ends = std::mem::take(&mut self.talk.ends);
                self.rest(|says| ends.markers(says, by.node, markers));
                self.talk.ends = ends;
            }
            _ => {}
        }
    }

    /// A process has started: it knows what its disk says of its epoch and vote.
    pub fn started(&mut self, now_ns: u64, by: Speaker<'_>, quorum_state: Option<&[u8]>) {
        self.ledger.now_ns = now_ns;
        self.loaded(by.node, by.broker, by.disk);
        self.rest(|says| peers::remembers(says, by, quorum_state));
        for replica in by.broker.replica_views() {
            let lost = by.disk.lost_from(replica.tp);
            self.about(replica.tp, |says| written::ends_at_loss(says, by.node, &replica, lost));
        }
    }

    /// A leader has heard of its proposal: whom the controller has taken in, it counts, whatever it was told
    /// (KIP-497), and until it hears of an election that came of it. It may know of more, and the controller
    /// of fewer.
    fn counts_taken_in(&mut self, by: Speaker<'_>, tp: TopicPartition, elected: Option<TakenIn>) {
        let Some(view) = by.broker.replica_view(tp) else { return };
        let at = self.partition(tp);
        let p = &self.partitions[at];
        let known = || (p.isr.iter().map(|member| member.node).collect(), p.controller_epoch);
        let taken_in: TakenIn = match elected {
            Some((isr, epoch)) if view.leader_epoch < epoch => (isr, view.leader_epoch),
            _ => known(),
        };
        self.about(tp, |says| peers::counts_taken_in(says, by.node, &view, &taken_in));
    }

    fn about(&mut self, tp: TopicPartition, check: impl FnOnce(&mut Says<'_>)) {
        let at = self.partition(tp);
        let p = &self.partitions[at];
        let (label, history) = p.about();
        check(&mut Says { ledger: &mut self.ledger, label, history, is_gapless: p.is_gapless });
    }

    fn rest(&mut self, check: impl FnOnce(&mut Says<'_>)) {
        let history = History::default();
        let is_gapless = true;
        check(&mut Says { ledger: &mut self.ledger, label: "", history: &history, is_gapless });
    }
}

/// Whether a broker takes part as what a follower's request names.
fn is_self(by: Speaker<'_>, id: NodeId) -> bool {
    by.node == id.0
}
