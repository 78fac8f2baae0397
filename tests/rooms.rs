//! The rooms of the crate and who may import whom; the folder layout is the data flow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Room, the rooms it may import, and whether it may name Polars or Arrow.
const ROOMS: &[(&str, &[&str], bool)] = &[
    ("error", &[], true),
    ("threads", &[], false),
    ("json", &[], false),
    ("record", &["json", "error"], false),
    ("source", &["record", "json", "threads", "error"], false),
    ("flatten", &["record", "json", "error"], false),
    ("columns", &["record", "flatten", "json", "threads", "error"], false),
    ("secrets", &["record", "columns", "error"], false),
    ("frame", &["record", "flatten", "columns", "secrets", "json", "threads", "error"], true),
    ("ops", &["record", "columns", "error"], true),
    ("expr", &["record", "columns", "ops", "error"], true),
    ("sink", &["record", "frame", "threads", "error"], true),
    ("compare", &["record", "flatten", "columns", "json", "frame", "ops", "expr", "sink", "error"], true),
    ("load", &["source", "json", "record", "columns", "secrets", "frame", "expr", "threads", "error"], true),
    (
        "history",
        &[
            "load", "source", "record", "flatten", "json", "columns", "secrets", "frame", "ops", "sink", "threads",
            "error",
        ],
        true,
    ),
    ("fuzz", &["source", "record", "json", "flatten", "columns", "frame", "expr", "sink", "error"], true),
    (
        "pull",
        &["history", "load", "source", "record", "columns", "secrets", "frame", "expr", "sink", "threads", "error"],
        true,
    ),
];

/// Files that may name Polars although their room may not: stored run tables are Polars' to read.
const POLARS_TOO: &[&str] = &[
    "source/parquet.rs",
    "source/parquet/fields.rs",
    "source/parquet/footer.rs",
    "source/parquet/groups.rs",
    "source/parquet/narrow.rs",
    "source/parquet/outline.rs",
    "source/parquet/skip.rs",
    "source/parquet/thrift.rs",
    "source/api/history/parquet.rs",
];

/// Files that may import rooms although theirs may not: rows of servers come as columns, not as documents.
const IMPORTS_TOO: &[(&str, &[&str])] = &[
    ("source/api/history.rs", &["columns"]),
    ("source/api/history/flat.rs", &["columns", "flatten"]),
    ("source/api/history/join.rs", &["flatten"]),
    ("source/api/history/rows.rs", &["columns", "flatten"]),
    ("source/api/history/tests.rs", &["columns"]),
];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: its path below `src`, and its code lines with their numbers.
fn sources() -> Vec<(String, Vec<(usize, String)>)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned()));
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect();
        (path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/"), code)
    };
    found.into_iter().map(read).collect()
}

fn room_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// The first path segments behind each `crate::` in a line, also in `crate::{a, b}`.
fn imports(line: &str) -> Vec<&str> {
    line.match_indices("crate::")
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let list = rest.strip_prefix('{').and_then(|r| r.split('}').next()).unwrap_or(rest);
            let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
            names.into_iter().map(|name| name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for (file, lines) in sources().iter().filter(|(file, _)| file != "lib.rs" && !file.starts_with("bin/")) {
        let room = room_of(file);
        let Some((_, allowed, _)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
            wrong.push(format!("{file}: the room {room} is in no table; add it to ROOMS and to the drawing in lib.rs"));
            continue;
        };
        let too = IMPORTS_TOO.iter().find(|(name, _)| name == file).map_or(&[][..], |(_, rooms)| rooms);
        for (number, line) in lines {
            for import in imports(line) {
                // `crate::Error` and the like come from the face, which only examples and docs may use.
                if import != room && !allowed.contains(&import) && !too.contains(&import) {
                    wrong.push(format!("src/{file}:{number}: {room} may not import {import}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn polars_stays_out_of_the_reading_half() {
    let mut wrong = Vec::new();
    for (file, lines) in sources() {
        let allowed = ROOMS.iter().any(|(name, _, polars)| *name == room_of(&file) && *polars);
        if allowed || file == "lib.rs" || file.starts_with("bin/") || POLARS_TOO.contains(&file.as_str()) {
            continue;
        }
        for (number, line) in lines.iter().filter(|(_, line)| line.contains("polars") || line.contains("arrow_array")) {
            wrong.push(format!("src/{file}:{number}: {}", line.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_binary_uses_the_public_face_only() {
    for (file, lines) in sources().iter().filter(|(file, _)| file.starts_with("bin/")) {
        for (number, line) in lines {
            assert!(!line.contains("#[path"), "src/{file}:{number}: {line}");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    ["src", "tests", "benches", "examples"]
        .iter()
        .map(|d| src.join(d))
        .filter(|d| d.exists())
        .for_each(|d| files(&d, &mut found));
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open by saying what it is", path.display());
    }
}

#[test]
fn unsafe_is_in_the_bridge_only() {
    for (file, lines) in sources().iter().filter(|(file, _)| file != "frame/bridge.rs") {
        for (number, line) in lines {
            assert!(!line.contains("unsafe {") && !line.contains("allow(unsafe_code)"), "src/{file}:{number}: {line}");
        }
    }
}

#[test]
fn imports_are_found_in_every_spelling() {
    assert_eq!(imports("use crate::error::{Error, Result};"), ["error"]);
    assert_eq!(imports("use crate::{flatten::List, json};"), ["flatten", "json"]);
    assert_eq!(imports("let x = crate::frame::f(crate::sink::g());"), ["frame", "sink"]);
}
