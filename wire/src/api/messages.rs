//! What an error means, for answers whose broker-side reason says no more than a code. Tools print it.

use stormglass_broker_core::error::ErrorCode;

/// A sentence for an error; `None` when there is none.
pub(super) fn of(error: ErrorCode) -> Option<&'static str> {
    Some(match error {
        ErrorCode::None => return None,
        ErrorCode::InvalidTopic => {
            "A topic's name has 1 to 249 letters, digits, dots, underscores or hyphens, and is not `.` \
             or `..`."
        }
        ErrorCode::TopicAlreadyExists => "There is a topic of that name.",
        ErrorCode::UnknownTopicOrPartition => "There is no such topic or partition.",
        ErrorCode::UnknownTopicId => "No topic has this id.",
        ErrorCode::InvalidPartitions => {
            "The number of partitions is too small or too large, or not more than there are."
        }
        ErrorCode::InvalidReplicationFactor => {
            "The replication factor is below 1, or there are not that many brokers."
        }
        ErrorCode::InvalidReplicaAssignment => {
            "The assignment names brokers that are not there or twice, or differs in length."
        }
        ErrorCode::InvalidRequest => "The request contradicts itself or makes no sense here.",
        ErrorCode::InvalidConfig => "A config is unknown or has a value that it cannot have.",
        ErrorCode::TopicDeletionDisabled => "delete.topic.enable is false.",
        ErrorCode::NotController => "This node is not the active controller.",
        ErrorCode::RequestTimedOut => "It was not done in time.",
        ErrorCode::ElectionNotNeeded => "The preferred replica leads already.",
        ErrorCode::PreferredLeaderNotAvailable => "The preferred replica cannot lead now.",
        ErrorCode::NoReassignmentInProgress => "The partition is not being reassigned.",
        ErrorCode::CoordinatorNotAvailable => "There is no coordinator now.",
        ErrorCode::CoordinatorLoadInProgress => "The coordinator is reading its log.",
        ErrorCode::InvalidGroupId => "The group's id is empty.",
        ErrorCode::UnknownMemberId => "The group has no such member.",
        ErrorCode::FencedMemberEpoch => "The member's epoch is not the group's: it must join anew.",
        _ => "The request was refused.",
    })
}
