//! What a node is about to take: a request, an answer of its disk, a peer's answer. What it has is noted before its step,
//! so that what becomes of the input, and what is answered, can be compared with that.

use super::looked::Looked;
use super::open::{Open, is_looked_at};
use super::unwritten::Unwritten;
use super::{
    Before, Talk, controller, copied, fencing, fetches, flawed, learned, members, peers, proven,
    quotas, undone, votes,
};
use crate::checkers::suite::Checkers;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, TopicPartition};
use stormglass_broker_core::protocol::{FetchRequest, Request, Response};
use stormglass_broker_core::seam::PeerError;

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
        self.expired.rest();
        let (looked, unknown) = match request {
            Request::Fetch(fetch) => {
                let looked = Looked::all(broker, fetch.partitions.iter());
                let unknown = self.fetch_comes(now_ns, (node, broker), (fetch, &looked));
                (looked, unknown)
            }
            _ => (Vec::new(), Vec::new()),
        };
        self.timeouts.sessions.asked(now_ns, (node, broker), request);
        self.followed.asked(now_ns, node, request);
        self.in_touch.asked(now_ns, (node, broker), request);
        if let (Request::OffsetCommit(commit), Some(forgotten)) = (request, &mut self.forgotten) {
            forgotten.asked(commit);
        }
        self.lasting.asked(request);
        self.talk.ends.asked(request);
        self.talk.creations.asked(request, self.creates_topics);
        self.talk.shutdowns.asked((node, broker), request);
        self.talk.fenced = controller::Fenced::of(broker, request);
        let key = (node, conn, correlation);
        self.talk.carried_out.asked(now_ns, key, broker, request);
        self.talk.owed.asked(key, request);
        self.talk.awaited.asked(key, broker, request);
        self.talk.let_in.asked(node, request);
        self.talk.overtaken.asked((node, broker), request);
        if self.has_right_clocks {
            self.talk.put_off.asked(now_ns, key, request);
        }
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
            let asked = (self.talk.copy_of(request), &*looked, unknown);
            let open = Box::new(Open::new(broker, asked, self.group_heartbeat_ms, wall_ms));
            self.talk.open.insert(key, open);
        }
    }

    /// A node begins to work on a fetch, which names what is `looked` at. Returns partitions of which the replicas
    /// here know less than who fetches, and the epochs that it names: epochs only grow, and taking a replica away
    /// begins one, so what is unknown to a later look is so as the fetch comes.
    fn fetch_comes(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        (fetch, looked): (&FetchRequest, &[Looked<'_>]),
    ) -> Vec<(TopicPartition, LeaderEpoch)> {
        let Talk { sessions, unproven, proven, .. } = &mut self.talk;
        let is_anew = sessions.asked(node, fetch);
        // what a follower had in an earlier life says nothing of what it has
        let heard = fetch.replica.filter(|of| !proven::is_outlived(broker, *of));
        if let Some(replica) = heard {
            let all = is_anew.then(|| Looked::all(broker, sessions.positions(node, fetch)));
            proven.extend(proven::of_fetch(replica, all.as_deref().unwrap_or(looked)));
        }
        if let Some(replica) = fetch.replica {
            unproven.extend(peers::unproven((replica.id, heard.is_none()), looked));
            self.timeouts.lags.leaves_out((node, replica.id), fetch);
        }
        let mut unknown = Vec::new();
        // a session is walked once, for whoever compares its positions with the replicas here
        for part in sessions.positions(node, fetch) {
            let Some(view) = broker.replica_view(part.tp) else { continue };
            if let Some(replica) = heard {
                let (of, lags) = ((node, replica.id), &mut self.timeouts.lags);
                let is_named = fetch.partitions.iter().any(|named| named.tp == part.tp);
                lags.hears_position(now_ns, of, &view, (part, is_named));
            }
            if fetches::knows_less(&view, fetch, part.current_leader_epoch) {
                unknown.push((part.tp, part.current_leader_epoch));
            }
        }
        unknown
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
        self.expired.rest();
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
        self.expired.rest();
        self.heartbeats.hears(now_ns, (node, correlation), result);
        self.talk.put_off.hears(now_ns, (node, broker), result);
        self.talk.unwritten = Unwritten::of((node, broker), correlation, result);
        self.talk.before.clear();
        self.talk.learned.clear();
        self.talk.unproven.clear();
        self.talk.proven.clear();
        self.talk.refused.clear();
        self.talk.proposed.clear();
        self.talk.fenced = None;
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
                records: copied::records(answer).filter(|_| asked_by <= correlation),
            };
            // an answer to what was asked before that is not waited for any more
            if asked_by <= correlation {
                self.talk.learned.extend(learned::Told::of(broker, (&view, &before), answer));
            }
            self.talk.before.push(before);
        }
    }
}
