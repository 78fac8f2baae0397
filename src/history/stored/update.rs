//! A data set brought up to date: what is new is asked for run by run from the last stored step on, what is gone leaves.

use super::Dataset;
use super::commit::commit;
use super::stage::{Manifest, Stage};
use super::state::{FILE, Known, Mark, State};
use crate::error::{Error, ErrorKind, Result};
use crate::history::HistorySink;
use crate::history::layout::Layout;
use crate::history::query::{Axis, HistoryQuery, means};
use crate::history::redact::Redacting;
use crate::history::servers::{Asked, Taker};
use crate::history::store::{Digests, Parts, Store};
use crate::history::table::HistoryTable;
use crate::record::{Limits, Receipt, RunKey};
use crate::secrets::Redaction;
use crate::source::Progress;
use crate::source::api::ApiSource;
use crate::source::api::history::{Had, HistoryAsk, Steps, Told};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Runs, and rows as far as they are known, that are loaded before they are kept. The first batches have fewer, so that a pull that
/// is cut off early has kept something, too.
const RUNS: (usize, usize) = (64, 512);
const ROWS: i64 = 2_000_000;
/// Rows of a run of which the server does not tell how many it has.
const USUAL: i64 = 1_000;

/// What became of the histories beside a run table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryPulled {
    /// The folder.
    pub folder: PathBuf,
    /// Rows that it holds.
    pub rows: u64,
    /// Rows that arrived.
    pub added: u64,
    /// Runs that were asked for.
    pub asked: u64,
    /// Runs of which rows were stored, and whose history was loaded anew: the server's no longer went on from there.
    pub anew: u64,
    /// Runs that left, because the run table has them no more.
    pub removed: u64,
    /// Parts that were there and were written again.
    pub rewritten: u64,
    /// Columns that came, or changed their type, one line each: `loss: i64 → f64`.
    pub columns: Vec<String>,
    /// False if everything was up to date.
    pub written: bool,
}

/// What of histories is to be stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// The metrics; all, if empty; `None` for those that are stored.
    pub(crate) keys: Option<Vec<String>>,
    /// Everything is loaded anew.
    pub(crate) full: bool,
    /// When the pull began, for its deadline.
    pub(crate) began: Option<Instant>,
    /// What replaces secrets.
    pub(crate) redaction: Option<Redaction>,
    pub(crate) limits: Limits,
}

impl Wish {
    /// Which key replaces secrets, and all texts of which columns.
    pub(super) fn redacted(&self) -> Option<String> {
        let redaction = self.redaction.as_ref()?;
        Some([&[redaction.key_check()], redaction.chosen()].concat().join(","))
    }

