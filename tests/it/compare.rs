//! diff, vary and artifacts as a user runs them, against what the truth file of the bundled runs says.

use crate::cli::runframe;
use crate::wandb::{Recipe, Server, Switches, World};
use runframe::compare::{DiffCell, DiffOptions, VaryOptions, vary};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

fn told(args: &[&str]) -> (i32, String, String) {
    let (code, stdout, stderr) = runframe(args);
    // What the load says of itself is tested elsewhere.
    let stderr =
        stderr.lines().filter(|line| !line.starts_with("41 runs from 42 files")).collect::<Vec<_>>().join("\n");
    (code, stdout, stderr)
}

fn ok(args: &[&str]) -> String {
    let (code, stdout, stderr) = told(args);
    assert_eq!(code, 0, "{stderr}");
    stdout
}

fn truth() -> Map<String, Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wandb-truth.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The leaves of a config: path → value, numbers as floats and the spellings of infinities as numbers.
fn leaves(prefix: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() || prefix == "config" => {
            members.iter().for_each(|(key, value)| leaves(&format!("{prefix}.{key}"), value, found));
        }
        Value::Number(number) => drop(found.insert(prefix.to_owned(), Value::from(number.as_f64()))),
        other => drop(found.insert(prefix.to_owned(), other.clone())),
    }
}

/// The leaves of every run by its path.
fn configs() -> BTreeMap<String, BTreeMap<String, Value>> {
    let config = |(run, told): (String, Value)| {
        let mut found = BTreeMap::new();
        leaves("config", &told["config"], &mut found);
        (run, found)
    };
    truth().into_iter().map(config).collect()
}

/// Paths that the truth file spells in another way: both spellings in one run, names with backslashes to come, and numbers
/// that a float does not hold.
fn is_plain(path: &str) -> bool {
    !path.contains('\\')
        && !path.starts_with("config.optimizer")
        && !["config.big", "config.fingerprint"].contains(&path)
}

#[test]
fn diffs_of_all_neighbours_are_what_the_truth_says() {
    let runs = crate::bundled::examples();
    let configs: Vec<(String, BTreeMap<String, Value>)> = configs().into_iter().collect();
    let (mut differing, mut nulls) = (0, 0);
    for pair in configs.windows(2) {
        let [(a, left), (b, right)] = pair else { panic!() };
        let diff = runs.diff(&[a, b], &DiffOptions::default()).unwrap();
        let got: BTreeSet<&str> = diff.keys().iter().map(|key| key.key.as_str()).filter(|key| is_plain(key)).collect();
        let keys: BTreeSet<&String> = left.keys().chain(right.keys()).filter(|key| is_plain(key)).collect();
        let expected = keys.into_iter().filter(|key| left.get(*key) != right.get(*key)).map(String::as_str).collect();
        assert_eq!(got, expected, "{a} {b}");
        for key in diff.keys().iter().filter(|key| is_plain(&key.key)) {
            for (cell, side) in key.cells.iter().zip([left, right]) {
                match side.get(&key.key) {
                    None => assert_eq!(cell, &DiffCell::Missing, "{a} {b} {}", key.key),
                    Some(Value::Null) => assert_eq!(cell, &DiffCell::Null, "{a} {b} {}", key.key),
                    Some(_) => assert!(matches!(cell, DiffCell::Value { .. }), "{a} {b} {}", key.key),
                }
                nulls += usize::from(*cell == DiffCell::Null);
            }
        }
        differing += got.len();
    }
    assert!(differing > 300 && nulls > 3, "{differing} {nulls}");
}

#[test]
fn what_varies_is_what_the_truth_says() {
    let runs = crate::bundled::examples();
    let mut options = VaryOptions::default();
    options.all = true;
    options.json_columns = runs.json_columns().to_vec();
    let varying = vary(runs.lazy(), &options).unwrap();
    let mut expected: BTreeMap<String, (BTreeSet<String>, usize)> = BTreeMap::new();
    for (path, value) in configs().values().flatten().filter(|(path, value)| is_plain(path) && !value.is_null()) {
        let (values, runs) = expected.entry(path.clone()).or_default();
        values.insert(value.to_string());
        *runs += 1;
    }
    let expected: BTreeMap<&str, (usize, usize)> =
        expected.iter().map(|(path, (values, runs))| (path.as_str(), (values.len(), *runs))).collect();
    let got = varying.keys().iter().map(|key| (key.key.as_str(), (key.values, key.runs)));
    let got: BTreeMap<&str, (usize, usize)> = got.filter(|(path, _)| is_plain(path)).collect();
    assert_eq!(got, expected);
    assert!(got.len() > 40);
}

