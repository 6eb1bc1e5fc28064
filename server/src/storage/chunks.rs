//! Positioned reads of a file in chunks, so that walking it costs a system call per chunk.

use super::read_memory;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// A window onto a file.
#[derive(Debug)]
pub(super) struct Chunks<'a> {
    file: &'a File,
    /// Nothing is read beyond.
    size: u64,
    /// Bytes read at a time, if that many are there.
    chunk: usize,
    start: u64,
    window: Bytes,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(file: &'a File, size: u64, chunk: usize) -> Self {
        Self { file, size, chunk, start: 0, window: Bytes::new() }
    }

    /// Reads so much at a time from now on.
    pub(super) fn set_chunk(&mut self, chunk: usize) {
        self.chunk = chunk;
    }

    /// Bytes of the file that may be read.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A stretch of the file; `None` when it reaches beyond the end.
    pub(super) fn get(&mut self, position: u64, len: usize) -> io::Result<Option<Bytes>> {
        let end = position + len as u64;
        if end > self.size {
            return Ok(None);
        }
        let window_end = self.start + self.window.len() as u64;
        if position < self.start || end > window_end {
            let there = usize::try_from(self.size - position).unwrap_or(usize::MAX);
            let mut window = vec![0; self.chunk.max(len).min(there)];
            self.file.read_exact_at(&mut window, position)?;
            (self.start, self.window) = (position, read_memory::count(window));
        }
        let from = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        Ok(Some(self.window.slice(from..from + len)))
    }
}
