//! W&B's JSON as a stream of events: strict JSON plus the bare tokens `NaN`, `Infinity` and `-Infinity`.
//!
//! Numbers and strings stay slices of the text; nothing is allocated but the stack of open containers.

use std::borrow::Cow;
use std::fmt;

/// Containers that may be open at once. Deeper texts are refused, so that a hostile one costs no more than its bytes.
pub const MAX_DEPTH: usize = 10_000;

/// One step through a JSON text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A bare `NaN`, `Infinity` or `-Infinity`.
    NonFinite(NonFinite),
    /// A string value.
    Str(Text<'a>),
    /// The key of the next value.
    Key(Text<'a>),
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// The text is over.
    End,
}

/// A number that JSON has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// Not a number.
    Nan,
    /// Positive infinity.
    Infinity,
    /// Negative infinity.
    NegInfinity,
}

impl NonFinite {
    /// The spellings that W&B uses for non-finite numbers in JSON strings (its web app reads these six).
    pub fn from_spelling(text: &str) -> Option<Self> {
        Some(match text {
            "NaN" | "nan" => NonFinite::Nan,
            "Infinity" | "Inf" => NonFinite::Infinity,
            "-Infinity" | "-Inf" => NonFinite::NegInfinity,
            _ => return None,
        })
    }

    /// The number.
    pub fn value(self) -> f64 {
        match self {
            NonFinite::Nan => f64::NAN,
            NonFinite::Infinity => f64::INFINITY,
            NonFinite::NegInfinity => f64::NEG_INFINITY,
        }
    }

    /// W&B's own spelling.
    pub fn spelling(self) -> &'static str {
        match self {
            NonFinite::Nan => "NaN",
            NonFinite::Infinity => "Infinity",
            NonFinite::NegInfinity => "-Infinity",
        }
    }
}

/// A JSON string: the bytes between its quotes, and whether escapes are in them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Text<'a> {
    /// What stands between the quotes, escapes included.
    pub raw: &'a str,
    /// True if a backslash is in it.
    pub escaped: bool,
}

impl<'a> Text<'a> {
    /// The string itself, and whether a lone surrogate had to be replaced by U+FFFD.
    pub fn decode(self) -> (Cow<'a, str>, bool) {
        if !self.escaped {
            return (Cow::Borrowed(self.raw), false);
        }
        let mut out = String::with_capacity(self.raw.len());
        let repaired = unescape(self.raw, &mut out);
        (Cow::Owned(out), repaired)
    }
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.reason)
    }
}

