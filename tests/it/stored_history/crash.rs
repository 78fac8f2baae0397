//! Stored histories when a pull is killed, at any moment, or the server goes away.

use super::{Case, case, files, glob, put, rows};
use crate::wandb::{Fault, HistoryRecipe, KEY};
use polars::prelude::*;
use runframe::{ErrorKind, HistoryQuery, Loader};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    let case = case(700, Some(HistoryRecipe { live: 30, ..HistoryRecipe::rows(30) }));
    case.server.set(|switches| switches.latency = Duration::from_millis(4));
    let binary = assert_cmd::cargo::cargo_bin("runframe");
    let spawn = || {
        let mut command = std::process::Command::new(&binary);
        command.env_clear().env("WANDB_BASE_URL", case.server.url()).env("WANDB_API_KEY", KEY);
        command.args(["pull", "acme/fleet", "-q", "--history", "loss,epoch", "-o"]).arg(&case.file).spawn().unwrap()
    };
    let staged = || {
        let found = std::fs::read_dir(partial(&case));
        found.map_or(0, |all| {
            all.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("batch")).count()
        })
    };
    // The run table is there, and the histories are on their way.
    case.plain().run().unwrap();
    let mut kept = BTreeSet::from([staged()]);
    for moment in 0..12u64 {
        let before = staged();
        let mut child = spawn();
        // At any moment, or soon after something more was kept.
        std::thread::sleep(Duration::from_millis(moment * 17));
        while moment % 3 > 0 && staged() == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(moment));
        }
        let finished = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        if case.folder().exists() {
            is_right(&case.folder(), &[30]);
        }
        if finished || staged() < before {
            break;
        }
        kept.insert(staged());
    }
    assert!(kept.len() > 2, "what was kept did not grow: {kept:?}");
    case.server.set(|switches| switches.latency = Duration::ZERO);
    let (pulled, history) = case.pull(&["loss", "epoch"]);
    assert_eq!((pulled.receipt.complete, history.rows), (Some(true), 21_000));
    assert!(history.asked < 700, "what had arrived was asked for again");
    case.check(&["loss", "epoch"]);
    assert!(!partial(&case).exists());
}

#[test]
fn an_update_that_fails_keeps_the_old_histories_and_what_came() {
    let case = case(400, Some(HistoryRecipe { live: 3, ..HistoryRecipe::rows(3) }));
    case.server.set(|switches| {
        // The run table, and the first of three batches of runs.
        switches.pass(20);
        switches.fail(Fault::Status(403), 1_000);
    });
    let error = case.plain().history(["loss"]).run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(case.file.exists() && !case.folder().exists());
    case.server.set(|switches| switches.next.clear());
    let (_, history) = case.pull(&["loss"]);
    assert!(history.asked < 400, "{history:?}");
    case.check(&["loss"]);
}

fn partial(case: &Case) -> PathBuf {
    case.folder().with_extension("history.partial")
}

/// Three runs of five rows each, stored; then one of them has a sixth.
fn stored() -> Case {
    let case = case(3, None);
    for at in 0..3 {
        case.edit(at, |run| put(run, rows(0, &["\"a\":1"; 5])));
    }
    case.pull(&[]);
    case.edit(1, |run| put(run, rows(0, &["\"a\":1"; 6])));
    case
}

#[test]
fn between_the_two_renames_of_a_change_nothing_is_lost() {
    for (place, goes_on) in [("next", true), ("previous", false)] {
        let case = stored();
        fs::create_dir_all(partial(&case)).unwrap();
        fs::rename(case.folder(), partial(&case).join(place)).unwrap();
        if goes_on {
            // The old one stands aside.
            fs::create_dir(partial(&case).join("previous")).unwrap();
            fs::copy(partial(&case).join("next/_state.json"), partial(&case).join("previous/_state.json")).unwrap();
        } else {
            // The new one was never whole.
            fs::create_dir(partial(&case).join("next")).unwrap();
            fs::write(partial(&case).join("next/part-000002-0000.parquet"), "cut off").unwrap();
        }
        let source = Loader::default().source(case.file.to_str().unwrap()).unwrap();
        assert_eq!(source.history(&HistoryQuery::new()).unwrap().height(), 15, "readers of our own find it");
        let (_, history) = case.pull(&[]);
        assert_eq!((history.asked, history.added, history.rows), (1, 1, 16));
        case.check(&[]);
        assert!(!partial(&case).exists());
    }
}

#[test]
fn rows_that_are_in_place_are_not_added_once_more() {
    let case = stored();
    case.pull(&[]);
    // Batches of an older state of the data set.
    let stale = r#"{"format": 1, "generation": 1, "full": false, "keys": [], "server": "x"}"#;
    fs::create_dir_all(partial(&case)).unwrap();
    fs::write(partial(&case).join("stage.json"), stale.replace("x", &case.server.url())).unwrap();
    fs::copy(case.folder().join("_state.json"), partial(&case).join("batch-000000.json")).unwrap();
    for file in files(&case.folder()) {
        fs::copy(&file, partial(&case).join(file.file_name().unwrap())).unwrap();
    }
    case.edit(0, |run| put(run, rows(0, &["\"a\":1"; 8])));
    assert_eq!(case.pull(&[]).1.rows, 19);
    case.check(&[]);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let case = case(2, None);
    fs::create_dir(case.folder()).unwrap();
    fs::write(case.folder().join("mine.txt"), "mine").unwrap();
    let error = case.plain().history(["a"]).run().unwrap_err();
    assert!(error.to_string().contains("no history that runframe wrote"), "{error}");
    assert!(!case.file.exists(), "nothing was begun");
    case.plain().run().unwrap();
    assert_eq!(fs::read(case.folder().join("mine.txt")).unwrap(), b"mine");
}

#[test]
fn a_missing_or_foreign_part_is_told_with_the_cure() {
    let case = stored();
    let [part] = files(&case.folder()).try_into().unwrap();
    let read =
        || Loader::default().source(case.file.to_str().unwrap()).unwrap().history(&HistoryQuery::new()).unwrap_err();
    fs::write(&part, fs::read(&case.file).unwrap()).unwrap();
    assert!(read().to_string().contains("not the one that was stored"), "{}", read());
    fs::remove_file(&part).unwrap();
    assert!(read().to_string().contains("remove the folder"), "{}", read());
    fs::remove_dir_all(case.folder()).unwrap();
    case.pull(&[]);
    case.check(&[]);
}
