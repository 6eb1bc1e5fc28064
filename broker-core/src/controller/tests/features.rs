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
    let expected = [("group.version", 1), ("metadata.version", 21), ("transaction.version", 2)];
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
    assert!(refused.message.unwrap().contains("a downgrade must be asked for"));
    for direction in [SafeDowngrade, UnsafeDowngrade] {
        assert!(rig.update(&[("transaction.version", 1, direction)], false).error.is_ok());
    }
    assert_eq!(rig.controller.image().feature("transaction.version"), Some(1));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut rig = Rig::new();
    let wrong: [(Update, &str); 6] = [
        (("group.version", 2, Upgrade), "brokers can work with levels 0 to 1"),
        (("group.version", -1, Upgrade), "levels begin at 0"),
        (("group.version", 1, Unknown), "the direction of the change is not known"),
        (("group.version", 1, SafeDowngrade), "it is at 0, which is no downgrade"),
        (("kraft.version", 1, Upgrade), "no broker has this feature"),
        (("metadata.version", 20, SafeDowngrade), "brokers can work with levels 21 to 21"),
    ];
    for (update, why) in wrong {
        let answer = rig.update(&[update], false);
        assert_eq!(answer.error, ErrorCode::InvalidUpdateVersion, "{update:?}");
        assert!(answer.message.as_ref().unwrap().contains(why), "{answer:?}");
    }
    assert!(rig.update(&[("metadata.version", 21, Upgrade)], false).error.is_ok(), "it is there");
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
