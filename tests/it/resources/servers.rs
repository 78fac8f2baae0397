//! Servers that send too much, too slowly or without end; and servers whose clocks are wrong.

use super::*;
use crate::wandb::{Fault, HistoryRecipe, KEY, Recipe, Server, Switches, World};
use polars::prelude::{col, lit};
use runframe::{ApiOptions, HistoryQuery, Loader, RunFrame, Settings, Surroundings};

const PROJECT: &str = "acme/fleet";

fn server(runs: usize) -> Server {
    Server::start(World::generate(&Recipe::small(runs)), Switches::default())
}

fn run(server: &Server, args: &[&str], more: &[(&str, &str)]) -> (Output, u64) {
    let url = server.url();
    watched(args, &[&[("WANDB_BASE_URL", url.as_str()), ("WANDB_API_KEY", KEY)], more].concat())
}

/// A loader that does not try again, and waits for no answer longer than this.
fn loader(server: &Server, wait: Duration) -> Loader {
    let mut around = Surroundings::default();
    around.env.insert("WANDB_BASE_URL".into(), server.url());
    around.env.insert("WANDB_API_KEY".into(), KEY.into());
    let mut settings = Settings::find_in(&around).unwrap();
    settings.attempt_timeout = wait;
    let mut options = ApiOptions::default();
    options.retries = 0;
    RunFrame::loader().settings(settings).options(options).source("wandb://acme/fleet").unwrap()
}

/// Gives one run of the project another config and summary.
fn change(server: &Server, name: &str, config: Option<&str>, summary: Option<&str>) {
    server.change(|world| {
        assert!(world.edit("acme", "fleet", name, |run| {
            run.config = config.map(str::to_owned).or(run.config.take());
            run.summary = summary.map(str::to_owned).or(run.summary.take());
        }));
    });
}

#[test]
fn a_bomb_is_given_up_at_the_limit() {
    let server = server(60);
    server.set(|switches| switches.always = Some(Fault::Bomb(40_000_000)));
    let (output, peak) = run(&server, &["query", PROJECT, "-q", "--max-answer-bytes", "3MB"], &[]);
    let said = stderr(&output);
    assert_eq!((code(&output), said.lines().count()), (Some(3), 1), "{said}");
    let expected =
        format!("error: {}: the answer to Open has more than 3000000 bytes (raise --max-answer-bytes", server.url());
    assert!(said.starts_with(&expected), "{said}");
    assert!(peak < 120, "{peak} MB for 40 MB in each of {} answers", server.requests().len());
    // Each time less was asked for, down to one run, and to one run without its documents.
    let asked: Vec<u64> = server.requests().iter().filter_map(|request| request.variables["first"].as_u64()).collect();
    assert_eq!(asked, [50, 25, 12, 6, 3, 1, 1]);
}

#[test]
fn an_answer_without_end_is_given_up_at_the_limit() {
    let server = server(5);
    server.set(|switches| switches.always = Some(Fault::Endless));
    let (output, peak) = run(&server, &["query", PROJECT, "-q", "--max-answer-bytes", "3MB"], &[]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("more than 3000000 bytes"), "{}", stderr(&output));
    assert!(peak < 120, "{peak} MB");
    // Of an error, only the beginning is read.
    server.set(|switches| switches.always = Some(Fault::Body("[".repeat(20_000_000))));
    let (output, _) = run(&server, &["query", PROJECT, "-q", "--max-answer-bytes", "3MB"], &[]);
    assert_eq!(code(&output), Some(3), "{}", stderr(&output));
}

