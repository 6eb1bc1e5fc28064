//! Frames on a stream: a length, then as many bytes. The length is only believed as far as bytes
//! arrive.

use bytes::{Buf as _, Bytes, BytesMut};
use std::fmt;
use std::io::{self, IoSlice};
use std::time::Duration;
use stormglass_wire::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Bytes made room for while nothing has come, unless the frame before was longer: there may be
/// thousands of connections that wait.
const IDLE_BYTES: usize = 4 << 10;
/// Bytes made room for when a frame has begun, whatever its length says.
const FIRST_BYTES: usize = 64 << 10;
const PREFIX_BYTES: usize = 4;
/// A connection does not keep the room that a longer frame has taken.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Slices of one write.
const SLICES_MAX: usize = 64;

/// Why no frame came.
#[derive(Debug)]
pub(super) enum FrameError {
    /// A length that no request may have.
    Length(i32),
    /// The stream ended inside a frame.
    CutShort,
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(f, "a request of {len} bytes"),
            Self::CutShort => f.write_str("the connection ended inside a request"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What has come on a stream and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    buffer: BytesMut,
    /// Length of the frame before: the next one is likely to be as long.
    last_len: usize,
}

/// The next frame; `None` at the end of the stream. `incoming` keeps what comes after it.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    incoming: &mut Incoming,
    bytes_max: usize,
) -> Result<Option<Bytes>, FrameError> {
    let Incoming { buffer, last_len } = incoming;
    while buffer.len() < PREFIX_BYTES {
        buffer.reserve((PREFIX_BYTES + *last_len).clamp(IDLE_BYTES, FIRST_BYTES));
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(FrameError::CutShort) };
        }
    }
    let len = buffer.get_i32();
    let frame_len = usize::try_from(len)
        .ok()
        .filter(|len| (1..=bytes_max).contains(len))
        .ok_or(FrameError::Length(len))?;
    while buffer.len() < frame_len {
        // room for twice of what has come, and never for more than what is to come
        let wanted = frame_len - buffer.len();
        buffer.reserve(wanted.min(buffer.len().max(FIRST_BYTES)));
        if stream.read_buf(buffer).await? == 0 {
            return Err(FrameError::CutShort);
        }
    }
    *last_len = frame_len;
    let frame = buffer.split_to(frame_len).freeze();
    if frame_len > KEPT_BYTES_MAX {
        *buffer = BytesMut::from(&buffer[..]);
    }
    Ok(Some(frame))
}

/// Writes all slices of a frame. Whoever takes nothing of it for `idle_max` is given up.
///
/// # Errors
/// The stream failed, or the other side does not read.
pub(super) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &Frame,
    idle_max: Duration,
) -> io::Result<()> {
    for some in frame.parts().chunks(SLICES_MAX) {
        let mut slices: Vec<IoSlice<'_>> = some.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0); // leaves out empty ones at the front
        while !rest.is_empty() {
            let written = timeout(idle_max, stream.write_vectored(rest)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use stormglass_broker_core::ids::NodeId;
    use stormglass_wire::Hello;
    use tokio::io::ReadBuf;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn frames(mut input: &[u8], bytes_max: usize) -> (Vec<Bytes>, Option<FrameError>) {
        let (mut incoming, mut found) = (Incoming::default(), Vec::new());
        loop {
            match block_on(read_frame(&mut input, &mut incoming, bytes_max)) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let (found, error) = frames(b"\0\0\0\x02ab\0\0\0\x01c", 100);
        assert_eq!(found, [&b"ab"[..], b"c"]);
        assert!(error.is_none());
    }

    #[test]
    fn lengths_are_not_believed() {
        for (input, expected) in [
            (&b"\x7f\xff\xff\xffabc"[..], "a request of 2147483647 bytes"),
            (b"\xff\xff\xff\xff", "a request of -1 bytes"),
            (b"\0\0\0\0", "a request of 0 bytes"),
            (b"\0\0\0\x65", "a request of 101 bytes"),
            (b"\0\0\0\x04abc", "the connection ended inside a request"),
            (b"\0\0", "the connection ended inside a request"),
        ] {
            let (found, error) = frames(input, 100);
            assert!(found.is_empty());
            assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_large_length_takes_little_memory_until_bytes_come() {
        let mut incoming = Incoming::default();
        let mut input = &b"\x06\0\0\0only this much"[..];
        let error = block_on(read_frame(&mut input, &mut incoming, 100 << 20));
        assert!(matches!(error, Err(FrameError::CutShort)));
        let room = incoming.buffer.capacity();
        assert!(room <= 4 * FIRST_BYTES, "{room}");
    }

    #[test]
    fn the_room_of_a_long_frame_goes_with_it() {
        let mut input = vec![0; 8 << 20];
        input[..4].copy_from_slice(&(8_u32 << 20).wrapping_sub(4 + 3).to_be_bytes());
        let end = input.len() - 3;
        input[end..].copy_from_slice(b"\0\0\0");
        let (mut incoming, mut input) = (Incoming::default(), input.as_slice());
        let frame = block_on(read_frame(&mut input, &mut incoming, 100 << 20)).unwrap().unwrap();
        assert_eq!(frame.len(), (8 << 20) - 7);
        drop(frame);
        let mut buffer = incoming.buffer;
        assert!(buffer.capacity() <= 2 * FIRST_BYTES, "{}", buffer.capacity());
        buffer.reserve(FIRST_BYTES);
        assert!(buffer.capacity() <= 2 * FIRST_BYTES, "{}", buffer.capacity());
    }

    /// Counts the reads.
    struct Counted<'a>(&'a [u8], usize);

    impl AsyncRead for Counted<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1 += 1;
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    #[test]
    fn a_frame_as_long_as_the_one_before_takes_one_read() {
        let mut incoming = Incoming::default();
        for (len, reads_expected) in [(100_u16, 1), (16_384, 2), (16_384, 1), (16_000, 1)] {
            let input = [&u32::from(len).to_be_bytes(), &vec![0; len.into()][..]].concat();
            let mut input = Counted(&input, 0);
            let frame = block_on(read_frame(&mut input, &mut incoming, 100 << 20)).unwrap();
            assert_eq!(frame.map(|frame| frame.len()), Some(len.into()));
            assert_eq!(input.1, reads_expected, "{len}");
        }
    }

    #[test]
    fn whoever_does_not_read_its_answer_is_given_up() {
        let (mut near, _far) = tokio::io::duplex(1000);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let cluster_id = "c".repeat(5000).into();
        let frame = Hello { cluster_id, from: NodeId(1), to: NodeId(2) }.encode();
        let idle_max = Duration::from_millis(20);
        let error = runtime.block_on(write_frame(&mut near, &frame, idle_max)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
