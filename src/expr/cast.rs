//! `cast(x as type)` and `x::type`: what does not fit becomes null.

use super::arithmetic::divided;
use super::fault;
use super::names::Names;
use super::value::{Const, Kind, TIME, Value};
use crate::error::Result;
use crate::record::Timestamp;
use polars::prelude::*;
use sqlparser::ast::DataType as Sql;

/// The value as the SQL type.
pub(super) fn cast(value: Value, to: &Sql, names: &Names<'_>) -> Result<Value> {
    match to {
        Sql::Double(_) | Sql::DoublePrecision | Sql::Float(_) | Sql::Float8 | Sql::Float64 | Sql::Real => {
            to_number(value, DataType::Float64)
        }
        Sql::BigInt(_) | Sql::Int(_) | Sql::Integer(_) | Sql::Int8(_) | Sql::Int64 => to_number(value, DataType::Int64),
        Sql::Varchar(_) | Sql::Nvarchar(_) | Sql::Char(_) | Sql::Text | Sql::String(_) => to_text(value, names),
        Sql::Boolean | Sql::Bool => to_bool(value),
        Sql::Timestamp(..) | Sql::TimestampNtz(_) | Sql::Datetime(_) => to_time(value, names),
        Sql::Date => to_date(value, names),
        other => Err(fault(
            value.at,
            &format!("cannot cast to {other}"),
            "types: double, bigint, varchar, boolean, timestamp, date",
        )),
    }
}

fn refuse(value: &Value, to: &str) -> crate::error::Error {
    value.mismatch(
        &format!("{} is {} and cannot become {to}", value.called(), value.kind().words()),
        "check the column with the schema verb",
    )
}

/// Text is read as a number (`NaN` and `inf` too), true is 1; floats lose their fraction on the way to an integer.
fn to_number(value: Value, dtype: DataType) -> Result<Value> {
    match value.kind() {
        Kind::Number | Kind::Bool | Kind::Text | Kind::Null => {
            Ok(Value::new(value.expr.cast(dtype.clone()), dtype, value.at))
        }
        Kind::Span => {
            let seconds = divided(value.expr.dt().total_microseconds(false), lit(1e6));
            Ok(Value::new(seconds.cast(dtype.clone()), dtype, value.at))
        }
        _ => Err(refuse(&value, "a number")),
    }
}

/// Numbers as they print, times as ISO 8601 in UTC.
pub(super) fn to_text(value: Value, names: &Names<'_>) -> Result<Value> {
    let value = if value.constant.is_none() { value.of_kind(Kind::Text, names)? } else { value };
    let at = value.at;
    let text = |expr: Expr| Ok(Value::new(expr, DataType::String, at));
    match value.kind() {
        Kind::Text => Ok(value),
        Kind::Number | Kind::Bool | Kind::Null => text(value.expr.cast(DataType::String)),
        Kind::Time => text(value.expr.dt().strftime("%Y-%m-%dT%H:%M:%S%.fZ")),
        Kind::Date => text(value.expr.dt().strftime("%Y-%m-%d")),
        _ => Err(refuse(&value, "text")),
    }
}

/// `true`, `1`, `yes` and their opposites; other texts are null.
fn to_bool(value: Value) -> Result<Value> {
    let at = value.at;
    let expr = match value.kind() {
        Kind::Bool => return Ok(value),
        Kind::Number => value.expr.neq(lit(0)),
        Kind::Null => value.expr.cast(DataType::Boolean),
        Kind::Text => {
            let text = value.expr.str().to_lowercase();
            let any = |words: [&str; 3]| {
                words.into_iter().fold(lit(false), |any, word| any.or(text.clone().eq(lit(word.to_owned()))))
            };
            when(any(["true", "1", "yes"]))
                .then(lit(true))
                .when(any(["false", "0", "no"]))
                .then(lit(false))
                .otherwise(lit(NULL).cast(DataType::Boolean))
        }
        _ => return Err(refuse(&value, "true or false")),
    };
    Ok(Value::new(expr, DataType::Boolean, at))
}

/// Text is read as a UTC time, numbers as seconds since 1970.
fn to_time(value: Value, names: &Names<'_>) -> Result<Value> {
    let at = value.at;
    if let Some(text) = value.text() {
        return Ok(Value::constant(Const::Time(super::time::parse_time(text, at)?), at));
    }
    let expr = match value.kind() {
        Kind::Time => return Ok(value),
        Kind::Date => return Ok(value.begin(names)),
        Kind::Null => value.expr.cast(TIME),
        Kind::Number => (value.expr.cast(DataType::Float64) * lit(1e6)).cast(DataType::Int64).cast(TIME),
        Kind::Text => value.expr.map(read_times, |_, field| Ok(Field::new(field.name().clone(), TIME))),
        _ => return Err(refuse(&value, "a time")),
    };
    Ok(Value::new(expr, TIME, at))
}

/// The day in the context's zone; text that is a date is that date in any zone.
fn to_date(value: Value, names: &Names<'_>) -> Result<Value> {
    let at = value.at;
    if let Some(days) = value.text().and_then(|text| super::time::parse_date(text, at).ok()) {
        return Ok(Value::constant(Const::Date(days), at));
    }
    let written = (value.kind() == Kind::Text && value.constant.is_none())
        .then(|| value.expr.clone().map(read_dates, |_, field| Ok(Field::new(field.name().clone(), DataType::Date))));
    if value.kind() == Kind::Date {
        return Ok(value);
    }
    let day = names.context.local(to_time(value, names)?.expr).dt().date();
    let expr = match written {
        Some(written) => coalesce(&[written, day]),
        None => day,
    };
    Ok(Value::new(expr, DataType::Date, at))
}

fn read_dates(column: Column) -> PolarsResult<Column> {
    let texts = column.as_materialized_series().str()?.clone();
    let days: Int32Chunked =
        texts.iter().map(|text| text.and_then(|text| super::time::parse_date(text, 0).ok())).collect();
    days.with_name(texts.name().clone()).into_column().cast(&DataType::Date)
}

fn read_times(column: Column) -> PolarsResult<Column> {
    let texts = column.as_materialized_series().str()?.clone();
    let read = |text: &str| super::time::parse_time(text, 0).ok().map(Timestamp::micros);
    let micros: Int64Chunked = texts.iter().map(|text| text.and_then(read)).collect();
    micros.with_name(texts.name().clone()).into_column().cast(&TIME)
}
