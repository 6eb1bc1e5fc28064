//! What clients ask, as bytes.

use crate::cluster::Cluster;
use crate::writer::Writer;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    Acks, CommittedOffset, CoordinatorKind, CreateTopicsRequest, ElectLeadersRequest, ElectionKind,
    FetchPartition, FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, IsolationLevel,
    ListOffsetsRequest, MetadataRequest, NewTopic, OffsetCommitRequest, OffsetFetchGroup,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, OffsetSpec, Placement, ProduceRequest,
    Request,
};

/// Where a field asks for the id of a replica, this is a client.
const CLIENT: i32 = -1;
/// How long a controller may take, ms.
const TIMEOUT_MS: i32 = 30_000;

/// Writes the body.
pub(super) fn encode(out: &mut Writer, cluster: &dyn Cluster, request: &Request) {
    match request {
        Request::Produce(produce) => write_produce(out, produce),
        Request::Fetch(fetch) => write_fetch(out, fetch),
        Request::ListOffsets(list) => list_offsets(out, cluster, list),
        Request::Metadata(metadata) => write_metadata(out, metadata),
        Request::OffsetForLeaderEpoch(epochs) => end_of_epoch(out, cluster, epochs),
        Request::InitProducerId(init) => init_producer_id(out, init),
        Request::FindCoordinator(find) => find_coordinator(out, find),
        Request::OffsetCommit(commit) => offset_commit(out, cluster, commit),
        Request::OffsetFetch(fetch) => offset_fetch(out, cluster, fetch),
        Request::CreateTopics(create) => create_topics(out, create),
        Request::ElectLeaders(elect) => elect_leaders(out, cluster, elect),
        _ => {}
    }
    out.no_tags();
}

fn write_produce(out: &mut Writer, produce: &ProduceRequest) {
    out.nullable_string(None); // transactional id
    out.i16(match produce.acks {
        Acks::None => 0,
        Acks::Leader => 1,
        Acks::All => -1,
    });
    out.i32(produce.timeout_ms);
    let topic = |out: &mut Writer, id| out.topic_id(id);
    out.by_topic(
        &produce.partitions,
        |partition| partition.tp.topic,
        topic,
        |out, partition| {
            out.i32(partition.tp.partition);
            out.records(&partition.records);
            out.no_tags();
        },
    );
}

fn write_fetch(out: &mut Writer, fetch: &FetchRequest) {
    out.i32(fetch.max_wait_ms);
    out.i32(fetch.min_bytes);
    out.i32(fetch.max_bytes);
    isolation(out, fetch.isolation);
    out.i32(fetch.session_id);
    out.i32(fetch.session_epoch);
    let topic = |out: &mut Writer, id| out.topic_id(id);
    out.by_topic(&fetch.partitions, |partition| partition.tp.topic, topic, fetch_partition);
    out.by_topic(&fetch.forgotten, |tp| tp.topic, topic, |out, tp| out.i32(tp.partition));
    out.string(fetch.rack.as_deref().unwrap_or(""));
}

fn fetch_partition(out: &mut Writer, partition: &FetchPartition) {
    out.i32(partition.tp.partition);
    out.i32(partition.current_leader_epoch);
    out.i64(partition.fetch_offset);
    out.i32(partition.last_fetched_epoch);
    out.i64(partition.log_start_offset);
    out.i32(partition.max_bytes);
    out.no_tags();
}

fn isolation(out: &mut Writer, isolation: IsolationLevel) {
    out.i8(match isolation {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
    });
}

/// Partitions below the names of their topics.
fn by_name<T>(
    out: &mut Writer,
    cluster: &dyn Cluster,
    partitions: &[T],
    topic_of: impl Fn(&T) -> TopicId,
    partition: impl FnMut(&mut Writer, &T),
) {
    let name = |out: &mut Writer, id| out.string(&cluster.topic_name(id).unwrap_or_default());
    out.by_topic(partitions, topic_of, name, partition);
}

fn list_offsets(out: &mut Writer, cluster: &dyn Cluster, list: &ListOffsetsRequest) {
    out.i32(CLIENT);
    isolation(out, list.isolation);
    by_name(
        out,
        cluster,
        &list.partitions,
        |(tp, ..)| tp.topic,
        |out, (tp, epoch, spec)| {
            out.i32(tp.partition);
            out.i32(*epoch);
            out.i64(match spec {
                OffsetSpec::Latest => -1,
                OffsetSpec::Earliest => -2,
                OffsetSpec::MaxTimestamp => -3,
                OffsetSpec::EarliestLocal => -4,
                OffsetSpec::LatestTiered => -5,
                OffsetSpec::Timestamp(ms) | OffsetSpec::Unsupported(ms) => *ms,
            });
            out.no_tags();
        },
    );
}

