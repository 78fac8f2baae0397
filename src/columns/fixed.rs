//! The values of one fixed column over all runs.

use super::artifacts::ArtifactLists;
use super::fields::{Cell, Type};
use super::room::Growth;
use std::ops::Range;

/// A fixed column's values, one for each row.
#[derive(Debug, Clone)]
pub enum Fixed {
    /// Texts.
    Strs(OptionalTexts),
    /// Integers, and microseconds.
    Ints(Vec<Option<i64>>),
    /// Floats.
    Floats(Vec<Option<f64>>),
    /// Lists of text.
    Lists(Vec<Option<Box<[String]>>>),
    /// Lists of artifact versions.
    Artifacts(Box<ArtifactLists>),
}

/// Optional texts, bytes end to end.
#[derive(Debug, Clone, Default)]
pub struct OptionalTexts {
    /// The end of each text, twice, and one more if there is none.
    ends: Vec<u64>,
    bytes: String,
}

impl OptionalTexts {
    /// Each row's text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.part(0..self.ends.len())
    }

    /// The texts of some rows.
    pub fn part(&self, rows: Range<usize>) -> impl ExactSizeIterator<Item = Option<&str>> {
        let mut start = self.start(rows.start);
        self.ends.get(rows).unwrap_or_default().iter().map(move |end| {
            let (stop, there) = ((end >> 1) as usize, end & 1 == 0);
            let text = self.bytes.get(start..stop).unwrap_or_default();
            start = stop;
            there.then_some(text)
        })
    }

    /// Adds a row.
    pub fn push(&mut self, text: Option<&str>) {
        self.bytes.push_str(text.unwrap_or_default());
        self.ends.push((self.bytes.len() as u64) << 1 | u64::from(text.is_none()));
    }

    /// Adds rows without a text until there are `rows`.
    pub fn pad(&mut self, rows: usize) {
        let end = self.bytes.len() as u64;
        if rows > self.ends.len() {
            self.ends.resize(rows, end << 1 | 1);
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds some rows of another column.
    pub(super) fn append(&mut self, other: &OptionalTexts, rows: Range<usize>) {
        let ends = other.ends.get(rows.clone()).unwrap_or_default();
        let from = other.start(rows.start);
        let to = ends.last().map_or(from, |end| (end >> 1) as usize);
        let mine = self.bytes.len();
        self.bytes.push_str(other.bytes.get(from..to).unwrap_or_default());
        self.ends.extend(ends.iter().map(|end| end - ((from as u64) << 1) + ((mine as u64) << 1)));
    }

    /// Where the text of a row begins.
    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| (end >> 1) as usize)
    }

    /// The texts of these rows, in this order.
    pub(super) fn take(&self, rows: &[usize]) -> OptionalTexts {
        let all: Vec<Option<&str>> = self.iter().collect();
        let mut taken = OptionalTexts::default();
        rows.iter().for_each(|row| taken.push(all.get(*row).copied().flatten()));
        taken
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    pub(super) fn make_room(&mut self, growth: Growth) {
        growth.of(&mut self.ends);
        growth.of_text(&mut self.bytes);
    }

    pub(super) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }
}

impl Fixed {
    /// An empty column of this type.
    pub fn new(dtype: Type) -> Self {
        match dtype {
            Type::String => Fixed::Strs(OptionalTexts::default()),
            Type::Int64 | Type::Timestamp => Fixed::Ints(Vec::new()),
            Type::Float64 => Fixed::Floats(Vec::new()),
            Type::ListString => Fixed::Lists(Vec::new()),
            Type::ListArtifact => Fixed::Artifacts(Box::default()),
        }
    }

