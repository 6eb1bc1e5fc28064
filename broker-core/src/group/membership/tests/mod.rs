//! The state machine by itself: requests, deadlines and ends of writes go in by hand.

mod fixed;
mod loading;
mod random;
mod rebalances;
mod rig;
mod sessions;