fn write_metadata(out: &mut Writer, metadata: &MetadataRequest) {
    match &metadata.topics {
        None => out.null_array(),
        Some(topics) => out.array(topics.iter(), |out, topic| {
            out.topic_id(TopicId(0));
            out.string(topic);
            out.no_tags();
        }),
    }
    out.bool(metadata.allow_auto_topic_creation);
    out.bool(false); // authorized operations
}

fn end_of_epoch(out: &mut Writer, cluster: &dyn Cluster, asked: &OffsetForLeaderEpochRequest) {
    out.i32(CLIENT);
    by_name(
        out,
        cluster,
        &asked.partitions,
        |(tp, ..)| tp.topic,
        |out, (tp, current_epoch, epoch)| {
            out.i32(tp.partition);
            out.i32(*current_epoch);
            out.i32(*epoch);
            out.no_tags();
        },
    );
}

fn init_producer_id(out: &mut Writer, init: &InitProducerIdRequest) {
    let transactional = init.transactional.as_deref();
    out.nullable_string(transactional.map(|transactional| &*transactional.id));
    out.i32(transactional.map_or(i32::MAX, |transactional| transactional.timeout_ms));
    out.i64(init.producer_id);
    out.i16(init.producer_epoch);
}

fn find_coordinator(out: &mut Writer, find: &FindCoordinatorRequest) {
    out.i8(match find.kind {
        CoordinatorKind::Group => 0,
        CoordinatorKind::Transaction => 1,
    });
    out.array(find.keys.iter(), |out, key| out.string(key));
}

fn offset_commit(out: &mut Writer, cluster: &dyn Cluster, commit: &OffsetCommitRequest) {
    out.string(&commit.group);
    out.i32(commit.generation);
    out.string(&commit.member);
    out.nullable_string(commit.instance.as_deref());
    by_name(
        out,
        cluster,
        &commit.offsets,
        |at| at.tp.topic,
        |out, at: &CommittedOffset| {
            out.i32(at.tp.partition);
            out.i64(at.offset);
            out.i32(at.leader_epoch);
            out.nullable_string(at.metadata.as_deref());
            out.no_tags();
        },
    );
}

fn offset_fetch(out: &mut Writer, cluster: &dyn Cluster, fetch: &OffsetFetchRequest) {
    out.array(fetch.groups.iter(), |out, OffsetFetchGroup { group, partitions, member }| {
        out.string(group);
        out.nullable_string(member.as_ref().map(|(id, _)| &**id));
        out.i32(member.as_ref().map_or(-1, |(_, epoch)| *epoch));
        tps(out, cluster, partitions.as_deref());
        out.no_tags();
    });
    out.bool(fetch.require_stable);
}

/// Partitions and nothing of them; `None` = all.
fn tps(out: &mut Writer, cluster: &dyn Cluster, partitions: Option<&[TopicPartition]>) {
    match partitions {
        None => out.null_array(),
        Some(list) => by_name(out, cluster, list, |tp| tp.topic, |out, tp| out.i32(tp.partition)),
    }
}

fn create_topics(out: &mut Writer, create: &CreateTopicsRequest) {
    out.array(create.topics.iter(), new_topic);
    out.i32(TIMEOUT_MS);
    out.bool(create.validate_only);
}

fn new_topic(out: &mut Writer, topic: &NewTopic) {
    out.string(&topic.name);
    let none: &[Vec<NodeId>] = &[];
    let (partitions, replication_factor, assigned) = match &topic.placement {
        Placement::Automatic { partitions, replication_factor } => {
            (*partitions, *replication_factor, none)
        }
        Placement::Manual(assigned) => (-1, -1, assigned.as_slice()),
    };
    out.i32(partitions);
    out.i16(replication_factor);
    out.array(assigned.iter().enumerate(), |out, (index, replicas)| {
        out.i32(i32::try_from(index).unwrap_or(i32::MAX));
        out.array(replicas.iter(), |out, node| out.i32(node.0));
        out.no_tags();
    });
    out.array(topic.config.iter(), |out, (key, value)| {
        out.string(key);
        out.nullable_string(Some(value));
        out.no_tags();
    });
    out.no_tags();
}

fn elect_leaders(out: &mut Writer, cluster: &dyn Cluster, elect: &ElectLeadersRequest) {
    out.i8(match elect.kind {
        ElectionKind::Preferred => 0,
        ElectionKind::Unclean => 1,
    });
    tps(out, cluster, elect.partitions.as_deref());
    out.i32(TIMEOUT_MS);
}
