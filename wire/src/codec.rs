//! Frames to requests and responses to frames: the header, then the API's own file.

use crate::api;
use crate::api::{DecodeCx, Operations};
use crate::apis::{Api, ApiKey};
use crate::call::{Aside, Call, Names};
use crate::cluster::Cluster;
use crate::error::WireError;
use crate::frame::Frame;
use crate::header::RequestHeader;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use stormglass_broker_core::protocol::{Request, Response};

/// What to do about a frame.
#[derive(Debug)]
pub enum Decoded {
    /// Ask the broker; its response goes to [`encode_response`] with the call.
    Ask(Box<Request>, Call),
    /// Send this; the broker has nothing to say about it.
    Answer(Frame),
    /// Send nothing.
    Silence,
}

/// What an API's decoder made of a request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// For the broker.
    Broker(Request),
    /// Answered without it.
    Edge(Response),
    /// Nobody wants an answer.
    Nobody,
}

/// Decodes a frame, without its length prefix.
///
/// # Errors
/// The frame cannot be answered, and its connection is to be closed.
pub fn decode_request(frame: Bytes, cluster: &dyn Cluster) -> Result<Decoded, WireError> {
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader)?;
    let RequestHeader { api, version, correlation, client_id } = header;
    if api.key == ApiKey::ApiVersions {
        if !api.serves(version) {
            return Ok(Decoded::Answer(api::api_versions::refuse(correlation)));
        }
        api::api_versions::decode(&mut reader, version)?;
        reader.end()?;
        let features = cluster.features();
        let answer = api::api_versions::encode(version, correlation, features);
        return Ok(Decoded::Answer(answer));
    }
    if let Some(asked) = api::acls::decode(api.key, &mut reader)? {
        reader.end()?;
        return Ok(Decoded::Answer(api::acls::refuse(asked, version, correlation)));
    }
    if let Some(asked) = api::security::decode(api.key, version, &mut reader)? {
        reader.end()?;
        let answer = api::security::answer(api.key, &asked, version, correlation);
        return Ok(Decoded::Answer(answer));
    }
    let who = client_id.clone();
    let mut cx = DecodeCx {
        version,
        cluster,
        client_id,
        names: Names::default(),
        aside: Aside::Nothing,
        operations: Operations::default(),
    };
    let asked = decode_body(api.key, &mut reader, &mut cx)?;
    reader.end()?;
    let DecodeCx { names, aside, operations, .. } = cx;
    let call =
        Call { api: api.key, version, correlation, client_id: who, names, aside, operations };
    Ok(match asked {
        Asked::Broker(request) => Decoded::Ask(Box::new(request), call),
        Asked::Edge(response) => {
            encode_response(&call, &response, cluster).map_or(Decoded::Silence, Decoded::Answer)
        }
        Asked::Nobody => Decoded::Silence,
    })
}

