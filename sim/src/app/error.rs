//! What a call of an application may fail with.

use crate::client::{FailReason, Refusal};
use std::fmt;

/// A call failed. What to do next, the kind says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A config value cannot be used.
    Config(String),
    /// Another producer has the transactional id now. This one is of no use any more: whoever took over
    /// does the work.
    Fenced,
    /// The producer is of no use any more; make another one.
    Fatal(String),
    /// The transaction is aborted, or must be: [`super::Producer::abort_transaction`], go back to the
    /// committed positions, begin again.
    Aborted,
    /// The record was given up; without a transaction it may be in the log all the same.
    NotSent(String),
    /// The group does not take the positions: partitions have gone to another member.
    CommitFailed(String),
    /// A call that makes no sense at this point: a mistake of the application.
    Misused(&'static str),
    /// The client is gone: its process was killed.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Fenced => f.write_str("another producer has the transactional id"),
            Self::Fatal(what) => write!(f, "the producer cannot go on: {what}"),
            Self::Aborted => f.write_str("the transaction is aborted"),
            Self::NotSent(what) => write!(f, "the record was given up: {what}"),
            Self::CommitFailed(what) => write!(f, "the positions were not committed: {what}"),
            Self::Misused(what) => f.write_str(what),
            Self::Closed => f.write_str("the client's process has ended"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fenced => Self::Fenced,
            Refusal::Fatal(code) => Self::Fatal(format!("{code:?}")),
            Refusal::Aborted | Refusal::NotSent(FailReason::TransactionAborted) => Self::Aborted,
            Refusal::NotSent(reason) => Self::NotSent(format!("{reason:?}")),
            Refusal::TooLarge => Self::NotSent("it fits in no request".to_owned()),
            Refusal::CommitFailed(code) => Self::CommitFailed(format!("{code:?}")),
            Refusal::Misused(what) => Self::Misused(what),
        }
    }
}
