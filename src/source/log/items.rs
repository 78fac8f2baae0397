//! The items of config, summary and history records: paths and JSON texts, borrowed from the record's bytes.

use super::wire::{Fields, Malformed, Value};
#[cfg(feature = "frame")]
use crate::json::{Plain, number_at};
use crate::record::Timestamp;
use std::borrow::Cow;
use std::ops::Deref;

/// An item of config, summary or history: a path and a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    raw: &'a [u8],
    /// The only part of the path, or its first.
    first: &'a [u8],
    /// Parts in `nested_key`; 0 if `key` is used.
    parts: u32,
    /// `value_json`.
    json: &'a [u8],
}

/// An item of a history row.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "frame"), expect(dead_code, reason = "only histories read their rows in words"))]
pub(crate) struct RowItem<'a> {
    item: Item<'a>,
    /// Bytes of the row from the path on, and from `value_json` on, beyond their ends: they can be read eight at a time.
    from_first: &'a [u8],
    from_json: &'a [u8],
}

impl<'a> Deref for RowItem<'a> {
    type Target = Item<'a>;

    #[inline]
    fn deref(&self) -> &Item<'a> {
        &self.item
    }
}

impl<'a> From<Item<'a>> for RowItem<'a> {
    #[inline]
    fn from(item: Item<'a>) -> Self {
        RowItem { item, from_first: item.first, from_json: item.json }
    }
}

impl<'a> RowItem<'a> {
    /// The item in field 1 that a row begins with, and what is behind it, if it has the shape that nearly all have.
    #[inline]
    fn leading(row: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let [0x0A, size @ 0..0x80, tag @ (0x0A | 0x12), length @ 0..0x80, from_first @ ..] = row else {
            return None;
        };
        let (first, rest) = from_first.split_at_checked(usize::from(*length))?;
        let [0x82, 0x01, json_length @ 0..0x80, from_json @ ..] = rest else { return None };
        let (json, behind) = from_json.split_at_checked(usize::from(*json_length))?;
        let raw = row.get(2..2 + usize::from(*size))?;
        let item = Item { raw, first, parts: u32::from(*tag == 0x12), json };
        let whole = first.len() + json.len() + 5 == raw.len();
        whole.then_some((RowItem { item, from_first, from_json }, behind))
    }

    /// The first eight bytes of [`Item::top`], the first one lowest, and zeros behind a shorter one.
    #[cfg(feature = "frame")]
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        let word = self.from_first.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let beyond = 64usize.saturating_sub(8 * self.first.len());
        match word {
            Some(_) if beyond == 64 => 0,
            Some(word) => word << beyond >> beyond,
            None => self.first.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        }
    }

    /// The number that `value_json` is; `None` if it is none, or a rare one.
    #[cfg(feature = "frame")]
    #[inline]
    pub(crate) fn number(&self) -> Option<Plain> {
        match number_at(self.from_json, 0) {
            Some((number, end)) if end == self.json.len() => number,
            _ => None,
        }
    }
}

impl<'a> Item<'a> {
    #[inline]
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, Malformed> {
        match Item::parse_plain(raw) {
            Some(item) => Ok(item),
            None => Item::parse_any(raw),
        }
    }

    /// The shape that nearly all items have: a path of one part, then `value_json`, both under 128 bytes.
    #[inline]
    fn parse_plain(raw: &'a [u8]) -> Option<Self> {
        let [tag @ (0x0A | 0x12), length @ 0..0x80, rest @ ..] = raw else { return None };
        let (first, rest) = rest.split_at_checked(usize::from(*length))?;
        let [0x82, 0x01, length @ 0..0x80, json @ ..] = rest else { return None };
        let whole = json.len() == usize::from(*length);
        whole.then_some(Item { raw, first, parts: u32::from(*tag == 0x12), json })
    }

    fn parse_any(raw: &'a [u8]) -> Result<Self, Malformed> {
        let mut item = Item { raw, first: &[], parts: 0, json: &[] };
        for field in Fields::new(raw) {
            match field? {
                (2, Value::Bytes(part)) => {
                    if item.parts == 0 {
                        item.first = part;
                    }
                    item.parts += 1;
                }
                (1, Value::Bytes(key)) if item.parts == 0 => item.first = key,
                (16, Value::Bytes(json)) => item.json = json,
                _ => {}
            }
        }
        Ok(item)
    }

