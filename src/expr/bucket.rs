//! Calendar buckets: the day, week, month or hour in which a time lies, as clocks in the context's zone show it.

use super::value::{Kind, TIME, Value};
use super::{Context, fault};
use crate::error::{Error, Result};
use polars::prelude::*;

/// The length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Every {
    /// Whole days and more: this many, and Polars' word for the unit.
    Days(u32, &'static str),
    /// A part of a day, in seconds; it divides the day.
    Seconds(u32),
}

/// Spellings of the units: of days and more with Polars' word, below with seconds.
const DAYS: &[(&[&str], &str)] = &[
    (&["d", "day", "days"], "d"),
    (&["w", "wk", "week", "weeks"], "w"),
    (&["mo", "mon", "month", "months"], "mo"),
    (&["q", "quarter", "quarters"], "q"),
    (&["y", "yr", "year", "years"], "y"),
];
const SECONDS: &[(&[&str], u32)] = &[
    (&["h", "hr", "hour", "hours"], 3_600),
    (&["m", "min", "minute", "minutes"], 60),
    (&["s", "sec", "second", "seconds"], 1),
];
const DAY: u32 = 86_400;

impl Every {
    /// Reads `1d`, `1w`, `1mo`, `1q`, `1y`, `6h`, `15m`.
    pub(super) fn parse(text: &str, at: usize) -> Result<Every> {
        let bad = || fault(at, &format!("bad bucket '{text}'"), "for example 1d, 1w, 1mo, 1q, 1y, 1h or 15m");
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = (text[..end].parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(bad)?, &text[end..]);
        if let Some((_, word)) = DAYS.iter().find(|(names, _)| names.contains(&unit)) {
            return if number <= 10_000 { Ok(Every::Days(number, word)) } else { Err(bad()) };
        }
        let (_, seconds) = SECONDS.iter().find(|(names, _)| names.contains(&unit)).ok_or_else(bad)?;
        match number.checked_mul(*seconds) {
            Some(length) if length < DAY && DAY.is_multiple_of(length) => Ok(Every::Seconds(length)),
            _ => Err(fault(at, &format!("{text} is no part of a day"), "for example 15m, 1h, 6h, or 1d for days")),
        }
    }

    /// The unit of this name, once: `month`, `hour`.
    pub(super) fn unit(name: &str) -> Option<Every> {
        let days = DAYS.iter().find(|(names, _)| names[1..].contains(&name)).map(|(_, word)| Every::Days(1, word));
        let part = || SECONDS.iter().find(|(names, _)| names[1..].contains(&name)).map(|(_, s)| Every::Seconds(*s));
        days.or_else(part)
    }

    /// The beginning of the bucket in which the time or date lies: a date for days and more, else a time.
    pub(super) fn of(self, time: Value, context: &Context) -> Result<Value> {
        let at = time.at;
        let is_date = match time.kind() {
            Kind::Time => false,
            Kind::Date => true,
            _ => return Err(no_time(&time)),
        };
        let expr = match self {
            Every::Days(number, unit) => {
                let day = if is_date { time.expr } else { context.local(time.expr.cast(TIME)).dt().date() };
                if (number, unit) == (1, "d") { day } else { day.dt().truncate(lit(format!("{number}{unit}"))) }
            }
            Every::Seconds(_) if is_date => {
                return Err(time.mismatch(&format!("{} has no hours", time.called()), "take days: 1d"));
            }
            Every::Seconds(length) => context.truncated(time.expr.cast(TIME), length),
        };
        let dtype = if matches!(self, Every::Days(..)) { DataType::Date } else { TIME };
        Ok(Value::new(expr, dtype, at))
    }
}

fn no_time(value: &Value) -> Error {
    let message = format!("buckets are of times, but {} is {}", value.called(), value.kind().words());
    value.mismatch(&message, "for example created_at:1d; cast(… as timestamp) makes times")
}
