//! Kafka's wire protocol around `broker-core`: frames to typed requests, typed responses to frames.
//!
//! The client's half covers what the simulator's clients say, in the newest version of each API.
//! Nothing here does IO. A frame is decoded without trusting any length in it, records are slices
//! of the frame, and a response is a list of slices for a vectored write.

mod api;
mod apis;
mod call;
mod client;
mod cluster;
mod codec;
mod error;
mod frame;
mod header;
mod peer;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use apis::{APIS, Api, ApiKey};
pub use call::Call;
pub use client::{decode_response, encode_request};
pub use cluster::{Cluster, Endpoint, Levels, NO_LOG_DIR};
pub use codec::{Decoded, decode_request, encode_response};
pub use error::WireError;
pub use frame::Frame;
pub use peer::{
    Hello, decode_peer_request, decode_peer_response, encode_peer_request, encode_peer_response,
};
