//! The history and the system statistics of logs: every row of every run, handed out as it stands.

use super::LogSource;
use super::artifacts::owned;
use super::document::{Findings, Style, render};
use super::fold::node_of;
use super::framing::{Buffers, Frames, Start};
use super::items::{Item, row, row_step};
pub(crate) use super::items::{RowItem, step_of, whole};
use super::messages::{Kind, Record, RunMessage, time_in};
use super::reading::{Missing, open, pass};
use super::stretches::{Split, Stretches};
use super::tree::Tree;
use super::unit::{self, Outcome, Pool, Unit};
pub(crate) use super::wire::Malformed;
use super::wire::{Fields, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{JsonFault, Receipt, RunKey, Timestamp};
use crate::source::Progress;
use rayon::Scope;
use rayon::prelude::*;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Which records are rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// What the user logged.
    History,
    /// What the SDK measured of the machine.
    System,
}

impl Rows {
    pub(super) fn of(kind: Kind) -> Option<Rows> {
        match kind {
            Kind::History => Some(Rows::History),
            Kind::Stats => Some(Rows::System),
            _ => None,
        }
    }
}

/// One row, still in the bytes of its record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The message.
    pub(crate) body: &'a [u8],
    pub(crate) rows: Rows,
}

/// The memory that [`Row::document`] takes, and what it found wrong.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    tree: Tree,
    findings: Findings,
}

impl<'a> Row<'a> {
    /// Hands out the items, in no order; gives the step that stands beside them, if one does.
    #[inline]
    pub(crate) fn items(&self, mut each: impl FnMut(RowItem<'a>)) -> Result<Option<i64>, Malformed> {
        if self.rows == Rows::History {
            return row(self.body, each);
        }
        for field in Fields::new(self.body) {
            if let (3, Value::Bytes(item)) = field? {
                each(Item::parse(item)?.into());
            }
        }
        Ok(None)
    }

    /// The step of a history row, by as short a look as possible.
    pub(crate) fn step(&self) -> Result<Option<i64>, Malformed> {
        row_step(self.body)
    }

    /// When statistics were taken.
    pub(crate) fn time(&self) -> Result<Option<Timestamp>, Malformed> {
        time_in(self.body, 2)
    }

    /// The items whose first key is wanted, as one JSON object: leaves of nested values are put together again.
    pub(crate) fn document(
        &self,
        documents: &mut Documents,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<String, Malformed> {
        let Documents { tree, findings } = documents;
        tree.clear();
        let mut sound = Ok(());
        self.items(|item| {
            if !wanted(item.top()) {
                return;
            }
            match item.value() {
                Ok(value) => {
                    let node = node_of(tree, &item);
                    tree.set(node, &value);
                }
                Err(malformed) => sound = Err(malformed),
            }
        })?;
        sound?;
        Ok(render(tree, Style { name: "history", hide_null: false, internal: false }, findings))
    }
}

impl Documents {
    /// Hands over to the receipt what was found wrong in the run's rows.
    pub(crate) fn tell(&mut self, run: &RunKey, receipt: &mut Receipt) {
        let findings = std::mem::take(&mut self.findings);
        receipt.repaired_texts += findings.repaired;
        receipt.repeated_keys += findings.repeated;
        for fault in findings.faults {
            let (offset, reason) = (fault.error.offset as u64, fault.error.reason.to_owned());
            receipt.json_fault(JsonFault { run: run.path(), place: fault.place, offset, reason });
        }
    }
}

/// Which rows are wanted, of which runs.
pub(crate) struct Wanted<'a> {
    pub(crate) rows: Rows,
    /// The names that the runs have; `None` if they may have any.
    pub(crate) names: Option<HashSet<&'a str>>,
    /// Whether a run is wanted.
    pub(crate) takes: &'a (dyn Fn(&RunKey) -> bool + Sync),
}

/// Takes the rows of one run.
pub(crate) trait RunRows {
    /// Takes the rows of pieces of a folder, in which other threads read.
    type Pieces: Pieces;

    /// The next folder begins: when it was started, and how many seconds the run took before.
    fn folder(&mut self, start: Option<Timestamp>, before: i64);

    /// The next row of the folder.
    ///
    /// # Errors
    /// If it is no W&B message; nothing of it is kept.
    fn row(&mut self, row: &Row<'_>) -> Result<(), Malformed>;

    /// What takes all further rows of this folder, piece by piece; `None` if they must come here one by one.
    fn pieces(&mut self) -> Option<Self::Pieces>;

    /// Takes over the next piece. Those that nobody takes over are not the run's.
    fn piece(&mut self, piece: <Self::Pieces as Pieces>::Piece);

    /// The run is over, and this is its name.
    ///
    /// # Errors
    /// If rows could not be kept.
    fn finish(self, run: RunKey, receipt: &mut Receipt) -> Result<()>;
}

/// Takes the rows of pieces of a folder.
pub(crate) trait Pieces: Send + Sync {
    /// Takes the rows of a piece.
    type Taker;
    /// The rows of a piece.
    type Piece: Send;

