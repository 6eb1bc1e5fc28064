//! What follows from a message is what its receiver counts: a fetch that proves how far a follower is counts, a
//! proposal that is refused for good does not, and who decides says so.

use super::looked::Looked;
use super::{Says, Speaker};
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::metadata::MetadataImage;
use stormglass_broker_core::protocol::{
    AlterPartitionResponse, ReplicaState, Request, Response, WriteTxnMarkersRequest,
};
use stormglass_broker_core::seam::Reply;

/// A partition of a fetch that proves how far a follower is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proven {
    pub(super) tp: TopicPartition,
    replica: ReplicaState,
    offset: Offset,
}

/// Whether a fetch is of an earlier life of its follower, as its receiver knows: whoever has registered since may have
/// lost what it had then. Those of brokers that are fenced count (`Replica.updateFetchStateOrThrow`, KIP-903).
pub(super) fn is_outlived(broker: &Broker, replica: ReplicaState) -> bool {
    broker.metadata().is_some_and(|image| has_registered_since(image, replica))
}

fn has_registered_since(image: &MetadataImage, replica: ReplicaState) -> bool {
    let known = image.broker(replica.id).filter(|known| !known.fenced);
    replica.epoch != -1 && known.is_some_and(|known| known.epoch > replica.epoch)
}

