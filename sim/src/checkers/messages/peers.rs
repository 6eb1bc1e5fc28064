//! What nodes ask of each other, and what they take from answers.

use super::looked::Looked;
use super::{Before, Says, Speaker, TakenIn, Unproven, is_self};
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::{ReplicaView, quorum_state};
use stormglass_broker_core::protocol::{
    AlterPartitionData, FetchPartition, FetchRequest, VoteRequest,
};
use stormglass_broker_core::seam::FileName;

/// Partitions of a fetch that say nothing of how far a follower is: it knows another leader epoch, or
/// its log is not this one up to there, or all of the fetch is of an earlier life of it.
pub(super) fn unproven(
    (replica, is_outlived): (NodeId, bool),
    looked: &[Looked<'_>],
) -> impl Iterator<Item = Unproven> {
    looked.iter().filter_map(move |Looked { part, view, told }| {
        let lead = view.lead.as_ref()?;
        let counts = !is_outlived
            && part.current_leader_epoch == view.leader_epoch
            && part.fetch_offset <= view.log.log_end_offset()
            && told.is_none();
        if counts {
            return None;
        }
        let follower = lead.followers.iter().find(|f| f.id == replica)?;
        let log_end = follower.log_end;
        Some(Unproven { tp: part.tp, follower: replica, fetch: **part, log_end })
    })
}

/// A leader counts on what a fetch does not prove.
pub(super) fn counts_unproven(says: &mut Says<'_>, by: Speaker<'_>, of: Unproven) {
    let Some(view) = by.broker.replica_view(of.tp) else { return };
    let Some(lead) = &view.lead else { return };
    let Some(follower) = lead.followers.iter().find(|f| f.id == of.follower) else { return };
    says.rule(follower.log_end <= of.log_end, &|| {
        format!(
            "leader {} in epoch {} takes follower {} to have all below {} after a fetch of another \
             epoch, of an earlier life, or from another log: {:?}",
            by.node, view.leader_epoch, of.follower, follower.log_end, of.fetch
        )
    });
}

/// A partition that a follower names in a fetch.
pub(super) fn follower_fetch(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    leader: NodeId,
    part: &FetchPartition,
) {
    let node = by.node;
    let Some(view) = by.broker.replica_view(part.tp) else { return };
    says.rule(
        (view.leader, view.leader_epoch) == (Some(leader), part.current_leader_epoch),
        &|| {
            format!(
                "replica {node} fetches from {leader} in epoch {}, but follows {:?} in epoch {}",
                part.current_leader_epoch, view.leader, view.leader_epoch
            )
        },
    );
    let log = view.log;
    let has = (log.log_end_offset(), log.last_epoch(), log.log_start_offset());
    let asks = (part.fetch_offset, part.last_fetched_epoch, part.log_start_offset);
    says.rule(has == asks, &|| {
        format!(
            "replica {node} fetches with offset, last epoch and log start {asks:?}, its log has {has:?}"
        )
    });
}

/// An answer to a question about another log end, or of another leadership, changes nothing.
pub(super) fn stale_answer(says: &mut Says<'_>, by: Speaker<'_>, before: Before) {
    let is_followed = before.follows == (Some(before.from.0), before.from.1);
    if before.log_end == before.asked && is_followed {
        return;
    }
    let Some(view) = by.broker.replica_view(before.tp) else { return };
    let now = (view.log.next_offset(), view.high_watermark);
    says.rule(now == (before.next, before.high_watermark), &|| {
        format!(
            "replica {} had asked {:?} (leader, epoch) for offset {}, followed {:?} when the answer came, \
             and its log ended at {}, and goes on with it: its log end and high watermark were {:?}, \
             and are {now:?}",
            by.node,
            before.from,
            before.asked,
            before.follows,
            before.log_end,
            (before.next, before.high_watermark)
        )
    });
}

/// A leader has heard of a proposal; `taken_in` is the ISR that the controller has committed, in `epoch`.
pub(super) fn counts_taken_in(
    says: &mut Says<'_>,
    node: i32,
    view: &ReplicaView<'_>,
    (taken_in, epoch): &TakenIn,
) {
    let Some(lead) = view.lead.as_ref().filter(|_| view.leader_epoch == *epoch) else { return };
    let is_in = |isr: &[NodeId], id: &NodeId| isr.contains(id);
    let counts = |id| is_in(lead.isr, id) || lead.pending_isr.is_some_and(|isr| is_in(isr, id));
    says.rule(taken_in.iter().all(counts), &|| {
        format!(
            "leader {node} counts ISR {:?} and proposes {:?}, while the controller has taken in \
             {taken_in:?}",
            lead.isr, lead.pending_isr
        )
    });
}

/// A leader proposes an ISR.
pub(super) fn proposal(says: &mut Says<'_>, by: Speaker<'_>, data: &AlterPartitionData) {
    let node = by.node;
    let Some(view) = by.broker.replica_view(data.tp) else { return };
    let Some(lead) = &view.lead else { return };
    let state = (view.leader_epoch, view.partition_epoch);
    says.rule(state == (data.leader_epoch, data.partition_epoch), &|| {
        format!(
            "leader {node} proposes an ISR for leader and partition epoch {:?}, and is at {state:?}",
            (data.leader_epoch, data.partition_epoch)
        )
    });
    for (member, epoch) in &data.new_isr {
        if is_self(by, *member) {
            let own = by.broker.registered_epoch();
            says.rule(*epoch == own, &|| {
                format!("leader {node} proposes itself in its epoch {epoch}, registered as {own}")
            });
            continue;
        }
        let Some(follower) = lead.followers.iter().find(|f| f.id == *member) else { continue };
        says.rule(*epoch == follower.broker_epoch, &|| {
            format!(
                "leader {node} proposes broker {member} in its epoch {epoch}, but that one fetched \
                 last in its epoch {}",
                follower.broker_epoch
            )
        });
    }
}

/// A voter fetches: all that it has is on its disk, as its leader counts on that.
pub(super) fn raft_fetch(says: &mut Says<'_>, by: Speaker<'_>, fetch: &FetchRequest) {
    let Some(part) = fetch.partitions.first() else { return };
    if by.broker.metadata().is_some() {
        return; // an observer, of which nobody counts anything
    }
    let log = by.disk.durable_end(TopicPartition::METADATA).unwrap_or(0);
    let snapshots = by.disk.metadata_snapshots().map(|(name, _)| match name {
        FileName::MetadataSnapshot(end, _) => *end,
        _ => 0,
    });
    let durable = snapshots.fold(log, Offset::max);
    says.rule(part.fetch_offset <= durable, &|| {
        format!(
            "voter {} fetches metadata from {}, as if all before were on its disk, which has it up \
             to {durable}",
            by.node, part.fetch_offset
        )
    });
}

/// A candidate asks for votes: its own is on disk.
pub(super) fn stands(says: &mut Says<'_>, by: Speaker<'_>, vote: &VoteRequest) {
    if !vote.pre_vote {
        vote_is_kept(says, by, (vote.epoch, vote.candidate));
    }
}

/// A vote that is given would be remembered after a power failure.
pub(super) fn vote_is_kept(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (epoch, candidate): (LeaderEpoch, NodeId),
) {
    let kept = by.disk.durable_file(by.disk_now_ns, &FileName::QuorumState);
    let kept = kept.and_then(|bytes| quorum_state(bytes));
    let holds =
        kept.is_some_and(|(kept, voted)| kept > epoch || kept == epoch && voted == Some(candidate));
    says.rule(holds, &|| {
        format!(
            "node {} votes for {candidate} in Raft epoch {epoch}; after a power failure it would \
             know of {kept:?} (epoch, vote)",
            by.node
        )
    });
}

/// A node that starts knows its epoch and its vote.
pub(super) fn remembers(says: &mut Says<'_>, by: Speaker<'_>, file: Option<&[u8]>) {
    let Some((epoch, voted)) = file.and_then(quorum_state) else { return };
    let quorum = by.broker.quorum();
    let same =
        quorum.epoch > epoch || quorum.epoch == epoch && (voted.is_none() || quorum.voted == voted);
    says.rule(same, &|| {
        format!(
            "node {} starts in Raft epoch {} with vote {:?}; its disk says epoch {epoch} and {voted:?}",
            by.node, quorum.epoch, quorum.voted
        )
    });
}
