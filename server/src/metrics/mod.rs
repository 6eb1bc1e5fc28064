//! Counts of a node for OpenMetrics (`serve --metrics`), with the names of Kafka's JMX exporter and,
//! for gauges and means, of CloudWatch as MSK has them. Nothing is counted unless somebody may ask.

mod http;
mod page;

pub(crate) use http::serve;
pub(crate) use page::Exposed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_broker_core::ids::TopicId;
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::records::Records;
use stormglass_wire::{ApiKey, Cluster};

/// Upper ends of the buckets of request times, ms.
const BUCKETS_MS: [u64; 9] = [1, 2, 5, 10, 50, 100, 500, 1000, 5000];

/// What clients did since the process began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    topics: BTreeMap<TopicId, TopicCounts>,
    requests: BTreeMap<ApiKey, RequestCounts>,
}

/// Of one topic.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct TopicCounts {
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
}

/// Of one API.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct RequestCounts {
    count: u64,
    total: Duration,
    /// By [`BUCKETS_MS`], each without those below it.
    buckets: [u64; BUCKETS_MS.len()],
}

impl Counters {
    /// Records that a client sends, to topics of the cluster.
    pub(crate) fn asked(&self, request: &Request, cluster: &dyn Cluster) {
        let produce = match request {
            Request::Produce(produce) => produce,
            Request::TransactionalProduce(request) => &request.produce,
            _ => return,
        };
        let mut counts = self.lock();
        for partition in &produce.partitions {
            if cluster.topic_name(partition.tp.topic).is_none() {
                continue; // clients may invent ids
            }
            let topic = counts.topics.entry(partition.tp.topic).or_default();
            topic.bytes_in += u64::from(partition.records.size_bytes());
            topic.messages_in += messages(&partition.records);
        }
    }

    /// Records that a client is sent.
    pub(crate) fn answered(&self, response: &Response) {
        if let Response::Fetch(fetch) = response {
            let mut counts = self.lock();
            for partition in fetch.partitions.iter().filter(|part| !part.records.is_empty()) {
                let topic = counts.topics.entry(partition.tp.topic).or_default();
                topic.bytes_out += u64::from(partition.records.size_bytes());
            }
        }
    }

    /// The time from a request's last byte to its answer.
    pub(crate) fn timed(&self, api: ApiKey, took: Duration) {
        let mut counts = self.lock();
        let request = counts.requests.entry(api).or_default();
        request.count += 1;
        request.total += took;
        let fits = BUCKETS_MS.iter().position(|end| took <= Duration::from_millis(*end));
        if let Some(at) = fits {
            request.buckets[at] += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // counts may be one short after a panic elsewhere, and no worse
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn messages(records: &Records) -> u64 {
    let of = |count: i32| u64::try_from(count).unwrap_or(0);
    records.batches().iter().map(|batch| of(batch.header.record_count)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_buckets() {
        let counters = Counters::default();
        for ms in [0, 1, 3, 700, 90_000] {
            counters.timed(ApiKey::Produce, Duration::from_millis(ms));
        }
        let counts = counters.lock();
        let request = counts.requests[&ApiKey::Produce];
        assert_eq!((request.count, request.buckets), (5, [2, 0, 1, 0, 0, 0, 0, 1, 0]));
        assert_eq!(request.total, Duration::from_millis(90_704));
    }
}
