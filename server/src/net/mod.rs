//! Sockets: who connects, and what is said on a connection.

mod connection;
mod counted;
mod either;
mod framing;
mod links;
mod listener;
mod opening;
mod peer;

pub(crate) use counted::Counted;
pub(crate) use links::{LinkId, Links};
pub(crate) use listener::{Door, listen};
pub(crate) use opening::{Binder, Bound, Serving};
