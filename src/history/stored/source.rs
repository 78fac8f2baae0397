//! A stored data set as a source of histories: only the asked columns are read, and only the groups of rows that hold asked runs and
//! steps.

use super::cursor::open;
use super::leaves::fill;
use super::state::{Part, State};
use super::{Dataset, missing};
use crate::columns::{Kind, LeafType, Sparse};
use crate::error::{Error, ErrorKind, Result};
use crate::history::chunk::{HistoryChunk, NONE};
use crate::history::layout::Layout;
use crate::history::query::{Axis, HistoryQuery, means, run_keys};
use crate::history::{HistorySink, HistorySource};
use crate::record::{Receipt, RunKey};
use crate::source::Progress;
use crate::source::parquet::StoredTable;
use polars::prelude::{DataFrame, Series};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Runs without a stored history that the receipt names.
const NAMED: usize = 1_000;

/// A data set, and the run table that it belongs to.
pub(in crate::history) struct StoredHistory {
    state: State,
    /// Histories of other runs than the table's are left out.
    table: Option<PathBuf>,
}

/// What is read of a metric: its path, and the columns that it has.
struct Wanted<'a> {
    path: Arc<str>,
    columns: Vec<(&'a str, Kind)>,
    all: &'a [(Kind, LeafType)],
}

impl StoredHistory {
    /// The one beside a run table.
    ///
    /// # Errors
    /// If there is none.
    pub(in crate::history) fn beside(table: &Path) -> Result<Self> {
        let state = Dataset::beside(table).find()?.ok_or_else(|| missing(table))?;
        Ok(StoredHistory { state, table: Some(table.to_owned()) })
    }

    /// The one in this folder; `None` if it is something else.
    ///
    /// # Errors
    /// If it is damaged.
    pub(in crate::history) fn at(folder: &Path) -> Result<Option<Self>> {
        Ok(Dataset::at(folder).find()?.map(|state| StoredHistory { state, table: None }))
    }

    /// The runs that are asked for; those that the table has and the data set has not, or not all of, are told.
    fn runs(&self, query: &HistoryQuery, receipt: &mut Receipt) -> Result<HashSet<&RunKey>> {
        let chosen = |run: &RunKey| query.takes_run(run);
        let table = match &self.table {
            None => None,
            Some(table) => Some(run_keys(&StoredTable::open(table)?.read(&["entity", "project", "name"])?)?),
        };
        let lacking: Vec<String> = match &table {
            Some(table) => table.iter().filter(|run| chosen(run) && !self.is_whole(run)).map(RunKey::path).collect(),
            None => self.state.runs.keys().filter(|run| chosen(run) && !self.is_whole(run)).map(RunKey::path).collect(),
        };
        if !lacking.is_empty() {
            receipt.complete = Some(false);
            let line = |run: &String| format!("{run}: not all of its history is stored; pull again");
            receipt.served.get_or_insert_default().incomplete.extend(lacking.iter().take(NAMED).map(line));
        }
        let table: Option<HashSet<RunKey>> = table.map(|table| table.into_iter().collect());
        let is_there = |run: &&RunKey| chosen(run) && table.as_ref().is_none_or(|table| table.contains(*run));
        Ok(self.state.runs.keys().filter(is_there).collect())
    }

    fn is_whole(&self, run: &RunKey) -> bool {
        self.state.runs.get(run).is_some_and(|known| known.whole)
    }

    /// # Errors
    /// If the query cannot be answered from here.
    fn check(&self, query: &HistoryQuery) -> Result<()> {
        if query.is_system() {
            let error = Error::new(ErrorKind::Unsupported, "system metrics are not stored beside a run table");
            return Err(error.hint("name a folder of .wandb logs"));
        }
        if query.sampled().is_some() {
            let error = Error::new(ErrorKind::Usage, "stored histories are not sampled");
            return Err(error.hint("leave --samples out: all rows are read"));
        }
        let stored = &self.state.keys;
        let lacks = |key: &&String| {
            !stored.is_empty() && !stored.contains(key) && !self.state.digests.keys().any(|path| means(key, path))
        };
        match query.asked().iter().find(lacks) {
            None => Ok(()),
            Some(key) => {
                let what = format!("{key} is not stored: only {} is", stored.join(", "));
                let error = Error::new(ErrorKind::Column, what);
                Err(error.hint(format!("`pull --full --history {},{key}` loads it", stored.join(","))))
            }
        }
    }
}

