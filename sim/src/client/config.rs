//! Client configs, parsed from plan values. Names are the Java client's; where librdkafka has its
//! own name, that one is looked up first. Missing keys have the client library's default.

use super::backoff::Backoff;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use stormglass_broker_core::protocol::{Acks, IsolationLevel};
use stormglass_scenarios::plan::{ClientProfile, ConsumerPlan, ProducerPlan};

const NS_PER_MS: u64 = 1_000_000;
/// One attempt is not a retry; Java's default is unlimited.
const RETRIES_UNLIMITED: i64 = i32::MAX as i64;

/// A config value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Config key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client config `{} = {}`: expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for ConfigError {}

/// CPU time that a client's work takes, ns. All zeros: clients are infinitely fast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCosts {
    /// Per record handed over to `send()`.
    pub record_ns: u64,
    /// Per batch built or parsed.
    pub batch_ns: u64,
    /// Per request sent.
    pub request_ns: u64,
    /// Per KiB fetched.
    pub fetch_ns_per_kib: u64,
}

/// Connections, metadata and retries: common to all clients. Times in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// `reconnect.backoff.ms`
    pub reconnect_backoff_ns: u64,
    /// `reconnect.backoff.max.ms`
    pub reconnect_backoff_max_ns: u64,
    /// `socket.connection.setup.timeout.ms`
    pub setup_timeout_ns: u64,
    /// `socket.connection.setup.timeout.max.ms`
    pub setup_timeout_max_ns: u64,
    /// `request.timeout.ms`
    pub request_timeout_ns: u64,
    /// `metadata.max.age.ms`
    pub metadata_max_age_ns: u64,
    /// `retry.backoff.ms`
    pub retry_backoff_ns: u64,
    /// `retry.backoff.max.ms`
    pub retry_backoff_max_ns: u64,
}

impl ConnectionConfig {
    pub(crate) fn reconnect_backoff(&self) -> Backoff {
        Backoff { initial_ns: self.reconnect_backoff_ns, max_ns: self.reconnect_backoff_max_ns }
    }

    pub(crate) fn setup_timeout(&self) -> Backoff {
        Backoff { initial_ns: self.setup_timeout_ns, max_ns: self.setup_timeout_max_ns }
    }

    pub(crate) fn retry_backoff(&self) -> Backoff {
        Backoff { initial_ns: self.retry_backoff_ns, max_ns: self.retry_backoff_max_ns }
    }

    /// Parses the common keys.
    ///
    /// # Errors
    /// A value that is no number or out of range.
    pub fn parse(
        profile: ClientProfile,
        config: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let keys = Keys(config);
        let java = profile == ClientProfile::Java;
        let pick =
            |java_default, rdkafka_default| if java { java_default } else { rdkafka_default };
        let setup = pick(10_000, 30_000);
        let request_timeout_ms = keys.int(&["request.timeout.ms"], 30_000)?;
        Ok(Self {
            reconnect_backoff_ns: keys.ms(&["reconnect.backoff.ms"], pick(50, 100))?,
            reconnect_backoff_max_ns: keys
                .ms(&["reconnect.backoff.max.ms"], pick(1_000, 10_000))?,
            setup_timeout_ns: keys.ms(&["socket.connection.setup.timeout.ms"], setup)?,
            setup_timeout_max_ns: keys.ms(&["socket.connection.setup.timeout.max.ms"], 30_000)?,
            request_timeout_ns: if java {
                keys.ms(&["request.timeout.ms"], 30_000)?
            } else {
                // the broker-side limit comes on top of librdkafka's socket timeout
                keys.ms(&["socket.timeout.ms"], 60_000.max(request_timeout_ms))?
            },
            metadata_max_age_ns: keys.ms(
                &["topic.metadata.refresh.interval.ms", "metadata.max.age.ms"],
                pick(300_000, 300_000),
            )?,
            retry_backoff_ns: keys.ms(&["retry.backoff.ms"], 100)?,
            retry_backoff_max_ns: keys.ms(&["retry.backoff.max.ms"], 1_000)?,
        })
    }
}

