//! *Sometimes* marks: rare situations that a run reached. A hunt adds them up; what no seed reaches
//! was not tested, whatever the checkers say.
//!
//! Some are read off trace events here, others are put into the core where a branch leaves no trace
//! of its own.

use std::collections::BTreeMap;
use stormglass_broker_core::seam::TraceEvent;

/// Marks that a hunt should reach, with what they say of a run.
pub const MARKS: [(&str, &str); 65] = [
    ("truncation", "a replica cut its log"),
    ("truncation-below-high-watermark", "a replica cut its log below its high watermark"),
    ("log-restarted", "a replica dropped its log and went on at its leader's log start"),
    ("torn-tail", "a log that was loaded ended in half a batch"),
    (
        "log-with-a-hole",
        "a log that was loaded had lost a segment's tail, and not the next segment",
    ),
    ("log-below-its-start", "a log that was loaded had lost everything from its start on"),
    ("retention", "a log's start moved"),
    ("group-removed", "a coordinator wrote that a group that had nothing left is gone"),
    ("log-cleaned", "the log cleaner went over a log"),
    ("cleaning-abandoned", "a log was cut or lost segments while it was being cleaned"),
    ("isr-shrunk", "a leader learned of a smaller ISR"),
    ("isr-expanded", "a leader learned of a larger ISR"),
    ("isr-of-one", "a leader was alone in its ISR"),
    ("leader-lost", "a partition had no leader"),
    ("unclean-election", "a leader was elected from outside the ISR"),
    ("controller-elected", "a controller became active"),
    ("controller-resigned", "a controller gave up"),
    ("broker-fenced", "the controller fenced a broker"),
    ("broker-registers-again", "a broker whose epoch was unknown registered anew"),
    ("broker-found-itself-fenced", "a broker learned that it was fenced while it ran"),
    ("duplicate-batch", "a leader recognised a batch that it had already"),
    ("out-of-order-sequence", "a leader refused a batch that came too early"),
    ("not-enough-replicas", "a leader refused acks=all for want of replicas"),
    ("not-enough-replicas-after-append", "a batch was appended, then the ISR was too small"),
    ("fetch-diverged", "a leader told a follower to cut its log"),
    ("fetch-wrong-epoch", "a fetch came from an older or a newer leader epoch"),
    ("fetch-session-unknown", "a fetch named a session that its broker did not have"),
    ("fetch-of-an-earlier-life", "a follower that had registered anew was heard as it was before"),
    ("fetch-position-restated", "a leader heard something else of a follower in another session"),
    ("isr-change-refused", "the controller refused an ISR with a broker that is not ready"),
    ("isr-change-outdated", "the controller refused an ISR of an earlier state"),
    ("raft-election-lost", "a candidate lost"),
    ("raft-fetch-timeout", "a follower of the quorum heard nothing from its leader"),
    ("raft-check-quorum-resigned", "a quorum's leader resigned: a majority was silent"),
    ("raft-truncation", "a controller cut the metadata log"),
    ("raft-snapshot-fetched", "a node fetched a snapshot of the metadata"),
    ("coordinator-loading", "a group asked while its coordinator was still loading"),
    (
        "transaction-marker-too-early",
        "a marker came for positions that their coordinator was still loading",
    ),
    ("transaction-end-too-late", "an EndTxn came once more after the next transaction had begun"),
    ("coordinator-load-failed", "a coordinator could not read its log, and tried again"),
    ("producer: epoch bumped", "an idempotent producer gave up on a batch and began a new epoch"),
    (
        "producer: epoch bumped after an abort",
        "a transaction failed and its producer began a new epoch",
    ),
    (
        "producer: fatal error of a transaction",
        "a transactional producer was fenced and began anew",
    ),
    ("consumer: joined its group", "a member got into a new generation of its group"),
    ("consumer: lost its membership", "a group had given a member up before it knew"),
    ("consumer: joined its group by heartbeats", "a member joined in the consumer protocol"),
    ("consumer: fenced by its coordinator", "a member in the consumer protocol had to join anew"),
    (
        "consumer: began anew as another member",
        "an error ended a member in the consumer protocol, and its application began anew",
    ),
    ("consumer: offset out of range", "a consumer's position was outside the log"),
    ("consumer: fetch session restarted", "a consumer lost its fetch session"),
    ("client: connection given up after a timeout", "a client waited in vain for an answer"),
    ("operator: leaders elected", "preferred leaders were elected on request"),
    ("operator: reassignment changed", "replicas were to move, or not to"),
    ("operator: configs changed", "a config of a topic changed"),
    ("operator: topic created", "a topic was created in a storm"),
    ("operator: partitions added", "a topic got more partitions in a storm"),
    ("operator: topic deleted", "a topic was deleted in a storm"),
    ("operator: broker unregistered", "a registration was ended in a storm"),
    ("operator: positions deleted", "a group lost positions on request"),
    ("operator: group deleted", "a group was deleted in a storm"),
    ("operator: groups listed", "groups were listed in a storm"),
    ("operator: members removed", "static members were taken out of their group on request"),
    ("operator: a member id was given", "a group waited for somebody who never joined"),
    ("operator: producer named", "a producer was given an id on request"),
    ("operator: a change was refused", "what an administrator asked for was refused"),
];

