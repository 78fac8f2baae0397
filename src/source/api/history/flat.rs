//! Rows of JSON that hold nothing nested, which is most of them: read once, while what they came in is checked.

use super::open::integer;
use crate::columns::Pairs;
use crate::flatten::{self, Leaf};
use crate::json::{self, Event, NonFinite, Plain, Reader};
use crate::record::Timestamp;

/// Different keys of one list; rows with more are read with care.
pub(super) const KEYS: usize = 1_024;
/// Rows that a list gets room for at most before they are there.
const ROOM: usize = 1 << 14;

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Step,
    Time,
    Runtime,
    /// A metric, by its number.
    Metric(u32),
    /// Nothing that is wanted.
    Nothing,
}

/// A part of the text that the rows stand in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Place { start: start.try_into().ok()?, end: end.try_into().ok()? })
    }

    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A value; texts stay where they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Big(Place),
    Str(Place),
}

impl Value {
    /// The value of a row that was read from `text`.
    pub(super) fn leaf(self, text: &str) -> Leaf<'_> {
        match self {
            Value::Null => Leaf::Null,
            Value::Bool(value) => Leaf::Bool(value),
            Value::Int(value) => Leaf::Int(value),
            Value::Float(value) => Leaf::Float(value),
            Value::Big(place) => Leaf::Big(place.of(text)),
            Value::Str(place) => Leaf::Str(place.of(text).into()),
        }
    }
}

/// The values of a metric by their rows: numbers as columns have them, and what is left.
#[derive(Debug, Clone, Default)]
pub(super) struct Metric {
    pub key: Box<str>,
    pub floats: Pairs<f64>,
    pub ints: Pairs<i64>,
    pub others: Vec<(u32, Value)>,
}

impl Metric {
    #[inline]
    fn push(&mut self, row: u32, value: Value) {
        match value {
            Value::Float(value) => self.floats.push(row, value),
            Value::Int(value) => self.ints.push(row, value),
            other => self.others.push((row, other)),
        }
    }

    /// Its value in a row.
    pub(super) fn get(&self, row: usize) -> Option<Value> {
        let other = || self.others.binary_search_by_key(&row, |(row, _)| *row as usize).ok();
        let float = self.floats.get(row).map(|value| Value::Float(*value));
        let number = float.or_else(|| self.ints.get(row).map(|value| Value::Int(*value)));
        number.or_else(|| Some(self.others.get(other()?)?.1))
    }

    /// True if each of so many rows has a number, which is a value.
    pub(super) fn is_in_all(&self, rows: usize) -> bool {
        self.floats.len() == rows || self.ints.len() == rows
    }

    /// The rows that have a value; nulls are none.
    pub(super) fn rows_with_values(&self) -> impl Iterator<Item = u32> {
        let others = self.others.iter().filter(|(_, value)| *value != Value::Null).map(|(row, _)| *row);
        self.floats.rows().chain(self.ints.rows()).chain(others)
    }

    /// The rows that have it, be it null.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.floats.rows().chain(self.ints.rows()).chain(self.others.iter().map(|(row, _)| *row))
    }
}

/// A key as rows have it, with its quotes and colon: told by its first and last eight bytes, and what is between them.
#[derive(Debug, Clone)]
struct Key {
    name: Box<str>,
    what: What,
    quoted: Box<[u8]>,
    head: u64,
    /// The bytes of the head that count.
    mask: u64,
    tail: u64,
}

impl Key {
    fn new(name: &str, what: What) -> Self {
        let quoted = format!("\"{name}\":").into_bytes().into_boxed_slice();
        let mut head = [0; 8];
        head.iter_mut().zip(&quoted).for_each(|(to, from)| *to = *from);
        let mask = if quoted.len() < 8 { (1 << (8 * quoted.len())) - 1 } else { u64::MAX };
        let tail = quoted.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
        Key { name: name.into(), what, head: u64::from_le_bytes(head), mask, tail, quoted }
    }

