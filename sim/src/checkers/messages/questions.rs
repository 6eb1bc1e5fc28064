//! What a node asks of others: fetches of followers, proposals of leaders, votes, markers of transactions.

use super::{Speaker, peers, proven, transactional};
use crate::checkers::suite::Checkers;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::seam::PeerRequest;

impl Checkers {
    /// A node asks another one.
    pub(super) fn asks(&mut self, by: Speaker<'_>, send: &PeerRequest) {
        self.heartbeats.asks(by.node, send.correlation.0, &send.request);
        if let Some(epoch) = proven::asked_in(&send.request) {
            self.rest(|says| proven::epoch_is_kept(says, by, epoch));
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
            Request::WriteTxnMarkers(markers) => {
                self.rest(|says| proven::ends_its_own(says, by, markers));
                self.rest(|says| transactional::markers(says, by, markers));
                self.talk.decided.tells(by, markers);
                if self.has_sound_transactions() {
                    let ends = std::mem::take(&mut self.talk.ends);
                    self.rest(|says| ends.markers(says, by.node, markers));
                    self.talk.ends = ends;
                }
            }
            _ => {}
        }
    }
}
