//! Transactions (KIP-98): their coordinator, in `__transaction_state`, and what leaders of
//! partitions do for them.
//!
//! - `state`: the state machine of one transactional id, without IO; `codec`: its records
//! - `coordinator`: which transactional ids this broker has; appends; `loading`: taking over
//! - `init`, `partitions`, `end`: what producers ask; `end_each`: how a transaction with an epoch of
//!   its own ends; `timeouts`: what nobody asks for
//! - `markers`: telling leaders how transactions end; `admin`: what tools ask
//! - `audit`: what checkers compare
//! - `appends`: a leader writes markers; `verify`: a leader asks whether it may append (KIP-890)
//!
//! Left out: two-phase commit (KIP-939).

mod admin;
mod appends;
mod audit;
mod codec;
mod coordinator;
mod end;
mod end_each;
mod init;
mod loading;
mod markers;
mod partitions;
mod state;
#[cfg(test)]
mod tests;
mod timeouts;
mod verify;

pub(crate) use appends::MarkerAppends;
pub(crate) use audit::replay_transactions;
pub(crate) use coordinator::{Cx, TransactionCoordinator};
pub(crate) use init::{InitTransactions, refuse as refuse_init};
pub(crate) use verify::{Verified, Verifier, coordinator};

/// Name of the topic that holds transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Marks tokens of appends to `__transaction_state`.
const COORDINATOR_TOKEN: u64 = 1 << 62;
/// Marks tokens of markers' appends.
const MARKER_TOKEN: u64 = 1 << 63;

/// Whose append it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenOwner {
    /// The coordinator's.
    Coordinator,
    /// A marker.
    Marker,
    /// Not of transactions.
    Other,
}

/// Whose append a token names.
pub(crate) fn owner_of_token(token: u64) -> TokenOwner {
    if token & MARKER_TOKEN != 0 {
        TokenOwner::Marker
    } else if token & COORDINATOR_TOKEN != 0 {
        TokenOwner::Coordinator
    } else {
        TokenOwner::Other
    }
}
