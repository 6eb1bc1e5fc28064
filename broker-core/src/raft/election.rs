//! Elections: who may vote for whom, and how a node stands (KIP-595, pre-votes of KIP-996).

use super::node::Raft;
use super::outbox::{Out, Sent};
use super::role::{Ballot, Follower, Role, backoff};
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NodeId};
use crate::plant::{Plant, planted};
use crate::protocol::{
    BeginQuorumEpochRequest, BeginQuorumEpochResponse, EndQuorumEpochRequest,
    EndQuorumEpochResponse, Request, Response, VoteRequest, VoteResponse,
};
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};

impl Raft {
    pub(super) fn on_vote(&mut self, step: &mut Step<'_>, from: ReplyTo, request: VoteRequest) {
        let error = if !self.is_voter() || !self.voters.contains(&request.candidate) {
            ErrorCode::InconsistentVoterSet
        } else if request.epoch < self.state.epoch {
            ErrorCode::FencedLeaderEpoch
        } else {
            ErrorCode::None
        };
        let mut granted = false;
        if error.is_ok() {
            if request.epoch > self.state.epoch {
                self.enter(step, request.epoch);
            }
            granted = self.may_vote(step.now, &request);
            if granted && !request.pre_vote {
                self.vote(step, request.candidate);
            }
        }
        let response =
            VoteResponse { error, leader: self.known_leader(), epoch: self.state.epoch, granted };
        self.out(Out::Reply(from, Response::Vote(response)));
    }

    fn may_vote(&self, now: Instant, request: &VoteRequest) -> bool {
        let own = (self.log.last_epoch(), self.log.end_offset());
        let is_behind = (request.last_offset_epoch, request.last_offset) < own;
        if is_behind && !planted(self.plant, Plant::VoteIgnoresLog) {
            return false;
        }
        if request.pre_vote {
            return match &self.role {
                Role::Leader(_) => false,
                Role::Follower(follower) => !(follower.in_touch && now < follower.until),
                _ => true,
            };
        }
        match self.state.voted {
            Some(candidate) => candidate == request.candidate,
            None => self.state.leader.is_none(),
        }
    }

    fn vote(&mut self, step: &mut Step<'_>, candidate: NodeId) {
        assert!(candidate != self.node, "a node votes for itself by standing");
        if self.state.voted.is_none() {
            self.state.voted = Some(candidate);
            if !planted(self.plant, Plant::VoteNotWritten) {
                self.outbox.mark_dirty();
            }
            let epoch = self.state.epoch;
            self.out(Out::Trace(TraceEvent::Voted { epoch, candidate }));
        }
        let election_at = self.election_deadline(step.now);
        self.turn(step, Role::Unattached { election_at });
    }

    /// Begins a pre-election.
    pub(super) fn stand(&mut self, step: &mut Step<'_>) {
        assert!(self.is_voter(), "observers never stand");
        let until = self.election_deadline(step.now);
        self.turn(step, Role::Prospective(Ballot::new(self.node, until)));
        self.ask_for_votes(true);
    }

    fn stand_for_real(&mut self, step: &mut Step<'_>) {
        self.state.enter(self.state.epoch + 1);
        self.state.voted = Some(self.node);
        self.outbox.mark_dirty();
        let epoch = self.state.epoch;
        self.out(Out::Trace(TraceEvent::Voted { epoch, candidate: self.node }));
        let until = self.election_deadline(step.now);
        self.turn(step, Role::Candidate(Ballot::new(self.node, until)));
        self.ask_for_votes(false);
    }

    fn ask_for_votes(&mut self, pre_vote: bool) {
        let request = VoteRequest {
            epoch: self.state.epoch,
            candidate: self.node,
            last_offset_epoch: self.log.last_epoch(),
            last_offset: self.log.end_offset(),
            pre_vote,
        };
        let sent = if pre_vote { Sent::PreVote } else { Sent::Vote };
        for voter in self.other_voters() {
            self.out(Out::Send(voter, Request::Vote(request), sent, request.epoch));
        }
    }

    pub(super) fn on_vote_response(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        sent: Sent,
        asked_in: LeaderEpoch,
        vote: VoteResponse,
    ) {
        // who has lost an announcement of a leader hears of it from those that it asks (hunt seed 2318582;
        // `KafkaRaftClient.maybeHandleCommonResponse`)
        let is_news = vote.epoch == self.state.epoch && self.state.leader.is_none();
        if vote.epoch > self.state.epoch || is_news && vote.leader.is_some() {
            self.learn(step, vote.epoch, vote.leader);
            return;
        }
        // an answer from an election that is over says nothing about this one (RAFT-28)
        if asked_in != self.state.epoch || vote.epoch != asked_in {
            return;
        }
        match (&mut self.role, sent) {
            (Role::Prospective(ballot), Sent::PreVote) | (Role::Candidate(ballot), Sent::Vote) => {
                ballot.count(from, vote.granted && vote.error.is_ok());
            }
            _ => {}
        }
    }

    /// Acts on a ballot that is decided. A vote of one's own counts once it is durable, which is
    /// when this is called.
    pub(super) fn count_votes(&mut self, step: &mut Step<'_>) {
        assert!(self.outbox.is_open(), "own vote is durable");
        let majority = self.majority();
        match &self.role {
            Role::Prospective(ballot) if ballot.granted.len() >= majority => {
                self.stand_for_real(step);
            }
            Role::Candidate(ballot) if ballot.granted.len() >= majority => {
                let granted: Vec<NodeId> = ballot.granted.iter().copied().collect();
                self.win(step, &granted);
            }
            Role::Prospective(ballot) | Role::Candidate(ballot)
                if ballot.rejected.len() > self.voters.len() - majority =>
            {
                self.lose_election(step);
            }
            _ => {}
        }
    }

