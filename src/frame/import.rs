//! A stored run table back into sparse columns, so that it can be joined with runs from other sources.

use super::series::{kind_of, leaf_type_of};
use crate::columns::{ArtifactLists, Columns, FIELDS, Fixed, Kind, LeafType, OptionalTexts, Type};
use crate::error::{Error, ErrorKind, Result};
use crate::flatten::{Leaf, List, reread};
use crate::json::NonFinite;
use crate::record::{ArtifactVersion, Timestamp, Wanted};
use polars::prelude::*;

/// The columns of a run table held in `frame`; `json_columns` names the plain columns that hold JSON text.
///
/// # Errors
/// If a fixed column has another type than [`FIELDS`] says, or any other column a type that no JSON value has.
pub fn import(frame: &DataFrame, json_columns: &[String]) -> Result<Columns> {
    let has = |name: &str| frame.schema().contains(name);
    let raw = has("config_json") || has("summary_json");
    let artifacts = has("logged_artifacts") || has("used_artifacts");
    let mut columns = Columns::new(Wanted { raw, artifacts, ..Wanted::default() });
    let height = frame.height();
    let fixed = FIELDS.iter().map(|field| fixed(frame, field.name, field.dtype)).collect::<Result<Vec<_>>>()?;
    let raw = [raw_texts(frame, "config_json")?, raw_texts(frame, "summary_json")?];
    columns.push_rows(height, fixed, raw);
    for column in frame.columns() {
        let name = column.name().as_str();
        if FIELDS.iter().any(|field| field.name == name) || matches!(name, "config_json" | "summary_json") {
            continue;
        }
        let (path, kind) = Kind::split(name);
        let json = kind == Some(Kind::Json) || json_columns.iter().any(|json| json == name);
        let suffix = |kind: &Kind| has(&format!("{path}:{kind}"));
        declare(&mut columns, path, column, kind, json, Kind::ALL.iter().any(suffix));
        leaves(&mut columns, path, column, json)?;
    }
    Ok(columns)
}

fn raw_texts(frame: &DataFrame, name: &str) -> Result<OptionalTexts> {
    let mut texts = OptionalTexts::default();
    if let Ok(column) = frame.column(name) {
        column.str()?.iter().for_each(|text| texts.push(text));
    }
    Ok(texts)
}

fn fixed(frame: &DataFrame, name: &str, dtype: Type) -> Result<Fixed> {
    let column = match frame.column(name) {
        Ok(column) if column.dtype() != &DataType::Null => column,
        // Other writers give a column of nulls no type.
        _ => {
            let mut nulls = Fixed::new(dtype);
            (0..frame.height()).for_each(|_| nulls.push(crate::columns::Cell::Null));
            return Ok(nulls);
        }
    };
    let wrong = |error: PolarsError| {
        let found = format!("it is {}, not {}", column.dtype(), dtype.name());
        Error::new(ErrorKind::Format, found).column(name).hint("is this a run table?").source(error)
    };
    Ok(match dtype {
        Type::String => {
            let mut texts = OptionalTexts::default();
            column.str().map_err(wrong)?.iter().for_each(|text| texts.push(text));
            Fixed::Strs(texts)
        }
        Type::Int64 => {
            Fixed::Ints(exact(column, &DataType::Int64).map_err(wrong)?.i64().map_err(wrong)?.iter().collect())
        }
        Type::Float64 => {
            Fixed::Floats(exact(column, &DataType::Float64).map_err(wrong)?.f64().map_err(wrong)?.iter().collect())
        }
        Type::Timestamp => {
            let time = column.datetime().map_err(wrong)?.cast_time_unit(TimeUnit::Microseconds);
            Fixed::Ints(time.physical().iter().collect())
        }
        Type::ListString => Fixed::Lists(each_list(column, wrong, |inner| match inner.dtype() {
            DataType::Null => Ok(Box::default()),
            _ => Ok(inner.str()?.iter().map(|text| text.unwrap_or_default().to_owned()).collect()),
        })?),
        Type::ListArtifact => {
            let mut lists = ArtifactLists::default();
            each_list(column, wrong, artifacts)?.iter().for_each(|list| lists.push(list.as_deref()));
            Fixed::Artifacts(Box::new(lists))
        }
    })
}

