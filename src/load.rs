//! From what a user names to one run table: opens every source, flattens in parallel, joins.

mod assembly;
#[cfg(feature = "api")]
mod check;
#[cfg(feature = "api")]
mod project;

use crate::columns::{Columns, Fixed};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{RunFrame, Table, import, redact};
use crate::record::{Limits, Receipt, Wanted};
use crate::secrets::Redaction;
#[cfg(feature = "api")]
use crate::source::api::{ApiOptions, Asked, Listener, Projection, Settings};
use crate::source::location::Location;
use crate::source::log::LogSource;
use crate::source::parquet::StoredTable;
use crate::source::{Batch, Progress, Source};
use assembly::Assembly;
use polars::prelude::{DataFrame, Expr, IdxSize, Schema, SchemaRef};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl RunFrame {
    /// Opens one source: a folder or file of `.wandb` logs, a stored `.parquet` run table, or `entity/project` on a W&B server;
    /// `project` alone is one of the default entity's.
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
    limits: Limits,
    progress: Arc<Progress>,
    redaction: Option<Redaction>,
    #[cfg(feature = "api")]
    server: Server,
}

/// How W&B servers are asked.
#[cfg(feature = "api")]
#[derive(Debug, Clone, Default)]
struct Server {
    settings: Option<Settings>,
    options: ApiOptions,
    projection: Projection,
    filter: Option<String>,
    listener: Option<Listener>,
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

    /// Says how much one run, one answer of a server and one file may take; the defaults are far beyond what honest ones do.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts the load's steps, for a progress bar on another thread.
    pub fn progress(mut self, progress: Arc<Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Replaces what looks like a secret, and all texts of the columns that the redaction names, before anything else sees them:
    /// conditions too, and what a pull keeps meanwhile. The untouched texts of config and summary are replaced whole.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = Some(redaction);
        self
    }

    /// Says which server is asked, and with which key; the default is what W&B's own tools would use.
    #[cfg(feature = "api")]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.server.settings = Some(settings);
        self
    }

    /// Says how servers are asked: concurrency, deadline, page sizes.
    #[cfg(feature = "api")]
    pub fn options(mut self, options: ApiOptions) -> Self {
        self.server.options = options;
        self
    }

    /// Has `listener` told of each request to a server, once it is over, on the thread that makes it. It gets to see no key.
    #[cfg(feature = "api")]
    pub fn on_request(mut self, listener: impl Fn(&Asked<'_>) + Send + Sync + 'static) -> Self {
        self.server.listener = Some(Listener::new(listener));
        self
    }

    /// Asks servers only for these top-level keys of config and summary; [`expr::needs`](crate::expr::needs) tells which ones texts
    /// need.
    #[cfg(feature = "api")]
    pub fn projection(mut self, projection: Projection) -> Self {
        self.server.projection = projection;
        self
    }

    /// Asks servers only for runs that match this filter, in W&B's own language: Mongo's JSON. Other sources are not filtered.
    #[cfg(feature = "api")]
    pub fn filter(mut self, json: impl Into<String>) -> Self {
        self.server.filter = Some(json.into());
        self
    }

    /// What the sources are, as parsed.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        self.locations.iter().map(|(_, location)| location)
    }

    /// Loads everything.
    ///
    /// # Errors
    /// If no source was given, or one of them cannot be read at all.
    pub fn load(&self) -> Result<RunFrame> {
        crate::json::allow_depth(self.limits.depth);
        // All log folders are one source, in the place of the last of them, so that a run with a folder in each is joined; so
        // are all projects of servers.
        let last_log = self.locations.iter().rposition(|(_, location)| matches!(location, Location::Logs(_)));
        let last_project =
            self.locations.iter().rposition(|(_, location)| matches!(location, Location::Project { .. }));
        let mut loaded = Vec::new();
        for (at, (_, location)) in self.locations.iter().enumerate() {
            match location {
                Location::Logs(_) if Some(at) != last_log => {}
                Location::Project { .. } if Some(at) != last_project => {}
                Location::Logs(_) => loaded.push(self.load_logs()?),
                Location::Parquet(path) => loaded.push(self.open_stored(path)?),
                Location::Project { .. } => loaded.push(self.load_projects()?),
            }
        }
        let names = self.locations.iter().map(|(name, _)| name.clone()).collect();
        let frame = match loaded.len() {
            0 => return Err(Error::new(ErrorKind::Usage, "no source was given")),
            1 => loaded.remove(0),
            _ => join(loaded)?,
        };
        self.check_redaction(frame.schema())?;
        Ok(frame.named(names))
    }

    /// Checks that there are the columns that the redaction names; of runs that a server has chosen none need have them.
    pub(crate) fn check_redaction(&self, schema: &Schema) -> Result<()> {
        #[cfg(feature = "api")]
        if self.server.filter.is_some() {
            return Ok(());
        }
        self.redaction.as_ref().map_or(Ok(()), |redaction| redact::check(redaction, schema))
    }

    fn open_stored(&self, path: &Path) -> Result<RunFrame> {
        let stored = open_stored(path)?;
        Ok(match &self.redaction {
            // Other sources may have the columns that it names.
            Some(redaction) => stored.redacting(redaction),
            None => stored,
        })
    }

    pub(crate) fn what_redaction(&self) -> Option<&Redaction> {
        self.redaction.as_ref()
    }

    #[cfg(not(feature = "api"))]
    fn load_projects(&self) -> Result<RunFrame> {
        Err(Error::new(ErrorKind::Unsupported, "this build does not read W&B servers")
            .hint("build with the feature api"))
    }

    pub(crate) fn what_is_wanted(&self) -> Wanted {
        self.wanted
    }

    pub(crate) fn what_limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn what_progress(&self) -> &Progress {
        &self.progress
    }

    fn load_logs(&self) -> Result<RunFrame> {
        let paths = self.locations.iter().filter_map(|(_, location)| match location {
            Location::Logs(path) => Some(path.clone()),
            _ => None,
        });
        let source = LogSource::open(&paths.collect::<Vec<PathBuf>>())?.limits(self.limits);
        let (columns, receipt) = read_and(&source, self.wanted, &self.progress, self.what_redaction(), None)?;
        RunFrame::from_columns(columns, receipt)
    }
}

