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
use std::collections::BTreeSet;
use std::sync::Arc;

impl Controller {
    /// Kafka's `ControllerApis.deleteTopics`: of what is named twice, nothing goes.
    pub(super) fn delete_topics(&mut self, request: &DeleteTopicsRequest) -> Response {
        let asked = &request.topics;
        if !self.server.delete_topic_enable {
            let error = ErrorCode::TopicDeletionDisabled;
            let topics = asked.iter().map(|one| DeletedTopic::refused(one, error)).collect();
            return Response::DeleteTopics(DeleteTopicsResponse { topics });
        }
        let error = ErrorCode::InvalidRequest;
        let twice = named_twice(asked.iter());
        let both = self.named_both_ways(asked, &twice);
        let refused = twice.iter().map(|one| DeletedTopic::refused(one, error));
        let mut topics: Vec<DeletedTopic> = refused.collect();
        for one in asked.iter().filter(|one| !twice.contains(*one)) {
            match (one, self.id_of(one).filter(|id| both.contains(id))) {
                (TopicRef::Name(name), Some(id)) => {
                    topics.push(DeletedTopic { name: Some(Arc::clone(name)), id, error });
                }
                // what is said of its name is the answer
                (TopicRef::Id(_), Some(_)) => {}
                (_, None) => topics.push(self.delete_topic(one)),
            }
        }
        Response::DeleteTopics(DeleteTopicsResponse { topics })
    }

    /// Topics that a request names by their names, and by their ids, too. A name that it has twice counts for none.
    fn named_both_ways(&self, asked: &[TopicRef], twice: &BTreeSet<TopicRef>) -> BTreeSet<TopicId> {
        let ids = asked.iter().filter_map(|one| match one {
            TopicRef::Id(id) => Some(*id),
            TopicRef::Name(_) => None,
        });
        let ids: BTreeSet<TopicId> = ids.collect();
        let names = asked.iter().filter(|one| matches!(one, TopicRef::Name(_)));
        let once = names.filter(|one| !twice.contains(*one));
        once.filter_map(|one| self.id_of(one)).filter(|id| ids.contains(id)).collect()
    }

    /// The topic that is meant; `None`: there is none.
    fn id_of(&self, asked: &TopicRef) -> Option<TopicId> {
        match asked {
            TopicRef::Name(name) => self.image.topic_named(name).map(|topic| topic.id),
            TopicRef::Id(id) => self.image.topic(*id).map(|topic| topic.id),
        }
    }

    fn delete_topic(&mut self, asked: &TopicRef) -> DeletedTopic {
        let missing = match asked {
            // neither name nor id
            TopicRef::Id(id) if *id == TopicId(0) => ErrorCode::InvalidRequest,
            TopicRef::Id(_) => ErrorCode::UnknownTopicId,
            TopicRef::Name(_) => ErrorCode::UnknownTopicOrPartition,
        };
        let known = self.id_of(asked).and_then(|id| self.image.topic(id));
        let Some(topic) = known else { return DeletedTopic::refused(asked, missing) };
        let (name, id) = (Some(Arc::clone(&topic.name)), topic.id);
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
            return place(&self.image, added, factor, turn)
                .map_err(|_| ErrorCode::InvalidReplicationFactor);
        };
        let fits = given.len() == added && given.iter().all(|replicas| replicas.len() == factor);
        if !fits || self.check_manual(given).is_err() {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        Ok(given.clone())
    }
}
