//! ListConfigResources (key 74, KIP-1142): topics, brokers, and groups with configs of their own.
//! There are no client metrics.

use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::{
    ConfigTarget, ListConfigResourcesRequest, ListConfigResourcesResponse, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &ListConfigResourcesRequest,
) {
    let resources = list(&role.image, &request.kinds);
    let response = ListConfigResourcesResponse { resources };
    step.reply(to, Response::ListConfigResources(response));
}

fn list(image: &MetadataImage, kinds: &[i8]) -> Vec<ConfigTarget> {
    let target = |kind| move |name: Arc<str>| ConfigTarget { kind, name };
    let topics = image.topics().map(|topic| Arc::clone(&topic.name));
    let brokers = image.brokers().map(|(id, _)| id.to_string().into());
    let groups = image.configured().filter_map(|resource| match resource {
        ConfigResource::Group(id) => Some(Arc::clone(id)),
        ConfigResource::Topic(_) | ConfigResource::Broker(_) | ConfigResource::AllBrokers => None,
    });
    let all = topics
        .map(target(ConfigTarget::TOPIC))
        .chain(brokers.map(target(ConfigTarget::BROKER)))
        .chain(groups.map(target(ConfigTarget::GROUP)));
    all.filter(|of| kinds.is_empty() || kinds.contains(&of.kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataRecord;

    #[test]
    fn groups_with_configs_are_found() {
        let mut image = MetadataImage::default();
        let record = MetadataRecord::Config {
            resource: ConfigResource::Group("billing".into()),
            key: "consumer.session.timeout.ms".into(),
            value: Some("50000".into()),
        };
        image.apply(&record).unwrap();
        let billing = ConfigTarget { kind: ConfigTarget::GROUP, name: "billing".into() };
        assert_eq!(list(&image, &[ConfigTarget::GROUP]), list(&image, &[]));
        assert_eq!(list(&image, &[]), [billing]);
        assert_eq!(list(&image, &[ConfigTarget::TOPIC]), []);
    }
}
