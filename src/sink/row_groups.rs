//! Parquet row group by row group: columns are made, encoded and compressed one at a time, several side by side, so that no
//! more of the table is in memory than a group's compressed pages.

use super::pack::{LEVEL, Packer, Packers};
use super::spy::Spy;
use crate::error::{Error, Result};
use crate::record::seal::{Sums, TYPES};
use crate::threads::{into_inner, lock};
use polars::prelude::*;
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::IntegerType;
use polars_io::parquet::write::{
    BatchedWriter, KeyValueMetadata, ParquetCompression, ParquetWriter, StatisticsOptions,
};
use polars_parquet::read::schema::{parquet_to_arrow_schema, read_schema_from_metadata};
use polars_parquet::write::{
    CompressedPage, Encoding, ParquetType, Version, WriteOptions, ZstdLevel, array_to_columns, get_dtype_encoding,
    schema_to_metadata_key, to_parquet_schema,
};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Cells of one group: enough to compress well, few enough to skip, to read in parallel and to leave alone in an update.
const CELLS: usize = 1 << 20;
/// Cells of a group that is not worth another thread.
const SMALL: usize = CELLS / 4;
/// Values of one group of a table of which it is known how few of its cells have one.
const VALUES: usize = 8 << 20;
/// Columns of all groups together; a footer that describes more is slow to read.
const CHUNKS: usize = 50_000;
/// Columns above which most are nearly empty in every run, so that a chunk costs more by itself than by its values.
const WIDE: usize = 1_000;
/// Rows of one group, at least and at most.
const ROWS: (usize, usize) = (2_048, 65_536);
/// Bytes of a page before compression: a group's lists are one page, which can be copied without being read.
const PAGE: usize = 8 << 20;

/// What one column of a group is made of.
pub(crate) enum Chunk {
    /// Values to encode.
    Values(Column),
    /// Texts, each in so many rows on end.
    Texts(Vec<(Option<String>, usize)>),
    /// The pages of each of its leaves, encoded already.
    Pages(Vec<Vec<CompressedPage>>),
}

/// A file that is being written.
pub(crate) struct RowGroups<'a, 'b> {
    file: BatchedWriter<&'a mut Sealer<'b>>,
    encoder: Encoder,
}

/// How the columns are encoded.
struct Encoder {
    fields: Vec<ParquetType>,
    encodings: Vec<Vec<Encoding>>,
    options: WriteOptions,
    packers: Packers,
}

/// How many rows a group has, in a table of this size.
pub(crate) fn rows_of_a_group(height: usize, width: usize) -> usize {
    let width = width.max(1);
    let chunks = if width > WIDE { CHUNKS / 4 } else { CHUNKS };
    (CELLS / width).max(height.saturating_mul(width) / chunks).clamp(ROWS.0, ROWS.1)
}

/// A table's rows, cut into groups; `values` is how many there are in all its columns, if that is known.
pub(crate) fn groups(height: usize, width: usize, values: Option<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut rows = rows_of_a_group(height, width);
    if let (true, Some(values)) = (width > WIDE, values) {
        let each = values.div_ceil(height.max(1)).max(1);
        rows = rows.max((VALUES / each).min(ROWS.1));
    }
    (0..height).step_by(rows).map(move |start| start..(start + rows).min(height))
}

/// Writes a file of these columns, with `metadata` in its footer; `each` writes the groups.
///
/// # Errors
/// Those of `each`, or if `out` fails.
pub(crate) fn write(
    out: &mut dyn Write,
    schema: &Schema,
    metadata: &[(String, String)],
    each: impl FnOnce(&mut RowGroups<'_, '_>) -> Result<()>,
) -> Result<()> {
    let mut out = Sealer { out: Spy::new(out), sums: Sums::default(), ending: Arc::default(), end: Vec::new() };
    let ending = out.ending.clone();
    let result = RowGroups::begin(&mut out, schema, metadata).and_then(|mut file| {
        each(&mut file)?;
        ending.store(true, Ordering::Relaxed);
        file.file.finish()?;
        Ok(())
    });
    let Sealer { out: mut spy, sums, end, .. } = out;
    let result = result.and_then(|()| spy.write_all(&sums.sealed(end)).map_err(super::output));
    let result = result.and_then(|()| spy.flush().map_err(super::output));
    spy.cause(result)
}

/// Sums up what is written, and holds back the end, which gets the sums.
struct Sealer<'b> {
    out: Spy<'b>,
    sums: Sums,
    /// True once all groups are written.
    ending: Arc<AtomicBool>,
    end: Vec<u8>,
}

