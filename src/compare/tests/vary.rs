//! What varies.

use super::{run, table};
use crate::compare::{Vary, VaryKey, VaryOptions, vary};
use crate::frame::RunFrame;
use polars::prelude::*;

fn of(runs: &RunFrame, change: impl Fn(&mut VaryOptions)) -> Vary {
    let mut options = VaryOptions { json_columns: runs.json_columns().to_vec(), ..VaryOptions::default() };
    change(&mut options);
    vary(runs.lazy(), &options).unwrap()
}

fn configs(configs: &[&str]) -> RunFrame {
    table(configs.iter().enumerate().map(|(at, config)| run("p", &format!("r{at}"), config)))
}

/// Key without `config.`, different values, runs with one, runs without, and the top as text.
fn rows<'a>(vary: &'a Vary) -> Vec<(&'a str, usize, usize, usize, String)> {
    let top = |top: &[(String, usize)]| {
        top.iter().map(|(value, runs)| format!("{value}×{runs}")).collect::<Vec<String>>().join(" ")
    };
    let row =
        |key: &'a VaryKey| (key.key.trim_start_matches("config."), key.values, key.runs, key.missing, top(&key.top));
    vary.keys().iter().map(row).collect()
}

#[test]
fn nan_is_one_value_and_numbers_are_equal_by_value() {
    let runs = configs(&[
        r#"{"x": NaN, "y": 1, "z": -0.0}"#,
        r#"{"x": "nan", "y": 1.0, "z": 0}"#,
        r#"{"x": 2, "y": 1, "z": 0}"#,
    ]);
    let varying = of(&runs, |_| {});
    assert_eq!(rows(&varying), [("x", 2, 3, 0, "NaN×2 2.0×1".to_owned())]);
    assert_eq!((varying.varying(), varying.steady(), varying.runs()), (1, 2, 3));
    let all = of(&runs, |options| options.all = true);
    assert_eq!(rows(&all)[1], ("y", 1, 3, 0, "1.0×3".to_owned()));
    assert_eq!((all.varying(), all.steady()), (1, 2));
}

#[test]
fn kinds_of_one_path_are_one_key() {
    let runs = configs(&[
        r#"{"x": 1}"#,
        r#"{"x": "1"}"#,
        r#"{"x": true}"#,
        r#"{"x": [1, 2.0]}"#,
        r#"{"x": [1.0, 2]}"#,
        r#"{"x": [{"a": 1, "b": 2}]}"#,
        r#"{"x": [{"b": 2.0, "a": 1}]}"#,
        "{}",
        r#"{"x": null}"#,
    ]);
    let varying = of(&runs, |options| options.top = 9);
    let top = "[1.0,2.0]×2 [{\"a\":1,\"b\":2}]×2 1×1 \"1\"×1 true×1".to_owned();
    assert_eq!(rows(&varying), [("x", 5, 7, 2, top)]);
    for column in ["config.x", "config.x:bool", "config.x:*"] {
        assert_eq!(rows(&of(&runs, |options| options.columns = vec![column.into()]))[0].1, 5, "{column}");
    }
}

