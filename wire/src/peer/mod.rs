//! What nodes of one cluster say to each other: a protocol of our own, as all of them are this very
//! program. Kafka's messages between brokers name topics and carry much that typed requests do not
//! have.
//!
//! A connection begins with a [`Hello`] that looks like a Kafka request with a key that Kafka does
//! not have, so that nodes and clients may use the same port. Then there are frames both ways: a
//! length, the request's number, the kind of message, its fields in order. Numbers are big-endian,
//! lengths are varints; nothing is optional and nothing is versioned but by [`Hello::VERSION`].

mod fields;
mod messages;
#[cfg(test)]
mod tests;

use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use fields::Field;
use std::sync::Arc;
use stormglass_broker_core::ids::{CorrelationId, NodeId};
use stormglass_broker_core::protocol::{Request, Response};

/// API key of a hello: far above Kafka's.
const HELLO_KEY: i16 = 0x5347;

/// Who opens a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Cluster; nodes of another one are refused.
    pub cluster_id: Arc<str>,
    /// Node that asks.
    pub from: NodeId,
    /// Node that it believes to have reached.
    pub to: NodeId,
}

impl Hello {
    /// Version of the protocol; nodes of different versions do not talk.
    pub const VERSION: i16 = 3;

    /// Whether a frame may be a hello.
    #[must_use]
    pub fn is_hello(frame: &[u8]) -> bool {
        frame.starts_with(&HELLO_KEY.to_be_bytes())
    }

    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> Frame {
        let mut out = Writer::bare();
        out.i16(HELLO_KEY);
        out.i16(Self::VERSION);
        self.cluster_id.put(&mut out);
        self.from.put(&mut out);
        self.to.put(&mut out);
        out.finish()
    }

    /// Decodes a frame, without its length prefix.
    ///
    /// # Errors
    /// It is none, or one of another version.
    pub fn decode(frame: Bytes) -> Result<Self, WireError> {
        let mut reader = open(frame);
        let (key, version) = (reader.i16()?, reader.i16()?);
        if key != HELLO_KEY {
            return Err(WireError::UnsupportedApi(key));
        }
        if version != Self::VERSION {
            return Err(WireError::UnsupportedVersion { api: key, version });
        }
        let hello = Self {
            cluster_id: Field::take(&mut reader)?,
            from: Field::take(&mut reader)?,
            to: Field::take(&mut reader)?,
        };
        reader.end()?;
        Ok(hello)
    }
}

fn open(frame: Bytes) -> Reader {
    let mut reader = Reader::new(frame);
    reader.set_flexible(true);
    reader
}

/// Encodes a request; `None` when it is not one that nodes ask each other.
#[must_use]
pub fn encode_peer_request(correlation: CorrelationId, request: &Request) -> Option<Frame> {
    let mut out = Writer::bare();
    correlation.0.put(&mut out);
    messages::put_request(request, &mut out).then(|| out.finish())
}

/// Decodes a request, without its length prefix.
///
/// # Errors
/// The frame makes no sense, and its connection is to be closed.
pub fn decode_peer_request(frame: Bytes) -> Result<(CorrelationId, Request), WireError> {
    let mut reader = open(frame);
    let correlation = CorrelationId(Field::take(&mut reader)?);
    let request = messages::take_request(&mut reader)?;
    reader.end()?;
    Ok((correlation, request))
}

/// Encodes an answer; `None` when it is not one that nodes give each other.
#[must_use]
pub fn encode_peer_response(correlation: CorrelationId, response: &Response) -> Option<Frame> {
    let mut out = Writer::bare();
    correlation.0.put(&mut out);
    messages::put_response(response, &mut out).then(|| out.finish())
}

/// Decodes an answer, without its length prefix.
///
/// # Errors
/// The frame makes no sense, and its connection is to be closed.
pub fn decode_peer_response(frame: Bytes) -> Result<(CorrelationId, Response), WireError> {
    let mut reader = open(frame);
    let correlation = CorrelationId(Field::take(&mut reader)?);
    let response = messages::take_response(&mut reader)?;
    reader.end()?;
    Ok((correlation, response))
}
