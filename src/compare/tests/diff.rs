//! Diffs and the names of runs.

use super::{run, table};
use crate::compare::{DiffCell, DiffOptions};
use crate::error::ErrorKind;
use crate::frame::RunFrame;
use crate::record::{Document, Run};
use crate::sink::{self, Format};

fn pair(a: &str, b: &str) -> RunFrame {
    table([run("p", "a", a), run("p", "b", b)])
}

/// The keys that differ between `a` and `b`, without `config.`.
fn keys(a: &str, b: &str) -> Vec<String> {
    let diff = pair(a, b).diff(&["a", "b"], &DiffOptions::default()).unwrap();
    diff.keys().iter().map(|key| key.key.trim_start_matches("config.").to_owned()).collect()
}

/// What the two runs have under the only key that differs: text, or `-` if missing.
fn cells(a: &str, b: &str) -> Vec<String> {
    let diff = pair(a, b).diff(&["a", "b"], &DiffOptions::default()).unwrap();
    assert_eq!(diff.keys().len(), 1, "{a} {b}");
    let text = |cell: &DiffCell| match cell {
        DiffCell::Missing => "-".to_owned(),
        DiffCell::Null => "null".to_owned(),
        DiffCell::Value { text, .. } => text.clone(),
    };
    diff.keys()[0].cells.iter().map(text).collect()
}

