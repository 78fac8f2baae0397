//! Histories stored beside the run table: one schema whatever comes, brought up to date by step, whole after every accident.

mod crash;
mod model;

use crate::wandb::{History, HistoryRecipe, KEY, Recipe, Run, Server, Switches, World};
use assert_cmd::Command;
use polars::prelude::*;
use runframe::{ErrorKind, HistoryPulled, HistoryQuery, Kind, Loader, Pull, Pulled, Settings, Surroundings};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PROJECT: &str = "wandb://acme/fleet";

/// A server, and a run table that is pulled from it.
struct Case {
    server: Server,
    _dir: tempfile::TempDir,
    file: PathBuf,
    /// Rows have left, and may have left wider types behind: then values are looked for in all columns of a metric.
    left: Cell<bool>,
}

fn case(runs: usize, history: Option<HistoryRecipe>) -> Case {
    let mut world = World::generate(&Recipe { history, nulls: false, ..Recipe::small(runs) });
    let runs = world.projects[0].runs.iter_mut();
    runs.filter(|run| run.history.is_none()).for_each(|run| put(run, Vec::new()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    Case { server: Server::start(world, Switches::default()), _dir: dir, file, left: Cell::new(false) }
}

/// Rows as JSON, steps from `first` on.
fn rows(first: i64, rows: &[&str]) -> Vec<(i64, String)> {
    let row = |(at, text): (usize, &&str)| {
        let step = first + at as i64;
        let comma = if text.is_empty() { "" } else { "," };
        (
            step,
            format!(
                "{{\"_step\":{step},\"_timestamp\":{}.5,\"_runtime\":{step}.25{comma}{text}}}",
                1_800_000_000 + step
            ),
        )
    };
    rows.iter().enumerate().map(row).collect()
}

/// Gives a run these rows.
fn put(run: &mut Run, rows: Vec<(i64, String)>) {
    run.history_rows = Some(rows.len() as i64);
    run.history = Some(Arc::new(History::of(rows)));
}

impl Case {
    fn loader(&self) -> Loader {
        let mut around = Surroundings::default();
        around.env.insert("WANDB_BASE_URL".into(), self.server.url());
        around.env.insert("WANDB_API_KEY".into(), KEY.into());
        let mut options = runframe::ApiOptions::default();
        options.retries = 1;
        Loader::default().settings(Settings::find_in(&around).unwrap()).options(options).source(PROJECT).unwrap()
    }

    fn plain(&self) -> Pull {
        Pull::new(self.loader(), &self.file)
    }

    fn pull(&self, keys: &[&str]) -> (Pulled, HistoryPulled) {
        let pulled = self.plain().history(keys.iter().copied()).run().unwrap();
        let history = pulled.history.clone().unwrap();
        (pulled, history)
    }

    fn folder(&self) -> PathBuf {
        self.file.with_extension("history")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("runframe").unwrap();
        command.env_clear().env("WANDB_BASE_URL", self.server.url()).env("WANDB_API_KEY", KEY);
        command.args(["pull", "acme/fleet", "-o"]).arg(&self.file).args(args);
        command
    }

    /// Changes a run by its number.
    fn edit(&self, at: usize, change: impl FnOnce(&mut Run)) {
        self.server.change(|world| {
            let name = world.project("acme", "fleet").unwrap().runs[at].name.clone();
            world.edit("acme", "fleet", &name, change);
        });
    }

    /// The operations that were asked, and what they asked for.
    fn asked(&self) -> Vec<(String, String)> {
        let found = self.server.requests();
        found
            .into_iter()
            .map(|request| (request.operation.unwrap_or_default(), request.variables.to_string()))
            .collect()
    }

    /// The stored rows, as any reader of Parquet finds them, are what the verb `history` gives.
    fn check(&self, keys: &[&str]) {
        let query = HistoryQuery::new().keys(keys.iter().copied());
        let truth = self.loader().history(&query).unwrap();
        assert_eq!(truth.receipt().complete, Some(true), "{}", truth.receipt());
        let truth = truth.collect().unwrap();
        if files(&self.folder()).is_empty() {
            // Without a row there is no part.
            let source = Loader::default().source(self.file.to_str().unwrap()).unwrap();
            assert_eq!((truth.height(), source.history(&query).unwrap().height()), (0, 0));
            return;
        }
        let stored = glob(&self.folder());
        assert_eq!(stored.height(), truth.height());
        for column in truth.columns().iter().filter(|_| !self.left.get()) {
            let found = stored.column(column.name()).unwrap_or_else(|_| panic!("no {}", column.name()));
            // What has left may have left a wider type behind.
            let found = if found.dtype() == column.dtype() {
                found.clone()
            } else {
                found.strict_cast(column.dtype()).unwrap()
            };
            assert!(found.equals_missing(column), "{}\n{found:?}\n{column:?}", column.name());
        }
        let gone = |column: &&Column| truth.column(column.name()).is_err() && !self.left.get();
        for column in stored.columns().iter().filter(gone) {
            assert_eq!(column.null_count(), column.len(), "{}", column.name());
        }
        assert_eq!(values(&stored), values(&truth));
        let source = Loader::default().source(self.file.to_str().unwrap()).unwrap();
        let read = source.history(&query).unwrap();
        assert_eq!(read.receipt().complete, None, "{}", read.receipt());
        let read = read.collect().unwrap();
        let names: Vec<&str> = read.get_column_names().into_iter().map(|name| name.as_str()).collect();
        assert!(read.equals_missing(&stored.select(names).unwrap()), "{read}\n{stored}");
    }
}

/// By metric, the rows that have a value of whatever kind.
fn values(table: &DataFrame) -> BTreeMap<String, Vec<bool>> {
    let mut found: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for column in table.columns().iter().filter(|column| column.null_count() < column.len()) {
        let rows = found.entry(Kind::split(column.name()).0.to_owned()).or_insert_with(|| vec![false; column.len()]);
        rows.iter_mut().zip(column.is_not_null().iter()).for_each(|(row, value)| *row |= value == Some(true));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found.sort();
    found
}

/// All parts one below the other, and then in order; they must be of one schema, and each in order.
fn glob(folder: &Path) -> DataFrame {
    let order = |table: DataFrame| {
        let options = SortMultipleOptions::default().with_maintain_order(true);
        table.sort(["entity", "project", "name", "_step"], options).unwrap()
    };
    let mut whole: Option<DataFrame> = None;
    for path in files(folder) {
        let part = ParquetReader::new(std::fs::File::open(&path).unwrap()).finish().unwrap();
        assert!(order(part.clone()).equals_missing(&part), "{} is not sorted", path.display());
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                assert_eq!(whole.schema(), part.schema(), "{}", path.display());
                whole.vstack_mut(&part).unwrap();
            }
        }
    }
    order(whole.unwrap())
}

#[test]
fn the_first_pull_is_what_the_verb_gives_and_the_second_asks_nothing() {
    let recipe = HistoryRecipe { live: 15, overlap: 4, ..HistoryRecipe::rows(90) };
    for keys in [&[][..], &["loss", "val/*", "grad.*"]] {
        let case = case(40, Some(recipe.clone()));
        let (pulled, history) = case.pull(keys);
        assert_eq!(
            (pulled.receipt.complete, pulled.receipt.runs, history.asked),
            (Some(true), 40, 40),
            "{}",
            pulled.receipt
        );
        assert_eq!((history.rows, history.added, history.written), (pulled.receipt.rows, pulled.receipt.rows, true));
        case.check(keys);
        let before = std::fs::read(case.folder().join("_state.json")).unwrap();
        case.server.forget_requests();
        // Neither with the keys, nor without.
        for pull in [case.plain().history(keys.iter().copied()), case.plain()] {
            let history = pull.run().unwrap().history.unwrap();
            assert_eq!((history.asked, history.added, history.written), (0, 0, false));
        }
        assert!(case.asked().iter().all(|(operation, _)| !operation.contains("History")), "{:?}", case.asked());
        assert_eq!(std::fs::read(case.folder().join("_state.json")).unwrap(), before);
    }
}

#[test]
fn only_new_steps_of_changed_runs_are_asked_for() {
    let case = case(6, None);
    for at in 0..6 {
        case.edit(at, |run| put(run, rows(0, &["\"a\":1"; 50])));
    }
    case.pull(&[]);
    case.edit(2, |run| {
        let mut all = rows(0, &["\"a\":1"; 50]);
        all.extend(rows(50, &["\"a\":2", "\"a\":3"]));
        put(run, all);
    });
    // This one has another name, and no new rows.
    case.edit(4, |run| run.display_name = Some("renamed".into()));
    case.server.forget_requests();
    let (_, history) = case.pull(&[]);
    assert_eq!((history.asked, history.added, history.rows, history.anew), (2, 2, 302, 0));
    assert!(history.columns.is_empty());
    let pages: Vec<_> = case.asked().into_iter().filter(|(operation, _)| operation == "HistoryRows").collect();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert!(pages[0].1.contains("\"min_0\":50,") && pages[0].1.contains("r0000002"), "{pages:?}");
    assert!(!pages[0].1.contains("min_1"), "{pages:?}");
    case.check(&[]);
}

#[test]
fn late_columns_and_wider_types_reach_all_parts() {
    let case = case(4, None);
    case.edit(0, |run| put(run, rows(0, &["\"a\":1,\"big\":9007199254740993", "\"a\":2,\"k\":[1]"])));
    case.edit(1, |run| put(run, rows(0, &["\"a\":7"])));
    case.pull(&[]);
    let dtype = |name: &str| glob(&case.folder()).schema().get(name).cloned();
    assert_eq!((dtype("a"), dtype("big"), dtype("late")), (Some(DataType::Int64), Some(DataType::Int64), None));
    for (row, changed) in [
        ("\"a\":0.5", "a: i64 → f64"),
        ("\"late\":true", "late: bool, new"),
        ("\"big\":0.5", "big:json: str, new"),
        ("\"k\":\"x\"", "k: list[i64] → str"),
        ("\"k\":[\"a\"],\"name\":3", "name:number: i64, new"),
    ] {
        case.edit(1, |run| {
            let mut all = run.history.as_ref().unwrap().rows.clone();
            let next = all.len() as i64;
            all.extend(rows(next, &[row]));
            put(run, all);
        });
        let (pulled, history) = case.pull(&[]);
        assert!(history.columns.iter().any(|column| column == changed), "{:?} lacks {changed}", history.columns);
        assert!(history.rewritten > 0 && history.added == 1);
        let notes = pulled.receipt.served.unwrap().notes;
        assert!(notes.iter().any(|note| note.contains(changed)), "{notes:?}");
        case.check(&[]);
    }
    assert_eq!(dtype("a"), Some(DataType::Float64));
}

#[test]
fn runs_that_are_gone_leave_and_rewritten_ones_are_loaded_anew() {
    let case = case(5, None);
    for at in 0..5 {
        case.edit(at, |run| put(run, rows(0, &["\"a\":1"; 20])));
    }
    case.pull(&["a"]);
    case.server.change(|world| drop(world.delete("acme", "fleet", "r0000001")));
    case.edit(0, |run| put(run, rows(0, &["\"a\":5"; 7])));
    let (_, history) = case.pull(&["a"]);
    assert_eq!((history.removed, history.anew, history.rows), (1, 1, 67));
    case.check(&["a"]);
    // Made again under the same name.
    case.edit(2, |run| {
        run.created_at += 1;
        put(run, rows(3, &["\"a\":9"; 30]));
    });
    assert_eq!(case.pull(&["a"]).1.rows, 77);
    case.check(&["a"]);
}

#[test]
fn rows_that_come_late_are_found_by_the_count() {
    let case = case(3, None);
    case.edit(1, |run| put(run, rows(10, &["\"a\":1"; 10])));
    case.pull(&[]);
    case.edit(1, |run| {
        let mut all = rows(5, &["\"a\":2"]);
        all.extend(rows(10, &["\"a\":1"; 11]));
        put(run, all);
    });
    let (pulled, history) = case.pull(&[]);
    assert_eq!((pulled.receipt.complete, history.anew, history.rows), (Some(true), 1, 12), "{}", pulled.receipt);
    case.check(&[]);
}

#[test]
fn what_is_lacking_is_told_and_asked_for_again() {
    let case = case(4, None);
    for at in 0..4 {
        case.edit(at, |run| put(run, rows(0, &["\"a\":1"; 9])));
    }
    case.edit(3, |run| run.history_rows = Some(11));
    let output = case.command(&["--history", "all"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("r0000003: 9 rows came of 11"), "{said}");
    let source = || Loader::default().source(case.file.to_str().unwrap()).unwrap();
    let read = source().history(&HistoryQuery::new()).unwrap();
    assert_eq!((read.height(), read.receipt().complete), (36, Some(false)));
    case.server.change(|world| world.project_mut("acme", "fleet").unwrap().runs[3].history_rows = Some(9));
    let (pulled, history) = case.pull(&[]);
    assert_eq!((pulled.receipt.complete, history.asked, history.rows), (Some(true), 1, 36));
    case.check(&[]);
}

#[test]
fn other_keys_and_no_histories_have_words_and_a_cure() {
    let case = case(3, None);
    case.edit(0, |run| put(run, rows(0, &["\"loss\":1,\"acc\":2"])));
    let error = case.plain().history(["los"]).run().unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("did you mean loss?")), (ErrorKind::Column, true), "{error}");
    case.pull(&["loss"]);
    let error = case.plain().history(["acc"]).run().unwrap_err();
    assert!(error.to_string().contains("it holds loss") && error.to_string().contains("--full"), "{error}");
    let source = || Loader::default().source(case.file.to_str().unwrap()).unwrap();
    let error = source().history(&HistoryQuery::new().keys(["acc"])).unwrap_err();
    assert!(error.to_string().contains("--history loss,acc"), "{error}");
    case.edit(0, |run| put(run, rows(0, &["\"loss\":1,\"acc\":2", "\"loss\":3"])));
    let output = case.command(&["--no-history"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("not brought up to date"), "{said}");
    assert_eq!(source().history(&HistoryQuery::new()).unwrap().height(), 1);
    case.plain().history(["acc"]).full(true).run().unwrap();
    case.check(&["acc"]);
    std::fs::remove_dir_all(case.folder()).unwrap();
    let error = source().history(&HistoryQuery::new()).unwrap_err();
    assert!(error.to_string().contains("holds no history") && error.to_string().contains("pull --history"), "{error}");
}

#[test]
fn stored_rows_are_chosen_by_run_step_and_metric() {
    let case = case(30, Some(HistoryRecipe::rows(120)));
    case.pull(&[]);
    let rows = |args: &[&str]| {
        let mut command = Command::cargo_bin("runframe").unwrap();
        let output = command.arg("history").args(args).arg("-q").env_clear();
        let output = output.env("WANDB_BASE_URL", case.server.url()).env("WANDB_API_KEY", KEY).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = case.file.to_str().unwrap();
    for more in [
        &["-k", "loss", "--step", "10..12"][..],
        &["-k", "loss,val/loss", "-w", "name in ('r0000003', 'r0000020')"],
        &["--at-best", "val/loss:min", "-s", "epoch"],
        &["--tidy", "-k", "mixed", "-w", "name = 'r0000003'"],
        &["--wide", "epoch", "-w", "name < 'r0000004'"],
        &["-w", "name = 'nobody'"],
    ] {
        assert_eq!(rows(&[&[table], more].concat()), rows(&[&["acme/fleet"], more].concat()), "{more:?}");
    }
    let folder = case.folder();
    assert_eq!(rows(&[folder.to_str().unwrap(), "-k", "loss"]), rows(&[table, "-k", "loss"]));
}

#[test]
fn many_updates_leave_few_parts() {
    let case = case(3, None);
    let mut all = rows(0, &["\"a\":1"; 3]);
    for at in 0..40 {
        all.extend(rows(3 + at, &["\"a\":1"]));
        let now = all.clone();
        case.edit(1, |run| put(run, now));
        assert_eq!(case.pull(&[]).1.added, if at == 0 { 4 } else { 1 });
    }
    assert!(files(&case.folder()).len() <= 2, "{:?}", files(&case.folder()));
    case.check(&[]);
}

#[test]
fn with_redact_no_secret_is_stored() {
    const SECRET: &str = "ghp_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX";
    let case = case(2, None);
    let text = format!("\"note\":\"{SECRET}\",\"loss\":0.5");
    case.edit(0, |run| put(run, rows(0, &[&text, "\"note\":\"fine\""])));
    let redaction = || runframe::Redaction::with_key(b"0123456789abcdef").unwrap();
    let notes = |file: &Path| {
        let table = glob(&file.with_extension("history"));
        let notes = table.column("note").unwrap().str().unwrap().iter().map(|note| note.unwrap().to_owned());
        notes.collect::<Vec<_>>()
    };
    case.pull(&[]);
    assert_eq!(notes(&case.file), [SECRET, "fine"]);
    // From a server, and from a stored table that holds them.
    let from_server = case.file.with_file_name("server.parquet");
    let pull = Pull::new(case.loader().redact(redaction()), &from_server);
    pull.history(Vec::<String>::new()).run().unwrap();
    let from_table = case.file.with_file_name("table.parquet");
    let stored = Loader::default().source(case.file.to_str().unwrap()).unwrap().redact(redaction());
    Pull::new(stored, &from_table).history(Vec::<String>::new()).run().unwrap();
    // Clear histories that are there are loaded anew, not gone on with.
    std::fs::remove_file(&case.file).unwrap();
    Pull::new(case.loader().redact(redaction()), &case.file).run().unwrap();
    for file in [from_server, from_table, case.file.clone()] {
        let found = notes(&file);
        assert!(found[0].starts_with("redacted:") && found[1] == "fine", "{found:?}");
        for part in files(&file.with_extension("history")) {
            let bytes = std::fs::read(&part).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{}", part.display());
        }
    }
}