impl HistorySource for StoredHistory {
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt> {
        self.check(query)?;
        let mut receipt = Receipt::default();
        let runs = self.runs(query, &mut receipt)?;
        receipt.runs = runs.len() as u64;
        let layout = Layout::new(Axis::Step, &self.state.digests);
        let mut wanted: BTreeMap<&Arc<str>, Wanted<'_>> = BTreeMap::new();
        for (name, metric) in layout.metrics().filter_map(|name| Some((name, layout.metrics.get(name)?))) {
            if query.takes(&metric.path) {
                let new = || Wanted { path: metric.path.clone(), columns: Vec::new(), all: &metric.all };
                wanted.entry(&metric.path).or_insert_with(new).columns.push((name, metric.kind));
            } else {
                sink.metric(&metric.path);
            }
        }
        let wanted: Vec<Wanted<'_>> = wanted.into_values().collect();
        // Of some runs or steps those metrics are told that have values there, unless they are asked for.
        if !query.asked().is_empty() || (query.chosen_runs().is_none() && !query.limits_rows()) {
            let columns = wanted.iter().map(|wanted| (wanted.path.clone(), wanted.declared())).collect();
            sink.chunk(HistoryChunk { columns, ..HistoryChunk::default() })?;
        }
        let mut reads = Vec::new();
        for (at, part) in self.state.parts.iter().enumerate() {
            let groups = Groups { query, runs: &runs, wanted: &wanted };
            reads.extend(groups.plan(at, part, &mut receipt)?);
        }
        progress.expect(reads.len() as u64);
        reads.into_par_iter().try_for_each(|read| {
            read.into_chunks(query, &wanted, sink)?;
            progress.advance(1);
            Ok::<(), Error>(())
        })?;
        Ok(receipt)
    }
}

impl Wanted<'_> {
    /// No value, but the types that all values have together.
    fn declared(&self) -> Sparse {
        let mut values = Sparse::default();
        self.all.iter().for_each(|(kind, dtype)| values.declare(*kind, *dtype));
        values
    }
}

/// What is looked for in parts.
struct Groups<'a> {
    query: &'a HistoryQuery,
    runs: &'a HashSet<&'a RunKey>,
    wanted: &'a [Wanted<'a>],
}

/// A group of rows that is to be read.
struct Read<'a> {
    table: StoredTable,
    group: usize,
    /// The place of its rows among those of their runs.
    order: u32,
    /// Runs and their rows in the group.
    runs: Vec<(&'a RunKey, Range<usize>)>,
}

impl Groups<'_> {
    /// The groups of a part that may hold what is asked for.
    fn plan<'p>(&self, at: usize, part: &'p Part, receipt: &mut Receipt) -> Result<Vec<Read<'p>>> {
        let mut begin = 0;
        let mut asked: Vec<(&RunKey, Range<usize>)> = Vec::new();
        for segment in &part.segments {
            let rows = begin..begin + segment.rows;
            begin = rows.end;
            let outside = segment.steps.is_some_and(|steps| !self.query.meets_steps(steps));
            if self.runs.contains(&segment.run) && !outside {
                asked.push((&segment.run, rows));
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let table = open(&part.path())?;
        if table.height() != begin
            || self.wanted.iter().flat_map(|w| &w.columns).any(|(name, _)| !table.schema().contains(name))
        {
            let error = Error::new(ErrorKind::Format, "this file is not the one that was stored").file(part.path());
            return Err(error.hint("remove the folder, and pull --history again"));
        }
        receipt.files += 1;
        receipt.bytes += std::fs::metadata(part.path()).map_or(0, |found| found.len());
        let (mut reads, mut start) = (Vec::new(), 0);
        for (group, rows) in table.groups().enumerate() {
            let own = start..start + rows;
            start = own.end;
            let meets = |(_, rows): &&(&RunKey, Range<usize>)| rows.start < own.end && own.start < rows.end;
            let inside = |(run, rows): &(&'p RunKey, Range<usize>)| {
                (*run, rows.start.max(own.start) - own.start..rows.end.min(own.end) - own.start)
            };
            let from = asked.partition_point(|(_, rows)| rows.end <= own.start);
            let runs: Vec<_> = asked.iter().skip(from).take_while(meets).map(inside).collect();
            let outside = table.range_in_group("_step", group).is_some_and(|steps| !self.query.meets_steps(steps));
            if !runs.is_empty() && !outside {
                let order = (at as u32) << 16 | group as u32;
                reads.push(Read { table: table.clone(), group, order, runs });
            }
        }
        Ok(reads)
    }
}

