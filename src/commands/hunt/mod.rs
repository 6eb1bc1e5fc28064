//! `stormglass hunt`: many storms, and what they broke.

mod crew;
mod find;
mod folder;
mod gaps;
mod merge;
mod show;
mod shrinking;

pub(super) use crew::hunt;
pub(super) use merge::merge;