/// Of the partitions of a follower's fetch those that its receiver leads in the follower's epoch, from a log that is
/// the leader's up to there. Of a follower that has registered anew, all in its session count.
pub(super) fn of_fetch(
    replica: ReplicaState,
    looked: &[Looked<'_>],
) -> impl Iterator<Item = Proven> {
    looked.iter().filter_map(move |Looked { part, view, told }| {
        let lead = view.lead.as_ref()?;
        let counts = part.current_leader_epoch == view.leader_epoch
            && part.fetch_offset <= view.log.log_end_offset()
            && told.is_none()
            && lead.followers.iter().any(|follower| follower.id == replica.id);
        counts.then_some(Proven { tp: part.tp, replica, offset: part.fetch_offset })
    })
}

/// Whether a fetch was refused as a whole.
pub(super) fn is_refused(replies: &[Reply]) -> bool {
    replies.iter().any(|reply| match &reply.response {
        Some(Response::Fetch(answer)) => !answer.error.is_ok(),
        _ => false,
    })
}

/// The leader has taken the fetch: it knows how far the follower is, and in which of its lives.
pub(super) fn is_counted(says: &mut Says<'_>, by: Speaker<'_>, of: Proven) {
    let Some(view) = by.broker.replica_view(of.tp) else { return };
    let Some(lead) = &view.lead else { return };
    let Some(follower) = lead.followers.iter().find(|f| f.id == of.replica.id) else { return };
    let known = (follower.log_end, follower.broker_epoch);
    says.rule(known == (of.offset, of.replica.epoch), &|| {
        format!(
            "leader {} was asked by follower {} for offset {}, in epoch {} of its registration, and goes by \
             {known:?}",
            by.node, of.replica.id, of.offset, of.replica.epoch
        )
    });
}

/// Partitions whose proposal is refused for good.
pub(super) fn refused_for_good(answer: &AlterPartitionResponse) -> Vec<TopicPartition> {
    let refused = |error: ErrorCode| error == ErrorCode::IneligibleReplica;
    answer.partitions.iter().filter(|told| refused(told.error)).map(|told| told.tp).collect()
}

/// The leader has heard so: nothing is proposed any more, and the next proposal may come.
pub(super) fn gives_up(says: &mut Says<'_>, node: i32, view: &ReplicaView<'_>) {
    let Some(lead) = &view.lead else { return };
    says.rule(lead.pending_isr.is_none(), &|| {
        format!(
            "leader {node} goes on with its proposal of ISR {:?}, which the controller has refused",
            lead.pending_isr
        )
    });
}

/// Who tells leaders how transactions end coordinates them, in the epoch that it says.
pub(super) fn ends_its_own(says: &mut Says<'_>, by: Speaker<'_>, asked: &WriteTxnMarkersRequest) {
    let image = by.broker.metadata();
    let topic = image.and_then(|image| image.topic_named("__transaction_state"));
    let Some(topic) = topic.filter(|_| by.broker.applies_metadata()) else { return };
    let led: Vec<_> = by
        .broker
        .replica_views()
        .filter(|view| view.tp.topic == topic.id && view.lead.is_some())
        .map(|view| view.leader_epoch)
        .collect();
    for marker in &asked.markers {
        says.rule(led.contains(&marker.coordinator_epoch), &|| {
            format!(
                "broker {} sends markers as a coordinator of epoch {}, and leads partitions of \
                 __transaction_state in {led:?}",
                by.node, marker.coordinator_epoch
            )
        });
    }
}

/// Whether only a controller answers so.
pub(super) fn is_decision(answer: &Response) -> bool {
    matches!(
        answer,
        Response::AlterPartition(_)
            | Response::BrokerHeartbeat(_)
            | Response::AllocateProducerIds(_)
            | Response::UnregisterBroker(_)
            | Response::BrokerRegistration(_)
            | Response::CreateTopics(_)
            | Response::DeleteTopics(_)
            | Response::CreatePartitions(_)
            | Response::AlterConfigs(_)
            | Response::AlterClientQuotas(_)
            | Response::ElectLeaders(_)
            | Response::AlterPartitionReassignments(_)
            | Response::ListPartitionReassignments(_)
            | Response::UpdateFeatures(_)
    )
}

/// Whether a controller says that something of what it was asked is done. A request for nothing is answered by anybody.
fn is_done(answer: &Response) -> bool {
    match answer {
        Response::BrokerRegistration(answer) => answer.error.is_ok(),
        Response::AlterPartition(answer) => answer.error.is_ok(),
        Response::CreateTopics(answer) => answer.topics.iter().any(|of| of.error.is_ok()),
        Response::DeleteTopics(answer) => answer.topics.iter().any(|of| of.error.is_ok()),
        Response::CreatePartitions(answer) => answer.topics.iter().any(|(_, e)| e.is_ok()),
        Response::AlterConfigs(answer) => answer.resources.iter().any(|of| of.error.is_ok()),
        Response::AlterClientQuotas(answer) => answer.entries.iter().any(|of| of.error.is_ok()),
        Response::AlterPartitionReassignments(answer) => answer.error.is_ok(),
        Response::ListPartitionReassignments(answer) => answer.error.is_ok(),
        Response::UpdateFeatures(answer) => answer.error.is_ok(),
        answer => super::controller::is_taken(answer),
    }
}

/// Who says as controller that something is done is the active one: what a former one has proposed may never be
/// committed.
pub(super) fn decides(says: &mut Says<'_>, by: Speaker<'_>, answer: &Response) {
    // a node that is a broker as well hands on what another controller says
    if by.broker.metadata().is_some() {
        return;
    }
    says.rule(!is_done(answer) || by.broker.active_metadata().is_some(), &|| {
        format!(
            "controller {} is not active, and says that it has done what it was asked: {answer:?}",
            by.node
        )
    });
}

/// A voter speaks in an epoch that it would know after a power failure.
pub(super) fn epoch_is_kept(says: &mut Says<'_>, by: Speaker<'_>, epoch: i32) {
    use stormglass_broker_core::inspect::quorum_state;
    use stormglass_broker_core::seam::FileName;
    let kept = by.disk.durable_file(by.disk_now_ns, &FileName::QuorumState);
    let kept = kept.and_then(|bytes| quorum_state(bytes)).map_or(0, |(epoch, _)| epoch);
    says.rule(epoch <= kept, &|| {
        format!(
            "node {} speaks in Raft epoch {epoch}; after a power failure it would know of {kept}",
            by.node
        )
    });
}

/// The Raft epoch in which a node answers.
pub(super) fn answered_in(answer: &Response) -> Option<i32> {
    match answer {
        Response::Vote(answer) => Some(answer.epoch),
        Response::BeginQuorumEpoch(answer) => Some(answer.epoch),
        Response::EndQuorumEpoch(answer) => Some(answer.epoch),
        _ => None,
    }
}

/// The Raft epoch in which a node asks others.
pub(super) fn asked_in(request: &Request) -> Option<i32> {
    match request {
        Request::Vote(asked) => Some(asked.epoch),
        Request::BeginQuorumEpoch(asked) => Some(asked.epoch),
        Request::EndQuorumEpoch(asked) => Some(asked.epoch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::registered;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::metadata::{MetadataRecord, RegisterBrokerRecord};
    use stormglass_broker_core::protocol::{
        AlterConfigsResponse, AlterPartitionReassignmentsResponse, AlteredConfigs, ConfigTarget,
    };

    #[test]
    fn what_a_controller_says_is_done_is_seen() {
        let alters = |errors: &[ErrorCode]| {
            let altered = errors.iter().map(|error| AlteredConfigs {
                target: ConfigTarget { kind: ConfigTarget::TOPIC, name: "t".into() },
                error: *error,
                message: None,
            });
            Response::AlterConfigs(AlterConfigsResponse { resources: altered.collect() })
        };
        let (none, refused) = (ErrorCode::None, ErrorCode::NotController);
        assert!(is_decision(&alters(&[none])) && is_done(&alters(&[none])));
        assert!(is_done(&alters(&[refused, none])), "one of them");
        assert!(!is_done(&alters(&[refused])) && !is_done(&alters(&[])));
        let moves = |error| {
            let (allow_replication_factor_change, partitions) = (false, Vec::new());
            Response::AlterPartitionReassignments(AlterPartitionReassignmentsResponse {
                error,
                allow_replication_factor_change,
                partitions,
            })
        };
        assert!(is_decision(&moves(none)) && is_done(&moves(none)) && !is_done(&moves(refused)));
    }

    #[test]
    fn a_fetch_counts_until_its_follower_has_registered_anew_and_is_unfenced() {
        let image = |fenced| {
            let mut image = MetadataImage::default();
            let record = RegisterBrokerRecord { epoch: 25, fenced, ..registered(2) };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
            image
        };
        let outlived = |image: &MetadataImage| {
            let of = |epoch| ReplicaState { id: NodeId(2), epoch };
            [-1, 20, 25, 30].map(|epoch| has_registered_since(image, of(epoch)))
        };
        assert_eq!(outlived(&image(false)), [false, true, false, false]);
        assert_eq!(outlived(&image(true)), [false; 4]);
        assert_eq!(outlived(&MetadataImage::default()), [false; 4]);
    }
}