    /// Waits for somebody else, or for the next try. Who was refused a pre-vote goes on with the leader that it
    /// knows (KIP-996): others may still hear from it.
    pub(super) fn lose_election(&mut self, step: &mut Step<'_>) {
        step.trace(TraceEvent::Mark("raft-election-lost"));
        let known = self.state.leader.filter(|leader| *leader != self.node);
        if let Some(leader) = known.filter(|_| matches!(self.role, Role::Prospective(_))) {
            return self.follow(step, self.state.epoch, leader);
        }
        let span = self.timing.election_backoff_max.as_nanos().max(1);
        let pause = Duration::from_nanos(self.random() % span);
        let election_at = step.now + self.timing.retry + pause;
        if planted(self.plant, Plant::VoteErased) {
            self.state.voted = None;
        }
        self.turn(step, Role::Unattached { election_at });
    }

    pub(super) fn on_begin_quorum_epoch(
        &mut self,
        step: &mut Step<'_>,
        from: ReplyTo,
        request: BeginQuorumEpochRequest,
    ) {
        let error = if !self.voters.contains(&request.leader) {
            ErrorCode::InconsistentVoterSet
        } else if request.epoch < self.state.epoch {
            ErrorCode::FencedLeaderEpoch
        } else {
            self.learn(step, request.epoch, Some(request.leader));
            ErrorCode::None
        };
        let (leader, epoch) = (self.known_leader(), self.state.epoch);
        let response = BeginQuorumEpochResponse { error, leader, epoch };
        self.out(Out::Reply(from, Response::BeginQuorumEpoch(response)));
    }

    pub(super) fn on_end_quorum_epoch(
        &mut self,
        step: &mut Step<'_>,
        from: ReplyTo,
        request: &EndQuorumEpochRequest,
    ) {
        let error = if request.epoch < self.state.epoch {
            ErrorCode::FencedLeaderEpoch
        } else {
            self.learn(step, request.epoch, Some(request.leader));
            self.succeed(step, request);
            ErrorCode::None
        };
        let response = EndQuorumEpochResponse { error, epoch: self.state.epoch };
        self.out(Out::Reply(from, Response::EndQuorumEpoch(response)));
    }

    /// Stands for election, the sooner the more of the log it has.
    fn succeed(&mut self, step: &mut Step<'_>, request: &EndQuorumEpochRequest) {
        let follows = matches!(&self.role, Role::Follower(f) if f.leader == request.leader);
        if !follows || !self.is_voter() {
            return;
        }
        let rank = request.preferred_successors.iter().position(|node| *node == self.node);
        let election_at = match rank {
            Some(0) => step.now,
            Some(rank) => {
                let span = backoff(self.timing.retry, u32::try_from(rank).unwrap_or(u32::MAX));
                let jitter = self.random() % span.as_nanos().max(1);
                step.now + span + Duration::from_nanos(jitter)
            }
            None => self.election_deadline(step.now),
        };
        if election_at <= step.now {
            self.stand(step);
        } else {
            self.turn(step, Role::Unattached { election_at });
        }
    }

    /// Somebody knows of an epoch, and perhaps of its leader.
    pub(super) fn learn(
        &mut self,
        step: &mut Step<'_>,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
    ) {
        if epoch < self.state.epoch {
            return;
        }
        // others may still believe in a leadership that this node lost with its last life
        let leader = leader.filter(|leader| *leader != self.node);
        match leader {
            Some(leader) if !self.follows(epoch, leader) => self.follow(step, epoch, leader),
            None if epoch > self.state.epoch => self.enter(step, epoch),
            _ => {}
        }
    }

    fn follows(&self, epoch: LeaderEpoch, leader: NodeId) -> bool {
        epoch == self.state.epoch
            && matches!(&self.role, Role::Follower(follower) if follower.leader == leader)
    }

    /// Enters a higher epoch without a leader.
    fn enter(&mut self, step: &mut Step<'_>, epoch: LeaderEpoch) {
        self.state.enter(epoch);
        self.outbox.mark_dirty();
        self.detach(step);
    }

    /// No leader known: voters wait for one or stand, observers look for one.
    pub(super) fn detach(&mut self, step: &mut Step<'_>) {
        let election_at =
            if self.is_voter() { self.election_deadline(step.now) } else { Instant::FAR_FUTURE };
        self.turn(step, Role::Unattached { election_at });
    }

    /// Follows the leader of an epoch.
    pub(super) fn follow(&mut self, step: &mut Step<'_>, epoch: LeaderEpoch, leader: NodeId) {
        assert!(leader != self.node, "nobody follows itself");
        if epoch > self.state.epoch {
            self.state.enter(epoch);
        }
        assert!(
            self.state.leader.is_none_or(|known| known == leader),
            "an epoch has at most one leader"
        );
        if self.state.leader.is_none() {
            self.state.leader = Some(leader);
            self.outbox.mark_dirty();
        }
        let until = step.now + self.timing.fetch;
        self.turn(step, Role::Follower(Follower { leader, until, in_touch: false }));
    }

    /// Changes the role; what the old one kept is settled first.
    pub(super) fn turn(&mut self, step: &mut Step<'_>, role: Role) {
        let old = std::mem::replace(&mut self.role, role);
        if let Role::Leader(leader) = old {
            self.abdicate(*leader);
        }
        self.restart_fetching(step.now);
    }
}
