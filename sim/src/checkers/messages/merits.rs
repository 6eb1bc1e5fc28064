//! Each topic of a request is made, or refused, for itself: for a reason that is so in the metadata, not for one of
//! another topic (KAFKA-13490), nor for one that is gone (KAFKA-14337). Of configs nothing is said here.

use super::Says;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::metadata::MetadataImage;
use stormglass_broker_core::protocol::{
    CreateTopicsRequest, CreateTopicsResponse, NewTopic, Placement,
};

/// The topic of the quorum.
const METADATA_TOPIC: &str = "__cluster_metadata";
const NAME_LEN_MAX: usize = 249;
/// More partitions than these may be too many.
const PARTITIONS_MAX: i32 = 10_000;

/// A topic that an active controller is asked for.
#[derive(Debug)]
struct Merits {
    name: Arc<str>,
    /// What may be said against it.
    reasons: Vec<ErrorCode>,
    /// Whether it may not be made.
    is_barred: bool,
}

/// All topics of a request.
#[derive(Debug)]
pub(super) struct Asked(Vec<Merits>);

impl Asked {
    /// As a node begins to work on the request. `None`: it is no active controller.
    pub(super) fn of(broker: &Broker, asked: &CreateTopicsRequest) -> Option<Self> {
        let image = broker.active_metadata()?;
        Some(Self(asked.topics.iter().map(|topic| merits(image, asked, topic)).collect()))
    }

    /// It is answered.
    pub(super) fn answered(&self, says: &mut Says<'_>, node: i32, answer: &CreateTopicsResponse) {
        for told in &answer.topics {
            let Some(known) = self.0.iter().find(|of| of.name == told.name) else { continue };
            says.rule(known.is_right(told.error), &|| {
                let (error, why) = (told.error, &told.message);
                format!(
                    "controller {node} answers for one of several topics with {error:?} ({why:?}), and what may be \
                     said against it is {known:?}"
                )
            });
        }
    }
}

impl Merits {
    fn is_right(&self, told: ErrorCode) -> bool {
        use ErrorCode::{
            InvalidPartitions, InvalidReplicaAssignment, InvalidReplicationFactor, InvalidTopic,
            TopicAlreadyExists,
        };
        match told {
            ErrorCode::None => !self.is_barred,
            InvalidPartitions
            | InvalidReplicaAssignment
            | InvalidReplicationFactor
            | InvalidTopic
            | TopicAlreadyExists => self.reasons.contains(&told),
            _ => true,
        }
    }
}

/// What is to be said of a topic, by the metadata before the request.
fn merits(image: &MetadataImage, asked: &CreateTopicsRequest, topic: &NewTopic) -> Merits {
    let mut reasons = Vec::new();
    if image.topic_named(&topic.name).is_some() {
        reasons.push(ErrorCode::TopicAlreadyExists);
    }
    if !is_legal(&topic.name) || collides(image, &topic.name) {
        reasons.push(ErrorCode::InvalidTopic);
    }
    let named = asked.topics.iter().filter(|other| other.name == topic.name);
    let is_named_wrongly = named.count() > 1 || &*topic.name == METADATA_TOPIC;
    let mut is_barred = is_named_wrongly || !reasons.is_empty();
    match topic.placement {
        Placement::Manual(_) => reasons.push(ErrorCode::InvalidReplicaAssignment),
        Placement::Automatic { partitions, replication_factor } => {
            let few = partitions == 0 || partitions < -1;
            if few || partitions > PARTITIONS_MAX {
                reasons.push(ErrorCode::InvalidPartitions);
            }
            // -1: as the configs of the brokers say
            let known = image.brokers().count();
            let factor = usize::try_from(replication_factor);
            let is_possible = factor.is_ok_and(|factor| (1..=known).contains(&factor));
            let is_up = image.brokers().any(|(_, broker)| broker.is_active());
            if !is_possible || !is_up {
                reasons.push(ErrorCode::InvalidReplicationFactor);
            }
            is_barred |= few || !is_possible && replication_factor != -1;
        }
    }
    Merits { name: Arc::clone(&topic.name), reasons, is_barred }
}

/// Whether a topic may be called that (Kafka's `Topic.validate`).
fn is_legal(name: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_long = name.is_empty() || name.len() > NAME_LEN_MAX;
    !is_long && !matches!(name, "." | "..") && name.chars().all(is_known)
}

