//! What the clients are asked to do: when records arrive, how large they are, and their keys.
//! Open loop: intended times never depend on how the cluster fares.

mod arrivals;
mod curve;
mod keys;
mod sizes;
mod source;
mod zipf;

pub use arrivals::{Arrivals, Take};
pub use curve::RateCurve;
pub use keys::{KeySampler, murmur2, partition_hash};
pub use sizes::SizeSampler;
pub use source::{Record, RecordSource};
pub use zipf::Zipf;
