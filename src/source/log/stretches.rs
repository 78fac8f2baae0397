//! A long log that several threads read, stretch by stretch, with the outcome of one reader.
//!
//! Records and damage cross the borders of stretches: a reader goes on behind the end of its stretch until nothing is in progress,
//! and the reader of the next one passes over what seems to be the rest of a record. Where both come to the same place, what they
//! found is what one reader finds in both. Where they do not, as may be in damage, the stretch is read again from the place at which
//! the one before ended.

use super::framing::{BLOCK, Buffers, End, Frames, Place};
use super::history::{Known, Malformed, Pieces, Row, Rows};
use super::messages::{Kind, Record, RunMessage};
use super::reading::{Missing, open, pass};
use super::unit::Pool;
use crate::error::{Error, Result};
use crate::record::Receipt;
use crate::threads::lock;
use rayon::Scope;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How a file is split; whole blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    /// Bytes at the front, which are read before others help.
    pub(crate) front: u64,
    /// Bytes of a stretch, at least: small enough that all threads end at about the same time.
    pub(crate) stretch: u64,
}

impl Default for Split {
    fn default() -> Self {
        Split { front: 8 * BLOCK as u64, stretch: 64 * BLOCK as u64 }
    }
}

/// Stretches of one file, at most, but for the rest of a file that has grown.
const MOST: u64 = 4_096;

impl Split {
    /// Where a file of this length is split; `None` if one thread reads it as fast.
    pub(super) fn borders(self, file: &File) -> Option<Borders> {
        let length = file.metadata().ok().filter(|found| found.is_file())?.len();
        let rest = length.checked_sub(self.front)?;
        let most = (rest / MOST).next_multiple_of(BLOCK as u64);
        let stretch = self.stretch.max(most);
        (rest / stretch >= 2).then_some(Borders { front: self.front, stretch, count: rest / stretch })
    }
}

/// Where the stretches of a file begin and end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Borders {
    pub(super) front: u64,
    stretch: u64,
    count: u64,
}

impl Borders {
    /// The start of a stretch and its end; the last one has none.
    fn of(self, number: u64) -> (u64, u64) {
        let start = self.front + number * self.stretch;
        (start, if number + 1 < self.count { start + self.stretch } else { u64::MAX })
    }
}

/// A file that is read by stretches.
pub(super) struct Stretches<'s, P: Pieces> {
    pub(super) path: &'s Path,
    pub(super) borders: Borders,
    pub(super) pool: &'s Pool,
    pub(super) rows: Rows,
    pub(super) pieces: P,
    /// The first stretch that nobody has taken.
    next: AtomicU64,
    /// What was found, by stretch, until it is taken over; nothing where a stretch did not show where it begins.
    found: Mutex<BTreeMap<u64, Option<Stretch<P::Piece>>>>,
    more: Condvar,
}

/// What was found in a stretch.
pub(super) struct Stretch<T> {
    /// Where its first record begins.
    begun: Place,
    /// Where its reader stood at the end; `None` at the end of the file.
    ended: Option<Place>,
    pub(super) end: End,
    pub(super) missing: Missing,
    pub(super) receipt: Receipt,
    pub(super) known: Known,
    pub(super) any: bool,
    pub(super) piece: T,
    /// Why reading ended before the stretch did.
    failed: Option<Error>,
}

