//! `docs/expressions.md`: it names every function, and each of its examples keeps as many of the bundled runs as it says.

mod kinds;

use crate::bundled::examples;
use runframe::expr::{self, AGGREGATES, Context, FUNCTIONS, Grouping};
use runframe::polars::prelude::*;
use runframe::{Error, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/expressions.md")).unwrap()
}

/// The page's parts on conditions, on aggregates, and on grouping.
fn parts(page: &str) -> [&str; 3] {
    let (conditions, rest) = page.split_once("\n## Aggregates\n").unwrap();
    let (aggregates, grouping) = rest.split_once("\n## Grouping\n").unwrap();
    [conditions, aggregates, grouping]
}

/// An expression of the page, and what it says of it: a number of runs, a value, or an error.
fn stated(page: &str) -> Vec<(String, String)> {
    let (mut found, mut sql) = (Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            sql = line == "```sql";
        } else if let Some((text, says)) = line.rsplit_once(" -- ").filter(|_| sql) {
            found.push((text.trim().to_owned(), says.replace(" runs", "").replace(" run", "")));
        } else {
            assert!(!sql, "without a number: {line}");
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [_, _, example, runs] = cells.as_slice()
            && let Some(example) = example.strip_prefix('`').and_then(|text| text.strip_suffix('`'))
        {
            found.push((example.to_owned(), (*runs).to_owned()));
        }
    }
    assert!(found.len() > 10);
    found
}

fn runs(table: &DataFrame, text: &str, context: &Context) -> String {
    let keep = expr::parse_filter(text, table.schema(), context);
    let height = keep.and_then(|keep| Ok(table.clone().lazy().filter(keep).collect()?.height()));
    height.map_or_else(|error: Error| format!("error: {error}"), |height| height.to_string())
}

fn value(table: &DataFrame, text: &str, context: &Context) -> String {
    let groups = Grouping::all(table.schema(), context).aggregates(text);
    let row = groups.and_then(|groups| Ok(groups.apply(table.clone().lazy())?.collect()?));
    let cell = |row: DataFrame| {
        let column = if text.starts_with("best") { row.column("name").unwrap() } else { &row[0] };
        assert_eq!(row.height(), 1);
        column.get(0).unwrap().str_value().into_owned()
    };
    row.map_or_else(|error: Error| format!("error: {error}"), cell)
}

/// Checks what is stated against what `find` finds in the bundled runs.
fn check(part: &str, find: fn(&DataFrame, &str, &Context) -> String) {
    let table = examples().collect().unwrap();
    let now = Context::new(Timestamp::parse("2026-11-14T00:00:00Z").unwrap());
    let stated = stated(part);
    let wrong: Vec<String> = stated
        .iter()
        .map(|(text, says)| (text, says, find(&table, text, &now)))
        // Of an error, the page may leave out the place before it and the cure behind it.
        .filter(|(_, says, got)| match says.strip_prefix("error: ") {
            Some(error) => !(got.starts_with("error: byte") && got.contains(error)),
            None => says != &got,
        })
        .map(|(text, says, got)| format!("{text}\n  says: {says}\n  got:  {got}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn examples_keep_what_the_page_says() {
    check(parts(&page())[0], runs);
}

#[test]
fn aggregates_give_what_the_page_says() {
    check(parts(&page())[1], value);
}

#[test]
fn groups_are_what_the_page_says() {
    let page = page();
    let blocks = parts(&page)[2].split("```console\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    let sessions = blocks.flat_map(|block| block.strip_prefix("$ runframe ").unwrap().split("\n$ runframe "));
    let mut run = 0;
    for session in sessions {
        let (command, says) = session.split_once('\n').unwrap_or((session, ""));
        let mut words = words(command);
        words.push("-q".to_owned());
        let (code, stdout, stderr) = crate::cli::runframe(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let got = if code == 0 { stdout } else { stderr };
        assert_eq!(got.trim_end(), says, "{command}");
        run += 1;
    }
    assert!(run > 8);
}

/// Words as a shell splits them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            (' ', None) => words.push(String::new()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Checks that a part of the page has a row for each signature and meaning, with an example, and no others.
fn every_row(part: &str, known: &[(&str, &str, &str)]) {
    for (name, signature, meaning) in known {
        let line = format!("| `{signature}` | {meaning} | `");
        let row = part.lines().find_map(|row| row.strip_prefix(&line));
        let row = row.unwrap_or_else(|| panic!("docs/expressions.md lacks: {line}"));
        assert!(row.contains(&format!("{name}(")), "{name}: {row}");
    }
    let named = |line: &str| Some(line.strip_prefix("| `")?.split_once('(')?.0.to_owned()).filter(|n| n.len() < 20);
    let names: BTreeSet<&str> = known.iter().map(|(name, ..)| *name).collect();
    for name in part.lines().filter(|line| line.contains(" → ")).filter_map(named) {
        assert!(names.contains(name.as_str()), "no such function: {name}");
    }
}

#[test]
fn every_function_stands_there_with_an_example() {
    let page = page();
    let functions: Vec<_> = FUNCTIONS.iter().map(|f| (f.name, f.signature, f.meaning)).collect();
    every_row(parts(&page)[0], &functions);
    let aggregates: Vec<_> = AGGREGATES.iter().map(|a| (a.name, a.signature, a.meaning)).collect();
    every_row(parts(&page)[1], &aggregates);
    assert!(!functions.iter().any(|(name, ..)| aggregates.iter().any(|(other, ..)| name == other)), "two of one name");
}

#[test]
fn days_are_those_of_the_zone_of_the_command_line() {
    let days = |zone: &str| {
        let filter = "date(created_at) = '2026-11-04'";
        let args = [
            "query",
            "examples/wandb",
            "-q",
            "-w",
            filter,
            "-s",
            "name,date(created_at) as d",
            "--sort",
            "hour(created_at)",
        ];
        let (code, stdout, stderr) = crate::cli::runframe(&[&args[..], &["--tz", zone]].concat());
        assert_eq!(code, 0, "{stderr}");
        stdout
    };
    let utc = "name,d\np1gtzh9t,2026-11-04\nz4ehlnsd,2026-11-04\ncazhcz18,2026-11-04\nn8x4ja4z,2026-11-04\n";
    assert_eq!(days("UTC"), utc);
    // In Tokyo it is nine hours later: two of the evening before, and not the one of the late evening.
    let tokyo = "name,d\nu4wfc86w,2026-11-04\n5kj82vup,2026-11-04\np1gtzh9t,2026-11-04\nz4ehlnsd,2026-11-04\ncazhcz18,2026-11-04\n";
    assert_eq!(days("Asia/Tokyo"), tokyo);
    let schema =
        ["schema", "examples/wandb", "-q", "-w", "date(created_at) = '2026-11-04'", "-s", "name", "--tz", "Asia/Tokyo"];
    let (_, stdout, stderr) = crate::cli::runframe(&schema);
    assert!(stdout.contains("name,String,field,5,"), "{stdout}{stderr}");
}
