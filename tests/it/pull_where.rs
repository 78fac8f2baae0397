//! `pull --where`: what the server tells and what is told here, over changes; always as if loaded anew.

use crate::wandb::{Fault, KEY, Recipe, Server, Switches, World};
use assert_cmd::Command;
use polars::prelude::*;
use runframe::RunFrame;
use std::path::{Path, PathBuf};

const PROJECT: &str = "acme/fleet";

fn server(runs: usize) -> Server {
    Server::start(World::generate(&Recipe { config_pool: 8, ..Recipe::small(runs) }), Switches::default())
}

/// Pulls and gives the exit code and the standard error.
fn pull(server: &Server, file: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", KEY);
    let output = command.args(["pull", PROJECT, "-o"]).arg(file).args(more).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

fn names(file: &Path) -> Vec<String> {
    let table = RunFrame::open(file.to_str().unwrap()).unwrap().select(&["name"]).unwrap();
    table.column("name").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
}

/// The names for which a condition holds, by a pull of everything and a query of that file.
fn expected(server: &Server, conditions: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("all.parquet");
    assert_eq!(pull(server, &file, &["-q"]).0, 0);
    let all = RunFrame::open(file.to_str().unwrap()).unwrap();
    let keep = conditions
        .iter()
        .map(|text| runframe::expr::parse_filter(text, all.schema(), runframe::Timestamp::now()).unwrap());
    let table = all.lazy().filter(keep.reduce(Expr::and).unwrap()).collect().unwrap();
    table.column("name").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
}

/// Conditions as arguments.
fn args<'a>(conditions: &[&'a str]) -> Vec<&'a str> {
    conditions.iter().flat_map(|text| ["-w", *text]).collect()
}

