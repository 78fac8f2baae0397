//! W&B's JSON as a stream of events: strict JSON plus the bare tokens `NaN`, `Infinity` and `-Infinity`.
//!
//! Numbers and strings stay slices of the text; nothing is allocated but the stack of open containers.

mod depth;
#[cfg(feature = "api")]
mod keys;
mod number;
mod numbers;
mod scan;
mod text;

#[cfg(test)]
pub use depth::MAX_DEPTH;
#[cfg(feature = "frame")]
pub use depth::allow_depth;
pub use depth::{TOO_DEEP, max_depth};
#[cfg(feature = "api")]
pub use keys::more_keys_than;

pub use number::{Plain, number_at, past_number};
pub use numbers::past_numbers;
pub use scan::find;
#[cfg(all(feature = "frame", feature = "api"))]
pub use scan::word;
#[cfg(all(feature = "frame", feature = "api"))]
pub use text::items;
pub use text::{compact, members, push_unquoted, quote, validate};

use std::borrow::Cow;
use std::fmt;

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
    /// True if there are no escapes in it but those of quotes and backslashes: JSON inside a string.
    pub simple: bool,
}

impl<'a> Text<'a> {
    /// The string itself, and whether a lone surrogate had to be replaced by U+FFFD.
    pub fn decode(self) -> (Cow<'a, str>, bool) {
        if !self.escaped {
            return (Cow::Borrowed(self.raw), false);
        }
        let mut out = String::with_capacity(self.raw.len());
        let repaired = text::unescape(self.raw, &mut out);
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
        let mut event = first;
        loop {
            if event == Event::BeginObject
                && let Some(end) = scan::past_flat_object(self.text.as_bytes(), self.at)
            {
                self.at = end - 1;
                self.close();
            }
            if self.open.len() < depth {
                return Ok(());
            }
            event = self.next()?;
        }
    }

    /// Lets `read` have the array that was just begun: it gets the text and the place behind the bracket, and gives what it made of
    /// it and the place behind the array, if all up to there is JSON without lists, or objects in objects.
    #[cfg(all(feature = "frame", feature = "api"))]
    pub fn array_by<T>(&mut self, read: impl FnOnce(&'a str, usize) -> Option<(T, usize)>) -> Option<T> {
        if self.state != State::FirstValueOrEnd || self.open.len() >= max_depth() {
            return None;
        }
        let (made, end) = read(self.text, self.at)?;
        self.at = end - 1;
        self.close();
        Some(made)
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
        if self.open.len() >= max_depth() {
            return Err(self.error(TOO_DEEP));
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
        let (mut escaped, mut simple) = (false, true);
        loop {
            let Some(found) = scan::find::<true>(bytes, at) else {
                self.at = bytes.len();
                return Err(self.error("the text ends inside a string"));
            };
            at = found;
            if bytes.get(at) == Some(&b'"') {
                break;
            }
            escaped = true;
            simple &= matches!(bytes.get(at + 1), Some(b'"' | b'\\'));
            at = scan::past_quoted_json(bytes, self.escape(at)?);
        }
        self.at = at + 1;
        // Raw control characters are let through: W&B's servers hand them out, and its SDK reads them.
        Ok(Text { raw: &self.text[start..at], escaped, simple })
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

#[cfg(test)]
mod tests;
