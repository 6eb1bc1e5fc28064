//! What messages carry. The network knows only tokens and sizes.

use super::node::Marks;
use super::remote::StorageMessage;
use stormglass_broker_core::protocol::{Request, Response};

/// A message's content.
#[derive(Debug)]
pub(super) enum Payload {
    /// A request with its id on the connection, and when its sender let it go.
    Request { correlation: u64, request: Request, sent_ns: u64 },
    /// An answer, with the stations that its request passed (of Produce only).
    Response { correlation: u64, response: Response, marks: Option<Box<Marks>> },
    /// What a broker asks of object storage, or the answer.
    Storage(StorageMessage),
}
