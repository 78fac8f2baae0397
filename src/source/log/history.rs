//! The history and the system statistics of logs: every row of every run, handed out as it stands.

use super::LogSource;
use super::artifacts::owned;
use super::document::{Findings, Style, render};
use super::fold::node_of;
use super::framing::{Buffers, Frames, Start};
pub(crate) use super::items::{Item, step_of};
use super::items::{row, row_step};
use super::messages::{Kind, RunMessage, time_in};
pub(crate) use super::reading::MALFORMED;
use super::reading::{open, records};
use super::tree::Tree;
use super::unit::{self, Outcome, Pool, Unit};
pub(crate) use super::wire::Malformed;
use super::wire::{Fields, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{JsonFault, Receipt, RunKey, Timestamp};
use crate::source::Progress;
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Which records are rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// What the user logged.
    History,
    /// What the SDK measured of the machine.
    System,
}

/// One row, still in the bytes of its record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The message.
    pub(crate) body: &'a [u8],
    pub(crate) rows: Rows,
    /// Where its record begins in the file.
    pub(crate) offset: u64,
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
    pub(crate) fn items(&self, mut each: impl FnMut(Item<'a>)) -> Result<Option<i64>, Malformed> {
        if self.rows == Rows::History {
            return row(self.body, each);
        }
        for field in Fields::new(self.body) {
            if let (3, Value::Bytes(item)) = field? {
                each(Item::parse(item)?);
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
    /// The next folder begins, that of this file: when it was started, and how many seconds the run took before.
    fn folder(&mut self, file: &Path, start: Option<Timestamp>, before: i64);

    /// The next row of the folder.
    ///
    /// # Errors
    /// If it is no W&B message; nothing of it is kept.
    fn row(&mut self, row: &Row<'_>) -> Result<(), Malformed>;

    /// The run is over, and this is its name.
    ///
    /// # Errors
    /// If rows could not be kept.
    fn finish(self, run: RunKey, receipt: &mut Receipt) -> Result<()>;
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
        let pass = Pass { wanted, begin, progress, pool: Pool::new(self.limits) };
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
}

/// A run while its files are read.
#[derive(Debug, Default)]
struct Known {
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
        let one = |mut outcome: Outcome, unit: &Unit| {
            self.pool.with(|scratch| self.unit(unit, &mut scratch.buffers, &mut outcome))?;
            self.progress.advance(unit.files.len() as u64);
            Ok(outcome)
        };
        let both = |mut a: Outcome, b: Outcome| {
            a.add(b);
            Ok(a)
        };
        units.par_iter().with_max_len(1).try_fold(Outcome::default, one).try_reduce(Outcome::default, both)
    }

    fn unit(&self, unit: &Unit, buffers: &mut Buffers, outcome: &mut Outcome) -> Result<()> {
        let runs = outcome.receipt.runs;
        match &unit.files[..] {
            [file] => self.run(unit, &[file], buffers, outcome)?,
            _ => {
                for files in unit.parts(buffers, outcome) {
                    self.run(unit, &files, buffers, outcome)?;
                }
            }
        }
        if outcome.receipt.runs == runs {
            outcome.barren.push(unit.id.clone());
        }
        Ok(())
    }

    fn run(&self, unit: &Unit, files: &[&PathBuf], buffers: &mut Buffers, outcome: &mut Outcome) -> Result<()> {
        let mut taker = (self.begin)(files.len());
        let (mut known, mut own) = (Known::default(), Outcome::default());
        for file in files {
            match self.file(file, unit, &mut known, &mut taker, buffers, &mut own.receipt) {
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

    /// Reads one file as the next folder of the run.
    fn file(
        &self,
        path: &Path,
        unit: &Unit,
        known: &mut Known,
        taker: &mut R,
        buffers: &mut Buffers,
        receipt: &mut Receipt,
    ) -> Result<Read> {
        let mut frames = Frames::new(open(path)?, buffers);
        let started = frames.start().map_err(|error| Error::io(path, error))?;
        if let Start::Foreign(found) = started {
            return Err(Error::new(ErrorKind::Format, found).file(path));
        }
        let (mut any, mut first, mut end) = (false, true, Read::Whole);
        let read = match started {
            Start::Log => records(path, &mut frames, receipt, |record, offset| {
                let Some(kind) = record.kind else { return Ok(true) };
                any = true;
                let rows = match kind {
                    Kind::History => Rows::History,
                    Kind::Stats => Rows::System,
                    Kind::Run => {
                        let run = RunMessage::parse(record.body)?;
                        known.learn(&run);
                        if std::mem::take(&mut first) {
                            taker.folder(path, run.start, run.runtime);
                        }
                        if let Some(other) = self.other(unit, known) {
                            end = other;
                            return Ok(false);
                        }
                        return Ok(true);
                    }
                    _ => return Ok(true),
                };
                if rows == self.wanted.rows {
                    taker.row(&Row { body: record.body, rows, offset })?;
                }
                Ok(true)
            }),
            _ => Ok(()),
        };
        if !matches!(end, Read::Whole) {
            return Ok(end);
        }
        let accounts = frames.end();
        receipt.files += 1;
        receipt.bytes += accounts.bytes;
        receipt.cut_records += u64::from(accounts.cut > 0);
        receipt.empty_files += u64::from(read.is_ok() && !any);
        known.folders += u64::from(any);
        read.map(|()| Read::Whole)
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

impl Known {
    /// Takes what a run record says; of entity and project the last one that is set, as in the run table.
    fn learn(&mut self, run: &RunMessage<'_>) {
        if self.id.is_none() {
            self.id = owned(run.id, &mut 0);
        }
        self.entity = owned(run.entity, &mut 0).or(self.entity.take());
        self.project = owned(run.project, &mut 0).or(self.project.take());
    }
}
