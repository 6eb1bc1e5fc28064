//! `cluster-config.json` of AWS's migration toolkit: what its discovery wrote down of any cluster.

use super::ImportError;
use super::doc::Doc;
use super::draft::{Configs, Draft, Fact, plain_name, set};
use super::properties::{Owner, keep};

const MB: f64 = 1_000_000.0;

/// Reads the whole document.
pub(super) fn cluster(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    if let Some(name) = doc.get("cluster_name") {
        set(&mut draft.name, plain_name(name.text()?), name.place())?;
    }
    if let Some(version) = doc.at(&["kafka", "version"]) {
        set(&mut draft.cluster.kafka, version.scalar()?, version.place())?;
    }
    topology(&doc.need("topology")?, draft)?;
    for topic in doc.get("topics").map_or(Ok(Vec::new()), |list| list.items())? {
        read_topic(&topic, draft)?;
    }
    if let Some(map) = doc.get("broker_configs") {
        let mut config = Configs::new();
        keep(pairs(&map)?, Owner::Broker, map.place(), &mut config, draft);
        draft.cluster.config.extend(config);
    }
    doc.get("metrics").map_or(Ok(()), |metrics| peaks(&metrics, draft))
}

fn topology(topology: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let brokers = topology.need("num_brokers")?;
    set(&mut draft.cluster.brokers, brokers.count(300)?.max(1), brokers.place())?;
    if let Some(azs) = topology.get("num_azs") {
        set(&mut draft.cluster.azs, azs.count(100)?.max(1), azs.place())?;
    }
    if let Some(instance) = topology.get("broker_instance_type") {
        set(&mut draft.cluster.instance, instance.text()?.to_owned(), instance.place())?;
    }
    Ok(())
}

fn read_topic(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let name = doc.need("name")?;
    let partitions = doc.need("num_partitions")?.count(100_000)?.max(1);
    let replication = doc.get("replication_factor").map(|one| one.count(32)).transpose()?;
    let mut config = Configs::new();
    if let Some(map) = doc.get("configs") {
        keep(pairs(&map)?, Owner::Topic, map.place(), &mut config, draft);
    }
    let Some(topic) = draft.topic(name.text()?, name.place())? else { return Ok(()) };
    set(&mut topic.partitions, partitions, doc.place())?;
    if let Some(replication) = replication {
        set(&mut topic.replication, replication.max(1), doc.place())?;
    }
    topic.config.extend(config);
    Ok(())
}

fn pairs(map: &Doc<'_>) -> Result<Vec<(String, String)>, ImportError> {
    map.entries()?.into_iter().map(|(key, value)| Ok((key.to_owned(), value.scalar()?))).collect()
}

/// The busiest broker's rates, taken for every broker's at the same time.
fn peaks(metrics: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let brokers = f64::from(draft.cluster.brokers.as_ref().map_or(1, |brokers| brokers.value));
    let mut rate = |key: &str| -> Result<Option<Fact<u64>>, ImportError> {
        let Some(value) = metrics.get(key) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let bytes = (value.float()? * MB * brokers).clamp(0.0, 1e15) as u64;
        draft.guess(format!("{key} is reached by all brokers at once"));
        Ok(Some(Fact::new(bytes, value.place())))
    };
    let (data_in, data_out) =
        (rate("peak_bytes_in_per_broker_mbps")?, rate("peak_bytes_out_per_broker_mbps")?);
    draft.traffic.bytes_in = data_in;
    draft.traffic.bytes_out = data_out;
    Ok(())
}
