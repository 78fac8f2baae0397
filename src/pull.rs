//! `pull`: all runs of some projects in one Parquet file, and the file brought up to date the next time.

mod changes;
mod journal;
mod order;
mod splice;

use crate::columns::Columns;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{RunFrame, import};
use crate::load::{Key, Loader, keys, last_of_each, open_stored, read_and};
use crate::record::{Receipt, Served};
use crate::sink::row_groups::{self, Chunk};
use crate::sink::{self, Format, Options};
use crate::source::api::ApiSource;
use crate::source::location::Location;
use changes::changes;
use journal::Journal;
use polars::prelude::SortMultipleOptions;
use serde_json::{Value, json};
use splice::Splice;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the file says what was pulled into it.
const KEY: &str = "runframe.pull";
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
    journal_after: Duration,
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
}

/// The runs that a file or a journal has already, and what was found out about them.
struct Known {
    columns: Columns,
    /// The file, if they come from it alone: then `columns` has only what [`changes`] looks at, and the file need not be
    /// written where nothing changed.
    file: Option<RunFrame>,
}

impl Pull {
    /// A pull of the loader's sources into `output`.
    pub fn new(loader: Loader, output: impl Into<PathBuf>) -> Self {
        Pull { loader, output: output.into(), full: false, journal_after: JOURNAL_AFTER }
    }

