//! Answers from metadata: of controllers, of coordinators, of voters.

use super::{Says, Speaker, fencing, peers, placed, quotas, undone};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::CoordinatorView;
use stormglass_broker_core::metadata::{BrokerImage, MetadataImage};
use stormglass_broker_core::protocol::{
    AlterPartitionData, BrokerHeartbeatRequest, BrokerHeartbeatResponse, MetadataResponse, Request,
    Response,
};

/// Any other answer.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, asked: &Request, answer: &Response) {
    match (asked, answer) {
        (Request::Metadata(_), Response::Metadata(answer)) => metadata(says, by, answer),
        (Request::DescribeConfigs(_), Response::DescribeConfigs(answer)) => {
            placed::described(says, (by.node, by.broker), answer);
        }
        (Request::DescribeClientQuotas(asked), Response::DescribeClientQuotas(answer)) => {
            quotas::described(says, (by.node, by.broker), asked, answer);
        }
        (Request::Vote(asked), Response::Vote(answer)) if answer.granted && !asked.pre_vote => {
            peers::vote_is_kept(says, by, (asked.epoch, asked.candidate));
        }
        (Request::InitProducerId(_) | Request::EndTxn(_), answer) => {
            let epoch = given_epoch(answer);
            says.rule(epoch.is_none_or(|epoch| epoch < i16::MAX), &|| {
                format!(
                    "coordinator {} gives a producer the epoch {epoch:?}, which is for markers",
                    by.node
                )
            });
        }
        _ => {}
    }
}

/// The epoch that a producer has from now on.
fn given_epoch(answer: &Response) -> Option<i16> {
    match answer {
        Response::InitProducerId(answer) if answer.error.is_ok() => Some(answer.producer_epoch),
        Response::EndTxn(answer) if answer.error.is_ok() => Some(answer.producer?.epoch),
        _ => None,
    }
}

/// A broker tells the metadata that it has.
fn metadata(says: &mut Says<'_>, by: Speaker<'_>, answer: &MetadataResponse) {
    let Some(image) = by.broker.metadata() else { return };
    says.rule(names_alive(image, &answer.brokers), &|| {
        let known: Vec<_> = image.brokers().collect();
        format!(
            "broker {} tells clients of brokers {:?}, its metadata says {known:?}",
            by.node, answer.brokers
        )
    });
    for topic in answer.topics.iter().filter(|topic| topic.error.is_ok()) {
        let known = image.topic_named(&topic.name);
        let holds = known.is_some_and(|known| {
            known.id == topic.id
                && known.partitions.len() == topic.partitions.len()
                && known.partitions.iter().zip(&topic.partitions).all(|(known, told)| {
                    let alive = |id: &NodeId| image.broker(*id).is_some_and(|b| !b.fenced);
                    (known.leader_epoch, &known.replicas, &known.isr)
                        == (told.leader_epoch, &told.replicas, &told.isr)
                        && told.leader == known.leader.filter(alive)
                })
        });
        says.rule(holds, &|| {
            format!("broker {} tells {topic:?}, its metadata says {known:?}", by.node)
        });
    }
}

/// Whether a client is told of all brokers that are not fenced, and of no others: it would try those, and wait
/// (`KRaftMetadataCache.getAliveBrokerNodes`).
fn names_alive(image: &MetadataImage, told: &[(NodeId, Option<Arc<str>>)]) -> bool {
    let alive = image.brokers().filter(|(_, known)| !known.fenced);
    let alive: BTreeMap<_, _> = alive.map(|(id, known)| (id, known.rack.as_ref())).collect();
    let named: BTreeMap<_, _> = told.iter().map(|(id, rack)| (*id, rack.as_ref())).collect();
    alive == named && named.len() == told.len()
}

/// Whether a node is a controller, active or not.
pub(super) fn is_controller(broker: &Broker) -> bool {
    broker.active_metadata().is_some() || broker.standby_metadata().is_some()
}

