//! One spelling for every value, so that two values are equal if their spellings are.
//!
//! The spelling is JSON: numbers as their exact value (`1` for 1.0, `NaN` for every NaN, `0` for −0), keys of objects sorted.

use crate::columns::Kind;
use crate::flatten::{Leaf, number};
use crate::json::{Event, JsonError, Reader, quote};
use crate::sink;
use polars::prelude::*;

/// True if the column's texts are JSON; `json_columns` names those whose name does not tell.
pub(super) fn is_json(column: &str, json_columns: &[String]) -> bool {
    Kind::split(column).1 == Some(Kind::Json) || json_columns.iter().any(|name| name == column)
}

/// The spelling of a value; `None` for null.
pub(super) fn spelled(values: &Series, row: usize, is_json: bool) -> Option<String> {
    let value = values.get(row).ok()?;
    match value {
        AnyValue::Null => None,
        AnyValue::String(text) if is_json => Some(spelled_json(text)),
        value => {
            let mut out = String::new();
            push(&mut out, &value);
            Some(out)
        }
    }
}

fn push(out: &mut String, value: &AnyValue<'_>) {
    match value {
        AnyValue::Null => out.push_str("null"),
        AnyValue::Boolean(true) => out.push_str("true"),
        AnyValue::Boolean(false) => out.push_str("false"),
        AnyValue::String(text) => quote(text, out),
        AnyValue::StringOwned(text) => quote(text, out),
        AnyValue::Float64(value) => out.push_str(&spelled_float(*value)),
        AnyValue::Float32(value) => out.push_str(&spelled_float(f64::from(*value))),
        AnyValue::List(list) => {
            out.push('[');
            for (at, element) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                push(out, &element);
            }
            out.push(']');
        }
        // Integers are their digits; whatever else a table of somebody else's may hold is compared as it is shown.
        other => out.push_str(&other.to_string()),
    }
}

/// A float's exact value: that of an integer as the integer's digits.
pub(super) fn spelled_float(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value.is_finite() && value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:?}"),
    }
}

/// The spelling of a JSON text; of what is no JSON, that of a string.
pub(super) fn spelled_json(text: &str) -> String {
    read(text).unwrap_or_else(|_| {
        let mut out = String::new();
        quote(text, &mut out);
        out
    })
}

/// An open container with the spellings of what it holds so far.
enum Open {
    List(Vec<String>),
    /// The members, and the key of the next one.
    Object(Vec<(String, String)>, String),
}

/// Not recursive: texts may nest very deep.
fn read(text: &str) -> Result<String, JsonError> {
    let mut reader = Reader::new(text);
    let mut open: Vec<Open> = Vec::new();
    let mut whole = String::new();
    loop {
        let value = match reader.next()? {
            Event::BeginArray => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::BeginObject => {
                open.push(Open::Object(Vec::new(), String::new()));
                continue;
            }
            Event::Key(key) => {
                if let Some(Open::Object(_, next)) = open.last_mut() {
                    *next = key.decode().0.into_owned();
                }
                continue;
            }
            Event::End => return Ok(whole),
            Event::EndArray | Event::EndObject => open.pop().map(close).unwrap_or_default(),
            Event::Null => "null".to_owned(),
            Event::Bool(value) => value.to_string(),
            Event::Number(digits) => match number(digits) {
                Leaf::Int(value) => value.to_string(),
                Leaf::Float(value) => spelled_float(value),
                _ => digits.to_owned(),
            },
            Event::NonFinite(value) => spelled_float(value.value()),
            Event::Str(text) => {
                let mut out = String::new();
                quote(&text.decode().0, &mut out);
                out
            }
        };
        match open.last_mut() {
            Some(Open::List(values)) => values.push(value),
            Some(Open::Object(members, key)) => members.push((std::mem::take(key), value)),
            None => whole = value,
        }
    }
}

fn close(container: Open) -> String {
    match container {
        Open::List(values) => format!("[{}]", values.join(",")),
        Open::Object(members, _) => {
            // Of a key that comes twice the last value counts.
            let members: std::collections::BTreeMap<String, String> = members.into_iter().collect();
            let mut out = String::from("{");
            for (at, (key, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                quote(key, &mut out);
                out.push(':');
                out.push_str(value);
            }
            out.push('}');
            out
        }
    }
}

/// The value for eyes: all digits, text in quotes where it would read as another kind of value.
pub(super) fn shown(values: &Series, row: usize, is_json: bool, options: &sink::Options) -> String {
    match values.str() {
        Ok(texts) if is_json => texts.get(row).unwrap_or_default().to_owned(),
        _ => sink::shown(values, row, options).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_by_value() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
            (0.1, "0.1"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e22, "10000000000000000000000"),
        ] {
            assert_eq!(spelled_float(value), expected);
        }
    }

    #[test]
    fn json_is_spelled_by_value() {
        let same = |a: &str, b: &str| assert_eq!(spelled_json(a), spelled_json(b));
        same(r#"{"a": 1, "b": [1.0, -0, NaN]}"#, r#"{"b":[1,0,NaN],"a":1e0}"#);
        same(r#"{"a": 1, "a": 2}"#, r#"{"a": 2}"#);
        same("10000000000000000000000", "1e22");
        same(r#""\u0061""#, r#""a""#);
        let other = |a: &str, b: &str| assert_ne!(spelled_json(a), spelled_json(b));
        other("12345678901234567890", "12345678901234567891");
        other("9007199254740993", "9007199254740992.0");
        other("1", r#""1""#);
        other("[1,2]", "[2,1]");
        other("no json", "null");
        other(r#"{"a": null}"#, "{}");
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert_eq!(spelled_json(&deep), deep);
    }
}
