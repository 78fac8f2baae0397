//! Logs made to cost much: depth, size, keys, lies about lengths. Each costs bounded memory, has a limit with a name, and no other run.

use super::*;
use crate::log::{self, HEADER, Log, Message};

const BLOCK: usize = 32_768;

/// The name and state of all runs, and what was said.
fn query(dir: &Path, more: &[&str]) -> (Option<i32>, String, String, u64) {
    let args = [&["query", dir.to_str().unwrap(), "-v", "--sort", "name", "--format", "jsonl"], more].concat();
    let (output, peak) = watched(&args, &[]);
    (code(&output), stdout(&output), stderr(&output), peak)
}

fn good(dir: &Path) {
    Log::of_run("good0001").config("lr", "0.5").exit(0, 3).write(dir, "good0001");
}

/// Writes a log that begins like `before` and goes on with one record that fills so many blocks.
pub(super) fn write_huge(dir: &Path, id: &str, mut before: Vec<u8>, blocks: usize) {
    use std::io::Write;
    let chunk = |kind: u8, bytes: usize| {
        let payload = vec![b'x'; bytes];
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[kind]);
        crc.update(&payload);
        let head = [&crc.finalize().to_le_bytes()[..], &(bytes as u16).to_le_bytes(), &[kind]].concat();
        [head, payload].concat()
    };
    let room = BLOCK - before.len() % BLOCK - 7;
    before.extend(chunk(2, room));
    let path = log::write(dir, id, &before);
    let mut file = std::io::BufWriter::new(std::fs::OpenOptions::new().append(true).open(path).unwrap());
    let middle = chunk(3, BLOCK - 7);
    (0..blocks).for_each(|_| file.write_all(&middle).unwrap());
    file.write_all(&chunk(4, 100)).unwrap();
    // What follows is read again.
    let after = Log::of_run(id).summary("acc", "0.75").exit(0, 3).into_bytes();
    file.write_all(&after[HEADER.len()..]).unwrap();
    file.flush().unwrap();
}

#[test]
fn a_value_of_many_megabytes_is_passed_over_and_named() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    write_huge(dir.path(), "huge0001", Log::of_run("huge0001").config("lr", "0.25").into_bytes(), 9_000);
    let (code, out, said, peak) = query(dir.path(), &["-s", "name,state,config.lr,summary.acc"]);
    assert_eq!(code, Some(0), "{said}");
    let runs = [
        r#"{"name":"good0001","state":"finished","config.lr":0.5,"summary.acc":null}"#,
        r#"{"name":"huge0001","state":"finished","config.lr":0.25,"summary.acc":0.75}"#,
    ];
    assert_eq!(out, runs.join("\n") + "\n");
    assert!(said.contains("1 record lost") && said.contains("run-huge0001.wandb, byte "), "{said}");
    assert!(said.contains("a record larger than --max-value-bytes allows (294"), "{said}");
    assert!(peak < 250, "{peak} MB for a value of 295 MB");
    // A history is read within the same limit.
    let file = dir.path().to_str().unwrap();
    let (output, peak) = watched(&["history", file, "-v", "-n", "1"], &[]);
    assert!(stderr(&output).contains("--max-value-bytes") && peak < 250, "{peak} MB: {}", stderr(&output));
}

