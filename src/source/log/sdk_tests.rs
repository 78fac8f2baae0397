//! Tests on logs that the SDK wrote, against what the SDK's own reader finds in them.

use super::tests::{ALL, load_with};
use super::*;
use crate::record::ArtifactVersion;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Loads `logs` and compares every field with the truth file, if both are in the checkout.
fn compare(logs: &str, truth: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (logs, truth) = (root.join(logs), root.join(truth));
    if !logs.exists() || !truth.exists() {
        return;
    }
    let truth: Map<String, Value> = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
    let (runs, receipt) = load_with(&[logs], ALL).unwrap();
    assert_eq!(runs.len(), truth.len());
    assert_eq!((receipt.lost_bytes, receipt.refused_files, receipt.json_errors), (0, 0, 0), "{receipt}");
    for run in &runs {
        let expected = truth.get(&run.path()).unwrap_or_else(|| panic!("{} is not in the truth", run.path()));
        fields(run, &expected["fields"]);
        assert_eq!(run.compute_seconds, seconds(&expected["exit_runtimes"]), "{}", run.path());
        for (name, document) in [("config", &run.config), ("summary", &run.summary)] {
            let mut text = String::new();
            let written = document.as_ref().map_or("{}".into(), |document| document.text());
            crate::json::compact(&written, &mut text).unwrap();
            let found: Value = serde_json::from_str(&text).unwrap();
            assert!(same(&found, &expected[name]), "{}: {name}\n{found}\n{}", run.path(), expected[name]);
        }
        assert_eq!(
            artifacts(run.logged_artifacts.as_deref(), false),
            sorted(&expected["logged"]),
            "{}: logged",
            run.path()
        );
        assert_eq!(artifacts(run.used_artifacts.as_deref(), true), sorted(&expected["used"]), "{}: used", run.path());
    }
}

fn fields(run: &Run, expected: &Value) {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);
    let found = [
        ("entity", text(&run.entity)),
        ("project", text(&run.project)),
        ("name", run.name.clone().into()),
        ("display_name", text(&run.display_name)),
        ("job_type", text(&run.job_type)),
        ("group", text(&run.group)),
        ("sweep", text(&run.sweep)),
        ("notes", text(&run.notes)),
        ("tags", run.tags.clone().into()),
        ("host", text(&run.host)),
        ("commit", text(&run.commit)),
        ("username", text(&run.user.username)),
        ("email", text(&run.user.email)),
        ("state", text(&run.state)),
        ("history_rows", run.history_rows.into()),
    ];
    for (name, found) in found {
        assert_eq!(found, expected[name], "{}: {name}", run.path());
    }
    for (name, found) in [("start_time", run.created_at), ("last_time", run.heartbeat_at)] {
        let expected = expected[name].as_str().and_then(Timestamp::parse).map(Timestamp::micros);
        let found = found.map(Timestamp::micros);
        // Python's floats are a microsecond off now and then.
        let close = found.zip(expected).map_or(found == expected, |(a, b)| (a - b).abs() <= 1);
        assert!(close, "{}: {name} {found:?} {expected:?}", run.path());
    }
}

/// The sum, if every folder has an exit record.
fn seconds(runtimes: &Value) -> Option<f64> {
    runtimes.as_array()?.iter().map(Value::as_f64).sum()
}

/// Equal, where `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn artifacts(list: Option<&[ArtifactVersion]>, used: bool) -> Vec<String> {
    let show = |a: &ArtifactVersion| {
        let mut shown = json!({"name": a.name, "type": a.kind, "version": a.version, "aliases": a.aliases, "size": a.size, "digest": a.digest});
        // The truth has the server's ids, and not the client's.
        if used {
            shown["id"] = a.id.clone().into();
        }
        shown.to_string()
    };
    let mut shown: Vec<String> = list.unwrap_or_default().iter().map(show).collect();
    shown.sort();
    shown
}

fn sorted(list: &Value) -> Vec<String> {
    let mut shown: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    shown.sort();
    shown
}

#[test]
fn the_examples_are_read_as_the_sdk_reads_them() {
    compare("examples/wandb", "examples/wandb-truth.json");
}

#[test]
fn logs_of_every_sdk_are_read_as_the_sdk_reads_them() {
    compare("tests/data/sdk", "tests/data/sdk/truth.json");
}
