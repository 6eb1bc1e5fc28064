//! Checks of `[[producers]]` and `[[consumers]]`: references, rates, sizes, configs.

use super::configs::check_client;
use super::{check_azs, rates, refuse_duplicates, require_known, unknown_name};
use crate::bounds::ZIPF_PERMILLE_MAX;
use crate::plan::ConsumerPlan;
use crate::resolve::{Role, client_config, server_config};
use crate::schema::decode::{At, Errors, List};
use crate::schema::scalar::{Config, RateValue};
use crate::schema::scenario::Scenario;
use crate::schema::workload::{
    Arrival, AssignorName, Consumer, CurvePoint, Interpolation, Keys, Membership, Producer,
    Profile, RecordSize, Topic,
};
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;
use std::collections::BTreeMap;

/// What members may speak.
const PROTOCOLS: &str = "group.coordinator.rebalance.protocols";
/// Header of a batch with one record, bytes: what a record needs beyond itself.
const BATCH_OVERHEAD_BYTES: u64 = 90;

/// Reports what is wrong with producers and consumers.
pub(super) fn check(scenario: &Scenario, errors: &mut Errors) {
    let producers = scenario.producers.items.iter();
    refuse_duplicates("producer", producers.clone().map(|item| &item.value.name), errors);
    for producer in producers {
        check_producer(&producer.value, producer.span, scenario, errors);
    }
    rates::check_loads(scenario, errors);
    let consumers = scenario.consumers.items.iter();
    refuse_duplicates("consumer group", consumers.clone().map(|item| &item.value.group), errors);
    let server = scenario.sound_cluster().map(server_config);
    for consumer in consumers {
        check_consumer(&consumer.value, scenario, errors);
        check_membership(&consumer.value, server.as_ref(), errors);
    }
}

fn kafka_major(scenario: &Scenario) -> u32 {
    let sound = scenario.sound_cluster();
    sound.map_or(3, |cluster| cluster.kafka_version().0)
}

fn topic_name(topic: &Topic) -> &str {
    &topic.name.value.0
}

fn check_producer(producer: &Producer, span: Span, scenario: &Scenario, errors: &mut Errors) {
    require_known("topic", &producer.topic, &scenario.topics, topic_name, errors);
    check_azs(scenario, producer.azs.as_ref(), errors);
    let profile = producer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let config = producer.config.as_ref();
    check_client(profile, Role::Producer, config, kafka_major(scenario), errors);
    check_rate(producer, span, scenario, errors);
    check_keys(producer, errors);
    check_compression(producer, scenario, errors);
    check_record_size(producer, scenario, errors);
    check_transactions(producer, kafka_major(scenario), errors);
}

/// What the Java client refuses: transactions need idempotence, and so `acks=all`.
fn check_transactions(producer: &Producer, kafka_major: u32, errors: &mut Errors) {
    let transactional = producer.transactional.as_ref().filter(|written| written.value);
    match (transactional, &producer.transaction) {
        (None, Some(transaction)) => errors.push(
            Diagnostic::new(transaction.span, "`transaction` without transactions", "no effect")
                .help("write `transactional = true`"),
        ),
        (Some(transactional), _) => {
            let profile = producer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
            let config = producer.config.as_ref().map(|config| &config.value);
            let resolved = client_config(profile, Role::Producer, config, kafka_major);
            let is = |key: &str, value: &str| resolved.get(key).is_none_or(|text| text == value);
            let written = |key: &str| config.is_some_and(|config| config.entry(key).is_some());
            let idempotent = is("enable.idempotence", "true") || !written("enable.idempotence");
            if !idempotent || !(is("acks", "all") || is("acks", "-1")) {
                let message = "a transactional producer needs idempotence and acks=all";
                errors.push(Diagnostic::new(transactional.span, message, "asked for here"));
            }
        }
        (None, None) => {}
    }
    let Some(transaction) = &producer.transaction else { return };
    if let Some(length) = transaction.value.length.as_ref().filter(|length| length.value.0 == 0) {
        errors.push(Diagnostic::new(length.span, "a transaction needs some time", "here"));
    }
    if let Some(share) = &transaction.value.aborted
        && share.value.0 > 1_000_000
    {
        errors.push(Diagnostic::new(share.span, "more than all transactions", "above 100%"));
    }
}