/// Why a coordinator or an active controller must not take a request, as it stands before it does.
/// `None`: it may.
pub(super) fn objection(broker: &Broker, request: &Request) -> Option<String> {
    let group = match request {
        Request::OffsetCommit(asked) => Some(&asked.group),
        Request::OffsetFetch(asked) => asked.groups.first().map(|group| &group.group),
        Request::JoinGroup(asked) => Some(&asked.group),
        Request::SyncGroup(asked) => Some(&asked.group),
        _ => None,
    };
    if let Some(group) = group.filter(|group| !broker.has_loaded_group(group)) {
        return Some(format!("group {group} is not coordinated there, or not loaded yet"));
    }
    if let Request::Fetch(fetch) = request {
        let part = fetch.partitions.first().filter(|part| part.tp == TopicPartition::METADATA)?;
        let (epoch, asked) = (broker.quorum().epoch, part.current_leader_epoch);
        return (asked != epoch)
            .then(|| format!("it is of Raft epoch {asked}, the node is in {epoch}"));
    }
    if let Request::ListGroups(_) = request {
        return unread(&broker.coordinated());
    }
    let by = broker.active_view()?;
    if let Some(Err(refused)) = undone::reassignment(&by, request) {
        return Some(refused);
    }
    let image = by.image;
    if let Request::CreateTopics(asked) = request
        && let Some(Err(refused)) = placed::placement(image, asked)
    {
        return Some(refused);
    }
    let (from, epoch) = match request {
        Request::BrokerHeartbeat(asked) => (asked.broker, asked.broker_epoch),
        Request::AllocateProducerIds(asked) => (asked.broker, asked.broker_epoch),
        Request::AlterPartition(asked) => (asked.broker, asked.broker_epoch),
        _ => return None,
    };
    let known = image.broker(from).map(|known| known.epoch);
    if known != Some(epoch) {
        return Some(format!(
            "it is of broker {from} in its epoch {epoch}, registered is {known:?}"
        ));
    }
    let Request::AlterPartition(asked) = request else { return None };
    asked.partitions.iter().find_map(|data| ineligible(image, data))
}

/// Why a broker cannot say which groups it coordinates: it has not read all of them yet, and who asks would miss some.
fn unread(coordinated: &[CoordinatorView]) -> Option<String> {
    let loading = coordinated.iter().find(|at| !at.is_loaded)?;
    Some(format!("it is still reading groups: {loading:?}"))
}

/// Why an ISR must not be taken: it is of an earlier state, or a member is not ready in the life that
/// the leader has heard.
fn ineligible(image: &MetadataImage, data: &AlterPartitionData) -> Option<String> {
    let known = image.partition(data.tp)?;
    let proposed = (data.leader_epoch, data.partition_epoch);
    let state = (known.leader_epoch, known.partition_epoch);
    if proposed != state {
        return Some(format!("it is for leader and partition epoch {proposed:?}, not {state:?}"));
    }
    let is_ready = |(member, epoch): &&(NodeId, i64)| {
        let registered = image.broker(*member);
        registered.is_some_and(|known| known.is_active() && (*epoch < 0 || known.epoch == *epoch))
    };
    let (member, epoch) = data.new_isr.iter().find(|member| !is_ready(member))?;
    let registered = image.broker(*member);
    Some(format!("broker {member} is in it in its epoch {epoch}; registered is {registered:?}"))
}

/// A fenced broker that says how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fenced {
    broker: NodeId,
    /// Broker epoch: offset of its registration in the metadata.
    epoch: Offset,
    /// Whether it knows of its own registration, and does not ask to stay fenced, or to end.
    is_ready: bool,
}

impl Fenced {
    /// As a controller hears of it. What is said in another life says nothing of this one, unless it is behind that,
    /// too.
    pub(super) fn of(broker: &Broker, request: &Request) -> Option<Self> {
        let Request::BrokerHeartbeat(asked) = request else { return None };
        Self::heard(broker.active_metadata()?.broker(asked.broker)?, asked)
    }