fn decode_body(
    key: ApiKey,
    reader: &mut Reader,
    cx: &mut DecodeCx<'_>,
) -> Result<Asked, WireError> {
    let asked = match key {
        ApiKey::Produce => api::produce::decode(reader, cx)?,
        ApiKey::Fetch => api::fetch::decode(reader, cx)?,
        ApiKey::ListOffsets => api::list_offsets::decode(reader, cx)?,
        ApiKey::Metadata => api::metadata::decode(reader, cx)?,
        ApiKey::OffsetCommit => api::offset_commit::decode(reader, cx)?,
        ApiKey::OffsetFetch => api::offset_fetch::decode(reader, cx)?,
        ApiKey::FindCoordinator => api::find_coordinator::decode(reader, cx)?,
        ApiKey::JoinGroup => api::join_group::decode(reader, cx)?,
        ApiKey::SyncGroup => api::sync_group::decode(reader, cx)?,
        ApiKey::Heartbeat => api::heartbeat::decode(reader, cx)?,
        ApiKey::LeaveGroup => api::leave_group::decode(reader, cx)?,
        ApiKey::DescribeGroups => api::describe_groups::decode(reader, cx)?,
        ApiKey::ListGroups => api::list_groups::decode(reader, cx)?,
        ApiKey::DeleteGroups => api::delete_groups::decode(reader, cx)?,
        ApiKey::OffsetDelete => api::offset_delete::decode(reader, cx)?,
        ApiKey::DeleteTopics => api::delete_topics::decode(reader, cx)?,
        ApiKey::DeleteRecords => api::delete_records::decode(reader, cx)?,
        ApiKey::DescribeConfigs => api::describe_configs::decode(reader, cx)?,
        ApiKey::ListConfigResources => api::list_config_resources::decode(reader, cx)?,
        ApiKey::AlterConfigs => api::alter_configs::decode(reader, cx)?,
        ApiKey::CreatePartitions => api::create_partitions::decode(reader, cx)?,
        ApiKey::ElectLeaders => api::elect_leaders::decode(reader, cx)?,
        ApiKey::AlterPartitionReassignments => {
            api::alter_partition_reassignments::decode(reader, cx)?
        }
        ApiKey::ListPartitionReassignments => {
            api::list_partition_reassignments::decode(reader, cx)?
        }
        ApiKey::DescribeCluster => api::describe_cluster::decode(reader, cx)?,
        ApiKey::IncrementalAlterConfigs => api::alter_configs::decode_incremental(reader, cx)?,
        ApiKey::DescribeClientQuotas => api::client_quotas::decode_describe(reader, cx)?,
        ApiKey::AlterClientQuotas => api::client_quotas::decode_alter(reader, cx)?,
        ApiKey::CreateTopics => api::create_topics::decode(reader, cx)?,
        ApiKey::InitProducerId => api::init_producer_id::decode(reader, cx)?,
        ApiKey::OffsetForLeaderEpoch => api::offset_for_leader_epoch::decode(reader, cx)?,
        ApiKey::AddPartitionsToTxn => api::add_partitions_to_txn::decode(reader, cx)?,
        ApiKey::AddOffsetsToTxn => api::add_offsets_to_txn::decode(reader, cx)?,
        ApiKey::EndTxn => api::end_txn::decode(reader, cx)?,
        ApiKey::WriteTxnMarkers => api::write_txn_markers::decode(reader, cx)?,
        ApiKey::TxnOffsetCommit => api::txn_offset_commit::decode(reader, cx)?,
        ApiKey::DescribeProducers => api::describe_producers::decode(reader, cx)?,
        ApiKey::DescribeTransactions => api::describe_transactions::decode(reader, cx)?,
        ApiKey::ListTransactions => api::list_transactions::decode(reader, cx)?,
        ApiKey::ConsumerGroupHeartbeat => api::consumer_group_heartbeat::decode(reader, cx)?,
        ApiKey::ConsumerGroupDescribe => api::consumer_group_describe::decode(reader, cx)?,
        ApiKey::UpdateFeatures => api::update_features::decode(reader, cx)?,
        ApiKey::UnregisterBroker => api::unregister_broker::decode(reader, cx)?,
        ApiKey::DescribeQuorum => api::describe_quorum::decode(reader, cx)?,
        ApiKey::DescribeLogDirs => api::describe_log_dirs::decode(reader, cx)?,
        ApiKey::AlterReplicaLogDirs => api::describe_log_dirs::decode_alter(reader, cx)?,
        ApiKey::DescribeTopicPartitions => api::describe_topic_partitions::decode(reader, cx)?,
        // answered above
        ApiKey::ApiVersions
        | ApiKey::DescribeAcls
        | ApiKey::CreateAcls
        | ApiKey::DeleteAcls
        | ApiKey::SaslHandshake
        | ApiKey::SaslAuthenticate
        | ApiKey::CreateDelegationToken
        | ApiKey::RenewDelegationToken
        | ApiKey::ExpireDelegationToken
        | ApiKey::DescribeDelegationToken
        | ApiKey::DescribeUserScramCredentials => {
            return Err(WireError::UnsupportedApi(key as i16));
        }
    };
    Ok(asked)
}

