//! Amazon MSK: describe-cluster(-v2), create-cluster(-v2), list-nodes and
//! describe-configuration-revision, as the CLI or the REST API writes them.

use super::ImportError;
use super::doc::Doc;
use super::draft::{Configs, Draft, plain_name, set};
use super::properties::{Owner, keep, pairs};
use crate::base64::decode_base64;
use std::collections::BTreeSet;

const BROKERS_MAX: u32 = 300;
const CONFIGURATION: &str = "the cluster's MSK configuration: import \
    describe-configuration-revision, too";
const VOLUME_GIB_MAX: u64 = 16_384;

/// A cluster as it is, or as it is to be made.
pub(super) fn cluster(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let info = match doc.get("ClusterInfoList") {
        Some(list) => only(&list)?,
        None => doc.get("ClusterInfo").unwrap_or_else(|| doc.clone()),
    };
    if let Some(name) = info.get("ClusterName") {
        let text = plain_name(name.text()?);
        set(&mut draft.name, text, name.place())?;
    }
    if let Some(arn) = info.get("ClusterArn") {
        region(&arn, draft)?;
    }
    if info.get("Serverless").is_some() {
        draft.cluster.is_serverless = true;
        return Ok(());
    }
    // The first version of the API has the fields of `Provisioned` in the cluster itself.
    let provisioned = info.get("Provisioned").unwrap_or_else(|| info.clone());
    let group = provisioned.need("BrokerNodeGroupInfo")?;
    instance(&group.need("InstanceType")?, draft)?;
    let brokers = provisioned.need("NumberOfBrokerNodes")?;
    let count = brokers.count(BROKERS_MAX)?;
    if count == 0 {
        return Err(brokers.error("a cluster has at least one broker"));
    }
    set(&mut draft.cluster.brokers, count, brokers.place())?;
    azs(&group, draft)?;
    storage(&group, draft)?;
    version(&provisioned, draft)?;
    encryption(&provisioned, draft)?;
    if let Some(mode) = provisioned.get("StorageMode")
        && mode.text()?.eq_ignore_ascii_case("TIERED")
    {
        draft.cluster.tiered = Some(mode.place().to_owned());
    }
    let is_configured = provisioned
        .at(&["CurrentBrokerSoftwareInfo", "ConfigurationArn"])
        .or_else(|| provisioned.get("ConfigurationInfo"))
        .is_some();
    if is_configured && draft.cluster.config.is_empty() {
        draft.leave_out(CONFIGURATION);
    }
    Ok(())
}

/// The cluster of `list-clusters(-v2)`, if it lists one.
fn only<'a>(list: &Doc<'a>) -> Result<Doc<'a>, ImportError> {
    let mut clusters = list.items()?;
    match (clusters.pop(), clusters.len()) {
        (Some(cluster), 0) => Ok(cluster),
        (None, _) => Err(list.error("no cluster is listed").help("is it the right region?")),
        (Some(_), others) => Err(list
            .error(format!("{} clusters are listed, and a scenario has one", others + 1))
            .help("import the answer of describe-cluster-v2 for one of them")),
    }
}

/// `arn:aws:kafka:REGION:...`
fn region(arn: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let mut parts = arn.text()?.split(':');
    match (parts.next(), parts.nth(1), parts.next()) {
        (Some("arn"), Some("kafka"), Some(region)) if !region.is_empty() => {
            set(&mut draft.cluster.region, region.to_owned(), arn.place())
        }
        _ => Ok(()),
    }
}

fn instance(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let text = doc.text()?;
    if text.len() > 60 {
        return Err(doc.error("this is not an instance type"));
    }
    set(&mut draft.cluster.instance, text.to_owned(), doc.place())
}

fn azs(group: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    for key in ["ZoneIds", "ClientSubnets"] {
        let Some(list) = group.get(key) else { continue };
        let mut names = BTreeSet::new();
        for item in list.items()? {
            names.insert(item.text()?.to_owned());
        }
        if let Ok(count) = u32::try_from(names.len())
            && count > 0
        {
            set(&mut draft.cluster.azs, count, list.place())?;
            return Ok(());
        }
    }
    Ok(())
}

