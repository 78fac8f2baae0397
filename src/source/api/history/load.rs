//! The order of a load: groups of runs are described, then their files, live rows and pages are read, many at once.

use super::super::ApiSource;
use super::super::query::{Ask, Queries};
use super::super::remote::Remote;
use super::exported::Exported;
use super::files::{File, Renew, Signed, clusters, together};
use super::open::{Described, Parts, describe, step_of};
use super::pages::{Need, Page, Pages, RowText, lists};
use super::rows::{Cluster, Job};
use super::storage::Storage;
use super::{Damaged, HistoryAsk, HistorySink, Steps, Totals, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Served;
use crate::source::Progress;
use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::Sender;

/// Runs that are described and paged in one request.
const GROUP: usize = 32;
/// Rows of samples that are asked for in one request, of all its runs together.
const SAMPLED: usize = 32_000;
/// From a chunk's place to the next one's: pages may come in the place of a damaged part of a file.
const PLACES: u32 = 1 << 10;

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
pub(super) struct Reader<'a> {
    pub load: &'a Load<'a>,
    pub remote: &'a Remote<'a>,
    storage: &'a Storage<'a>,
    pub pages: &'a Pages,
    pub parts: &'a Parts,
}

/// A run in work: what the server says of it, and the place of its next chunk.
struct Underway<'a> {
    of: &'a Described,
    order: Cell<u32>,
    /// From there to the one after.
    places: u32,
    /// Keys to ask for, one by one; `None` for whole rows.
    names: Option<Vec<String>>,
    /// Which steps.
    steps: Steps,
}

/// Rows with their steps.
type Live = Vec<(Option<i64>, RowText)>;