impl Read<'_> {
    fn into_chunks(self, query: &HistoryQuery, wanted: &[Wanted<'_>], sink: &dyn HistorySink) -> Result<()> {
        let own = ["_step", "_timestamp", "_runtime"];
        let metrics = wanted.iter().flat_map(|wanted| wanted.columns.iter().map(|(name, _)| *name));
        let names: Vec<&str> = own.into_iter().chain(metrics).collect();
        let found = self.table.read_group(&names, self.group)?;
        for (run, rows) in &self.runs {
            let part = found.slice(rows.start as i64, rows.len());
            let chunk = HistoryChunk {
                run: Arc::new(OnceLock::from((*run).clone())),
                order: self.order,
                ..rows_of(&part, query, wanted)?
            };
            if chunk.height() > 0 {
                sink.chunk(chunk)?;
            }
        }
        Ok(())
    }
}

/// The asked rows of a part of the table.
fn rows_of(part: &DataFrame, query: &HistoryQuery, wanted: &[Wanted<'_>]) -> Result<HistoryChunk> {
    let steps: Vec<Option<i64>> = part.column("_step")?.i64()?.iter().collect();
    let mut keep: Vec<bool> = steps.iter().map(|step| query.takes_step(*step)).collect();
    if !query.keeps_all_rows() {
        let mut has = vec![false; keep.len()];
        for (name, _) in wanted.iter().flat_map(|wanted| &wanted.columns) {
            let values = part.column(name)?.is_not_null();
            has.iter_mut().zip(values.iter()).for_each(|(has, value)| *has |= value == Some(true));
        }
        keep.iter_mut().zip(has).for_each(|(keep, has)| *keep &= has);
    }
    let mut next = 0;
    let number = |keep: &bool| {
        next += u32::from(*keep);
        keep.then(|| next - 1)
    };
    let rows: Vec<Option<u32>> = keep.iter().map(number).collect();
    let mut chunk = HistoryChunk::default();
    if next == 0 {
        return Ok(chunk);
    }
    let kept = |values: Vec<Option<i64>>| {
        let pairs = values.into_iter().zip(&keep).filter(|(_, keep)| **keep);
        pairs.map(|(value, _)| value.unwrap_or(NONE)).collect::<Vec<i64>>()
    };
    chunk.times = kept(part.column("_timestamp")?.datetime()?.physical().iter().collect());
    let runtimes = part.column("_runtime")?.f64()?.iter().zip(&keep).filter(|(_, keep)| **keep);
    chunk.runtimes = runtimes.map(|(value, _)| value.unwrap_or(f64::NAN)).collect();
    chunk.steps = kept(steps);
    for Wanted { path, columns, all } in wanted {
        let mut values = Sparse::default();
        for (name, kind) in columns {
            let column: &Series = part.column(name)?.as_materialized_series();
            fill(&mut values, column, *kind, |row| rows.get(row).copied().flatten())?;
        }
        if values.is_empty() {
            continue;
        }
        if columns.len() > 1 {
            // Values of several columns may be of one sort, and are to be in the order of their rows.
            values.renumber(&(0..next).map(Some).collect::<Vec<_>>());
        }
        all.iter().for_each(|(kind, dtype)| values.declare(*kind, *dtype));
        chunk.columns.push((path.clone(), values));
    }
    Ok(chunk)
}
