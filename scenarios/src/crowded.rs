//! More partitions than a broker is meant to have: said, so that nobody takes a result for what AWS stands by, and
//! nobody wonders why the run takes so long.
//!
//! Leaves out Serverless, whose limit no scenario may exceed, and internal topics.

use crate::catalogue::hardware::{SELF_MANAGED_PARTITIONS, msk_instance};
use crate::catalogue::managed::express_instance;
use crate::plan::ClusterKind;
use crate::resolve::server_config;
use crate::schema::cluster::Cluster;
use crate::schema::scenario::Scenario;
use crate::text::source::Span;

/// Replicas of a broker from which a simulation takes about as long as what it simulates: with 10,000 on each of three
/// it was 12 times as fast, with 33,000 half as fast.
const SLOW_REPLICAS: u64 = 20_000;
/// Places of partitions that are named: those of the largest topics.
const PLACES_MAX: usize = 3;

/// Replicas for each broker that are recommended at most, and what happens above.
struct Advice {
    most: u64,
    text: String,
}

/// A note, and the partitions that it is about. None for a scenario within what is recommended.
pub(crate) fn crowded(scenario: &Scenario) -> Option<(Vec<Span>, String)> {
    let cluster = scenario.cluster.get()?;
    let server = server_config(cluster);
    let default = server.get("default.replication.factor").and_then(|factor| factor.parse().ok());
    let mut topics: Vec<(u64, Span)> = Vec::new();
    for topic in &scenario.topics.items {
        let factor = topic.value.replication.as_ref().map(|factor| factor.value.0);
        let factor = factor.or(default).unwrap_or(1);
        let partitions = &topic.value.partitions;
        topics.push((u64::from(partitions.value.0) * u64::from(factor), partitions.span));
    }
    let replicas: u64 = topics.iter().map(|(replicas, _)| replicas).sum();
    let each = replicas.div_ceil(u64::from(cluster.broker_count()));
    let advice = advice(cluster)?;
    if each <= advice.most {
        return None;
    }
    topics.sort_by_key(|(replicas, _)| std::cmp::Reverse(*replicas));
    let spans = topics.into_iter().map(|(_, span)| span).take(PLACES_MAX).collect();
    let slow = if each > SLOW_REPLICAS { ". To simulate so many takes long" } else { "" };
    Some((spans, format!("{each} replicas for each broker; {}{slow}", advice.text)))
}

fn advice(cluster: &Cluster) -> Option<Advice> {
    let name = cluster.instance_name();
    let (most, limit) = match cluster.plan_kind() {
        ClusterKind::MskStandard => {
            let row = msk_instance(name)?;
            (row.recommended_partitions, row.max_partitions)
        }
        ClusterKind::MskExpress => {
            let row = express_instance(name)?;
            (row.partitions, row.partitions_max)
        }
        ClusterKind::MskServerless => return None,
        ClusterKind::SelfManaged => {
            let text = format!("Apache Kafka recommends at most {SELF_MANAGED_PARTITIONS}");
            return Some(Advice { most: u64::from(SELF_MANAGED_PARTITIONS), text });
        }
    };
    let text = format!(
        "AWS recommends at most {most} for {name}, and with more than {limit} it refuses to update \
         the cluster"
    );
    Some(Advice { most: u64::from(most), text })
}

#[cfg(test)]
mod tests {
    use crate::{Source, load, unread_configs};

    /// Notes on `steady`, which has one topic of three replicas on three brokers, after changes.
    fn notes(sets: &[(&str, &str)]) -> Vec<String> {
        let pair = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        let sets: Vec<_> = sets.iter().map(pair).collect();
        let source = Source::library("steady").unwrap();
        load(&source, &sets, 1).unwrap_or_else(|error| panic!("{error}"));
        unread_configs(&source, &sets)
    }

    #[test]
    fn more_than_recommended_is_said_with_the_instances_limits() {
        let partitions = |count| notes(&[("topics.0.partitions", count)]);
        assert_eq!(partitions("1000"), Vec::<String>::new());
        let expected = "partitions (--set): 1001 replicas for each broker; AWS recommends at \
                        most 1000 for kafka.m7g.large, and with more than 1500 it refuses to \
                        update the cluster";
        assert_eq!(partitions("1001"), [expected]);
        let many = partitions("100000").concat();
        assert!(many.ends_with("the cluster. To simulate so many takes long"), "{many}");
    }

    #[test]
    fn other_kinds_have_limits_of_their_own() {
        let own = [
            ("cluster.kind", "self-managed"),
            ("cluster.instance", "m7g.large"),
            ("topics.0.partitions", "4001"),
        ];
        let said = notes(&own).concat();
        assert!(said.ends_with("Apache Kafka recommends at most 4000"), "{said}");
    }
}
