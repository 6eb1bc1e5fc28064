//! Who changes one config, or one quota, changes no other: those that a request does not name stay as they are, unless
//! it says that it names all (the older AlterConfigs).

use super::undone::resource;
use stormglass_broker_core::metadata::{MetadataImage, QuotaOwner};
use stormglass_broker_core::protocol::{
    AlterQuotas, AlteredResource, ConfigChange, ConfigOp, Request,
};

/// Adds to a change what it leaves as it is in the metadata before it, as if that were to be set once more.
pub(super) fn stays(image: &MetadataImage, asked: &mut Request) {
    match asked {
        Request::AlterConfigs(asked) => {
            asked.resources.iter_mut().for_each(|altered| configs(image, altered));
        }
        Request::AlterClientQuotas(asked) => {
            asked.entries.iter_mut().for_each(|alter| quotas(image, alter));
        }
        _ => {}
    }
}

fn configs(image: &MetadataImage, altered: &mut AlteredResource) {
    let known = resource(&altered.target).and_then(|resource| image.configs(&resource));
    for (key, value) in known.into_iter().flatten() {
        if altered.changes.iter().any(|change| change.key == *key) {
            continue;
        }
        let (op, value) = match altered.replace {
            true => (ConfigOp::Delete, None),
            false => (ConfigOp::Set, Some(value.clone())),
        };
        // what is set by such a change has no spaces around it
        if value.as_ref().is_none_or(|value| value.trim() == &**value) {
            altered.changes.push(ConfigChange { key: key.clone(), op, value });
        }
    }
}

fn quotas(image: &MetadataImage, alter: &mut AlterQuotas) {
    let Ok(owner) = QuotaOwner::of(&alter.entity) else { return };
    for (key, value) in image.quotas().get(&owner).into_iter().flatten() {
        if !alter.changes.iter().any(|(named, _)| named == key) {
            alter.changes.push((key.clone(), Some(*value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::undone::undone;
    use super::*;
    use stormglass_broker_core::metadata::{ConfigResource, MetadataRecord};
    use stormglass_broker_core::protocol::{
        AlterClientQuotasRequest, AlterConfigsRequest, ConfigTarget, QuotaValue,
    };

    fn image(of: &[MetadataRecord]) -> MetadataImage {
        let mut image = MetadataImage::default();
        of.iter().for_each(|record| image.apply(record).map(drop).unwrap());
        image
    }

    /// Whether what a change has come to is not what it should.
    fn is_wrong(before: &[MetadataRecord], mut asked: Request, after: &[MetadataRecord]) -> bool {
        stays(&image(before), &mut asked);
        undone(&image(after), &asked).is_some()
    }

    #[test]
    fn other_quotas_of_an_owner_stay() {
        let entity = vec![("client-id".into(), Some("a".into()))];
        let owner = QuotaOwner::of(&entity).unwrap();
        let has = |key: &str| MetadataRecord::ClientQuota {
            owner: owner.clone(),
            key: key.into(),
            value: Some(QuotaValue::of(8)),
        };
        let (produces, consumes) = (has("producer_byte_rate"), has("consumer_byte_rate"));
        let ends = || {
            let changes = vec![("producer_byte_rate".into(), None)];
            let entries = vec![AlterQuotas { entity: entity.clone(), changes }];
            Request::AlterClientQuotas(AlterClientQuotasRequest { entries, validate_only: false })
        };
        let before = [produces, consumes.clone()];
        assert!(!is_wrong(&before, ends(), &[consumes]));
        assert!(is_wrong(&before, ends(), &[]), "both are gone");
        assert!(is_wrong(&before, ends(), &before), "neither is");
    }

    #[test]
    fn other_configs_stay_unless_all_are_named() {
        let has = |key: &str| MetadataRecord::Config {
            resource: ConfigResource::Topic("t".into()),
            key: key.into(),
            value: Some("1".into()),
        };
        let sets = |replace| {
            let (op, value) = (ConfigOp::Set, Some("1".into()));
            let changes = vec![ConfigChange { key: "retention.ms".into(), op, value }];
            let target = ConfigTarget { kind: ConfigTarget::TOPIC, name: "t".into() };
            let resources = vec![AlteredResource { target, replace, changes }];
            Request::AlterConfigs(AlterConfigsRequest { resources, validate_only: false })
        };
        let (set, other) = (has("retention.ms"), has("segment.ms"));
        let before = [other.clone()];
        assert!(!is_wrong(&before, sets(false), &[set.clone(), other.clone()]));
        assert!(is_wrong(&before, sets(false), std::slice::from_ref(&set)));
        assert!(!is_wrong(&before, sets(true), std::slice::from_ref(&set)));
        assert!(is_wrong(&before, sets(true), &[set, other]));
    }
}
