//! A scenario's tree with `--set` laid over it, its differences from another, and mixtures.

use super::toml_text;
use crate::load::tree_of;
use crate::text::diagnostic::ScenarioError;
use crate::text::set::{DOTTED_BELOW, element_names};
use crate::text::source::{Source, Span};
use crate::text::tree::{Entry, Node, Table, Value};

/// Keys that say something about a run and do not take part in it.
const WORDING: [&str; 4] = ["name", "question", "expect", "thresholds"];

/// A scenario's text as a tree. It need not be a valid scenario.
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    root: Node,
}

/// A key that differs between two scenarios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path as `--set` takes it, such as `producers.checkout.config.linger.ms`.
    pub path: String,
    /// Value in the first scenario as TOML; absent when it does not have the key.
    pub before: Option<String>,
    /// Value in the second scenario.
    pub after: Option<String>,
    steps: Vec<Step>,
    new: Option<Node>,
}

/// A step from a node to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Key of a table.
    Key(String),
    /// Element of a list, by what it is called, or by its position where it has no name.
    Element(String),
}

impl Document {
    /// Reads a scenario and lays `sets` over it.
    ///
    /// # Errors
    /// If the text is no TOML, or a path of `sets` leads nowhere. Whether it is a scenario shows
    /// when its [`Document::source`] is loaded.
    pub fn read(source: &Source, sets: &[(String, String)]) -> Result<Self, ScenarioError> {
        let mut root = tree_of(source, sets)?;
        normalise(&mut root);
        Ok(Self { name: source.name.clone(), root })
    }

    /// The scenario as text again, under the same name. Places in messages about it are those of
    /// the new text.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::new(self.name.clone(), self.text())
    }

    /// The scenario as TOML.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.root.value {
            Value::Table(table) => toml_text::document(table),
            _ => String::new(),
        }
    }

    /// What differs in `other`, in the order in which the keys stand here and then there.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        compare(&[], Some(&self.root), Some(&other.root), &mut changes);
        changes
    }

    /// This scenario with some of its differences taken over.
    #[must_use]
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut mixed = self.clone();
        for change in changes {
            apply(&mut mixed.root, &change.steps, change.new.as_ref());
        }
        mixed
    }
}

impl Change {
    /// Whether the key takes part in a run. Names, wording and thresholds do not.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        match self.steps.first() {
            Some(Step::Key(key)) => !WORDING.contains(&key.as_str()),
            Some(Step::Element(_)) | None => true,
        }
    }
}

