//! Changes of the cluster that the plan's administrator asks for.

use super::World;
use super::clients::ClientKind;
use super::event::Event;
use super::load::client_id;
use super::{SECOND_NS, client_quotas, flawed, looks};
use crate::client::{ConnectionConfig, Operator, Task};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{NO_EPOCH, NodeId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    Acks, AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlteredResource,
    CommittedOffset, ConfigChange, ConfigOp, ConfigTarget, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, ElectLeadersRequest, ElectionKind, InitProducerIdRequest,
    IsolationLevel, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    NewPartitions, NewTopic, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchGroup,
    OffsetFetchRequest, OffsetSpec, Placement, ProducePartition, ProduceRequest, Request, TopicRef,
    UnregisterBrokerRequest,
};
use stormglass_scenarios::plan::{Action, ClientProfile, Operation};

/// What the administrator calls a topic of its own until it is made.
pub(super) const UNMADE: TopicId = TopicId(u128::MAX);
/// A partition that no topic has.
const STRANGER: i32 = 9_999;
/// However short the heal phase is, the administrator waits this long for an answer, ns.
const PATIENCE_MIN_NS: u64 = 10 * SECOND_NS;

impl World {
    /// A client with the plan's changes, if it has any.
    pub(super) fn add_operator(&mut self) {
        let Some(operator) = self.operator() else { return };
        let client = self.add_client(ClientKind::Operator(operator), 0, self.origin_ns);
        self.at(self.now, Event::ClientStart { client, life: 0 });
    }

    /// An operator with the changes that are still to come; `None`: there are none.
    pub(super) fn operator(&self) -> Option<Operator> {
        let now_ns = self.now.saturating_sub(self.origin_ns);
        let to_come = self.plan.events.iter().enumerate().filter(|(index, event)| {
            event.at_ns >= now_ns || client_quotas::may_be_open(&self.plan.events, *index, now_ns)
        });
        let to_come = to_come.map(|(_, event)| event);
        let looks = to_come.clone().filter_map(|event| self.look_after(event));
        let rehearsals = to_come.clone().filter_map(|event| self.rehearsal_of(event));
        let asked = to_come.filter_map(|event| match &event.action {
            Action::Admin { operation } => Some(Task {
                due_ns: event.at_ns,
                request: self.request_of(event.at_ns, operation)?,
                of_own_topic: self.own_topic(operation),
            }),
            _ => None,
        });
        let mut tasks: Vec<Task> = asked.chain(looks).chain(rehearsals).collect();
        tasks.sort_by_key(|task| task.due_ns);
        let mut config = ConnectionConfig::parse(ClientProfile::Java, &BTreeMap::new())
            .expect("the defaults parse");
        let heal_ns = self.plan.phases.heal_ns;
        config.request_timeout_ns = patience_ns(heal_ns, config.request_timeout_ns);
        let draws = self.draws("operator", 0);
        (!tasks.is_empty()).then(|| Operator::new(config, &self.bootstrap(), tasks, draws))
    }

    /// A topic that is none of the plan's, and that positions are committed in, or a transaction begins.
    pub(super) fn own_topic(&self, operation: &Operation) -> Option<Arc<str>> {
        let (Operation::CommitPositions { topic, .. } | Operation::BeginTransaction { topic }) =
            operation
        else {
            return None;
        };
        (!self.topics.contains_key(topic)).then(|| Arc::from(topic.as_str()))
    }

