//! The order of a load: groups of runs are described, then their files, live rows and pages are read, many at once.

use super::super::ApiSource;
use super::super::query::{Ask, Queries};
use super::super::remote::Remote;
use super::exported::Exported;
use super::job::{Cluster, Job};
use super::lists::{Page, RowText};
use super::open::{Described, Parts, describe, step_of};
use super::pages::{Need, Pages, lists};
use super::storage::Storage;
use super::whole::Ended;
use super::{Damaged, HistoryAsk, HistorySink, Steps, Totals, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Served;
use crate::source::Progress;
use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::cell::Cell;
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
    pub storage: &'a Storage<'a>,
    pub pages: &'a Pages,
    pub parts: &'a Parts,
}

/// A run in work: what the server says of it, and the place of its next chunk.
pub(super) struct Underway<'a> {
    pub of: &'a Described,
    order: Cell<u32>,
    /// From there to the one after.
    places: u32,
    /// Keys to ask for, one by one; `None` for whole rows.
    names: Option<Vec<String>>,
    /// Which steps.
    pub steps: Steps,
}

/// Rows with their steps.
pub(super) type Live = Vec<(Option<i64>, RowText)>;

impl Load<'_> {
    /// Reads the histories of these runs; the receipt's part that the server decides, and the bytes it cost.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access, or does not have the project; if nobody takes the chunks.
    pub(super) async fn run(self, runs: &[String]) -> Result<(Served, u64)> {
        self.with(async |reader, concurrency| {
            let groups = stream::iter(runs.chunks(GROUP)).map(|group| reader.group(group));
            groups.buffer_unordered(concurrency).try_collect::<()>().await
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
        let (storage, pages, parts) =
            (Storage::new(&client, concurrency), Pages::new(self.source.options.limits), Parts::new(GROUP));
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
            let mut page: Live = page.texts().into_iter().map(|row| (step_of(&row), row)).collect();
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

    /// Hands over row groups and rows, with whether there is a row for each key, and how the row groups lie.
    pub(super) async fn send(
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

/// The step before which a run's history ends, as far as the server says.
fn end(of: &Described) -> Option<i64> {
    let live = of.live.map(|(_, last)| last);
    Some(of.last.max(live)?.saturating_add(1))
}
