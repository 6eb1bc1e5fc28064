//! Compressed bodies, in the forms that Kafka's clients write: gzip, snappy in the frames of
//! snappy-java or plain, lz4 frames, zstd. Only what needs keys looks into bodies. Leaves out levels:
//! each codec has one here.

use super::RecordError;
use bytes::Bytes;
use std::io::{Read, Write};

/// Limit of a body that is unpacked, bytes: far above any batch that a broker takes.
pub(super) const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Most that one byte of a snappy block stands for: three bytes copy at most 64.
const SNAPPY_RATIO_MAX: usize = 22;
/// Beginning of a snappy-java stream, with its version and the oldest compatible one.
const SNAPPY_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes that snappy-java compresses at once.
const SNAPPY_BLOCK_BYTES: usize = 32 << 10;

/// `compression.type` of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// From the bits of a batch's attributes; `None` for codecs that there are not.
    pub(crate) fn of_bits(bits: i16) -> Option<Self> {
        match bits {
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What was compressed; an error when it is longer than `max` bytes.
    pub(crate) fn unpack(self, body: &[u8], max: u64) -> Result<Bytes, RecordError> {
        let max = max.min(UNPACKED_BYTES_MAX);
        match self {
            Self::Gzip => read_all(flate2::read::MultiGzDecoder::new(body), max),
            Self::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(body), max),
            Self::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(body);
                read_all(decoder.map_err(|_| RecordError::BadCompression)?, max)
            }
            Self::Snappy => unpack_snappy(body, max),
        }
    }

    /// Compresses.
    pub(crate) fn pack(self, bytes: &[u8]) -> Result<Bytes, RecordError> {
        let failed = |_| RecordError::BadCompression;
        let packed = match self {
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(failed)?
            }
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).map_err(failed)?;
                encoder.finish().map_err(|_| RecordError::BadCompression)?
            }
            Self::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(bytes, level)
            }
            Self::Snappy => pack_snappy(bytes)?,
        };
        Ok(Bytes::from(packed))
    }
}

fn read_all(reader: impl Read, max: u64) -> Result<Bytes, RecordError> {
    let mut out = Vec::new();
    let read = reader.take(max + 1).read_to_end(&mut out);
    match read {
        Ok(length) if length as u64 <= max => Ok(Bytes::from(out)),
        _ => Err(RecordError::BadCompression),
    }
}

/// Blocks with their lengths behind a header, or one block without either (librdkafka).
fn unpack_snappy(body: &[u8], max: u64) -> Result<Bytes, RecordError> {
    let bad = RecordError::BadCompression;
    if !body.starts_with(&SNAPPY_HEADER[..8]) {
        return unpack_block(body, max).map(Bytes::from);
    }
    let mut rest = body.get(SNAPPY_HEADER.len()..).ok_or(bad)?;
    let mut out = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| bad)?;
        let (block, after) = after.split_at_checked(length).ok_or(bad)?;
        out.extend(unpack_block(block, max - out.len() as u64)?);
        rest = after;
    }
    if rest.is_empty() { Ok(Bytes::from(out)) } else { Err(bad) }
}

/// The length is the block's word only, and memory is taken for it: it must be a likely one.
fn unpack_block(block: &[u8], max: u64) -> Result<Vec<u8>, RecordError> {
    let bad = RecordError::BadCompression;
    let length = snap::raw::decompress_len(block).map_err(|_| bad)?;
    if length as u64 > max || length > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(bad);
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| bad)
}

fn pack_snappy(bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut out = SNAPPY_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(SNAPPY_BLOCK_BYTES) {
        let packed = encoder.compress_vec(block).map_err(|_| RecordError::BadCompression)?;
        let length = u32::try_from(packed.len()).map_err(|_| RecordError::BadCompression)?;
        out.extend(length.to_be_bytes());
        out.extend(packed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 7 % 251) as u8).collect()
    }

    #[test]
    fn what_is_packed_unpacks() {
        for bits in 1..=4 {
            let codec = Codec::of_bits(bits).unwrap();
            for length in [0, 1, 100, 100_000] {
                let packed = codec.pack(&bytes(length)).unwrap();
                assert_eq!(
                    codec.unpack(&packed, UNPACKED_BYTES_MAX).unwrap(),
                    bytes(length),
                    "{codec:?} {length}"
                );
            }
            let mut damaged = codec.pack(&bytes(1000)).unwrap().to_vec();
            damaged.truncate(damaged.len() / 2);
            let damaged = codec.unpack(&damaged, UNPACKED_BYTES_MAX);
            assert_eq!(damaged, Err(RecordError::BadCompression), "{codec:?}");
        }
        assert_eq!(Codec::of_bits(5), None);
    }
    #[test]
    fn what_is_longer_than_allowed_is_not_unpacked() {
        for bits in 1..=4 {
            let codec = Codec::of_bits(bits).unwrap();
            let packed = codec.pack(&[0; 100_000]).unwrap();
            assert!(packed.len() < 10_000, "{codec:?}");
            assert!(codec.unpack(&packed, 100_000).is_ok(), "{codec:?}");
            assert_eq!(codec.unpack(&packed, 99_999), Err(RecordError::BadCompression));
        }
        // a snappy block of a few bytes that says it is 100 MiB
        let lie = [0x80, 0x80, 0x80, 0x32, 0, 0];
        assert_eq!(snap::raw::decompress_len(&lie).unwrap(), 100 << 20);
        let unpacked = Codec::Snappy.unpack(&lie, UNPACKED_BYTES_MAX);
        assert_eq!(unpacked, Err(RecordError::BadCompression));
    }
}
