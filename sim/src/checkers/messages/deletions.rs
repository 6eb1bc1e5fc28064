//! Groups and positions that a coordinator says are deleted are gone.

use super::{Says, Speaker};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::PositionKey;
use stormglass_broker_core::protocol::{Request, Response};

/// Positions that a group has.
type Known = BTreeMap<PositionKey, Offset>;

/// A coordinator answers DeleteGroups or OffsetDelete.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, (asked, answer): (&Request, &Response)) {
    let known = |group: &str| {
        let tp = by.broker.partition_of_group(group);
        tp.map_or_else(Known::new, |tp| by.broker.positions(tp.partition))
    };
    let left = match (asked, answer) {
        (Request::DeleteGroups(_), Response::DeleteGroups(answer)) => {
            let mut gone = answer.groups.iter().filter(|(_, error)| error.is_ok());
            gone.find_map(|(group, _)| left(&known(group), group, |_| true))
        }
        (Request::OffsetDelete(asked), Response::OffsetDelete(answer)) if answer.error.is_ok() => {
            let Some(image) = by.broker.metadata() else { return };
            let gone = answer.partitions.iter().filter(|(_, error)| error.is_ok());
            let name = |(tp, _): &(TopicPartition, _)| {
                Some((Arc::clone(&image.topic(tp.topic)?.name), tp.partition))
            };
            let gone: Vec<_> = gone.filter_map(name).collect();
            left(&known(&asked.group), &asked.group, |place| gone.contains(place))
        }
        _ => return,
    };
    says.rule(left.is_none(), &|| {
        format!("coordinator {} says that positions are deleted, and has {left:?}", by.node)
    });
}

/// A position that a group still has, of those that are gone.
fn left(
    known: &Known,
    group: &str,
    is_gone: impl Fn(&(Arc<str>, i32)) -> bool,
) -> Option<(PositionKey, Offset)> {
    let is_left = |(of, topic, partition): &PositionKey| {
        **of == *group && is_gone(&(Arc::clone(topic), *partition))
    };
    let found = known.iter().find(|(key, _)| is_left(key))?;
    Some((found.0.clone(), *found.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_stay_are_seen() {
        let key = |group: &str, partition| (Arc::from(group), Arc::from("t"), partition);
        let known = Known::from([(key("a", 0), 7), (key("b", 1), 9)]);
        assert_eq!(left(&known, "a", |_| true), Some((key("a", 0), 7)));
        assert_eq!(left(&known, "c", |_| true), None);
        assert_eq!(left(&known, "b", |(_, partition)| *partition == 0), None, "another one");
    }
}