fn check_rate(producer: &Producer, span: Span, scenario: &Scenario, errors: &mut Errors) {
    let arrival = producer.arrival.as_ref().map(|arrival| &arrival.value);
    let closed = matches!(arrival, Some(Arrival::Closed(_)));
    match (&producer.rate, &producer.curve) {
        (Some(rate), Some(curve)) => errors.push(
            Diagnostic::new(curve.span, "a producer has a `rate` or a `curve`, not both", "curve")
                .related(rate.span, "rate"),
        ),
        (None, None) if !closed => errors.push(
            Diagnostic::new(span, "[[producers]] needs `rate` or `curve`", "no rate")
                .help("write `rate = \"10 MB/s\"`"),
        ),
        (Some(rate), None) => {
            rates::check_rate(producer, rate, errors);
            if matches!(rate.value.0, RateValue::Bytes(0) | RateValue::MilliRecords(0)) {
                let message = "a rate of nothing: this producer would never send";
                errors.push(Diagnostic::new(rate.span, message, "zero"));
            }
        }
        (None, Some(curve)) => check_curve(producer, curve, scenario, errors),
        (None, None) => {}
    }
    let interpolation = producer.interpolation.as_ref().filter(|_| producer.curve.is_none());
    if let Some(written) = interpolation {
        let what = match written.value {
            Interpolation::Linear => "linear",
            Interpolation::Step => "step",
        };
        let message = format!("`interpolation = \"{what}\"` without a `curve`");
        errors.push(Diagnostic::new(written.span, message, "nothing to interpolate"));
    }
    if let Some(Arrival::Bursty(bursty)) = arrival
        && bursty.on.value.0 == 0
    {
        let message = "a burst needs some time";
        errors.push(Diagnostic::new(bursty.on.span, message, "here"));
    }
}

/// Smallest record, bytes.
fn smallest_record(producer: &Producer) -> u64 {
    match producer.record_size.as_ref().map(|size| &size.value) {
        None => 1024,
        Some(RecordSize::Fixed(size)) => size.0,
        Some(RecordSize::Between(range)) => range.min.value.0,
    }
}

fn check_curve(
    producer: &Producer,
    curve: &At<List<CurvePoint>>,
    scenario: &Scenario,
    errors: &mut Errors,
) {
    let points = &curve.value.items;
    if points.is_empty() && curve.value.complete {
        let help = "write curve = [{ at = \"0s\", rate = \"10 MB/s\" }]";
        errors.push(Diagnostic::new(curve.span, "the curve has no point", "empty").help(help));
    }
    for pair in points.windows(2) {
        let [first, second] = pair else { continue };
        if second.value.at.value.0 <= first.value.at.value.0 {
            let message = "the points of a curve must rise in time";
            errors.push(
                Diagnostic::new(second.value.at.span, message, "not later")
                    .related(first.value.at.span, "than this one"),
            );
        }
    }
    let times = scenario.phases.get().map(|phases| phases.times());
    for point in points {
        rates::check_rate(producer, &point.value.rate, errors);
        let end = times.map(|times| times.measure_ns.saturating_add(times.heal_ns));
        if end.is_some_and(|end| point.value.at.value.0 > end) {
            let message = "this point lies after the end of the load";
            errors.push(
                Diagnostic::new(point.value.at.span, message, "too late")
                    .help("producers stop when the drain phase begins"),
            );
        }
    }
}

fn check_keys(producer: &Producer, errors: &mut Errors) {
    let Some(Keys::Zipf(zipf)) = producer.keys.as_ref().map(|keys| &keys.value) else { return };
    if let Some(exponent) = &zipf.exponent
        && !(1..=u64::from(ZIPF_PERMILLE_MAX)).contains(&exponent.value.0)
    {
        let message = "the exponent must be above 0 and at most 10";
        errors.push(Diagnostic::new(exponent.span, message, "out of range"));
    }
}

fn check_compression(producer: &Producer, scenario: &Scenario, errors: &mut Errors) {
    let Some(share) = &producer.compressed_to else { return };
    if !(1_000..=1_000_000).contains(&share.value.0) {
        let message = "the compressed size is between 0.1% and 100% of the raw one";
        errors.push(Diagnostic::new(share.span, message, "out of range"));
    }
    let profile = producer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let config = producer.config.as_ref().map(|config| &config.value);
    let resolved = client_config(profile, Role::Producer, config, kafka_major(scenario));
    let compressing = resolved.get("compression.type").is_some_and(|codec| codec != "none");
    if !compressing && share.value.0 != 1_000_000 {
        let message = "`compressed_to` has no effect: this producer does not compress";
        errors.push(
            Diagnostic::new(share.span, message, "no effect")
                .help("set `compression.type` in the producer's config"),
        );
    }
}

