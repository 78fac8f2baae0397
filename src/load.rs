//! From what a user names to one run table: opens every source, flattens in parallel, joins.

use crate::columns::Columns;
use crate::columns::Fixed;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{RunFrame, Table, import};
use crate::record::{Receipt, Wanted};
use crate::source::location::Location;
use crate::source::log::LogSource;
use crate::source::parquet::StoredTable;
use crate::source::{Batch, Progress, Source};
use polars::prelude::{DataFrame, SchemaRef};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

impl RunFrame {
    /// Opens one source: a folder or file of `.wandb` logs, or a stored `.parquet` run table.
    ///
    /// ```
    /// # fn main() -> runframe::Result<()> {
    /// let runs = runframe::RunFrame::open("examples/wandb")?;
    /// assert!(runs.height() > 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is nothing under that name, or nothing in it can be read. What is lost beside good data is in
    /// [`RunFrame::receipt`].
    pub fn open(source: &str) -> Result<RunFrame> {
        Loader::default().source(source)?.load()
    }

    /// Opens several sources, or parts of them.
    pub fn loader() -> Loader {
        Loader::default()
    }
}

/// What to load, and how much of it.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    locations: Vec<(String, Location)>,
    wanted: Wanted,
    progress: Arc<Progress>,
}

impl Loader {
    /// Adds a source. A run that several sources have is taken from the last one; all folders of logs are one source, in the
    /// place of the last of them.
    ///
    /// # Errors
    /// If the text names nothing: no path, no `entity/project`.
    pub fn source(mut self, source: &str) -> Result<Self> {
        let location = Location::parse(source, Path::exists)?;
        self.locations.push((source.to_owned(), location));
        Ok(self)
    }

