//! Checks of `[[events]]`: timing, targets, magnitudes.

use super::{check_az, operations, require_known, unknown_name};
use crate::bounds::{DRIFT_PPM_MAX, LINK_DELAY_NS_MAX, LOAD_PERMILLE_MAX};
use crate::plan::Endpoint;
use crate::resolve::{broker_host_of, endpoint};
use crate::schema::cluster::Cluster;
use crate::schema::decode::{At, Errors, List};
use crate::schema::events::{
    Action, BitRot, ClientCrash, ClientPause, Event, LinkDelay, LinkLoss, NodeId, ObjectStorage,
    Resource, RollingRestart, SetCredits, SlowDisk,
};
use crate::schema::scalar::{Count, Name, Share, Text};
use crate::schema::scenario::{PhaseTimes, Scenario};
use crate::text::diagnostic::Diagnostic;

/// Parts per million of the whole.
const WHOLE_PPM: u64 = 1_000_000;

/// Reports what is wrong with the events.
pub(super) fn check(scenario: &Scenario, errors: &mut Errors) {
    for event in &scenario.events.items {
        if let Some(phases) = scenario.phases.get() {
            check_time(&event.value, phases.times(), scenario.cluster.get(), errors);
        }
        check_duration_key(&event.value, errors);
        if let Some(cluster) = scenario.cluster.get() {
            check_target(&event.value.action, cluster, errors);
        }
        check_magnitude(&event.value.action, errors);
        check_reference(&event.value.action, scenario, errors);
    }
}

fn check_time(event: &Event, times: PhaseTimes, cluster: Option<&Cluster>, errors: &mut Errors) {
    let at = &event.time.at;
    let seconds = |ns: u64| ns / 1_000_000_000;
    if at.value.0 >= times.measure_ns {
        let message = "this event lies after the end of the measure phase";
        let help = format!(
            "`at` counts from the begin of the measure phase, which lasts {}s",
            seconds(times.measure_ns)
        );
        errors.push(Diagnostic::new(at.span, message, "too late").help(help));
        return;
    }
    if let Some(duration) = &event.time.r#for {
        let end = at.value.0.saturating_add(duration.value.0);
        if end > times.measure_ns {
            let message =
                "this event would outlast the measure phase, after which every fault is lifted";
            let help = format!(
                "shorten `for`, leave it out, or let `measure` last {}s",
                end.div_ceil(1_000_000_000)
            );
            errors.push(Diagnostic::new(duration.span, message, "too long").help(help));
        }
    }
    if let Action::RollingRestart(restart) = &event.action {
        check_restart_time(restart, at.value.0, times, cluster, errors);
    }
}

/// A rolling restart lasts as long as its brokers take one after another.
fn check_restart_time(
    restart: &RollingRestart,
    at_ns: u64,
    times: PhaseTimes,
    cluster: Option<&Cluster>,
    errors: &mut Errors,
) {
    let written = restart.nodes.as_ref().map(|nodes| nodes.value.items.len() as u64);
    let all = cluster.map(|cluster| u64::from(cluster.broker_count()));
    let Some(count) = written.or(all) else { return };
    let pause_ns = restart.pause.as_ref().map_or(30_000_000_000, |pause| pause.value.0);
    let each = restart.down.value.0.saturating_add(pause_ns);
    let lasts = each.saturating_mul(count).saturating_sub(pause_ns);
    if at_ns.saturating_add(lasts) > times.measure_ns {
        let message = format!(
            "restarting {count} brokers takes at least {}s, past the end of the measure phase",
            lasts.div_ceil(1_000_000_000)
        );
        errors.push(
            Diagnostic::new(restart.down.span, message, "for each broker")
                .help("shorten `down` or `pause`, name fewer `nodes`, or lengthen `measure`"),
        );
    }
}

/// `for` on an event whose length is not its to choose, or of no length.
fn check_duration_key(event: &Event, errors: &mut Errors) {
    let Some(duration) = &event.time.r#for else { return };
    let reason = match &event.action {
        Action::RollingRestart(_) => Some("a rolling restart lasts as long as its brokers take"),
        Action::SetCredits(_) => Some("credits are set at one moment and then live on"),
        Action::Reassign(_) | Action::TopicConfig(_) => {
            Some("a change is asked for once and stays")
        }
        _ if duration.value.0 == 0 => Some("a fault of no length has no effect"),
        _ => None,
    };
    if let Some(reason) = reason {
        errors.push(Diagnostic::new(duration.span, reason, "here").help("leave `for` out"));
    }
}