/// Reads one JSON text, event by event.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Open containers, true for objects.
    open: Vec<bool>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Value,
    FirstKeyOrEnd,
    FirstValueOrEnd,
    CommaOrEnd,
    Done,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Reader { text, at: 0, open: Vec::new(), state: State::Value }
    }

    /// A reader of the value that begins at byte `at` of `text`; offsets stay those of the whole text.
    pub fn from_offset(text: &'a str, at: usize) -> Self {
        Reader { at, ..Reader::new(text) }
    }

    /// Bytes read so far: the offset just behind the last event.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next event; after [`Event::End`], always `End`.
    ///
    /// # Errors
    /// If the text is not JSON; the offset is where that shows.
    #[inline]
    pub fn next(&mut self) -> Result<Event<'a>, JsonError> {
        let byte = self.skip_space();
        match self.state {
            State::Value => self.value(byte),
            State::CommaOrEnd => self.comma_or_end(byte),
            State::FirstKeyOrEnd => match byte {
                Some(b'}') => Ok(self.close()),
                _ => self.key(byte),
            },
            State::FirstValueOrEnd => match byte {
                Some(b']') => Ok(self.close()),
                _ => self.value(byte),
            },
            State::Done => match byte {
                None => Ok(Event::End),
                Some(_) => Err(self.error("more text after the value")),
            },
        }
    }

    /// Passes over the rest of the value whose first event was `first`.
    ///
    /// # Errors
    /// If the text is not JSON.
    pub fn skip(&mut self, first: Event<'a>) -> Result<(), JsonError> {
        if !matches!(first, Event::BeginObject | Event::BeginArray) {
            return Ok(());
        }
        let depth = self.open.len();
        while self.open.len() >= depth {
            self.next()?;
        }
        Ok(())
    }

    fn comma_or_end(&mut self, byte: Option<u8>) -> Result<Event<'a>, JsonError> {
        let in_object = self.open.last().copied() == Some(true);
        match byte {
            Some(b',') => {
                self.at += 1;
                let byte = self.skip_space();
                if in_object { self.key(byte) } else { self.value(byte) }
            }
            Some(b'}') if in_object => Ok(self.close()),
            Some(b']') if !in_object => Ok(self.close()),
            Some(_) if in_object => Err(self.error("expected ',' or '}'")),
            Some(_) => Err(self.error("expected ',' or ']'")),
            None => Err(self.error("the text ends inside a value")),
        }
    }

    fn key(&mut self, byte: Option<u8>) -> Result<Event<'a>, JsonError> {
        match byte {
            Some(b'"') => {}
            Some(_) => return Err(self.error("expected a key in quotes")),
            None => return Err(self.error("the text ends inside an object")),
        }
        let key = self.string()?;
        if self.skip_space() != Some(b':') {
            return Err(self.error("expected ':' after a key"));
        }
        self.at += 1;
        self.state = State::Value;
        Ok(Event::Key(key))
    }

    #[inline]
    fn value(&mut self, byte: Option<u8>) -> Result<Event<'a>, JsonError> {
        let Some(byte) = byte else {
            return Err(self.error("the text ends where a value should be"));
        };
        match byte {
            b'"' => {
                let text = self.string()?;
                self.after_value();
                Ok(Event::Str(text))
            }
            b'{' => self.enter(true),
            b'[' => self.enter(false),
            b'0'..=b'9' => self.number(),
            b'-' if self.text.as_bytes().get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity", Event::NonFinite(NonFinite::NegInfinity))
            }
            b'-' => self.number(),
            b't' => self.word("true", Event::Bool(true)),
            b'f' => self.word("false", Event::Bool(false)),
            b'n' => self.word("null", Event::Null),
            b'N' => self.word("NaN", Event::NonFinite(NonFinite::Nan)),
            b'I' => self.word("Infinity", Event::NonFinite(NonFinite::Infinity)),
            _ => Err(self.error("expected a value")),
        }
    }

    fn enter(&mut self, object: bool) -> Result<Event<'a>, JsonError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error("nested more than 10,000 levels deep"));
        }
        self.at += 1;
        self.open.push(object);
        self.state = if object { State::FirstKeyOrEnd } else { State::FirstValueOrEnd };
        Ok(if object { Event::BeginObject } else { Event::BeginArray })
    }

    fn close(&mut self) -> Event<'a> {
        self.at += 1;
        let object = self.open.pop() == Some(true);
        self.after_value();
        if object { Event::EndObject } else { Event::EndArray }
    }

    #[inline]
    fn after_value(&mut self) {
        self.state = if self.open.is_empty() { State::Done } else { State::CommaOrEnd };
    }

    fn word(&mut self, word: &'static str, event: Event<'a>) -> Result<Event<'a>, JsonError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let ends = !rest.get(word.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !rest.starts_with(word.as_bytes()) || !ends {
            return Err(self.error("unknown word"));
        }
        self.at += word.len();
        self.after_value();
        Ok(event)
    }

    #[inline]
    fn number(&mut self) -> Result<Event<'a>, JsonError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut at = start + usize::from(bytes[start] == b'-');
        let whole = at;
        at = digits(at);
        if at == whole || (bytes[whole] == b'0' && at > whole + 1) {
            return Err(self.error("malformed number"));
        }
        if bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return Err(self.error("malformed number"));
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let exponent = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at = digits(exponent);
            if at == exponent {
                return Err(self.error("malformed number"));
            }
        }
        if bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'"')) {
            return Err(self.error("malformed number"));
        }
        self.at = at;
        self.after_value();
        Ok(Event::Number(&self.text[start..at]))
    }

    /// Reads a string whose opening quote is at `self.at`.
    #[inline]
    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            // Short strings are the rule, so a byte loop beats setting up a vector search.
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => at += 1,
                None => {
                    self.at = bytes.len();
                    return Err(self.error("the text ends inside a string"));
                }
            }
        }
        self.at = at + 1;
        // Raw control characters are let through: W&B's servers hand them out, and its SDK reads them.
        Ok(Text { raw: &self.text[start..at], escaped })
    }

    /// Checks the escape whose backslash is at `at` and returns the offset behind it.
    fn escape(&mut self, at: usize) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') if bytes.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                Ok(at + 6)
            }
            _ => {
                self.at = at;
                Err(self.error("malformed escape in a string"))
            }
        }
    }

    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn error(&self, reason: &'static str) -> JsonError {
        JsonError { offset: self.at, reason }
    }
}

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

/// Appends `raw` with its escapes resolved; true if a lone surrogate was replaced by U+FFFD.
fn unescape(raw: &str, out: &mut String) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compacted(text: &str) -> String {
        let mut out = String::new();
        compact(text, &mut out).unwrap();
        out
    }

    #[test]
    fn bare_tokens_become_strict_json() {
        assert_eq!(
            compacted(r#" { "a" : [ NaN , -Infinity,1.50 ], "b":{} } "#),
            r#"{"a":["NaN","-Infinity",1.50],"b":{}}"#
        );
    }

    #[test]
    fn faults_have_offsets() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\":01}", 5),
            ("nul", 0),
            ("\"a", 2),
            ("1 2", 2),
            ("[1}", 2),
            ("\"\\x\"", 1),
            ("NaNs", 0),
            ("-", 0),
        ] {
            assert_eq!(validate(text).map_err(|e| e.offset), Err(offset), "{text}");
        }
    }

    #[test]
    fn members_are_slices() {
        let mut seen = Vec::new();
        assert!(members(r#"{"a": {"x": [1]}, "b" :2}"#, |key, value| seen.push((key.raw, value))).unwrap());
        assert_eq!(seen, [("a", r#"{"x": [1]}"#), ("b", "2")]);
        assert!(!members("[1]", |_, _| unreachable!()).unwrap());
    }

    #[test]
    fn escapes_are_resolved() {
        let mut reader = Reader::new(r#""a\n\u0437\ud83d\ude00\ud800\/""#);
        let Event::Str(text) = reader.next().unwrap() else { panic!() };
        assert_eq!(text.decode(), ("a\nз😀\u{fffd}/".into(), true));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(validate(&deep).unwrap_err().reason, "nested more than 10,000 levels deep");
        let fine = "[".repeat(200) + &"]".repeat(200);
        assert!(validate(&fine).is_ok());
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(text in r#"[\[\]{}:,"0-9a-z\\ .\-+eE]{0,24}"#) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(validate(&text).is_ok(), theirs, "{}", text);
        }

        #[test]
        fn quote_is_read_back(text in any::<String>()) {
            let mut quoted = String::new();
            quote(&text, &mut quoted);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
            let mut reader = Reader::new(&quoted);
            let Ok(Event::Str(read)) = reader.next() else { panic!() };
            prop_assert_eq!(read.decode().0, text);
        }
    }
}
