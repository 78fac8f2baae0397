//! The `Source` trait: where runs come from, and what a load tells while it goes on.

#[cfg(feature = "api")]
pub mod api;
pub mod location;
pub mod log;
#[cfg(feature = "frame")]
pub mod parquet;

use crate::error::Result;
use crate::record::{Receipt, Run, Wanted};
use std::sync::atomic::{AtomicU64, Ordering};

/// Somewhere that runs come from.
pub trait Source: Send + Sync {
    /// Hands over every run, batch by batch, and returns what the load says of itself.
    ///
    /// Batches come from several threads at once and in any order; [`Batch::order`] gives their place.
    /// The runs of all batches are distinct.
    ///
    /// # Errors
    /// If nothing at all can be read. What is lost beside good data is counted in the receipt.
    /// An error that `each` returns ends the load.
    fn load(&self, wanted: Wanted, each: &(dyn Fn(Batch) -> Result<()> + Sync), progress: &Progress)
    -> Result<Receipt>;
}

/// Some runs and their place in the order of the whole load.
#[derive(Debug, Default)]
pub struct Batch {
    /// 0, 1, 2, … without gaps: batches are put together in this order.
    pub order: usize,
    /// The runs, in order.
    pub runs: Vec<Run>,
}

/// Counters that a load moves while it runs, for a progress bar on another thread.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// Steps there are in all; 0 until it is known.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Steps that are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Adds to the steps there are.
    pub fn expect(&self, steps: u64) {
        self.total.fetch_add(steps, Ordering::Relaxed);
    }

    /// Counts steps as done.
    pub fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }
}
