//! JSON, as one array or as one object per line, with keys in column order and nested values nested.

use super::cell::{Cell, Grid, Style, Values, items};
use super::{Options, output, text};
use crate::error::Result;
use std::fmt::Write as _;
use std::io::Write;

/// Bytes gathered before they are handed on.
const CHUNK: usize = 1 << 16;

/// How rows are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[`, objects with commas between, `]`.
    Array,
    /// An object per line.
    Lines,
}

/// Writes one object per row, each on a line of its own. `NaN` and infinities are strings, as W&B spells them.
pub(super) fn write(grid: &Grid, layout: Layout, options: &Options, out: &mut dyn Write) -> Result<()> {
    let style = Style { zone: options.zone };
    let columns = grid.columns(style);
    let forms: Vec<Form> = columns.iter().map(|column| form(column, grid.height(), options)).collect();
    let keys: Vec<String> = columns.iter().enumerate().map(|(i, column)| key(i, column.name())).collect();
    let mut line = String::new();
    let array = layout == Layout::Array;
    line.push_str(if array { "[" } else { "" });
    for row in 0..grid.height() {
        match (array, row) {
            (true, 0) => line.push('\n'),
            (true, _) => line.push_str(",\n"),
            (false, _) => {}
        }
        line.push('{');
        for ((key, column), form) in keys.iter().zip(&columns).zip(&forms) {
            line.push_str(key);
            let cell = column.get(row);
            match form {
                Form::Typed => push(&mut line, &cell, style),
                Form::Nested => push_json(&mut line, &cell, style),
                Form::Quoted => match number(&cell) {
                    Some(number) => push_text(&mut line, number),
                    None => push_json(&mut line, &cell, style),
                },
            }
        }
        line.push_str(if array { "}" } else { "}\n" });
        if line.len() >= CHUNK {
            out.write_all(line.as_bytes()).map_err(output)?;
            line.clear();
        }
    }
    if array {
        line.push_str(if grid.height() == 0 { "]\n" } else { "\n]\n" });
    }
    out.write_all(line.as_bytes()).map_err(output)?;
    out.flush().map_err(output)
}

/// `"name":`, with a comma before all but the first.
fn key(index: usize, name: &str) -> String {
    let mut key = String::from(if index > 0 { "," } else { "" });
    push_text(&mut key, name);
    key.push(':');
    key
}

/// True for columns whose text is JSON.
pub(super) fn is_json(name: &str, options: &Options) -> bool {
    let plain = || options.json_columns.iter().any(|column| column == name);
    matches!(name, "config_json" | "summary_json") || name.ends_with(":json") || plain()
}

/// How the values of a column become JSON.
#[derive(Clone, Copy)]
enum Form {
    /// By their type.
    Typed,
    /// Texts that are JSON.
    Nested,
    /// The same, but those that are numbers are strings of their digits.
    Quoted,
}

/// One number that common readers refuse, and the whole file with it, makes strings of all the column's numbers, because
/// Polars takes a column's type from its first rows.
fn form(column: &Values<'_>, height: usize, options: &Options) -> Form {
    let refused = |row| number(&column.get(row)).is_some_and(|number| !is_readable(number));
    match is_json(column.name(), options) {
        false => Form::Typed,
        true if (0..height).any(refused) => Form::Quoted,
        true => Form::Nested,
    }
}

/// The number that a JSON text is.
fn number<'a>(cell: &Cell<'a>) -> Option<&'a str> {
    let Cell::Str(text) = *cell else { return None };
    let text = text.trim();
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    (is_number && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()).then_some(text)
}

/// True for numbers that pandas (ujson) and Polars (simd-json) both read, and as about the same value.
fn is_readable(number: &str) -> bool {
    let whole = number.split(['.', 'e', 'E']).next().unwrap_or_default();
    // Also before a fraction pandas takes no more digits than an integer has.
    if whole.parse::<i64>().is_err() {
        return false;
    }
    let is_zero = || number.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'));
    whole.len() == number.len() || is_zero() || number.parse::<f64>().is_ok_and(f64::is_normal)
}

