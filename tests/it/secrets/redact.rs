//! Secrets among the values: warned of by column, and replaced in everything that any verb puts out.

use super::places::{Home, Needles, Run};
use crate::wandb::{HistoryRecipe, KEY, Recipe, Server, Switches, World};
use polars::prelude::*;
use runframe::{Redaction, RunFrame};
use std::collections::BTreeSet;

const PASSWORD: &str = "n3verTell-Anybody";
const TOKEN: [&str; 2] = ["hf_", "xKqZmRtvBnWcLjHsDfGpYaEuQiOxKqZmRt"];
const HASH_KEY: &str = "the key of the tests, long enough";

/// Runs of which some have secrets in config and summary: as strings, in URLs, in lists and inside of JSON.
fn server() -> Server {
    let mut world =
        World::generate(&Recipe { artifacts: 3, history: Some(HistoryRecipe::rows(12)), ..Recipe::small(6) });
    let token = TOKEN.concat();
    let names: Vec<String> = world.project("acme", "fleet").unwrap().runs.iter().map(|run| run.name.clone()).collect();
    for (number, name) in names.iter().enumerate() {
        world.edit("acme", "fleet", name, |run| {
            let url = if number < 4 { format!("postgres://ada:{PASSWORD}@db/runs{number}") } else { "sqlite".into() };
            run.config = Some(format!(
                r#"{{"db":{{"value":{{"url":"{url}","password":"{PASSWORD}"}}}},"num_tokens":{{"value":"4096"}},
                "hub":{{"value":["x","{token}"]}},"nested":{{"value":[{{"api_key":"{PASSWORD}"}}]}},"lr":{{"value":0.{number}1}}}}"#
            ));
            run.summary = Some(format!(r#"{{"log":"curl -H {token} x","loss":{number}}}"#));
        });
    }
    Server::start(world, Switches::default())
}

fn run(server: &Server, home: &Home, words: &str) -> Run {
    let words = words.replace("FILE", home.file("out").to_str().unwrap());
    let words: Vec<String> = words.split(' ').map(|word| word.replace('~', " ")).collect();
    home.run(server, &words, &[("WANDB_API_KEY", KEY), ("RUNFRAME_REDACT_KEY", HASH_KEY)])
}

#[test]
fn warnings_name_columns_once_and_never_values() {
    let (server, home) = (server(), Home::new());
    let told = run(&server, &home, "pull acme/fleet -o FILE.parquet --receipt FILE.json");
    assert_eq!(told.code, 0, "{}", told.stderr);
    let warnings: Vec<&str> = told.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
    let line = |column: &str, values: u64, what: &str| {
        format!("warning: {column}: {values} values look like a secret ({what}); --redact replaces such")
    };
    let expected = [
        line("config.db.password", 6, "key name"),
        line("config.db.url", 4, "URL with a password"),
        line("config.hub", 6, "Hugging Face token"),
        line("config.nested", 6, "key name"),
        line("summary.log", 6, "Hugging Face token"),
    ];
    assert_eq!(warnings, expected);
    let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(home.file("out.json")).unwrap()).unwrap();
    let columns: Vec<&str> =
        receipt["secrets"].as_array().unwrap().iter().map(|c| c["column"].as_str().unwrap()).collect();
    assert_eq!(columns, ["config.db.password", "config.db.url", "config.hub", "config.nested", "summary.log"]);
    assert!(receipt.get("redacted").is_none());
    for secret in [PASSWORD, &TOKEN.concat()] {
        let needles = Needles::new(secret);
        needles.absent_in("stderr", &told.stderr);
        needles.absent_in("the receipt", receipt.to_string());
    }
    let silent = run(&server, &home, "query acme/fleet -s name,config.lr");
    assert!(!silent.stderr.contains("warning"), "{}", silent.stderr);
}

