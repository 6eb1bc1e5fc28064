//! Trogdor's faults as events of a scenario.
//!
//! Its node names mean nothing here: nodes are numbered as brokers by the order of their names.

use super::ImportError;
use super::doc::Doc;
use super::draft::{Draft, EventDraft};
use super::trogdor::Span;
use std::collections::BTreeSet;

const NODES_MAX: usize = 300;

/// A fault, before nodes have numbers.
#[derive(Debug)]
pub(super) struct Fault {
    span: Span,
    what: What,
    from: String,
}

#[derive(Debug)]
enum What {
    /// Nothing passes between the sets, and nobody is told.
    Partition(Vec<Vec<String>>),
    Delay {
        node: String,
        extra_ms: u64,
    },
    Pause(String),
}

/// Reads one fault.
pub(super) fn fault(
    name: &str,
    doc: &Doc<'_>,
    span: Span,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    let whats = match name {
        "NetworkPartitionFaultSpec" => vec![partition(doc)?],
        "DegradedNetworkFaultSpec" => degraded(doc, draft)?,
        "ProcessStopFaultSpec" => {
            let nodes = names(&doc.need("nodeNames")?)?;
            nodes.into_iter().map(What::Pause).collect()
        }
        _ => {
            draft.leave_out(format!("{name}: files that cannot be read are not simulated"));
            Vec::new()
        }
    };
    for what in whats {
        draft.trogdor.faults.push(Fault { span, what, from: doc.place().to_owned() });
    }
    Ok(())
}

fn names(doc: &Doc<'_>) -> Result<Vec<String>, ImportError> {
    let items = doc.items()?;
    if items.len() > NODES_MAX {
        return Err(doc.error(format!("{} nodes are more than {NODES_MAX}", items.len())));
    }
    items.iter().map(|item| Ok(item.text()?.to_owned())).collect()
}

fn partition(doc: &Doc<'_>) -> Result<What, ImportError> {
    let list = doc.need("partitions")?;
    let sets: Vec<Vec<String>> = list.items()?.iter().map(names).collect::<Result<_, _>>()?;
    if sets.len() < 2 || sets.iter().any(Vec::is_empty) {
        return Err(list.error("a partition has at least two sets of nodes"));
    }
    Ok(What::Partition(sets))
}

fn degraded(doc: &Doc<'_>, draft: &mut Draft) -> Result<Vec<What>, ImportError> {
    let mut whats = Vec::new();
    for (node, spec) in doc.need("nodeSpecs")?.entries()? {
        if spec.get("rateLimitKbit").map_or(Ok(0), |doc| doc.whole(1 << 40))? > 0 {
            draft.leave_out("rateLimitKbit: a link's rate cannot be limited");
        }
        let extra_ms = spec.get("latencyMs").map_or(Ok(0), |doc| doc.whole(600_000))?;
        if extra_ms > 0 {
            whats.push(What::Delay { node: node.to_owned(), extra_ms });
        }
    }
    Ok(whats)
}

/// Events of all faults, and as many brokers as there are nodes.
pub(super) fn events(faults: &[Fault], start_ms: u64, draft: &mut Draft) {
    let mut nodes = BTreeSet::new();
    for fault in faults {
        match &fault.what {
            What::Partition(sets) => nodes.extend(sets.iter().flatten().cloned()),
            What::Delay { node, .. } | What::Pause(node) => {
                nodes.insert(node.clone());
            }
        }
    }
    if nodes.is_empty() {
        return;
    }
    let nodes: Vec<String> = nodes.into_iter().take(NODES_MAX).collect();
    let listed: Vec<String> =
        (1..).zip(&nodes).map(|(id, name): (u32, _)| format!("{name} is broker {id}")).collect();
    draft.guess(format!("Trogdor's nodes are brokers: {}", listed.join(", ")));
    draft.cluster.brokers_at_least(nodes.len());
    let id = |name: &String| nodes.iter().position(|node| node == name).map_or(1, |at| at + 1);
    for fault in faults {
        let at_ms = fault.span.start_ms.saturating_sub(start_ms);
        let mut push = |kind: &'static str, keys: Vec<(&'static str, String)>| {
            let mut all = vec![("fault", quoted(kind)), ("at", quoted(&format!("{at_ms}ms")))];
            if fault.span.duration_ms > 0 {
                all.push(("for", quoted(&format!("{}ms", fault.span.duration_ms))));
            }
            all.extend(keys);
            draft.events.push(EventDraft { keys: all, from: fault.from.clone() });
        };
        match &fault.what {
            What::Pause(node) => push("process-pause", vec![("node", id(node).to_string())]),
            What::Delay { node, extra_ms } => push(
                "link-delay",
                vec![
                    ("from", list([id(node)])),
                    ("to", "[\"brokers\", \"clients\"]".to_owned()),
                    ("one_way", "true".to_owned()),
                    ("extra", quoted(&format!("{extra_ms}ms"))),
                ],
            ),
            What::Partition(sets) => {
                for (index, a) in sets.iter().enumerate() {
                    for b in &sets[index + 1..] {
                        let sides =
                            vec![("from", list(a.iter().map(id))), ("to", list(b.iter().map(id)))];
                        push("link-cut", sides);
                    }
                }
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn list(ids: impl IntoIterator<Item = usize>) -> String {
    let items: Vec<String> = ids.into_iter().map(|id| format!("\"node:{id}\"")).collect();
    format!("[{}]", items.join(", "))
}
