//! Heartbeats of a member: what it says of itself, and what it is told (Java's `ConsumerHeartbeatRequestManager`).

use super::{Asked, NS_PER_MS, Stage};
use crate::client::consumer::machine::{Call, Consumer};
use crate::client::consumer::membership::{GroupCall, Membership};
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, LEAVE_EPOCH, Request,
    STATIC_LEAVE_EPOCH,
};

impl Consumer {
    pub(super) fn say_goodbye(&mut self, cx: &mut ClientCx<'_>) {
        let Ok(node) = self.coordinator_ready(cx) else { return };
        let Some(mut request) = self.heartbeat_request() else { return };
        let is_static = request.instance.is_some();
        request.epoch = if is_static { STATIC_LEAVE_EPOCH } else { LEAVE_EPOCH };
        let request = Request::ConsumerGroupHeartbeat(Box::new(request));
        let call = Some(Call::Group(GroupCall::Leave));
        self.network.connections.send(node, request, call, cx);
    }

    /// A heartbeat that says nothing but who it comes from.
    fn heartbeat_request(&self) -> Option<ConsumerGroupHeartbeatRequest> {
        let member = self.membership.as_ref()?.consumer()?;
        Some(ConsumerGroupHeartbeatRequest {
            group: self.config.group.clone(),
            member: Arc::clone(&member.id),
            epoch: member.epoch,
            instance: member.instance(),
            rack: None,
            rebalance_timeout_ms: -1,
            topics: None,
            regex: None,
            assignor: None,
            owned: None,
            makes_member_id: true,
            client_id: Arc::clone(&member.setup.client_id),
            client_host: Arc::from("/127.0.0.1"),
        })
    }

    pub(super) fn heartbeat_if_due(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(member) = self.consumer_member().filter(|member| member.asked.is_none()) else {
            return NEVER;
        };
        let at_once = matches!(member.stage, Stage::Joining | Stage::Acknowledging);
        let due_ns = if at_once { member.retry_ns } else { member.due_ns.max(member.retry_ns) };
        if due_ns > cx.now_ns {
            return due_ns;
        }
        if self.network.view.topics().iter().any(|topic| topic.id.is_none()) {
            return NEVER; // metadata will tell
        }
        match self.coordinator_ready(cx) {
            Ok(node) => self.send_heartbeat(node, cx),
            Err(retry_ns) => return retry_ns,
        }
        NEVER
    }

    fn send_heartbeat(&mut self, node: NodeId, cx: &mut ClientCx<'_>) {
        let owned = self.owned_partitions();
        let names = self.network.view.topics().iter().map(|topic| Arc::clone(&topic.name));
        let names: Vec<Arc<str>> = names.collect();
        let rack = Some(Arc::clone(&self.config.rack)).filter(|rack| !rack.is_empty());
        let Some(mut request) = self.heartbeat_request() else { return };
        let Some(member) = self.consumer_member() else { return };
        let is_full = member.told.is_none();
        if is_full {
            request.rack = rack;
            request.rebalance_timeout_ms = member.setup.rebalance_timeout_ms;
            request.regex = member.pattern(&names);
            request.topics = request.regex.is_none().then(|| member.subscribed(names));
            request.assignor = Some(Arc::clone(&member.setup.assignor));
        }
        if is_full || member.told.as_ref() != Some(&owned) {
            request.owned = Some(owned.clone());
        }
        member.number += 1;
        let number = member.number;
        member.asked = Some(Asked { number, sent_ns: cx.now_ns, owned: request.owned.clone() });
        member.first_asked_ns.get_or_insert(cx.now_ns);
        member.due_ns = cx.now_ns + member.interval_ns;
        if member.stage == Stage::Acknowledging {
            member.stage = Stage::Stable;
        }
        let request = Request::ConsumerGroupHeartbeat(Box::new(request));
        let call = Some(Call::Group(GroupCall::ConsumerHeartbeat(number)));
        self.network.connections.send(node, request, call, cx);
        self.reconcile_if_told(cx.now_ns);
    }

    /// Takes the answer to a heartbeat.
    pub(crate) fn consumer_heartbeat_answered(
        &mut self,
        number: u64,
        answer: &ConsumerGroupHeartbeatResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(member) = self.consumer_member() else { return };
        let Some(asked) = member.asked.take_if(|asked| asked.number == number) else {
            return; // it is another member by now
        };
        let since_ns = member.first_asked_ns.take().unwrap_or(asked.sent_ns);
        if !answer.error.is_ok() {
            member.told = None;
            return self.heartbeat_refused(answer.error, cx);
        }
        if member.stage == Stage::Joining {
            cx.effects.marks.push("consumer: joined its group by heartbeats");
            member.stage = Stage::Stable;
        }
        member.failures = 0;
        member.interval_ns = u64::from(answer.heartbeat_interval_ms.unsigned_abs()) * NS_PER_MS;
        member.due_ns = asked.sent_ns + member.interval_ns;
        if asked.owned.is_some() {
            member.told = asked.owned;
        }
        let is_news = member.epoch != answer.epoch || answer.assignment.is_some();
        member.epoch = answer.epoch;
        if let Some(assignment) = &answer.assignment {
            member.target.clone_from(assignment);
            member.target.sort_unstable();
        }
        let gives_up_since_ns = member.gives_up_since(since_ns);
        let identity = member.identity();
        if is_news {
            cx.effects.outcomes.push(Outcome::Assigned {
                generation: member.epoch,
                member: Arc::clone(&identity),
                partitions: member.target.clone(),
                asked_ns: asked.sent_ns,
                consumer_protocol: true,
            });
        }
        cx.effects.outcomes.push(Outcome::Holds {
            member: identity,
            partitions: member.holds(cx.now_ns),
            epoch: member.epoch,
            since_ns,
            gives_up_since_ns,
        });
        self.reconcile_if_told(cx.now_ns);
    }

    fn heartbeat_refused(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        match error {
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => {
                cx.effects.marks.push("consumer: fenced by its coordinator");
                self.give_up_all(Stage::Joining, cx);
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_coordinator(cx.now_ns);
            }
            ErrorCode::CoordinatorLoadInProgress => self.member_backs_off(cx.now_ns),
            _ => {
                cx.effects.marks.push("consumer: began anew as another member");
                self.give_up_all(Stage::Joining, cx);
                if let Some(member) = self.consumer_member() {
                    member.begin_anew();
                }
                self.member_backs_off(cx.now_ns);
            }
        }
    }

    fn member_backs_off(&mut self, now_ns: u64) {
        let backoff = self.config.connection.retry_backoff();
        let membership = self.membership.as_mut().and_then(Membership::consumer_mut);
        let Some(member) = membership else { return };
        member.retry_ns = now_ns + backoff.after(member.failures, &mut self.network.draws);
        member.failures = member.failures.saturating_add(1);
    }

    /// A heartbeat got no answer. The next one says everything.
    pub(in crate::client::consumer::membership) fn heartbeat_lost(
        &mut self,
        call: GroupCall,
        now_ns: u64,
    ) {
        let GroupCall::ConsumerHeartbeat(number) = call else { return };
        let Some(member) = self.consumer_member() else { return };
        let Some(asked) = member.asked.take_if(|asked| asked.number == number) else { return };
        member.told = None;
        if let Some(owned) = asked.owned {
            member.doubts(owned, now_ns);
        }
        self.member_backs_off(now_ns);
    }
}