    /// The only part of the path; `None` if there are more.
    #[inline]
    pub(crate) fn single(&self) -> Option<&'a [u8]> {
        (self.parts <= 1).then_some(self.first)
    }

    /// The first part of the path.
    #[cfg(feature = "frame")]
    #[inline]
    pub(crate) fn top(&self) -> &'a [u8] {
        self.first
    }

    /// The parts of the path: `nested_key`, or else `key`.
    pub(super) fn path(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let nested = Fields::new(if self.parts > 0 { self.raw } else { &[] });
        let nested = nested.filter_map(|field| match field {
            Ok((2, Value::Bytes(part))) => Some(part),
            _ => None,
        });
        (self.parts == 0).then_some(self.first).into_iter().chain(nested)
    }

    /// True if it uses `key`, as legacy writers do.
    pub(super) fn is_legacy(&self) -> bool {
        self.parts == 0
    }

    /// `value_json`, as it stands; empty if the value is typed.
    #[inline]
    pub(crate) fn json(&self) -> &'a [u8] {
        self.json
    }

    /// The value as JSON text: `value_json`, or else the typed twin that 0.31 may write in history.
    pub(crate) fn value(&self) -> Result<Cow<'a, [u8]>, Malformed> {
        if !self.json.is_empty() {
            return Ok(Cow::Borrowed(self.json));
        }
        let mut text = String::new();
        for field in Fields::new(self.raw) {
            match field? {
                (3, _) => text = "null".to_owned(),
                (4, value) => text = (value.int() != 0).to_string(),
                (5, Value::Varint(zigzag)) => {
                    text = ((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed())).to_string()
                }
                (6, Value::Fixed64(bits)) => text = number(f64::from_bits(bits)),
                (7, Value::Bytes(bytes)) => {
                    text.clear();
                    crate::json::quote(&String::from_utf8_lossy(bytes), &mut text);
                }
                (8, Value::Bytes(bytes)) => return Ok(Cow::Borrowed(bytes)),
                _ => {}
            }
        }
        Ok(Cow::Owned(text.into_bytes()))
    }
}

/// A number as W&B writes it: bare `NaN`, `Infinity`, `-Infinity` included.
pub(super) fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".to_owned(),
        v if v.is_infinite() => if v > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        v => format!("{v:?}"),
    }
}

/// One change in a ConfigRecord or SummaryRecord; history rows are updates only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Update(Item<'a>),
    Remove(Item<'a>),
}

/// Hands out the changes of a config, summary or history record. True if there was any.
#[inline]
pub(super) fn changes<'a>(bytes: &'a [u8], mut each: impl FnMut(Change<'a>)) -> Result<bool, Malformed> {
    let mut any = false;
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(item)) => each(Change::Update(Item::parse(item)?)),
            (2, Value::Bytes(item)) => each(Change::Remove(Item::parse(item)?)),
            _ => continue,
        }
        any = true;
    }
    Ok(any)
}

/// Hands out the items of a history row, and its `step` where the row has one of its own.
pub(super) fn row<'a>(bytes: &'a [u8], mut each: impl FnMut(RowItem<'a>)) -> Result<Option<i64>, Malformed> {
    let (mut step, mut fields) = (None, Fields::new(bytes));
    loop {
        if let Some((item, behind)) = RowItem::leading(fields.rest()) {
            fields = Fields::new(behind);
            each(item);
            continue;
        }
        let Some(field) = fields.next() else { return Ok(step) };
        match field? {
            (1, Value::Bytes(item)) => each(Item::parse(item)?.into()),
            (2, Value::Bytes(bytes)) => {
                step = Some(0);
                for field in Fields::new(bytes) {
                    if let (1, value) = field? {
                        step = Some(value.int());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The step of a history row: its item `_step`, or else `step`.
#[cfg(feature = "frame")]
pub(super) fn row_step(bytes: &[u8]) -> Result<Option<i64>, Malformed> {
    let mut found = None;
    let beside = row(bytes, |item| {
        if item.single() == Some(b"_step") {
            found = Some(item);
        }
    })?;
    let Some(item) = found else { return Ok(beside) };
    Ok(step_of(&item.value()?).or(beside))
}

/// The integer that the text of a `_step` is; also `12.0` and `1e3`.
#[cfg(feature = "frame")]
pub(crate) fn step_of(json: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(json).ok()?.trim();
    text.parse().ok().or_else(|| text.parse::<f64>().ok().and_then(whole))
}

/// The integer that a float is.
#[cfg(feature = "frame")]
pub(crate) fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

/// The `_timestamp` of a history row.
pub(super) fn row_time(bytes: &[u8]) -> Result<Option<Timestamp>, Malformed> {
    let mut found = None;
    for field in Fields::new(bytes) {
        if let (1, Value::Bytes(item)) = field? {
            // A cheap look first: the key is 10 bytes long and stands at the front.
            let maybe = match item {
                [0x0a | 0x12, 10, rest @ ..] => rest.starts_with(b"_timestamp"),
                [0x0a | 0x12, ..] => false,
                _ => true,
            };
            if maybe || item.starts_with(&[0x0a, 0]) {
                let item = Item::parse(item)?;
                if item.single() == Some(b"_timestamp") {
                    found = Some(item);
                }
            }
        }
    }
    let Some(item) = found else { return Ok(None) };
    let value = item.value()?;
    let seconds = std::str::from_utf8(&value).ok().and_then(|text| text.trim().parse::<f64>().ok());
    Ok(seconds.and_then(Timestamp::from_float))
}
