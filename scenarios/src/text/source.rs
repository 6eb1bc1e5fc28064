//! Where text comes from: one scenario file and the `--set` arguments laid over it.
//!
//! All texts share one range of positions, so that a [`Span`] alone says in which text it lies.
//! Leaves out: reading files, which is the caller's part.

use std::ops::Range;

/// Largest scenario file, bytes. Larger input is no scenario and would only cost time.
pub(crate) const SCENARIO_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A range of bytes in the texts of a scenario and its `--set` arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Span {
    /// Both ends moved by `offset`.
    #[must_use]
    pub(crate) fn shifted(range: &Range<usize>, offset: usize) -> Self {
        Self { start: range.start + offset, end: range.end + offset }
    }
}

/// A scenario as given, before parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path or library name, for messages.
    pub name: String,
    /// The file's bytes. They need not be UTF-8; [`crate::load`] says so if they are not.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A scenario from the bytes of a file.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// One text among [`Sources`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceText {
    /// Path, library name or `--set`.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
    /// Position of its first byte.
    pub(crate) offset: usize,
}

/// The texts that a message may point into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sources {
    texts: Vec<SourceText>,
}

/// A place for people: counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name of the text.
    pub(crate) file: String,
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column in characters, from 1.
    pub(crate) column: u32,
}

impl Sources {
    /// Adds a text and returns the position of its first byte.
    pub(crate) fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        // One byte of gap, so that the end of one text is not the start of the next.
        let offset = self.texts.last().map_or(0, |last| last.offset + last.text.len() + 1);
        self.texts.push(SourceText { name: name.into(), text: text.into(), offset });
        offset
    }

    /// The text in which a position lies.
    #[must_use]
    pub(crate) fn text_at(&self, position: usize) -> Option<&SourceText> {
        self.texts.iter().rev().find(|text| text.offset <= position)
    }

    /// The texts in the order in which they were added.
    #[must_use]
    pub(crate) fn texts(&self) -> &[SourceText] {
        &self.texts
    }

    /// The range of a span within its own text, cut to character boundaries.
    #[must_use]
    pub(crate) fn local_range(&self, span: Span) -> Range<usize> {
        let Some(source) = self.text_at(span.start) else { return 0..0 };
        let floor = |position: usize| {
            let mut at = position.saturating_sub(source.offset).min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        start..floor(span.end).max(start)
    }

    /// Line and column of a span's start.
    #[must_use]
    pub(crate) fn place(&self, span: Span) -> Place {
        let Some(source) = self.text_at(span.start) else {
            return Place { file: String::new(), line: 1, column: 1 };
        };
        let start = self.local_range(span).start;
        let before = &source.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: source.name.clone(),
            line: count_u32(before.matches('\n').count() + 1),
            column: count_u32(before[line_start..].chars().count() + 1),
        }
    }
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_in_the_right_text() {
        let mut sources = Sources::default();
        let file = sources.add("a.toml", "x = 1\nü = 2\n");
        let set = sources.add("--set", "rate=5");
        assert_eq!(sources.place(Span { start: file, end: file }).line, 1);
        let two = sources.place(Span { start: file + 11, end: file + 12 });
        assert_eq!((two.file.as_str(), two.line, two.column), ("a.toml", 2, 5));
        let place = sources.place(Span { start: set + 5, end: set + 6 });
        assert_eq!((place.file.as_str(), place.line, place.column), ("--set", 1, 6));
    }

    #[test]
    fn a_span_inside_a_character_is_cut_to_its_start() {
        let mut sources = Sources::default();
        sources.add("a.toml", "ü");
        assert_eq!(sources.local_range(Span { start: 1, end: 2 }), 0..2);
        assert_eq!(sources.local_range(Span { start: 0, end: 900 }), 0..2);
    }
}
