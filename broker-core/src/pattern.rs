//! Regular expressions that clients send: of names of topics (KIP-848) and of transactional ids.

use regex::{Regex, RegexBuilder};

/// Most memory that a compiled one may take, bytes.
const BYTES_MAX: usize = 1 << 20;

/// One that a name matches as a whole. Kafka's are RE2's, as these are nearly.
///
/// # Errors
/// It is none, or takes too much memory.
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(BYTES_MAX).build();
    let whole = build(&format!("^(?:{pattern})$"));
    // By itself, too: what only the brackets around it complete is no expression, and errors are about what was
    // sent. To build one takes long, and what closes no bracket is completed by none.
    if whole.is_err() || pattern.contains(')') {
        build(pattern)?;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole_and_brackets_must_close() {
        let matches = |pattern, name| whole(pattern).unwrap().is_match(name);
        assert!(matches("a|bc", "bc") && !matches("a|bc", "abc") && !matches("a", "ab"));
        assert!(matches("(a|b)c", "bc") && !matches("(a|b)c", "b"));
        for refused in ["a)|(b", "[a", "(a", "a\\", "*a", "(?i", r"\w{1000}{1000}"] {
            assert!(whole(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn errors_are_about_what_was_sent() {
        for refused in ["a)|(b", "[a", "*a", r"\w{1000}{1000}"] {
            let alone = RegexBuilder::new(refused).size_limit(BYTES_MAX).build().map(|_| ());
            assert_eq!(whole(refused).map(|_| ()), alone, "{refused}");
        }
    }
}
