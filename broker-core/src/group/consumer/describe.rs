//! What tools are told of a group: what the log has confirmed.

use super::settings::ConsumerSettings;
use super::state::{Member, Partitions, State};
use super::topics::preferred;
use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::metadata::MetadataImage;
use crate::protocol::{DescribedConsumer, DescribedConsumerGroup};
use std::sync::Arc;

/// A group.
pub(super) fn describe(
    state: &State,
    group: &Arc<str>,
    image: &MetadataImage,
    settings: &ConsumerSettings,
) -> DescribedConsumerGroup {
    let existing = |partitions: &Partitions| -> Vec<TopicPartition> {
        partitions.iter().filter(|tp| image.topic(tp.topic).is_some()).copied().collect()
    };
    let member = |(id, member): (&Arc<str>, &Arc<Member>)| {
        let subscription = &member.subscription;
        DescribedConsumer {
            member: Arc::clone(id),
            instance: subscription.instance.clone(),
            rack: subscription.rack.clone(),
            epoch: member.current.epoch,
            client_id: Arc::clone(&subscription.client_id),
            client_host: Arc::clone(&subscription.client_host),
            topics: subscription.topics.iter().cloned().collect(),
            regex: subscription.regex.clone(),
            assignment: existing(&member.current.assigned),
            target: state.targets.get(id).map_or_else(Vec::new, |target| existing(target)),
        }
    };
    DescribedConsumerGroup {
        error: ErrorCode::None,
        message: None,
        group: Arc::clone(group),
        state: Some(state.group_state()),
        epoch: state.group_epoch,
        assignment_epoch: state.assignment_epoch,
        assignor: preferred(state, settings).name().into(),
        members: state.members.iter().map(member).collect(),
    }
}
