//! Rows that have arrived and are not in the data set yet, batch by batch, so that an interrupted pull goes on where it was.

use super::Dataset;
use super::state::State;
use super::write::{Names, write_table};
use crate::error::{Error, Result};
use crate::history::table::HistoryTable;
use crate::sink;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What the batches are of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    /// The data set that they come on top of.
    pub(super) generation: u64,
    /// They take the place of all that was in it.
    pub(super) full: bool,
    pub(super) keys: Vec<String>,
    pub(super) server: Option<String>,
    pub(super) redacted: Option<String>,
}

/// A folder of batches.
pub(super) struct Stage {
    folder: PathBuf,
    next: usize,
    names: Names,
}

impl Manifest {
    fn to_json(&self) -> Value {
        json!({
            "format": 1,
            "generation": self.generation,
            "full": self.full,
            "keys": self.keys,
            "server": self.server,
            "redacted": self.redacted,
        })
    }

    /// True if batches are there that take the place of all that is stored, with these keys.
    pub(super) fn is_full(dataset: &Dataset, keys: &[String]) -> bool {
        let found = fs::read(file(&dataset.partial())).ok();
        let found = found.and_then(|text| serde_json::from_slice::<Value>(&text).ok()).unwrap_or_default();
        found["full"] == true && found["keys"] == json!(keys)
    }

    /// True if the batches that are there are of this.
    pub(super) fn is_staged(&self, dataset: &Dataset) -> bool {
        let found = fs::read(file(&dataset.partial())).ok();
        found.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) == Some(self.to_json())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("stage.json")
}

impl Stage {
    /// Opens the stage, and reads the batches of an earlier pull of the same; those of anything else are thrown away.
    ///
    /// # Errors
    /// If the folder cannot be read or made.
    pub(super) fn open(dataset: &Dataset, manifest: &Manifest) -> Result<(Stage, Vec<State>)> {
        let folder = dataset.partial();
        if !manifest.is_staged(dataset) {
            dataset.clean()?;
            fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
            let path = file(&folder);
            sink::save(&path, |out| write!(out, "{:#}", manifest.to_json()).map_err(|error| Error::io(&path, error)))?;
        }
        let mut batches = Vec::new();
        while let Some(batch) = State::read_file(&folder.join(batch(batches.len())), &folder)? {
            batches.push(batch);
        }
        let taken = batches.iter().flat_map(|batch| &batch.parts).map(|part| part.file.as_str());
        let names = Names::new(manifest.generation + 1, taken);
        Ok((Stage { folder, next: batches.len(), names }, batches))
    }

    /// Keeps a batch: `state` says what it is, and gets its parts.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep(&mut self, table: &HistoryTable, state: &mut State) -> Result<()> {
        state.parts = write_table(&self.folder, &mut self.names, table)?;
        state.write(&self.folder.join(batch(self.next)))?;
        self.next += 1;
        Ok(())
    }
}

fn batch(number: usize) -> String {
    format!("batch-{number:06}.json")
}
