//! Weights & Biases runs as fast, typed, complete dataframes.

mod columns;
mod error;
mod json;
#[cfg(feature = "frame")]
mod ops;
mod record;

#[cfg(feature = "frame")]
pub use ops::{Direction, RunVerbs, run};
