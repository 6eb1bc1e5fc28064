//! `--config node.toml`: one node of a cluster of several processes. Keys are those of Kafka's
//! server.properties, with or without quotes (`node.id = 1`), and `cluster.id`, which Kafka takes
//! when it formats a directory.

use crate::config::{SocketLimits, server_config, socket_limits};
use crate::error::ServeError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use stormglass_broker_core::config::ServerConfig;
use stormglass_broker_core::ids::NodeId;

/// Host and port.
pub(crate) type Address = (String, u16);

/// Keys that say who and where a node is; all others are server.properties of the broker.
pub(crate) const KEYS: [&str; 10] = [
    "node.id",
    "process.roles",
    "controller.quorum.voters",
    "listeners",
    "advertised.listeners",
    "controller.listener.names",
    "listener.security.protocol.map",
    "broker.rack",
    "log.dirs",
    "cluster.id",
];

const PLAINTEXT: &str = "PLAINTEXT";

/// Whether it is the name of one of Kafka's security protocols.
fn is_protocol(name: &str) -> bool {
    let all = [PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    all.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A socket that a node listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// An empty host means all addresses.
    pub(crate) address: Address,
    /// Whether clients are served there; nodes of the cluster are on every listener.
    pub(crate) clients: bool,
}

impl Listener {
    /// Whether it listens on all addresses, of which no single one can be told.
    fn is_everywhere(&self) -> bool {
        matches!(self.address.0.as_str(), "" | "0.0.0.0" | "::")
    }
}

/// One node of a cluster of several processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeOptions {
    pub(crate) node: NodeId,
    pub(crate) broker: bool,
    pub(crate) controller: bool,
    pub(crate) voters: BTreeMap<NodeId, Address>,
    pub(crate) listeners: Vec<Listener>,
    /// What clients are told; `None` = where the node listens for them.
    pub(crate) advertised: Option<Address>,
    pub(crate) rack: Option<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) cluster_id: Option<String>,
    properties: BTreeMap<String, String>,
}

impl NodeOptions {
    /// Reads a node.toml; `sets` are more keys, which win.
    ///
    /// # Errors
    /// What is wrong with it, and how to correct it.
    pub fn parse(text: &str, sets: &BTreeMap<String, String>) -> Result<Self, ServeError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let message = format!("the node's config is not TOML: {}", error.message());
            let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            ServeError::new(message, format!("correct line {line}"))
        })?;
        let mut all = BTreeMap::new();
        flatten("", &table, &mut all)?;
        all.extend(sets.clone());
        let (own, properties): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(key, _)| KEYS.contains(&key.as_str()));
        let options = Keys { own }.options(properties)?;
        options.server_config()?;
        options.socket_limits()?;
        Ok(options)
    }

    pub(crate) fn server_config(&self) -> Result<ServerConfig, ServeError> {
        server_config(&self.properties, self.voters.len())
    }

    pub(crate) fn socket_limits(&self) -> Result<SocketLimits, ServeError> {
        socket_limits(&self.properties)
    }

    /// Whether other nodes need a listener before this one serves: those of controllers, and one for
    /// clients if `controller.quorum.voters` names its port, or there is no other.
    pub(crate) fn listens_early(&self, listener: &Listener) -> bool {
        if !listener.clients {
            return true;
        }
        let Some((_, voter_port)) = self.voters.get(&self.node) else { return false };
        let controllers = self.listeners.iter().filter(|listener| !listener.clients);
        let ports: Vec<u16> = controllers.map(|listener| listener.address.1).collect();
        let is_named = listener.address.1 == *voter_port && !ports.contains(voter_port);
        ports.is_empty() || is_named
    }
}

/// `a.b = 1` is a table within a table for TOML, and one key for Kafka.
fn flatten(
    prefix: &str,
    table: &toml::Table,
    into: &mut BTreeMap<String, String>,
) -> Result<(), ServeError> {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&key, inner, into)?;
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            toml::Value::Array(_) | toml::Value::Datetime(_) => {
                return Err(wrong(&key, &value.to_string(), "text, a number, true or false"));
            }
        };
        into.insert(key, text);
    }
    Ok(())
}

