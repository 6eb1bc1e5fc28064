//! A connection to a broker, with a codec that is not ours.

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable as _, HeaderVersion, Request, StrBytes};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use uuid::Uuid;

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) enum Answer<T> {
    Said(T),
    /// The broker ended the connection.
    Closed,
    /// No answer in time, or none that can be read.
    Failed(String),
}

/// A broker that is asked.
pub(crate) struct Peer {
    address: String,
    stream: TcpStream,
    correlation: i32,
    /// Served versions by API key.
    served: BTreeMap<i16, (i16, i16)>,
    /// Ids of topics by their names.
    pub(super) topics: BTreeMap<String, Uuid>,
}

impl Peer {
    /// Connects and learns what is served.
    ///
    /// # Errors
    /// Nobody is there, or it says nothing that can be understood.
    pub(crate) fn connect(address: &str) -> Result<Self, String> {
        let mut peer = Self {
            address: address.to_owned(),
            stream: open(address).map_err(|error| format!("{address}: {error}"))?,
            correlation: 0,
            served: BTreeMap::new(),
            topics: BTreeMap::new(),
        };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("differential"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        match peer.ask(3, &request) {
            Answer::Said(answer) => {
                let keys = answer.api_keys.iter();
                peer.served =
                    keys.map(|key| (key.api_key, (key.min_version, key.max_version))).collect();
                Ok(peer)
            }
            other => Err(format!("{address} does not say what it serves: {other:?}")),
        }
    }

    /// Lowest and highest version of an API.
    pub(super) fn served(&self, key: i16) -> Option<(i16, i16)> {
        self.served.get(&key).copied()
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The id of a topic; nil when it is not known.
    pub(super) fn id(&self, topic: &str) -> Uuid {
        self.topics.get(topic).copied().unwrap_or_default()
    }

    /// Asks and reads the answer. A connection that ended is opened again.
    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> Answer<R::Response>
    where
        R::Response: Debug,
    {
        let answer = self.exchange(version, request);
        if !matches!(answer, Answer::Said(_)) {
            match open(&self.address) {
                Ok(stream) => self.stream = stream,
                Err(error) => return Answer::Failed(format!("the broker is gone: {error}")),
            }
        }
        answer
    }

    fn exchange<R: Request>(&mut self, version: i16, request: &R) -> Answer<R::Response> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("differential")));
        let mut out = BytesMut::new();
        let encoded = header
            .encode(&mut out, R::header_version(version))
            .and_then(|()| request.encode(&mut out, version));
        if let Err(error) = encoded {
            return Answer::Failed(format!("no such request in version {version}: {error}"));
        }
        match self.round_trip(&out) {
            Ok(mut frame) => {
                read::<R>(&mut frame, version).map_or_else(Answer::Failed, Answer::Said)
            }
            Err(error) if is_end(&error) => Answer::Closed,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    fn round_trip(&mut self, out: &[u8]) -> io::Result<Bytes> {
        let len = u32::try_from(out.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.stream.write_all(&[&len, out].concat())?;
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }
}

fn open(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn read<R: Request>(frame: &mut Bytes, version: i16) -> Result<R::Response, String> {
    let header_version = <R::Response as HeaderVersion>::header_version(version);
    ResponseHeader::decode(frame, header_version).map_err(|error| format!("header: {error}"))?;
    let response = <R::Response as Decodable>::decode(frame, version);
    let response = response.map_err(|error| format!("cannot be read: {error}"))?;
    if frame.has_remaining() {
        return Err(format!("{} bytes follow the answer", frame.remaining()));
    }
    Ok(response)
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
}
