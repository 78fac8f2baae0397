//! `group` as a user runs it: outputs, order, the best runs, zones, wrong input. What it computes is in `docs/expressions.md` and the unit tests.

use crate::bundled::examples;
use crate::cli::runframe;
use runframe::RunFrame;
use runframe::expr::{Context, Grouping};
use runframe::polars::prelude::*;
use std::collections::BTreeMap;

fn group(words: &[&str]) -> String {
    let (code, stdout, stderr) = runframe(&[&["group", "examples/wandb", "-q"], words].concat());
    assert_eq!(code, 0, "{stderr}");
    stdout
}

fn fault(words: &[&str]) -> String {
    let (code, stdout, stderr) = runframe(&[&["group", "examples/wandb", "-q"], words].concat());
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    stderr
}

#[test]
fn groups_by_hand_are_the_same() {
    // Runs and seconds of each user and state, counted here row by row.
    let all = examples().collect().unwrap();
    let text = |name: &str| all.column(name).unwrap().str().unwrap().clone();
    let (users, states, runtimes) =
        (text("user.username"), text("state"), all.column("runtime").unwrap().f64().unwrap().clone());
    let mut expected: BTreeMap<(String, String), (usize, f64)> = BTreeMap::new();
    for row in 0..all.height() {
        let key = (users.get(row).unwrap().to_owned(), states.get(row).unwrap().to_owned());
        let entry = expected.entry(key).or_default();
        *entry = (entry.0 + 1, entry.1 + runtimes.get(row).unwrap());
    }
    let lines: Vec<String> =
        expected.iter().map(|((user, state), (runs, seconds))| format!("{user},{state},{runs},{seconds:?}")).collect();
    assert_eq!(
        group(&["-b", "user,state", "-a", "n() as n", "-a", "sum(runtime)"]),
        format!("user,state,n,sum(runtime)\n{}\n", lines.join("\n"))
    );
    assert!(lines.len() >= 4);
}

#[test]
fn every_format_holds_the_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.parquet");
    group(&["-b", "created_at:1h,tags", "-a", "n(), list(name), mean(summary.loss)", "-o", path.to_str().unwrap()]);
    let mut file = std::fs::File::open(&path).unwrap();
    let stored = ParquetReader::new(&mut file).finish().unwrap();
    let time = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    let types =
        [time, DataType::String, DataType::Int64, DataType::List(Box::new(DataType::String)), DataType::Float64];
    assert_eq!(stored.dtypes(), types);
    assert_eq!(stored.get_column_names(), ["created_at:1h", "tags", "n()", "list(name)", "mean(summary.loss)"]);
    let json =
        group(&["-b", "state", "-a", "n()", "-a", "mean(summary.loss)", "--format", "json", "-w", "user = 'nobody'"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), serde_json::json!([]));
    assert_eq!(group(&["-b", "state", "-a", "n()", "-w", "user = 'nobody'"]), "state,n()\n");
    assert_eq!(group(&["-a", "n()", "-w", "user = 'nobody'"]), "n()\n0\n");
    assert_eq!(group(&["-a", "n() as runs", "--format", "md"]), "| runs |\n| ---: |\n| 41 |\n");
}

#[test]
fn types_are_told_before_anything_is_computed() {
    let runs = examples();
    let context = Context::new(runframe::Timestamp::now());
    for (by, aggregates) in [
        (
            "user",
            "n(), n(name), sum(history_rows), sum(runtime), mean(state = 'x'), min(created_at), max(name), std(runtime), sem(runtime)",
        ),
        ("created_at:1d", "first(tags), last(name), any(runtime > 1), all(runtime > 1), nunique(tags), list(runtime)"),
        (
            "created_at:15m,tags",
            "q(history_rows, 0.5), median(runtime), first(logged('model').aliases), max(runtime) > 3 and n() > 1",
        ),
        ("date", "best(summary.accuracy), n() * 2 as twice, mean(heartbeat_at - created_at)"),
        ("config.warmup", "best(created_at)"),
    ] {
        let aggregates = aggregates.replace("nunique(tags)", "nunique(element(tags, 1))");
        let grouping = Grouping::by(by, runs.schema(), &context).unwrap().aggregates(&aggregates).unwrap();
        let mut lazy = grouping.apply(runs.lazy()).unwrap();
        let told = lazy.collect_schema().unwrap();
        assert_eq!(lazy.collect().unwrap().schema(), &told, "{by}: {aggregates}");
    }
}

