//! The rows of one run of logs, taken from their records into typed columns; only what is asked for is decoded.

use super::chunk::{HistoryChunk, NONE, follows};
use super::keys::{Keys, Meaning, Slot};
use super::query::Axis;
use super::shared::{Folder, Piece, Pieces, Shared};
use super::store::too_many_metrics;
use super::value::{float, scalar};
use crate::columns::Sparse;
use crate::error::Error;
use crate::flatten::{Leaf, NameId, Root};
use crate::json::{JsonError, Plain};
use crate::record::{Document, JsonFault, Receipt, RunKey, Timestamp};
use crate::source::log::history::{Malformed, Row, RowItem, RunRows, step_of, whole};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// Rows of a chunk, and bytes of their records, at most. A row group of Parquet has as many.
pub(super) const ROWS: usize = 65_536;
const BYTES: usize = 64 << 20;

/// Takes the rows of one run.
pub(super) struct Taker<'s> {
    shared: &'s Shared<'s>,
    keys: Keys,
    /// The run is handed over in one piece: rows of a later folder may come before those of an earlier one.
    whole: bool,
    folder: Folder,
    run: Arc<OnceLock<RunKey>>,
    /// Pieces of the run that others took.
    pieces: Vec<Piece>,
    order: u32,
    steps: Vec<i64>,
    times: Vec<i64>,
    runtimes: Vec<f64>,
    /// By [`NameId`].
    columns: Vec<Sparse>,
    /// By [`NameId`]: one more than the last row that has a value.
    stamps: Vec<usize>,
    /// The columns that the row in progress has values in.
    touched: Vec<NameId>,
    now: Now,
    bytes: usize,
    rising: bool,
    notes: Receipt,
    failed: Option<Error>,
}