impl Load<'_> {
    /// Reads the histories of these runs; the receipt's part that the server decides, and the bytes it cost.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access, or does not have the project; if nobody takes the chunks.
    pub(super) async fn run(self, runs: &[String]) -> Result<(Served, u64)> {
        self.with(async |reader, concurrency| {
            let groups = stream::iter(runs.chunks(GROUP)).map(|group| reader.group(group));
            // Some more than may be asked for at a time: their requests go out while the answers for others are read.
            groups.buffer_unordered(concurrency + concurrency / 2).try_collect::<()>().await
        })
        .await
    }

    /// Reads in pages what was damaged in files.
    ///
    /// # Errors
    /// As [`Load::run`].
    pub(super) async fn again(self, damaged: &[Damaged]) -> Result<(Served, u64)> {
        self.with(async |reader, _| {
            for part in damaged.chunks(GROUP) {
                reader.again(part).await?;
            }
            Ok(())
        })
        .await
    }

    async fn with(self, work: impl AsyncFnOnce(&Reader<'_>, usize) -> Result<()>) -> Result<(Served, u64)> {
        let client = self.source.client()?;
        let queries = Queries::new(Ask { parquet: self.ask.samples.is_none(), ..Ask::default() });
        let (entity, project) = (self.place.0.to_owned(), self.place.1.to_owned());
        let remote =
            Remote { client: &client, queries: &queries, entity, project, config_keys: &[], summary_keys: &[] };
        let concurrency = self.source.options.concurrency.max(1);
        let (storage, pages, parts) = (Storage::new(&client, concurrency), Pages::default(), Parts::new(GROUP));
        let reader = Reader { load: &self, remote: &remote, storage: &storage, pages: &pages, parts: &parts };
        work(&reader, concurrency).await?;
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
        if self.load.ask.system {
            return self.system(runs).await;
        }
        let described = describe(self.remote, self.parts, runs).await?;
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
            places: PLACES,
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
        self.path_of(&of.run)
    }

    /// The path of a run of this name.
    pub(super) fn path_of(&self, run: &str) -> String {
        format!("{}/{run}", self.remote.path())
    }

    /// The damaged parts of files, in pages: whole rows, so that their number tells whether they are all there.
    async fn again(&self, damaged: &[Damaged]) -> Result<()> {
        let mut runs: Vec<String> = damaged.iter().map(|part| part.run.clone()).collect();
        runs.sort_unstable();
        runs.dedup();
        let known = describe(self.remote, self.parts, &runs).await?;
        let of = |part: &Damaged| known.iter().find(|of| of.run == part.run).cloned();
        let of =
            |part: &Damaged| of(part).unwrap_or_else(|| Described { run: part.run.clone(), ..Described::default() });
        let described: Vec<Described> = damaged.iter().map(of).collect();
        let begin = |(of, part)| {
            let part: &Damaged = part;
            Underway { of, order: Cell::new(part.order), places: 1, names: None, steps: part.steps }
        };
        let underway: Vec<Underway<'_>> = described.iter().zip(damaged).map(begin).collect();
        let mut needs = Vec::new();
        for (at, (run, part)) in underway.iter().zip(damaged).enumerate() {
            let (from, end) = match part.span {
                Some((first, last)) => (first, Some(last.saturating_add(1))),
                None => (0, end(run.of)),
            };
            needs.extend(self.need(at, run, from, end));
        }
        let rows = self.paged(&described, &underway, needs).await?;
        for (part, rows) in damaged.iter().zip(rows) {
            let asked = part.steps;
            let inside = part.span.is_none_or(|(first, last)| asked.contain(Some(first)) && asked.contain(Some(last)));
            if inside && rows < part.rows {
                let told = format!("{}: {rows} rows came of {} in a damaged file", self.path_of(&part.run), part.rows);
                let mut totals = lock(self.load.totals);
                totals.incomplete.push(told);
                totals.lacking.insert(part.run.clone());
            }
        }
        Ok(())
    }

    async fn sample(&self, underway: &[Underway<'_>], samples: u32) -> Result<()> {
        let steps = (self.load.ask.steps.min, self.load.ask.steps.max);
        // Of a key that is written with dots the server may give what is nested below its parts.
        let literal = self.load.ask.keys.exact().into_iter().flatten().any(|key| key.contains('\\'));
        let (whole, by_key): (Vec<_>, Vec<_>) = underway.iter().partition(|run| literal || run.names.is_none());
        for part in [whole, by_key].into_iter().filter(|part| !part.is_empty()) {
            let asked: Vec<(&Described, Option<Vec<String>>)> =
                part.iter().map(|run| (run.of, run.names.clone().filter(|_| !literal))).collect();
            let rows = |(of, names): &(&Described, Option<Vec<String>>)| {
                let lists = names.as_ref().map_or(1, |names| lists(of, names));
                (samples as usize).saturating_mul(lists)
            };
            let (mut asked, mut part) = (&asked[..], &part[..]);
            while !asked.is_empty() {
                let mut sum = 0usize;
                let fits = |of: &&(&Described, Option<Vec<String>>)| {
                    sum = sum.saturating_add(rows(of));
                    sum <= SAMPLED
                };
                let count = asked.iter().take_while(fits).count().max(1);
                let pages = self.pages.sample(self.remote, &asked[..count], samples, steps).await?;
                for (run, page) in part.iter().zip(pages) {
                    self.send(run, Vec::new(), page, run.names.is_some() && !literal, Vec::new()).await?;
                }
                (asked, part) = (&asked[count..], &part[count..]);
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
        // Files are opened meanwhile, which is most of the work where they are small.
        let opened = join_all(exported.iter().map(|run| self.open(run)));
        let read = self.pages.read(self.remote, described, live, async |need, page| {
            let mut page: Live = page.into_iter().map(|row| (step_of(&row), row)).collect();
            rows.get_mut(need.at).into_iter().for_each(|rows| rows.append(&mut page));
            Ok(())
        });
        let (opened, read) = join(opened, read).await;
        read?;
        let files = exported.iter().zip(opened).map(|(run, opened)| {
            let at = at(run);
            let live = rows.get_mut(at).map(std::mem::take).unwrap_or_default();
            let by_key = keyed.contains(&at);
            async move { (at, *run, self.exported(run, opened, live, by_key).await) }
        });
        let (mut needs, mut broken): (Vec<Need>, Vec<(usize, i64)>) = (Vec::new(), Vec::new());
        let done: Vec<_> = join_all(files.collect::<Vec<_>>()).await;
        for (at, run, ended) in done {
            match ended {
                Ended::Whole => {}
                Ended::Failed(error) => return Err(error),
                Ended::Broken { error, from } => {
                    let note = format!("{}: read in pages, since {}", self.path(run.of), error.message());
                    lock(self.load.totals).remarks.push(note);
                    // Whole rows, so that their number tells whether they are all there.
                    let need = self.need(at, run, from.unwrap_or_default(), end(run.of));
                    needs.extend(need.map(Need::of_whole_rows));
                    broken.extend(run.of.lines.filter(|_| from.is_none()).map(|lines| (at, lines)));
                }
            }
        }
        let empty = |run: &Underway<'_>| run.of.lines == Some(0) && run.of.live.is_none();
        for run in paged.into_iter().filter(|run| !empty(run)) {
            needs.extend(self.need(at(run), run, 0, end(run.of)));
        }
        let rows = self.paged(described, underway, needs).await?;
        let ask = &self.load.ask;
        // Where all is asked for, the end of the load tells how much is missing.
        let told = !(ask.keys.keeps_all_rows() && ask.steps == Steps::default());
        for (at, lines) in broken.into_iter().filter(|_| told && ask.steps == Steps::default()) {
            if let (Some(of), Some(rows)) = (described.get(at), rows.get(at).filter(|rows| (**rows as i64) < lines)) {
                // Of what was there already nothing came.
                if ask.had.is_some_and(|had| had.contains_key(&of.run)) {
                    continue;
                }
                let told = format!("{}: {rows} rows came of {lines} that the server counts", self.path(of));
                let mut totals = lock(self.load.totals);
                totals.incomplete.push(told);
                totals.lacking.insert(of.run.clone());
            }
        }
        Ok(())
    }

    /// Reads pages; how many rows came for each of the described.
    async fn paged(&self, described: &[Described], underway: &[Underway<'_>], needs: Vec<Need>) -> Result<Vec<usize>> {
        let find = |need: &Need| {
            let of = described.get(need.at)?;
            underway.iter().find(|run| std::ptr::eq(run.of, of))
        };
        let mut rows = vec![0; described.len()];
        self.pages
            .read(self.remote, described, needs, async |need, page| {
                rows.get_mut(need.at).into_iter().for_each(|rows| *rows += page.len());
                match find(need) {
                    Some(run) => self.send(run, Vec::new(), page, need.names.is_some(), Vec::new()).await,
                    None => Ok(()),
                }
            })
            .await?;
        Ok(rows)
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

    /// Opens the exported files of a run.
    async fn open<'r>(&'r self, run: &'r Underway<'_>) -> Opened<'r> {
        let mut signed = Signed::new(self.storage, Box::new(Again { reader: self, run: &run.of.run }));
        let files = signed.open(run.of.urls.clone(), self.load.ask.keys, run.steps).await;
        Opened { signed, files }
    }

    /// The exported files of a run, and its live rows among them.
    async fn exported(&self, run: &Underway<'_>, opened: Opened<'_>, mut live: Live, by_key: bool) -> Ended {
        live.sort_by_key(|(step, _)| *step);
        let Opened { mut signed, files } = opened;
        let mut from = None;
        let read = match files {
            Ok(files) => self.files(run, (files, live), by_key, &mut signed, &mut from).await,
            Err(error) => Err(error),
        };
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
        (mut files, live): (Vec<File>, Live),
        by_key: bool,
        signed: &mut Signed<'_>,
        from: &mut Option<i64>,
    ) -> std::result::Result<Result<()>, Error> {
        let mut live = live.into_iter().peekable();
        let all = clusters(&files, run.steps);
        let mut rest = &all[..];
        while let Some(first) = rest.first() {
            let next = live.peek().map(|(step, _)| *step);
            let count = together(&files, rest, next).min(rest.len());
            let (exported, count) = signed.fetch(&mut files, &rest[..count]).await?;
            let (now, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            let mut among = Page::new();
            let belongs = |step: &Option<i64>| first.steps.is_none_or(|(_, last)| step.is_none_or(|step| step <= last));
            while let Some((_, row)) = live.next_if(|(step, _)| belongs(step)) {
                among.push(row);
            }
            let parts = now.iter().map(|of| Cluster { groups: of.parts.len(), span: of.steps }).collect();
            if let Err(error) = self.send(run, exported, among, by_key, parts).await {
                return Ok(Err(error));
            }
            *from = now.last().and_then(|of| Some(of.steps?.1.saturating_add(1)));
        }
        let rest: Page = live.map(|(_, row)| row).collect();
        match rest.is_empty() {
            true => Ok(Ok(())),
            false => Ok(self.send(run, Vec::new(), rest, by_key, Vec::new()).await),
        }
    }

    /// Hands over row groups and rows, with whether there is a row for each key, and how the row groups lie.
    async fn send(
        &self,
        run: &Underway<'_>,
        groups: Vec<Exported>,
        rows: Page,
        by_key: bool,
        clusters: Vec<Cluster>,
    ) -> Result<()> {
        let places = run.places.saturating_mul(clusters.len().max(1) as u32);
        let order = run.order.replace(run.order.get().saturating_add(places));
        let (name, path, steps) = (run.of.run.clone(), self.path(run.of), run.steps);
        self.job(Job { run: name, path, order, groups, rows, by_key, clusters, places: run.places, steps }).await
    }

    /// Hands over a job.
    pub(super) async fn job(&self, job: Job) -> Result<()> {
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

/// The files of a run, as far as they can be opened.
struct Opened<'a> {
    signed: Signed<'a>,
    files: std::result::Result<Vec<File>, Error>,
}

/// Asks for a run's URLs again.
struct Again<'a> {
    reader: &'a Reader<'a>,
    run: &'a String,
}

impl Renew for Again<'_> {
    fn urls(&self) -> Pin<Box<dyn Future<Output = Result<Vec<String>>> + '_>> {
        Box::pin(async {
            let described = describe(self.reader.remote, self.reader.parts, std::slice::from_ref(self.run)).await?;
            Ok(described.into_iter().flat_map(|of| of.urls).collect())
        })
    }
}

/// The step before which a run's history ends, as far as the server says.
fn end(of: &Described) -> Option<i64> {
    let live = of.live.map(|(_, last)| last);
    Some(of.last.max(live)?.saturating_add(1))
}
