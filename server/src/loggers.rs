//! Loggers of a broker and their levels (KIP-412), as Kafka's `RuntimeLoggerManager` has them. The broker knows nothing
//! of them: what a request asks of them is answered at the socket, and takes the place of what the broker says. They
//! are the process's: all its nodes have the same. Levels hold until the process ends.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use stormglass_broker_core::config::ConfigKind;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, AlteredConfigs, AlteredResource, ConfigEntry,
    ConfigOp, ConfigSource, ConfigTarget, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribedConfigs, Request, Response,
};

/// The logger of all that has no level of its own.
const ROOT: &str = "root";

/// Loggers beside the root, by name: targets of events, with all below them.
const NAMES: [&str; 8] = [
    "stormglass_server",
    "stormglass_server::data_dir",
    "stormglass_server::metrics",
    "stormglass_server::net",
    "stormglass_server::net::connection",
    "stormglass_server::node",
    "stormglass_server::serve",
    "stormglass_server::storage",
];

/// Log levels of Kafka's tools (`LogLevelConfig`), from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum LogLevel {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    const ALL: [(&'static str, Self); 6] = [
        ("FATAL", Self::Fatal),
        ("ERROR", Self::Error),
        ("WARN", Self::Warn),
        ("INFO", Self::Info),
        ("DEBUG", Self::Debug),
        ("TRACE", Self::Trace),
    ];

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, level)| level)
    }

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// Which level each logger has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    root: LogLevel,
    own: BTreeMap<&'static str, LogLevel>,
}

impl LogLevels {
    /// All loggers have one level.
    #[must_use]
    pub fn new(root: LogLevel) -> Self {
        Self { root, own: BTreeMap::new() }
    }

    /// The level of what has none of its own.
    #[must_use]
    pub fn root(&self) -> LogLevel {
        self.root
    }

    /// Targets of events that have levels of their own, with all below them.
    pub fn own(&self) -> impl Iterator<Item = (&'static str, LogLevel)> {
        self.own.iter().map(|(name, level)| (*name, *level))
    }

