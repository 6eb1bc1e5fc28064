//! UpdateFeatures (KIP-584).

use crate::error::ErrorCode;
use std::sync::Arc;

/// UpdateFeatures: new levels, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateFeaturesRequest {
    /// Features.
    pub updates: Vec<FeatureUpdate>,
    /// Only checks whether they could be updated.
    pub validate_only: bool,
}

/// A feature's new level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// Name.
    pub name: Arc<str>,
    /// Level; 0 takes the feature away.
    pub level: i16,
    /// Which way it may go.
    pub direction: FeatureDirection,
}

/// Which way a level may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureDirection {
    /// Up.
    Upgrade,
    /// Down, if nothing is lost.
    SafeDowngrade,
    /// Down, even if something is lost.
    UnsafeDowngrade,
    /// Something that this broker does not know.
    Unknown,
}

/// Answer to [`UpdateFeaturesRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateFeaturesResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
    /// What was updated; nothing on error.
    pub updated: Vec<Arc<str>>,
}

impl UpdateFeaturesResponse {
    /// Nothing was updated.
    #[must_use]
    pub fn refused(error: ErrorCode, message: Option<Arc<str>>) -> Self {
        Self { error, message, updated: Vec::new() }
    }
}
