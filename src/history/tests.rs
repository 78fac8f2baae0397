//! Tests of history from logs that are made here, against what is written in them.

use super::*;
use crate::record::{Limits, RunKey};
use crate::source::log::writer::*;
use polars::prelude::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A run folder for a log of these records; the file.
fn put(root: &Path, name: &str, id: &str, records: &[Vec<u8>]) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("run-{id}.wandb"));
    std::fs::write(&file, LogWriter::numbered(records)).unwrap();
    file
}

/// A log of one run whose rows have these JSON values, and steps from 0.
fn log(id: &str, rows: &[&[(&str, &str)]]) -> Vec<Vec<u8>> {
    let mut records = vec![run(id, 1_700_000_000, &[text(2, "me"), text(3, "p")])];
    for (step, row) in rows.iter().enumerate() {
        let items = row.iter().map(|(key, value)| nested(&[key], value));
        let step = nested(&["_step"], &step.to_string());
        records.push(history(&items.chain([step]).collect::<Vec<_>>()));
    }
    records
}

fn read(root: &Path, query: &HistoryQuery) -> Result<HistoryFrame> {
    Loader::default().source(root.to_str().unwrap())?.history(query)
}

/// A table of the runs, one log each.
fn table(runs: &[Vec<Vec<u8>>], query: &HistoryQuery) -> Result<HistoryFrame> {
    let root = tempfile::tempdir().unwrap();
    for (at, records) in runs.iter().enumerate() {
        put(root.path(), &format!("wandb/run-{at}"), &format!("r{at}"), records);
    }
    read(root.path(), query)
}

fn all() -> HistoryQuery {
    HistoryQuery::new()
}

/// A column as text, `-` for null.
fn shown(frame: &DataFrame, name: &str) -> Vec<String> {
    let column = frame.column(name).unwrap_or_else(|_| panic!("{name} is not in {:?}", frame.get_column_names()));
    let series = column.as_materialized_series();
    (0..series.len())
        .map(|row| crate::sink::text(series, row, &Options::default()).unwrap_or_else(|| "-".to_owned()))
        .collect()
}

fn names(frame: &HistoryFrame) -> Vec<&str> {
    frame.metrics().collect()
}

#[test]
fn rows_and_their_own_columns() {
    let mut records = vec![run("r0", 1_700_000_000, &[text(2, "me"), text(3, "p")])];
    let row = |items: &[(&str, &str)]| history(&items.iter().map(|(key, value)| item(key, value)).collect::<Vec<_>>());
    records.push(row(&[("_step", "0"), ("_timestamp", "1.7000000015e+09"), ("_runtime", "1.5"), ("loss", "0.5")]));
    // No item, but a step beside them; then neither.
    let beside =
        [item("loss", "1")].iter().map(|item| text(1, item)).chain([message(2, &[int(1, 7)])]).collect::<Vec<_>>();
    records.push(message(2, &beside));
    records.push(row(&[("loss", "null")]));
    records.push(row(&[("_step", "9")]));
    let frame = table(&[records], &all()).unwrap();
    let df = frame.collect().unwrap();
    assert_eq!(df.get_column_names(), ["entity", "project", "name", "_step", "_timestamp", "_runtime", "loss"]);
    assert_eq!(shown(&df, "_step"), ["0", "7", "9", "-"]);
    assert_eq!(shown(&df, "loss"), ["0.5", "1.0", "-", "-"]);
    assert_eq!(shown(&df, "_timestamp")[0], "2023-11-14T22:13:21.500000Z");
    assert_eq!(shown(&df, "_runtime"), ["1.5", "-", "-", "-"]);
    assert_eq!((shown(&df, "entity")[0].as_str(), shown(&df, "name")[0].as_str()), ("me", "r0"));
    assert_eq!(df.column("_timestamp").unwrap().dtype(), &crate::frame::series::utc());
    let asked = table(
        &[log("r0", &[&[("a", "1")], &[("b", "2")], &[("a", "null")], &[("a", "3"), ("b", "4")]])],
        &all().keys(["a"]),
    );
    let asked = asked.unwrap().collect().unwrap();
    assert_eq!(
        (shown(&asked, "_step"), shown(&asked, "a")),
        (vec!["0".into(), "3".into()], vec!["1".into(), "3".into()])
    );
    assert!(asked.column("b").is_err());
}

