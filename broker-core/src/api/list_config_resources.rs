//! ListConfigResources (key 74, KIP-1142): topics and brokers, and groups and subscriptions to metrics of clients
//! (KIP-714) that have configs.

use crate::error::ErrorCode;
use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::{
    ConfigTarget, ListConfigResourcesRequest, ListConfigResourcesResponse, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

/// What may be asked for (`ListConfigResourcesRequest.supportedResourceTypes`), in the order of the answer.
const KINDS: [i8; 5] = [
    ConfigTarget::GROUP,
    ConfigTarget::CLIENT_METRICS,
    ConfigTarget::BROKER_LOGGER,
    ConfigTarget::BROKER,
    ConfigTarget::TOPIC,
];

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &ListConfigResourcesRequest,
) {
    let is_known = |kind: &i8| KINDS.contains(kind);
    let response = if request.kinds.iter().all(is_known) {
        let resources = list(&role.image, &request.kinds);
        ListConfigResourcesResponse { error: ErrorCode::None, resources }
    } else {
        let error = ErrorCode::UnsupportedVersion;
        ListConfigResourcesResponse { error, resources: Vec::new() }
    };
    step.reply(to, Response::ListConfigResources(response));
}

fn list(image: &MetadataImage, kinds: &[i8]) -> Vec<ConfigTarget> {
    let wanted = KINDS.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind));
    let target = |kind| move |name: Arc<str>| ConfigTarget { kind, name };
    wanted.flat_map(|kind| names(image, kind).into_iter().map(target(kind))).collect()
}

/// Resources of a kind.
fn names(image: &MetadataImage, kind: i8) -> Vec<Arc<str>> {
    match kind {
        ConfigTarget::TOPIC => image.topics().map(|topic| Arc::clone(&topic.name)).collect(),
        ConfigTarget::BROKER | ConfigTarget::BROKER_LOGGER => {
            image.brokers().map(|(id, _)| id.to_string().into()).collect()
        }
        _ => {
            let configured = image.configured().filter_map(|resource| match resource {
                ConfigResource::Group(id) => Some((ConfigTarget::GROUP, id)),
                ConfigResource::ClientMetrics(name) => Some((ConfigTarget::CLIENT_METRICS, name)),
                ConfigResource::Topic(_)
                | ConfigResource::Broker(_)
                | ConfigResource::AllBrokers => None,
            });
            let own = configured.filter(|(of, _)| *of == kind);
            own.map(|(_, name)| Arc::clone(name)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataRecord;

    #[test]
    fn groups_and_subscriptions_with_configs_are_found() {
        let mut image = MetadataImage::default();
        for (resource, key) in [
            (ConfigResource::Group("billing".into()), "consumer.session.timeout.ms"),
            (ConfigResource::ClientMetrics("lag".into()), "interval.ms"),
        ] {
            let value = Some("50000".into());
            let record = MetadataRecord::Config { resource, key: key.into(), value };
            image.apply(&record).unwrap();
        }
        let billing = ConfigTarget { kind: ConfigTarget::GROUP, name: "billing".into() };
        let lag = ConfigTarget { kind: ConfigTarget::CLIENT_METRICS, name: "lag".into() };
        assert_eq!(list(&image, &[ConfigTarget::GROUP]), vec![billing.clone()]);
        assert_eq!(list(&image, &[ConfigTarget::CLIENT_METRICS]), vec![lag.clone()]);
        assert_eq!(list(&image, &[]), [billing, lag]);
        assert_eq!(list(&image, &[ConfigTarget::TOPIC]), []);
    }
}
