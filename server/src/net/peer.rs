//! A connection that another node of the cluster has opened: requests are handed to the broker as
//! they come, and answered as it answers. A fetch that waits holds up no vote.

use super::connection::Closing;
use super::either::either;
use super::framing::{FrameError, Incoming, read_frame, write_frame};
use super::listener::Door;
use crate::node::{Answer, Event};
use bytes::Bytes;
use std::time::Duration;
use stormglass_broker_core::ids::ConnectionId;
use stormglass_wire::{Cluster as _, Frame, Hello, decode_peer_request, encode_peer_response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Largest request of a node: one that was forwarded, or a fetch of many partitions.
const REQUEST_BYTES_MAX: usize = 100 << 20;

/// Serves a node whose hello this is, until one side ends it.
pub(super) async fn serve(
    stream: &mut TcpStream,
    mut incoming: Incoming,
    hello: Bytes,
    door: &Door,
    id: ConnectionId,
) -> Closing {
    let hello = match Hello::decode(hello) {
        Ok(hello) => hello,
        Err(error) => return Closing::Request(error),
    };
    let directory = door.directory.current();
    if *hello.cluster_id != *directory.cluster_id() || hello.to != door.node {
        return Closing::Stranger(hello);
    }
    tracing::debug!(node = door.node.0, from = hello.from.0, "a node has connected");
    let (mut read, mut write) = stream.split();
    let (answers, outgoing) = unbounded_channel();
    let asked = hear(&mut read, &mut incoming, door, id, answers);
    let idle_max = Duration::from_millis(door.limits.idle_ms_max);
    either(asked, answer(&mut write, outgoing, idle_max)).await
}

async fn hear(
    read: &mut (impl AsyncRead + Unpin),
    incoming: &mut Incoming,
    door: &Door,
    conn: ConnectionId,
    answers: UnboundedSender<Frame>,
) -> Closing {
    loop {
        let frame = match read_frame(read, incoming, REQUEST_BYTES_MAX).await {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(FrameError::Io(_)) => return Closing::Quiet,
            Err(error) => return Closing::Frame(error),
        };
        let (correlation, request) = match decode_peer_request(frame) {
            Ok(asked) => asked,
            Err(error) => return Closing::Request(error),
        };
        let (reply, answered) = oneshot::channel();
        let request = Box::new(request);
        if door.outbox.send(Event::Request { conn, correlation, request, reply }).is_err() {
            return Closing::NoAnswer;
        }
        let answers = answers.clone();
        tokio::spawn(async move {
            // a node that stops gives no answer, and its connections end
            if let Ok(Answer { response: Some(response), .. }) = answered.await
                && let Some(frame) = encode_peer_response(correlation, &response)
            {
                let _ = answers.send(frame);
            }
        });
    }
}

async fn answer(
    write: &mut (impl AsyncWrite + Unpin),
    mut outgoing: UnboundedReceiver<Frame>,
    idle_max: Duration,
) -> Closing {
    while let Some(frame) = outgoing.recv().await {
        if write_frame(write, &frame, idle_max).await.is_err() {
            break;
        }
    }
    Closing::Quiet
}