impl Write for Sealer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.ending.load(Ordering::Relaxed) {
            self.end.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes)?;
        self.sums.add(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<'a, 'b> RowGroups<'a, 'b> {
    fn begin(out: &'a mut Sealer<'b>, schema: &Schema, metadata: &[(String, String)]) -> Result<Self> {
        let level = |level| arrow_schema(schema, level);
        // The schema in the footer has plain strings: Polars would say string views, which pyarrow before 16 refuses.
        let told = level(CompatLevel::oldest());
        let arrow = level(CompatLevel::newest());
        let fields = to_parquet_schema(&arrow)?.fields().to_vec();
        let pair = text_of(&told);
        let types = (TYPES.to_owned(), text_of(&unusual(&told, &pair, &fields)?).1);
        let pairs = [pair, types].into_iter().chain(metadata.iter().cloned()).collect();
        let options = WriteOptions {
            statistics: StatisticsOptions::full(),
            version: Version::V1,
            compression: compression().into(),
            data_page_size: Some(PAGE),
        };
        let file = ParquetWriter::new(out)
            .with_compression(compression())
            .with_statistics(options.statistics)
            .with_data_page_size(options.data_page_size)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(pairs)))
            .batched(schema)?;
        let encodings = arrow.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
        Ok(RowGroups { file, encoder: Encoder { fields, encodings, options, packers: Packers::default() } })
    }

    /// Writes a group of so many rows; `make` gives each of its columns, by its place in the schema.
    ///
    /// # Errors
    /// Those of `make`, or if the output fails.
    pub(crate) fn group(&mut self, rows: usize, make: &(dyn Fn(usize) -> Result<Chunk> + Sync)) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let encoder = &self.encoder;
        let (next, columns) = (AtomicUsize::new(0), encoder.fields.len());
        let (done, failed) = (Mutex::new(Vec::with_capacity(columns)), Mutex::new(None));
        let fail = |error: Error| {
            next.store(columns, Ordering::Relaxed);
            lock(&failed).get_or_insert(error);
        };
        let each = |packer: &mut Packer| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= columns {
                    return;
                }
                match make(at).and_then(|chunk| encoder.pages(at, chunk, packer)) {
                    Ok(pages) => lock(&done).push((at, pages)),
                    Err(error) => fail(error),
                }
            }
        };
        let work = || encoder.packers.with(each).unwrap_or_else(|error| fail(super::output(error)));
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(columns);
            let others = if rows.saturating_mul(columns) < SMALL { 0 } else { threads.saturating_sub(1) };
            (0..others).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        if let Some(error) = into_inner(failed) {
            return Err(error);
        }
        let mut done = into_inner(done);
        done.sort_unstable_by_key(|(at, _)| *at);
        let pages: Vec<Vec<CompressedPage>> = done.into_iter().flat_map(|(_, pages)| pages).collect();
        Ok(self.file.write_row_group(rows as u64, &pages)?)
    }
}

impl Encoder {
    /// The pages of each leaf of the column at `at`.
    fn pages(&self, at: usize, chunk: Chunk, packer: &mut Packer) -> Result<Vec<Vec<CompressedPage>>> {
        let (Some(field), Some(encodings)) = (self.fields.get(at), self.encodings.get(at)) else {
            return Ok(Vec::new());
        };
        let array = match chunk {
            Chunk::Pages(pages) => return Ok(pages),
            Chunk::Values(column) => column.as_materialized_series().rechunk().to_arrow(0, CompatLevel::newest()),
            Chunk::Texts(texts) => array_of(&texts)?,
        };
        let leaves = array_to_columns(&array, field.clone(), self.options, encodings)?;
        let packed = leaves.into_iter().map(|pages| pages.map(|page| packer.page(page?)).collect());
        Ok(packed.collect::<PolarsResult<Vec<_>>>()?)
    }
}