/// When a record without a key goes to another partition than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's default from 3.3 on (KIP-794): after `batch.size` bytes.
    Bytes,
    /// Java's default from 2.4 to 3.2 (KIP-480), since then its `DefaultPartitioner` and
    /// `UniformStickyPartitioner`: with each batch.
    Batch,
    /// Java's default before 2.4, since then its `RoundRobinPartitioner`: with each record.
    Record,
    /// librdkafka: after so many ns. Nought: with each record.
    Time(u64),
}

/// Config of a producer. Times in ns, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerConfig {
    /// Connections, metadata, retries.
    pub connection: ConnectionConfig,
    /// Client library.
    pub profile: ClientProfile,
    /// `acks`
    pub acks: Acks,
    /// `batch.size`
    pub batch_bytes: u32,
    /// `batch.num.messages` (librdkafka); no limit for Java.
    pub batch_records_max: u32,
    /// `linger.ms`, `queue.buffering.max.ms`
    pub linger_ns: u64,
    /// `buffer.memory`, `queue.buffering.max.kbytes`
    pub buffer_bytes: u64,
    /// `queue.buffering.max.messages` (librdkafka); no limit for Java.
    pub buffer_records_max: u64,
    /// `max.block.ms`
    pub max_block_ns: u64,
    /// `max.request.size`, `message.max.bytes`
    pub request_bytes_max: u32,
    /// `max.in.flight.requests.per.connection`
    pub in_flight_max: u32,
    /// `enable.idempotence`
    pub idempotent: bool,
    /// `retries`, `message.send.max.retries`
    pub retries_max: u32,
    /// `delivery.timeout.ms`, `message.timeout.ms`
    pub delivery_timeout_ns: u64,
    /// `request.timeout.ms` as the broker sees it, ms.
    pub produce_timeout_ms: i32,
    /// `partitioner.class`, and librdkafka's way.
    pub partitioner: Partitioner,
    /// `partitioner.adaptive.partitioning.enable`
    pub adaptive: bool,
    /// Largest number of partitions in one produce request: 1 for librdkafka.
    pub request_partitions_max: u32,
    /// Compressed size in parts per thousand of the raw size.
    pub compression_permille: u32,
    /// Different keys in the bodies of records, where the topic is compacted.
    pub keys: Option<u64>,
    /// `transaction.timeout.ms`
    pub transaction_timeout_ms: i32,
    /// Sequence of a partition's first record in the first epoch of a producer id; with an epoch for each
    /// transaction it is 0.
    pub first_sequence: i32,
}

impl ProducerConfig {
    /// Parses a plan's config.
    ///
    /// # Errors
    /// A value of the wrong form or out of range.
    pub fn parse(plan: &ProducerPlan) -> Result<Self, ConfigError> {
        let keys = Keys(&plan.config);
        let connection = ConnectionConfig::parse(plan.profile, &plan.config)?;
        let mut config = match plan.profile {
            ClientProfile::Java => Self::java(&keys, connection)?,
            ClientProfile::Librdkafka => Self::librdkafka(&keys, connection)?,
        };
        config.compression_permille = plan.compression_permille.clamp(1, 1_000);
        config.first_sequence = plan.first_sequence;
        if config.acks != Acks::All {
            // as the Java client does unless idempotence is asked for by name
            config.idempotent = false;
        }
        if config.idempotent {
            config.in_flight_max = config.in_flight_max.min(5);
        }
        Ok(config)
    }