#[test]
fn types_follow_from_all_rows_of_all_runs() {
    let a = log("r0", &[&[("x", "1"), ("i", "1"), ("k", "1")], &[("x", "2"), ("n", "1"), ("big", "9007199254740993")]]);
    let b = log(
        "r1",
        &[&[("x", "0.5"), ("k", "\"adam\""), ("n", "\"NaN\"")], &[("n", "-Infinity"), ("big", "0.5"), ("k", "true")]],
    );
    for runs in [[a.clone(), b.clone()], [b, a]] {
        let frame = table(&runs, &all()).unwrap();
        let dtype = |name: &str| frame.schema().get(name).unwrap().clone();
        assert_eq!(names(&frame), ["big", "big:json", "i", "k", "k:bool", "k:string", "n", "x"]);
        assert_eq!((dtype("x"), dtype("i"), dtype("n")), (DataType::Float64, DataType::Int64, DataType::Float64));
        let df = frame.lazy().sort(["name", "_step"], Default::default()).collect().unwrap();
        let sorted = |name: &str| {
            let mut values = shown(&df, name);
            values.sort();
            values
        };
        assert_eq!(sorted("x"), ["-", "0.5", "1.0", "2.0"]);
        assert_eq!(sorted("n"), ["-", "-Infinity", "1.0", "NaN"]);
        assert_eq!(
            (sorted("big"), sorted("big:json")),
            (
                vec!["-".into(), "-".into(), "-".into(), "0.5".to_owned()],
                vec!["-".into(), "-".into(), "-".into(), "9007199254740993".to_owned()]
            )
        );
        assert_eq!(
            (sorted("k")[3].as_str(), sorted("k:string")[3].as_str(), sorted("k:bool")[3].as_str()),
            ("1", "adam", "true")
        );
    }
}

#[test]
fn nested_values_are_put_together_as_in_a_summary() {
    let row = |items: Vec<Vec<u8>>| history(&items);
    let records = vec![
        run("r0", 1, &[]),
        row(vec![
            nested(&["img", "_type"], "\"image-file\""),
            nested(&["img", "path"], "\"a.png\""),
            nested(&["val", "loss"], "0.5"),
            nested(&["val", "deep", "x"], "[1, 2]"),
            nested(&["a.b"], "1"),
            nested(&["a", "b"], "2"),
            nested(&["_step"], "0"),
            nested(&["_wandb", "x"], "1"),
        ]),
        // Legacy writers keep objects; the names of columns that come with every row are told from metrics of that name.
        row(vec![
            item("val", "{\"loss\": 0.25, \"other\": null}"),
            item("name", "\"n\""),
            item("_step", "1"),
            item("a.b", "3"),
        ]),
    ];
    let frame = table(std::slice::from_ref(&records), &all()).unwrap();
    assert_eq!(names(&frame), ["a.b", r"a\.b", "img", "name:string", "val.deep.x", "val.loss", "val.other"]);
    let df = frame.collect().unwrap();
    assert_eq!(shown(&df, "img")[0], r#"{"_type":"image-file","path":"a.png"}"#);
    assert_eq!(
        (shown(&df, "val.loss"), shown(&df, "val.deep.x")),
        (vec!["0.5".into(), "0.25".into()], vec!["[1,2]".into(), "-".into()])
    );
    assert_eq!((shown(&df, "a.b"), shown(&df, r"a\.b")), (vec!["2".into(), "3".into()], vec!["1".into(), "-".into()]));
    assert_eq!(
        (shown(&df, "name:string"), shown(&df, "name")),
        (vec!["-".into(), "n".into()], vec!["r0".to_owned(); 2])
    );
    assert_eq!(frame.json_columns(), ["img"]);
    for (key, found, rows) in
        [("img", "img", 1), ("val.loss", "val.loss", 2), ("val.*x", "val.deep.x", 1), (r"a\.b", r"a\.b", 1)]
    {
        let frame = table(std::slice::from_ref(&records), &all().keys([key])).unwrap();
        assert_eq!((names(&frame), frame.height()), (vec![found], rows), "{key}");
    }
}

#[test]
fn rows_of_the_same_step_become_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str, start: i64, rows: &[(i64, &[(&str, &str)])]| {
        let mut records = vec![run("r0", start, &[])];
        for (step, row) in rows {
            let items =
                row.iter().map(|(key, value)| nested(&[key], value)).chain([nested(&["_step"], &step.to_string())]);
            records.push(history(&items.collect::<Vec<_>>()));
        }
        put(root.path(), name, "r0", &records);
    };
    // The later folder comes first by name.
    folder(
        "wandb/offline-run-20260101_000000-r0",
        200,
        &[(1, &[("x", "\"late\""), ("y", "null"), ("_runtime", "9")]), (0, &[("x", "0.5")])],
    );
    folder(
        "wandb/offline-run-20260102_000000-r0",
        100,
        &[(0, &[("x", "1"), ("y", "7")]), (1, &[("x", "2"), ("y", "8")]), (2, &[("z", "true")])],
    );
    let frame = read(root.path(), &all()).unwrap();
    assert_eq!(
        (frame.height(), frame.receipt().joined, frame.receipt().joined_rows, frame.receipt().runs),
        (3, 1, 2, 1)
    );
    let df = frame.collect().unwrap();
    assert_eq!(shown(&df, "_step"), ["0", "1", "2"]);
    assert_eq!(
        (shown(&df, "x"), shown(&df, "x:string")),
        (vec!["0.5".into(), "-".into(), "-".into()], vec!["-".into(), "late".into(), "-".into()])
    );
    assert_eq!(
        (shown(&df, "y"), shown(&df, "z"), shown(&df, "_runtime")),
        (
            vec!["7".into(), "8".into(), "-".into()],
            vec!["-".into(), "-".into(), "true".into()],
            vec!["-".into(), "9.0".into(), "-".into()]
        )
    );
}

