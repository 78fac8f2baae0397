//! History: the bundled runs and logs of every SDK version against the SDK's own reading, and the verb as a user runs it.

use crate::cli::runframe;
use crate::wandb::{KEY, Server, Switches, World};
use polars::prelude::*;
use runframe::history::HistoryQuery;
use runframe::{Kind, Loader, Settings, Surroundings, Timestamp};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn history(source: &str, query: &HistoryQuery) -> DataFrame {
    let loader = Loader::default().source(root().join(source).to_str().unwrap()).unwrap();
    loader.history(query).unwrap().collect().unwrap()
}

/// What a run's metrics hold: the number of values of each kind, and the sum of the finite numbers.
fn tally(rows: &DataFrame) -> Map<String, Value> {
    let mut metrics: Map<String, Value> = Map::new();
    let mut add = |path: &str, kind: &str, count: usize| {
        if count > 0 {
            let metric = metrics.entry(path.to_owned()).or_insert_with(|| Map::new().into());
            let before = metric.get(kind).and_then(Value::as_u64).unwrap_or(0);
            metric[kind] = Value::from(before + count as u64);
        }
    };
    let mut sums = Vec::new();
    let own = ["entity", "project", "name", "_step", "_timestamp", "_runtime"];
    for column in rows.columns().iter().filter(|column| !own.contains(&column.name().as_str())) {
        let (path, kind) = Kind::split(column.name());
        let values = column.len() - column.null_count();
        match column.dtype() {
            DataType::Int64 | DataType::Float64 => {
                let floats = column.cast(&DataType::Float64).unwrap();
                let floats: Vec<f64> = floats.f64().unwrap().iter().flatten().collect();
                let count = |test: fn(&f64) -> bool| floats.iter().filter(|value| test(value)).count();
                add(path, "numbers", count(|v| v.is_finite()));
                add(path, "nan", count(|v| v.is_nan()));
                add(path, "inf", count(|v| *v == f64::INFINITY));
                add(path, "neg_inf", count(|v| *v == f64::NEG_INFINITY));
                if floats.iter().any(|v| v.is_finite()) {
                    sums.push((path.to_owned(), floats.iter().filter(|v| v.is_finite()).sum::<f64>()));
                }
            }
            DataType::Boolean => add(path, "bools", values),
            DataType::List(_) => add(path, "lists", values),
            DataType::String => {
                let texts = column.str().unwrap().iter().flatten();
                let objects = texts.filter(|text| kind == Some(Kind::Json) || text.starts_with("{\"")).count();
                add(path, "objects", objects);
                add(path, "strings", values - objects);
            }
            other => panic!("{path} is {other}"),
        }
    }
    for (path, sum) in sums {
        metrics[&path]["sum"] = Value::from(sum);
    }
    metrics
}

/// Equal, where numbers may differ in their last digits: sums depend on the order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
        }
        _ => a == b,
    }
}

/// Compares every run's rows; how many metrics were compared.
fn compare(source: &str, truth: &str, part: &str, query: &HistoryQuery) -> usize {
    let rows = history(source, query);
    let truth: Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(root().join(truth)).unwrap()).unwrap();
    let mut compared = 0;
    let mut all = 0;
    for (run, expected) in &truth {
        let expected = &expected[part];
        let mut parts = run.splitn(3, '/');
        let mut is = |name: &str| {
            let text = parts.next().unwrap().replace('-', "");
            if text.is_empty() { col(name).is_null() } else { col(name).eq(lit(text)) }
        };
        let of_run = is("entity").and(is("project")).and(col("name").eq(lit(run.rsplit('/').next().unwrap())));
        let own = rows.clone().lazy().filter(of_run).collect().unwrap();
        assert_eq!(own.height() as u64, expected["rows"].as_u64().unwrap(), "{run}");
        let found = Value::from(tally(&own));
        assert!(same(&found, &expected["metrics"]), "{run}\n{found}\n{}", expected["metrics"]);
        compared += expected["metrics"].as_object().unwrap().len();
        all += own.height();
    }
    assert_eq!(all, rows.height());
    compared
}

#[test]
fn the_bundled_histories_are_what_the_sdk_says() {
    let truth = "examples/wandb-truth.json";
    assert!(compare("examples/wandb", truth, "history", &HistoryQuery::new()) > 150);
    assert!(compare("examples/wandb", truth, "system", &HistoryQuery::new().system()) > 10);
}

#[test]
fn histories_of_every_sdk_version_are_what_the_sdk_says() {
    let truth = "tests/data/sdk/truth.json";
    assert!(compare("tests/data/sdk", truth, "history", &HistoryQuery::new()) > 100);
    assert!(compare("tests/data/sdk", truth, "system", &HistoryQuery::new().system()) > 0);
}