#[test]
fn the_result_is_sorted_and_cut() {
    let args = ["-b", "host", "-a", "n(), max(runtime)", "--sort", "-n(),max(runtime)"];
    let sorted = group(&args);
    let hosts: Vec<&str> = sorted.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    // grace and alan have 14 runs, ada 13; grace's longest is the shorter one.
    assert_eq!(hosts, ["node-grace", "node-alan", "node-ada"]);
    assert_eq!(group(&[&args[..], &["-n", "1"]].concat()).lines().count(), 2);
    let error = fault(&["-b", "host", "-a", "n()", "--sort", "runtime"]);
    assert!(error.contains("unknown column runtime"), "{error}");
}

#[test]
fn the_best_run_is_a_whole_row() {
    let rows = group(&["-b", "user", "-a", "best(summary.accuracy)", "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
    let best: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(best, ["85zm8htx", "tw94fcgn", "eeml4za6"]);
    assert_eq!(rows[0]["tags"], serde_json::json!(["second", "resumed"]));
    assert!(rows[0]["logged_artifacts"].is_array() && rows[0]["created_at"].is_string());
    let worst = group(&["-b", "user", "-a", "best(summary.accuracy)", "--minimize", "-s", "name,summary.accuracy"]);
    assert_eq!(worst.lines().nth(2), Some("alan,8kderzhy,0.6"));
    let best = group(&["-a", "best(created_at)", "-s", "name"]);
    assert_eq!(best, "name\ngzpab0ls\n");
}

#[test]
fn stored_runs_group_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.parquet");
    let path = path.to_str().unwrap();
    assert_eq!(runframe(&["query", "examples/wandb", "-q", "-o", path]).0, 0);
    for words in
        [&["-b", "tags,config.warmup"][..], &["-b", "created_at:1w", "-a", "best(summary.loss), n() as m"], &[]]
    {
        let (code, stdout, stderr) = runframe(&[&["group", path, "-q"], words].concat());
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert_eq!(stdout, group(words));
    }
    assert_eq!(RunFrame::open(path).unwrap().height(), 41);
}

#[test]
fn wrong_input_names_place_and_cure() {
    for (words, parts) in [
        (&["-b", "usr"][..], ["unknown column usr (did you mean user", "--by usr"]),
        (&["-b", "created_at:1x"], ["bad bucket '1x'", "                  ^"]),
        (
            &["-a", "mean(summary.acuracy)"],
            ["did you mean summary.accuracy?", "--agg mean(summary.acuracy)\n             ^"],
        ),
        (
            &["-a", "n()", "-a", "mean(name)"],
            ["mean needs a number, but name (String) is text", "--agg n(),mean(name)"],
        ),
        (&["-a", "n()", "--minimize"], ["--minimize goes with best", "best(summary.loss)"]),
        (&["-b", "user", "-s", "name"], ["--select goes with best", "best(summary.loss)"]),
        (&["-a", "best(runtime)", "-s", "nam"], ["unknown column nam (did you mean name?)", "--select nam"]),
        (&["-a", "best(runtime), n() as name"], ["two columns are called name", "as name"]),
        (&["-a", "-n"], ["-n is a flag", "is missing"]),
        (&["-w", "mean(runtime) > 1"], ["mean is an aggregate", "--where"]),
    ] {
        let error = fault(words);
        assert!(parts.iter().all(|part| error.contains(part)), "{words:?}: {error}");
    }
}
