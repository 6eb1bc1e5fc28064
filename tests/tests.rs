//! Black-box tests of the `stormglass` binary: one test binary, a module per subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

// How the binary is called.
mod common;

// Arguments that make no sense, and what is said about them.
mod usage;
// Scenarios that make no sense.
mod malformed;
// What storms do, judged by timeline and events.
mod storms;
// A run: its directory, its verdicts, its seeds.
mod run;
// What went wrong once: each scenario keeps every promise now.
mod regress;
// The same run again, and the audit.
mod reassign;
mod replay;
// Many storms, and what they broke.
mod hunt;
// Ctrl-C.
mod interrupt;
// JSON on stdout.
mod json;
// Other tools' files, in and out.
mod transfer;
// The workload against a real broker.
mod bench;
// Bills.
mod cost;
// Express, Serverless: quotas, recovery, meters.
mod kinds;
// What changed, and why.
mod compare;
// What got worse, and what did not.
mod gate;
// Many values of some keys.
mod sweep;
// Which cluster.
mod plan;
// The library, the schemas, completions, explanations.
mod catalogue;
// A client for `serve`.
mod kafka;
// A real broker: what is acknowledged is there, also after a kill.
mod serve;
// Its clients, some of which are clumsy.
mod serve_clumsy;
// Topics of many partitions.
mod serve_many;
// A volume that fails under a real broker.
mod volumes;
// A cluster of three processes that are killed, paused and stopped under load.
mod processes;
// Consumers that read from the replica in their rack.
mod nearest;
// Groups in the consumer protocol.
mod consumer_groups;
// Groups with members.
mod groups;
// Deletion, partitions, configs.
mod topics;
// What tools look at: partitions, log directories, the quorum.
mod describe;
// Quotas of clients.
mod quotas;
// Transactions: committed, aborted, fenced, killed.
mod transactions;
// What the README promises.
mod readme;
// Historical bugs put back; only with the feature that builds them.
#[cfg(feature = "planted-bugs")]
mod planted;
