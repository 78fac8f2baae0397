//! Histories stored beside the run table: one schema whatever comes, brought up to date by step, whole after every accident.

use crate::wandb::{Fault, History, HistoryRecipe, KEY, Recipe, Run, Server, Switches, World};
use assert_cmd::Command;
use polars::prelude::*;
use proptest::prelude::*;
use runframe::{ErrorKind, HistoryPulled, HistoryQuery, Loader, Pull, Pulled, Settings, Surroundings};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PROJECT: &str = "wandb://acme/fleet";

/// A server, and a run table that is pulled from it.
struct Case {
    server: Server,
    _dir: tempfile::TempDir,
    file: PathBuf,
}

fn case(runs: usize, history: Option<HistoryRecipe>) -> Case {
    let mut world = World::generate(&Recipe { history, nulls: false, ..Recipe::small(runs) });
    let runs = world.projects[0].runs.iter_mut();
    runs.filter(|run| run.history.is_none()).for_each(|run| put(run, Vec::new()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    Case { server: Server::start(world, Switches::default()), _dir: dir, file }
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
        let stored = glob(&self.folder());
        assert_eq!(stored.height(), truth.height());
        for column in truth.columns() {
            let found = stored.column(column.name()).unwrap_or_else(|_| panic!("no {}", column.name()));
            // What has left may have left a wider type behind.
            let found = if found.dtype() == column.dtype() {
                found.clone()
            } else {
                found.strict_cast(column.dtype()).unwrap()
            };
            assert!(found.equals_missing(column), "{}\n{found:?}\n{column:?}", column.name());
        }
        for column in stored.columns().iter().filter(|column| truth.column(column.name()).is_err()) {
            assert_eq!(column.null_count(), column.len(), "{}", column.name());
        }
        let source = Loader::default().source(self.file.to_str().unwrap()).unwrap();
        let read = source.history(&query).unwrap();
        assert_eq!(read.receipt().complete, None, "{}", read.receipt());
        let read = read.collect().unwrap();
        let names: Vec<&str> = read.get_column_names().into_iter().map(|name| name.as_str()).collect();
        assert!(read.equals_missing(&stored.select(names).unwrap()), "{read}\n{stored}");
    }
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

/// All parts together are right for some moment of the server: each run has all its rows up to a step.
fn is_right(folder: &Path, rows_of_each: &[usize]) {
    let table = glob(folder);
    let counts =
        table.lazy().group_by([col("name")]).agg([len().alias("rows"), col("_step").n_unique().alias("steps")]);
    let counts = counts.collect().unwrap();
    for row in 0..counts.height() {
        let number = |name: &str| counts.column(name).unwrap().get(row).unwrap().try_extract::<usize>().unwrap();
        assert_eq!(number("rows"), number("steps"), "rows came twice");
        assert!(rows_of_each.contains(&number("rows")), "{} rows", number("rows"));
    }
}

#[test]
fn a_pull_that_is_killed_goes_on_and_leaves_whole_histories() {
    let case = case(1_200, Some(HistoryRecipe { live: 30, ..HistoryRecipe::rows(30) }));
    case.server.set(|switches| switches.latency = Duration::from_millis(4));
    let binary = assert_cmd::cargo::cargo_bin("runframe");
    let spawn = || {
        let mut command = std::process::Command::new(&binary);
        command.env_clear().env("WANDB_BASE_URL", case.server.url()).env("WANDB_API_KEY", KEY);
        command.args(["pull", "acme/fleet", "-q", "--history", "loss,epoch", "-o"]).arg(&case.file).spawn().unwrap()
    };
    let staged = || {
        let found = std::fs::read_dir(case.folder().with_extension("history.partial"));
        found.map_or(0, |all| {
            all.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("batch")).count()
        })
    };
    // The run table is there, and the histories are on their way.
    case.plain().run().unwrap();
    let (mut kept, mut finished) = (BTreeSet::new(), false);
    for moment in 0..25u64 {
        let mut child = spawn();
        std::thread::sleep(Duration::from_millis(60 + moment * 23));
        finished |= child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        kept.insert(staged());
        if case.folder().exists() {
            is_right(&case.folder(), &[30]);
        }
        if finished {
            break;
        }
    }
    assert!(kept.len() > 2, "what was kept did not grow: {kept:?}");
    case.server.set(|switches| switches.latency = Duration::ZERO);
    let (pulled, history) = case.pull(&["loss", "epoch"]);
    assert_eq!((pulled.receipt.complete, history.rows), (Some(true), 36_000));
    assert!(history.asked < 1_200, "what had arrived was asked for again");
    case.check(&["loss", "epoch"]);
    assert!(!case.folder().with_extension("history.partial").exists());
}

#[test]
fn an_update_that_fails_keeps_the_old_histories_and_what_came() {
    let case = case(1_100, Some(HistoryRecipe { live: 3, ..HistoryRecipe::rows(3) }));
    case.server.set(|switches| {
        // The run table, and the first of three batches.
        switches.pass(44);
        switches.fail(Fault::Status(403), 1_000);
    });
    let error = case.plain().history(["loss"]).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(case.file.exists() && !case.folder().exists());
    case.server.set(|switches| switches.next.clear());
    let (_, history) = case.pull(&["loss"]);
    assert!(history.asked < 1_100, "{history:?}");
    case.check(&["loss"]);
}

/// What happens to a project between two pulls.
#[derive(Debug, Clone)]
enum Event {
    Rows(usize, Vec<usize>),
    Rewritten(usize, usize),
    Deleted(usize),
    New(usize),
    Touched(usize),
    Pulled,
}

/// Rows of many sorts.
const SORTS: [&str; 9] = [
    "",
    "\"a\":1",
    "\"a\":0.5,\"b\":\"x\"",
    "\"a\":\"text\"",
    "\"b\":{\"c\":1}",
    "\"l\":[1,2]",
    "\"l\":[0.5]",
    "\"a\":null",
    "\"a\":\"NaN\",\"l\":[\"s\"]",
];

fn event() -> impl Strategy<Value = Event> {
    let sorts = || proptest::collection::vec(0..SORTS.len(), 1..4);
    prop_oneof![
        4 => (0..6usize, sorts()).prop_map(|(run, sorts)| Event::Rows(run, sorts)),
        1 => (0..6usize, 0..6usize).prop_map(|(run, rows)| Event::Rewritten(run, rows)),
        1 => (0..6usize).prop_map(Event::Deleted),
        1 => (0..SORTS.len()).prop_map(Event::New),
        1 => (0..6usize).prop_map(Event::Touched),
        4 => Just(Event::Pulled),
    ]
}

impl Case {
    fn happens(&self, event: &Event, number: usize) {
        let count = self.server.look(|world| world.project("acme", "fleet").unwrap().runs.len());
        match event {
            Event::Rows(at, sorts) if count > 0 => self.edit(at % count, |run| {
                let mut all = run.history.as_ref().map_or_else(Vec::new, |history| history.rows.clone());
                let next = all.last().map_or(0, |(step, _)| step + 1);
                all.extend(rows(next, &sorts.iter().map(|sort| SORTS[*sort]).collect::<Vec<_>>()));
                put(run, all);
            }),
            Event::Rewritten(at, count_of_rows) if count > 0 => {
                self.edit(at % count, |run| put(run, rows(1, &vec!["\"a\":3"; *count_of_rows])));
            }
            Event::Deleted(at) if count > 1 => self.server.change(|world| {
                let name = world.project("acme", "fleet").unwrap().runs[at % count].name.clone();
                world.delete("acme", "fleet", &name);
            }),
            Event::New(sort) => self.server.change(|world| {
                let mut run = Recipe { nulls: false, ..Recipe::small(1) }.run(900 + number, world.now, &world.users);
                run.updated_at = None;
                put(&mut run, rows(0, &[SORTS[*sort], "\"new\":1"]));
                world.insert("acme", "fleet", run);
            }),
            Event::Touched(at) if count > 0 => self.edit(at % count, |run| run.notes = Some("seen".into())),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_next_pull_has_what_a_first_one_would(events in proptest::collection::vec(event(), 1..14)) {
        let case = case(4, None);
        case.server.change(|world| world.project_mut("acme", "fleet").unwrap().runs.iter_mut().for_each(|run| put(run, rows(0, &["\"a\":1"]))));
        case.pull(&[]);
        for (number, event) in events.iter().chain([&Event::Pulled]).enumerate() {
            case.happens(event, number);
            if matches!(event, Event::Pulled) {
                let (pulled, _) = case.pull(&[]);
                prop_assert_eq!(pulled.receipt.complete, Some(true));
                case.check(&[]);
            }
        }
    }
}