    /// Where the value begins, if the key stands at `at`. May say no though it does.
    #[inline]
    fn past(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let length = self.quoted.len();
        if (json::word(bytes, at)? ^ self.head) & self.mask != 0 {
            return None;
        }
        let is = match length {
            ..=8 => true,
            9..=16 => json::word(bytes, at + length - 8) == Some(self.tail),
            _ => bytes.get(at..at + length) == Some(&*self.quoted),
        };
        is.then_some(at + length)
    }
}

/// Rows, column by column.
#[derive(Debug, Clone, Default)]
pub(super) struct FlatRows {
    /// Keys in the order in which rows have them.
    keys: Vec<Key>,
    pub metrics: Vec<Metric>,
    pub steps: Vec<Option<i64>>,
    /// In microseconds.
    pub times: Vec<Option<i64>>,
    pub runtimes: Vec<Option<f64>>,
    places: Vec<Place>,
}

/// Which key is expected next, and whether the row has its keys in another order, so that one may come twice.
#[derive(Default)]
struct Turn {
    next: usize,
    mixed: bool,
}

impl FlatRows {
    /// No rows yet, but room for so many.
    fn with_room(rows: usize) -> Self {
        let rows = rows.min(ROOM);
        FlatRows {
            steps: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            runtimes: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            ..FlatRows::default()
        }
    }

