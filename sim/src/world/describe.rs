//! Actions of the plan in words, for the cluster's story and for accounts of violations.

use stormglass_scenarios::plan::{
    Action, AzDownMode, CreditResource, Endpoint, LinkEffect, Operation, QuotaOf,
};

/// An action in words.
pub(super) fn describe(action: &Action, azs: &[String]) -> (Option<i32>, String) {
    match action {
        Action::AzDown { az, mode, .. } => {
            let how = match mode {
                AzDownMode::PowerOff => "loses power",
                AzDownMode::Isolate => "is cut off from the network",
            };
            (None, format!("AZ {} {how}", azs[*az]))
        }
        Action::HostCrash { node } => (Some(*node), format!("host of node {node} loses power")),
        Action::ProcessCrash { node } => (Some(*node), format!("process of node {node} is killed")),
        Action::ProcessPause { node } => {
            (Some(*node), format!("process of node {node} is stopped"))
        }
        Action::Link { from, to, one_way, effect } => {
            let what = link_effect(*effect);
            let joint = if *one_way { "to" } else { "and" };
            let (from, to) = (endpoints(from, azs), endpoints(to, azs));
            (None, format!("link of {from} {joint} {to} {what}"))
        }
        Action::SlowDisk { node, rate_permille, .. } => {
            (Some(*node), format!("volume of node {node} at {} % of its rate", rate_permille / 10))
        }
        Action::ObjectStorage { reject_permille, extra_latency_ns } => {
            (None, storage_fault(*reject_permille, *extra_latency_ns))
        }
        Action::DiskFull { node } => (Some(*node), format!("volume of node {node} is full")),
        Action::DiskError { node } => (Some(*node), format!("volume of node {node} fails")),
        Action::SyncError { node } => {
            (Some(*node), format!("fsync of the volume of node {node} fails"))
        }
        Action::BitRot { node, share_permille } => {
            let what =
                format!("{} % of batches on the volume of node {node} rot", share_permille / 10);
            (Some(*node), what)
        }
        Action::ClockDrift { node, ppm } => {
            let side = if *ppm < 0 { "slow" } else { "fast" };
            (Some(*node), format!("clocks of node {node} run {} ppm {side}", ppm.unsigned_abs()))
        }
        Action::ClockJump { node, by_ns } => {
            let side = if *by_ns < 0 { "slow" } else { "fast" };
            let ms = by_ns.unsigned_abs() / 1_000_000;
            (Some(*node), format!("wall clock of node {node} is {ms} ms {side}"))
        }
        Action::RollingRestart { nodes, .. } => {
            (None, format!("rolling restart of {} brokers", nodes.len()))
        }
        Action::Load { producer, rate_permille } => {
            let who = producer.as_deref().unwrap_or("all producers");
            (None, format!("load of {who} at {} %", rate_permille / 10))
        }
        Action::SetCredits { node, resource, level_permille } => (
            Some(*node),
            format!(
                "{} credits of node {node} at {} %",
                credits_name(*resource),
                level_permille / 10
            ),
        ),
        Action::ConsumerPause { group, member } => (None, pause(group, *member)),
        Action::ClientCrash { client } => (None, format!("clients of {client} are killed")),
        Action::ClientPause { client, instance: None } => {
            (None, format!("clients of {client} are stopped"))
        }
        Action::ClientPause { client, instance: Some(instance) } => {
            (None, format!("client {instance} of {client} is stopped"))
        }
        Action::Admin { operation } => (None, asked_for(operation)),
    }
}

fn pause(group: &str, member: Option<u32>) -> String {
    match member {
        None => format!("group {group} stops reading"),
        Some(member) => format!("member {member} of group {group} stops reading"),
    }
}

