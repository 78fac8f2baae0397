//! Numbers and times as text, for all text formats alike.

use super::cell::{Cell, Time};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use chrono::{DateTime, Datelike, Offset, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::fmt::{self, Write};
use std::str::FromStr;

/// A time zone by its IANA name, `Europe/Berlin`. The default is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Zone(Tz::UTC)
    }
}

impl Zone {
    /// Its IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl Zone {
    /// Seconds that its clocks are ahead of UTC at this time.
    pub(super) fn offset(self, utc: DateTime<chrono::Utc>) -> i32 {
        utc.with_timezone(&self.0).offset().fix().local_minus_utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found =
            text.parse().ok().or_else(|| TZ_VARIANTS.into_iter().find(|tz| tz.name().eq_ignore_ascii_case(text)));
        found.map(Zone).ok_or_else(|| {
            let near = did_you_mean(text, TZ_VARIANTS.iter().map(|tz| tz.name()));
            let hint = near.unwrap_or_else(|| "give an IANA name such as Europe/Berlin".to_owned());
            Error::new(ErrorKind::Usage, format!("no time zone is called {text}")).hint(hint)
        })
    }
}

/// Digits that the fraction of a second needs: 0, 3 or 6.
pub(super) fn digits(micros: i64) -> u8 {
    match micros {
        _ if micros % 1_000_000 == 0 => 0,
        _ if micros % 1_000 == 0 => 3,
        _ => 6,
    }
}

// Writing to a `String` cannot fail, so the results of `write!` are dropped below.

