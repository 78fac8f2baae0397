//! Lists of one kind of scalars, read from JSON.

use super::{Leaf, Root, number};
use crate::json::{Event, JsonError, NonFinite, Reader, quote};

/// A list whose elements are of one kind; elements may be null.
#[derive(Debug, Clone, PartialEq)]
pub enum List {
    /// This many nulls and nothing else; 0 is the empty list. It fits a list column of any type.
    Nulls(usize),
    /// Integers.
    Ints(Vec<Option<i64>>),
    /// Numbers of which at least one is no integer.
    Floats(Vec<Option<f64>>),
    /// Strings.
    Strs(Vec<Option<String>>),
    /// Booleans.
    Bools(Vec<Option<bool>>),
}

/// The largest integer up to which a float holds every one.
pub(crate) const EXACT: i64 = 1 << 53;

impl List {
    /// How many elements it has.
    pub fn len(&self) -> usize {
        match self {
            List::Nulls(count) => *count,
            List::Ints(list) => list.len(),
            List::Floats(list) => list.len(),
            List::Strs(list) => list.len(),
            List::Bools(list) => list.len(),
        }
    }

    /// True if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list as JSON text.
    pub fn to_json(&self) -> String {
        fn join<T>(list: &[Option<T>], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                match value {
                    Some(value) => each(value, out),
                    None => out.push_str("null"),
                }
            }
        }
        let mut out = String::from("[");
        match self {
            List::Nulls(count) => join(&vec![None::<()>; *count], &mut out, |(), _| {}),
            List::Ints(list) => join(list, &mut out, |v, out| out.push_str(&v.to_string())),
            List::Floats(list) => join(list, &mut out, |v, out| out.push_str(&float_text(*v))),
            List::Strs(list) => join(list, &mut out, |v, out| quote(v, out)),
            List::Bools(list) => join(list, &mut out, |v, out| out.push_str(if *v { "true" } else { "false" })),
        }
        out.push(']');
        out
    }

    /// For a list of strings that all spell non-finite numbers (`["NaN", null]`): those numbers.
    pub fn spelled_numbers(&self) -> Option<Vec<Option<f64>>> {
        let List::Strs(list) = self else { return None };
        list.iter()
            .map(|element| match element {
                None => Some(None),
                Some(text) => NonFinite::from_spelling(text).map(|value| Some(value.value())),
            })
            .collect()
    }
}

/// A float as JSON text; non-finite ones in W&B's spelling.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        "\"NaN\"".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Reads the array whose `[` was just read, to its end. `None` if it is no list of one kind of scalars.
/// The number counts strings with lone surrogates.
pub(super) fn read(reader: &mut Reader<'_>, root: Root) -> Result<(Option<List>, u64), JsonError> {
    let mut builder = Builder::default();
    let mut repaired = 0;
    loop {
        let event = reader.next()?;
        match event {
            Event::EndArray => break,
            Event::Null => builder.push(Element::Null),
            Event::Bool(value) => builder.push(Element::Bool(value)),
            Event::NonFinite(value) => builder.push(Element::Float(value.value())),
            Event::Number(text) => match number(text) {
                Leaf::Int(value) => builder.push(Element::Int(value)),
                Leaf::Float(value) => builder.push(Element::Float(value)),
                _ => builder.mixed = true,
            },
            Event::Str(text) => {
                let (text, changed) = text.decode();
                repaired += u64::from(changed);
                builder.push(Element::Str(text.into_owned()));
            }
            _ => {
                builder.mixed = true;
                reader.skip(event)?;
            }
        }
        if builder.mixed {
            builder.elements.clear();
        }
    }
    Ok((builder.finish(root), repaired))
}

enum Element {
    Null,
    Int(i64),
    Float(f64),
    Str(String),
    Bool(bool),
}

#[derive(Default)]
struct Builder {
    elements: Vec<Element>,
    ints: usize,
    floats: usize,
    strs: usize,
    bools: usize,
    mixed: bool,
}

impl Builder {
    fn push(&mut self, element: Element) {
        match element {
            Element::Null => {}
            Element::Int(_) => self.ints += 1,
            Element::Float(_) => self.floats += 1,
            Element::Str(_) => self.strs += 1,
            Element::Bool(_) => self.bools += 1,
        }
        if !self.mixed {
            self.elements.push(element);
        }
    }

    fn finish(mut self, root: Root) -> Option<List> {
        if self.mixed {
            return None;
        }
        self.read_spellings(root);
        let Builder { elements, ints, floats, strs, bools, .. } = self;
        match (ints > 0, floats > 0, strs > 0, bools > 0) {
            (false, false, false, false) => Some(List::Nulls(elements.len())),
            (true, false, false, false) => Some(List::Ints(collect(elements, |e| match e {
                Element::Int(value) => Some(value),
                _ => None,
            }))),
            (_, true, false, false) => {
                // An integer that a float cannot hold keeps its digits: the list stays JSON text.
                let exact = elements.iter().all(|e| !matches!(e, Element::Int(v) if v.unsigned_abs() > EXACT as u64));
                exact.then(|| {
                    List::Floats(collect(elements, |e| match e {
                        Element::Int(value) => Some(value as f64),
                        Element::Float(value) => Some(value),
                        _ => None,
                    }))
                })
            }
            (false, false, true, false) => Some(List::Strs(collect(elements, |e| match e {
                Element::Str(value) => Some(value),
                _ => None,
            }))),
            (false, false, false, true) => Some(List::Bools(collect(elements, |e| match e {
                Element::Bool(value) => Some(value),
                _ => None,
            }))),
            _ => None,
        }
    }

    /// Strings that spell non-finite numbers are numbers in a summary, and in a config list that holds other numbers.
    fn read_spellings(&mut self, root: Root) {
        let numbers = self.ints + self.floats > 0;
        if self.strs == 0 || self.bools > 0 || (root == Root::Config && !numbers) {
            return;
        }
        let spelled = |e: &Element| match e {
            Element::Str(text) => NonFinite::from_spelling(text),
            _ => None,
        };
        if self.elements.iter().filter_map(spelled).count() != self.strs {
            return;
        }
        for element in &mut self.elements {
            if let Some(value) = spelled(element) {
                *element = Element::Float(value.value());
            }
        }
        self.floats += std::mem::take(&mut self.strs);
    }
}

fn collect<T>(elements: Vec<Element>, each: impl Fn(Element) -> Option<T>) -> Vec<Option<T>> {
    elements.into_iter().map(each).collect()
}
