//! DeleteTopics (key 20); by name or id from version 6 on (KIP-516).

use super::messages;
use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicId;
use stormglass_broker_core::protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, DeletedTopic, Request, Response, TopicRef,
};

/// First version with a name of its own for `delete.topic.enable=false` (KIP-322).
const DISABLED_FROM: i16 = 3;
/// First version that names topics by id, too.
const IDS_FROM: i16 = 6;

/// What no topic has.
const NO_ID: TopicId = TopicId(0);

/// A topic that is named both ways is refused here, whatever the other ones are (`ControllerApis.deleteTopics`).
pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let mut refused = Vec::new();
    let topics = if cx.version >= IDS_FROM {
        let named = reader.array(|reader| {
            let (name, id) = (reader.nullable_string()?, reader.topic_id()?);
            reader.skip_tags()?;
            Ok((name, id))
        })?;
        let mut topics = Vec::with_capacity(named.len());
        for (name, id) in named {
            match name {
                None => topics.push(TopicRef::Id(id)),
                Some(name) if id == NO_ID => topics.push(TopicRef::Name(name)),
                name => refused.push(DeletedTopic { name, id, error: ErrorCode::InvalidRequest }),
            }
        }
        topics
    } else {
        reader.array(|reader| reader.string().map(TopicRef::Name))?
    };
    let _timeout_ms = reader.i32()?;
    reader.skip_tags()?;
    if !refused.is_empty() {
        cx.aside = Aside::NamedBothWays(refused);
        if topics.is_empty() {
            let nothing = DeleteTopicsResponse { topics: Vec::new() };
            return Ok(Asked::Edge(Response::DeleteTopics(nothing)));
        }
    }
    Ok(Asked::Broker(Request::DeleteTopics(DeleteTopicsRequest { topics })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &DeleteTopicsResponse) {
    out.i32(0); // throttle time
    let refused = match &call.aside {
        Aside::NamedBothWays(refused) => refused.as_slice(),
        _ => &[],
    };
    let topics: Vec<_> = refused.iter().chain(&response.topics).collect();
    out.array(topics.into_iter(), |out, topic| {
        if call.version >= IDS_FROM {
            out.nullable_string(topic.name.as_deref());
            out.topic_id(topic.id);
        } else {
            out.string(topic.name.as_deref().unwrap_or(""));
        }
        out.error(match topic.error {
            ErrorCode::TopicDeletionDisabled if call.version < DISABLED_FROM => {
                ErrorCode::InvalidRequest
            }
            error => error,
        });
        if call.version >= 5 {
            out.nullable_string(messages::of(topic.error));
        }
        out.no_tags();
    });
    out.no_tags();
}
