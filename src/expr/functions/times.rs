//! Functions of times that take more than the time.

use super::super::arithmetic::divided;
use super::super::bucket::Every;
use super::super::fault;
use super::super::value::{Const, Kind, TIME, Value};
use super::super::walk::expect;
use super::Call;
use crate::error::Result;
use chrono::format::{Item, StrftimeItems};
use polars::prelude::*;

/// `date_trunc('month', time)`: where the unit begins in which the time lies, as clocks in the context's zone show it.
pub(super) fn date_trunc(mut c: Call<'_>) -> Result<Value> {
    let (unit, time) = (c.next(), c.next());
    let every = unit.text().map(str::to_lowercase).and_then(|unit| Every::unit(&unit));
    let Some(every) = every else {
        let cure = "'year', 'quarter', 'month', 'week', 'day', 'hour', 'minute' or 'second'";
        return Err(unit.mismatch("date_trunc begins with a unit in single quotes", cure));
    };
    let time =
        if matches!(time.kind(), Kind::Time | Kind::Date) { time } else { expect(time, Kind::Time, c.name, c.names)? };
    Ok(Value { at: c.at, ..every.of(time, &c.names.context)? })
}

/// `strftime(time, '%Y-%m')`, as clocks in the context's zone show it.
pub(super) fn strftime(mut c: Call<'_>) -> Result<Value> {
    let (time, format) = (c.next(), c.next());
    let good = |text: &&str| !StrftimeItems::new(text).any(|item| item == Item::Error);
    let Some(text) = format.text().filter(good).map(str::to_owned) else {
        return Err(format.mismatch("strftime needs a format in single quotes", "for example '%Y-%m-%d %H:%M'"));
    };
    let clock = match time.kind() {
        Kind::Date => time.expr,
        _ => c.names.context.local(expect(time, Kind::Time, c.name, c.names)?.expr.cast(TIME)),
    };
    Ok(Value::new(clock.dt().strftime(&text), DataType::String, c.at))
}

/// `epoch(time)`: seconds since 1970.
pub(super) fn epoch(mut c: Call<'_>) -> Result<Value> {
    let time = c.next_of(Kind::Time)?;
    let seconds = divided(time.expr.cast(TIME).cast(DataType::Int64), lit(1e6));
    Ok(Value::new(seconds, DataType::Float64, c.at))
}

/// A whole number written in the text, not 0: places are counted from 1, and from -1 backwards.
pub(super) fn place(value: &Value, name: &str) -> Result<i64> {
    match value.constant {
        Some(Const::Int(number)) if number != 0 => Ok(number),
        _ => {
            let message = format!("{name} counts from 1, or from -1 at the end");
            Err(fault(value.at, &message, "write a whole number that is not 0"))
        }
    }
}
