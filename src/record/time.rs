//! Points in time: microseconds since the Unix epoch, UTC.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use std::fmt;

/// A point in time: whole microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From seconds and nanoseconds, as in a protobuf `Timestamp`; `None` if out of range.
    pub fn from_seconds(seconds: i64, nanos: i32) -> Option<Self> {
        seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos) / 1_000).map(Timestamp)
    }

    /// From floating seconds since the epoch, as in `_timestamp`; `None` unless finite and within the years 1 to 9999.
    pub fn from_float(seconds: f64) -> Option<Self> {
        // Year 1 to year 9999: outside of it is garbage, and Arrow readers refuse it.
        (-62_135_596_800.0..253_402_300_800.0).contains(&seconds).then(|| Timestamp((seconds * 1e6).round() as i64))
    }

    /// Parses W&B's text: ISO 8601 with an optional fraction and an optional zone; none means UTC.
    ///
    /// Both spellings occur in W&B's answers (`2023-11-05T17:46:35`, `2026-03-24T01:00:00Z`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let zoned = |text: &str| Some(Timestamp(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros()));
        // By far the quicker parser; the one below takes whatever else there is.
        if let Some(time) = zoned(text).or_else(|| zoned(&format!("{text}Z"))) {
            return Some(time);
        }
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .map(|time| Timestamp(time.and_utc().timestamp_micros()))
    }

    /// The present.
    pub fn now() -> Self {
        Timestamp(Utc::now().timestamp_micros())
    }

    /// Microseconds since the epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Seconds from here to `later`; negative if it lies before.
    pub fn seconds_until(self, later: Timestamp) -> f64 {
        (later.0 as i128 - self.0 as i128) as f64 / 1e6
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_utc() {
        let naive = Timestamp::parse("2023-11-05T17:46:35").unwrap();
        assert_eq!(Timestamp::parse("2023-11-05T17:46:35Z"), Some(naive));
        assert_eq!(Timestamp::parse("2023-11-05T19:46:35+02:00"), Some(naive));
        assert_eq!(Timestamp::parse("2023-11-05T17:46:35.250").unwrap().micros() - naive.micros(), 250_000);
        assert_eq!(naive.to_string(), "2023-11-05T17:46:35Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn garbage_seconds_are_none() {
        assert_eq!(Timestamp::from_float(f64::NAN), None);
        assert_eq!(Timestamp::from_float(1e300), None);
        assert_eq!(Timestamp::from_seconds(i64::MAX, 0), None);
        assert_eq!(Timestamp::from_float(1.5).unwrap().micros(), 1_500_000);
    }
}
