//! A message on its way out: slices that are written one after the other.

use bytes::Bytes;

/// A response with its length prefix. Records in it are shared with where they come from.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    parts: Vec<Bytes>,
}

impl Frame {
    pub(crate) fn new(parts: Vec<Bytes>) -> Self {
        Self { parts }
    }

    /// The slices, in order.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// Bytes of all slices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All slices in one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(self.parts.concat())
    }
}
