//! Levels of features.

use super::rig::Rig;
use crate::error::ErrorCode;
use crate::protocol::{
    FeatureDirection, FeatureUpdate, Request, Response, UpdateFeaturesRequest,
    UpdateFeaturesResponse,
};
use FeatureDirection::{SafeDowngrade, Unknown, UnsafeDowngrade, Upgrade};

type Update = (&'static str, i16, FeatureDirection);

impl Rig {
    fn update(&mut self, updates: &[Update], validate_only: bool) -> UpdateFeaturesResponse {
        let updates = updates.iter().map(|(name, level, direction)| FeatureUpdate {
            name: (*name).into(),
            level: *level,
            direction: *direction,
        });
        let request = UpdateFeaturesRequest { updates: updates.collect(), validate_only };
        match self.ask(Request::UpdateFeatures(request)) {
            Response::UpdateFeatures(response) => *response,
            other => panic!("{other:?}"),
        }
    }

    fn levels(&self) -> Vec<(String, i16)> {
        let levels = self.controller.image().features();
        levels.map(|(name, level)| (name.to_string(), level)).collect()
    }
}

#[test]
fn a_cluster_begins_with_what_it_is_told() {
    assert_eq!(Rig::new().levels(), [("metadata.version".to_owned(), 21)]);
    let rig = Rig::with_features(crate::features::NEWEST);
    let expected = [("group.version", 1), ("metadata.version", 27), ("transaction.version", 2)];
    assert_eq!(rig.levels(), expected.map(|(name, level)| (name.to_owned(), level)));
}

#[test]
fn levels_go_up_and_down_when_that_is_asked_for() {
    let mut rig = Rig::new();
    let answer = rig.update(&[("transaction.version", 2, Upgrade)], false);
    assert_eq!((answer.error, answer.updated.len()), (ErrorCode::None, 1));
    assert_eq!(rig.controller.image().feature("transaction.version"), Some(2));
    let refused = rig.update(&[("transaction.version", 0, Upgrade)], false);
    assert_eq!(refused.error, ErrorCode::InvalidUpdateVersion);
    assert!(refused.message.unwrap().contains("without setting the upgrade type"));
    for direction in [SafeDowngrade, UnsafeDowngrade] {
        assert!(rig.update(&[("transaction.version", 1, direction)], false).error.is_ok());
    }
    assert_eq!(rig.controller.image().feature("transaction.version"), Some(1));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut rig = Rig::new();
    let wrong: [(Update, &str); 6] = [
        (("group.version", 2, Upgrade), "Local controller 0 only supports versions 0-1"),
        (("group.version", -1, Upgrade), "cannot be less than 0"),
        (("group.version", 1, Unknown), "does not support the given upgrade type"),
        (("group.version", 1, SafeDowngrade), "Can't downgrade to a newer version"),
        (("kraft.version", 1, Upgrade), "Local controller 0 does not support this feature"),
        (("metadata.version", 20, SafeDowngrade), "only supports versions 21-27"),
    ];
    for (update, why) in wrong {
        let answer = rig.update(&[update], false);
        assert_eq!(answer.error, ErrorCode::InvalidUpdateVersion, "{update:?}");
        assert!(answer.message.as_ref().unwrap().contains(why), "{answer:?}");
    }
    assert!(rig.update(&[("metadata.version", 21, Upgrade)], false).error.is_ok(), "it is there");
}

/// Kafka's records may have eligible leader replicas from 23 on, and none below.
#[test]
fn metadata_goes_up_and_down_where_nothing_is_lost() {
    let mut rig = Rig::new();
    let mut level = |level, direction| {
        let answer = rig.update(&[("metadata.version", level, direction)], false);
        (answer.error, answer.message.unwrap_or_default())
    };
    for (to, direction) in [(22, Upgrade), (21, SafeDowngrade), (27, Upgrade), (23, SafeDowngrade)]
    {
        assert_eq!(level(to, direction).0, ErrorCode::None, "{to}");
    }
    for (to, direction, why) in [
        (22, SafeDowngrade, "might delete metadata information"),
        (21, UnsafeDowngrade, "Unsafe metadata downgrade is not supported"),
        (28, Upgrade, "only supports versions 21-27"),
    ] {
        let (error, message) = level(to, direction);
        assert_eq!(error, ErrorCode::InvalidUpdateVersion, "{to}");
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(rig.controller.image().feature("metadata.version"), Some(23));
}

#[test]
fn all_features_are_updated_or_none() {
    let mut rig = Rig::new();
    let before = rig.levels();
    let both = [("group.version", 1, Upgrade), ("transaction.version", 9, Upgrade)];
    assert_eq!(rig.update(&both, false).error, ErrorCode::InvalidUpdateVersion);
    let valid = [("group.version", 1, Upgrade), ("transaction.version", 1, Upgrade)];
    assert!(rig.update(&valid, true).error.is_ok());
    assert_eq!(rig.levels(), before, "it was only checked");
    assert!(rig.update(&valid, false).error.is_ok());
    assert_eq!(rig.levels().len(), 3);
}
