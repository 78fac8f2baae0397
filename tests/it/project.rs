//! `entity/project` as SOURCE: only the keys that are named are asked for, mistyped names, bare projects, the progress bar.

use crate::wandb::{KEY, Recipe, Run, Server, Switches, World};
use assert_cmd::Command;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const PROJECT: &str = "acme/fleet";

fn server(runs: usize) -> Server {
    Server::start(World::generate(&Recipe { artifacts: 2, ..Recipe::runs(runs) }), Switches::default())
}

/// Runs the binary; gives exit code, standard output and standard error.
fn runframe(server: &Server, words: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", KEY);
    let output = command.envs(env.iter().copied()).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A run whose keys have dots, backslashes, spaces and colons.
fn odd(name: &str, config: Value, summary: Value) -> Run {
    let wrapped: serde_json::Map<String, Value> =
        config.as_object().unwrap().iter().map(|(key, value)| (key.clone(), json!({ "value": value }))).collect();
    Run {
        name: name.into(),
        config: Some(json!(wrapped).to_string()),
        summary: Some(summary.to_string()),
        created_at: 1_767_600_000_000_000,
        state: Some("finished".into()),
        ..Run::default()
    }
}

fn add_odd_runs(server: &Server) {
    let runs = [
        odd(
            "odd1",
            json!({"opt": {"lr": 0.1, "name": "adam"}, "a\\b": 1, "x:string": "t"}),
            json!({"val loss": 1, "a-b": 2, "a": 7, "b": 3}),
        ),
        odd(
            "odd2",
            json!({"opt.lr": 0.2, "opt": {"sched": {"warm": 3}}, "x": "text"}),
            json!({"val loss": "NaN", "a-b": 4}),
        ),
        odd(
            "odd3",
            json!({"opt.lr": 0.3, "opt": {"lr": 0.4}, "opt.sched": {"warm": 5}, "x": 2}),
            json!({"val/loss": 0.5, "": 3, "é": 1}),
        ),
    ];
    server.change(|world| runs.into_iter().for_each(|run| world.insert("acme", "fleet", run)));
}

/// The values of a variable over all requests.
fn keys(server: &Server, variable: &str) -> BTreeSet<String> {
    let requests = server.requests();
    let found = requests.iter().filter_map(|request| request.variables.get(variable)?.as_array());
    found.flatten().map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_asked_by_key_is_what_is_there() {
    let server = server(90);
    add_odd_runs(&server);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let file = file.to_str().unwrap();
    assert_eq!(runframe(&server, &["pull", PROJECT, "-q", "-o", file], &[]).0, 0);
    let filters = [
        "true",
        "config.learning_rate > 0.05",
        "config.seed = 'auto' or config.seed < 10000",
        "config.seed:string is null and summary.val/loss < 2",
        "config.model.rope.base >= 4",
        "config.opt.lr > 0.15",
        "summary.a-b > 1",
        "summary.a-summary.b > 1",
        "\"summary.val loss\" = 1 or is_nan(\"summary.val loss\")",
        "summary_metrics.best.min > 1 and runtime > 60",
        "contains(config.layers, 3) or config.use_ema",
        "state = 'finished' and not logged('model-3') is null",
    ];
    let columns = [
        "name",
        "name,config.optimizer,summary.loss",
        "name,config.opt.lr,config.opt.sched.warm,config.opt.name",
        r#"name,"config.opt\.lr","config.a\\b","config.x\:string",config.x,config.x:string"#,
        "name,config.seed,config.seed:string,\"summary.val loss\",\"summary.\",summary.é",
        "name,summary.loss * 2 as twice,summary.val/loss,summary.a-b",
        "name,state,runtime,user.username,runConfig.dropout,summaryMetrics.accuracy",
        "name,config.model.name,summary.table,used_artifacts",
    ];
    // A glob means the columns of the runs that a server sends, so that these are asked of all runs.
    let globs = ["name,config.opt.*,summary.val*", "name,config.m?del.name", "*"];
    let unpushed = ["true", "length(name) > 4"];
    let some = filters
        .iter()
        .enumerate()
        .flat_map(|(at, filter)| columns.iter().skip(at % 2).step_by(2).map(move |list| (filter, list)));
    let all = unpushed.iter().flat_map(|filter| globs.iter().map(move |list| (filter, list)));
    let mut compared = 0;
    for (filter, list) in some.chain(all) {
        let ask = |source: &str| {
            runframe(
                &server,
                &[
                    "query",
                    source,
                    "-q",
                    "--format",
                    "csv",
                    "-w",
                    filter,
                    "-s",
                    list,
                    "--sort",
                    "-summary.accuracy,name",
                ],
                &[],
            )
        };
        let (here, there) = (ask(file), ask(PROJECT));
        assert_eq!(here.0, 0, "{filter} {list}: {}", here.2);
        assert_eq!(there, here, "{filter} {list}");
        compared += 1;
    }
    assert!(compared >= 54);
}

#[test]
fn requests_carry_the_keys_and_the_receipt_tells_them() {
    let server = server(60);
    let words =
        ["query", PROJECT, "-v", "-s", "name,config.model.dim", "-w", "summary.val/loss < 9", "--sort", "-config.seed"];
    let (code, _, said) = runframe(&server, &words, &[]);
    assert_eq!(code, 0, "{said}");
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(keys(&server, "configKeys"), set(&["model", "model.dim", "seed"]));
    assert_eq!(keys(&server, "summaryKeys"), set(&["val", "val/loss"]));
    assert!(said.contains("asked only for keys of config: model, model.dim, seed"), "{said}");
    let heavy = |request: &crate::wandb::Request| {
        request.query.contains("\nconfig\n") || request.query.contains("outputArtifacts")
    };
    assert!(!server.requests().iter().any(heavy));
    server.forget_requests();
    runframe(&server, &["query", PROJECT, "-s", "name,state"], &[]);
    assert!(
        server.requests().iter().all(|request| !request.query.contains("config") && !request.query.contains("summary"))
    );
    server.set(|switches| switches.lacking = ["Run.config(keys)".to_owned()].into());
    let (code, _, said) = runframe(&server, &["query", PROJECT, "-v", "-s", "name,config.seed"], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Run.config(keys)") && !said.contains("asked only for"), "{said}");
}

#[test]
fn a_mistyped_column_is_an_error_whatever_the_server_leaves_out() {
    let server = server(150);
    add_odd_runs(&server);
    let ask = |filter: &str, list: &str| runframe(&server, &["query", PROJECT, "-q", "-w", filter, "-s", list], &[]);
    for filter in ["config.learning_rat > 0.01", "state = 'finished' and config.learning_rat > 0.01"] {
        let (code, out, said) = ask(filter, "name");
        assert_eq!((code, out.as_str()), (2, ""), "{filter}: {said}");
        assert!(said.contains("unknown column config.learning_rat (did you mean config.learning_rate"), "{said}");
        assert!(said.lines().last().unwrap().trim() == "^", "{said}");
    }
    // The column is that of a run which the server leaves out: no error, no rows.
    assert_eq!(ask("config.opt.name = 'nobody'", "name"), (0, "name\n".into(), String::new()));
    assert_eq!(ask("name = 'r0000001' and config.opt.name = 'adam'", "name").0, 0);
    let (code, out, said) = ask("name = 'r0000001'", "name,config.opt.name");
    assert_eq!((code, out.as_str()), (0, "name,config.opt.name\nr0000001,\n"), "{said}");
    assert_eq!(ask("config.learning_rate > 1e9", "name"), (0, "name\n".into(), String::new()));
    let (code, _, said) = ask("name = 'r0000001'", "name,config.learning_rat");
    assert!(code == 2 && said.contains("did you mean config.learning_rate"), "{said}");
}

#[test]
fn a_bare_word_is_a_project_of_the_default_entity() {
    let server = server(12);
    let dir = tempfile::tempdir().unwrap();
    let here = |words: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::cargo_bin("runframe").unwrap();
        command.env_clear().env("WANDB_BASE_URL", server.url()).current_dir(dir.path());
        let output = command.envs(env.iter().copied()).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    };
    let key = ("WANDB_API_KEY", KEY);
    let rows = |(code, out, said): (i32, String, String)| {
        assert_eq!(code, 0, "{said}");
        out.lines().count() - 1
    };
    // The account's own entity, the environment, a settings file; `wandb://` forces it.
    assert_eq!(rows(here(&["query", "fleet", "-s", "entity,name"], &[key])), 12);
    assert_eq!(server.requests()[0].operation.as_deref(), Some("Viewer"));
    server.forget_requests();
    assert_eq!(rows(here(&["query", "wandb://fleet", "-s", "name"], &[key, ("WANDB_ENTITY", "acme")])), 12);
    assert_ne!(server.requests()[0].operation.as_deref(), Some("Viewer"));
    std::fs::create_dir(dir.path().join("wandb")).unwrap();
    std::fs::write(dir.path().join("wandb/settings"), "[default]\nentity = nobody\n").unwrap();
    let (code, _, said) = here(&["query", "fleet"], &[key]);
    assert!(code == 1 && said.contains("nobody/fleet") && said.contains("fleet is no file or folder here"), "{said}");
    std::fs::remove_dir_all(dir.path().join("wandb")).unwrap();
    // A pull says in the file whose project it was.
    assert_eq!(here(&["pull", "fleet", "-o", "a.parquet"], &[key]).0, 0);
    let (code, _, said) = here(&["pull", PROJECT, "-o", "a.parquet"], &[key]);
    assert!(code == 0 && said.contains("up to date"), "{said}");
    // Nobody to ask.
    server.forget_requests();
    let (code, _, said) = here(&["query", "fleet"], &[]);
    assert!(code == 1 && said.contains("no file or folder") && said.contains("WANDB_ENTITY"), "{said}");
    assert!(server.requests().is_empty());
    server.change(|world| {
        let viewer = world.viewer;
        std::sync::Arc::make_mut(&mut world.users[viewer]).entity = None;
    });
    let (code, _, said) = here(&["query", "fleet"], &[key]);
    assert!(code == 1 && said.contains("the account has no default one"), "{said}");
    let (code, _, said) = here(&["query", "fleet.parquet"], &[key]);
    assert!(code == 1 && said.contains("no such file or folder"), "{said}");
    // What is there wins.
    std::fs::create_dir(dir.path().join("fleet")).unwrap();
    let (_, _, said) = here(&["query", "fleet"], &[key]);
    assert!(said.contains("fleet") && !said.contains("entity"), "{said}");
}

/// Waits so long that a terminal would have got a bar.
#[test]
fn a_pipe_sees_nothing_of_the_progress_bar() {
    let server = server(300);
    server.set(|switches| switches.latency = Duration::from_millis(250));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs.parquet");
    let begun = std::time::Instant::now();
    let (code, out, said) = runframe(&server, &["pull", PROJECT, "-o", file.to_str().unwrap()], &[]);
    assert!(begun.elapsed() > Duration::from_millis(600), "too fast to tell");
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    assert!(!said.contains(['\r', '\u{1b}', '█']) && !said.contains("reading"), "{said:?}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(Path::new(&file).exists());
}
