//! Bodies of record batches: real bytes, or a template that yields them.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// What follows a batch's header: the records section, compressed or not. Never looked into here.
#[derive(Debug, Clone)]
pub enum Body {
    /// Real bytes.
    Owned(Bytes),
    /// A function of a shared template and a tag, so that a simulated terabyte fits in memory.
    /// [`Body::to_bytes`] yields the same valid bytes each time.
    Template {
        /// Shared by all batches of the same shape.
        template: Arc<BodyTemplate>,
        /// Makes this body unique.
        tag: u64,
    },
}

/// The shape of a body: encoded records whose first value starts with an 8-byte tag.
pub struct BodyTemplate {
    bytes: Bytes,
    tag_at: usize,
    digest: u64,
    keys: Option<Keys>,
}

/// Where keys are in a template, and how many different ones there are.
struct Keys {
    count: u64,
    /// Of each record, the first of [`BodyTemplate::KEY_BYTES`].
    slots: Vec<usize>,
}

impl fmt::Debug for BodyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyTemplate")
            .field("len", &self.bytes.len())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl BodyTemplate {
    /// Bytes of an encoded records section. The tag replaces eight bytes at `tag_at`; when the
    /// body is shorter than that, the tag only counts for [`Body::fingerprint`].
    #[must_use]
    pub fn new(bytes: Bytes, tag_at: usize) -> Self {
        let digest = Body::digest(&bytes);
        Self { bytes, tag_at, digest, keys: None }
    }

    /// Bytes of a key that [`Self::with_keys`] fills in: a number in hex.
    pub const KEY_BYTES: usize = 16;

    /// The template with keys: `slots` are the places of [`Self::KEY_BYTES`] each, which are filled
    /// with one of `count` keys, drawn from the tag.
    #[must_use]
    pub fn with_keys(mut self, count: u64, slots: Vec<usize>) -> Self {
        self.keys = Some(Keys { count: count.max(1), slots });
        self
    }

    /// Size of the body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Body {
    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Template { template, .. } => template.len(),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes: shared when owned, built when from a template.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Owned(bytes) => bytes.clone(),
            Self::Template { template, tag } => {
                let mut bytes = template.bytes.to_vec();
                let end = template.tag_at + 8;
                if let Some(slot) = bytes.get_mut(template.tag_at..end) {
                    slot.copy_from_slice(&tag.to_be_bytes());
                }
                if let Some(keys) = &template.keys {
                    keys.fill(&mut bytes, *tag);
                }
                Bytes::from(bytes)
            }
        }
    }

    /// Identity of bytes: the fingerprint of a body that is these.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> u64 {
        u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64
    }

    /// Identity of the content, cheap for templates: equal bodies have equal fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Owned(bytes) => Self::digest(bytes),
            Self::Template { template, tag } => {
                // neighbouring tags must not look alike
                mix(template.digest ^ tag.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            }
        }
    }
}

/// splitmix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Keys {
    fn fill(&self, bytes: &mut [u8], tag: u64) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for (index, slot) in (1_u64..).zip(&self.slots) {
            let drawn = mix(mix(tag).wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let mut key = drawn % self.count;
            let text = bytes.get_mut(*slot..*slot + BodyTemplate::KEY_BYTES).unwrap_or_default();
            // keys are few as a rule: most of their digits are zeros
            text.fill(b'0');
            for digit in text.iter_mut().rev() {
                if key == 0 {
                    break;
                }
                *digit = HEX[(key % 16) as usize];
                key /= 16;
            }
        }
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Template { template: a, tag: x }, Self::Template { template: b, tag: y })
                if Arc::ptr_eq(a, b) =>
            {
                x == y
            }
            _ => self.to_bytes() == other.to_bytes(),
        }
    }
}

impl Eq for Body {}
