//! A client that says one thing at a time, in the codec of `wire`.

use bytes::Bytes;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_wire::{
    Cluster, Decoded, Endpoint, decode_request, decode_response, encode_request,
};

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a frame's length.
const PREFIX: usize = 4;
/// Longest answer that is believed, bytes.
const FRAME_MAX: usize = 64 << 20;

/// The one topic that is spoken of.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) id: TopicId,
}

impl Cluster for Topic {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        (*self.name == *name).then_some(self.id)
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        (id == self.id).then(|| Arc::clone(&self.name))
    }

    fn endpoint(&self, _: NodeId) -> Option<Endpoint<'_>> {
        Some(Endpoint { host: "localhost", port: 9092, rack: None })
    }

    fn cluster_id(&self) -> &str {
        "cluster"
    }
}

/// A connection.
pub(super) struct Asker {
    stream: TcpStream,
    pub(super) topic: Topic,
}

impl Asker {
    pub(super) fn connect(address: SocketAddr, topic: Topic) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the broker takes no connections: {error}");
        let stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self { stream, topic })
    }

    /// Asks and reads the answer.
    ///
    /// # Errors
    /// The connection ended, or the answer is none. The latter is what a client sees whose records
    /// are damaged.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Response, String> {
        let frame = encode_request(request, (7, "fuzz"), &self.topic).ok_or("no client asks so")?;
        let frame = frame.to_bytes();
        let call = match decode_request(frame.slice(PREFIX..), &self.topic) {
            Ok(Decoded::Ask(_, call)) => call,
            other => return Err(format!("the request became {other:?}")),
        };
        let failed = |error: std::io::Error| format!("no answer: {error}");
        self.stream.write_all(&frame).map_err(failed)?;
        let mut len = [0; PREFIX];
        self.stream.read_exact(&mut len).map_err(failed)?;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > FRAME_MAX {
            return Err(format!("an answer of {len} bytes"));
        }
        let mut answer = vec![0; len];
        self.stream.read_exact(&mut answer).map_err(failed)?;
        let answer = decode_response(&call, Bytes::from(answer), &self.topic);
        answer.map(|(_, response)| response).map_err(|error| format!("answer: {error:?}"))
    }
}
