//! Bad input: a clear error or a counted loss, and the good data beside it kept.

use crate::log::{self, Log};
use runframe::{ErrorKind, RunFrame};
use std::path::Path;
use tempfile::TempDir;

fn open(path: &Path) -> runframe::Result<RunFrame> {
    RunFrame::open(path.to_str().unwrap())
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn good(dir: &Path) {
    Log::of_run("good0001").config("lr", "0.5").exit(0, 3).write(dir, "good0001");
}

fn names(frame: &RunFrame) -> Vec<String> {
    let mut names: Vec<String> = frame
        .select(&["name"])
        .unwrap()
        .column("name")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn a_foreign_file_is_an_error_that_says_so() {
    let dir = folder();
    let path = dir.path().join("run-x.wandb");
    std::fs::write(&path, b"PAR1 this is something else entirely").unwrap();
    let error = open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.to_string().contains("not a W&B log"), "{error}");
    assert_eq!(error.place().file.as_deref(), Some(path.as_path()));
}

#[test]
fn a_foreign_file_in_a_tree_is_refused_and_the_rest_kept() {
    let dir = folder();
    good(dir.path());
    log::write(dir.path(), "foreign1", b"something else entirely, and long enough");
    let frame = open(dir.path()).unwrap();
    assert_eq!(names(&frame), ["good0001"]);
    assert_eq!(frame.receipt().refused_files, 1);
    assert!(frame.receipt().refused[0].file.ends_with("run-foreign1.wandb"));
}

#[test]
fn an_empty_folder_says_what_is_missing() {
    let dir = folder();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(".wandb"), "{error}");
    let missing = open(&dir.path().join("nowhere")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn files_that_hold_nothing_yet_are_no_errors() {
    let dir = folder();
    good(dir.path());
    log::write(dir.path(), "empty001", b"");
    log::write(dir.path(), "header01", &log::HEADER);
    log::write(dir.path(), "header02", &log::HEADER[..3]);
    let frame = open(dir.path()).unwrap();
    assert_eq!(names(&frame), ["good0001"]);
    assert_eq!(frame.receipt().empty_files, 3);
    assert!(!frame.receipt().has_losses());
}

#[test]
fn invalid_json_in_one_value_loses_that_value_only() {
    let dir = folder();
    Log::of_run("json0001")
        .config("good", "1")
        .config("bad", "{\"a\":tru}")
        .config("also", "2")
        .exit(0, 1)
        .write(dir.path(), "json0001");
    let frame = open(dir.path()).unwrap();
    let row = frame.select(&["config.good", "config.also"]).unwrap();
    assert_eq!(row.column("config.also").unwrap().i64().unwrap().get(0), Some(2));
    assert!(!frame.schema().contains("config.bad"));
    let fault = &frame.receipt().json_faults[0];
    assert!(fault.run.ends_with("json0001") && fault.place.contains("bad"), "{fault:?}");
    assert_eq!(frame.receipt().json_errors, 1);
}

#[test]
fn invalid_utf8_is_repaired_and_counted() {
    let dir = folder();
    Log::of_run("utf80001")
        .config_bytes(b"text", b"\"a\xff\xfeb\"")
        .config("n", "1")
        .exit(0, 1)
        .write(dir.path(), "utf80001");
    let frame = open(dir.path()).unwrap();
    let text = frame.select(&["config.text"]).unwrap();
    assert!(text.column("config.text").unwrap().str().unwrap().get(0).unwrap().contains('\u{fffd}'));
    assert!(frame.receipt().repaired_texts >= 1);
}

#[test]
fn deep_wide_and_long_configs_are_read() {
    let dir = folder();
    let deep = format!("{}7{}", "{\"k\":".repeat(200), "}".repeat(200));
    let long = "k".repeat(1 << 20);
    let mut log = Log::of_run("wide0001").config("deep", &deep).config(&long, "1");
    for key in 0..20_000 {
        log = log.config(&format!("key{key}"), &key.to_string());
    }
    log.exit(0, 1).write(dir.path(), "wide0001");
    let frame = open(dir.path()).unwrap();
    assert!(!frame.receipt().has_losses(), "{}", frame.receipt());
    let deep_name = format!("config.deep{}", ".k".repeat(200));
    let row = frame.select(&[deep_name.as_str(), "config.key19999", &format!("config.{long}")]).unwrap();
    let values: Vec<_> = row.columns().iter().map(|c| c.i64().unwrap().get(0).unwrap()).collect();
    assert_eq!(values, [7, 19_999, 1]);
}

#[test]
fn odd_keys_keep_their_own_columns() {
    let keys = [
        "",
        "a.b",
        "a/b",
        "say \"x\"",
        "line\nbreak",
        "😀",
        "name",
        "created_at",
        "config",
        "x:string",
        "back\\slash",
        " ",
    ];
    let dir = folder();
    let mut log = Log::of_run("keys0001");
    for (at, key) in keys.iter().enumerate() {
        log = log.config(key, &at.to_string());
    }
    log.exit(0, 1).write(dir.path(), "keys0001");
    let frame = open(dir.path()).unwrap();
    let columns = [
        "",
        "a.b",
        "a/b",
        "say \"x\"",
        "line\nbreak",
        "😀",
        "name",
        "created_at",
        "config",
        "x\\:string",
        "back\\\\slash",
        " ",
    ];
    for (at, column) in columns.iter().enumerate() {
        let name = format!("config.{column}");
        let value = frame.select(&[&name]).unwrap();
        assert_eq!(value.column(&name).unwrap().i64().unwrap().get(0), Some(at as i64), "{name}");
    }
    assert_eq!(names(&frame), ["keys0001"]);
    let parquet = dir.path().join("keys.parquet");
    let status = assert_cmd::Command::cargo_bin("runframe")
        .unwrap()
        .arg("query")
        .arg(dir.path())
        .arg("-o")
        .arg(&parquet)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    assert_eq!(open(&parquet).unwrap().schema(), frame.schema());
}

#[test]
fn a_damaged_chunk_is_counted_by_file_and_offset() {
    let dir = folder();
    let mut bytes = Log::of_run("harm0001").config("a", "1").config("b", "2").exit(0, 9).into_bytes();
    let at = bytes.windows(4).position(|w| w == [0x82, 0x01, 0x01, b'1']).unwrap() + 3;
    bytes[at] ^= 0xFF;
    let path = log::write(dir.path(), "harm0001", &bytes);
    let frame = open(dir.path()).unwrap();
    let receipt = frame.receipt();
    assert_eq!(names(&frame), ["harm0001"]);
    assert!(receipt.lost_bytes > 0 && receipt.has_losses());
    assert_eq!(receipt.damages[0].file, path);
    assert!(receipt.damages[0].offset < at as u64);
    assert!(!frame.schema().contains("config.a"));
}

#[test]
fn a_log_cut_anywhere_keeps_what_is_whole() {
    let bytes = Log::of_run("cut00001").config("a", "1").summary("acc", "0.5").exit(0, 9).into_bytes();
    let mut seen_run = false;
    for length in 7..bytes.len() {
        let dir = folder();
        let path = log::write(dir.path(), "cut00001", &bytes[..length]);
        match open(&path) {
            Ok(frame) => {
                assert_eq!(frame.receipt().lost_bytes + frame.receipt().lost_records, 0, "{length}");
                seen_run |= frame.height() == 1;
                assert!(frame.height() == 1 || !seen_run, "{length}: the run was there before");
            }
            Err(error) => panic!("cut at {length}: {error}"),
        }
    }
    assert!(seen_run);
}

#[test]
fn a_link_to_a_run_counts_it_once() {
    let dir = folder();
    good(dir.path());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("offline-run-20260102_030405-good0001", dir.path().join("latest-run")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    }
    assert_eq!(open(dir.path()).unwrap().height(), 1);
}

#[test]
fn several_folders_of_a_run_are_one_run() {
    let dir = folder();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    Log::of_run("twice001")
        .config("a", "1")
        .config("b", "{\"x\":1}")
        .summary("acc", "0.1")
        .history(0, "1700000100")
        .exit(1, 100)
        .write(&first, "twice001");
    Log::started("twice001", 1_700_000_500)
        .config("b", "{\"y\":2}")
        .summary("acc", "0.2")
        .history(0, "1700000900")
        .exit(0, 50)
        .write(&second, "twice001");
    let frame = open(dir.path()).unwrap();
    assert_eq!((frame.height(), frame.receipt().joined), (1, 1));
    let row = frame
        .select(&[
            "state",
            "config.a",
            "config.b.x",
            "config.b.y",
            "summary.acc",
            "history_rows",
            "runtime",
            "compute_seconds",
        ])
        .unwrap();
    let text = |name: &str| format!("{}", row.column(name).unwrap().get(0).unwrap());
    assert_eq!(text("state"), "\"finished\"");
    assert_eq!((text("config.a"), text("config.b.x"), text("config.b.y")), ("1".into(), "1".into(), "2".into()));
    assert_eq!((text("summary.acc"), text("history_rows")), ("0.2".into(), "2".into()));
    assert_eq!((text("runtime"), text("compute_seconds")), ("900.0".into(), "150.0".into()));
}

/// Root may read everything, so the folder is opened as somebody else.
#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_refused_and_the_rest_kept() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let dir = tempfile::Builder::new().prefix("runframe-permission").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    good(dir.path());
    let closed = Log::of_run("closed01").exit(0, 1).write(dir.path(), "closed01");
    std::fs::set_permissions(closed.parent().unwrap(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("runframe"));
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534);
    }
    let output =
        command.args(["query", "-s", "name", "--format", "csv", "-v"]).arg(dir.path()).current_dir("/").output();
    std::fs::set_permissions(closed.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = output.unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stdout, "name\ngood0001\n");
    assert!(stderr.contains("ermission denied") && stderr.contains("closed01"), "{stderr}");
}