/// Below `config` and `model` a dotted key is one key, however it was written.
fn normalise(node: &mut Node) {
    match &mut node.value {
        Value::Table(table) => {
            for entry in &mut table.entries {
                if DOTTED_BELOW.contains(&entry.key.as_str()) {
                    flatten(&mut entry.node);
                } else {
                    normalise(&mut entry.node);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

fn flatten(node: &mut Node) {
    let Value::Table(table) = &mut node.value else { return };
    let mut flat = Vec::new();
    for mut entry in std::mem::take(&mut table.entries) {
        flatten(&mut entry.node);
        match entry.node.value {
            Value::Table(inner) => flat.extend(
                inner
                    .entries
                    .into_iter()
                    .map(|below| Entry { key: format!("{}.{}", entry.key, below.key), ..below }),
            ),
            _ => flat.push(entry),
        }
    }
    table.entries = flat;
}

fn compare(at: &[Step], before: Option<&Node>, after: Option<&Node>, changes: &mut Vec<Change>) {
    let (old, new) = (before.map(|node| &node.value), after.map(|node| &node.value));
    let empty = Table::default();
    let is_element = matches!(at.last(), Some(Step::Element(_)));
    match (old, new) {
        (Some(Value::Table(old)), Some(Value::Table(new))) => in_tables(at, old, new, changes),
        // A table that only one has differs key by key; an element of a list is one thing.
        (Some(Value::Table(old)), None) if !is_element => in_tables(at, old, &empty, changes),
        (None, Some(Value::Table(new))) if !is_element => in_tables(at, &empty, new, changes),
        _ => match (elements(before), elements(after)) {
            (Some(old), Some(new)) => in_lists(at, &old, &new, changes),
            _ if old.map(toml_of) == new.map(toml_of) => {}
            _ => changes.push(change(at, before, after)),
        },
    }
}

fn in_tables(at: &[Step], old: &Table, new: &Table, changes: &mut Vec<Change>) {
    let added = new.keys().filter(|key| old.entry(key).is_none());
    for key in old.keys().chain(added) {
        let of = |table: &'_ Table| table.entry(key).map(|entry| entry.node.clone());
        let mut path = at.to_vec();
        path.push(Step::Key(key.to_owned()));
        compare(&path, of(old).as_ref(), of(new).as_ref(), changes);
    }
}

type Elements<'a> = Vec<(String, &'a Node)>;

fn in_lists(at: &[Step], old: &Elements<'_>, new: &Elements<'_>, changes: &mut Vec<Change>) {
    let find = |list: &Elements<'_>, id: &str| {
        list.iter().find(|(other, _)| other == id).map(|(_, node)| (*node).clone())
    };
    let added = new.iter().filter(|(id, _)| find(old, id).is_none());
    for (id, _) in old.iter().chain(added) {
        let mut path = at.to_vec();
        path.push(Step::Element(id.clone()));
        compare(&path, find(old, id).as_ref(), find(new, id).as_ref(), changes);
    }
}

/// The elements of a list of tables by what they are called; a missing list has none.
fn elements(node: Option<&Node>) -> Option<Elements<'_>> {
    let Some(node) = node else { return Some(Vec::new()) };
    let Value::Array(items) = &node.value else { return None };
    if items.is_empty() || !items.iter().all(|item| matches!(item.value, Value::Table(_))) {
        return None;
    }
    let name = |item: &Node| element_names(item).into_iter().next();
    let named: Vec<(String, &Node)> =
        items.iter().filter_map(|item| Some((name(item)?, item))).collect();
    let is_unique = named.len() == items.len()
        && named.iter().enumerate().all(|(at, (id, _))| named[..at].iter().all(|one| one.0 != *id));
    if is_unique {
        return Some(named);
    }
    Some(items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect())
}

fn toml_of(value: &Value) -> String {
    toml_text::value(&Node { span: Span::default(), value: value.clone() })
}

fn change(at: &[Step], before: Option<&Node>, after: Option<&Node>) -> Change {
    let words: Vec<&str> = at
        .iter()
        .map(|step| match step {
            Step::Key(text) | Step::Element(text) => text.as_str(),
        })
        .collect();
    Change {
        path: words.join("."),
        before: before.map(toml_text::value),
        after: after.map(toml_text::value),
        steps: at.to_vec(),
        new: after.cloned(),
    }
}

/// Puts `new` at the end of the steps, or removes what is there.
fn apply(node: &mut Node, steps: &[Step], new: Option<&Node>) {
    let Some((step, rest)) = steps.split_first() else { return };
    match step {
        Step::Key(key) => apply_key(node, key, rest, new),
        Step::Element(id) => apply_element(node, id, rest, new),
    }
}

fn apply_key(node: &mut Node, key: &str, rest: &[Step], new: Option<&Node>) {
    let span = node.span;
    let Value::Table(table) = &mut node.value else { return };
    if rest.is_empty() {
        match (table.entry_mut(key), new) {
            (Some(entry), Some(new)) => entry.node = new.clone(),
            (None, Some(new)) => {
                table.entries.push(Entry {
                    key: key.to_owned(),
                    key_span: span,
                    node: new.clone(),
                });
            }
            (_, None) => table.entries.retain(|entry| entry.key != key),
        }
        return;
    }
    if table.entry(key).is_none() {
        let value = match rest.first() {
            Some(Step::Element(_)) => Value::Array(Vec::new()),
            _ => Value::Table(Table::default()),
        };
        let node = Node { span, value };
        table.entries.push(Entry { key: key.to_owned(), key_span: span, node });
    }
    if let Some(entry) = table.entry_mut(key) {
        apply(&mut entry.node, rest, new);
    }
}

fn apply_element(node: &mut Node, id: &str, rest: &[Step], new: Option<&Node>) {
    let position = elements(Some(node)).and_then(|list| list.iter().position(|one| one.0 == id));
    let Value::Array(items) = &mut node.value else { return };
    match (position, rest.is_empty(), new) {
        (Some(at), true, Some(new)) => items[at] = new.clone(),
        (Some(at), true, None) => {
            items.remove(at);
        }
        (Some(at), false, _) => apply(&mut items[at], rest, new),
        (None, true, Some(new)) => items.push(new.clone()),
        (None, ..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    fn document(sets: &[(&str, &str)]) -> Document {
        let sets: Vec<(String, String)> =
            sets.iter().map(|(path, value)| ((*path).into(), (*value).into())).collect();
        Document::read(&Source::library("az-outage").unwrap(), &sets).unwrap()
    }

    fn of_text(text: &str) -> Document {
        Document::read(&Source::new("x.toml", text), &[]).unwrap()
    }

    #[test]
    fn a_document_says_what_its_scenario_says() {
        for entry in crate::library() {
            let source = Source::library(entry.name).unwrap();
            let again = Document::read(&source, &[]).unwrap().source();
            let (one, other) = (load(&source, &[], 3).unwrap(), load(&again, &[], 3).unwrap());
            assert_eq!(one.run_digest(), other.run_digest(), "{}", entry.name);
            assert_eq!((one.question, one.thresholds), (other.question, other.thresholds));
        }
    }

    #[test]
    fn changes_are_named_as_set_takes_them() {
        let base = document(&[]);
        let sets = [
            ("producers.checkout.config.linger.ms", "50"),
            ("producers.web.config.batch.size", "1000"),
            ("cluster.config.min.insync.replicas", "1"),
            ("name", "\"other\""),
        ];
        let changed = document(&sets);
        let changes = base.changes(&changed);
        let shown: Vec<String> = changes
            .iter()
            .map(|one| {
                format!("{} {:?} {:?}", one.path, one.before.as_deref(), one.after.as_deref())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "name Some(\"\\\"az-outage\\\"\") Some(\"\\\"other\\\"\")",
                "cluster.config.min.insync.replicas Some(\"2\") Some(\"1\")",
                "producers.checkout.config.linger.ms Some(\"5\") Some(\"50\")",
                "producers.web.config.batch.size None Some(\"1000\")",
            ]
        );
        let part: Vec<bool> = changes.iter().map(Change::takes_part).collect();
        assert_eq!(part, [false, true, true, true]);
        assert!(base.changes(&base).is_empty());
    }

    #[test]
    fn taking_over_all_changes_gives_the_other() {
        let (base, other) = (document(&[]), of_text(&steady()));
        let changes = base.changes(&other);
        let mixed = base.with(&changes);
        let digest = |document: &Document| load(&document.source(), &[], 1).unwrap().run_digest();
        assert_eq!(digest(&mixed), digest(&other));
        let back = mixed.with(&other.changes(&base));
        assert_eq!(digest(&back), digest(&base));
    }

    fn steady() -> String {
        let source = Source::library("steady").unwrap();
        String::from_utf8(source.bytes).unwrap()
    }

    #[test]
    fn elements_of_a_list_are_one_change_and_unnamed_ones_have_positions() {
        let base =
            of_text("a = [{ name = \"x\", v = 1 }, { name = \"y\", v = 2 }]\nb = [{ at = 1 }]");
        let other = of_text("a = [{ name = \"y\", v = 3 }, { name = \"z\" }]\nb = [{ at = 2 }]");
        let changes = base.changes(&other);
        let paths: Vec<&str> = changes.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a.x", "a.y.v", "a.z", "b.0.at"]);
        assert_eq!(
            base.with(&changes).text(),
            "\"a\" = [{ name = \"y\", v = 3 }, { name = \"z\" }]\n\"b\" = [{ at = 2 }]\n"
        );
        let one = base.with(&changes[1..2]);
        assert!(one.text().contains("{ name = \"y\", v = 3 }") && one.text().contains("\"x\""));
    }

    #[test]
    fn odd_text_survives() {
        let text = "a = \"q\\\"b\\\\s\\nl\\u0007\"\n\"k.x y\" = [1.5, true]\n";
        let document = of_text(text);
        assert!(document.changes(&of_text(&document.text())).is_empty());
    }
}
