//! Calendar buckets, in zones whose clocks are set forward and back.

use super::super::super::Context;
use super::{grouped, now};
use crate::ops::frames::times;
use polars::prelude::*;

fn buckets(texts: &[&str], by: &str, zone: &str) -> String {
    let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(*text)).collect();
    let frame = DataFrame::new(texts.len(), vec![times("created_at", &texts)]).unwrap();
    let context = Context::new(now()).in_zone(zone).unwrap();
    let lines = grouped(&frame, by, "n()", &context).unwrap_or_else(|error| format!("error\n{error}"));
    lines.lines().skip(1).collect::<Vec<_>>().join(", ").replace(" UTC", "")
}

#[test]
fn days_are_those_of_the_zone() {
    // On 25 October 2026 clocks in Berlin went back at 3:00, 01:00 UTC: the day began at 22:00 and ended at 23:00 UTC.
    let berlin = [
        "2026-10-24T21:59:59Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T22:59:59Z",
        "2026-10-25T23:00:00Z",
    ];
    assert_eq!(buckets(&berlin, "created_at:1d", "Europe/Berlin"), "2026-10-24 1, 2026-10-25 3, 2026-10-26 1");
    assert_eq!(buckets(&berlin, "day", "UTC"), "2026-10-24 2, 2026-10-25 3");
    assert_eq!(buckets(&berlin, "date", "Europe/Berlin"), "2026-10-24 1, 2026-10-25 3, 2026-10-26 1");
    // In New York it is 1 November, from 04:00 UTC to 05:00 UTC of the next day.
    let york = ["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"];
    assert_eq!(buckets(&york, "created_at:1d", "America/New_York"), "2026-10-31 1, 2026-11-01 2, 2026-11-02 1");
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let times = ["2026-11-08T22:59:00Z", "2026-11-08T23:30:00Z", "2026-11-09T03:00:00Z", "2026-12-31T23:30:00Z"];
    assert_eq!(buckets(&times, "created_at:1w", "UTC"), "2026-11-02 2, 2026-11-09 1, 2026-12-28 1");
    assert_eq!(buckets(&times, "created_at:1w", "Europe/Berlin"), "2026-11-02 1, 2026-11-09 2, 2026-12-28 1");
    assert_eq!(buckets(&times, "created_at:1w", "America/New_York"), "2026-11-02 3, 2026-12-28 1");
    assert_eq!(buckets(&times, "created_at:1mo", "UTC"), "2026-11-01 3, 2026-12-01 1");
    assert_eq!(buckets(&times, "created_at:1mo", "Europe/Berlin"), "2026-11-01 3, 2027-01-01 1");
    assert_eq!(buckets(&times, "created_at:1q", "UTC"), "2026-10-01 4");
    assert_eq!(buckets(&times, "created_at:1y", "Europe/Berlin"), "2026-01-01 3, 2027-01-01 1");
    assert_eq!(buckets(&times, "date(created_at):1mo", "UTC"), "2026-11-01 3, 2026-12-01 1");
    assert_eq!(buckets(&times, "date_trunc('month', created_at)", "Europe/Berlin"), "2026-11-01 3, 2027-01-01 1");
}

#[test]
fn an_hour_that_comes_twice_is_two() {
    // 2:30 in summer time, 2:30 in winter time, 3:30.
    let night = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"];
    let hours = "2026-10-25 00:00:00 1, 2026-10-25 01:00:00 1, 2026-10-25 02:00:00 1";
    assert_eq!(buckets(&night, "created_at:1h", "Europe/Berlin"), hours);
    assert_eq!(buckets(&night, "created_at:1h", "UTC"), hours);
    assert_eq!(buckets(&night, "created_at:15m", "Europe/Berlin").matches(":30:00 1").count(), 3);
    // The first quarter of that day had seven hours.
    let quarters = ["2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T04:30:00Z", "2026-10-25T05:30:00Z"];
    assert_eq!(buckets(&quarters, "created_at:6h", "Europe/Berlin"), "2026-10-24 22:00:00 3, 2026-10-25 05:00:00 1");
    // New York's clocks were set forward on 8 March 2026 at 2:00, 07:00 UTC.
    let spring = ["2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z", "2026-03-08T09:30:00Z"];
    assert_eq!(buckets(&spring, "created_at:6h", "America/New_York"), "2026-03-08 05:00:00 3");
}

#[test]
fn hours_begin_where_clocks_show_it() {
    assert_eq!(
        buckets(&["2026-01-01T00:10:00Z", "2026-01-01T00:40:00Z"], "created_at:1h", "Asia/Kolkata"),
        "2025-12-31 23:30:00 1, 2026-01-01 00:30:00 1"
    );
    // Clocks in Beirut went from 0:00 to 1:00 on 29 March 2026, at 22:00 UTC: the day began then.
    assert_eq!(
        buckets(&["2026-03-28T21:59:00Z", "2026-03-28T23:00:00Z"], "created_at:6h", "Asia/Beirut"),
        "2026-03-28 16:00:00 1, 2026-03-28 22:00:00 1"
    );
}
