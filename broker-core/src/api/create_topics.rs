//! CreateTopics (key 19), DeleteTopics (20), AlterConfigs (33), CreatePartitions (37), ElectLeaders
//! (43), IncrementalAlterConfigs (44), AlterPartitionReassignments (45), ListPartitionReassignments
//! (46), DescribeQuorum (55) and UpdateFeatures (57): forwarded to the active controller (KIP-590).

use crate::protocol::Request;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn forward(role: &mut BrokerRole, step: &mut Step<'_>, to: ReplyTo, request: Request) {
    role.forward(step, to, request);
}
