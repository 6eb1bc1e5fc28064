//! Checks of MSK Express and Serverless: what AWS decides there cannot be chosen, and what it limits
//! must be kept to.

use super::with_suggestion;
use crate::catalogue::managed::express_instance;
use crate::catalogue::services::{express_offers, service_limit};
use crate::plan::ClusterKind;
use crate::schema::cluster::Cluster;
use crate::schema::decode::Errors;
use crate::schema::scalar::Config;
use crate::schema::scenario::Scenario;
use crate::schema::workload::Topic;
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;

/// Configs that are fixed on Express and Serverless, and what they are fixed at.
const FIXED: [(&str, &str); 3] = [
    ("default.replication.factor", "3"),
    ("min.insync.replicas", "2"),
    ("unclean.leader.election.enable", "false"),
];
/// Replication factor of every topic.
const REPLICATION: u32 = 3;

fn refuse(span: Option<Span>, message: &str, help: &str, errors: &mut Errors) {
    if let Some(span) = span {
        errors.push(Diagnostic::new(span, message, "here").help(help));
    }
}

/// Name of the kind in messages.
fn name(kind: ClusterKind) -> &'static str {
    match kind {
        ClusterKind::MskServerless => "MSK Serverless",
        _ => "MSK Express",
    }
}

/// The cluster's own keys.
pub(super) fn check_cluster(cluster: &Cluster, errors: &mut Errors) {
    let kind = cluster.plan_kind();
    if !kind.has_elastic_storage() {
        return;
    }
    let name = name(kind);
    let leave = "leave the key out";
    let span = |has: Option<Span>| has;
    let storage = span(cluster.storage.as_ref().map(|storage| storage.span));
    refuse(
        storage,
        &format!("{name} has no volumes to size: storage grows with what is kept"),
        leave,
        errors,
    );
    if cluster.az_names().len() != 3 {
        let span = cluster.azs.as_ref().map(|azs| azs.span);
        refuse(span, &format!("{name} spans 3 AZs"), "write `azs = 3`", errors);
    }
    if let Some(config) = &cluster.config {
        if kind == ClusterKind::MskServerless {
            let message = "MSK Serverless has no server.properties to set";
            refuse(Some(config.span), message, "set configs of topics instead", errors);
        } else {
            check_fixed(&config.value, name, errors);
        }
    }
    if kind == ClusterKind::MskServerless {
        let message = "MSK Serverless has no brokers to choose";
        let keys = [
            cluster.instance.as_ref().map(|key| key.span),
            cluster.brokers.as_ref().map(|key| key.span),
            cluster.host.as_ref().map(|key| key.span),
        ];
        keys.into_iter().for_each(|span| refuse(span, message, leave, errors));
    }
}

fn check_fixed(config: &Config, name: &str, errors: &mut Errors) {
    for (key, fixed) in FIXED {
        let Some(entry) = config.entry(key).filter(|entry| entry.value != fixed) else { continue };
        let message = format!("{name} fixes `{key}` at {fixed}");
        refuse(Some(entry.span), &message, "leave the key out", errors);
    }
}

/// A name that is no Express broker size.
pub(super) fn unknown_express(text: &str, span: Span) -> Option<Diagnostic> {
    if express_instance(text).is_some() {
        return None;
    }
    let message = format!("`{text}` is not an MSK Express broker size");
    let diagnostic = Diagnostic::new(span, message, "unknown instance");
    let bare = text.strip_prefix("kafka.").unwrap_or(text);
    let prefixed = format!("express.{bare}");
    if express_instance(&prefixed).is_some() {
        return Some(diagnostic.help(format!("did you mean `{prefixed}`?")));
    }
    let offers = express_offers();
    Some(with_suggestion(diagnostic, text, offers.iter().map(|offer| offer.name.as_str())))
}

/// Topics, and all of them together.
pub(super) fn check_topics(scenario: &Scenario, errors: &mut Errors) {
    let Some(cluster) = scenario.cluster.get() else { return };
    let kind = cluster.plan_kind();
    if !kind.has_elastic_storage() {
        return;
    }
    let mut partitions = 0_u64;
    for topic in &scenario.topics.items {
        check_topic(&topic.value, name(kind), errors);
        partitions += u64::from(topic.value.partitions.value.0);
        let span = topic.value.partitions.span;
        if let Some(message) = too_many(kind, cluster, partitions) {
            errors.push(Diagnostic::new(span, message, "with these partitions"));
            return;
        }
    }
}

fn check_topic(topic: &Topic, name: &str, errors: &mut Errors) {
    if let Some(factor) = topic.replication.as_ref().filter(|f| f.value.0 != REPLICATION) {
        let message = format!("{name} keeps {REPLICATION} replicas of every partition");
        refuse(Some(factor.span), &message, "leave the key out", errors);
    }
    if let Some(config) = &topic.config {
        check_fixed(&config.value, name, errors);
    }
}

fn too_many(kind: ClusterKind, cluster: &Cluster, partitions: u64) -> Option<String> {
    if kind == ClusterKind::MskServerless {
        let limit = service_limit("serverless-partitions")?.value;
        return (partitions > limit)
            .then(|| format!("MSK Serverless has at most {limit} partitions"));
    }
    let offer = express_instance(cluster.instance_name())?;
    let brokers = u64::from(cluster.broker_count());
    let limit = u64::from(offer.partitions_max) * brokers / u64::from(REPLICATION);
    (partitions > limit).then(|| {
        format!(
            "{brokers} brokers {} hold at most {limit} partitions of {REPLICATION} replicas",
            offer.name
        )
    })
}
