//! Members in the classic protocol: who joins with something else than before, or leads a group that is settled, is in
//! another generation with the answer, and is known by what it said; so is who comes back by its name while a leader
//! may be assigning to what it was called before (KAFKA-9801); who waits for an answer is not thrown out for its
//! silence meanwhile, and static members are not for not joining in time; and who has its assignment is not waited for
//! any more.

use super::{Says, Speaker, joined};
use crate::checkers::places::Places;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::inspect::{ClassicGroupView, ClassicMemberView};
use stormglass_broker_core::protocol::{
    GroupState, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, Request, Response,
    SyncGroupRequest, SyncGroupResponse,
};
use stormglass_broker_core::time::{Duration, Instant};

/// What a node may be ahead of the time at which it is looked at.
const AHEAD: Duration = Duration::from_millis(100);

/// A member that has been in a generation, as it asks to join, or for its assignment.
#[derive(Debug)]
pub(super) struct Before {
    generation: i32,
    /// Whether the answer is to come with another generation.
    calls: bool,
    /// Somebody was taken out of the group on request since, or who asks is no member by an id yet.
    has_left: bool,
    /// Static members that are to be in the next generation; of who joins, where clocks are right.
    places: Places,
}

impl Before {
    /// `None`: its coordinator knows no such member.
    pub(super) fn of(broker: &Broker, request: &Request, has_right_clocks: bool) -> Option<Self> {
        let (group, member, instance) = match request {
            Request::JoinGroup(asked) => (&asked.group, &asked.member, &asked.instance),
            Request::SyncGroup(asked) => (&asked.group, &asked.member, &asked.instance),
            _ => return None,
        };
        if let (Request::JoinGroup(_), true, Some(name)) = (request, member.is_empty(), instance) {
            let group = broker.classic_group(group)?;
            return Self::of_name(&group, name);
        }
        let known = broker.classic_member(group, member)?;
        if known.is_new || known.instance != instance.as_ref() {
            return None; // it may give up, or is another one
        }
        let (calls, places) = match request {
            Request::JoinGroup(asked) => {
                let view = has_right_clocks.then(|| broker.classic_group(group)).flatten();
                let places = view.map(|view| Places::settled(broker, &view));
                (calls(&known, asked), places.unwrap_or_default())
            }
            _ => (false, Places::default()),
        };
        Some(Self { generation: known.generation, calls, has_left: false, places })
    }

    /// Of a member that is back, and is known by its name alone: unless the group is stable, another generation comes.
    fn of_name(group: &ClassicGroupView<'_>, name: &Arc<str>) -> Option<Self> {
        let is_known = group.instances.iter().any(|(of, _)| *of == name);
        let rebalances =
            matches!(group.state, GroupState::PreparingRebalance | GroupState::CompletingRebalance);
        is_known.then(|| Self {
            generation: group.generation,
            calls: rebalances,
            has_left: true,
            places: Places::default(),
        })
    }

    /// Whether a generation is a later one than the group's was: the member has waited for it to begin.
    pub(super) fn is_before(&self, generation: i32) -> bool {
        self.generation < generation
    }

    /// The member is answered: if it hears of the generation that it has waited for, static members have their places in
    /// that.
    pub(super) fn keeps_places(
        &self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        asked: &Request,
        answer: &Response,
    ) {
        let (Request::JoinGroup(asked), Response::JoinGroup(answer)) = (asked, answer) else {
            return;
        };
        // nobody can have been given up for not asking for an assignment
        let is_next = answer.error.is_ok() && answer.generation == self.generation + 1;
        if self.has_left || !is_next {
            return;
        }
        let next = by.broker.classic_group(&asked.group);
        let next = next.filter(|of| joined::is_in(of, answer));
        let latest = Instant::from_nanos(by.disk_now_ns) + AHEAD;
        let lost = next.and_then(|next| self.places.lost(&next, latest));
        says.rule(lost.is_none(), &|| {
            format!(
                "coordinator {} has thrown static member {lost:?} out of {} before its session was over, as it had not \
                 joined generation {} in time",
                by.node, asked.group, answer.generation
            )
        });
    }

    /// Somebody asks to take members out of a group.
    pub(super) fn leaves(&mut self, asked: &Request, group: &Arc<str>) {
        self.has_left |= match asked {
            Request::JoinGroup(asked) => asked.group == *group,
            Request::SyncGroup(asked) => asked.group == *group,
            _ => false,
        };
    }

    /// The member is answered.
    pub(super) fn answered(
        &self,
        says: &mut Says<'_>,
        node: i32,
        asked: &Request,
        answer: &Response,
    ) {
        let (group, member, told) = match (asked, answer) {
            (Request::JoinGroup(asked), Response::JoinGroup(answer)) => {
                self.joined(says, node, asked, answer);
                (&asked.group, &asked.member, answer.error)
            }
            (Request::SyncGroup(asked), Response::SyncGroup(answer)) => {
                (&asked.group, &asked.member, answer.error)
            }
            _ => return,
        };
        says.rule(told != ErrorCode::UnknownMemberId || self.has_left, &|| {
            format!(
                "coordinator {node} has thrown member {member} out of {group}, whose request it had: {asked:?}"
            )
        });
    }

