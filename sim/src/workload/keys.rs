//! Keys of records and the partition that a keyed record goes to, as the Java client chooses it:
//! `(murmur2(key) & 0x7fffffff) % partitions`. Leaves out the sticky choice for records without a
//! key, which depends on the client's batches.
//!
//! Key number `n` is the text `key-<n>`; number 0 is the most frequent under Zipf.

use super::zipf::Zipf;
use crate::rng::Stream;
use stormglass_scenarios::plan::KeyDist;

/// Draws keys of one client instance.
#[derive(Debug)]
pub struct KeySampler {
    keys: Keys,
    stream: Stream,
}

#[derive(Debug)]
enum Keys {
    None,
    Uniform(u64),
    Zipf(Zipf),
}

impl KeySampler {
    /// Keys as the plan says.
    #[must_use]
    pub fn new(dist: KeyDist, stream: Stream) -> Self {
        let keys = match dist {
            KeyDist::None => Keys::None,
            KeyDist::Uniform { count } => Keys::Uniform(count),
            KeyDist::Zipf { count, exponent_permille } => {
                Keys::Zipf(Zipf::new(count, exponent_permille))
            }
        };
        Self { keys, stream }
    }

    /// Whether no record has a key: nothing is drawn then.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.keys, Keys::None)
    }

    /// Number of the next record's key; `None` if records have none.
    pub fn next_key(&mut self) -> Option<u64> {
        match &self.keys {
            Keys::None => None,
            Keys::Uniform(count) => Some(self.stream.below(*count)),
            Keys::Zipf(zipf) => Some(zipf.sample(&mut self.stream)),
        }
    }
}

/// Hash of key number `key`, not negative: take it modulo the number of partitions.
#[must_use]
pub fn partition_hash(key: u64) -> u32 {
    const PREFIX: &[u8] = b"key-";
    const DIGITS_MAX: usize = 20;
    let mut text = [0_u8; PREFIX.len() + DIGITS_MAX];
    let mut start = text.len();
    let mut rest = key;
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    start -= PREFIX.len();
    text[start..start + PREFIX.len()].copy_from_slice(PREFIX);
    murmur2(&text[start..]) & 0x7FFF_FFFF
}

/// MurmurHash2, 32 bits, with Kafka's seed.
#[must_use]
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_B28C;
    const M: u32 = 0x5BD1_E995;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let folded = tail.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
        hash = (hash ^ folded).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    #[test]
    fn murmur2_is_kafkas() {
        // Values that Kafka's own tests expect of its `Utils.murmur2`.
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, expected) in cases {
            assert_eq!(murmur2(text.as_bytes()), expected.cast_unsigned(), "{text}");
        }
    }

    #[test]
    fn key_text_is_decimal() {
        for key in [0, 7, 10, 1_234_567, u64::MAX] {
            let text = format!("key-{key}");
            assert_eq!(partition_hash(key), murmur2(text.as_bytes()) & 0x7FFF_FFFF);
        }
    }

    #[test]
    fn many_keys_spread_over_partitions() {
        let mut counts = [0_u32; 12];
        (0..12_000).for_each(|key| counts[(partition_hash(key) % 12) as usize] += 1);
        assert!(counts.iter().all(|n| n.abs_diff(1000) < 160), "{counts:?}");
    }

    #[test]
    fn no_key_when_none_is_planned() {
        let stream = Streams::new(1).stream("p", "keys");
        assert_eq!(KeySampler::new(KeyDist::None, stream.clone()).next_key(), None);
        let mut uniform = KeySampler::new(KeyDist::Uniform { count: 3 }, stream);
        assert!((0..50).all(|_| uniform.next_key().is_some_and(|key| key < 3)));
    }
}
