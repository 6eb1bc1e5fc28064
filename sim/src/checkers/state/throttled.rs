//! Replicas are under those replication quotas that their topics' lists say (KIP-73), and what is sent to them, or
//! comes for them, is looked at. The lists are read here once more, apart from the core.

use super::NodeView;
use super::metadata::says;
use crate::checkers::ledger::Ledger;
use std::sync::Arc;
use stormglass_broker_core::metadata::ConfigResource;

const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

/// Looks at the replicas of a broker.
pub(super) fn look(ledger: &mut Ledger, view: &NodeView<'_>) {
    let (node, broker) = (view.node, view.broker);
    let Some(image) = broker.metadata().filter(|_| broker.applies_metadata()) else { return };
    let mut any = (false, false);
    for replica in broker.throttled() {
        let Some(topic) = image.topic(replica.tp.topic) else { continue };
        let own = image.configs(&ConfigResource::Topic(Arc::clone(&topic.name)));
        let is_listed = |key: &str| {
            let list = own.and_then(|own| own.get(key));
            list.is_some_and(|list| lists(list, replica.tp.partition, node))
        };
        let listed = (is_listed(LEADERS), is_listed(FOLLOWERS));
        let known = (replica.as_leader, replica.as_follower);
        says(ledger, &topic.name, known == listed, &|| {
            format!(
                "broker {node} takes its replica of {:?} to be throttled as {known:?} (leader, follower); its \
                 topic says {listed:?}",
                replica.tp
            )
        });
        any = (any.0 || listed.0, any.1 || listed.1);
    }
    let counts = broker.counts_throttled();
    says(ledger, "", are_counted(any, counts), &|| {
        format!(
            "broker {node} has throttled replicas {any:?} (as leader, as follower), and counts {counts:?}"
        )
    });
}

/// Whether a list, of partitions with their brokers or of all, has a broker's replica of a partition.
fn lists(list: &str, partition: i32, node: i32) -> bool {
    let is_it = |word: &str| {
        let pair = word.trim().split_once(':');
        let is = |text: &str, wanted: i32| text.parse::<i32>() == Ok(wanted);
        pair.is_some_and(|(index, id)| is(index, partition) && is(id, node))
    };
    list.trim() == "*" || list.split(',').any(is_it)
}

/// Whether bytes of throttled replicas are looked at, of leaders and of followers. Where there are none they may be,
/// too.
fn are_counted(any: (bool, bool), counts: (bool, bool)) -> bool {
    (counts.0 || !any.0) && (counts.1 || !any.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_partitions_with_their_brokers_in_any_order() {
        let list = "2:1, 0:12,0:3";
        assert!(lists(list, 2, 1) && lists(list, 0, 12) && lists(list, 0, 3));
        assert!(!lists(list, 0, 1) && !lists(list, 12, 0) && !lists("", 0, 1));
        assert!(lists("*", 7, 7));
    }

    #[test]
    fn throttled_replicas_are_counted() {
        assert!(are_counted((false, false), (false, false)));
        assert!(are_counted((true, false), (true, false)));
        assert!(are_counted((false, false), (true, true)), "one has just gone");
        assert!(
            !are_counted((true, false), (false, true))
                && !are_counted((false, true), (true, false))
        );
    }
}
