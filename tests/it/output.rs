//! What is written: files read back, whole or not at all, in every format.

use crate::bundled::examples;
use crate::cli::runframe;
use polars::prelude::*;
use polars_io::SerReader;
use runframe::RunFrame;
use std::path::Path;

fn write(dir: &Path, name: &str, more: &[&str]) -> std::path::PathBuf {
    let path = dir.join(name);
    let args = [&["query", "examples/wandb", "-q", "-o", path.to_str().unwrap()], more].concat();
    let (code, stdout, stderr) = runframe(&args);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    path
}

#[test]
fn parquet_reads_back_as_the_same_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "runs.parquet", &["--sort", "name"]);
    let stored = RunFrame::open(path.to_str().unwrap()).unwrap();
    let loaded = examples();
    assert_eq!(stored.schema(), loaded.schema());
    assert_eq!(stored.json_columns(), loaded.json_columns());
    assert_eq!(stored.conflicts().unwrap(), loaded.conflicts().unwrap());
    let sorted = loaded.lazy().sort(["name"], SortMultipleOptions::default()).collect().unwrap();
    assert!(stored.collect().unwrap().equals_missing(&sorted));
    let names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["runs.parquet"]);
}

#[test]
fn arrow_reads_back_as_the_same_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "runs.arrow", &[]);
    let frame = polars_io::ipc::IpcReader::new(std::fs::File::open(path).unwrap()).finish().unwrap();
    assert!(frame.equals_missing(&examples().collect().unwrap()));
}

#[test]
fn json_lines_hold_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "runs.jsonl", &["--sort", "created_at"]);
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 41);
    assert_eq!(rows[0]["name"], "lkqx96qe");
    assert_eq!(rows[0]["created_at"], "2026-11-02T08:15:04.120000Z");
    assert_eq!(rows[0]["logged_artifacts"][0]["name"], "model");
    assert!(rows.iter().any(|row| row["summary.loss"] == "NaN"));
}

#[test]
fn a_format_for_every_ending() {
    let dir = tempfile::tempdir().unwrap();
    for ending in ["csv", "tsv", "json", "jsonl", "md", "parquet", "arrow"] {
        let path = write(dir.path(), &format!("runs.{ending}"), &["-s", "name,state,summary.accuracy"]);
        assert!(std::fs::metadata(path).unwrap().len() > 500, "{ending}");
    }
    let (code, _, stderr) =
        runframe(&["query", "examples/wandb", "-q", "-o", dir.path().join("runs.docx").to_str().unwrap()]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("docx"), "{stderr}");
}

#[test]
fn a_failed_write_leaves_the_old_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.parquet");
    std::fs::write(&path, b"the old file").unwrap();
    let (code, ..) = runframe(&["query", "examples/wandb", "-q", "-s", "no_such", "-o", path.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert_eq!(std::fs::read(&path).unwrap(), b"the old file");
    let missing = dir.path().join("nowhere/runs.parquet");
    let (code, _, stderr) = runframe(&["query", "examples/wandb", "-q", "-o", missing.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stderr.contains("nowhere"), "{stderr}");
}

/// What a shell does with `runframe` as `$0`, in `dir`: its exit code and what it said on the standard error.
#[cfg(unix)]
fn shell(dir: &Path, script: &str) -> (i32, String) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb");
    let binary = assert_cmd::cargo::cargo_bin("runframe");
    let mut shell = std::process::Command::new("sh");
    let shell = shell.arg("-c").arg(script).arg(binary).arg(examples).current_dir(dir);
    let output = shell.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn open_streams_are_written_where_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.csv");
    for (stream, to) in [
        ("/dev/stdout", ">>"),
        ("/dev/fd/1", ">>"),
        ("/proc/self/fd/1", ">>"),
        ("/dev/stderr", "2>>"),
        ("/dev/fd/3", "3>>"),
        ("-", ">>"),
    ] {
        std::fs::write(&log, "old\n").unwrap();
        let script = format!("\"$0\" query \"$1\" -q -s name -n 1 --sort name -o {stream} {to} log.csv");
        assert_eq!(shell(dir.path(), &script), (0, String::new()), "{stream}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "old\nname\n1ch3bknw\n", "{stream}");
    }
    // Others write to the same stream, before and after.
    let script = "{ echo a; \"$0\" query \"$1\" -q -s name -n 0 -o /dev/stdout; echo b; } > log.csv";
    assert_eq!(shell(dir.path(), script).0, 0);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "a\nname\nb\n");
}

#[cfg(unix)]
#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stderr) = shell(dir.path(), "\"$0\" query \"$1\" -q 1</dev/null");
    assert_eq!((code, stderr.as_str()), (1, "error: stdout: bad file descriptor\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_clear_error() {
    for format in ["csv", "json", "parquet", "arrow", "md", "table"] {
        let (code, _, stderr) = runframe(&["query", "examples/wandb", "-q", "--format", format, "-o", "/dev/full"]);
        assert_eq!(code, 1, "{format}: {stderr}");
        assert!(stderr.contains("/dev/full") && stderr.to_lowercase().contains("no space"), "{format}: {stderr}");
    }
}

/// A disk that fills up half-way: a small file system of its own, where the machine lets us mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_leaves_the_old_file_whole() {
    let binary = assert_cmd::cargo::cargo_bin("runframe");
    let script = format!(
        "mount -t tmpfs -o size=16k none /mnt && echo old > /mnt/runs.csv && {} query examples/wandb -q -o /mnt/runs.csv; echo code $?; cat /mnt/runs.csv; ls /mnt",
        binary.display()
    );
    let output = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let Ok(output) = output else { return };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !stdout.contains("code") || stderr.contains("unshare") || stderr.contains("mount:") {
        // No namespaces here; `a_full_disk_is_a_clear_error` holds the error itself.
        return;
    }
    assert_eq!(stdout, "code 1\nold\nruns.csv\n", "{stderr}");
    assert!(stderr.to_lowercase().contains("no space"), "{stderr}");
}

#[test]
fn the_readme_has_the_column_table() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for field in runframe::FIELDS {
        let unit = field.unit.map_or(String::new(), |unit| format!(", {unit}"));
        let row = format!("| `{}` | {}{unit} | {} | {} |", field.name, field.dtype.name(), field.meaning, field.nulls);
        assert!(readme.contains(&row), "README lacks: {row}");
    }
}

#[test]
fn the_readme_filters_run() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("dotted names bare:\n\n```\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(block.lines().count(), 5);
    for filter in block.lines() {
        let (code, _, stderr) = runframe(&["query", "examples/wandb", "-q", "-s", "name", "-w", filter]);
        assert_eq!(code, 0, "{filter}: {stderr}");
    }
}

/// The README's first command prints what the README says.
#[cfg(unix)]
#[test]
fn the_readme_shows_what_the_first_command_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let command = readme.lines().find_map(|line| line.strip_prefix("cargo run -- ")).unwrap();
    let binary = assert_cmd::cargo::cargo_bin("runframe");
    let shell = format!("'{}' {command}", binary.display());
    let output = std::process::Command::new("sh").args(["-c", &shell]).current_dir(root).output().unwrap();
    let expected = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr).trim(),
        readme.split("its receipt: `").nth(1).unwrap().split('`').next().unwrap()
    );
}
