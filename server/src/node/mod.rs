//! A node: the thread that owns a broker and gives it everything that happens, one after the other.

mod directory;
mod event;
mod names;
mod peers;
mod run;
mod timers;

pub(crate) use directory::{Directory, Endpoints, Registered, SharedDirectory};
pub(crate) use event::{Answer, Event, Inbox, Outbox, Snapshot};
pub(crate) use run::{Node, Parts};