    /// The keys in one order.
    pub(super) fn keys(&self, stored: Option<&State>) -> Vec<String> {
        let mut keys = self.keys.clone().or_else(|| stored.map(|stored| stored.keys.clone())).unwrap_or_default();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// A run as the run table has it.
#[derive(Debug, Clone)]
pub(crate) struct TableRun {
    pub(crate) key: RunKey,
    pub(crate) mark: Mark,
    /// Rows that were logged.
    pub(crate) rows: Option<i64>,
}

/// Loads what is new of these runs' histories from a server.
///
/// # Errors
/// If the server does not answer, if other metrics are stored than asked for, or if a file cannot be written. What has arrived is kept.
pub(crate) fn update(
    dataset: &Dataset,
    source: &ApiSource,
    runs: &[TableRun],
    wish: &Wish,
    progress: &Progress,
) -> Result<(HistoryPulled, Receipt)> {
    dataset.mend()?;
    let stored = find(dataset, wish)?;
    let server = Some(source.settings().base_url.to_string());
    let redacted = wish.redacted();
    // Rows of two servers, or rows that are redacted and others that are not, are no one data set.
    let other = stored.as_ref().is_some_and(|stored| stored.server != server || stored.redacted != redacted);
    let mut manifest = Manifest {
        generation: stored.as_ref().map_or(0, |stored| stored.generation),
        full: wish.full || other,
        keys: wish.keys(stored.as_ref()),
        server,
        redacted,
    };
    if wish.full {
        dataset.clean()?;
    }
    // A full pull that was cut off goes on.
    let full = Manifest { full: true, ..manifest.clone() };
    if !manifest.full && full.is_staged(dataset) {
        manifest = full;
    }
    let (stage, batches) = Stage::open(dataset, &manifest)?;
    let before = stored.filter(|_| !manifest.full);
    let view = State {
        generation: manifest.generation,
        keys: manifest.keys.clone(),
        server: manifest.server.clone(),
        redacted: manifest.redacted.clone(),
        ..State::default()
    };
    let mut view = State { generation: manifest.generation, ..before.clone().unwrap_or(view) };
    batches.into_iter().for_each(|batch| view.absorb(batch));
    let mut done = HistoryPulled { folder: dataset.folder().to_owned(), ..HistoryPulled::default() };
    done.removed = drop_gone(&mut view, runs);
    let query = HistoryQuery::new().keys(manifest.keys.iter().cloned());
    let update = Update { source, query: &query, wish, progress };
    let mut receipt = Receipt::default();
    let asked = update.load(runs, &mut view, stage, &mut done, &mut receipt);
    if asked.as_ref().is_err_and(|error| error.kind() == ErrorKind::Column) {
        // With a key that some run has it is another pull.
        dataset.clean()?;
    }
    let changed = if asked? { Changed::Runs } else { Changed::Nothing };
    finish(dataset, before, view, changed, done).map(|done| (done, receipt))
}

/// Takes out the runs that the table has no more, or has others in their place of; how many are gone.
fn drop_gone(view: &mut State, runs: &[TableRun]) -> u64 {
    let table: HashMap<&RunKey, &Mark> = runs.iter().map(|run| (&run.key, &run.mark)).collect();
    let other = |known: &Mark, mark: &Mark| known.created_at.zip(mark.created_at).is_some_and(|(a, b)| a != b);
    let gone: HashSet<RunKey> = view.runs.keys().filter(|run| !table.contains_key(run)).cloned().collect();
    let replaced = view.runs.iter().filter(|(run, known)| table.get(run).is_some_and(|mark| other(&known.mark, mark)));
    let leave: HashSet<RunKey> = replaced.map(|(run, _)| run.clone()).chain(gone.iter().cloned()).collect();
    view.drop_rows(&leave);
    view.runs.retain(|run, _| !leave.contains(run));
    gone.len() as u64
}

/// What is known to have changed, beside the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Nothing,
    /// What is known of the runs.
    Runs,
    All,
}

/// Puts the changed data set in its place, if it changed.
pub(super) fn finish(
    dataset: &Dataset,
    before: Option<State>,
    view: State,
    changed: Changed,
    mut done: HistoryPulled,
) -> Result<HistoryPulled> {
    let layout = |state: &State| Layout::new(Axis::Step, &state.digests);
    let columns = layout(&view);
    let old = before.as_ref().map(layout);
    if let Some(old) = &old {
        for (name, dtype) in columns.schema.iter() {
            match old.schema.get(name) {
                None => done.columns.push(format!("{name}: {dtype}, new")),
                Some(was) if was != dtype => done.columns.push(format!("{name}: {was} → {dtype}")),
                Some(_) => {}
            }
        }
    }
    done.rows = view.rows() as u64;
    let same_columns = old.is_some_and(|old| old.schema == columns.schema && old.json_columns == columns.json_columns);
    let stays = |part: &super::state::Part| part.folder == dataset.folder() && !part.is_stale();
    if changed != Changed::All && same_columns && view.parts.iter().all(stays) {
        if changed == Changed::Runs {
            view.write(&dataset.folder().join(FILE))?;
        }
        dataset.clean()?;
        return Ok(done);
    }
    let (_, committed) = commit(dataset, view)?;
    (done.written, done.rewritten) = (true, committed.rewritten);
    Ok(done)
}

/// # Errors
/// If something else is stored than what is asked for.
pub(crate) fn check(dataset: &Dataset, wish: &Wish) -> Result<()> {
    find(dataset, wish).map(drop)
}

/// What is stored, if that is what is asked for.
pub(super) fn find(dataset: &Dataset, wish: &Wish) -> Result<Option<State>> {
    let Some(stored) = dataset.find()? else {
        if dataset.folder().exists() {
            let error = Error::new(ErrorKind::Usage, "this is no history that runframe wrote").file(dataset.folder());
            return Err(error.hint("give the run table another name, or move the folder away"));
        }
        return Ok(None);
    };
    let keys = wish.keys(Some(&stored));
    if wish.full || stored.keys == keys || Manifest::is_full(dataset, &keys) {
        return Ok(Some(stored));
    }
    let what = match stored.keys.is_empty() {
        true => "it holds all metrics".to_owned(),
        false => format!("it holds {}", stored.keys.join(", ")),
    };
    let error = Error::new(ErrorKind::Usage, what).file(dataset.folder());
    Err(error.hint("leave --history out to bring it up to date, or load everything anew with --full"))
}

/// What is asked for, and of whom.
struct Update<'a> {
    source: &'a ApiSource,
    query: &'a HistoryQuery,
    wish: &'a Wish,
    progress: &'a Progress,
}

