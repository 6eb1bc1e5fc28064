//! Features and their levels (KIP-584, KIP-1022): what this broker can work with, and what new
//! clusters begin with.

/// Layout of the metadata log, and what nodes may expect of each other.
pub const METADATA_VERSION: &str = "metadata.version";
/// Level of release 3.9 (`3.9-IV0`): the lowest, as the layout is that of 3.9.
const RELEASE_3_9: i16 = 21;
/// `4.0-IV1`, whose records may have eligible leader replicas (KIP-966). There are none here, but tools
/// are told what Kafka would tell them.
const ELIGIBLE_REPLICAS: i16 = 23;
/// Level of release 4.1 (`4.1-IV1`).
const RELEASE_4_1: i16 = 27;
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

/// Every feature. The metadata log has the layout of release 3.9 at each of its levels.
pub const FEATURES: [Feature; 3] = [
    Feature { name: METADATA_VERSION, min: RELEASE_3_9, max: RELEASE_4_1 },
    Feature { name: GROUP_VERSION, min: 0, max: 1 },
    Feature { name: TRANSACTION_VERSION, min: 0, max: 2 },
];

/// Levels of features that a new cluster begins with.
pub type InitialLevels = &'static [(&'static str, i16)];

/// Release 3.9, and nothing else is chosen: transactions are those of level 0, and
/// server.properties says what groups may speak.
pub const UNCHOSEN: InitialLevels = &[(METADATA_VERSION, RELEASE_3_9)];
/// What a new cluster of Kafka 4.1 begins with.
pub const NEWEST: InitialLevels =
    &[(METADATA_VERSION, RELEASE_4_1), (GROUP_VERSION, 1), (TRANSACTION_VERSION, 2)];

/// Whether Kafka's metadata records of one level may have what those of a lower one have no room for
/// (`MetadataVersion.checkIfMetadataChanged`).
pub(crate) fn metadata_would_be_lost(from: i16, to: i16) -> bool {
    (to..from).contains(&(ELIGIBLE_REPLICAS - 1))
}

impl Feature {
    /// By its name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        FEATURES.into_iter().find(|feature| feature.name == name)
    }
}
