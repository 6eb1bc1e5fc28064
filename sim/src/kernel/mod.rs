//! The event loop's two tools: a queue of future events and an audit of those that happened.
//! The loop itself belongs to the world, because it alone knows what an event means.

mod audit;
mod calendar;
mod heap;
mod queue;

pub use audit::{Audit, Checkpoint, Divergence, EventMark, first_divergence};
pub use queue::{EventQueue, Order};
