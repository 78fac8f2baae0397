//! The history as a table: columns are made dense part by part, when a frame or a file asks for them.

use super::chunk::{HistoryChunk, NONE};
use super::layout::{Layout, Metric};
use super::rows::ROWS;
use super::store::{Part, Parts};
use crate::columns::{Columns, Dense, LeafType, Pairs, Sparse, fits};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Table, series, unknown_column};
use crate::record::RunKey;
use crate::sink;
use crate::sink::row_groups::{self, Chunk};
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// All chunks and the columns they make.
pub(super) struct HistoryTable {
    parts: Parts,
    height: usize,
    layout: Arc<Layout>,
}

/// Rows that become dense together: chunks and their runs.
type Group = Vec<(RunKey, Arc<HistoryChunk>)>;

impl HistoryTable {
    /// The table of these chunks; `layout` has at least what they hold.
    pub(super) fn new(parts: Parts, layout: Layout) -> Self {
        HistoryTable { height: parts.all().iter().map(Part::rows).sum(), parts, layout: Arc::new(layout) }
    }

    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.layout.metrics()
    }

    /// The chunks' runs and rows, in order.
    pub(super) fn parts(&self) -> &[Part] {
        self.parts.all()
    }

    /// All rows, dense, in frames of at most so many.
    pub(super) fn frames(&self, most: usize) -> impl FnMut() -> Result<Option<DataFrame>> {
        let names: Vec<&str> = self.layout.schema.iter_names().map(|name| name.as_str()).collect();
        let mut groups = self.groups(most);
        move || groups.next()?.map(|group| self.frame(&group, &names)).transpose()
    }

    /// All rows, in groups of at most so many.
    fn groups(&self, most: usize) -> Groups<'_> {
        Groups { parts: &self.parts, most, next: 0, pieces: VecDeque::new() }
    }

    /// The rows of a group, dense.
    fn frame(&self, group: &Group, names: &[&str]) -> Result<DataFrame> {
        let height = height(group);
        let columns: Vec<Series> =
            names.par_iter().map(|name| self.column(name, group, height)).collect::<Result<_>>()?;
        Ok(DataFrame::new(height, columns.into_iter().map(Column::from).collect())?)
    }

    /// Writes all columns as Parquet, group by group.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write_parquet(&self, path: &Path, metadata: &[(String, String)]) -> Result<()> {
        let schema = &self.layout.schema;
        let names: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
        let rows = row_groups::rows_of_a_group(self.height, names.len());
        sink::save(path, |out| {
            row_groups::write(out, schema, metadata, |file| {
                let mut groups = self.groups(rows);
                while let Some(group) = groups.next()? {
                    let height = height(&group);
                    let column = |at: usize| {
                        let name = names.get(at).copied().unwrap_or_default();
                        match run_part(name) {
                            Some(part) => Ok(Chunk::Texts(texts(part, &group))),
                            None => Ok(Chunk::Values(self.column(name, &group, height)?.into())),
                        }
                    };
                    file.group(height, &column)?;
                }
                Ok(())
            })
        })
    }

    fn column(&self, name: &str, group: &Group, height: usize) -> Result<Series> {
        match self.layout.metrics.get(name) {
            Some(metric) => metric.column(name, group, height),
            None => fixed(name, group),
        }
    }
}

/// Rows group by group.
struct Groups<'a> {
    parts: &'a Parts,
    most: usize,
    /// The next part that is not looked at.
    next: usize,
    /// What was cut of it and has not been handed out.
    pieces: VecDeque<(RunKey, Arc<HistoryChunk>)>,
}

impl Groups<'_> {
    /// The next rows; `None` at the end.
    fn next(&mut self) -> Result<Option<Group>> {
        let (mut group, mut rows) = (Group::new(), 0);
        loop {
            while let Some((_, piece)) = self.pieces.front() {
                if rows > 0 && rows + piece.height() > self.most {
                    return Ok(Some(group));
                }
                rows += piece.height();
                group.extend(self.pieces.pop_front());
            }
            let Some(part) = self.parts.all().get(self.next) else { return Ok((rows > 0).then_some(group)) };
            self.next += 1;
            let Some(run) = part.run() else { continue };
            self.pieces.extend(self.parts.chunk(part)?.pieces(self.most).into_iter().map(|piece| (run.clone(), piece)));
        }
    }
}

