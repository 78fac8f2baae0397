//! Tables of expressions over one small run table: which runs they keep, and what they say when they are wrong.

mod answers;
mod faults;
mod functions;
mod groups;
mod lists;
mod push;
mod zones;

use crate::ops::frames::{Version, artifacts, names, times};
use crate::record::Timestamp;
use polars::prelude::*;

/// The present of all tests.
fn now() -> Timestamp {
    Timestamp::parse("2026-01-10T00:00:00Z").unwrap()
}

/// Five runs with NaN, nulls, several kinds of one path, keyword names and odd names.
fn runs() -> DataFrame {
    let model: [Version<'_>; 2] = [("model", "model", Some(2), &["latest"]), ("model", "model", Some(3), &["best"])];
    let data: [Version<'_>; 1] = [("training-data", "dataset", Some(3), &[])];
    let old: [Version<'_>; 1] = [("training-data", "dataset", Some(2), &["latest"])];
    let tags = [Some(vec!["a", "b"]), Some(vec![]), None, Some(vec!["b"]), Some(vec!["it's"])];
    let tags: Vec<Option<Series>> =
        tags.into_iter().map(|tags| tags.map(|tags| Series::new("".into(), tags))).collect();
    let tags = Series::new("tags".into(), tags).cast(&DataType::List(Box::new(DataType::String))).unwrap();
    let numbers = Series::new(
        "config.layers".into(),
        [Some(1i64), None, None, None, None].map(|n| n.map(|n| Series::new("".into(), [n, n + 1]))).to_vec(),
    );
    let odd = [
        times(
            "created_at",
            &[
                Some("2026-01-01T00:00:00Z"),
                Some("2026-01-02T10:00:00Z"),
                Some("2026-01-08T00:00:00Z"),
                Some("2025-12-31T23:59:59Z"),
                None,
            ],
        ),
        times(
            "heartbeat_at",
            &[Some("2026-01-09T23:59:00Z"), Some("2026-01-02T11:00:00Z"), Some("2026-01-09T00:00:00Z"), None, None],
        ),
        tags.into_column(),
        numbers.into_column(),
        artifacts("logged_artifacts", &[Some(&model), Some(&[]), Some(&model[..1]), None, Some(&[])]),
        artifacts("used_artifacts", &[Some(&data), Some(&old), Some(&[]), Some(&data), None]),
    ];
    let plain = df!(
        "name" => ["r1", "r2", "r3", "r4", "r5"],
        "state" => [Some("finished"), Some("crashed"), Some("running"), Some("finished"), None],
        "runtime" => [Some(3600.0), Some(7200.5), Some(60.0), None, Some(0.0)],
        "group" => [Some("g1"), Some("g2"), None, Some("g1"), Some("50%_x")],
        "user.username" => [Some("ada"), Some("bob"), Some("Ada"), None, Some("eve")],
        "user.name" => [Some("Ada L"), None, None, None, None],
        "config.lr" => [Some(0.1), Some(0.01), Some(0.001), Some(f64::NAN), None],
        "config.epochs" => [Some(10i64), Some(-20), Some(30), None, Some(50)],
        "config.flag" => [Some(true), Some(false), None, Some(true), Some(false)],
        "config.opt" => [Some(1i64), None, Some(2), None, None],
        "config.opt:string" => [None, Some("adam"), None, Some("sgd"), None],
        "config.opt:bool" => [None, None, None, None, Some(true)],
        "config.a" => [7i64, 8, 9, 10, 11],
        "config.b" => [1i64, 2, 3, 4, 5],
        "config.a-b" => [100i64, 200, 300, 400, 500],
        "summary.val" => [1.0, 2.0, 3.0, 4.0, 5.0],
        "summary.val/loss" => [Some(0.5), Some(f64::NAN), Some(f64::INFINITY), None, Some(0.05)],
        "summary.val loss" => [1i64, 2, 3, 4, 5],
        "summary.😀" => [1i64, 2, 3, 4, 5],
        "summary.say \"hi\"" => [1i64, 2, 3, 4, 5],
        "summary.note" => [Some("3.5"), Some("a.c"), Some("abc"), None, Some("ABC\nd")],
        "select" => [1i64, 2, 3, 4, 5]
    );
    let mut frame = plain.unwrap();
    frame.hstack_mut(&odd).unwrap();
    frame
}

/// The numbers of the runs that the filter keeps: `125` for r1, r2 and r5.
fn kept(text: &str) -> String {
    let frame = runs();
    match super::parse_filter(text, frame.schema(), now()) {
        Ok(filter) => {
            names(&frame, filter).map_or_else(|error| error.to_string(), |names| names.concat().replace('r', ""))
        }
        Err(error) => error.to_string(),
    }
}

/// Checks a table of filters and the runs that they keep.
fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, wanted)| (text, wanted, kept(text)))
        .filter(|(_, wanted, got)| *wanted != got)
        .map(|(text, wanted, got)| format!("{text}\n  wanted: {wanted}\n  got:    {got}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
