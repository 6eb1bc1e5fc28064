//! Two things at once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Runs both until one of them ends; the other one is dropped where it is.
pub(super) async fn either<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => other.as_mut().poll(context),
    })
    .await
}
