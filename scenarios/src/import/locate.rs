//! Where in a file's text a value is, by its path: documents are read as values, which do not know
//! their line, and only errors ask for it.

use super::{ImportError, ImportFile};

impl ImportError {
    /// `file: path` becomes `file:line:column: path` where the path is found in the file.
    pub(super) fn located(mut self, files: &[ImportFile]) -> Self {
        for file in files {
            let Some(rest) = self.place.strip_prefix(&file.name) else { continue };
            let Ok(text) = std::str::from_utf8(&file.bytes) else { continue };
            let at = match rest.strip_prefix(": ") {
                Some(path) => position(text, path).map(|at| (at, format!(": {path}"))),
                // The whole document.
                None if rest.is_empty() => first(text).map(|at| (at, String::new())),
                None => None,
            };
            if let Some((at, path)) = at {
                let (line, column) = line_column(text, at);
                self.place = format!("{}:{line}:{column}{path}", file.name);
                return self;
            }
        }
        self
    }
}

/// Byte offset of the first character that is no space.
fn first(text: &str) -> Option<usize> {
    text.find(|c: char| !c.is_whitespace() && c != '\u{feff}')
}

/// Byte offset of the value at a path such as `A.B[0].C`, written as [`super::doc::Doc`] does.
fn position(text: &str, path: &str) -> Option<usize> {
    let start = text.find(['{', '[']);
    let json = start.and_then(|start| {
        let mut walk = Walk { text: text.as_bytes(), at: start, wanted: path };
        walk.value("")
    });
    json.or_else(|| yaml_key(text, path))
}

/// A key of a block of YAML: the first line that begins with the path's first part.
fn yaml_key(text: &str, path: &str) -> Option<usize> {
    let key = path.split(['.', '[']).next()?;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix(key).map(str::trim_start);
        if let Some(value) = rest.and_then(|rest| rest.strip_prefix(':')) {
            let shift = line.len() - value.trim_start().len();
            return Some(at + if value.trim().is_empty() { 0 } else { shift });
        }
        at += line.len();
    }
    None
}

fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A walk over JSON that was found well-formed. What is no JSON ends it.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    wanted: &'a str,
}

impl Walk<'_> {
    /// Passes a value; its offset, or that of the wanted one within it.
    fn value(&mut self, path: &str) -> Option<usize> {
        self.spaces();
        if path == self.wanted {
            return Some(self.at);
        }
        match self.text.get(self.at)? {
            b'{' => self.members(path),
            b'[' => self.items(path),
            b'"' => {
                self.string()?;
                None
            }
            _ => {
                let is_end = |byte: &u8| b",]} \t\r\n".contains(byte);
                self.at += self.text[self.at..].iter().position(is_end)?;
                None
            }
        }
    }

    fn members(&mut self, path: &str) -> Option<usize> {
        self.at += 1;
        loop {
            self.spaces();
            if self.text.get(self.at) != Some(&b'"') {
                self.at += 1;
                return None;
            }
            let key = self.string()?;
            self.spaces();
            self.at += 1; // the colon
            let dot = if path.is_empty() { "" } else { "." };
            if let Some(found) = self.value(&format!("{path}{dot}{key}")) {
                return Some(found);
            }
            self.comma();
        }
    }

    fn items(&mut self, path: &str) -> Option<usize> {
        self.at += 1;
        for index in 0.. {
            self.spaces();
            if self.text.get(self.at)? == &b']' {
                break;
            }
            let before = self.at;
            if let Some(found) = self.value(&format!("{path}[{index}]")) {
                return Some(found);
            }
            self.comma();
            if self.at == before {
                return None;
            }
        }
        self.at += 1;
        None
    }

    fn comma(&mut self) {
        self.spaces();
        if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
        }
    }

    fn spaces(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Passes a string; its text, escapes as they stand.
    fn string(&mut self) -> Option<String> {
        let start = self.at + 1;
        let mut at = start;
        while *self.text.get(at)? != b'"' {
            at += if self.text[at] == b'\\' { 2 } else { 1 };
        }
        self.at = at + 1;
        String::from_utf8(self.text.get(start..at)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &str) -> Option<(usize, usize)> {
        position(text, path).map(|at| line_column(text, at))
    }

    #[test]
    fn values_are_found_by_their_path() {
        let text =
            "{\"a\": [1, {\"b.c\": \"x\\\"y\",\n \"d[1-3]\": {\"e\": tru}}],\n\t\"f\":  null}";
        assert_eq!(at(text, "a"), Some((1, 7)));
        assert_eq!(at(text, "a[0]"), Some((1, 8)));
        assert_eq!(at(text, "a[1].b.c"), Some((1, 19)));
        assert_eq!(at(text, "a[1].d[1-3].e"), Some((2, 18)));
        assert_eq!(at(text, "f"), Some((3, 8)));
        assert_eq!(at(text, "g"), None);
    }

    #[test]
    fn keys_of_a_workload_are_found_in_yaml() {
        let text = "name: w\n# topics: 3\ntopics : many\nproducerConfig: |\n  acks=9\n";
        assert_eq!(at(text, "topics"), Some((3, 10)));
        assert_eq!(at(text, "producerConfig.acks"), Some((4, 17)));
        assert_eq!(at(text, "rate"), None);
    }

    #[test]
    fn what_is_cut_off_is_found_nowhere_and_ends() {
        for text in ["{\"a\": [1, ", "[", "{\"a", "[[[[1 2 3", "{]}"] {
            assert_eq!(at(text, "b"), None, "{text}");
        }
    }
}
