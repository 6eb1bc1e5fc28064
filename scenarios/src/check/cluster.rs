//! Checks of `[cluster]`: instance, topology, version, region, server.properties.

use super::configs::check_config;
use super::{custom, managed, refuse_duplicates, storage, with_suggestion};
use crate::catalogue::services::regions;
use crate::catalogue::{hardware, priced};
use crate::plan::ClusterKind;
use crate::resolve::{CUSTOM_INSTANCE, host_instance, server_config, version};
use crate::schema::cluster::{Azs, Cluster};
use crate::schema::decode::{At, Errors};
use crate::schema::scalar::Text;
use crate::schema::scenario::Scenario;
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;

/// Most brokers of an MSK cluster in KRaft mode.
const MSK_BROKERS_MAX: u32 = 60;

/// Reports what is wrong with the cluster.
pub(super) fn check(cluster: &Cluster, span: Span, errors: &mut Errors) {
    check_instance(cluster, errors);
    check_azs(cluster, errors);
    check_brokers(cluster, errors);
    check_controllers(cluster, errors);
    check_version(cluster, errors);
    check_region(cluster, errors);
    managed::check_cluster(cluster, errors);
    if cluster.host.is_none() {
        storage::check(cluster, errors);
    }
    for network in cluster.network.iter().map(|network| &network.value) {
        custom::check_latency(network.same_az_rtt.as_ref(), errors);
        custom::check_latency(network.cross_az_rtt.as_ref(), errors);
    }
    if let Some(config) = &cluster.config {
        check_config(
            "server.properties",
            &config.value,
            crate::catalogue::groups::all_server_keys(),
            errors,
        );
    }
    if cluster.version_is_sound() {
        check_replication(cluster, span, errors);
    }
}

impl Scenario {
    /// The cluster, if its version can be read, which config defaults depend on.
    pub(super) fn sound_cluster(&self) -> Option<&Cluster> {
        self.cluster.get().filter(|cluster| cluster.version_is_sound())
    }
}

impl Cluster {
    /// Whether the version can be read, which config defaults depend on.
    pub(super) fn version_is_sound(&self) -> bool {
        self.kafka.as_ref().is_none_or(|kafka| version(&kafka.value.0).is_some())
    }
}

fn check_instance(cluster: &Cluster, errors: &mut Errors) {
    let kind = cluster.plan_kind();
    let Some(name) = cluster.instance.as_ref().filter(|_| kind != ClusterKind::MskServerless)
    else {
        return;
    };
    if kind == ClusterKind::MskStandard && name.value.0 == "kafka.t3.small" {
        let message = "MSK does not offer kafka.t3.small in KRaft mode, which is what is simulated";
        errors.push(
            Diagnostic::new(name.span, message, "not in KRaft mode")
                .help("the smallest are `kafka.m7g.large` and `kafka.m5.large`"),
        );
        return;
    }
    if cluster.host.is_some() || name.value.0 == CUSTOM_INSTANCE {
        custom::check(cluster, errors);
        return;
    }
    if kind == ClusterKind::MskExpress {
        errors.extend(managed::unknown_express(&name.value.0, name.span));
        return;
    }
    if host_instance(kind, &name.value.0).is_none() {
        errors.push(unknown_instance(name, kind));
    }
}

fn unknown_instance(name: &At<Text>, kind: ClusterKind) -> Diagnostic {
    let text = name.value.0.as_str();
    let message = match kind {
        ClusterKind::MskStandard => format!("`{text}` is not an MSK Standard broker size"),
        _ => format!("`{text}` is not a known EC2 instance type"),
    };
    let diagnostic = Diagnostic::new(name.span, message, "unknown instance");
    match kind {
        ClusterKind::MskStandard => {
            let prefixed = format!("kafka.{text}");
            if hardware::msk_instance(&prefixed).is_some() {
                return diagnostic.help(format!("did you mean `{prefixed}`?"));
            }
            let names = hardware::msk().instances.iter().map(|row| row.name.as_str());
            with_suggestion(diagnostic, text, names)
        }
        _ => {
            if let Some(bare) = text.strip_prefix("kafka.") {
                return diagnostic.help(format!("EC2 calls it `{bare}`"));
            }
            if priced::hour(text).is_some() {
                return diagnostic.help(format!(
                    "it can be priced, not simulated, as not all of its hardware is known: \
                     stormglass cost --instance {text} --brokers 3"
                ));
            }
            let names = hardware::ec2().instances.iter().map(|row| row.name.as_str());
            with_suggestion(diagnostic, text, names)
        }
    }
}

fn check_azs(cluster: &Cluster, errors: &mut Errors) {
    let Some(azs) = &cluster.azs else { return };
    if let Azs::Names(names) = &azs.value {
        refuse_duplicates("AZ", names.items.iter(), errors);
        if names.items.len() > 6 || names.items.is_empty() {
            let message = format!("{} AZs: between 1 and 6 are possible", names.items.len());
            errors.push(Diagnostic::new(azs.span, message, "here"));
            return;
        }
    }
    let count = cluster.az_names().len();
    if cluster.plan_kind() == ClusterKind::MskStandard && !(2..=3).contains(&count) {
        let message = format!("MSK Standard clusters span 2 or 3 AZs, not {count}");
        errors.push(
            Diagnostic::new(azs.span, message, "here")
                .help("write `azs = 3`, or `kind = \"self-managed\"`"),
        );
    }
}

