//! History: the logged steps of many runs as one typed table, long by run and step, and operations on it.
//!
//! ```
//! use runframe::history::{self, HistoryQuery, HistoryVerbs};
//! use runframe::{Best, Loader, Result};
//!
//! # fn main() -> Result<()> {
//! let query = HistoryQuery::new().keys(["val/loss", "accuracy"]).steps(1..);
//! let history = Loader::default().source("examples/wandb")?.history(&query)?;
//! let best = history.lazy().per_run([history::at_best("accuracy", "val/loss", Best::Lowest)]).collect()?;
//! assert!(best.height() > 0);
//! # Ok(()) }
//! ```

mod chunk;
mod forms;
mod keys;
mod layout;
mod log;
mod query;
mod redact;
mod rows;
mod scan;
#[cfg(feature = "api")]
mod servers;
mod shared;
mod store;
mod stored;
mod table;
mod value;

pub use crate::ops::history::{HistoryVerbs, RUN, at_best, first_reaching, last, rolling_mean};
pub use forms::tidy;
pub use query::{HistoryQuery, metric_of, run_keys};
pub use scan::HistoryScan;
#[cfg(feature = "api")]
pub use stored::HistoryPulled;
#[cfg(feature = "api")]
pub(crate) use stored::{Dataset, Mark, TableRun, Wish, check, replace, update};

use crate::error::{Error, ErrorKind, Result};
use crate::frame::redact::{check as check_columns, told};
use crate::frame::{RunFrame, Table};
use crate::load::Loader;
use crate::record::Receipt;
use crate::sink::{Format, Options};
use crate::source::Progress;
use crate::source::location::Location;
use crate::source::log::LogSource;
use chunk::HistoryChunk;
use polars::prelude::{DataFrame, LazyFrame, SchemaRef};
use redact::Redacting;
use std::path::Path;
use std::sync::Arc;
use store::Store;
use stored::StoredHistory;
use table::HistoryTable;

/// Somewhere that history comes from.
pub(crate) trait HistorySource: Send + Sync {
    /// Hands over the rows that the query asks for, chunk by chunk, and returns what the load says of itself.
    ///
    /// Chunks come from several threads at once and in any order. What run they are of is told in [`HistoryChunk::run`], and their
    /// numbers say in which order they are to be read.
    ///
    /// # Errors
    /// If nothing at all can be read, or what the query asks for cannot be had from this source. An error that `sink` returns ends
    /// the load.
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt>;
}

/// What takes the chunks of a load.
pub(crate) trait HistorySink: Sync {
    /// Takes rows of one run.
    ///
    /// # Errors
    /// If there is no room for them.
    fn chunk(&self, chunk: HistoryChunk) -> Result<()>;

    /// Is told of a metric that some run has, asked for or not; more than once, perhaps.
    fn metric(&self, path: &str);
}

impl Loader {
    /// The history of the sources' runs: every logged row, or what `query` asks for.
    ///
    /// Columns: `entity`, `project`, `name` (String), `_step` (Int64), `_timestamp` (`Datetime[μs, UTC]`), `_runtime` (Float64,
    /// seconds), then one for each metric and kind, sorted by name, typed by all rows of all runs as a summary is. Rows are sorted by
    /// entity, project, name and `_step`; what was not logged in a row is null.
    ///
    /// Rows of a run with the same `_step`, as a resumed run's folders may have, become one row, metric by metric; the later
    /// folder's values win, and [`Receipt::joined_rows`] counts it.
    ///
    /// A stored run table has the history that [`Pull::history`](crate::Pull::history) put beside it; types are then those of all rows that
    /// are stored, and only the asked columns, runs and steps are read.
    ///
    /// ```
    /// use runframe::{HistoryQuery, Loader};
    ///
    /// # fn main() -> runframe::Result<()> {
    /// let history = Loader::default().source("examples/wandb")?.history(&HistoryQuery::new().keys(["loss"]))?;
    /// assert_eq!(history.schema().iter_names().last().map(|name| name.as_str()), Some("loss"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a source has no history, if nothing in it can be read, or if no run has a metric that is asked for: with the nearest ones.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryFrame> {
        query.check()?;
        crate::json::allow_depth(self.what_limits().depth);
        HistoryFrame::load(self.history_source()?.as_ref(), query, self)
    }

    /// The sources as one source of histories.
    pub(crate) fn history_source(&self) -> Result<Box<dyn HistorySource>> {
        let mut logs = Vec::new();
        let mut servers = false;
        let mut sources: Vec<Box<dyn HistorySource>> = Vec::new();
        for location in self.locations() {
            match location {
                Location::Logs(path) => match StoredHistory::at(path)? {
                    Some(stored) => sources.push(Box::new(stored)),
                    None => logs.push(path.clone()),
                },
                Location::Parquet(path) => sources.push(Box::new(StoredHistory::beside(path)?)),
                Location::Project { .. } => servers = true,
            }
        }
        if servers {
            sources.push(self.histories_of_servers()?);
        }
        if !logs.is_empty() {
            sources.push(Box::new(LogSource::open(&logs)?.limits(self.what_limits())));
        }
        match sources.len() {
            0 => Err(Error::new(ErrorKind::Usage, "no source was given")),
            1 => Ok(sources.remove(0)),
            _ => Ok(Box::new(Several(sources))),
        }
    }

    #[cfg(feature = "api")]
    fn histories_of_servers(&self) -> Result<Box<dyn HistorySource>> {
        Ok(Box::new(servers::Projects(self.api_source()?)))
    }

    #[cfg(not(feature = "api"))]
    fn histories_of_servers(&self) -> Result<Box<dyn HistorySource>> {
        let error = Error::new(ErrorKind::Unsupported, "this build does not read W&B servers");
        Err(error.hint("build with the feature api"))
    }
}

