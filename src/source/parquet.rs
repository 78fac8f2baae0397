//! Stored run tables: Parquet files that `runframe` or others wrote.

mod fields;
pub(crate) mod footer;
mod groups;
mod narrow;
mod outline;
mod skip;
mod thrift;

use crate::error::{Error, ErrorKind, Result};
use crate::record::seal::{END, Seal};
use fields::Fields;
use groups::{Groups, Pick};
use outline::Outline;
use polars::prelude::{ArrowField, DataFrame, Expr, IdxSize, PolarsError, PolarsResult, SchemaRef};
use polars_io::mmap::ReaderBytes;
use polars_parquet::parquet::read::deserialize_metadata;
use polars_parquet::read::FileMetadata;
use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A Parquet file whose footer was read; columns are read when asked for.
///
/// The file stays open: one that is replaced by a rename meanwhile is still read as it was.
#[derive(Clone)]
pub struct StoredTable {
    path: PathBuf,
    file: Arc<File>,
    /// Length and time of the last change, as the footer was read.
    stamp: Metadata,
    /// The bytes of the footer, and where its parts lie in them.
    footer: Arc<Vec<u8>>,
    outline: Arc<Outline>,
    /// All of the footer, decoded when most of it is needed.
    whole: Arc<OnceLock<Arc<FileMetadata>>>,
    /// Rows of each group.
    heights: Arc<[usize]>,
    /// The checksums of a file that we wrote.
    seal: Option<Seal>,
    fields: Arc<Fields>,
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
        let outline = Outline::of(&bytes).and_then(|outline| outline.agree().map(|()| outline));
        let outline = outline.map_err(|what| wrong(&what))?;
        let (rows, most) = (outline.rows.unsigned_abs(), footer::most(stamp.len()));
        if rows > most {
            return Err(wrong(&format!("it announces {rows} rows; the limit is {most} in {} bytes", stamp.len())));
        }
        let fields = guarded(&path, || Fields::of(&outline, &bytes, seal.is_some()))?;
        let heights = outline.groups.iter().map(|group| group.rows.unsigned_abs() as usize).collect();
        let (file, footer, outline, fields) = (Arc::new(file), Arc::new(bytes), Arc::new(outline), Arc::new(fields));
        Ok(StoredTable { path, file, stamp, footer, outline, whole: Arc::default(), heights, seal, fields })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All columns that can be read, in the file's order.
    pub fn schema(&self) -> &SchemaRef {
        &self.fields.schema
    }