impl Update<'_> {
    /// Loads the runs that are new or have changed, batch by batch. True if anything was asked.
    fn load(
        &self,
        runs: &[TableRun],
        view: &mut State,
        mut stage: Stage,
        done: &mut HistoryPulled,
        receipt: &mut Receipt,
    ) -> Result<bool> {
        let changed = |run: &&TableRun| {
            let known = view.runs.get(&run.key);
            known.is_none_or(|known| !known.whole || !known.mark.is_still(&run.mark))
        };
        let mut todo: Vec<&TableRun> = runs.iter().filter(changed).collect();
        todo.sort_by(|a, b| a.key.cmp(&b.key));
        let first = view.runs.is_empty();
        let had: HashMap<RunKey, Had> = {
            let had = |(run, last): (&RunKey, Option<i64>)| {
                let known = view.runs.get(run).filter(|known| known.whole)?;
                Some((run.clone(), Had { last: last?, lines: known.lines }))
            };
            view.last_steps().into_iter().filter_map(had).collect()
        };
        let stored: HashSet<RunKey> = view.last_steps().into_keys().cloned().collect();
        let mut refused = None;
        for batch in batches(&todo) {
            let (table, mut state) = self.batch(batch, &had, view, receipt, &mut refused)?;
            stage.keep(&table, &mut state)?;
            done.asked += batch.len() as u64;
            done.added += table.parts().iter().map(|part| part.rows() as u64).sum::<u64>();
            done.anew += state.runs.iter().filter(|(run, known)| known.alone && stored.contains(run)).count() as u64;
            view.absorb(state);
        }
        let unknown = |key: &&String| !view.digests.keys().any(|path| means(key, path));
        match refused.filter(|_| first && self.query.asked().iter().any(|key| unknown(&key))) {
            Some(error) => Err(error),
            None => Ok(!todo.is_empty()),
        }
    }

    /// Loads the histories of some runs of one project.
    fn batch(
        &self,
        runs: &[&TableRun],
        had: &HashMap<RunKey, Had>,
        view: &State,
        receipt: &mut Receipt,
        refused: &mut Option<Error>,
    ) -> Result<(HistoryTable, State)> {
        let place = runs.first().map(|run| place(run)).unwrap_or_default();
        let names: Vec<String> = runs.iter().map(|run| run.key.name.clone()).collect();
        let mut had: HashMap<String, Had> =
            runs.iter().filter_map(|run| Some((run.key.name.clone(), *had.get(&run.key)?))).collect();
        let store = Store::new(Axis::Step, self.wish.limits);
        let (mut own, mut told) = self.ask(&store, place, &names, &had)?;
        let doubtful: Vec<String> = names.iter().filter(|name| self.is_doubtful(name, &had, &told)).cloned().collect();
        if !doubtful.is_empty() {
            // Rows came late, or others in their place: the whole history tells.
            store.forget(
                &runs.iter().filter(|run| doubtful.contains(&run.key.name)).map(|run| run.key.clone()).collect(),
            );
            forget(&mut own, place, &doubtful);
            had.retain(|name, _| !doubtful.contains(name));
            let (again, found) = self.ask(&store, place, &doubtful, &had)?;
            own.merge(again);
            told.extend(found);
        }
        receipt.merge(own);
        if let Some(key) = store.unknown(self.query).first() {
            *refused = Some(store.refuse(key));
        }
        let (parts, digests, joined) = store.settle(self.query)?;
        receipt.joined_rows += joined;
        let known = |run: &&TableRun| {
            let told = told.get(&run.key.name).copied().unwrap_or_default();
            let had = had.get(&run.key.name).filter(|_| !told.anew);
            let lines = match self.query.asked().is_empty() {
                true => had.map_or(0, |had| had.lines) + told.read,
                false => told.counted.unwrap_or_default(),
            };
            let known = Known { lines, whole: !told.lacking, alone: had.is_none(), mark: run.mark.clone() };
            (run.key.clone(), known)
        };
        let runs: BTreeMap<RunKey, Known> = runs.iter().map(known).collect();
        let state = State { runs, digests: digests.clone(), ..State::default() };
        Ok((table(parts, &view.digests, &digests), state))
    }

    /// True if what came does not go on from what was there: together they are not what the server counts.
    fn is_doubtful(&self, name: &String, had: &HashMap<String, Had>, told: &HashMap<String, Told>) -> bool {
        let (Some(had), Some(told)) = (had.get(name), told.get(name)) else { return false };
        let counted = told.counted.filter(|_| self.query.asked().is_empty() && !told.anew);
        counted.is_some_and(|counted| had.lines + told.read != counted)
    }

    fn ask(
        &self,
        store: &Store,
        place: (&str, &str),
        names: &[String],
        had: &HashMap<String, Had>,
    ) -> Result<(Receipt, HashMap<String, Told>)> {
        let redacting = self.wish.redaction.as_ref().map(|redaction| Redacting::new(store, redaction));
        let sink: &dyn HistorySink = redacting.as_ref().map_or(store, |redacting| redacting);
        let (asked, taker) = (Asked(self.query), Taker::new(sink, place));
        let ask = HistoryAsk { keys: &asked, steps: Steps::default(), samples: None, system: false, had: Some(had) };
        let spent = self.wish.began.map_or(Duration::ZERO, |began| began.elapsed());
        self.source.after(spent).history_of_each(place, names, ask, &taker, self.progress)
    }
}