#[test]
fn rows_up_to_the_damage_are_kept_and_the_place_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let from = root().join("examples/wandb/offline-run-20261112_093000-a1sya2rn/run-a1sya2rn.wandb");
    let mut bytes = std::fs::read(from).unwrap();
    let whole = history("examples/wandb/offline-run-20261112_093000-a1sya2rn", &HistoryQuery::new()).height();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let path = dir.path().join("run-a1sya2rn.wandb");
    std::fs::write(&path, &bytes).unwrap();
    let receipt = dir.path().join("receipt.json");
    let (code, stdout, stderr) =
        runframe(&["history", path.to_str().unwrap(), "-q", "--strict", "--receipt", receipt.to_str().unwrap()]);
    assert_eq!(code, 5, "{stderr}");
    let rows = stdout.lines().count() - 1;
    assert!(rows < whole && rows > 0 || rows == whole, "{rows} of {whole}");
    let receipt: Value = serde_json::from_str(&std::fs::read_to_string(receipt).unwrap()).unwrap();
    let damage = &receipt["damages"][0];
    let (offset, lost) = (damage["offset"].as_u64().unwrap(), damage["bytes"].as_u64().unwrap());
    assert!(offset <= at as u64 && at as u64 <= offset + lost, "{damage}");
    assert_eq!(damage["file"], Value::from(path.to_str().unwrap()));
    assert_eq!(receipt["rows"], Value::from(rows));
}

fn data(args: &[&str]) -> Vec<String> {
    let (code, stdout, stderr) = runframe(&[&["history", "examples/wandb", "-q"], args].concat());
    assert_eq!(code, 0, "{stderr}");
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_verb_has_many_forms() {
    let long = data(&["-k", "loss", "-w", "name = '1ch3bknw'", "--step", "1..2"]);
    assert_eq!(
        long,
        [
            "entity,project,name,_step,_timestamp,_runtime,loss",
            "lab,mnist,1ch3bknw,1,2026-11-06T09:19:24.167909Z,615.077,0.32965",
            "lab,mnist,1ch3bknw,2,2026-11-06T09:24:31.705909Z,922.615,0.14883",
        ]
    );
    let best = data(&["--at-best", "val/loss:min", "-s", "accuracy", "-w", "name = '1ch3bknw'"]);
    assert_eq!(best, ["entity,project,name,_step,val/loss,accuracy", "lab,mnist,1ch3bknw,5,0.02742,0.9882"]);
    let wide = data(&["--wide", "val/loss", "-w", "name in ('1ch3bknw', 'z4ehlnsd')", "-n", "1"]);
    assert_eq!(wide.len(), 2);
    assert!(
        wide[0].split(',').collect::<std::collections::BTreeSet<_>>() == ["_step", "1ch3bknw", "z4ehlnsd"].into(),
        "{wide:?}"
    );
    let tidy = data(&["--tidy", "-k", "loss,epoch", "-w", "name = '1ch3bknw'", "-n", "2"]);
    assert!(tidy[1].ends_with(",epoch,0.0,") && tidy[2].ends_with(",loss,0.90191,"), "{tidy:?}");
    let wide = data(&["--wide", "val/loss,accuracy", "-w", "name = '1ch3bknw'", "-n", "1"]);
    assert_eq!(wide, ["_step,1ch3bknw/val/loss,1ch3bknw/accuracy", "0,0.90696,0.6174"]);
    let system = data(&["--system", "-k", "system.cpu"]);
    assert!(system[0] == "entity,project,name,_timestamp,_runtime,system.cpu" && system.len() > 1, "{system:?}");
    assert_eq!(data(&["-k", "loss", "-w", "name = 'nobody'"]).len(), 1);
}

#[test]
fn wrong_words_name_the_cure() {
    for (args, code, what) in [
        (&["-k", "los"][..], 2, "no run logged los (did you mean loss?)"),
        (&["--step", "a..b"], 2, "--step takes MIN..MAX"),
        (&["--at-best", "loss"], 2, "METRIC:min"),
        (&["--at-best", "loss:min", "-k", "x"], 2, "cannot be used with"),
        (&["--wide", "nothing"], 2, "no run logged nothing"),
        (&["-w", "summary.los > 1"], 2, "did you mean summary.loss?"),
        (&["--samples", "5"], 2, "logs are not sampled"),
        (&["--system", "--step", "1.."], 2, "cannot be used with"),
    ] {
        let (found, stdout, stderr) = runframe(&[&["history", "examples/wandb", "-q"], args].concat());
        assert_eq!((found, stdout.as_str()), (code, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(what), "{args:?}: {stderr}");
    }
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs.parquet");
    let runs = runs.to_str().unwrap();
    assert_eq!(runframe(&["query", "examples/wandb", "-q", "-s", "name", "-o", runs]).0, 0);
    let (code, _, stderr) = runframe(&["history", runs]);
    assert!(code == 1 && stderr.contains("holds no history") && stderr.contains("pull --history"), "{stderr}");
}

#[test]
fn parquet_is_the_same_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.parquet");
    data(&["-o", path.to_str().unwrap()]);
    let mut reader = ParquetReader::new(std::fs::File::open(&path).unwrap());
    let pairs = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
    assert!(pairs.iter().any(|pair| pair.key == "runframe.receipt"));
    let stored = reader.finish().unwrap();
    assert!(stored.equals_missing(&history("examples/wandb", &HistoryQuery::new())));
}

/// The words of a line of the shell, as far as the page goes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut open) = (Vec::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (' ', None) => open = false,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => {
                if !std::mem::replace(&mut open, true) {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push(c);
            }
        }
    }
    words
}

