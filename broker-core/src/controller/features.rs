//! UpdateFeatures (KIP-584; Kafka's `FeatureControlManager`), and what a new cluster begins with.
//! All nodes are taken to be of one release.

use super::state::Controller;
use crate::error::ErrorCode;
use crate::features::{Feature, METADATA_VERSION};
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
        let layout = Feature::find(METADATA_VERSION).map(|feature| (feature.name, feature.max));
        for (name, level) in layout.into_iter().chain(self.features.iter().copied()) {
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
        let wrong = |why: &str| Err(format!("{name} cannot be set to {level}: {why}"));
        let current = self.image.feature(name).unwrap_or(0);
        if *direction == FeatureDirection::Unknown {
            return wrong("the direction of the change is not known");
        }
        if *level < 0 {
            return wrong("levels begin at 0");
        }
        let Some(Feature { min, max, .. }) = Feature::find(name) else {
            return wrong("no broker has this feature");
        };
        if !(min..=max).contains(level) {
            return wrong(&format!("brokers can work with levels {min} to {max}"));
        }
        match direction {
            FeatureDirection::Upgrade if *level < current => {
                wrong(&format!("it is at {current}, and a downgrade must be asked for"))
            }
            FeatureDirection::SafeDowngrade | FeatureDirection::UnsafeDowngrade
                if *level > current =>
            {
                wrong(&format!("it is at {current}, which is no downgrade"))
            }
            _ => Ok(()),
        }
    }
}