#[test]
fn numbers_are_equal_by_value() {
    assert_eq!(keys(r#"{"x": 1, "y": 0.5}"#, r#"{"x": 1.0, "y": 5e-1}"#), [""; 0]);
    assert_eq!(keys(r#"{"x": NaN, "y": -0.0, "z": Infinity}"#, r#"{"x": "nan", "y": 0, "z": "Inf"}"#), [""; 0]);
    assert_eq!(keys(r#"{"x": NaN}"#, r#"{"x": 1}"#), ["x"]);
    assert_eq!(keys(r#"{"x": Infinity}"#, r#"{"x": -Infinity}"#), ["x"]);
    // Beyond 2^53, where the column of floats cannot hold them.
    assert_eq!(keys(r#"{"x": 9007199254740993}"#, r#"{"x": 9007199254740992.0}"#), ["x"]);
    assert_eq!(keys(r#"{"x": 9007199254740992}"#, r#"{"x": 9007199254740992.0}"#), [""; 0]);
    assert_eq!(cells(r#"{"x": 12345678901234567890}"#, r#"{"x": 0.5}"#), ["12345678901234567890", "0.5"]);
    // An integer that no float holds beside a float of the same value; the third makes the column one of floats.
    let runs = table([
        run("p", "a", r#"{"x": 10000000000000000000000}"#),
        run("p", "b", r#"{"x": 1e22}"#),
        run("p", "c", r#"{"x": 0.5}"#),
    ]);
    assert_eq!(runs.diff(&["a", "b"], &DiffOptions::default()).unwrap().differing(), 0);
    assert_eq!(runs.diff(&["a", "b", "c"], &DiffOptions::default()).unwrap().differing(), 1);
}

#[test]
fn kinds_of_one_path_are_one_key() {
    assert_eq!(cells(r#"{"x": 1}"#, r#"{"x": "1"}"#), ["1", "\"1\""]);
    assert_eq!(cells(r#"{"x": true}"#, r#"{"x": "true"}"#), ["true", "\"true\""]);
    assert_eq!(cells(r#"{"x": "adam"}"#, r#"{"x": [1]}"#), ["adam", "[1]"]);
    assert_eq!(cells(r#"{"x": ""}"#, "{}"), ["\"\"", "-"]);
    assert_eq!(keys(r#"{"opt": "sgd"}"#, r#"{"opt": {"name": "adam"}}"#), ["opt", "opt.name"]);
}

#[test]
fn lists_and_json_are_equal_by_what_they_hold() {
    assert_eq!(keys(r#"{"x": [1, 2, null]}"#, r#"{"x": [1.0, 2.0, null]}"#), [""; 0]);
    assert_eq!(keys(r#"{"x": [1, NaN]}"#, r#"{"x": [1, NaN]}"#), [""; 0]);
    assert_eq!(keys(r#"{"x": [1, 2]}"#, r#"{"x": [2, 1]}"#), ["x"]);
    assert_eq!(keys(r#"{"x": [1]}"#, r#"{"x": ["1"]}"#), ["x"]);
    assert_eq!(keys(r#"{"x": []}"#, r#"{"x": [null]}"#), ["x"]);
    assert_eq!(keys(r#"{"x": [{"a": 1, "b": 2}]}"#, r#"{"x": [{"b": 2.0, "a": 1}]}"#), [""; 0]);
    let media = |size: &str| format!(r#"{{"x": {{"_type": "image-file", "size": {size}}}}}"#);
    assert_eq!(keys(&media("3"), &media("3.0")), [""; 0]);
    assert_eq!(keys(&media("3"), &media("4")), ["x"]);
    assert_eq!(keys(r#"{"x": {}}"#, "{}"), ["x"]);
}

#[test]
fn missing_is_not_null() {
    assert_eq!(cells(r#"{"x": null}"#, "{}"), ["null", "-"]);
    assert_eq!(cells(r#"{"x": null}"#, r#"{"x": "null"}"#), ["null", "\"null\""]);
    assert_eq!(keys(r#"{"x": null}"#, r#"{"x": null}"#), [""; 0]);
    let runs = table([run("p", "a", r#"{"x": null, "y": 1}"#), run("p", "b", r#"{"y": 1}"#)]);
    let diff = runs.diff(&["a", "b"], &DiffOptions::default()).unwrap();
    assert_eq!(diff.to_json(true), "{\"key\":\"config.x\",\"a\":null}\n");
    assert!(diff.knows_nulls());
    assert_eq!(runs.explicit_nulls(0).unwrap(), ["config.x"]);
    assert_eq!(runs.explicit_nulls(1).unwrap(), [""; 0]);
    // Merged below others, the null stays with its run.
    let mut columns = table([run("p", "z", r#"{"y": 2}"#)]).to_columns().unwrap();
    columns.merge(&runs.to_columns().unwrap());
    let merged = RunFrame::from_columns(columns, Default::default()).unwrap();
    assert_eq!((merged.explicit_nulls(1), merged.explicit_nulls(0)), (Some(vec!["config.x"]), Some(vec![])));
}

#[test]
fn stored_tables_know_of_no_null_and_make_none_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.parquet");
    let runs = table([run("p", "a", r#"{"x": null, "y": null}"#), run("p", "b", r#"{"y": 1}"#)]);
    sink::write_file(&runs.collect().unwrap(), &path, Format::Parquet, &sink::Options::default()).unwrap();
    let stored = RunFrame::open(path.to_str().unwrap()).unwrap();
    let diff = stored.diff(&["a", "b"], &DiffOptions::default()).unwrap();
    assert_eq!((diff.differing(), diff.knows_nulls(), stored.explicit_nulls(0)), (1, false, None));
    // The path of nulls is still a column after it is joined with others, but no run's null.
    let joined = RunFrame::from_columns(stored.to_columns().unwrap(), Default::default()).unwrap();
    assert!(joined.schema().contains("config.x"));
    assert_eq!(joined.explicit_nulls(0).unwrap(), [""; 0]);
}

#[test]
fn parts_all_and_ignore() {
    let one = |name: &str, config: &str, loss: &str, state: &str| Run {
        summary: Some(Document::plain(format!("{{\"loss\": {loss}, \"n\": 1}}"))),
        state: Some(state.into()),
        tags: Some(vec!["x".into()]),
        ..run("p", name, config)
    };
    let runs = table([
        one("a", r#"{"lr": 1, "data": {"x": 1, "y": "s"}, "seed": 1}"#, "0.5", "finished"),
        one("b", r#"{"lr": 1, "data": {"x": 2, "y": 7}, "seed": 2}"#, "NaN", "crashed"),
        run("p", "c", r#"{"only": 1}"#),
    ]);
    let keys = |change: &dyn Fn(&mut DiffOptions)| {
        let mut options = DiffOptions::default();
        change(&mut options);
        let diff = runs.diff(&["a", "b"], &options).unwrap();
        let keys: Vec<String> = diff.keys().iter().map(|key| key.key.clone()).collect();
        (keys, diff.differing(), diff.compared())
    };
    let config = vec!["config.data.x".to_owned(), "config.data.y".into(), "config.seed".into()];
    assert_eq!(keys(&|_| {}), (config.clone(), 3, 4));
    let (with_summary, ..) = keys(&|options| options.summary = true);
    assert_eq!(with_summary, [config.clone(), vec!["summary.loss".into()]].concat());
    let (with_fields, ..) = keys(&|options| options.fields = true);
    assert_eq!(with_fields, [vec!["state".to_owned()], config].concat());
    let (all, differing, compared) = keys(&|options| options.all = true);
    assert_eq!((all.len(), differing, compared), (4, 3, 4), "what only other runs have is not compared");
    assert_eq!(all[2], "config.lr");
    assert_eq!(keys(&|options| options.ignore = vec!["config.data.*".into()]).0, ["config.seed"]);
    // The path's plain column stands for all of its kinds.
    assert_eq!(keys(&|options| options.ignore = vec!["config.data.y".into(), "*seed".into()]).0, ["config.data.x"]);
    let mut options = DiffOptions { ignore: vec!["config.sed".into()], ..DiffOptions::default() };
    let error = runs.diff(&["a", "b"], &options).unwrap_err();
    assert_eq!(error.to_string(), "unknown column config.sed (did you mean config.seed?)");
    options.ignore = vec!["config.zzz*".into()];
    assert!(runs.diff(&["a", "b"], &options).unwrap_err().to_string().contains("no column matches config.zzz*"));
}

#[test]
fn runs_are_found_by_every_name() {
    let one =
        |project: &str, name: &str, shown: &str| Run { display_name: Some(shown.into()), ..run(project, name, "{}") };
    let runs = table([
        one("p", "aaa", "calm-sea-1"),
        one("p", "bbb", "calm-sea-2"),
        one("p", "ccc", "calm-sea-2"),
        one("q", "aaa", "bbb"),
        Run { name: "ddd".into(), ..Run::default() },
    ]);
    for (name, row) in [("bbb", 1), ("calm-sea-1", 0), ("me/q/aaa", 3), ("-/-/ddd", 4), ("me/p/ccc", 2)] {
        assert_eq!(runs.find_run(name).unwrap(), row, "{name}");
    }
    for (name, told) in [
        ("aaa", "2 runs are called aaa (say which: me/p/aaa, me/q/aaa)"),
        ("calm-sea-2", "2 runs are called calm-sea-2 (say which: me/p/bbb, me/p/ccc)"),
    ] {
        let error = runs.find_run(name).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Usage, told));
    }
    let error = runs.find_run("calm-sea-3").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean calm-sea-"), "{error}");
    assert!(runs.find_run("me/q/bbb").is_err());
    // Where two have the same name, the header is the whole path.
    let diff = runs.diff(&["me/p/aaa", "me/q/aaa", "bbb"], &DiffOptions::default()).unwrap();
    assert_eq!(diff.runs(), ["me/p/aaa", "me/q/aaa", "bbb"]);
    assert_eq!(diff.to_frame().unwrap().get_column_names(), ["key", "me/p/aaa", "me/q/aaa", "bbb"]);
    assert_eq!(diff.to_json(false), "[]\n");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let runs = pair("{}", "{}");
    let refused = |names: &[&str]| runs.diff(names, &DiffOptions::default()).unwrap_err().to_string();
    assert_eq!(refused(&["a"]), "one run alone does not differ (name two runs or more)");
    assert_eq!(refused(&["a", "b", "me/p/a"]), "me/p/a is named twice");
    assert!(refused(&["a", "x"]).starts_with("no run is called x"));
    assert!(
        table([]).diff(&["a", "b"], &DiffOptions::default()).unwrap_err().to_string().starts_with("no run is called a")
    );
}

#[test]
fn json_has_the_values_as_they_are() {
    let runs =
        pair(r#"{"a": [1, 2], "b": "x\"y", "c": NaN, "d": [{"k": NaN}]}"#, r#"{"a": 1, "b": 2, "c": 3, "d": 4}"#);
    let options = DiffOptions { all: true, ..DiffOptions::default() };
    let text = runs.diff(&["a", "b"], &options).unwrap().to_json(false);
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([
        {"key": "config.a", "a": [1, 2], "b": 1, "differs": true},
        {"key": "config.b", "a": "x\"y", "b": 2, "differs": true},
        {"key": "config.c", "a": "NaN", "b": 3.0, "differs": true},
        {"key": "config.d", "a": [{"k": "NaN"}], "b": 4, "differs": true},
    ]);
    assert_eq!(rows, expected);
}
