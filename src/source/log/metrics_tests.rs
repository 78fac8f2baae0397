//! Tests of summaries made from the history.

use super::super::document::{Findings, Style, render};
use super::super::writer::*;
use super::*;

const MIN: u32 = 1;
const MAX: u32 = 2;
const MEAN: u32 = 3;
const BEST: u32 = 4;
const LAST: u32 = 5;
const NONE: u32 = 6;
const FIRST: u32 = 8;

fn metric(name: &str, flags: &[u32], more: &[Vec<u8>]) -> Vec<u8> {
    let (field, flags) =
        (if name.ends_with('*') { 2 } else { 1 }, flags.iter().map(|flag| int(*flag, 1)).collect::<Vec<_>>());
    let mut parts = vec![text(field, name), message(7, &flags)];
    parts.extend_from_slice(more);
    message(12, &parts)
}

fn summary_of(records: &[Vec<u8>]) -> String {
    let mut tree = Tree::default();
    let mut metrics = Metrics::default();
    for record in records {
        metrics.record(&Record::parse(record).unwrap(), &mut tree).unwrap();
    }
    render(&tree, Style { name: "summary", hide_null: true, internal: false }, &mut Findings::default())
}

fn rows(key: &str, values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| history(&[nested(&[key], value)])).collect()
}

fn with(metric: Vec<u8>, rows: Vec<Vec<u8>>) -> String {
    summary_of(&[vec![metric], rows].concat())
}

#[test]
fn without_rules_the_last_value_counts() {
    let records = [
        history(&[item("loss", "1.0"), item("d", r#"{"a":1}"#), item("_step", "0"), item("n", "null")]),
        history(&[item("loss", "0.5"), item("_timestamp", "1e9")]),
    ];
    assert_eq!(summary_of(&records), r#"{"loss":0.5,"d":{"a":1},"_step":0,"_timestamp":1e9}"#);
}

#[test]
fn a_row_may_keep_its_step_beside_the_items() {
    let stepped = message(2, &[message(2, &[int(1, 7)]), text(1, item("x", "1"))]);
    assert_eq!(summary_of(&[stepped]), r#"{"x":1,"_step":7}"#);
    let zero = message(2, &[message(2, &[]), text(1, item("x", "1"))]);
    assert_eq!(summary_of(&[zero]), r#"{"x":1,"_step":0}"#);
}

#[test]
fn aggregates_are_one_object() {
    let values = ["2", "0.5", "3.5", "1"];
    let all = with(metric("loss", &[MIN, MAX, MEAN, LAST, FIRST], &[]), rows("loss", &values));
    assert_eq!(all, r#"{"loss":{"min":0.5,"max":3.5,"mean":1.75,"last":1,"first":2}}"#);
    assert_eq!(with(metric("loss", &[BEST], &[]), rows("loss", &values)), r#"{"loss":{"best":0.5}}"#);
    assert_eq!(with(metric("loss", &[BEST], &[int(8, 2)]), rows("loss", &values)), r#"{"loss":{"best":3.5}}"#);
    assert_eq!(with(metric("loss", &[NONE], &[]), rows("loss", &values)), "{}");
    assert_eq!(with(metric("other", &[MIN], &[]), rows("loss", &values)), r#"{"loss":1}"#);
    // Hidden and step metrics change charts, not the summary.
    let hidden = metric("loss", &[], &[text(4, "epoch"), message(6, &[int(1, 1), int(2, 1)])]);
    assert_eq!(with(hidden, rows("loss", &values)), r#"{"loss":1}"#);
}

#[test]
fn nan_poisons_in_core_and_not_in_legacy() {
    let values = ["2", "NaN", "1"];
    let core = with(metric("loss", &[MIN, MEAN], &[]), rows("loss", &values));
    assert_eq!(core, r#"{"loss":{"min":NaN,"mean":NaN}}"#);
    let legacy = values.iter().map(|value| history(&[item("loss", value)])).collect();
    assert_eq!(with(metric("loss", &[MIN, MEAN], &[]), legacy), r#"{"loss":{"min":1,"mean":1.5}}"#);
}

#[test]
fn globs_and_escaped_names_match() {
    let row =
        history(&[nested(&["val", "loss"], "1"), nested(&["val.acc"], "2"), item("val/x", "3"), item("_step", "4")]);
    let of = |name: &str| summary_of(&[metric(name, &[MAX], &[]), row.clone()]);
    assert_eq!(of("val.loss"), r#"{"val":{"loss":{"max":1}},"val.acc":2,"val/x":3,"_step":4}"#);
    assert_eq!(of(r"val\.acc"), r#"{"val":{"loss":1},"val.acc":{"max":2},"val/x":3,"_step":4}"#);
    assert_eq!(of("val/*"), r#"{"val":{"loss":1},"val.acc":2,"val/x":{"max":3},"_step":4}"#);
    assert_eq!(of("*"), r#"{"val":{"loss":{"max":1}},"val.acc":{"max":2},"val/x":{"max":3},"_step":4}"#);
}

#[test]
fn definitions_add_up_unless_they_overwrite() {
    let define = |more: &[Vec<u8>]| metric("x", &[MAX], more);
    let rows = rows("x", &["1", "2"]);
    let both = summary_of(&[vec![metric("x", &[MIN], &[]), define(&[])], rows.clone()].concat());
    assert_eq!(both, r#"{"x":{"min":1,"max":2}}"#);
    let overwrite = define(&[message(9, &[int(1, 1)])]);
    assert_eq!(summary_of(&[vec![metric("x", &[MIN], &[]), overwrite], rows.clone()].concat()), r#"{"x":{"max":2}}"#);
    // Defined late, a metric keeps what it gathered.
    let late = summary_of(&[vec![metric("x", &[MIN], &[]), rows[0].clone(), metric("y", &[MAX], &[])], rows].concat());
    assert_eq!(late, r#"{"x":{"min":1}}"#);
}

#[test]
fn typed_values_are_read() {
    let typed = |value: Vec<u8>| history(&[[text(2, "x"), value].concat()]);
    let cases = [
        (int(4, 1), "true"),
        (int(5, 3), "-2"),
        (int(5, 4), "2"),
        (int(5, -1), "-9223372036854775808"),
        (double(6, 1.0), "1.0"),
        (double(6, 1e300), "1e300"),
        (double(6, f64::NAN), "NaN"),
        (double(6, f64::NEG_INFINITY), "-Infinity"),
        (text(7, "a\"b"), r#""a\"b""#),
        (text(8, "[1]"), "[1]"),
    ];
    for (value, expected) in cases {
        assert_eq!(summary_of(&[typed(value)]), format!("{{\"x\":{expected}}}"));
    }
    assert_eq!(summary_of(&[typed(int(3, 1))]), "{}");
}