    /// The piece of this number begins.
    fn begin(&self, number: u32) -> Self::Taker;

    /// The next row of a piece.
    ///
    /// # Errors
    /// If it is no W&B message; nothing of it is kept.
    fn row(&self, taker: &mut Self::Taker, row: &Row<'_>) -> Result<(), Malformed>;

    /// The piece is over.
    fn end(&self, taker: Self::Taker) -> Self::Piece;
}

impl LogSource {
    /// Hands out the rows of all runs that are wanted, in parallel. `begin` makes the taker of one run's rows, and is told
    /// how many folders it has. Folders come in the order of time.
    ///
    /// # Errors
    /// If no file could be read, or a taker fails.
    pub(crate) fn rows<R: RunRows>(
        &self,
        wanted: Wanted<'_>,
        begin: &(dyn Fn(usize) -> R + Sync),
        progress: &Progress,
    ) -> Result<Receipt> {
        progress.expect(self.files.len() as u64);
        let pass = Pass { wanted, begin, progress, pool: Pool::new(self.limits), split: self.split };
        let units = unit::units(&self.files, &pass.pool);
        let mut total = self.begin();
        total.add(pass.units(&units)?);
        let strays = std::mem::take(&mut total.strays);
        if !strays.is_empty() {
            let late = unit::regroup(&strays, &units, &mut total);
            progress.expect(late.iter().map(|unit| unit.files.len() as u64).sum());
            total.add(pass.units(&late)?);
        }
        total.end()
    }
}

/// One pass over logs, as all threads see it.
struct Pass<'a, R> {
    wanted: Wanted<'a>,
    begin: &'a (dyn Fn(usize) -> R + Sync),
    progress: &'a Progress,
    pool: Pool,
    split: Split,
}

/// A run while its files are read.
#[derive(Debug, Default)]
pub(super) struct Known {
    id: Option<String>,
    entity: Option<String>,
    project: Option<String>,
    folders: u64,
}

/// How reading a file ended.
enum Read {
    Whole,
    /// It holds a run of another id than its unit's.
    Stray,
    /// It holds a run that is not wanted.
    Unwanted,
}

impl<R: RunRows> Pass<'_, R> {
    fn units(&self, units: &[Unit]) -> Result<Outcome> {
        rayon::scope(|scope| {
            let one = |mut outcome: Outcome, unit| {
                self.pool.with(|scratch| self.unit(unit, scope, &mut scratch.buffers, &mut outcome))?;
                self.progress.advance(unit.files.len() as u64);
                Ok(outcome)
            };
            let both = |mut a: Outcome, b: Outcome| {
                a.add(b);
                Ok(a)
            };
            units.par_iter().with_max_len(1).try_fold(Outcome::default, one).try_reduce(Outcome::default, both)
        })
    }

    fn unit<'s>(
        &'s self,
        unit: &'s Unit,
        scope: &Scope<'s>,
        buffers: &mut Buffers,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let runs = outcome.receipt.runs;
        match &unit.files[..] {
            [file] => self.run(unit, &[file], scope, buffers, outcome)?,
            _ => {
                for files in unit.parts(buffers, outcome) {
                    self.run(unit, &files, scope, buffers, outcome)?;
                }
            }
        }
        if outcome.receipt.runs == runs {
            outcome.barren.push(unit.id.clone());
        }
        Ok(())
    }

    fn run<'s>(
        &'s self,
        unit: &'s Unit,
        files: &[&'s PathBuf],
        scope: &Scope<'s>,
        buffers: &mut Buffers,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut taker = (self.begin)(files.len());
        let (mut known, mut own) = (Known::default(), Outcome::default());
        for file in files {
            let mut folder =
                Folder { pass: self, unit, path: file, known: &mut known, taker: &mut taker, any: false, first: true };
            match folder.read(scope, buffers, &mut own.receipt) {
                Ok(Read::Whole) => {}
                Ok(Read::Stray) => {
                    outcome.strays.push((*file).clone());
                    return Ok(());
                }
                Ok(Read::Unwanted) => return Ok(()),
                Err(error) => own.refuse(file, error),
            }
        }
        let Known { id, entity, project, folders } = known;
        let run = RunKey { entity, project, name: id.unwrap_or_else(|| unit.id.clone()) };
        if folders > 0 {
            if !(self.wanted.takes)(&run) {
                return Ok(());
            }
            own.receipt.runs += 1;
            own.receipt.joined += u64::from(folders > 1);
            taker.finish(run, &mut own.receipt)?;
        }
        outcome.add(own);
        Ok(())
    }

