//! The proof that a project's runs are all there, and none too many: that they are the server's set at one moment.
//!
//! A run that is deleted does not come back under its id. So if every run that we have is seen after a moment at which the
//! server counted as many runs as we have, those are the runs of that moment: it cannot have had others beside them.
//! One answer that holds as many names as it counts is such a moment by itself.

use super::filter::Window;
use super::plan::{Slice, merge};
use super::remote::Listing;
use super::shards::{Counters, Found, Gathered, Shards, missing};
use crate::error::Result;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, HashMap};

/// Rounds of listing and fetching before we say that it cannot be proved.
const ROUNDS: usize = 8;
/// Names that one filter holds.
const NAMES: usize = 200;

/// What the proof came to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The set is the server's at one moment.
    pub proved: bool,
    /// Runs that had been missed, and are here now.
    pub extra: Found,
    /// Names of runs that had been read and are gone from the server.
    pub gone: Vec<String>,
    /// Runs that the server counted last.
    pub count: u64,
    /// Names that the server lists and that could not be read.
    pub unread: Vec<String>,
}

impl<L: Listing> Shards<'_, L> {
    /// Compares what was read (name by id) with what the server has, and makes up the difference.
    pub(super) async fn prove(&self, mut have: HashMap<String, String>, slices: &[Slice]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let (listed, before) = self.everything(have.len(), slices).await?;
            let mut unseen: Vec<String> = have.keys().filter(|id| !listed.runs.contains_key(*id)).cloned().collect();
            if !listed.snapshot {
                unseen = self.confirm_gone(unseen, &have).await?;
                if unseen.is_empty() && before == have.len() as u64 {
                    return Ok(Verdict { proved: true, count: before, ..verdict });
                }
            }
            verdict.count = if listed.snapshot { listed.runs.len() as u64 } else { before };
            for id in &unseen {
                // What was never handed over need not be taken back.
                if let (Some(name), None) = (have.remove(id), verdict.extra.remove(id)) {
                    verdict.gone.push(name);
                }
            }
            Counters::add(&self.counters.deleted, unseen.len() as u64);
            let wanted = missing(&listed.runs, |id| have.contains_key(id));
            let found = self.fetch(wanted).await?;
            verdict.unread = missing(&listed.runs, |id| found.contains_key(id) || have.contains_key(id));
            quiet = if found.is_empty() && unseen.is_empty() { quiet + 1 } else { 0 };
            let new: Found = found.into_iter().filter(|(id, _)| !have.contains_key(id)).collect();
            Counters::add(&self.counters.repaired_holes, new.len() as u64);
            let news = new.keys().filter(|id| !listed.runs.contains_key(*id)).count();
            have.extend(new.iter().map(|(id, listed)| (id.clone(), listed.run.name.clone())));
            verdict.extra.extend(new);
            if listed.snapshot && verdict.unread.is_empty() && news == 0 {
                return Ok(Verdict { proved: true, ..verdict });
            }
            // Nothing moves, and yet the counts differ: more of the same will not help.
            if quiet > 2 {
                break;
            }
        }
        Ok(verdict)
    }

    /// Every run's name, and the server's count at a moment before they were listed.
    async fn everything(&self, expected: usize, slices: &[Slice]) -> Result<(Gathered, u64)> {
        let all = self.filter.all();
        if expected <= self.light.size() || slices.len() < 2 {
            let before = if expected <= self.light.size() { 0 } else { self.count(&all).await? };
            let listed = self.names(&all).await?;
            if listed.snapshot || before > 0 {
                return Ok((listed, before));
            }
        }
        let before = self.count(&all).await?;
        let windows = merge(slices.iter().copied(), self.light.size().max(1) as u64);
        let parts = stream::iter(windows).map(async |slice: Slice| {
            let filter = if slice.window == Window::default() { all.clone() } else { self.filter.window(slice.window) };
            self.names(&filter).await
        });
        let parts: Vec<Gathered> = parts.buffer_unordered(self.concurrency).try_collect().await?;
        let mut whole = Gathered { count: Some(before), ..Gathered::default() };
        parts.into_iter().for_each(|part| whole.runs.extend(part.runs));
        Ok((whole, before))
    }

    async fn count(&self, filter: &str) -> Result<u64> {
        Ok(self.listing.counts(vec![filter.to_owned()]).await?.first().copied().unwrap_or_default())
    }

    /// Of runs that a listing did not show, those that are not there when asked for by name.
    async fn confirm_gone(&self, unseen: Vec<String>, have: &HashMap<String, String>) -> Result<Vec<String>> {
        let by_name: BTreeMap<&String, &String> = unseen.iter().filter_map(|id| Some((have.get(id)?, id))).collect();
        let names: Vec<String> = by_name.keys().map(|name| (*name).clone()).collect();
        let mut gone: Vec<String> = unseen.clone();
        for chunk in names.chunks(NAMES.min(self.light.size().max(1))) {
            let there = self.names(&self.filter.names(chunk)).await?;
            gone.retain(|id| !there.runs.contains_key(id));
        }
        Ok(gone)
    }

    /// Every run's name, state and times, and whether they are proved to be all; `have` is what is known already.
    pub(super) async fn light(&self, slices: &[Slice], mut have: Gathered) -> Result<(Gathered, bool)> {
        for _ in 0..ROUNDS {
            let (mut next, before) = self.everything(have.runs.len(), slices).await?;
            if next.snapshot {
                return Ok((next, true));
            }
            let names = have.runs.iter().map(|(id, listed)| (id.clone(), listed.run.name.clone())).collect();
            let unseen = have.runs.keys().filter(|id| !next.runs.contains_key(*id)).cloned().collect();
            let gone = self.confirm_gone(unseen, &names).await?;
            let proved = gone.is_empty() && before == have.runs.len() as u64;
            // Of runs that this listing shows too, its copies are the later ones.
            let kept = have.runs.into_iter().filter(|(id, _)| !gone.contains(id));
            if proved {
                let runs = kept.map(|(id, old)| (id.clone(), next.runs.remove(&id).unwrap_or(old))).collect();
                return Ok((Gathered { runs, count: Some(before), ..Gathered::default() }, true));
            }
            for (id, listed) in kept {
                next.runs.entry(id).or_insert(listed);
            }
            have = next;
        }
        Ok((have, false))
    }
}