    /// Says which parts of the runs are needed; the default is everything but the raw texts.
    pub fn wanted(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// Counts the load's steps, for a progress bar on another thread.
    pub fn progress(mut self, progress: Arc<Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Loads everything.
    ///
    /// # Errors
    /// If no source was given, or one of them cannot be read at all.
    pub fn load(&self) -> Result<RunFrame> {
        let is_log = |(_, location): &&(String, Location)| matches!(location, Location::Logs(_));
        let last_log = self.locations.iter().rposition(|location| is_log(&location));
        let mut loaded = Vec::new();
        for (at, (_, location)) in self.locations.iter().enumerate() {
            match location {
                // All log folders are one source, in the place of the last of them, so that a run with a folder in each is joined.
                Location::Logs(_) if Some(at) != last_log => {}
                Location::Logs(_) => loaded.push(self.load_logs()?),
                Location::Parquet(path) => loaded.push(open_stored(path)?),
                Location::Project { .. } => return Err(no_api(location)),
            }
        }
        let names = self.locations.iter().map(|(name, _)| name.clone()).collect();
        match loaded.len() {
            0 => Err(Error::new(ErrorKind::Usage, "no source was given")),
            1 => Ok(loaded.remove(0).named(names)),
            _ => Ok(join(loaded)?.named(names)),
        }
    }

    fn load_logs(&self) -> Result<RunFrame> {
        let paths = self.locations.iter().filter_map(|(_, location)| match location {
            Location::Logs(path) => Some(path.clone()),
            _ => None,
        });
        let source = LogSource::open(&paths.collect::<Vec<PathBuf>>())?;
        let (columns, receipt) = read(&source, self.wanted, &self.progress)?;
        RunFrame::from_columns(columns, receipt)
    }
}

/// Reads a source, flattening each batch on the thread that read it.
///
/// # Errors
/// If the source cannot be read at all.
pub fn read(source: &dyn Source, wanted: Wanted, progress: &Progress) -> Result<(Columns, Receipt)> {
    let assembly = Mutex::new(Assembly { whole: Columns::new(wanted), next: 0, waiting: BTreeMap::new() });
    let each = |batch: Batch| {
        let mut columns = Columns::new(wanted);
        batch.runs.iter().for_each(|run| columns.push(run));
        assembly.lock().unwrap_or_else(PoisonError::into_inner).add(batch.order, columns);
        Ok(())
    };
    let receipt = source.load(wanted, &each, progress)?;
    let Assembly { mut whole, waiting, .. } = assembly.into_inner().unwrap_or_else(PoisonError::into_inner);
    waiting.into_values().for_each(|part| whole.merge(&part));
    Ok((whole, receipt))
}

/// Parts in the order of their batches; a part whose turn has come is merged at once, so that few are held apart.
struct Assembly {
    whole: Columns,
    next: usize,
    waiting: BTreeMap<usize, Columns>,
}

impl Assembly {
    fn add(&mut self, order: usize, part: Columns) {
        self.waiting.insert(order, part);
        while let Some(part) = self.waiting.remove(&self.next) {
            self.whole.merge(&part);
            self.next += 1;
        }
    }
}

fn no_api(location: &Location) -> Error {
    let name = match location {
        Location::Project { entity, project } => format!("{entity}/{}", project.as_deref().unwrap_or("*")),
        other => format!("{other:?}"),
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("{name} is no file or folder here, and this version does not read W&B servers yet"),
    )
    .hint("give a folder of .wandb logs or a .parquet run table")
}

/// Joins tables below each other; of a run that several have, the last one's row stays.
fn join(frames: Vec<RunFrame>) -> Result<RunFrame> {
    let mut receipt = Receipt::default();
    let mut whole: Option<Columns> = None;
    for frame in frames {
        receipt.merge(frame.receipt().clone());
        if !frame.schema().contains("name") {
            let error =
                Error::new(ErrorKind::Format, "no run table: it has no column name, so its rows cannot be joined");
            let source = frame.receipt().sources.first().map_or("", String::as_str);
            return Err(error.file(source).hint("read this file alone"));
        }
        let columns = frame.to_columns()?;
        match &mut whole {
            None => whole = Some(columns),
            Some(whole) => whole.merge(&columns),
        }
    }
    let mut whole = whole.unwrap_or_else(|| Columns::new(Wanted::default()));
    let keep = last_of_each(&whole);
    receipt.duplicates += keep.iter().filter(|keep| !**keep).count() as u64;
    whole.retain(&keep);
    // The parts' receipts already told what flattening found.
    whole.forget_receipt();
    RunFrame::from_columns(whole, receipt)
}

/// For each row whether it is the last one of its entity, project and name. Rows without a name are all kept.
fn last_of_each(columns: &Columns) -> Vec<bool> {
    let texts = |name: &str| -> Vec<Option<&str>> {
        match columns.fixed_by_name(name) {
            Some(Fixed::Strs(texts)) => texts.iter().collect(),
            _ => vec![None; columns.height()],
        }
    };
    let (entities, projects, names) = (texts("entity"), texts("project"), texts("name"));
    let mut last = HashMap::new();
    let keys: Vec<_> = entities.into_iter().zip(projects).zip(names).collect();
    for (row, key) in keys.iter().enumerate() {
        last.insert(key, row);
    }
    keys.iter().enumerate().map(|(row, key)| key.1.is_none() || last.get(key) == Some(&row)).collect()
}

fn open_stored(path: &Path) -> Result<RunFrame> {
    let table = StoredTable::open(path)?;
    let json_columns = table.metadata("runframe.json_columns").and_then(|text| serde_json::from_str(text).ok());
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut receipt = Receipt { runs: table.height() as u64, files: 1, bytes, ..Receipt::default() };
    receipt.sources.push(path.display().to_string());
    receipt.skipped_columns.extend(table.skipped().iter().map(|skipped| format!("{}, {skipped}", path.display())));
    let table = Stored { table, json_columns: json_columns.unwrap_or_default() };
    Ok(RunFrame::from_table(Arc::new(table), receipt))
}

/// A stored run table and what its metadata says of its columns.
struct Stored {
    table: StoredTable,
    json_columns: Vec<String>,
}

impl Table for Stored {
    fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    fn height(&self) -> usize {
        self.table.height()
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.table.read(columns)
    }

    fn json_columns(&self) -> &[String] {
        &self.json_columns
    }

    fn columns(&self) -> Result<Columns> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        import(&self.read(&names)?, &self.json_columns).map_err(|error| error.file(self.table.path()))
    }
}
