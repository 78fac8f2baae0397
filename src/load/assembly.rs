//! The parts of a load that are flattened side by side, put together in their order.

use crate::columns::Columns;
use crate::record::Wanted;
use crate::source::Batch;
use crate::threads::{into_inner, lock};
use std::collections::BTreeMap;
use std::sync::{Mutex, TryLockError};

/// Parts in the order of their batches; a part whose turn has come is merged soon, so that few are held apart.
pub(super) struct Assembly {
    whole: Mutex<Whole>,
    parts: Mutex<Parts>,
}

/// What is put together.
struct Whole {
    columns: Columns,
    next: usize,
}

/// What is not.
#[derive(Default)]
struct Parts {
    /// How many are being filled.
    out: usize,
    waiting: BTreeMap<usize, Columns>,
    /// Parts that were merged, to be filled again: they know the paths.
    spare: Vec<Columns>,
}

/// Paths that a part may know and still be worth keeping.
const PATHS: usize = 20_000;
/// Parts that may wait before a thread does.
const WAITING: usize = 8;

impl Assembly {
    pub(super) fn new(wanted: Wanted) -> Self {
        Assembly { whole: Mutex::new(Whole { columns: Columns::new(wanted), next: 0 }), parts: Mutex::default() }
    }

    /// A part to be filled.
    pub(super) fn part(&self, wanted: Wanted) -> Columns {
        let mut parts = lock(&self.parts);
        parts.out += 1;
        parts.spare.pop().unwrap_or_else(|| Columns::new(wanted))
    }

    /// Puts a batch where it belongs at once, if it is its turn and nobody else is at work: others would have to wait for it.
    pub(super) fn alone(&self, batch: &Batch, expected: u64) -> bool {
        let Ok(mut whole) = self.whole.try_lock() else { return false };
        if whole.next != batch.order || lock(&self.parts).out > 0 {
            return false;
        }
        whole.columns.expect(expected);
        whole.columns.push_all(&batch.runs);
        whole.next += 1;
        self.take_in(&mut whole);
        true
    }

    /// Hands a part over. Whoever finds nobody at it merges what is waiting; the others need not wait meanwhile.
    pub(super) fn add(&self, order: usize, part: Columns, expected: u64) {
        let waiting = {
            let mut parts = lock(&self.parts);
            parts.waiting.insert(order, part);
            parts.out -= 1;
            parts.waiting.len()
        };
        let mut whole = match self.whole.try_lock() {
            Ok(whole) => whole,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if waiting < WAITING => return,
            Err(TryLockError::WouldBlock) => lock(&self.whole),
        };
        whole.columns.expect(expected);
        self.take_in(&mut whole);
    }

    /// Merges what waits and whose turn has come.
    fn take_in(&self, whole: &mut Whole) {
        loop {
            // Not while it is merged: others hand over theirs.
            let next = lock(&self.parts).waiting.remove(&whole.next);
            let Some(mut part) = next else { return };
            whole.columns.drain(&mut part);
            whole.next += 1;
            if part.known_paths() <= PATHS {
                lock(&self.parts).spare.push(part);
            }
        }
    }

    /// All parts together, when all are there.
    pub(super) fn finished(self) -> Columns {
        let Whole { mut columns, .. } = into_inner(self.whole);
        let parts = into_inner(self.parts);
        parts.waiting.into_values().for_each(|mut part| columns.drain(&mut part));
        columns
    }
}
