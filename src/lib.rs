//! Weights & Biases runs as fast, typed, complete dataframes.

mod columns;
mod error;
#[cfg(feature = "frame")]
pub mod expr;
mod json;
#[cfg(feature = "frame")]
mod ops;
mod record;

pub use error::{Error, ErrorKind, Place, Result};
#[cfg(feature = "frame")]
pub use ops::{Direction, RunVerbs, run};
pub use record::{Timestamp, Wanted};
