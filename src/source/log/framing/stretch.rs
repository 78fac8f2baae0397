//! Reading a stretch of a file by itself: where its first record begins, and where its reader stands at the end.

use super::{BLOCK, Buffers, FIRST, FULL, Frames, HEAD, LAST, MIDDLE, SEARCH};
use std::io::Read;

/// Where a reader stands with nothing in progress, neither a record nor damage. What another one finds from here on is what the
/// first one would have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    /// Bytes from the start of the file.
    at: u64,
    /// Bytes that may still be checksummed in vain in this block.
    left: usize,
}

impl Place {
    /// Where its block begins.
    pub(in super::super) fn block(self) -> u64 {
        self.at - self.at % BLOCK as u64
    }
}

impl<'b, R: Read> Frames<'b, R> {
    /// A reader from `start` on, where a block begins and `input` stands. It is to be told where its first record is, by
    /// [`Frames::go_to`] or [`Frames::pass_rest`].
    pub(in super::super) fn within(input: R, buffers: &'b mut Buffers, start: u64) -> Self {
        let mut frames = Frames::new(input, buffers);
        frames.base = start;
        frames
    }

    /// Stops before the first record that begins at `until`, the start of a block, or later. Damage is read to its end.
    pub(in super::super) fn stop_at(&mut self, until: u64) {
        self.until = until;
    }

    /// Where the reader stands, if it stopped where it was to; `None` at the end of the file.
    pub(in super::super) fn place(&self) -> Option<Place> {
        let at = self.base + self.at as u64;
        // At the end of a file, what was in progress is in the accounts.
        let stopped = at >= self.until && self.is_between() && self.end.cut == 0 && self.failed.is_none();
        stopped.then(|| self.place_at(at))
    }

    /// Goes to a place in the first block, before anything is read.
    pub(in super::super) fn go_to(&mut self, place: Place) {
        self.fill();
        self.at = (place.at - self.base) as usize;
        self.budget = (place.at / BLOCK as u64, place.left);
    }

    /// Passes over what seems to be the rest of a record that began before the stretch. Where the next one may begin; `None` if that
    /// does not show.
    pub(in super::super) fn pass_rest(&mut self) -> Option<Place> {
        loop {
            if self.at >= self.filled && (self.ended || !self.fill()) {
                return None;
            }
            let [_, _, _, _, low, high, kind, ..] = *self.buffers.blocks.get(self.at..self.filled)? else {
                return None;
            };
            let end = self.at + HEAD + usize::from(u16::from_le_bytes([low, high]));
            let edge = self.at - self.at % BLOCK + BLOCK;
            match kind {
                FULL | FIRST => {}
                MIDDLE if end == edge => {
                    self.at = end;
                    continue;
                }
                LAST if end <= edge.min(self.filled) => self.at = end,
                _ => return None,
            }
            return Some(self.place_at(self.base + self.at as u64));
        }
    }

    fn place_at(&self, at: u64) -> Place {
        let left = if self.budget.0 == at / BLOCK as u64 { self.budget.1 } else { SEARCH };
        Place { at, left }
    }
}
