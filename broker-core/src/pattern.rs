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
    // by itself first: what only the brackets around it complete is no expression
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole_and_brackets_must_close() {
        let matches = |pattern, name| whole(pattern).unwrap().is_match(name);
        assert!(matches("a|bc", "bc") && !matches("a|bc", "abc") && !matches("a", "ab"));
        for refused in ["a)|(b", "[a", "(a", r"\w{1000}{1000}"] {
            assert!(whole(refused).is_err(), "{refused}");
        }
    }
}
