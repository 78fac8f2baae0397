//! A whole load: open every project, cut it into windows, load them side by side, prove the result.

use super::ApiSource;
use super::client::Client;
use super::filter::{Pager, Window};
use super::light;
use super::plan::{self, Slice};
use super::query::{Ask, Part, Queries};
use super::remote::{Listing, Remote};
use super::shards::{Counters, Found, Gathered, Shards};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Receipt, Served, Shard, Wanted};
use crate::source::{Batch, Progress};
use crate::threads::{into_inner, lock};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Runs that the first page of a project asks for: enough for small projects, and a sample of large ones.
const FIRST: usize = 50;
/// Windows that each connection gets at least, so that none is idle while another has much left.
const SHARES: u64 = 4;
/// Names that one page asks for.
pub(super) const NAMES: usize = 10_000;

/// Where batches go.
pub(super) enum Out<'a> {
    /// To the caller, on this task.
    Here(&'a (dyn Fn(Batch) -> Result<()> + Sync)),
    /// To other threads.
    There(tokio::sync::mpsc::Sender<Batch>),
}

impl Out<'_> {
    async fn send(&self, batch: Batch) -> Result<()> {
        match self {
            Out::Here(each) => each(batch),
            // Closed by a thread that failed; its own error is the one to tell.
            Out::There(sender) => {
                sender.send(batch).await.map_err(|_| Error::new(ErrorKind::Compute, "nobody takes the runs any more"))
            }
        }
    }
}

/// Loads all that `source` names.
pub(super) async fn load(source: &ApiSource, wanted: Wanted, out: &Out<'_>, progress: &Progress) -> Result<Receipt> {
    let client = source.client()?;
    let queries = Queries::new(ask(source, wanted));
    let concurrency = source.options.concurrency.max(1);
    let load = Load {
        source,
        queries: &queries,
        client: &client,
        pager: Pager::new(FIRST, source.options.page_size, source.options.page_bytes),
        light: Pager::new(NAMES, NAMES, source.options.page_bytes),
        counters: Counters { limits: source.options.limits, ..Counters::default() },
        artifacts: wanted.artifacts,
        out,
        progress,
        state: Mutex::new(State { receipt: Receipt::default(), served: Served::default(), order: 0 }),
    };
    let targets = light::projects(source, &client).await?;
    for group in targets.chunks(concurrency) {
        load.group(group).await?;
    }
    Ok(load.receipt())
}

pub(super) fn ask(source: &ApiSource, wanted: Wanted) -> Ask {
    let part = |wanted_at_all: bool, keys: &Option<Vec<String>>| match (wanted_at_all || wanted.raw, keys) {
        (false, _) => Part::None,
        (true, Some(_)) if !wanted.raw => Part::Keys,
        (true, _) => Part::Whole,
    };
    Ask {
        config: part(wanted.config, &source.projection.config),
        summary: part(wanted.summary, &source.projection.summary),
        artifacts: wanted.artifacts,
        parquet: false,
    }
}

struct Load<'a> {
    source: &'a ApiSource,
    client: &'a Client,
    queries: &'a Queries,
    pager: Pager,
    light: Pager,
    counters: Counters,
    artifacts: bool,
    out: &'a Out<'a>,
    progress: &'a Progress,
    state: Mutex<State>,
}

struct State {
    receipt: Receipt,
    served: Served,
    /// The next batch's number.
    order: usize,
}

/// A project that is being loaded.
struct Opened<'a> {
    remote: Remote<'a>,
    slices: Vec<Slice>,
    /// The whole project, if its first page held it.
    settled: Mutex<Option<Gathered>>,
    /// Name by id of every run that was handed over.
    have: Mutex<HashMap<String, String>>,
}

/// What one batch is made of.
enum Job {
    Settled(Gathered),
    Window(Slice),
    Names(Vec<String>),
}

impl<'a> Load<'a> {
    fn shards<'s, L: Listing>(&'s self, listing: &'s L) -> Shards<'s, L> {
        Shards {
            listing,
            filter: &self.source.filter,
            pager: &self.pager,
            light: &self.light,
            counters: &self.counters,
            artifacts: self.artifacts,
            concurrency: self.source.options.concurrency.max(1),
        }
    }

