//! The log source: `.wandb` transaction logs as the SDK leaves them on disk.
//!
//! ```text
//! discover ─► unit ─► reading ─► framing ─► wire, messages ─► fold ─► Run
//! the files   of an id  one file   records     typed views      tree, document
//! ```

mod artifacts;
mod discover;
mod document;
mod fold;
mod framing;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/log.rs"]
pub(crate) mod fuzz;
#[cfg(feature = "frame")]
pub(crate) mod history;
mod items;
mod messages;
mod metadata;
mod metrics;
mod reading;
#[cfg(feature = "frame")]
mod stretches;
mod tree;
mod unit;
mod wire;
#[cfg(test)]
pub(crate) mod writer;

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Limits, Receipt, Refused, Run, Timestamp, Wanted};
use crate::source::{Batch, Progress, Source};
use crate::threads::lock;
use rayon::prelude::*;
use reading::PEEKED;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use unit::{How, Outcome, Pool, Unit};

/// Units that are read together at most, and handed over as one batch.
const BATCH: usize = 256;
/// Units in the first batches, by which it shows how large the runs are.
const PROBE: usize = 16;
/// Bytes of documents that a batch should hold at most.
const HEAVY: usize = 8 << 20;

/// Runs in `.wandb` logs: a file, a run folder, a `wandb/` folder, or a tree that holds some.
///
/// Several folders of one run become one run. Files are read in parallel, in bounded memory. What cannot be read is counted in
/// the receipt, by file and offset; the rest goes on.
#[derive(Debug)]
pub struct LogSource {
    paths: Vec<PathBuf>,
    files: Vec<PathBuf>,
    refused: Vec<Error>,
    links: Vec<PathBuf>,
    now: Option<Timestamp>,
    limits: Limits,
    #[cfg(feature = "frame")]
    split: stretches::Split,
}

impl LogSource {
    /// Finds the logs in `paths`. Nothing is read yet.
    ///
    /// # Errors
    /// If a path does not exist, or no log is found in any, or there are not enough file handles to look.
    pub fn open(paths: &[PathBuf]) -> Result<LogSource> {
        let discover::Found { files, mut refused, links } = discover::find(paths)?;
        // Folders that the machine had no means to look into are not empty.
        if let Some(at) = refused.iter().position(Error::is_exhaustion) {
            return Err(refused.swap_remove(at));
        }
        Ok(LogSource {
            paths: paths.to_vec(),
            files,
            refused,
            links,
            now: None,
            limits: Limits::default(),
            #[cfg(feature = "frame")]
            split: stretches::Split::default(),
        })
    }

    /// Says how much one record, and the config or summary of one run, may take.
    pub fn limits(mut self, limits: Limits) -> LogSource {
        self.limits = limits;
        self
    }

    /// Sets the present, by which a run without an exit record counts as running or crashed. Without it, the clock does.
    pub fn now(mut self, now: Timestamp) -> LogSource {
        self.now = Some(now);
        self
    }

    /// Splits long files in another way.
    #[cfg(all(test, feature = "frame"))]
    pub(crate) fn split(mut self, front: u64, stretch: u64) -> LogSource {
        self.split = stretches::Split { front, stretch };
        self
    }

    /// The logs that were found, sorted.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    #[cfg(feature = "frame")]
    pub(crate) fn what_limits(&self) -> Limits {
        self.limits
    }

    /// What finding the logs has to tell.
    fn begin(&self) -> Outcome {
        let mut total = Outcome::default();
        total.receipt.sources = self.paths.iter().map(|path| path.display().to_string()).collect();
        for error in &self.refused {
            total.receipt.refuse(error.place().file.clone().unwrap_or_default(), error.message());
        }
        self.links.iter().for_each(|link| total.receipt.skip_link(link));
        total
    }
}

impl Outcome {
    /// The receipt of a load that is over; its error, if no file could be read.
    fn end(mut self) -> Result<Receipt> {
        for file in std::mem::take(&mut self.strays) {
            // All else is found by looking into them.
            self.receipt.refuse(file, format!("names its run too late, behind its first {PEEKED} records"));
        }
        self.receipt.sort();
        if let Some(error) = self.exhausted {
            return Err(error);
        }
        match self.error.or_else(|| self.receipt.refused.first().map(refusal)) {
            Some(error) if self.receipt.files == 0 => Err(error),
            _ => Ok(self.receipt),
        }
    }
}