impl<'s> Shared<'s> {
    /// A taker of the rows of a run with so many folders.
    pub(super) fn taker(&'s self, folders: usize) -> Taker<'s> {
        Taker {
            shared: self,
            keys: self.lend(),
            whole: folders > 1,
            folder: Folder::default(),
            run: Arc::default(),
            pieces: Vec::new(),
            order: 0,
            steps: Vec::new(),
            times: Vec::new(),
            runtimes: Vec::new(),
            columns: Vec::new(),
            stamps: Vec::new(),
            touched: Vec::new(),
            now: Now::default(),
            bytes: 0,
            rising: true,
            notes: Receipt::default(),
            failed: None,
        }
    }

    /// A taker of rows that make the chunk `order` of a run.
    pub(super) fn piece(&'s self, order: u32, folder: Folder) -> Taker<'s> {
        let taker = self.taker(1);
        // Pieces are of a size, and those of one run alike: memory is taken once, rather than as columns grow.
        let columns: Vec<Sparse> = taker.keys.rooms.iter().map(|room| Sparse::with_room(*room)).collect();
        let stamps = vec![0; columns.len()];
        // The next piece has the next number.
        Taker { whole: true, folder, order, columns, stamps, ..taker }
    }
}

/// The row in progress.
#[derive(Debug, Default, Clone, Copy)]
struct Now {
    step: Option<i64>,
    time: Option<Timestamp>,
    runtime: Option<f64>,
    /// It has nested values: all of it is flattened as one document.
    nested: bool,
    malformed: bool,
}

impl<'s> RunRows for Taker<'s> {
    type Pieces = Pieces<'s>;

    fn folder(&mut self, start: Option<Timestamp>, before: i64) {
        self.folder = Folder { start, before };
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        self.take(row)
    }

    fn pieces(&mut self) -> Option<Pieces<'s>> {
        if self.whole {
            return None;
        }
        self.hand_over();
        Some(Pieces { shared: self.shared, folder: self.folder, order: self.order })
    }

    fn piece(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    fn finish(mut self, run: RunKey, receipt: &mut Receipt) -> crate::error::Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        for mut piece in std::iter::once(self.end()).chain(pieces) {
            piece.notes.json_faults.iter_mut().for_each(|fault| fault.run = run.path());
            receipt.merge(piece.notes);
            // Nobody else sets it.
            let _ = piece.run.set(run.clone());
            piece.failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

impl Taker<'_> {
    /// Hands over the rows that are left.
    pub(super) fn end(mut self) -> Piece {
        self.hand_over();
        // Whose they are is told later.
        self.keys.documents.tell(&RunKey::default(), &mut self.notes);
        self.shared.give_back(self.keys);
        Piece { run: self.run, notes: self.notes, failed: self.failed }
    }

    pub(super) fn take(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let query = self.shared.query;
        if self.failed.is_some() || (query.limits_steps() && !query.takes_step(row.step()?)) {
            return Ok(());
        }
        self.touched.clear();
        self.now = Now::default();
        let read = self.read(row);
        if self.keys.full || self.keys.flattener.names() as u64 > self.shared.limits.keys.saturating_add(1) {
            self.failed.get_or_insert_with(|| too_many_metrics(self.shared.limits));
        }
        if read.is_err() {
            self.take_back();
            return read;
        }
        if self.touched.is_empty() && !query.keeps_all_rows() {
            return Ok(());
        }
        self.keep(row.body.len());
        Ok(())
    }

    fn read(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let beside = row.items(|item| self.item(&item))?;
        if self.now.malformed {
            return Err(Malformed);
        }
        self.now.step = self.now.step.or(beside);
        if self.shared.query.is_system() {
            self.now.time = row.time()?;
            let since = self.folder.start.zip(self.now.time).map(|(start, time)| start.seconds_until(time));
            self.now.runtime = since.map(|seconds| seconds + self.folder.before as f64);
        }
        if self.now.nested {
            self.take_back();
            self.flatten(row)?;
        }
        Ok(())
    }

    #[inline]
    fn item(&mut self, item: &RowItem<'_>) {
        let Meaning { slot, below } = self.keys.meaning(item, self.shared);
        if item.single().is_none() {
            self.now.nested |= below;
            return;
        }
        match slot {
            Slot::Skip if !below => return,
            Slot::Skip => {}
            Slot::Column(_) if self.now.nested => return,
            // Nearly everything is a number in `value_json`.
            _ => match item.number() {
                Some(Plain::Int(value)) => return self.int(slot, value),
                Some(Plain::Float(value)) => return self.float(slot, value),
                Some(Plain::Decimal) => {
                    if let Some(value) = float(item.json()).filter(|value| value.is_finite()) {
                        return self.float(slot, value);
                    }
                }
                None => {}
            },
        }
        self.value(item, slot);
    }

    #[inline]
    fn int(&mut self, slot: Slot, value: i64) {
        match slot {
            Slot::Step => self.now.step = Some(value),
            Slot::Column(id) => match self.fresh(id) {
                Some((column, row)) => column.push_int(row, value),
                None => self.push(id, Leaf::Int(value)),
            },
            _ => self.float(slot, value as f64),
        }
    }

    #[inline]
    fn float(&mut self, slot: Slot, value: f64) {
        match slot {
            Slot::Step => self.now.step = whole(value),
            Slot::Time => self.now.time = Timestamp::from_float(value),
            Slot::Runtime => self.now.runtime = Some(value),
            Slot::Column(id) => match self.fresh(id) {
                Some((column, row)) => column.push_float(row, value),
                None => self.push(id, Leaf::Float(value)),
            },
            Slot::Skip => {}
        }
    }

    /// The column for the row's first value under a key, and the row; `None` if the column is new or the row has a value.
    #[inline]
    fn fresh(&mut self, id: NameId) -> Option<(&mut Sparse, u32)> {
        let (row, at) = (self.steps.len(), id.index());
        let (column, stamp) = (self.columns.get_mut(at)?, self.stamps.get_mut(at)?);
        if *stamp == row + 1 {
            return None;
        }
        *stamp = row + 1;
        self.touched.push(id);
        Some((column, row as u32))
    }

    /// Takes a value that is no plain number.
    fn value(&mut self, item: &RowItem<'_>, slot: Slot) {
        let Ok(json) = item.value() else {
            self.now.malformed = true;
            return;
        };
        match slot {
            Slot::Step => self.now.step = step_of(&json),
            Slot::Time => self.now.time = float(&json).and_then(Timestamp::from_float),
            Slot::Runtime => self.now.runtime = float(&json),
            Slot::Skip => self.now.nested |= json.trim_ascii_start().first() == Some(&b'{'),
            Slot::Column(id) => self.scalar(id, &json),
        }
    }

    /// Takes a value that is no container; one that is makes the row a document.
    fn scalar(&mut self, id: NameId, json: &[u8]) {
        let text = match std::str::from_utf8(json) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.notes.repaired_texts += 1;
                String::from_utf8_lossy(json)
            }
        };
        match scalar(&text, &mut self.notes.repaired_texts) {
            Ok(Some(leaf)) => self.push(id, leaf),
            Ok(None) => self.now.nested = true,
            Err(JsonError { offset, reason }) => {
                let place = format!("history.{}", self.keys.path(id, self.shared));
                let (offset, reason) = (offset as u64, reason.to_owned());
                self.notes.json_fault(JsonFault { run: String::new(), place, offset, reason });
            }
        }
    }

    fn push(&mut self, id: NameId, leaf: Leaf<'_>) {
        let (row, at) = (self.steps.len(), id.index());
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, Sparse::default);
            self.stamps.resize(at + 1, 0);
        }
        let (Some(column), Some(stamp)) = (self.columns.get_mut(at), self.stamps.get_mut(at)) else { return };
        if *stamp == row + 1 {
            // The row names the key again; the last one counts.
            column.take_back(row as u32);
            self.touched.retain(|touched| *touched != id);
            self.notes.repeated_keys += 1;
        }
        if leaf == Leaf::Null {
            // No value; but one of them tells that there is such a key.
            if column.nulls.is_empty() {
                column.push(0, leaf);
                self.shared.sink.metric(&self.keys.path(id, self.shared));
            }
            return;
        }
        *stamp = row + 1;
        column.push(row as u32, leaf);
        self.touched.push(id);
    }

    /// Takes back the values of the row in progress.
    fn take_back(&mut self) {
        let row = self.steps.len() as u32;
        for id in self.touched.drain(..) {
            if let (Some(column), Some(stamp)) = (self.columns.get_mut(id.index()), self.stamps.get_mut(id.index())) {
                column.take_back(row);
                *stamp = 0;
            }
        }
    }

    /// Takes a row with nested values, by the rules of a summary.
    fn flatten(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let shared = self.shared;
        let mut documents = std::mem::take(&mut self.keys.documents);
        let text = row.document(&mut documents, |top| self.keys.look_up(top, true, shared).1.below);
        self.keys.documents = documents;
        let document = Document::plain(text?);
        let mut flattener = std::mem::take(&mut self.keys.flattener);
        let mut nulls = Vec::new();
        let flattened = flattener.document(Root::Summary, &document, |id, leaf| {
            if self.keys.asked.get(id.index()).copied().flatten() == Some(false) {
                return;
            }
            match leaf {
                Leaf::Null => nulls.push(id),
                leaf => self.push(id, leaf),
            }
        });
        self.keys.flattener = flattener;
        for id in nulls {
            if self.keys.is_asked(id, shared) {
                self.push(id, Leaf::Null);
            }
        }
        if let Ok(notes) = flattened {
            // Each value was checked on its own before.
            self.notes.repeated_keys += notes.repeated_keys;
            self.notes.repaired_texts += notes.repaired_texts;
        }
        let at = self.steps.len() as u32;
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|id| {
            let asked = self.keys.is_asked(*id, shared);
            if !asked {
                shared.sink.metric(&self.keys.path(*id, shared));
                self.columns.get_mut(id.index()).into_iter().for_each(|column| column.take_back(at));
            }
            asked
        });
        self.touched = touched;
        Ok(())
    }

    /// Ends the row in progress.
    fn keep(&mut self, weight: usize) {
        let axis = self.shared.query.axis();
        let step = self.now.step.unwrap_or(NONE);
        let time = self.now.time.map_or(NONE, Timestamp::micros);
        let (last, key) = match axis {
            Axis::Step => (self.steps.last(), step),
            Axis::Time => (self.times.last(), time),
        };
        self.rising &= last.is_none_or(|last| follows(*last, key, axis));
        self.steps.push(step);
        self.times.push(time);
        self.runtimes.push(self.now.runtime.unwrap_or(f64::NAN));
        self.bytes += weight;
        if !self.whole && self.rising && (self.steps.len() >= ROWS || self.bytes >= BYTES) {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.keys.rooms.clear();
        self.keys.rooms.extend(self.columns.iter().map(|column| (column.ints.len(), column.floats.len())));
        let values = std::mem::take(&mut self.columns).into_iter().enumerate();
        let named =
            values.filter(|(_, values)| !(values.is_empty() && values.nulls.is_empty())).map(|(at, mut values)| {
                values.shrink();
                (Arc::from(self.keys.path(NameId::from_index(at), self.shared)), values)
            });
        let mut columns: Vec<(Arc<str>, Sparse)> = named.collect();
        columns.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut chunk = HistoryChunk {
            run: self.run.clone(),
            order: self.order,
            columns,
            steps: std::mem::take(&mut self.steps),
            times: std::mem::take(&mut self.times),
            runtimes: std::mem::take(&mut self.runtimes),
        };
        self.stamps.clear();
        self.bytes = 0;
        self.order += 1;
        if chunk.height() == 0 {
            return;
        }
        if !self.rising {
            self.notes.joined_rows += chunk.settle(self.shared.query.axis());
        }
        if let Err(error) = self.shared.sink.chunk(chunk) {
            self.failed = Some(error);
        }
    }
}