/// Reads a source, flattening each batch on the thread that read it.
///
/// # Errors
/// If the source cannot be read at all.
pub fn read(source: &dyn Source, wanted: Wanted, progress: &Progress) -> Result<(Columns, Receipt)> {
    read_and(source, wanted, progress, None, None)
}

/// Who gets to see each flattened batch as it arrives.
type Keep<'a> = dyn Fn(&Columns) -> Result<()> + Sync + 'a;

/// [`read`], redacting each flattened batch, and handing it to `keep`.
pub(crate) fn read_and(
    source: &dyn Source,
    wanted: Wanted,
    progress: &Progress,
    redaction: Option<&Redaction>,
    keep: Option<&Keep<'_>>,
) -> Result<(Columns, Receipt)> {
    let before = progress.total();
    let assembly = Assembly::new(wanted);
    // Steps are runs, or files with about one each.
    let expected = || progress.total().saturating_sub(before);
    // What is redacted is redacted before anybody sees it; what is only to be told is told of the whole.
    let apart = redaction.is_some() || keep.is_some();
    let each = |batch: Batch| {
        if !apart && assembly.alone(&batch, expected()) {
            return Ok(());
        }
        let mut part = assembly.part(wanted);
        if apart {
            part.push_all(&batch.runs);
            redact::look(&mut part, redaction);
            keep.map_or(Ok(()), |keep| keep(&part))?;
        } else {
            part.fill(&batch.runs);
        }
        assembly.add(batch.order, part, expected());
        Ok(())
    };
    let receipt = source.load(wanted, &each, progress)?;
    let mut whole = assembly.finished();
    withdraw(&mut whole, &receipt.withdrawn);
    if !apart {
        redact::look_through(&mut whole);
    }
    Ok((whole, receipt))
}

/// Takes out, for each path, the first row that has it.
fn withdraw(columns: &mut Columns, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    paths.iter().for_each(|path| *counts.entry(path).or_default() += 1);
    let keep: Vec<bool> = keys(columns)
        .into_iter()
        .map(|(entity, project, name)| {
            let path = [entity, project, name].map(|part| part.unwrap_or("-")).join("/");
            match counts.get_mut(path.as_str()) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        })
        .collect();
    columns.retain(&keep);
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
pub(crate) fn last_of_each(columns: &Columns) -> Vec<bool> {
    let keys = keys(columns);
    let last: HashMap<_, usize> = keys.iter().enumerate().map(|(row, key)| (key, row)).collect();
    keys.iter().enumerate().map(|(row, key)| key.2.is_none() || last.get(key) == Some(&row)).collect()
}

/// What tells a run from all others: entity, project, name.
pub(crate) type Key<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// The key of each row.
pub(crate) fn keys(columns: &Columns) -> Vec<Key<'_>> {
    let texts = |name: &str| -> Vec<Option<&str>> {
        match columns.fixed_by_name(name) {
            Some(Fixed::Strs(texts)) => texts.iter().collect(),
            _ => vec![None; columns.height()],
        }
    };
    let (entities, projects, names) = (texts("entity"), texts("project"), texts("name"));
    entities.into_iter().zip(projects).zip(names).map(|((entity, project), name)| (entity, project, name)).collect()
}

pub(crate) fn open_stored(path: &Path) -> Result<RunFrame> {
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

    fn filters(&self) -> bool {
        true
    }

    fn read_where(&self, columns: &[&str], predicate: &Expr) -> Result<DataFrame> {
        self.table.read_where(columns, predicate)
    }

    fn read_first(&self, columns: &[&str], rows: usize) -> Result<DataFrame> {
        self.table.read_first(columns, rows)
    }

    fn read_rows(&self, columns: &[&str], rows: &[IdxSize]) -> Result<DataFrame> {
        self.table.read_rows(columns, rows)
    }

    fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        self.table.read_slice(columns, rows)
    }

    fn with_artifact_fields(&self, fields: &[&str]) -> Option<Arc<dyn Table>> {
        let table = self.table.with_fields(fields);
        Some(Arc::new(Stored { table, json_columns: self.json_columns.clone() }))
    }

    fn json_columns(&self) -> &[String] {
        &self.json_columns
    }

    fn columns(&self) -> Result<Columns> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        import(&self.read(&names)?, &self.json_columns).map_err(|error| error.file(self.table.path()))
    }
}
