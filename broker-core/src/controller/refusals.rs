//! Answers of a node that cannot decide about topics: not the active controller, or no longer.

use crate::error::ErrorCode;
use crate::protocol::{
    AlterClientQuotasResponse, AlterConfigsResponse, AlterPartitionReassignmentsResponse,
    AlteredConfigs, AlteredQuotas, CreatePartitionsResponse, DeleteTopicsResponse, DeletedTopic,
    DescribeQuorumResponse, ListPartitionReassignmentsResponse, Request, Response,
    UnregisterBrokerResponse, UpdateFeaturesResponse,
};

/// Refuses all of a request about topics; `None` for other requests.
pub(crate) fn refuse_topics(request: &Request, error: ErrorCode) -> Option<Response> {
    Some(match request {
        Request::DeleteTopics(request) => {
            let refused = request.topics.iter().map(|topic| DeletedTopic::refused(topic, error));
            Response::DeleteTopics(DeleteTopicsResponse { topics: refused.collect() })
        }
        Request::CreatePartitions(request) => {
            let topics = request.topics.iter().map(|topic| (topic.name.clone(), error)).collect();
            Response::CreatePartitions(CreatePartitionsResponse { topics })
        }
        Request::AlterConfigs(request) => {
            let refused = request.resources.iter().map(|resource| {
                let target = resource.target.clone();
                AlteredConfigs { target, error, message: None }
            });
            Response::AlterConfigs(AlterConfigsResponse { resources: refused.collect() })
        }
        Request::AlterPartitionReassignments(request) => {
            Response::AlterPartitionReassignments(AlterPartitionReassignmentsResponse {
                error,
                allow_replication_factor_change: request.allow_replication_factor_change,
                partitions: Vec::new(),
            })
        }
        Request::ListPartitionReassignments(_) => {
            Response::ListPartitionReassignments(ListPartitionReassignmentsResponse {
                error,
                partitions: Vec::new(),
            })
        }
        Request::UpdateFeatures(_) => {
            Response::UpdateFeatures(Box::new(UpdateFeaturesResponse::refused(error, None)))
        }
        Request::UnregisterBroker(_) => {
            Response::UnregisterBroker(UnregisterBrokerResponse { error })
        }
        Request::DescribeQuorum(_) => {
            Response::DescribeQuorum(Box::new(DescribeQuorumResponse::refused(error)))
        }
        Request::AlterClientQuotas(request) => {
            let refused = request.entries.iter().map(|alter| {
                let entity = alter.entity.clone();
                AlteredQuotas { error, message: None, entity }
            });
            Response::AlterClientQuotas(AlterClientQuotasResponse { entries: refused.collect() })
        }
        _ => return None,
    })
}

/// Takes back an answer about topics that was never given.
pub(super) fn take_back_topics(response: &mut Response, error: ErrorCode) {
    match response {
        Response::DeleteTopics(response) => {
            response.topics.iter_mut().for_each(|topic| topic.error = error);
        }
        Response::CreatePartitions(response) => {
            response.topics.iter_mut().for_each(|topic| topic.1 = error);
        }
        Response::AlterConfigs(response) => {
            response.resources.iter_mut().for_each(|resource| resource.error = error);
        }
        Response::AlterPartitionReassignments(response) => {
            response.error = error;
            response.partitions.clear();
        }
        Response::ListPartitionReassignments(response) => {
            response.error = error;
            response.partitions.clear();
        }
        Response::UpdateFeatures(response) => {
            **response = UpdateFeaturesResponse::refused(error, None);
        }
        Response::UnregisterBroker(response) => response.error = error,
        Response::AlterClientQuotas(response) => {
            response.entries.iter_mut().for_each(|entry| entry.error = error);
        }
        _ => {}
    }
}
