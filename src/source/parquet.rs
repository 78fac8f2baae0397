//! Stored run tables: Parquet files that `runframe` or others wrote.

pub(crate) mod footer;
mod groups;
mod narrow;
mod skip;

use crate::error::{Error, ErrorKind, Result};
use crate::record::seal::{END, Seal};
use groups::{Groups, Pick};
use polars::prelude::{
    ArrowDataType, ArrowField, ArrowSchema, DataFrame, Expr, IdxSize, PolarsError, PolarsResult, Schema, SchemaExt,
    SchemaRef,
};
use polars_io::mmap::ReaderBytes;
use polars_parquet::parquet::read::deserialize_metadata;
use polars_parquet::read::{FileMetadata, infer_schema};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A Parquet file whose footer was read; columns are read when asked for.
///
/// The file stays open: one that is replaced by a rename meanwhile is still read as it was.
#[derive(Clone)]
pub struct StoredTable {
    path: PathBuf,
    file: Arc<File>,
    /// Length and time of the last change, as the footer was read.
    stamp: Metadata,
    footer: Arc<FileMetadata>,
    /// The checksums of a file that we wrote.
    seal: Option<Seal>,
    /// The columns that are read, as they are spelled in the file.
    fields: Arc<ArrowSchema>,
    schema: SchemaRef,
    skipped: Vec<String>,
}

impl StoredTable {
    /// Reads the footer of `path`. Columns of types that Polars does not read here are left out, see [`StoredTable::skipped`].
    ///
    /// # Errors
    /// If the file cannot be opened, is no Parquet file, or announces what it cannot hold.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        let stamp = file.metadata().map_err(|error| Error::io(&path, error))?;
        let wrong = |what: &str| damaged(&path, what);
        let (bytes, start) = tail(&mut file, stamp.len()).map_err(|error| Error::io(&path, error))?.map_err(wrong)?;
        let seal = Seal::of(&bytes, start).map_err(wrong)?;
        footer::check(&bytes).map_err(|what| wrong(&what))?;
        let footer = guarded(&path, || Ok(deserialize_metadata(bytes.into())?))?;
        footer::check_groups(&footer, stamp.len()).map_err(|what| wrong(&what))?;
        guarded(&path, || {
            let arrow = infer_schema(&footer)?;
            let (kept, skipped): (Vec<_>, Vec<_>) = arrow.iter_values().partition(|field| is_readable(&field.dtype));
            let skipped = skipped.iter().map(|f| format!("column {}: type {:?} is not supported", f.name, f.dtype));
            let skipped = skipped.collect();
            let kept: ArrowSchema = kept.into_iter().map(|field| (field.name.clone(), field.clone())).collect();
            let schema = Arc::new(Schema::from_arrow_schema(&kept));
            let (file, footer, fields) = (Arc::new(file), Arc::new(footer), Arc::new(kept));
            Ok(StoredTable { path: path.clone(), file, stamp, footer, seal, fields, schema, skipped })
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
        self.footer.num_rows
    }

    /// The value of a key in the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let pairs = self.footer.key_value_metadata().as_ref()?;
        let pair = pairs.iter().rfind(|pair| pair.key == key && pair.value.is_some())?;
        pair.value.as_deref()
    }

    /// The same table, where columns that are lists of structs have only these fields; the bytes of the others are not read.
    ///
    /// A column that has none of the fields stays as it is.
    pub fn with_fields(&self, names: &[&str]) -> Self {
        let narrowed = |field: &ArrowField| {
            let group = self.footer.row_groups.first();
            let leaves = group.and_then(|group| group.columns_under_root_iter(&field.name));
            let deep =
                leaves.is_some_and(|mut all| all.all(|leaf| leaf.descriptor().path_in_schema.len() > narrow::DEPTH));
            if deep { narrow::to(field, names) } else { field.clone() }
        };
        let fields = self.fields.iter_values().map(|field| (field.name.clone(), narrowed(field)));
        let fields: ArrowSchema = fields.collect();
        let schema = Arc::new(Schema::from_arrow_schema(&fields));
        StoredTable { fields: Arc::new(fields), schema, ..self.clone() }
    }