#[test]
fn with_redact_no_verb_tells_a_secret() {
    let server = server();
    let needles = [Needles::new(PASSWORD), Needles::new(&TOKEN.concat())];
    let verbs = [
        "pull acme/fleet -o FILE.parquet --receipt FILE.json",
        "query acme/fleet -o FILE.jsonl",
        "query acme/fleet -s config.* --format table",
        "query acme/fleet -o FILE.xlsx",
        "query acme/fleet -s config_json,summary_json,name",
        "group acme/fleet -b config.db.url -a list(config.db.password),first(summary.log)",
        "schema acme/fleet",
        "show acme/fleet r0000001",
        "show acme/fleet r0000001 --format json",
        "diff acme/fleet r0000001 r0000002 --summary --all",
        "vary acme/fleet -s config.*,summary.* --all",
        "artifacts acme/fleet -s name,config.db.password",
        "sql select~*~from~runs acme/fleet",
        "history acme/fleet",
        "query FILE.parquet",
        "group FILE.parquet -b config.db.password -a list(config.db.url)",
        "diff FILE.parquet r0000001 r0000002 --summary --all",
        "show FILE.parquet r0000001",
        "schema FILE.parquet",
        "vary FILE.parquet --all",
    ];
    for verb in verbs {
        let home = Home::new();
        if verb.contains(" FILE.parquet") && !verb.starts_with("pull") {
            let stored = run(&server, &home, "pull acme/fleet -o FILE.parquet -q");
            assert_eq!(stored.code, 0, "{}", stored.stderr);
            let path = home.file("out.parquet");
            home.input("out.parquet", "");
            std::fs::remove_file(&path).unwrap();
            assert_eq!(run(&server, &home, "pull acme/fleet -o FILE.parquet -q").code, 0);
        }
        let told = run(&server, &home, &format!("{verb} --redact -v"));
        assert_eq!(told.code, 0, "{verb}: {}", told.stderr);
        needles.iter().for_each(|needles| needles.absent(&told, verb));
        let shown = String::from_utf8_lossy(&told.stdout);
        let shows = !told.stdout.is_empty() && !verb.starts_with("history") && !verb.contains("--format table");
        assert!(!shows || shown.contains("redacted:"), "{verb}: {shown}");
    }
}

fn texts(frame: &RunFrame, column: &str) -> Vec<String> {
    let column = frame.select(&[column]).unwrap().columns()[0].clone();
    column.str().unwrap().iter().flatten().map(str::to_owned).collect()
}