    /// Adds a row; a cell of another type counts as null.
    pub fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Fixed::Strs(texts), Cell::Str(text)) => texts.push(Some(text)),
            (Fixed::Strs(texts), _) => texts.push(None),
            (Fixed::Ints(values), Cell::Int(value)) => values.push(Some(value)),
            (Fixed::Ints(values), _) => values.push(None),
            (Fixed::Floats(values), Cell::Float(value)) => values.push(Some(value)),
            (Fixed::Floats(values), _) => values.push(None),
            (Fixed::Lists(values), Cell::Strs(list)) => values.push(Some(list.into())),
            (Fixed::Lists(values), _) => values.push(None),
            (Fixed::Artifacts(values), Cell::Artifacts(list)) => values.push(Some(list)),
            (Fixed::Artifacts(values), _) => values.push(None),
        }
    }

    /// Adds the rows of a column of the same type.
    pub fn append(&mut self, other: &Fixed) {
        match (self, other) {
            (Fixed::Strs(texts), Fixed::Strs(more)) => texts.append(more, 0..more.len()),
            (Fixed::Ints(values), Fixed::Ints(more)) => values.extend_from_slice(more),
            (Fixed::Floats(values), Fixed::Floats(more)) => values.extend_from_slice(more),
            (Fixed::Lists(values), Fixed::Lists(more)) => values.extend_from_slice(more),
            (Fixed::Artifacts(values), Fixed::Artifacts(more)) => values.append(more, 0..more.len()),
            // Both are made from the same table of fields, so their types agree.
            (mine, other) => (0..other.len()).for_each(|_| mine.push(Cell::Null)),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Fixed::Strs(texts) => texts.len(),
            Fixed::Ints(values) => values.len(),
            Fixed::Floats(values) => values.len(),
            Fixed::Lists(values) => values.len(),
            Fixed::Artifacts(values) => values.len(),
        }
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        match self {
            Fixed::Strs(texts) => texts.clear(),
            Fixed::Ints(values) => values.clear(),
            Fixed::Floats(values) => values.clear(),
            Fixed::Lists(values) => values.clear(),
            Fixed::Artifacts(values) => values.clear(),
        }
    }

    /// Puts the rows into another order: the first is `rows[0]`.
    pub fn reorder(&mut self, rows: &[usize]) {
        fn take<T: Default>(values: &mut [T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| values.get_mut(*row).map(std::mem::take).unwrap_or_default()).collect()
        }
        match self {
            Fixed::Strs(texts) => *texts = texts.take(rows),
            Fixed::Ints(values) => *values = take(values, rows),
            Fixed::Floats(values) => *values = take(values, rows),
            Fixed::Lists(values) => *values = take(values, rows),
            Fixed::Artifacts(values) => **values = values.take(rows.iter().copied()),
        }
    }

    /// Room for the rows to come.
    pub(super) fn make_room(&mut self, growth: Growth) {
        match self {
            Fixed::Strs(texts) => texts.make_room(growth),
            Fixed::Ints(values) => growth.of(values),
            Fixed::Floats(values) => growth.of(values),
            Fixed::Lists(values) => growth.of(values),
            Fixed::Artifacts(values) => values.make_room(growth),
        }
    }

    /// Gives back memory that growing left over.
    pub fn shrink(&mut self) {
        match self {
            Fixed::Strs(texts) => texts.shrink(),
            Fixed::Ints(values) => values.shrink_to_fit(),
            Fixed::Floats(values) => values.shrink_to_fit(),
            Fixed::Lists(values) => values.shrink_to_fit(),
            Fixed::Artifacts(values) => values.shrink(),
        }
    }

    /// Keeps the rows for which `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        fn filter<T>(values: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            values.retain(|_| flags.next().copied().unwrap_or(false));
        }
        match self {
            Fixed::Strs(texts) => {
                let mut kept = OptionalTexts::default();
                texts.iter().zip(keep).filter(|(_, keep)| **keep).for_each(|(text, _)| kept.push(text));
                *texts = kept;
            }
            Fixed::Ints(values) => filter(values, keep),
            Fixed::Floats(values) => filter(values, keep),
            Fixed::Lists(values) => filter(values, keep),
            Fixed::Artifacts(values) => {
                **values = values.take(keep.iter().enumerate().filter(|(_, keep)| **keep).map(|(row, _)| row));
            }
        }
    }
}