/// The column as another numeric type, if every value stays what it is; other writers widen and narrow.
fn exact(column: &Column, to: &DataType) -> PolarsResult<Column> {
    if !column.dtype().is_primitive_numeric() || column.dtype() == to {
        return Ok(column.clone());
    }
    let cast = column.strict_cast(to)?;
    let back = cast.strict_cast(column.dtype())?;
    polars_ensure!(back.equals_missing(column), ComputeError: "values would change");
    Ok(cast)
}

/// Every row of a list column through `each`.
fn each_list<T>(
    column: &Column,
    wrong: impl Fn(PolarsError) -> Error,
    each: impl Fn(&Series) -> PolarsResult<T>,
) -> Result<Vec<Option<T>>> {
    let lists = column.list().map_err(&wrong)?;
    (0..lists.len()).map(|row| lists.get_as_series(row).as_ref().map(&each).transpose().map_err(&wrong)).collect()
}

/// One list of artifact versions. A field that is missing, or that another writer gave no type, is null.
fn artifacts(list: &Series) -> PolarsResult<Box<[ArtifactVersion]>> {
    if list.dtype() == &DataType::Null {
        return Ok(Box::default());
    }
    let fields = list.struct_()?.fields_as_series();
    let field = |name: &str| fields.iter().find(|field| field.name() == name && field.dtype() != &DataType::Null);
    let texts = |name: &str| -> PolarsResult<Vec<Option<String>>> {
        let Some(field) = field(name) else { return Ok(vec![None; list.len()]) };
        Ok(field.str()?.iter().map(|text| text.map(str::to_owned)).collect())
    };
    let ints = |name: &str| -> PolarsResult<Vec<Option<i64>>> {
        let Some(field) = field(name) else { return Ok(vec![None; list.len()]) };
        let numbers = match field.dtype() {
            DataType::Datetime(..) => {
                field.datetime()?.cast_time_unit(TimeUnit::Microseconds).physical().clone().into_series()
            }
            _ => exact(&field.clone().into(), &DataType::Int64)?.take_materialized_series(),
        };
        Ok(numbers.i64()?.iter().collect())
    };
    let (names, kinds, digests) = (texts("name")?, texts("type")?, texts("digest")?);
    let (states, ids) = (texts("state")?, texts("id")?);
    let (versions, sizes, created) = (ints("version")?, ints("size")?, ints("created_at")?);
    let mut all = vec![ArtifactVersion::default(); list.len()];
    let text_rows = names.into_iter().zip(kinds).zip(digests).zip(states).zip(ids);
    let int_rows = versions.into_iter().zip(sizes).zip(created);
    for ((artifact, ((((name, kind), digest), state), id)), ((version, size), created)) in
        all.iter_mut().zip(text_rows).zip(int_rows)
    {
        artifact.name = name.unwrap_or_default();
        (artifact.kind, artifact.digest, artifact.state, artifact.id) = (kind, digest, state, id);
        (artifact.version, artifact.size, artifact.created_at) = (version, size, created.map(Timestamp::from_micros));
    }
    if let Some(aliases) = field("aliases") {
        let lists = aliases.list()?;
        for (row, artifact) in all.iter_mut().enumerate() {
            let list = lists.get_as_series(row).filter(|list| list.dtype() != &DataType::Null);
            if let Some(list) = list {
                artifact.aliases = list.str()?.iter().flatten().map(str::to_owned).collect();
            }
        }
    }
    Ok(all.into())
}