/// Encodes the answer to a call; `None` when it is not an answer to that call.
#[must_use]
pub fn encode_response(call: &Call, response: &Response, cluster: &dyn Cluster) -> Option<Frame> {
    let flexible = Api::of(call.api).is_flexible(call.version);
    let mut out = Writer::response(call.correlation, flexible, flexible);
    let is_answer = encode_data(&mut out, call, response, cluster)
        || encode_groups(&mut out, call, response, cluster)
        || encode_transactions(&mut out, call, response, cluster)
        || encode_admin(&mut out, call, response, cluster);
    is_answer.then(|| out.finish())
}

/// Records and offsets; whether it was one of these.
fn encode_data(out: &mut Writer, call: &Call, response: &Response, cluster: &dyn Cluster) -> bool {
    match (call.api, response) {
        (ApiKey::Produce, Response::Produce(r)) => api::produce::encode(out, call, cluster, r),
        (ApiKey::Fetch, Response::Fetch(r)) => api::fetch::encode(out, call, cluster, r),
        (ApiKey::ListOffsets, Response::ListOffsets(r)) => {
            api::list_offsets::encode(out, call, cluster, r);
        }
        (ApiKey::Metadata, Response::Metadata(r)) => api::metadata::encode(out, call, cluster, r),
        (ApiKey::InitProducerId, Response::InitProducerId(r)) => {
            api::init_producer_id::encode(out, call, cluster, r);
        }
        (ApiKey::OffsetForLeaderEpoch, Response::OffsetForLeaderEpoch(r)) => {
            api::offset_for_leader_epoch::encode(out, call, cluster, r);
        }
        (ApiKey::DeleteRecords, Response::DeleteRecords(r)) => {
            api::delete_records::encode(out, call, cluster, r);
        }
        _ => return false,
    }
    true
}

/// Groups, likewise.
fn encode_groups(
    out: &mut Writer,
    call: &Call,
    response: &Response,
    cluster: &dyn Cluster,
) -> bool {
    match (call.api, response) {
        (ApiKey::OffsetCommit, Response::OffsetCommit(r)) => {
            api::offset_commit::encode(out, call, cluster, r);
        }
        (ApiKey::OffsetFetch, Response::OffsetFetch(r)) => {
            api::offset_fetch::encode(out, call, cluster, r);
        }
        (ApiKey::FindCoordinator, Response::FindCoordinator(r)) => {
            api::find_coordinator::encode(out, call, cluster, r);
        }
        (ApiKey::JoinGroup, Response::JoinGroup(r)) => api::join_group::encode(out, call, r),
        (ApiKey::SyncGroup, Response::SyncGroup(r)) => api::sync_group::encode(out, call, r),
        (ApiKey::Heartbeat, Response::Heartbeat(r)) => api::heartbeat::encode(out, call, r),
        (ApiKey::LeaveGroup, Response::LeaveGroup(r)) => api::leave_group::encode(out, call, r),
        (ApiKey::ConsumerGroupHeartbeat, Response::ConsumerGroupHeartbeat(r)) => {
            api::consumer_group_heartbeat::encode(out, call, r);
        }
        (ApiKey::ConsumerGroupDescribe, Response::ConsumerGroupDescribe(r)) => {
            api::consumer_group_describe::encode(out, call, cluster, r);
        }
        (ApiKey::DescribeGroups, Response::DescribeGroups(r)) => {
            api::describe_groups::encode(out, call, r);
        }
        (ApiKey::ListGroups, Response::ListGroups(r)) => api::list_groups::encode(out, call, r),
        (ApiKey::DeleteGroups, Response::DeleteGroups(r)) => api::delete_groups::encode(out, r),
        (ApiKey::OffsetDelete, Response::OffsetDelete(r)) => {
            api::offset_delete::encode(out, call, cluster, r);
        }
        _ => return false,
    }
    true
}

