//! Stored run tables: Parquet files that `runframe` or others wrote.

use crate::error::{Error, ErrorKind, Result};
use polars::prelude::{DataFrame, Schema, SchemaExt, SchemaRef};
use polars_io::SerReader;
use polars_io::prelude::{ParallelStrategy, ParquetReader};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A Parquet file whose footer was read; columns are read when asked for.
#[derive(Debug, Clone)]
pub struct StoredTable {
    path: PathBuf,
    schema: SchemaRef,
    height: usize,
    metadata: Vec<(String, String)>,
}

impl StoredTable {
    /// Reads the footer of `path`.
    ///
    /// # Errors
    /// If the file cannot be opened or is no Parquet file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut reader = reader(&path)?;
        let damaged = |error| no_parquet(&path, error);
        let schema = Schema::from_arrow_schema(reader.schema().map_err(damaged)?.as_ref());
        let height = reader.num_rows().map_err(damaged)?;
        let pairs = reader.get_metadata().map_err(damaged)?.key_value_metadata().clone().unwrap_or_default();
        let metadata =
            pairs.into_iter().filter_map(|pair| Some((pair.key.to_string(), pair.value?.to_string()))).collect();
        Ok(StoredTable { schema: Arc::new(schema), height, metadata, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All columns, in the file's order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The value of a key in the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Reads these columns, in this order; the others are not touched.
    ///
    /// # Errors
    /// If the file changed, vanished or is damaged.
    pub fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        if columns.is_empty() {
            return Ok(DataFrame::empty_with_height(self.height));
        }
        let names = columns.iter().map(|name| (*name).to_owned()).collect();
        let frame = reader(&self.path)?.with_columns(Some(names)).read_parallel(ParallelStrategy::Auto).finish();
        let frame = frame.map_err(|error| no_parquet(&self.path, error))?;
        Ok(frame.select(columns.iter().copied())?)
    }
}

fn reader(path: &Path) -> Result<ParquetReader<File>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    Ok(ParquetReader::new(file))
}

fn no_parquet(path: &Path, error: polars::prelude::PolarsError) -> Error {
    let text = error.to_string();
    Error::new(ErrorKind::Format, format!("cannot be read as Parquet: {text}")).file(path).source(error)
}
