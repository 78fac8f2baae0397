//! Values of any column one by one, borrowed, with the type tested once per column and not once per value.

use super::text::{Zone, digits};
use polars::prelude::*;

/// How values become text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) zone: Option<Zone>,
}

/// One value.
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    /// Kept apart because its shortest decimal is another one.
    Float32(f32),
    Str(&'a str),
    Time(Time),
    /// Days since the epoch.
    Date(i32),
    /// Seconds.
    Duration(f64),
    List(Series),
    Struct(Fields<'a>),
    /// Text that is not borrowed.
    Text(String),
}

/// The named values of a struct.
pub(super) type Fields<'a> = Vec<(PlSmallStr, Cell<'a>)>;

/// A point in time and how to write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// Microseconds since the epoch.
    pub(super) micros: i64,
    /// `None` for a time without a zone.
    pub(super) zone: Option<Zone>,
    /// Digits of the fraction; the same in a whole column, or readers such as pandas give up on it.
    pub(super) digits: u8,
}

/// A table's columns, each in one piece.
pub(super) struct Grid {
    columns: Vec<Series>,
    height: usize,
}

impl Grid {
    pub(super) fn new(df: &DataFrame) -> Self {
        let columns = df.columns().iter().map(|column| column.as_materialized_series().rechunk()).collect();
        Grid { columns, height: df.height() }
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn columns(&self, style: Style) -> Vec<Values<'_>> {
        self.columns.iter().map(|series| Values::new(series, style)).collect()
    }
}

/// The values of one column.
pub(super) struct Values<'a> {
    series: &'a Series,
    typed: Typed<'a>,
    style: Style,
}

enum Typed<'a> {
    Bool(&'a BooleanChunked),
    Int(&'a Int64Chunked),
    Float(&'a Float64Chunked),
    Str(&'a StringChunked),
    Time(&'a Int64Chunked, Time),
    Any,
}

impl<'a> Values<'a> {
    pub(super) fn new(series: &'a Series, style: Style) -> Self {
        let typed = match series.dtype() {
            DataType::Boolean => series.bool().map(Typed::Bool),
            DataType::Int64 => series.i64().map(Typed::Int),
            DataType::Float64 => series.f64().map(Typed::Float),
            DataType::String => series.str().map(Typed::Str),
            DataType::Datetime(TimeUnit::Microseconds, zone) => series.datetime().map(|times| {
                let times = times.physical();
                // Always all six, so that a run's line does not depend on which others are written.
                Typed::Time(times, Time { micros: 0, zone: zone_of(zone.as_ref(), style), digits: 6 })
            }),
            _ => Ok(Typed::Any),
        };
        Values { series, typed: typed.unwrap_or(Typed::Any), style }
    }

    pub(super) fn name(&self) -> &'a str {
        self.series.name().as_str()
    }

    /// True for numbers, which tables align to the right.
    pub(super) fn is_number(&self) -> bool {
        self.series.dtype().is_primitive_numeric() || matches!(self.series.dtype(), DataType::Duration(_))
    }

    /// True for times with a zone.
    pub(super) fn is_zoned(&self) -> bool {
        matches!(self.series.dtype(), DataType::Datetime(_, Some(_)))
    }

    pub(super) fn get(&self, row: usize) -> Cell<'a> {
        let found = match &self.typed {
            Typed::Bool(values) => values.get(row).map(Cell::Bool),
            Typed::Int(values) => values.get(row).map(Cell::Int),
            Typed::Float(values) => values.get(row).map(Cell::Float),
            Typed::Str(values) => values.get(row).map(Cell::Str),
            Typed::Time(values, time) => values.get(row).map(|micros| Cell::Time(Time { micros, ..*time })),
            Typed::Any => self.series.get(row).ok().map(|value| of(value, self.style)),
        };
        found.unwrap_or(Cell::Null)
    }
}

/// The values of a list, one after the other.
pub(super) fn items(list: &Series, style: Style) -> impl Iterator<Item = Cell<'_>> {
    (0..list.len()).filter_map(move |i| list.get(i).ok()).map(move |value| of(value, style))
}

fn of(value: AnyValue<'_>, style: Style) -> Cell<'_> {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(value) => Cell::Bool(value),
        AnyValue::String(value) => Cell::Str(value),
        AnyValue::UInt8(value) => Cell::UInt(value.into()),
        AnyValue::UInt16(value) => Cell::UInt(value.into()),
        AnyValue::UInt32(value) => Cell::UInt(value.into()),
        AnyValue::UInt64(value) => Cell::UInt(value),
        AnyValue::Int8(value) => Cell::Int(value.into()),
        AnyValue::Int16(value) => Cell::Int(value.into()),
        AnyValue::Int32(value) => Cell::Int(value.into()),
        AnyValue::Int64(value) => Cell::Int(value),
        AnyValue::Float32(value) => Cell::Float32(value),
        AnyValue::Float64(value) => Cell::Float(value),
        AnyValue::Date(days) => Cell::Date(days),
        AnyValue::Datetime(value, unit, zone) => time(value, unit, zone, style),
        AnyValue::DatetimeOwned(value, unit, zone) => time(value, unit, zone.as_deref(), style),
        AnyValue::Duration(value, unit) => Cell::Duration(value as f64 / per_second(unit)),
        AnyValue::List(list) => Cell::List(list),
        AnyValue::Struct(..) => of(value.into_static(), style),
        AnyValue::StructOwned(parts) => {
            let (values, fields) = *parts;
            let names = fields.into_iter().map(|field| field.name);
            Cell::Struct(names.zip(values.into_iter().map(|value| of(value, style))).collect())
        }
        AnyValue::StringOwned(text) => Cell::Text(text.into_string()),
        other => Cell::Text(other.to_string()),
    }
}

fn time(value: i64, unit: TimeUnit, zone: Option<&TimeZone>, style: Style) -> Cell<'static> {
    let micros = match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1_000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1_000),
    };
    Cell::Time(Time { micros, zone: zone_of(zone, style), digits: digits(micros) })
}

fn per_second(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Nanoseconds => 1e9,
        TimeUnit::Microseconds => 1e6,
        TimeUnit::Milliseconds => 1e3,
    }
}

/// The zone that is shown: the user's, else the column's own; none for a column without one.
fn zone_of(own: Option<&TimeZone>, style: Style) -> Option<Zone> {
    own.map(|own| style.zone.unwrap_or_else(|| own.as_str().parse().unwrap_or_default()))
}
