//! `--set path=value`: changes to a scenario from the command line.
//!
//! A path is keys joined by dots; elements of a list by index, by name (`name`, `group`, `fault`)
//! or `*` for all. After `config` and `model` the rest is one dotted key, quoted or not. Leaves
//! out adding and removing list elements: a path changes what is there, or adds a key.

use super::diagnostic::{Diagnostic, suggestion};
use super::source::{Sources, Span};
use super::tree::{self, Entry, Node, Table, Value};

/// Keys whose value is text even if it looks like a number (`kafka = "3.9"`).
const TEXT_KEYS: &[&str] = &["kafka"];

/// Keys below which the rest of a path is one dotted key.
pub(crate) const DOTTED_BELOW: &[&str] = &["config", "model"];

/// A part of a path and where it stands.
#[derive(Debug, Clone)]
struct Segment {
    text: String,
    span: Span,
}

/// `PATH=VALUE` split at the first `=` outside of quotes; nothing when there is no path or no `=`.
#[must_use]
pub fn split_pair(text: &str) -> Option<(String, String)> {
    let mut quoted = false;
    let (at, _) = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '=' && !quoted
    })?;
    (at > 0).then(|| (text[..at].to_owned(), text[at + 1..].to_owned()))
}

/// Applies one `--set` to a scenario's tree. Its text becomes a source of its own, so that later
/// messages about the new value point at it.
pub(crate) fn apply(
    root: &mut Node,
    path: &str,
    value: &str,
    sources: &mut Sources,
    errors: &mut Vec<Diagnostic>,
) {
    let offset = sources.add("--set", format!("{path}={value}"));
    let whole = Span { start: offset, end: offset + path.len() };
    let segments = match split(path, offset) {
        Ok(segments) => segments,
        Err(reason) => {
            errors.push(
                Diagnostic::new(whole, format!("`{path}` is not a path: {reason}"), "here")
                    .help("write keys joined by dots, such as `producers.0.rate`"),
            );
            return;
        }
    };
    let node = parse_value(value, offset + path.len() + 1);
    if let Err(diagnostic) = set(root, &segments, &node) {
        errors.push(*diagnostic);
    }
}

/// Segments of a path; a segment in double quotes may hold dots.
fn split(path: &str, offset: usize) -> Result<Vec<Segment>, &'static str> {
    let mut segments = Vec::new();
    let mut rest = path;
    let mut at = offset;
    loop {
        let (text, length) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or("a quote is not closed")?;
                (&quoted[..end], end + 2)
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        if text.trim().is_empty() {
            return Err("a part of it is empty");
        }
        let span = Span { start: at, end: at + length };
        segments.push(Segment { text: text.trim().to_owned(), span });
        if segments.len() > 64 {
            return Err("it has too many parts");
        }
        rest = &rest[length..];
        at += length;
        if rest.is_empty() {
            return Ok(segments);
        }
        rest = rest.strip_prefix('.').ok_or("a dot is missing after a quoted part")?;
        at += 1;
    }
}

/// The value as TOML if it is, else as a string: `50 MB/s` needs no quotes.
fn parse_value(value: &str, offset: usize) -> Node {
    let span = Span { start: offset, end: offset + value.len() };
    let plain = Node { span, value: Value::String(value.trim().to_owned()) };
    // Two characters before the value stand for `v=`; a path of one character makes room for them.
    let (node, errors) = tree::parse(&format!("v={value}"), offset.saturating_sub(2));
    match node.value {
        Value::Table(mut table) if errors.is_empty() && table.entries.len() == 1 => {
            table.entries.remove(0).node
        }
        _ => plain,
    }
}

type SetResult = Result<(), Box<Diagnostic>>;

fn set(node: &mut Node, segments: &[Segment], new: &Node) -> SetResult {
    let Some((segment, rest)) = segments.split_first() else {
        replace(node, new);
        return Ok(());
    };
    match &mut node.value {
        Value::Table(table)
            if DOTTED_BELOW.contains(&segment.text.as_str()) && !rest.is_empty() =>
        {
            set_dotted(table, segment, rest, new);
            Ok(())
        }
        Value::Table(table) => set_in_table(table, segment, rest, new),
        Value::Array(items) => set_in_array(items, segment, rest, new),
        other => {
            let message = format!("`{}` cannot be set below {}", segment.text, other.kind());
            Err(Box::new(
                Diagnostic::new(segment.span, message, "nothing below")
                    .related(node.span, "this is the value there"),
            ))
        }
    }
}

