//! A producer of an application.

use super::call::{Call, Reply};
use super::consumer::Group;
use super::error::Error;
use super::hub::Hub;
use super::record::{Positions, Record};
use crate::client::Ask;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;

/// Writes to a topic, in transactions if it has a `transactional.id`. Its batching, retries, idempotence
/// and transactions are those of the load's producers.
///
/// Calls wait for as long as the cluster takes: whoever wants to wait for less uses
/// `madsim::time::timeout`; the call goes on all the same.
#[derive(Debug)]
pub struct Producer {
    hub: Arc<Hub>,
    client: u64,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Partition.
    pub partition: i32,
    /// Offset; `-1` where the broker did not say.
    pub offset: Offset,
}

impl Producer {
    pub(super) fn new(hub: Arc<Hub>, client: u64) -> Self {
        Self { hub, client }
    }

    /// Hands a record over at once; the future ends when it is acknowledged. Futures of several records
    /// may be awaited in any order; within a transaction they need not be awaited at all, as the commit
    /// fails where a record was not written.
    pub fn send(&self, record: Record) -> impl Future<Output = Result<Sent, Error>> + use<> {
        let call = self.call(Ask::Send { record: record.raw, partition: record.partition });
        async move {
            match call.await? {
                Reply::Sent(partition, offset) => Ok(Sent { partition, offset }),
                reply => unreachable!("a record is sent, and not {reply:?}"),
            }
        }
    }

    /// Takes the transactional id: whoever had it is fenced, and a transaction that it left open is
    /// aborted. To be called once, first.
    ///
    /// # Errors
    /// What the coordinator refuses for good.
    pub async fn init_transactions(&self) -> Result<(), Error> {
        self.done(Ask::InitTransactions).await
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Error::Fenced`], or a transaction is open.
    pub async fn begin_transaction(&self) -> Result<(), Error> {
        self.done(Ask::Begin).await
    }

    /// Makes positions of a consumer's group part of the transaction: they are committed with it.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] if the group has another generation by now; the transaction must be
    /// aborted then.
    pub async fn send_offsets_to_transaction(
        &self,
        positions: &Positions,
        group: &Group,
    ) -> Result<(), Error> {
        let (group, offsets) = (group.member.clone(), positions.to_commit());
        self.done(Ask::SendOffsets { group, offsets }).await
    }

    /// Sends what is left, and commits the transaction.
    ///
    /// # Errors
    /// [`Error::Aborted`] if some part of it could not be written: the transaction was aborted instead.
    pub async fn commit_transaction(&self) -> Result<(), Error> {
        self.done(Ask::End { commit: true }).await
    }

    /// Aborts the transaction; does nothing where none is open.
    ///
    /// # Errors
    /// [`Error::Fenced`].
    pub async fn abort_transaction(&self) -> Result<(), Error> {
        self.done(Ask::End { commit: false }).await
    }

    fn call(&self, ask: Ask) -> Call {
        self.hub.ask(self.client, ask)
    }

    async fn done(&self, ask: Ask) -> Result<(), Error> {
        self.call(ask).await.map(|_| ())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.hub.close(self.client);
    }
}