    fn java(keys: &Keys<'_>, connection: ConnectionConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            connection,
            profile: ClientProfile::Java,
            acks: keys.acks(&["acks"])?,
            batch_bytes: keys.size(&["batch.size"], 16_384)?,
            batch_records_max: u32::MAX,
            linger_ns: keys.ms(&["linger.ms"], 0)?,
            buffer_bytes: u64::from(keys.size(&["buffer.memory"], 33_554_432)?),
            buffer_records_max: u64::MAX,
            max_block_ns: keys.ms(&["max.block.ms"], 60_000)?,
            request_bytes_max: keys.size(&["max.request.size"], 1_048_576)?,
            in_flight_max: keys.size(&["max.in.flight.requests.per.connection"], 5)?.max(1),
            idempotent: keys.flag(&["enable.idempotence"], true)?,
            retries_max: keys.size(&["retries"], RETRIES_UNLIMITED)?,
            delivery_timeout_ns: keys.ms(&["delivery.timeout.ms"], 120_000)?,
            produce_timeout_ms: keys.millis_i32(&["request.timeout.ms"], 30_000)?,
            partitioner: keys.partitioner(&["partitioner.class"])?,
            adaptive: keys.flag(&["partitioner.adaptive.partitioning.enable"], true)?,
            request_partitions_max: u32::MAX,
            compression_permille: 1_000,
            keys: None,
            transaction_timeout_ms: keys.millis_i32(&["transaction.timeout.ms"], 60_000)?,
            first_sequence: 0,
        })
    }

    fn librdkafka(keys: &Keys<'_>, connection: ConnectionConfig) -> Result<Self, ConfigError> {
        let linger = &["queue.buffering.max.ms", "linger.ms"];
        let retries = &["message.send.max.retries", "retries"];
        let timeout = &["message.timeout.ms", "delivery.timeout.ms"];
        let acks = &["request.required.acks", "acks"];
        let in_flight = &["max.in.flight.requests.per.connection", "max.in.flight"];
        let kbytes = keys.size(&["queue.buffering.max.kbytes"], 1_048_576)?;
        Ok(Self {
            connection,
            profile: ClientProfile::Librdkafka,
            acks: keys.acks(acks)?,
            batch_bytes: keys.size(&["batch.size"], 1_000_000)?,
            batch_records_max: keys.size(&["batch.num.messages"], 10_000)?.max(1),
            linger_ns: keys.ms(linger, 5)?,
            buffer_bytes: u64::from(kbytes) * 1_024,
            buffer_records_max: u64::from(keys.size(&["queue.buffering.max.messages"], 100_000)?),
            // the application polls and tries again while the queue is full
            max_block_ns: keys.ms(&["max.block.ms"], RETRIES_UNLIMITED)?,
            request_bytes_max: keys.size(&["message.max.bytes"], 1_000_000)?,
            in_flight_max: keys.size(in_flight, 1_000_000)?.max(1),
            idempotent: keys.flag(&["enable.idempotence"], false)?,
            retries_max: keys.size(retries, RETRIES_UNLIMITED)?,
            delivery_timeout_ns: keys.ms(timeout, 300_000)?,
            produce_timeout_ms: keys.millis_i32(&["request.timeout.ms"], 30_000)?,
            partitioner: Partitioner::Time(keys.ms(&["sticky.partitioning.linger.ms"], 10)?),
            adaptive: false,
            request_partitions_max: 1,
            compression_permille: 1_000,
            keys: None,
            transaction_timeout_ms: keys.millis_i32(&["transaction.timeout.ms"], 60_000)?,
            first_sequence: 0,
        })
    }
}

/// What a consumer does without a usable position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// Goes to the log's start.
    Earliest,
    /// Goes to the log's end.
    Latest,
    /// Stops reading the partition.
    None,
}

/// Config of a consumer. Times in ns, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// Connections, metadata, retries.
    pub connection: ConnectionConfig,
    /// Group id.
    pub group: Arc<str>,
    /// `fetch.min.bytes`
    pub min_bytes: i32,
    /// `fetch.max.wait.ms`, ms as on the wire.
    pub max_wait_ms: i32,
    /// `fetch.max.bytes`
    pub max_bytes: i32,
    /// `max.partition.fetch.bytes`
    pub partition_bytes_max: i32,
    /// `max.poll.records`
    pub poll_records_max: u32,
    /// `auto.commit.interval.ms`; `None` when `enable.auto.commit` is off.
    pub commit_interval_ns: Option<u64>,
    /// `auto.offset.reset`, once the first position is found.
    pub reset: AutoOffsetReset,
    /// Where a partition without a commit starts.
    pub start: AutoOffsetReset,
    /// `isolation.level`
    pub isolation: IsolationLevel,
    /// `client.rack`, empty where there is none.
    pub rack: Arc<str>,
    /// Processing time per record of the single polling thread.
    pub process_ns_per_record: u64,
    /// `session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ns: u64,
    /// `max.poll.interval.ms`
    pub poll_interval_ms: i32,
}