#[test]
fn missing_counts_as_one_and_null_is_missing() {
    let runs = configs(&[r#"{"some": 1, "all": 1, "null": null}"#, r#"{"all": 1}"#]);
    assert_eq!(rows(&of(&runs, |_| {})), [("some", 1, 1, 1, "1×1".to_owned())]);
    // Keys that none of the runs has do not count.
    let one = vary(runs.lazy().slice(1, 1), &VaryOptions::default()).unwrap();
    assert_eq!((one.varying(), one.steady(), one.runs()), (0, 1, 1));
    let none = vary(runs.lazy().slice(0, 0), &VaryOptions::default()).unwrap();
    assert_eq!((none.varying(), none.steady(), none.runs(), none.to_frame().unwrap().height()), (0, 0, 0, 0));
    let empty = vary(configs(&["{}", "{}"]).lazy(), &VaryOptions::default()).unwrap();
    assert_eq!((empty.varying(), empty.steady(), empty.runs()), (0, 0, 2));
}

#[test]
fn keys_move_together_if_they_part_the_runs_alike() {
    let runs = configs(&[
        r#"{"a": 1, "b": "x", "c": 1, "d": true, "e": 5, "same": 0}"#,
        r#"{"a": 2, "b": "y", "c": 1, "d": false, "f": 5, "same": 0}"#,
        r#"{"a": 1, "b": "x", "c": 2, "d": true, "e": 5, "same": 0}"#,
        r#"{"a": 3, "b": "z", "c": 2, "d": false, "f": 5, "same": 0}"#,
    ]);
    let varying = of(&runs, |options| options.all = true);
    // e and f: one is there exactly where the other is not, and so parts the runs as d does.
    assert_eq!(varying.groups(), [vec!["config.a", "config.b"], vec!["config.d", "config.e", "config.f"]]);
    let frame = varying.to_frame().unwrap();
    let with: Vec<Option<&str>> = frame.column("with").unwrap().str().unwrap().iter().collect();
    assert_eq!(with[..4], [Some("config.b"), Some("config.a"), None, Some("config.e, config.f")]);
    assert_eq!(
        frame.column("together").unwrap().i64().unwrap().to_vec(),
        [Some(1), Some(1), None, Some(2), Some(2), Some(2), None]
    );
}

#[test]
fn the_order_of_the_runs_changes_nothing() {
    let texts: Vec<String> =
        (0..60).map(|i| format!(r#"{{"x": {}, "y": "s{}", "z": {}}}"#, i % 7, i % 7, i % 11)).collect();
    let there = of(&configs(&texts.iter().map(String::as_str).collect::<Vec<_>>()), |_| {});
    let back = of(&configs(&texts.iter().rev().map(String::as_str).collect::<Vec<_>>()), |_| {});
    assert_eq!(there.keys(), back.keys());
    assert_eq!(there.groups(), [["config.x", "config.y"]]);
    // 60 = 8 × 7 + 4: the first four of seven come nine times.
    assert_eq!(rows(&there)[0], ("x", 7, 60, 0, "0×9 1×9 2×9 3×9 4×8".to_owned()));
}

#[test]
fn wide_tables_go_in_batches() {
    let config = |at: usize| {
        let keys: Vec<String> =
            (0..300).map(|key| format!("\"k{key:03}\": {}", if key == 299 { at } else { key })).collect();
        format!("{{{}}}", keys.join(","))
    };
    let varying = of(&configs(&[&config(0), &config(1)]), |_| {});
    assert_eq!((varying.varying(), varying.steady()), (1, 299));
    assert_eq!(varying.keys()[0].key, "config.k299");
    // A group of many keys names a few.
    let many =
        |at: usize| format!("{{{}}}", (0..20).map(|key| format!("\"k{key:02}\": {at}")).collect::<Vec<_>>().join(","));
    let frame = of(&configs(&[&many(0), &many(1)]), |_| {}).to_frame().unwrap();
    let with = frame.column("with").unwrap().str().unwrap().get(19).unwrap().to_owned();
    assert!(with.starts_with("config.k00, ") && with.ends_with("config.k07, … 11 more"), "{with}");
}

#[test]
fn other_columns_and_faults() {
    let runs =
        df!("name" => ["a", "b"], "host" => ["h", "h"], "summary.x" => [1.0, 2.0], "config.y" => [1, 2]).unwrap();
    let look = |columns: &[&str], ignore: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let options = VaryOptions { columns: texts(columns), ignore: texts(ignore), ..VaryOptions::default() };
        vary(runs.clone().lazy(), &options)
    };
    let keys = |vary: Vary| vary.keys().iter().map(|key| key.key.clone()).collect::<Vec<String>>();
    assert_eq!(keys(look(&["*"], &["name"]).unwrap()), ["config.y", "summary.x"]);
    assert_eq!(keys(look(&["host", "summary.*"], &[]).unwrap()), ["summary.x"]);
    assert_eq!(look(&["config.yy"], &[]).unwrap_err().to_string(), "unknown column config.yy (did you mean config.y?)");
    assert!(look(&[], &["q*"]).unwrap_err().to_string().contains("no column matches q*"));
}
