//! What nodes say is what they hold: every answer, and every request between nodes, is compared with
//! the state of who sends it, by rules of their own. A wrong line in the core is seen here when it
//! speaks, not when what it said has done harm.
//!
//! What a node is about to take is noted (`incoming`); once it has, what follows from that (`consequences`), what it
//! answers (`replies`) and what it asks of others (`questions`) go to the rules, which are a module each.

mod ahead;
mod answers;
mod awaited;
mod carried_out;
mod classic;
mod committed;
mod committing;
mod consequences;
mod controller;
mod copied;
mod creations;
mod decided;
mod deleted;
mod deletions;
mod endable;
mod ends;
mod epochs;
mod errors;
mod fenced;
mod fencing;
mod fetches;
mod flawed;
mod forwarded;
mod incoming;
mod joined;
mod learned;
mod led;
mod let_in;
mod located;
mod looked;
mod members;
mod merits;
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
mod proven;
mod put_off;
mod questions;
mod quotas;
mod rehearsed;
mod replaced;
mod replies;
mod session_times;
mod sessions;
mod shutdowns;
mod snapshots;
mod subscribed;
mod sync_times;
#[cfg(test)]
mod tests;
mod timestamps;
mod transactional;
mod undone;
mod unsaid;
mod unsure;
mod untouched;
mod unwritten;
mod votes;
mod written;

pub(super) use fetches::{diverging, is_told};
pub(super) use session_times::configured as session_ms;

use super::history::{History, NO_HISTORY};
use super::ledger::{Check, Ledger, Promise};
use super::suite::Checkers;
use crate::disk::Disk;
use awaited::Awaited;
use carried_out::CarriedOut;
use creations::Creations;
use decided::Decided;
use ends::Ends;
use let_in::LetIn;
use members::Members;
use open::Open;
use overtaken::Overtaken;
use owed::Owed;
use put_off::PutOff;
use quotas::Quotas;
use rustc_hash::{FxHashMap, FxHashSet};
use session_times::SessionTimes;
use sessions::Sessions;
use shutdowns::Shutdowns;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::protocol::{FetchPartition, FetchRequest, Request};
use stormglass_broker_core::seam::{PeerRequest, Reply, TraceEvent};
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
    /// Where the records begin and end that come with the answer, if it is waited for.
    records: Option<(Offset, Offset)>,
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
    /// Fetches that have been answered: their memory serves the next ones.
    spare: Vec<Request>,
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
    put_off: PutOff,
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
    /// Of the heartbeat that is being handled: a broker that is fenced.
    fenced: Option<controller::Fenced>,
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

    /// A copy of a request. Most are fetches: one is written over another one that has been answered.
    fn copy_of(&mut self, request: &Request) -> Request {
        let Request::Fetch(fetch) = request else { return request.clone() };
        let Some(Request::Fetch(mut copy)) = self.spare.pop() else { return request.clone() };
        let mut partitions = std::mem::take(&mut copy.partitions);
        partitions.clone_from(&fetch.partitions);
        let (forgotten, rack) = (fetch.forgotten.clone(), fetch.rack.clone());
        *copy = FetchRequest { partitions, forgotten, rack, ..**fetch };
        Request::Fetch(copy)
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
    /// A node has taken an input, and perhaps said something.
    pub fn said(&mut self, now_ns: u64, by: Speaker<'_>, replies: &[Reply], sends: &[PeerRequest]) {
        self.ledger.now_ns = now_ns;
        // of most inputs nothing is to come
        if self.has_heard() {
            self.has_taken(by, replies);
        }
        self.begins_generations(by, replies);
        for reply in replies {
            self.replied(now_ns, by, reply);
        }
        for send in sends {
            self.asks(by, send);
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
        self.talk.put_off.forget(node);
        self.talk.unwritten = None;
        self.talk.quotas.iter_mut().for_each(|quotas| quotas.forget(node));
    }

    fn about(&mut self, tp: TopicPartition, check: impl FnOnce(&mut Says<'_>)) {
        let at = self.partition(tp);
        let p = &self.partitions[at];
        let (label, history) = p.about();
        check(&mut Says { ledger: &mut self.ledger, label, history, is_gapless: p.is_gapless });
    }

    fn rest(&mut self, check: impl FnOnce(&mut Says<'_>)) {
        let (history, is_gapless) = (&NO_HISTORY, true);
        check(&mut Says { ledger: &mut self.ledger, label: "", history, is_gapless });
    }
}

/// Whether a broker takes part as what a follower's request names.
fn is_self(by: Speaker<'_>, id: NodeId) -> bool {
    by.node == id.0
}
