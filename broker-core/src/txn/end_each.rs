//! How a transaction ends where each has an epoch of its own (KIP-890, second part;
//! `transaction.version` 2). The epoch after it is the producer's from then on, and the answer says
//! so. An answer that is lost is asked for again in the epoch that has ended: a retry is known by
//! that, and changes nothing. In the current epoch it is another end, perhaps of a transaction that
//! has nothing in it.

use super::state::{Transaction, Values, is_exhausted};
use crate::error::ErrorCode;
use crate::protocol::{ProducerIdAndEpoch, TransactionRules, TransactionState};

/// What an EndTxn comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// This, once the log has it.
    Decided(Values),
    /// It has ended like this already; this is who the producer is now.
    Already(ProducerIdAndEpoch),
    /// A new producer id is needed.
    NeedsId,
}

impl Transaction {
    /// The producer ends the transaction; a new producer id is used where one is needed.
    pub(super) fn end_each(
        &mut self,
        producer: ProducerIdAndEpoch,
        commit: bool,
        new_id: Option<i64>,
        wall_ms: i64,
    ) -> Result<End, ErrorCode> {
        use TransactionState::{
            CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
        };
        let now = &self.values;
        now.check_next(producer)?;
        let is_retry = now.is_retried_by(producer);
        let is_current = producer == now.producer;
        if producer.id != now.producer.id && !is_retry {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        let is_known = match now.state {
            Ongoing | Empty => is_current,
            // in its own epoch only if an older client has decided it
            PrepareCommit | PrepareAbort => {
                is_retry || is_current && now.rules == TransactionRules::Added
            }
            CompleteCommit | CompleteAbort => is_retry || is_current,
        };
        if !is_known {
            return Err(ErrorCode::ProducerFenced);
        }
        if self.is_changing {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        match (now.state, commit) {
            (Ongoing, _) => Ok(self.decide(commit, new_id, wall_ms)),
            (CompleteCommit, true) | (CompleteAbort, false) if is_retry => {
                Ok(End::Already(now.producer))
            }
            (PrepareCommit, true) | (PrepareAbort, false) => Err(ErrorCode::ConcurrentTransactions),
            // the producer gives up before anything of it has come here
            (Empty | CompleteCommit | CompleteAbort, false) if !is_retry => {
                Ok(self.decide(commit, new_id, wall_ms))
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// Whether the end is one of the transaction before, and came once more after the next one has begun (KAFKA-17754).
    pub(super) fn has_gone_on(&self, producer: ProducerIdAndEpoch) -> bool {
        self.values.state == TransactionState::Ongoing && self.values.is_retried_by(producer)
    }

    fn decide(&mut self, commit: bool, new_id: Option<i64>, wall_ms: i64) -> End {
        let now = &self.values;
        let needs_id = is_exhausted(now.producer.epoch);
        if needs_id && new_id.is_none() {
            return End::NeedsId;
        }
        let state =
            if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        let is_open = now.state == TransactionState::Ongoing;
        let values = Values {
            // the last epoch of an id is for markers alone
            producer: ProducerIdAndEpoch { epoch: now.producer.epoch + 1, ..now.producer },
            last: ProducerIdAndEpoch { epoch: now.producer.epoch, ..now.last },
            next_id: new_id.filter(|_| needs_id),
            rules: TransactionRules::EpochEach,
            state,
            start_ms: if is_open { now.start_ms } else { wall_ms },
            update_ms: wall_ms,
            ..now.clone()
        };
        End::Decided(self.change(values))
    }
}

impl Values {
    /// Whether a producer asks for the end that has begun the current epoch.
    fn is_retried_by(&self, producer: ProducerIdAndEpoch) -> bool {
        let before =
            ProducerIdAndEpoch { epoch: self.producer.epoch.wrapping_sub(1), ..self.producer };
        let is_new_id = self.producer.epoch == 0
            && producer.id == self.last.id
            && producer.epoch == i16::MAX - 1;
        self.rules == TransactionRules::EpochEach
            && (self.producer.epoch > 0 && producer == before || is_new_id)
    }
}
