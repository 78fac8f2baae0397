//! `docs/expressions.md`: it names every function, and each of its examples keeps as many of the bundled runs as it says.

mod kinds;

use crate::bundled::examples;
use runframe::expr::{self, Context, FUNCTIONS};
use runframe::polars::prelude::*;
use runframe::{Error, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/expressions.md")).unwrap()
}

/// An expression of the page, and what it says of it: a number of runs, or an error.
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
    found
}

fn runs(table: &DataFrame, text: &str, context: &Context) -> String {
    let keep = expr::parse_filter(text, table.schema(), context);
    let height = keep.and_then(|keep| Ok(table.clone().lazy().filter(keep).collect()?.height()));
    height.map_or_else(|error: Error| format!("error: {error}"), |height| height.to_string())
}

#[test]
fn examples_keep_what_the_page_says() {
    let table = examples().collect().unwrap();
    let now = Context::new(Timestamp::parse("2026-11-14T00:00:00Z").unwrap());
    let stated = stated(&page());
    let wrong: Vec<String> = stated
        .iter()
        .map(|(text, says)| (text, says, runs(&table, text, &now)))
        // Of an error, the page may leave out the place before it and the cure behind it.
        .filter(|(_, says, got)| match says.strip_prefix("error: ") {
            Some(error) => !(got.starts_with("error: byte") && got.contains(error)),
            None => says != &got,
        })
        .map(|(text, says, got)| format!("{text}\n  says: {says}\n  got:  {got}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(stated.len() > 60, "{}", stated.len());
}

#[test]
fn every_function_stands_there_with_an_example() {
    let page = page();
    for function in FUNCTIONS {
        let line = format!("| `{}` | {} | `", function.signature, function.meaning);
        let row = page.lines().find_map(|row| row.strip_prefix(&line));
        let row = row.unwrap_or_else(|| panic!("docs/expressions.md lacks: {line}"));
        assert!(row.contains(&format!("{}(", function.name)), "{}: {row}", function.name);
    }
    let named = |line: &str| Some(line.strip_prefix("| `")?.split_once('(')?.0.to_owned()).filter(|n| n.len() < 20);
    let known: BTreeSet<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    for name in page.lines().filter(|line| line.contains(" → ")).filter_map(named) {
        assert!(known.contains(name.as_str()), "no such function: {name}");
    }
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