/// Transactions, likewise.
fn encode_transactions(
    out: &mut Writer,
    call: &Call,
    response: &Response,
    cluster: &dyn Cluster,
) -> bool {
    match (call.api, response) {
        (ApiKey::AddPartitionsToTxn, Response::AddPartitionsToTxn(r)) => {
            api::add_partitions_to_txn::encode(out, call, cluster, r);
        }
        (ApiKey::AddOffsetsToTxn, Response::AddOffsetsToTxn(r)) => {
            api::add_offsets_to_txn::encode(out, call, r);
        }
        (ApiKey::EndTxn, Response::EndTxn(r)) => api::end_txn::encode(out, call, r),
        (ApiKey::WriteTxnMarkers, Response::WriteTxnMarkers(r)) => {
            api::write_txn_markers::encode(out, call, cluster, r);
        }
        (ApiKey::TxnOffsetCommit, Response::TxnOffsetCommit(r)) => {
            api::txn_offset_commit::encode(out, call, cluster, r);
        }
        (ApiKey::DescribeProducers, Response::DescribeProducers(r)) => {
            api::describe_producers::encode(out, call, cluster, r);
        }
        (ApiKey::DescribeTransactions, Response::DescribeTransactions(r)) => {
            api::describe_transactions::encode(out, r);
        }
        (ApiKey::ListTransactions, Response::ListTransactions(r)) => {
            api::list_transactions::encode(out, r);
        }
        _ => return false,
    }
    true
}

/// Topics, configs and the cluster, likewise.
fn encode_admin(out: &mut Writer, call: &Call, response: &Response, cluster: &dyn Cluster) -> bool {
    match (call.api, response) {
        (ApiKey::CreateTopics, Response::CreateTopics(r)) => {
            api::create_topics::encode(out, call, r);
        }
        (ApiKey::DeleteTopics, Response::DeleteTopics(r)) => {
            api::delete_topics::encode(out, call, r);
        }
        (ApiKey::CreatePartitions, Response::CreatePartitions(r)) => {
            api::create_partitions::encode(out, r);
        }
        (ApiKey::ListConfigResources, Response::ListConfigResources(r)) => {
            api::list_config_resources::encode(out, call, r);
        }
        (ApiKey::DescribeConfigs, Response::DescribeConfigs(r)) => {
            api::describe_configs::encode(out, call, r);
        }
        (ApiKey::AlterConfigs | ApiKey::IncrementalAlterConfigs, Response::AlterConfigs(r)) => {
            api::alter_configs::encode(out, r);
        }
        (ApiKey::DescribeClientQuotas, Response::DescribeClientQuotas(r)) => {
            api::client_quotas::encode_describe(out, r);
        }
        (ApiKey::AlterClientQuotas, Response::AlterClientQuotas(r)) => {
            api::client_quotas::encode_alter(out, r);
        }
        (ApiKey::ElectLeaders, Response::ElectLeaders(r)) => {
            api::elect_leaders::encode(out, call, cluster, r);
        }
        (ApiKey::AlterPartitionReassignments, Response::AlterPartitionReassignments(r)) => {
            api::alter_partition_reassignments::encode(out, call, cluster, r);
        }
        (ApiKey::ListPartitionReassignments, Response::ListPartitionReassignments(r)) => {
            api::list_partition_reassignments::encode(out, call, cluster, r);
        }
        (ApiKey::UpdateFeatures, Response::UpdateFeatures(r)) => {
            api::update_features::encode(out, call, r);
        }
        (ApiKey::UnregisterBroker, Response::UnregisterBroker(r)) => {
            api::unregister_broker::encode(out, call, r);
        }
        (ApiKey::DescribeQuorum, Response::DescribeQuorum(r)) => {
            api::describe_quorum::encode(out, call, cluster, r);
        }
        (ApiKey::DescribeLogDirs, Response::DescribeLogDirs(r)) => {
            api::describe_log_dirs::encode(out, call, cluster, r);
        }
        (ApiKey::AlterReplicaLogDirs, Response::AlterReplicaLogDirs(r)) => {
            api::describe_log_dirs::encode_alter(out, call, cluster, r);
        }
        (ApiKey::DescribeTopicPartitions, Response::DescribeTopicPartitions(r)) => {
            api::describe_topic_partitions::encode(out, r);
        }
        (ApiKey::DescribeCluster, Response::Metadata(r)) => {
            api::describe_cluster::encode(out, call, cluster, r);
        }
        _ => return false,
    }
    true
}
