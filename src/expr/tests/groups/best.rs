//! The best run of each group: ties, NaN, groups without a value, and what stands beside it.

use super::super::super::Grouping;
use super::{Context, lines, now};
use crate::ops::frames::times;
use crate::ops::{Best, RunVerbs};
use polars::prelude::*;

fn runs() -> DataFrame {
    let tags = [vec!["x", "y"], vec!["x"], vec![], vec!["y"], vec!["y"], vec![]];
    let tags: Vec<Series> = tags.into_iter().map(|tags| Series::new("".into(), tags)).collect();
    let tags = Series::new("tags".into(), tags).cast(&DataType::List(Box::new(DataType::String))).unwrap();
    let mut frame = df!(
        "name" => ["r1", "r2", "r3", "r4", "r5", "r6"],
        "group" => [Some("a"), Some("a"), Some("a"), Some("b"), Some("b"), None],
        "summary.acc" => [Some(0.5), Some(f64::NAN), Some(0.5), None, Some(f64::NAN), Some(0.1)],
        "summary.n" => [Some(1i64), Some(7), Some(7), Some(3), Some(3), None]
    )
    .unwrap();
    let days =
        [Some("2026-01-03T00:00:00Z"), Some("2026-01-02T00:00:00Z"), Some("2026-01-02T00:00:00Z"), None, None, None];
    frame.hstack_mut(&[times("created_at", &days), tags.into_column()]).unwrap();
    frame
}

/// The groups of the chosen columns, as one line.
fn best(by: &str, aggregates: &str, select: &str, which: Best) -> Result<DataFrame, String> {
    let frame = runs();
    let context = Context::new(now());
    let grouping = if by.is_empty() {
        Ok(Grouping::all(frame.schema(), &context))
    } else {
        Grouping::by(by, frame.schema(), &context)
    };
    let grouping = grouping.and_then(|grouping| grouping.aggregates(aggregates)?.best(which).select(select));
    grouping.and_then(|grouping| Ok(grouping.apply(frame.lazy())?.collect()?)).map_err(|error| error.to_string())
}

#[test]
fn ties_go_to_the_earliest_then_the_first_by_name() {
    let got = best("group", "best(summary.acc)", "name, summary.acc", Best::Highest).unwrap();
    // r1 and r3 are equal, r3 is older. Group b has no value, and is kept.
    let expected = df!("group" => [Some("a"), Some("b"), None], "name" => [Some("r3"), None, Some("r6")], "summary.acc" => [Some(0.5), None, Some(0.1)]);
    assert!(got.equals_missing(&expected.unwrap()), "{got}");
    // r2 and r3 are equal and of one time; r4 and r5 have no time.
    let got = best("group", "best(summary.n)", "name", Best::Highest).unwrap();
    assert!(
        got.equals_missing(
            &df!("group" => [Some("a"), Some("b"), None], "name" => [Some("r2"), Some("r4"), None]).unwrap()
        ),
        "{got}"
    );
    let got = best("group", "best(summary.n)", "name as who", Best::Lowest).unwrap();
    assert!(
        got.equals_missing(
            &df!("group" => [Some("a"), Some("b"), None], "who" => [Some("r1"), Some("r4"), None]).unwrap()
        ),
        "{got}"
    );
    let got = best("", "best(-summary.acc)", "name", Best::Highest).unwrap();
    assert!(got.equals(&df!("name" => ["r6"]).unwrap()), "{got}");
}

#[test]
fn aggregates_may_stand_beside_the_best() {
    let got = best("group", "n() as runs, best(summary.n), max(summary.acc) * 10", "name", Best::Highest).unwrap();
    let expected = df!(
        "group" => [Some("a"), Some("b"), None], "runs" => [3i64, 2, 1], "name" => [Some("r2"), Some("r4"), None],
        "max(summary.acc) * 10" => [5.0, f64::NAN, 1.0]
    );
    assert!(got.equals_missing(&expected.unwrap()), "{got}");
    let got = best("tags", "best(summary.n), n()", "name, tags", Best::Highest).unwrap();
    let expected = df!("tags" => [Some("x"), Some("y"), None], "name" => ["r2", "r4", "r3"], "n()" => [2i64, 3, 2]);
    assert!(got.equals_missing(&expected.unwrap()), "{got}");
    let error = best("group", "best(summary.n), n() as name", "name", Best::Highest).unwrap_err();
    assert_eq!(error, "two columns are called name (give one another name: … as name)");
}

#[test]
fn whole_rows_have_all_columns_once() {
    let frame = runs();
    assert_eq!(
        lines(&frame, "group", "best(summary.n)").split(" / ").next().unwrap(),
        "group name summary.acc summary.n created_at tags"
    );
    assert_eq!(
        lines(&frame.head(Some(0)), "group as g", "best(summary.n)"),
        "g name group summary.acc summary.n created_at tags"
    );
    let none = lines(&frame.head(Some(0)), "", "best(summary.n), n() as m");
    assert_eq!(none, "name group summary.acc summary.n created_at tags m / null null null null null null 0");
}

#[test]
fn the_verb_takes_any_expressions() {
    let day = col("created_at").dt().date().alias("day");
    let got = runs()
        .lazy()
        .best_by([day], col("summary.n"), Best::Lowest)
        .select([col("day"), col("name")])
        .collect()
        .unwrap();
    assert_eq!(
        got.column("name").unwrap().str().unwrap().iter().collect::<Vec<_>>(),
        [Some("r1"), Some("r2"), Some("r4")]
    );
    let mut lazy = runs().lazy().best_by([col("group")], col("summary.n"), Best::Highest);
    let schema = lazy.collect_schema().unwrap();
    let names: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
    assert_eq!(names, ["group", "name", "summary.acc", "summary.n", "created_at", "tags"]);
    assert_eq!(*lazy.collect().unwrap().schema(), schema);
    assert!(runs().lazy().best_by([col("nobody")], col("summary.n"), Best::Highest).collect().is_err());
}
