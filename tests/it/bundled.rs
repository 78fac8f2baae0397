//! The bundled runs, and logs of every SDK version, against what the SDK's own reader says of them.

use polars::prelude::*;
use runframe::RunFrame;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub(crate) fn examples() -> RunFrame {
    RunFrame::open(root().join("examples/wandb").to_str().unwrap()).unwrap()
}

fn truth(path: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rows of the table by `entity/project/name`.
fn rows(frame: &DataFrame) -> BTreeMap<String, usize> {
    let text = |name: &str| frame.column(name).unwrap().str().unwrap().clone();
    let (entity, project, name) = (text("entity"), text("project"), text("name"));
    let part = |column: &StringChunked, row| column.get(row).unwrap_or("-").to_owned();
    (0..frame.height())
        .map(|row| ([part(&entity, row), part(&project, row), part(&name, row)].join("/"), row))
        .collect()
}

fn cell(frame: &DataFrame, column: &str, row: usize) -> Value {
    let Ok(column) = frame.column(column) else { return Value::Null };
    match column.get(row).unwrap() {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(v) => Value::from(v),
        AnyValue::Int64(v) => Value::from(v),
        AnyValue::Float64(v) if v.is_nan() => Value::from("NaN"),
        AnyValue::Float64(v) if v.is_infinite() => Value::from(if v > 0.0 { "Infinity" } else { "-Infinity" }),
        AnyValue::Float64(v) => Value::from(v),
        AnyValue::Datetime(v, ..) => Value::from(v),
        AnyValue::List(list) => Value::from(
            (0..list.len())
                .map(|at| list.get(at).unwrap().to_string().trim_matches('"').to_owned())
                .collect::<Vec<_>>(),
        ),
        AnyValue::String(v) => Value::from(v),
        AnyValue::StringOwned(v) => Value::from(v.as_str()),
        other => panic!("{other:?}"),
    }
}

fn micros(time: &Value) -> Value {
    time.as_str().map_or(Value::Null, |text| Value::from(runframe::Timestamp::parse(text).unwrap().micros()))
}

/// The scalar leaves of a config or summary: path → value. Media, lists and empty objects are left to the Python judge.
fn scalars(prefix: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if members.contains_key("_type") => {}
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| scalars(&format!("{prefix}.{key}"), value, found))
        }
        Value::Array(_) => {}
        scalar => {
            found.insert(prefix.to_owned(), scalar.clone());
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    // A number beyond Int64, or beyond what its column's floats hold, is its digits in a json column.
    let digits = |text: &Value, number: &Value| {
        number.is_number() && text.as_str().and_then(|t| t.parse::<f64>().ok()) == number.as_f64()
    };
    a == b
        || digits(a, b)
        || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a == b || (a - b).abs() <= 2.0 && a.abs() > 1e15)
}

fn compare(source: &str, truth_file: &str) -> usize {
    let frame = RunFrame::open(root().join(source).to_str().unwrap()).unwrap().collect().unwrap();
    let truth = truth(truth_file);
    let rows = rows(&frame);
    assert_eq!(rows.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
    let mut compared = 0;
    for (run, expected) in &truth {
        let row = rows[run];
        let mut check = |column: &str, expected: &Value| {
            let got = cell(&frame, column, row);
            assert!(same(&got, expected), "{run}, {column}: {got} is not {expected}");
            compared += 1;
        };
        let fields = &expected["fields"];
        for (column, key) in [
            ("display_name", "display_name"),
            ("job_type", "job_type"),
            ("group", "group"),
            ("sweep", "sweep"),
            ("notes", "notes"),
            ("host", "host"),
            ("commit", "commit"),
            ("user.username", "username"),
            ("user.email", "email"),
            ("history_rows", "history_rows"),
        ] {
            check(column, &fields[key]);
        }
        check("created_at", &micros(&fields["start_time"]));
        check("heartbeat_at", &micros(&fields["last_time"]));
        if fields["exit_code"] != Value::Null {
            check("state", &fields["state"]);
        }
        let runtime: f64 = expected["exit_runtimes"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
        if runtime > 0.0 {
            check("compute_seconds", &Value::from(runtime));
        }
        let mut leaves = BTreeMap::new();
        scalars("config", &expected["config"], &mut leaves);
        scalars("summary", &expected["summary"], &mut leaves);
        for (path, value) in leaves {
            let got: Vec<Value> = ["", ":string", ":bool", ":json"]
                .iter()
                .map(|kind| cell(&frame, &format!("{path}{kind}"), row))
                .collect();
            let here =
                if value.is_null() { got.iter().all(Value::is_null) } else { got.iter().any(|got| same(got, &value)) };
            let escaped = cell(&frame, &escape_last(&path), row);
            assert!(here || same(&escaped, &value), "{run}, {path}: {got:?} is not {value}");
            compared += 1;
        }
        for (column, key) in [("logged_artifacts", "logged"), ("used_artifacts", "used")] {
            let list = frame.column(column).unwrap().list().unwrap().get_as_series(row).unwrap();
            assert_eq!(list.len(), expected[key].as_array().unwrap().len(), "{run}, {column}");
        }
    }
    compared
}

/// `config.optimizer.lr` → `config.optimizer\.lr`.
fn escape_last(path: &str) -> String {
    path.rsplit_once('.').map_or(path.to_owned(), |(head, last)| format!("{head}\\.{last}"))
}

#[test]
fn the_bundled_runs_are_what_the_sdk_says() {
    assert!(compare("examples/wandb", "examples/wandb-truth.json") > 1_000);
}

#[test]
fn logs_of_every_sdk_version_are_what_the_sdk_says() {
    assert!(compare("tests/data/sdk", "tests/data/sdk/truth.json") > 300);
}

#[test]
fn the_bundled_runs_show_what_they_should() {
    let frame = examples();
    let receipt = frame.receipt();
    assert_eq!((frame.height(), receipt.files, receipt.joined), (41, 42, 1));
    assert!(!receipt.has_losses(), "{receipt}");
    let all = frame.collect().unwrap();
    let distinct = |name: &str| all.column(name).unwrap().drop_nulls().n_unique().unwrap();
    assert!(distinct("project") >= 2 && distinct("user.username") >= 3 && distinct("job_type") >= 2);
    let states: Vec<_> = all.column("state").unwrap().str().unwrap().iter().flatten().collect();
    assert!(states.contains(&"crashed") && states.contains(&"failed") && states.contains(&"finished"));
    assert!(!frame.conflicts().unwrap().is_empty());
}

/// Every example prints what its expected output in `tests/it/examples` says.
#[test]
fn examples_print_what_they_promise() {
    let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples");
    let mut run = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let output = std::process::Command::new(built.join(&name)).current_dir(root()).output();
        let output = output.unwrap_or_else(|error| panic!("{name} is not built: {error}"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let expected = root().join(format!("tests/it/examples/{name}.txt"));
        let got = String::from_utf8(output.stdout).unwrap();
        if std::env::var_os("RUNFRAME_BLESS").is_some() {
            std::fs::write(&expected, &got).unwrap();
        }
        assert_eq!(
            got,
            std::fs::read_to_string(&expected).unwrap_or_default(),
            "{name}; RUNFRAME_BLESS=1 writes the new output"
        );
        run += 1;
    }
    assert_eq!(run, 10);
}