/// Edits, deletions, new runs; some begin to match, some cease to.
fn stir(server: &Server, round: usize) {
    server.change(|world| {
        let names = world.project("acme", "fleet").unwrap().names();
        let pick = |at: usize| names[(at * 7 + round * 13) % names.len()].clone();
        world.delete("acme", "fleet", &pick(1));
        world.edit("acme", "fleet", &pick(2), |run| run.state = Some("failed".into()));
        world.edit("acme", "fleet", &pick(3), |run| run.state = Some("finished".into()));
        world.edit("acme", "fleet", &pick(4), |run| run.summary = Some(r#"{"loss": 0.01, "accuracy": 0.9}"#.into()));
        world.edit("acme", "fleet", &pick(5), |run| run.summary = Some(r#"{"loss": 9.5}"#.into()));
        world.rename("acme", "fleet", &pick(6), "renamed");
        let mut new = world.project("acme", "fleet").unwrap().runs[round].clone();
        (new.name, new.updated_at) = (format!("new{round}"), None);
        world.insert("acme", "fleet", new);
    });
}

#[test]
fn the_file_is_as_if_loaded_anew() {
    let cases: [&[&str]; 6] = [
        &["state = 'finished'"],
        &["summary.loss < 2"],
        &["state = 'finished' and abs(summary.loss - 1) < 1"],
        &["length(display_name) > 15 and runtime > 1000"],
        &["state != 'running'", "config.seed like '%a%' or config.optimizer = 'adam'"],
        &["is_active('100000 days') and abs(summary.loss) < 3"],
    ];
    for conditions in cases {
        let server = server(120);
        let dir = tempfile::tempdir().unwrap();
        let (file, anew): (PathBuf, PathBuf) = (dir.path().join("runs.parquet"), dir.path().join("anew.parquet"));
        let words = args(conditions);
        for round in 0..4 {
            let (code, said) = pull(&server, &file, &words);
            assert_eq!(code, 0, "{conditions:?}: {said}");
            let wanted = expected(&server, conditions);
            assert!(!wanted.is_empty() && wanted.len() < 100, "{conditions:?} tells nothing: {}", wanted.len());
            assert_eq!(names(&file), wanted, "{conditions:?}, round {round}: {said}");
            let (code, said) = pull(&server, &anew, &[&words[..], &["--full"]].concat());
            assert_eq!(code, 0, "{said}");
            let whole = |file: &Path| RunFrame::open(file.to_str().unwrap()).unwrap();
            let (old, new) = (whole(&file), whole(&anew));
            let columns: Vec<String> = new.schema().iter_names().map(|name| name.to_string()).collect();
            assert!(
                old.select(&columns).unwrap().equals_missing(&new.collect().unwrap()),
                "{conditions:?}, round {round}"
            );
            stir(&server, round);
        }
    }
}

#[test]
fn runs_that_did_not_match_are_not_loaded_again_before_they_change() {
    let server = server(300);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let words = ["-w", "abs(summary.loss - 1) < 0.2"];
    assert_eq!(pull(&server, &file, &words).0, 0);
    let all = names(&file).len();
    assert!(all < 100, "most runs do not match");
    let before = std::fs::read(&file).unwrap();
    server.forget_requests();
    let (code, said) = pull(&server, &file, &words);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
    assert!(server.requests().len() <= 3 && server.requests().iter().all(|r| r.operation.as_deref() == Some("Names")));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // One that did not match changes, and still does not; then it does; then it does not again.
    let outside = server.look(|world| world.project("acme", "fleet").unwrap().names());
    let outside = outside.into_iter().find(|name| !names(&file).contains(name)).unwrap();
    for (loss, told) in [("8", "up to date"), ("8.5", ""), ("1.1", "1 loaded"), ("7", "0 loaded, 1 removed")] {
        server.change(|world| {
            world.edit("acme", "fleet", &outside, |run| run.summary = Some(format!("{{\"loss\": {loss}}}")));
        });
        server.forget_requests();
        let (code, said) = pull(&server, &file, &words);
        assert_eq!(code, 0, "{said}");
        let sent: Vec<String> = server.requests().iter().map(|request| request.variables.to_string()).collect();
        assert!(sent.iter().any(|text| text.contains(&outside)), "{loss}: it is asked for by name");
        assert!(sent.iter().all(|text| text.matches("r0000").count() <= 1), "{loss}: and no other: {sent:?}");
        assert!(told == "up to date" || said.contains(told), "{loss}: {said}");
        assert_eq!(names(&file).contains(&outside), loss == "1.1");
        assert!(pull(&server, &file, &words).1.contains("is up to date"), "{loss}");
    }
    assert_eq!(names(&file).len(), all);
}

#[test]
fn what_is_now_is_asked_each_time() {
    let server = server(60);
    let hours = |hours: i64| hours * 3_600_000_000;
    let dir = tempfile::tempdir().unwrap();
    let (sent, here) = (dir.path().join("sent.parquet"), dir.path().join("here.parquet"));
    // One run ceases to match after these seconds.
    let soon = std::time::Duration::from_secs(6);
    let begun = std::time::Instant::now();
    let now = runframe::Timestamp::now().micros();
    server.change(|world| {
        let runs = &mut world.project_mut("acme", "fleet").unwrap().runs;
        runs.iter_mut().enumerate().for_each(|(at, run)| {
            run.created_at = now - hours(at as i64) - hours(1) / 2;
            run.heartbeat_at = Some(now + soon.as_micros() as i64 - hours(at as i64));
        });
    });
    // This is evaluated here, because the server does not calculate.
    let words = ["-w", "now() - heartbeat_at + interval '0 seconds' < interval '10 hours'"];
    let (code, said) = pull(&server, &here, &words);
    assert_eq!((code, names(&here).len()), (0, 11), "{said}");
    // This is sent.
    assert_eq!(pull(&server, &sent, &["-w", "created_at > now() - interval '12 hours'"]).0, 0);
    assert_eq!(names(&sent).len(), 12);
    std::thread::sleep((soon + std::time::Duration::from_millis(200)).saturating_sub(begun.elapsed()));
    let (code, said) = pull(&server, &here, &words);
    assert_eq!((code, names(&here).len()), (0, 10), "{said}");
    assert!(said.contains("1 removed"), "{said}");
    assert!(pull(&server, &here, &words).1.contains("is up to date"));
}

#[test]
fn another_condition_is_another_pull_and_mistakes_are_told() {
    let server = server(60);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    assert_eq!(pull(&server, &file, &["-w", "state = 'finished'"]).0, 0);
    for other in [&["-w", "state = 'failed'"][..], &[]] {
        let (code, said) = pull(&server, &file, other);
        assert!(code == 2 && said.contains("it holds another pull") && said.contains("--full"), "{said}");
    }
    let new = dir.path().join("new.parquet");
    for (wrong, told) in [
        ("stat = 'finished'", "unknown column stat"),
        ("state = ", "expected"),
        ("summary.los < 1", "did you mean summary.loss"),
        ("state = 'finished' and abs(summary.los) < 1", "did you mean summary.loss"),
    ] {
        let (code, said) = pull(&server, &new, &["-w", wrong]);
        assert!(code == 2 && said.contains(told) && said.contains("--where"), "{wrong}: {said}");
        assert!(!new.exists());
    }
    // No run matches: an empty file.
    let (code, said) = pull(&server, &new, &["-w", "summary.loss > 1000"]);
    assert_eq!((code, names(&new).len()), (0, 0), "{said}");
    assert!(pull(&server, &new, &["-w", "summary.loss > 1000"]).1.contains("up to date"));
}

#[test]
fn explain_tells_the_split_and_does_nothing() {
    let server = server(5);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", server.url());
    let words = ["pull", PROJECT, "-w", "state = 'finished' and runtime > 5", "--explain", "-o"];
    let output = command.args(words).arg(&file).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && told.contains(r#"{"state":"finished"}"#) && told.contains("runtime > 5"),
        "{told}"
    );
    assert!(server.requests().is_empty() && !file.exists());
}

#[test]
fn logs_and_projects_together_are_all_evaluated_here() {
    let server = server(40);
    let finished = server
        .look(|world| world.projects[0].runs.iter().filter(|run| run.state.as_deref() == Some("finished")).count());
    let logs = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wandb");
    let of_logs =
        RunFrame::open(logs).unwrap().lazy().filter(col("state").eq(lit("finished"))).collect().unwrap().height();
    for words in [["-w", "state = 'finished'"], ["--filter", r#"{"state": "finished"}"#]] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("runs.parquet");
        let (code, said) = pull(&server, &file, &[&[logs][..], &words].concat());
        assert_eq!(code, 0, "{said}");
        assert_eq!(names(&file).len(), finished + of_logs, "{words:?}");
    }
    assert!(finished > 0 && of_logs > 0);
}

#[test]
fn an_interrupted_pull_goes_on_and_is_evaluated_whole() {
    let cases = [
        "abs(summary.loss - 1) < 0.5",
        "config.seed like '%a%' or config.optimizer = 'adam'",
        "summary.los < 1 and abs(summary.los) < 1",
    ];
    for condition in cases {
        let server = server(300);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("runs.parquet");
        let pull = || {
            let mut around = runframe::Surroundings::default();
            around.env.insert("WANDB_BASE_URL".into(), server.url());
            around.env.insert("WANDB_API_KEY".into(), KEY.into());
            let settings = runframe::Settings::find_in(&around).unwrap();
            let mut options = runframe::ApiOptions::default();
            (options.retries, options.page_size, options.concurrency) = (0, 30, 2);
            let loader = RunFrame::loader().settings(settings).options(options).source("wandb://acme/fleet").unwrap();
            runframe::Pull::new(loader, &file).condition(condition).journal_after(std::time::Duration::ZERO)
        };
        server.set(|switches| {
            switches.pass(7);
            switches.fail(Fault::Status(403), 1_000);
        });
        pull().run().unwrap_err();
        server.set(|switches| *switches = Switches::default());
        if condition.contains("los <") {
            let error = pull().run().unwrap_err();
            assert!(error.to_string().contains("did you mean summary.loss"), "{error}");
            continue;
        }
        let kept = std::fs::read_dir(dir.path().join("runs.parquet.partial")).unwrap().count() - 1;
        assert!(kept > 0, "nothing was kept");
        pull().run().unwrap();
        assert_eq!(names(&file), expected(&server, &[condition]), "{condition}");
        assert!(!pull().run().unwrap().written, "{condition}");
        // A change in one of the runs, whether it matches or not, and all are there to tell the kinds of values.
        server.change(|world| world.rename("acme", "fleet", "r0000002", "another"));
        pull().run().unwrap();
        assert_eq!(names(&file), expected(&server, &[condition]), "{condition}");
    }
}
