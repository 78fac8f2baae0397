//! The run table as Polars and Arrow: lazy with column pushdown, eager, or as Arrow record batches.

pub mod bridge;
mod import;
pub mod redact;
mod scan;
mod scatter;
pub(crate) mod series;
mod table;
mod top;

pub(crate) use import::scalars;
pub use import::{declare_all, import};
pub use top::sorted;

use crate::columns::{Columns, Kind};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::record::{Receipt, Run, Wanted};
use crate::secrets::Redaction;
use polars::prelude::{Column, DataFrame, Expr, IdxCa, IdxSize, IntoLazy, LazyFrame, NewChunkedArray, SchemaRef, col};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Something that can make any of its columns on demand.
///
/// The table that was just loaded is one, a stored Parquet file another.
pub trait Table: Send + Sync {
    /// All columns, in order.
    fn schema(&self) -> &SchemaRef;

    /// How many rows there are.
    fn height(&self) -> usize;

    /// Makes these columns, in this order.
    ///
    /// # Errors
    /// If a column does not exist or cannot be read.
    fn read(&self, columns: &[&str]) -> Result<DataFrame>;

    /// True if [`Table::read_where`] is quicker than reading everything and filtering it.
    fn filters(&self) -> bool {
        false
    }

    /// Makes these columns of the rows for which `predicate`, an expression that looks at each row alone, is true.
    ///
    /// # Errors
    /// As [`Table::read`], and if the predicate fails.
    fn read_where(&self, columns: &[&str], predicate: &Expr) -> Result<DataFrame> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        let chosen: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
        Ok(self.read(&names)?.lazy().filter(predicate.clone()).select(chosen).collect()?)
    }

    /// Makes these columns of the first `rows` rows.
    ///
    /// # Errors
    /// As [`Table::read`].
    fn read_first(&self, columns: &[&str], rows: usize) -> Result<DataFrame> {
        Ok(self.read(columns)?.head(Some(rows)))
    }

    /// Makes these columns of these rows, in the order of `rows`.
    ///
    /// # Errors
    /// As [`Table::read`], and if there is no such row.
    fn read_rows(&self, columns: &[&str], rows: &[IdxSize]) -> Result<DataFrame> {
        Ok(self.read(columns)?.take(&IdxCa::from_slice("row".into(), rows))?)
    }

    /// The table with only these fields of artifact versions, if it can leave out the others.
    fn with_artifact_fields(&self, _fields: &[&str]) -> Option<Arc<dyn Table>> {
        None
    }

    /// Makes some rows of these columns.
    ///
    /// # Errors
    /// If a column does not exist or cannot be read.
    fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        Ok(self.read(columns)?.slice(rows.start as i64, rows.len()))
    }

    /// Columns with a plain name that hold JSON text; a string column's type does not tell.
    fn json_columns(&self) -> &[String];

    /// The table as sparse columns, for joining it with others.
    ///
    /// # Errors
    /// If it cannot be read.
    fn columns(&self) -> Result<Columns>;

    /// The paths of config and summary that are an explicit `null` in this row, sorted; `None` for a table that keeps no more
    /// than its columns, which do not tell.
    fn nulls(&self, _row: usize) -> Option<Vec<&str>> {
        None
    }

    /// How many values config and summary have in all rows together; `None` if that is not known without reading them.
    fn values(&self) -> Option<usize> {
        None
    }
}

/// The run table: one row per run, typed columns, cheap to clone.
///
/// Nothing is dense until a frame asks for it: [`RunFrame::lazy`] makes only the columns that a query names.
#[derive(Clone)]
pub struct RunFrame {
    table: Arc<dyn Table>,
    receipt: Arc<Receipt>,
}

/// A path whose values are of more than one kind, and the column that each kind got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path: `config.opt`.
    pub path: String,
    /// Column, kind and number of values; the first has the plain name.
    pub columns: Vec<(String, Kind, u64)>,
}