impl Source for LogSource {
    fn load(
        &self,
        wanted: Wanted,
        each: &(dyn Fn(Batch) -> Result<()> + Sync),
        progress: &Progress,
    ) -> Result<Receipt> {
        progress.expect(self.files.len() as u64);
        let how = How { wanted, now: self.now.unwrap_or_else(Timestamp::now) };
        let load = Load { how, each, progress, pool: Pool::new(self.limits), queue: Mutex::default() };
        let units = unit::units(&self.files, &load.pool);
        let mut total = self.begin();
        load.run(&units, &mut total)?;
        let strays = std::mem::take(&mut total.strays);
        if !strays.is_empty() {
            let late = unit::regroup(&strays, &units, &mut total);
            progress.expect(late.iter().map(|unit| unit.files.len() as u64).sum());
            load.run(&late, &mut total)?;
        }
        total.end()
    }
}

/// The error of a load of which nothing but refused files is left.
fn refusal(refused: &Refused) -> Error {
    Error::new(ErrorKind::Format, refused.reason.clone()).file(&refused.file)
}

/// One load, as all threads see it.
struct Load<'a> {
    how: How,
    each: &'a (dyn Fn(Batch) -> Result<()> + Sync),
    progress: &'a Progress,
    pool: Pool,
    queue: Mutex<Queue>,
}

/// What the threads take their work from. Batches are numbered in the order in which they are taken.
#[derive(Debug, Default)]
struct Queue {
    /// Units that are taken.
    taken: usize,
    /// The next batch's number.
    order: usize,
    /// Runs read so far, and the bytes in their documents.
    runs: usize,
    weight: usize,
}

impl Queue {
    /// The next batch: its number and its units. Small at first, and where runs are large, so that memory stays bounded.
    fn next<'u>(&mut self, units: &'u [Unit]) -> Option<(usize, &'u [Unit])> {
        // Small enough that all threads have work to the end.
        let fair = units.len() / (8 * rayon::current_num_threads());
        let light = self.weight.checked_div(self.runs).map_or(PROBE, |average| HEAVY / average.max(1));
        let rest = units.get(self.taken..).filter(|rest| !rest.is_empty())?;
        let batch = rest.get(..fair.min(light).clamp(1, BATCH).min(rest.len()))?;
        let order = self.order;
        (self.taken, self.order) = (self.taken + batch.len(), order + 1);
        Some((order, batch))
    }
}

impl Load<'_> {
    /// Reads units in parallel and hands their runs over.
    fn run(&self, units: &[Unit], total: &mut Outcome) -> Result<()> {
        self.queue().taken = 0;
        let threads = (0..rayon::current_num_threads()).into_par_iter().with_max_len(1);
        let work = |_| {
            let mut done = Vec::new();
            loop {
                let Some((order, batch)) = self.queue().next(units) else { return Ok(done) };
                let outcome = self.batch(order, batch).inspect_err(|_| self.queue().taken = units.len())?;
                done.push((order, outcome));
            }
        };
        let mut outcomes: Vec<(usize, Outcome)> =
            threads.map(work).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(order, _)| *order);
        outcomes.into_iter().for_each(|(_, outcome)| total.add(outcome));
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn batch(&self, order: usize, units: &[Unit]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut runs: Vec<Run> = Vec::with_capacity(units.len());
        self.pool.with(|scratch| {
            for unit in units {
                unit.read(self.how, scratch, &mut runs, &mut outcome);
                self.progress.advance(unit.files.len() as u64);
            }
        });
        outcome.receipt.runs += runs.len() as u64;
        let weight = runs.iter().map(size).sum::<usize>();
        {
            let mut queue = self.queue();
            queue.runs += runs.len();
            queue.weight = queue.weight.saturating_add(weight);
        }
        (self.each)(Batch { order, runs })?;
        Ok(outcome)
    }
}

/// Bytes in a run's documents.
fn size(run: &Run) -> usize {
    [&run.config, &run.summary].into_iter().flatten().map(|document| document.text().len()).sum()
}

#[cfg(all(test, feature = "frame"))]
#[path = "log/every_byte_tests.rs"]
mod every_byte_tests;
#[cfg(test)]
#[path = "log/sdk_tests.rs"]
mod sdk_tests;
#[cfg(test)]
#[path = "log/speed_tests.rs"]
mod speed_tests;
#[cfg(test)]
#[path = "log/load_tests.rs"]
mod tests;
