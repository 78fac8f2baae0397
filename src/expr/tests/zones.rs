//! Days and hours in a zone, and literals that are UTC whatever the zone.

use super::super::{Context, parse_filter, parse_select};
use super::now;
use crate::ops::frames::{names, times};
use polars::prelude::*;

fn frame() -> DataFrame {
    let texts = Column::new("summary.day".into(), ["2026-01-02", "2026-01-01T23:30:00Z", "no"]);
    let times = times(
        "created_at",
        &[Some("2026-01-01T23:30:00Z"), Some("2026-01-02T00:30:00Z"), Some("2026-03-29T00:30:00Z")],
    );
    DataFrame::new(3, vec![Column::new("name".into(), ["1", "2", "3"]), texts, times]).unwrap()
}

fn kept(text: &str, zone: &str) -> String {
    let frame = frame();
    let filter = parse_filter(text, frame.schema(), Context::new(now()).in_zone(zone).unwrap());
    filter.map_or_else(|error| error.to_string(), |filter| names(&frame, filter).unwrap().concat())
}

#[test]
fn buckets_follow_the_zone() {
    for (text, utc, berlin, kolkata, york) in [
        ("date(created_at) = '2026-01-02'", "2", "12", "12", ""),
        ("created_at::date = '2026-01-01'", "1", "", "", "12"),
        ("hour(created_at) = 0", "23", "1", "", ""),
        ("minute(created_at) = 0", "", "", "123", ""),
        ("day(created_at) = 1", "1", "", "", "12"),
        ("month(created_at) = 3 and year(created_at) = 2026", "3", "3", "3", "3"),
        // Literals without a zone are UTC, and a written date is that date.
        ("created_at >= '2026-01-02'", "23", "23", "23", "23"),
        ("created_at >= date '2026-01-02'", "23", "23", "23", "23"),
        ("date('2026-01-02') = date '2026-01-02' and day('2026-01-02') = 2", "123", "123", "123", "123"),
        ("hour(date(created_at)) = 0", "123", "123", "123", "123"),
        ("cast(summary.day as date) = '2026-01-02'", "1", "12", "12", "1"),
        // A day begins at midnight in the zone.
        ("created_at - date(created_at) < interval '2 hours'", "23", "123", "", ""),
        ("date(created_at) + interval '23 hours' < created_at", "1", "", "", ""),
    ] {
        for (zone, wanted) in
            [("UTC", utc), ("Europe/Berlin", berlin), ("Asia/Kolkata", kolkata), ("America/New_York", york)]
        {
            assert_eq!(kept(text, zone), wanted, "{text} in {zone}");
        }
    }
}

#[test]
fn days_that_begin_late_begin() {
    // Clocks in Beirut went from 0:00 to 1:00; Samoa had no 30 December 2011.
    assert_eq!(kept("date(created_at) - interval '0 s' is not null", "Asia/Beirut"), "123");
    assert_eq!(kept("created_at - date(created_at) = interval '2 hours 30 minutes'", "Asia/Beirut"), "23");
    let skipped = "greatest(date '2011-12-30', date '2011-12-29') + interval '0 s' = '2011-12-30T10:00'";
    assert_eq!((kept(skipped, "Pacific/Apia"), kept(skipped, "UTC")), ("123".to_owned(), String::new()));
}

#[test]
fn selections_have_the_zone_too_and_zones_are_checked() {
    let frame = frame();
    let context = Context::new(now()).in_zone("Europe/Berlin").unwrap();
    let columns = parse_select("date(created_at) as day", frame.schema(), &context).unwrap();
    let days = frame.lazy().select(columns).collect().unwrap();
    assert_eq!(days.column("day").unwrap().dtype(), &DataType::Date);
    assert_eq!(days.column("day").unwrap().get(0).unwrap().to_string(), "2026-01-02");
    let error = Context::new(now()).in_zone("Europe/Berlim").unwrap_err().to_string();
    assert_eq!(error, "no time zone is called Europe/Berlim (give an IANA name such as Europe/Berlin)");
}