fn check_target(action: &Action, cluster: &Cluster, errors: &mut Errors) {
    match action {
        Action::AzDown(fault) => check_az(&fault.az, &cluster.az_names(), errors),
        Action::HostCrash(fault) | Action::ProcessCrash(fault) | Action::ProcessPause(fault) => {
            check_node(&fault.node, cluster, errors);
        }
        Action::DiskFull(fault) => {
            check_node(&fault.node, cluster, errors);
            if cluster.plan_kind().has_elastic_storage() {
                let message = "storage of Express and Serverless grows with what is kept";
                errors.push(Diagnostic::new(fault.node.span, message, "cannot be full"));
            }
        }
        Action::DiskError(fault) => check_node(&fault.node, cluster, errors),
        Action::SyncError(fault) => check_node(&fault.node, cluster, errors),
        Action::BitRot(fault) => check_bit_rot(fault, cluster, errors),
        Action::ClockJump(fault) => check_node(&fault.node, cluster, errors),
        Action::ClockDrift(fault) => {
            check_node(&fault.node, cluster, errors);
            if fault.by.value.0 > u64::from(DRIFT_PPM_MAX) {
                let message = "clocks may be wrong by half at most";
                errors.push(Diagnostic::new(fault.by.span, message, "more than 50%"));
            }
        }
        Action::SlowDisk(fault) => check_node(&fault.node, cluster, errors),
        Action::LinkCut(fault) => check_ends(&fault.from, &fault.to, cluster, errors),
        Action::LinkDelay(fault) => check_ends(&fault.from, &fault.to, cluster, errors),
        Action::LinkLoss(fault) => check_ends(&fault.from, &fault.to, cluster, errors),
        Action::RollingRestart(fault) => check_restart_nodes(fault, cluster, errors),
        Action::SetCredits(fault) => check_credits(fault, cluster, errors),
        Action::Reassign(change) => operations::check_replicas(change, cluster, errors),
        Action::ObjectStorage(_)
        | Action::TopicConfig(_)
        | Action::ConsumerPause(_)
        | Action::ClientCrash(_)
        | Action::ClientPause(_)
        | Action::Load(_) => {}
    }
}

/// Controllers have no partitions' logs.
fn check_bit_rot(fault: &BitRot, cluster: &Cluster, errors: &mut Errors) {
    check_node(&fault.node, cluster, errors);
    let id = i32::try_from(fault.node.value.0).unwrap_or(i32::MAX);
    if cluster.controller_ids().contains(&id) {
        let message = "bits rot in the logs of partitions, which controllers have none of";
        errors.push(Diagnostic::new(fault.node.span, message, "a controller"));
    }
    if let Some(share) = fault.share.as_ref().filter(|share| share.value.0 < 1_000) {
        let message = "so few batches that none would be hit";
        errors.push(Diagnostic::new(share.span, message, "at least 0.1%"));
    }
}

fn unknown_node(number: u32, cluster: &Cluster) -> Option<String> {
    let id = i32::try_from(number).ok()?;
    let known = cluster.broker_ids().contains(&id) || cluster.controller_ids().contains(&id);
    (!known).then(|| {
        format!(
            "brokers are 1 to {}, controllers 10001 to {}",
            cluster.broker_count(),
            10_000 + cluster.controller_ids().len()
        )
    })
}

fn check_node(node: &At<NodeId>, cluster: &Cluster, errors: &mut Errors) {
    if let Some(help) = unknown_node(node.value.0, cluster) {
        let message = format!("there is no node {}", node.value.0);
        errors.push(Diagnostic::new(node.span, message, "no such node").help(help));
    }
}

pub(super) fn check_broker(node: &At<NodeId>, cluster: &Cluster, errors: &mut Errors) {
    if node.value.0 > cluster.broker_count() {
        let message = format!("there is no broker {}", node.value.0);
        let help = format!("brokers are 1 to {}", cluster.broker_count());
        errors.push(Diagnostic::new(node.span, message, "no such broker").help(help));
    }
}