/// Whether metrics could not tell it from a topic that is there (Kafka's `topicsWithCollisionChars`).
fn collides(image: &MetadataImage, name: &str) -> bool {
    let unified = |name: &str| name.replace('.', "_");
    let own = unified(name);
    own.contains('_') && image.topics().any(|topic| unified(&topic.name) == own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::checkers::unclean::testing;
    use std::collections::BTreeMap;
    use stormglass_broker_core::ids::TopicId;
    use stormglass_broker_core::metadata::MetadataRecord;
    use stormglass_broker_core::protocol::CreatedTopic;

    /// Four brokers, two of which are up, and a topic of this name.
    fn image(name: &str) -> MetadataImage {
        let mut image = testing::image(&[1, 2], &[]);
        let record = MetadataRecord::Topic { name: name.into(), id: TopicId(77) };
        image.apply(&record).unwrap();
        image
    }

    fn asked(names: &[&str], (partitions, replication_factor): (i32, i16)) -> CreateTopicsRequest {
        let topic = |name: &&str| NewTopic {
            name: (*name).into(),
            placement: Placement::Automatic { partitions, replication_factor },
            config: BTreeMap::new(),
        };
        CreateTopicsRequest { topics: names.iter().map(topic).collect(), validate_only: false }
    }

    /// Whether an answer for the last of these topics is right.
    fn is_right(names: &[&str], numbers: (i32, i16), told: ErrorCode) -> bool {
        let (image, asked) = (image("a.b"), asked(names, numbers));
        merits(&image, &asked, asked.topics.last().unwrap()).is_right(told)
    }

    #[test]
    fn a_topic_is_not_refused_for_another_one() {
        use ErrorCode::{InvalidReplicationFactor, NotController, TopicAlreadyExists};
        let told = |error| is_right(&["a.b", "c"], (1, 2), error);
        assert!(told(ErrorCode::None) && told(NotController));
        assert!(!told(TopicAlreadyExists) && !told(InvalidReplicationFactor));
        assert!(is_right(&["c", "a.b"], (1, 2), TopicAlreadyExists));
        assert!(!is_right(&["c", "a.b"], (1, 2), ErrorCode::None), "it is there");
    }

    #[test]
    fn names_collide_with_topics_that_are_there() {
        let told = |name: &str, error| is_right(&[name], (1, 2), error);
        assert!(told("a_b", ErrorCode::InvalidTopic) && !told("a_b", ErrorCode::None));
        assert!(!told("a.c", ErrorCode::InvalidTopic) && told("a.c", ErrorCode::None));
        assert!(!told("a-b", ErrorCode::InvalidTopic), "it is another one in metrics, too");
        assert!(told("a/b", ErrorCode::InvalidTopic) && !told("a/b", ErrorCode::None));
        assert!(is_right(&["a.c", "a_c"], (1, 2), ErrorCode::None), "both are new");
        assert!(!is_right(&["c", "c"], (1, 2), ErrorCode::None), "named twice");
    }

    #[test]
    fn numbers_are_possible_or_refused() {
        use ErrorCode::{InvalidPartitions, InvalidReplicationFactor};
        let told = |numbers, error| is_right(&["c"], numbers, error);
        assert!(told((1, 5), InvalidReplicationFactor) && !told((1, 5), ErrorCode::None));
        assert!(told((0, 2), InvalidPartitions) && !told((0, 2), ErrorCode::None));
        assert!(told((-1, -1), ErrorCode::None), "as configs say");
        assert!(!told((1, 2), InvalidPartitions) && !told((1, 2), InvalidReplicationFactor));
    }

    #[test]
    fn each_topic_of_an_answer_is_looked_at() {
        let (image, asked) = (image("a.b"), asked(&["a.b", "c"], (1, 1)));
        let asked = Asked(asked.topics.iter().map(|of| merits(&image, &asked, of)).collect());
        let broken = |of_second: ErrorCode| {
            let told = |name: &str, error| CreatedTopic::refused(name.into(), error, None);
            let first = told("a.b", ErrorCode::TopicAlreadyExists);
            let answer = CreateTopicsResponse { topics: vec![first, told("c", of_second)] };
            let (mut ledger, history) = (Ledger::default(), History::default());
            let mut says =
                Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
            asked.answered(&mut says, 1, &answer);
            ledger.finish().1.len()
        };
        assert_eq!((broken(ErrorCode::None), broken(ErrorCode::TopicAlreadyExists)), (0, 1));
    }
}
