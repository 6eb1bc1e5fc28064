//! Historical bugs that tests put back at their real place, one at a time, to prove that the
//! checkers see them. Without the cargo feature `planted-bugs` every switch is constant `false`
//! and the compiler removes the branch; the feature does not build in release.

#[cfg(all(feature = "planted-bugs", not(debug_assertions)))]
compile_error!(
    "the feature `planted-bugs` re-introduces data loss and never belongs in a release build"
);

/// A bug of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// ACK-EARLY: `acks=all` answered after the leader's own append, before replication.
    AckBeforeReplication,
    /// REP-01: A replica that becomes follower truncates to its own high watermark (KAFKA-1211,
    /// fixed by KIP-101).
    TruncateToHighWatermark,
    /// REP-02: A follower whose log is not longer than its leader's counts as consistent
    /// (KIP-101).
    DivergenceByOffsetOnly,
    /// REP-04: A follower whose leader is the same in a newer epoch goes on as before
    /// (KAFKA-7164).
    SameLeaderSkipped,
    /// REP-06: Progress of a follower that fetches in another leader epoch counts (first draft
    /// of KIP-320).
    OldEpochFetchCounts,
    /// REP-07: A follower enters the ISR without having reached the start of the leader's epoch
    /// (KAFKA-7128).
    IsrExpandWithoutEpochStart,
    /// REP-08: A new leader records its epoch with its first append only (KAFKA-7415).
    EpochStartsWithFirstAppend,
    /// REP-09: A truncation that cuts no record leaves epochs at the log's end (KAFKA-10706).
    EpochsStayAtLogEnd,
    /// REP-10: A follower takes the high watermark of an answer that tells it to truncate
    /// (KAFKA-14704).
    HighWatermarkBeforeTruncation,
    /// REP-14: An answer truncates a log that is not followed any more (KAFKA-13207).
    TruncationWithoutOwnership,
    /// REP-16: A log that starts anew at its leader's log start keeps its high watermark
    /// (KAFKA-9491).
    HighWatermarkLeftBehind,
    /// REP-20: Recovery does not rebuild epoch 0 (KAFKA-10432).
    EpochZeroNotRebuilt,
    /// ISR-01: The high watermark follows an ISR that the controller has not confirmed
    /// (KIP-497).
    ProposedIsrCounts,
    /// ISR-02: The high watermark moves although the ISR is below `min.insync.replicas`
    /// (KAFKA-15583).
    HighWatermarkBelowMinIsr,
    /// ISR-06: A fetch from before a broker's restart lets the restarted broker join the ISR
    /// (KAFKA-15221).
    StaleFetchNewBroker,
    /// ISR-08: An ISR change that changed nothing stays pending (KAFKA-13162's family).
    NoOpIsrIgnored,
    /// ISR-10: A confirmed smaller ISR does not move the high watermark.
    NoMoveAfterShrink,
    /// ISR-12: Every refused ISR change counts as never applied, although an earlier try may
    /// have been (KAFKA-14154's family).
    RefusalIsFinal,
    /// ISR-14: A new leader does not take the partition epoch from the metadata.
    PartitionEpochNotTaken,
    /// ISR-18: Sessions that end together are decided from the same state (KAFKA-13173).
    ExpirationsFromOneBase,
    /// ISR-22: The controller accepts requests from before a broker's restart.
    OldBrokerEpochAccepted,
    /// DUR-01: Loading raises the recovery point to the log's end after a crash, too
    /// (KAFKA-10101).
    RecoveryPointUnflushed,
    /// DUR-02: The marker of a clean shutdown outlives the next start (KAFKA-10471).
    MarkerSurvivesStart,
    /// LOG-22: An emptied log with a log start above zero goes on below it.
    EmptyLogEndsAtZero,
    /// IDEM-01: No duplicate detection.
    NoDeduplication,
    /// IDEM-02: Only a producer's newest batch is recognised when it is repeated.
    NewestBatchOnly,
    /// IDEM-12: A controller that starts from a snapshot hands out producer ids again.
    ProducerIdsForgotten,
    /// IDEM-14: A follower refuses batches of producers that it does not know.
    FollowerWantsProducer,
    /// RAFT-01: A candidate that lost forgets its vote.
    VoteErased,
    /// RAFT-02: A restarted leader of the quorum leads on in the same epoch.
    LeadsOnAfterRestart,
    /// RAFT-03: Records count for the quorum before they are flushed.
    UnflushedCounts,
    /// RAFT-04: Records of earlier epochs are committed by counting replicas.
    EarlierEpochsCommit,
    /// RAFT-06: A controller is active before a record of its own epoch is committed.
    ActiveBeforeCommit,
    /// RAFT-08: A fetch offset that diverges counts as replicated.
    UnverifiedOffsetsCount,
    /// FETCH-01: A fetch session keeps the leader epoch with which a partition was added
    /// (KAFKA-8052's family).
    SessionKeepsOldEpoch,
    /// META-06: A change of the ISR alone makes a leader forget its followers' progress
    /// (KAFKA-13790).
    IsrChangeForgetsFollowers,
    /// GRP-14: A coordinator keeps partitions that another broker leads (KAFKA-16030's family).
    CoordinatorStays,
    /// GRP-LOAD: A coordinator answers before it has loaded: groups seem to have no positions.
    AnswersWhileLoading,
}