impl<'s, P: Pieces + 's> Stretches<'s, P> {
    pub(super) fn new(path: &'s Path, borders: Borders, pool: &'s Pool, rows: Rows, pieces: P) -> Arc<Self> {
        let (next, found, more) = (AtomicU64::new(0), Mutex::default(), Condvar::new());
        Arc::new(Stretches { path, borders, pool, rows, pieces, next, found, more })
    }

    /// Reads the file from `place` on, together with threads of the scope that have nothing else to do. Hands over what was found,
    /// in order.
    ///
    /// # Errors
    /// If the file cannot be read to its end.
    pub(super) fn read(
        self: Arc<Self>,
        scope: &Scope<'s>,
        mut place: Place,
        buffers: &mut Buffers,
        mut each: impl FnMut(Stretch<P::Piece>),
    ) -> Result<()> {
        for _ in 1..rayon::current_num_threads().min(self.borders.count as usize) {
            let others = self.clone();
            scope.spawn(move |_| others.pool.with(|scratch| others.work(&mut scratch.buffers)));
        }
        self.work(buffers);
        for number in 0..self.borders.count {
            let found = self.wait(number).filter(|found| found.begun == place);
            let stretch = match found {
                Some(found) => Some(found),
                None => self.stretch(number, Some(place), buffers)?,
            };
            let Some(mut stretch) = stretch else { break };
            let (ended, failed) = (stretch.ended, stretch.failed.take());
            each(stretch);
            match (failed, ended) {
                (Some(error), _) => return Err(error),
                (None, Some(ended)) => place = ended,
                (None, None) => break,
            }
        }
        Ok(())
    }

    /// Reads stretches until all are taken.
    fn work(&self, buffers: &mut Buffers) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.borders.count {
                return;
            }
            let mut taken = Taken { all: self, number, found: None };
            // If it fails, it is read again in its turn.
            taken.found = self.stretch(number, None, buffers).ok().flatten().filter(|found| found.failed.is_none());
        }
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Stretch<P::Piece>>>> {
        lock(&self.found)
    }

    /// What was found in a stretch that somebody has taken.
    fn wait(&self, number: u64) -> Option<Stretch<P::Piece>> {
        let mut found = self.found();
        loop {
            match found.remove(&number) {
                Some(stretch) => return stretch,
                None => found = self.more.wait(found).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Reads a stretch, from `place` on if that is known; `None` if it is not and does not show.
    fn stretch(&self, number: u64, place: Option<Place>, buffers: &mut Buffers) -> Result<Option<Stretch<P::Piece>>> {
        let (start, until) = self.borders.of(number);
        let start = place.map_or(start, Place::block);
        let mut file = open(self.path)?;
        file.seek(SeekFrom::Start(start)).map_err(|error| Error::io(self.path, error))?;
        let mut frames = Frames::within(file, buffers, start);
        frames.stop_at(until);
        if let Some(place) = place {
            frames.go_to(place);
        }
        let Some(begun) = place.or_else(|| frames.pass_rest()) else { return Ok(None) };
        let (mut missing, mut receipt) = (Missing::default(), Receipt::default());
        let (mut known, mut any) = (Known::default(), false);
        let mut taker = self.pieces.begin(number as u32);
        let read = pass(self.path, &mut frames, &mut missing, &mut receipt, |record| {
            any |= record.kind.is_some();
            self.record(record, &mut known, &mut taker).map(|()| true)
        });
        let (piece, failed) = (self.pieces.end(taker), read.err());
        let (ended, end) = (frames.place(), frames.end());
        Ok(Some(Stretch { begun, ended, end, missing, receipt, known, any, piece, failed }))
    }

    fn record(
        &self,
        record: &Record<'_>,
        known: &mut Known,
        taker: &mut P::Taker,
    ) -> std::result::Result<(), Malformed> {
        match record.kind {
            Some(Kind::Run) => known.learn(&RunMessage::parse(record.body)?),
            kind if kind.and_then(Rows::of) == Some(self.rows) => {
                self.pieces.row(taker, &Row { body: record.body, rows: self.rows })?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// A stretch that a thread has taken. What it found is handed over in any case, since somebody waits for it.
struct Taken<'t, 's, P: Pieces> {
    all: &'t Stretches<'s, P>,
    number: u64,
    found: Option<Stretch<P::Piece>>,
}

impl<P: Pieces> Drop for Taken<'_, '_, P> {
    fn drop(&mut self) {
        let found = self.found.take();
        lock(&self.all.found).insert(self.number, found);
        self.all.more.notify_all();
    }
}

#[cfg(test)]
#[path = "stretches_tests.rs"]
pub(super) mod tests;
