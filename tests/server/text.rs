//! JSON text cut into the members of its top object without touching them, and W&B's spellings of times and cursors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, SecondsFormat};

/// The members of the object in `text`: decoded key, untouched value. Nothing if it is not an object.
pub fn members(text: &str) -> Vec<(String, &str)> {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    let mut found = Vec::new();
    if bytes.get(at) != Some(&b'{') {
        return found;
    }
    at = skip_space(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let end = string_end(bytes, at);
        let Ok(key) = serde_json::from_str(&text[at..end]) else { break };
        let start = skip_space(bytes, skip_space(bytes, end) + 1);
        let stop = value_end(bytes, start);
        found.push((key, text[start..stop].trim_end()));
        at = stop;
        if bytes.get(at) != Some(&b',') {
            break;
        }
        at = skip_space(bytes, at + 1);
    }
    found
}

/// The value of one key of the top object, untouched.
pub fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    members(text).into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The same object with these keys only.
pub fn project(text: &str, keys: &[&str]) -> String {
    let kept = members(text).into_iter().filter(|(key, _)| keys.contains(&key.as_str()));
    object(kept)
}

/// An object of untouched values.
pub fn object<K: AsRef<str>, V: AsRef<str>>(members: impl IntoIterator<Item = (K, V)>) -> String {
    let mut out = String::from("{");
    for (key, value) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(key.as_ref()).unwrap());
        out.push(':');
        out.push_str(value.as_ref());
    }
    out.push('}');
    out
}

/// Bare `NaN`, `Infinity` and `-Infinity` outside of strings, as the strings that W&B's server makes of them.
pub fn quote_non_finite(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut copied) = (String::new(), 0, 0);
    while at < bytes.len() {
        if bytes[at] == b'"' {
            at = string_end(bytes, at);
            continue;
        }
        let rest = &text[at..];
        match ["NaN", "-Infinity", "Infinity"].iter().find(|word| rest.starts_with(**word)) {
            Some(word) => {
                out.push_str(&text[copied..at]);
                out.push_str(&format!("\"{word}\""));
                at += word.len();
                copied = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    out + &text[copied..]
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// One past the closing quote of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Where the value that starts at `at` ends: at the comma or bracket behind it.
fn value_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// How the server writes times; W&B's public answers show all of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dates {
    /// `2026-03-24T01:00:00.25Z`: with a zone, with the fraction there is.
    #[default]
    Zulu,
    /// `2026-03-24T01:00:00.25`: no zone, and UTC is meant.
    Naive,
    /// `2026-03-24T01:00:00`: no zone, and the fraction cut off.
    Seconds,
}

impl Dates {
    pub fn write(self, micros: i64) -> String {
        let time = DateTime::from_timestamp_micros(micros).unwrap();
        let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        match self {
            Dates::Zulu => text,
            Dates::Naive => text.trim_end_matches('Z').to_owned(),
            Dates::Seconds => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }
}

/// Microseconds since the epoch of an ISO 8601 text; UTC if it has no zone.
pub fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let with_time = if text.len() == 10 { format!("{text}T00:00:00") } else { text.to_owned() };
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&with_time, format).ok())
        .map(|time| time.and_utc().timestamp_micros())
}

/// The cursor of the element at an offset.
pub fn cursor(offset: usize) -> String {
    STANDARD.encode(format!("arrayconnection:{offset}"))
}

/// The offset that a cursor stands for.
pub fn offset(cursor: &str) -> Option<usize> {
    let bytes = STANDARD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("arrayconnection:")?.parse().ok()
}
