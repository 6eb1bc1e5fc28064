//! The topics of a run: made before it, with names of their own, and deleted after it.

use crate::run::{BenchError, Shared};
use crate::settings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What deletes the topics again.
pub(crate) struct Made {
    admin: AdminClient<DefaultClientContext>,
    names: Vec<String>,
}

/// Makes the plan's topics. More replicas than the cluster has brokers are as many as it has.
pub(crate) fn create(shared: &Shared) -> Result<Made, BenchError> {
    let config = settings::client(&shared.target, &BTreeMap::new());
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let brokers = admin.inner().fetch_metadata(None, PATIENCE)?.brokers().len();
    let brokers = i32::try_from(brokers).unwrap_or(i32::MAX);
    let mut names = Vec::new();
    for topic in &shared.plan.topics {
        let name = shared.topic(&topic.name);
        let count = |len: usize| i32::try_from(len).unwrap_or(i32::MAX);
        let replicas = count(topic.assignment.first().map_or(1, Vec::len)).min(brokers);
        let partitions = count(topic.assignment.len());
        let mut new = NewTopic::new(&name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in &topic.config {
            if key == "min.insync.replicas" {
                continue;
            }
            new = new.set(key, value);
        }
        let least = topic.config.get("min.insync.replicas").map(|least| {
            least.parse::<i32>().map_or_else(|_| least.clone(), |it| it.min(replicas).to_string())
        });
        if let Some(least) = &least {
            new = new.set("min.insync.replicas", least);
        }
        made(&admin, &name, &new)?;
        names.push(name);
    }
    Ok(Made { admin, names })
}

fn made(
    admin: &AdminClient<DefaultClientContext>,
    name: &str,
    new: &NewTopic<'_>,
) -> Result<(), BenchError> {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let results = block_on(admin.create_topics([new], &options))??;
    for result in results {
        result.map_err(|(_, code)| {
            BenchError::Topic(format!("topic `{name}` cannot be made: {code}"))
        })?;
    }
    Ok(())
}

/// Deletes the topics of a run.
pub(crate) fn delete(made: &Made) -> Result<(), BenchError> {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let names: Vec<&str> = made.names.iter().map(String::as_str).collect();
    let results = block_on(made.admin.delete_topics(&names, &options))??;
    for result in results {
        result.map_err(|(name, code)| {
            BenchError::Topic(format!("topic `{name}` of this run cannot be deleted: {code}"))
        })?;
    }
    Ok(())
}

/// Waits for an answer, which a thread of librdkafka brings.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| BenchError::Topic(error.to_string()))?;
    Ok(runtime.block_on(future))
}
