//! The order of a load: groups of runs are described, then their files, live rows and pages are read, many at once.

use super::super::ApiSource;
use super::super::query::{Ask, Queries};
use super::super::remote::Remote;
use super::exported::Exported;
use super::files::{Renew, Signed, clusters};
use super::open::{Described, describe, integer};
use super::pages::{Need, Page, Pages};
use super::rows::Job;
use super::storage::Storage;
use super::{HistoryAsk, HistorySink, Steps, Totals, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::record::Served;
use crate::source::Progress;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::Sender;

/// Runs that are described and paged in one request.
const GROUP: usize = 16;

/// One load.
pub(super) struct Load<'a> {
    pub source: &'a ApiSource,
    /// Entity and project.
    pub place: (&'a str, &'a str),
    pub ask: HistoryAsk<'a>,
    pub sink: &'a dyn HistorySink,
    pub totals: &'a Mutex<Totals>,
    pub jobs: Sender<Job>,
    pub progress: &'a Progress,
}

/// What all groups of a load share.
struct Reader<'a> {
    load: &'a Load<'a>,
    remote: &'a Remote<'a>,
    storage: &'a Storage<'a>,
    pages: &'a Pages,
}

/// A run in work: what the server says of it, and the place of its next chunk.
struct Underway<'a> {
    of: &'a Described,
    order: Cell<u32>,
    /// Keys to ask for, one by one; `None` for whole rows.
    names: Option<Vec<String>>,
    /// Which steps.
    steps: Steps,
}

/// Rows with their steps.
type Live = Vec<(Option<i64>, String)>;

impl Load<'_> {
    /// Reads the histories of these runs; the receipt's part that the server decides, and the bytes it cost.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access, or does not have the project; if nobody takes the chunks.
    pub(super) async fn run(self, runs: &[String]) -> Result<(Served, u64)> {
        let client = self.source.client()?;
        let queries = Queries::new(Ask { parquet: self.ask.samples.is_none(), ..Ask::default() });
        let (entity, project) = (self.place.0.to_owned(), self.place.1.to_owned());
        let remote =
            Remote { client: &client, queries: &queries, entity, project, config_keys: &[], summary_keys: &[] };
        let concurrency = self.source.options.concurrency.max(1);
        let (storage, pages) = (Storage::new(&client, concurrency), Pages::default());
        let reader = Reader { load: &self, remote: &remote, storage: &storage, pages: &pages };
        let groups = stream::iter(runs.chunks(GROUP)).map(|group| reader.group(group));
        groups.buffer_unordered(concurrency).try_collect::<()>().await?;
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (tallies, settings) = (&client.tallies, &self.source.settings);
        let served = Served {
            servers: vec![settings.base_url.to_string()],
            pages: pages.pages.load(Ordering::Relaxed) as u64,
            requests: get(&tallies.requests),
            retries: get(&tallies.retries),
            waited_seconds: get(&tallies.waited) as f64 / 1e6,
            fields_dropped: queries.dropped(),
            notes: settings.origins.iter().chain(&settings.warnings).cloned().collect(),
            ..Served::default()
        };
        Ok((served, get(&tallies.bytes)))
    }
}