fn wrong(key: &str, value: &str, expected: &str) -> ServeError {
    ServeError::new(format!("config `{key}` = `{value}`: expected {expected}"), "correct the value")
}

/// The keys that say who and where a node is.
struct Keys {
    own: BTreeMap<String, String>,
}

impl Keys {
    fn text(&self, key: &str) -> Option<&str> {
        self.own.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn needed(&self, key: &str) -> Result<&str, ServeError> {
        self.text(key).ok_or_else(|| {
            ServeError::new(format!("the node's config has no `{key}`"), format!("add `{key}`"))
        })
    }

    fn options(&self, properties: BTreeMap<String, String>) -> Result<NodeOptions, ServeError> {
        let node = self.node()?;
        let (broker, controller) = self.roles()?;
        let voters = self.voters()?;
        if voters.contains_key(&node) != controller {
            let message = format!(
                "node {node} {} controller.quorum.voters, and its process.roles say otherwise",
                if controller { "is not in" } else { "is in" }
            );
            return Err(ServeError::new(message, "correct one of them: voters are controllers"));
        }
        self.check_protocols()?;
        let listeners = self.listeners(controller)?;
        if broker && !listeners.iter().any(|listener| listener.clients) {
            let help =
                "add one that is not in controller.listener.names, such as PLAINTEXT://:9092";
            return Err(ServeError::new("`listeners` has none for clients", help));
        }
        let advertised = self.advertised()?;
        let is_alone = voters.len() == 1 && controller;
        let mut everywhere = listeners.iter().filter(|listener| listener.clients);
        if advertised.is_none() && !is_alone && everywhere.any(Listener::is_everywhere) {
            let help = "add `advertised.listeners`, such as PLAINTEXT://kafka-1.example:9092";
            let message = "other nodes and clients are not told on which host this one listens";
            return Err(ServeError::new(message, help));
        }
        Ok(NodeOptions {
            node,
            broker,
            controller,
            voters,
            listeners,
            advertised,
            rack: self.text("broker.rack").map(str::to_owned),
            data_dir: self.data_dir()?,
            cluster_id: self.text("cluster.id").map(str::to_owned),
            properties,
        })
    }

    fn node(&self) -> Result<NodeId, ServeError> {
        let text = self.needed("node.id")?;
        node_id(text).ok_or_else(|| wrong("node.id", text, "a whole number from 0"))
    }

    fn roles(&self) -> Result<(bool, bool), ServeError> {
        let text = self.needed("process.roles")?;
        let mut roles = (false, false);
        for role in text.split(',').map(str::trim) {
            match role {
                "broker" => roles.0 = true,
                "controller" => roles.1 = true,
                _ => return Err(wrong("process.roles", text, "broker, controller, or both")),
            }
        }
        Ok(roles)
    }

    fn voters(&self) -> Result<BTreeMap<NodeId, Address>, ServeError> {
        let key = "controller.quorum.voters";
        let text = self.needed(key)?;
        let mut voters = BTreeMap::new();
        for voter in text.split(',').map(str::trim) {
            let parsed = voter
                .split_once('@')
                .and_then(|(node, address)| Some((node_id(node)?, parse_address(address)?)))
                .filter(|(_, (host, port))| !host.is_empty() && *port != 0);
            let (node, address) =
                parsed.ok_or_else(|| wrong(key, text, "a list of `id@host:port`"))?;
            if voters.insert(node, address).is_some() {
                return Err(wrong(key, text, "each node once"));
            }
        }
        Ok(voters)
    }

    /// Only one protocol is spoken, whatever a map says of listeners that are not there.
    fn check_protocols(&self) -> Result<(), ServeError> {
        for key in ["listeners", "advertised.listeners"] {
            for entry in self.text(key).unwrap_or_default().split(',') {
                let Some((name, _)) = parse_listener(entry) else { continue };
                let protocol = self.protocol(name)?;
                if !protocol.eq_ignore_ascii_case(PLAINTEXT) {
                    let message = format!(
                        "config `{key}` = `{}`: {protocol} is not supported, nothing else is spoken than \
                         {PLAINTEXT}",
                        entry.trim()
                    );
                    let help =
                        "write PLAINTEXT://host:port, and leave TLS and SASL to a proxy before it";
                    return Err(ServeError::new(message, help));
                }
            }
        }
        Ok(())
    }

    /// The protocol of a listener: what the map says of its name, or the one that it is named after.
    fn protocol<'a>(&'a self, name: &'a str) -> Result<&'a str, ServeError> {
        let key = "listener.security.protocol.map";
        let text = self.text(key).unwrap_or_default();
        let mut mapped = None;
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (listener, protocol) = entry
                .split_once(':')
                .filter(|(_, protocol)| is_protocol(protocol))
                .ok_or_else(|| wrong(key, text, "a list of `NAME:PROTOCOL`"))?;
            if listener.eq_ignore_ascii_case(name) {
                mapped = Some(protocol);
            }
        }
        Ok(mapped.unwrap_or(if is_protocol(name) { name } else { PLAINTEXT }))
    }