    /// Why the file is not to be read on, if its run is none of this unit, or not wanted.
    fn other(&self, unit: &Unit, known: &Known) -> Option<Read> {
        let id = known.id.as_deref()?;
        if id != unit.id {
            return Some(Read::Stray);
        }
        self.wanted.names.as_ref().is_some_and(|names| !names.contains(id)).then_some(Read::Unwanted)
    }
}

/// One file, the next folder of the run, while it is read.
struct Folder<'s, 'k, 'p, R> {
    pass: &'s Pass<'p, R>,
    unit: &'s Unit,
    path: &'s Path,
    known: &'k mut Known,
    taker: &'k mut R,
    /// There was a record.
    any: bool,
    /// No run record was there yet.
    first: bool,
}

impl<'s, R: RunRows> Folder<'s, '_, '_, R> {
    fn read(&mut self, scope: &Scope<'s>, buffers: &mut Buffers, receipt: &mut Receipt) -> Result<Read> {
        let path = self.path;
        let file = open(path)?;
        let borders = self.pass.split.borders(&file);
        let mut frames = Frames::new(file, buffers);
        let started = frames.start().map_err(|error| Error::io(path, error))?;
        if let Start::Foreign(found) = started {
            return Err(Error::new(ErrorKind::Format, found).file(path));
        }
        if let Some(borders) = borders {
            frames.stop_at(borders.front);
        }
        let (mut missing, mut other) = (Missing::default(), None);
        let mut records =
            |folder: &mut Self, frames: &mut Frames<'_, File>, missing: &mut Missing, receipt: &mut Receipt| {
                pass(path, frames, missing, receipt, |record| {
                    other = folder.record(record)?;
                    Ok(other.is_none())
                })
            };
        let mut read = match started {
            Start::Log => records(self, &mut frames, &mut missing, receipt),
            _ => Ok(()),
        };
        let mut end = frames.end();
        if let (Ok(()), Some(place), Some(borders)) = (&read, frames.place(), borders) {
            // What later run records say of the id counts for nothing once there is one.
            let named = self.known.id.is_some() && !self.first;
            match named.then(|| self.taker.pieces()).flatten() {
                Some(pieces) => {
                    let stretches = Stretches::new(path, borders, &self.pass.pool, self.pass.wanted.rows, pieces);
                    read = stretches.read(scope, place, buffers, |stretch| {
                        end = stretch.end;
                        missing.then(&stretch.missing);
                        receipt.merge(stretch.receipt);
                        self.known.then(stretch.known);
                        self.any |= stretch.any;
                        self.taker.piece(stretch.piece);
                    });
                }
                None => {
                    frames.stop_at(u64::MAX);
                    read = records(self, &mut frames, &mut missing, receipt);
                    end = frames.end();
                }
            }
        }
        if let Some(other) = other {
            return Ok(other);
        }
        receipt.lost_records += missing.count();
        receipt.files += 1;
        receipt.bytes += end.bytes;
        receipt.cut_records += u64::from(end.cut > 0);
        receipt.empty_files += u64::from(read.is_ok() && !self.any);
        self.known.folders += u64::from(self.any);
        read.map(|()| Read::Whole)
    }

    /// Takes a record; why the file is not to be read on, if it is not.
    fn record(&mut self, record: &Record<'_>) -> Result<Option<Read>, Malformed> {
        let Some(kind) = record.kind else { return Ok(None) };
        self.any = true;
        if kind == Kind::Run {
            let run = RunMessage::parse(record.body)?;
            self.known.learn(&run);
            if std::mem::take(&mut self.first) {
                self.taker.folder(run.start, run.runtime);
            }
            return Ok(self.pass.other(self.unit, self.known));
        }
        if let Some(rows) = Rows::of(kind).filter(|rows| *rows == self.pass.wanted.rows) {
            self.taker.row(&Row { body: record.body, rows })?;
        }
        Ok(None)
    }
}

impl Known {
    /// Takes what the run records behind say.
    fn then(&mut self, next: Known) {
        self.id = self.id.take().or(next.id);
        self.entity = next.entity.or(self.entity.take());
        self.project = next.project.or(self.project.take());
    }

    /// Takes what a run record says; of entity and project the last one that is set, as in the run table.
    pub(super) fn learn(&mut self, run: &RunMessage<'_>) {
        if self.id.is_none() {
            self.id = owned(run.id, &mut 0);
        }
        self.entity = owned(run.entity, &mut 0).or(self.entity.take());
        self.project = owned(run.project, &mut 0).or(self.project.take());
    }
}
