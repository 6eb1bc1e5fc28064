//! Makes a frame that no client would send out of frames that clients have sent.

/// Numbers that lengths and counts are replaced by.
const EXTREMES: [u32; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
/// Longest noise, bytes.
const NOISE_MAX: u64 = 300;
/// Changes of one frame.
const CHANGES_MAX: u64 = 4;

/// Random changes, the same for the same seed (SplitMix64).
pub(super) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end.max(1)).unwrap_or(0)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// One frame in sixteen is noise behind a header that makes sense; the others are changed ones.
    pub(super) fn frame(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = corpus[self.below(corpus.len() as u64)].clone();
        if self.below(16) == 0 {
            frame.truncate(8);
            let len = self.below(NOISE_MAX);
            frame.extend((0..len).map(|_| self.byte()));
            return frame;
        }
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut frame, corpus);
        }
        frame
    }

    fn change(&mut self, frame: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(frame.len() as u64);
        match self.below(8) {
            0 => frame.truncate(at),
            1 => frame.insert(at, self.byte()),
            2 => {
                // another part of another frame
                let other = &corpus[self.below(corpus.len() as u64)];
                let from = self.below(other.len() as u64);
                frame.truncate(at);
                frame.extend_from_slice(&other[from..]);
            }
            3 => {
                let extreme = EXTREMES[self.below(EXTREMES.len() as u64)].to_be_bytes();
                let end = frame.len().min(at + extreme.len());
                frame[at..end].copy_from_slice(&extreme[..end - at]);
            }
            4 => {
                // a varint that goes on and on
                let end = frame.len().min(at + self.below(6));
                frame[at..end].fill(0xff);
            }
            5 if frame.len() > 4 => frame[3] = self.byte() & 0x0f, // another version
            _ => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = self.state as u8;
                }
            }
        }
    }
}