    /// What is told of each column whose type cannot be read.
    pub fn skipped(&self) -> &[String] {
        &self.fields.skipped
    }

    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.heights.iter().sum()
    }

    /// The value of a key in the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.outline.value(&self.footer, key)
    }

    /// The same table, where columns that are lists of structs have only these fields; the bytes of the others are not read.
    ///
    /// A column that has none of the fields stays as it is.
    pub fn with_fields(&self, names: &[&str]) -> Self {
        let narrowed = |field: &ArrowField, place: usize| {
            let narrow = narrow::to(field, names)?;
            let part = self.part(&[place], &[]).ok()?;
            let deep = part.schema().columns().iter().all(|leaf| leaf.path_in_schema.len() > narrow::DEPTH);
            deep.then_some(narrow)
        };
        StoredTable { fields: Arc::new(self.fields.changed(narrowed)), ..self.clone() }
    }

    /// Reads these columns, in this order; the others are not touched.
    ///
    /// # Errors
    /// If the file changed, or is damaged.
    pub fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.read_picked(columns, &vec![Pick::All; self.heights.len()])
    }

    /// Reads these columns of the first `rows` rows.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_first(&self, columns: &[&str], rows: usize) -> Result<DataFrame> {
        self.read_picked(columns, &groups::first(&self.heights, rows))
    }

    /// Reads these columns of the rows from one to another; only the groups that have some are read.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        self.read_picked(columns, &groups::between(&self.heights, &rows))
    }

    /// Reads these columns of these rows, in the order of `rows`.
    ///
    /// # Errors
    /// As [`StoredTable::read`], and if there is no such row.
    pub fn read_rows(&self, columns: &[&str], rows: &[IdxSize]) -> Result<DataFrame> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= self.height()) {
            return Err(Error::new(ErrorKind::Usage, format!("there is no row {row}")).file(&self.path));
        }
        let table = self.read_picked(columns, &groups::these(&self.heights, rows))?;
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
        let named = groups::named(predicate);
        let named: Vec<&str> = named.into_iter().filter(|name| self.schema().contains(name)).collect();
        let all = vec![Pick::All; self.heights.len()];
        let picks = self.with_groups(&named, &all, |groups, _| groups::matching(groups, predicate))?;
        self.read_picked(columns, &picks?)
    }

    /// How many rows each group has.
    pub fn groups(&self) -> impl Iterator<Item = usize> {
        self.heights.iter().copied()
    }

    /// Reads these columns of one group of rows.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn read_group(&self, columns: &[&str], group: usize) -> Result<DataFrame> {
        let pick = |at: usize| if at == group { Pick::All } else { Pick::None };
        self.read_picked(columns, &(0..self.heights.len()).map(pick).collect::<Vec<_>>())
    }

    /// The least and the greatest value of a column of integers in a group, if the file tells them and that there are no nulls.
    pub fn range_in_group(&self, column: &str, group: usize) -> Option<(i64, i64)> {
        let (_, place) = self.fields.get(column).ok()?;
        let part = self.part(&[place], &[group]).ok()?;
        skip::range(part.row_groups.first()?, column, &part.footer_buf)
    }

    fn read_picked(&self, columns: &[&str], picks: &[Pick]) -> Result<DataFrame> {
        self.with_groups(columns, picks, |groups, picks| groups.read(picks))
    }

    /// Gives `work` these columns of the groups of which rows are picked, and those picks.
    fn with_groups<T>(
        &self,
        columns: &[&str],
        picks: &[Pick],
        work: impl FnOnce(&Groups<'_>, &[Pick]) -> PolarsResult<T>,
    ) -> Result<T> {
        let (fields, places) = guarded(&self.path, || self.fields.all(columns))?;
        let (footer, picks) = if places.len() * 2 > self.outline.columns.len() {
            (self.whole()?, Cow::Borrowed(picks))
        } else {
            let picked = picks.iter().enumerate().filter(|(_, pick)| !matches!(pick, Pick::None));
            let (groups, picks): (Vec<usize>, Vec<Pick>) = picked.map(|(at, pick)| (at, pick.clone())).unzip();
            (Arc::new(self.part(&places, &groups)?), Cow::Owned(picks))
        };
        let (footer, fields, seal) = (&footer, &fields, self.seal.as_ref());
        self.with_bytes(|bytes| work(&Groups { footer, fields, seal, bytes }, &picks))
    }

    /// The footer of these columns and groups.
    fn part(&self, places: &[usize], groups: &[usize]) -> Result<FileMetadata> {
        self.decoded(self.outline.part(&self.footer, places, groups, &[]))
    }

    /// The footer of all columns and groups.
    fn whole(&self) -> Result<Arc<FileMetadata>> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole.clone());
        }
        let whole = Arc::new(self.decoded(self.footer.to_vec())?);
        Ok(self.whole.get_or_init(|| whole).clone())
    }

    fn decoded(&self, footer: Vec<u8>) -> Result<FileMetadata> {
        let footer = guarded(&self.path, || Ok(deserialize_metadata(footer.into())?))?;
        let checked = footer::check_groups(&footer, footer::most(self.stamp.len()));
        checked.map(|()| footer).map_err(|what| damaged(&self.path, &what))
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
        write!(f, "StoredTable {{ {:?}: {} rows × {} columns }}", self.path, self.height(), self.schema().len())
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
