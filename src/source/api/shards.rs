//! One window of a project: paged through, checked against the server's count, repaired where it is short.

use super::filter::{Filter, Pager};
use super::page::{Listed, Page};
use super::remote::{Listing, More};
use crate::error::Result;
use crate::json;
use crate::record::{Limits, OverLimit, Run, Timestamp};
use crate::threads::lock;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rounds in which a window that is short is listed again.
const REPAIRS: usize = 4;
/// Pages in a row that bring nothing new before a listing is taken to go in circles.
const STALE: u32 = 3;
/// Names that one filter holds.
const NAMES: usize = 100;
/// Runs whose artifact lists are continued in one request.
const TOGETHER: usize = 8;

/// How a project is loaded.
pub(super) struct Shards<'a, L> {
    pub listing: &'a L,
    pub filter: &'a Filter,
    /// Page sizes of whole runs and of names.
    pub pager: &'a Pager,
    pub light: &'a Pager,
    pub counters: &'a Counters,
    pub artifacts: bool,
    pub concurrency: usize,
}

/// What happened; shared by all windows of a load.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub pages: AtomicU64,
    pub duplicates: AtomicU64,
    pub repaired_holes: AtomicU64,
    pub deleted: AtomicU64,
    pub null_runs: AtomicU64,
    pub bad_times: AtomicU64,
    pub repaired_texts: AtomicU64,
    pub hidden_artifacts: AtomicU64,
    pub deleted_artifacts: AtomicU64,
    pub short_artifact_lists: AtomicU64,
    pub limits: Limits,
    pub over_limits: Mutex<Vec<OverLimit>>,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    /// Takes config and summary from a run where they exceed a limit.
    fn keep_limits(&self, run: &mut Run, left_out: Option<String>) {
        let mut over: Vec<(&str, String)> = left_out.map(|reason| ("config and summary", reason)).into_iter().collect();
        for (place, document) in [("config", &mut run.config), ("summary", &mut run.summary)] {
            // Every key has its quotes, its colon and a value, so most texts need not be looked at.
            let small = |bytes: usize| bytes as u64 <= self.limits.value_bytes && bytes as u64 / 4 <= self.limits.keys;
            let Some(large) = document.as_ref().filter(|document| !small(document.written_bytes())) else { continue };
            let text = large.text();
            let reason = if text.len() as u64 > self.limits.value_bytes {
                self.limits.too_long(Some(text.len()))
            } else if json::more_keys_than(&text, self.limits.keys) {
                self.limits.too_many_keys()
            } else {
                continue;
            };
            *document = None;
            over.push((place, reason));
        }
        if !over.is_empty() {
            let over =
                over.into_iter().map(|(place, reason)| OverLimit { run: run.path(), place: place.into(), reason });
            lock(&self.over_limits).extend(over);
        }
    }

    fn page(&self, page: &Page) {
        Counters::add(&self.pages, 1);
        Counters::add(&self.null_runs, page.null_runs);
        Counters::add(&self.bad_times, page.bad_times);
        Counters::add(&self.repaired_texts, page.repaired);
    }
}

/// Runs by id.
pub(super) type Found = HashMap<String, Listed>;

/// A listing, paged to its end.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub runs: Found,
    /// The server's count at the last page.
    pub count: Option<u64>,
    /// It was one answer with as many runs as the server counted: the set of one moment.
    pub snapshot: bool,
    /// A run came twice: pages shifted or ties changed places.
    pub shifted: bool,
}

impl Gathered {
    /// True if as many runs are there as the server counted.
    pub(super) fn whole(&self) -> bool {
        self.count == Some(self.runs.len() as u64)
    }
}

