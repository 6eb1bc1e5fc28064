//! Which replica consumers are sent to.

use super::{ConfigKind, ConfigValue};

/// `replica.selector.class` (KIP-392). Classes of one's own cannot be loaded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaSelector {
    /// Consumers read from the leader.
    Leader,
    /// Consumers read from a replica in the rack that they name (`client.rack`), if one is in sync.
    RackAware,
}

const LEADER: &str = "org.apache.kafka.common.replica.LeaderSelector";
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

impl ConfigValue for ReplicaSelector {
    const EXPECTED: &'static str = "nothing, org.apache.kafka.common.replica.LeaderSelector, or \
                                    org.apache.kafka.common.replica.RackAwareReplicaSelector";
    const KIND: ConfigKind = ConfigKind::String;
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "" | LEADER => Some(Self::Leader),
            RACK_AWARE => Some(Self::RackAware),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Leader => String::new(),
            Self::RackAware => RACK_AWARE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kafkas_own_selectors_are_known() {
        assert_eq!(ReplicaSelector::parse(""), Some(ReplicaSelector::Leader));
        assert_eq!(ReplicaSelector::parse(LEADER), Some(ReplicaSelector::Leader));
        let aware = ReplicaSelector::parse(RACK_AWARE);
        assert_eq!(aware, Some(ReplicaSelector::RackAware));
        assert_eq!(aware.map(|selector| selector.show()).as_deref(), Some(RACK_AWARE));
        assert_eq!(ReplicaSelector::parse("com.example.NearestSelector"), None);
    }
}
