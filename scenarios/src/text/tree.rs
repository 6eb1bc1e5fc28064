//! TOML as a tree in which each key and value knows its place.
//!
//! Leaves out types: a number stays the text that was written, so that no digit is lost.

use super::diagnostic::Diagnostic;
use super::source::Span;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most dots in a line. Prose stays below it, and so does any key that means something.
const DOTS_PER_LINE_MAX: usize = 200;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where.
    pub(crate) span: Span,
    /// What.
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string.
    String(String),
    /// An integer, decimal digits with an optional sign.
    Integer(String),
    /// A float as written.
    Float(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time as written.
    Datetime(String),
    /// An array.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Value {
    /// The kind of value with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// A table in the order in which it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    /// Entries.
    pub(crate) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) node: Node,
}

impl Table {
    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of a key, to be changed.
    pub(crate) fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

/// Parses TOML text whose first byte has position `offset`. What can be read is returned beside
/// the errors, so that one slip does not hide the next.
pub(crate) fn parse(text: &str, offset: usize) -> (Node, Vec<Diagnostic>) {
    let whole = Span { start: offset, end: offset + text.len() };
    if let Some(place) = too_deep(text) {
        let span = Span { start: offset + place, end: offset + place + 1 };
        let message = format!("more than {DOTS_PER_LINE_MAX} dots in one line");
        let empty = Node { span: whole, value: Value::Table(Table::default()) };
        return (empty, vec![Diagnostic::new(span, message, "nested too deeply")]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut diagnostics: Vec<Diagnostic> =
        errors.iter().map(|error| syntax_diagnostic(error, whole, offset)).collect();
    drop_consequences(&mut diagnostics, text, offset);
    let convert = Convert { offset };
    let root = Node { span: whole, value: Value::Table(convert.table(table.get_ref())) };
    (root, diagnostics)
}

fn syntax_diagnostic(error: &toml::de::Error, whole: Span, offset: usize) -> Diagnostic {
    let span = error.span().map_or(whole, |range| Span::shifted(&range, offset));
    let mut lines = error.message().lines();
    let first = lines.next().unwrap_or("invalid TOML").trim().to_owned();
    let rest: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    let diagnostic = Diagnostic::new(span, format!("not valid TOML: {first}"), "here");
    if rest.is_empty() { diagnostic } else { diagnostic.help(rest.join("; ")) }
}

/// Keeps the first message of each line. What follows an array that is never closed was read as
/// part of the array, so messages end where that begins.
fn drop_consequences(diagnostics: &mut Vec<Diagnostic>, text: &str, offset: usize) {
    let says = |diagnostic: &Diagnostic, words: &str| diagnostic.message.contains(words);
    if diagnostics.iter().any(|diagnostic| says(diagnostic, "unclosed")) {
        let first = diagnostics.iter().position(|diagnostic| {
            says(diagnostic, "missing comma") || says(diagnostic, "unclosed")
        });
        diagnostics.truncate(first.map_or(diagnostics.len(), |first| first + 1));
        let help = "an array, table or string that begins above is not closed";
        if let Some(last) = diagnostics.pop() {
            diagnostics.push(last.help(help));
        }
    }
    let line = |diagnostic: &Diagnostic| {
        let end = diagnostic.span.start.saturating_sub(offset).min(text.len());
        text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
    };
    diagnostics.dedup_by_key(|diagnostic| line(diagnostic));
}

/// Line whose dotted key nests too deeply. Brackets are limited by the TOML parser itself, dotted
/// keys are not, and a tree of a million levels overflows the stack when it is dropped.
fn too_deep(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.bytes().filter(|byte| *byte == b'.').count() > DOTS_PER_LINE_MAX {
            return Some(start);
        }
        start += line.len();
    }
    None
}

struct Convert {
    offset: usize,
}

impl Convert {
    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().to_string(),
                key_span: Span::shifted(&key.span(), self.offset),
                node: self.node(value),
            });
        }
        Table { entries }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        Node { span: Span::shifted(&value.span(), self.offset), value: self.value(value.get_ref()) }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(integer) => Value::Integer(decimal(integer.as_str(), integer.radix())),
            DeValue::Float(float) => Value::Float(float.as_str().to_owned()),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Array(array) => {
                Value::Array(array.iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

/// Decimal digits of an integer. One beyond 128 bits keeps its digits: no field is as large, so
/// the range check of the field reports it.
fn decimal(digits: &str, radix: u32) -> String {
    if radix == 10 {
        return digits.strip_prefix('+').unwrap_or(digits).to_owned();
    }
    match i128::from_str_radix(digits, radix) {
        Ok(number) => number.to_string(),
        Err(_) => i128::MAX.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_ok(text: &str) -> Table {
        let (node, errors) = parse(text, 0);
        assert_eq!(errors, []);
        match node.value {
            Value::Table(table) => table,
            other => panic!("a document is a table, not {}", other.kind()),
        }
    }

    #[test]
    fn keys_keep_their_order_and_values_their_place() {
        let text = "b = 1\na = [ \"x\", 0x10 ]\n";
        let table = parse_ok(text);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["b", "a"]);
        let Value::Array(items) = &table.entry("a").unwrap().node.value else { panic!("array") };
        assert_eq!(&text[items[0].span.start..items[0].span.end], "\"x\"");
        assert_eq!(items[1].value, Value::Integer("16".into()));
    }

    #[test]
    fn several_syntax_errors_are_all_reported() {
        let (_, errors) = parse("a = = 1\nb = 2\nc = [1,\nd == 3\n", 10);
        assert!(errors.len() >= 2, "{errors:?}");
        assert!(errors.iter().all(|error| error.span.start >= 10));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_an_overflow() {
        for text in ["[".repeat(100_000), format!("{}x = 1", "a.".repeat(100_000))] {
            assert!(!parse(&text, 0).1.is_empty());
        }
    }
}
