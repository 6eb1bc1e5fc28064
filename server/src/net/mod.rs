//! Sockets: who connects, and what is said on a connection.

mod connection;
mod either;
mod framing;
mod links;
mod listener;
mod peer;

pub(crate) use links::{LinkId, Links};
pub(crate) use listener::{Counted, Door, listen};
