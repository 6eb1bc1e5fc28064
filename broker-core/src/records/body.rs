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
        let digest = u64::from(crc32c::crc32c(&bytes)) << 32 | bytes.len() as u64;
        Self { bytes, tag_at, digest }
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
                Bytes::from(bytes)
            }
        }
    }

    /// Identity of the content, cheap for templates: equal bodies have equal fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Owned(bytes) => u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64,
            Self::Template { template, tag } => {
                // splitmix64 finaliser: neighbouring tags must not look alike
                let mut z = template.digest ^ tag.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
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
