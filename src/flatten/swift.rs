//! Flattening at the speed of the bytes: one pass over a text of the usual sort, also where it stands inside a JSON string.
//!
//! What is rare — a key that comes again, a config value without its wrapper, deep nesting, anything that is no JSON — ends the
//! pass, and the careful walk begins anew. Nothing is decided here that is decided otherwise there.

use super::leaves::{Leaves, Mark};
use super::paths::{NodeId, Paths};
use super::{Leaf, Notes, Root, list, number};
use crate::json::{
    Event, NonFinite, Plain, Reader, Text, compact, find, number_at, past_number, past_numbers, push_unquoted,
};
use std::borrow::Cow;

/// Objects and lists that may be open at once; deeper ones are left to the careful walk.
const DEEP: usize = 100;

/// One pass over a document. With `QUOTED`, the text is the inside of a JSON string, in which quotes and backslashes are escaped and
/// nothing else.
pub(super) struct Swift<'a, 'p, const QUOTED: bool> {
    root: Root,
    text: &'a str,
    at: usize,
    paths: &'p mut Paths,
    leaves: Leaves<'a>,
    /// Something was passed that compact JSON does not have.
    loose: bool,
    notes: Notes,
}

impl<'a, 'p, const QUOTED: bool> Swift<'a, 'p, QUOTED> {
    /// The values of a document, or `None` if it is not of the usual sort.
    pub(super) fn read(
        root: Root,
        text: &'a str,
        wrapped: bool,
        top: NodeId,
        paths: &'p mut Paths,
    ) -> Option<(Leaves<'a>, Notes)> {
        let leaves = Leaves::of(text, paths.usual_leaves());
        let mut walk = Swift::<QUOTED> { root, text, at: 0, paths, leaves, loose: false, notes: Notes::default() };
        if walk.token() != b'{' {
            return None;
        }
        walk.at += 1;
        if walk.token() == b'}' {
            walk.at += 1;
        } else {
            walk.top(top, wrapped)?;
        }
        walk.token();
        (walk.at == text.len()).then_some((walk.leaves, walk.notes))
    }

