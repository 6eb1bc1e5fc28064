//! Where packed batches are kept: in memory up to a budget, beyond it in a temporary file that has no
//! name: the memory of a run does not grow with what its brokers write.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Packed bytes that a store keeps in memory: some twenty million batches of a run.
const BUDGET: u64 = 32 << 20;

/// Packed bytes of one block.
#[derive(Debug)]
pub(crate) enum Place {
    Memory(Box<[u8]>),
    File { at: u64, len: usize },
}

/// Packed bytes of a store.
#[derive(Debug)]
pub(crate) struct ColdBytes {
    /// What may still be kept in memory.
    left: u64,
    file: Option<File>,
    /// Bytes of the file.
    end: u64,
}

impl Default for ColdBytes {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl ColdBytes {
    pub(crate) fn with_budget(left: u64) -> Self {
        Self { left, file: None, end: 0 }
    }

    /// Keeps bytes. Where there is no temporary file, or no room in it, they stay in memory.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Place {
        let len = bytes.len() as u64;
        if let Some(left) = self.left.checked_sub(len) {
            self.left = left;
        } else if let Ok(at) = self.write(bytes) {
            return Place::File { at, len: bytes.len() };
        }
        Place::Memory(Box::from(bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let at = self.end;
        file.write_all_at(bytes, at)?;
        self.end += bytes.len() as u64;
        Ok(at)
    }

    /// What was kept.
    ///
    /// # Panics
    ///
    /// If the temporary file cannot be read: what the simulated disks hold is lost then.
    pub(crate) fn read<'a>(&self, place: &'a Place) -> Cow<'a, [u8]> {
        match place {
            Place::Memory(bytes) => Cow::Borrowed(bytes),
            Place::File { at, len } => {
                let mut bytes = vec![0; *len];
                let file = self.file.as_ref().expect("bytes of a file were written to it");
                let read = file.read_exact_at(&mut bytes, *at);
                read.expect("a temporary file with records of simulated disks can be read");
                Cow::Owned(bytes)
            }
        }
    }
}

impl Place {
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_budget_is_in_the_file() {
        let mut cold = ColdBytes::with_budget(10);
        let blocks: Vec<Vec<u8>> = (1..9).map(|len| vec![len; usize::from(len)]).collect();
        let places: Vec<Place> = blocks.iter().map(|block| cold.keep(block)).collect();
        for (block, place) in blocks.iter().zip(&places) {
            assert_eq!(cold.read(place), Cow::<[u8]>::Borrowed(block));
        }
        let in_memory: usize = places.iter().map(Place::memory_bytes).sum();
        assert_eq!(in_memory, 1 + 2 + 3 + 4);
    }
}
