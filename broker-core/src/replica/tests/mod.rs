//! The replica manager by itself: metadata, requests, answers and disk completions go in by hand.

mod cleaning;
mod deleting;
mod fetching;
mod isr;
mod leading;
mod nearest;
mod rig;
mod starting;
mod throttling;

pub(crate) use rig::{Rig, TOPIC, TP, consumer_fetch, nothing_new};