    fn listeners(&self, controller: bool) -> Result<Vec<Listener>, ServeError> {
        let controllers = match self.text("controller.listener.names") {
            Some(names) => names,
            None if controller => self.needed("controller.listener.names")?,
            None => "",
        };
        let controllers: Vec<&str> = controllers.split(',').map(str::trim).collect();
        let text = self.needed("listeners")?;
        let listener = |entry: &str| {
            let (name, address) = parse_listener(entry)?;
            Some(Listener { address, clients: !controllers.contains(&name) })
        };
        let parsed: Option<Vec<Listener>> = text.split(',').map(listener).collect();
        parsed.ok_or_else(|| wrong("listeners", text, "a list of `NAME://host:port`"))
    }

    fn advertised(&self) -> Result<Option<Address>, ServeError> {
        let key = "advertised.listeners";
        let Some(text) = self.text(key) else { return Ok(None) };
        match parse_listener(text) {
            Some((_, (host, port))) if !host.is_empty() && port != 0 => Ok(Some((host, port))),
            _ => Err(wrong(key, text, "one `NAME://host:port`")),
        }
    }

    fn data_dir(&self) -> Result<PathBuf, ServeError> {
        match self.needed("log.dirs")? {
            several if several.contains(',') => Err(wrong("log.dirs", several, "one directory")),
            one => Ok(PathBuf::from(one)),
        }
    }
}

fn node_id(text: &str) -> Option<NodeId> {
    text.trim().parse().ok().filter(|id| *id >= 0).map(NodeId)
}

fn parse_address(text: &str) -> Option<Address> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok()?))
}

