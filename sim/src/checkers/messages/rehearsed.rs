//! Who only asks if a change could be made (`validate_only`) changes nothing (KAFKA-13861).

use super::undone::resource;
use super::{Says, Speaker};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, TopicId};
use stormglass_broker_core::metadata::{ConfigResource, MetadataImage};
use stormglass_broker_core::protocol::Request;

/// Keys and values.
type Configs = Option<BTreeMap<Arc<str>, Arc<str>>>;

/// Such a request, and what an active controller has of what it names, before it is handled.
#[derive(Debug)]
pub(super) struct Rehearsed {
    node: i32,
    /// In which that is active.
    epoch: LeaderEpoch,
    asked: Request,
    had: Has,
}

/// What metadata has of what a request names, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Has {
    /// Ids, and numbers of partitions.
    topics: Vec<Option<(TopicId, usize)>>,
    configs: Vec<Configs>,
}

impl Rehearsed {
    /// A node begins to work on a request.
    pub(super) fn of((node, broker): (i32, &Broker), request: &Request) -> Option<Self> {
        if !is_rehearsal(request) {
            return None;
        }
        let by = broker.active_view()?;
        let had = Has::of(by.image, request);
        Some(Self { node, epoch: by.epoch, asked: request.clone(), had })
    }

    /// It has been handled.
    pub(super) fn changes_nothing(&self, says: &mut Says<'_>, by: Speaker<'_>) {
        let view = by.broker.active_view().filter(|view| view.epoch == self.epoch);
        let Some(view) = view.filter(|_| by.node == self.node) else { return };
        let has = Has::of(view.image, &self.asked);
        says.rule(has == self.had, &|| {
            format!(
                "controller {} is asked if a change could be made, and makes it: {:?}, of {:?} it makes {has:?}",
                by.node, self.asked, self.had
            )
        });
    }
}

fn is_rehearsal(request: &Request) -> bool {
    match request {
        Request::CreateTopics(asked) => asked.validate_only,
        Request::CreatePartitions(asked) => asked.validate_only,
        Request::AlterConfigs(asked) => asked.validate_only,
        _ => false,
    }
}

impl Has {
    fn of(image: &MetadataImage, request: &Request) -> Self {
        let mut has = Self::default();
        match request {
            Request::CreateTopics(asked) => {
                asked.topics.iter().for_each(|topic| has.note(image, &topic.name));
            }
            Request::CreatePartitions(asked) => {
                asked.topics.iter().for_each(|topic| has.note(image, &topic.name));
            }
            Request::AlterConfigs(asked) => {
                let named = asked.resources.iter().filter_map(|of| resource(&of.target));
                has.configs.extend(named.map(|of| image.configs(&of).cloned()));
            }
            _ => {}
        }
        has
    }

    fn note(&mut self, image: &MetadataImage, name: &Arc<str>) {
        let known = image.topic_named(name);
        self.topics.push(known.map(|topic| (topic.id, topic.partitions.len())));
        let own = ConfigResource::Topic(Arc::clone(name));
        self.configs.push(image.configs(&own).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::unclean::testing;
    use stormglass_broker_core::protocol::{
        AlterConfigsRequest, AlteredResource, ConfigTarget, CreatePartitionsRequest, NewPartitions,
    };

    fn grows(validate_only: bool) -> Request {
        let topics = vec![NewPartitions { name: "t".into(), count: 2, assignments: None }];
        Request::CreatePartitions(CreatePartitionsRequest { topics, validate_only })
    }

    #[test]
    fn partitions_that_were_only_asked_about_are_seen() {
        let one: testing::State<'_> = (&[1], &[1], &[], Some(1));
        let before = testing::image(&[1], &[one]);
        let after = testing::image(&[1], &[one, one]);
        assert!(is_rehearsal(&grows(true)) && !is_rehearsal(&grows(false)));
        assert_eq!(Has::of(&before, &grows(true)), Has::of(&before, &grows(true)));
        assert_ne!(Has::of(&before, &grows(true)), Has::of(&after, &grows(true)));
    }

    #[test]
    fn so_are_configs() {
        let target = ConfigTarget { kind: ConfigTarget::TOPIC, name: "t".into() };
        let resources = vec![AlteredResource { target, replace: false, changes: Vec::new() }];
        let asked = Request::AlterConfigs(AlterConfigsRequest { resources, validate_only: true });
        let before = testing::image(&[1], &[]);
        let mut after = testing::image(&[1], &[]);
        testing::enable(&mut after, ConfigResource::Topic("t".into()), "true");
        assert!(is_rehearsal(&asked));
        assert_ne!(Has::of(&before, &asked), Has::of(&after, &asked));
    }
}