/// Adds a text that is JSON as what it holds; as a text if it is none after all.
pub(super) fn push_json(line: &mut String, cell: &Cell<'_>, style: Style) {
    match cell {
        Cell::Str(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            // Outside of strings a line break is mere space, and inside of strings there is none; a row stays a line.
            line.extend(text.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
        }
        other => push(line, other, style),
    }
}

/// Adds a value as JSON.
pub(super) fn push(line: &mut String, cell: &Cell<'_>, style: Style) {
    match cell {
        Cell::Null => line.push_str("null"),
        Cell::Str(value) => push_text(line, value),
        Cell::Text(value) => push_text(line, value),
        Cell::Float(value) | Cell::Duration(value) if !value.is_finite() => push_quoted(line, cell),
        Cell::Float32(value) if !value.is_finite() => push_quoted(line, cell),
        Cell::Time(_) | Cell::Date(_) => push_quoted(line, cell),
        Cell::List(list) => {
            line.push('[');
            for (i, item) in items(list, style).enumerate() {
                line.push_str(if i > 0 { "," } else { "" });
                push(line, &item, style);
            }
            line.push(']');
        }
        Cell::Struct(fields) => {
            line.push('{');
            for (i, (name, value)) in fields.iter().enumerate() {
                line.push_str(&key(i, name));
                push(line, value, style);
            }
            line.push('}');
        }
        Cell::Bool(_) | Cell::Int(_) | Cell::UInt(_) | Cell::Float(_) | Cell::Float32(_) | Cell::Duration(_) => {
            text::push_plain(line, cell, None);
        }
    }
}

/// A value whose text needs quotes but no escapes.
fn push_quoted(line: &mut String, cell: &Cell<'_>) {
    line.push('"');
    text::push_plain(line, cell, None);
    line.push('"');
}

/// A text in quotes, escaped.
pub(super) fn push_text(line: &mut String, value: &str) {
    line.push('"');
    let mut done = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        line.push_str(&value[done..at]);
        done = at + 1;
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            // A `String` takes all that is written to it.
            _ => drop(write!(line, "\\u{byte:04x}")),
        }
    }
    line.push_str(&value[done..]);
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, text};
    use super::super::{Format, Options};
    use polars::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn lines_and_array_hold_the_same() {
        let lines = text(&sample(), Format::Jsonl, &Options::default());
        let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let array: Vec<Value> = serde_json::from_str(&text(&sample(), Format::Json, &Options::default())).unwrap();
        assert_eq!(rows, array);
        assert_eq!(
            rows[0],
            json!({"name": "r1", "created_at": "2024-05-01T12:33:10.000000Z", "config.n": 9_007_199_254_740_993_i64,
                "summary.x": 0.1 + 0.2, "ok": true, "tags": ["a", "b|c"]})
        );
        assert_eq!(rows[1]["summary.x"], "NaN");
        assert_eq!(rows[1]["tags"], json!([]));
        assert_eq!(rows[2]["summary.x"], "-Infinity");
        assert_eq!(rows[2]["tags"], Value::Null);
        assert!(lines.starts_with("{\"name\":\"r1\",\"created_at\":"), "keys in column order");
    }

    #[test]
    fn hostile_keys_and_values_come_back() {
        let texts = ["\"", "\\", "\u{0}\u{1f}\n\r\t", "\u{7f}\u{2028}é\u{1f600}", ""];
        for name in texts {
            let df = df!(name => texts).unwrap();
            let rows: Vec<Value> = serde_json::from_str(&text(&df, Format::Json, &Options::default())).unwrap();
            for (row, value) in rows.iter().zip(texts) {
                assert_eq!(row[name], value);
            }
        }
    }

    #[test]
    fn json_texts_nest_if_they_are_json() {
        let df = df!("a" => ["{\"b\":\n[1]}", "NaN"], "x:json" => ["[1e400, 12345678901234567890123]", "{"]).unwrap();
        let options = Options { json_columns: vec!["a".into()], ..Options::default() };
        let expected = "{\"a\":{\"b\": [1]},\"x:json\":[1e400, 12345678901234567890123]}\n\
            {\"a\":\"NaN\",\"x:json\":\"{\"}\n";
        assert_eq!(text(&df, Format::Jsonl, &options), expected);
        assert!(text(&df, Format::Csv, &options).contains("\"{\"\"b\"\":"), "as it is");
    }

    #[test]
    fn numbers_that_readers_refuse_are_strings() {
        let kept = [
            "1",
            "-0",
            "0.0",
            "9223372036854775807",
            "-9223372036854775808",
            "1e308",
            "1.5E-3",
            "0.12345678901234567890",
        ];
        let quoted = [
            "9223372036854775808",
            "-9223372036854775809",
            "10000000000000000000000000000000000000000",
            "12345678901234567890123.5",
            "1e400",
            "-1E400",
            "1e-400",
            "0e400",
            "1e99999999999999999999",
        ];
        for (numbers, quote) in [(&kept[..], ""), (&quoted[..], "\"")] {
            for number in numbers {
                let df = df!("x:json" => [*number], "y" => [*number]).unwrap();
                let line = format!("{{\"x:json\":{quote}{number}{quote},\"y\":\"{number}\"}}\n");
                assert_eq!(text(&df, Format::Jsonl, &Options::default()), line);
            }
        }
    }

    #[test]
    fn a_columns_numbers_are_all_of_one_type() {
        let df = df!("x:json" => ["1", "{}", "1e400", "[2]"], "y:json" => ["1", "2", "-", "4"]).unwrap();
        let expected = "{\"x:json\":\"1\",\"y:json\":1}\n{\"x:json\":{},\"y:json\":2}\n\
            {\"x:json\":\"1e400\",\"y:json\":\"-\"}\n{\"x:json\":[2],\"y:json\":4}\n";
        assert_eq!(text(&df, Format::Jsonl, &Options::default()), expected);
    }

    #[test]
    fn structs_nest() {
        let df = df!("name" => ["m"], "version" => [3_i64], "size" => [None::<i64>]).unwrap();
        let list = df.into_struct("a".into()).into_series().implode().unwrap().into_series();
        let df = DataFrame::new_infer_height(vec![list.into()]).unwrap();
        assert_eq!(
            text(&df, Format::Jsonl, &Options::default()),
            "{\"a\":[{\"name\":\"m\",\"version\":3,\"size\":null}]}\n"
        );
        assert_eq!(
            text(&df, Format::Tsv, &Options::default()),
            "a\n\"[{\"\"name\"\":\"\"m\"\",\"\"version\"\":3,\"\"size\"\":null}]\"\n"
        );
    }
}