/// The texts as an array; as a dictionary, ready to be encoded, where that has much fewer of them than there are rows.
fn array_of(texts: &[(Option<String>, usize)]) -> Result<Box<dyn Array>> {
    let rows: usize = texts.iter().map(|(_, rows)| rows).sum();
    let mut places: PlHashMap<&str, u32> = PlHashMap::new();
    let (mut values, mut keys) = (Vec::new(), Vec::with_capacity(rows));
    for (text, rows) in texts {
        let key = text.as_deref().map_or(0, |text| {
            *places.entry(text).or_insert_with(|| {
                values.push(text);
                values.len() as u32 - 1
            })
        });
        keys.resize(keys.len() + rows, key);
    }
    let each = || texts.iter().flat_map(|(text, rows)| std::iter::repeat_n(text.as_deref(), *rows));
    if values.is_empty() || values.len() > rows / 4 {
        return Ok(Utf8ViewArray::from_slice(each().collect::<Vec<_>>()).boxed());
    }
    let nulls = texts.iter().any(|(text, _)| text.is_none());
    let valid = nulls.then(|| each().map(|text| text.is_some()).collect());
    let keys = PrimitiveArray::try_new(ArrowDataType::UInt32, keys.into(), valid)?;
    let values = Utf8ViewArray::from_slice_values(values);
    let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
    Ok(DictionaryArray::try_new(dtype, keys, values.boxed())?.boxed())
}

fn compression() -> ParquetCompression {
    ParquetCompression::Zstd(ZstdLevel::try_new(LEVEL).ok())
}

/// The Arrow schema as a footer has it, key and value.
fn text_of(schema: &ArrowSchema) -> (String, String) {
    let pair = schema_to_metadata_key(schema);
    (pair.key, pair.value.unwrap_or_default())
}

/// Those columns of `told`, which the footer tells as `pair`, that are not read as what Parquet's `fields` alone say.
fn unusual(told: &ArrowSchema, pair: &(String, String), fields: &[ParquetType]) -> PolarsResult<ArrowSchema> {
    let pair = (pair.0.as_str().into(), pair.1.as_str().into());
    let read = read_schema_from_metadata(&mut [pair].into())?.unwrap_or_default();
    let said = parquet_to_arrow_schema(fields);
    let unusual = told.iter().filter(|(name, _)| read.get(name.as_str()) != said.get(name.as_str()));
    Ok(unusual.map(|(name, field)| (name.clone(), field.clone())).collect())
}

fn arrow_schema(schema: &Schema, level: CompatLevel) -> ArrowSchema {
    schema.iter().map(|(name, dtype)| (name.clone(), dtype.to_arrow_field(name.clone(), level))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars_io::SerReader;
    use polars_io::parquet::read::ParquetReader;

    #[test]
    fn texts_come_back_however_they_are_stored() {
        let text = |text: &str| Some(text.to_owned());
        let some =
            vec![(text("a"), 10), (None, 3), (text(""), 5), (text("a"), 1), (text("long".repeat(9).as_str()), 9)];
        let none = vec![(None, 4), (None, 2)];
        let many = vec![(text("a"), 1), (text("b"), 2), (None, 1), (text("c"), 1)];
        for texts in [some, none, many, Vec::new()] {
            let rows = texts.iter().map(|(_, rows)| rows).sum();
            let schema = Schema::from_iter([Field::new("t".into(), DataType::String)]);
            let mut bytes = Vec::new();
            write(&mut bytes, &schema, &[], |file| file.group(rows, &|_| Ok(Chunk::Texts(texts.clone())))).unwrap();
            let back = ParquetReader::new(io::Cursor::new(bytes)).finish().unwrap();
            assert_eq!(back.column("t").unwrap().dtype(), &DataType::String);
            let back: Vec<Option<String>> =
                back.column("t").unwrap().str().unwrap().iter().map(|t| t.map(str::to_owned)).collect();
            let expected: Vec<Option<String>> =
                texts.iter().flat_map(|(text, rows)| std::iter::repeat_n(text.clone(), *rows)).collect();
            assert_eq!(back, expected);
        }
    }

    #[test]
    fn groups_cover_the_rows() {
        for (height, width) in [(0, 3), (1, 0), (70_000, 1), (10_000, 250), (50_000, 5_000), (9, 1_000_000)] {
            let groups: Vec<Range<usize>> = groups(height, width, None).collect();
            assert_eq!(groups.iter().map(Range::len).sum::<usize>(), height);
            assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(groups.len() * width <= CHUNKS.max(width) * 2, "{height} × {width}");
        }
        let count = |width, values| groups(50_000, width, Some(values)).count();
        assert_eq!(count(5_000, 50_000 * 100), 1, "few values in a wide table");
        assert_eq!(count(5_000, 50_000 * 5_000), groups(50_000, 5_000, None).count(), "a dense one");
        assert_eq!(count(200, 50_000), groups(50_000, 200, None).count(), "a narrow one");
    }
}
