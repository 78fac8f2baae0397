//! Weights & Biases runs as fast, typed, complete dataframes.

mod error;
mod json;
mod record;
#[cfg(feature = "frame")]
pub mod sink;
