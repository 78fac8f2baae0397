//! The run table's columns: the table of fixed fields, and the sparse, typed, mergeable columns of what was flattened.

mod artifacts;
mod dense;
mod fields;
mod fixed;
mod merge;
mod recent;
mod resolve;
mod room;
mod sparse;
#[cfg(feature = "frame")]
mod texts;

#[cfg(feature = "frame")]
pub use artifacts::ArtifactLists;
pub use dense::Dense;
#[cfg(feature = "frame")]
pub use fields::resolve_alias;
pub use fields::{Cell, FIELDS, Field, Type};
#[cfg(feature = "frame")]
pub(crate) use fields::{PREFIXES, prefix_aliases};
pub use fixed::{Fixed, OptionalTexts};
#[cfg(feature = "frame")]
pub(crate) use resolve::fits;
#[cfg(any(test, feature = "frame"))]
pub use resolve::shapes;
pub use resolve::{Facts, Kind, LeafType, Shape};
pub use sparse::Sparse;
#[cfg(feature = "frame")]
pub(crate) use sparse::{Pairs, Texts};
#[cfg(feature = "frame")]
pub use texts::{TextEditor, TextForm};

use crate::flatten::{Flattener, Leaf, NameId, Root};
use crate::record::{Document, JsonFault, Receipt, Run, Wanted};
use crate::threads;
use recent::Recent;
use room::Growth;
use std::sync::atomic::{AtomicU64, Ordering};

/// The columns of a set of runs, held as what was logged: dense fields, and (row, value) pairs for every other path.
///
/// Flattening runs apart and [merging](Columns::merge) is flattening them together.
#[derive(Debug)]
pub struct Columns {
    wanted: Wanted,
    rows: u32,
    /// One for each of [`FIELDS`].
    fixed: Vec<Fixed>,
    flattener: Flattener,
    /// By [`NameId`].
    sparse: Vec<Sparse>,
    /// What is still to be added to them; nothing but within [`Columns::push_all`], and in a part that was filled and not drained.
    recent: Recent,
    /// The untouched texts of config and summary, if wanted.
    raw: [OptionalTexts; 2],
    receipt: Receipt,
    /// No other columns have it.
    number: u64,
    /// What the paths are in the columns of this number, as far as they were drained into them.
    drained: (u64, Vec<Option<NameId>>),
    /// Runs that there will be, as far as is known.
    expected: u32,
    /// Rows at which room is made for those that are to come.
    room_at: u32,
}

/// Runs from which on their numbers are held back, to be added some at a time.
const HOLD: usize = 32;

