//! What all takers of rows share, and the pieces of a long log that several of them take.

use super::HistorySink;
use super::keys::Keys;
use super::query::HistoryQuery;
use super::rows::Taker;
use crate::error::Error;
use crate::record::{Limits, Receipt, RunKey, Timestamp};
use crate::source::log::history::{self, Malformed, Row, Rows};
use crate::threads::lock;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What all takers of rows share.
pub(super) struct Shared<'a> {
    pub(super) query: &'a HistoryQuery,
    pub(super) sink: &'a dyn HistorySink,
    pub(super) limits: Limits,
    /// Keys that were seen, as many as there are threads at work.
    pool: Mutex<Vec<Keys>>,
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Folder {
    /// When it was started, and how many seconds the run took before.
    pub(super) start: Option<Timestamp>,
    pub(super) before: i64,
}

impl<'a> Shared<'a> {
    pub(super) fn new(query: &'a HistoryQuery, sink: &'a dyn HistorySink, limits: Limits) -> Self {
        Shared { query, sink, limits, pool: Mutex::default() }
    }

    pub(super) fn rows(&self) -> Rows {
        if self.query.is_system() { Rows::System } else { Rows::History }
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Keys>> {
        lock(&self.pool)
    }

    pub(super) fn lend(&self) -> Keys {
        self.pool().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, keys: Keys) {
        self.pool().push(keys);
    }
}

/// The pieces of a folder: each becomes a chunk of its own.
pub(super) struct Pieces<'s> {
    pub(super) shared: &'s Shared<'s>,
    pub(super) folder: Folder,
    /// The place of the first one among the run's chunks.
    pub(super) order: u32,
}

/// A piece whose rows are handed over.
pub(super) struct Piece {
    /// To be told the run; otherwise its rows are dropped.
    pub(super) run: Arc<OnceLock<RunKey>>,
    /// What was found in its rows; of whose, it does not know.
    pub(super) notes: Receipt,
    pub(super) failed: Option<Error>,
}

impl<'s> history::Pieces for Pieces<'s> {
    type Taker = Taker<'s>;
    type Piece = Piece;

    fn begin(&self, number: u32) -> Taker<'s> {
        self.shared.piece(self.order + number, self.folder)
    }

    fn row(&self, taker: &mut Taker<'s>, row: &Row<'_>) -> Result<(), Malformed> {
        taker.take(row)
    }

    fn end(&self, taker: Taker<'s>) -> Piece {
        taker.end()
    }
}
