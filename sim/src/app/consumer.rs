//! A consumer of an application.

use super::call::{Call, Reply};
use super::error::Error;
use super::hub::{Delivery, Hub};
use super::record::{Message, Positions, messages_of};
use crate::client::{Ask, GroupMember};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// These partitions of these topics; positions are those of `group.id`, if there is one.
    Assigned(Vec<(String, u32)>),
    /// A share of these topics, divided among the members of `group.id` (the classic protocol).
    Subscribed(Vec<String>),
}

/// For whom positions are committed: Java's `ConsumerGroupMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub(super) member: GroupMember,
}

/// Records of one poll, in order per partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    messages: Vec<Message>,
    group: Group,
}

impl Messages {
    /// For whom the positions behind these records may be committed: the group as it was then.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The positions behind these records.
    #[must_use]
    pub fn positions(&self) -> Positions {
        Positions::after(&self.messages)
    }
}

impl Deref for Messages {
    type Target = [Message];

    fn deref(&self) -> &[Message] {
        &self.messages
    }
}

/// Reads topics. Fetching, positions and membership are those of the load's consumers; positions are
/// committed when the application says so (`enable.auto.commit` is off).
#[derive(Debug)]
pub struct Consumer {
    hub: Arc<Hub>,
    client: u64,
}

impl Consumer {
    pub(super) fn new(hub: Arc<Hub>, client: u64) -> Self {
        Self { hub, client }
    }

    /// Waits for records, and takes at most so many. May be given up (`timeout`, `select!`): what was on
    /// its way comes with the next poll.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn poll(&mut self, records_max: u32) -> Result<Messages, Error> {
        let call = Some(self.hub.ask(self.client, Ask::Poll { records_max }));
        let polled = Polling { consumer: self, call }.await?;
        let Reply::Polled(deliveries, member) = polled else {
            unreachable!("a poll brings records, and not {polled:?}")
        };
        let messages = deliveries.iter().flat_map(messages_of).collect();
        Ok(Messages { messages, group: Group { member } })
    }

    /// Commits positions, without a transaction.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] if partitions have gone to another member.
    pub async fn commit(&self, positions: &Positions) -> Result<(), Error> {
        let offsets = positions.to_commit();
        self.hub.ask(self.client, Ask::Commit { offsets }).await.map(|_| ())
    }

    /// Goes to the offset of a message, to read it again.
    ///
    /// # Errors
    /// The partition has gone to another member.
    pub async fn seek(&self, to: &Message) -> Result<(), Error> {
        let ask = Ask::Seek { tp: to.tp, offset: to.offset, only_back: false };
        self.hub.ask(self.client, ask).await.map(|_| ())
    }

    /// Nobody has seen these: they are read again.
    fn give_back(&self, deliveries: &[Delivery]) {
        for Delivery { tp, first, .. } in deliveries.iter().rev() {
            // nobody waits for the call's end
            let ask = Ask::Seek { tp: *tp, offset: *first, only_back: true };
            drop(self.hub.ask(self.client, ask));
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.hub.close(self.client);
    }
}

/// A poll that may be given up.
struct Polling<'a> {
    consumer: &'a Consumer,
    call: Option<Call>,
}

impl Future for Polling<'_> {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.call else { return Poll::Pending };
        let polled = Pin::new(call).poll(cx);
        if polled.is_ready() {
            self.call = None;
        }
        polled
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        match call.take() {
            Some(Ok(Reply::Polled(deliveries, _))) => self.consumer.give_back(&deliveries),
            Some(_) => {}
            None => drop(self.consumer.hub.ask(self.consumer.client, Ask::CancelPoll)),
        }
    }
}
