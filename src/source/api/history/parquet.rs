//! Exported histories: the footer of a Parquet file, and the values of single column chunks.

use super::exported::Bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::source::parquet::footer;
use polars_arrow::array::{
    Array, BinaryArray, BinaryViewArray, BooleanArray, ListArray, PrimitiveArray, StructArray, Utf8Array, Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, PhysicalType, TimeUnit};
use polars_arrow::types::PrimitiveType;
use polars_parquet::parquet::read::deserialize_metadata;
use polars_parquet::parquet::statistics::Statistics;
use polars_parquet::read::{BasicDecompressor, FileMetadata, PageReader, column_iter_to_arrays, infer_schema};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Cursor;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes behind the metadata: their length, and `PAR1`.
const END: usize = 8;
/// Bytes of a column chunk, and rows of a row group, beyond which a file must be damaged.
const LARGEST: i64 = 1 << 32;
const ROWS: usize = 1 << 28;
/// Bytes of a page; writers make pages of one MB.
const PAGE: usize = 256 << 20;

/// What stands at the end of a file.
pub(super) struct Footer {
    metadata: FileMetadata,
    schema: ArrowSchema,
    /// The row groups.
    pub groups: Vec<Group>,
}

/// A row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// Rows.
    pub rows: usize,
    /// First and last step, if the file says so.
    pub steps: Option<(i64, i64)>,
}

impl Footer {
    /// Bytes of the footer, as the file's last bytes tell.
    ///
    /// # Errors
    /// If that is no end of a Parquet file.
    pub(super) fn length(tail: &[u8]) -> Result<u64> {
        match tail.last_chunk::<END>() {
            Some([a, b, c, d, b'P', b'A', b'R', b'1']) => {
                Ok(u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + END as u64)
            }
            _ => Err(damaged("it does not end as a Parquet file")),
        }
    }

    /// Reads a footer from the bytes at the end of a file that [`Footer::length`] told; the file's data ends at `end`.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn read(bytes: Vec<u8>, end: u64) -> Result<Footer> {
        footer::check(&bytes).map_err(|what| damaged(&what))?;
        let footer = guarded(|| {
            let metadata = deserialize_metadata(bytes.into())?;
            let schema = infer_schema(&metadata)?;
            let group = |at: usize, rows: usize| Group { rows, steps: steps(&metadata, at) };
            let groups = metadata.row_groups.iter().enumerate().map(|(at, of)| group(at, of.num_rows())).collect();
            Ok(Footer { schema, groups, metadata })
        })?;
        guarded(|| Ok(footer.fault(end)))?.map_or(Ok(footer), |fault| Err(damaged(&fault)))
    }

    /// What cannot be true of the row groups.
    fn fault(&self, end: u64) -> Option<String> {
        let groups = self.metadata.row_groups.iter().enumerate();
        for (at, group) in groups.filter(|(_, group)| group.num_rows() > 0) {
            for chunk in group.parquet_columns() {
                let (range, values) = (chunk.byte_range(), chunk.num_values());
                let most = chunk.uncompressed_size();
                if range.is_empty() || range.end > end || !(0..=LARGEST).contains(&most) {
                    return Some(format!("row group {at} lies beyond the file's data"));
                }
                let flat = chunk.descriptor().descriptor.max_rep_level == 0;
                if group.num_rows() > ROWS || (flat && values != group.num_rows() as i64) {
                    return Some(format!("row group {at} has {} rows, and {values} values of them", group.num_rows()));
                }
            }
        }
        None
    }

    /// The columns' names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(|name| name.as_str())
    }

    /// The first of these columns whose type is not read here.
    pub(super) fn unreadable<'c>(&self, columns: &'c [String]) -> Option<&'c str> {
        let readable = |name: &&String| self.schema.get(name).is_none_or(|field| is_readable(&field.dtype));
        columns.iter().find(|name| !readable(name)).map(String::as_str)
    }

    /// Where the chunks of these columns are, in a row group: the chunk's number and its bytes in the file.
    pub(super) fn ranges(&self, group: usize, columns: &[String]) -> Vec<(usize, Range<u64>)> {
        let Some(of) = self.metadata.row_groups.get(group) else { return Vec::new() };
        let numbers = columns.iter().flat_map(|column| of.columns_idxs_under_root_iter(column).unwrap_or_default());
        let chunk = |at: &usize| Some((*at, of.parquet_columns().get(*at)?.byte_range()));
        numbers.filter_map(chunk).collect()
    }

    /// The values of a column in a row group; `chunks` are those that [`Footer::ranges`] named.
    ///
    /// # Errors
    /// If they are damaged, or of a type that is not read here.
    pub(super) fn column(&self, group: usize, name: &str, chunks: &BTreeMap<usize, Bytes>) -> Result<Column> {
        let of = self.metadata.row_groups.get(group).ok_or_else(|| damaged("no such row group"))?;
        let field = self.schema.get(name).ok_or_else(|| damaged("no such column"))?.clone();
        let dtype = field.dtype.clone();
        let mut parts = Vec::new();
        for at in of.columns_idxs_under_root_iter(name).unwrap_or_default() {
            let chunk = of.parquet_columns().get(*at).zip(chunks.get(at));
            let chunk = chunk.ok_or_else(|| damaged("a column chunk is missing"))?;
            footer::check_pages(chunk.0, chunk.1).map_err(|what| damaged(&format!("column {name}: {what}")))?;
            parts.push(chunk);
        }
        let arrays = guarded(|| {
            let (pages, types) = parts
                .into_iter()
                .map(|(chunk, bytes)| {
                    let pages = PageReader::new(Cursor::new(bytes.to_vec().into()), chunk, Vec::new(), PAGE);
                    (BasicDecompressor::new(pages, Vec::new()), &chunk.descriptor().descriptor.primitive_type)
                })
                .unzip();
            Ok(column_iter_to_arrays(pages, types, field, None)?.0)
        })?;
        let rows: usize = arrays.iter().map(|array| array.len()).sum();
        match rows == of.num_rows() {
            true => Ok(Column { arrays, dtype }),
            false => Err(damaged(&format!("column {name} has {rows} rows, its row group {}", of.num_rows()))),
        }
    }
}