#[test]
fn the_limit_of_values_can_be_raised_and_lowered() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    let text = format!("\"{}\"", "x".repeat(3_000_000));
    Log::of_run("long0001").config("lr", "0.25").summary("text", &text).exit(0, 1).write(dir.path(), "long0001");
    let (code, out, said, _) = query(dir.path(), &["--max-value-bytes", "1MB"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{said}");
    assert!(out.len() < 10_000 && said.contains("--max-value-bytes"), "{said}");
    let (code, out, said, _) = query(dir.path(), &["--max-value-bytes", "4MB", "--strict"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.contains(&text), "{said}");
    // Many records, none of them too large: the sum is.
    let mut log = Log::of_run("many0001").config("lr", "0.25");
    for part in 0..40 {
        log = log.summary(&format!("part{part}"), &format!("\"{}\"", "y".repeat(200_000)));
    }
    log.exit(0, 1).write(dir.path(), "many0001");
    let (code, out, said, _) = query(dir.path(), &["--max-value-bytes", "4MB", "--strict"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("run lab/tests/many0001, summary: left out, more bytes than --max-value-bytes 4000000"),
        "{said}"
    );
    assert!(out.contains(&text) && out.contains(r#""name":"many0001""#) && out.contains(r#""config.lr":0.25"#));
}

/// A log with so many summary keys, many to a record.
fn keys(dir: &Path, id: &str, count: usize) {
    let item = |key: usize| Message::new().text(2, &format!("key{key}")).text(16, "1");
    let mut log = Log::of_run(id).config("lr", "0.25");
    for first in (0..count).step_by(10_000) {
        log = log
            .record(3, (first..count.min(first + 10_000)).fold(Message::new(), |all, key| all.message(1, item(key))));
    }
    log.exit(0, 1).write(dir, id);
}

#[test]
fn too_many_keys_cost_their_document_only() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    keys(dir.path(), "keys0001", 300_000);
    let (code, out, said, peak) = query(dir.path(), &["--max-keys", "50000"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{said}");
    assert!(said.contains("1 value left out: over a limit"), "{said}");
    assert!(said.contains("run lab/tests/keys0001, summary: left out, more keys than --max-keys 50000"), "{said}");
    assert!(out.contains(r#""config.lr":0.25"#) && !out.contains("summary."), "{said}");
    assert!(peak < 150, "{peak} MB");
}

#[test]
fn the_limit_of_keys_can_be_raised() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    keys(dir.path(), "keys0001", 2_000);
    let object: Vec<String> = (0..2_000).map(|key| format!("\"k{key}\":1")).collect();
    let object = format!("{{{}}}", object.join(","));
    Log::of_run("keys0002").config("big", &object).summary("acc", "1").exit(0, 1).write(dir.path(), "keys0002");
    let receipt = dir.path().join("receipt.json");
    let told = ["--receipt", receipt.to_str().unwrap()];
    let (code, _, said, _) = query(dir.path(), &[&["--max-keys", "1500", "--strict"], &told[..]].concat());
    assert_eq!(code, Some(5), "{said}");
    let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
    assert_eq!((&receipt["left_out"], &receipt["runs"]), (&2.into(), &3.into()));
    let over =
        serde_json::json!({"run": "lab/tests/keys0002", "place": "config", "reason": "more keys than --max-keys 1500"});
    assert_eq!(receipt["over_limits"][1], over);
    let file = dir.path().join("runs.parquet");
    let (logs, file) = (dir.path().to_str().unwrap(), file.to_str().unwrap());
    let (output, _) = watched(&["query", logs, "-q", "--max-keys", "3000", "--strict", "-o", file], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let frame = runframe::RunFrame::open(file).unwrap();
    assert!(frame.schema().contains("config.big.k1999") && frame.schema().contains("summary.key1999"));
}

#[test]
fn histories_have_a_limit_of_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::of_run("wide0001");
    for step in 0..300_u64 {
        let item = |key: String, json: String| Message::new().text(2, &key).text(16, &json);
        let row = Message::new().message(1, item("_step".into(), step.to_string()));
        log = log.record(2, row.message(1, item(format!("m{step}"), "1".into())));
    }
    log.exit(0, 1).write(dir.path(), "wide0001");
    let history = |most: &str| {
        let args = ["history", dir.path().to_str().unwrap(), "-q", "--max-keys", most];
        let (output, _) = watched(&args, &[]);
        (code(&output), stdout(&output).lines().count(), stderr(&output))
    };
    assert_eq!(history("1000"), (Some(0), 301, String::new()));
    let (code, _, said) = history("100");
    assert_eq!(code, Some(1));
    assert_eq!(said, "error: more metrics than --max-keys 100 (name some with -k, or raise --max-keys)\n");
}

#[test]
fn nesting_has_a_limit_that_can_be_raised() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    let lists = "[".repeat(100_000) + &"]".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    let log = Log::of_run("deep0001").config("lr", "0.25").config("objects", &objects);
    log.summary("lists", &lists).summary("acc", "1").exit(0, 1).write(dir.path(), "deep0001");
    let (code, out, said, peak) = query(dir.path(), &[]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{said}");
    assert!(said.contains("2 JSON texts invalid"), "{said}");
    for place in ["config.objects", "summary.lists"] {
        let line = format!("run lab/tests/deep0001, {place}, byte ");
        let line = said.lines().find(|told| told.trim_start().starts_with(&line)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.ends_with("nested deeper than --max-depth allows"), "{line}");
    }
    assert!(out.contains(r#""config.lr":0.25"#) && out.contains(r#""summary.acc":1"#), "{said}");
    assert!(peak < 250, "{peak} MB");
    for ending in ["parquet", "json", "csv"] {
        let file = dir.path().join(format!("runs.{ending}"));
        let more = ["--max-depth", "200000", "--strict", "-o", file.to_str().unwrap(), "--format", ending];
        let args = [&["query", dir.path().to_str().unwrap(), "-s", "name,summary.lists"], &more[..]].concat();
        let output = Command::new(binary()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        if ending != "parquet" {
            assert!(std::fs::read_to_string(file).unwrap().contains(&lists), "{ending}");
        }
    }
}

#[test]
fn a_length_that_lies_is_a_lost_record() {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path());
    // A summary record, and an item in one, that claim to be 4 GB long.
    let huge = [0x80, 0x80, 0x80, 0x80, 0x10];
    let mut log = Log::of_run("lies0001").config("lr", "0.25");
    log = log.raw(&[&[0x08, 3, 0x1a], &huge[..], b"x"].concat());
    log = log.raw(&[&[0x08, 4, 0x1a, 9, 0x0a], &huge[..], b"abc"].concat());
    log.summary("acc", "1").exit(0, 1).write(dir.path(), "lies0001");
    let (code, out, said, peak) = query(dir.path(), &["-s", "name,summary.acc,config.lr"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(out.lines().last(), Some(r#"{"name":"lies0001","summary.acc":1,"config.lr":0.25}"#), "{said}");
    assert!(said.contains("2 records lost") && said.contains("a record that is no W&B message"), "{said}");
    assert!(peak < 250, "{peak} MB");
}

#[test]
fn files_beside_the_data_are_read_up_to_a_limit() {
    if !Path::new("/dev/zero").exists() {
        return eprintln!("not tested: no /dev/zero here");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = Log::of_run("meta0001").exit(0, 1).write(dir.path(), "meta0001");
    let files = path.parent().unwrap().join("files");
    std::fs::create_dir(&files).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", files.join("wandb-metadata.json")).unwrap();
    let (code, _, said, peak) = query(dir.path(), &["-s", "name"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(peak < 250, "{peak} MB");
    // The last of these is wrong, and told of once all is read.
    let env = [("NETRC", "/dev/zero"), ("WANDB_API_KEY", ""), ("WANDB_HTTP_TIMEOUT", "soon")];
    let (output, peak) = watched(&["query", "acme/fleet", "-q"], &env);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(peak < 250, "{peak} MB");
}