#[test]
fn the_page_on_history_is_true() {
    let page = std::fs::read_to_string(root().join("docs/history.md")).unwrap();
    let mut checked = 0;
    for line in page.lines().filter(|line| line.starts_with("runframe ")) {
        let (command, promise) = line.split_once(" -- ").unwrap_or_else(|| panic!("{line} promises nothing"));
        let words = words(command.strip_prefix("runframe ").unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["-q"]).collect();
        let (code, stdout, stderr) = runframe(&words);
        match promise.strip_prefix("error: ") {
            Some(error) => assert!(code != 0 && stderr.contains(error), "{line}\n{stderr}"),
            None => {
                assert_eq!(code, 0, "{line}\n{stderr}");
                let (count, first) = promise.split_once(": ").map_or((promise, None), |(n, row)| (n, Some(row)));
                let count: usize = count.split(' ').next().unwrap().parse().unwrap();
                assert_eq!(stdout.lines().count() - 1, count, "{line}\n{stdout}");
                assert!(first.is_none_or(|first| stdout.lines().nth(1) == Some(first)), "{line}\n{stdout}");
            }
        }
        checked += 1;
    }
    assert!(checked >= 11);
}

fn settings(server: &Server) -> Settings {
    let mut around = Surroundings::default();
    around.env.insert("WANDB_BASE_URL".into(), server.url());
    around.env.insert("WANDB_API_KEY".into(), KEY.into());
    Settings::find_in(&around).unwrap()
}

#[test]
fn a_server_tells_the_same_history_as_the_logs() {
    let world = World::from_logs(root().join("examples/wandb"), Timestamp::now()).unwrap();
    let server = Server::start(world, Switches::default());
    let from_server = |query: &HistoryQuery| {
        let loader = Loader::default().settings(settings(&server));
        let loader = loader.source("lab/mnist").unwrap().source("lab/translate").unwrap();
        loader.history(query).unwrap()
    };
    let keys = || HistoryQuery::new().keys(["loss", "val/*"]);
    for query in [HistoryQuery::new(), keys(), keys().steps(2..=4), HistoryQuery::new().system()] {
        let (logs, told) = (history("examples/wandb", &query), from_server(&query));
        let told_rows = told.collect().unwrap();
        assert_eq!(told_rows.schema(), logs.schema());
        assert_eq!(told_rows.height(), logs.height());
        let same = |name: &str| {
            let pair = [&told_rows, &logs].map(|rows| rows.column(name).unwrap().as_materialized_series().clone());
            // The stand-in keeps objects, not their texts.
            let values = |series: &Series| -> Option<Vec<Option<Value>>> {
                let texts = series.str().ok()?.iter();
                texts.map(|text| text.map(serde_json::from_str).transpose().ok()).collect()
            };
            pair[0].equals_missing(&pair[1]) || (values(&pair[0]).is_some() && values(&pair[0]) == values(&pair[1]))
        };
        let names = logs.get_column_names().into_iter().map(|name| name.as_str());
        let other: Vec<&str> = names.filter(|name| !same(name)).collect();
        assert!(other.is_empty(), "{other:?} differ");
        assert_eq!(told.receipt().complete, Some(true), "{}", told.receipt());
    }
}

#[test]
fn samples_are_told_as_such() {
    let world = World::from_logs(root().join("examples/wandb"), Timestamp::now()).unwrap();
    let server = Server::start(world, Switches::default());
    let loader = Loader::default().settings(settings(&server)).source("lab/mnist").unwrap();
    let history = loader.history(&HistoryQuery::new().keys(["loss"]).samples(3)).unwrap();
    let whole = loader.history(&HistoryQuery::new().keys(["loss"])).unwrap();
    assert!(history.height() > 0 && history.height() < whole.height(), "{} of {}", history.height(), whole.height());
    assert!(history.receipt().to_string().contains("SAMPLED"), "{}", history.receipt());
    let error = loader.history(&HistoryQuery::new().keys(["los"])).unwrap_err();
    assert!(error.to_string().contains("did you mean loss?"), "{error}");
}