fn height(group: &Group) -> usize {
    group.iter().map(|(_, chunk)| chunk.height()).sum()
}

impl Metric {
    fn column(&self, name: &str, group: &Group, height: usize) -> Result<Series> {
        if let Some(numbers) = self.numbers(name, group, height) {
            return Ok(numbers);
        }
        let mut whole = Sparse::default();
        // What the values of all runs decided, also where these would decide otherwise.
        self.all.iter().for_each(|(kind, dtype)| whole.declare(*kind, *dtype));
        let mut offset = 0;
        for (_, chunk) in group {
            if let Some(values) = chunk.values(&self.path) {
                whole.append(values, offset);
            }
            offset += chunk.height() as u32;
        }
        series::leaf(name, &Dense::of(&whole, self.kind, height), self.dtype)
    }
}

impl Metric {
    /// The column, if it is of numbers; without a sparse copy in between, for this is what most of a history is.
    fn numbers(&self, name: &str, group: &Group, height: usize) -> Option<Series> {
        let floats = match self.dtype {
            LeafType::Float64 => true,
            LeafType::Int64 => false,
            _ => return None,
        };
        let parts = || {
            let parts = group.iter().scan(0, |offset, (_, chunk)| {
                let from = *offset;
                *offset += chunk.height();
                Some((from, chunk.values(&self.path)))
            });
            parts.filter_map(|(from, values)| values.map(|values| (from, values)))
        };
        if parts().any(|(_, values)| !values.spelled.is_empty()) {
            return None;
        }
        if let Some(whole) = self.whole(name, group, height, floats) {
            return Some(whole);
        }
        let ints = parts().flat_map(|(from, values)| values.ints.iter().map(move |(row, value)| (from + row, *value)));
        if !floats {
            let (values, valid) = scattered(ints, height);
            return Some(Int64Chunked::from_vec_validity(name.into(), values, valid).into_series());
        }
        let own = parts().flat_map(|(from, values)| values.floats.iter().map(move |(row, value)| (from + row, *value)));
        let exact = ints.filter(|(_, value)| fits(*value, true)).map(|(row, value)| (row, value as f64));
        let (values, valid) = scattered(own.chain(exact), height);
        Some(Float64Chunked::from_vec_validity(name.into(), values, valid).into_series())
    }

    /// The column, if every row has a value, all of one sort.
    fn whole(&self, name: &str, group: &Group, height: usize, floats: bool) -> Option<Series> {
        let parts = || group.iter().map(|(_, chunk)| Some((chunk.values(&self.path)?, chunk.height())));
        let only = |(values, rows): &(&Sparse, usize)| {
            let sort = if floats { values.floats.len() } else { values.ints.len() };
            sort == *rows && (if floats { values.ints.is_empty() } else { values.floats.is_empty() })
        };
        if !parts().all(|part| part.is_some_and(|part| only(&part))) {
            return None;
        }
        let parts = parts().flatten();
        Some(match floats {
            true => {
                let values = joined(parts.map(|(values, rows)| (&values.floats, rows)), height)?;
                Float64Chunked::from_vec(name.into(), values).into_series()
            }
            false => {
                let values = joined(parts.map(|(values, rows)| (&values.ints, rows)), height)?;
                Int64Chunked::from_vec(name.into(), values).into_series()
            }
        })
    }
}

/// The values in their rows, and which rows have one, unless all do.
fn scattered<T: Copy + Default>(pairs: impl Iterator<Item = (usize, T)>, height: usize) -> (Vec<T>, Option<Bitmap>) {
    let (mut values, mut valid, mut count) = (vec![T::default(); height], vec![false; height], 0);
    for (row, value) in pairs {
        if let (Some(slot), Some(is)) = (values.get_mut(row), valid.get_mut(row)) {
            *slot = value;
            count += usize::from(!std::mem::replace(is, true));
        }
    }
    (values, (count < height).then(|| Bitmap::from(valid)))
}