    fn joined(
        &self,
        says: &mut Says<'_>,
        node: i32,
        asked: &JoinGroupRequest,
        answer: &JoinGroupResponse,
    ) {
        let holds = !answer.error.is_ok() || !self.calls || answer.generation > self.generation;
        says.rule(holds, &|| {
            format!(
                "coordinator {node} tells member {} of {}, which calls for another generation than {}, that it is \
                 in {}",
                asked.member, asked.group, self.generation, answer.generation
            )
        });
    }
}

/// Whether a member that joins calls for another generation. Who says the same again may not have heard the answer.
fn calls(known: &ClassicMemberView<'_>, asked: &JoinGroupRequest) -> bool {
    let says_more = *known.protocols != *asked.protocols;
    match known.state {
        GroupState::PreparingRebalance => true,
        GroupState::CompletingRebalance => says_more,
        GroupState::Stable => says_more || known.leads,
        GroupState::Empty | GroupState::Dead => false,
    }
}

/// What a member that shows that it is alive is to hear of its group. `None`: it is not who it says.
pub(super) fn due(broker: &Broker, asked: &HeartbeatRequest) -> Option<ErrorCode> {
    let known = broker.classic_member(&asked.group, &asked.member)?;
    let is_same = asked.instance.is_none() || known.instance == asked.instance.as_ref();
    is_same.then(|| word((known.state, known.generation), asked.generation))
}

/// What members of a generation hear of their group.
fn word((state, now): (GroupState, i32), generation: i32) -> ErrorCode {
    match state {
        GroupState::Dead => ErrorCode::CoordinatorNotAvailable,
        _ if generation != now => ErrorCode::IllegalGeneration,
        GroupState::PreparingRebalance => ErrorCode::RebalanceInProgress,
        GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::None,
        GroupState::Empty => ErrorCode::UnknownMemberId,
    }
}

/// Whether a member hears what it is to hear, or nothing of its group.
pub(super) fn is_heard(due: ErrorCode, told: ErrorCode) -> bool {
    let is_of_group = matches!(
        told,
        ErrorCode::None
            | ErrorCode::FencedInstanceId
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
            | ErrorCode::UnknownMemberId
    );
    told == due || !is_of_group
}

/// A member is answered: it is known by what it said, or is not waited for any more.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, asked: &Request, answer: &Response) {
    match (asked, answer) {
        (Request::JoinGroup(asked), Response::JoinGroup(answer)) => {
            let known = by.broker.classic_member(&asked.group, &asked.member);
            says.rule(is_known(known.as_ref(), asked, answer.error), &|| {
                format!(
                    "coordinator {} has taken member {} into {}, and knows it by something else than it said: \
                     {known:?}, {asked:?}",
                    by.node, asked.member, asked.group
                )
            });
        }
        (Request::SyncGroup(asked), Response::SyncGroup(answer)) => {
            let known = by.broker.classic_member(&asked.group, &asked.member);
            says.rule(has_synced(known.as_ref(), asked, answer), &|| {
                format!(
                    "coordinator {} has given member {} of {} its assignment of generation {}, and waits for it to \
                     ask: {known:?}",
                    by.node, asked.member, asked.group, asked.generation
                )
            });
        }
        _ => {}
    }
}

fn is_known(
    known: Option<&ClassicMemberView<'_>>,
    asked: &JoinGroupRequest,
    told: ErrorCode,
) -> bool {
    !told.is_ok() || known.is_none_or(|known| *known.protocols == *asked.protocols)
}

