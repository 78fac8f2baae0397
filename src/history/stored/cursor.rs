//! The rows of a part file, one after the other, in the columns that the data set has by now.

use super::leaves::fill;
use crate::columns::{Dense, Kind, Sparse};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::series;
use crate::history::layout::Layout;
use crate::history::store::FIXED;
use crate::source::parquet::StoredTable;
use polars::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A column of a metric: its name, what it holds, its type.
type Leaf = (PlSmallStr, Kind, DataType);

/// A part file that is read from its beginning on, group by group of rows.
pub(super) struct Cursor {
    table: StoredTable,
    layout: Arc<Layout>,
    /// The columns of each path in the file.
    paths: BTreeMap<String, Vec<Leaf>>,
    /// Rows of each group.
    groups: Vec<usize>,
    group: usize,
    /// Rows of the group that are behind us.
    at: usize,
    frame: Option<DataFrame>,
}

/// The columns of each path in a file.
fn paths(schema: &Schema, json_columns: &[String]) -> BTreeMap<String, Vec<Leaf>> {
    let mut paths: BTreeMap<String, Vec<Leaf>> = BTreeMap::new();
    for (name, dtype) in schema.iter().filter(|(name, _)| !FIXED.contains(&name.as_str())) {
        let (path, kind) = Kind::split(name);
        let json = json_columns.iter().any(|json| json == name.as_str());
        let kind = kind.unwrap_or(if json { Kind::Json } else { series::kind_of(dtype) });
        paths.entry(path.to_owned()).or_default().push((name.clone(), kind, dtype.clone()));
    }
    paths
}

impl Cursor {
    /// Opens a part to read it in the columns of `layout`.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub(super) fn open(path: &Path, layout: Arc<Layout>) -> Result<Self> {
        let table = open(path)?;
        let paths = paths(table.schema(), &json_columns(&table));
        let groups = table.groups().collect();
        Ok(Cursor { table, layout, paths, groups, group: 0, at: 0, frame: None })
    }

    /// True if the file has just the columns that are wanted.
    pub(super) fn is_alike(&self) -> bool {
        **self.table.schema() == *self.layout.schema && json_columns(&self.table) == self.layout.json_columns
    }

    /// Passes over rows.
    pub(super) fn skip(&mut self, mut rows: usize) {
        while rows > 0 && self.group < self.groups.len() {
            let step = rows.min(self.left());
            self.advance(step);
            rows -= step;
        }
    }

    /// The next rows: at most so many, at least one.
    ///
    /// # Errors
    /// If there are none, or the file is damaged.
    pub(super) fn take(&mut self, most: usize) -> Result<DataFrame> {
        while self.left() == 0 && self.group < self.groups.len() {
            self.advance(0);
        }
        if self.group >= self.groups.len() {
            let error =
                Error::new(ErrorKind::Format, "it has fewer rows than the data set says").file(self.table.path());
            return Err(error.hint("remove the folder, and pull --history again"));
        }
        if self.frame.is_none() {
            self.frame = Some(self.read()?);
        }
        let rows = most.min(self.left());
        let part = self.frame.as_ref().map(|frame| frame.slice(self.at as i64, rows)).unwrap_or_default();
        self.advance(rows);
        Ok(part)
    }

    /// Rows of the group that lie ahead.
    fn left(&self) -> usize {
        self.groups.get(self.group).map_or(0, |rows| rows - self.at)
    }

    fn advance(&mut self, rows: usize) {
        self.at += rows;
        if self.left() == 0 {
            self.group += 1;
            self.at = 0;
            self.frame = None;
        }
    }

    /// The group in the columns that are wanted.
    fn read(&self) -> Result<DataFrame> {
        let names: Vec<&str> = self.table.schema().iter_names().map(|name| name.as_str()).collect();
        let found = self.table.read_group(&names, self.group)?;
        if self.is_alike() {
            return Ok(found);
        }
        let mut converted: HashMap<PlSmallStr, Sparse> = HashMap::new();
        let mut columns = Vec::with_capacity(self.layout.schema.len());
        for (name, dtype) in self.layout.schema.iter() {
            columns.push(self.column(&found, name, dtype, &mut converted)?);
        }
        Ok(DataFrame::new(found.height(), columns)?)
    }

    fn column(
        &self,
        found: &DataFrame,
        name: &PlSmallStr,
        dtype: &DataType,
        converted: &mut HashMap<PlSmallStr, Sparse>,
    ) -> Result<Column> {
        let null = || Column::full_null(name.clone(), found.height(), dtype);
        let Some(metric) = self.layout.metrics.get(name) else { return Ok(found.column(name)?.clone()) };
        let Some(leaves) = self.paths.get(&*metric.path) else { return Ok(null()) };
        if self.is_settled(&metric.path) {
            return Ok(found.column(name).map_or_else(|_| null(), Column::clone));
        }
        let path = PlSmallStr::from(&*metric.path);
        if !converted.contains_key(&path) {
            let mut whole = Sparse::default();
            for (own, kind, _) in leaves {
                let series = found.column(own)?.as_materialized_series();
                fill(&mut whole, series, *kind, |row| Some(row as u32))?;
            }
            // What the values of all runs decided, also where these would decide otherwise.
            metric.all.iter().for_each(|(kind, dtype)| whole.declare(*kind, *dtype));
            converted.insert(path.clone(), whole);
        }
        let Some(whole) = converted.get(&path) else { return Ok(null()) };
        Ok(series::leaf(name, &Dense::of(whole, metric.kind, found.height()), metric.dtype)?.into())
    }

    /// True if all columns of the path are in the file as they are wanted.
    fn is_settled(&self, path: &str) -> bool {
        let wanted = |leaf: &Leaf| {
            let metric = self.layout.metrics.get(&leaf.0);
            metric.is_some_and(|metric| metric.kind == leaf.1 && series::leaf_type(metric.dtype) == leaf.2)
        };
        self.paths.get(path).is_some_and(|leaves| leaves.iter().all(wanted))
    }
}

/// # Errors
/// If the file is missing or damaged.
pub(super) fn open(path: &Path) -> Result<StoredTable> {
    StoredTable::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => error.hint("somebody removed it; remove the folder too, and pull --history again"),
        _ => error,
    })
}

/// Columns with a plain name that hold JSON text.
fn json_columns(table: &StoredTable) -> Vec<String> {
    table.metadata(JSON_COLUMNS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Where a part says which of its columns with a plain name hold JSON text.
pub(super) const JSON_COLUMNS: &str = "runframe.json_columns";