    /// Reads these columns, in this order; the others are not touched.
    ///
    /// # Errors
    /// If the file changed, or is damaged.
    pub fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.read_picked(columns, &vec![Pick::All; self.footer.row_groups.len()])
    }

    /// Reads these columns of the first `rows` rows.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_first(&self, columns: &[&str], rows: usize) -> Result<DataFrame> {
        self.read_picked(columns, &groups::first(&self.footer, rows))
    }

    /// Reads these columns of the rows from one to another; only the groups that have some are read.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        self.read_picked(columns, &groups::between(&self.footer, &rows))
    }

    /// Reads these columns of these rows, in the order of `rows`.
    ///
    /// # Errors
    /// As [`StoredTable::read`], and if there is no such row.
    pub fn read_rows(&self, columns: &[&str], rows: &[IdxSize]) -> Result<DataFrame> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= self.height()) {
            return Err(Error::new(ErrorKind::Usage, format!("there is no row {row}")).file(&self.path));
        }
        let table = self.read_picked(columns, &groups::these(&self.footer, rows))?;
        Ok(groups::ordered(&table, rows)?)
    }

    /// Reads these columns of the rows for which `predicate`, an expression that looks at each row alone, is true.
    ///
    /// Groups of rows are passed over where their statistics prove that no row can match; of the others only the columns that
    /// the predicate names are read first, and the rest only where a row matched.
    ///
    /// # Errors
    /// As [`StoredTable::read`], and if the predicate fails.
    pub fn read_where(&self, columns: &[&str], predicate: &Expr) -> Result<DataFrame> {
        // Two layers: what is wrong with the file, and what is wrong with the predicate.
        let picks = self.with_bytes(|bytes| groups::matching(&self.all_groups(bytes), predicate))?;
        self.read_picked(columns, &picks?)
    }

    /// How many rows each group has.
    pub fn groups(&self) -> impl Iterator<Item = usize> {
        self.footer.row_groups.iter().map(|group| group.num_rows())
    }

    /// Reads these columns of one group of rows.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_group(&self, columns: &[&str], group: usize) -> Result<DataFrame> {
        let pick = |at: usize| if at == group { Pick::All } else { Pick::None };
        self.read_picked(columns, &(0..self.footer.row_groups.len()).map(pick).collect::<Vec<_>>())
    }

    /// The least and the greatest value of a column of integers in a group, if the file tells them and that there are no nulls.
    pub fn range_in_group(&self, column: &str, group: usize) -> Option<(i64, i64)> {
        skip::range(self.footer.row_groups.get(group)?, column, &self.footer.footer_buf)
    }

    fn read_picked(&self, columns: &[&str], picks: &[Pick]) -> Result<DataFrame> {
        self.with_bytes(|bytes| self.all_groups(bytes).read(columns, picks))
    }

    fn all_groups<'a>(&'a self, bytes: &'a ReaderBytes<'a>) -> Groups<'a> {
        Groups { footer: &self.footer, fields: &self.fields, seal: self.seal.as_ref(), bytes }
    }

    /// Checks all of the file before its footer, if it is one that we wrote.
    ///
    /// # Errors
    /// If it is damaged, or cannot be read.
    #[cfg(feature = "api")]
    pub fn check_all(&self) -> Result<()> {
        let Some(seal) = &self.seal else { return Ok(()) };
        self.with_bytes(|bytes| groups::sound(Some(seal), bytes, 0..seal.end()))
    }

    /// Maps the file into memory; only what is then looked at is read.
    fn with_bytes<T>(&self, work: impl FnOnce(&ReaderBytes<'_>) -> PolarsResult<T>) -> Result<T> {
        let mut file = self.file.try_clone().map_err(|error| Error::io(&self.path, error))?;
        let now = file.metadata().map_err(|error| Error::io(&self.path, error))?;
        if now.len() != self.stamp.len() || now.modified().ok() != self.stamp.modified().ok() {
            let error = Error::new(ErrorKind::Format, "somebody wrote to the file while it was read");
            return Err(error.file(&self.path).hint("try again"));
        }
        guarded(&self.path, || work(&ReaderBytes::from(&mut file)))
    }
}

impl std::fmt::Debug for StoredTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredTable {{ {:?}: {} rows × {} columns }}", self.path, self.height(), self.schema.len())
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

/// The footer of a file of this length, without what tells its own length, and where it begins.
fn tail(file: &mut File, length: u64) -> io::Result<std::result::Result<(Vec<u8>, u64), &'static str>> {
    let mut end = [0; END];
    if length < END as u64 + 4 {
        return Ok(Err("it is too short"));
    }
    file.seek(SeekFrom::End(-(END as i64)))?;
    file.read_exact(&mut end)?;
    let [a, b, c, d, b'P', b'A', b'R', b'1'] = end else { return Ok(Err("it does not end as a Parquet file")) };
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = length.checked_sub(size + END as u64) else {
        return Ok(Err("its footer is said to be longer than the file"));
    };
    if size > footer::FOOTER {
        return Ok(Err("its footer is longer than 512 MiB, which is the limit"));
    }
    let mut footer = vec![0; size as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut footer)?;
    Ok(Ok((footer, start)))
}

fn damaged(path: &Path, text: &str) -> Error {
    Error::new(ErrorKind::Format, format!("cannot be read as Parquet: {text}")).file(path)
}

/// Runs Polars on foreign bytes: what it says, and what it panics over, is an error that names the file.
fn guarded<T>(path: &Path, work: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let damaged = |text: &str| damaged(path, text);
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(PolarsError::IO { error, .. })) if error.raw_os_error().is_some() => {
            Err(Error::io(path, io::Error::from_raw_os_error(error.raw_os_error().unwrap_or_default())))
        }
        Ok(Err(error)) => Err(damaged(&error.to_string()).source(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown fault");
            // Where the file cannot be mapped, Polars panics; that is no fault of the file.
            Err(match text.contains("kind: OutOfMemory") {
                true => Error::io(path, io::ErrorKind::OutOfMemory.into()),
                false => damaged(&format!("the file is damaged ({text})")),
            })
        }
    }
}
