//! `show`: one run, everything.

use crate::plan::{Output, Show};
use polars::prelude::*;
use runframe::sink::{self, Format, Options};
use runframe::{Error, ErrorKind, Kind, Result, RunFrame};
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two lines of one value.
const FOLD: &str = "\n    ";

/// Writes the run: as `key = value` lines, as one nested JSON object, or as a table of one row.
pub(crate) fn run(show: &Show, frame: &RunFrame, output: &Output) -> Result<()> {
    let row = frame.find_run(&show.run).map_err(|error| match error.kind() {
        ErrorKind::Format => error.file(&show.source),
        _ => error,
    })?;
    let row = i64::try_from(row).unwrap_or(i64::MAX);
    let all = frame.lazy().slice(row, 1).collect()?;
    // What this run has not is of no interest here.
    let kept: Vec<Column> = all.columns().iter().filter(|column| column.null_count() == 0).cloned().collect();
    let table = DataFrame::new(all.height(), kept)?;
    let mut options = output.options.clone();
    options.json_columns = frame.json_columns().to_vec();
    let text = match output.format {
        Format::Table => lines(&table, &options),
        Format::Json => object(&table, &options).to_text(0) + "\n",
        format => {
            options.metadata = frame.metadata();
            return sink::write_file(&table, &output.path, format, &options);
        }
    };
    sink::save(&output.path, |out| out.write_all(text.as_bytes()).map_err(|error| Error::io(&output.path, error)))
}

/// The groups that a column belongs to, in the order they are shown.
fn group(column: &str) -> usize {
    match column {
        "logged_artifacts" | "used_artifacts" => 3,
        _ if column.starts_with("config.") => 1,
        _ if column.starts_with("summary.") => 2,
        _ => 0,
    }
}

