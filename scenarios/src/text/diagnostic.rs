//! Messages about a scenario: what is wrong, where, and what to write instead.
//!
//! Drawn in rustc's manner by annotate-snippets; also available as plain records for JSON.

use super::source::{Sources, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt;

/// Most messages kept for one scenario; a binary file could otherwise yield thousands.
pub(crate) const DIAGNOSTICS_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// The text that is wrong.
    pub span: Span,
    /// Words beside the marked text.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place that explains the first, with its words.
    pub related: Option<(Span, String)>,
}

impl Diagnostic {
    /// A message that marks `span` with `label`.
    pub fn new(span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { message: message.into(), span, label: label.into(), help: None, related: None }
    }

    /// The same with a line that says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a second place marked.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }
}

/// A message as data, for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticRecord {
    /// Path, library name or `--set`.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Why a scenario cannot be run: every error that was found, in order of place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
    left_out: usize,
}

impl ScenarioError {
    /// An error from at least one diagnostic.
    pub(crate) fn new(sources: Sources, mut diagnostics: Vec<Diagnostic>) -> Self {
        assert!(!diagnostics.is_empty(), "an error says what is wrong");
        diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        diagnostics.dedup();
        let left_out = diagnostics.len().saturating_sub(DIAGNOSTICS_MAX);
        diagnostics.truncate(DIAGNOSTICS_MAX);
        Self { inner: Box::new(Inner { sources, diagnostics, left_out }) }
    }

    /// The same with another line that says what to write instead of what the first message is about.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(first) = self.inner.diagnostics.first_mut() {
            first.help = Some(help.into());
        }
        self
    }

    /// The messages.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.inner.diagnostics
    }

    /// The messages as data.
    #[must_use]
    pub fn records(&self) -> Vec<DiagnosticRecord> {
        let record = |diagnostic: &Diagnostic| {
            let place = self.inner.sources.place(diagnostic.span);
            DiagnosticRecord {
                file: place.file,
                line: place.line,
                column: place.column,
                message: diagnostic.message.clone(),
                help: diagnostic.help.clone(),
            }
        };
        self.inner.diagnostics.iter().map(record).collect()
    }

    /// The messages for people; with ANSI colours on request.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in &self.inner.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text
    }

    fn summary(&self) -> String {
        let count = self.inner.diagnostics.len() + self.inner.left_out;
        let name = self.inner.sources.texts().first().map_or("scenario", |source| &source.name);
        let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        match self.inner.left_out {
            0 => format!("{name}: {errors}\n"),
            left_out => format!("{name}: {errors}, {left_out} not shown\n"),
        }
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let sources = &self.inner.sources;
        let title = Level::ERROR.primary_title(diagnostic.message.as_str());
        let Some(source) = sources.text_at(diagnostic.span.start) else {
            return Group::with_title(title);
        };
        let mut range = sources.local_range(diagnostic.span);
        // Marking a whole table would print it all: its first line is enough.
        if let Some(newline) = source.text[range.clone()].find('\n') {
            range.end = range.start + newline;
        }
        let primary = AnnotationKind::Primary.span(range).label(diagnostic.label.as_str());
        let mut snippet =
            Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(primary);
        let mut other = None;
        if let Some((span, label)) = &diagnostic.related {
            let context =
                AnnotationKind::Context.span(sources.local_range(*span)).label(label.as_str());
            match sources.text_at(span.start) {
                Some(same) if same.offset == source.offset => snippet = snippet.annotation(context),
                Some(text) => {
                    other = Some(
                        Snippet::source(text.text.as_str())
                            .path(text.name.as_str())
                            .annotation(context),
                    );
                }
                None => {}
            }
        }
        let group = title.element(snippet);
        let group = other.into_iter().fold(group, Group::element);
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ScenarioError {}

/// The candidate that `word` was most likely meant to be.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let likeness = likeness(word, candidate);
        if likeness > 0.72 && best.is_none_or(|(best, _)| likeness > best) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
    if word.replace(['-', '_', '.'], "") == candidate.replace(['-', '_', '.'], "") {
        return 1.0;
    }
    // Jaro-Winkler rewards a common beginning, which long dotted names share by their nature.
    let edits = strsim::normalized_damerau_levenshtein(&word, &candidate);
    edits.max(strsim::jaro_winkler(&word, &candidate) - 0.12)
}

/// `did you mean ...?`, or the choices when there are few, or nothing.
pub(crate) fn suggestion<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(closest) = closest(word, candidates.clone()) {
        return Some(format!("did you mean `{closest}`?"));
    }
    let choices: Vec<String> =
        candidates.into_iter().map(|choice| format!("`{choice}`")).take(13).collect();
    match choices.len() {
        0 | 13.. => None,
        _ => Some(format!("one of {}", choices.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_find_misspellings_and_stay_silent_otherwise() {
        let names = ["partitions", "replication", "preload"];
        assert_eq!(closest("partition", names), Some("partitions"));
        assert_eq!(closest("replciation", names), Some("replication"));
        assert_eq!(closest("zookeeper", names), None);
        assert_eq!(closest("pre-load", names), Some("preload"));
    }

    #[test]
    fn a_message_shows_text_label_and_help() {
        let mut sources = Sources::default();
        sources.add("a.toml", "name = \"x\"\nbrokrs = 3\n");
        let span = Span { start: 11, end: 17 };
        let error = ScenarioError::new(
            sources,
            vec![Diagnostic::new(span, "unknown key `brokrs`", "unknown").help("try `brokers`")],
        );
        assert_eq!(
            error.render(false),
            [
                "error: unknown key `brokrs`",
                " --> a.toml:2:1",
                "  |",
                "2 | brokrs = 3",
                "  | ^^^^^^ unknown",
                "  |",
                "  = help: try `brokers`",
                "",
                "a.toml: 1 error",
                "",
            ]
            .join("\n")
        );
        assert_eq!(error.records()[0].line, 2);
        assert!(error.render(true).contains("\u{1b}["));
    }
}
