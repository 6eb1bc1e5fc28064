//! Whether a node serves clients yet. Kafka's brokers have their ports from the beginning, and let no
//! client in before the controller has unfenced them: whoever connects waits for the first answer, and
//! is not told of a broker that leads nothing and knows no topic. Nodes of the cluster do not wait, as
//! without them nobody would ever be let in.

use super::connection::Closing;
use super::either::either;
use std::future::pending;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// A node's way to let clients in. Without it, they wait in vain and are sent away.
#[derive(Debug)]
pub(crate) struct Opens(watch::Sender<bool>);

/// Where clients wait for that.
#[derive(Debug, Clone)]
pub(crate) struct Opened(watch::Receiver<bool>);

/// Both ends, of a node that serves no clients yet.
pub(crate) fn opening() -> (Opens, Opened) {
    let (opens, opened) = watch::channel(false);
    (Opens(opens), Opened(opened))
}

impl Opens {
    /// Lets clients in, for as long as the process lives.
    pub(crate) fn open(self) {
        self.0.send_replace(true);
    }
}

impl Opened {
    /// Holds a client whose first request has come until the node serves.
    ///
    /// # Errors
    /// The node stops before that, the client goes, or has waited for too long.
    pub(super) async fn hold(&self, client: &TcpStream, idle_max: Duration) -> Result<(), Closing> {
        let waits = either(self.opens(), goes(client));
        timeout(idle_max, waits).await.unwrap_or(Err(Closing::Quiet))
    }

    async fn opens(&self) -> Result<(), Closing> {
        let mut opened = self.0.clone();
        let is_open = opened.wait_for(|is_open| *is_open).await.is_ok();
        if is_open { Ok(()) } else { Err(Closing::NoAnswer) }
    }
}

/// Waits until a client has gone: what it has asked shall not be done later on. One that has said more
/// is not noticed, as its end is behind that.
async fn goes(client: &TcpStream) -> Result<(), Closing> {
    match client.peek(&mut [0]).await {
        Ok(1..) => pending().await,
        Ok(0) | Err(_) => Err(Closing::Quiet),
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::serve;
    use super::super::counted::Counted;
    use super::super::listener::Door;
    use super::*;
    use crate::clock::Clock;
    use crate::config::SocketLimits;
    use crate::node::{Directory, Endpoints, Event, Inbox, SharedDirectory};
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use stormglass_broker_core::ids::{ConnectionId, NodeId};
    use stormglass_wire::Hello;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    /// ApiVersions v0 with the number 7, of nobody in particular.
    const ASKED: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff";
    const IDLE_MS: u64 = 600_000;
    /// What takes longer has failed.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A connection to a node that serves no clients yet.
    struct Held {
        inbox: Inbox,
        client: TcpStream,
        served: JoinHandle<()>,
    }

    impl Held {
        /// One on which this has come, and the node's way to serve it.
        async fn with(said: &[u8], idle_ms_max: u64) -> (Opens, Self) {
            let (opens, opened) = opening();
            let (outbox, inbox) = channel();
            let door = Door {
                node: NodeId(1),
                outbox,
                directory: SharedDirectory::new(Directory::new("cluster", Endpoints::new())),
                limits: SocketLimits { frame_bytes_max: 1000, idle_ms_max },
                clients: true,
                peers: true,
                opened,
                connections: Arc::default(),
                counted: Counted::default(),
                clock: Clock::start(),
                counters: None,
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, from) = listener.accept().await.unwrap();
            client.write_all(said).await.unwrap();
            let served = tokio::spawn(serve(stream, from, door, ConnectionId(1)));
            (opens, Self { inbox, client, served })
        }

        /// The number of the next answer.
        async fn answer(&mut self) -> i32 {
            let len = self.client.read_i32().await.unwrap();
            let mut answer = vec![0; usize::try_from(len).unwrap()];
            self.client.read_exact(&mut answer).await.unwrap();
            i32::from_be_bytes(*answer.first_chunk().unwrap())
        }
    }

    async fn ends(served: JoinHandle<()>) {
        timeout(PATIENCE, served).await.expect("the connection is closed").unwrap();
    }

    /// In a thread, in which the other tasks go on while this one waits.
    fn block_on(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_io().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn a_client_is_answered_once_the_node_serves() {
        block_on(async {
            let (opens, mut held) = Held::with(ASKED, IDLE_MS).await;
            let early = timeout(Duration::from_millis(50), held.client.peek(&mut [0])).await;
            assert!(early.is_err(), "nothing is said before that");
            opens.open();
            assert_eq!(held.answer().await, 7);
            held.client.write_all(ASKED).await.unwrap();
            assert_eq!(held.answer().await, 7);
        });
    }

    #[test]
    fn a_node_of_the_cluster_is_heard_at_once() {
        block_on(async {
            // it looks for another one, and is told without waiting
            let hello = Hello { cluster_id: "cluster".into(), from: NodeId(2), to: NodeId(3) };
            let (opens, held) = Held::with(&hello.encode().to_bytes(), IDLE_MS).await;
            ends(held.served).await;
            drop(opens);
        });
    }

    #[test]
    fn a_node_that_stops_before_it_serves_sends_clients_away() {
        block_on(async {
            let (opens, mut held) = Held::with(ASKED, IDLE_MS).await;
            drop(opens);
            ends(held.served).await;
            assert_eq!(held.client.read(&mut [0]).await.unwrap(), 0);
            assert!(matches!(held.inbox.try_recv(), Ok(Event::Closed(_))));
            assert!(held.inbox.try_recv().is_err(), "what it asked is not done");
        });
    }

    #[test]
    fn a_client_does_not_wait_for_longer_than_it_may_be_silent() {
        block_on(async {
            let (opens, mut held) = Held::with(ASKED, 20).await;
            ends(held.served).await;
            assert_eq!(held.client.read(&mut [0]).await.unwrap(), 0);
            drop(opens);
        });
    }

    #[test]
    fn a_client_that_has_gone_is_not_waited_for() {
        block_on(async {
            let (opens, held) = Held::with(ASKED, IDLE_MS).await;
            drop(held.client);
            ends(held.served).await;
            drop(opens);
        });
    }
}
