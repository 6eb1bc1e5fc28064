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
    /// REP-12: A follower's first fetch from a leader does not say which epoch it fetched last
    /// (KAFKA-15510's family).
    LastEpochForgotten,
    /// REP-ASKED: A follower takes an answer to what it asked before its log was cut (our own).
    StaleAnswerTaken,
    /// REP-CUT-HW: Truncation leaves the high watermark where it was (KAFKA-9491's family).
    HighWatermarkSurvivesCut,
    /// REP-EPOCH-END: Every epoch ends at the log's end: divergence is not seen (our own).
    EpochEndsAtLogEnd,
    /// REP-BOOT-HW: A broker takes the end of what it loads for its high watermark (our own).
    HighWatermarkFromLogEnd,
    /// REP-HW-AHEAD: A follower's high watermark is its leader's, however far its own log goes
    /// (our own).
    HighWatermarkUnbounded,
    /// ISR-FENCED: The controller takes an ISR with a fenced or restarted broker (KIP-841, KIP-903).
    FencedReplicaJoins,
    /// ISR-ASSUMED: A new leader takes in-sync followers for caught up before they fetch (our own).
    FollowersAssumedCaughtUp,
    /// ISR-UNCLEAN: Any live replica is elected when no in-sync one is left (our own).
    ElectsAnyReplica,
    /// ACK-DEPOSED: Who loses the leadership acknowledges what waits for replication (our own).
    DeposedLeaderAcks,
    /// ACK-TIMEOUT: A batch that is not replicated in time is acknowledged (our own).
    TimeoutAcks,
    /// ACK-DUPLICATE: A repeated batch is acknowledged before it is replicated (our own).
    DuplicateAckedEarly,
    /// RAFT-12: A restarted voter goes back to the epoch of its snapshot, and forgets its vote.
    EpochFromSnapshot,
    /// RAFT-26: A snapshot holds what is proposed and not committed.
    SnapshotWithProposals,
    /// RAFT-VOTE-LOG: Voters do not compare logs (Raft's election restriction).
    VoteIgnoresLog,
    /// RAFT-VOTE-SYNC: A vote is given before it is on disk (RAFT-30's family).
    VoteNotWritten,
    /// RAFT-MINORITY: What one voter has fsynced is committed (our own).
    MinorityCommits,
    /// DUR-06: The start of an epoch does not reach the leader-epoch checkpoint.
    EpochsNotWritten,
    /// DUR-HOLE: Recovery goes on behind a segment that has lost its tail (our own).
    HoleAfterCrash,
    /// LOG-20: Retention deletes segments, and the log start stays (KAFKA-15391's family).
    StartStaysBehind,
    /// LOG-RETAIN: Retention deletes what is not committed (our own).
    RetentionPassesHighWatermark,
    /// LOG-02: The cleaner goes beyond the high watermark when no transaction is open
    /// (KAFKA-13194).
    CleanerPassesHighWatermark,
    /// LOG-04: The cleaner forgets with each group of segments what it knows of transactions
    /// (KAFKA-8351).
    TransactionsForgottenPerGroup,
    /// LOG-06: The first cleaning drops tombstones (KAFKA-8522's family).
    TombstonesGoAtOnce,
    /// LOG-08: Markers are cleaned by their keys, which are the same for all.
    MarkersCleanedByKey,
    /// IDEM-06: Producer snapshots are empty (KAFKA-9088's family).
    SnapshotWithoutProducers,
    /// IDEM-EPOCH: A producer's new epoch is held to the sequences of the old one (our own).
    OldEpochBatchesStay,
    /// IDEM-BLOCK: Brokers are given the same block of producer ids (KAFKA-12219's family).
    ProducerIdBlockReused,
    /// FETCH-UNCOMMITTED: Consumers read beyond the high watermark (our own).
    ConsumersReadToTheEnd,
    /// META-01: A starting broker deletes the logs of topics that exist (KAFKA-14616's family).
    StraysInverted,
    /// META-EARLY: A restarted broker acts on metadata from before its registration (ISR-22's
    /// family).
    ActsBeforeRegistered,
    /// GRP-06: A commit that the log did not take is answered as done.
    FailedCommitAnswered,
    /// GRP-ACK: A commit is answered before it is replicated (our own).
    CommitNotReplicated,
    /// GRP-UNRELEASED: A member gets a partition before its owner has given it up (our own).
    UnreleasedGiven,
    /// GRP-UNWRITTEN: A heartbeat is answered before the log has what it says (our own).
    AssignmentNotWritten,
    /// GRP-STALE: A member that has lost its partitions may still commit (our own).
    StaleEpochCommits,
    /// HW-AHEAD-ONE: The high watermark is one offset ahead of the slowest in-sync follower (our
    /// own).
    HighWatermarkOneAhead,
    /// HW-NEEDS-DATA: A follower takes the high watermark from answers with records only (our own).
    HighWatermarkNeedsData,
    /// HW-NOT-KEPT: The checkpoint of high watermarks is written once, and its timer not armed
    /// again (our own).
    HighWatermarksKeptOnce,
    /// FETCH-FORGOTTEN: A fetch session keeps the partitions that its fetcher has dropped (our
    /// own).
    ForgottenStays,
    /// FETCH-LAST-EPOCH: A fetch session keeps the last fetched epoch with which a partition was
    /// added (our own).
    SessionKeepsLastEpoch,
    /// FETCH-NOT-TOLD: A moved high watermark does not make partitions of followers' sessions due
    /// (our own).
    FollowersNotTold,
    /// FETCH-DELAY: A partition that a fetcher left out after an error does not come back (our
    /// own).
    DelayHasNoEnd,
    /// FETCH-LIST-END: ListOffsets answers the log end for the latest offset (our own).
    ListsLogEnd,
    /// WAIT-NOT-ARMED: The timer of waiting requests is not armed again for those that are left
    /// (our own).
    PurgatoryNotArmed,
    /// WAIT-ACK-ONE: A moved high watermark answers the first of the requests that wait for it (our
    /// own).
    OneAckPerMove,
    /// WAIT-ACK-LEFT: Who loses the leadership leaves requests waiting for replication (our own).
    DeposedKeepsWaiting,
    /// ISR-CHECK-ONCE: The look for lagging followers is not armed again after it has found one
    /// (our own).
    IsrCheckNotArmed,
    /// ISR-STUCK-STAYS: A follower that fetches counts as caught up, however far behind (our own).
    AnyFetchCatchesUp,
    /// ISR-EARLY: Followers leave the ISR after half of `replica.lag.time.max.ms` (our own).
    IsrShrinksEarly,
    /// ISR-OLD-STATE: The controller takes an ISR that was proposed for an earlier partition epoch
    /// (our own).
    OldPartitionEpochAccepted,
    /// CTRL-SESSION-HALF: Broker sessions end after half their time (our own).
    SessionsHalved,
    /// CTRL-UNFENCE-BLIND: A broker is unfenced before it knows of its registration (our own).
    UnfencedBlindly,
    /// CTRL-SHUTDOWN-LEADS: A broker may end its controlled shutdown while it leads partitions (our
    /// own).
    ShutsDownLeading,
    /// RAFT-OLD-FETCH: A quorum's leader serves fetches of earlier epochs (our own).
    OldRaftEpochServed,
    /// RAFT-UNSETTLED: A voter fetches on before what it has is flushed (our own).
    FetchesUnsettled,
    /// LOG-EPOCH-START: The first epoch of a log that retention has cut begins one offset too late
    /// (our own).
    EpochTrimOneOff,
    /// LOG-EPOCH-END: The end of an epoch that is not the newest is one offset too late (our own).
    EpochEndOneOff,
    /// LOG-INDEX: A lookup in the sparse index finds the entry after the right one (our own).
    IndexOneOff,
    /// LOG-ROLL-TRUSTED: A rolled segment counts as flushed before its sync is done (our own).
    RollCountsAsFlushed,
    /// LOG-UNDO: Truncation leaves producers as they were (our own).
    ProducersNotUndone,
    /// LOG-RETAIN-MORE: Retention by size deletes a segment more than it may (our own).
    RetentionOneMore,
    /// LOG-START-LOST: The checkpoint of log starts is not written (our own).
    LogStartsNotKept,
    /// IDEM-FOUR: Four batches of a producer are compared with a repeated one, instead of five (our
    /// own).
    FourBatchesRemembered,
    /// IDEM-ANY-EPOCH: A batch repeats another one of any epoch of its producer (our own).
    DuplicateOfAnyEpoch,
    /// GRP-LOAD-SHORT: A coordinator stops reading its log one batch before the end (our own).
    LoadEndsEarly,
    /// GRP-16: Assignments are handed out before the log has them (KAFKA-2017).
    AssignsBeforeWritten,
    /// GRP-GENERATION: A coordinator that loads a group counts its generations anew (our own).
    GenerationsBeginAnew,
    /// GRP-FENCE: Members commit in generations that are over (our own).
    OldGenerationCommits,
    /// TXN-08: A leader that refuses a marker for now is not told again (KAFKA-9749).
    MarkerErrorIsFinal,
    /// TXN-10: A transaction that takes too long is aborted in its own epoch, so that its producer
    /// goes on (KAFKA-6119).
    TimeoutWithoutFence,
    /// TXN-14: A new coordinator does not go on with what was decided before it (KAFKA-5131).
    DecisionsNotResumed,
    /// TXN-SESSION: A new session of a producer leaves the transaction before it open (our own).
    SessionLeavesOpen,
    /// TXN-LSO: Readers of committed records read beyond the last stable offset (our own).
    ReadsBeyondStable,
    /// TXN-ABORTED: Readers of committed records are not told what was aborted (our own).
    AbortedNotTold,
    /// CUT-SNAPSHOT: Truncation leaves the producer snapshots behind the log's new end (our own).
    SnapshotsSurviveCut,
    /// CUT-POINT: Truncation leaves the recovery point where it was (our own).
    RecoveryPointSurvivesCut,
    /// CUT-OPEN: Truncation leaves transactions open whose records it has cut (our own).
    OpenTransactionsSurviveCut,
    /// TXN-TIMER: The look for transactions that take too long is not armed again (our own).
    TransactionTimerOnce,
    /// GRP-SESSION: Members that a new coordinator finds in its log have no session that could end
    /// (our own).
    LoadedMembersStay,
    /// GRP-MOVED: A coordinator that has moved says that it loads (our own).
    MovedCoordinatorLoads,
    /// FETCH-WATCH: What an ended fetch session has watched goes on counting for whoever has its place
    /// (our own).
    WatchesSurviveSession,
    /// FETCH-NEWER: A leader that does not know of its successor serves fetches of a newer epoch (our
    /// own).
    NewerEpochServed,
    /// META-CONFIGS: Snapshots of the metadata have no configs (our own).
    SnapshotWithoutConfigs,
    /// IDEM-FENCE: Batches of a producer's earlier epochs are taken (our own).
    OldProducerEpochTaken,
    /// GRP-ROT: A coordinator that could not read its log loads for ever (our own).
    FailedLoadStays,
    /// MOVE-UNSYNCED: A reassignment ends before the new replicas are in sync (our own).
    MovesUnsynced,
    /// MOVE-STAYS: A replica that was moved away is kept (our own).
    MovedReplicaStays,
    /// TOPIC-LEFT: Logs of a deleted topic stay until the next start (our own).
    DeletedTopicStays,
    /// CONFIG-LATE: Logs go on with the configs that their topic had when their broker started (our
    /// own).
    ConfigChangesIgnored,
}

