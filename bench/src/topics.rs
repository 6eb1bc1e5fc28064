//! The topics of a run: made before it, with names of their own, and deleted after it.

use crate::run::{BenchError, Shared};
use crate::settings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_scenarios::plan::TopicPlan;

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
    let mut topics = Made { admin, names: Vec::new() };
    for topic in &shared.plan.topics {
        if let Err(error) = topics.create(shared.topic(&topic.name), topic, brokers) {
            // what is left of it cannot be told better than why
            let _ = topics.delete();
            return Err(error);
        }
    }
    Ok(topics)
}

impl Made {
    fn create(&mut self, name: String, topic: &TopicPlan, brokers: i32) -> Result<(), BenchError> {
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
        made(&self.admin, &name, &new)?;
        self.names.push(name);
        Ok(())
    }

    /// Deletes the topics of a run.
    pub(crate) fn delete(&self) -> Result<(), BenchError> {
        if self.names.is_empty() {
            return Ok(());
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let results = block_on(self.admin.delete_topics(&names, &options))??;
        for result in results {
            result.map_err(|(name, code)| {
                BenchError::Topic(format!("topic `{name}` of this run cannot be deleted: {code}"))
            })?;
        }
        Ok(())
    }
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

/// Waits for an answer, which a thread of librdkafka brings.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| BenchError::Topic(error.to_string()))?;
    Ok(runtime.block_on(future))
}