fn parse_listener(text: &str) -> Option<(&str, Address)> {
    let (name, address) = text.trim().split_once("://")?;
    Some((name, parse_address(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        node.id = 2
        process.roles = "broker,controller"
        controller.quorum.voters = "1@10.0.0.1:9093, 2@10.0.0.2:9093,3@[::1]:9093"
        listeners = "PLAINTEXT://:9092,CONTROLLER://10.0.0.2:9093"
        advertised.listeners = "PLAINTEXT://kafka-2.example:9092"
        "controller.listener.names" = "CONTROLLER"
        listener.security.protocol.map = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
        broker.rack = "az-2"
        log.dirs = "/var/lib/kafka"
        cluster.id = "abc"
        num.partitions = 6
        auto.create.topics.enable = false
    "#;

    fn parse(text: &str) -> Result<NodeOptions, ServeError> {
        NodeOptions::parse(text, &BTreeMap::new())
    }

    #[test]
    fn a_sound_config_says_who_and_where() {
        let options = parse(SOUND).unwrap();
        assert_eq!((options.node, options.broker, options.controller), (NodeId(2), true, true));
        assert_eq!(options.voters[&NodeId(3)], ("::1".to_owned(), 9093));
        let listener =
            |host: &str, port, clients| Listener { address: (host.to_owned(), port), clients };
        let expected = [listener("", 9092, true), listener("10.0.0.2", 9093, false)];
        assert_eq!(options.listeners, expected);
        assert_eq!(options.advertised, Some(("kafka-2.example".to_owned(), 9092)));
        let server = options.server_config().unwrap();
        assert_eq!((server.num_partitions, server.auto_create_topics_enable), (6, false));
        let sets = BTreeMap::from([("num.partitions".to_owned(), "7".to_owned())]);
        let server = NodeOptions::parse(SOUND, &sets).unwrap().server_config().unwrap();
        assert_eq!(server.num_partitions, 7);
    }

    #[test]
    fn where_other_nodes_find_a_controller_it_listens_at_once() {
        let both = ",CONTROLLER://10.0.0.2:9093";
        let voter = "2@10.0.0.2:9093";
        for (text, expected) in [
            (SOUND.to_owned(), &[false, true][..]),
            // what others connect to is forwarded from another port
            (SOUND.replace(voter, "2@10.0.0.2:19093"), &[false, true][..]),
            (SOUND.replace(voter, "2@10.0.0.2:9092"), &[true, true][..]),
            (SOUND.replace(both, ""), &[true][..]),
            (
                SOUND
                    .replace(both, "")
                    .replace("node.id = 2", "node.id = 4")
                    .replace("broker,controller", "broker"),
                &[false][..],
            ),
        ] {
            let options = parse(&text).unwrap();
            let early = options.listeners.iter().map(|listener| options.listens_early(listener));
            assert_eq!(early.collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_map_may_have_protocols_of_listeners_that_are_not_there() {
        let map = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL";
        let kafkas = SOUND.replace("CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", map);
        assert_eq!(parse(&kafkas).unwrap(), parse(SOUND).unwrap());
        let hours = SOUND.replace("num.partitions = 6", "log.retention.hours = 2");
        let server = parse(&hours).unwrap().server_config().unwrap();
        assert_eq!(server.log_retention_ms, 7_200_000);
    }

    #[test]
    fn what_makes_no_sense_is_said_with_what_would() {
        for (from, to, expected) in [
            ("node.id = 2", "", "has no `node.id`"),
            ("node.id = 2", "node.id = -2", "a whole number from 0"),
            ("node.id = 2", "node.id = 4", "node 4 is not in controller.quorum.voters"),
            ("broker,controller", "broker", "node 2 is in controller.quorum.voters"),
            ("broker,controller", "leader", "broker, controller, or both"),
            ("2@10.0.0.2:9093", "2@10.0.0.2", "a list of `id@host:port`"),
            ("2@10.0.0.2:9093", "1@10.0.0.2:9093", "each node once"),
            ("PLAINTEXT://:9092,", "", "none for clients"),
            ("PLAINTEXT://:9092", "PLAINTEXT", "a list of `NAME://host:port`"),
            ("PLAINTEXT:PLAINTEXT", "PLAINTEXT:SSL", "nothing else is spoken"),
            ("PLAINTEXT://:9092", "SSL://:9092", "`SSL://:9092`: SSL is not supported"),
            ("PLAINTEXT://kafka", "SASL_SSL://kafka", "SASL_SSL is not supported"),
            ("CONTROLLER:PLAINTEXT", "CONTROLLER:SASL_PLAINTEXT", "SASL_PLAINTEXT is not supp"),
            ("CONTROLLER:PLAINTEXT", "CONTROLLER", "a list of `NAME:PROTOCOL`"),
            ("/var/lib/kafka", "/a,/b", "one directory"),
            ("num.partitions = 6", "num.partitions = 0", "a whole number, 1 to 2147483647"),
            ("num.partitions = 6", "inter.broker.listener.name = 6", "known to Kafka"),
            ("num.partitions = 6", "num.partition = 6", "`num.partition` is not one"),
            ("num.partitions = 6", "num.partitions = true", "a whole number"),
            ("num.partitions = 6", "num.partitions = [6]", "text, a number, true or false"),
            ("num.partitions = 6", "num.partitions =", "is not TOML"),
        ] {
            let error = parse(&SOUND.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
            assert!(!error.help().is_empty());
        }
    }
}