/// Puts the new value in place of the old. Text stays text: `rate=50` lacks its unit, and the
/// message about that is better than one about a number.
fn replace(node: &mut Node, new: &Node) {
    let was_text = matches!(node.value, Value::String(_));
    *node = new.clone();
    if was_text {
        make_text(node);
    }
}

fn make_text(node: &mut Node) {
    if let Value::Integer(text) | Value::Float(text) = &node.value {
        node.value = Value::String(text.clone());
    }
}

fn set_in_table(table: &mut Table, segment: &Segment, rest: &[Segment], new: &Node) -> SetResult {
    if let Some(entry) = table.entry_mut(&segment.text) {
        return set(&mut entry.node, rest, new);
    }
    // A key that is not there yet: whether it may be there is seen when the scenario is read.
    let mut node = Node { span: segment.span, value: Value::Table(Table::default()) };
    set(&mut node, rest, new)?;
    if rest.is_empty() && TEXT_KEYS.contains(&segment.text.as_str()) {
        make_text(&mut node);
    }
    let (key, key_span) = (segment.text.clone(), segment.span);
    table.entries.push(Entry { key, key_span, node });
    Ok(())
}

/// Sets one dotted key below `config` or `model`, however it was written before.
fn set_dotted(table: &mut Table, segment: &Segment, rest: &[Segment], new: &Node) {
    let words: Vec<&str> = rest.iter().map(|segment| segment.text.as_str()).collect();
    let key = words.join(".");
    if table.entry(&segment.text).is_none() {
        let node = Node { span: segment.span, value: Value::Table(Table::default()) };
        let (key, key_span) = (segment.text.clone(), segment.span);
        table.entries.push(Entry { key, key_span, node });
    }
    let Some(entry) = table.entry_mut(&segment.text) else { return };
    let Value::Table(configs) = &mut entry.node.value else { return };
    remove_dotted(configs, &key);
    let first = rest.first().map_or(segment.span, |segment| segment.span);
    let last = rest.last().map_or(segment.span, |segment| segment.span);
    let key_span = Span { start: first.start, end: last.end };
    configs.entries.push(Entry { key, key_span, node: new.clone() });
}

/// Removes a dotted key that may be written in one piece or as nested tables.
fn remove_dotted(table: &mut Table, key: &str) {
    table.entries.retain(|entry| entry.key != key);
    for entry in &mut table.entries {
        let rest = key.strip_prefix(entry.key.as_str()).and_then(|rest| rest.strip_prefix('.'));
        if let (Some(rest), Value::Table(inner)) = (rest, &mut entry.node.value) {
            remove_dotted(inner, rest);
        }
    }
}

fn set_in_array(items: &mut [Node], segment: &Segment, rest: &[Segment], new: &Node) -> SetResult {
    let count = items.len();
    if segment.text == "*" {
        if count == 0 {
            return Err(Box::new(Diagnostic::new(
                segment.span,
                "the list is empty",
                "nothing here",
            )));
        }
        return items.iter_mut().try_for_each(|item| set(item, rest, new));
    }
    if let Ok(index) = segment.text.parse::<usize>() {
        let Some(item) = items.get_mut(index) else {
            let message = format!("there is no element {index}: the list has {count}");
            return Err(Box::new(
                Diagnostic::new(segment.span, message, "no such element")
                    .help("elements are counted from 0"),
            ));
        };
        return set(item, rest, new);
    }
    let named = |item: &Node| element_names(item).contains(&segment.text);
    let mut found = false;
    for item in items.iter_mut().filter(|item| named(item)) {
        found = true;
        set(item, rest, new)?;
    }
    if found {
        return Ok(());
    }
    let message = format!("no element of the list is named `{}`", segment.text);
    let diagnostic = Diagnostic::new(segment.span, message, "no such element");
    let names: Vec<String> = items.iter().flat_map(element_names).collect();
    Err(Box::new(match suggestion(&segment.text, names.iter().map(String::as_str)) {
        Some(help) => diagnostic.help(help),
        None => diagnostic.help("use an index from 0, or `*` for all"),
    }))
}