impl ConsumerConfig {
    /// Parses a plan's config.
    ///
    /// # Errors
    /// A value of the wrong form or out of range.
    pub fn parse(plan: &ConsumerPlan) -> Result<Self, ConfigError> {
        let keys = Keys(&plan.config);
        let java = plan.profile == ClientProfile::Java;
        let pick =
            |java_default, rdkafka_default| if java { java_default } else { rdkafka_default };
        let partition_keys = &["fetch.message.max.bytes", "max.partition.fetch.bytes"];
        let wait_keys = &["fetch.wait.max.ms", "fetch.max.wait.ms"];
        let start =
            if plan.from_beginning { AutoOffsetReset::Earliest } else { AutoOffsetReset::Latest };
        let rack = plan.config.get("client.rack").map_or("", String::as_str);
        let commits = keys.flag(&["enable.auto.commit"], true)?;
        let interval = keys.ms(&["auto.commit.interval.ms"], 5_000)?;
        Ok(Self {
            connection: ConnectionConfig::parse(plan.profile, &plan.config)?,
            group: Arc::from(plan.group.as_str()),
            min_bytes: keys.millis_i32(&["fetch.min.bytes"], 1)?,
            max_wait_ms: keys.millis_i32(wait_keys, 500)?,
            max_bytes: keys.millis_i32(&["fetch.max.bytes"], 52_428_800)?,
            partition_bytes_max: keys.millis_i32(partition_keys, 1_048_576)?,
            poll_records_max: keys.size(&["max.poll.records"], 500)?.max(1),
            commit_interval_ns: (commits && !plan.group.is_empty()).then_some(interval),
            reset: keys.reset(start)?,
            start,
            isolation: keys.isolation(pick(0, 1) == 1)?,
            rack: Arc::from(rack),
            process_ns_per_record: plan.process_ns_per_record,
            session_timeout_ms: keys.millis_i32(&["session.timeout.ms"], 45_000)?,
            heartbeat_interval_ns: keys.ms(&["heartbeat.interval.ms"], 3_000)?,
            poll_interval_ms: keys.millis_i32(&["max.poll.interval.ms"], 300_000)?,
        })
    }
}

/// Config values by key; the first of several names that is set counts.
struct Keys<'a>(&'a BTreeMap<String, String>);

