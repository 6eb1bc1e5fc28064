//! Sizes of the bodies of requests and responses about quotas, version 1 of both.

use super::{TAGS, array, blob, nullable};
use crate::protocol::{QuotaEntity, QuotaMatch, Request, Response};

fn text(text: &str) -> u64 {
    blob(text.len() as u64)
}

fn entity(of: &QuotaEntity) -> u64 {
    let parts = of.iter().map(|(kind, name)| text(kind) + nullable(name.as_deref()) + TAGS);
    array(of.len()) + parts.sum::<u64>()
}

pub(super) fn request(request: &Request) -> u64 {
    match request {
        // components, flag
        Request::DescribeClientQuotas(request) => {
            let components = request.components.iter().map(|filter| {
                let name = match &filter.matches {
                    QuotaMatch::Exact(name) => Some(&**name),
                    QuotaMatch::Default | QuotaMatch::Any => None,
                };
                text(&filter.kind) + 1 + nullable(name) + TAGS
            });
            array(request.components.len()) + components.sum::<u64>() + 1 + TAGS
        }
        // per entity: its parts, and changes of key, value, flag; flag
        Request::AlterClientQuotas(request) => {
            let entries = request.entries.iter().map(|alter| {
                let changes = alter.changes.iter().map(|(key, _)| text(key) + 8 + 1 + TAGS);
                entity(&alter.entity) + array(alter.changes.len()) + changes.sum::<u64>() + TAGS
            });
            array(request.entries.len()) + entries.sum::<u64>() + 1 + TAGS
        }
        _ => 0,
    }
}

pub(super) fn response(response: &Response) -> u64 {
    match response {
        // throttle, error, message; per entity its parts and values
        Response::DescribeClientQuotas(response) => {
            let entries = response.entries.iter().map(|quotas| {
                let values = quotas.values.iter().map(|(key, _)| text(key) + 8 + TAGS);
                entity(&quotas.entity) + array(quotas.values.len()) + values.sum::<u64>() + TAGS
            });
            let message = nullable(response.message.as_deref());
            4 + 2 + message + array(response.entries.len()) + entries.sum::<u64>() + TAGS
        }
        // throttle; per entity error, message, its parts
        Response::AlterClientQuotas(response) => {
            let entries = response.entries.iter().map(|altered| {
                2 + nullable(altered.message.as_deref()) + entity(&altered.entity) + TAGS
            });
            4 + array(response.entries.len()) + entries.sum::<u64>() + TAGS
        }
        _ => 0,
    }
}
