//! Variable-length integers: seven bits a byte, low bits first; signed ones zigzagged.

/// Appends an unsigned integer.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a signed integer.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

/// Reads integers one after another; `None` at the end or when one is longer than 64 bits.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_survive() {
        let mut out = Vec::new();
        let signed = [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN];
        let unsigned = [0, 127, 128, 300, u64::MAX];
        for value in signed {
            put_signed(&mut out, value);
        }
        for value in unsigned {
            put(&mut out, value);
        }
        let mut reader = Reader::new(&out);
        assert_eq!(signed.map(|_| reader.signed().unwrap()), signed);
        assert_eq!(unsigned.map(|_| reader.unsigned().unwrap()), unsigned);
        assert_eq!(reader.byte(), None);
    }
}
