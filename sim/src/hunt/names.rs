//! Names of faults, for counts.

use stormglass_scenarios::plan::{Action, AzDownMode, LinkEffect, Operation};

/// What kind of fault an action is.
#[must_use]
pub fn fault_name(action: &Action) -> &'static str {
    match action {
        Action::AzDown { mode: AzDownMode::PowerOff, .. } => "az-power-off",
        Action::AzDown { mode: AzDownMode::Isolate, .. } => "az-isolate",
        Action::HostCrash { .. } => "host-crash",
        Action::ProcessCrash { .. } => "process-crash",
        Action::ProcessPause { .. } => "process-pause",
        Action::Link { effect: LinkEffect::Cut, one_way: true, .. } => "link-cut-one-way",
        Action::Link { effect: LinkEffect::Cut, .. } => "link-cut",
        Action::Link { effect: LinkEffect::Delay { .. }, .. } => "link-delay",
        Action::Link { effect: LinkEffect::Loss { .. }, .. } => "link-loss",
        Action::SlowDisk { .. } => "slow-disk",
        Action::ObjectStorage { .. } => "object-storage",
        Action::DiskFull { .. } => "disk-full",
        Action::DiskError { .. } => "disk-error",
        Action::SyncError { .. } => "sync-error",
        Action::BitRot { .. } => "bit-rot",
        Action::ClockDrift { .. } => "clock-drift",
        Action::ClockJump { .. } => "clock-jump",
        Action::RollingRestart { .. } => "rolling-restart",
        Action::Load { .. } => "load",
        Action::SetCredits { .. } => "set-credits",
        Action::ConsumerPause { .. } => "consumer-pause",
        Action::ClientCrash { .. } => "client-crash",
        Action::ClientPause { .. } => "client-pause",
        Action::Admin { operation } => operation_name(operation),
    }
}

fn operation_name(operation: &Operation) -> &'static str {
    match operation {
        Operation::ElectPreferred => "admin-elect-preferred",
        Operation::Reassign { .. } => "admin-reassign",
        Operation::CancelReassignment { .. } => "admin-cancel-reassignment",
        Operation::SetTopicConfig { .. } => "admin-set-topic-config",
        Operation::SetBrokerConfig { .. } => "admin-set-broker-config",
        Operation::CreateTopic { .. } => "admin-create-topic",
        Operation::AddPartitions { .. } => "admin-add-partitions",
        Operation::DeleteTopic { .. } => "admin-delete-topic",
        Operation::DeleteRecords { .. } => "admin-delete-records",
        Operation::ListOffsets { .. } => "admin-list-offsets",
        Operation::UnregisterBroker { .. } => "admin-unregister-broker",
        Operation::CommitPositions { .. } => "admin-commit-positions",
        Operation::FetchPositions { .. } => "admin-fetch-positions",
        Operation::BeginTransaction { .. } => "admin-begin-transaction",
        Operation::DeletePositions { .. } => "admin-delete-positions",
        Operation::DeleteGroup { .. } => "admin-delete-group",
        Operation::LeaveLate { .. } => "admin-leave-late",
        Operation::RemoveMembers { .. } => "admin-remove-members",
        Operation::TakeMemberId { .. } => "admin-take-member-id",
        Operation::ListGroups => "admin-list-groups",
        Operation::ProduceFlawed { .. } => "admin-produce-flawed",
        Operation::PlaceTopic { .. } => "admin-place-topic",
        Operation::PlaceTopics { .. } => "admin-place-topics",
        Operation::ChangeTopicList { .. } => "admin-change-topic-list",
        Operation::SetGroupConfig { .. } => "admin-set-group-config",
        Operation::DescribeConfigs { .. } => "admin-describe-configs",
        Operation::ElectUnclean { .. } => "admin-elect-unclean",
        Operation::SetClientQuota { .. } => "admin-set-client-quota",
        Operation::DescribeClientQuotas { .. } => "admin-describe-client-quotas",
    }
}