#[test]
fn steps_that_fall_back_after_a_chunk_is_handed_over_are_joined_too() {
    let step = |step: usize, value: &str| history(&[nested(&["_step"], &step.to_string()), nested(&["x"], value)]);
    let mut records = vec![run("r0", 1, &[])];
    records.extend((0..rows::ROWS + 10).map(|n| step(n, &n.to_string())));
    records.push(step(3, "0.5"));
    let frame = table(&[records], &all()).unwrap();
    assert_eq!(
        (frame.height(), frame.receipt().joined_rows, frame.receipt().rows),
        (rows::ROWS + 10, 1, rows::ROWS as u64 + 10)
    );
    let df = frame.collect().unwrap();
    let steps: Vec<i64> = df.column("_step").unwrap().i64().unwrap().iter().flatten().collect();
    assert!(steps.iter().enumerate().all(|(at, step)| at as i64 == *step));
    let x: Vec<f64> = df.column("x").unwrap().f64().unwrap().iter().flatten().collect();
    assert_eq!(
        (x.len(), x[2], x[3], x[4], x[rows::ROWS + 9]),
        (rows::ROWS + 10, 2.0, 0.5, 4.0, (rows::ROWS + 9) as f64)
    );
}

#[test]
fn only_the_runs_and_steps_that_are_wanted() {
    let runs = [
        log("r0", &[&[("x", "1")], &[("x", "2")], &[("x", "3"), ("y", "1")]]),
        log("r1", &[&[("x", "4")], &[("x", "5")]]),
    ];
    let of = |query: HistoryQuery| {
        let frame = table(&runs, &query).unwrap();
        (shown(&frame.collect().unwrap(), "x"), frame.receipt().runs)
    };
    let key = |name: &str| RunKey { entity: Some("me".into()), project: Some("p".into()), name: name.into() };
    assert_eq!(of(all().steps(1..)), (vec!["2".into(), "3".into(), "5".into()], 2));
    assert_eq!(of(all().runs([key("r1")])), (vec!["4".into(), "5".into()], 1));
    assert_eq!(
        of(all().runs([RunKey { entity: None, ..key("r1") }]).steps(..9).keys(["x", "*"])).1,
        0,
        "the whole key counts"
    );
    assert_eq!(of(all().steps(1..=1)).0, ["2", "5"]);
    // There is an x, but not at these steps.
    let none = table(&runs, &all().keys(["x", "y"]).steps(7..)).unwrap();
    assert_eq!((none.height(), names(&none)), (0, vec!["x", "y"]));
    assert_eq!(none.schema().get("x"), Some(&DataType::Int64));
}

#[test]
fn unknown_metrics_are_named_with_the_nearest() {
    let runs = [log("r0", &[&[("train/loss", "1"), ("acc", "2")]]), log("r1", &[&[("val/loss", "null")]])];
    let fault = |keys: &[&str]| table(&runs, &all().keys(keys.iter().copied())).unwrap_err();
    let error = fault(&["acc", "train/los"]);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Column, "no run logged train/los (did you mean train/loss?)")
    );
    assert!(fault(&["zzz*"]).to_string().contains("there are acc, train/loss, val/loss"));
    assert!(fault(&["train/los"]).to_string().contains("train/loss"));
    let nested = vec![run("r0", 1, &[]), history(&[nested(&["v", "loss"], "1"), nested(&["v", "acc"], "1")])];
    let error = table(&[nested], &all().keys(["v"])).unwrap_err();
    assert!(error.to_string().contains("v.acc") && error.to_string().contains("v.loss"), "{error}");
    // A metric that is always null is one all the same.
    let nulls = table(&runs, &all().keys(["val/loss"])).unwrap();
    assert_eq!((nulls.height(), names(&nulls)), (0, vec!["val/loss"]));
}

