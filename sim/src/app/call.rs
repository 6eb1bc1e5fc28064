//! A call that waits for its answer: a future on one side, a reply on the other.

use super::error::Error;
use super::hub::Delivery;
use crate::client::{Answer, GroupMember};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a call brings.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nothing but that it is done.
    Done,
    /// Partition and offset of a record.
    Sent(i32, i64),
    /// Records, and for whom their positions may be committed.
    Polled(Vec<Delivery>, GroupMember),
}

#[derive(Debug, Default)]
struct Slot {
    reply: Option<Result<Reply, Error>>,
    waker: Option<Waker>,
}

/// Waits for a reply.
#[derive(Debug)]
pub(crate) struct Call(Arc<Mutex<Slot>>);

/// Where the reply goes. Dropped without one, it says that the client is gone.
#[derive(Debug)]
pub(crate) struct Replier(Arc<Mutex<Slot>>);

/// Both ends of a call.
pub(crate) fn call() -> (Call, Replier) {
    let slot = Arc::new(Mutex::new(Slot::default()));
    (Call(Arc::clone(&slot)), Replier(slot))
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    /// The reply, if it has come and nobody has taken it.
    pub(crate) fn take(&self) -> Option<Result<Reply, Error>> {
        lock(&self.0).reply.take()
    }
}

impl Future for Call {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.0);
        match slot.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Replier {
    /// Ends the call.
    pub(crate) fn reply(self, reply: Result<Reply, Error>) {
        self.put(reply);
    }

    fn put(&self, reply: Result<Reply, Error>) {
        let mut slot = lock(&self.0);
        slot.reply.get_or_insert(reply);
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Reply {
    /// From a client's answer; `polled` is what it has delivered before.
    pub(crate) fn of(answer: Answer, polled: &mut Vec<Delivery>) -> Result<Self, Error> {
        match answer {
            Answer::Done => Ok(Self::Done),
            Answer::Sent { partition, offset } => Ok(Self::Sent(partition, offset)),
            Answer::Polled(member) => Ok(Self::Polled(std::mem::take(polled), member)),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    }
}