impl Keys<'_> {
    fn text(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| self.0.get(*name).map(|value| (*name, value.trim())))
    }

    fn int(&self, names: &[&'static str], default: i64) -> Result<i64, ConfigError> {
        let Some((key, value)) = self.text(names) else { return Ok(default) };
        value.parse().map_err(|_| error(key, value, "a whole number"))
    }

    fn partitioner(&self, names: &[&'static str]) -> Result<Partitioner, ConfigError> {
        let Some((key, value)) = self.text(names) else { return Ok(Partitioner::Bytes) };
        match value.rsplit('.').next() {
            Some("DefaultPartitioner" | "UniformStickyPartitioner") => Ok(Partitioner::Batch),
            Some("RoundRobinPartitioner") => Ok(Partitioner::Record),
            _ => Err(error(key, value, "a partitioner of the Java client")),
        }
    }

    fn size(&self, names: &[&'static str], default: i64) -> Result<u32, ConfigError> {
        let value = self.int(names, default)?;
        u32::try_from(value).map_err(|_| self.range(names, value, "a number from 0 to 4294967295"))
    }

    fn millis_i32(&self, names: &[&'static str], default: i64) -> Result<i32, ConfigError> {
        let value = self.int(names, default)?;
        let positive = i32::try_from(value).ok().filter(|value| *value >= 0);
        positive.ok_or_else(|| self.range(names, value, "a number from 0 to 2147483647"))
    }

    fn ms(&self, names: &[&'static str], default: i64) -> Result<u64, ConfigError> {
        // librdkafka takes fractions of a millisecond
        if let Some((key, value)) = self.text(names)
            && let Some((whole, fraction)) = value.split_once('.')
        {
            let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
            let parsed = whole.parse::<u64>().ok().zip(digits.parse::<u64>().ok());
            let (whole, rest) =
                parsed.ok_or_else(|| error(key, value, "a number of milliseconds"))?;
            return Ok(whole.saturating_mul(NS_PER_MS) + rest);
        }
        let value = self.int(names, default)?;
        let ms = u64::try_from(value).map_err(|_| self.range(names, value, "0 or more ms"))?;
        Ok(ms.saturating_mul(NS_PER_MS))
    }

    fn flag(&self, names: &[&'static str], default: bool) -> Result<bool, ConfigError> {
        match self.text(names) {
            None => Ok(default),
            Some((_, "true")) => Ok(true),
            Some((_, "false")) => Ok(false),
            Some((key, value)) => Err(error(key, value, "true or false")),
        }
    }

    fn acks(&self, names: &[&'static str]) -> Result<Acks, ConfigError> {
        match self.text(names) {
            None | Some((_, "all" | "-1")) => Ok(Acks::All),
            Some((_, "0")) => Ok(Acks::None),
            Some((_, "1")) => Ok(Acks::Leader),
            Some((key, value)) => Err(error(key, value, "0, 1 or all")),
        }
    }

    fn reset(&self, default: AutoOffsetReset) -> Result<AutoOffsetReset, ConfigError> {
        match self.text(&["auto.offset.reset"]) {
            None => Ok(default),
            Some((_, "earliest" | "smallest" | "beginning")) => Ok(AutoOffsetReset::Earliest),
            Some((_, "latest" | "largest" | "end")) => Ok(AutoOffsetReset::Latest),
            Some((_, "none" | "error")) => Ok(AutoOffsetReset::None),
            Some((key, value)) => Err(error(key, value, "earliest, latest or none")),
        }
    }

    fn isolation(&self, committed_by_default: bool) -> Result<IsolationLevel, ConfigError> {
        match self.text(&["isolation.level"]) {
            Some((_, "read_committed")) => Ok(IsolationLevel::ReadCommitted),
            Some((_, "read_uncommitted")) => Ok(IsolationLevel::ReadUncommitted),
            None if committed_by_default => Ok(IsolationLevel::ReadCommitted),
            None => Ok(IsolationLevel::ReadUncommitted),
            Some((key, value)) => Err(error(key, value, "read_committed or read_uncommitted")),
        }
    }

    fn range(&self, names: &[&'static str], value: i64, expected: &'static str) -> ConfigError {
        let key = self.text(names).map_or("", |(key, _)| key);
        error(key, &value.to_string(), expected)
    }
}

fn error(key: &str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError { key: key.to_owned(), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn bad_values_are_errors_that_name_the_key() {
        for (key, value) in [
            ("linger.ms", "-1"),
            ("linger.ms", "soon"),
            ("acks", "2"),
            ("enable.idempotence", "yes"),
            ("batch.size", "99999999999"),
            ("partitioner.class", "com.example.Mine"),
        ] {
            let config = keys(&[(key, value)]);
            let connection = ConnectionConfig::parse(ClientProfile::Java, &config).unwrap();
            let error = ProducerConfig::java(&Keys(&config), connection).unwrap_err();
            assert_eq!((error.key.as_str(), error.value.as_str()), (key, value));
        }
    }

    #[test]
    fn librdkafka_names_come_first_and_take_fractions() {
        let config = keys(&[("queue.buffering.max.ms", "0.5"), ("linger.ms", "7")]);
        let connection = ConnectionConfig::parse(ClientProfile::Librdkafka, &config).unwrap();
        let parsed = ProducerConfig::librdkafka(&Keys(&config), connection).unwrap();
        assert_eq!(parsed.linger_ns, 500_000);
        assert_eq!((parsed.batch_bytes, parsed.in_flight_max), (1_000_000, 1_000_000));
    }
}
