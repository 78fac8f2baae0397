//! Polars series from the run table's columns.

use crate::columns::{ArtifactLists, Dense, Fixed, Kind, LeafType, OptionalTexts, Type};
use crate::error::Result;
use crate::flatten::List;
use polars::prelude::*;
use polars_arrow::array::ListArray;
use polars_arrow::bitmap::Bitmap;
use polars_arrow::offset::OffsetsBuffer;
use std::ops::Range;

/// `Datetime[μs, UTC]`.
pub(crate) fn utc() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// The Polars type of a fixed column.
pub(super) fn field_type(dtype: Type) -> DataType {
    match dtype {
        Type::String => DataType::String,
        Type::Int64 => DataType::Int64,
        Type::Float64 => DataType::Float64,
        Type::Timestamp => utc(),
        Type::ListString => DataType::List(Box::new(DataType::String)),
        Type::ListArtifact => DataType::List(Box::new(DataType::Struct(artifact_fields()))),
    }
}

/// The fields of an artifact version.
pub(super) fn artifact_fields() -> Vec<Field> {
    let field = |name: &str, dtype| Field::new(name.into(), dtype);
    vec![
        field("name", DataType::String),
        field("type", DataType::String),
        field("version", DataType::Int64),
        field("aliases", DataType::List(Box::new(DataType::String))),
        field("size", DataType::Int64),
        field("digest", DataType::String),
        field("state", DataType::String),
        field("created_at", utc()),
        field("id", DataType::String),
    ]
}

/// The Polars type of a flattened column.
pub(crate) fn leaf_type(dtype: LeafType) -> DataType {
    let list = |inner| DataType::List(Box::new(inner));
    match dtype {
        LeafType::Int64 => DataType::Int64,
        LeafType::Float64 => DataType::Float64,
        LeafType::String => DataType::String,
        LeafType::Boolean => DataType::Boolean,
        LeafType::ListInt64 => list(DataType::Int64),
        LeafType::ListFloat64 => list(DataType::Float64),
        LeafType::ListString => list(DataType::String),
        LeafType::ListBoolean => list(DataType::Boolean),
    }
}

/// The type of a flattened column that is this Polars type; `None` if no flattened column is.
pub(super) fn leaf_type_of(dtype: &DataType) -> Option<LeafType> {
    let all = [
        LeafType::Int64,
        LeafType::Float64,
        LeafType::String,
        LeafType::Boolean,
        LeafType::ListInt64,
        LeafType::ListFloat64,
        LeafType::ListString,
        LeafType::ListBoolean,
    ];
    all.into_iter().find(|leaf| leaf_type(*leaf) == *dtype)
}

/// The kind of a column of this type; JSON text cannot be told from strings.
pub(crate) fn kind_of(dtype: &DataType) -> Kind {
    match dtype {
        DataType::Boolean => Kind::Bool,
        DataType::List(_) => Kind::List,
        dtype if dtype.is_primitive_numeric() => Kind::Number,
        _ => Kind::String,
    }
}

/// A string column.
pub(crate) fn texts<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Series {
    StringChunked::from_iter_options(name.into(), values).into_series()
}

/// Some rows of a fixed column; `schema` tells times from integers.
pub(super) fn fixed(name: &str, values: &Fixed, rows: &Range<usize>, schema: &Schema) -> Result<Series> {
    Ok(match values {
        Fixed::Strs(values) => texts(name, values.part(rows.clone())),
        Fixed::Floats(values) => {
            Float64Chunked::from_iter_options(name.into(), slice(values, rows).iter().copied()).into_series()
        }
        Fixed::Ints(values) => {
            let ints = Int64Chunked::from_iter_options(name.into(), slice(values, rows).iter().copied());
            match schema.get(name) {
                Some(DataType::Datetime(..)) => {
                    ints.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series()
                }
                _ => ints.into_series(),
            }
        }
        Fixed::Lists(values) => {
            let values = slice(values, rows);
            let inner = values.iter().flatten().flat_map(|list| list.iter());
            lists(
                name,
                values.iter().map(|v| v.as_ref().map(|l| l.len())),
                &texts("", inner.map(|t| Some(t.as_str()))),
            )?
        }
        Fixed::Artifacts(values) => lists(name, values.lengths(rows), &artifacts(values, &values.within(rows))?)?,
    })
}

