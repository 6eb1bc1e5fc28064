//! What a transaction says of positions counts as open once the log has it, and until somebody deletes them: a
//! coordinator that refuses it, or has deleted them, knows what its log has.

use super::Speaker;
use crate::checkers::state::open_differs;
use crate::checkers::suite::Checkers;
use std::sync::Arc;
use stormglass_broker_core::protocol::{Request, Response};

impl Checkers {
    /// A coordinator has answered.
    pub(super) fn compares_open(&mut self, by: Speaker<'_>, asked: &Request, answer: &Response) {
        let Some(group) = group_of(asked, answer) else { return };
        let Some(tp) = by.broker.partition_of_group(group) else { return };
        let is_loaded = by.broker.has_loaded_group(group);
        if !is_loaded || self.forgetful_positions().contains(&tp.partition) {
            return;
        }
        let differs = open_differs(by.broker, by.disk, tp);
        self.rest(|says| {
            says.rule(differs.is_none(), &|| {
                let differs = differs.as_deref().unwrap_or_default();
                format!("coordinator {} answers {answer:?}: {differs}", by.node)
            });
        });
    }
}

/// The group whose positions a transaction says something of in vain, or are deleted.
fn group_of<'a>(asked: &'a Request, answer: &Response) -> Option<&'a Arc<str>> {
    match (asked, answer) {
        (Request::TxnOffsetCommit(asked), Response::TxnOffsetCommit(answer)) => {
            let is_refused = answer.partitions.iter().any(|(_, error)| !error.is_ok());
            is_refused.then_some(&asked.group)
        }
        (Request::OffsetDelete(asked), Response::OffsetDelete(_)) => Some(&asked.group),
        (Request::DeleteGroups(asked), Response::DeleteGroups(_)) => asked.groups.first(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::protocol::{
        ProducerIdAndEpoch, TransactionRules, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    };

    #[test]
    fn what_is_refused_is_looked_for() {
        let asked = Request::TxnOffsetCommit(Box::new(TxnOffsetCommitRequest {
            transactional_id: "t".into(),
            rules: TransactionRules::Added,
            producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
            group: "g".into(),
            generation: -1,
            member: "".into(),
            instance: None,
            offsets: Vec::new(),
        }));
        let is_looked_for = |error| {
            let partitions = vec![(tp(0), ErrorCode::None), (tp(1), error)];
            let answer = Response::TxnOffsetCommit(TxnOffsetCommitResponse { partitions });
            group_of(&asked, &answer).is_some()
        };
        assert!(!is_looked_for(ErrorCode::None));
        assert!(is_looked_for(ErrorCode::CoordinatorNotAvailable));
    }
}
