//! Weights & Biases runs as fast, typed, complete dataframes.

mod columns;
mod error;
mod flatten;
mod json;
mod record;
