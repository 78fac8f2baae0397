//! The history as a table: columns are made dense part by part, when a frame or a file asks for them.

use super::chunk::{HistoryChunk, NONE};
use super::layout::{Layout, Metric};
use super::rows::ROWS;
use super::store::{Part, Parts};
use crate::columns::{Columns, Dense, LeafType, Sparse, fits};
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
                        Ok(Chunk::Values(self.column(name, &group, height)?.into()))
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

fn fixed(name: &str, group: &Group) -> Result<Series> {
    let texts = |get: fn(&RunKey) -> Option<&str>| {
        let each = group.iter().flat_map(|(run, chunk)| std::iter::repeat_n(get(run), chunk.height()));
        series::texts(name, each)
    };
    let ints = |get: fn(&HistoryChunk) -> &[i64]| {
        let each = group.iter().flat_map(|(_, chunk)| get(chunk)).map(|value| (*value != NONE).then_some(*value));
        Int64Chunked::from_iter_options(name.into(), each)
    };
    Ok(match name {
        "entity" => texts(|run| run.entity.as_deref()),
        "project" => texts(|run| run.project.as_deref()),
        "name" => texts(|run| Some(&run.name)),
        "_step" => ints(|chunk| &chunk.steps).into_series(),
        "_timestamp" => {
            ints(|chunk| &chunk.times).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series()
        }
        "_runtime" => {
            let each = group.iter().flat_map(|(_, chunk)| &chunk.runtimes);
            let each = each.map(|value| (!value.is_nan()).then_some(*value));
            Float64Chunked::from_iter_options(name.into(), each).into_series()
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
