//! The text that is exposed: OpenMetrics 1.0.

use super::{BUCKETS_MS, Counters, RequestCounts};
use crate::net::Counted;
use crate::node::{Event, Outbox, SharedDirectory, Snapshot};
use std::fmt::Write as _;
use std::time::Duration;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_wire::{ApiKey, Cluster as _};
use tokio::sync::oneshot;

/// A node whose counts are exposed.
#[derive(Debug, Clone)]
pub(crate) struct Exposed {
    pub(crate) node: NodeId,
    pub(crate) outbox: Outbox,
    pub(crate) directory: SharedDirectory,
    pub(crate) counted: Counted,
    pub(crate) counters: Counters,
}

/// A family of metrics and how it is written.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const BYTES_IN: Family = Family {
    name: "kafka_server_brokertopicmetrics_bytesin",
    kind: "counter",
    help: "Bytes of records that producers sent; CloudWatch's BytesInPerSec is its rate",
};
const BYTES_OUT: Family = Family {
    name: "kafka_server_brokertopicmetrics_bytesout",
    kind: "counter",
    help: "Bytes of records that consumers were sent; CloudWatch's BytesOutPerSec is its rate",
};
const MESSAGES_IN: Family = Family {
    name: "kafka_server_brokertopicmetrics_messagesin",
    kind: "counter",
    help: "Records that producers sent; CloudWatch's MessagesInPerSec is its rate",
};
const REQUEST_TIMES: Family = Family {
    name: "kafka_network_requestmetrics_totaltimems",
    kind: "histogram",
    help: "Milliseconds from a request to its answer",
};
const LOG_END: Family = Family {
    name: "kafka_log_log_logendoffset",
    kind: "gauge",
    help: "Offset after a log's last record",
};
const LOG_START: Family =
    Family { name: "kafka_log_log_logstartoffset", kind: "gauge", help: "First offset of a log" };

