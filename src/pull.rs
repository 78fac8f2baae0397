//! `pull`: all runs of some projects in one Parquet file, and the file brought up to date the next time.

mod changes;
mod condition;
mod history;
mod journal;
mod order;
mod splice;
mod update;

use crate::columns::Columns;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{RunFrame, import};
use crate::history::HistoryPulled;
use crate::load::{Key, Loader, last_of_each, open_stored, read_and};
use crate::record::{Receipt, Served};
use crate::sink;
use crate::source::api::{ApiSource, LightListing};
use crate::source::location::Location;
use condition::{Condition, Rejected, Seen};
use history::Histories;
use journal::Journal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the file says what was pulled into it.
const KEY: &str = "runframe.pull";
/// Where the manifest says how secrets were replaced.
const REDACT: &str = "redact";
/// Keeping what arrives costs about a fifth of a pull.
const JOURNAL_AFTER: Duration = Duration::from_secs(2);

/// Writes all runs of a loader's sources to a Parquet file, or brings the file up to date.
///
/// From W&B servers only what changed since the file was written is loaded: a light listing of names, states and times tells
/// what is new, changed or gone. What has arrived is kept beside the target, in `TARGET.partial`, until the file is
/// whole, so that an interrupted pull goes on where it was. Folders of logs and stored tables are read anew each time.
#[derive(Debug, Clone)]
pub struct Pull {
    loader: Loader,
    output: PathBuf,
    full: bool,
    conditions: Vec<String>,
    journal_after: Duration,
    history: Histories,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pulled {
    /// What the load says of itself; `runs` is the number of runs in the file.
    pub receipt: Receipt,
    /// Runs that were loaded: new or changed.
    pub loaded: u64,
    /// Runs that are no longer in the file, because they are gone from the server.
    pub removed: u64,
    /// False if the file was up to date and was left as it is.
    pub written: bool,
    /// What became of the histories beside the file; `None` if there are none, or they were left as they are.
    pub history: Option<HistoryPulled>,
}

/// The runs that a file or a journal has already, and what was found out about them.
struct Known {
    columns: Columns,
    /// The file, if they come from it alone: then `columns` has only what [`changes`] looks at, and the file need not be
    /// written where nothing changed.
    file: Option<RunFrame>,
    /// Runs that were loaded before and did not match.
    rejected: Rejected,
}

impl Pull {
    /// A pull of the loader's sources into `output`.
    pub fn new(loader: Loader, output: impl Into<PathBuf>) -> Self {
        let (full, conditions, history) = (false, Vec::new(), Histories::default());
        Pull { loader, output: output.into(), full, conditions, journal_after: JOURNAL_AFTER, history }
    }

    /// Loads everything anew, whatever the file holds.
    pub fn full(mut self, full: bool) -> Self {
        self.full = full;
        self
    }

    /// Keeps only runs for which this is true, as in `--where`; all of several conditions must be. What a server can tell is
    /// not loaded.
    ///
    /// The file is as if it had been loaded anew each time: runs that no longer match are removed, `now()` is the time of
    /// this pull. Runs that were loaded and did not match are remembered, and not loaded again before they change; but with
    /// `now()` or `is_active()` in a part that is evaluated here they are, and where the kinds of all runs' values decide
    /// what a condition means ([`expr::Split::exact`](crate::expr::Split::exact)), all that the server sends is as soon as one changes.
    pub fn condition(mut self, text: impl Into<String>) -> Self {
        self.conditions.push(text.into());
        self
    }

    /// Keeps what arrives after this time for an interrupted pull to go on from; 2 seconds. A shorter pull is sooner done anew
    /// than kept.
    pub fn journal_after(mut self, time: Duration) -> Self {
        self.journal_after = time;
        self
    }

    /// Loads and writes. The file is whole or as it was, whenever this ends.
    ///
    /// # Errors
    /// If a source cannot be read at all, if a condition is malformed or names a column that no run has, if the file holds
    /// something else than an earlier pull of the same, or if it cannot be written.
    pub fn run(&self) -> Result<Pulled> {
        let wish = self.wish(Instant::now())?;
        let mut pulled = self.pull_runs()?;
        if let Some((dataset, wish)) = wish {
            pulled.history = Some(self.pull_history(&dataset, &wish, &mut pulled.receipt)?);
        }
        Ok(pulled)
    }

