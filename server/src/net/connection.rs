//! One client's connection: a request at a time, as Kafka serves them, so that answers keep their
//! order and a client that asks faster than it is answered fills its own socket only.

use super::framing::{FrameError, Incoming, read_frame, write_frame};
use super::listener::Door;
use super::peer;
use crate::loggers;
use crate::metrics::Counters;
use crate::node::{Answer, Event};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
use stormglass_wire::{
    Api, ApiKey, Decoded, Frame, Hello, WireError, decode_request, encode_response,
};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Why a connection is closed by this side.
#[derive(Debug)]
pub(super) enum Closing {
    /// The client went away, or said nothing for too long.
    Quiet,
    /// What came is no frame.
    Frame(FrameError),
    /// The frame is no request that can be answered.
    Request(WireError),
    /// A node of another cluster, or one that looks for another node.
    Stranger(Hello),
    /// Clients are not served here.
    NotForClients,
    /// The node does not serve clients yet.
    NotYet,
    /// The node stops, or has no answer for what it was asked.
    NoAnswer,
    /// Records were refused, and their producer asked for no answer.
    Refused,
}

impl From<WireError> for Closing {
    fn from(error: WireError) -> Self {
        Self::Request(error)
    }
}

impl From<io::Error> for Closing {
    fn from(_: io::Error) -> Self {
        Self::Quiet
    }
}

/// Serves a client until one side ends it.
pub(super) async fn serve(mut stream: TcpStream, client: SocketAddr, door: Door, id: ConnectionId) {
    // answers are whole when they are written: nothing is gained by waiting for more
    let _ = stream.set_nodelay(true);
    match converse(&mut stream, client, &door, id).await {
        Closing::Quiet => tracing::debug!(%client, "connection ended"),
        Closing::Frame(error) => tracing::warn!(%client, %error, "connection closed"),
        Closing::Request(error) => tracing::warn!(%client, %error, "connection closed"),
        Closing::Stranger(hello) => tracing::warn!(%client, ?hello, "a strange node; closed"),
        Closing::NotForClients => {
            tracing::warn!(%client, "a client on the controllers' listener; closed");
        }
        Closing::NotYet => tracing::debug!(%client, "a client before the node serves; closed"),
        Closing::NoAnswer => tracing::debug!(%client, "connection closed: no answer"),
        Closing::Refused => {
            tracing::info!(%client, "records of a producer with acks=0 were refused; connection closed");
        }
    }
    // a node that is gone does not mind
    let _ = door.outbox.send(Event::Closed(id));
}

async fn converse(
    stream: &mut TcpStream,
    client: SocketAddr,
    door: &Door,
    id: ConnectionId,
) -> Closing {
    let mut incoming = Incoming::default();
    let mut client_id: Option<Arc<str>> = None;
    let host: Arc<str> = format!("/{}", client.ip()).into();
    let idle = Duration::from_millis(door.limits.idle_ms_max);
    for turn in 0.. {
        let read = read_frame(stream, &mut incoming, door.limits.frame_bytes_max);
        let frame = match timeout(idle, read).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) | Err(_) | Ok(Err(FrameError::Io(_))) => return Closing::Quiet,
            Ok(Err(error)) => return Closing::Frame(error),
        };
        if turn == 0 && Hello::is_hello(&frame) && door.peers {
            return peer::serve(stream, incoming, frame, door, id).await;
        }
        if !door.clients {
            return Closing::NotForClients;
        }
        if !door.serving.has_begun() {
            return Closing::NotYet;
        }
        let asked = Asked {
            conn: id,
            correlation: CorrelationId(turn),
            host: &host,
            client_id: &mut client_id,
        };
        let timed = door.counters.as_ref().and_then(|counters| begin(counters, &frame));
        let answer = match answer(frame, door, asked).await {
            Ok(answer) => answer,
            Err(closing) => return closing,
        };
        if let Some((counters, api, since)) = timed {
            counters.timed(api, since.elapsed());
        }
        let (frame, throttle_ms) = answer;
        if let Some(frame) = frame
            && write_frame(stream, &frame, idle).await.is_err()
        {
            return Closing::Quiet;
        }
        if throttle_ms > 0 {
            sleep(Duration::from_millis(throttle_ms.into())).await;
        }
    }
    Closing::Quiet
}

/// Begins to take the time of a request.
#[expect(clippy::disallowed_methods, reason = "real clients take real time")]
fn begin<'a>(counters: &'a Counters, frame: &[u8]) -> Option<(&'a Counters, ApiKey, Instant)> {
    let key = i16::from_be_bytes(*frame.first_chunk()?);
    Some((counters, Api::find(key)?.key, Instant::now()))
}

/// Where a frame came from.
struct Asked<'a> {
    conn: ConnectionId,
    correlation: CorrelationId,
    host: &'a Arc<str>,
    /// What its client last said that it is.
    client_id: &'a mut Option<Arc<str>>,
}

/// The answer to a frame, if it has one, and for how long nothing is read after it, ms.
async fn answer(
    frame: bytes::Bytes,
    door: &Door,
    Asked { conn, correlation, host, client_id }: Asked<'_>,
) -> Result<(Option<Frame>, u32), Closing> {
    let (mut request, call) = match decode_request(frame, &*door.directory.current())? {
        Decoded::Ask(request, call) => (request, call),
        Decoded::Answer(frame) => return Ok((Some(frame), 0)),
        Decoded::Silence => return Ok((None, 0)),
    };
    if let Some(counters) = &door.counters {
        counters.asked(&request, &*door.directory.current());
    }
    request.set_client_host(host);
    if let Some(said) = call.client_id().filter(|said| client_id.as_ref() != Some(*said)) {
        *client_id = Some(Arc::clone(said));
        let event = Event::Client { conn, client_id: Arc::clone(said) };
        door.outbox.send(event).map_err(|_| Closing::NoAnswer)?;
    }
    let of_loggers = loggers::ask(door.node, &request);
    if let Some(told) = of_loggers.as_ref().filter(|told| told.is_all) {
        let frame = encode_response(&call, &told.response, &*door.directory.current());
        return Ok((Some(frame.ok_or(Closing::NoAnswer)?), 0));
    }
    let (reply, answered) = oneshot::channel();
    let event = Event::Request { conn, correlation, request, reply };
    door.outbox.send(event).map_err(|_| Closing::NoAnswer)?;
    let answer = answered.await.map_err(|_| Closing::NoAnswer)?;
    let Answer { response, throttle_ms, closes } = answer;
    if closes {
        return Err(Closing::Refused);
    }
    let Some(response) = response else { return Ok((None, throttle_ms)) };
    let response = match of_loggers {
        Some(told) => told.within(response),
        None => response,
    };
    if let Some(counters) = &door.counters {
        counters.answered(&response);
    }
    // the newest directory: the answer may be about a topic that the request has made
    let frame = encode_response(&call, &response, &*door.directory.current());
    Ok((Some(frame.ok_or(Closing::NoAnswer)?), throttle_ms))
}
