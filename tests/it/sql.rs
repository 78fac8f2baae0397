//! `docs/sql.md`: each of its statements answers as it says, over the bundled runs.

use crate::bundled::examples;
use crate::cli::runframe;
use runframe::expr::sql::{Statement, Tables};
use runframe::{HistoryQuery, Loader, Timestamp, sink};
use std::path::Path;

/// The statements of the page, each with what it says of it.
fn stated(page: &str) -> Vec<(&str, &str)> {
    let (mut found, mut sql) = (Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            sql = line == "```sql";
        } else if sql {
            let (text, says) = line.rsplit_once(" -- ").unwrap_or_else(|| panic!("says nothing: {line}"));
            found.push((text.trim(), says));
        }
    }
    found
}

/// What a statement gives, in the page's words: `N rows` and the first row as CSV.
fn given(tables: &Tables<'_>, text: &str) -> Result<(usize, String), String> {
    let now = Timestamp::parse("2026-11-14T00:00:00Z").unwrap();
    let answer = Statement::parse(text).and_then(|statement| statement.collect(tables.clone(), now));
    let answer = answer.map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    sink::write(&answer, sink::Format::Csv, &sink::Options::default(), &mut out).unwrap();
    let first = String::from_utf8(out).unwrap().lines().nth(1).unwrap_or_default().to_owned();
    Ok((answer.height(), first))
}

#[test]
fn statements_answer_what_the_page_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sql.md")).unwrap();
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb");
    let history = Loader::default().source(logs.to_str().unwrap()).unwrap().history(&HistoryQuery::new()).unwrap();
    let (tables, stated) = (Tables::from(examples().lazy()).history(history.lazy()), stated(&page));
    assert!(stated.len() >= 15, "{}", stated.len());
    let wrong = stated.iter().filter_map(|(text, says)| {
        let given = given(&tables, text);
        let right = match (&given, says.strip_prefix("error: ")) {
            (Err(error), Some(says)) => error.contains(says),
            (Ok((rows, first)), None) => {
                let (count, row) = says.split_once(": ").unwrap_or((says, ""));
                let count = count.trim_end_matches("rows").trim_end_matches("row").trim();
                *count == rows.to_string() && (row.is_empty() || row == first)
            }
            _ => false,
        };
        (!right).then(|| format!("{text}\n  says: {says}\n  gives: {given:?}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_verb_writes_what_the_statement_answers() {
    let text = "select user, count(*) as runs, max(summary.accuracy) as best from runs group by user order by user";
    let (code, stdout, stderr) = runframe(&["sql", text, "examples/wandb"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, "user.username,runs,best\nada,13,0.9905\nalan,14,0.9917\ngrace,14,0.9918\n");
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("report.sql"), folder.path().join("report.jsonl"));
    std::fs::write(&file, format!("-- the best of each\n{text};\n")).unwrap();
    let args = ["sql", "-q", "-f", file.to_str().unwrap(), "examples/wandb", "-o", out.to_str().unwrap()];
    assert_eq!(runframe(&args), (0, String::new(), String::new()));
    let first = "{\"user.username\":\"ada\",\"runs\":13,\"best\":0.9905}\n";
    assert!(std::fs::read_to_string(out).unwrap().starts_with(first));
}

#[test]
fn faults_name_the_place_before_anything_is_loaded() {
    let (code, stdout, stderr) = runframe(&["sql", "select name from run", "no/such/folder"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert_eq!(
        stderr,
        "error: no table is named (the tables are runs, artifacts and history: … from runs)\n  sql select name from run\n      \
         \u{20}                   ^\n"
    );
    let (code, _, stderr) = runframe(&["sql", "-q", "select summary.acuracy from runs", "examples/wandb"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("unknown column summary.acuracy (did you mean summary.accuracy?)"), "{stderr}");
    let (code, _, stderr) =
        runframe(&["sql", "-q", "select name from runs where config.warmup = 'auto'", "examples/wandb"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("config.warmup:string"), "{stderr}");
    let (code, _, stderr) = runframe(&["sql", "select name from runs"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no source is named"), "{stderr}");
}