/// Gauges of a node: Kafka's name, CloudWatch's, and where the value comes from.
type Gauge = (&'static str, &'static str, &'static str, fn(&Node) -> u64);

const GAUGES: [Gauge; 8] = [
    ("kafka_server_replicamanager_partitioncount", "PartitionCount", "Replicas hosted", |n| {
        u64::from(n.snapshot.gauges.partitions)
    }),
    ("kafka_server_replicamanager_leadercount", "LeaderCount", "Partitions led", |n| {
        u64::from(n.snapshot.gauges.leaders)
    }),
    (
        "kafka_server_replicamanager_underreplicatedpartitions",
        "UnderReplicatedPartitions",
        "Partitions led with replicas out of sync",
        |n| u64::from(n.snapshot.gauges.under_replicated),
    ),
    (
        "kafka_server_replicamanager_underminisrpartitioncount",
        "UnderMinIsrPartitionCount",
        "Partitions led with too few replicas in sync",
        |n| u64::from(n.snapshot.gauges.under_min_isr),
    ),
    (
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "OfflinePartitionsCount",
        "Partitions without a leader",
        |n| u64::from(n.snapshot.offline_partitions),
    ),
    (
        "kafka_controller_kafkacontroller_activecontrollercount",
        "ActiveControllerCount",
        "1 at the active controller",
        |n| u64::from(n.snapshot.active_controller == Some(n.id)),
    ),
    ("kafka_log_log_size", "LogBytes", "Bytes of all logs", |n| n.snapshot.gauges.log_bytes),
    ("kafka_server_socketservermetrics_connection_count", "ConnectionCount", "Connections", |n| {
        n.connections as u64
    }),
];

/// What is known of a node now.
struct Node {
    id: NodeId,
    snapshot: Snapshot,
    connections: usize,
}

/// The whole page; nodes that have ended are left out.
pub(super) async fn page(all: &[Exposed]) -> String {
    let mut nodes = Vec::new();
    for exposed in all {
        let (reply, snapshot) = oneshot::channel();
        let asked = exposed.outbox.send(Event::Scrape(reply));
        if asked.is_ok()
            && let Ok(snapshot) = snapshot.await
        {
            let (id, connections) = (exposed.node, exposed.counted.total());
            nodes.push((exposed, Node { id, snapshot, connections }));
        }
    }
    let mut page = String::new();
    for (kafka, cloudwatch, help, value) in GAUGES {
        for name in [kafka, cloudwatch] {
            begin(&mut page, &Family { name, kind: "gauge", help });
            for (_, node) in &nodes {
                let _ = writeln!(page, "{name}{{node=\"{}\"}} {}", node.id, value(node));
            }
        }
    }
    logs(&mut page, &nodes);
    topics(&mut page, all);
    requests(&mut page, all);
    page.push_str("# EOF\n");
    page
}

fn begin(page: &mut String, Family { name, kind, help }: &Family) {
    let _ = writeln!(page, "# TYPE {name} {kind}\n# HELP {name} {help}.");
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn topic_name(exposed: &Exposed, id: TopicId) -> Option<String> {
    exposed.directory.current().topic_name(id).map(|name| escaped(&name))
}

fn logs(page: &mut String, nodes: &[(&Exposed, Node)]) {
    for family in [LOG_START, LOG_END] {
        begin(page, &family);
        for (exposed, node) in nodes {
            for replica in &node.snapshot.replicas {
                // a topic that has just been deleted has no name
                let Some(topic) = topic_name(exposed, replica.tp.topic) else { continue };
                let is_start = family.name == LOG_START.name;
                let offset =
                    if is_start { replica.log_start_offset } else { replica.log_end_offset };
                let (name, id, partition) = (family.name, node.id, replica.tp.partition);
                let _ = writeln!(
                    page,
                    "{name}{{node=\"{id}\",topic=\"{topic}\",partition=\"{partition}\"}} {offset}"
                );
            }
        }
    }
}

fn topics(page: &mut String, all: &[Exposed]) {
    for exposed in all {
        // topics that are gone leave nothing behind
        let is_known = |id: &TopicId| topic_name(exposed, *id).is_some();
        exposed.counters.lock().topics.retain(|id, _| is_known(id));
    }
    for family in [BYTES_IN, BYTES_OUT, MESSAGES_IN] {
        begin(page, &family);
        for exposed in all {
            for (id, counts) in &exposed.counters.lock().topics {
                let Some(topic) = topic_name(exposed, *id) else { continue };
                let value = match family.name {
                    name if name == BYTES_IN.name => counts.bytes_in,
                    name if name == BYTES_OUT.name => counts.bytes_out,
                    _ => counts.messages_in,
                };
                let (name, node) = (family.name, exposed.node);
                let _ = writeln!(page, "{name}_total{{node=\"{node}\",topic=\"{topic}\"}} {value}");
            }
        }
    }
}

fn requests(page: &mut String, all: &[Exposed]) {
    let name = REQUEST_TIMES.name;
    begin(page, &REQUEST_TIMES);
    for exposed in all {
        for (api, counts) in &exposed.counters.lock().requests {
            let labels = format!("node=\"{}\",request=\"{api:?}\"", exposed.node);
            let mut below = 0;
            for (end, count) in BUCKETS_MS.iter().zip(counts.buckets) {
                below += count;
                let _ = writeln!(page, "{name}_bucket{{{labels},le=\"{end}.0\"}} {below}");
            }
            let _ = writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counts.count);
            let _ = writeln!(page, "{name}_count{{{labels}}} {}", counts.count);
            let _ = writeln!(page, "{name}_sum{{{labels}}} {}", milliseconds(counts.total));
        }
    }
    for (cloudwatch, api) in [
        ("ProduceTotalTimeMsMean", ApiKey::Produce),
        ("FetchConsumerTotalTimeMsMean", ApiKey::Fetch),
    ] {
        begin(page, &Family { name: cloudwatch, kind: "gauge", help: "Mean since the start" });
        for exposed in all {
            if let Some(RequestCounts { count, total, .. }) =
                exposed.counters.lock().requests.get(&api)
            {
                let count = u32::try_from(*count).unwrap_or(u32::MAX).max(1);
                let (node, mean) = (exposed.node, milliseconds(*total / count));
                let _ = writeln!(page, "{cloudwatch}{{node=\"{node}\"}} {mean}");
            }
        }
    }
}

/// With three decimals.
fn milliseconds(span: Duration) -> String {
    format!("{}.{:03}", span.as_millis(), span.subsec_micros() % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_labels_are_written_as_the_format_wants_them() {
        assert_eq!(milliseconds(Duration::from_micros(1_234_567)), "1234.567");
        assert_eq!(milliseconds(Duration::from_micros(5)), "0.005");
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
