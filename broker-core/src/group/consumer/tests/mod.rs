//! The state machine by itself: heartbeats, deadlines and the log's confirmations go in by hand.

mod assignors;
mod epochs;
mod random;
mod records;
mod rig;
mod statics;
