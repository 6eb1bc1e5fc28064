//! Why records failed: counts by cause, and a sentence about them.

use crate::client::{FailReason, RejectReason};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use stormglass_broker_core::error::ErrorCode;
use stormglass_reports::grouped;

/// What records failed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Their batch failed.
    Failed(FailReason),
    /// They never got into one.
    Rejected(RejectReason),
}

/// Records that failed, by cause.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    by_cause: BTreeMap<Cause, u64>,
}

impl Failures {
    /// Records fail.
    pub(crate) fn count(&mut self, cause: Cause, records: u64) {
        *self.by_cause.entry(cause).or_default() += records;
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.by_cause.values().sum()
    }

    /// Those of another time as well.
    pub(crate) fn add(&mut self, other: Self) {
        other.by_cause.into_iter().for_each(|(cause, records)| self.count(cause, records));
    }

    /// Those of measure and heal in words, the commonest cause first; `None` if none failed.
    pub(crate) fn note(&self) -> Option<String> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let mut causes: Vec<(Cause, u64)> =
            self.by_cause.iter().map(|(cause, records)| (*cause, *records)).collect();
        causes.sort_by_key(|(cause, records)| (Reverse(*records), *cause));
        let parts = causes.iter().map(|(cause, records)| {
            let (what, error) = cause.words();
            let error = error.map_or(String::new(), |error| format!(" ({})", name_of(error)));
            format!("{} {what}{error}", grouped(*records))
        });
        let parts: Vec<String> = parts.collect();
        let records = if total == 1 { "record" } else { "records" };
        Some(format!(
            "failures: {} {records} in measure and heal, of which {}",
            grouped(total),
            parts.join(", ")
        ))
    }
}

impl Cause {
    fn words(self) -> (&'static str, Option<ErrorCode>) {
        match self {
            Self::Failed(FailReason::DeliveryTimeout) => {
                ("without an acknowledgement within delivery.timeout.ms", None)
            }
            Self::Failed(FailReason::RetriesExhausted(error)) => {
                ("refused until no retry was left", Some(error))
            }
            Self::Failed(FailReason::Fatal(error)) => ("refused for good", Some(error)),
            Self::Failed(FailReason::Disconnected) => {
                ("on a lost connection, with no retry left", None)
            }
            Self::Failed(FailReason::TransactionAborted) => {
                ("aborted with their transaction", None)
            }
            Self::Rejected(RejectReason::BlockedTooLong) => ("not taken within max.block.ms", None),
            Self::Rejected(RejectReason::TooLarge) => ("too large to be sent", None),
        }
    }
}

/// As Kafka calls it.
fn name_of(error: ErrorCode) -> String {
    if error == ErrorCode::InvalidTopic {
        return "INVALID_TOPIC_EXCEPTION".to_owned();
    }
    let mut name = String::new();
    for letter in format!("{error:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_cause_comes_first() {
        let mut failures = Failures::default();
        assert_eq!(failures.note(), None);
        failures.count(Cause::Rejected(RejectReason::TooLarge), 1);
        failures.count(Cause::Failed(FailReason::Fatal(ErrorCode::InvalidTxnState)), 20);
        failures.count(Cause::Failed(FailReason::TransactionAborted), 1_114_000);
        failures.count(Cause::Failed(FailReason::TransactionAborted), 1_007);
        failures.count(Cause::Failed(FailReason::DeliveryTimeout), 20);
        assert_eq!(
            failures.note().unwrap(),
            "failures: 1,115,048 records in measure and heal, of which 1,115,007 aborted with their \
             transaction, 20 without an acknowledgement within delivery.timeout.ms, 20 refused for \
             good (INVALID_TXN_STATE), 1 too large to be sent"
        );
    }
}
