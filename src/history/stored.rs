//! Histories stored beside a run table: a folder of Parquet files of one schema, brought up to date by step.
//!
//! ```text
//! runs.parquet                        the run table
//! runs.history/part-000001-0000.parquet   rows by run and step; every part has all columns
//! runs.history/_state.json            what is in the parts; readers of Parquet pass over it
//! ```

// Writing is the part of `pull`, which is built with the servers.
#![cfg_attr(not(feature = "api"), allow(dead_code))]

mod commit;
mod cursor;
mod leaves;
#[cfg(feature = "api")]
mod replace;
mod source;
#[cfg(feature = "api")]
mod stage;
mod state;
#[cfg(feature = "api")]
mod update;
mod write;

#[cfg(feature = "api")]
pub(crate) use replace::replace;
pub(super) use source::StoredHistory;
#[cfg(feature = "api")]
pub(crate) use state::Mark;
#[cfg(feature = "api")]
pub use update::HistoryPulled;
#[cfg(feature = "api")]
pub(crate) use update::{TableRun, Wish, check, update};

use crate::error::{Error, ErrorKind, Result};
use state::State;
use std::path::{Path, PathBuf};

/// Where a data set lies.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    folder: PathBuf,
}

impl Dataset {
    /// The one that belongs to a run table: `runs.parquet` has `runs.history`.
    pub(crate) fn beside(table: &Path) -> Self {
        Dataset { folder: table.with_extension("history") }
    }

    /// The one in this folder.
    pub(crate) fn at(folder: &Path) -> Self {
        Dataset { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What has arrived, and is not in the data set yet.
    fn partial(&self) -> PathBuf {
        let mut name = self.folder.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        self.folder.with_file_name(name)
    }

    /// True if there is a data set, or one was being made.
    #[cfg(feature = "api")]
    pub(crate) fn is_there(&self) -> bool {
        [self.folder.clone(), self.partial().join("next"), self.partial().join("previous")]
            .iter()
            .any(|folder| folder.join(state::FILE).exists())
    }

    /// What there is, wherever a change that was cut off has left it.
    fn find(&self) -> Result<Option<State>> {
        let partial = self.partial();
        for folder in [self.folder.clone(), partial.join("next"), partial.join("previous")] {
            if let Some(state) = State::read(&folder)? {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }
}

/// The error of a run table without histories.
fn missing(table: &Path) -> Error {
    let error = Error::new(ErrorKind::Unsupported, "a stored run table holds no history, and there is none beside it");
    error.file(table).hint("`pull --history KEYS` stores it there; or name entity/project, or the logs")
}