#[test]
fn what_is_broken_is_told_and_the_rest_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let mut records =
        log("r0", &[&[("x", "1"), ("y", "0.5")], &[("x", "nonsense"), ("y", "1.5")], &[("x", "3"), ("x", "4")]]);
    records.push([text(2, [0x0a, 0x7f])].concat());
    let file = put(root.path(), "wandb/run-a", "r0", &records);
    let frame = read(root.path(), &all()).unwrap();
    let df = frame.collect().unwrap();
    assert_eq!(
        (shown(&df, "x"), shown(&df, "y")),
        (vec!["1".into(), "-".into(), "4".into()], vec!["0.5".into(), "1.5".into(), "-".into()])
    );
    let receipt = frame.receipt();
    assert_eq!((receipt.json_errors, receipt.repeated_keys, receipt.lost_records), (1, 1, 1), "{receipt}");
    assert_eq!((receipt.json_faults[0].run.as_str(), receipt.json_faults[0].place.as_str()), ("me/p/r0", "history.x"));
    assert_eq!(receipt.damages[0].file, file);
    // A flipped byte in the second row.
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(8).position(|window| window == b"nonsense").unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(&file, bytes).unwrap();
    let frame = read(root.path(), &all()).unwrap();
    assert_eq!(shown(&frame.collect().unwrap(), "_step"), ["0", "2"]);
    let damage = &frame.receipt().damages[0];
    assert_eq!((damage.file.as_path(), damage.reason.as_str()), (file.as_path(), "a wrong checksum"));
    assert!(damage.offset < at as u64 && damage.offset + damage.bytes > at as u64, "{damage:?}");
}

#[test]
fn rows_that_other_threads_decode_are_told_of_too() {
    let long = format!("\"{}\"", "x".repeat(20_000));
    let mut records = vec![run("r0", 1, &[text(2, "me"), text(3, "p")])];
    for step in 0..300 {
        let value = if step == 250 { "nonsense".to_owned() } else { step.to_string() };
        records.push(history(&[nested(&["_step"], &step.to_string()), nested(&["x"], &value), nested(&["t"], &long)]));
    }
    records.insert(200, message(2, &[text(1, [0x0a, 0x7f])]));
    let root = tempfile::tempdir().unwrap();
    let file = put(root.path(), "wandb/run-a", "r0", &records);
    let frame = read(root.path(), &all().keys(["x"])).unwrap();
    let steps: Vec<String> = (0..300).filter(|step| *step != 250).map(|step| step.to_string()).collect();
    let df = frame.collect().unwrap();
    assert_eq!((shown(&df, "_step"), shown(&df, "x")), (steps.clone(), steps));
    let receipt = frame.receipt();
    assert_eq!((receipt.json_errors, receipt.lost_records, receipt.damages.len(), receipt.runs), (1, 1, 1, 1));
    assert_eq!((receipt.json_faults[0].run.as_str(), receipt.json_faults[0].place.as_str()), ("me/p/r0", "history.x"));
    // The record behind 199 rows of some 20 kB.
    let at = receipt.damages[0].offset;
    assert!(receipt.damages[0].file == file && (199 * 20_000..200 * 20_200).contains(&at), "{at}");
    assert_eq!(read(root.path(), &all()).unwrap().height(), 300);
}

#[test]
fn system_metrics_have_times_and_no_steps() {
    let stats =
        |seconds: i64, cpu: &str| message(7, &[time(2, seconds), message(3, &[text(1, "proc.cpu"), text(16, cpu)])]);
    let records = vec![
        run("r0", 1_700_000_000, &[]),
        history(&[item("x", "1")]),
        stats(1_700_000_030, "5"),
        stats(1_700_000_015, "2.5"),
    ];
    let frame = table(&[records], &all().system()).unwrap();
    let df = frame.collect().unwrap();
    assert_eq!(df.get_column_names(), ["entity", "project", "name", "_timestamp", "_runtime", "system.proc.cpu"]);
    assert_eq!(
        (shown(&df, "_runtime"), shown(&df, "system.proc.cpu")),
        (vec!["15.0".into(), "30.0".into()], vec!["2.5".into(), "5.0".to_owned()])
    );
    assert!(frame.wide("system.proc.cpu").is_err());
    assert_eq!(frame.tidy().unwrap().height(), 2);
}

