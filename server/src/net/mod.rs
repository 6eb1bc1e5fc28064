//! Sockets: who connects, and what is said on a connection.

mod connection;
mod framing;
mod listener;

pub(crate) use listener::{Door, listen};
