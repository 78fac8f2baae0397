//! `pull` against the stand-in server: whole, brought up to date, interrupted, refused.

use crate::wandb::{Fault, Recipe, Server, Switches, World};
use assert_cmd::Command;
use polars::prelude::*;
use runframe::RunFrame;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PROJECT: &str = "acme/fleet";

fn server(runs: usize) -> Server {
    Server::start(World::generate(&Recipe { artifacts: 5, gaps: true, ..Recipe::small(runs) }), Switches::default())
}

/// The key that the stand-in server expects.
fn key() -> String {
    Switches::default().key
}

fn command(server: &Server) -> Command {
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", key());
    command
}

/// Pulls and gives the exit code and the standard error.
fn pull(server: &Server, file: &Path, more: &[&str]) -> (i32, String) {
    let output = command(server).args(["pull", PROJECT, "-o"]).arg(file).args(more).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

fn open(file: &Path) -> RunFrame {
    RunFrame::open(file.to_str().unwrap()).unwrap()
}

fn names(file: &Path) -> BTreeSet<String> {
    open(file)
        .select(&["name"])
        .unwrap()
        .column("name")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

fn target() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    (dir, file)
}

fn partial(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.partial", file.display()))
}

/// What the file holds equals what the server has: names, and when each run was last changed.
fn equals_the_server(server: &Server, file: &Path) {
    let frame = open(file).select(&["name", "updated_at", "state"]).unwrap();
    let text = |name: &str, row: usize| frame.column(name).unwrap().str().unwrap().get(row).unwrap_or("").to_owned();
    let updated = frame.column("updated_at").unwrap().datetime().unwrap().physical().clone();
    let mut got: Vec<_> =
        (0..frame.height()).map(|row| (text("name", row), updated.get(row), text("state", row))).collect();
    let mut expected = server.look(|world| {
        let runs = &world.project("acme", "fleet").unwrap().runs;
        let row = |run: &crate::wandb::Run| (run.name.clone(), run.updated_at, run.state.clone().unwrap_or_default());
        runs.iter().map(row).collect::<Vec<_>>()
    });
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
}

fn end_all(server: &Server) {
    server.change(|world| {
        let runs = &mut world.project_mut("acme", "fleet").unwrap().runs;
        runs.iter_mut().for_each(|run| run.state = Some("finished".into()));
    });
}

#[test]
fn every_run_arrives_with_config_summary_and_artifacts() {
    let server = server(120);
    let (_dir, file) = target();
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    equals_the_server(&server, &file);
    let frame = open(&file);
    assert!(frame.schema().iter_names().filter(|name| name.starts_with("config.")).count() > 3);
    let outputs = frame.lazy().select([col("logged_artifacts").list().len().sum()]).collect().unwrap();
    assert!(outputs.column("logged_artifacts").unwrap().get(0).unwrap().try_extract::<u32>().unwrap() > 0);
    assert!(!partial(&file).exists());
    let queried = command(&server).args(["query", PROJECT, "-q", "-s", "name"]).output().unwrap();
    let text = String::from_utf8(queried.stdout).unwrap();
    assert_eq!(text.lines().skip(1).map(str::to_owned).collect::<BTreeSet<_>>(), names(&file));
}

#[test]
fn an_unchanged_file_is_left_alone_in_three_requests() {
    let server = server(200);
    let (_dir, file) = target();
    pull(&server, &file, &[]);
    let before = std::fs::read(&file).unwrap();
    server.forget_requests();
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is up to date"), "{said}");
    assert!(server.requests().len() <= 3, "{}", server.requests().len());
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn edits_renames_deletions_and_new_runs_arrive() {
    let server = server(150);
    let (_dir, file) = target();
    end_all(&server);
    pull(&server, &file, &[]);
    let (edited, gone) = server.change(|world| {
        let names: Vec<String> =
            world.project("acme", "fleet").unwrap().runs.iter().map(|run| run.name.clone()).collect();
        world.delete("acme", "fleet", &names[7]);
        let mut new = world.project("acme", "fleet").unwrap().runs[0].clone();
        (new.name, new.updated_at) = ("brandnew".into(), None);
        world.insert("acme", "fleet", new);
        let now = world.tick();
        let run = world.project_mut("acme", "fleet").unwrap().runs.iter_mut().find(|run| run.name == names[3]).unwrap();
        run.summary = Some(r#"{"only": 42}"#.into());
        run.display_name = Some("renamed".into());
        run.updated_at = Some(now);
        (names[3].clone(), names[7].clone())
    });
    server.forget_requests();
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 loaded, 1 removed, 150 in all"), "{said}");
    equals_the_server(&server, &file);
    assert!(names(&file).contains("brandnew") && !names(&file).contains(&gone));
    let row = open(&file).lazy().filter(col("name").eq(lit(edited))).collect().unwrap();
    assert_eq!(row.column("summary.only").unwrap().i64().unwrap().get(0), Some(42));
    assert_eq!(row.column("display_name").unwrap().str().unwrap().get(0), Some("renamed"));
    let (anew, whole) = (file.with_file_name("anew.parquet"), open(&file).collect().unwrap());
    pull(&server, &anew, &[]);
    assert!(open(&anew).collect().unwrap().equals_missing(&whole), "brought up to date is loaded anew");
}

#[test]
fn a_file_of_something_else_is_not_replaced() {
    let server = server(20);
    let (_dir, file) = target();
    pull(&server, &file, &["--no-artifacts"]);
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 2);
    assert!(said.contains("it holds another pull") && said.contains("--full"), "{said}");
    assert_eq!(pull(&server, &file, &["--full"]).0, 0);
    assert!(open(&file).schema().contains("logged_artifacts"));
    assert_eq!(pull(&server, &file.with_extension("csv"), &[]).0, 2);
}

#[test]
fn a_pull_that_was_killed_goes_on_and_never_leaves_half_a_file() {
    let server = server(400);
    server.set(|switches| switches.latency = std::time::Duration::from_millis(15));
    let (_dir, file) = target();
    let mut killed = 0;
    for moment in 0..20u64 {
        let binary = assert_cmd::cargo::cargo_bin("runframe");
        let mut child = std::process::Command::new(binary)
            .env_clear()
            .env("WANDB_BASE_URL", server.url())
            .env("WANDB_API_KEY", key())
            .args(["pull", PROJECT, "-q", "-o"])
            .arg(&file)
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + moment * 13));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if file.exists() {
            equals_the_server(&server, &file);
            std::fs::remove_file(&file).unwrap();
        }
    }
    assert!(killed > 5, "{killed}");
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    equals_the_server(&server, &file);
    assert!(!partial(&file).exists());
}