    /// Loads everything anew, whatever the file holds.
    pub fn full(mut self, full: bool) -> Self {
        self.full = full;
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
    /// If a source cannot be read at all, if the file holds something else than an earlier pull of the same, or if it cannot
    /// be written.
    pub fn run(&self) -> Result<Pulled> {
        if self.loader.locations().any(|location| !matches!(location, Location::Project { .. })) {
            let frame = self.loader.load()?;
            self.write_others(&frame)?;
            return Ok(Pulled {
                loaded: frame.height() as u64,
                removed: 0,
                written: true,
                receipt: frame.receipt().clone(),
            });
        }
        let source = self.loader.api_source()?;
        let manifest = self.manifest(&source);
        let stored = if self.full { None } else { self.stored(&manifest)? };
        let (journal, parts) = Journal::open(&self.output, &manifest)?;
        let parts = if self.full { Vec::new() } else { parts };
        let pulled = match known(stored, &parts)? {
            None => self.load_all(&source, &journal, &manifest),
            Some(known) => self.bring_up_to_date(&source, &journal, &manifest, known),
        };
        match pulled {
            Ok(pulled) => journal.close().map(|()| pulled),
            // Whatever can still be kept; the error to tell is the pull's.
            Err(error) => journal.flush().and(Err(error)),
        }
    }

    /// What is pulled: a file or a journal of anything else is no start for this.
    fn manifest(&self, source: &ApiSource) -> Value {
        let targets = self.loader.locations().filter_map(|location| match location {
            Location::Project { entity, project } => Some(format!("{entity}/{}", project.as_deref().unwrap_or("*"))),
            _ => None,
        });
        let wanted = self.loader.what_is_wanted();
        json!({
            "server": source.settings().base_url.to_string(),
            "projects": targets.collect::<Vec<_>>(),
            "filter": self.loader.what_filter(),
            "artifacts": wanted.artifacts,
            "raw": wanted.raw,
        })
    }

    /// The file that is there, if it is an earlier pull of the same.
    fn stored(&self, manifest: &Value) -> Result<Option<RunFrame>> {
        if !self.output.exists() {
            return Ok(None);
        }
        let (frame, metadata) = open_with_metadata(&self.output)?;
        let found: Option<Value> = metadata.and_then(|text| serde_json::from_str(&text).ok());
        match found {
            Some(found) if found == *manifest => Ok(Some(frame)),
            Some(found) => Err(another(&self.output, &format!("it holds another pull: {found}"))),
            None => Err(another(&self.output, "it was not written by a pull")),
        }
    }

    /// Writes to the journal what arrives late enough to be worth it.
    fn keeper<'a>(&self, journal: &'a Journal) -> impl Fn(&Columns) -> Result<()> + Sync + 'a {
        let (began, after) = (Instant::now(), self.journal_after);
        move |columns| if began.elapsed() >= after { journal.keep(columns) } else { Ok(()) }
    }

    fn load_all(&self, source: &ApiSource, journal: &Journal, manifest: &Value) -> Result<Pulled> {
        let keep = self.keeper(journal);
        let (columns, receipt) = read_and(source, self.loader.what_is_wanted(), self.loader.what_progress(), &keep)?;
        let frame = self.write(columns, receipt, manifest)?;
        Ok(Pulled { loaded: frame.height() as u64, removed: 0, written: true, receipt: frame.receipt().clone() })
    }

    fn bring_up_to_date(
        &self,
        source: &ApiSource,
        journal: &Journal,
        manifest: &Value,
        known: Known,
    ) -> Result<Pulled> {
        let wanted = self.loader.what_is_wanted();
        let (listing, guess) = source.light_listing_and_recent(wanted, &changes::heard(&known.columns))?;
        let mut changes = changes(&known.columns, &listing);
        let mut receipt = Receipt { complete: Some(listing.complete), bytes: listing.bytes, ..Receipt::default() };
        receipt.served.get_or_insert_default().requests = listing.requests;
        if !listing.complete {
            note(&mut receipt, "the listing of names could not be proved complete, so nothing was removed".to_owned());
        }
        if known.file.is_some() && changes.load.is_empty() && changes.gone.is_empty() {
            receipt.runs = known.columns.height() as u64;
            return Ok(Pulled { receipt, loaded: 0, removed: 0, written: false });
        }
        let mut fresh = Columns::new(wanted);
        changes.take(guess, &listing).iter().for_each(|run| fresh.push(run));
        let mut gone = changes.gone;
        let mut announced: HashSet<(&str, &str, &str)> = HashSet::new();
        for ((entity, project), names) in &changes.load {
            let part = source.clone().only(entity, project).only_names(names.clone());
            let keep = self.keeper(journal);
            let (columns, told) = read_and(&part, wanted, self.loader.what_progress(), &keep)?;
            // Only a load that is proved whole tells by what it lacks that a run is deleted.
            if told.complete == Some(true) {
                announced.extend(names.iter().map(|name| (entity.as_str(), project.as_str(), name.as_str())));
            }
            receipt.merge(told);
            fresh.merge(&columns);
        }
        let loaded = fresh.height() as u64;
        // What was announced and did not come is deleted by now; what came replaces what was.
        let mut replaced = HashSet::new();
        {
            let came: HashSet<Key<'_>> = keys(&fresh).into_iter().collect();
            for (row, key) in keys(&known.columns).iter().enumerate() {
                let announced = matches!(key, (Some(e), Some(p), Some(n)) if announced.contains(&(*e, *p, *n)));
                if came.contains(key) {
                    replaced.insert(row);
                } else if announced {
                    gone.insert(row);
                }
            }
        }
        gone.retain(|row| !replaced.contains(row));
        let removed = gone.len() as u64;
        gone.extend(replaced);
        let done = |receipt| Pulled { receipt, loaded, removed, written: true };
        let keep = last_of_each(&fresh);
        fresh.retain(&keep);
        if let Some(file) = &known.file {
            return self.update(file, &known.columns, &gone, fresh, receipt, manifest).map(done);
        }
        self.write_anew(known.columns, &gone, &fresh, receipt, manifest).map(done)
    }

    /// Puts fresh runs into the file that is there and takes others out.
    fn update(
        &self,
        file: &RunFrame,
        old: &Columns,
        gone: &HashSet<usize>,
        mut fresh: Columns,
        receipt: Receipt,
        manifest: &Value,
    ) -> Result<Receipt> {
        let total = (old.height() - gone.len() + fresh.height()) as u64;
        order::sort(&mut fresh);
        let mut copy = Columns::new(fresh.wanted());
        copy.merge(&fresh);
        if splice::prepare(&mut copy, file) {
            let frame = RunFrame::from_columns(copy, receipt.clone())?.counting(total);
            let splice = Splice { old, file, gone, fresh: &frame };
            if splice.write(&self.output, &metadata(&frame, manifest))? {
                return Ok(frame.receipt().clone());
            }
        }
        self.write_anew(file.to_columns()?, gone, &fresh, receipt, manifest)
    }

    /// Writes the file from all its runs, the old and the fresh ones.
    fn write_anew(
        &self,
        mut whole: Columns,
        gone: &HashSet<usize>,
        fresh: &Columns,
        receipt: Receipt,
        manifest: &Value,
    ) -> Result<Receipt> {
        let keep: Vec<bool> = (0..whole.height()).map(|row| !gone.contains(&row)).collect();
        whole.retain(&keep);
        whole.forget_receipt();
        whole.merge(fresh);
        let frame = self.write(whole, receipt, manifest)?;
        Ok(frame.receipt().clone())
    }

    /// Writes the file, in an order that does not depend on how the runs arrived.
    fn write(&self, mut columns: Columns, receipt: Receipt, manifest: &Value) -> Result<RunFrame> {
        order::sort(&mut columns);
        let frame = RunFrame::from_columns(columns, receipt)?;
        let names: Vec<&str> = frame.schema().iter_names().map(|name| name.as_str()).collect();
        sink::save(&self.output, |out| {
            row_groups::write(out, frame.schema(), &metadata(&frame, manifest), |file| {
                for rows in row_groups::groups(frame.height(), names.len()) {
                    let column = |at: usize| {
                        frame.part(names.get(at).copied().unwrap_or_default(), rows.clone()).map(Chunk::Values)
                    };
                    file.group(rows.len(), &column)?;
                }
                Ok(())
            })
        })?;
        Ok(frame)
    }

    /// Writes what was loaded from other places than servers.
    fn write_others(&self, frame: &RunFrame) -> Result<()> {
        let options = Options { metadata: frame.metadata(), ..Options::default() };
        let by = ["entity", "project", "created_at", "name"];
        let order = SortMultipleOptions::default().with_nulls_last(true).with_maintain_order(true);
        let table = frame.collect()?.sort(by, order)?;
        sink::write_file(&table, &self.output, Format::Parquet, &options)
    }
}

/// What the file says of itself.
fn metadata(frame: &RunFrame, manifest: &Value) -> Vec<(String, String)> {
    let mut metadata = frame.metadata();
    metadata.push((KEY.to_owned(), manifest.to_string()));
    metadata
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
fn known(stored: Option<RunFrame>, parts: &[PathBuf]) -> Result<Option<Known>> {
    if let (Some(file), true) = (&stored, parts.is_empty()) {
        let table = file.select(&["entity", "project", "name", "created_at", "state", "heartbeat_at", "updated_at"])?;
        return Ok(Some(Known { columns: import(&table, &[])?, file: stored }));
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
        Known { columns, file: None }
    }))
}

fn note(receipt: &mut Receipt, line: String) {
    receipt.served.get_or_insert_with(|| Box::new(Served::default())).incomplete.push(line);
}
