//! `leader.replication.throttled.replicas` and `follower.replication.throttled.replicas`: which replicas
//! of a topic replication quotas are for (KIP-73, Kafka's `ThrottledReplicaListValidator`).

use super::{ConfigKind, ConfigValue};
use crate::ids::NodeId;
use std::sync::Arc;

/// Replicas of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of them, `*`.
    All,
    /// Partitions with the brokers that hold them, in order; `None` if there are none.
    Of(Option<Arc<[(i32, NodeId)]>>),
}

impl ThrottledReplicas {
    /// No replica.
    pub const NONE: Self = Self::Of(None);

    /// From `*`, or from `[partition]:[broker]` with commas between them.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::All);
        }
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut replicas = words.map(replica).collect::<Option<Vec<_>>>()?;
        replicas.sort_unstable();
        Some(if replicas.is_empty() { Self::NONE } else { Self::Of(Some(replicas.into())) })
    }

    /// Whether a broker's replica of a partition is one of them.
    #[must_use]
    pub fn contains(&self, partition: i32, broker: NodeId) -> bool {
        match self {
            Self::All => true,
            Self::Of(replicas) => {
                let wanted = (partition, broker);
                replicas.iter().any(|replicas| replicas.binary_search(&wanted).is_ok())
            }
        }
    }
}

fn replica(word: &str) -> Option<(i32, NodeId)> {
    let (partition, broker) = word.split_once(':')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    Some((number(partition)?, NodeId(number(broker)?)))
}

impl ConfigValue for ThrottledReplicas {
    const EXPECTED: &'static str = "`*`, or a list of [partition]:[broker]";
    const KIND: ConfigKind = ConfigKind::List;
    fn parse(text: &str) -> Option<Self> {
        Self::of_text(text)
    }
    fn show(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Of(replicas) => {
                let replicas = replicas.iter().flat_map(|replicas| replicas.iter());
                let words = replicas.map(|(partition, broker)| format!("{partition}:{}", broker.0));
                words.collect::<Vec<_>>().join(",")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_partitions_with_brokers_and_a_star_has_all() {
        let some = ThrottledReplicas::of_text("2:13, 0:1").unwrap();
        assert!(some.contains(0, NodeId(1)) && some.contains(2, NodeId(13)));
        assert!(!some.contains(0, NodeId(13)) && !some.contains(1, NodeId(1)));
        assert_eq!(some.show(), "0:1,2:13");
        let all = ThrottledReplicas::of_text(" * ").unwrap();
        assert!(all.contains(7, NodeId(7)));
        assert_eq!(ThrottledReplicas::of_text(""), Some(ThrottledReplicas::NONE));
        assert!(!ThrottledReplicas::NONE.contains(0, NodeId(1)));
        for text in ["*,0:1", "0", "0:", "a:1", "-1:1", "0:1:2", "0:99999999999"] {
            assert_eq!(ThrottledReplicas::of_text(text), None, "{text}");
        }
    }
}
