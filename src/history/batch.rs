//! Rows of a long log that other threads decode while it is read, batch by batch, and what all takers of rows share.

use super::HistorySink;
use super::keys::Keys;
use super::query::HistoryQuery;
use super::rows::Taker;
use crate::error::{Error, Result};
use crate::record::{Limits, Receipt, RunKey, Timestamp};
use crate::source::log::history::{Row, Rows};
use rayon::Scope;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes of rows that a run's reader decodes itself before others help, and that they are given at once.
const BATCH: usize = 1 << 20;

/// What all takers of rows share.
pub(super) struct Shared<'a> {
    pub(super) query: &'a HistoryQuery,
    pub(super) sink: &'a dyn HistorySink,
    pub(super) limits: Limits,
    /// Keys that were seen, as many as there are threads at work.
    pool: Mutex<Vec<Keys>>,
    /// Batches that are decoded, whose memory is used again: fresh memory costs as much as the work in it.
    spare: Mutex<Vec<Batch>>,
    /// Batches that are being decoded or wait for it.
    under_way: AtomicUsize,
    late: Mutex<Late>,
}

/// What was found in batches, and the runs they belong to.
#[derive(Default)]
struct Late {
    notes: Vec<(Arc<OnceLock<RunKey>>, Receipt)>,
    failed: Option<Error>,
}

/// Where rows come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    pub(super) file: PathBuf,
    /// When it was started, and how many seconds the run took before.
    pub(super) start: Option<Timestamp>,
    pub(super) before: i64,
}

/// The place of a batch in its run.
pub(super) struct Piece {
    pub(super) run: Arc<OnceLock<RunKey>>,
    pub(super) order: u32,
    pub(super) folder: Folder,
}

/// Rows that wait to be decoded.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// The end of each row in `bytes`, and where its record begins in the file.
    ends: Vec<(usize, u64)>,
}

impl Batch {
    pub(super) fn rows(&self, rows: Rows) -> impl Iterator<Item = Row<'_>> {
        let mut from = 0;
        self.ends.iter().map(move |(to, offset)| {
            let body = self.bytes.get(from..*to).unwrap_or_default();
            from = *to;
            Row { body, rows, offset: *offset }
        })
    }
}

/// The threads that may decode rows of a run.
pub(super) struct Helpers<'x, 's> {
    scope: &'x Scope<'s>,
    /// Bytes of rows so far.
    read: usize,
    batch: Batch,
}

impl<'x, 's> Helpers<'x, 's> {
    pub(super) fn new(scope: &'x Scope<'s>) -> Self {
        Helpers { scope, read: 0, batch: Batch::default() }
    }

    /// True if the row is to be decoded by others: there are many.
    pub(super) fn wants(&mut self, row: &Row<'_>) -> bool {
        self.read += row.body.len();
        self.read > BATCH
    }

    /// Keeps a row for the next batch; true if that is full.
    pub(super) fn keep(&mut self, row: &Row<'_>) -> bool {
        self.batch.bytes.extend_from_slice(row.body);
        self.batch.ends.push((self.batch.bytes.len(), row.offset));
        self.batch.bytes.len() >= BATCH
    }

    /// Has the batch decoded, here if all others have enough to do; false if there are no rows in it.
    pub(super) fn send(&mut self, shared: &'s Shared<'s>, piece: Piece) -> bool {
        if self.batch.ends.is_empty() {
            return false;
        }
        let batch = std::mem::replace(&mut self.batch, shared.spare().pop().unwrap_or_default());
        let work = move || {
            Taker::decode(shared, piece, &batch);
            shared.reuse(batch);
        };
        if shared.under_way.fetch_add(1, Ordering::Relaxed) >= 2 * rayon::current_num_threads() {
            work();
        } else {
            self.scope.spawn(move |_| work());
        }
        true
    }
}

impl<'a> Shared<'a> {
    pub(super) fn new(query: &'a HistoryQuery, sink: &'a dyn HistorySink, limits: Limits) -> Self {
        let (pool, spare, late) = (Mutex::default(), Mutex::default(), Mutex::default());
        Shared { query, sink, limits, pool, spare, under_way: AtomicUsize::new(0), late }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reuse(&self, mut batch: Batch) {
        batch.bytes.clear();
        batch.ends.clear();
        // One huge row leaves no huge buffer behind.
        if batch.bytes.capacity() <= 4 * BATCH {
            self.spare().push(batch);
        }
    }

    pub(super) fn rows(&self) -> Rows {
        if self.query.is_system() { Rows::System } else { Rows::History }
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Keys>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lend(&self) -> Keys {
        self.pool().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, keys: Keys) {
        self.pool().push(keys);
    }

    /// A batch is decoded.
    pub(super) fn end_batch(&self, run: Arc<OnceLock<RunKey>>, notes: Receipt, failed: Option<Error>) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.notes.push((run, notes));
        late.failed = late.failed.take().or(failed);
    }

    /// Adds to the receipt what was found in batches, once all are decoded.
    ///
    /// # Errors
    /// If their rows could not be kept.
    pub(super) fn end(self, receipt: &mut Receipt) -> Result<()> {
        let Late { notes, failed } = self.late.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (run, mut notes) in notes {
            // A file that turned out to hold another run was read again.
            let Some(run) = run.get() else { continue };
            notes.json_faults.iter_mut().for_each(|fault| fault.run = run.path());
            receipt.merge(notes);
        }
        receipt.sort();
        failed.map_or(Ok(()), Err)
    }
}
