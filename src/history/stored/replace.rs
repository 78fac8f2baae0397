//! A data set loaded anew, from sources that do not tell what has changed.

use super::Dataset;
use super::state::{Known, State};
use super::update::{Changed, HistoryPulled, TableRun, Wish, find, finish, table};
use super::write::{Names, write_table};
use crate::error::{Error, Result};
use crate::history::query::{Axis, HistoryQuery};
use crate::history::redact::Redacting;
use crate::history::store::{Digests, Store};
use crate::history::{HistorySink, HistorySource};
use crate::record::Receipt;
use crate::source::Progress;
use std::fs;

/// Loads the histories of a source that is read anew each time, and stores them in place of what is there.
///
/// # Errors
/// If the source cannot be read, or a file cannot be written.
pub(crate) fn replace(
    dataset: &Dataset,
    source: &dyn HistorySource,
    query: HistoryQuery,
    runs: &[TableRun],
    wish: &Wish,
    progress: &Progress,
) -> Result<(HistoryPulled, Receipt)> {
    dataset.mend()?;
    let stored = find(dataset, wish)?;
    let keys = wish.keys(stored.as_ref());
    let query = query.keys(keys.iter().cloned());
    let store = Store::new(Axis::Step, wish.limits);
    let redacting = wish.redaction.as_ref().map(|redaction| Redacting::new(&store, redaction));
    let sink: &dyn HistorySink = redacting.as_ref().map_or(&store, |redacting| redacting);
    let mut receipt = source.history(&query, sink, progress)?;
    if let (Some(key), None) = (store.unknown(&query).first(), &stored)
        && receipt.runs > 0
    {
        return Err(store.refuse(key));
    }
    let (parts, digests, joined) = store.settle(&query)?;
    receipt.joined_rows += joined;
    let lacking = receipt.served.as_ref().map(|served| served.incomplete.clone()).unwrap_or_default();
    let known = |run: &TableRun| {
        let path = format!("{}: ", run.key.path());
        let whole = !lacking.iter().any(|line| line.starts_with(&path));
        (run.key.clone(), Known { whole, mark: run.mark.clone(), alone: true, lines: run.rows.unwrap_or_default() })
    };
    dataset.clean()?;
    let folder = dataset.partial();
    fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    let generation = stored.as_ref().map_or(0, |stored| stored.generation);
    let mut names = Names::new(generation + 1, std::iter::empty());
    let redacted = wish.redacted();
    let mut view =
        State { generation, keys, redacted, digests, runs: runs.iter().map(known).collect(), ..State::default() };
    view.parts = write_table(&folder, &mut names, &table(parts, &view.digests, &Digests::new()))?;
    let added = view.rows() as u64;
    let removed =
        stored.iter().flat_map(|stored| stored.runs.keys()).filter(|run| !view.runs.contains_key(run)).count();
    let (asked, removed) = (runs.len() as u64, removed as u64);
    let done = HistoryPulled { folder: dataset.folder().to_owned(), added, asked, removed, ..HistoryPulled::default() };
    finish(dataset, stored, view, Changed::All, done).map(|done| (done, receipt))
}
