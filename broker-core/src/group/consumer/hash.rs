//! The hash of the topics that a group reads (KIP-1101): where it changes, the group gets a new epoch. What is hashed,
//! and in which order, is as in Kafka (`Utils.computeTopicHash` and `computeGroupHash`), whose hash4j puts numbers
//! with the lowest byte first, and texts in UTF-16, with the number of its units after them.

use crate::metadata::{MetadataImage, TopicImage};
use bytes::BufMut;
use twox_hash::XxHash3_64;

/// Version of what a topic's hash is made of (`TOPIC_HASH_MAGIC_BYTE`).
const MAGIC: u8 = 0;

/// The hash of topics that come in order of name; 0 of none.
pub(super) fn of_topics<'a>(
    image: &MetadataImage,
    topics: impl Iterator<Item = &'a TopicImage>,
) -> i64 {
    let mut out = Vec::new();
    topics.for_each(|topic| out.put_i64_le(of_topic(image, topic)));
    if out.is_empty() { 0 } else { xxh3(&out) }
}

/// Its id, name and size, and where replicas of each partition are, as far as their brokers are registered and say it.
fn of_topic(image: &MetadataImage, topic: &TopicImage) -> i64 {
    let mut out = Vec::new();
    out.put_u8(MAGIC);
    out.put_u64_le((topic.id.0 >> 64) as u64);
    out.put_u64_le(topic.id.0 as u64);
    put_text(&mut out, &topic.name);
    put_count(&mut out, topic.partitions.len());
    for (index, partition) in topic.partitions.iter().enumerate() {
        put_count(&mut out, index);
        let brokers = partition.replicas.iter().filter_map(|replica| image.broker(*replica));
        let mut racks: Vec<&str> = brokers.filter_map(|broker| broker.rack.as_deref()).collect();
        racks.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        for rack in racks {
            put_count(&mut out, rack.encode_utf16().count());
            put_text(&mut out, rack);
        }
    }
    xxh3(&out)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    text.encode_utf16().for_each(|unit| out.put_u16_le(unit));
    put_count(out, text.encode_utf16().count());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_i32_le(i32::try_from(count).unwrap_or(i32::MAX));
}

fn xxh3(bytes: &[u8]) -> i64 {
    XxHash3_64::oneshot(bytes).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NodeId, TopicId, TopicPartition};
    use crate::metadata::{MetadataRecord, PartitionRecord, RegisterBrokerRecord};

    const ID: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;

    /// A topic whose partitions have replicas on brokers, which are in these racks; broker 0 says nothing of a rack.
    fn cluster(
        (id, name): (u128, &str),
        racks: &[&str],
        replicas: &[&[i32]],
        image: &mut MetadataImage,
    ) {
        let racks = std::iter::once(None).chain(racks.iter().map(|rack| Some((*rack).into())));
        for (broker, rack) in (0..).zip(racks) {
            let record = RegisterBrokerRecord {
                broker: NodeId(broker),
                incarnation: 1,
                epoch: 1,
                rack,
                endpoint: None,
                fenced: true,
                in_controlled_shutdown: false,
            };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        let id = TopicId(id);
        image.apply(&MetadataRecord::Topic { name: name.into(), id }).unwrap();
        for (index, replicas) in (0..).zip(replicas) {
            let nodes: Vec<_> = replicas.iter().map(|node| NodeId(*node)).collect();
            let record = PartitionRecord::in_sync(TopicPartition::new(id, index), &nodes);
            image.apply(&MetadataRecord::Partition(record)).unwrap();
        }
    }

    fn hash((id, name): (u128, &str), racks: &[&str], replicas: &[&[i32]]) -> i64 {
        let mut image = MetadataImage::default();
        cluster((id, name), racks, replicas, &mut image);
        of_topic(&image, image.topic(TopicId(id)).unwrap())
    }

    /// By xxHash 0.8's own XXH3, over bytes as hash4j puts them.
    #[test]
    fn topics_have_kafkas_hashes() {
        let racks = ["rack0", "rack1", "rack2"];
        assert_eq!(hash((ID, "foo"), &racks, &[&[2, 1], &[3, 2]]), 4_231_092_367_357_902_416);
        assert_eq!(hash((1, "a"), &[], &[&[0], &[9]]), 7_574_461_831_023_229_965, "no racks known");
        let azs = ["az-a", "az-b", "az-c"];
        let all: [&[i32]; 6] = [&[1, 2, 3]; 6];
        assert_eq!(hash((7, "orders"), &azs, &all), 4_666_765_156_589_774_851, "a long one");
        let odd = ["\u{e000}", "\u{1f600}"];
        assert_eq!(hash((ID, "foo"), &odd, &[&[1, 2]]), 4_767_223_826_197_171_634, "as Java sorts");
    }

    #[test]
    fn groups_have_kafkas_hashes() {
        let mut image = MetadataImage::default();
        let racks = ["r1", "r2"];
        cluster((ID, "a"), &racks, &[&[0]], &mut image);
        let topics = |image: &MetadataImage| of_topics(image, image.topics());
        assert_eq!(topics(&MetadataImage::default()), 0);
        assert_eq!(topics(&image), 3_470_684_412_542_478_659);
        cluster((ID + 1, "b"), &racks, &[&[2, 1], &[1]], &mut image);
        assert_eq!(topics(&image), 7_763_702_968_311_540_577);
    }

    #[test]
    fn partitions_and_racks_count_and_nothing_else() {
        let azs = ["az-a", "az-b", "az-b"];
        let of = |replicas: &[&[i32]]| hash((7, "orders"), &azs, replicas);
        assert_eq!(of(&[&[1], &[2]]), 2_895_682_666_694_345_781);
        assert_eq!(of(&[&[1], &[3]]), of(&[&[1], &[2]]), "another broker in the same rack");
        assert_eq!(of(&[&[2], &[2]]), -2_184_263_701_887_668_190, "another rack");
        assert_ne!(of(&[&[1], &[2], &[1]]), of(&[&[1], &[2]]));
    }
}