impl Plant {
    /// All of them with the name that `--plant` takes.
    pub const ALL: [(&'static str, Self); 128] = [
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
        ("REP-12", Self::LastEpochForgotten),
        ("REP-ASKED", Self::StaleAnswerTaken),
        ("REP-CUT-HW", Self::HighWatermarkSurvivesCut),
        ("REP-EPOCH-END", Self::EpochEndsAtLogEnd),
        ("REP-BOOT-HW", Self::HighWatermarkFromLogEnd),
        ("REP-HW-AHEAD", Self::HighWatermarkUnbounded),
        ("ISR-FENCED", Self::FencedReplicaJoins),
        ("ISR-ASSUMED", Self::FollowersAssumedCaughtUp),
        ("ISR-UNCLEAN", Self::ElectsAnyReplica),
        ("ACK-DEPOSED", Self::DeposedLeaderAcks),
        ("ACK-TIMEOUT", Self::TimeoutAcks),
        ("ACK-DUPLICATE", Self::DuplicateAckedEarly),
        ("RAFT-12", Self::EpochFromSnapshot),
        ("RAFT-26", Self::SnapshotWithProposals),
        ("RAFT-VOTE-LOG", Self::VoteIgnoresLog),
        ("RAFT-VOTE-SYNC", Self::VoteNotWritten),
        ("RAFT-MINORITY", Self::MinorityCommits),
        ("DUR-06", Self::EpochsNotWritten),
        ("DUR-HOLE", Self::HoleAfterCrash),
        ("LOG-20", Self::StartStaysBehind),
        ("LOG-RETAIN", Self::RetentionPassesHighWatermark),
        ("LOG-02", Self::CleanerPassesHighWatermark),
        ("LOG-04", Self::TransactionsForgottenPerGroup),
        ("LOG-06", Self::TombstonesGoAtOnce),
        ("LOG-08", Self::MarkersCleanedByKey),
        ("IDEM-06", Self::SnapshotWithoutProducers),
        ("IDEM-EPOCH", Self::OldEpochBatchesStay),
        ("IDEM-BLOCK", Self::ProducerIdBlockReused),
        ("FETCH-UNCOMMITTED", Self::ConsumersReadToTheEnd),
        ("META-01", Self::StraysInverted),
        ("META-EARLY", Self::ActsBeforeRegistered),
        ("GRP-06", Self::FailedCommitAnswered),
        ("GRP-ACK", Self::CommitNotReplicated),
        ("GRP-UNRELEASED", Self::UnreleasedGiven),
        ("GRP-UNWRITTEN", Self::AssignmentNotWritten),
        ("GRP-STALE", Self::StaleEpochCommits),
        ("HW-AHEAD-ONE", Self::HighWatermarkOneAhead),
        ("HW-NEEDS-DATA", Self::HighWatermarkNeedsData),
        ("HW-NOT-KEPT", Self::HighWatermarksKeptOnce),
        ("FETCH-FORGOTTEN", Self::ForgottenStays),
        ("FETCH-LAST-EPOCH", Self::SessionKeepsLastEpoch),
        ("FETCH-NOT-TOLD", Self::FollowersNotTold),
        ("FETCH-DELAY", Self::DelayHasNoEnd),
        ("FETCH-LIST-END", Self::ListsLogEnd),
        ("WAIT-NOT-ARMED", Self::PurgatoryNotArmed),
        ("WAIT-ACK-ONE", Self::OneAckPerMove),
        ("WAIT-ACK-LEFT", Self::DeposedKeepsWaiting),
        ("ISR-CHECK-ONCE", Self::IsrCheckNotArmed),
        ("ISR-STUCK-STAYS", Self::AnyFetchCatchesUp),
        ("ISR-EARLY", Self::IsrShrinksEarly),
        ("ISR-OLD-STATE", Self::OldPartitionEpochAccepted),
        ("CTRL-SESSION-HALF", Self::SessionsHalved),
        ("CTRL-UNFENCE-BLIND", Self::UnfencedBlindly),
        ("CTRL-SHUTDOWN-LEADS", Self::ShutsDownLeading),
        ("RAFT-OLD-FETCH", Self::OldRaftEpochServed),
        ("RAFT-UNSETTLED", Self::FetchesUnsettled),
        ("LOG-EPOCH-START", Self::EpochTrimOneOff),
        ("LOG-EPOCH-END", Self::EpochEndOneOff),
        ("LOG-INDEX", Self::IndexOneOff),
        ("LOG-ROLL-TRUSTED", Self::RollCountsAsFlushed),
        ("LOG-UNDO", Self::ProducersNotUndone),
        ("LOG-RETAIN-MORE", Self::RetentionOneMore),
        ("LOG-START-LOST", Self::LogStartsNotKept),
        ("IDEM-FOUR", Self::FourBatchesRemembered),
        ("IDEM-ANY-EPOCH", Self::DuplicateOfAnyEpoch),
        ("GRP-LOAD-SHORT", Self::LoadEndsEarly),
        ("GRP-16", Self::AssignsBeforeWritten),
        ("GRP-GENERATION", Self::GenerationsBeginAnew),
        ("GRP-FENCE", Self::OldGenerationCommits),
        ("TXN-08", Self::MarkerErrorIsFinal),
        ("TXN-10", Self::TimeoutWithoutFence),
        ("TXN-14", Self::DecisionsNotResumed),
        ("TXN-SESSION", Self::SessionLeavesOpen),
        ("TXN-LSO", Self::ReadsBeyondStable),
        ("TXN-ABORTED", Self::AbortedNotTold),
        ("CUT-SNAPSHOT", Self::SnapshotsSurviveCut),
        ("CUT-POINT", Self::RecoveryPointSurvivesCut),
        ("CUT-OPEN", Self::OpenTransactionsSurviveCut),
        ("TXN-TIMER", Self::TransactionTimerOnce),
        ("GRP-SESSION", Self::LoadedMembersStay),
        ("GRP-MOVED", Self::MovedCoordinatorLoads),
        ("FETCH-WATCH", Self::WatchesSurviveSession),
        ("FETCH-NEWER", Self::NewerEpochServed),
        ("META-CONFIGS", Self::SnapshotWithoutConfigs),
        ("IDEM-FENCE", Self::OldProducerEpochTaken),
        ("GRP-ROT", Self::FailedLoadStays),
        ("MOVE-UNSYNCED", Self::MovesUnsynced),
        ("MOVE-STAYS", Self::MovedReplicaStays),
        ("TOPIC-LEFT", Self::DeletedTopicStays),
        ("CONFIG-LATE", Self::ConfigChangesIgnored),
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
