//! Kafka configs from Java properties text and from maps: what the scenario language knows is kept.

use super::draft::{Configs, Draft, Fact};
use crate::catalogue::configs::{KeySet, configs};

/// Whose configs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Broker,
    Topic,
    Producer,
    Consumer,
}

impl Owner {
    fn keys(self) -> &'static KeySet {
        match self {
            Self::Broker => &configs().server,
            Self::Topic => &configs().topic,
            Self::Producer => &configs().java_producer,
            Self::Consumer => &configs().java_consumer,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Topic => "topic",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// Pairs of a Java properties text: comments, blank lines, `=` or `:` or a blank after the key, and
/// lines that go on after a `\`.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            let Some(next) = lines.next() else { break };
            line.push_str(next.trim());
        }
        let split = line.find(['=', ':', ' ', '\t']).unwrap_or(line.len());
        let (key, rest) = line.split_at(split);
        let rest = rest.trim_start();
        let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
        pairs.push((key.to_owned(), value.to_owned()));
    }
    pairs
}

/// Keeps what the simulation knows and Kafka would take; the rest is left out, with the reason.
pub(super) fn keep(
    pairs: impl IntoIterator<Item = (String, String)>,
    owner: Owner,
    from: &str,
    into: &mut Configs,
    draft: &mut Draft,
) {
    for (key, value) in pairs {
        let noun = owner.noun();
        let shown: String = key.chars().take(60).collect();
        match owner.keys().keys.get(&key).map(|spec| spec.refusal(&value)) {
            None if is_connection(&key) => {
                draft.leave_out(format!("{noun} config {shown}: where and who clients are"));
            }
            None => draft.leave_out(format!("{noun} config {shown}: not a config of Kafka's")),
            Some(Some(_)) => {
                draft.leave_out(format!("{noun} config {shown}: Kafka would refuse its value"));
            }
            Some(None) => {
                into.insert(key, Fact::new(value, from));
            }
        }
    }
}

/// Configs without a meaning in a simulation.
fn is_connection(key: &str) -> bool {
    ["bootstrap.", "client.id", "ssl.", "sasl.", "security.", "key.", "value.", "group.id"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}
