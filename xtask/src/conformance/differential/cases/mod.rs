//! What both brokers are asked, by subject. The order counts: each question finds what those before
//! it have left.

mod admin;
mod configs;
mod groups;
mod members;
mod records;
mod topics;
mod transactions;

use super::script::Script;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest,
    MetadataRequest, OffsetFetchRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

/// Asks everything.
///
/// # Errors
/// One of the brokers does not get so far that it can be asked.
pub(super) fn all(script: &mut Script) -> Result<(), String> {
    topics::all(script)?;
    configs::all(script);
    records::all(script);
    groups::all(script)?;
    members::all(script);
    transactions::all(script)?;
    admin::all(script);
    Ok(())
}

/// A topic of four partitions that is there while records, groups and transactions are asked for.
const TOPIC: &str = "orders";
/// A topic whose configs are changed.
const SETTINGS: &str = "settings";
/// A topic that never is.
const ABSENT: &str = "absent";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

fn transactional(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Waits until both know a topic, and notes its id.
fn await_topic(script: &mut Script, name: &'static str) -> Result<(), String> {
    let request = |_: &_, _| {
        let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
        MetadataRequest::default().with_topics(Some(vec![asked]))
    };
    script.until(name, request, |peer, answer| {
        let Some(found) = answer.topics.first() else { return false };
        peer.topics.insert(name.to_owned(), found.topic_id);
        let led = found.partitions.iter().all(|partition| partition.error_code == 0);
        found.error_code == 0 && led && !found.partitions.is_empty()
    })
}

/// Waits until coordinators of these groups have loaded what they know, which is nothing.
fn await_groups(script: &mut Script, names: &[&'static str]) -> Result<(), String> {
    for name in names {
        let found =
            |_: &_, _| FindCoordinatorRequest::default().with_coordinator_keys(vec![text(name)]);
        script.until(name, found, |_, answer| {
            answer.coordinators.first().is_some_and(|found| found.error_code == 0)
        })?;
        let asked = |_: &_, _| {
            let asked = OffsetFetchRequestGroup::default()
                .with_group_id(group(name))
                .with_member_epoch(-1)
                .with_topics(None);
            OffsetFetchRequest::default().with_groups(vec![asked])
        };
        script.until(name, asked, |_, answer| {
            answer.groups.first().is_some_and(|group| group.error_code == 0)
        })?;
    }
    Ok(())
}

/// The same for coordinators of transactional ids, and until there are producer ids.
fn await_transactions(script: &mut Script, ids: &[&'static str]) -> Result<(), String> {
    for id in ids {
        let found = |_: &_, _| {
            FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![text(id)])
        };
        script.until(id, found, |_, answer| {
            answer.coordinators.first().is_some_and(|found| found.error_code == 0)
        })?;
        let asked = |_: &_, _| {
            DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional(id)])
        };
        script.until(id, asked, |_, answer| {
            let unknown = ResponseError::TransactionalIdNotFound.code();
            answer.transaction_states.first().is_some_and(|state| state.error_code == unknown)
        })?;
    }
    let asked = |_: &_, _| InitProducerIdRequest::default().with_transactional_id(None);
    script.until("a producer id", asked, |_, answer| answer.error_code == 0)
}