#[test]
fn a_run_that_is_too_large_costs_its_documents_only() {
    let server = server(120);
    let text = format!(r#"{{"acc": 1, "text": "{}"}}"#, "x".repeat(4_000_000));
    change(&server, "r0000070", None, Some(&text));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let file = file.to_str().unwrap();
    for (verb, size) in [("query", "2MB"), ("pull", "2MB")] {
        let (output, peak) = run(&server, &[verb, PROJECT, "-v", "-o", file, "--max-answer-bytes", size], &[]);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(0), "{said}");
        assert!(said.contains("1 value left out: over a limit") && said.contains("complete"), "{said}");
        let line = "run acme/fleet/r0000070, config and summary: left out, more than --max-answer-bytes 2000000";
        assert!(said.contains(line), "{said}");
        assert!(peak < 200, "{peak} MB");
        let frame = RunFrame::open(file).unwrap().collect().unwrap();
        assert_eq!(frame.height(), 120);
        let paths: Vec<_> = frame
            .get_column_names()
            .into_iter()
            .map(|name| name.as_str())
            .filter(|name| name.starts_with("config."))
            .collect();
        let any = |row: usize| paths.iter().any(|path| !frame.column(path).unwrap().get(row).unwrap().is_null());
        let names = frame.column("name").unwrap().str().unwrap().clone();
        let told = server.look(|world| {
            let runs = &world.project("acme", "fleet").unwrap().runs;
            runs.iter().filter(|run| run.config.is_some()).map(|run| run.name.clone()).collect::<Vec<_>>()
        });
        for (row, name) in names.iter().enumerate() {
            let name = name.unwrap().to_owned();
            assert_eq!(any(row), told.contains(&name) && name != "r0000070", "{name}");
            assert!(!frame.column("created_at").unwrap().get(row).unwrap().is_null());
        }
        std::fs::remove_file(file).unwrap();
    }
    let strict = ["query", PROJECT, "-q", "--max-answer-bytes", "2MB", "--strict"];
    assert_eq!(code(&run(&server, &strict, &[]).0), Some(5));
    let (output, _) = run(&server, &["query", PROJECT, "-q", "-s", "summary.text", "--max-answer-bytes", "9MB"], &[]);
    assert_eq!(code(&output), Some(0));
    assert!(stdout(&output).len() > 4_000_000);
}