/// The steps that the statistics of a row group tell.
fn steps(metadata: &FileMetadata, group: usize) -> Option<(i64, i64)> {
    let chunk = metadata.row_groups.get(group)?.columns_under_root_iter("_step")?.next()?;
    match chunk.statistics(&metadata.footer_buf)?.ok()? {
        Statistics::Int64(of) if of.null_count == Some(0) => of.min_value.zip(of.max_value),
        Statistics::Double(of) if of.null_count == Some(0) => {
            let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
            whole(of.min_value?).zip(whole(of.max_value?))
        }
        _ => None,
    }
}

/// One column's values in a row group.
pub(super) struct Column {
    arrays: Vec<Box<dyn Array>>,
    dtype: ArrowDataType,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Str(&'a str),
    /// JSON text: what is nested, or stood as JSON in a column of bytes.
    Json(String),
}

impl Cell<'_> {
    /// Appends the value as JSON; floats stay floats.
    pub(super) fn write(&self, out: &mut String) {
        // Writing to a String never fails.
        let _ = match self {
            Cell::Null => out.write_str("null"),
            Cell::Int(value) => write!(out, "{value}"),
            Cell::Float(value) if value.is_nan() => out.write_str("NaN"),
            Cell::Float(value) if value.is_infinite() => {
                out.write_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Cell::Float(value) => write!(out, "{value:?}"),
            Cell::Bool(value) => write!(out, "{value}"),
            Cell::Str(text) => {
                json::quote(text, out);
                Ok(())
            }
            Cell::Json(text) => out.write_str(text),
        };
    }
}

impl Column {
    /// Hands out row and value of every value that is not null.
    pub(super) fn each(&self, mut each: impl FnMut(usize, Cell<'_>)) {
        let per_second = match self.dtype {
            ArrowDataType::Timestamp(TimeUnit::Second, _) => Some(1.0),
            ArrowDataType::Timestamp(TimeUnit::Millisecond, _) => Some(1e3),
            ArrowDataType::Timestamp(TimeUnit::Microsecond, _) => Some(1e6),
            ArrowDataType::Timestamp(TimeUnit::Nanosecond, _) => Some(1e9),
            _ => None,
        };
        let mut before = 0;
        for array in &self.arrays {
            let any = array.as_any();
            // Most columns; what kind of array it is need not be asked for each value.
            if let Some(floats) = any.downcast_ref::<PrimitiveArray<f64>>() {
                let values = floats.iter().enumerate();
                values.for_each(|(row, value)| value.into_iter().for_each(|v| each(before + row, Cell::Float(*v))));
                before += array.len();
                continue;
            }
            for row in (0..array.len()).filter(|row| !array.is_null(*row)) {
                match (cell(&**array, row), per_second) {
                    (Cell::Null, _) => {}
                    // W&B's times are seconds.
                    (Cell::Int(value), Some(units)) => each(before + row, Cell::Float(value as f64 / units)),
                    (value, _) => each(before + row, value),
                }
            }
            before += array.len();
        }
    }

    /// True if values may be nested.
    pub(super) fn may_nest(&self) -> bool {
        use PhysicalType as P;
        matches!(
            self.dtype.to_physical_type(),
            P::Binary | P::LargeBinary | P::BinaryView | P::List | P::LargeList | P::Struct
        )
    }
}

macro_rules! at {
    ($array:expr, $row:expr, $as:ty) => {
        $array.as_any().downcast_ref::<$as>().and_then(|array| array.get($row))
    };
}

macro_rules! number {
    ($array:expr, $row:expr, $as:ty) => {
        $array.as_any().downcast_ref::<PrimitiveArray<$as>>().and_then(|array| array.values().get($row)).copied()
    };
}

/// A value that is not null.
fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    use PrimitiveType as N;
    let found = match array.dtype().to_physical_type() {
        PhysicalType::Boolean => at!(array, row, BooleanArray).map(Cell::Bool),
        PhysicalType::Primitive(N::Int8) => number!(array, row, i8).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::Int16) => number!(array, row, i16).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::UInt8) => number!(array, row, u8).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::UInt16) => number!(array, row, u16).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::Int32) => number!(array, row, i32).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::Int64) => number!(array, row, i64).map(Cell::Int),
        PhysicalType::Primitive(N::UInt32) => number!(array, row, u32).map(|v| Cell::Int(v.into())),
        PhysicalType::Primitive(N::UInt64) => number!(array, row, u64)
            .map(|value| i64::try_from(value).map_or_else(|_| Cell::Json(value.to_string()), Cell::Int)),
        PhysicalType::Primitive(N::Float32) => number!(array, row, f32).map(|v| Cell::Float(v.into())),
        PhysicalType::Primitive(N::Float64) => number!(array, row, f64).map(Cell::Float),
        PhysicalType::Utf8 => at!(array, row, Utf8Array<i32>).map(Cell::Str),
        PhysicalType::LargeUtf8 => at!(array, row, Utf8Array<i64>).map(Cell::Str),
        PhysicalType::Utf8View => at!(array, row, Utf8ViewArray).map(Cell::Str),
        PhysicalType::Binary => at!(array, row, BinaryArray<i32>).map(bytes),
        PhysicalType::LargeBinary => at!(array, row, BinaryArray<i64>).map(bytes),
        PhysicalType::BinaryView => at!(array, row, BinaryViewArray).map(bytes),
        PhysicalType::List | PhysicalType::LargeList | PhysicalType::Struct => {
            let mut text = String::new();
            nested(array, row, &mut text);
            Some(Cell::Json(text))
        }
        _ => None,
    };
    found.unwrap_or(Cell::Null)
}