    /// `None`: there is no such topic.
    pub(super) fn request_of(&self, at_ns: u64, operation: &Operation) -> Option<Request> {
        Some(match operation {
            Operation::ElectPreferred => Request::ElectLeaders(ElectLeadersRequest {
                kind: ElectionKind::Preferred,
                partitions: None,
            }),
            Operation::Reassign { topic, partition, replicas } => {
                let replicas = replicas.iter().copied().map(NodeId).collect();
                self.reassignment(topic, *partition, Some(replicas))?
            }
            Operation::CancelReassignment { topic, partition } => {
                self.reassignment(topic, *partition, None)?
            }
            Operation::SetTopicConfig { topic, key, value } => {
                config_change((ConfigTarget::TOPIC, topic), key, value.as_deref())
            }
            Operation::SetBrokerConfig { node, key, value } => {
                let name = node.map_or_else(String::new, |node| node.to_string());
                config_change((ConfigTarget::BROKER, &name), key, value.as_deref())
            }
            Operation::CreateTopic { topic, assignment } => {
                let replicas =
                    |list: &Vec<i32>| list.iter().copied().map(NodeId).collect::<Vec<_>>();
                let placement = Placement::Manual(assignment.iter().map(replicas).collect());
                let topic =
                    NewTopic { name: topic.as_str().into(), placement, config: BTreeMap::new() };
                Request::CreateTopics(CreateTopicsRequest {
                    topics: vec![topic],
                    validate_only: false,
                })
            }
            Operation::AddPartitions { topic, partitions } => {
                let count = i32::try_from(*partitions).unwrap_or(i32::MAX);
                let name = topic.as_str().into();
                Request::CreatePartitions(CreatePartitionsRequest {
                    topics: vec![NewPartitions { name, count, assignments: None }],
                    validate_only: false,
                })
            }
            Operation::DeleteTopic { topic } => Request::DeleteTopics(DeleteTopicsRequest {
                topics: vec![TopicRef::Name(topic.as_str().into())],
            }),
            Operation::DeleteRecords { topic, before } => {
                let before = before.map_or(-1, Offset::from);
                let partitions = self.partitions_of(topic)?.map(|tp| (tp, before)).collect();
                Request::DeleteRecords(DeleteRecordsRequest { partitions })
            }
            Operation::ListOffsets { topic, back_ms, committed } => {
                let specs = self.specs(at_ns, *back_ms);
                // each partition may be named once
                let mut specs = specs.into_iter().cycle();
                let ask = |tp| Some((tp, NO_EPOCH, specs.next()?));
                Request::ListOffsets(ListOffsetsRequest {
                    isolation: match committed {
                        true => IsolationLevel::ReadCommitted,
                        false => IsolationLevel::ReadUncommitted,
                    },
                    partitions: self.partitions_of(topic)?.filter_map(ask).collect(),
                })
            }
            rare => self.rare_request_of(at_ns, rare)?,
        })
    }

    /// The same, of groups, registrations, quotas and clumsy producers.
    fn rare_request_of(&self, at_ns: u64, operation: &Operation) -> Option<Request> {
        Some(match operation {
            Operation::UnregisterBroker { node } => {
                Request::UnregisterBroker(UnregisterBrokerRequest { broker: NodeId(*node) })
            }
            Operation::CommitPositions { group, topic, offset } => {
                let offsets = self.positions_in(topic, *offset);
                let request = OffsetCommitRequest {
                    instance: named(group, *offset),
                    ..OffsetCommitRequest::without_member(group.as_str().into(), offsets)
                };
                Request::OffsetCommit(Box::new(request))
            }
            Operation::FetchPositions { group, topic } => {
                let partitions = Some(self.partitions_of(topic)?.collect());
                let group = group.as_str().into();
                let groups = vec![OffsetFetchGroup { group, partitions, member: None }];
                Request::OffsetFetch(OffsetFetchRequest { require_stable: true, groups })
            }
            Operation::DeletePositions { group, topic } => {
                let partitions = self.partitions_of(topic)?.collect();
                let group = group.as_str().into();
                Request::OffsetDelete(OffsetDeleteRequest { group, partitions })
            }
            Operation::DeleteGroup { group } => {
                Request::DeleteGroups(DeleteGroupsRequest { groups: vec![group.as_str().into()] })
            }
            Operation::ListGroups => {
                let (states, types) = (Vec::new(), Vec::new());
                Request::ListGroups(ListGroupsRequest { states, types })
            }
            Operation::ProduceFlawed { topic, partition, flaw } => {
                let tp = self.partition_of(topic, *partition)?;
                let records = flawed::records(*flaw, super::wall_ms(self.origin_ns + at_ns));
                Request::Produce(ProduceRequest {
                    acks: Acks::All,
                    timeout_ms: 1_000,
                    partitions: vec![ProducePartition { tp, records }],
                })
            }
            Operation::ElectUnclean { topic, partition } => {
                let partitions = Some(vec![self.partition_of(topic, *partition)?]);
                let kind = ElectionKind::Unclean;
                Request::ElectLeaders(ElectLeadersRequest { kind, partitions })
            }
            Operation::SetClientQuota { of, key, value } => {
                client_quotas::change(of, key, value.as_deref())
            }
            Operation::DescribeClientQuotas { of, strict } => client_quotas::question(of, *strict),
            rarer => settings_request(rarer)?,
        })
    }

