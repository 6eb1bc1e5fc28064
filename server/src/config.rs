//! What `serve` is told, and the config of each node that follows from it.

use crate::error::ServeError;
use crate::ids;
use crate::keys::{check_keys, in_milliseconds};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use stormglass_broker_core::config::{NodeConfig, ServerConfig};
use stormglass_broker_core::ids::NodeId;

/// Key of the largest frame, which the shell reads.
const FRAME_BYTES_KEY: &str = "socket.request.max.bytes";
const FRAME_BYTES_DEFAULT: usize = 100 << 20;
/// Key of the longest silence of a client, which the shell reads.
const IDLE_KEY: &str = "connections.max.idle.ms";
const IDLE_MS_DEFAULT: u64 = 600_000;
/// All keys that the shell reads.
pub(crate) const SHELL_KEYS: [&str; 2] = [FRAME_BYTES_KEY, IDLE_KEY];

/// What `serve` is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Address of the first broker; the others listen on the ports that follow.
    pub listen: SocketAddr,
    /// Host that clients are told, if not the one of `listen`.
    pub advertised_host: Option<String>,
    /// Brokers, each of them a controller too.
    pub brokers: u16,
    /// Cluster that the data must belong to, or that is made.
    pub cluster_id: Option<String>,
    /// server.properties.
    pub properties: BTreeMap<String, String>,
}

/// Limits of the sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketLimits {
    /// `socket.request.max.bytes`.
    pub(crate) frame_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub(crate) idle_ms_max: u64,
}

impl Options {
    /// Whether the properties make sense.
    ///
    /// # Errors
    /// The first one that does not.
    pub fn check(&self) -> Result<(), ServeError> {
        self.server_config()?;
        self.socket_limits().map(|_| ())
    }

    /// Node ids count from 1, as in Kafka's own samples.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        (1..=i32::from(self.brokers)).map(NodeId).collect()
    }

    pub(crate) fn server_config(&self) -> Result<ServerConfig, ServeError> {
        server_config(&self.properties, usize::from(self.brokers))
    }

    pub(crate) fn socket_limits(&self) -> Result<SocketLimits, ServeError> {
        socket_limits(&self.properties)
    }

    /// Config of one node; each process start is an incarnation of its own.
    pub(crate) fn node_config(&self, node: NodeId, server: ServerConfig) -> NodeConfig {
        NodeConfig {
            node,
            broker: true,
            controller: true,
            voters: self.nodes(),
            rack: None,
            endpoint: None,
            server,
            limits: stormglass_broker_core::BrokerLimits::default(),
            features: stormglass_broker_core::features::NEWEST,
            seed: (ids::random_u128() >> 64) as u64,
            incarnation: ids::random_uuid(),
            first_producer_epoch: 0,
            plant: None,
        }
    }
}

/// Kafka's defaults, except for replication factors that this cluster could not meet.
pub(crate) fn server_config(
    properties: &BTreeMap<String, String>,
    nodes: usize,
) -> Result<ServerConfig, ServeError> {
    let mut server = ServerConfig::kafka_defaults();
    let nodes = i32::try_from(nodes).unwrap_or(i32::MAX);
    server.offsets_topic_replication_factor = server.offsets_topic_replication_factor.min(nodes);
    server.transaction_topic_replication_factor =
        server.transaction_topic_replication_factor.min(nodes);
    server.transaction_topic_min_isr = server.transaction_topic_min_isr.min(nodes);
    check_keys(properties)?;
    let wrong = |message: String| ServeError::new(message, "correct the value");
    let properties = &in_milliseconds(properties)?;
    server.apply(properties).map_err(|error| wrong(error.to_string()))?;
    server.check_written(properties).map_err(wrong)?;
    server.check_groups().map_err(|error| wrong(error.to_string()))?;
    if server.remote_log_storage_system_enable {
        let message = "`remote.log.storage.system.enable` is true, but there is no remote storage";
        return Err(ServeError::new(
            message,
            "leave it out: tiered storage is simulated, not served",
        ));
    }
    Ok(server)
}

pub(crate) fn socket_limits(
    properties: &BTreeMap<String, String>,
) -> Result<SocketLimits, ServeError> {
    let frame_bytes_max = number(properties, FRAME_BYTES_KEY)?.unwrap_or(FRAME_BYTES_DEFAULT);
    if frame_bytes_max == 0 {
        let message = format!(
            "Invalid value 0 for configuration {FRAME_BYTES_KEY}: Value must be at least 1"
        );
        return Err(ServeError::new(message, "correct the value"));
    }
    Ok(SocketLimits {
        frame_bytes_max,
        idle_ms_max: number(properties, IDLE_KEY)?.unwrap_or(IDLE_MS_DEFAULT),
    })
}

fn number<T: std::str::FromStr>(
    properties: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<T>, ServeError> {
    let Some(value) = properties.get(key) else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| {
        let message = format!("config `{key}` = `{value}`: expected a whole number from 0");
        ServeError::new(message, "correct the value")
    })
}