fn slice<'a, T>(values: &'a [T], rows: &Range<usize>) -> &'a [T] {
    values.get(rows.clone()).unwrap_or_default()
}

/// Some artifact versions as a struct column.
fn artifacts(all: &ArtifactLists, rows: &Range<usize>) -> Result<Series> {
    let text = |name: &str, values: &OptionalTexts| texts(name, values.part(rows.clone()));
    let ints = |name: &str, values: &[Option<i64>]| {
        Int64Chunked::from_iter_options(name.into(), slice(values, rows).iter().copied())
    };
    let aliases = texts("", all.aliases.part(all.aliases_within(rows)));
    let created = ints("created_at", &all.created);
    let fields = [
        text("name", &all.names),
        text("type", &all.kinds),
        ints("version", &all.versions).into_series(),
        lists("aliases", all.alias_lengths(rows).map(Some), &aliases)?,
        ints("size", &all.sizes).into_series(),
        text("digest", &all.digests),
        text("state", &all.states),
        created.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series(),
        text("id", &all.ids),
    ];
    Ok(StructChunked::from_series("".into(), rows.len(), fields.iter())?.into_series())
}

/// A flattened column.
pub(crate) fn leaf(name: &str, values: &Dense<'_>, dtype: LeafType) -> Result<Series> {
    Ok(match values {
        Dense::Ints(values) => Int64Chunked::from_iter_options(name.into(), values.iter().copied()).into_series(),
        Dense::Floats(values) => Float64Chunked::from_iter_options(name.into(), values.iter().copied()).into_series(),
        Dense::Bools(values) => BooleanChunked::from_iter_options(name.into(), values.iter().copied()).into_series(),
        Dense::Texts(values) => texts(name, values.iter().map(Option::as_deref)),
        Dense::Lists(values) => {
            let lengths = values.iter().map(|list| list.map(List::len));
            lists(name, lengths, &elements(values, dtype))?
        }
    })
}

/// The elements of all lists, end to end, as the list column's element type.
fn elements(values: &[Option<&List>], dtype: LeafType) -> Series {
    let all = values.iter().flatten();
    match dtype {
        LeafType::ListInt64 => {
            let ints = all.flat_map(|list| match list {
                List::Ints(values) => values.clone(),
                other => vec![None; other.len()],
            });
            Int64Chunked::from_iter_options("".into(), ints).into_series()
        }
        LeafType::ListFloat64 => {
            let floats = all.flat_map(|list| match list {
                List::Floats(values) => values.clone(),
                List::Ints(values) => values.iter().map(|v| v.map(|v| v as f64)).collect(),
                other => other.spelled_numbers().unwrap_or_else(|| vec![None; other.len()]),
            });
            Float64Chunked::from_iter_options("".into(), floats).into_series()
        }
        LeafType::ListBoolean => {
            let bools = all.flat_map(|list| match list {
                List::Bools(values) => values.clone(),
                other => vec![None; other.len()],
            });
            BooleanChunked::from_iter_options("".into(), bools).into_series()
        }
        _ => {
            let strs: Vec<Option<&str>> = all
                .flat_map(|list| match list {
                    List::Strs(values) => values.iter().map(Option::as_deref).collect(),
                    other => vec![None; other.len()],
                })
                .collect();
            texts("", strs.into_iter())
        }
    }
}

/// A list column: the length of each row's list, and the elements of all lists end to end.
fn lists(name: &str, lengths: impl Iterator<Item = Option<usize>>, elements: &Series) -> Result<Series> {
    let (mut offsets, mut valid, mut end) = (vec![0i64], Vec::new(), 0i64);
    for length in lengths {
        end += length.unwrap_or(0) as i64;
        offsets.push(end);
        valid.push(length.is_some());
    }
    let elements = elements.rechunk().to_arrow(0, CompatLevel::newest());
    let dtype = ListArray::<i64>::default_datatype(elements.dtype().clone());
    let validity = (!valid.iter().all(|v| *v)).then(|| Bitmap::from(valid));
    let array = ListArray::try_new(dtype, OffsetsBuffer::try_from(offsets)?, elements, validity)?;
    Ok(Series::try_from((PlSmallStr::from(name), Box::new(array) as ArrayRef))?)
}
