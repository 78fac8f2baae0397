//! The binary as a user runs it: verbs, expressions, exit codes, streams.

use assert_cmd::Command;
use std::process::Stdio;

/// Runs `runframe` in the repository's folder: exit code, standard output, standard error.
pub(crate) fn runframe(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("runframe").unwrap();
    let output = command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn data(args: &[&str]) -> String {
    let (code, stdout, stderr) = runframe(args);
    assert_eq!(code, 0, "{stderr}");
    stdout
}

/// The names of the bundled runs that a filter finds.
fn found(filter: &str) -> Vec<String> {
    let text = data(&["query", "examples/wandb", "-q", "-w", filter, "-s", "name", "--sort", "name"]);
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_pipe_gets_csv_and_nothing_else() {
    let (code, stdout, stderr) =
        runframe(&["query", "examples/wandb", "-s", "name,state", "-n", "2", "--sort", "created_at"]);
    assert_eq!(code, 0);
    assert_eq!(stdout, "name,state\nlkqx96qe,finished\nou38hpfk,finished\n");
    assert_eq!(stderr, "41 runs from 42 files (156.4 kB); 1 run joined from several folders\n");
    let (_, _, quiet) = runframe(&["query", "examples/wandb", "-q", "-s", "name"]);
    assert_eq!(quiet, "");
}

#[test]
fn filters_find_what_they_say() {
    assert_eq!(found("state = 'failed'"), ["tqa2jns2"]);
    assert_eq!(found("runJobType = 'eval' and user.username = 'nobody'"), [""; 0]);
    assert_eq!(
        found("config.learning_rate > 0.01 and summary.accuracy > 0.98"),
        found("summary_metrics.accuracy > 0.98 and config.learning_rate > 0.01")
    );
    assert!(!found("summary.val/loss < 0.1").is_empty());
    assert_eq!(found("group is null or group is not null").len(), 41);
    let before = found("created_at < '2026-11-05'").len();
    assert_eq!(before + found("not created_at < '2026-11-05'").len(), 41);
    assert!(before > 0);
    assert!(found("created_at > now() - interval '7 days'").len() <= 41);
    assert!(!found("contains(tags, 'good')").is_empty());
    assert!(!found("used('training-data').version != 3").is_empty());
    let strings = found("config.warmup = 'auto'");
    assert!(!strings.is_empty() && strings.len() < found("config.warmup:string is not null").len());
}

#[test]
fn wrong_input_names_place_and_cure() {
    let (code, _, stderr) = runframe(&["query", "examples/wandb", "-q", "-w", "config.learning_rat > 1"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("unknown column config.learning_rat (did you mean config.learning_rate?)"), "{stderr}");
    for (filter, what) in [
        ("name >", "end"),
        ("name = 5", "name"),
        ("created_at > 'gestern'", "gestern"),
        ("summary.accuracy", "true or false"),
        ("lowr(name) = 'x'", "lower"),
        ("name like", "end"),
        ("created_at > now() - interval '7 lightyears'", "lightyears"),
        ("name ~ '('", "regular expression"),
    ] {
        let (code, stdout, stderr) = runframe(&["query", "examples/wandb", "-q", "-w", filter]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{filter}: {stderr}");
        assert!(stderr.contains(what), "{filter}: {stderr}");
    }
}

#[test]
fn exit_codes_are_the_documented_ones() {
    assert_eq!(runframe(&["query", "examples/wandb", "-q", "-w", "name = 'none'"]).0, 0);
    assert_eq!(runframe(&["query", "no/such/folder"]).0, 1);
    assert_eq!(runframe(&["query"]).0, 2);
    assert_eq!(runframe(&["query", "examples/wandb", "--format", "papyrus"]).0, 2);
    assert_eq!(runframe(&["query", "examples/wandb", "-q", "-s", "nonsense_column"]).0, 2);
    assert_eq!(runframe(&["show", "examples/wandb", "nobody"]).0, 1);
    let (code, _, stderr) = runframe(&["query", "tests/data/sdk", "-q", "--strict", "-s", "name"]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn strict_tells_losses_and_the_receipt_lists_them() {
    let dir = tempfile::tempdir().unwrap();
    crate::log::Log::of_run("good0001").exit(0, 1).write(dir.path(), "good0001");
    crate::log::write(dir.path(), "foreign1", b"no log at all, but long enough");
    let (folder, receipt) = (dir.path().to_str().unwrap(), dir.path().join("receipt.json"));
    let (code, stdout, stderr) =
        runframe(&["query", folder, "--strict", "-s", "name", "-v", "--receipt", receipt.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (5, "name\ngood0001\n"), "{stderr}");
    assert!(stderr.contains("run-foreign1.wandb") && stderr.contains("not a W&B log"), "{stderr}");
    let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(receipt).unwrap()).unwrap();
    assert_eq!((receipt["runs"].as_u64(), receipt["refused_files"].as_u64()), (Some(1), Some(1)));
    assert_eq!(runframe(&["query", folder, "-s", "name"]).0, 0);
}

#[test]
fn show_tells_everything_of_one_run() {
    let by_name = data(&["show", "examples/wandb", "85zm8htx", "-q"]);
    for line in [
        "display_name = second-wind-33",
        "tags = [\"second\",\"resumed\"]",
        "config.model.depth = 4",
        "user.email = ada@example.org",
    ] {
        assert!(by_name.lines().any(|l| l == line), "{line}\n{by_name}");
    }
    assert_eq!(by_name, data(&["show", "examples/wandb", "second-wind-33", "-q"]));
    assert_eq!(by_name, data(&["show", "examples/wandb", "lab/mnist/85zm8htx", "-q"]));
    let json: serde_json::Value =
        serde_json::from_str(&data(&["show", "examples/wandb", "85zm8htx", "-q", "--format", "json"])).unwrap();
    assert_eq!(json["config"]["model"]["depth"], 4);
    let (_, _, stderr) = runframe(&["show", "examples/wandb", "85zm8htz", "-q"]);
    assert!(stderr.contains("85zm8htx"), "{stderr}");
}

#[test]
fn schema_lists_types_and_conflicts() {
    let text = data(&["schema", "examples/wandb", "-q", "--format", "jsonl"]);
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = |name: &str| rows.iter().find(|row| row["column"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!((&row("created_at")["type"], &row("created_at")["non_null"]), (&"Datetime[μs, UTC]".into(), &41.into()));
    assert_eq!(row("config.warmup:string")["type"], "String");
    assert!(row("config.warmup")["note"].as_str().unwrap().contains("config.warmup:string"));
    assert_eq!(row("summary.loss")["nan"], 1);
    for field in runframe::FIELDS {
        assert_eq!(
            row(field.name)["kind"].as_str().map(|k| k == "config" || k == "summary"),
            Some(false),
            "{}",
            field.name
        );
    }
}

#[test]
fn help_and_completions_speak() {
    for verb in ["query", "group", "schema", "show", "diff", "vary", "artifacts", "completions"] {
        assert!(data(&[verb, "--help"]).contains("Usage: runframe"), "{verb}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(data(&["completions", shell]).contains("runframe"), "{shell}");
    }
    assert!(data(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_closed_pipe_is_silent() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("runframe"))
        .args(["query", "examples/wandb", "-q", "--format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn several_sources_are_joined_and_the_last_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let parquet = dir.path().join("some.parquet");
    let path = parquet.to_str().unwrap();
    data(&["query", "examples/wandb", "-q", "-w", "project = 'mnist'", "-o", path]);
    let (code, stdout, stderr) = runframe(&["query", path, "examples/wandb", "-s", "name", "--sort", "name"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout.lines().count(), 42);
    assert!(stderr.contains("replaced by a later source"), "{stderr}");
    let schema =
        |sources: &[&str]| data(&[&["schema"], sources, &["-q", "--format", "csv", "-s", "config.*"]].concat());
    assert_eq!(schema(&[path, "examples/wandb"]), schema(&["examples/wandb"]));
}

#[test]
fn times_are_utc_unless_a_zone_is_asked_for() {
    let at = |zone: &[&str]| {
        data(&[&["query", "examples/wandb", "-q", "-w", "name = 'lkqx96qe'", "-s", "created_at"], zone].concat())
    };
    assert_eq!(at(&[]), "created_at\n2026-11-02T08:15:04.120000Z\n");
    assert_eq!(at(&["--tz", "Asia/Kolkata"]), "created_at\n2026-11-02T13:45:04.120000+05:30\n");
    assert_eq!(runframe(&["query", "examples/wandb", "--tz", "Mars/Olympus"]).0, 2);
}

#[test]
fn an_expression_may_begin_with_a_minus() {
    let more = found("config.learning_rate > 0.01");
    assert!(!more.is_empty());
    assert_eq!(found("-config.learning_rate < -0.01"), more);
    let (code, _, stderr) = runframe(&["query", "examples/wandb", "-w", "-q"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--where <EXPR>") && stderr.contains("-q is a flag"), "{stderr}");
}

#[test]
fn a_table_without_columns_is_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.parquet");
    for more in [&["--drop", "*"][..], &["-s", "name", "--drop", "name"]] {
        let args = [&["query", "examples/wandb", "-q", "-o", path.to_str().unwrap()], more].concat();
        let (code, stdout, stderr) = runframe(&args);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(stderr.starts_with("error: no column is left"), "{stderr}");
        assert!(!path.exists());
    }
}

#[test]
fn show_needs_a_run_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let path = path.to_str().unwrap();
    data(&["query", "examples/wandb", "-q", "-s", "state", "-o", path]);
    let (code, _, stderr) = runframe(&["show", path, "85zm8htx", "-q"]);
    assert_eq!((code, stderr), (1, format!("error: {path}: no run table: it has no column name\n")));
    data(&["query", "examples/wandb", "-q", "-s", "name,state", "-o", path]);
    assert_eq!(data(&["show", path, "85zm8htx", "-q"]), "name = 85zm8htx\nstate = finished\n");
}