    fn heard(known: &BrokerImage, asked: &BrokerHeartbeatRequest) -> Option<Self> {
        let is_behind = asked.current_metadata_offset < known.epoch;
        let stays = asked.want_fence || asked.want_shut_down;
        let is_ready = !is_behind && !stays && asked.broker_epoch == known.epoch;
        let (broker, epoch) = (asked.broker, known.epoch);
        (known.fenced && (is_behind || is_ready)).then_some(Self { broker, epoch, is_ready })
    }

    /// Whether it may be so after that. Who does not know of its own registration yet would act on the one before; who
    /// does is let in at once, whatever else is committed meanwhile: in a busy cluster, something always is
    /// (KAFKA-13959, Kafka's `BrokerHeartbeatManager.calculateNextBrokerState`).
    fn may_be(self, known: &BrokerImage) -> bool {
        match self.is_ready {
            true => known.epoch != self.epoch || !known.fenced,
            false => known.fenced,
        }
    }
}

/// The same broker, after the heartbeat.
pub(super) fn is_let_in_in_time(says: &mut Says<'_>, by: Speaker<'_>, of: Fenced) {
    let Some(image) = by.broker.active_metadata() else { return };
    says.rule(image.broker(of.broker).is_none_or(|known| of.may_be(known)), &|| {
        let (node, broker) = (by.node, of.broker);
        match of.is_ready {
            true => format!(
                "controller {node} keeps broker {broker} fenced, which knows of its registration at offset {} of the \
                 metadata",
                of.epoch
            ),
            false => {
                format!("controller {node} unfences broker {broker}, which does not know it yet")
            }
        }
    });
}

/// Who ends in order leads nothing, as far as its controller has decided.
pub(super) fn lets_end(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    asked: &BrokerHeartbeatRequest,
    answer: &BrokerHeartbeatResponse,
) {
    if !answer.should_shut_down || asked.want_fence {
        return;
    }
    let Some(image) = by.broker.active_metadata() else { return };
    let led = image.partitions().find(|(_, partition)| partition.leader == Some(asked.broker));
    says.rule(led.is_none(), &|| {
        format!("controller {} lets broker {} end, which leads {led:?}", by.node, asked.broker)
    });
}