/// What a list element can be called by.
pub(crate) fn element_names(node: &Node) -> Vec<String> {
    let Value::Table(table) = &node.value else { return Vec::new() };
    let name = |key: &&str| match table.entry(key).map(|entry| &entry.node.value) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    ["name", "group", "fault"].iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use crate::{Source, load};

    fn plan(sets: &[(&str, &str)]) -> Result<crate::plan::Plan, String> {
        let sets: Vec<(String, String)> =
            sets.iter().map(|(path, value)| ((*path).into(), (*value).into())).collect();
        load(&Source::library("az-outage").unwrap(), &sets, 1).map_err(|error| error.render(false))
    }

    #[test]
    fn values_are_set_by_index_name_and_star() {
        let base = plan(&[]).unwrap();
        assert_eq!(base.producers[0].rate_curve, [(0, 11_718_750)]);
        let by_index = plan(&[("producers.0.rate", "24 MB/s")]).unwrap();
        assert_eq!(by_index.producers[0].rate_curve, [(0, 23_437_500)]);
        let by_name = plan(&[("producers.checkout.rate", "\"24 MB/s\"")]).unwrap();
        assert_eq!(by_name.producers, by_index.producers);
        assert_ne!(by_name.scenario_digest, base.scenario_digest);
        let all = plan(&[("producers.*.rate", "5000 records/s")]).unwrap();
        assert!(all.producers.iter().all(|producer| producer.rate_curve == [(0, 5_000_000)]));
        let event = plan(&[("events.az-down.az", "c")]).unwrap();
        assert_ne!(event.events, base.events);
    }

    #[test]
    fn configs_are_set_with_and_without_quotes_and_replace_what_was_there() {
        for path in ["cluster.config.min.insync.replicas", "cluster.config.\"min.insync.replicas\""]
        {
            let plan = plan(&[(path, "1")]).unwrap();
            assert_eq!(plan.cluster.config["min.insync.replicas"], "1", "{path}");
        }
        let linger = plan(&[("producers.web.config.linger.ms", "50")]).unwrap();
        assert_eq!(linger.producers[1].config["linger.ms"], "50");
        let model = plan(&[("model.cpu.request_ns", "99000")]).unwrap();
        assert_eq!(model.model.constants["cpu.request_ns"].value, 99_000);
        assert_eq!(model.model.constants["cpu.request_ns"].source, "scenario override");
        let kafka = plan(&[("cluster.kafka", "4.0"), ("producers.*.config.batch.size", "1000")]);
        assert_eq!(kafka.unwrap().producers[0].config["batch.size"], "1000");
    }

    #[test]
    fn errors_name_the_path_and_suggest() {
        let message = |path: &str, value: &str| plan(&[(path, value)]).unwrap_err();
        for (path, value, words) in [
            ("producers.chekout.rate", "5 MB/s", "did you mean `checkout`?"),
            ("producers.checkout.raet", "5 MB/s", "did you mean `rate`?"),
            ("producers.0.rate", "50", "`50` has no unit"),
            ("producers.7.rate", "5 MB/s", "the list has 2"),
            ("cluster.instance", "kafka.m5.lrage", "did you mean `kafka.m5.large`?"),
        ] {
            let message = message(path, value);
            assert!(message.contains(words), "{message}");
            assert!(message.contains(&format!("{path}={value}")), "{message}");
        }
        for (path, value) in [
            ("", "1"),
            ("a..b", "1"),
            ("name.first", "x"),
            ("cluster.config.\"min", "1"),
            ("cluster.config.min.insync.replica", "1"),
            ("cluster.instance", "kafka.m5.huge"),
            ("clutser.brokers", "3"),
            ("cluster.brokers", "\n[evil]\nx=1"),
        ] {
            assert!(message(path, value).contains("--set:1:"), "{path}");
        }
    }
}