fn check_brokers(cluster: &Cluster, errors: &mut Errors) {
    if !cluster.plan_kind().is_msk() {
        return;
    }
    let brokers = cluster.broker_count();
    let azs = u32::try_from(cluster.az_names().len()).unwrap_or(1).max(1);
    if !brokers.is_multiple_of(azs) {
        let message = format!("{brokers} brokers cannot be spread evenly over {azs} AZs");
        let nearest = brokers.next_multiple_of(azs);
        errors.push(
            Diagnostic::new(cluster.brokers_span(), message, "not a multiple")
                .help(format!("MSK takes multiples of the number of AZs: {nearest}")),
        );
    }
    if brokers > MSK_BROKERS_MAX {
        let message = format!("MSK clusters in KRaft mode have at most {MSK_BROKERS_MAX} brokers");
        errors.push(Diagnostic::new(cluster.brokers_span(), message, "too many"));
    }
}

fn check_controllers(cluster: &Cluster, errors: &mut Errors) {
    let msk = cluster.plan_kind().is_msk();
    if let Some(count) = &cluster.controllers {
        if msk && count.value.0 != 3 {
            let message = "MSK always runs 3 controllers";
            errors.push(Diagnostic::new(count.span, message, "here").help("leave the key out"));
        } else if count.value.0 % 2 == 0 {
            let message = format!("{} controllers: a quorum needs an odd number", count.value.0);
            let help = "an even number tolerates no more failures than one less";
            errors.push(Diagnostic::new(count.span, message, "even").help(help));
        }
    }
    let Some(instance) = &cluster.controller_instance else { return };
    if msk {
        let message = "MSK chooses the controllers' instances itself";
        errors.push(Diagnostic::new(instance.span, message, "here").help("leave the key out"));
    } else if hardware::ec2_instance(&instance.value.0).is_none() {
        errors.push(unknown_instance(instance, ClusterKind::SelfManaged));
    }
}

fn check_version(cluster: &Cluster, errors: &mut Errors) {
    let Some(kafka) = &cluster.kafka else { return };
    let Some(version) = version(&kafka.value.0) else {
        let message = format!("`{}` is not a Kafka version", kafka.value.0);
        errors.push(Diagnostic::new(kafka.span, message, "here").help("write \"3.9\""));
        return;
    };
    let (least, who) = match cluster.plan_kind() {
        ClusterKind::MskStandard | ClusterKind::MskServerless => ((3, 7), "MSK offers KRaft"),
        ClusterKind::MskExpress => ((3, 9), "Express has KRaft"),
        ClusterKind::SelfManaged => ((3, 3), "KRaft is fit for production"),
    };
    if version < least || version >= (5, 0) {
        let message = format!("Kafka {} is not simulated", kafka.value.0);
        errors.push(
            Diagnostic::new(kafka.span, message, "here")
                .help(format!("{who} from {}.{}; the newest are 4.x", least.0, least.1)),
        );
    }
}

fn check_region(cluster: &Cluster, errors: &mut Errors) {
    let Some(region) = &cluster.region else { return };
    let known = regions();
    if !known.contains(&region.value.0.as_str()) {
        let message = format!("no prices are known for the region `{}`", region.value.0);
        errors.push(
            Diagnostic::new(region.span, message, "no prices")
                .help(format!("known: {}", known.join(", "))),
        );
    }
}

/// Cluster-wide replication settings against the number of brokers.
fn check_replication(cluster: &Cluster, span: Span, errors: &mut Errors) {
    let config = server_config(cluster);
    let brokers = cluster.broker_count();
    let written = |name: &str| cluster.config.as_ref()?.value.entry(name);
    for name in [
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
    ] {
        let Some(factor) = config.get(name).and_then(|value| value.parse::<u32>().ok()) else {
            continue;
        };
        let Some(entry) = written(name) else { continue };
        if factor > brokers {
            let message = format!("`{name}` is {factor}, but there are {brokers} brokers");
            errors.push(
                Diagnostic::new(entry.span, message, "more replicas than brokers")
                    .related(cluster.brokers_span(), "brokers"),
            );
        }
    }
    let in_sync = config.get("min.insync.replicas").and_then(|value| value.parse::<u32>().ok());
    if in_sync.is_some_and(|in_sync| in_sync > brokers) {
        let message = format!(
            "`min.insync.replicas` is above the {brokers} brokers: nothing could be written"
        );
        let place = written("min.insync.replicas").map_or(span, |entry| entry.span);
        errors.push(
            Diagnostic::new(place, message, "here").related(cluster.brokers_span(), "brokers"),
        );
    }
    let lag = written("replica.lag.time.max.ms");
    if let Some(lag) = lag.filter(|_| cluster.plan_kind().is_msk())
        && lag.value.parse::<u64>().is_ok_and(|ms| !(10_000..=30_000).contains(&ms))
    {
        let message = "MSK allows `replica.lag.time.max.ms` from 10000 to 30000";
        errors.push(Diagnostic::new(lag.span, message, "out of MSK's range"));
    }
}
