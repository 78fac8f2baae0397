//! One JSON value of a row.

use crate::flatten::{Leaf, number};
use crate::json::{Event, JsonError, NonFinite, Reader};

/// The number that a JSON text is, without white space.
pub(super) fn float(json: &[u8]) -> Option<f64> {
    std::str::from_utf8(json.trim_ascii()).ok()?.parse().ok()
}

/// A JSON text that is no object and no list, as in a summary; `None` if it is one.
#[inline]
pub(super) fn scalar<'a>(text: &'a str, repaired: &mut u64) -> Result<Option<Leaf<'a>>, JsonError> {
    let mut reader = Reader::new(text);
    let leaf = match reader.next()? {
        Event::Number(digits) => number(digits),
        Event::Null => Leaf::Null,
        Event::Bool(value) => Leaf::Bool(value),
        Event::NonFinite(value) => Leaf::Float(value.value()),
        Event::Str(text) => {
            let (text, changed) = text.decode();
            *repaired += u64::from(changed);
            match NonFinite::from_spelling(&text) {
                Some(value) => Leaf::Float(value.value()),
                None => Leaf::Str(text),
            }
        }
        _ => return Ok(None),
    };
    match reader.next()? {
        Event::End => Ok(Some(leaf)),
        _ => Err(JsonError { offset: reader.offset(), reason: "more text after the value" }),
    }
}
