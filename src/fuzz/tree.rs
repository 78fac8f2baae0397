//! JSON as a plain tree, read as simply as can be: what the one-pass readers are judged by. The tree itself is judged by serde_json.

use crate::json::NonFinite;
use serde_json::Value;

/// Levels that the tree follows; deeper texts are not judged.
pub(crate) const DEEPEST: usize = 400;

/// A JSON value with everything that was written: digits, escapes, repeated keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    NonFinite(NonFinite),
    Text(Text),
    List(Vec<Tree>),
    Object(Vec<(Text, Tree)>),
}

/// A string: as it stands between the quotes, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) raw: String,
    pub(crate) value: String,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A value.
    Json(Tree),
    /// No JSON.
    Not,
    /// Too deep to judge.
    Deep,
}

/// Reads a text, and checks the result with serde_json as far as that knows W&B's JSON.
pub(crate) fn parse(text: &str) -> Parsed {
    let mut parser = Parser { text, at: 0, odd: false };
    let parsed = parser.value(0).and_then(|tree| {
        parser.space();
        if parser.at == text.len() { Ok(tree) } else { Err(false) }
    });
    let theirs = serde_json::from_str::<Value>(text);
    match parsed {
        Ok(tree) => {
            if let Ok(value) = &theirs {
                assert!(same(&tree, value), "serde_json reads {value:?} in {text:?}, the tree {tree:?}");
            } else {
                assert!(parser.odd, "serde_json refuses {text:?}");
            }
            Parsed::Json(tree)
        }
        Err(true) => Parsed::Deep,
        Err(false) => {
            assert!(theirs.is_err(), "serde_json takes {text:?}");
            Parsed::Not
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// True once something was seen that serde_json may refuse.
    odd: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.text[self.at..].starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// The error says whether the text is too deep.
    fn value(&mut self, depth: usize) -> Result<Tree, bool> {
        self.space();
        self.odd |= depth > 100;
        if depth > DEEPEST {
            return Err(true);
        }
        for (word, tree) in [("null", Tree::Null), ("true", Tree::Bool(true)), ("false", Tree::Bool(false))] {
            if self.take(word) {
                return Ok(tree);
            }
        }
        for value in [NonFinite::Nan, NonFinite::Infinity, NonFinite::NegInfinity] {
            if self.take(value.spelling()) {
                self.odd = true;
                return Ok(Tree::NonFinite(value));
            }
        }
        match self.peek() {
            Some(b'"') => self.string().map(Tree::Text),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.object(depth),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree, bool> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Tree::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Tree::List(items));
            }
            if !self.take(",") {
                return Err(false);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Tree, bool> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Tree::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(false);
            }
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(false);
            }
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take("}") {
                return Ok(Tree::Object(members));
            }
            if !self.take(",") {
                return Err(false);
            }
        }
    }

    fn number(&mut self) -> Result<Tree, bool> {
        let start = self.at;
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while parser.peek().is_some_and(|b| b.is_ascii_digit()) {
                parser.at += 1;
            }
            parser.at - from
        };
        self.take("-");
        let zero = self.peek() == Some(b'0');
        let whole = digits(self);
        if whole == 0 || (zero && whole > 1) {
            return Err(false);
        }
        if self.take(".") && digits(self) == 0 {
            return Err(false);
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            if digits(self) == 0 {
                return Err(false);
            }
        }
        let text = &self.text[start..self.at];
        self.odd |= text.parse::<f64>().is_ok_and(f64::is_infinite);
        Ok(Tree::Number(text.to_owned()))
    }

    fn string(&mut self) -> Result<Text, bool> {
        self.at += 1;
        let start = self.at;
        // As UTF-16, which is what the escapes are written in.
        let mut units: Vec<u16> = Vec::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else { return Err(false) };
            self.at += c.len_utf8();
            let unit = match c {
                '"' => break,
                '\\' => self.escape()?,
                c => {
                    self.odd |= (c as u32) < 0x20;
                    units.extend(c.encode_utf16(&mut [0; 2]).iter());
                    continue;
                }
            };
            units.push(unit);
        }
        let value = String::from_utf16_lossy(&units);
        self.odd |= String::from_utf16(&units).is_err();
        Ok(Text { raw: self.text[start..self.at - 1].to_owned(), value })
    }

    fn escape(&mut self) -> Result<u16, bool> {
        let simple = [("\"", 34), ("\\", 92), ("/", 47), ("b", 8), ("f", 12), ("n", 10), ("r", 13), ("t", 9)];
        if let Some((_, unit)) = simple.into_iter().find(|(word, _)| self.take(word)) {
            return Ok(unit);
        }
        if !self.take("u") {
            return Err(false);
        }
        let hex = self.text.as_bytes().get(self.at..self.at + 4).ok_or(false)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(false);
        }
        self.at += 4;
        std::str::from_utf8(hex).ok().and_then(|hex| u16::from_str_radix(hex, 16).ok()).ok_or(false)
    }
}

/// True if serde_json read the same; of repeated keys it knows the last.
fn same(tree: &Tree, value: &Value) -> bool {
    match (tree, value) {
        (Tree::Null, Value::Null) => true,
        (Tree::Bool(a), Value::Bool(b)) => a == b,
        (Tree::Number(a), Value::Number(b)) => a.parse::<f64>().ok() == b.as_f64(),
        (Tree::Text(a), Value::String(b)) => a.value == *b,
        (Tree::List(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Tree::Object(a), Value::Object(b)) => {
            b.iter().all(|(key, b)| last(a, key).is_some_and(|a| same(a, b)))
                && a.iter().all(|(key, _)| b.contains_key(&key.value))
        }
        _ => false,
    }
}

/// The last member of this name.
pub(crate) fn last<'t>(members: &'t [(Text, Tree)], key: &str) -> Option<&'t Tree> {
    members.iter().rfind(|(name, _)| name.value == key).map(|(_, value)| value)
}

impl Tree {
    /// The last member of this name, of an object.
    #[cfg(feature = "api")]
    pub(crate) fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Tree::Object(members) => last(members, key),
            _ => None,
        }
    }

    /// True if some object has a key twice.
    #[cfg(feature = "api")]
    pub(crate) fn repeats(&self) -> bool {
        match self {
            Tree::List(items) => items.iter().any(Tree::repeats),
            Tree::Object(members) => {
                let mut names: Vec<&str> = members.iter().map(|(key, _)| key.value.as_str()).collect();
                names.sort_unstable();
                names.windows(2).any(|pair| pair[0] == pair[1]) || members.iter().any(|(_, value)| value.repeats())
            }
            _ => false,
        }
    }

    /// Appends the value as JSON without white space; escapes stay as they were written.
    pub(crate) fn write(&self, out: &mut String) {
        let quoted = |text: &Text, out: &mut String| {
            out.push('"');
            for c in text.raw.chars() {
                match c {
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
                    c => out.push(c),
                }
            }
            out.push('"');
        };
        match self {
            Tree::Null => out.push_str("null"),
            Tree::Bool(value) => out.push_str(&value.to_string()),
            Tree::Number(digits) => out.push_str(digits),
            Tree::NonFinite(value) => out.push_str(&format!("\"{}\"", value.spelling())),
            Tree::Text(text) => quoted(text, out),
            Tree::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    item.write(out);
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Tree::Object(members) => {
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push(if at == 0 { '{' } else { ',' });
                    quoted(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}