impl Plant {
    /// All of them with the name that `--plant` takes.
    pub const ALL: [(&'static str, Self); 38] = [
        ("ACK-EARLY", Self::AckBeforeReplication),
        ("REP-01", Self::TruncateToHighWatermark),
        ("REP-02", Self::DivergenceByOffsetOnly),
        ("REP-04", Self::SameLeaderSkipped),
        ("REP-06", Self::OldEpochFetchCounts),
        ("REP-07", Self::IsrExpandWithoutEpochStart),
        ("REP-08", Self::EpochStartsWithFirstAppend),
        ("REP-09", Self::EpochsStayAtLogEnd),
        ("REP-10", Self::HighWatermarkBeforeTruncation),
        ("REP-14", Self::TruncationWithoutOwnership),
        ("REP-16", Self::HighWatermarkLeftBehind),
        ("REP-20", Self::EpochZeroNotRebuilt),
        ("ISR-01", Self::ProposedIsrCounts),
        ("ISR-02", Self::HighWatermarkBelowMinIsr),
        ("ISR-06", Self::StaleFetchNewBroker),
        ("ISR-08", Self::NoOpIsrIgnored),
        ("ISR-10", Self::NoMoveAfterShrink),
        ("ISR-12", Self::RefusalIsFinal),
        ("ISR-14", Self::PartitionEpochNotTaken),
        ("ISR-18", Self::ExpirationsFromOneBase),
        ("ISR-22", Self::OldBrokerEpochAccepted),
        ("DUR-01", Self::RecoveryPointUnflushed),
        ("DUR-02", Self::MarkerSurvivesStart),
        ("LOG-22", Self::EmptyLogEndsAtZero),
        ("IDEM-01", Self::NoDeduplication),
        ("IDEM-02", Self::NewestBatchOnly),
        ("IDEM-12", Self::ProducerIdsForgotten),
        ("IDEM-14", Self::FollowerWantsProducer),
        ("RAFT-01", Self::VoteErased),
        ("RAFT-02", Self::LeadsOnAfterRestart),
        ("RAFT-03", Self::UnflushedCounts),
        ("RAFT-04", Self::EarlierEpochsCommit),
        ("RAFT-06", Self::ActiveBeforeCommit),
        ("RAFT-08", Self::UnverifiedOffsetsCount),
        ("FETCH-01", Self::SessionKeepsOldEpoch),
        ("META-06", Self::IsrChangeForgetsFollowers),
        ("GRP-14", Self::CoordinatorStays),
        ("GRP-LOAD", Self::AnswersWhileLoading),
    ];

    /// By name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, plant)| *plant)
    }
}

/// Whether `plant` is the one switched on in `active`.
#[must_use]
pub(crate) fn planted(active: Option<Plant>, plant: Plant) -> bool {
    cfg!(feature = "planted-bugs") && active == Some(plant)
}