impl RunFrame {
    /// The table of runs from any source of your own.
    ///
    /// # Errors
    /// Never for the runs that W&B knows; only if Polars refuses a column.
    pub fn from_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self> {
        let mut columns = Columns::new(Wanted { raw: false, ..Wanted::default() });
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            // As servers give them: together they are faster than one by one.
            columns.push_all(&runs.by_ref().take(1_000).collect::<Vec<_>>());
        }
        Self::from_columns(columns, Receipt::default())
    }

    /// The table of flattened runs; `receipt` is what their source said.
    ///
    /// # Errors
    /// Only if Polars refuses a column.
    pub fn from_columns(mut columns: Columns, mut receipt: Receipt) -> Result<Self> {
        columns.shrink();
        columns.share();
        receipt.merge(columns.receipt());
        receipt.runs = columns.height() as u64;
        receipt.sort();
        Ok(Self::from_table(Arc::new(table::Loaded::new(columns)), receipt))
    }

    /// A table that makes its columns itself.
    pub fn from_table(table: Arc<dyn Table>, receipt: Receipt) -> Self {
        RunFrame { table, receipt: Arc::new(receipt) }
    }

    /// Some rows of one column, made without the others.
    pub(crate) fn part(&self, column: &str, rows: Range<usize>) -> Result<Column> {
        let part = self.table.read_slice(&[column], rows)?;
        Ok(part.column(column)?.clone())
    }

    /// Some rows of all columns.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Result<DataFrame> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        self.table.read_slice(&names, rows)
    }

    /// How many values config and summary have in all runs together, if that is known.
    pub(crate) fn values(&self) -> Option<usize> {
        self.table.values()
    }

    /// True if the rows are on disk and not in memory.
    pub(crate) fn is_stored(&self) -> bool {
        self.table.filters()
    }

    /// Says in the receipt how many runs there are with those that are elsewhere.
    pub(crate) fn counting(mut self, runs: u64) -> Self {
        let receipt = Receipt { runs, ..(*self.receipt).clone() };
        self.receipt = Arc::new(receipt);
        self
    }

    /// Says in the receipt what the user named.
    pub(crate) fn named(mut self, sources: Vec<String>) -> Self {
        let receipt = Receipt { sources, ..(*self.receipt).clone() };
        self.receipt = Arc::new(receipt);
        self
    }

    /// The same table with what looks like a secret replaced, and all texts of the columns that the redaction names, as they are
    /// read. Conditions on redacted columns see what is put out.
    ///
    /// # Errors
    /// If a column that it names is not there, or holds no texts.
    pub fn redacted(&self, redaction: &Redaction) -> Result<RunFrame> {
        redact::check(redaction, self.schema())?;
        Ok(self.redacting(redaction))
    }

    /// [`RunFrame::redacted`], whatever columns there are.
    pub(crate) fn redacting(&self, redaction: &Redaction) -> RunFrame {
        let mut receipt = (*self.receipt).clone();
        receipt.redacted = Some(redact::told(redaction));
        let table = redact::Redacting { table: self.table.clone(), redaction: Arc::new(redaction.clone()) };
        RunFrame { table: Arc::new(table), receipt: Arc::new(receipt) }
    }

    /// How many runs there are.
    pub fn height(&self) -> usize {
        self.table.height()
    }

    /// All columns and their types, in the order of the table.
    pub fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    /// What the load says of itself.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The table as a lazy frame; a query makes only the columns it names.
    pub fn lazy(&self) -> LazyFrame {
        scan::lazy(self.table.clone())
    }

    /// The same table for a query that looks only at these fields of artifact versions: a stored table then does not read the
    /// others, and its columns of artifacts have only these fields. Other tables stay as they are.
    pub fn with_artifact_fields(&self, fields: &[&str]) -> RunFrame {
        let table = self.table.with_artifact_fields(fields).unwrap_or_else(|| self.table.clone());
        RunFrame { table, receipt: self.receipt.clone() }
    }

    /// The whole table.
    ///
    /// # Errors
    /// If a stored table cannot be read.
    pub fn collect(&self) -> Result<DataFrame> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        self.table.read(&names)
    }

    /// These columns, in this order.
    ///
    /// # Errors
    /// If a column does not exist; the error names the nearest ones.
    pub fn select<S: AsRef<str>>(&self, columns: &[S]) -> Result<DataFrame> {
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        names.iter().try_for_each(|name| self.check(name))?;
        self.table.read(&names)
    }

    fn check(&self, name: &str) -> Result<()> {
        if self.schema().contains(name) {
            return Ok(());
        }
        Err(unknown_column(name, self.schema().iter_names().map(|n| n.as_str())))
    }

    /// The paths of config and summary that are an explicit `null` in this row, sorted; in the columns they are null, as
    /// are keys that the run does not have.
    ///
    /// `None` for a stored table, which does not tell the two apart; of its runs none is known either where it is joined
    /// with other sources.
    pub fn explicit_nulls(&self, row: usize) -> Option<Vec<&str>> {
        self.table.nulls(row)
    }

    /// Every path whose values are of more than one kind, sorted.
    ///
    /// # Errors
    /// If a stored table cannot be read.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        conflicts(self)
    }

    /// What is written beside the data into a file: version, receipt, and which string columns are JSON.
    pub fn metadata(&self) -> Vec<(String, String)> {
        let json = serde_json::Value::from(self.table.json_columns().to_vec());
        vec![
            ("runframe.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("runframe.receipt".to_owned(), self.receipt.to_json().to_string()),
            ("runframe.json_columns".to_owned(), json.to_string()),
        ]
    }

    /// Columns that hold JSON text; their Polars type is String.
    pub fn json_columns(&self) -> &[String] {
        self.table.json_columns()
    }

    /// The table as sparse columns, for joining it with others.
    ///
    /// # Errors
    /// If a stored table cannot be read.
    pub fn to_columns(&self) -> Result<Columns> {
        self.table.columns()
    }
}

