//! A group that is there is not said to be missing, and one without members not to have some: whoever wants to delete it,
//! or positions of it, would give up.

use super::{Says, Speaker};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::inspect::GroupStandingView;
use stormglass_broker_core::protocol::{Request, Response};

/// A group that is to be deleted, or that is to lose positions, as its coordinator is asked.
#[derive(Debug)]
pub(super) struct Found {
    group: Arc<str>,
    standing: GroupStandingView,
}

/// `None`: it is not there, or is to be deleted several times at once.
pub(super) fn of(broker: &Broker, request: &Request) -> Option<Found> {
    let group = match request {
        Request::DeleteGroups(asked) => match &*asked.groups {
            [group] => group,
            _ => return None,
        },
        Request::OffsetDelete(asked) => &asked.group,
        _ => return None,
    };
    let standing = broker.group_standing(group)?;
    Some(Found { group: Arc::clone(group), standing })
}

impl Found {
    /// The coordinator answers.
    pub(super) fn answered(&self, says: &mut Says<'_>, by: Speaker<'_>, answer: &Response) {
        let Self { group, standing } = self;
        let told = match answer {
            Response::DeleteGroups(answer) => answer.groups.first().map(|(_, error)| *error),
            Response::OffsetDelete(answer) => Some(answer.error),
            _ => None,
        };
        says.rule(told.is_none_or(|told| has_reason(*standing, told)), &|| {
            format!("coordinator {} says {told:?} of group {group}: {standing:?}", by.node)
        });
    }
}

/// Whether a group may be refused so.
fn has_reason(standing: GroupStandingView, told: ErrorCode) -> bool {
    match told {
        ErrorCode::GroupIdNotFound => standing.is_dead,
        ErrorCode::NonEmptyGroup => !standing.is_empty,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_missing_once_it_is_being_deleted() {
        let of =
            |is_empty, is_dead, told| has_reason(GroupStandingView { is_empty, is_dead }, told);
        let (missing, has_members) = (ErrorCode::GroupIdNotFound, ErrorCode::NonEmptyGroup);
        assert!(of(false, true, missing) && of(false, false, has_members));
        assert!(!of(true, false, missing) && !of(false, false, missing));
        assert!(!of(true, false, has_members));
        assert!(of(true, false, ErrorCode::None) && of(true, false, ErrorCode::NotCoordinator));
    }
}
