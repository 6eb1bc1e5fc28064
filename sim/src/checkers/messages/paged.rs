//! A listing of partitions in pages leaves none out: each page goes on where it was asked to, and names as the next
//! place none that is behind a partition which has not been listed (KIP-966).

use super::Says;
use std::collections::BTreeSet;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::metadata::MetadataImage;
use stormglass_broker_core::protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};

/// A topic's name, and a partition of it: listings are in this order.
type Place<'a> = (&'a str, i32);

/// A broker lists partitions of its metadata.
pub(super) fn answer(
    says: &mut Says<'_>,
    (node, broker): (i32, &Broker),
    asked: &DescribeTopicPartitionsRequest,
    answer: &DescribeTopicPartitionsResponse,
) {
    let is_refused = answer.topics.iter().any(|of| of.error == ErrorCode::InvalidRequest)
        || asked.cursor.as_ref().is_some_and(|from| from.partition < 0);
    let Some(image) = broker.metadata().filter(|_| !is_refused) else { return };
    let due = due(image, asked);
    let listed = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (&*topic.name, partition.index))
    });
    let listed: Vec<Place<'_>> = listed.collect();
    let next = answer.next.as_ref().map(|next| (&*next.topic, next.partition));
    let most = usize::try_from(asked.partition_limit).unwrap_or(0).max(1);
    says.rule(listed.len() <= most && goes_on(&due, &listed, next), &|| {
        format!(
            "broker {node} is asked for {most} of {due:?}, lists {listed:?}, and goes on with {next:?}"
        )
    });
}

/// All that is to be listed, on this page or a later one.
fn due<'a>(image: &'a MetadataImage, asked: &'a DescribeTopicPartitionsRequest) -> Vec<Place<'a>> {
    let all = image.topics().filter(|_| asked.topics.is_empty()).map(|topic| &*topic.name);
    let names: BTreeSet<&str> = all.chain(asked.topics.iter().map(|name| &**name)).collect();
    let from = asked.cursor.as_ref().map(|from| (&*from.topic, from.partition));
    let places = names.into_iter().filter_map(|name| image.topic_named(name)).flat_map(|topic| {
        (0..).zip(&topic.partitions).map(move |(index, _)| (&*topic.name, index))
    });
    places.filter(|place| from.is_none_or(|from| *place >= from)).collect()
}

/// Whether a page begins with what is due, and the next one does with what is left.
fn goes_on(due: &[Place<'_>], listed: &[Place<'_>], next: Option<Place<'_>>) -> bool {
    let left = due.get(listed.len());
    let is_first = due.starts_with(listed) && (!listed.is_empty() || due.is_empty());
    is_first
        && match (left, next) {
            (None, None) => true,
            (Some(_), None) => false,
            // topics that are not known may be what is left
            (left, Some(next)) => {
                left.is_none_or(|left| next <= *left)
                    && listed.last().is_none_or(|last| *last < next)
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: [Place<'static>; 4] = [("a", 1), ("a", 2), ("b", 0), ("b", 1)];

    #[test]
    fn a_page_goes_on_where_the_one_before_has_ended() {
        assert!(goes_on(&DUE, &DUE, None) && goes_on(&[], &[], None));
        assert!(goes_on(&DUE, &DUE[..1], Some(("a", 2))));
        assert!(goes_on(&DUE, &DUE[..2], Some(("b", 0))));
        assert!(goes_on(&DUE, &DUE, Some(("c", 0))), "one that is not known");
    }

    #[test]
    fn nothing_is_left_out_or_listed_again() {
        assert!(!goes_on(&DUE, &DUE[..1], Some(("b", 0))), "a-2 is left out");
        assert!(!goes_on(&DUE, &DUE[..2], None), "there is more");
        assert!(!goes_on(&DUE, &DUE[1..], None), "a-1 is left out");
        assert!(!goes_on(&DUE, &DUE[..2], Some(("a", 2))), "for ever");
        assert!(!goes_on(&DUE, &[], Some(("a", 1))), "nor does this end");
    }
}