fn check_record_size(producer: &Producer, scenario: &Scenario, errors: &mut Errors) {
    let (largest, span) = match &producer.record_size {
        None => return,
        Some(At { value: RecordSize::Fixed(size), span }) => (size.0, *span),
        Some(At { value: RecordSize::Between(range), span }) => {
            if range.min.value.0 > range.max.value.0 {
                let message = "`min` is above `max`";
                errors.push(
                    Diagnostic::new(range.min.span, message, "larger")
                        .related(range.max.span, "than this"),
                );
            }
            (range.max.value.0, *span)
        }
    };
    if smallest_record(producer) == 0 {
        errors.push(Diagnostic::new(span, "records have at least 1 B", "empty records"));
    }
    let profile = producer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let config = producer.config.as_ref().map(|config| &config.value);
    let client = client_config(profile, Role::Producer, config, kafka_major(scenario));
    let limit = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
    let topic =
        scenario.topics.items.iter().find(|topic| topic.value.name.value == producer.topic.value);
    let topic = topic.and_then(|topic| topic.value.config.as_ref());
    let topic_limit = topic.and_then(|config| config.value.entry("max.message.bytes"));
    let sound = scenario.sound_cluster();
    let server = sound.and_then(|cluster| limit(server_config(cluster).get("message.max.bytes")));
    let broker = limit(topic_limit.map(|entry| &entry.value)).or(server);
    let limits = [
        ("max.request.size", limit(client.get("max.request.size"))),
        ("the topic's max.message.bytes", broker),
    ];
    for (name, limit) in limits {
        if limit.is_some_and(|limit| largest.saturating_add(BATCH_OVERHEAD_BYTES) > limit) {
            let message = format!("records of {largest} bytes do not fit into {name}");
            errors.push(
                Diagnostic::new(span, message, "too large")
                    .help(format!("{name} is {} bytes", limit.unwrap_or_default())),
            );
            return;
        }
    }
}

fn check_consumer(consumer: &Consumer, scenario: &Scenario, errors: &mut Errors) {
    let topics = &consumer.topics;
    if topics.value.items.is_empty() && topics.value.complete {
        let message = format!("consumer group `{}` reads no topic", consumer.group.value.0);
        errors.push(Diagnostic::new(topics.span, message, "empty"));
    }
    refuse_duplicates("topic", topics.value.items.iter(), errors);
    for topic in &topics.value.items {
        require_known("topic", topic, &scenario.topics, topic_name, errors);
    }
    check_azs(scenario, consumer.azs.as_ref(), errors);
    let profile = consumer.profile.as_ref().map_or(Profile::Java, |profile| profile.value);
    let config = consumer.config.as_ref();
    check_client(profile, Role::Consumer, config, kafka_major(scenario), errors);
    check_rack(config, scenario, errors);
    let times = scenario.phases.get().map(|phases| phases.times());
    if let (Some(start), Some(times)) = (&consumer.start_at, times) {
        let end = times.measure_ns.saturating_add(times.heal_ns);
        if start.value.0 > end {
            let message = "the group would start after the end of the load";
            errors.push(Diagnostic::new(start.span, message, "too late"));
        }
    }
}

/// A rack that no broker is in changes nothing, which nobody writes down on purpose.
fn check_rack(config: Option<&At<Config>>, scenario: &Scenario, errors: &mut Errors) {
    let Some(cluster) = scenario.cluster.get() else { return };
    let Some(entry) = config.and_then(|config| config.value.entry("client.rack")) else { return };
    let azs = cluster.az_names();
    let is_known =
        entry.value.is_empty() || entry.value == ConsumerPlan::OWN_AZ || azs.contains(&entry.value);
    if !is_known {
        let names: Vec<&str> =
            azs.iter().map(String::as_str).chain([ConsumerPlan::OWN_AZ]).collect();
        errors.push(unknown_name("AZ", &entry.value, entry.span, &names));
    }
}

fn check_membership(
    consumer: &Consumer,
    server: Option<&BTreeMap<String, String>>,
    errors: &mut Errors,
) {
    let membership = consumer.membership.as_ref().map_or(Membership::None, |at| at.value);
    if let Some(written) =
        consumer.membership.as_ref().filter(|at| at.value == Membership::Consumer)
        && let Some(server) = server
        && !server.get(PROTOCOLS).is_some_and(|protocols| protocols.contains("consumer"))
    {
        let message = "the brokers speak the classic protocol only";
        let help = format!("set `{PROTOCOLS} = \"classic,consumer\"`, as Kafka 4 does by default");
        errors.push(Diagnostic::new(written.span, message, "not spoken").help(help));
    }
    if let Some(assignor) = &consumer.assignor {
        let message = match (membership, assignor.value) {
            (Membership::Classic, AssignorName::Uniform) => {
                Some("a group's leader has no `uniform` assignor")
            }
            (Membership::Consumer, AssignorName::CooperativeSticky) => {
                Some("coordinators have no `cooperative-sticky` assignor")
            }
            _ => None,
        };
        if let Some(message) = message {
            errors.push(Diagnostic::new(assignor.span, message, "of the other protocol"));
        }
    }
    let assignor = consumer.assignor.as_ref().map(|written| written.span);
    let fixed = consumer.static_members.as_ref().map(|written| written.span);
    for span in assignor.into_iter().chain(fixed).filter(|_| membership == Membership::None) {
        errors.push(
            Diagnostic::new(span, "only a group with members needs this", "no effect")
                .help("write `membership = \"classic\"` or `membership = \"consumer\"`"),
        );
    }
}
