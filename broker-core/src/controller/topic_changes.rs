//! DeleteTopics and CreatePartitions (Kafka's `ReplicationControlManager`).

use super::placement::place;
use super::state::Controller;
use super::topics::{PARTITIONS_MAX, named_twice};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId, TopicPartition};
use crate::metadata::{MetadataRecord, TopicImage};
use crate::protocol::{
    CreatePartitionsRequest, CreatePartitionsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DeletedTopic, NewPartitions, Response, TopicRef,
};
use std::sync::Arc;

impl Controller {
    pub(super) fn delete_topics(&mut self, request: &DeleteTopicsRequest) -> Response {
        let names = request.topics.iter().filter_map(|topic| match topic {
            TopicRef::Name(name) => Some(name),
            TopicRef::Id(_) => None,
        });
        let twice = named_twice(names);
        let error = ErrorCode::InvalidRequest;
        let refused = twice.iter();
        let refused =
            refused.map(|name| DeletedTopic { name: Some(name.clone()), id: TopicId(0), error });
        let mut topics: Vec<DeletedTopic> = refused.collect();
        for topic in &request.topics {
            if !matches!(topic, TopicRef::Name(name) if twice.contains(name)) {
                topics.push(self.delete_topic(topic));
            }
        }
        Response::DeleteTopics(DeleteTopicsResponse { topics })
    }

    fn delete_topic(&mut self, asked: &TopicRef) -> DeletedTopic {
        let (known, missing) = match asked {
            TopicRef::Name(name) => {
                let error = ErrorCode::UnknownTopicOrPartition;
                let missing = DeletedTopic { name: Some(name.clone()), id: TopicId(0), error };
                (self.image.topic_named(name), missing)
            }
            TopicRef::Id(id) => {
                let missing =
                    DeletedTopic { name: None, id: *id, error: ErrorCode::UnknownTopicId };
                (self.image.topic(*id), missing)
            }
        };
        let Some(topic) = known else { return missing };
        let (name, id) = (Some(topic.name.clone()), topic.id);
        if !self.server.delete_topic_enable {
            return DeletedTopic { name, id, error: ErrorCode::TopicDeletionDisabled };
        }
        self.stage(MetadataRecord::RemoveTopic { id });
        DeletedTopic { name, id, error: ErrorCode::None }
    }

    pub(super) fn create_partitions(&mut self, request: &CreatePartitionsRequest) -> Response {
        let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
        let refused = twice.iter().map(|name| (Arc::clone(name), ErrorCode::InvalidRequest));
        let mut topics: Vec<_> = refused.collect();
        for topic in request.topics.iter().filter(|topic| !twice.contains(&topic.name)) {
            let error = match self.more_partitions(topic) {
                Err(error) => error,
                Ok(new) => {
                    if !request.validate_only {
                        new.into_iter().for_each(|(tp, replicas)| {
                            self.create_partition(tp, replicas);
                        });
                    }
                    ErrorCode::None
                }
            };
            topics.push((topic.name.clone(), error));
        }
        Response::CreatePartitions(CreatePartitionsResponse { topics })
    }

    /// New partitions with their replicas.
    fn more_partitions(
        &self,
        asked: &NewPartitions,
    ) -> Result<Vec<(TopicPartition, Vec<NodeId>)>, ErrorCode> {
        let topic =
            self.image.topic_named(&asked.name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let now = topic.partitions.len();
        let count = usize::try_from(asked.count).map_err(|_| ErrorCode::InvalidPartitions)?;
        if count <= now || count > PARTITIONS_MAX {
            return Err(ErrorCode::InvalidPartitions);
        }
        let placement = self.place_more(topic, count - now, asked.assignments.as_ref())?;
        let first = i32::try_from(now).map_err(|_| ErrorCode::InvalidPartitions)?;
        let numbered = (first..).zip(placement);
        Ok(numbered.map(|(n, replicas)| (TopicPartition::new(topic.id, n), replicas)).collect())
    }

    fn place_more(
        &self,
        topic: &TopicImage,
        added: usize,
        assignments: Option<&Vec<Vec<NodeId>>>,
    ) -> Result<Vec<Vec<NodeId>>, ErrorCode> {
        let factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        let Some(given) = assignments else {
            // further than where the partitions before left off
            let turn = ((topic.id.0 >> 64) as u64).wrapping_add(topic.partitions.len() as u64);
            return place(&self.image, added, factor, turn);
        };
        let fits = given.len() == added && given.iter().all(|replicas| replicas.len() == factor);
        if !fits || self.check_manual(given).is_err() {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        Ok(given.clone())
    }
}
