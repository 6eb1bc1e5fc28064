//! SplitMix64: the few random choices of a node, from the seed in its config.

/// A stream of numbers.
#[derive(Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one purpose. Seeds of successive starts may be neighbours in one
    /// stream, so the place to begin is drawn and not added.
    pub(crate) fn for_purpose(seed: u64, purpose: u64) -> Self {
        Self(Self(seed ^ purpose).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
