//! Weights & Biases runs as fast, typed, complete dataframes.
//!
//! ```text
//! source ──► record ──► flatten ──► columns ──► frame ──► ops, expr, compare ──► sink
//! api · log · parquet   Run   path,value   sparse,    LazyFrame   Expr, DataFrame        parquet · arrow · csv · json · table
//!                                      typed      DataFrame
//!                                      mergeable  RecordBatch
//! source ──► history ──► ops ──► sink                the logged steps, by the same rules
//! secrets                                            looks through the texts of columns and history, and redacts them
//! ```
//!
//! A folder of `.wandb` logs, or a stored Parquet file, becomes one table with one row per run. `config` and `summary`
//! are flattened to typed columns, artifacts are list columns, and W&B's run operations are Polars expressions.
//!
//! ```
//! use polars::prelude::*;
//! use runframe::{RunFrame, run};
//!
//! # fn main() -> runframe::Result<()> {
//! let runs = RunFrame::open("examples/wandb")?;
//! let best = runs
//!     .lazy()
//!     .filter(run::config("learning_rate").lt(lit(0.01)).and(run::summary("accuracy").gt(lit(0.9))))
//!     .group_by([run::username(), run::created_at().dt().date().alias("day")])
//!     .agg([len().alias("runs"), run::summary("accuracy").max(), run::runtime().sum()])
//!     .collect()?;
//! assert!(best.height() > 0);
//! # Ok(()) }
//! ```
//!
//! A key that no run has is an error that names the nearest keys, raised before any work. What a load could not read is
//! counted, with file and offset, in the [`Receipt`].
//!
//! With `default-features = false` the reading half is left: logs, flattening, sparse columns, without Polars.

// The stand-in for W&B's server, which unit tests include, names the crate as users do.
#[cfg(all(test, feature = "frame", feature = "api"))]
extern crate self as runframe;

mod columns;
#[cfg(feature = "frame")]
pub mod compare;
mod error;
#[cfg(feature = "frame")]
pub mod expr;
mod flatten;
#[cfg(feature = "frame")]
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(feature = "frame")]
pub mod history;
mod json;
#[cfg(feature = "frame")]
mod load;
#[cfg(feature = "frame")]
mod ops;
#[cfg(all(feature = "frame", feature = "api"))]
mod pull;
mod record;
mod secrets;
#[cfg(feature = "frame")]
pub mod sink;
mod source;
mod threads;

pub use columns::{
    Cell, Columns, Dense, FIELDS, Facts, Field, Fixed, Kind, LeafType, OptionalTexts, Shape, Sparse, Type,
};
pub use error::{Error, ErrorKind, Place, Result, nearest};
pub use flatten::{Flattener, Leaf, List, NameId, Notes, Root};
pub use record::{
    ArtifactVersion, Damage, Document, HistoryNeeds, JsonFault, Limits, OverLimit, Receipt, Redacted, Refused, Run,
    RunKey, SecretColumn, Served, Shard, Timestamp, User, Wanted,
};
#[cfg(feature = "frame")]
pub use secrets::Redaction;
pub use secrets::{Named, SECRET_RULES, Secret, SecretRule, find_secret};
#[cfg(feature = "api")]
pub use source::api::{
    ApiKey, ApiOptions, ApiSource, Asked, BaseUrl, LightListing, LightRun, Projection, Settings, Surroundings,
};
pub use source::location::Location;
pub use source::log::LogSource;
pub use source::{Batch, Progress, Source};

#[cfg(feature = "frame")]
pub use arrow_array;
#[cfg(feature = "frame")]
pub use frame::bridge::{reader as record_batch_reader, record_batches};
#[cfg(feature = "frame")]
pub use frame::{Conflict, RunFrame, Table, sorted};
#[cfg(all(feature = "frame", feature = "api"))]
pub use history::HistoryPulled;
#[cfg(feature = "frame")]
pub use history::{HistoryFrame, HistoryQuery, HistoryScan, run_keys};
#[cfg(feature = "frame")]
pub use load::{Loader, read};
#[cfg(feature = "frame")]
pub use ops::{Best, Direction, RunVerbs, run};
#[cfg(feature = "frame")]
pub use polars;
#[cfg(all(feature = "frame", feature = "api"))]
pub use pull::{Pull, Pulled};
