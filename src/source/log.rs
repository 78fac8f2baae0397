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
mod items;
mod messages;
mod metadata;
mod metrics;
mod reading;
mod tree;
mod unit;
mod wire;
#[cfg(test)]
mod writer;

use crate::error::{Error, Result};
use crate::record::{Receipt, Run, Timestamp, Wanted};
use crate::source::{Batch, Progress, Source};
use rayon::prelude::*;
use std::path::PathBuf;
use unit::{How, Outcome, Pool, Unit};

/// Units that are read together at most, and handed over as one batch.
const BATCH: usize = 256;
/// A batch whose documents are larger is handed over before it is full.
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
    now: Option<Timestamp>,
}

impl LogSource {
    /// Finds the logs in `paths`. Nothing is read yet.
    ///
    /// # Errors
    /// If a path does not exist, or no log is found in any.
    pub fn open(paths: &[PathBuf]) -> Result<LogSource> {
        let discover::Found { files, refused } = discover::find(paths)?;
        Ok(LogSource { paths: paths.to_vec(), files, refused, now: None })
    }

    /// Sets the present, by which a run without an exit record counts as running or crashed. Without it, the clock does.
    pub fn now(mut self, now: Timestamp) -> LogSource {
        self.now = Some(now);
        self
    }

    /// The logs that were found, sorted.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
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
        let load = Load {
            how: How { wanted, now: self.now.unwrap_or_else(Timestamp::now) },
            each,
            progress,
            pool: Pool::default(),
        };
        let units = unit::units(&self.files, &load.pool);
        let mut total = Outcome::default();
        total.receipt.sources = self.paths.iter().map(|path| path.display().to_string()).collect();
        for error in &self.refused {
            total.receipt.refuse(error.place().file.clone().unwrap_or_default(), error.message());
        }
        let batches = load.run(&units, 0, &mut total)?;
        let strays = std::mem::take(&mut total.strays);
        if !strays.is_empty() {
            let late = unit::regroup(&strays, &units, &mut total);
            progress.expect(late.iter().map(|unit| unit.files.len() as u64).sum());
            load.run(&late, batches, &mut total)?;
            for file in std::mem::take(&mut total.strays) {
                total.receipt.refuse(file, "its run records disagree on the run's id");
            }
        }
        match total.error {
            Some(error) if total.receipt.files == 0 => Err(error),
            _ => {
                total.receipt.sort();
                Ok(total.receipt)
            }
        }
    }
}

/// One load, as all threads see it.
struct Load<'a> {
    how: How,
    each: &'a (dyn Fn(Batch) -> Result<()> + Sync),
    progress: &'a Progress,
    pool: Pool,
}

impl Load<'_> {
    /// Reads units in parallel and hands their runs over, in batches numbered from `first`; returns the next number.
    fn run(&self, units: &[Unit], first: usize, total: &mut Outcome) -> Result<usize> {
        // Small enough that all threads have work to the end.
        let size = (units.len() / (8 * rayon::current_num_threads())).clamp(1, BATCH);
        let chunks = units.par_chunks(size).enumerate().with_max_len(1);
        let outcomes: Vec<Outcome> =
            chunks.map(|(index, units)| self.batch(first + index, units)).collect::<Result<_>>()?;
        let batches = outcomes.len();
        outcomes.into_iter().for_each(|outcome| total.add(outcome));
        Ok(first + batches)
    }

    /// Reads some units. They take up to [`BATCH`] places in the order of batches, for a batch that is heavy goes in pieces.
    fn batch(&self, place: usize, units: &[Unit]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut order = place * BATCH;
        let mut runs: Vec<Run> = Vec::with_capacity(units.len());
        let mut weight = 0;
        for unit in units {
            let known = runs.len();
            self.pool.with(|scratch| unit.read(self.how, scratch, &mut runs, &mut outcome));
            self.progress.advance(unit.files.len() as u64);
            weight += runs.iter().skip(known).map(size).sum::<usize>();
            if weight > HEAVY {
                self.hand_over(order, std::mem::take(&mut runs), &mut outcome)?;
                (order, weight) = (order + 1, 0);
            }
        }
        self.hand_over(order, runs, &mut outcome)?;
        Ok(outcome)
    }

    fn hand_over(&self, order: usize, runs: Vec<Run>, outcome: &mut Outcome) -> Result<()> {
        outcome.receipt.runs += runs.len() as u64;
        if runs.is_empty() { Ok(()) } else { (self.each)(Batch { order, runs }) }
    }
}

/// Bytes in a run's documents.
fn size(run: &Run) -> usize {
    [&run.config, &run.summary].into_iter().flatten().map(|document| document.text.len()).sum()
}

#[cfg(test)]
#[path = "log/sdk_tests.rs"]
mod sdk_tests;
#[cfg(test)]
#[path = "log/speed_tests.rs"]
mod speed_tests;
#[cfg(test)]
#[path = "log/load_tests.rs"]
mod tests;