impl<L: Listing> Shards<'_, L> {
    /// Takes in a page that was asked for elsewhere.
    pub(super) fn begin(&self, page: Page) -> Gathered {
        let mut walk = Walk::default();
        walk.take(page, self.counters);
        walk.done()
    }

    /// Pages through whole runs.
    async fn runs(&self, filter: &str) -> Result<Gathered> {
        let mut walk = Walk::default();
        while walk.goes_on {
            let page = self.listing.page(filter, walk.after.as_deref(), self.pager).await?;
            walk.take(page, self.counters);
        }
        Counters::add(&self.counters.duplicates, walk.duplicates);
        Ok(walk.done())
    }

    /// Pages through names.
    pub(super) async fn names(&self, filter: &str) -> Result<Gathered> {
        let mut walk = Walk::default();
        while walk.goes_on {
            let page = self.listing.names(filter, walk.after.as_deref(), self.light).await?;
            walk.take(page, self.counters);
        }
        Ok(walk.done())
    }

    /// A window's runs, as complete as a window can be told to be on its own.
    pub(super) async fn window(&self, filter: &str) -> Result<Gathered> {
        let mut have = self.runs(filter).await?;
        for _ in 0..REPAIRS {
            if have.snapshot || have.whole() && !have.shifted {
                break;
            }
            let names = self.names(filter).await?;
            if names.snapshot {
                let before = have.runs.len();
                have.runs.retain(|id, _| names.runs.contains_key(id));
                Counters::add(&self.counters.deleted, (before - have.runs.len()) as u64);
            }
            let missing = missing(&names.runs, |id| have.runs.contains_key(id));
            let found = self.fetch(missing).await?;
            Counters::add(&self.counters.repaired_holes, found.len() as u64);
            join(&mut have.runs, found);
            (have.count, have.shifted) = (names.count, false);
            have.snapshot = names.snapshot && have.whole();
        }
        Ok(have)
    }

    /// Loads the runs of these names, as far as they are still there.
    pub(super) async fn fetch(&self, names: Vec<String>) -> Result<Found> {
        let size = self.pager.size().clamp(1, NAMES);
        let chunks: Vec<Vec<String>> = names.chunks(size).map(<[String]>::to_vec).collect();
        let parts = stream::iter(chunks).map(|chunk| self.fetch_chunk(chunk)).buffer_unordered(self.concurrency);
        parts
            .try_fold(Found::new(), |mut all, (part, _)| async move {
                all.extend(part);
                Ok(all)
            })
            .await
    }

    /// The runs of these names, and whether those that are not among them are proved to be gone.
    pub(super) async fn fetch_chunk(&self, mut names: Vec<String>) -> Result<(Found, bool)> {
        let mut found = Found::new();
        for _ in 0..REPAIRS {
            if names.is_empty() {
                return Ok((found, true));
            }
            let part = self.runs(&self.filter.names(&names)).await?;
            let settled = part.snapshot;
            names.retain(|name| !part.runs.values().any(|listed| listed.run.name == *name));
            join(&mut found, part.runs);
            if settled {
                return Ok((found, true));
            }
        }
        Ok((found, names.is_empty()))
    }

    /// Continues the artifact lists that were longer than their page.
    pub(super) async fn complete_artifacts(&self, found: &mut Found) -> Result<()> {
        loop {
            let mut wanted: Vec<(String, More)> = Vec::new();
            for (id, listed) in found.iter() {
                for (used, list) in [(false, &listed.logged), (true, &listed.used)] {
                    if let Some(after) = list.as_ref().and_then(|list| list.next.clone()) {
                        wanted.push((id.clone(), More { run: listed.run.name.clone(), used, after }));
                    }
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
            wanted.sort_by(|a, b| (&a.0, a.1.used).cmp(&(&b.0, b.1.used)));
            let chunks: Vec<Vec<(String, More)>> = wanted.chunks(TOGETHER).map(<[_]>::to_vec).collect();
            let answers = stream::iter(chunks).map(async |chunk| {
                let asked: Vec<More> = chunk.iter().map(|(_, more)| more.clone()).collect();
                Ok::<_, crate::error::Error>((self.listing.more_artifacts(&asked).await?, chunk))
            });
            let answers: Vec<_> = answers.buffer_unordered(self.concurrency).try_collect().await?;
            for (lists, chunk) in answers {
                for ((id, more), page) in chunk.into_iter().zip(lists) {
                    let Some(listed) = found.get_mut(&id) else { continue };
                    let list = if more.used { &mut listed.used } else { &mut listed.logged };
                    let Some(list) = list else { continue };
                    match page.filter(|page| page.next.as_ref() != Some(&more.after)) {
                        Some(page) => list.extend(page),
                        // The run is gone, or the server goes in circles: what is missing shows in the count.
                        None => list.next = None,
                    }
                }
            }
        }
    }

    /// Runs in their final order and form.
    pub(super) fn finish(&self, found: Found, entity: &str, project: &str) -> Vec<Run> {
        let mut runs: Vec<Run> = found
            .into_values()
            .map(|listed| {
                let Listed { mut run, logged, used, left_out, .. } = listed;
                run.entity = Some(entity.to_owned());
                run.project = Some(project.to_owned());
                self.counters.keep_limits(&mut run, left_out);
                let list = |list: Option<super::artifacts::List>| {
                    // A null connection is an empty one to W&B's own clients.
                    let mut list = list.unwrap_or_default();
                    let counters = self.counters;
                    Counters::add(&counters.hidden_artifacts, list.hidden);
                    Counters::add(&counters.deleted_artifacts, list.deleted);
                    let short = list.total.is_some_and(|total| total != list.nodes);
                    Counters::add(&counters.short_artifact_lists, u64::from(short));
                    list.dedupe();
                    list.versions
                };
                if self.artifacts {
                    (run.logged_artifacts, run.used_artifacts) = (Some(list(logged)), Some(list(used)));
                }
                run
            })
            .collect();
        runs.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        runs
    }
}

/// The names of listed runs that we do not have, sorted.
pub(super) fn missing(listed: &Found, have: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = listed.iter().filter(|(id, _)| !have(id));
    let mut names: Vec<String> = missing.map(|(_, listed)| listed.run.name.clone()).collect();
    names.sort_unstable();
    names
}

/// Adds runs that were read later.
fn join(have: &mut Found, later: Found) {
    let new: HashMap<&str, &str> = later.iter().map(|(id, l)| (l.run.name.as_str(), id.as_str())).collect();
    replace(have, &new);
    have.extend(later);
}

/// Drops runs whose name (the key of `new`) has another id by now: they were deleted, and made again.
fn replace(have: &mut Found, new: &HashMap<&str, &str>) {
    have.retain(|id, listed| new.get(listed.run.name.as_str()).is_none_or(|now| now == id));
}

/// A listing on its way.
struct Walk {
    listing: Gathered,
    after: Option<String>,
    goes_on: bool,
    pages: u32,
    nulls: u64,
    stale: u32,
    duplicates: u64,
}

impl Default for Walk {
    fn default() -> Self {
        Walk { listing: Gathered::default(), after: None, goes_on: true, pages: 0, nulls: 0, stale: 0, duplicates: 0 }
    }
}

impl Walk {
    fn take(&mut self, page: Page, counters: &Counters) {
        counters.page(&page);
        self.pages += 1;
        self.listing.count = page.count;
        self.nulls += page.null_runs;
        let (nodes, before) = (page.runs.len() as u64 + page.null_runs, self.listing.runs.len());
        if self.pages > 1 {
            let new: HashMap<&str, &str> = page.runs.iter().map(|l| (l.run.name.as_str(), l.id.as_str())).collect();
            replace(&mut self.listing.runs, &new);
        }
        for listed in page.runs {
            self.insert(listed);
        }
        self.stale = if self.listing.runs.len() == before { self.stale + 1 } else { 0 };
        // W&B's client ends at an empty page whatever `hasNextPage` says.
        self.goes_on = nodes > 0 && self.stale < STALE && page.next.is_some() && page.next != self.after;
        self.after = page.next;
        self.listing.snapshot = self.pages == 1 && !page.more && self.listing.whole() && self.nulls == 0;
    }

    /// Of two copies of a run the newer one stays, and the one read later if neither is.
    fn insert(&mut self, listed: Listed) {
        match self.listing.runs.get_mut(&listed.id) {
            None => drop(self.listing.runs.insert(listed.id.clone(), listed)),
            Some(old) => {
                self.duplicates += 1;
                self.listing.shifted = true;
                let time = |listed: &Listed| listed.run.updated_at.unwrap_or(Timestamp::from_micros(i64::MIN));
                if time(&listed) >= time(old) {
                    *old = listed;
                }
            }
        }
    }

    fn done(self) -> Gathered {
        self.listing
    }
}
