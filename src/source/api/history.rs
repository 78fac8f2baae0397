//! History from a W&B server: exported Parquet files read by byte ranges, live rows, pages, or samples.
//!
//! ```text
//! describe ─► exported files (storage host, no key) ─┐
//!    │    └─► live rows ──────────────────────────────┼─► jobs ─► chunks: steps, times, sparse columns
//!    └──────► pages of steps, where there are no files ┘
//! ```
//!
//! Rows of one step that come from two places are one row, key by key; a live value wins over an exported one, since the server has
//! it later: a row that was exported and then completed, as a resumed run may do, is whole only in the live part.

mod events;
mod exported;
mod files;
mod flat;
mod job;
mod join;
mod lists;
mod load;
mod open;
mod pages;
mod parquet;
mod rows;
mod storage;
mod whole;

#[cfg(any(test, fuzzing))]
pub(crate) use lists::fuzz;

use super::ApiSource;
use super::on_own_runtime;
use crate::columns::Sparse;
use crate::error::{Error, Result};
use crate::record::{Receipt, Served};
use crate::source::Progress;
use crate::threads::{into_inner, lock};
use exported::Exported;
use job::Job;
use load::Load;
use rows::Assembler;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use tokio::sync::mpsc::{Sender, channel};

/// Chunks that wait for a thread.
const WAITING: usize = 8;

/// Which metrics are wanted.
pub(crate) trait Keys: Sync {
    /// True if all are.
    fn all(&self) -> bool;
    /// True if rows are kept that have none of them.
    fn keeps_all_rows(&self) -> bool {
        self.all()
    }
    /// True if the metric of this column path is wanted.
    fn takes(&self, path: &str) -> bool;
    /// False if surely no metric is wanted that is, or lies below, this top-level key.
    fn may_take_below(&self, top: &str) -> bool;
    /// The wanted paths one by one; `None` if there are patterns among them, or all are wanted.
    fn exact(&self) -> Option<Vec<String>>;
}

/// A range of steps, both ends belonging to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    /// The first; `None` for no limit.
    pub(crate) min: Option<i64>,
    /// The last; `None` for no limit.
    pub(crate) max: Option<i64>,
}

impl Steps {
    /// True if the step is in the range; a row without one is in none that has limits.
    fn contain(self, step: Option<i64>) -> bool {
        let inside = |step| self.min.is_none_or(|min| step >= min) && self.max.is_none_or(|max| step <= max);
        step.map_or(self == Steps::default(), inside)
    }

    /// False if surely no step of a part is in the range.
    fn meet(self, part: Option<(i64, i64)>) -> bool {
        part.is_none_or(|(first, last)| {
            self.min.is_none_or(|min| last >= min) && self.max.is_none_or(|max| first <= max)
        })
    }
}

/// What is asked of histories.
#[derive(Clone, Copy)]
pub(crate) struct HistoryAsk<'a> {
    /// Which metrics.
    pub(crate) keys: &'a dyn Keys,
    /// Which steps.
    pub(crate) steps: Steps,
    /// About so many rows of each run, chosen by the server, with metrics one by one of each metric; `None` for all.
    pub(crate) samples: Option<u32>,
    /// System metrics instead of what was logged; they have no steps.
    pub(crate) system: bool,
    /// What is there already of some runs, by name: of these only later rows are asked for.
    pub(crate) had: Option<&'a HashMap<String, Had>>,
}

/// What is there already of a run's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Had {
    /// The last step.
    pub(crate) last: i64,
    /// Rows, as the server counts them.
    pub(crate) lines: i64,
}

/// How the load of one run's history went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Rows that the server counts.
    pub(crate) counted: Option<i64>,
    /// Rows that were read and are no copies of others.
    pub(crate) read: i64,
    /// The server has fewer rows, or lower steps, than were there already: the whole history was read.
    pub(crate) anew: bool,
    /// Something could not be read.
    pub(crate) lacking: bool,
}

