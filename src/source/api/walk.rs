//! Walking a JSON answer by its members, with W&B's lenient reader.

use crate::json::{Event, JsonError, Reader};
use crate::record::{Document, Timestamp};
#[cfg(feature = "frame")]
use std::ops::Range;
use std::sync::Arc;

/// A reader that hands out members and items. Each value that is handed out must be read or skipped.
pub(super) struct Walk<'a> {
    reader: Reader<'a>,
    /// The whole text, where documents are left in it.
    whole: Option<&'a Arc<String>>,
    /// Texts in which a lone surrogate was replaced.
    pub repaired: u64,
    /// Times that do not parse.
    pub bad_times: u64,
}

impl<'a> Walk<'a> {
    /// A walk through `text`, and its first event.
    pub(super) fn new(text: &'a str) -> Result<(Self, Event<'a>), JsonError> {
        let mut walk = Walk { reader: Reader::new(text), whole: None, repaired: 0, bad_times: 0 };
        let first = walk.reader.next()?;
        Ok((walk, first))
    }

    /// The same, through a text that its documents share.
    pub(super) fn with_documents(text: &'a Arc<String>) -> Result<(Self, Event<'a>), JsonError> {
        let (walk, first) = Walk::new(text)?;
        Ok((Walk { whole: Some(text), ..walk }, first))
    }

    /// Hands out key and first event of each member; false, and the value skipped, if it is no object.
    pub(super) fn members(
        &mut self,
        first: Event<'a>,
        each: &mut dyn FnMut(&mut Self, &str, Event<'a>) -> Result<(), JsonError>,
    ) -> Result<bool, JsonError> {
        if first != Event::BeginObject {
            self.reader.skip(first)?;
            return Ok(false);
        }
        while let Event::Key(key) = self.reader.next()? {
            let (key, _) = key.decode();
            let value = self.reader.next()?;
            each(self, &key, value)?;
        }
        Ok(true)
    }

    /// Hands out the first event of each item; false, and the value skipped, if it is no array.
    pub(super) fn items(
        &mut self,
        first: Event<'a>,
        each: &mut dyn FnMut(&mut Self, Event<'a>) -> Result<(), JsonError>,
    ) -> Result<bool, JsonError> {
        if first != Event::BeginArray {
            self.reader.skip(first)?;
            return Ok(false);
        }
        loop {
            match self.reader.next()? {
                Event::EndArray => return Ok(true),
                item => each(self, item)?,
            }
        }
    }

    /// Hands out the place of each item in the text; false, and the value skipped, if it is no array.
    #[cfg(feature = "frame")]
    pub(super) fn item_places(
        &mut self,
        first: Event<'a>,
        text: &str,
        each: &mut dyn FnMut(Range<usize>),
    ) -> Result<bool, JsonError> {
        if first != Event::BeginArray {
            self.reader.skip(first)?;
            return Ok(false);
        }
        loop {
            let before = self.reader.offset();
            let item = self.reader.next()?;
            if item == Event::EndArray {
                return Ok(true);
            }
            self.reader.skip(item)?;
            // The comma and the space before an item were read with it.
            let end = self.reader.offset();
            let item = text.get(before..end).unwrap_or_default().trim_start();
            let item = item.strip_prefix(',').unwrap_or(item).trim_start();
            each(end - item.len()..end);
        }
    }

    /// Lets `read` have the array that `first` begins: it gets the text and the place behind the bracket, and gives what it made of
    /// it and the place behind the array. `None` if it makes nothing of it, or it is no array.
    #[cfg(feature = "frame")]
    pub(super) fn array_by<T>(
        &mut self,
        first: Event<'a>,
        read: impl FnOnce(&'a str, usize) -> Option<(T, usize)>,
    ) -> Option<T> {
        if first == Event::BeginArray { self.reader.array_by(read) } else { None }
    }

    /// A string; `None` for anything else. Numbers are taken as they are written: some servers give ids as numbers.
    pub(super) fn text(&mut self, first: Event<'a>) -> Result<Option<String>, JsonError> {
        match first {
            Event::Str(text) => {
                let (text, repaired) = text.decode();
                self.repaired += u64::from(repaired);
                Ok(Some(text.into_owned()))
            }
            Event::Number(digits) => Ok(Some(digits.to_owned())),
            other => self.reader.skip(other).map(|()| None),
        }
    }

    /// A JSON text in a string; null and the empty string mean no keys.
    pub(super) fn document(&mut self, first: Event<'a>, wrapped: bool) -> Result<Option<Document>, JsonError> {
        if let (Event::Str(text), Some(whole)) = (first, self.whole)
            && text.simple
        {
            // The closing quote was read with it.
            let end = self.reader.offset() - 1;
            let inside = end - text.raw.len()..end;
            let empty = text.raw.trim().is_empty();
            return Ok((!empty).then(|| Document::quoted(whole, inside, wrapped)));
        }
        let text = self.text(first)?.filter(|text| !text.trim().is_empty());
        Ok(text.map(if wrapped { Document::wrapped } else { Document::plain }))
    }

    /// A whole number, also one written as a string or with a fraction of zeros.
    pub(super) fn integer(&mut self, first: Event<'a>) -> Result<Option<i64>, JsonError> {
        let text = self.text(first)?;
        Ok(text.and_then(|text| {
            let float = || text.parse::<f64>().ok().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64);
            text.parse().ok().or_else(float)
        }))
    }

    /// A number.
    pub(super) fn number(&mut self, first: Event<'a>) -> Result<Option<f64>, JsonError> {
        Ok(self.text(first)?.and_then(|text| text.parse::<f64>().ok()).filter(|f| f.is_finite()))
    }

    /// A time; what does not parse is counted.
    pub(super) fn time(&mut self, first: Event<'a>) -> Result<Option<Timestamp>, JsonError> {
        let Some(text) = self.text(first)? else { return Ok(None) };
        let time = Timestamp::parse(&text);
        self.bad_times += u64::from(time.is_none());
        Ok(time)
    }

    /// `true`; false for anything else.
    pub(super) fn flag(&mut self, first: Event<'a>) -> Result<bool, JsonError> {
        self.reader.skip(first)?;
        Ok(first == Event::Bool(true))
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, first: Event<'a>) -> Result<(), JsonError> {
        self.reader.skip(first)
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        while self.reader.next()? != Event::End {}
        Ok(())
    }
}
