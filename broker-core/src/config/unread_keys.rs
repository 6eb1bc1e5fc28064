//! Kafka's other configs of brokers: those whose feature is not there (TLS, SASL, share groups, metrics,
//! most pools of threads), and those that the shell alone goes by. They are described with Kafka's
//! default, as a tool that asks for all of a broker's configs looks for them. Names, types, defaults and
//! whether they change while a broker runs are those of Kafka 4.1.1; configs that it hides are left out.

use super::ConfigKind;
use super::topic_keys::LONG_MAX;

/// Types of Kafka's configs: beyond [`ConfigKind`], those that only unread configs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Plain(ConfigKind),
    /// Name of a class.
    Class,
    /// Never told.
    Password,
}

const BOOLEAN: Type = Type::Plain(ConfigKind::Boolean);
const DOUBLE: Type = Type::Plain(ConfigKind::Double);
const INT: Type = Type::Plain(ConfigKind::Int);
const LIST: Type = Type::Plain(ConfigKind::List);
const LONG: Type = Type::Plain(ConfigKind::Long);
const SHORT: Type = Type::Plain(ConfigKind::Short);
const STRING: Type = Type::Plain(ConfigKind::String);
const CLASS: Type = Type::Class;
const PASSWORD: Type = Type::Password;

/// A config that the broker does not go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadKey {
    /// Key.
    pub name: &'static str,
    /// Kafka's default; `None` is null.
    pub default: Option<&'static str>,
    /// Whether Kafka changes it while a broker runs.
    pub(super) dynamic: bool,
    of: Type,
}

const fn at_start(name: &'static str, of: Type, default: Option<&'static str>) -> UnreadKey {
    UnreadKey { name, default, dynamic: false, of }
}

const fn running(name: &'static str, of: Type, default: Option<&'static str>) -> UnreadKey {
    UnreadKey { name, default, dynamic: true, of }
}