fn storage(group: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let Some(ebs) = group.at(&["StorageInfo", "EbsStorageInfo"]) else { return Ok(()) };
    if let Some(size) = ebs.get("VolumeSize") {
        let gib = size.whole(VOLUME_GIB_MAX)?;
        if gib == 0 {
            return Err(size.error("a volume has at least 1 GiB"));
        }
        set(&mut draft.cluster.storage_gib, gib, size.place())?;
    }
    let Some(provisioned) = ebs.get("ProvisionedThroughput") else { return Ok(()) };
    let enabled = provisioned.get("Enabled").map_or(Ok(false), |doc| doc.boolean())?;
    if let Some(throughput) = provisioned.get("VolumeThroughput").filter(|_| enabled) {
        let mib = throughput.whole(10_000)?;
        set(&mut draft.cluster.throughput_mib, mib, throughput.place())?;
    }
    Ok(())
}

fn version(provisioned: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let deep = provisioned.at(&["CurrentBrokerSoftwareInfo", "KafkaVersion"]);
    let Some(version) = deep.or_else(|| provisioned.get("KafkaVersion")) else { return Ok(()) };
    set(&mut draft.cluster.kafka, version.text()?.to_owned(), version.place())
}

fn encryption(provisioned: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let Some(transit) = provisioned.at(&["EncryptionInfo", "EncryptionInTransit"]) else {
        return Ok(());
    };
    if let Some(client) = transit.get("ClientBroker") {
        let tls = match client.text()? {
            "TLS" => true,
            "PLAINTEXT" => false,
            "TLS_PLAINTEXT" => {
                draft.guess("clients use TLS: the cluster takes both TLS and plaintext");
                true
            }
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(
                    client.error(format!("`{shown}` is not TLS, PLAINTEXT or TLS_PLAINTEXT"))
                );
            }
        };
        set(&mut draft.cluster.client_tls, tls, client.place())?;
    }
    if let Some(in_cluster) = transit.get("InCluster") {
        set(&mut draft.cluster.in_cluster_tls, in_cluster.boolean()?, in_cluster.place())?;
    }
    Ok(())
}

/// `list-nodes`: brokers and their subnets.
pub(super) fn nodes(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let list = doc.need("NodeInfoList")?;
    let (mut brokers, mut subnets) = (0, BTreeSet::new());
    for node in list.items()? {
        let Some(broker) = node.get("BrokerNodeInfo") else { continue };
        brokers += 1;
        if let Some(subnet) = broker.get("ClientSubnet") {
            subnets.insert(subnet.text()?.to_owned());
        }
        if let Some(kind) = node.get("InstanceType") {
            let name = kind.text()?;
            // list-nodes leaves out what describe-cluster begins with.
            let is_whole = ["kafka.", "express."].iter().any(|prefix| name.starts_with(prefix));
            let name = if is_whole { name.to_owned() } else { format!("kafka.{name}") };
            set(&mut draft.cluster.instance, name, kind.place())?;
        }
    }
    if !(1..=BROKERS_MAX).contains(&brokers) {
        return Err(
            list.error(format!("{brokers} brokers: between 1 and {BROKERS_MAX} make sense"))
        );
    }
    set(&mut draft.cluster.brokers, brokers, list.place())?;
    if let Some(count) = u32::try_from(subnets.len()).ok().filter(|count| *count > 0) {
        set(&mut draft.cluster.azs, count, list.place())?;
    }
    Ok(())
}

/// `describe-configuration-revision`: server.properties in base64.
pub(super) fn configuration(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let properties = doc.need("ServerProperties")?;
    let text = decode_base64(properties.text()?)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| properties.error("not a text in base64"))?;
    let mut config = Configs::new();
    keep(pairs(&text), Owner::Broker, properties.place(), &mut config, draft);
    draft.cluster.config.extend(config);
    draft.left_out.retain(|line| line != CONFIGURATION);
    Ok(())
}
