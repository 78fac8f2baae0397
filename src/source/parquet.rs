//! Stored run tables: Parquet files that `runframe` or others wrote.

use crate::error::{Error, ErrorKind, Result};
use polars::prelude::{ArrowDataType, ArrowSchema, DataFrame, Schema, SchemaExt, SchemaRef};
use polars_io::SerReader;
use polars_io::prelude::{ParallelStrategy, ParquetReader};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A Parquet file whose footer was read; columns are read when asked for.
#[derive(Debug, Clone)]
pub struct StoredTable {
    path: PathBuf,
    schema: SchemaRef,
    skipped: Vec<String>,
    height: usize,
    metadata: Vec<(String, String)>,
}

impl StoredTable {
    /// Reads the footer of `path`. Columns of types that Polars does not read here are left out, see [`StoredTable::skipped`].
    ///
    /// # Errors
    /// If the file cannot be opened or is no Parquet file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut reader = reader(&path)?;
        guarded(&path, || {
            let arrow = reader.schema()?;
            let (kept, skipped): (Vec<_>, Vec<_>) = arrow.iter_values().partition(|field| is_readable(&field.dtype));
            let skipped = skipped.iter().map(|f| format!("column {}: type {:?} is not supported", f.name, f.dtype));
            let skipped = skipped.collect();
            let kept: ArrowSchema = kept.into_iter().map(|field| (field.name.clone(), field.clone())).collect();
            let pairs = reader.get_metadata()?.key_value_metadata().clone().unwrap_or_default();
            let metadata = pairs.into_iter().filter_map(|pair| Some((pair.key.to_string(), pair.value?.to_string())));
            let metadata = metadata.collect();
            let height = reader.num_rows()?;
            let schema = Arc::new(Schema::from_arrow_schema(&kept));
            Ok(StoredTable { path: path.clone(), schema, skipped, height, metadata })
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All columns that can be read, in the file's order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What is told of each column whose type cannot be read.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
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
        let reader = reader(&self.path)?.with_columns(Some(names)).read_parallel(ParallelStrategy::Auto);
        guarded(&self.path, || reader.finish()?.select(columns.iter().copied()))
    }
}

/// True for types that the features of Polars which we build can hold; it panics on others.
fn is_readable(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::Null | T::Boolean | T::Int32 | T::Int64 | T::UInt32 | T::UInt64 | T::Float32 | T::Float64 => true,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView => true,
        T::Date32 | T::Date64 | T::Timestamp(..) | T::Duration(_) => true,
        T::List(inner) | T::LargeList(inner) => is_readable(&inner.dtype),
        T::Struct(fields) => fields.iter().all(|field| is_readable(&field.dtype)),
        _ => false,
    }
}

/// Runs Polars on foreign bytes: what it says, and what it panics over, is an error that names the file.
fn guarded<T>(path: &Path, work: impl FnOnce() -> polars::prelude::PolarsResult<T>) -> Result<T> {
    let damaged = |text: &str| Error::new(ErrorKind::Format, format!("cannot be read as Parquet: {text}")).file(path);
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(damaged(&error.to_string()).source(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown fault");
            Err(damaged(&format!("the file is damaged ({text})")))
        }
    }
}

fn reader(path: &Path) -> Result<ParquetReader<File>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    Ok(ParquetReader::new(file))
}