    /// Brings the run table up to date.
    fn pull_runs(&self) -> Result<Pulled> {
        let condition = Condition::new(&self.conditions)?;
        // Before hours of loading, rather than after them.
        sink::check_folder(&self.output)?;
        if self.loader.locations().any(|location| !matches!(location, Location::Project { .. })) {
            // Everything is evaluated here, so that all rows are chosen alike.
            let (frame, _) = condition.apply(self.loader.unfiltered().load()?, Seen::All(self.loader.what_filter()))?;
            self.write_others(&frame)?;
            return Ok(Pulled {
                loaded: frame.height() as u64,
                removed: 0,
                written: true,
                receipt: frame.receipt().clone(),
                history: None,
            });
        }
        let source = condition.narrow(self.loader.api_source()?, self.loader.what_filter())?;
        let manifest = condition.in_manifest(self.manifest(&source));
        let stored = if self.full { None } else { self.stored(&manifest)? };
        let (journal, parts) = Journal::open(&self.output, &manifest)?;
        let parts = if self.full { Vec::new() } else { parts };
        let stored = stored.filter(|_| condition.is_of_each_run() || parts.is_empty());
        let pulled = match known(stored, &parts)? {
            None => self.load_all(&source, &journal, &manifest, &condition),
            Some(known) => self.bring_up_to_date(&source, &journal, &manifest, &condition, known),
        };
        match pulled {
            Ok(pulled) => journal.close().map(|()| pulled),
            // Whatever can still be kept; the error to tell is the pull's.
            Err(error) => {
                let _ = journal.leave();
                Err(error)
            }
        }
    }

    /// What is pulled: a file or a journal of anything else is no start for this.
    fn manifest(&self, source: &ApiSource) -> Value {
        let wanted = self.loader.what_is_wanted();
        let mut manifest = json!({
            "server": source.settings().base_url.to_string(),
            "projects": source.targets().collect::<Vec<_>>(),
            "filter": self.loader.what_filter(),
            "artifacts": wanted.artifacts,
            "raw": wanted.raw,
        });
        if let Some(redaction) = self.loader.what_redaction() {
            manifest[REDACT] = json!({"key": redaction.key_check(), "columns": redaction.chosen()});
        }
        manifest
    }

    /// The file that is there, if it is an earlier pull of the same, and the runs that did not match then.
    fn stored(&self, manifest: &Value) -> Result<Option<(RunFrame, Rejected)>> {
        if !self.output.exists() {
            return Ok(None);
        }
        let (frame, metadata) = open_with_metadata(&self.output)?;
        let mut found: Option<Value> = metadata.and_then(|text| serde_json::from_str(&text).ok());
        let rejected = found.as_mut().map(Rejected::take_from).unwrap_or_default();
        match found {
            Some(found) if found == *manifest => Ok(Some((frame, rejected))),
            Some(found) if found.get(REDACT) != manifest.get(REDACT) => {
                Err(redacted_otherwise(&self.output, found.get(REDACT), manifest.get(REDACT)))
            }
            Some(found) => Err(another(&self.output, &format!("it holds another pull: {found}"))),
            None => Err(another(&self.output, "it was not written by a pull")),
        }
    }

