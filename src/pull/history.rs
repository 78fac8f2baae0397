//! The histories beside the file: stored with it, and brought up to date with it.

use super::Pull;
use super::changes::{states, times};
use crate::error::{Error, Result};
use crate::frame::import;
use crate::history::{Dataset, HistoryPulled, HistoryQuery, Mark, TableRun, Wish, check, replace, run_keys, update};
use crate::record::{Receipt, RunKey};
use crate::source::location::Location;
use crate::source::parquet::StoredTable;
use std::time::Instant;

/// The columns that tell what is asked of each run.
const COLUMNS: [&str; 8] =
    ["entity", "project", "name", "created_at", "updated_at", "heartbeat_at", "state", "history_rows"];

/// What becomes of the histories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Histories {
    /// What is there is brought up to date.
    #[default]
    AsStored,
    /// These metrics are there afterwards; all, if there are none.
    Of(Vec<String>),
    /// They stay as they are.
    Untouched,
}

impl Pull {
    /// Stores the runs' histories, too, in a folder beside the file: `runs.history` beside `runs.parquet`. `keys` are the metrics,
    /// as in [`HistoryQuery::keys`]; none means all.
    ///
    /// The folder holds Parquet files of one schema, that of [`Loader::history`](crate::Loader::history), for any reader of
    /// `runs.history/*.parquet`; a [`Loader`](crate::Loader) of the run table reads them itself. From servers only what is new is
    /// loaded: of runs that have changed, the rows behind the last stored step; of those that are gone, nothing stays. A run whose
    /// stored rows are not what the server counts is loaded anew. What has arrived is kept in `runs.history.partial` until it is in its
    /// place, so that an interrupted pull goes on where it was. Logs and stored tables are read anew each time.
    ///
    /// Without this, histories that are there are brought up to date, with the keys that they have; see
    /// [`Pull::without_history`].
    ///
    /// Columns only grow: one whose runs are all gone stays, and a type stays as wide as it was, until [`Pull::full`].
    ///
    /// ```
    /// # fn main() -> runframe::Result<()> {
    /// # let dir = tempfile::tempdir().map_err(|error| runframe::Error::io("temp", error))?;
    /// # let file = dir.path().join("runs.parquet");
    /// use runframe::{HistoryQuery, Loader, Pull, RunFrame};
    ///
    /// let done = Pull::new(RunFrame::loader().source("examples/wandb")?, &file).history(["loss", "val/*"]).run()?;
    /// assert!(done.history.is_some_and(|history| history.rows > 0));
    /// let stored = Loader::default().source(&file.to_string_lossy())?;
    /// assert!(stored.history(&HistoryQuery::new().keys(["loss"]))?.height() > 0);
    /// # Ok(()) }
    /// ```
    pub fn history<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.history = Histories::Of(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves the histories beside the file as they are, also where they no longer fit it.
    pub fn without_history(mut self) -> Self {
        self.history = Histories::Untouched;
        self
    }

    /// What is to become of the histories; `None` for nothing.
    ///
    /// # Errors
    /// If other histories are there than are asked for.
    pub(super) fn wish(&self, began: Instant) -> Result<Option<(Dataset, Wish)>> {
        let dataset = Dataset::beside(&self.output);
        let keys = match &self.history {
            Histories::Untouched => return Ok(None),
            Histories::AsStored if !dataset.is_there() => return Ok(None),
            Histories::AsStored => None,
            Histories::Of(keys) => Some(keys.clone()),
        };
        let (redaction, limits) = (self.loader.what_redaction().cloned(), self.loader.what_limits());
        let wish = Wish { keys, full: self.full, began: Some(began), redaction, limits };
        check(&dataset, &wish)?;
        Ok(Some((dataset, wish)))
    }

    /// Stores the histories of the file's runs; `receipt` is told what it took.
    pub(super) fn pull_history(&self, dataset: &Dataset, wish: &Wish, receipt: &mut Receipt) -> Result<HistoryPulled> {
        let runs = table_runs(&StoredTable::open(&self.output)?)?;
        let (loader, progress) = (&self.loader, self.loader.what_progress());
        let anew = loader.locations().any(|location| !matches!(location, Location::Project { .. }));
        let (done, told) = match anew {
            false => update(dataset, &loader.api_source()?, &runs, wish, progress)?,
            true => {
                let some = !self.conditions.is_empty() || loader.what_filter().is_some();
                let query = HistoryQuery::new();
                let query = if some { query.runs(runs.iter().map(|run| run.key.clone())) } else { query };
                let source = loader.unfiltered().history_source()?;
                let (done, told) = replace(dataset, source.as_ref(), query, &runs, wish, progress)?;
                // What is wrong with files was told as the runs were read.
                let (joined_rows, complete, served) = (told.joined_rows, told.complete, told.served);
                (done, Receipt { joined_rows, complete, served, ..Receipt::default() })
            }
        };
        let count = receipt.runs;
        receipt.merge(told);
        (receipt.runs, receipt.rows) = (count, done.rows);
        if !done.columns.is_empty() {
            let note = format!("{}: columns changed: {}", done.folder.display(), done.columns.join(", "));
            receipt.served.get_or_insert_default().notes.push(note);
        }
        Ok(done)
    }
}

/// The runs of a run table.
fn table_runs(table: &StoredTable) -> Result<Vec<TableRun>> {
    let there: Vec<&str> = COLUMNS.into_iter().filter(|name| table.schema().contains(name)).collect();
    let found = table.read(&there)?;
    let located = |error: Error| error.file(table.path());
    let columns = import(&found, &[]).map_err(located)?;
    let numbers = ["created_at", "updated_at", "heartbeat_at", "history_rows"].map(|name| times(&columns, name));
    let states = states(&columns);
    let run = |(row, key): (usize, RunKey)| {
        let number = |values: &Vec<Option<i64>>| values.get(row).copied().flatten();
        let [created_at, updated_at, heartbeat_at, rows] = numbers.each_ref().map(number);
        let state = states.get(row).copied().flatten().map(str::to_owned);
        TableRun { key, mark: Mark { created_at, updated_at, heartbeat_at, state }, rows }
    };
    let keys = run_keys(&found).map_err(located)?;
    Ok(keys.into_iter().enumerate().map(run).collect())
}