/// Fields, config, summary and artifacts as `key = value`, one a line, with an empty line between the groups.
fn lines(table: &DataFrame, options: &Options) -> String {
    let mut groups = [const { Vec::new() }; 4];
    for column in table.columns() {
        let name = column.name().as_str();
        let series = column.as_materialized_series();
        let lines = &mut groups[group(name)];
        if group(name) == 3 {
            lines.extend(artifacts(name, series, options));
        } else if let Some(value) = value(series, options) {
            lines.push((sink::visible(name), value));
        }
    }
    let mut text = String::new();
    for lines in groups.iter().filter(|lines| !lines.is_empty()) {
        text.push_str(if text.is_empty() { "" } else { "\n" });
        for (key, value) in lines {
            let key = if options.color { format!("\u{1b}[1m{key}\u{1b}[0m") } else { key.clone() };
            // A `String` takes all that is written to it.
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    text
}

/// A value for eyes.
fn value(series: &Series, options: &Options) -> Option<String> {
    let is_json = options.json_columns.iter().any(|name| name == series.name().as_str());
    let text = if is_json { Some(sink::json(series, 0, options)) } else { sink::shown(series, 0, options) };
    text.map(|text| sink::visible(&text))
}

/// One line for each artifact version of the list: `model:v3, type: model, aliases: ["latest"], size: 4522`.
fn artifacts(name: &str, list: &Series, options: &Options) -> Vec<(String, String)> {
    let Some(versions) = list.list().ok().and_then(|lists| lists.get_as_series(0)) else { return Vec::new() };
    let Ok(parts) = versions.struct_().map(|parts| parts.fields_as_series()) else { return Vec::new() };
    let line = |row: usize| {
        let text = |part: &Series| match part.dtype().is_nested() {
            true => Some(sink::json(part, row, options)).filter(|text| text != "[]"),
            false => sink::text(part, row, options),
        };
        let find = |wanted: &str| parts.iter().find(|part| part.name() == wanted).and_then(text);
        let version = find("version").map_or_else(String::new, |version| format!(":v{version}"));
        let mut shown = vec![sink::visible(&(find("name").unwrap_or_default() + &version))];
        for part in parts.iter().filter(|part| !matches!(part.name().as_str(), "name" | "version")) {
            if let Some(value) = text(part) {
                shown.push(sink::visible(&format!("{}: {value}", part.name())));
            }
        }
        (name.to_owned(), folded(&shown, name.len() + " = ".len(), options.width))
    };
    (0..versions.len()).map(line).collect()
}

/// The parts with commas between them, after `used` columns; what a terminal has no room for goes on in the next line.
fn folded(parts: &[String], used: usize, limit: Option<usize>) -> String {
    let limit = limit.unwrap_or(usize::MAX);
    let (mut text, mut at) = (String::new(), used);
    for (i, part) in parts.iter().enumerate() {
        let part = if i + 1 < parts.len() { format!("{part},") } else { part.clone() };
        if i > 0 && at + 1 + part.width() > limit {
            text.push_str(FOLD);
            at = FOLD.len() - 1;
        } else if i > 0 {
            text.push(' ');
            at += 1;
        }
        for c in part.chars() {
            let width = c.width().unwrap_or(0);
            // One part alone may be too long.
            if at + width > limit {
                text.push_str(FOLD);
                at = FOLD.len() - 1;
            }
            text.push(c);
            at += width;
        }
    }
    text
}

/// JSON in the making.
enum Node {
    /// A value, as JSON.
    Leaf(String),
    /// Keys in the order they came.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Puts a leaf at the path. Where a key is a value and would be an object too, the longer path stays one dotted key.
    fn put(&mut self, path: &[String], leaf: String) {
        let (Node::Object(keys), Some((first, rest))) = (self, path.split_first()) else { return };
        if rest.is_empty() {
            if let Some(at) = keys.iter().position(|(key, _)| key == first) {
                let (key, node) = keys.remove(at);
                node.dotted(key, keys);
            }
            return keys.push((first.clone(), Node::Leaf(leaf)));
        }
        match keys.iter_mut().position(|(key, _)| key == first) {
            Some(at) if matches!(keys[at].1, Node::Object(_)) => keys[at].1.put(rest, leaf),
            Some(_) => keys.push((path.join("."), Node::Leaf(leaf))),
            None => {
                let mut node = Node::Object(Vec::new());
                node.put(rest, leaf);
                keys.push((first.clone(), node));
            }
        }
    }

    /// Adds all leaves below with dotted keys.
    fn dotted(self, key: String, out: &mut Vec<(String, Node)>) {
        match self {
            Node::Leaf(_) => out.push((key, self)),
            Node::Object(keys) => keys.into_iter().for_each(|(last, node)| node.dotted(format!("{key}.{last}"), out)),
        }
    }

    fn to_text(&self, depth: usize) -> String {
        match self {
            Node::Leaf(text) => text.clone(),
            Node::Object(keys) if keys.is_empty() => "{}".to_owned(),
            Node::Object(keys) => {
                let indent = "  ".repeat(depth + 1);
                let line = |(key, node): &(String, Node)| {
                    format!("{indent}{}: {}", serde_json::Value::from(key.as_str()), node.to_text(depth + 1))
                };
                let lines: Vec<String> = keys.iter().map(line).collect();
                format!("{{\n{}\n{}}}", lines.join(",\n"), "  ".repeat(depth))
            }
        }
    }
}

/// The run as one object: its fields, then config and summary as they were nested, then artifacts.
fn object(table: &DataFrame, options: &Options) -> Node {
    let empty = |name: &str| (name.to_owned(), Node::Object(Vec::new()));
    let mut groups = [const { Vec::new() }; 4];
    for column in table.columns() {
        groups[group(column.name())].push(column);
    }
    let mut whole = Node::Object(Vec::new());
    for (at, columns) in groups.into_iter().enumerate() {
        // A run without config has an empty one.
        match (&mut whole, at) {
            (Node::Object(keys), 1) => keys.push(empty("config")),
            (Node::Object(keys), 2) => keys.push(empty("summary")),
            _ => {}
        }
        for column in columns {
            // This run has one value only, so the kind in the column's name is of no use.
            let path = keys(Kind::split(column.name()).0);
            whole.put(&path, sink::json(column.as_materialized_series(), 0, options));
        }
    }
    whole
}

/// The keys of a path: parted at dots, but not at escaped ones.
fn keys(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        let last = keys.len() - 1;
        match c {
            '.' => keys.push(String::new()),
            '\\' => keys[last].extend(chars.next()),
            c => keys[last].push(c),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use runframe::{Document, Run};
    use serde_json::{Value, json};

    fn frame() -> RunFrame {
        let run = |project: &str, name: &str, display: &str, config: &str| Run {
            entity: Some("me".into()),
            project: Some(project.into()),
            name: name.into(),
            display_name: Some(display.into()),
            config: Some(Document::plain(config)),
            logged_artifacts: Some(vec![]),
            used_artifacts: Some(vec![]),
            ..Run::default()
        };
        let nested = r#"{"opt": {"name": "adam", "lr": 0.1}, "n": 12345678901234567890123, "s": "1", "m": {"_type": "x"}, "e": {}}"#;
        let runs = [
            run("p", "aaa", "calm-sea-1", nested),
            run("p", "bbb", "calm-sea-2", r#"{"opt": "sgd"}"#),
            run("p", "ccc", "calm-sea-2", "{}"),
            run("q", "aaa", "red-sun-4", "{}"),
        ];
        RunFrame::from_runs(runs).unwrap()
    }

    fn shown(run: &str, text: impl Fn(&DataFrame, &Options) -> String) -> String {
        let frame = frame();
        let row = frame.find_run(run).unwrap();
        let all = frame.collect().unwrap().slice(row as i64, 1);
        let kept = all.columns().iter().filter(|column| column.null_count() == 0).cloned().collect();
        let mut options = Options::default();
        options.json_columns = frame.json_columns().to_vec();
        text(&DataFrame::new(1, kept).unwrap(), &options)
    }

    #[test]
    fn json_is_nested_as_it_was_logged() {
        let text = shown("me/p/aaa", |table, options| object(table, options).to_text(0));
        assert!(text.contains("12345678901234567890123"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["config"]["opt"], json!({"name": "adam", "lr": 0.1}));
        assert_eq!((&value["config"]["m"], &value["config"]["e"]), (&json!({"_type": "x"}), &json!({})));
        assert_eq!(value["name"], "aaa");
        let text = shown("bbb", |table, options| object(table, options).to_text(0));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["config"], json!({"opt": "sgd"}));
    }

    #[test]
    fn lines_tell_texts_from_numbers() {
        let text = shown("me/p/aaa", lines);
        for line in ["name = aaa", "config.opt.lr = 0.1", "config.opt.name = adam", "config.s = \"1\""] {
            assert!(text.lines().any(|shown| shown == line), "{text}");
        }
        assert!(!text.contains("state ="), "nulls are left out");
    }

    #[test]
    fn a_table_without_names_is_no_run_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let found = |columns: &[&str]| {
            let table = frame().select(columns).unwrap();
            sink::write_file(&table, &path, Format::Parquet, &Options::default()).unwrap();
            RunFrame::open(path.to_str().unwrap()).unwrap().find_run("bbb")
        };
        let error = found(&["config.s"]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Format, "no run table: it has no column name"));
        assert_eq!(found(&["name"]).unwrap(), 1);
    }

    #[test]
    fn long_artifacts_are_folded_on_a_terminal() {
        let parts = ["model:v3", "type: model", "digest: 0123456789abcdef"].map(str::to_owned);
        let whole = "model:v3, type: model, digest: 0123456789abcdef";
        assert_eq!(folded(&parts, 19, None), whole);
        assert_eq!(folded(&parts, 19, Some(45)), "model:v3, type: model,\n    digest: 0123456789abcdef");
        for limit in [5, 10, 20, 28, 40] {
            let text = folded(&parts, 3, Some(limit));
            assert!(text.lines().all(|line| line.width() <= limit), "{limit}: {text}");
            assert_eq!(text.replace(['\n', ' '], ""), whole.replace(' ', ""));
        }
    }

    #[test]
    fn escaped_dots_do_not_nest() {
        assert_eq!(keys(r"config.a\.b.c"), ["config", "a.b", "c"]);
        let mut node = Node::Object(vec![("a".into(), Node::Leaf("1".into()))]);
        node.put(&keys("a.b"), "2".into());
        assert_eq!(serde_json::from_str::<Value>(&node.to_text(0)).unwrap(), json!({"a": 1, "a.b": 2}));
        let mut node = Node::Object(Vec::new());
        [("a.b.c", "1"), ("a", "2")].into_iter().for_each(|(path, leaf)| node.put(&keys(path), leaf.into()));
        assert_eq!(serde_json::from_str::<Value>(&node.to_text(0)).unwrap(), json!({"a": 2, "a.b.c": 1}));
    }
}
