use super::super::snapshot::{decode_snapshot, encode_snapshot};
use super::*;
use crate::metadata::RegisterBrokerRecord;
use proptest::prelude::*;

const TOPIC: TopicId = TopicId(77);

fn register(id: i32, epoch: Offset) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker: NodeId(id),
        incarnation: 5,
        epoch,
        rack: Some("a".into()),
        endpoint: None,
        fenced: true,
        in_controlled_shutdown: false,
    })
}

fn partition(topic: TopicId, index: i32) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        tp: TopicPartition::new(topic, index),
        replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
        isr: vec![NodeId(1), NodeId(2)],
        moving: None,
        leader: Some(NodeId(1)),
        recovering: false,
        leader_epoch: 0,
        partition_epoch: 0,
    })
}

fn change(index: i32, leader: LeaderUpdate, isr: &[i32]) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        isr: Some(isr.iter().copied().map(NodeId).collect()),
        leader,
        ..PartitionChangeRecord::new(TopicPartition::new(TOPIC, index))
    })
}

fn built(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for record in records {
        image.apply(record).unwrap();
    }
    image
}

fn base() -> Vec<MetadataRecord> {
    vec![
        register(1, 0),
        MetadataRecord::Topic { name: "t".into(), id: TOPIC },
        partition(TOPIC, 0),
        partition(TOPIC, 1),
    ]
}

#[test]
fn leader_changes_bump_the_leader_epoch_and_every_change_the_partition_epoch() {
    let mut image = built(&base());
    let tp = TopicPartition::new(TOPIC, 1);
    image.apply(&change(1, LeaderUpdate::Unchanged, &[1])).unwrap();
    let state = image.partition(tp).unwrap();
    assert_eq!((state.leader_epoch, state.partition_epoch), (0, 1));
    image.apply(&change(1, LeaderUpdate::NoLeader, &[1])).unwrap();
    let state = image.partition(tp).unwrap();
    assert_eq!((state.leader, state.leader_epoch, state.partition_epoch), (None, 1, 2));
}

#[test]
fn records_that_do_not_fit_are_errors_and_change_nothing() {
    let mut image = built(&base());
    let before = image.clone();
    for record in [
        MetadataRecord::Topic { name: "t".into(), id: TopicId(9) },
        partition(TOPIC, 5),
        partition(TopicId(9), 0),
        change(9, LeaderUpdate::NoLeader, &[]),
        MetadataRecord::RemoveTopic { id: TopicId(9) },
        // a change addressed to an earlier registration (ISR-22)
        MetadataRecord::BrokerRegistrationChange {
            broker: NodeId(1),
            epoch: 99,
            fenced: Some(false),
            in_controlled_shutdown: false,
        },
    ] {
        assert!(image.apply(&record).is_err(), "{record:?}");
    }
    assert_eq!(image, before);
}

#[test]
fn delta_names_what_changed_and_forgets_partitions_of_removed_topics() {
    let mut image = MetadataImage::default();
    let mut delta = MetadataDelta::default();
    image.apply_batch(3, 1, &base(), &mut delta).unwrap();
    assert_eq!((image.offset(), image.epoch()), (3, 1));
    assert_eq!(delta.take().partitions.len(), 2);
    let records =
        [change(0, LeaderUpdate::NoLeader, &[1]), MetadataRecord::RemoveTopic { id: TOPIC }];
    image.apply_batch(5, 1, &records, &mut delta).unwrap();
    assert!(delta.partitions.is_empty());
    assert_eq!(delta.removed_topics[0].partitions.len(), 2);
    assert!(image.topic_named("t").is_none());
}

#[test]
fn replacing_notes_only_differences() {
    let mut image = built(&base());
    let mut other = image.clone();
    other.apply(&change(1, LeaderUpdate::Unchanged, &[1])).unwrap();
    other.apply(&register(2, 8)).unwrap();
    let mut delta = MetadataDelta::default();
    image.replace(other.clone(), &mut delta);
    assert_eq!(image, other);
    assert_eq!(delta.partitions.into_iter().collect::<Vec<_>>(), [TopicPartition::new(TOPIC, 1)]);
    assert_eq!(delta.brokers.into_iter().collect::<Vec<_>>(), [NodeId(2)]);
}