    /// Loads some projects side by side.
    async fn group(&self, targets: &[(String, String)]) -> Result<()> {
        let at_once = self.source.options.concurrency.max(1);
        let remotes: Vec<Remote<'a>> = targets.iter().map(|(entity, project)| self.remote(entity, project)).collect();
        let opened: Vec<Opened<'a>> =
            stream::iter(remotes).map(|remote| self.open(remote)).buffered(at_once).try_collect().await?;
        let mut jobs = Vec::new();
        for project in &opened {
            for job in self.jobs(project) {
                let order = self.next_order();
                jobs.push((order, project, job));
            }
        }
        stream::iter(jobs)
            .map(|(order, project, job)| self.job(order, project, job))
            .buffer_unordered(at_once + 2)
            .try_collect::<()>()
            .await?;
        if self.source.names.is_some() {
            return Ok(());
        }
        let open = opened.iter().filter(|project| !project.slices.is_empty());
        let verdicts = stream::iter(open).map(|project| self.prove(project)).buffered(at_once);
        verdicts.try_collect::<()>().await
    }

    fn remote(&self, entity: &str, project: &str) -> Remote<'a> {
        let keys = &self.source.projection;
        Remote {
            client: self.client,
            queries: self.queries,
            entity: entity.to_owned(),
            project: project.to_owned(),
            config_keys: keys.config.as_deref().unwrap_or_default(),
            summary_keys: keys.summary.as_deref().unwrap_or_default(),
        }
    }

    /// Asks for a project's first page, and cuts it into windows if that is not all.
    async fn open(&self, remote: Remote<'a>) -> Result<Opened<'a>> {
        let opened =
            |remote, slices, settled| Opened { remote, slices, settled: Mutex::new(settled), have: Mutex::default() };
        if self.source.names.is_some() {
            return Ok(opened(remote, Vec::new(), None));
        }
        let filter = &self.source.filter;
        let page = remote.open(&filter.all(), &self.pager).await?;
        if let Some(account) = page.account.clone() {
            let mut state = self.state();
            if !state.served.accounts.contains(&account) {
                state.served.accounts.push(account);
            }
        }
        let oldest = page.runs.first().and_then(|listed| listed.run.created_at);
        let (newest, total) = (page.newest, page.count.unwrap_or_default());
        self.progress.expect(total);
        let first = self.shards(&remote).begin(page);
        if first.snapshot {
            return Ok(opened(remote, Vec::new(), Some(first)));
        }
        let share = total / (SHARES * self.source.options.concurrency.max(1) as u64);
        // Windows may be half as full again as they should be; then too, one is one page.
        let fits = (self.pager.wish() as u64 * 2 / 3).max(1);
        let target = share.clamp(FIRST.min(fits as usize) as u64, fits);
        let slices = match (oldest, newest) {
            (Some(oldest), Some(newest)) => {
                plan::plan(&remote, filter, (oldest.micros(), newest.micros()), total, target).await?
            }
            _ => None,
        };
        let whole = || vec![Slice { window: Window::default(), count: total }];
        Ok(opened(remote, slices.unwrap_or_else(whole), None))
    }

    fn jobs(&self, project: &Opened<'_>) -> Vec<Job> {
        if let Some(names) = &self.source.names {
            let mut names = names.clone();
            names.sort_unstable();
            names.dedup();
            self.progress.expect(names.len() as u64);
            let size = names.len().div_ceil(self.source.options.concurrency.max(1)).clamp(1, 100);
            return names.chunks(size).map(|chunk| Job::Names(chunk.to_vec())).collect();
        }
        match lock(&project.settled).take() {
            Some(gathered) => vec![Job::Settled(gathered)],
            None => project.slices.iter().copied().map(Job::Window).collect(),
        }
    }

    /// Loads one batch and hands it over.
    async fn job(&self, order: usize, project: &Opened<'a>, job: Job) -> Result<()> {
        let shards = self.shards(&project.remote);
        let (window, expected, gathered) = match job {
            Job::Settled(gathered) => (Window::default(), gathered.count, gathered),
            Job::Window(slice) => {
                let gathered = shards.window(&self.source.filter.window(slice.window)).await?;
                (slice.window, Some(slice.count), gathered)
            }
            Job::Names(names) => {
                let asked = names.len() as u64;
                let (runs, proved) = shards.fetch_chunk(names).await?;
                let absent = asked.saturating_sub(runs.len() as u64);
                if proved {
                    Counters::add(&self.counters.deleted, absent);
                } else {
                    let line = format!("{}: {absent} of {asked} runs asked for by name", project.remote.path());
                    self.state().served.incomplete.push(format!("{line} did not come, and may be there"));
                }
                (Window::default(), Some(asked), Gathered { runs, ..Gathered::default() })
            }
        };
        self.state().served.shard(Shard {
            project: project.remote.path(),
            window: window.to_string(),
            counted: gathered.count,
            read: gathered.runs.len() as u64,
        });
        self.deliver(order, project, gathered.runs).await?;
        self.progress.advance(expected.unwrap_or_default());
        Ok(())
    }

    async fn deliver(&self, order: usize, project: &Opened<'a>, mut found: Found) -> Result<()> {
        let shards = self.shards(&project.remote);
        if self.artifacts {
            shards.complete_artifacts(&mut found).await?;
        }
        lock(&project.have).extend(found.iter().map(|(id, listed)| (id.clone(), listed.run.name.clone())));
        self.state().receipt.runs += found.len() as u64;
        let runs = shards.finish(found, &project.remote.entity, &project.remote.project);
        self.out.send(Batch { order, runs }).await
    }

    /// Proves a project complete, or says what is missing.
    async fn prove(&self, project: &Opened<'a>) -> Result<()> {
        let have = lock(&project.have).clone();
        let verdict = self.shards(&project.remote).prove(have, &project.slices).await?;
        let path = project.remote.path();
        {
            let mut state = self.state();
            state.receipt.runs = state.receipt.runs.saturating_sub(verdict.gone.len() as u64);
            state.receipt.withdrawn.extend(verdict.gone.iter().map(|name| format!("{path}/{name}")));
            if !verdict.proved {
                let ours = lock(&project.have).len() + verdict.extra.len() - verdict.gone.len();
                let mut line = format!("{path}: the server counts {} runs, {ours} were read", verdict.count);
                if !verdict.unread.is_empty() {
                    let some: Vec<&str> = verdict.unread.iter().take(20).map(String::as_str).collect();
                    line.push_str(&format!("; missing: {}", some.join(", ")));
                }
                state.served.incomplete.push(line);
            }
        }
        if verdict.extra.is_empty() {
            return Ok(());
        }
        let order = self.next_order();
        self.deliver(order, project, verdict.extra).await
    }

    fn receipt(self) -> Receipt {
        let State { mut receipt, mut served, .. } = into_inner(self.state);
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (tallies, counters, settings) = (&self.client.tallies, &self.counters, &self.source.settings);
        served.servers = vec![settings.base_url.to_string()];
        served.filters = vec![self.source.filter.all()].into_iter().filter(|filter| filter != "{}").collect();
        served.copies_dropped = get(&counters.duplicates);
        served.holes_repaired = get(&counters.repaired_holes);
        served.deleted_meanwhile = get(&counters.deleted);
        served.pages = get(&counters.pages);
        served.requests = get(&tallies.requests);
        served.retries = get(&tallies.retries);
        served.waited_seconds = get(&tallies.waited) as f64 / 1e6;
        served.fields_dropped = self.queries.dropped();
        served.artifacts_hidden = get(&counters.hidden_artifacts);
        served.artifacts_deleted = get(&counters.deleted_artifacts);
        served.artifact_lists_short = get(&counters.short_artifact_lists);
        lock(&counters.over_limits).drain(..).for_each(|over| receipt.over_limit(over));
        served.null_runs = get(&counters.null_runs);
        served.bad_times = get(&counters.bad_times);
        served.notes = settings.origins.iter().chain(&settings.warnings).cloned().collect();
        receipt.bytes = get(&tallies.bytes);
        receipt.repaired_texts = get(&counters.repaired_texts);
        receipt.complete = Some(served.incomplete.is_empty());
        receipt.served = Some(Box::new(served));
        receipt.sort();
        receipt
    }

    fn next_order(&self) -> usize {
        let mut state = self.state();
        state.order += 1;
        state.order - 1
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}