/// Rows of one run, by their steps; rows without a step come first.
#[derive(Debug, Clone, Default)]
pub(crate) struct HistoryChunk {
    /// The run's name.
    pub(crate) run: String,
    /// The chunk's place among the run's: steps rise from chunk to chunk. Some places may be empty.
    pub(crate) order: u32,
    /// `_step`.
    pub(crate) steps: Vec<Option<i64>>,
    /// `_timestamp` in microseconds.
    pub(crate) times: Vec<Option<i64>>,
    /// `_runtime` in seconds.
    pub(crate) runtimes: Vec<Option<f64>>,
    /// Column paths, sorted, and their values by row of the chunk. A null in a column that is otherwise empty tells that there is
    /// such a metric.
    pub(crate) columns: Vec<(String, Sparse)>,
}

/// What takes the chunks of a load; it is called from several threads at once.
pub(crate) trait HistorySink: Sync {
    /// Takes rows of one run. Chunks of different runs, and of one run, come in any order.
    ///
    /// # Errors
    /// If there is no room for them; that ends the load.
    fn chunk(&self, chunk: HistoryChunk) -> Result<()>;

    /// Is told of a metric that some run has, asked for or not; more than once, perhaps.
    fn metric(&self, path: &str);
}

/// What the threads that make chunks found.
#[derive(Default)]
struct Totals {
    notes: Receipt,
    copies: u64,
    repeats: u64,
    /// Rows of each run that are no copies of others.
    rows: HashMap<String, i64>,
    /// Rows that the server says each run has.
    expected: HashMap<String, i64>,
    /// Runs of which not only later rows were asked for, although some rows were there.
    anew: HashSet<String>,
    /// Runs of which something could not be read.
    lacking: HashSet<String>,
    incomplete: Vec<String>,
    /// Parts of files that are to be read in pages.
    damaged: Vec<Damaged>,
    remarks: Vec<String>,
    found: u64,
    renewed: u64,
    failed: Option<Error>,
}

/// A part of a run's files that is damaged.
struct Damaged {
    run: String,
    /// The place of its chunk.
    order: u32,
    /// First and last step, if the file tells.
    span: Option<(i64, i64)>,
    /// Which steps of it are asked for.
    steps: Steps,
    /// Rows, as the file tells.
    rows: usize,
}

impl ApiSource {
    /// Hands over the histories of these runs of a project. What could not be read is told by the receipt: `complete` is false then,
    /// and `served.incomplete` names the runs.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access, or does not have the project; if the sink fails.
    pub(crate) fn history(
        &self,
        place: (&str, &str),
        runs: &[String],
        ask: HistoryAsk<'_>,
        sink: &dyn HistorySink,
        progress: &Progress,
    ) -> Result<Receipt> {
        self.history_of_each(place, runs, ask, sink, progress).map(|(receipt, _)| receipt)
    }

    /// [`ApiSource::history`], and how it went with each run.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn history_of_each(
        &self,
        (entity, project): (&str, &str),
        runs: &[String],
        ask: HistoryAsk<'_>,
        sink: &dyn HistorySink,
        progress: &Progress,
    ) -> Result<(Receipt, HashMap<String, Told>)> {
        let totals = Mutex::new(Totals::default());
        let load = |jobs| Load { source: self, place: (entity, project), ask, sink, totals: &totals, jobs, progress };
        progress.expect(runs.len() as u64);
        let mut read = self.pass(ask, sink, &totals, async |jobs| load(jobs).run(runs).await);
        let damaged = std::mem::take(&mut lock(&totals).damaged);
        if let (Ok((served, bytes)), false) = (&mut read, damaged.is_empty()) {
            match self.pass(ask, sink, &totals, async |jobs| load(jobs).again(&damaged).await) {
                Ok((more, more_bytes)) => {
                    served.merge(Served { notes: Vec::new(), ..more });
                    *bytes += more_bytes;
                }
                Err(error) => read = Err(error),
            }
        }
        let mut totals = into_inner(totals);
        if ask.keys.keeps_all_rows() && ask.steps == Steps::default() && ask.samples.is_none() {
            totals.prove(ask.had, &format!("{entity}/{project}"));
        }
        let told = runs.iter().map(|run| (run.clone(), totals.told(run))).collect();
        totals.receipt(read, ask.samples).map(|receipt| (receipt, told))
    }

    /// Has `work` read on this thread, while others make chunks of its jobs.
    fn pass(
        &self,
        ask: HistoryAsk<'_>,
        sink: &dyn HistorySink,
        totals: &Mutex<Totals>,
        work: impl AsyncFnOnce(Sender<Job>) -> Result<(Served, u64)> + Send,
    ) -> Result<(Served, u64)> {
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).clamp(1, 16);
        let (sender, receiver) = channel::<Job>(WAITING);
        let receiver = Mutex::new(receiver);
        let chunks = || {
            let mut assembler = Assembler::new(ask, self.options.limits);
            loop {
                let next = lock(&receiver).blocking_recv();
                let Some(job) = next else { return };
                if let Err(error) = make(&mut assembler, job, sink, totals) {
                    lock(totals).failed.get_or_insert(error);
                    return lock(&receiver).close();
                }
            }
        };
        std::thread::scope(|scope| {
            (0..workers).for_each(|_| drop(scope.spawn(chunks)));
            on_own_runtime(async || self.within_deadline(work(sender)).await)
        })
    }
}