    /// What a logger goes by: its own level, or that of the next one above it.
    fn of(&self, name: &str) -> LogLevel {
        let is_above = |above: &str| {
            name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let above = self.own.iter().filter(|(above, _)| is_above(above));
        above.max_by_key(|(above, _)| above.len()).map_or(self.root, |(_, level)| *level)
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, LogLevel)> {
        let named = NAMES.into_iter().map(move |name| (name, self.of(name)));
        std::iter::once((ROOT, self.root)).chain(named)
    }
}

/// The process's loggers, and who writes their log.
struct Loggers {
    levels: Mutex<LogLevels>,
    apply: Box<dyn Fn(&LogLevels) + Send + Sync>,
}

static LOGGERS: OnceLock<Loggers> = OnceLock::new();

/// Whoever writes the log says which levels it begins with, and how others come into force. Without that brokers have
/// no loggers; only the first one counts.
pub fn offer_loggers(levels: LogLevels, apply: impl Fn(&LogLevels) + Send + Sync + 'static) {
    let levels = Mutex::new(levels);
    let _ = LOGGERS.set(Loggers { levels, apply: Box::new(apply) });
}

/// What is said of a node's loggers.
pub(crate) struct OfLoggers {
    /// About nothing else.
    pub(crate) response: Response,
    /// Whether nothing else was asked.
    pub(crate) is_all: bool,
}

impl OfLoggers {
    /// The broker's answer, with these in the places of what it says of loggers.
    pub(crate) fn within(self, answer: Response) -> Response {
        match (self.response, answer) {
            (Response::DescribeConfigs(own), Response::DescribeConfigs(mut all)) => {
                let places = all.resources.iter_mut().filter(|of| is_of_loggers(&of.target));
                places.zip(own.resources).for_each(|(place, of)| *place = of);
                Response::DescribeConfigs(all)
            }
            (Response::AlterConfigs(own), Response::AlterConfigs(mut all)) => {
                let places = all.resources.iter_mut().filter(|of| is_of_loggers(&of.target));
                places.zip(own.resources).for_each(|(place, of)| *place = of);
                Response::AlterConfigs(all)
            }
            (_, answer) => answer,
        }
    }
}

/// Does what a request asks of a node's loggers; `None`: nothing, or there are none.
pub(crate) fn ask(node: NodeId, request: &Request) -> Option<OfLoggers> {
    match request {
        Request::DescribeConfigs(asked)
            if asked.resources.iter().any(|(target, _)| is_of_loggers(target)) =>
        {
            with_levels(|levels| describe(node, levels, asked))
        }
        Request::AlterConfigs(asked)
            if asked.resources.iter().any(|of| is_of_loggers(&of.target)) =>
        {
            with_levels(|levels| alter(node, levels, asked))
        }
        _ => None,
    }
}

/// Looks at the process's levels, and has them come into force if they change.
fn with_levels(act: impl FnOnce(&mut LogLevels) -> OfLoggers) -> Option<OfLoggers> {
    let loggers = LOGGERS.get()?;
    let mut levels = loggers.levels.lock().unwrap_or_else(PoisonError::into_inner);
    let before = levels.clone();
    let told = act(&mut levels);
    if *levels != before {
        (loggers.apply)(&levels);
    }
    Some(told)
}

fn is_of_loggers(target: &ConfigTarget) -> bool {
    target.kind == ConfigTarget::BROKER_LOGGER
}

fn describe(node: NodeId, levels: &LogLevels, asked: &DescribeConfigsRequest) -> OfLoggers {
    let of_loggers = asked.resources.iter().filter(|(target, _)| is_of_loggers(target));
    let resources: Vec<_> = of_loggers
        .map(|(target, keys)| {
            let wanted =
                |name: &str| keys.as_ref().is_none_or(|keys| keys.iter().any(|key| **key == *name));
            let target = target.clone();
            match misnamed(node, &target.name) {
                None => {
                    let told = levels.all().filter(|(name, _)| wanted(name)).map(entry);
                    let (error, message) = (ErrorCode::None, None);
                    DescribedConfigs { target, error, message, entries: told.collect() }
                }
                Some(why) => {
                    let (error, message) = (ErrorCode::InvalidRequest, Some(why.into()));
                    DescribedConfigs { target, error, message, entries: Vec::new() }
                }
            }
        })
        .collect();
    let is_all = resources.len() == asked.resources.len();
    OfLoggers { response: Response::DescribeConfigs(DescribeConfigsResponse { resources }), is_all }
}

fn entry((name, level): (&'static str, LogLevel)) -> ConfigEntry {
    ConfigEntry {
        key: Cow::Borrowed(name),
        value: level.name().into(),
        source: ConfigSource::BrokerLogger,
        kind: ConfigKind::String,
        read_only: false,
        inherited: None,
    }
}

/// Why a node has no loggers under this name, which is to be its id.
fn misnamed(node: NodeId, name: &str) -> Option<String> {
    match name.parse::<i32>() {
        Ok(id) if id == node.0 => None,
        Ok(id) => Some(format!("Unexpected node id. Expected {node}, but received {id}")),
        Err(_) => Some(format!("Node id must be an integer, but it is: {name}")),
    }
}

fn alter(node: NodeId, levels: &mut LogLevels, asked: &AlterConfigsRequest) -> OfLoggers {
    let of_loggers = asked.resources.iter().filter(|of| is_of_loggers(&of.target));
    let mut named = BTreeSet::new();
    let targets = of_loggers.clone().map(|of| &of.target);
    let twice: BTreeSet<_> = targets.filter(|target| !named.insert(*target)).collect();
    let mut resources = Vec::new();
    for resource in of_loggers {
        let target = resource.target.clone();
        let changed = if twice.contains(&target) {
            let why = "The request names the resource more than once.".to_owned();
            Err((ErrorCode::InvalidRequest, why))
        } else {
            changed(node, levels, resource)
        };
        let (error, message) = match changed {
            Ok(after) => {
                if !asked.validate_only {
                    *levels = after;
                }
                (ErrorCode::None, None)
            }
            Err((error, why)) => (error, Some(why.into())),
        };
        resources.push(AlteredConfigs { target, error, message });
    }
    let is_all = resources.len() == asked.resources.len();
    OfLoggers { response: Response::AlterConfigs(AlterConfigsResponse { resources }), is_all }
}

/// What levels are after a change. One that is not possible leaves all as they are.
fn changed(
    node: NodeId,
    levels: &LogLevels,
    resource: &AlteredResource,
) -> Result<LogLevels, (ErrorCode, String)> {
    let senseless = |why: String| (ErrorCode::InvalidRequest, why);
    if resource.replace {
        return Err(senseless("Unknown resource type 8".to_owned())); // AlterConfigs knows no loggers
    }
    if let Some(why) = misnamed(node, &resource.target.name) {
        return Err(senseless(why));
    }
    let mut after = levels.clone();
    let mut seen = BTreeSet::new();
    for change in &resource.changes {
        let name = &change.key;
        if !seen.insert(name) {
            return Err(senseless(format!("Config {name} is named twice.")));
        }
        let known = NAMES.into_iter().find(|known| *known == &**name);
        if known.is_none() && **name != *ROOT {
            let why = format!("Logger {name} does not exist!");
            return Err((ErrorCode::InvalidConfig, why));
        }
        match (change.op, known) {
            (ConfigOp::Set, known) => {
                let level = level_of(name, change.value.as_deref())?;
                match known {
                    Some(known) => _ = after.own.insert(known, level),
                    None => after.root = level,
                }
            }
            (ConfigOp::Delete, Some(known)) => _ = after.own.remove(known),
            (ConfigOp::Delete, None) => {
                let why = format!("Removing the log level of the {ROOT} logger is not allowed");
                return Err(senseless(why));
            }
            (ConfigOp::Append | ConfigOp::Subtract | ConfigOp::Unknown, _) => {
                let why = "Levels of loggers are set or deleted, and nothing else.".to_owned();
                return Err(senseless(why));
            }
        }
    }
    Ok(after)
}

fn level_of(name: &str, value: Option<&str>) -> Result<LogLevel, (ErrorCode, String)> {
    let Some(value) = value else {
        let why = format!("Null value not supported for: {name}");
        return Err((ErrorCode::InvalidRequest, why));
    };
    LogLevel::find(value).ok_or_else(|| {
        let levels = LogLevel::ALL.map(|(name, _)| name).join(", ");
        let why = format!(
            "Cannot set the log level of {name} to {value} as it is not a supported log level. Valid log \
             levels are {levels}"
        );
        (ErrorCode::InvalidConfig, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::protocol::ConfigChange;

    const NODE: NodeId = NodeId(1);
    const NET: &str = "stormglass_server::net";

    fn target(kind: i8, name: &str) -> ConfigTarget {
        ConfigTarget { kind, name: name.into() }
    }

    fn change(levels: &mut LogLevels, key: &str, op: ConfigOp, value: Option<&str>) -> ErrorCode {
        let changes = vec![ConfigChange { key: key.into(), op, value: value.map(Into::into) }];
        let target = target(ConfigTarget::BROKER_LOGGER, "1");
        let resources = vec![AlteredResource { target, replace: false, changes }];
        let asked = AlterConfigsRequest { resources, validate_only: false };
        match alter(NODE, levels, &asked).response {
            Response::AlterConfigs(answer) => answer.resources[0].error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn levels_are_set_deleted_and_inherited() {
        let mut levels = LogLevels::new(LogLevel::Info);
        assert_eq!(change(&mut levels, NET, ConfigOp::Set, Some("DEBUG")), ErrorCode::None);
        assert_eq!(levels.of("stormglass_server::net::connection"), LogLevel::Debug);
        assert_eq!(levels.of("stormglass_server::network"), LogLevel::Info);
        assert_eq!(change(&mut levels, ROOT, ConfigOp::Set, Some("FATAL")), ErrorCode::None);
        assert_eq!(levels.of("stormglass_server::node"), LogLevel::Fatal);
        assert!(levels.own().eq([(NET, LogLevel::Debug)]));
        assert_eq!(change(&mut levels, NET, ConfigOp::Delete, None), ErrorCode::None);
        assert_eq!(levels, LogLevels::new(LogLevel::Fatal));
    }

    #[test]
    fn what_cannot_be_leaves_all_levels_as_they_are() {
        let mut levels = LogLevels::new(LogLevel::Info);
        for (key, op, value, error) in [
            ("kafka.server", ConfigOp::Set, Some("INFO"), ErrorCode::InvalidConfig),
            (NET, ConfigOp::Set, Some("info"), ErrorCode::InvalidConfig),
            (NET, ConfigOp::Set, None, ErrorCode::InvalidRequest),
            (NET, ConfigOp::Append, Some("INFO"), ErrorCode::InvalidRequest),
            (ROOT, ConfigOp::Delete, None, ErrorCode::InvalidRequest),
        ] {
            assert_eq!(change(&mut levels, key, op, value), error, "{key}");
        }
        assert_eq!(levels, LogLevels::new(LogLevel::Info));
    }

    #[test]
    fn loggers_are_told_in_the_place_of_what_the_broker_says() {
        let levels = LogLevels::new(LogLevel::Warn);
        let loggers = |name| (target(ConfigTarget::BROKER_LOGGER, name), None);
        let topic = target(ConfigTarget::TOPIC, "t");
        let resources = vec![(topic.clone(), None), loggers("1"), loggers("2"), loggers("")];
        let asked = DescribeConfigsRequest { resources };
        let of_loggers = describe(NODE, &levels, &asked);
        assert!(!of_loggers.is_all);
        let refused = |target: &ConfigTarget| DescribedConfigs {
            target: target.clone(),
            error: ErrorCode::InvalidRequest,
            message: None,
            entries: Vec::new(),
        };
        let resources = asked.resources.iter().map(|(target, _)| refused(target)).collect();
        let answer = Response::DescribeConfigs(DescribeConfigsResponse { resources });
        let Response::DescribeConfigs(told) = of_loggers.within(answer) else { panic!("another") };
        assert_eq!(told.resources[0], refused(&topic));
        assert_eq!(told.resources[1].entries.len(), NAMES.len() + 1);
        let root = &told.resources[1].entries[0];
        assert_eq!((&*root.key, &*root.value), (ROOT, "WARN"));
        let errors: Vec<_> = told.resources.iter().map(|of| of.error).collect();
        let wrong = ErrorCode::InvalidRequest;
        assert_eq!(errors, [wrong, ErrorCode::None, wrong, wrong]);
        assert!(told.resources[2].message.is_some());
    }

    #[test]
    fn the_table_is_in_order_and_names_are_told_apart() {
        assert!(NAMES.is_sorted());
        for (name, level) in LogLevel::ALL {
            assert_eq!((LogLevel::find(name), level.name()), (Some(level), name));
        }
    }
}
