//! How a transaction ends is what its producer has asked for. A coordinator that aborts one by itself takes
//! the next epoch, so that the producer hears of it and can write no more (KIP-98, KAFKA-6119).

use super::Says;
use std::collections::BTreeSet;
use stormglass_broker_core::protocol::{
    ProducerIdAndEpoch, Request, TransactionRules, WriteTxnMarkersRequest,
};

/// What producers have asked for.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Producers with an epoch in which they have begun a transaction.
    begun: BTreeSet<(i64, i16)>,
    /// Ends, commits or not.
    asked: BTreeSet<(i64, i16, bool)>,
}

impl Ends {
    /// A coordinator is asked, whatever it answers.
    pub(super) fn asked(&mut self, request: &Request) {
        let mut begins = |ProducerIdAndEpoch { id, epoch }| {
            self.begun.insert((id, epoch));
        };
        match request {
            Request::AddPartitionsToTxn(asked) => {
                asked.transactions.iter().for_each(|one| begins(one.producer));
            }
            Request::AddOffsetsToTxn(asked) => begins(asked.producer),
            Request::EndTxn(asked) => {
                let ProducerIdAndEpoch { id, epoch } = asked.producer;
                self.asked.insert((id, epoch, asked.commit));
                if asked.rules == TransactionRules::EpochEach {
                    // its markers are of the next epoch
                    self.asked.insert((id, epoch.saturating_add(1), asked.commit));
                }
            }
            _ => {}
        }
    }

    /// A coordinator tells leaders how transactions end.
    pub(super) fn markers(&self, says: &mut Says<'_>, node: i32, request: &WriteTxnMarkersRequest) {
        for marker in &request.markers {
            let (ProducerIdAndEpoch { id, epoch }, commit) = (marker.producer, marker.commit);
            let is_fenced = !commit && !self.begun.contains(&(id, epoch));
            says.rule(is_fenced || self.asked.contains(&(id, epoch, commit)), &|| {
                format!(
                    "coordinator {node} ends a transaction of producer {id} in its epoch {epoch} \
                     (commit: {commit}), which nobody has asked for: the producer goes on in that epoch"
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use stormglass_broker_core::protocol::{EndTxnRequest, TxnMarker};

    /// How many rules a marker breaks after an EndTxn of epoch 3 that commits.
    fn broken(begun: i16, epoch: i16, commit: bool, rules: TransactionRules) -> usize {
        let producer = |epoch| ProducerIdAndEpoch { id: 7, epoch };
        let mut ends = Ends::default();
        ends.begun.insert((7, begun));
        ends.asked(&Request::EndTxn(EndTxnRequest {
            transactional_id: "t".into(),
            producer: producer(3),
            commit: true,
            rules,
        }));
        let marker = TxnMarker {
            producer: producer(epoch),
            commit,
            coordinator_epoch: 0,
            rules,
            partitions: Vec::new(),
        };
        let (mut ledger, history) = (Ledger::default(), History::default());
        let mut says = Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
        ends.markers(&mut says, 1, &WriteTxnMarkersRequest { markers: vec![marker] });
        ledger.finish().1.len()
    }

    #[test]
    fn a_transaction_ends_as_asked_or_in_the_next_epoch() {
        use TransactionRules::{Added, EpochEach};
        assert_eq!((broken(3, 3, true, Added), broken(3, 4, true, EpochEach)), (0, 0));
        assert_eq!(broken(3, 4, false, Added), 0, "it took too long, and is fenced");
        assert_eq!(broken(3, 3, false, Added), 1, "aborted in the epoch of its producer");
        assert_eq!(broken(3, 4, true, Added), 1, "nobody has committed it");
    }
}