impl Reader<'_> {
    async fn group(&self, runs: &[String]) -> Result<()> {
        let described = describe(self.remote, runs).await?;
        {
            let mut totals = lock(self.load.totals);
            for of in &described {
                match of.found {
                    true => totals.found += 1,
                    false => {
                        totals.incomplete.push(format!("{}: there is no such run", self.path(of)));
                        totals.lacking.insert(of.run.clone());
                    }
                }
                totals.expected.extend(of.lines.map(|lines| (of.run.clone(), lines)));
            }
        }
        for key in described.iter().filter_map(|of| of.keys.as_ref()).flat_map(|keys| keys.keys()) {
            if !key.starts_with('_') {
                self.load.sink.metric(key);
            }
        }
        let found = described.iter().filter(|of| of.found);
        let underway = found.map(|of| Underway {
            of,
            order: Cell::new(0),
            names: of.names(self.load.ask.keys),
            steps: self.steps(of),
        });
        // Of a run without any of the keys, or without later steps, there is nothing to ask.
        let later = |run: &Underway<'_>| run.steps.min.zip(end(run.of)).is_none_or(|(min, end)| min < end);
        let wanted = |run: &Underway<'_>| run.names.as_ref().is_none_or(|names| !names.is_empty()) && later(run);
        let underway: Vec<Underway<'_>> = underway.filter(wanted).collect();
        match self.load.ask.samples {
            Some(samples) => self.sample(&underway, samples).await?,
            None => self.whole(&described, &underway).await?,
        }
        self.load.progress.advance(runs.len() as u64);
        Ok(())
    }

    /// Which steps of a run are asked for: what is there already is not, unless the server has less than that.
    fn steps(&self, of: &Described) -> Steps {
        let steps = self.load.ask.steps;
        let Some(had) = self.load.ask.had.and_then(|had| had.get(&of.run)) else { return steps };
        let fewer = of.lines.is_some_and(|lines| lines < had.lines);
        if fewer || end(of).is_some_and(|end| end <= had.last) {
            lock(self.load.totals).anew.insert(of.run.clone());
            return steps;
        }
        let after = had.last.saturating_add(1);
        Steps { min: Some(steps.min.map_or(after, |min| min.max(after))), ..steps }
    }

    fn path(&self, of: &Described) -> String {
        format!("{}/{}", self.remote.path(), of.run)
    }

    async fn sample(&self, underway: &[Underway<'_>], samples: u32) -> Result<()> {
        let steps = (self.load.ask.steps.min, self.load.ask.steps.max);
        let (whole, by_key): (Vec<_>, Vec<_>) = underway.iter().partition(|run| run.names.is_none());
        for part in [whole, by_key].into_iter().filter(|part| !part.is_empty()) {
            let asked: Vec<(&Described, Option<Vec<String>>)> =
                part.iter().map(|run| (run.of, run.names.clone())).collect();
            let pages = self.pages.sample(self.remote, &asked, samples, steps).await?;
            for (run, page) in part.into_iter().zip(pages) {
                self.send(run, Vec::new(), page, run.names.is_some()).await?;
            }
        }
        Ok(())
    }

    /// Every row: of files and what is live beside them, or of pages.
    async fn whole(&self, described: &[Described], underway: &[Underway<'_>]) -> Result<()> {
        let at = |run: &Underway<'_>| described.iter().position(|of| of.run == run.of.run).unwrap_or_default();
        let (exported, paged): (Vec<_>, Vec<_>) = underway.iter().partition(|run| !run.of.urls.is_empty());
        // Live rows first: they are few, and belong among the exported ones.
        let live = exported.iter().filter_map(|run| {
            let (first, last) = run.of.live?;
            self.need(at(run), run, first, Some(last.max(run.of.last.unwrap_or(last)).saturating_add(1)))
        });
        let live: Vec<Need> = live.collect();
        let keyed: Vec<usize> = live.iter().filter(|need| need.names.is_some()).map(|need| need.at).collect();
        let mut rows: Vec<Live> = vec![Live::new(); described.len()];
        self.pages
            .read(self.remote, described, live, async |need, page| {
                let mut page: Live = page.into_iter().map(|row| (step_of(&row), row)).collect();
                rows.get_mut(need.at).into_iter().for_each(|rows| rows.append(&mut page));
                Ok(())
            })
            .await?;
        let files = exported.iter().map(|run| {
            let at = at(run);
            let (live, by_key) = (rows.get(at).cloned().unwrap_or_default(), keyed.contains(&at));
            async move { (at, *run, self.exported(run, live, by_key).await) }
        });
        let mut needs: Vec<Need> = Vec::new();
        let done: Vec<_> = join_all(files.collect::<Vec<_>>()).await;
        for (at, run, ended) in done {
            match ended {
                Ended::Whole => {}
                Ended::Failed(error) => return Err(error),
                Ended::Broken { error, from } => {
                    let note = format!("{}: read in pages, since {}", self.path(run.of), error.message());
                    lock(self.load.totals).remarks.push(note);
                    needs.extend(self.need(at, run, from.unwrap_or_default(), end(run.of)));
                }
            }
        }
        let empty = |run: &Underway<'_>| run.of.lines == Some(0) && run.of.live.is_none();
        for run in paged.into_iter().filter(|run| !empty(run)) {
            needs.extend(self.need(at(run), run, 0, end(run.of)));
        }
        self.paged(described, underway, needs).await
    }

    async fn paged(&self, described: &[Described], underway: &[Underway<'_>], needs: Vec<Need>) -> Result<()> {
        let find = |need: &Need| {
            let of = described.get(need.at)?;
            underway.iter().find(|run| run.of.run == of.run)
        };
        self.pages
            .read(self.remote, described, needs, async |need, page| match find(need) {
                Some(run) => self.send(run, Vec::new(), page, need.names.is_some()).await,
                None => Ok(()),
            })
            .await
    }

    /// What of a run's steps is to be read, within those that are asked for.
    fn need(&self, at: usize, run: &Underway<'_>, from: i64, end: Option<i64>) -> Option<Need> {
        let steps = run.steps;
        let from = steps.min.map_or(from, |min| from.max(min));
        let last = steps.max.map(|max| max.saturating_add(1));
        let end = match (end, last) {
            (Some(end), Some(last)) => Some(end.min(last)),
            (end, last) => end.or(last),
        };
        let some = end.is_none_or(|end| from < end);
        // Of a key with dots the server does not tell whether it is nested or written so; whole rows do.
        let names = run.names.clone().filter(|names| !names.iter().any(|name| name.contains('.')));
        some.then(|| Need::new(at, run.of, from, end, names))
    }

    /// The exported files of a run, and its live rows among them.
    async fn exported(&self, run: &Underway<'_>, mut live: Live, by_key: bool) -> Ended {
        live.sort_by_key(|(step, _)| *step);
        let again = Again { reader: self, run: &run.of.run };
        let mut signed = Signed::new(self.storage, &again);
        let mut from = None;
        let read = self.files(run, live, by_key, &mut signed, &mut from).await;
        lock(self.load.totals).renewed += signed.renewed;
        match read {
            Ok(Ok(())) => Ended::Whole,
            Ok(Err(error)) => Ended::Failed(error),
            Err(error) => Ended::Broken { error, from },
        }
    }

    /// Outside what the files do wrong, inside what else does.
    async fn files(
        &self,
        run: &Underway<'_>,
        live: Live,
        by_key: bool,
        signed: &mut Signed<'_>,
        from: &mut Option<i64>,
    ) -> std::result::Result<Result<()>, Error> {
        let mut files = signed.open(run.of.urls.clone(), self.load.ask.keys, run.steps).await?;
        let mut live = live.into_iter().peekable();
        for cluster in clusters(&files, run.steps) {
            let exported = signed.fetch(&mut files, &cluster).await?;
            let mut among = Page::new();
            let belongs =
                |step: &Option<i64>| cluster.steps.is_none_or(|(_, last)| step.is_none_or(|step| step <= last));
            while let Some((_, row)) = live.next_if(|(step, _)| belongs(step)) {
                among.push(row);
            }
            if let Err(error) = self.send(run, exported, among, by_key).await {
                return Ok(Err(error));
            }
            *from = cluster.steps.map(|(_, last)| last.saturating_add(1));
        }
        let rest: Page = live.map(|(_, row)| row).collect();
        match rest.is_empty() {
            true => Ok(Ok(())),
            false => Ok(self.send(run, Vec::new(), rest, by_key).await),
        }
    }

    async fn send(&self, run: &Underway<'_>, groups: Vec<Exported>, rows: Page, by_key: bool) -> Result<()> {
        let order = run.order.replace(run.order.get() + 1);
        let (name, path) = (run.of.run.clone(), self.path(run.of));
        let job = Job { run: name, path, order, groups, rows, by_key, steps: run.steps };
        let gone = |_| Error::new(ErrorKind::Compute, "nobody takes the rows any more");
        self.load.jobs.send(job).await.map_err(gone)
    }
}

/// How the reading of a run's files ended.
enum Ended {
    Whole,
    /// The files cannot be read on; their rows up to before `from` are done.
    Broken {
        error: Error,
        from: Option<i64>,
    },
    Failed(Error),
}

/// Asks for a run's URLs again.
struct Again<'a> {
    reader: &'a Reader<'a>,
    run: &'a String,
}

impl Renew for Again<'_> {
    fn urls(&self) -> Pin<Box<dyn Future<Output = Result<Vec<String>>> + '_>> {
        Box::pin(async {
            let described = describe(self.reader.remote, std::slice::from_ref(self.run)).await?;
            Ok(described.into_iter().flat_map(|of| of.urls).collect())
        })
    }
}

/// The step before which a run's history ends, as far as the server says.
fn end(of: &Described) -> Option<i64> {
    let live = of.live.map(|(_, last)| last);
    Some(of.last.max(live)?.saturating_add(1))
}

fn step_of(row: &str) -> Option<i64> {
    let mut step = None;
    // A row that is no JSON is told of where it is read.
    let _ = json::members(row, |key, value| {
        if key.raw == "_step" {
            step = integer(value);
        }
    });
    step
}
