//! UpdateFeatures (KIP-584; Kafka's `FeatureControlManager`), and what a new cluster begins with.
//! All nodes are taken to be of one release.

use super::state::Controller;
use crate::error::ErrorCode;
use crate::features::{Feature, METADATA_VERSION, metadata_would_be_lost};
use crate::metadata::MetadataRecord;
use crate::protocol::{
    FeatureDirection, FeatureUpdate, Response, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use std::sync::Arc;

impl Controller {
    /// Levels of a cluster that has none yet.
    pub(super) fn stage_first_levels(&mut self) {
        if self.image.feature(METADATA_VERSION).is_some() {
            return;
        }
        for (name, level) in self.features.iter().copied() {
            self.stage(MetadataRecord::FeatureLevel { name: name.into(), level });
        }
    }

    pub(super) fn update_features(&mut self, request: &UpdateFeaturesRequest) -> Response {
        let response = match request.updates.iter().try_for_each(|update| self.check(update)) {
            Err(message) => {
                let error = ErrorCode::InvalidUpdateVersion;
                UpdateFeaturesResponse::refused(error, Some(message.into()))
            }
            Ok(()) => {
                if !request.validate_only {
                    request.updates.iter().for_each(|update| self.stage_level(update));
                }
                let updated = request.updates.iter().map(|update| Arc::clone(&update.name));
                let (error, message) = (ErrorCode::None, None);
                UpdateFeaturesResponse { error, message, updated: updated.collect() }
            }
        };
        Response::UpdateFeatures(Box::new(response))
    }

    fn stage_level(&mut self, update: &FeatureUpdate) {
        if self.image.feature(&update.name) != Some(update.level) {
            let (name, level) = (Arc::clone(&update.name), update.level);
            self.stage(MetadataRecord::FeatureLevel { name, level });
        }
    }

    fn check(&self, update: &FeatureUpdate) -> Result<(), String> {
        let FeatureUpdate { name, level, direction } = update;
        let wrong =
            |why: &str| Err(format!("Invalid update version {level} for feature {name}. {why}"));
        let current = self.image.feature(name).unwrap_or(0);
        if *direction == FeatureDirection::Unknown {
            return wrong("The controller does not support the given upgrade type.");
        }
        if *level < 0 {
            return wrong("A feature version cannot be less than 0.");
        }
        let controller = self.node.0;
        let Some(Feature { min, max, .. }) = Feature::find(name) else {
            return wrong(&format!("Local controller {controller} does not support this feature."));
        };
        if !(min..=max).contains(level) {
            return wrong(&format!(
                "Local controller {controller} only supports versions {min}-{max}"
            ));
        }
        match direction {
            FeatureDirection::Upgrade if *level < current => wrong(
                "Can't downgrade the version of this feature without setting the upgrade type to \
                 either safe or unsafe downgrade.",
            ),
            FeatureDirection::SafeDowngrade | FeatureDirection::UnsafeDowngrade
                if *level > current =>
            {
                wrong("Can't downgrade to a newer version.")
            }
            _ if &**name == METADATA_VERSION && metadata_would_be_lost(current, *level) => {
                let why = match direction {
                    FeatureDirection::UnsafeDowngrade => {
                        "Unsafe metadata downgrade is not supported in this version."
                    }
                    _ => {
                        "Refusing to perform the requested downgrade because it might delete \
                         metadata information."
                    }
                };
                Err(format!("Invalid metadata.version {level}. {why}"))
            }
            _ => Ok(()),
        }
    }
}