impl Mark {
    /// True if nothing tells that the run went on since, as for runs of the table.
    fn is_still(&self, now: &Mark) -> bool {
        let over =
            now.state.as_deref().is_some_and(|state| ["finished", "failed", "crashed", "killed"].contains(&state));
        self == now && (now.updated_at.is_some() || over)
    }
}

fn place(run: &TableRun) -> (&str, &str) {
    (run.key.entity.as_deref().unwrap_or_default(), run.key.project.as_deref().unwrap_or_default())
}

/// Runs of one project each, of not too many rows together.
fn batches<'a, 'r>(runs: &'a [&'r TableRun]) -> Vec<&'a [&'r TableRun]> {
    let (mut all, mut rest) = (Vec::new(), runs);
    while let Some(first) = rest.first() {
        let mut rows = 0;
        let fits = |run: &&&TableRun| {
            rows += run.rows.unwrap_or(USUAL);
            place(run) == place(first) && rows <= ROWS
        };
        let most = (RUNS.0 << all.len().min(8)).min(RUNS.1);
        let count = rest.iter().take(most).take_while(fits).count().max(1);
        let (batch, behind) = rest.split_at(count);
        all.push(batch);
        rest = behind;
    }
    all
}

/// Takes back what the receipt says of these runs: they are asked for again.
fn forget(receipt: &mut Receipt, (entity, project): (&str, &str), names: &[String]) {
    if let Some(served) = &mut receipt.served {
        let of = |line: &String| names.iter().any(|name| line.starts_with(&format!("{entity}/{project}/{name}: ")));
        served.incomplete.retain(|line| !of(line));
        receipt.complete = Some(served.incomplete.is_empty());
    }
}

/// The table of what arrived, in the columns of all that is there.
pub(super) fn table(parts: Parts, before: &Digests, now: &Digests) -> HistoryTable {
    let mut digests = before.clone();
    for (path, digest) in now {
        digests.entry(path.clone()).or_default().add_digest(digest);
    }
    HistoryTable::new(parts, Layout::new(Axis::Step, &digests))
}