fn asked_for(operation: &Operation) -> String {
    match operation {
        Operation::ElectPreferred => "preferred leaders are asked for".to_owned(),
        Operation::Reassign { topic, partition, replicas } => {
            format!("replicas {replicas:?} are asked for at {topic}-{partition}")
        }
        Operation::CancelReassignment { topic, partition } => {
            format!("the reassignment of {topic}-{partition} is to be taken back")
        }
        Operation::SetTopicConfig { topic, key, value } => {
            let value = value.as_deref().unwrap_or("its default");
            format!("{key} of {topic} is to be {value}")
        }
        Operation::SetBrokerConfig { node, key, value } => {
            let value = value.as_deref().unwrap_or("what it is without that");
            let of = node.map_or_else(|| "all brokers".to_owned(), |node| format!("broker {node}"));
            format!("{key} of {of} is to be {value}")
        }
        Operation::CreateTopic { topic, assignment } => {
            format!("topic {topic} with {} partitions is asked for", assignment.len())
        }
        Operation::AddPartitions { topic, partitions } => {
            format!("topic {topic} is to have {partitions} partitions")
        }
        Operation::DeleteTopic { topic } => format!("topic {topic} is to go"),
        Operation::DeleteRecords { topic, before } => trimmed(topic, *before),
        Operation::ListOffsets { topic, .. } => format!("offsets of {topic} are asked for"),
        Operation::UnregisterBroker { node } => {
            format!("the registration of broker {node} is to end")
        }
        Operation::CommitPositions { group, topic, offset } => {
            format!("group {group} is to be at {offset} in {topic}")
        }
        Operation::FetchPositions { group, .. } => format!("positions of {group} are asked for"),
        Operation::BeginTransaction { topic } => format!("a transaction in {topic} begins"),
        Operation::DeletePositions { group, topic } => {
            format!("positions of group {group} in {topic} are to go")
        }
        Operation::DeleteGroup { group } => format!("group {group} is to go"),
        Operation::LeaveLate { group, member } => leaves(group, *member),
        Operation::RemoveMembers { group, count } => removed(group, *count),
        Operation::TakeMemberId { group, .. } => stranger(group),
        Operation::ListGroups => "groups are asked for".to_owned(),
        Operation::ProduceFlawed { topic, partition, flaw } => {
            format!("a batch for {topic}-{partition} is flawed: {flaw:?}")
        }
        Operation::PlaceTopic { topic, partitions, replicas } => {
            placed(topic, *partitions, *replicas)
        }
        Operation::PlaceTopics { topics, partitions, replicas, .. } => {
            placed(&topics.join(" and "), *partitions, *replicas)
        }
        Operation::ChangeTopicList { topic, key, words, subtracts } => {
            let joint = if *subtracts { "out of" } else { "into" };
            format!("{words} are to go {joint} {key} of {topic}")
        }
        Operation::SetGroupConfig { group, key, value } => {
            let value = value.as_deref().unwrap_or("its default");
            format!("{key} of group {group} is to be {value}")
        }
        Operation::DescribeConfigs { topic, group } => {
            format!("configs of topic {topic} and group {group} are asked for")
        }
        Operation::ElectUnclean { topic, partition } => {
            format!("any leader is asked for at {topic}-{partition}")
        }
        Operation::SetClientQuota { of, key, value } => quota(of, key, value.as_deref()),
        Operation::DescribeClientQuotas { of, .. } => {
            format!("quotas of {} are asked for", owner(of))
        }
    }
}

fn leaves(group: &str, member: u32) -> String {
    format!("who was member {member} of group {group} before says that it leaves")
}

fn removed(group: &str, count: u32) -> String {
    format!("{count} members are to be taken out of group {group}")
}

fn stranger(group: &str) -> String {
    format!("somebody is given a member id of group {group}, and never joins")
}

fn placed(topics: &str, partitions: u32, replicas: u32) -> String {
    format!("topic {topics} with {partitions} partitions of {replicas} replicas is asked for")
}

fn trimmed(topic: &str, before: Option<u32>) -> String {
    match before {
        None => format!("all committed records of {topic} are to go"),
        Some(before) => format!("records of {topic} before offset {before} are to go"),
    }
}

fn quota(of: &QuotaOf, key: &str, value: Option<&str>) -> String {
    format!("{key} of {} is to be {}", owner(of), value.unwrap_or("taken away"))
}

/// Whom a quota is for, in words.
fn owner(of: &QuotaOf) -> String {
    of.parts().map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>().join(", ")
}

fn link_effect(effect: LinkEffect) -> String {
    match effect {
        LinkEffect::Cut => "is cut".to_owned(),
        LinkEffect::Delay { extra_ns, .. } => format!("is slower by {} ms", extra_ns / 1_000_000),
        LinkEffect::Loss { ppm } => format!("loses {ppm} ppm of packets"),
    }
}

fn storage_fault(reject_permille: u32, extra_latency_ns: u64) -> String {
    match (reject_permille / 10, extra_latency_ns / 1_000_000) {
        (0, extra_ms) => format!("object storage is {extra_ms} ms slower"),
        (share, 0) => format!("object storage answers {share} % of requests with 503"),
        (share, extra_ms) => {
            format!("object storage is {extra_ms} ms slower and answers {share} % with 503")
        }
    }
}

/// One side of a link in words.
fn endpoints(side: &[Endpoint], azs: &[String]) -> String {
    let name = |end: &Endpoint| match end {
        Endpoint::Node(id) => format!("node {id}"),
        Endpoint::Az(az) => format!("AZ {}", azs[*az]),
        Endpoint::Clients => "all clients".to_owned(),
        Endpoint::Controllers => "all controllers".to_owned(),
        Endpoint::Brokers => "all brokers".to_owned(),
    };
    side.iter().map(name).collect::<Vec<_>>().join(", ")
}

const fn credits_name(resource: CreditResource) -> &'static str {
    match resource {
        CreditResource::Cpu => "CPU",
        CreditResource::Network => "network",
        CreditResource::Volume => "volume",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_both_of_its_ends() {
        let azs = ["use1-az1".to_owned()];
        let to = vec![Endpoint::Node(2), Endpoint::Az(0)];
        let from = vec![Endpoint::Node(1)];
        let cut = Action::Link { from, to, one_way: true, effect: LinkEffect::Cut };
        assert_eq!(
            describe(&cut, &azs),
            (None, "link of node 1 to node 2, AZ use1-az1 is cut".into())
        );
    }
}
