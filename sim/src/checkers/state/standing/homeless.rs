//! A topic that is deleted takes its part of open transactions with it: nobody can write a marker there, and the
//! coordinator of a transaction that has been decided goes on without (Kafka's `addTxnMarkersToBrokerQueue`).

use super::NodeView;
use crate::checkers::history::seconds;
use crate::checkers::ledger::Ledger;
use crate::checkers::state::waits::says;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long it may take a broker to find that out, ns: it looks several times a second.
const TAKES_NS: u64 = 3_000_000_000;

/// A node, a transactional id, and a partition by the name of its topic.
type Marker = (i32, Arc<str>, (Arc<str>, i32));

/// Markers that are to be written where no topic is, and since when, ns.
#[derive(Debug, Default)]
pub(super) struct Homeless(BTreeMap<Marker, u64>);

impl Homeless {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.0.retain(|(of, ..), _| *of != node);
    }

    /// Looks at what the coordinators are about to do.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let before = std::mem::take(&mut self.0);
        for view in nodes {
            for (id, topic, partition) in view.broker.homeless_markers() {
                let marker = (view.node, Arc::clone(id), (Arc::clone(topic), partition));
                let since_ns = before.get(&marker).copied().unwrap_or(ledger.now_ns);
                if view.awake_ns >= TAKES_NS {
                    is_given_up(ledger, &marker, since_ns);
                }
                self.0.insert(marker, since_ns);
            }
        }
    }
}

fn is_given_up(ledger: &mut Ledger, (node, id, (topic, partition)): &Marker, since_ns: u64) {
    let is_new = ledger.now_ns - since_ns < TAKES_NS;
    says(ledger, is_new, &|| {
        format!(
            "coordinator {node} wants a marker of {id} in {topic}-{partition}, which has not been there since {}: the \
             transaction never ends",
            seconds(since_ns)
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_write_is_given_up() {
        let marker: Marker = (1, "id".into(), ("t".into(), 0));
        let broken = |now_ns| {
            let mut ledger = Ledger::default();
            ledger.now_ns = now_ns;
            is_given_up(&mut ledger, &marker, 5);
            ledger.finish().1.len()
        };
        assert_eq!((broken(5), broken(4 + TAKES_NS), broken(5 + TAKES_NS)), (0, 0, 1));
    }
}