fn has_synced(
    known: Option<&ClassicMemberView<'_>>,
    asked: &SyncGroupRequest,
    answer: &SyncGroupResponse,
) -> bool {
    let waits =
        |known: &ClassicMemberView<'_>| known.generation == asked.generation && known.is_awaited;
    !answer.error.is_ok() || !known.is_some_and(waits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken_by, join_request};
    use super::*;
    use crate::checkers::testing::classic_group;
    use bytes::Bytes;

    type Protocols = [(Arc<str>, Bytes)];

    fn says(text: &'static str) -> Vec<(Arc<str>, Bytes)> {
        vec![("range".into(), Bytes::from_static(text.as_bytes()))]
    }

    fn view(state: GroupState, protocols: &Protocols) -> ClassicMemberView<'_> {
        let (generation, instance) = (4, None);
        let (leads, is_new, is_awaited) = (false, false, false);
        ClassicMemberView { state, generation, leads, instance, protocols, is_new, is_awaited }
    }

    fn joins(text: &'static str) -> JoinGroupRequest {
        JoinGroupRequest { protocols: says(text), ..join_request("m") }
    }

    fn joined(error: ErrorCode, generation: i32) -> JoinGroupResponse {
        JoinGroupResponse {
            error,
            generation,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member: "m".into(),
            members: Vec::new(),
        }
    }

    /// How many rules an answer to a member of generation 4 breaks.
    fn broken(calls: bool, has_left: bool, told: JoinGroupResponse) -> usize {
        let asked = Request::JoinGroup(Box::new(joins("a")));
        let before = Before { generation: 4, calls, has_left, places: Places::default() };
        let answer = Response::JoinGroup(Box::new(told));
        broken_by(|says| before.answered(says, 1, &asked, &answer))
    }

    #[test]
    fn who_says_something_else_or_leads_calls_for_another_generation() {
        use GroupState::{CompletingRebalance, PreparingRebalance, Stable};
        let own = says("a");
        for (state, same, other) in [
            (PreparingRebalance, true, true),
            (CompletingRebalance, false, true),
            (Stable, false, true),
        ] {
            let known = view(state, &own);
            assert_eq!((calls(&known, &joins("a")), calls(&known, &joins("b"))), (same, other));
        }
        let leader = ClassicMemberView { leads: true, ..view(Stable, &own) };
        assert!(calls(&leader, &joins("a")));
        assert_eq!(broken(true, false, joined(ErrorCode::None, 4)), 1);
        assert_eq!(broken(true, false, joined(ErrorCode::None, 5)), 0);
        assert_eq!(broken(false, false, joined(ErrorCode::None, 4)), 0);
        assert_eq!(broken(true, false, joined(ErrorCode::NotCoordinator, -1)), 0);
        let places = Places::default();
        let before = Before { generation: 4, calls: true, has_left: false, places };
        assert!(before.is_before(5) && !before.is_before(4) && !before.is_before(-1));
    }

    #[test]
    fn who_is_back_by_its_name_is_in_another_generation_unless_the_group_is_stable() {
        use GroupState::{CompletingRebalance, PreparingRebalance, Stable};
        let (group, name): (Arc<str>, Arc<str>) = ("g".into(), "n".into());
        let calls = |state, asked: &str| {
            let instances = vec![(&name, Instant::ZERO)];
            let view = ClassicGroupView { state, instances, ..classic_group(&group) };
            Before::of_name(&view, &Arc::from(asked)).map(|before| before.calls)
        };
        let [preparing, completing, stable] =
            [PreparingRebalance, CompletingRebalance, Stable].map(|state| calls(state, "n"));
        assert_eq!((preparing, completing, stable), (Some(true), Some(true), Some(false)));
        assert_eq!(calls(CompletingRebalance, "other"), None, "it is new");
        assert_eq!(broken(true, true, joined(ErrorCode::None, 4)), 1);
        assert_eq!(broken(true, true, joined(ErrorCode::None, 5)), 0);
        assert_eq!(broken(true, true, joined(ErrorCode::UnknownMemberId, -1)), 0, "it asks again");
    }

    #[test]
    fn members_hear_where_their_group_is() {
        use GroupState::{CompletingRebalance, Dead, PreparingRebalance, Stable};
        let hears = |state, told| is_heard(word((state, 4), 4), told);
        assert!(hears(Stable, ErrorCode::None) && hears(CompletingRebalance, ErrorCode::None));
        assert!(hears(PreparingRebalance, ErrorCode::RebalanceInProgress));
        assert!(!hears(PreparingRebalance, ErrorCode::None));
        assert!(!hears(Stable, ErrorCode::RebalanceInProgress) && !hears(Dead, ErrorCode::None));
        assert!(!is_heard(word((Stable, 5), 4), ErrorCode::None), "of the generation before");
        assert!(hears(Stable, ErrorCode::NotCoordinator), "that is something else");
    }

    #[test]
    fn who_waits_is_not_thrown_out() {
        let told = || joined(ErrorCode::UnknownMemberId, -1);
        assert_eq!((broken(true, false, told()), broken(true, true, told())), (1, 0));
    }

    #[test]
    fn members_are_known_by_what_they_have_said_and_asked() {
        let own = says("a");
        let known = view(GroupState::Stable, &own);
        let is_known = |text, error| is_known(Some(&known), &joins(text), error);
        assert!(is_known("a", ErrorCode::None) && !is_known("b", ErrorCode::None));
        assert!(is_known("b", ErrorCode::RebalanceInProgress));
        let asked = |generation| SyncGroupRequest {
            group: "g".into(),
            generation,
            member: "m".into(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: Vec::new(),
        };
        let (protocol_type, protocol) = (None, None);
        let (error, assignment) = (ErrorCode::None, Bytes::new());
        let answer = SyncGroupResponse { error, protocol_type, protocol, assignment };
        let awaited = ClassicMemberView { is_awaited: true, ..known };
        assert!(has_synced(Some(&known), &asked(4), &answer));
        assert!(!has_synced(Some(&awaited), &asked(4), &answer));
        assert!(has_synced(Some(&awaited), &asked(3), &answer), "of the generation before");
        assert!(has_synced(None, &asked(4), &answer));
    }
}