#[test]
fn wide_and_tidy() {
    let runs = [
        log("r0", &[&[("x", "1")], &[("x", "2"), ("s", "\"a\"")]]),
        log("r1", &[&[("y", "1")], &[("x", "0.5"), ("y", "[1,null]")]]),
    ];
    let frame = table(&runs, &all()).unwrap();
    let wide = frame.wide("x").unwrap();
    assert_eq!(wide.get_column_names(), ["_step", "r0", "r1"]);
    assert_eq!(
        (shown(&wide, "_step"), shown(&wide, "r0"), shown(&wide, "r1")),
        (vec!["0".into(), "1".into()], vec!["1.0".into(), "2.0".into()], vec!["-".into(), "0.5".to_owned()])
    );
    assert!(frame.wide("xx").unwrap_err().to_string().contains("did you mean x?"));
    let tidy = frame.tidy().unwrap();
    assert_eq!(shown(&tidy, "key"), ["x", "s", "x", "y", "x", "y"]);
    assert_eq!(shown(&tidy, "value"), ["1.0", "-", "2.0", "1.0", "0.5", "-"]);
    assert_eq!(shown(&tidy, "text"), ["-", "a", "-", "-", "-", "[1,null]"]);
    assert_eq!(shown(&tidy, "_step"), ["0", "1", "1", "0", "1", "1"]);
    // Kinds, and several metrics.
    let runs = [
        log("r0", &[&[("x", "1"), ("z", "3")], &[("x", "\"a\"")], &[("x", "true")]]),
        log("r1", &[&[("x", "\"b\"")], &[("x", "0.5")]]),
        log("r2", &[&[("z", "7")]]),
    ];
    let frame = table(&runs, &all()).unwrap();
    let wide = frame.wide("x").unwrap();
    assert_eq!(wide.get_column_names(), ["_step", "r0", "r0:bool", "r0:string", "r1", "r1:string"]);
    assert_eq!(
        (shown(&wide, "r0:string"), shown(&wide, "r1:string")),
        (vec!["-".into(), "a".into(), "-".into()], vec!["b".into(), "-".into(), "-".to_owned()])
    );
    let wide = frame.wide("x:string").unwrap();
    assert_eq!(wide.get_column_names(), ["_step", "r0", "r1"]);
    assert_eq!(wide.height(), 2);
    let wide = frame.wide_of(&["z", "x"]).unwrap();
    assert_eq!(
        wide.get_column_names(),
        ["_step", "r0/z", "r0/x", "r0/x:bool", "r0/x:string", "r1/x", "r1/x:string", "r2/z"]
    );
    assert_eq!(frame.wide_of(&["z", "z"]).unwrap().get_column_names(), ["_step", "r0", "r2"]);
    assert_eq!(frame.wide_of(&["?"]).unwrap().width(), wide.width());
    // The same name in two projects.
    let root = tempfile::tempdir().unwrap();
    for project in ["p", "q"] {
        let records = vec![run("same", 1, &[text(3, project)]), history(&[item("_step", "0"), item("x", "1")])];
        put(root.path(), &format!("wandb/run-{project}"), "same", &records);
    }
    let wide = read(root.path(), &all()).unwrap().wide("x").unwrap();
    assert_eq!(wide.get_column_names(), ["_step", "-/p/same", "-/q/same"]);
}

/// A value of a row, and what it is in a table: `None` for null and for what is no JSON.
fn value() -> impl Strategy<Value = (&'static str, Value)> {
    let json = |text: &'static str| (text, serde_json::from_str::<Value>(text).unwrap());
    prop_oneof![
        Just(json("1")),
        Just(json("-2.5e3")),
        Just(json("\"x\"")),
        Just(("\"NaN\"", Value::from("nan"))),
        Just(("Infinity", Value::from("inf"))),
        Just(json("true")),
        Just(json("null")),
        Just(json("[1,2]")),
        Just(json("{\"in\":3}")),
        Just(json("{\"_type\":\"t\",\"in\":4}")),
    ]
}