/// The values of each chunk, if every row has one.
fn joined<'a, T: Copy + 'a>(parts: impl Iterator<Item = (&'a Pairs<T>, usize)>, height: usize) -> Option<Vec<T>> {
    let mut values = Vec::with_capacity(height);
    for (pairs, rows) in parts {
        // Rows ascend, each of them once.
        values.extend_from_slice(pairs.values().get(..rows)?);
    }
    (values.len() == height).then_some(values)
}

/// The values, null where they are `none`.
fn own<T: Copy>(
    group: &Group,
    height: usize,
    get: fn(&HistoryChunk) -> &[T],
    none: fn(T) -> bool,
) -> (Vec<T>, Option<Bitmap>) {
    let mut values = Vec::with_capacity(height);
    group.iter().for_each(|(_, chunk)| values.extend_from_slice(get(chunk)));
    let nulls = values.iter().any(|value| none(*value));
    let valid = nulls.then(|| values.iter().map(|value| !none(*value)).collect());
    (values, valid)
}

/// What of a run makes this column.
fn run_part(name: &str) -> Option<fn(&RunKey) -> Option<&str>> {
    match name {
        "entity" => Some(|run| run.entity.as_deref()),
        "project" => Some(|run| run.project.as_deref()),
        "name" => Some(|run| Some(&run.name)),
        _ => None,
    }
}

/// A column of run parts: texts and their rows.
fn texts(part: fn(&RunKey) -> Option<&str>, group: &Group) -> Vec<(Option<String>, usize)> {
    let mut texts: Vec<(Option<String>, usize)> = Vec::new();
    for (run, chunk) in group {
        match texts.last_mut() {
            Some((last, rows)) if last.as_deref() == part(run) => *rows += chunk.height(),
            _ => texts.push((part(run).map(str::to_owned), chunk.height())),
        }
    }
    texts
}

fn fixed(name: &str, group: &Group) -> Result<Series> {
    if let Some(part) = run_part(name) {
        let each = group.iter().flat_map(|(run, chunk)| std::iter::repeat_n(part(run), chunk.height()));
        return Ok(series::texts(name, each));
    }
    let ints = |get: fn(&HistoryChunk) -> &[i64]| {
        let (values, valid) = own(group, height(group), get, |value| value == NONE);
        Int64Chunked::from_vec_validity(name.into(), values, valid)
    };
    Ok(match name {
        "_step" => ints(|chunk| &chunk.steps).into_series(),
        "_timestamp" => {
            ints(|chunk| &chunk.times).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series()
        }
        "_runtime" => {
            let (values, valid) = own(group, height(group), |chunk| &chunk.runtimes, f64::is_nan);
            Float64Chunked::from_vec_validity(name.into(), values, valid).into_series()
        }
        _ => return Err(Error::new(ErrorKind::Column, format!("unknown column {name}"))),
    })
}

impl Table for HistoryTable {
    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn height(&self) -> usize {
        self.height
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        for name in columns {
            if !self.layout.schema.contains(name) {
                return Err(unknown_column(name, self.layout.schema.iter_names().map(|name| name.as_str())));
            }
        }
        let mut whole: Option<DataFrame> = None;
        let mut groups = self.groups(ROWS);
        while let Some(group) = groups.next()? {
            let part = self.frame(&group, columns)?;
            match &mut whole {
                Some(whole) => drop(whole.vstack_mut_owned(part)?),
                None => whole = Some(part),
            }
        }
        match whole {
            Some(whole) => Ok(whole),
            None => {
                let field = |name: &&str| Some(Field::new((**name).into(), self.layout.schema.get(name)?.clone()));
                Ok(DataFrame::empty_with_schema(&columns.iter().filter_map(field).collect()))
            }
        }
    }

    fn json_columns(&self) -> &[String] {
        &self.layout.json_columns
    }

    fn columns(&self) -> Result<Columns> {
        Err(Error::new(ErrorKind::Unsupported, "a history is no run table"))
    }
}