/// All of them, by name. Nothing is said of those that depend on what only the shell knows: where its
/// directory and its listeners are, and what it takes from a socket.
#[rustfmt::skip]
pub(crate) const UNREAD_KEYS: &[UnreadKey] = &[
    at_start("add.partitions.to.txn.retry.backoff.max.ms", INT, Some("100")),
    at_start("add.partitions.to.txn.retry.backoff.ms", INT, Some("20")),
    at_start("alter.config.policy.class.name", CLASS, None),
    at_start("alter.log.dirs.replication.quota.window.num", INT, Some("11")),
    at_start("alter.log.dirs.replication.quota.window.size.seconds", INT, Some("1")),
    at_start("authorizer.class.name", STRING, Some("")),
    running("background.threads", INT, Some("10")),
    at_start("client.quota.callback.class", CLASS, None),
    running("compression.gzip.level", INT, Some("-1")),
    running("compression.lz4.level", INT, Some("9")),
    running("compression.type", STRING, Some("producer")),
    running("compression.zstd.level", INT, Some("3")),
    at_start("connection.failed.authentication.delay.ms", INT, Some("100")),
    at_start("connections.max.reauth.ms", LONG, Some("0")),
    at_start("controller.quorum.append.linger.ms", INT, Some("25")),
    at_start("controller.quorum.bootstrap.servers", LIST, Some("")),
    at_start("controller.quota.window.num", INT, Some("11")),
    at_start("controller.quota.window.size.seconds", INT, Some("1")),
    at_start("create.topic.policy.class.name", CLASS, None),
    at_start("delegation.token.expiry.check.interval.ms", LONG, Some("3600000")),
    at_start("delegation.token.expiry.time.ms", LONG, Some("86400000")),
    at_start("delegation.token.max.lifetime.ms", LONG, Some("604800000")),
    at_start("delegation.token.secret.key", PASSWORD, None),
    at_start("delete.records.purgatory.purge.interval.requests", INT, Some("1")),
    at_start("early.start.listeners", STRING, None),
    at_start("fetch.purgatory.purge.interval.requests", INT, Some("1000")),
    at_start("group.coordinator.append.linger.ms", INT, Some("5")),
    at_start("group.coordinator.threads", INT, Some("4")),
    at_start("group.share.assignors", LIST, Some("simple")),
    at_start("group.share.delivery.count.limit", INT, Some("5")),
    at_start("group.share.heartbeat.interval.ms", INT, Some("5000")),
    at_start("group.share.max.heartbeat.interval.ms", INT, Some("15000")),
    at_start("group.share.max.record.lock.duration.ms", INT, Some("60000")),
    at_start("group.share.max.session.timeout.ms", INT, Some("60000")),
    at_start("group.share.max.share.sessions", INT, Some("2000")),
    at_start("group.share.max.size", INT, Some("200")),
    at_start("group.share.min.heartbeat.interval.ms", INT, Some("5000")),
    at_start("group.share.min.record.lock.duration.ms", INT, Some("15000")),
    at_start("group.share.min.session.timeout.ms", INT, Some("45000")),
    at_start("group.share.partition.max.record.locks", INT, Some("2000")),
    at_start("group.share.record.lock.duration.ms", INT, Some("30000")),
    at_start("group.share.session.timeout.ms", INT, Some("45000")),
    at_start("group.streams.heartbeat.interval.ms", INT, Some("5000")),
    at_start("group.streams.max.heartbeat.interval.ms", INT, Some("15000")),
    at_start("group.streams.max.session.timeout.ms", INT, Some("60000")),
    at_start("group.streams.max.size", INT, Some("2147483647")),
    at_start("group.streams.max.standby.replicas", INT, Some("2")),
    at_start("group.streams.min.heartbeat.interval.ms", INT, Some("5000")),
    at_start("group.streams.min.session.timeout.ms", INT, Some("45000")),
    at_start("group.streams.num.standby.replicas", INT, Some("0")),
    at_start("group.streams.session.timeout.ms", INT, Some("45000")),
    at_start("initial.broker.registration.timeout.ms", INT, Some("60000")),
    at_start("inter.broker.listener.name", STRING, None),
    at_start("kafka.metrics.polling.interval.secs", INT, Some("10")),
    at_start("kafka.metrics.reporters", LIST, Some("")),
    running("log.cleaner.io.buffer.load.factor", DOUBLE, Some("0.9")),
    running("log.cleaner.threads", INT, Some("1")),
    at_start("log.dir.failure.timeout.ms", LONG, Some("30000")),
    running("log.flush.interval.ms", LONG, None),
    at_start("log.flush.scheduler.interval.ms", LONG, Some(LONG_MAX)),
    at_start("log.flush.start.offset.checkpoint.interval.ms", INT, Some("60000")),
    running("log.index.size.max.bytes", INT, Some("10485760")),
    running("log.message.timestamp.type", STRING, Some("CreateTime")),
    running("log.preallocate", BOOLEAN, Some("false")),
    at_start("log.retention.hours", INT, Some("168")),
    at_start("log.retention.minutes", INT, None),
    at_start("log.roll.hours", INT, Some("168")),
    at_start("log.roll.jitter.hours", INT, Some("0")),
    running("log.roll.jitter.ms", LONG, None),
    running("log.segment.delete.delay.ms", LONG, Some("60000")),
    running("max.connections.per.ip.overrides", STRING, Some("")),
    at_start("max.request.partition.size.limit", INT, Some("2000")),
    at_start("metadata.log.dir", STRING, None),
    at_start("metadata.log.max.snapshot.interval.ms", LONG, Some("3600000")),
    at_start("metadata.log.segment.bytes", INT, Some("1073741824")),
    at_start("metadata.log.segment.ms", LONG, Some("604800000")),
    at_start("metadata.max.retention.bytes", LONG, Some("104857600")),
    at_start("metadata.max.retention.ms", LONG, Some("604800000")),
    running("metric.reporters", LIST, Some("org.apache.kafka.common.metrics.JmxReporter")),
    at_start("metrics.num.samples", INT, Some("2")),
    at_start("metrics.recording.level", STRING, Some("INFO")),
    at_start("metrics.sample.window.ms", LONG, Some("30000")),
    running("num.recovery.threads.per.data.dir", INT, Some("2")),
    at_start("num.replica.alter.log.dirs.threads", INT, None),
    at_start("offsets.commit.timeout.ms", INT, Some("5000")),
    at_start("offsets.load.buffer.size", INT, Some("5242880")),
    at_start("offsets.topic.compression.codec", INT, Some("0")),
    running("principal.builder.class", CLASS, Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder")),
    at_start("producer.purgatory.purge.interval.requests", INT, Some("1000")),
    at_start("queued.max.request.bytes", LONG, Some("-1")),
    at_start("queued.max.requests", INT, Some("500")),
    at_start("quota.window.num", INT, Some("11")),
    at_start("quota.window.size.seconds", INT, Some("1")),
    running("remote.list.offsets.request.timeout.ms", LONG, Some("30000")),
    running("remote.log.index.file.cache.total.size.bytes", LONG, Some("1073741824")),
    running("remote.log.manager.copy.max.bytes.per.second", LONG, Some(LONG_MAX)),
    at_start("remote.log.manager.copy.quota.window.num", INT, Some("11")),
    at_start("remote.log.manager.copy.quota.window.size.seconds", INT, Some("1")),
    running("remote.log.manager.expiration.thread.pool.size", INT, Some("10")),
    running("remote.log.manager.fetch.max.bytes.per.second", LONG, Some(LONG_MAX)),
    at_start("remote.log.manager.fetch.quota.window.num", INT, Some("11")),
    at_start("remote.log.manager.fetch.quota.window.size.seconds", INT, Some("1")),
    at_start("remote.log.manager.thread.pool.size", INT, Some("2")),
    at_start("remote.log.metadata.custom.metadata.max.bytes", INT, Some("128")),
    at_start("remote.log.metadata.manager.class.name", STRING, Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager")),
    at_start("remote.log.metadata.manager.class.path", STRING, None),
    at_start("remote.log.metadata.manager.impl.prefix", STRING, Some("rlmm.config.")),
    at_start("remote.log.metadata.manager.listener.name", STRING, None),
    at_start("remote.log.storage.manager.class.name", STRING, None),
    at_start("remote.log.storage.manager.class.path", STRING, None),
    at_start("remote.log.storage.manager.impl.prefix", STRING, Some("rsm.config.")),
    at_start("replica.socket.receive.buffer.bytes", INT, Some("65536")),
    at_start("replication.quota.window.num", INT, Some("11")),
    at_start("replication.quota.window.size.seconds", INT, Some("1")),
    at_start("sasl.client.callback.handler.class", CLASS, None),
    running("sasl.enabled.mechanisms", LIST, Some("GSSAPI")),
    running("sasl.jaas.config", PASSWORD, None),
    running("sasl.kerberos.kinit.cmd", STRING, Some("/usr/bin/kinit")),
    running("sasl.kerberos.min.time.before.relogin", LONG, Some("60000")),
    running("sasl.kerberos.principal.to.local.rules", LIST, Some("DEFAULT")),
    running("sasl.kerberos.service.name", STRING, None),
    running("sasl.kerberos.ticket.renew.jitter", DOUBLE, Some("0.05")),
    running("sasl.kerberos.ticket.renew.window.factor", DOUBLE, Some("0.8")),
    at_start("sasl.login.callback.handler.class", CLASS, None),
    at_start("sasl.login.class", CLASS, None),
    at_start("sasl.login.connect.timeout.ms", INT, None),
    at_start("sasl.login.read.timeout.ms", INT, None),
    running("sasl.login.refresh.buffer.seconds", SHORT, Some("300")),
    running("sasl.login.refresh.min.period.seconds", SHORT, Some("60")),
    running("sasl.login.refresh.window.factor", DOUBLE, Some("0.8")),
    running("sasl.login.refresh.window.jitter", DOUBLE, Some("0.05")),
    at_start("sasl.login.retry.backoff.max.ms", LONG, Some("10000")),
    at_start("sasl.login.retry.backoff.ms", LONG, Some("100")),
    at_start("sasl.mechanism.controller.protocol", STRING, Some("GSSAPI")),
    running("sasl.mechanism.inter.broker.protocol", STRING, Some("GSSAPI")),
    at_start("sasl.oauthbearer.assertion.algorithm", STRING, Some("RS256")),
    at_start("sasl.oauthbearer.assertion.claim.aud", STRING, None),
    at_start("sasl.oauthbearer.assertion.claim.exp.seconds", INT, Some("300")),
    at_start("sasl.oauthbearer.assertion.claim.iss", STRING, None),
    at_start("sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN, Some("false")),
    at_start("sasl.oauthbearer.assertion.claim.nbf.seconds", INT, Some("60")),
    at_start("sasl.oauthbearer.assertion.claim.sub", STRING, None),
    at_start("sasl.oauthbearer.assertion.file", STRING, None),
    at_start("sasl.oauthbearer.assertion.private.key.file", STRING, None),
    at_start("sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD, None),
    at_start("sasl.oauthbearer.assertion.template.file", STRING, None),
    at_start("sasl.oauthbearer.client.credentials.client.id", STRING, None),
    at_start("sasl.oauthbearer.client.credentials.client.secret", PASSWORD, None),
    at_start("sasl.oauthbearer.clock.skew.seconds", INT, Some("30")),
    at_start("sasl.oauthbearer.expected.audience", LIST, None),
    at_start("sasl.oauthbearer.expected.issuer", STRING, None),
    at_start("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG, Some("3600000")),
    at_start("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG, Some("10000")),
    at_start("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG, Some("100")),
    at_start("sasl.oauthbearer.jwks.endpoint.url", STRING, None),
    at_start("sasl.oauthbearer.jwt.retriever.class", CLASS, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever")),
    at_start("sasl.oauthbearer.jwt.validator.class", CLASS, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator")),
    at_start("sasl.oauthbearer.scope", STRING, None),
    at_start("sasl.oauthbearer.scope.claim.name", STRING, Some("scope")),
    at_start("sasl.oauthbearer.sub.claim.name", STRING, Some("sub")),
    at_start("sasl.oauthbearer.token.endpoint.url", STRING, None),
    at_start("sasl.server.callback.handler.class", CLASS, None),
    at_start("sasl.server.max.receive.size", INT, Some("524288")),
    at_start("security.inter.broker.protocol", STRING, Some("PLAINTEXT")),
    at_start("security.providers", STRING, None),
    at_start("share.coordinator.append.linger.ms", INT, Some("5")),
    at_start("share.coordinator.load.buffer.size", INT, Some("5242880")),
    at_start("share.coordinator.snapshot.update.records.per.snapshot", INT, Some("500")),
    at_start("share.coordinator.state.topic.compression.codec", INT, Some("0")),
    at_start("share.coordinator.state.topic.min.isr", SHORT, Some("2")),
    at_start("share.coordinator.state.topic.num.partitions", INT, Some("50")),
    at_start("share.coordinator.state.topic.replication.factor", SHORT, Some("3")),
    at_start("share.coordinator.state.topic.segment.bytes", INT, Some("104857600")),
    at_start("share.coordinator.threads", INT, Some("1")),
    at_start("share.coordinator.write.timeout.ms", INT, Some("5000")),
    at_start("share.fetch.purgatory.purge.interval.requests", INT, Some("1000")),
    at_start("socket.connection.setup.timeout.max.ms", LONG, Some("30000")),
    at_start("socket.connection.setup.timeout.ms", LONG, Some("10000")),
    at_start("socket.listen.backlog.size", INT, Some("50")),
    at_start("socket.receive.buffer.bytes", INT, Some("102400")),
    at_start("socket.send.buffer.bytes", INT, Some("102400")),
    at_start("ssl.allow.dn.changes", BOOLEAN, Some("false")),
    at_start("ssl.allow.san.changes", BOOLEAN, Some("false")),
    running("ssl.cipher.suites", LIST, Some("")),
    running("ssl.client.auth", STRING, Some("none")),
    running("ssl.enabled.protocols", LIST, Some("TLSv1.2,TLSv1.3")),
    running("ssl.endpoint.identification.algorithm", STRING, Some("https")),
    running("ssl.engine.factory.class", CLASS, None),
    running("ssl.key.password", PASSWORD, None),
    running("ssl.keymanager.algorithm", STRING, Some("SunX509")),
    running("ssl.keystore.certificate.chain", PASSWORD, None),
    running("ssl.keystore.key", PASSWORD, None),
    running("ssl.keystore.location", STRING, None),
    running("ssl.keystore.password", PASSWORD, None),
    running("ssl.keystore.type", STRING, Some("JKS")),
    at_start("ssl.principal.mapping.rules", STRING, Some("DEFAULT")),
    running("ssl.protocol", STRING, Some("TLSv1.3")),
    running("ssl.provider", STRING, None),
    running("ssl.secure.random.implementation", STRING, None),
    running("ssl.trustmanager.algorithm", STRING, Some("PKIX")),
    running("ssl.truststore.certificates", PASSWORD, None),
    running("ssl.truststore.location", STRING, None),
    running("ssl.truststore.password", PASSWORD, None),
    running("ssl.truststore.type", STRING, Some("JKS")),
    at_start("telemetry.max.bytes", INT, Some("1048576")),
    at_start("transaction.state.log.load.buffer.size", INT, Some("5242880")),
    at_start("transaction.two.phase.commit.enable", BOOLEAN, Some("false")),
];

impl UnreadKey {
    /// A config by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = UNREAD_KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
        UNREAD_KEYS.get(at)
    }

    /// Type of its value, where that is text even if it names a class or is secret.
    pub(crate) fn kind(&self) -> ConfigKind {
        match self.of {
            Type::Plain(kind) => kind,
            Type::Class | Type::Password => ConfigKind::String,
        }
    }

    /// Kafka's number of its type.
    pub(super) fn type_number(&self) -> i8 {
        match self.of {
            Type::Plain(kind) => kind as i8,
            Type::Class => 8,
            Type::Password => 9,
        }
    }

    /// Whether its value is never told.
    pub(super) fn is_sensitive(&self) -> bool {
        self.of == Type::Password
    }

    /// Whether a value is the default, however it is written: to write it changes nothing.
    #[must_use]
    pub fn is_default(&self, value: &str) -> bool {
        let (value, default) = (value.trim(), self.default.unwrap_or(""));
        match self.kind() {
            ConfigKind::Boolean => value.eq_ignore_ascii_case(default),
            ConfigKind::Int | ConfigKind::Short | ConfigKind::Long => {
                let number = |text: &str| text.parse::<i64>().ok();
                number(value) == number(default) && value.is_empty() == default.is_empty()
            }
            ConfigKind::List => value.split(',').map(str::trim).eq(default.split(',')),
            ConfigKind::Double | ConfigKind::String | ConfigKind::Unknown => value == default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ServerConfig, dynamic_key};
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_nothing_that_is_read() {
        assert!(UNREAD_KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in UNREAD_KEYS {
            assert!(!ServerConfig::KEYS.contains(&key.name), "{} is read", key.name);
            // what changes without effect is told of here, and checked there
            if let Some(kept) = dynamic_key(key.name) {
                assert!(key.dynamic, "{} changes", key.name);
                assert_eq!((kept.kind, Some(kept.default)), (key.kind(), key.default));
            }
            assert_eq!(UnreadKey::find(key.name), Some(key));
        }
        assert_eq!(UnreadKey::find("num.partitions"), None);
        assert_eq!(UnreadKey::find("server.max.startup.time.ms"), None, "Kafka hides it");
    }

    #[test]
    fn defaults_are_of_their_types() {
        for key in UNREAD_KEYS {
            assert!(key.is_default(key.default.unwrap_or("")), "{}", key.name);
            let Some(default) = key.default else { continue };
            let fits = match key.kind() {
                ConfigKind::Boolean => default.parse::<bool>().is_ok(),
                ConfigKind::Int => default.parse::<i32>().is_ok(),
                ConfigKind::Short => default.parse::<i16>().is_ok(),
                ConfigKind::Long => default.parse::<i64>().is_ok(),
                ConfigKind::Double => default.starts_with("0."),
                ConfigKind::String | ConfigKind::List => true,
                ConfigKind::Unknown => false,
            };
            assert!(fits && !key.is_sensitive(), "{}: {default}", key.name);
        }
    }

    #[test]
    fn a_default_is_one_however_it_is_written() {
        let is_default = |name, value| UnreadKey::find(name).unwrap().is_default(value);
        assert!(
            is_default("background.threads", " 10 ") && is_default("background.threads", "+10")
        );
        assert!(!is_default("background.threads", "11") && !is_default("background.threads", ""));
        assert!(is_default("log.preallocate", "False") && !is_default("log.preallocate", "true"));
        let protocols = "ssl.enabled.protocols";
        assert!(is_default(protocols, "TLSv1.2, TLSv1.3") && !is_default(protocols, "TLSv1.3"));
        assert!(is_default("ssl.keystore.location", "") && !is_default("ssl.key.password", "x"));
        assert!(is_default("sasl.login.connect.timeout.ms", ""), "null");
        assert!(!is_default("sasl.login.connect.timeout.ms", "soon"));
    }
}
