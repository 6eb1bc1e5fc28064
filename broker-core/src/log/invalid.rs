//! Which records of a batch are wrong, for their producer to be told (Kafka's `LogValidator.processRecordErrors`,
//! KIP-467).

use super::types::AppendError;
use crate::error::ErrorCode;
use crate::protocol::InvalidRecords;
use std::sync::Arc;

/// Records that are named, at most: a small batch must not have an answer of any size. Kafka names all.
const NAMED_MAX: usize = 100;

/// Wrong records of one batch.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    /// Index in the batch, and what is wrong.
    named: Vec<(i32, Arc<str>)>,
    count: usize,
    has_wrong_time: bool,
}

impl Wrong {
    /// All of so many records: their batch says that the broker has set their times.
    pub(super) fn all_timed_by_broker(records: i32) -> AppendError {
        let why: Arc<str> = "producers may not set the timestamp type LogAppendTime".into();
        let named = (0..records).take(NAMED_MAX).map(|index| (index, Arc::clone(&why))).collect();
        let count = usize::try_from(records).unwrap_or(0);
        Self { named, count, has_wrong_time: true }.refusal()
    }

    /// A record of a compacted topic has no key.
    pub(super) fn lacks_key(&mut self, index: i32) {
        self.note(index, || "a compacted topic takes no record without a key".to_owned());
    }

    /// A record's time is not within these bounds, ms since the epoch.
    pub(super) fn out_of_range(&mut self, index: i32, timestamp: i64, (from, to): (i64, i64)) {
        self.has_wrong_time = true;
        self.note(index, || format!("timestamp {timestamp} is not within [{from}, {to}]"));
    }

    fn note(&mut self, index: i32, why: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push((index, why().into()));
        }
    }

    /// Whether there are any.
    pub(super) fn is_any(&self) -> bool {
        self.count > 0
    }

    /// Why nothing of the batch is appended: a wrong time is told rather than a key that is missing.
    pub(super) fn refusal(self) -> AppendError {
        let (error, what) = match self.has_wrong_time {
            true => (ErrorCode::InvalidTimestamp, "records with invalid timestamps"),
            false => (ErrorCode::InvalidRecord, "invalid records"),
        };
        let message = format!("the batch has {what}: {} are refused in all", self.count).into();
        let told = Arc::new(InvalidRecords { message, records: self.named });
        AppendError::InvalidRecords { error, told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_up_to_a_bound() {
        let mut wrong = Wrong::default();
        assert!(!wrong.is_any());
        (0..2000).for_each(|index| wrong.lacks_key(index));
        assert!(wrong.is_any());
        let AppendError::InvalidRecords { error, told } = wrong.refusal() else { panic!() };
        assert_eq!((error, told.records.len()), (ErrorCode::InvalidRecord, NAMED_MAX));
        assert!(told.message.contains("2000"), "{}", told.message);
        let all = Wrong::all_timed_by_broker(i32::MAX);
        let AppendError::InvalidRecords { error, told } = all else { panic!() };
        assert_eq!((error, told.records.len()), (ErrorCode::InvalidTimestamp, NAMED_MAX));
    }
}