    /// The same position in all partitions of a topic; now and then with one, before or among them, that it does not
    /// have.
    fn positions_in(&self, topic: &str, offset: u32) -> Vec<CommittedOffset> {
        let at = |tp| CommittedOffset { offset: offset.into(), ..CommittedOffset::none(tp) };
        let mut positions: Vec<CommittedOffset> = match self.partitions_of(topic) {
            Some(partitions) => partitions.map(at).collect(),
            None => vec![at(TopicPartition::new(UNMADE, 0))],
        };
        let place = usize::try_from(offset % 3).unwrap_or(0);
        if let Some(first) = positions.first().filter(|_| place < positions.len()) {
            let stranger = TopicPartition::new(first.tp.topic, STRANGER);
            positions.insert(place, at(stranger));
        }
        positions
    }

    /// What is asked of partitions in turn: about `back_ms` before `at_ns`, too.
    fn specs(&self, at_ns: u64, back_ms: Option<u32>) -> Vec<OffsetSpec> {
        use OffsetSpec::{Earliest, Latest, MaxTimestamp, Timestamp};
        let Some(back_ms) = back_ms else { return vec![MaxTimestamp, Latest] };
        let time = Timestamp(super::wall_ms(self.origin_ns + at_ns) - i64::from(back_ms));
        vec![time, time, MaxTimestamp, Earliest, Latest]
    }

    /// Partitions of a topic that the plan begins with.
    pub(super) fn partitions_of(
        &self,
        topic: &str,
    ) -> Option<impl Iterator<Item = TopicPartition>> {
        let id = *self.topics.get(topic)?;
        let planned = self.plan.topics.iter().find(|planned| planned.name == topic)?;
        let count = i32::try_from(planned.assignment.len()).ok()?;
        Some((0..count).map(move |partition| TopicPartition::new(id, partition)))
    }

    fn partition_of(&self, topic: &str, partition: u32) -> Option<TopicPartition> {
        let id = self.topics.get(topic)?;
        Some(TopicPartition::new(*id, i32::try_from(partition).ok()?))
    }

    fn reassignment(
        &self,
        topic: &str,
        partition: u32,
        replicas: Option<Vec<NodeId>>,
    ) -> Option<Request> {
        let tp = self.partition_of(topic, partition)?;
        Some(Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: false,
            partitions: vec![(tp, replicas)],
        }))
    }
}

/// The name that one in four of those who commit positions has (`group.instance.id`): a consumer that divides nothing
/// says it, too, where it is configured. It is that of the group's first member, if that has one.
fn named(group: &str, offset: u32) -> Option<Arc<str>> {
    (offset % 4 == 1).then(|| client_id(group, 0))
}

/// Of what is of a kind, and has a name; no name is all brokers.
fn config_change((kind, name): (i8, &str), key: &str, value: Option<&str>) -> Request {
    let op = if value.is_some() { ConfigOp::Set } else { ConfigOp::Delete };
    altered((kind, name), (op, key), value)
}

/// As [`config_change`], with an operation on a list, too.
fn altered((kind, name): (i8, &str), (op, key): (ConfigOp, &str), value: Option<&str>) -> Request {
    let change = ConfigChange { key: Arc::from(key), op, value: value.map(Arc::from) };
    let target = ConfigTarget { kind, name: Arc::from(name) };
    Request::AlterConfigs(AlterConfigsRequest {
        resources: vec![AlteredResource { target, replace: false, changes: vec![change] }],
        validate_only: false,
    })
}

/// Takes static members out of a group, by their names alone.
fn removes(group: &str, count: u32) -> Request {
    let name = |member: u32| ("".into(), Some(client_id(group, member)));
    let members = (0..count).map(name).collect();
    Request::LeaveGroup(LeaveGroupRequest { group: group.into(), members })
}

/// The first half of a consumer's way into a group: it is told its member id. It would go along with any members.
fn takes_id(group: &str, session_ms: u32) -> Request {
    let protocol = |name: &str| (name.into(), Bytes::new());
    let timeout_ms = i32::try_from(session_ms).unwrap_or(i32::MAX);
    Request::JoinGroup(Box::new(JoinGroupRequest {
        group: group.into(),
        member: "".into(),
        instance: None,
        session_timeout_ms: timeout_ms,
        rebalance_timeout_ms: timeout_ms,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range"), protocol("cooperative-sticky")],
        requires_known_member: true,
        can_skip_assignment: true,
        client_id: "stranger".into(),
        client_host: "/127.0.0.1".into(),
    }))
}

/// Topics whose replicas the controller places, all alike; `None`: no request can name so many.
fn placed(
    names: &[String],
    (partitions, replicas): (u32, u32),
    config: &BTreeMap<String, String>,
) -> Option<Request> {
    let (partitions, replication_factor) =
        (i32::try_from(partitions).ok()?, i16::try_from(replicas).ok()?);
    let topic = |name: &String| NewTopic {
        name: name.as_str().into(),
        placement: Placement::Automatic { partitions, replication_factor },
        config: config.clone(),
    };
    let topics = names.iter().map(topic).collect();
    Some(Request::CreateTopics(CreateTopicsRequest { topics, validate_only: false }))
}

