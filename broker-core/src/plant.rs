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
    /// `acks=all` answered after the leader's own append, before replication.
    AckBeforeReplication,
    /// REP-01: a replica that becomes follower truncates to its own high watermark (KAFKA-2334,
    /// fixed by KIP-101).
    TruncateToHighWatermark,
    /// REP-07: a follower enters the ISR without having reached the start of the leader's epoch.
    IsrExpandWithoutEpochStart,
    /// IDEM-01: no duplicate detection.
    NoDeduplication,
}

impl Plant {
    /// All of them with the name that `--plant` takes.
    pub const ALL: [(&'static str, Self); 4] = [
        ("ACK-EARLY", Self::AckBeforeReplication),
        ("REP-01", Self::TruncateToHighWatermark),
        ("REP-07", Self::IsrExpandWithoutEpochStart),
        ("IDEM-01", Self::NoDeduplication),
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