fn check_restart_nodes(fault: &RollingRestart, cluster: &Cluster, errors: &mut Errors) {
    let Some(nodes) = &fault.nodes else { return };
    if nodes.value.items.is_empty() && nodes.value.complete {
        let message = "a rolling restart of no broker";
        errors
            .push(Diagnostic::new(nodes.span, message, "empty").help("leave `nodes` out for all"));
    }
    let mut seen = Vec::new();
    for node in &nodes.value.items {
        check_broker(node, cluster, errors);
        if seen.contains(&node.value.0) {
            let message = format!("broker {} is named twice", node.value.0);
            errors.push(Diagnostic::new(node.span, message, "again"));
        }
        seen.push(node.value.0);
    }
}

fn check_ends(from: &At<List<Text>>, to: &At<List<Text>>, cluster: &Cluster, errors: &mut Errors) {
    let azs = cluster.az_names();
    check_self_link(from, to, errors);
    for end in [from, to] {
        if end.value.items.is_empty() && end.value.complete {
            let message = "a link needs at least one end on each side";
            errors.push(Diagnostic::new(end.span, message, "empty"));
        }
        for text in &end.value.items {
            match endpoint(&text.value.0, &azs) {
                None => errors.push(unknown_end(text, &azs)),
                Some(Endpoint::Node(id)) => {
                    let number = u32::try_from(id).unwrap_or(0);
                    if let Some(help) = unknown_node(number, cluster) {
                        let message = format!("there is no node {id}");
                        errors.push(Diagnostic::new(text.span, message, "no such node").help(help));
                    }
                }
                Some(_) => {}
            }
        }
    }
}

fn unknown_end(text: &At<Text>, azs: &[String]) -> Diagnostic {
    if let Some(("az", name)) = text.value.0.split_once(':') {
        let azs: Vec<&str> = azs.iter().map(String::as_str).collect();
        return unknown_name("AZ", name, text.span, &azs);
    }
    let message = format!("`{}` is not an end of a link", text.value.0);
    Diagnostic::new(text.span, message, "unknown end")
        .help("write `az:a`, `node:1`, `brokers`, `controllers` or `clients`")
}

/// A node does not reach itself over the network.
fn check_self_link(from: &At<List<Text>>, to: &At<List<Text>>, errors: &mut Errors) {
    if let ([from], [to_end]) = (&from.value.items[..], &to.value.items[..])
        && from.value.0 == to_end.value.0
        && from.value.0.starts_with("node:")
    {
        let message = "a node has no link to itself";
        errors.push(Diagnostic::new(to.span, message, "the same node on both sides"));
    }
}

/// Credits can only be set where there is a bucket.
fn check_credits(fault: &SetCredits, cluster: &Cluster, errors: &mut Errors) {
    if let Some(node) = &fault.node {
        check_broker(node, cluster, errors);
    }
    let Some(host) = broker_host_of(cluster) else { return };
    let has_bucket = match fault.resource.value {
        Resource::Cpu => host.cpu_credits_ns > 0,
        Resource::Network => host.nic.bucket > 0,
        Resource::Volume => host
            .volumes
            .iter()
            .any(|volume| volume.iops.bucket > 0 || volume.instance_throughput.bucket > 0),
    };
    if !has_bucket {
        let message = format!("{} has no such credits", cluster.instance_name());
        errors.push(
            Diagnostic::new(fault.resource.span, message, "no bucket")
                .related(cluster.instance_span(), "this instance does not burst"),
        );
    }
}

fn check_magnitude(action: &Action, errors: &mut Errors) {
    match action {
        Action::SlowDisk(fault) => check_slow_disk(fault, errors),
        Action::ObjectStorage(ObjectStorage { rejects: Some(rejects), .. }) => {
            at_most_whole(rejects, "a share of requests", errors);
        }
        Action::LinkLoss(LinkLoss { loss, .. }) => at_most_whole(loss, "loss", errors),
        Action::BitRot(BitRot { share: Some(share), .. }) => {
            at_most_whole(share, "a share of batches", errors);
        }
        Action::SetCredits(SetCredits { level, .. }) => at_most_whole(level, "a level", errors),
        Action::LinkDelay(LinkDelay { extra, jitter, .. }) => {
            for delay in [Some(extra), jitter.as_ref()].into_iter().flatten() {
                if delay.value.0 > LINK_DELAY_NS_MAX {
                    let message = "a delay of more than an hour is a cut link";
                    errors.push(
                        Diagnostic::new(delay.span, message, "too long").help("use `link-cut`"),
                    );
                }
            }
        }
        Action::Load(load) if load.load.value.0 > u64::from(LOAD_PERMILLE_MAX) * 1_000 => {
            let message = "the load can be raised to at most 10000% of the curve's";
            errors.push(Diagnostic::new(load.load.span, message, "too much"));
        }
        _ => {}
    }
}