#[test]
fn sixty_thousand_partitions_are_no_problem() {
    let mut image = built(&[MetadataRecord::Topic { name: "t".into(), id: TOPIC }]);
    for index in 0..60_000 {
        image.apply(&partition(TOPIC, index)).unwrap();
    }
    let copy = decode_snapshot(&encode_snapshot(&image)).unwrap();
    assert_eq!(copy, image);
    assert!(copy.partition(TopicPartition::new(TOPIC, 59_999)).is_some());
    assert!(copy.partition(TopicPartition::new(TOPIC, 60_000)).is_none());
}

#[test]
fn a_flipped_bit_in_a_snapshot_is_noticed() {
    let bytes = encode_snapshot(&built(&base()));
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        assert!(decode_snapshot(&damaged).is_err(), "byte {at}");
    }
}

/// Records that mostly fit a cluster of a few brokers and topics.
fn any_record() -> impl Strategy<Value = MetadataRecord> {
    let broker = 0..4_i32;
    let topic = (0..3_u32).prop_map(|n| (format!("t{n}"), TopicId(100 + u128::from(n))));
    prop_oneof![
        (broker.clone(), 0..3_i64).prop_map(|(id, epoch)| register(id, epoch)),
        (broker.clone(), 0..3_i64, any::<Option<bool>>(), any::<bool>()).prop_map(
            |(id, epoch, fenced, in_controlled_shutdown)| {
                MetadataRecord::BrokerRegistrationChange {
                    broker: NodeId(id),
                    epoch,
                    fenced,
                    in_controlled_shutdown,
                }
            }
        ),
        (broker, 0..3_i64)
            .prop_map(|(id, epoch)| MetadataRecord::UnregisterBroker { broker: NodeId(id), epoch }),
        topic.clone().prop_map(|(name, id)| MetadataRecord::Topic { name: name.into(), id }),
        topic.clone().prop_map(|(_, id)| MetadataRecord::RemoveTopic { id }),
        (topic.clone(), 0..3_i32).prop_map(|((_, id), index)| partition(id, index)),
        (topic.clone(), 0..3_i32, any::<Option<bool>>()).prop_map(
            |((_, id), index, recovering)| {
                MetadataRecord::PartitionChange(PartitionChangeRecord {
                    leader: LeaderUpdate::Elected(NodeId(3)),
                    recovering,
                    ..PartitionChangeRecord::new(TopicPartition::new(id, index))
                })
            }
        ),
        (topic, "[ab]", any::<Option<bool>>()).prop_map(|((name, _), key, value)| {
            MetadataRecord::Config {
                resource: ConfigResource::Topic(name.into()),
                key: key.into(),
                value: value.map(|v| v.to_string().into()),
            }
        }),
        (1..9_i64).prop_map(|next_producer_id| MetadataRecord::ProducerIds {
            broker: NodeId(0),
            broker_epoch: 0,
            next_producer_id
        }),
        ("[ab]", any::<i16>())
            .prop_map(|(name, level)| MetadataRecord::FeatureLevel { name: name.into(), level }),
    ]
}

proptest! {
    #[test]
    fn images_survive_a_snapshot(records in prop::collection::vec(any_record(), 0..60)) {
        let mut image = MetadataImage::default();
        let (fit, _): (Vec<_>, Vec<_>) = records.iter().partition(|r| image.apply(r).is_ok());
        image.advance(fit.len() as Offset + 4, 3);
        prop_assert_eq!(decode_snapshot(&encode_snapshot(&image)), Ok(image));
    }

    #[test]
    fn undoing_restores_the_image(
        first in prop::collection::vec(any_record(), 0..40),
        then in prop::collection::vec(any_record(), 0..40),
    ) {
        let mut image = MetadataImage::default();
        for record in &first {
            let _ = image.apply(record);
        }
        let before = image.clone();
        let changes: Vec<_> = then.iter().filter_map(|record| image.apply(record).ok()).collect();
        for change in changes.into_iter().rev() {
            image.undo(change);
        }
        prop_assert_eq!(image, before);
    }
}
