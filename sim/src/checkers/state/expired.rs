//! A coordinator that looks for positions which nobody uses any more lets none of a group go that has members, whichever
//! protocol those speak, and however long ago they have committed: partitions may be quiet for longer than
//! `offsets.retention.minutes` (KIP-211, KAFKA-4682). Nor does it let one go of which an open transaction says
//! something: what is deleted takes that with it, and the transaction's position would be lost as it commits (Kafka's
//! `OffsetMetadataManager.cleanupExpiredOffsets`, KAFKA-14505). What it writes as it looks is looked at.

use super::metadata::says;
use super::positions::deleted_positions;
use crate::checkers::suite::{Checkers, OFFSETS_TOPIC};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::PositionKey;
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::TimerKey;

/// The coordinator that looks in this very step, if one does.
#[derive(Debug, Default)]
pub(crate) struct Expired(Option<Look>);

#[derive(Debug)]
struct Look {
    node: i32,
    /// When, ns.
    at_ns: u64,
    /// Groups that have members then.
    used: BTreeSet<Arc<str>>,
    /// Positions that open transactions say something of then.
    open: BTreeSet<PositionKey>,
}

impl Expired {
    /// A node's timer rings.
    pub(super) fn rings(&mut self, at_ns: u64, (node, broker): (i32, &Broker), key: TimerKey) {
        let is_look = key == TimerKey::GroupExpiry;
        self.0 = is_look.then(|| Look { node, at_ns, used: used(broker), open: open(broker) });
    }

    /// Some node takes something else.
    pub(crate) fn rest(&mut self) {
        self.0 = None;
    }

    /// A position that is in use, of those that a node lets go as it looks.
    fn lost(&self, (node, now_ns): (i32, u64), records: &Records) -> Option<PositionKey> {
        let look = self.0.as_ref().filter(|look| (look.node, look.at_ns) == (node, now_ns))?;
        let mut gone = deleted_positions(records.batches().iter().map(Arc::as_ref));
        gone.find(|key| look.used.contains(&key.0) || look.open.contains(key))
    }
}

/// Groups that a node coordinates, and that have members.
fn used(broker: &Broker) -> BTreeSet<Arc<str>> {
    let classic = broker.classic_groups().filter(|of| !of.members.is_empty()).map(|of| of.group);
    let consumer = broker.consumer_group_members().map(|(group, _)| group);
    classic.chain(consumer).cloned().collect()
}

/// Positions that open transactions say something of, in all that a node coordinates.
fn open(broker: &Broker) -> BTreeSet<PositionKey> {
    let coordinated = broker.coordinated().into_iter();
    let open = coordinated.flat_map(|at| broker.open_positions(at.partition).into_values());
    open.flat_map(BTreeMap::into_keys).collect()
}

impl Checkers {
    /// A node has appended to a log that it leads.
    pub(in crate::checkers) fn lets_go(&mut self, node: i32, records: &Records) {
        if self.expired.0.is_none() {
            return;
        }
        let lost = self.expired.lost((node, self.ledger.now_ns), records);
        says(&mut self.ledger, OFFSETS_TOPIC, lost.is_none(), &|| {
            format!(
                "coordinator {node} has looked for positions that nobody uses, and lets one of a group with members, \
                 or of an open transaction, go: {lost:?}"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::records::{Batch, Record};

    /// A record with a group's position in a partition of topic `t`, or without one.
    fn record(group: &str, value: Option<&[u8]>) -> Record {
        let mut key = 1_i16.to_be_bytes().to_vec();
        for text in [group, "t"] {
            key.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
            key.extend(text.as_bytes());
        }
        key.extend(0_i32.to_be_bytes());
        Record::new(Some(key.into()), value.map(|value| value.to_vec().into()))
    }

    fn lost(look: Option<Look>, records: &mut [Record]) -> Option<Arc<str>> {
        let records = Records::new(vec![Arc::new(Batch::build(0, records))]);
        Expired(look).lost((1, 5), &records).map(|(group, ..)| group)
    }

    fn look(node: i32, at_ns: u64, used: &[&str]) -> Option<Look> {
        let used = used.iter().map(|group| Arc::from(*group)).collect();
        Some(Look { node, at_ns, used, open: BTreeSet::new() })
    }

    #[test]
    fn positions_of_groups_with_members_stay() {
        let gone = || [record("empty", None), record("used", None)];
        assert_eq!(lost(look(1, 5, &["used"]), &mut gone()).as_deref(), Some("used"));
        assert_eq!(lost(look(1, 5, &["other"]), &mut gone()), None, "they have no members");
        let mut committed = [record("used", Some(&[0; 14]))];
        assert_eq!(lost(look(1, 5, &["used"]), &mut committed), None, "it is not gone");
    }

    #[test]
    fn positions_of_open_transactions_stay() {
        let of = |topic: &str| {
            let open = BTreeSet::from([(Arc::from("empty"), Arc::from(topic), 0)]);
            look(1, 5, &[]).map(|look| Look { open, ..look })
        };
        let gone = || [record("empty", None)];
        assert_eq!(lost(of("t"), &mut gone()).as_deref(), Some("empty"));
        assert_eq!(lost(of("other"), &mut gone()), None, "it says something of another one");
        assert_eq!(lost(of("t"), &mut [record("empty", Some(&[0; 14]))]), None, "it is not gone");
    }

    #[test]
    fn what_others_delete_or_later_is_none_of_a_look() {
        let gone = || [record("used", None)];
        assert_eq!(lost(look(2, 5, &["used"]), &mut gone()), None, "another node looks");
        assert_eq!(lost(look(1, 4, &["used"]), &mut gone()), None, "it has looked before");
        assert_eq!(lost(None, &mut gone()), None);
        let mut expired = Expired(look(1, 5, &["used"]));
        expired.rest();
        assert!(expired.0.is_none(), "somebody asks for something");
    }
}
