//! Features and their levels (KIP-584, KIP-1022): what this broker can work with, and what new
//! clusters begin with.

/// Layout of the metadata log.
pub const METADATA_VERSION: &str = "metadata.version";
/// 1: groups may speak the consumer protocol (KIP-848).
pub const GROUP_VERSION: &str = "group.version";
/// 1: values of `__transaction_state` have tagged fields; 2: an epoch for each transaction
/// (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";

/// A feature, and the levels that this broker can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Name.
    pub name: &'static str,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

/// Every feature. The metadata log has the layout of release 3.9, and no other.
pub const FEATURES: [Feature; 3] = [
    Feature { name: METADATA_VERSION, min: 21, max: 21 },
    Feature { name: GROUP_VERSION, min: 0, max: 1 },
    Feature { name: TRANSACTION_VERSION, min: 0, max: 2 },
];

/// Levels of features that a new cluster begins with, beside the layout of its metadata log.
pub type InitialLevels = &'static [(&'static str, i16)];

/// Nothing is chosen: transactions are those of level 0, and server.properties says what groups may
/// speak.
pub const UNCHOSEN: InitialLevels = &[];
/// What a new cluster of Kafka 4 begins with.
pub const NEWEST: InitialLevels = &[(GROUP_VERSION, 1), (TRANSACTION_VERSION, 2)];

impl Feature {
    /// By its name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        FEATURES.into_iter().find(|feature| feature.name == name)
    }
}