/// What a run reached.
#[derive(Debug, Default)]
pub struct Marks {
    hits: BTreeMap<&'static str, u64>,
}

impl Marks {
    /// A mark was hit.
    pub fn hit(&mut self, mark: &'static str) {
        *self.hits.entry(mark).or_default() += 1;
    }

    /// Something changed inside a node.
    pub fn trace(&mut self, event: &TraceEvent) {
        match event {
            // routine, by the hundred thousand
            TraceEvent::LeaderAppended { .. }
            | TraceEvent::FollowerAppended { .. }
            | TraceEvent::HighWatermark { .. }
            | TraceEvent::BecameFollower { .. }
            | TraceEvent::IsrProposed { .. }
            | TraceEvent::Compacted { .. }
            | TraceEvent::Voted { .. } => {}
            TraceEvent::GroupRemoved { .. } => self.hit("group-removed"),
            TraceEvent::Mark(mark) => self.hit(mark),
            TraceEvent::Truncated { tp, to, from, high_watermark } => {
                let is_metadata = *tp == stormglass_broker_core::ids::TopicPartition::METADATA;
                match to.cmp(from) {
                    std::cmp::Ordering::Less if is_metadata => self.hit("raft-truncation"),
                    std::cmp::Ordering::Less => self.hit("truncation"),
                    std::cmp::Ordering::Greater => self.hit("log-restarted"),
                    std::cmp::Ordering::Equal => {}
                }
                if to < high_watermark && to < from {
                    self.hit("truncation-below-high-watermark");
                }
            }
            TraceEvent::LogStart { .. } => self.hit("retention"),
            TraceEvent::LocalLogStart { .. } => self.hit("local-retention"),
            TraceEvent::BecameLeader { isr, .. } => {
                if isr.len() == 1 {
                    self.hit("isr-of-one");
                }
            }
            TraceEvent::IsrCommitted { old, isr, .. } => {
                self.hit(if isr.len() < old.len() { "isr-shrunk" } else { "isr-expanded" });
                if isr.len() == 1 {
                    self.hit("isr-of-one");
                }
            }
            TraceEvent::PartitionChanged { leader, unclean, .. } => {
                if leader.is_none() {
                    self.hit("leader-lost");
                }
                if *unclean {
                    self.hit("unclean-election");
                }
            }
            TraceEvent::ControllerElected { .. } => self.hit("controller-elected"),
            TraceEvent::ControllerResigned { .. } => self.hit("controller-resigned"),
            TraceEvent::BrokerFenced { fenced, .. } => {
                if *fenced {
                    self.hit("broker-fenced");
                }
            }
            TraceEvent::Recovered { truncated_bytes, .. } => {
                if *truncated_bytes > 0 {
                    self.hit("torn-tail");
                }
            }
        }
    }

    /// Marks that were hit, and how often.
    #[must_use]
    pub fn finish(self) -> BTreeMap<String, u64> {
        self.hits.into_iter().map(|(mark, hits)| (mark.to_owned(), hits)).collect()
    }
}