/// The error for a column that does not exist, naming the nearest that do.
pub fn unknown_column<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let error = Error::new(ErrorKind::Column, format!("unknown column {name}"));
    match did_you_mean(name, known) {
        Some(hint) => error.hint(hint),
        None => error.hint("`runframe schema SOURCE` lists the columns"),
    }
}

fn conflicts(frame: &RunFrame) -> Result<Vec<Conflict>> {
    let mut paths: BTreeMap<&str, Vec<(&str, Kind)>> = BTreeMap::new();
    for name in frame.schema().iter_names() {
        if let (path, Some(kind)) = Kind::split(name) {
            paths.entry(path).or_default().push((name.as_str(), kind));
        }
    }
    let mut found = Vec::new();
    for (path, mut columns) in paths {
        if frame.schema().contains(path) {
            columns.push((path, plain_kind(frame, path)));
        }
        columns.sort_by_key(|(_, kind)| *kind);
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let values = frame.select(&names)?;
        let count = |name: &str| values.column(name).map_or(0, |column| (column.len() - column.null_count()) as u64);
        let columns = columns.into_iter().map(|(name, kind)| (name.to_owned(), kind, count(name))).collect();
        found.push(Conflict { path: path.to_owned(), columns });
    }
    Ok(found)
}

/// The kind of the column that has its path's plain name.
fn plain_kind(frame: &RunFrame, column: &str) -> Kind {
    if frame.json_columns().iter().any(|name| name == column) {
        return Kind::Json;
    }
    frame.schema().get(column).map_or(Kind::String, series::kind_of)
}

impl std::fmt::Debug for RunFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunFrame {{ {} runs × {} columns }}", self.height(), self.schema().len())
    }
}

#[cfg(test)]
mod tests;
