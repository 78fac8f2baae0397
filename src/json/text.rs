//! W&B's JSON as text: checking, cutting, compacting, quoting and unescaping.

use super::{Event, JsonError, Reader, Text};

/// Checks that `text` is one JSON value.
///
/// # Errors
/// If it is not; the offset is where that shows.
pub fn validate(text: &str) -> Result<(), JsonError> {
    let mut reader = Reader::new(text);
    while reader.next()? != Event::End {}
    Ok(())
}

/// Calls `each` with key and value text of every member of the object in `text`; `false` if it is no object.
///
/// # Errors
/// If the text is not JSON; members before the fault have been handed out.
pub fn members<'a>(text: &'a str, mut each: impl FnMut(Text<'a>, &'a str)) -> Result<bool, JsonError> {
    let mut reader = Reader::new(text);
    if reader.next()? != Event::BeginObject {
        return Ok(false);
    }
    while let Event::Key(key) = reader.next()? {
        reader.skip_space();
        let start = reader.offset();
        let first = reader.next()?;
        reader.skip(first)?;
        each(key, &text[start..reader.offset()]);
    }
    while reader.next()? != Event::End {}
    Ok(true)
}

/// Calls `each` with the text of every item of the list in `text`; `false` if it is no list.
///
/// # Errors
/// If the text is not JSON; items before the fault have been handed out.
#[cfg(all(feature = "frame", feature = "api"))]
pub fn items<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> Result<bool, JsonError> {
    let mut reader = Reader::new(text);
    if reader.next()? != Event::BeginArray {
        return Ok(false);
    }
    loop {
        let start = reader.offset();
        let first = reader.next()?;
        if first == Event::EndArray {
            break;
        }
        reader.skip(first)?;
        // The comma before an item was read with it.
        let item = text[start..reader.offset()].trim_start();
        each(item.strip_prefix(',').unwrap_or(item).trim_start());
    }
    while reader.next()? != Event::End {}
    Ok(true)
}

/// Appends the value text `text` without white space between tokens; bare non-finite numbers become W&B's strings, so
/// that the result is strict JSON.
///
/// # Errors
/// If the text is not JSON; what was appended so far stays.
pub fn compact(text: &str, out: &mut String) -> Result<(), JsonError> {
    let mut reader = Reader::new(text);
    let mut comma = false;
    loop {
        let event = reader.next()?;
        if comma && !matches!(event, Event::EndObject | Event::EndArray | Event::End) {
            out.push(',');
        }
        comma = !matches!(event, Event::Key(_) | Event::BeginObject | Event::BeginArray);
        match event {
            Event::End => return Ok(()),
            Event::Null => out.push_str("null"),
            Event::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Event::Number(number) => out.push_str(number),
            Event::NonFinite(value) => {
                out.push('"');
                out.push_str(value.spelling());
                out.push('"');
            }
            Event::Str(text) | Event::Key(text) => {
                out.push('"');
                push_raw(text.raw, out);
                out.push('"');
                if matches!(event, Event::Key(_)) {
                    out.push(':');
                }
            }
            Event::BeginObject => out.push('{'),
            Event::EndObject => out.push('}'),
            Event::BeginArray => out.push('['),
            Event::EndArray => out.push(']'),
        }
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for piece in text.split_inclusive(['"', '\\']) {
        match piece.strip_suffix(['"', '\\']) {
            Some(head) => {
                push_raw(head, out);
                out.push('\\');
                out.push_str(&piece[head.len()..]);
            }
            None => push_raw(piece, out),
        }
    }
    out.push('"');
}

/// Appends string bytes whose escapes are in order, escaping raw control characters.
fn push_raw(raw: &str, out: &mut String) {
    if !raw.bytes().any(|b| b < 0x20) {
        return out.push_str(raw);
    }
    for c in raw.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
}

/// Appends `raw`, in which quotes and backslashes are escaped and nothing else, without the escapes.
pub fn push_unquoted(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        out.push_str(rest.get(at + 1..at + 2).unwrap_or_default());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// Appends `raw` with its escapes resolved; true if a lone surrogate was replaced by U+FFFD.
pub(super) fn unescape(raw: &str, out: &mut String) -> bool {
    let mut repaired = false;
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied();
        let mut used = 2;
        match code {
            Some(b'b') => out.push('\u{8}'),
            Some(b'f') => out.push('\u{c}'),
            Some(b'n') => out.push('\n'),
            Some(b'r') => out.push('\r'),
            Some(b't') => out.push('\t'),
            Some(b'u') => {
                let (c, length) = unicode_escape(&rest[at..]);
                repaired |= c.is_none();
                out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                used = length;
            }
            Some(other) => out.push(other as char),
            None => used = 1,
        }
        rest = rest.get(at + used..).unwrap_or_default();
    }
    out.push_str(rest);
    repaired
}

/// The character of the `\uXXXX` (or surrogate pair) that `text` begins with, and its length; `None` for a lone surrogate.
fn unicode_escape(text: &str) -> (Option<char>, usize) {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        u32::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let Some(first) = unit(0) else { return (None, 2) };
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(6)) {
        return (char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12);
    }
    (char::from_u32(first), 6)
}