/// W&B writes JSON into columns of bytes. What is none is text.
fn bytes(bytes: &[u8]) -> Cell<'_> {
    let text = String::from_utf8_lossy(bytes);
    if json::validate(&text).is_ok() {
        return if text == "null" { Cell::Null } else { Cell::Json(text.into_owned()) };
    }
    let mut quoted = String::new();
    json::quote(&text, &mut quoted);
    Cell::Json(quoted)
}

/// Appends a list or a struct as JSON; a struct's members that are null are left out, as they were for most rows not there at all.
fn nested(array: &dyn Array, row: usize, out: &mut String) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    let any = array.as_any();
    let long = || any.downcast_ref::<ListArray<i64>>().map(|array| array.value(row));
    let list = any.downcast_ref::<ListArray<i32>>().map(|array| array.value(row)).or_else(long);
    if let Some(items) = list {
        out.push('[');
        for at in 0..items.len() {
            out.push_str(if at > 0 { "," } else { "" });
            nested(&*items, at, out);
        }
        out.push(']');
    } else if let Some(parts) = any.downcast_ref::<StructArray>() {
        out.push('{');
        let members = parts.fields().iter().zip(parts.values()).filter(|(_, values)| !values.is_null(row));
        for (at, (field, values)) in members.enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            json::quote(&field.name, out);
            out.push(':');
            nested(&**values, row, out);
        }
        out.push('}');
    } else {
        cell(array, row).write(out);
    }
}

fn is_readable(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::Null | T::Boolean | T::Int8 | T::Int16 | T::UInt8 | T::UInt16 => true,
        T::Int32 | T::Int64 | T::UInt32 | T::UInt64 | T::Float32 | T::Float64 => true,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView | T::Timestamp(..) => true,
        T::List(inner) | T::LargeList(inner) => is_readable(&inner.dtype),
        T::Struct(fields) => fields.iter().all(|field| is_readable(&field.dtype)),
        _ => false,
    }
}

fn damaged(text: &str) -> Error {
    Error::new(ErrorKind::Format, format!("an exported history cannot be read as Parquet: {text}"))
}

/// Runs Polars on foreign bytes: what it says, and what it panics over, is an error.
fn guarded<T>(work: impl FnOnce() -> polars::prelude::PolarsResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(damaged(&error.to_string()).source(error)),
        Err(_) => Err(damaged("the file is damaged")),
    }
}