/// Whether a request was taken.
pub(super) fn is_taken(answer: &Response) -> bool {
    match answer {
        Response::OffsetCommit(answer) => answer.partitions.iter().any(|(_, error)| error.is_ok()),
        Response::OffsetFetch(answer) => answer.groups.first().is_some_and(|g| g.error.is_ok()),
        Response::Fetch(answer) => answer.partitions.iter().all(|part| part.error.is_ok()),
        Response::Heartbeat(answer) => answer.error.is_ok(),
        Response::Vote(answer) => answer.granted,
        Response::JoinGroup(answer) => answer.error.is_ok(),
        Response::SyncGroup(answer) => answer.error.is_ok(),
        Response::ListGroups(answer) => answer.error.is_ok(),
        Response::BrokerHeartbeat(answer) => answer.error.is_ok(),
        Response::AllocateProducerIds(answer) => answer.error.is_ok(),
        Response::AlterConfigs(answer) => {
            answer.resources.iter().all(|altered| altered.error.is_ok())
        }
        Response::CreateTopics(answer) => answer.topics.iter().all(|of| of.error.is_ok()),
        Response::ElectLeaders(answer) => answer.error.is_ok(),
        Response::CreatePartitions(answer) => answer.topics.iter().all(|(_, e)| e.is_ok()),
        Response::DeleteTopics(answer) => answer.topics.iter().all(|of| of.error.is_ok()),
        Response::UnregisterBroker(answer) => answer.error.is_ok(),
        Response::AlterClientQuotas(answer) => answer.entries.iter().all(|of| of.error.is_ok()),
        Response::AlterPartitionReassignments(answer) => {
            answer.error.is_ok() && answer.partitions.iter().all(|(_, error)| error.is_ok())
        }
        Response::AlterPartition(answer) => {
            let refused = answer.partitions.iter().any(|told| !told.error.is_ok());
            answer.error.is_ok() && !refused
        }
        answer => fencing::is_taken(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::registered;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::metadata::{MetadataRecord, RegisterBrokerRecord};
    use stormglass_broker_core::protocol::{InitProducerIdResponse, ListGroupsResponse};

    #[test]
    fn clients_are_told_of_brokers_that_are_not_fenced() {
        let mut image = MetadataImage::default();
        for (id, fenced) in [(1, false), (2, true), (3, false)] {
            let record = RegisterBrokerRecord {
                rack: (id == 1).then(|| "a".into()),
                fenced,
                in_controlled_shutdown: id == 3,
                ..registered(id)
            };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        let rack = || Some(Arc::from("a"));
        let (one, two, three) = ((NodeId(1), rack()), (NodeId(2), None), (NodeId(3), None));
        assert!(names_alive(&image, &[one.clone(), three.clone()]));
        assert!(!names_alive(&image, &[one.clone(), two, three.clone()]), "one is fenced");
        assert!(!names_alive(&image, std::slice::from_ref(&one)), "who is about to end is there");
        assert!(!names_alive(&image, &[(NodeId(1), None), three.clone()]), "its rack is gone");
        assert!(!names_alive(&image, &[one.clone(), three, one]), "it is named twice");
    }

    #[test]
    fn a_fenced_broker_is_let_in_once_it_knows_of_its_registration() {
        let mut image = MetadataImage::default();
        let record = RegisterBrokerRecord { epoch: 20, fenced: true, ..registered(1) };
        image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        let fenced = image.broker(NodeId(1)).unwrap();
        let request = BrokerHeartbeatRequest {
            broker: NodeId(1),
            broker_epoch: 20,
            current_metadata_offset: 20,
            want_fence: false,
            want_shut_down: false,
        };
        let unfenced = BrokerImage { fenced: false, ..fenced.clone() };
        let ready = Fenced::heard(fenced, &request).unwrap();
        assert!(ready.may_be(&unfenced) && !ready.may_be(fenced));
        assert!(ready.may_be(&BrokerImage { epoch: 30, ..fenced.clone() }), "in another life");
        let asked = |change: &dyn Fn(&mut BrokerHeartbeatRequest)| {
            let mut asked = request;
            change(&mut asked);
            Fenced::heard(fenced, &asked)
        };
        assert_eq!(asked(&|asked| asked.want_fence = true), None, "it wants to stay so");
        assert_eq!(asked(&|asked| asked.want_shut_down = true), None);
        assert_eq!(asked(&|asked| asked.broker_epoch = 10), None, "of another life");
        let behind = asked(&|asked| asked.current_metadata_offset = 19).unwrap();
        assert!(behind.may_be(fenced) && !behind.may_be(&unfenced));
        assert_eq!(Fenced::heard(&unfenced, &request), None, "nothing is to come");
    }

    #[test]
    fn who_has_not_read_all_groups_lists_none() {
        let of = |loaded: &[bool]| {
            let view = |(is_loaded, partition)| CoordinatorView { partition, epoch: 3, is_loaded };
            unread(&loaded.iter().copied().zip(0..).map(view).collect::<Vec<_>>())
        };
        assert_eq!((of(&[]), of(&[true, true])), (None, None));
        assert!(of(&[true, false]).is_some());
        let lists = |error| Response::ListGroups(ListGroupsResponse { error, groups: Vec::new() });
        assert!(is_taken(&lists(ErrorCode::None)));
        assert!(!is_taken(&lists(ErrorCode::CoordinatorLoadInProgress)));
    }

    #[test]
    fn epochs_that_producers_get_are_seen() {
        let given = |error, producer_epoch| {
            let answer = InitProducerIdResponse { error, producer_id: 7, producer_epoch };
            given_epoch(&Response::InitProducerId(answer))
        };
        assert_eq!(given(ErrorCode::None, i16::MAX), Some(i16::MAX));
        assert_eq!(given(ErrorCode::ProducerFenced, -1), None);
    }
}
