//! Comparisons of times for the server, which may know fractions of a second that it does not show.

use super::super::compare::Sign;
use super::super::value::Const;
use super::server::Found;
use crate::record::Timestamp;
use chrono::DateTime;
use serde_json::json;

const SECOND: i64 = 1_000_000;
/// The years 1 to 9999, which ISO 8601 can spell.
const YEARS: std::ops::Range<i64> = -62_135_596_800 * SECOND..253_402_300_799 * SECOND;

/// `field SIGN time`. A time that is shown cut to whole seconds lies up to a second below what the server compares, so
/// that limits from above are moved to the next whole second and asked again here.
pub(super) fn compare(field: &str, sign: Sign, constant: &Const) -> Found {
    let micros =
        micros(constant).filter(|micros| YEARS.contains(micros)).ok_or("it does not compare with a fixed time")?;
    let whole = micros.rem_euclid(SECOND) == 0;
    let up = (micros.div_euclid(SECOND) + i64::from(!whole)) * SECOND;
    let next = (micros.div_euclid(SECOND) + 1) * SECOND;
    let finer = Some("the server may compare fractions of seconds that it does not show");
    Ok(match sign {
        Sign::GtEq => (json!({ field: { "$gte": iso(micros) } }), if whole { None } else { finer }),
        Sign::Gt => (json!({ field: { "$gt": iso(micros) } }), finer),
        Sign::Lt => (json!({ field: { "$lt": iso(up) } }), if whole { None } else { finer }),
        Sign::LtEq => (json!({ field: { "$lt": iso(next) } }), finer),
        Sign::Eq => (json!({ field: { "$gte": iso(micros), "$lt": iso(next) } }), finer),
        Sign::NotEq | Sign::Same => return Err("hardly any run has that very time"),
    })
}

fn micros(constant: &Const) -> Option<i64> {
    match constant {
        Const::Time(time) => Some(time.micros()),
        Const::Text(text) => super::super::time::parse_time(text, 0).ok().map(Timestamp::micros),
        Const::Date(days) => i64::from(*days).checked_mul(86_400 * SECOND),
        _ => None,
    }
}

/// The time as W&B's documentation spells it.
fn iso(micros: i64) -> String {
    let format = if micros.rem_euclid(SECOND) == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
    DateTime::from_timestamp_micros(micros).map_or_else(String::new, |time| time.format(format).to_string())
}
