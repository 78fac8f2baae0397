//! Weights & Biases runs as fast, typed, complete dataframes.

mod columns;
mod error;
#[cfg(feature = "frame")]
pub mod expr;
mod flatten;
#[cfg(feature = "frame")]
mod frame;
mod json;
#[cfg(feature = "frame")]
mod load;
#[cfg(feature = "frame")]
mod ops;
mod record;
#[cfg(feature = "frame")]
pub mod sink;
mod source;

pub use columns::{Cell, Columns, Dense, FIELDS, Facts, Field, Fixed, Kind, LeafType, OptionalTexts, Shape, Sparse, Type};
pub use error::{Error, ErrorKind, Place, Result, nearest};
pub use flatten::{Flattener, Leaf, List, NameId, Notes, Root};
pub use record::{ArtifactVersion, Damage, Document, JsonFault, Receipt, Refused, Run, Timestamp, User, Wanted};
pub use source::location::Location;
pub use source::log::LogSource;
pub use source::{Batch, Progress, Source};

#[cfg(feature = "frame")]
pub use frame::bridge::{reader as record_batch_reader, record_batches};
#[cfg(feature = "frame")]
pub use frame::{Conflict, RunFrame, Table};
#[cfg(feature = "frame")]
pub use load::{Loader, read};
#[cfg(feature = "frame")]
pub use ops::{Direction, RunVerbs, run};