#[test]
fn equal_secrets_stay_equal_in_every_export_with_the_key() {
    let (server, home) = (server(), Home::new());
    assert_eq!(run(&server, &home, "pull acme/fleet -o FILE.parquet --redact").code, 0);
    let path = home.file("out.parquet");
    let frame = RunFrame::open(path.to_str().unwrap()).unwrap();
    let hash = Redaction::with_key(HASH_KEY.as_bytes()).unwrap().hash(PASSWORD);
    assert_eq!(texts(&frame, "config.db.password"), vec![hash.clone(); 6]);
    let urls: BTreeSet<String> = texts(&frame, "config.db.url").into_iter().collect();
    let expected = (0..4).map(|n| format!("postgres://ada:{hash}@db/runs{n}")).chain(["sqlite".to_owned()]);
    assert_eq!(urls, expected.collect());
    assert_eq!(texts(&frame, "config.nested"), vec![format!(r#"[{{"api_key":"{hash}"}}]"#); 6]);
    assert_eq!(texts(&frame, "config.num_tokens"), vec!["4096"; 6]);
    assert_eq!(frame.select(&["config.lr"]).unwrap().dtypes(), [DataType::Float64]);
    // A stored table that holds secrets, redacted as it is read, is the same.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(run(&server, &home, "pull acme/fleet -o FILE.parquet -q").code, 0);
    let clear = RunFrame::open(path.to_str().unwrap()).unwrap();
    let redaction = Redaction::with_key(HASH_KEY.as_bytes()).unwrap().columns(["host", "tags"]);
    let redacted = clear.redacted(&redaction).unwrap();
    for column in ["config.db.password", "config.db.url", "config.nested", "summary.log", "config.num_tokens"] {
        assert_eq!(texts(&redacted, column), texts(&frame, column), "{column}");
    }
    assert!(texts(&redacted, "host").iter().all(|host| host.starts_with("redacted:")));
    let by_hash = redacted.lazy().filter(col("config.db.password").eq(lit(hash))).collect().unwrap();
    let by_secret = redacted.lazy().filter(col("config.db.password").eq(lit(PASSWORD))).collect().unwrap();
    assert_eq!((by_hash.height(), by_secret.height()), (6, 0), "conditions see what is put out");
    assert_eq!(clear.redacted(&redaction.clone().columns(["name"])).unwrap_err().kind(), runframe::ErrorKind::Usage);
    assert_eq!(
        clear.redacted(&redaction.clone().columns(["config.lr"])).unwrap_err().kind(),
        runframe::ErrorKind::Usage
    );
    let unknown = clear.redacted(&redaction.columns(["hots"])).unwrap_err();
    assert!(unknown.to_string().contains("did you mean host?"), "{unknown}");
}

#[test]
fn a_redacted_file_stays_redacted_or_is_left_alone() {
    let (server, home) = (server(), Home::new());
    let file = home.file("out.parquet");
    let pull = |more: &str| run(&server, &home, &format!("pull acme/fleet -o FILE.parquet{more}"));
    assert_eq!(pull(" --redact").code, 0);
    let bytes = std::fs::read(&file).unwrap();
    // Another key, none, other columns: each refused with its cure, and the file as it was.
    home.input("other.key", "another key that is long enough\n");
    for (more, words) in [
        (" --redact --redact-key-file other.key", "another key"),
        ("", "add --redact"),
        (" --redact=host", "other columns"),
    ] {
        let refused = pull(more);
        assert!(
            refused.code == 2 && refused.stderr.contains(words) && refused.stderr.contains("--full"),
            "{}",
            refused.stderr
        );
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    let password = r#"{"db":{"value":{"password":"n3verTell-Anybody"}}}"#;
    server.change(|world| {
        world.edit("acme", "fleet", "r0000002", |run| {
            (run.config, run.summary) = (Some(password.into()), Some(r#"{"fresh":1}"#.into()));
        })
    });
    let updated = pull(" --redact");
    assert!(updated.code == 0 && updated.stderr.contains("1 loaded"), "{}", updated.stderr);
    assert!(updated.stderr.contains("redacted 1 value in 1 column"), "{}", updated.stderr);
    let frame = RunFrame::open(file.to_str().unwrap()).unwrap();
    assert!(frame.schema().contains("summary.fresh"));
    let passwords: BTreeSet<String> = texts(&frame, "config.db.password").into_iter().collect();
    assert_eq!(passwords.len(), 1, "{passwords:?}");
    let needles = Needles::new(PASSWORD);
    needles.absent(&updated, "an update");
}

#[test]
fn without_a_key_hashes_are_this_outputs_alone_and_it_says_so() {
    let (server, home) = (server(), Home::new());
    let words: Vec<String> =
        ["query", "acme/fleet", "-s", "config.db.password", "--redact"].map(str::to_owned).to_vec();
    let once = || home.run(&server, &words, &[("WANDB_API_KEY", KEY)]);
    let (one, other) = (once(), once());
    assert!(one.code == 0 && one.stderr.contains("--redact-key-file"), "{}", one.stderr);
    assert_ne!(one.stdout, other.stdout);
    let lines: BTreeSet<&[u8]> = one.stdout.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3, "the name, one hash, and nothing");
    home.input("short.key", "short\n");
    for (more, words) in [("short.key", "5 bytes"), ("nowhere.key", "nowhere.key")] {
        let refused = run(&server, &home, &format!("query acme/fleet --redact --redact-key-file {more}"));
        assert!(refused.code != 0 && refused.stderr.contains(words), "{}", refused.stderr);
    }
    for wrong in
        ["query acme/fleet --raw --redact", "query acme/fleet --redact-key-file x", "query acme/fleet --redact="]
    {
        assert_eq!(run(&server, &home, wrong).code, 2, "{wrong}");
    }
    let unknown = run(&server, &home, "query acme/fleet -s name --redact=config.db.pasword");
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean config.db.password?"), "{}", unknown.stderr);
}