    #[inline]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is no white space; 0 at the end.
    #[inline]
    fn token(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return byte;
            }
            self.loose = true;
            self.at += 1;
        }
    }

    /// Passes over a comma, true, or the closing `end`, false.
    #[inline]
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        let byte = self.token();
        self.at += 1;
        if byte == b',' {
            self.token();
            return Some(true);
        }
        (byte == end).then_some(false)
    }

    #[inline]
    fn colon(&mut self) -> Option<()> {
        let byte = self.token();
        self.at += 1;
        (byte == b':').then_some(())
    }

    /// The string whose quote is next.
    #[inline(always)]
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let quote = if QUOTED { "\\\"" } else { "\"" };
        let bytes = self.text.as_bytes();
        if bytes.get(self.at..)?.get(..quote.len())? != quote.as_bytes() {
            return None;
        }
        let start = self.at + quote.len();
        let end = if QUOTED { find::<false>(bytes, start) } else { find::<true>(bytes, start) }?;
        let ends = if QUOTED { bytes.get(end + 1) == Some(&b'"') } else { bytes.get(end) == Some(&b'"') };
        if !ends {
            return self.string_with_escapes();
        }
        self.at = end + quote.len();
        self.text.get(start..end).map(Cow::Borrowed)
    }

    /// The same, with escapes in it.
    #[cold]
    fn string_with_escapes(&mut self) -> Option<Cow<'a, str>> {
        if !QUOTED {
            let mut reader = Reader::from_offset(self.text, self.at);
            let Ok(Event::Str(text)) = reader.next() else { return None };
            self.at = reader.offset();
            return Some(self.decoded(text));
        }
        // Out of the string around it first.
        let mut quoted = String::from("\"");
        let mut at = self.at + 2;
        loop {
            let backslash = find::<false>(self.text.as_bytes(), at)?;
            quoted.push_str(self.text.get(at..backslash)?);
            let escaped = self.text.get(backslash + 1..backslash + 2)?;
            quoted.push_str(escaped);
            at = backslash + 2;
            match escaped {
                "\"" => break,
                "\\" => {}
                _ => return None,
            }
            // An escape of the inner string: a letter, or again two bytes for one.
            if self.text.as_bytes().get(at) == Some(&b'\\') {
                quoted.push_str(self.text.get(at + 1..at + 2)?);
                at += 2;
            }
        }
        self.at = at;
        let mut reader = Reader::new(&quoted);
        let Ok(Event::Str(text)) = reader.next() else { return None };
        let text = self.decoded(text).into_owned();
        (reader.offset() == quoted.len()).then_some(Cow::Owned(text))
    }

    fn decoded<'t>(&mut self, text: Text<'t>) -> Cow<'t, str> {
        let (text, repaired) = text.decode();
        self.notes.repaired_texts += u64::from(repaired);
        text
    }

    /// The members of the whole document.
    fn top(&mut self, top: NodeId, wrapped: bool) -> Option<()> {
        loop {
            let key = self.string()?;
            self.colon()?;
            if self.root.is_internal(&key, wrapped) {
                self.pass(0)?;
            } else {
                let node = self.child(top, &key)?;
                if wrapped && self.token() == b'{' {
                    self.wrapper(node)?;
                } else {
                    self.value(node, 0)?;
                }
            }
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    /// The `{"value": …, "desc": …}` around a config value.
    fn wrapper(&mut self, node: NodeId) -> Option<()> {
        if !self.paths.explodes(node) {
            return None;
        }
        self.at += 1;
        self.token();
        let mut found = false;
        // As servers write it, keys sorted.
        let usual = if QUOTED { r#"\"desc\":null,\"value\":"# } else { r#""desc":null,"value":"# };
        if self.text.as_bytes().get(self.at..)?.starts_with(usual.as_bytes()) {
            self.at += usual.len();
            found = true;
            self.value(node, 0)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
        loop {
            let repaired = self.notes.repaired_texts;
            let key = self.string()?;
            self.notes.repaired_texts = repaired;
            self.colon()?;
            if key != "value" {
                self.pass(0)?;
            } else if found {
                return None;
            } else {
                found = true;
                self.value(node, 0)?;
            }
            if !self.goes_on(b'}')? {
                // Without a value, the object itself is it.
                return found.then_some(());
            }
        }
    }

    #[inline]
    fn child(&mut self, parent: NodeId, key: &str) -> Option<NodeId> {
        let (node, seen) = self.paths.child(parent, key);
        (!seen).then_some(node)
    }

    fn value(&mut self, node: NodeId, depth: usize) -> Option<()> {
        let start = self.at;
        match self.token() {
            b'-' | b'0'..=b'9' => self.number(node)?,
            b'{' => return self.object(node, depth),
            b'[' => {
                self.pass(depth)?;
                let leaf = self.list(start)?;
                self.leaves.push(node, leaf);
            }
            b't' | b'f' | b'n' | b'N' | b'I' => {
                let leaf = self.word()?;
                self.leaves.push(node, leaf);
            }
            _ => self.text(node)?,
        }
        Some(())
    }

    #[inline]
    fn number(&mut self, node: NodeId) -> Option<()> {
        let start = self.at;
        let Some((plain, end)) = number_at(self.text.as_bytes(), start) else {
            let leaf = self.word()?;
            self.leaves.push(node, leaf);
            return Some(());
        };
        self.at = end;
        match plain {
            Some(Plain::Int(value)) => self.leaves.push_int(node, value),
            Some(Plain::Float(value)) => self.leaves.push_float(node, value),
            Some(Plain::Decimal) | None => self.leaves.push(node, number(self.text.get(start..end)?)),
        }
        Some(())
    }

    #[inline]
    fn text(&mut self, node: NodeId) -> Option<()> {
        let start = self.at + if QUOTED { 2 } else { 1 };
        match self.string()? {
            Cow::Borrowed(text) if NonFinite::from_spelling(text).is_none() => self.leaves.push_text(node, start, text),
            text => self.leaves.push(node, spelled(text, self.root)),
        }
        Some(())
    }

    /// A value that is a word. What follows it is looked at by whoever asks for a comma or an end.
    fn word(&mut self) -> Option<Leaf<'a>> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (length, leaf) = match rest.first()? {
            b'n' if rest.starts_with(b"null") => (4, Leaf::Null),
            b't' if rest.starts_with(b"true") => (4, Leaf::Bool(true)),
            b'f' if rest.starts_with(b"false") => (5, Leaf::Bool(false)),
            b'N' if rest.starts_with(b"NaN") => (3, Leaf::Float(f64::NAN)),
            b'I' if rest.starts_with(b"Infinity") => (8, Leaf::Float(f64::INFINITY)),
            b'-' if rest.starts_with(b"-Infinity") => (9, Leaf::Float(f64::NEG_INFINITY)),
            _ => return None,
        };
        self.at += length;
        // Compact JSON writes these as texts.
        self.loose |= matches!(leaf, Leaf::Float(_));
        Some(leaf)
    }

    /// Explodes the object that is next.
    fn object(&mut self, parent: NodeId, depth: usize) -> Option<()> {
        if depth >= DEEP || !self.paths.explodes(parent) {
            return None;
        }
        let (start, mark) = (self.at, self.leaves.mark());
        self.at += 1;
        if self.token() == b'}' {
            self.at += 1;
            self.leaves.push(parent, Leaf::Json(Cow::Borrowed("{}")));
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.colon()?;
            if key == "_type" {
                return self.typed(parent, start, mark, depth);
            }
            let node = self.child(parent, &key)?;
            self.value(node, depth + 1)?;
            if !self.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    /// The object has a `_type`: all of it is one value.
    fn typed(&mut self, node: NodeId, start: usize, mark: Mark, depth: usize) -> Option<()> {
        self.pass(depth + 1)?;
        while self.goes_on(b'}')? {
            self.pass_member(depth + 1)?;
        }
        self.leaves.back_to(mark);
        let leaf = self.json(start)?;
        self.leaves.push(node, leaf);
        Some(())
    }

    fn pass_member(&mut self, depth: usize) -> Option<()> {
        let repaired = self.notes.repaired_texts;
        self.string()?;
        self.notes.repaired_texts = repaired;
        self.colon()?;
        self.pass(depth)
    }

    /// Passes over a value.
    fn pass(&mut self, depth: usize) -> Option<()> {
        match self.token() {
            b'-' | b'0'..=b'9' => match past_number(self.text.as_bytes(), self.at) {
                Some(end) => self.at = end,
                None => drop(self.word()?),
            },
            b'[' if depth < DEEP => {
                self.at += 1;
                let first = self.token();
                if first == b']' {
                    self.at += 1;
                    return Some(());
                }
                if matches!(first, b'-' | b'0'..=b'9')
                    && let Some(end) = past_numbers(self.text.as_bytes(), self.at)
                {
                    self.at = end;
                    return Some(());
                }
                loop {
                    self.pass(depth + 1)?;
                    if !self.goes_on(b']')? {
                        break;
                    }
                }
            }
            b'{' if depth < DEEP => {
                self.at += 1;
                if self.token() == b'}' {
                    self.at += 1;
                    return Some(());
                }
                loop {
                    self.pass_member(depth + 1)?;
                    if !self.goes_on(b'}')? {
                        break;
                    }
                }
            }
            b't' | b'f' | b'n' | b'N' | b'I' => drop(self.word()?),
            _ => {
                let repaired = self.notes.repaired_texts;
                self.string()?;
                self.notes.repaired_texts = repaired;
            }
        }
        Some(())
    }

    /// The text from `start` to here, out of the string around it.
    fn piece(&self, start: usize) -> Option<Cow<'a, str>> {
        let piece = self.text.get(start..self.at)?;
        if !QUOTED {
            return Some(Cow::Borrowed(piece));
        }
        let mut text = String::with_capacity(piece.len());
        push_unquoted(piece, &mut text);
        Some(Cow::Owned(text))
    }

    /// What was passed from `start` on, as JSON text.
    fn json(&self, start: usize) -> Option<Leaf<'a>> {
        let text = self.piece(start)?;
        if !self.loose && !text.bytes().fold(false, |control, byte| control | (byte < b' ')) {
            return Some(Leaf::Json(text));
        }
        let mut out = String::with_capacity(text.len());
        compact(&text, &mut out).ok()?;
        Some(Leaf::Json(Cow::Owned(out)))
    }

    /// The list that was passed from `start` on.
    fn list(&mut self, start: usize) -> Option<Leaf<'a>> {
        let text = self.piece(start)?;
        let mut reader = Reader::new(&text);
        reader.next().ok()?;
        match list::read(&mut reader, self.root).ok()? {
            (Some(list), repaired) => {
                self.notes.repaired_texts += repaired;
                Some(Leaf::List(list))
            }
            (None, _) => self.json(start),
        }
    }
}

/// A string, or the number that it spells.
#[inline]
pub(super) fn spelled(text: Cow<'_, str>, root: Root) -> Leaf<'_> {
    match (NonFinite::from_spelling(&text), root) {
        (None, _) => Leaf::Str(text),
        (Some(value), Root::Summary) => Leaf::Float(value.value()),
        (Some(value), Root::Config) => Leaf::Spelled(value, text),
    }
}
