//! Whoever wants no answer to what it produces hears of a failure as its connection ends (Kafka's
//! `KafkaApis.handleProduceRequest`): it would go on to send to who does not lead any more, and all of that would be
//! lost, until its metadata is too old.

use super::Says;
use stormglass_broker_core::ids::TopicPartition;

/// A broker says nothing to who has produced, and `closes` the connection or does not. `unled`: partitions that it had
/// to refuse, as others lead them; `objection`: why it had to refuse a batch.
pub(super) fn answer(
    says: &mut Says<'_>,
    node: i32,
    (unled, objection): (&[TopicPartition], Option<&str>),
    closes: bool,
) {
    let has_failed = !unled.is_empty() || objection.is_some();
    says.rule(closes || !has_failed, &|| {
        format!(
            "broker {node} keeps a connection, and does not answer what it cannot have taken there: {unled:?} are led \
             by others, {objection:?}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken_by;
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn a_failure_that_nobody_is_told_of_ends_the_connection() {
        let broken = |unled: &[TopicPartition], objection, closes| {
            broken_by(|says| answer(says, 1, (unled, objection), closes))
        };
        assert_eq!(broken(&[tp(0)], None, false), 1);
        assert_eq!(broken(&[], Some("it is too large"), false), 1);
        assert_eq!(broken(&[tp(0)], None, true) + broken(&[], Some("it is too large"), true), 0);
        assert_eq!(broken(&[], None, false), 0, "all is written");
        assert_eq!(broken(&[], None, true), 0, "its disk has failed, say");
    }
}