#[test]
fn the_only_run_may_be_the_one_that_is_too_large() {
    let server = server(1);
    let text = format!(r#"{{"text": "{}"}}"#, "x".repeat(3_000_000));
    change(&server, "r0000000", None, Some(&text));
    let (output, _) = run(&server, &["query", PROJECT, "-s", "name,state", "--max-answer-bytes", "2MB"], &[]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (Some(0), 2), "{}", stderr(&output));
    let (output, _) = run(&server, &["query", PROJECT, "--max-answer-bytes", "2MB", "--format", "csv"], &[]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (Some(0), 2), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 value left out"), "{}", stderr(&output));
}

#[test]
fn values_keys_and_depth_have_their_limits_in_answers_too() {
    let server = server(80);
    let value = |text: &str| format!(r#"{{"lr": {{"value": 1}}, "x": {{"value": {text}}}}}"#);
    let keys: Vec<String> = (0..20_000).map(|key| format!("\"k{key}\":1")).collect();
    change(&server, "r0000010", Some(&value(&format!("{{{}}}", keys.join(",")))), None);
    change(&server, "r0000020", Some(&value(&format!("\"{}\"", "x".repeat(600_000)))), None);
    change(&server, "r0000030", Some(&value(&("[".repeat(100_000) + &"]".repeat(100_000)))), None);
    let limits = ["--max-keys", "10000", "--max-value-bytes", "500kB"];
    let args = [&["query", PROJECT, "-v", "-s", "name,config.*,summary.*", "--format", "csv"], &limits[..]].concat();
    let (output, peak) = run(&server, &args, &[]);
    let said = stderr(&output);
    assert_eq!((code(&output), stdout(&output).lines().count()), (Some(0), 81), "{said}");
    assert!(said.contains("2 values left out: over a limit") && said.contains("1 JSON text invalid"), "{said}");
    for line in [
        "run acme/fleet/r0000010, config: left out, more keys than --max-keys 10000",
        "run acme/fleet/r0000020, config: left out, more bytes than --max-value-bytes 500000: 600",
        "run acme/fleet/r0000030, config, byte 10",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(peak < 250, "{peak} MB");
    let args = [
        "query",
        PROJECT,
        "-q",
        "-s",
        "config.x*",
        "-o",
        "-",
        "--format",
        "jsonl",
        "--max-depth",
        "300000",
        "--strict",
    ];
    let (output, _) = run(&server, &args, &[]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&"[".repeat(100_000)) && stdout(&output).contains("\"config.x.k19999\":1"));
}

#[test]
fn an_answer_that_drips_is_given_up() {
    let server = server(5);
    let drip = Fault::Slow { pieces: usize::MAX, pause: Duration::from_millis(20) };
    server.set(|switches| switches.always = Some(drip));
    let began = Instant::now();
    let error = loader(&server, Duration::from_millis(300)).load().unwrap_err();
    assert_eq!(error.kind(), runframe::ErrorKind::Network);
    assert_eq!(error.message(), format!("{}: no answer within 300ms", server.url()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn files_that_drip_or_never_end_are_read_in_pages_instead() {
    let recipe = Recipe { history: Some(HistoryRecipe::rows(200)), ..Recipe::small(2) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    let read = || {
        let frame = loader(&server, Duration::from_millis(400)).history(&HistoryQuery::new()).unwrap();
        (frame.collect().unwrap(), frame.receipt().clone())
    };
    let (right, receipt) = read();
    assert_eq!((right.height(), receipt.complete), (400, Some(true)), "{receipt}");
    let drip = Fault::Slow { pieces: usize::MAX, pause: Duration::from_millis(5) };
    for fault in [drip, Fault::Endless] {
        server.set(|switches| switches.storage.next = vec![Some(fault.clone()); 200].into());
        let began = Instant::now();
        let (table, receipt) = read();
        assert!(table.equals_missing(&right), "{fault:?}");
        let notes = &receipt.served.as_ref().unwrap().notes;
        let told =
            notes.iter().find(|note| note.contains("read in pages, since")).unwrap_or_else(|| panic!("{notes:?}"));
        let why =
            if fault == Fault::Endless { "more bytes than were asked for" } else { "less than 65536 bytes came in" };
        assert!(told.contains(why), "{told}");
        assert!(began.elapsed() < Duration::from_secs(10), "{fault:?}: {:?}", began.elapsed());
    }
}

#[test]
fn a_file_without_ranges_has_a_limit() {
    let recipe = Recipe { history: Some(HistoryRecipe { wide: 40, ..HistoryRecipe::rows(500) }), ..Recipe::small(1) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    server.set(|switches| switches.storage.ignore_range = true);
    let read = |limit: &str| {
        let (output, _) = run(&server, &["history", PROJECT, "-v", "-k", "wide_0", "--max-file-bytes", limit], &[]);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    let (whole, said) = read("1GB");
    assert!(!said.contains("pages, since"), "{said}");
    let (paged, said) = read("10kB");
    assert!(said.contains("a file without ranges, larger than --max-file-bytes"), "{said}");
    assert_eq!(paged, whole);
}

/// Every run, as often as the clock of the server jumps; what changed arrives, however its times compare with ours.
#[test]
fn clocks_ahead_and_behind_lose_no_change() {
    const YEAR: i64 = 365 * 86_400 * 1_000_000;
    for shift in [-30 * YEAR, 60 * YEAR] {
        let server = server(40);
        server.change(|world| {
            world.now += shift;
            for run in &mut world.project_mut("acme", "fleet").unwrap().runs {
                run.created_at += shift;
                run.heartbeat_at = run.heartbeat_at.map(|at| at + shift);
                run.updated_at = run.updated_at.map(|at| at + shift);
                run.state = Some("finished".into());
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("runs.parquet");
        let pull = || {
            let (output, _) = run(&server, &["pull", PROJECT, "-o", file.to_str().unwrap()], &[]);
            assert_eq!(code(&output), Some(0), "{}", stderr(&output));
            stderr(&output)
        };
        assert!(pull().contains("40 loaded, 40 in all"));
        assert!(pull().contains("is up to date"));
        // The server's own clock jumps back a year, and a run is changed by it.
        server.change(|world| {
            world.now -= YEAR;
            assert!(world.edit("acme", "fleet", "r0000007", |run| run.summary = Some(r#"{"only": 42}"#.into())));
            let run = world.project("acme", "fleet").unwrap().run("r0000007").unwrap();
            assert!(run.updated_at.unwrap() < run.created_at, "the clock ran back");
        });
        let said = pull();
        assert!(said.contains("1 loaded, 40 in all"), "{said}");
        assert!(pull().contains("is up to date"));
        let frame = RunFrame::open(file.to_str().unwrap()).unwrap();
        let changed = frame.lazy().filter(col("summary.only").eq(lit(42))).collect().unwrap();
        assert_eq!(changed.column("name").unwrap().str().unwrap().get(0), Some("r0000007"));
    }
}

#[test]
fn a_heartbeat_before_the_creation_is_counted_and_no_runtime() {
    let server = server(20);
    server.change(|world| {
        let run = &mut world.project_mut("acme", "fleet").unwrap().runs[3];
        run.heartbeat_at = Some(run.created_at - 5_000_000);
    });
    let (output, _) = run(&server, &["query", PROJECT, "-s", "name,runtime", "-w", "name = 'r0000003'"], &[]);
    assert_eq!((code(&output), stdout(&output).as_str()), (Some(0), "name,runtime\nr0000003,\n"));
    assert!(stderr(&output).contains("1 run with a heartbeat before its creation"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn a_pull_that_is_interrupted_leaves_the_old_file_and_nothing_else() {
    let server = server(60);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let (output, _) = run(&server, &["pull", PROJECT, "-q", "-o", file.to_str().unwrap()], &[]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let before = std::fs::read(&file).unwrap();
    change(&server, "r0000007", None, Some(r#"{"only": 42}"#));
    server.set(|switches| switches.always = Some(Fault::Hang(Duration::from_secs(60))));
    for (signal, ended) in [("TERM", Some(130)), ("INT", Some(130)), ("KILL", None)] {
        let requests = server.requests().len();
        let mut command = Command::new(binary());
        command.env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", KEY);
        let mut child = command.args(["pull", PROJECT, "-q", "-o"]).arg(&file).spawn().unwrap();
        wait_for("a request", || server.requests().len() > requests);
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), ended, "{signal}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{signal}");
        assert_eq!(names(dir.path()), ["runs.parquet"], "{signal}");
    }
    // So does a server that fails.
    server.set(|switches| switches.always = Some(Fault::Status(403)));
    let (output, _) = run(&server, &["pull", PROJECT, "-q", "-o", file.to_str().unwrap()], &[]);
    assert_eq!(code(&output), Some(4), "{}", stderr(&output));
    assert_eq!((std::fs::read(&file).unwrap(), names(dir.path())), (before, vec!["runs.parquet".to_owned()]));
}

#[cfg(target_os = "linux")]
#[test]
fn few_open_files_are_an_error_of_requests_too() {
    let server = server(60);
    let dir = tempfile::tempdir().unwrap();
    let (mut failed, mut done) = (0, 0);
    for limit in (5..=20).chain([256]) {
        let script = format!(
            "export WANDB_BASE_URL={} WANDB_API_KEY={KEY}; ulimit -n {limit}; \"$0\" pull {PROJECT} -q --timeout 10 -o runs.parquet",
            server.url()
        );
        let output = shell(dir.path(), &script);
        let said = stderr(&output);
        match code(&output) {
            Some(0) => {
                done += 1;
                assert_eq!(RunFrame::open(dir.path().join("runs.parquet").to_str().unwrap()).unwrap().height(), 60);
                std::fs::remove_file(dir.path().join("runs.parquet")).unwrap();
            }
            Some(127) if limit < 6 => {}
            other => {
                failed += 1;
                assert!(matches!(other, Some(1 | 3)), "{limit}: {other:?} {said}");
                assert!(said.to_lowercase().contains("too many open files"), "{limit}: {said}");
            }
        }
        assert!(names(dir.path()).is_empty(), "{limit}: {:?}", names(dir.path()));
    }
    assert!(failed > 0 && done > 0, "{failed} {done}");
}
