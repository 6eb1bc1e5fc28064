//! `wire = true`: what clients and brokers say to each other goes through the codec of `serve`.
//!
//! A request is encoded as its client would and decoded as its broker would; an answer the other
//! way round. What comes out must say the same, bytes of records included, and the frame must be as
//! long as the size that the network was told. A difference is a bug of the codec and ends the run.
//! The typed message goes on, so that a run has the same results either way. Leaves out what nodes
//! say among themselves: nodes of `serve` have a protocol of their own for it.

use super::World;
use super::execute::CLIENT_ID_LEN;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{ConnectionId, NodeId, TopicId};
use stormglass_broker_core::protocol::{Acks, CLUSTER_ID_BYTES, HOST_BYTES, Request, Response};
use stormglass_wire::{
    ApiKey, Call, Cluster, Decoded, Endpoint, Frame, decode_request, decode_response,
    encode_request, encode_response,
};

/// Bytes of a frame's length.
const PREFIX: usize = 4;

/// Requests that wait for their answers.
#[derive(Debug)]
pub(super) struct Wire {
    calls: FxHashMap<(ConnectionId, u64), Call>,
    client_id: String,
    host: String,
    cluster_id: String,
}

impl Default for Wire {
    /// With names as long as the sizes of messages take them to be.
    fn default() -> Self {
        let text = |bytes: u64| "x".repeat(usize::try_from(bytes).unwrap_or(0));
        Self {
            calls: FxHashMap::default(),
            client_id: text(CLIENT_ID_LEN),
            host: text(HOST_BYTES),
            cluster_id: text(CLUSTER_ID_BYTES),
        }
    }
}

/// Names of the simulated cluster.
struct Names<'a> {
    topics: &'a BTreeMap<String, TopicId>,
    wire: &'a Wire,
}

impl Cluster for Names<'_> {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.topics.get(name).copied()
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        let mut topics = self.topics.iter();
        topics.find(|(_, known)| **known == id).map(|(name, _)| Arc::from(name.as_str()))
    }

    fn endpoint(&self, _: NodeId) -> Option<Endpoint<'_>> {
        Some(Endpoint { host: &self.wire.host, port: 9092, rack: None })
    }

    fn cluster_id(&self) -> &str {
        &self.wire.cluster_id
    }
}

impl World {
    /// Sends a client's request through the codec.
    #[cold]
    pub(super) fn through_wire(&mut self, conn: ConnectionId, correlation: u64, request: &Request) {
        let Some(mut wire) = self.wire.take() else { return };
        let names = Names { topics: &self.topics, wire: &wire };
        let number = (correlation & 0x7fff_ffff) as i32;
        let header = (number, wire.client_id.as_str());
        let frame = encode_request(request, header, &names)
            .unwrap_or_else(|| panic!("wire = true: no client sends {request:?}"));
        let (again, call) = match decode_request(frame.to_bytes().slice(PREFIX..), &names) {
            Ok(Decoded::Ask(again, call)) => (again, call),
            other => panic!("wire = true: {request:?} was decoded to {other:?}"),
        };
        let same_bytes = encode_request(&again, header, &names)
            .is_some_and(|second| second.to_bytes() == frame.to_bytes());
        let has_records = matches!(request, Request::Produce(_));
        assert!(
            same_bytes && (has_records || *again == *request),
            "wire = true: a request came out as another one\n  sent {request:?}\n  came {again:?}"
        );
        check_size(call.api(), &frame, request.wire_size(CLIENT_ID_LEN), request);
        let is_answered =
            !matches!(request, Request::Produce(produce) if produce.acks == Acks::None);
        if is_answered {
            wire.calls.insert((conn, correlation), call);
        }
        self.wire = Some(wire);
    }

    /// Sends a broker's answer to a client through the codec.
    #[cold]
    pub(super) fn back_through_wire(
        &mut self,
        conn: ConnectionId,
        correlation: u64,
        response: &Response,
    ) {
        let Some(mut wire) = self.wire.take() else { return };
        if let Some(call) = wire.calls.remove(&(conn, correlation)) {
            let names = Names { topics: &self.topics, wire: &wire };
            let frame = encode_response(&call, response, &names)
                .unwrap_or_else(|| panic!("wire = true: {response:?} answers no {:?}", call.api()));
            match decode_response(&call, frame.to_bytes().slice(PREFIX..), &names) {
                Ok((_, again)) => {
                    let second = encode_response(&call, &again, &names).map(|f| f.to_bytes());
                    assert!(
                        second.is_some_and(|second| second == frame.to_bytes()),
                        "wire = true: an answer came out as another one\n  sent {response:?}\n  \
                         came {again:?}"
                    );
                }
                Err(error) => panic!("wire = true: {error}: {response:?}"),
            }
            check_size(call.api(), &frame, response.wire_size(), response);
        }
        self.wire = Some(wire);
    }

    /// Nobody will answer on a connection that is gone.
    pub(super) fn forget_calls(&mut self, conn: ConnectionId) {
        if let Some(wire) = &mut self.wire {
            wire.calls.retain(|(of, _), _| *of != conn);
        }
    }
}

/// A Fetch has exactly the size that the network was told. The sizes of others take a fixed length
/// for topics' names, also that of Produce, as clients before 4.0 send it.
fn check_size(api: ApiKey, frame: &Frame, told: u64, message: &impl std::fmt::Debug) {
    let is_exact = api == ApiKey::Fetch;
    assert!(
        !is_exact || frame.len() as u64 == told,
        "wire = true: a frame of {} bytes was taken for {told}: {message:?}",
        frame.len(),
    );
}
