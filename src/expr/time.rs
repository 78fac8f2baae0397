//! Times and intervals written as text: `'2026-01-01T10:00'`, `interval '7 days'`, `'5m'`.

use super::fault;
use crate::error::Result;
use crate::record::Timestamp;
use chrono::{DateTime, Months, NaiveDate, Utc};

/// A span of time: calendar months and exact microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) months: i64,
    pub(super) micros: i64,
}

impl Span {
    pub(super) fn negate(self) -> Option<Self> {
        Some(Span { months: self.months.checked_neg()?, micros: self.micros.checked_neg()? })
    }

    pub(super) fn plus(self, other: Span) -> Option<Self> {
        Some(Span { months: self.months.checked_add(other.months)?, micros: self.micros.checked_add(other.micros)? })
    }

    /// The time this span after `time`; months keep the day of the month where they can.
    pub(super) fn after(self, time: Timestamp) -> Option<Timestamp> {
        let mut micros = time.micros();
        if self.months != 0 {
            let start = DateTime::<Utc>::from_timestamp_micros(micros)?;
            let months = Months::new(u32::try_from(self.months.unsigned_abs()).ok()?);
            let moved =
                if self.months > 0 { start.checked_add_months(months) } else { start.checked_sub_months(months) };
            micros = moved?.timestamp_micros();
        }
        micros.checked_add(self.micros).map(Timestamp::from_micros)
    }

    /// The spelling of Polars' `offset_by`.
    pub(super) fn polars(self) -> String {
        let sign = |n: i64| if n < 0 { "-" } else { "" };
        format!("{}{}mo", sign(self.months), self.months.unsigned_abs())
    }
}

/// Units and their spellings: months, microseconds.
const UNITS: &[(&[&str], i64, i64)] = &[
    (&["us", "µs", "microsecond"], 0, 1),
    (&["ms", "millisecond"], 0, 1_000),
    (&["s", "sec", "second"], 0, 1_000_000),
    (&["m", "min", "minute"], 0, 60_000_000),
    (&["h", "hr", "hour"], 0, 3_600_000_000),
    (&["d", "day"], 0, 86_400_000_000),
    (&["w", "wk", "week"], 0, 604_800_000_000),
    (&["mo", "mon", "month"], 1, 0),
    (&["q", "quarter"], 3, 0),
    (&["y", "yr", "year"], 12, 0),
];

/// Reads `7 days`, `1h30m`, `1 month 2 days`, `-1.5 hours`; `unit` is that of a number without one.
pub(super) fn parse_span(text: &str, unit: Option<&str>, at: usize) -> Result<Span> {
    let bad = || {
        fault(
            at,
            &format!("bad interval '{text}'"),
            "for example '7 days', '5 minutes', '1h30m', '2 weeks', '3 months'",
        )
    };
    let mut rest = text.trim();
    let mut span = Span::default();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| bad())?;
        rest = rest[end..].trim_start();
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let name = if end == 0 { unit.ok_or_else(bad)? } else { &rest[..end] };
        rest = rest[end..].trim_start();
        let part = scale(number, name).ok_or_else(bad)?;
        span = span.plus(part).ok_or_else(bad)?;
    }
    Ok(span)
}

fn scale(number: f64, unit: &str) -> Option<Span> {
    let unit = unit.to_lowercase();
    let short = unit.strip_suffix('s').filter(|short| short.len() > 1).unwrap_or(&unit);
    let (_, months, micros) =
        UNITS.iter().find(|(names, ..)| names.contains(&unit.as_str()) || names.contains(&short))?;
    let whole = |value: f64| (value.abs() < 9e18).then_some(value as i64);
    let months = number * *months as f64;
    if months.fract() != 0.0 {
        return None;
    }
    Some(Span { months: whole(months)?, micros: whole((number * *micros as f64).round())? })
}

/// Reads a UTC time: a date, or a date and time with an optional zone.
pub(super) fn parse_time(text: &str, at: usize) -> Result<Timestamp> {
    let trimmed = text.trim();
    let day = || NaiveDate::parse_from_str(trimmed, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|day| day.and_utc());
    let minute = || chrono::NaiveDateTime::parse_from_str(trimmed, "%Y-%m-%d %H:%M").ok().map(|time| time.and_utc());
    Timestamp::parse(trimmed)
        .or_else(|| day().or_else(minute).map(|time| Timestamp::from_micros(time.timestamp_micros())))
        .ok_or_else(|| {
            fault(
                at,
                &format!("'{text}' is not a time"),
                "for example '2026-01-31', '2026-01-31T10:00' or '2026-01-31T10:00:00+02:00'; no zone means UTC",
            )
        })
}

/// Reads a date as days since 1970-01-01.
pub(super) fn parse_date(text: &str, at: usize) -> Result<i32> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d");
    let days = day.ok().and_then(|day| i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok());
    days.ok_or_else(|| fault(at, &format!("'{text}' is not a date"), "for example '2026-01-31'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let span = |text: &str| parse_span(text, None, 0).map(|s| (s.months, s.micros)).ok();
        assert_eq!(span("7 days"), Some((0, 604_800_000_000)));
        assert_eq!(span("1h30m"), Some((0, 5_400_000_000)));
        assert_eq!(span("1 month 2 weeks"), Some((1, 1_209_600_000_000)));
        assert_eq!(span("-1.5 hours"), Some((0, -5_400_000_000)));
        assert_eq!(span("1 year"), Some((12, 0)));
        for bad in ["", "7", "days", "7 parsecs", "1.5 months", "1e99 days", "--1 day", "99999999999999999999 days"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }

    #[test]
    fn times() {
        let time = |text: &str| parse_time(text, 0).map(|t| t.to_string()).ok();
        assert_eq!(time("2026-01-31").as_deref(), Some("2026-01-31T00:00:00Z"));
        assert_eq!(time("2026-01-31 10:00").as_deref(), Some("2026-01-31T10:00:00Z"));
        assert_eq!(time("2026-01-31T10:00+02:00").as_deref(), None);
        assert_eq!(time("2026-01-31T10:00:00+02:00").as_deref(), Some("2026-01-31T08:00:00Z"));
        assert_eq!(time("2026-02-31"), None);
        assert_eq!(parse_date("1970-01-02", 0).ok(), Some(1));
    }

    #[test]
    fn months_keep_the_day_where_they_can() {
        let time = parse_time("2026-03-31", 0).unwrap();
        let month = Span { months: -1, micros: 0 };
        assert_eq!(month.after(time).unwrap().to_string(), "2026-02-28T00:00:00Z");
    }
}