/// ISO 8601: `2024-05-01T12:33:10Z`, or with the zone's offset, or bare where the time has no zone.
pub(super) fn push_time(text: &mut String, time: Time) {
    let Some(offset) = push_clock(text, time, 'T', time.digits) else { return };
    match offset {
        _ if time.zone.is_none() => {}
        0 if time.zone == Some(Zone::default()) => text.push('Z'),
        seconds => {
            let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
            let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
    }
}

/// For eyes: `2024-05-01 12:33:10`, without zone and fraction.
pub(super) fn push_short_time(text: &mut String, time: Time) {
    push_clock(text, time, ' ', 0);
}

/// Date and time of day as the zone's clocks show it; returns the zone's offset in seconds.
fn push_clock(text: &mut String, time: Time, between: char, digits: u8) -> Option<i32> {
    let Some(utc) = DateTime::from_timestamp_micros(time.micros) else {
        let _ = write!(text, "{} µs", time.micros);
        return None;
    };
    let local = utc.with_timezone(&time.zone.unwrap_or_default().0);
    let (date, clock) = (local.date_naive(), local.time());
    let _ = write!(text, "{:04}-{:02}-{:02}{between}", date.year(), date.month(), date.day());
    let _ = write!(text, "{:02}:{:02}:{:02}", clock.hour(), clock.minute(), clock.second());
    let micros = clock.nanosecond() / 1_000;
    let _ = match digits {
        0 => Ok(()),
        3 => write!(text, ".{:03}", micros / 1_000),
        _ => write!(text, ".{micros:06}"),
    };
    Some(local.offset().fix().local_minus_utc())
}

/// `2024-05-01`.
pub(super) fn push_date(text: &mut String, days: i32) {
    let _ = match DateTime::from_timestamp(i64::from(days) * 86_400, 0) {
        Some(date) => write!(text, "{}", date.date_naive()),
        None => write!(text, "{days} days"),
    };
}

/// All digits, and as few as give the same number when read back; `NaN`, `Infinity`, `-Infinity`.
pub(super) fn push_float(text: &mut String, value: f64) {
    let _ = match value {
        _ if value.is_nan() => text.write_str("NaN"),
        _ if value.is_infinite() => text.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        // `{:?}` turns to exponents where `{}` writes 300 zeros.
        _ => write!(text, "{value:?}"),
    };
}

/// As [`push_float`], with the shorter decimal of single precision.
pub(super) fn push_float32(text: &mut String, value: f32) {
    match value.is_finite() {
        true => drop(write!(text, "{value:?}")),
        false => push_float(text, value.into()),
    }
}

/// Rounded to `precision` significant digits; whole numbers keep all of theirs.
pub(super) fn push_rounded(text: &mut String, value: f64, precision: usize) {
    let precision = precision.clamp(1, 17);
    let size = value.abs();
    if !value.is_finite() || value == 0.0 || (value.fract() == 0.0 && size < 1e15) {
        return push_float(text, value);
    }
    if !(1e-4..1e15).contains(&size) {
        let scientific = format!("{value:.*e}", precision - 1);
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        let _ = write!(text, "{digits}e{exponent}");
        return;
    }
    let exponent = size.log10().floor() as i32;
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    let fixed = format!("{value:.decimals$}");
    text.push_str(if decimals > 0 { fixed.trim_end_matches('0').trim_end_matches('.') } else { &fixed });
}

/// The text of a value that is not nested; false for lists and structs, which need another form.
pub(super) fn push_plain(text: &mut String, cell: &Cell<'_>, precision: Option<usize>) -> bool {
    let _ = match cell {
        Cell::Null => Ok(()),
        Cell::Bool(value) => text.write_str(if *value { "true" } else { "false" }),
        Cell::Int(value) => write!(text, "{value}"),
        Cell::UInt(value) => write!(text, "{value}"),
        Cell::Str(value) => text.write_str(value),
        Cell::Text(value) => text.write_str(value),
        Cell::Float32(value) if precision.is_none() => return push(text, |text| push_float32(text, *value)),
        Cell::Float32(value) => return push(text, |text| push_number(text, f64::from(*value), precision)),
        Cell::Float(value) | Cell::Duration(value) => return push(text, |text| push_number(text, *value, precision)),
        Cell::Time(time) => return push(text, |text| push_time(text, *time)),
        Cell::Date(days) => return push(text, |text| push_date(text, *days)),
        Cell::List(_) | Cell::Struct(_) => return false,
    };
    true
}

fn push(text: &mut String, write: impl FnOnce(&mut String)) -> bool {
    write(text);
    true
}

fn push_number(text: &mut String, value: f64, precision: Option<usize>) {
    match precision {
        Some(precision) => push_rounded(text, value, precision),
        None => push_float(text, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn floats_come_back_as_they_were() {
        for value in [0.1 + 0.2, 1e300, 5e-324, -0.0, 1.0, 123_456_789.0, f64::MAX] {
            let text = with(|t| push_float(t, value));
            assert!(text.len() < 26, "{text}");
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
        }
        assert_eq!(with(|t| push_float(t, f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(with(|t| push_float32(t, 0.1)), "0.1");
    }

    #[test]
    fn rounded_floats_are_short() {
        let cases = [
            (0.1 + 0.2, "0.3"),
            (1.0, "1.0"),
            (123.456_789, "123.457"),
            (0.000_123_456_789, "0.000123457"),
            (1.234_567_89e-7, "1.23457e-7"),
            (6.02e23, "6.02e23"),
            (1e-5, "1e-5"),
            (1_234_567.89, "1234568"),
            (-0.5, "-0.5"),
            (123_456_789.0, "123456789.0"),
            (0.999_999_99, "1"),
        ];
        for (value, expected) in cases {
            assert_eq!(with(|t| push_rounded(t, value, 6)), expected);
        }
    }

    #[test]
    fn times_carry_their_zone() {
        let micros = 1_714_566_790_250_000;
        let time = |zone: &str| Time { micros, zone: Some(zone.parse().unwrap()), digits: digits(micros) };
        assert_eq!(with(|t| push_time(t, time("UTC"))), "2024-05-01T12:33:10.250Z");
        assert_eq!(with(|t| push_time(t, time("europe/berlin"))), "2024-05-01T14:33:10.250+02:00");
        assert_eq!(with(|t| push_time(t, time("America/St_Johns"))), "2024-05-01T10:03:10.250-02:30");
        assert_eq!(with(|t| push_time(t, Time { zone: None, ..time("UTC") })), "2024-05-01T12:33:10.250");
        assert_eq!(with(|t| push_short_time(t, time("UTC"))), "2024-05-01 12:33:10");
        assert_eq!(
            with(|t| push_time(t, Time { micros: -62_135_596_800_000_000, ..time("UTC") })),
            "0001-01-01T00:00:00.250Z".replace("250", "000")
        );
        assert_eq!(with(|t| push_date(t, 19_844)), "2024-05-01");
    }

    #[test]
    fn unknown_zones_name_the_nearest() {
        let error = "Europe/Berlim".parse::<Zone>().unwrap_err();
        assert!(error.to_string().contains("Europe/Berlin"), "{error}");
        assert!("Q".parse::<Zone>().unwrap_err().to_string().contains("IANA"));
    }
}