/// The cells of a table, by row and path, kinds left out.
fn cells(frame: &HistoryFrame) -> BTreeMap<(String, String, String), Vec<String>> {
    let df = frame.collect().unwrap();
    let (runs, steps) = (shown(&df, "name"), shown(&df, "_step"));
    let mut cells: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for metric in frame.metrics() {
        let path = crate::columns::Kind::split(metric).0.to_owned();
        for (row, text) in shown(&df, metric).into_iter().enumerate().filter(|(_, text)| text != "-") {
            cells.entry((runs[row].clone(), steps[row].clone(), path.clone())).or_default().push(text);
        }
    }
    cells
}

/// What a value is as text of a cell.
fn expect(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) if !members.contains_key("_type") => {
            members.iter().for_each(|(key, inner)| expect(&format!("{path}.{key}"), inner, out));
        }
        Value::String(text) if text == "nan" => out.push((path.to_owned(), "NaN".to_owned())),
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        other => out.push((path.to_owned(), other.to_string())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_value_is_where_it_was_logged(
        runs in proptest::collection::vec(proptest::collection::vec(proptest::collection::btree_map(0..4usize, value(), 0..4), 0..5), 1..4),
        modern in any::<bool>(),
        keys in prop_oneof![Just(vec![]), Just(vec!["a"]), Just(vec!["b.in", "c*"])],
    ) {
        const KEYS: [&str; 4] = ["a", "b", "c", "d"];
        let (mut logs, mut expected) = (Vec::new(), BTreeMap::new());
        for (run_at, rows) in runs.iter().enumerate() {
            let id = format!("r{run_at}");
            let mut records = vec![run(&id, 1, &[])];
            for (step, row) in rows.iter().enumerate() {
                let mut items = vec![nested(&["_step"], &step.to_string())];
                for (key, (text, value)) in row {
                    let key = KEYS[*key];
                    match value {
                        // wandb-core writes leaves.
                        Value::Object(members) if modern => items.extend(members.iter().map(|(inner, value)| nested(&[key, inner], &value.to_string()))),
                        _ => items.push(item(key, text)),
                    }
                    let mut leaves = Vec::new();
                    expect(key, value, &mut leaves);
                    let asked = |path: &str| keys.is_empty() || keys.contains(&path) || (keys.contains(&"c*") && path.starts_with('c'));
                    expected.extend(leaves.into_iter().filter(|(path, _)| asked(path)).map(|(path, text)| ((id.clone(), step.to_string(), path), text)));
                }
                records.push(history(&items));
            }
            logs.push(records);
        }
        let same = |a: &str, b: &str| a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
        match table(&logs, &all().keys(keys.iter().copied())) {
            Ok(frame) => {
                let found = cells(&frame);
                prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
                for (place, texts) in &found {
                    prop_assert!(texts.len() == 1 && same(&texts[0], &expected[place]), "{:?} {:?} {}", place, texts, expected[place]);
                }
            }
            Err(error) => prop_assert!(error.kind() == ErrorKind::Column && !keys.is_empty(), "{error}"),
        }
    }
}

#[test]
fn what_does_not_fit_into_memory_makes_the_same_table() {
    let rows: Vec<Vec<(&str, &str)>> =
        vec![vec![("x", "1"), ("s", "\"é\"")], vec![("x", "0.5"), ("l", "[1]")], vec![("b", "true"), ("x", "\"t\"")]];
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let root = tempfile::tempdir().unwrap();
    for at in 0..4 {
        let id = format!("r{at}");
        put(root.path(), &format!("wandb/run-{at}"), &id, &log(&id, rows.get(at % 2..).unwrap()));
    }
    let load = |budget: usize| {
        let store = Store::new(query::Axis::Step, Limits::default()).with_budget(budget);
        LogSource::open(&[root.path().to_owned()]).unwrap().history(&all(), &store, &Progress::default()).unwrap();
        let (table, _) = store.finish(&all()).unwrap();
        HistoryFrame { table: Arc::new(table), receipt: Arc::default() }
    };
    let (held, spilled) = (load(usize::MAX), load(0));
    assert!(held.collect().unwrap().equals_missing(&spilled.collect().unwrap()));
    let path = root.path().join("h.parquet");
    spilled.write(&path, Format::Parquet, &Options::default()).unwrap();
    let back = ParquetReader::new(std::fs::File::open(&path).unwrap()).finish().unwrap();
    assert!(back.equals_missing(&held.collect().unwrap()), "{back}");
    let few = held.lazy().select([col("x").sum()]).collect().unwrap();
    assert_eq!(shown(&few, "x"), ["4.0"]);
}