    /// Writes to the journal what arrives late enough to be worth it.
    fn keeper<'a>(&self, journal: &'a Journal) -> impl Fn(&Columns) -> Result<()> + Sync + 'a {
        let (began, after) = (Instant::now(), self.journal_after);
        move |columns| if began.elapsed() >= after { journal.keep(columns) } else { Ok(()) }
    }

    fn load_all(
        &self,
        source: &ApiSource,
        journal: &Journal,
        manifest: &Value,
        condition: &Condition,
    ) -> Result<Pulled> {
        let keep = self.keeper(journal);
        let (wanted, redaction) = (self.loader.what_is_wanted(), self.loader.what_redaction());
        let read = read_and(source, wanted, self.loader.what_progress(), redaction, Some(&keep));
        let (columns, receipt) = read.map_err(|error| self.loader.blamed(error))?;
        let all = |frame: &RunFrame| Pulled {
            loaded: frame.height() as u64,
            removed: 0,
            written: true,
            receipt: frame.receipt().clone(),
            history: None,
        };
        if self.conditions.is_empty() {
            return self.write(columns, receipt, manifest).map(|frame| all(&frame));
        }
        let frame = RunFrame::from_columns(columns, receipt)?;
        condition.check(&self.loader, &frame)?;
        let (frame, dropped) = condition.apply(frame, Seen::Part)?;
        let rejected = if condition.moves() { Vec::new() } else { dropped };
        let manifest = Rejected::default().renewed(&LightListing::default(), &rejected).put_into(manifest.clone());
        self.write_frame(&frame, &manifest).map(|frame| all(&frame))
    }

    /// Writes the file, in an order that does not depend on how the runs arrived.
    fn write(&self, mut columns: Columns, receipt: Receipt, manifest: &Value) -> Result<RunFrame> {
        order::sort(&mut columns);
        let frame = RunFrame::from_columns(columns, receipt)?;
        self.loader.check_redaction(frame.schema())?;
        sink::write_runs(&frame, &[(KEY.to_owned(), manifest.to_string())], &self.output)?;
        Ok(frame)
    }

    /// [`Pull::write`] of a frame, which has told already what its columns found.
    fn write_frame(&self, frame: &RunFrame, manifest: &Value) -> Result<RunFrame> {
        let mut columns = frame.to_columns()?;
        columns.forget_receipt();
        self.write(columns, frame.receipt().clone(), manifest)
    }

    /// Writes what was loaded from other places than servers.
    fn write_others(&self, frame: &RunFrame) -> Result<()> {
        let mut columns = frame.to_columns()?;
        columns.forget_receipt();
        order::sort(&mut columns);
        sink::write_runs(&RunFrame::from_columns(columns, frame.receipt().clone())?, &[], &self.output)
    }
}

/// What the file says of itself.
fn metadata(frame: &RunFrame, manifest: &Value) -> Vec<(String, String)> {
    let mut metadata = frame.metadata();
    metadata.push((KEY.to_owned(), manifest.to_string()));
    metadata
}

/// The error of a file that holds secrets as they were or replaced, and of a pull that does not.
fn redacted_otherwise(path: &Path, found: Option<&Value>, asked: Option<&Value>) -> Error {
    let columns = |manifest: &Value| manifest.get("columns").cloned();
    let (what, cure) = match (found, asked) {
        (Some(_), None) => ("it was pulled with --redact", "add --redact and its key"),
        (None, _) => ("it was pulled without --redact", "give another file"),
        (Some(found), Some(asked)) if columns(found) != columns(asked) => {
            ("it was pulled with other columns in --redact", "give the same")
        }
        _ => (
            "it was pulled with another key for --redact",
            "give the same with --redact-key-file or RUNFRAME_REDACT_KEY",
        ),
    };
    Error::new(ErrorKind::Usage, what).file(path).hint(format!("{cure}, or replace it with --full"))
}

fn another(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Usage, what).file(path).hint("give another file, or replace it with --full")
}

/// The file as a frame, and what it says was pulled into it.
fn open_with_metadata(path: &Path) -> Result<(RunFrame, Option<String>)> {
    let table = crate::source::parquet::StoredTable::open(path)?;
    let text = table.metadata(KEY).map(str::to_owned);
    Ok((open_stored(path)?, text))
}

/// What the file and the journal hold; of a run in several, the last.
fn known(stored: Option<(RunFrame, Rejected)>, parts: &[PathBuf]) -> Result<Option<Known>> {
    let (stored, rejected) = stored.map_or_else(Default::default, |(file, rejected)| (Some(file), rejected));
    if let (Some(file), true) = (&stored, parts.is_empty()) {
        let table = file.select(&["entity", "project", "name", "created_at", "state", "heartbeat_at", "updated_at"])?;
        return Ok(Some(Known { columns: import(&table, &[])?, file: stored, rejected }));
    }
    let mut whole: Option<Columns> = stored.map(|file| file.to_columns()).transpose()?;
    for part in parts {
        let columns = open_stored(part)?.to_columns()?;
        match &mut whole {
            None => whole = Some(columns),
            Some(whole) => whole.merge(&columns),
        }
    }
    Ok(whole.map(|mut columns| {
        let keep = last_of_each(&columns);
        columns.retain(&keep);
        Known { columns, file: None, rejected }
    }))
}

fn note(receipt: &mut Receipt, line: String) {
    receipt.served.get_or_insert_with(|| Box::new(Served::default())).incomplete.push(line);
}

fn path((entity, project, name): &Key<'_>) -> String {
    [*entity, *project, *name].map(|part| part.unwrap_or("-")).join("/")
}
