//! The network: hosts in AZs, their NICs, and TCP-like connections between them. Leaves out
//! packets, routing, name resolution, slow start and congestion below a NIC's limit.
//!
//! # The way of a message
//! 1. **Sending NIC.** Connections with something to send share the rate, max-min fair, each up
//!    to a cap: the lowest of the hosts' flow caps, `window / RTT`, and TCP's rate under loss.
//! 2. **Link.** A latency drawn per message; loss is a delay, never a missing message.
//! 3. **Receiving NIC.** One queue in order of arrival, cut-through: it adds nothing unless the
//!    NIC is busy.
//! 4. Messages of one direction of a connection arrive in order.
//!
//! A message that meets no contention costs one event: its arrival is forecast when all that is sent
//! at its time is known ([`Network::flush`]). Contention that arises later makes the event come
//! early, and it is scheduled once more.
//!
//! # Faults
//! Whether a link is cut is looked at when a message would arrive. What is cut off stays with its
//! sender, which retransmits at `RTO (2^k - 1)` after the first transmission, `RTO = RTT +
//! net.rto_min_ns`, at most 120 s apart; so after healing it goes on up to one back-off late, and
//! everything behind it waits too. After 924 s (Linux's `tcp_retries2 = 15`) the sender gives up. A
//! host without power is like a cut; when it is back it answers old connections with a reset, and
//! so its peers learn. The directions of a connection are independent: acknowledgements are not
//! modelled, so a one-way cut does not fill the other direction's window.
//!
//! # Constants
//! | name | unit | default | source |
//! |---|---|---|---|
//! | `latency_same_az`, `latency_cross_az` | ns | none | the plan |
//! | `net.rto_min_ns` | ns | 200 ms | Linux `TCP_RTO_MIN` |
//! | `net.syn_timeout_ns` | ns | 1 s, doubled 6 times | RFC 6298, Linux `tcp_syn_retries = 6` |
//! | `net.mss_bytes` | bytes | 8949 | 9001-byte MTU within a VPC |
//! | `net.frame_overhead_permille` | parts per thousand | 8 | headers at that MTU |
//! | `net.window_bytes` | bytes | 6 MiB | Linux `tcp_rmem` maximum, when none is set |
//! | `net.loopback_ns` | ns | 20 us | assumption |
//!
//! # Range and error
//! Times are exact to 1 ns per change of the sharing. Small messages wait behind large ones at a
//! busy receiving NIC, as they would not with packets: at most one message's service time. A
//! receiver's NIC does not push back on its senders' shares, so under incast the waiting is at the
//! receiver. A message is assumed to be sent at its flow's full rate at once: transfers of several
//! windows on a fresh or long idle connection take some RTTs longer in reality (slow start).

mod bucket;
mod config;
mod conn;
mod delivery;
mod egress;
mod event;
mod faults;
mod handshake;
mod host;
mod latency;
mod link;
mod network;

pub use config::NetConfig;
pub use conn::{ConnId, Side, Windows};
pub use event::{NetEvent, NetOut, Schedule};
pub use host::{HostCounters, HostId, HostSpec};
pub use link::{Hosts, LinkRule};
pub use network::{Network, RuleId};

#[cfg(test)]
mod tests;