/// The number of the next columns.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Columns {
    /// No runs yet.
    pub fn new(wanted: Wanted) -> Self {
        Columns {
            wanted,
            rows: 0,
            fixed: FIELDS.iter().map(|field| Fixed::new(field.dtype)).collect(),
            flattener: Flattener::default(),
            sparse: Vec::new(),
            recent: Recent::default(),
            raw: Default::default(),
            receipt: Receipt::default(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            drained: Default::default(),
            expected: 0,
            room_at: u32::MAX,
        }
    }

    /// Says how many runs there will be in all, about: the columns get room for them, and need not be moved while they grow.
    /// A wrong number does no harm.
    pub fn expect(&mut self, runs: u64) {
        let runs = u32::try_from(runs).unwrap_or(u32::MAX);
        // A few more are no reason to begin anew.
        if runs > self.expected.saturating_add(self.expected / 8) {
            self.expected = runs;
            self.room_at = room::next(self.rows, runs);
        }
    }

    /// Room for the rows to come, if they are like those that are there.
    #[cold]
    fn make_room(&mut self) {
        let growth = Growth::new(self.rows, self.expected);
        self.room_at = growth.map(Growth::until).filter(|until| *until < self.expected).unwrap_or(u32::MAX);
        let Some(growth) = growth else { return };
        self.fixed.iter_mut().for_each(|column| column.make_room(growth));
        self.sparse.iter_mut().for_each(|values| values.make_room(growth));
        self.raw.iter_mut().for_each(|texts| texts.make_room(growth));
    }

    /// How many paths are known, with or without values.
    #[cfg(feature = "frame")]
    pub(crate) fn known_paths(&self) -> usize {
        self.sparse.len().max(self.recent.paths())
    }

    /// How many runs there are.
    pub fn height(&self) -> usize {
        self.rows as usize
    }

    /// What was asked for.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// What flattening has to tell: JSON errors, repaired texts, negative runtimes, and the number of runs.
    pub fn receipt(&self) -> Receipt {
        Receipt { runs: u64::from(self.rows), ..self.receipt.clone() }
    }

    /// Adds a run as the last row.
    pub fn push(&mut self, run: &Run) {
        self.push_one(run, false);
    }

    /// Adds runs as the last rows, in their order; that is faster than one by one where there are many and the table is wide.
    pub fn push_all(&mut self, runs: &[Run]) {
        // Of a few runs it would be more to look for what is held back.
        let hold = runs.len() >= HOLD;
        for runs in runs.chunks(recent::ROWS) {
            self.recent.begin(self.rows);
            runs.iter().for_each(|run| self.push_one(run, hold));
            self.recent.flush(&mut self.sparse);
        }
    }

    /// Adds the runs of a part that is to be [drained](Columns::drain) next: until then some of its numbers are held back, so
    /// nobody may read it.
    #[cfg(feature = "frame")]
    pub(crate) fn fill(&mut self, runs: &[Run]) {
        if self.rows > 0 || runs.len() > recent::ROWS {
            self.recent.flush(&mut self.sparse);
            return self.push_all(runs);
        }
        self.recent.begin(0);
        runs.iter().for_each(|run| self.push_one(run, runs.len() >= HOLD));
    }

    /// Adds a run; with `hold`, its numbers may be held back until they are flushed.
    fn push_one(&mut self, run: &Run, hold: bool) {
        let row = self.rows;
        self.rows += 1;
        self.receipt.negative_runtimes += u64::from(run.clock_ran_back());
        for (field, column) in FIELDS.iter().zip(&mut self.fixed) {
            column.push((field.get)(run));
        }
        for (root, document) in [(Root::Config, &run.config), (Root::Summary, &run.summary)] {
            if self.wanted.raw
                && let Some(texts) = self.raw.get_mut(root as usize)
            {
                texts.push(document.as_ref().map(Document::text).as_deref());
            }
            let asked = if root == Root::Config { self.wanted.config } else { self.wanted.summary };
            if let (true, Some(document)) = (asked, document) {
                self.flatten(row, root, document, run, hold);
            }
        }
        if self.rows >= self.room_at {
            self.recent.flush(&mut self.sparse);
            self.make_room();
        }
    }

    fn flatten(&mut self, row: u32, root: Root, document: &Document, run: &Run, hold: bool) {
        let sparse = &mut self.sparse;
        let result = match hold {
            true => self.flattener.document_to(root, document, &mut self.recent.taker(sparse, row)),
            false => self.flattener.document(root, document, |id, leaf| at(sparse, id).push(row, leaf)),
        };
        match result {
            Ok(notes) => {
                self.receipt.repeated_keys += notes.repeated_keys;
                self.receipt.repaired_texts += notes.repaired_texts;
            }
            Err(fault) => self.receipt.json_fault(JsonFault {
                run: run.path(),
                place: root.prefix().to_owned(),
                offset: fault.offset as u64,
                reason: fault.reason.to_owned(),
            }),
        }
    }

    /// Adds one value of a column path to a row; for tables that are flat already. Rows must not go down.
    pub fn push_value(&mut self, row: u32, path: &str, leaf: Leaf<'_>) {
        let id = self.flattener.intern_name(path);
        at(&mut self.sparse, id).push(row, leaf);
    }

    /// Makes sure that a path has a column of this kind and type, even if it has no values; for tables that are flat already.
    pub fn declare(&mut self, path: &str, kind: Kind, dtype: LeafType) {
        let id = self.flattener.intern_name(path);
        at(&mut self.sparse, id).declare(kind, dtype);
    }

    /// Makes sure that a path has a column, even if it has no values of any kind; for tables that are flat already.
    pub fn declare_empty(&mut self, path: &str) {
        let id = self.flattener.intern_name(path);
        at(&mut self.sparse, id).declared_empty = true;
    }

    /// Forgets what flattening had to tell, where it was told already.
    pub fn forget_receipt(&mut self) {
        self.receipt = Receipt::default();
    }

    /// Adds `rows` rows whose fixed columns are `fixed`, in the order of [`FIELDS`]; for tables that are flat already.
    pub fn push_rows(&mut self, rows: usize, fixed: Vec<Fixed>, raw: [OptionalTexts; 2]) {
        self.rows += rows as u32;
        for (column, more) in self.fixed.iter_mut().zip(fixed) {
            column.append(&more);
        }
        self.raw = raw;
    }

    /// Keeps the rows for which `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut next = 0;
        let new_rows: Vec<Option<u32>> = keep
            .iter()
            .map(|keep| {
                let row = keep.then_some(next);
                next += u32::from(*keep);
                row
            })
            .collect();
        self.fixed.iter_mut().for_each(|column| column.retain(keep));
        self.sparse.iter_mut().for_each(|values| values.renumber(&new_rows));
        for texts in &mut self.raw {
            texts.pad(keep.len());
            let mut kept = OptionalTexts::default();
            texts.iter().zip(keep).filter(|(_, keep)| **keep).for_each(|(text, _)| kept.push(text));
            *texts = kept;
        }
        self.rows = next;
    }

    /// Puts the rows into another order: the first is `rows[0]`. Every row must be there once.
    pub fn reorder(&mut self, rows: &[usize]) {
        if rows.len() != self.height() || rows.is_sorted() {
            return;
        }
        let mut new_rows = vec![None; rows.len()];
        for (new, old) in rows.iter().enumerate() {
            if let Some(row) = new_rows.get_mut(*old) {
                *row = Some(new as u32);
            }
        }
        self.fixed.iter_mut().for_each(|column| column.reorder(rows));
        self.sparse.iter_mut().for_each(|values| values.renumber(&new_rows));
        for texts in &mut self.raw {
            texts.pad(rows.len());
            *texts = texts.take(rows);
        }
    }

    /// Gives back memory that growing left over; for when all runs are in.
    pub fn shrink(&mut self) {
        self.fixed.iter_mut().for_each(Fixed::shrink);
        threads::share_out(&mut self.sparse, || (), |(), values| values.shrink());
        self.recent = Recent::default();
    }

    /// Lets frames share the bytes of texts; for when nothing is changed any more.
    #[cfg(feature = "frame")]
    pub(crate) fn share(&mut self) {
        self.sparse.iter_mut().for_each(Sparse::share);
    }

    /// The values of a fixed column.
    pub fn fixed(&self, index: usize) -> Option<&Fixed> {
        self.fixed.get(index)
    }

    /// The values of a fixed column by name.
    pub fn fixed_by_name(&self, name: &str) -> Option<&Fixed> {
        self.fixed.get(FIELDS.iter().position(|field| field.name == name)?)
    }

    /// Each path and its values, sorted by path.
    pub fn paths(&self) -> Vec<(&str, NameId, &Sparse)> {
        let mut paths: Vec<_> = self
            .sparse
            .iter()
            .enumerate()
            .map(|(index, values)| (NameId::from_index(index), values))
            .filter(|(_, values)| !values.is_unused())
            .map(|(id, values)| (self.flattener.name(id), id, values))
            .collect();
        paths.sort_unstable_by_key(|(name, ..)| *name);
        paths
    }

    /// The values of a path.
    pub fn values(&self, id: NameId) -> Option<&Sparse> {
        self.sparse.get(id.index())
    }

    /// The paths that are an explicit `null` in this row, sorted.
    pub fn nulls(&self, row: usize) -> Vec<&str> {
        self.paths().into_iter().filter(|(.., values)| values.nulls.has(row)).map(|(path, ..)| path).collect()
    }

    /// The untouched texts of config or summary; empty unless [`Wanted::raw`].
    pub fn raw(&self, root: Root) -> &OptionalTexts {
        &self.raw[root as usize]
    }
}

fn at(sparse: &mut Vec<Sparse>, id: NameId) -> &mut Sparse {
    let index = id.index();
    if index >= sparse.len() {
        sparse.resize_with(index + 1, Sparse::default);
    }
    &mut sparse[index]
}

#[cfg(test)]
mod tests;
