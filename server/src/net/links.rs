//! Connections to nodes of other processes, one per node and channel, opened when there is something
//! to ask. A connection that fails ends with all that it was asked; the next request opens another.

use super::either::either;
use super::framing::{Incoming, read_frame, write_frame};
use crate::node::{Event, Outbox, SharedDirectory};
use crate::node_config::Address;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stormglass_broker_core::ids::{CorrelationId, NodeId};
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::seam::Channel;
use stormglass_wire::{Cluster as _, Hello, decode_peer_response, encode_peer_request};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// A node that does not take a connection in this time is as good as gone.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// One that takes nothing of a request in this time, too.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Largest answer: a fetch and what is around it.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A request on its way out.
type Asked = (CorrelationId, Request);

/// The ways to nodes of other processes.
#[derive(Debug)]
pub(crate) struct Links {
    runtime: Handle,
    cluster_id: Arc<str>,
    from: NodeId,
    voters: BTreeMap<NodeId, Address>,
    directory: SharedDirectory,
    outbox: Outbox,
    open: BTreeMap<(NodeId, Channel), (LinkId, UnboundedSender<Asked>)>,
    opened: u64,
}

/// A connection, of all that there ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(u64);

impl Links {
    /// None is open yet. Controllers are where the config says, brokers where they have registered.
    pub(crate) fn new(
        runtime: Handle,
        cluster_id: Arc<str>,
        from: NodeId,
        voters: BTreeMap<NodeId, Address>,
        directory: SharedDirectory,
        outbox: Outbox,
    ) -> Self {
        let (open, opened) = (BTreeMap::new(), 0);
        Self { runtime, cluster_id, from, voters, directory, outbox, open, opened }
    }

    /// Sends a request on the connection of its channel; `None` when nobody knows where the node is.
    pub(crate) fn ask(
        &mut self,
        to: NodeId,
        channel: Channel,
        correlation: CorrelationId,
        request: Request,
    ) -> Option<LinkId> {
        let request = match self.open.get(&(to, channel)) {
            None => request,
            Some((id, link)) => match link.send((correlation, request)) {
                Ok(()) => return Some(*id),
                Err(failed) => failed.0.1, // that connection has ended
            },
        };
        let (id, link) = self.connect(to)?;
        // its task holds the other end until it has seen this
        let _ = link.send((correlation, request));
        self.open.insert((to, channel), (id, link));
        Some(id)
    }

    /// Closes a connection; what it was asked comes back as [`Event::LinkDown`].
    pub(crate) fn close(&mut self, to: NodeId, channel: Channel) {
        self.open.remove(&(to, channel));
    }

    fn connect(&mut self, to: NodeId) -> Option<(LinkId, UnboundedSender<Asked>)> {
        let address = self.address(to)?;
        self.opened += 1;
        let id = LinkId(self.opened);
        let (link, asked) = unbounded_channel();
        let cluster_id = Arc::clone(&self.cluster_id);
        let hello = Hello { cluster_id, from: self.from, to };
        let outbox = self.outbox.clone();
        self.runtime.spawn(async move {
            let mut asked = asked;
            if let Err(error) = converse(&address, &hello, &mut asked, &outbox).await {
                let node = hello.from.0;
                tracing::debug!(node, to = hello.to.0, %error, "connection to a node ended");
            }
            // from here on a request opens another connection; what came before ends with this one
            asked.close();
            let _ = outbox.send(Event::LinkDown(id));
        });
        Some((id, link))
    }

    fn address(&self, to: NodeId) -> Option<Address> {
        let registered = || {
            let directory = self.directory.current();
            directory.endpoint(to).map(|endpoint| (endpoint.host.to_owned(), endpoint.port))
        };
        self.voters.get(&to).cloned().or_else(registered)
    }
}

async fn converse(
    (host, port): &Address,
    hello: &Hello,
    asked: &mut UnboundedReceiver<Asked>,
    outbox: &Outbox,
) -> io::Result<()> {
    let stream = timeout(CONNECT_MAX, TcpStream::connect((host.as_str(), *port)))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // requests are whole when they are written: nothing is gained by waiting for more
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    write_frame(&mut write, &hello.encode(), WRITE_MAX).await?;
    either(ask(write, asked), hear(read, hello.to, outbox)).await
}

async fn ask(mut write: OwnedWriteHalf, asked: &mut UnboundedReceiver<Asked>) -> io::Result<()> {
    while let Some((correlation, request)) = asked.recv().await {
        let Some(frame) = encode_peer_request(correlation, &request) else {
            tracing::error!(?request, "not a request between nodes; please report it");
            return Err(io::ErrorKind::InvalidInput.into());
        };
        write_frame(&mut write, &frame, WRITE_MAX).await?;
    }
    Ok(())
}

async fn hear(mut read: OwnedReadHalf, from: NodeId, outbox: &Outbox) -> io::Result<()> {
    let mut incoming = Incoming::default();
    loop {
        let frame = read_frame(&mut read, &mut incoming, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| io::Error::other(error.to_string()))?
            .ok_or(io::ErrorKind::ConnectionReset)?;
        let (correlation, response) = decode_peer_response(frame).map_err(|error| {
            tracing::warn!(from = from.0, %error, "a node's answer makes no sense");
            io::Error::other(error)
        })?;
        let response = Box::new(response);
        if outbox.send(Event::PeerResponse { from, correlation, response }).is_err() {
            return Ok(());
        }
    }
}