#[test]
fn diff_on_the_command_line() {
    let diff = |more: &[&'static str]| [&["diff", "examples/wandb", "winter-sweep-1", "rfhbwd50"], more].concat();
    let lines = "key,4f81piom,rfhbwd50\nconfig.learning_rate,0.1,0.02\nconfig.optimizer.lr,0.1,0.02\n";
    assert_eq!(told(&diff(&[])), (0, lines.to_owned(), "2 of 5 keys differ".to_owned()));
    assert_eq!(told(&diff(&["--exit-code"])).0, 6);
    assert_eq!(told(&diff(&["--exit-code", "--ignore", "*.lr,config.learning_rate"])).0, 0);
    let summary = ok(&diff(&["--summary", "--ignore", "config.*", "--ignore", "summary._*"]));
    assert_eq!(summary.lines().nth(1), Some("summary.accuracy,0.9399,0.9723"));
    assert!(
        ok(&diff(&["--fields", "--tz", "Asia/Kolkata"])).contains("\ncreated_at,2026-11-07T14:00:10.500000+05:30,")
    );
    assert!(ok(&diff(&["--all"])).contains("config.batch_size,64,64,false\n"));
    let json = ok(&["diff", "examples/wandb", "fluffy-cloud-1", "quiet-moon-4", "--format", "jsonl", "-q"]);
    assert!(json.contains("{\"key\":\"config.dropout\",\"lkqx96qe\":0.1,\"5xzm1wqs\":null}\n"), "{json}");
    assert!(json.contains("{\"key\":\"config.weight_decay\",\"lkqx96qe\":0.0}\n"), "{json}");
}

#[test]
fn a_stored_table_says_that_it_knows_no_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.parquet");
    let path = path.to_str().unwrap();
    ok(&["query", "examples/wandb", "-q", "-o", path]);
    let (code, stdout, stderr) = told(&["diff", path, "fluffy-cloud-1", "quiet-moon-4"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("config.dropout,0.1,\n"), "{stdout}");
    assert!(stderr.ends_with("a stored table does not tell null from missing: both are shown as missing"), "{stderr}");
    for verb in
        [&["vary"][..], &["artifacts"], &["artifacts", "--lineage", "eval-1"], &["artifacts", "--stale", "model"]]
    {
        let from = |source: &'static str| ok(&[&verb[..1], &[source, "-q"], &verb[1..]].concat());
        assert_eq!(ok(&[&verb[..1], &[path, "-q"], &verb[1..]].concat()), from("examples/wandb"), "{verb:?}");
    }
}

#[test]
fn wrong_input_names_place_and_cure() {
    for (args, code, what) in [
        (
            &["diff", "examples/wandb", "winter-sweep-1", "winter-sweep-9"][..],
            1,
            "no run is called winter-sweep-9 (did you mean",
        ),
        (&["diff", "examples/wandb", "lkqx96qe", "fluffy-cloud-1"], 2, "lab/mnist/lkqx96qe is named twice"),
        (&["diff", "examples/wandb", "lkqx96qe"], 2, "2 values required"),
        (
            &["diff", "examples/wandb", "lkqx96qe", "ou38hpfk", "--ignore", "config.sede"],
            2,
            "did you mean config.seed?",
        ),
        (
            &["diff", "examples/wandb", "lkqx96qe", "ou38hpfk", "--ignore", "summary.zzz*"],
            2,
            "no column matches summary.zzz*",
        ),
        (&["vary", "examples/wandb", "-s", "confg.*"], 2, "no column matches confg.*"),
        (&["vary", "examples/wandb", "-w", "config.sede > 1"], 2, "did you mean config.seed?"),
        (&["artifacts", "examples/wandb", "--stale", "modl"], 1, "called modl (did you mean model?)"),
        (&["artifacts", "examples/wandb", "--stale", "model:v3"], 2, "write model"),
        (&["artifacts", "examples/wandb", "--used-by", "trainingdata:v3"], 1, "did you mean training-data?"),
        (&["artifacts", "examples/wandb", "--require", ":latest"], 2, "names no artifact"),
        (&["artifacts", "examples/wandb", "--require", "a,,b"], 2, "names no artifact"),
        (&["artifacts", "examples/wandb", "--lineage", "evl-1"], 1, "did you mean eval-1"),
        (&["artifacts", "examples/wandb", "--lineage", "eval-1", "--stale", "model"], 2, "cannot be used with"),
        (&["artifacts", "examples/wandb", "--no-artifacts"], 2, "logged_artifacts was not loaded"),
        (&["artifacts", "examples/wandb", "-s", "artifact.nam"], 2, "did you mean artifact.name?"),
    ] {
        let (got, stdout, stderr) = told(args);
        assert_eq!((got, stdout.as_str()), (code, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(what), "{args:?}: {stderr}");
    }
}

#[test]
fn vary_on_the_command_line() {
    let sweep = ["vary", "examples/wandb", "-w", "display_name like 'winter-sweep-%'"];
    let (code, stdout, stderr) = told(&sweep);
    let expected = "key,values,runs,missing,top,together,with\n\
        config.learning_rate,6,6,0,\"0.001×1, 0.005×1, 0.01×1, 0.02×1, 0.05×1\",1,config.optimizer.lr\n\
        config.optimizer.lr,6,6,0,\"0.001×1, 0.005×1, 0.01×1, 0.02×1, 0.05×1\",1,config.learning_rate\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, expected, "2 keys vary over 6 runs, 3 never do"));
    let all = ok(&[&sweep[..], &["--all", "--top", "1", "-s", "config.epochs,host"]].concat());
    assert_eq!(all, "key,values,runs,missing,top,together,with\nconfig.epochs,1,6,0,4×6,,\nhost,3,6,0,node-ada×2,,\n");
    let none = told(&["vary", "examples/wandb", "-w", "name = 'none'"]);
    assert_eq!((none.0, none.2.as_str()), (0, "0 keys vary over 0 runs, 0 never do"));
}

#[test]
fn artifacts_on_the_command_line() {
    // Counted in the truth file.
    let count = |side: &str| truth().values().map(|run| run[side].as_array().unwrap().len()).sum::<usize>();
    let rows = |more: &[&str]| ok(&[&["artifacts", "examples/wandb", "-q"], more].concat()).lines().count() - 1;
    assert_eq!(
        (rows(&["--logged"]), rows(&["--used"]), rows(&[])),
        (count("logged"), count("used"), count("logged") + count("used"))
    );
    assert_eq!(rows(&["--type", "dataset", "--logged"]), 5);
    assert_eq!(rows(&["--name", "data-*"]), 4);
    let header = ok(&["artifacts", "examples/wandb", "-q", "-n", "0"]);
    let columns = "entity,project,name,direction,artifact.name,artifact.type,artifact.version,artifact.aliases,artifact.size,\
        artifact.digest,artifact.state,artifact.created_at,artifact.id\n";
    assert_eq!(header, columns);
    let largest = ["--sort", "-artifact.size", "-n", "2", "-s", "display_name,config.pair,artifact.size / 1000 as kB"];
    let largest = ok(&[&["artifacts", "examples/wandb", "-q"][..], &largest].concat());
    assert_eq!(largest, "display_name,config.pair,kB\npolite-wave-1,de-en,18.0\nproud-hill-6,de-en,18.0\n");
}

#[test]
fn runs_that_lack_something_are_a_finding() {
    let lacks = |run: &Value, name: &str| !run["logged"].as_array().unwrap().iter().any(|a| a["name"] == name);
    let expected: BTreeSet<String> = truth()
        .iter()
        .filter(|(_, run)| run["fields"]["job_type"] == "train" && (lacks(run, "model") || lacks(run, "evaluation")))
        .map(|(path, _)| path.clone())
        .collect();
    let require =
        ["artifacts", "examples/wandb", "-w", "job_type = 'train'", "--require", "model:latest,evaluation:latest"];
    let (code, stdout, stderr) =
        told(&[&require[..], &["-s", "entity || '/' || project || '/' || name as path"]].concat());
    assert_eq!((code, stderr), (6, format!("{} runs lack what is required", expected.len())));
    assert_eq!(stdout.lines().skip(1).map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    // A limit does not hide the finding; nothing lacking is none.
    assert_eq!(told(&[&require[..], &["-n", "0"]].concat()).0, 6);
    let met = ["artifacts", "examples/wandb", "-w", "name = 'ou38hpfk'", "--require", "model:latest,evaluation"];
    assert_eq!(
        told(&met),
        (0, "entity,project,name,display_name,missing\n".into(), "0 runs lack what is required".into())
    );
}

#[test]
fn users_and_stale_users_of_a_version() {
    let used = ok(&["artifacts", "examples/wandb", "--used-by", "training-data:v2", "-s", "name,artifact.version"]);
    assert_eq!(used, "name,artifact.version\ncazhcz18,2\no4u591nh,2\n");
    let (code, stdout, stderr) = told(&["artifacts", "examples/wandb", "--stale", "model", "--sort", "name"]);
    let expected = "entity,project,name,display_name,artifact.name,artifact.version,newest,stale\n\
        lab,mnist,cazhcz18,eval-1,model,,4,\nlab,translate,lvaz1ox5,bleu-3,model,,2,\n\
        lab,translate,o4u591nh,bleu-1,model,,2,\nlab,mnist,w1dqwi4q,eval-3,model,,4,\n";
    let note = "0 runs used an older version than the newest; of 4 runs the version is not known";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, expected, note));
}

#[test]
fn lineage_is_a_tree_or_rows() {
    let tree = "eval-1 (lab/mnist/cazhcz18)\nupstream\n\
        \u{20} model:latest ← still-lake-7 (lab/mnist/p1gtzh9t), by alias\n\
        \u{20} training-data:v2 (logged by no run here)\n\
        downstream\n\u{20} evaluation:latest (used by no run here)\n";
    assert_eq!(ok(&["artifacts", "examples/wandb", "--lineage", "eval-1"]), tree);
    let csv = ok(&["artifacts", "examples/wandb", "--lineage", "still-lake-7", "--format", "csv"]);
    assert!(csv.starts_with("direction,depth,artifact,artifact.id,entity,project,name,display_name,by,from,again\n"));
    assert!(
        csv.contains(
            "downstream,1,model:latest,QXJ0aWZhY3Q6NDAyNDM=,lab,mnist,cazhcz18,eval-1,alias,lab/mnist/p1gtzh9t,false\n"
        ),
        "{csv}"
    );
    // What --where leaves out is not there.
    let alone = ok(&["artifacts", "examples/wandb", "-w", "job_type = 'eval'", "--lineage", "eval-1"]);
    assert!(alone.contains("model:latest (logged by no run here)"), "{alone}");
}

/// The same answers from a server, with conditions that it evaluates in part, as from the file that was pulled from it.
#[test]
fn a_server_and_what_was_pulled_from_it_answer_alike() {
    let recipe = Recipe { artifacts: 5, gaps: true, ..Recipe::small(60) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.parquet");
    let file = file.to_str().unwrap();
    let ask = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("runframe").unwrap();
        command.env_clear().env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", Switches::default().key);
        let output = command.args(args).arg("-q").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // A server lists runs in an order of its own.
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(ask(&["pull", "acme/fleet", "-o", file]).0, Some(0));
    let names = runframe::RunFrame::open(file).unwrap().select(&["name"]).unwrap();
    let names: Vec<&str> = names.column("name").unwrap().str().unwrap().iter().flatten().collect();
    let mut rows = 0;
    for question in [
        &["diff", names[3], names[40], "--summary", "--ignore", "summary._*"][..],
        &["vary"],
        &["vary", "-w", "state = 'finished' and created_at > '2020-01-01'", "--all"],
        &["artifacts"],
        &["artifacts", "--used", "-w", "state = 'finished'", "-s", "name,artifact.name,artifact.version,state"],
        &["artifacts", "--require", "model:latest"],
        &["artifacts", "--lineage", names[40], "--format", "csv"],
    ] {
        let asked = |source: &'static str| ask(&[&question[..1], &[source], &question[1..]].concat());
        let there = asked("acme/fleet");
        assert_eq!(there, ask(&[&question[..1], &[file], &question[1..]].concat()), "{question:?}");
        assert!(there.2.is_empty(), "{}", there.2);
        rows += there.1.len();
    }
    assert!(rows > 300, "{rows}");
    let all = runframe::RunFrame::open(file).unwrap().collect().unwrap();
    let trees = names.iter().map(|name| runframe::compare::lineage(&all, name).unwrap().tree());
    // The stand-in's data sets are there before any run.
    assert!(trees.filter(|tree| tree.contains("  dataset-") && tree.contains("(logged by no run here)")).count() > 50);
}