fn at_most_whole(share: &At<Share>, what: &str, errors: &mut Errors) {
    if share.value.0 > WHOLE_PPM {
        let message = format!("{what} is at most 100%");
        errors.push(Diagnostic::new(share.span, message, "more than the whole"));
    }
}

fn check_slow_disk(fault: &SlowDisk, errors: &mut Errors) {
    if let Some(rate) = &fault.rate
        && !(1_000..=WHOLE_PPM).contains(&rate.value.0)
    {
        let message = "the remaining rate is between 0.1% and 100%";
        errors.push(Diagnostic::new(rate.span, message, "out of range"));
    }
    if fault.rate.is_none() && fault.extra_latency.is_none() {
        let message = "`slow-disk` needs `rate` or `extra_latency`";
        errors.push(
            Diagnostic::new(fault.node.span, message, "this disk would not be slower")
                .help("write `rate = \"10%\"`"),
        );
    }
}

fn check_reference(action: &Action, scenario: &Scenario, errors: &mut Errors) {
    match action {
        Action::ConsumerPause(fault) => require_known(
            "consumer group",
            &fault.group,
            &scenario.consumers,
            |consumer| consumer.group.value.0.as_str(),
            errors,
        ),
        Action::ClientCrash(ClientCrash { client }) => check_client(client, scenario, errors),
        Action::ClientPause(ClientPause { client, instance }) => {
            check_client(client, scenario, errors);
            check_instance(client, instance.as_ref(), scenario, errors);
        }
        Action::Reassign(change) => operations::check_reassign(change, scenario, errors),
        Action::TopicConfig(change) => operations::check_config(change, scenario, errors),
        Action::Load(load) => {
            if let Some(producer) = &load.producer {
                require_known(
                    "producer",
                    producer,
                    &scenario.producers,
                    |producer| producer.name.value.0.as_str(),
                    errors,
                );
            }
        }
        _ => {}
    }
}

/// Whether there is a producer or a group of that name.
fn check_client(client: &At<Name>, scenario: &Scenario, errors: &mut Errors) {
    let producers = scenario.producers.items.iter().map(|item| &item.value.name);
    let groups = scenario.consumers.items.iter().map(|item| &item.value.group);
    let names: Vec<&str> = producers.chain(groups).map(|name| name.value.0.as_str()).collect();
    let complete = scenario.producers.complete && scenario.consumers.complete;
    let wanted = client.value.0.as_str();
    if complete && !names.contains(&wanted) {
        let what = "producer or consumer group";
        errors.push(unknown_name(what, wanted, client.span, &names));
    }
}

/// Whether a producer or a group has so many processes.
fn check_instance(
    client: &At<Name>,
    instance: Option<&At<Count<0, 9_999>>>,
    scenario: &Scenario,
    errors: &mut Errors,
) {
    let Some(instance) = instance else { return };
    let named = |name: &At<Name>| name.value.0 == client.value.0;
    let producers = scenario.producers.items.iter().filter(|item| named(&item.value.name));
    let groups = scenario.consumers.items.iter().filter(|item| named(&item.value.group));
    let counts = producers.map(|item| &item.value.count);
    let counts = counts.chain(groups.map(|item| &item.value.count));
    let most = counts.map(|count| count.as_ref().map_or(1, |count| count.value.0)).max();
    if most.is_some_and(|count| instance.value.0 >= count) {
        let message = format!("`{}` has no process {}", client.value.0, instance.value.0);
        errors.push(
            Diagnostic::new(instance.span, message, "too many").help("they are counted from 0"),
        );
    }
}
