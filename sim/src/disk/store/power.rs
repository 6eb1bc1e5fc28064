//! What a power failure leaves of logs: all that was written back, and a part of the rest.

use super::{Cut, Store};

impl Store {
    /// The host loses power: of what was not written back, a part drawn by `below(n)` (uniform in
    /// `0..n`) survives, the last batch of it torn every other time.
    pub(crate) fn crash_power(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        self.forget_appends();
        self.tear_unsynced(&mut Vec::new(), below); // the page cache goes as a whole
    }

    /// The host lost power, its storage did not: all that was written is there, and counts as written back, as the
    /// page cache that would do that is gone.
    pub(crate) fn outlive_power(&mut self) {
        self.forget_appends();
        for segment in self.logs.iter_mut().flatten().flat_map(|log| &mut log.segments) {
            segment.durable = segment.len();
            segment.reached = segment.durable;
        }
    }

    /// No append waits for the one before it.
    fn forget_appends(&mut self) {
        for log in self.logs.iter_mut().flatten() {
            log.appended_ns = 0;
            log.append_waits = false;
        }
    }

    /// Of what was not written back, a part survives, and the host goes on.
    pub(in crate::disk) fn tear_unsynced(
        &mut self,
        cuts: &mut Vec<Cut>,
        below: &mut dyn FnMut(u64) -> u64,
    ) {
        for log in self.logs.iter_mut().flatten() {
            for segment in log.segments.iter_mut().filter(|segment| segment.durable < segment.len())
            {
                let (len, end) = (segment.len(), segment.next_offset());
                let cut = segment.durable + below(len - segment.durable + 1);
                segment.tear(cut, &self.dictionary);
                if cut.is_multiple_of(2) {
                    // the file's length was last noted between two appends
                    (segment.torn, segment.durable) = (0, segment.bytes());
                    segment.reached = segment.durable;
                }
                if segment.next_offset() < end {
                    let lost = segment.next_offset();
                    log.lost_from = Some(log.lost_from.map_or(lost, |known| known.min(lost)));
                }
                self.used_bytes[log.volume] -= len - segment.len();
                cuts.push((segment.file, segment.len(), len));
            }
        }
    }
}
