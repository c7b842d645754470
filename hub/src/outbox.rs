//! The outbox of one connection: finished bytes on their way to a socket, bounded in bytes and count.
//!
//! It does not know frames or sockets: chunks come in whole and leave through a writer that may take any part of them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

/// Chunks in one vectored write. Linux takes 1,024; more than 64 gains nothing that a profile shows.
const SLICES: usize = 64;

/// An outbox that grew in a storm gives its memory back above so many places.
const KEPT_PLACES: usize = 32;

/// Whether a chunk found a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Pushed {
    /// It waits.
    Taken,
    /// It does not fit; the caller's policy decides.
    Full,
}

/// How a flush ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flushed {
    /// Nothing waits any more.
    Drained,
    /// The writer takes no more for now.
    Blocked,
}

/// The bounds of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In bytes.
    pub bytes: usize,
    /// In chunks.
    pub chunks: usize,
}

#[derive(Debug)]
struct Chunk {
    bytes: Rc<[u8]>,
    /// Whether it may go to make place for a newer one.
    droppable: bool,
}

/// Bytes on their way to one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk is written.
    written: usize,
    bytes: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Adds a chunk if it fits. An empty outbox takes any chunk: a frame larger than the bound must not be stuck for ever.
    #[inline]
    pub fn push(&mut self, bytes: &Rc<[u8]>, droppable: bool, bounds: Bounds) -> Pushed {
        let fits = self.bytes + bytes.len() <= bounds.bytes && self.chunks.len() < bounds.chunks;
        if !fits && !self.chunks.is_empty() {
            return Pushed::Full;
        }
        self.bytes += bytes.len();
        if self.chunks.capacity() == 0 {
            // Most idle connections hear one thing at a time.
            self.chunks.reserve_exact(1);
        }
        self.chunks.push_back(Chunk { bytes: Rc::clone(bytes), droppable });
        Pushed::Taken
    }

    /// Puts a chunk before all others, whatever waits. Nothing may have been written yet.
    pub fn push_first(&mut self, bytes: Rc<[u8]>) {
        debug_assert_eq!(self.written, 0, "a chunk would be torn");
        self.bytes += bytes.len();
        self.chunks.push_front(Chunk { bytes, droppable: false });
    }

    /// Lets the oldest droppable chunks go until one of `len` bytes fits; never one that is partly written. Answers how
    /// many went.
    pub fn make_place(&mut self, len: usize, bounds: Bounds) -> usize {
        let mut dropped = 0;
        let mut index = usize::from(self.written > 0);
        while (self.bytes + len > bounds.bytes || self.chunks.len() >= bounds.chunks) && index < self.chunks.len() {
            if self.chunks[index].droppable {
                // The index was just checked.
                self.bytes -= self.chunks.remove(index).map_or(0, |chunk| chunk.bytes.len());
                dropped += 1;
            } else {
                index += 1;
            }
        }
        dropped
    }

    /// Forgets everything that is not partly written: the connection is about to hear that it closes.
    pub fn clear(&mut self) {
        self.chunks.truncate(usize::from(self.written > 0));
        self.bytes = self.chunks.front().map_or(0, |chunk| chunk.bytes.len() - self.written);
    }

    /// Writes until nothing waits or the writer would block.
    pub fn flush(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<Flushed> {
        while let Some(first) = self.chunks.front() {
            let first = IoSlice::new(&first.bytes[self.written..]);
            let written = if self.chunks.len() == 1 {
                write(&[first])
            } else {
                let (mut slices, count) = ([first; SLICES], self.chunks.len().min(SLICES));
                for (slice, chunk) in slices[1..].iter_mut().zip(self.chunks.iter().skip(1)) {
                    *slice = IoSlice::new(&chunk.bytes);
                }
                write(&slices[..count])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.chunks.capacity() > KEPT_PLACES {
            self.chunks = VecDeque::new();
        }
        Ok(Flushed::Drained)
    }

    /// Gives memory back that nothing waits in.
    pub fn release(&mut self) {
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        self.written += written;
        while let Some(chunk) = self.chunks.front().filter(|chunk| chunk.bytes.len() <= self.written) {
            self.written -= chunk.bytes.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 10, chunks: 4 };

    fn chunk(bytes: &[u8]) -> Rc<[u8]> {
        bytes.into()
    }

    #[test]
    fn bounds_hold_in_bytes_and_count() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(&chunk(&[0; 40]), false, BOUNDS), Pushed::Taken, "an empty outbox takes anything");
        assert_eq!(outbox.push(&chunk(&[0; 1]), false, BOUNDS), Pushed::Full);
        let mut outbox = Outbox::default();
        for _ in 0..4 {
            assert_eq!(outbox.push(&chunk(&[0]), false, BOUNDS), Pushed::Taken);
        }
        assert_eq!(outbox.push(&chunk(&[0]), false, BOUNDS), Pushed::Full);
    }

    #[test]
    fn what_is_pushed_first_leaves_first_whatever_waits() {
        let mut outbox = Outbox::default();
        for byte in 1..=2u8 {
            assert_eq!(outbox.push(&chunk(&[byte; 5]), true, BOUNDS), Pushed::Taken);
        }
        outbox.push_first(chunk(&[0; 5]));
        assert_eq!((outbox.bytes(), outbox.make_place(5, BOUNDS)), (15, 2), "it counts, and stays");
        let mut out = Vec::new();
        let flushed = outbox.flush(|slices| {
            out.extend(slices.iter().flat_map(|slice| slice.iter().copied()));
            Ok(slices.iter().map(|slice| slice.len()).sum())
        });
        assert_eq!((flushed.expect("no error"), out), (Flushed::Drained, vec![0; 5]));
    }

    #[test]
    fn a_partly_written_frame_is_never_dropped() {
        let mut outbox = Outbox::default();
        for byte in 1..=3u8 {
            assert_eq!(outbox.push(&chunk(&[byte; 3]), true, BOUNDS), Pushed::Taken);
        }
        let mut once = Some(2);
        let flushed = outbox.flush(|_| once.take().ok_or_else(|| io::ErrorKind::WouldBlock.into()));
        assert_eq!(flushed.expect("no error"), Flushed::Blocked);
        assert_eq!(outbox.make_place(8, BOUNDS), 2, "the two unwritten ones go");
        assert_eq!(outbox.bytes(), 1, "the rest of the first stays");
    }

    proptest! {
        /// Whatever the writer takes at a time, the bytes come out as they went in.
        #[test]
        fn bytes_come_out_in_order(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..200), takes in prop::collection::vec(1usize..400, 1..50)) {
            let bounds = Bounds { bytes: usize::MAX, chunks: usize::MAX };
            let mut outbox = Outbox::default();
            for bytes in &chunks {
                prop_assert_eq!(outbox.push(&chunk(bytes), false, bounds), Pushed::Taken);
            }
            let (mut out, mut takes) = (Vec::new(), takes.into_iter().cycle());
            let flushed = outbox.flush(|slices| {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let take = takes.next().unwrap_or(1).min(all.len());
                out.extend_from_slice(&all[..take]);
                Ok(take)
            });
            prop_assert_eq!(flushed.expect("no error"), Flushed::Drained);
            prop_assert_eq!(out, chunks.concat());
            prop_assert_eq!(outbox.bytes(), 0);
        }
    }
}
