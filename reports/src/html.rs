//! `index.html`: one self-contained page that a capacity planner reads from top to bottom.
//!
//! No network, no external fonts; the script only adds a read-out under the pointer and the page
//! is whole without it. Every text that comes from a scenario is escaped by `maud`.

mod facts;
mod link;
mod money;
mod numbers;
mod page;
mod recovery;
mod shell;
mod story;
mod verdict;

pub(crate) use link::linked;
pub(crate) use money::price;
pub use page::page;
pub(crate) use shell::{figure, shell};
