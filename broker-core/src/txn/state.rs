//! The state machine of one transactional id (Kafka's `TransactionMetadata`). A change is made in
//! two steps: [`Transaction`] says what it will be, the log takes that, and then it is. Until then
//! everybody is told to try again. Leaves out the log, time-outs and markers.
//!
//! Where each transaction has an epoch of its own (KIP-890, second part), deciding its end begins the
//! next epoch, and markers carry that: whatever of the transaction comes late is fenced. How such a
//! transaction ends is in `end_each`.

use crate::error::ErrorCode;
use crate::protocol::{ProducerIdAndEpoch, TransactionRules, TransactionState};
use std::collections::BTreeSet;
use std::sync::Arc;

/// No producer, or no epoch yet.
pub(super) const NOBODY: ProducerIdAndEpoch = ProducerIdAndEpoch { id: -1, epoch: -1 };
/// No transaction has begun.
pub(super) const NOT_STARTED: i64 = -1;

/// A partition by its topic's name, as the log has it.
pub(super) type NamedPartition = (Arc<str>, i32);

/// What the log says of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) producer: ProducerIdAndEpoch,
    /// Who had the id before, for retries; its epoch is not in the log.
    pub(super) last: ProducerIdAndEpoch,
    /// Producer id after this transaction, as this one's epochs have ended.
    pub(super) next_id: Option<i64>,
    /// Rules by which the last end was decided.
    pub(super) rules: TransactionRules,
    pub(super) timeout_ms: i32,
    pub(super) state: TransactionState,
    pub(super) partitions: BTreeSet<NamedPartition>,
    /// When the transaction began, ms since the epoch.
    pub(super) start_ms: i64,
    pub(super) update_ms: i64,
}

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) values: Values,
    /// Whether the log is being told of a change.
    pub(super) is_changing: bool,
}

/// What InitProducerId comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Init {
    /// This, once the log has it.
    Ready(Values),
    /// The transaction that is open must be aborted first.
    Fence(Values),
    /// A new producer id is needed.
    NeedsId,
}

impl Transaction {
    /// A transactional id that nobody has used yet.
    pub(super) fn new(producer_id: i64, timeout_ms: i32, wall_ms: i64) -> Self {
        Self::loaded(Values {
            producer: ProducerIdAndEpoch { id: producer_id, epoch: NOBODY.epoch },
            last: NOBODY,
            next_id: None,
            rules: TransactionRules::Added,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: NOT_STARTED,
            update_ms: wall_ms,
        })
    }

    /// As the log has it.
    pub(super) fn loaded(values: Values) -> Self {
        Self { values, is_changing: false }
    }

    /// The log has these values.
    pub(super) fn apply(&mut self, values: Values) {
        self.values = values;
        self.is_changing = false;
    }

    /// The log has not taken the change.
    pub(super) fn give_up(&mut self) {
        self.is_changing = false;
    }

    pub(super) fn change(&mut self, values: Values) -> Values {
        self.is_changing = true;
        values
    }