#[test]
fn wrong_keys_and_dead_servers_have_their_exit_codes() {
    let server = server(5);
    let (_dir, file) = target();
    server.set(|switches| switches.key = "b".repeat(40));
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 4, "{said}");
    assert!(!said.contains(&key()), "{said}");
    drop(server);
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", "http://127.0.0.1:9").env("WANDB_API_KEY", key());
    let output = command.args(["pull", PROJECT, "--timeout", "3", "-o"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!file.exists());
}

#[test]
fn filters_are_split_between_server_and_here() {
    let server = server(150);
    let (_dir, file) = target();
    pull(&server, &file, &[]);
    let query = |source: &str, filter: &str| {
        let output = command(&server)
            .args(["query", source, "-q", "-s", "name", "--sort", "name", "-w", filter])
            .output()
            .unwrap();
        assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for filter in [
        "state = 'finished' and runtime > 100",
        "job_type in ('train', 'eval') or name like '%a%'",
        "not state = 'running'",
    ] {
        server.forget_requests();
        assert_eq!(query(PROJECT, filter), query(file.to_str().unwrap(), filter), "{filter}");
        let sent: Vec<String> = server.requests().iter().map(|request| request.variables.to_string()).collect();
        assert_eq!(sent.iter().any(|text| text.contains("finished")), filter.starts_with("state"), "{sent:?}");
    }
    let mongo = r#"{"state": "finished"}"#;
    let by_mongo = |source: &str| {
        command(&server)
            .args(["query", source, "-q", "-s", "name", "--sort", "name", "--filter", mongo])
            .output()
            .unwrap()
            .stdout
    };
    assert_eq!(by_mongo(PROJECT), by_mongo(file.to_str().unwrap()));
    let told = command(&server)
        .args(["query", PROJECT, "-w", "state = 'finished' and runtime > 100", "--explain"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(r#""state""#) && told.contains("runtime > 100"), "{told}");
}

#[test]
fn what_had_arrived_is_not_loaded_again() {
    let server = server(400);
    let (_dir, file) = target();
    let pull = || {
        let mut around = runframe::Surroundings::default();
        around.env.insert("WANDB_BASE_URL".into(), server.url());
        around.env.insert("WANDB_API_KEY".into(), key());
        let settings = runframe::Settings::find_in(&around).unwrap();
        let mut options = runframe::ApiOptions::default();
        (options.retries, options.page_size, options.concurrency) = (0, 40, 2);
        let loader = RunFrame::loader().settings(settings).options(options).source("wandb://acme/fleet").unwrap();
        runframe::Pull::new(loader, &file).journal_after(std::time::Duration::ZERO)
    };
    server.set(|switches| {
        switches.pass(8);
        switches.fail(Fault::Status(403), 1_000);
    });
    pull().run().unwrap_err();
    assert!(!file.exists());
    let kept = std::fs::read_dir(partial(&file)).unwrap().count() - 1;
    for entry in std::fs::read_dir(partial(&file)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == &key().as_bytes()[..12]), "the journal holds the key");
    }
    assert!(kept > 0, "nothing was kept");
    server.set(|switches| *switches = Switches::default());
    let done = pull().run().unwrap();
    assert!(done.loaded < 400, "{done:?}");
    equals_the_server(&server, &file);
    assert!(!partial(&file).exists());
}

#[test]
fn verbose_output_says_who_answered_and_where_the_key_came_from() {
    let server = server(5);
    let (_dir, file) = target();
    let (code, said) = pull(&server, &file, &["-v"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("WANDB_API_KEY") && said.contains("answered as"), "{said}");
    assert!(!said.contains(&key()), "{said}");
}

#[test]
fn twice_verbose_output_tells_of_each_request() {
    let server = server(5);
    let (_dir, file) = target();
    server.set(|switches| switches.fail(Fault::Status(502), 1));
    let (code, said) = pull(&server, &file, &["-vv"]);
    assert_eq!(code, 0, "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.contains(" at http://127.0.0.1:")).collect();
    assert_eq!(told.len(), server.requests().len(), "{said}");
    let failed: Vec<_> = told.iter().filter(|line| line.contains(": HTTP 502, ")).collect();
    assert_eq!(failed.len(), 1, "{said}");
    assert_eq!(
        told.iter().filter(|line| line.contains(": HTTP 200, ") && line.ends_with(" ms")).count(),
        told.len() - 1
    );
    assert!(!said.contains(&key()), "{said}");
}

#[test]
fn a_load_that_is_not_proved_whole_removes_nothing() {
    let server = server(60);
    let (_dir, file) = target();
    end_all(&server);
    pull(&server, &file, &[]);
    let edited = server.change(|world| {
        let name = world.project("acme", "fleet").unwrap().runs[5].name.clone();
        world.edit("acme", "fleet", &name, |run| run.summary = Some(r#"{"only": 42}"#.into()));
        name
    });
    // The listing goes well, but whoever asks for the run by name is told that it is there and not shown it.
    let nothing =
        r#"{"data":{"project":{"runCount":1,"runs":{"pageInfo":{"hasNextPage":false,"endCursor":null},"edges":[]}}}}"#;
    server.set(|switches| {
        switches.pass(2);
        switches.fail(Fault::Body(nothing.into()), 4);
    });
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 5, "{said}");
    assert!(names(&file).contains(&edited) && names(&file).len() == 60, "{said}");
    // An empty answer that counts none is the proof that the run is gone.
    server.set(|switches| {
        switches.next.clear();
        switches.pass(2);
        switches.fail(Fault::Body(nothing.replace("1,", "0,")), 4);
    });
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(!names(&file).contains(&edited) && names(&file).len() == 59, "{said}");
    server.set(|switches| switches.next.clear());
    assert_eq!(pull(&server, &file, &[]).0, 0);
    equals_the_server(&server, &file);
}

#[test]
fn runs_that_are_under_way_arrive_in_two_requests() {
    let server = server(150);
    let (_dir, file) = target();
    pull(&server, &file, &[]);
    server.change(|world| {
        let names: Vec<String> =
            world.project("acme", "fleet").unwrap().runs.iter().map(|run| run.name.clone()).collect();
        let latest = world.project("acme", "fleet").unwrap().runs.iter().filter_map(|run| run.heartbeat_at).max();
        world.now = world.now.max(latest.unwrap());
        world.bump("acme", "fleet", &names[140]);
        world.bump("acme", "fleet", &names[149]);
    });
    server.forget_requests();
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 loaded, 150 in all"), "{said}");
    assert_eq!(server.requests().len(), 2);
    equals_the_server(&server, &file);
    // A server that does not know the filter is asked by name.
    server.set(|switches| switches.lacking_filters.extend(["heartbeat_at".to_owned()]));
    server.change(|world| {
        let name = world.project("acme", "fleet").unwrap().runs[80].name.clone();
        world.bump("acme", "fleet", &name)
    });
    let (code, said) = pull(&server, &file, &[]);
    assert_eq!(code, 0, "{said}");
    equals_the_server(&server, &file);
}
