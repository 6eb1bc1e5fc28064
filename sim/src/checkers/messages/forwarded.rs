//! What the active controller decides, a broker asks it for on behalf of clients, and asks the next one when that is
//! none any more (KIP-590): clients, which know of no controllers, are not told that somebody else is it.

use super::{Says, Speaker, controller};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::Response;

/// A node answers.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, answer: &Response) {
    let Some(is_passed_on) = names_no_controller(answer) else { return };
    // whoever is a controller, too, answers brokers
    says.rule(!is_passed_on || controller::is_controller(by.broker), &|| {
        format!("broker {} tells a client that a controller is none: {answer:?}", by.node)
    });
}

/// Whether an answer to what a controller decides says that who was asked is none; `None` of other answers.
fn names_no_controller(answer: &Response) -> Option<bool> {
    let is_so = |error: ErrorCode| error == ErrorCode::NotController;
    Some(match answer {
        Response::CreateTopics(answer) => answer.topics.iter().any(|topic| is_so(topic.error)),
        Response::DeleteTopics(answer) => answer.topics.iter().any(|topic| is_so(topic.error)),
        Response::CreatePartitions(answer) => answer.topics.iter().any(|(_, error)| is_so(*error)),
        Response::AlterConfigs(answer) => answer.resources.iter().any(|of| is_so(of.error)),
        Response::AlterClientQuotas(answer) => answer.entries.iter().any(|of| is_so(of.error)),
        Response::ElectLeaders(answer) => is_so(answer.error),
        Response::AlterPartitionReassignments(answer) => is_so(answer.error),
        Response::ListPartitionReassignments(answer) => is_so(answer.error),
        Response::UpdateFeatures(answer) => is_so(answer.error),
        Response::UnregisterBroker(answer) => is_so(answer.error),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::protocol::{
        AlterConfigsResponse, AlteredConfigs, ConfigTarget, ElectLeadersResponse, HeartbeatResponse,
    };

    #[test]
    fn a_controller_that_is_none_is_seen() {
        let elects = |error| {
            let partitions = Vec::new();
            names_no_controller(&Response::ElectLeaders(ElectLeadersResponse { error, partitions }))
        };
        assert_eq!(elects(ErrorCode::NotController), Some(true));
        assert_eq!(elects(ErrorCode::RequestTimedOut), Some(false));
        let alters = |errors: &[ErrorCode]| {
            let altered = errors.iter().map(|error| AlteredConfigs {
                target: ConfigTarget { kind: ConfigTarget::TOPIC, name: "t".into() },
                error: *error,
                message: None,
            });
            let resources = altered.collect();
            names_no_controller(&Response::AlterConfigs(AlterConfigsResponse { resources }))
        };
        let one_of_two = [ErrorCode::None, ErrorCode::NotController];
        assert_eq!((alters(&one_of_two), alters(&one_of_two[..1])), (Some(true), Some(false)));
        let other = HeartbeatResponse { error: ErrorCode::NotController };
        assert_eq!(names_no_controller(&Response::Heartbeat(other)), None);
    }
}