    /// A producer begins its session. `held` is what it had before, if it says so (KIP-360); a new
    /// producer id is used where one is needed.
    pub(super) fn init(
        &mut self,
        timeout_ms: i32,
        held: Option<ProducerIdAndEpoch>,
        new_id: Option<i64>,
        wall_ms: i64,
    ) -> Result<Init, ErrorCode> {
        if self.is_changing {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        // somebody else's id stays that, whatever the end that is under way comes to
        if held.is_some_and(|held| !self.may_have_been(held)) {
            return Err(ErrorCode::ProducerFenced);
        }
        if self.values.state.is_ending() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if self.values.state == TransactionState::Ongoing {
            return Ok(Init::Fence(self.fence(wall_ms)));
        }
        let now = self.values.producer;
        let is_over = is_exhausted(now.epoch) && held.is_none_or(|held| held.epoch == now.epoch);
        let (producer, last) = if is_over {
            let Some(id) = new_id else { return Ok(Init::NeedsId) };
            let epoch = if held.is_some() { now.epoch } else { NOBODY.epoch };
            (ProducerIdAndEpoch { id, epoch: 0 }, ProducerIdAndEpoch { epoch, ..now })
        } else {
            self.next_epoch(held)?
        };
        let values = Values {
            producer,
            last,
            next_id: None,
            rules: TransactionRules::Added,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: NOT_STARTED,
            update_ms: wall_ms,
        };
        Ok(Init::Ready(self.change(values)))
    }

    /// Whether a producer may have had this id, or the one before it when its epochs ended.
    fn may_have_been(&self, held: ProducerIdAndEpoch) -> bool {
        let Values { producer, last, .. } = &self.values;
        producer.epoch == NOBODY.epoch
            || held.id == producer.id
            || (held.id == last.id && is_exhausted(held.epoch))
    }

    /// The next epoch, or the current one when this is the retry of the request that led to it, be that the last epoch
    /// that a producer may have: in Kafka such a retry is an `UNKNOWN_SERVER_ERROR`. With another epoch, whoever had the
    /// id before this one is a stranger: what is open by then it does not fence (`prepareTransitionTo`).
    fn next_epoch(
        &self,
        held: Option<ProducerIdAndEpoch>,
    ) -> Result<(ProducerIdAndEpoch, ProducerIdAndEpoch), ErrorCode> {
        let Values { producer, last, .. } = self.values;
        let bumped = ProducerIdAndEpoch { epoch: producer.epoch.saturating_add(1), ..producer };
        let last_of = |epoch| ProducerIdAndEpoch { epoch, ..NOBODY };
        match held.map(|held| held.epoch) {
            None => Ok((bumped, last_of(NOBODY.epoch))),
            Some(epoch) if producer.epoch == NOBODY.epoch || epoch == producer.epoch => {
                Ok((bumped, last_of(producer.epoch)))
            }
            Some(epoch) if epoch == last.epoch => Ok((producer, last)),
            Some(_) => Err(ErrorCode::ProducerFenced),
        }
    }

    /// Whether a request of this producer may change the transaction now.
    fn check(&self, producer: ProducerIdAndEpoch) -> Result<(), ErrorCode> {
        self.values.check_next(producer)?;
        self.values.check_current(producer)?;
        if self.is_changing {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(())
    }

    /// Partitions become part of the transaction, which begins with the first of them. `None`: they
    /// are part of it already.
    pub(super) fn add(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: BTreeSet<NamedPartition>,
        wall_ms: i64,
    ) -> Result<Option<Values>, ErrorCode> {
        self.check(producer)?;
        let now = &self.values;
        let is_ongoing = now.state == TransactionState::Ongoing;
        if now.state.is_ending() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if is_ongoing && partitions.is_subset(&now.partitions) {
            return Ok(None);
        }
        let mut values = Values {
            state: TransactionState::Ongoing,
            start_ms: if is_ongoing { now.start_ms } else { wall_ms },
            update_ms: wall_ms,
            ..now.clone()
        };
        values.partitions.extend(partitions);
        Ok(Some(self.change(values)))
    }

    /// Whether partitions could be part of the transaction of this producer now. Of a change that the log is being told
    /// of nobody knows yet: a leader's append is checked once more, by what its own log has
    /// (`TransactionCoordinator.handleVerifyPartitionsInTransaction`).
    pub(super) fn verify(&self, producer: ProducerIdAndEpoch) -> Result<(), ErrorCode> {
        self.values.check_current(producer)?;
        if self.values.state.is_ending() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(())
    }

    /// The producer ends the transaction. `None`: it has ended like this already.
    pub(super) fn end(
        &mut self,
        producer: ProducerIdAndEpoch,
        commit: bool,
        wall_ms: i64,
    ) -> Result<Option<Values>, ErrorCode> {
        self.check(producer)?;
        match (self.values.state, commit) {
            (TransactionState::Ongoing, _) => Ok(Some(self.prepare(producer, commit, wall_ms))),
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Ok(None)
            }
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    fn prepare(&mut self, producer: ProducerIdAndEpoch, commit: bool, wall_ms: i64) -> Values {
        let state =
            if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        let rules = TransactionRules::Added;
        let values = Values { producer, state, rules, update_ms: wall_ms, ..self.values.clone() };
        self.change(values)
    }

    /// Aborts an open transaction in the next epoch, so that its producer can write no more
    /// (TXN-10). The last epoch of an id is used for nothing else.
    pub(super) fn fence(&mut self, wall_ms: i64) -> Values {
        let producer = self.values.producer;
        let fenced = ProducerIdAndEpoch { epoch: producer.epoch.saturating_add(1), ..producer };
        let mut values = self.prepare(fenced, false, wall_ms);
        values.last.epoch = NOBODY.epoch;
        values
    }

    /// Aborts an open transaction in its own epoch: a planted bug.
    pub(super) fn abort_in_epoch(&mut self, wall_ms: i64) -> Values {
        self.prepare(self.values.producer, false, wall_ms)
    }

    /// Forgets an open transaction: a planted bug.
    pub(super) fn leave_open(&mut self) {
        if self.values.state == TransactionState::Ongoing {
            self.values.state = TransactionState::Empty;
        }
    }

    /// All markers are written.
    pub(super) fn complete(&mut self, wall_ms: i64) -> Option<Values> {
        let state = match self.values.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            TransactionState::PrepareAbort => TransactionState::CompleteAbort,
            _ => return None,
        };
        let now = &self.values;
        let (partitions, next_id) = (BTreeSet::new(), None);
        let producer = now.next_producer();
        let last_id = match now.next_id {
            Some(_) => now.producer.id,
            // its successor has had an epoch of its own
            None if now.rules.has_epochs() => NOBODY.id,
            None => now.last.id,
        };
        let last = ProducerIdAndEpoch { id: last_id, ..now.last };
        let values = Values {
            producer,
            last,
            next_id,
            state,
            partitions,
            update_ms: wall_ms,
            ..now.clone()
        };
        Some(self.change(values))
    }

    /// Whether the transaction takes longer than its producer has said.
    pub(super) fn is_late(&self, wall_ms: i64) -> bool {
        let Values { state, start_ms, timeout_ms, .. } = self.values;
        !self.is_changing
            && state == TransactionState::Ongoing
            && start_ms.saturating_add(i64::from(timeout_ms)) < wall_ms
    }

    /// Whether nobody has used the id since `oldest_ms`.
    pub(super) fn is_unused(&self, oldest_ms: i64) -> bool {
        let Values { state, update_ms, .. } = self.values;
        let is_over = state != TransactionState::Ongoing && !state.is_ending();
        !self.is_changing && is_over && update_ms <= oldest_ms
    }
}

impl Values {
    /// Who the producer is once the transaction is over.
    pub(super) fn next_producer(&self) -> ProducerIdAndEpoch {
        self.next_id.map_or(self.producer, |id| ProducerIdAndEpoch { id, epoch: 0 })
    }

    /// Whether this is who has the id.
    fn check_current(&self, producer: ProducerIdAndEpoch) -> Result<(), ErrorCode> {
        if producer.id != self.producer.id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if producer.epoch != self.producer.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(())
    }

    /// A producer that got a new id with the end of its transaction may be faster than the markers of
    /// that: it must wait. The last epoch of an id is for markers, and nobody's.
    pub(super) fn check_next(&self, producer: ProducerIdAndEpoch) -> Result<(), ErrorCode> {
        if producer.epoch == i16::MAX {
            return Err(ErrorCode::ProducerFenced);
        }
        let is_next = self.next_id.is_some() && producer == self.next_producer();
        if is_next && self.state.is_ending() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(())
    }
}

/// Whether an epoch has none after it that a producer may have.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}