/// Makes a chunk and hands it over. Of clusters that were read together each is one by itself where one of them is damaged.
fn make(assembler: &mut Assembler<'_>, mut job: Job, sink: &dyn HistorySink, totals: &Mutex<Totals>) -> Result<()> {
    let made = match assembler.make(&mut job) {
        Ok(made) => made,
        Err(error) if assembler.refused => return Err(error),
        Err(_) if job.clusters.len() > 1 => {
            return job.split().into_iter().try_for_each(|job| make(assembler, job, sink, totals));
        }
        Err(error) => {
            let rows = job.groups.iter().map(Exported::rows).sum();
            let span = job.clusters.first().and_then(|cluster| cluster.span);
            let mut totals = lock(totals);
            totals.remarks.push(format!("{}: read in pages, since {}", job.path, error.message()));
            totals.damaged.push(Damaged { run: job.run, order: job.order, span, steps: job.steps, rows });
            return Ok(());
        }
    };
    {
        let mut totals = lock(totals);
        totals.notes.merge(made.notes);
        totals.copies += made.copies;
        totals.repeats += made.repeats;
        *totals.rows.entry(job.run).or_default() += made.read as i64 - made.copies as i64;
    }
    made.others.iter().for_each(|path| sink.metric(path));
    // Columns without a row still tell of their metrics.
    for (path, _) in &made.chunk.columns {
        sink.metric(path);
    }
    if made.chunk.steps.is_empty() { Ok(()) } else { sink.chunk(made.chunk) }
}

impl Totals {
    /// Counts each run's rows against the server's count.
    fn prove(&mut self, had: Option<&HashMap<String, Had>>, project: &str) {
        for (run, expected) in &self.expected {
            let before =
                had.and_then(|had| had.get(run)).filter(|_| !self.anew.contains(run)).map_or(0, |had| had.lines);
            let rows = before + self.rows.get(run).copied().unwrap_or_default();
            if rows < *expected {
                self.incomplete.push(format!("{project}/{run}: {rows} rows came of {expected} that the server counts"));
                self.lacking.insert(run.clone());
            }
        }
    }

    fn told(&self, run: &String) -> Told {
        Told {
            counted: self.expected.get(run).copied(),
            read: self.rows.get(run).copied().unwrap_or_default(),
            anew: self.anew.contains(run),
            lacking: self.lacking.contains(run),
        }
    }

    fn receipt(mut self, read: Result<(Served, u64)>, samples: Option<u32>) -> Result<Receipt> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (mut served, bytes) = read?;
        self.incomplete.sort();
        self.remarks.sort();
        served.notes.extend(self.remarks);
        served.incomplete = self.incomplete;
        (served.row_copies, served.row_repeats, served.urls_renewed) = (self.copies, self.repeats, self.renewed);
        served.sampled = samples;
        let mut receipt = self.notes;
        receipt.runs = self.found;
        receipt.bytes = bytes;
        receipt.complete = (samples.is_none()).then_some(served.incomplete.is_empty());
        receipt.served = Some(Box::new(served));
        receipt.sort();
        Ok(receipt)
    }
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
