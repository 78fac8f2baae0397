//! Weights & Biases runs as fast, typed, complete dataframes.

mod error;
mod json;
mod record;
mod source;
