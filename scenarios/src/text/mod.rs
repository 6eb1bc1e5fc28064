//! Text in, tree and messages out: sources, spans, TOML trees, diagnostics and `--set`.

pub(crate) mod diagnostic;
pub(crate) mod json_words;
pub(crate) mod set;
pub(crate) mod source;
pub(crate) mod tree;