    /// The rows of a list that begins before `at`, and where it ends; `None` if one of them is not flat, has `most` metrics, or
    /// anything is odd with it. `room` is how many rows are expected.
    pub(super) fn list(text: &str, at: usize, most: u64, room: usize) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let mut list = FlatRows::with_room(room);
        let mut at = past_space(bytes, at);
        if *bytes.get(at)? == b']' {
            return Some((list, at + 1));
        }
        loop {
            at = past_space(bytes, list.read(text, at, most, &mut |_| true)?);
            match bytes.get(at)? {
                b',' => at = past_space(bytes, at + 1),
                b']' => return Some((list, at + 1)),
                _ => return None,
            }
        }
    }

    /// Adds the row that is this text; false if it is not flat, has `most` metrics that are wanted, or anything is odd with it.
    pub(super) fn push(&mut self, text: &str, most: u64, wanted: &mut dyn FnMut(&str) -> bool) -> bool {
        self.read(text, 0, most, wanted) == Some(text.len())
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Where the rows stand in their text.
    pub(super) fn places(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.places.iter().map(|place| place.start as usize..place.end as usize)
    }

    /// Reads the row that begins at `at`; where it ends.
    fn read(&mut self, text: &str, at: usize, most: u64, wanted: &mut dyn FnMut(&str) -> bool) -> Option<usize> {
        let bytes = text.as_bytes();
        let row = u32::try_from(self.len()).ok()?;
        let mut count = 0;
        let (mut step, mut time, mut runtime) = (None, None, None);
        let mut turn = Turn::default();
        let start = at;
        if *bytes.get(at)? != b'{' {
            return None;
        }
        let mut at = at + 1;
        let end = loop {
            // Most rows have their keys in the order of the row before.
            let next = self.keys.get(turn.next).and_then(|key| Some((key.what, key.past(bytes, at)?)));
            let (what, start) = match next {
                Some(next) => {
                    turn.next += 1;
                    next
                }
                None => self.key(text, at, &mut turn, wanted)?,
            };
            let (value, end) = value(text, start)?;
            let number = || text.get(start..end).and_then(|text| text.parse::<f64>().ok());
            match (what, value) {
                (What::Nothing, _) => {}
                (What::Metric(metric), Some(value)) => {
                    let metric = self.metrics.get_mut(metric as usize)?;
                    // A key that comes twice is counted where rows are read with care.
                    if turn.mixed && metric.get(row as usize).is_some() {
                        return None;
                    }
                    metric.push(row, value);
                    count += 1;
                }
                (What::Metric(_), None) => return None,
                (What::Step, Some(Value::Int(value))) => step = Some(value),
                (What::Step, _) => step = integer(text.get(start..end)?),
                (What::Time, Some(Value::Float(value))) => time = Timestamp::from_float(value),
                (What::Time, _) => time = number().and_then(Timestamp::from_float),
                (What::Runtime, Some(Value::Float(value))) => runtime = Some(value).filter(|value| value.is_finite()),
                (What::Runtime, _) => runtime = number().filter(|value| value.is_finite()),
            }
            match bytes.get(end)? {
                b',' => at = end + 1,
                b'}' => break end + 1,
                _ => return None,
            }
        };
        // More metrics than there may be in a row are told of elsewhere.
        if count >= most {
            return None;
        }
        self.places.push(Place::new(start, end)?);
        self.steps.push(step);
        self.times.push(time.map(Timestamp::micros));
        self.runtimes.push(runtime);
        Some(end)
    }

    /// What the value of the key at `at` is, and where it begins.
    fn key(
        &mut self,
        text: &str,
        at: usize,
        turn: &mut Turn,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Option<(What, usize)> {
        let (name, behind) = plain_text(text, at)?;
        if *text.as_bytes().get(behind)? != b':' {
            return None;
        }
        let what = match self.keys.iter().position(|key| *key.name == *name) {
            Some(at) => {
                turn.mixed |= at < turn.next;
                turn.next = at + 1;
                self.keys.get(at)?.what
            }
            None => self.meaning(name, turn, wanted)?,
        };
        Some((what, behind + 1))
    }

    /// What a key that was not seen before stands for.
    #[cold]
    fn meaning(&mut self, key: &str, turn: &mut Turn, wanted: &mut dyn FnMut(&str) -> bool) -> Option<What> {
        let what = match key {
            "_step" => What::Step,
            "_timestamp" => What::Time,
            "_runtime" => What::Runtime,
            key if wanted(key) => {
                // Most metrics are floats.
                let floats = Pairs::with_room(self.steps.capacity());
                self.metrics.push(Metric { key: key.into(), floats, ..Metric::default() });
                What::Metric(self.metrics.len() as u32 - 1)
            }
            _ => What::Nothing,
        };
        if self.keys.len() >= KEYS {
            return None;
        }
        self.keys.push(Key::new(key, what));
        turn.next = self.keys.len();
        Some(what)
    }
}

#[inline]
fn past_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// The text without escapes that begins with the quote at `at`, and where it ends.
#[inline]
fn plain_text(text: &str, at: usize) -> Option<(&str, usize)> {
    if *text.as_bytes().get(at)? != b'"' {
        return None;
    }
    let end = json::find::<true>(text.as_bytes(), at + 1)?;
    let plain = text.as_bytes().get(end) == Some(&b'"');
    text.get(at + 1..end).filter(|_| plain).map(|inside| (inside, end + 1))
}

/// The value that begins at `at`, or none if it is an object, a list, or a text with escapes; and where it ends. `None` if there is
/// no value.
#[inline]
fn value(text: &str, at: usize) -> Option<(Option<Value>, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(at)?.is_ascii_whitespace() {
        return None;
    }
    if let Some((plain, end)) = json::number_at(bytes, at) {
        let value = match plain {
            Some(Plain::Int(value)) => Value::Int(value),
            Some(Plain::Float(value)) => Value::Float(value),
            _ => match flatten::number(text.get(at..end)?) {
                Leaf::Int(value) => Value::Int(value),
                Leaf::Float(value) => Value::Float(value),
                _ => Value::Big(Place::new(at, end)?),
            },
        };
        return Some((Some(value), end));
    }
    if let Some((inside, end)) = plain_text(text, at) {
        let value = match NonFinite::from_spelling(inside) {
            Some(value) => Value::Float(value.value()),
            None => Value::Str(Place::new(at + 1, end - 1)?),
        };
        return Some((Some(value), end));
    }
    let mut reader = Reader::from_offset(text, at);
    let value = match reader.next().ok()? {
        Event::Null => Some(Value::Null),
        Event::Bool(value) => Some(Value::Bool(value)),
        Event::NonFinite(value) => Some(Value::Float(value.value())),
        other => {
            reader.skip(other).ok()?;
            None
        }
    };
    Some((value, reader.offset()))
}