/// The values of one flattened column.
fn leaves(columns: &mut Columns, path: &str, column: &Column, json: bool) -> Result<()> {
    fn push<'a, T>(
        columns: &mut Columns,
        path: &str,
        values: impl Iterator<Item = Option<T>>,
        each: impl Fn(T) -> Leaf<'a>,
    ) {
        for (row, value) in values.enumerate() {
            if let Some(value) = value {
                columns.push_value(row as u32, path, each(value));
            }
        }
    }
    let is_config = path.starts_with("config.");
    match column.dtype() {
        DataType::Int64 => push(columns, path, column.i64()?.iter(), Leaf::Int),
        DataType::Float64 => push(columns, path, column.f64()?.iter(), Leaf::Float),
        DataType::Boolean => push(columns, path, column.bool()?.iter(), Leaf::Bool),
        DataType::String if json => push(columns, path, column.str()?.iter(), reread),
        DataType::String => push(columns, path, column.str()?.iter(), |text| match NonFinite::from_spelling(text) {
            Some(value) if is_config => Leaf::Spelled(value, text.into()),
            _ => Leaf::Str(text.into()),
        }),
        DataType::Null => {}
        DataType::List(inner) if is_scalar(inner) => {
            let lists = column.list()?;
            for row in 0..lists.len() {
                if let Some(list) = lists.get_as_series(row) {
                    columns.push_value(row as u32, path, Leaf::List(scalars(&list)?));
                }
            }
        }
        DataType::UInt64 => {
            let large = column.u64()?;
            for (row, value) in large.iter().enumerate() {
                if let Some(value) = value {
                    let digits = value.to_string();
                    columns.push_value(row as u32, path, i64::try_from(value).map_or(Leaf::Big(&digits), Leaf::Int));
                }
            }
        }
        dtype if dtype.is_primitive_numeric() => {
            let to = if dtype.is_integer() { DataType::Int64 } else { DataType::Float64 };
            leaves(columns, path, &column.strict_cast(&to)?, json)?;
        }
        dtype => {
            let message = format!("a column of type {dtype} cannot be joined with other sources");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .column(column.name().as_str())
                .hint("read this file alone, or drop the column"));
        }
    }
    Ok(())
}

/// Makes sure that `columns` make a table with all columns of a stored one, under the names and types that they have there, as far
/// as the values allow. False if there is a column that no run has.
pub fn declare_all(columns: &mut Columns, schema: &Schema, json_columns: &[String]) -> bool {
    for (name, dtype) in schema.iter() {
        let name = name.as_str();
        if FIELDS.iter().any(|field| field.name == name) || matches!(name, "config_json" | "summary_json") {
            continue;
        }
        let Some(leaf) = leaf_type_of(dtype) else { return false };
        let (path, kind) = Kind::split(name);
        let plain = if json_columns.iter().any(|json| json == name) { Kind::Json } else { kind_of(dtype) };
        columns.declare(path, kind.unwrap_or(plain), leaf);
    }
    true
}

/// Makes sure that the column is there afterwards, with its type, even if this file holds no value of it.
///
/// A lone column of text without a value tells nothing of a kind: it is a path of nulls.
fn declare(columns: &mut Columns, path: &str, column: &Column, kind: Option<Kind>, json: bool, has_sisters: bool) {
    let telling = kind.is_some() || json || has_sisters;
    match leaf_type_of(column.dtype()) {
        Some(LeafType::String) | None if !telling && column.null_count() == column.len() && !column.is_empty() => {
            columns.declare_empty(path);
        }
        Some(LeafType::String) if !telling => {}
        Some(dtype) => {
            let json = if json { Kind::Json } else { kind_of(column.dtype()) };
            columns.declare(path, kind.unwrap_or(json), dtype);
        }
        None => {}
    }
}

fn is_scalar(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Int64 | DataType::Float64 | DataType::String | DataType::Boolean | DataType::Null)
}

/// A list of scalars.
///
/// # Errors
/// If its type is none of a scalar.
pub(crate) fn scalars(list: &Series) -> Result<List> {
    if list.null_count() == list.len() {
        return Ok(List::Nulls(list.len()));
    }
    Ok(match list.dtype() {
        DataType::Int64 => List::Ints(list.i64()?.iter().collect()),
        DataType::Float64 => List::Floats(list.f64()?.iter().collect()),
        DataType::Boolean => List::Bools(list.bool()?.iter().collect()),
        _ => List::Strs(list.str()?.iter().map(|text| text.map(str::to_owned)).collect()),
    })
}