/// Several places, one after the other. Rows of a run that two of them have are joined by their steps.
struct Several(Vec<Box<dyn HistorySource>>);

impl HistorySource for Several {
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt> {
        let mut receipt = Receipt::default();
        for source in &self.0 {
            receipt.merge(source.history(query, sink, progress)?);
        }
        Ok(receipt)
    }
}

/// The history of many runs: one row per run and step, cheap to clone.
///
/// It is held as what was logged, beyond some 256 MB in a temporary file; a frame makes only the columns that it names.
#[derive(Clone)]
pub struct HistoryFrame {
    table: Arc<HistoryTable>,
    receipt: Arc<Receipt>,
}

impl HistoryFrame {
    /// Reads a source.
    pub(crate) fn load(source: &dyn HistorySource, query: &HistoryQuery, loader: &Loader) -> Result<Self> {
        let (limits, progress) = (loader.what_limits(), loader.what_progress());
        let store = Store::new(query.axis(), limits);
        let mut receipt = match loader.what_redaction() {
            None => source.history(query, &store, progress)?,
            Some(redaction) => {
                let redacting = Redacting::new(&store, redaction);
                let mut receipt = source.history(query, &redacting, progress)?;
                receipt.found_secrets(redacting.found());
                receipt.redacted = Some(told(redaction));
                receipt
            }
        };
        if receipt.runs == 0 && query.chosen_runs().is_some() {
            // No run matches, so none can lack a metric.
            store.suppose(query);
        } else if !store.unknown(query).is_empty() && query.limits_rows() {
            // Others may have it.
            let all = Store::new(query.axis(), limits);
            source.history(&query.of_all_rows(), &all, &Progress::default())?;
            store.learn(all);
        }
        if let Some(key) = store.unknown(query).first()
            && (receipt.runs > 0 || query.is_narrowed())
        {
            return Err(store.refuse(key));
        }
        let (table, joined) = store.finish(query)?;
        if let Some(redaction) = loader.what_redaction().filter(|_| receipt.runs > 0) {
            check_columns(redaction, table.schema())?;
        }
        receipt.joined_rows += joined;
        receipt.rows = table.height() as u64;
        receipt.sort();
        Ok(HistoryFrame { table: Arc::new(table), receipt: Arc::new(receipt) })
    }

    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.table.height()
    }

    /// All columns and their types, in the order of the table.
    pub fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    /// The metrics' columns, in the order of the table.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.table.metrics()
    }

    /// What the load says of itself.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The table as a lazy frame; a query makes only the columns it names.
    pub fn lazy(&self) -> LazyFrame {
        RunFrame::from_table(self.table.clone(), Receipt::default()).lazy()
    }

    /// The whole table.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn collect(&self) -> Result<DataFrame> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        self.select(&names)
    }

    /// These columns, in this order.
    ///
    /// # Errors
    /// If a column does not exist; the error names the nearest ones.
    pub fn select<S: AsRef<str>>(&self, columns: &[S]) -> Result<DataFrame> {
        RunFrame::from_table(self.table.clone(), Receipt::default()).select(columns)
    }

    /// Columns that hold JSON text; their Polars type is String.
    pub fn json_columns(&self) -> &[String] {
        self.table.json_columns()
    }

    /// What is written beside the data into a file: version, receipt, and which string columns are JSON.
    pub fn metadata(&self) -> Vec<(String, String)> {
        RunFrame::from_table(self.table.clone(), (*self.receipt).clone()).metadata()
    }

    /// Writes the table to the file `path`, whole or not at all; `-` is the standard output. Parquet is written part by part, in
    /// bounded memory; for other formats the table is made first.
    ///
    /// # Errors
    /// If the file cannot be written, or the format cannot hold a column.
    pub fn write(&self, path: &Path, format: Format, options: &Options) -> Result<()> {
        let mut options = options.clone();
        options.metadata = self.metadata();
        options.json_columns = self.json_columns().to_vec();
        match format {
            Format::Parquet => self.table.write_parquet(path, &options.metadata),
            _ => crate::sink::write_file(&self.collect()?, path, format, &options),
        }
    }

    /// One row per run, step and metric: `entity`, `project`, `name`, `_step`, `_timestamp`, `_runtime`, `key`, `value` and `text`;
    /// see [`tidy`].
    ///
    /// # Errors
    /// If the table cannot be made.
    pub fn tidy(&self) -> Result<DataFrame> {
        tidy(&self.collect()?)
    }

    /// One column per run, one row per step: the values of one metric, on the steps that any run has one for.
    ///
    /// A column is called by its run's name; where projects share the name, by `entity/project/name`. Of a metric with values of several
    /// kinds a run has a column for each, called as the metric's are: `RUN`, `RUN:string`; one kind is asked for as `loss:string`. Runs
    /// without a value have no column.
    ///
    /// # Errors
    /// If there is no such metric; or no steps, as in system metrics.
    pub fn wide(&self, metric: &str) -> Result<DataFrame> {
        forms::wide(self, &[metric])
    }

    /// [`wide`](Self::wide) for several metrics, with `*` and `?` as globs: the columns are called `RUN/METRIC`, unless there is one
    /// metric only.
    ///
    /// # Errors
    /// As [`wide`](Self::wide).
    pub fn wide_of<S: AsRef<str>>(&self, metrics: &[S]) -> Result<DataFrame> {
        forms::wide(self, &metrics.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }
}

impl std::fmt::Debug for HistoryFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HistoryFrame {{ {} rows × {} columns }}", self.height(), self.schema().len())
    }
}

#[cfg(test)]
mod tests;