/// What is asked about topics that the controller places, lists, and configs of groups, for a transaction, and by who
/// was a member before.
fn settings_request(operation: &Operation) -> Option<Request> {
    Some(match operation {
        Operation::PlaceTopic { topic, partitions, replicas } => {
            let topics = std::slice::from_ref(topic);
            placed(topics, (*partitions, *replicas), &BTreeMap::new())?
        }
        Operation::PlaceTopics { topics, partitions, replicas, config } => {
            placed(topics, (*partitions, *replicas), config)?
        }
        Operation::ChangeTopicList { topic, key, words, subtracts } => {
            let op = if *subtracts { ConfigOp::Subtract } else { ConfigOp::Append };
            altered((ConfigTarget::TOPIC, topic), (op, key), Some(words))
        }
        Operation::SetGroupConfig { group, key, value } => {
            config_change((ConfigTarget::GROUP, group), key, value.as_deref())
        }
        Operation::BeginTransaction { topic } => {
            let transactional = Some(Box::new(looks::transactional_id(topic)));
            let (producer_id, producer_epoch) = (-1, -1);
            let request = InitProducerIdRequest { transactional, producer_id, producer_epoch };
            Request::InitProducerId(request)
        }
        Operation::LeaveLate { group, member } => {
            let instance = client_id(group, *member);
            // another member id than any that a coordinator gives out
            let members = vec![(format!("{instance}-former").into(), Some(instance))];
            Request::LeaveGroup(LeaveGroupRequest { group: group.as_str().into(), members })
        }
        Operation::RemoveMembers { group, count } => removes(group, *count),
        Operation::TakeMemberId { group, session_ms } => takes_id(group, *session_ms),
        Operation::DescribeConfigs { topic, group } => {
            let target = |kind, name: &str| (ConfigTarget { kind, name: name.into() }, None);
            let resources = vec![
                target(ConfigTarget::TOPIC, topic),
                target(ConfigTarget::GROUP, group),
                target(ConfigTarget::BROKER, ""),
            ];
            Request::DescribeConfigs(DescribeConfigsRequest { resources })
        }
        _ => {
            debug_assert!(false, "the others are asked for above");
            return None;
        }
    })
}

/// How long the administrator waits for an answer, ns: until the drain begins, if the broker that it has asked is gone
/// as the cluster begins to heal; at most for as long as Kafka's clients do. Whatever has waited behind that request,
/// such as the end of a throttle or a reassignment, would come as the run ends, and no replica would have the time to
/// catch up (hunt seed 80010).
fn patience_ns(heal_ns: u64, usual_ns: u64) -> u64 {
    usual_ns.min(heal_ns.max(PATIENCE_MIN_NS))
}

#[cfg(test)]
mod tests {
    use super::{SECOND_NS, patience_ns};
    use crate::hunt::SWARM;
    use crate::{RunOptions, simulate};
    use stormglass_scenarios::{Source, load};

    /// The whole run is `scenarios/regress/administrator-without-an-answer.json`.
    #[test]
    fn an_administrator_without_an_answer_goes_on_before_the_drain() {
        let patience = |heal_s: u64| patience_ns(heal_s * SECOND_NS, 30 * SECOND_NS) / SECOND_NS;
        assert_eq!([0, 3, 10, 20, 30, 600].map(patience), [10, 10, 10, 20, 30, 30]);
        let phases = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap().phases;
        let goes_on_ns = phases.heal_starts_ns() + patience_ns(phases.heal_ns, 30 * SECOND_NS);
        assert!(goes_on_ns <= phases.drain_starts_ns(), "in hunts");
    }

    /// Administrators are in the first AZ.
    #[test]
    fn an_administrator_comes_back_with_its_az() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/negative/reassignments.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let outage = "\n[[events]]\nat = \"1s\"\nfor = \"500ms\"\nfault = \"az-down\"\naz = \"a\"\n\
                      mode = \"power-off\"\nclients = true\n";
        let plan = load(&Source::new("outage", text + outage), &[], 1).unwrap();
        let finished = simulate(&plan, RunOptions::default(), Box::new(())).unwrap();
        let marks = finished.recording.marks;
        assert!(marks.contains_key("operator: reassignment changed"), "{marks:?}");
        assert!(marks.contains_key("operator: configs changed"), "{marks:?}");
    }
}
