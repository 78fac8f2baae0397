//! One path's values over all runs, as (row, value) pairs of each kind, kept as they were logged.

mod bytes;
mod digest;
mod pairs;

use super::resolve::{Kind, LeafType};
use super::room::Growth;
use crate::flatten::{Leaf, List};
use crate::json::NonFinite;
pub use pairs::Pairs;
use std::ops::Range;
use std::sync::Arc;

/// Texts with the rows they stand in, rows ascending, bytes end to end.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    ends: Pairs<u64>,
    bytes: String,
    /// In place of `bytes`, once frames may share them.
    shared: Option<Arc<String>>,
}

impl Texts {
    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn bytes(&self) -> &str {
        self.shared.as_deref().unwrap_or(&self.bytes)
    }

    /// The bytes, to be changed.
    #[inline]
    fn own(&mut self) -> &mut String {
        if let Some(shared) = self.shared.take() {
            self.bytes = Arc::unwrap_or_clone(shared);
        }
        &mut self.bytes
    }

    /// Lets frames share the bytes, which do not change any more.
    #[cfg(feature = "frame")]
    pub(super) fn share(&mut self) {
        if self.shared.is_none() && !self.bytes.is_empty() {
            self.shared = Some(Arc::new(std::mem::take(&mut self.bytes)));
        }
    }

    /// All bytes, if they may be shared.
    #[cfg(feature = "frame")]
    pub(crate) fn shared(&self) -> Option<&Arc<String>> {
        self.shared.as_ref()
    }

    /// Each row and its text.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut start = 0;
        let bytes = self.bytes();
        self.ends.iter().map(move |(row, end)| {
            let text = bytes.get(start..*end as usize).unwrap_or_default();
            start = *end as usize;
            (row, text)
        })
    }

    /// The texts of some rows; rows are counted from the first of these.
    pub fn part(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, &str)> {
        let bytes = self.bytes();
        self.places(rows).map(move |(row, place)| (row, bytes.get(place).unwrap_or_default()))
    }

    /// Where the texts of some rows stand in the bytes; rows are counted from the first of these.
    pub(crate) fn places(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let first = self.ends.within(rows).start;
        let mut start =
            first.checked_sub(1).and_then(|before| self.ends.values.get(before)).map_or(0, |end| *end as usize);
        self.ends.part(rows).map(move |(row, end)| {
            let place = start..*end as usize;
            start = place.end;
            (row, place)
        })
    }

    pub(super) fn push(&mut self, row: u32, text: &str) {
        let bytes = self.own();
        bytes.push_str(text);
        let end = bytes.len() as u64;
        self.ends.push(row, end);
    }

    fn append(&mut self, other: &Texts, offset: u32) {
        if other.is_empty() {
            return;
        }
        let start = self.own().len() as u64;
        self.bytes.push_str(other.bytes());
        self.ends.append_rows(&other.ends, offset);
        self.ends.values.extend(other.ends.values.iter().map(|end| end + start));
    }

    fn renumber(&mut self, new_rows: &[Option<u32>]) {
        let mut moved: Vec<(u32, &str)> =
            self.iter().filter_map(|(row, text)| Some(((*new_rows.get(row)?)?, text))).collect();
        if !moved.is_sorted_by_key(|(row, _)| *row) {
            moved.sort_unstable_by_key(|(row, _)| *row);
        }
        let mut kept = Texts::default();
        moved.into_iter().for_each(|(row, text)| kept.push(row, text));
        *self = kept;
    }

    fn clear(&mut self) {
        if !self.is_empty() {
            self.ends.clear();
            self.shared = None;
            self.bytes.clear();
        }
    }

    fn make_room(&mut self, growth: Growth) {
        self.ends.make_room(growth);
        growth.of_text(self.own());
    }

    fn shrink(&mut self) {
        self.ends.shrink();
        self.bytes.shrink_to_fit();
    }

    fn take_back(&mut self, row: u32) {
        self.ends.take_back(row);
        let end = self.ends.values.last().map_or(0, |end| *end as usize);
        self.own().truncate(end);
    }

    fn rows(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.ends.rows()
    }

    fn weight(&self) -> usize {
        self.ends.weight() + self.bytes.capacity() + self.shared.as_ref().map_or(0, |bytes| bytes.capacity())
    }
}

/// All values of one path. Nothing is decided here: types and kinds follow from all of them together.
#[derive(Debug, Clone, Default)]
pub struct Sparse {
    /// Rows where the path is an explicit `null`.
    pub nulls: Pairs<()>,
    /// Integers.
    pub ints: Pairs<i64>,
    /// Floats.
    pub floats: Pairs<f64>,
    /// Numbers that fit neither, as digits.
    pub bigs: Texts,
    /// Config strings that may mean a non-finite number.
    pub spelled: Pairs<(NonFinite, Box<str>)>,
    /// Strings.
    pub strs: Texts,
    /// Booleans.
    pub bools: Pairs<bool>,
    /// Lists of scalars.
    pub lists: Pairs<List>,
    /// Everything else, as JSON text.
    pub jsons: Texts,
    /// Columns that a stored table has, even where this part of it holds no value of them.
    pub declared: Vec<(Kind, LeafType)>,
    /// A stored table has the path, but with no value and thus of no kind.
    pub declared_empty: bool,
}

/// Calls a method of every kind's pairs.
macro_rules! each_kind {
    ($self:ident, $kind:ident => $call:expr) => {{
        {
            let $kind = &mut $self.nulls;
            $call;
        }
        {
            let $kind = &mut $self.ints;
            $call;
        }
        {
            let $kind = &mut $self.floats;
            $call;
        }
        {
            let $kind = &mut $self.bigs;
            $call;
        }
        {
            let $kind = &mut $self.spelled;
            $call;
        }
        {
            let $kind = &mut $self.strs;
            $call;
        }
        {
            let $kind = &mut $self.bools;
            $call;
        }
        {
            let $kind = &mut $self.lists;
            $call;
        }
        {
            let $kind = &mut $self.jsons;
            $call;
        }
    }};
}

impl Sparse {
    /// No values yet, but room for so many integers and floats.
    #[cfg(feature = "frame")]
    pub(crate) fn with_room((ints, floats): (usize, usize)) -> Self {
        Sparse { ints: Pairs::with_room(ints), floats: Pairs::with_room(floats), ..Sparse::default() }
    }

    /// These numbers, each kind by itself.
    #[cfg(feature = "frame")]
    pub(crate) fn of_numbers(ints: Pairs<i64>, floats: Pairs<f64>) -> Self {
        Sparse { ints, floats, ..Sparse::default() }
    }

    /// Adds a value; rows must come in ascending order.
    pub fn push(&mut self, row: u32, mut leaf: Leaf<'_>) {
        self.take(row, &mut leaf);
    }

    /// The same for an integer.
    #[cfg(feature = "frame")]
    #[inline]
    pub(crate) fn push_int(&mut self, row: u32, value: i64) {
        self.ints.push(row, value);
    }

    /// The same for a float.
    #[cfg(feature = "frame")]
    #[inline]
    pub(crate) fn push_float(&mut self, row: u32, value: f64) {
        self.floats.push(row, value);
    }

    /// The same; what cannot be copied is taken out of the leaf.
    #[inline]
    pub(super) fn take(&mut self, row: u32, leaf: &mut Leaf<'_>) {
        match leaf {
            Leaf::Null => self.nulls.push(row, ()),
            Leaf::Int(value) => self.ints.push(row, *value),
            Leaf::Float(value) => self.floats.push(row, *value),
            Leaf::Big(digits) => self.bigs.push(row, digits),
            Leaf::Spelled(value, text) => self.spelled.push(row, (*value, Box::from(&**text))),
            Leaf::Str(text) => self.strs.push(row, text),
            Leaf::Bool(value) => self.bools.push(row, *value),
            Leaf::List(list) => self.lists.push(row, std::mem::replace(list, List::Nulls(0))),
            Leaf::Json(text) => self.jsons.push(row, text),
        }
    }

    /// Makes sure that the path has a column of this kind and type, whatever its values are.
    pub fn declare(&mut self, kind: Kind, dtype: LeafType) {
        if !self.declared.contains(&(kind, dtype)) {
            self.declared.push((kind, dtype));
        }
    }

    /// True if a column of this kind and type was declared.
    pub fn is_declared(&self, kind: Kind, dtype: LeafType) -> bool {
        self.declared.contains(&(kind, dtype))
    }

    /// Appends the values of runs that come `offset` rows later.
    pub fn append(&mut self, other: &Sparse, offset: u32) {
        self.nulls.append(&other.nulls, offset);
        self.ints.append(&other.ints, offset);
        self.floats.append(&other.floats, offset);
        self.bigs.append(&other.bigs, offset);
        self.spelled.append(&other.spelled, offset);
        self.strs.append(&other.strs, offset);
        self.bools.append(&other.bools, offset);
        self.lists.append(&other.lists, offset);
        self.jsons.append(&other.jsons, offset);
        other.declared.iter().for_each(|(kind, dtype)| self.declare(*kind, *dtype));
        self.declared_empty |= other.declared_empty;
    }

    /// Gives the rows new numbers, in any order; rows without one are dropped.
    pub fn renumber(&mut self, new_rows: &[Option<u32>]) {
        each_kind!(self, kind => kind.renumber(new_rows));
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        each_kind!(self, kind => kind.clear());
        self.declared.clear();
        self.declared_empty = false;
    }

    /// True if there is nothing in it that makes a column.
    pub fn is_unused(&self) -> bool {
        self.is_empty() && self.nulls.is_empty() && self.declared.is_empty() && !self.declared_empty
    }

    /// Room for the rows to come.
    pub(super) fn make_room(&mut self, growth: Growth) {
        each_kind!(self, kind => kind.make_room(growth));
    }

    /// Gives back memory that growing left over.
    pub fn shrink(&mut self) {
        each_kind!(self, kind => kind.shrink());
    }

    /// Lets frames share the bytes of texts.
    #[cfg(feature = "frame")]
    pub(super) fn share(&mut self) {
        self.strs.share();
        self.jsons.share();
    }

    /// Takes back what was added for this row, the last one.
    pub fn take_back(&mut self, row: u32) {
        each_kind!(self, kind => kind.take_back(row));
    }

    /// The rows that have a value of any kind, kind by kind; nulls are none.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        let numbers = self.ints.rows().chain(self.floats.rows()).chain(self.bigs.rows()).chain(self.spelled.rows());
        numbers.chain(self.strs.rows()).chain(self.bools.rows()).chain(self.lists.rows()).chain(self.jsons.rows())
    }

    /// How many values there are; nulls are none.
    #[cfg(feature = "frame")]
    pub(crate) fn len(&self) -> usize {
        let numbers = self.ints.len() + self.floats.len() + self.bigs.len() + self.spelled.len();
        numbers + self.strs.len() + self.bools.len() + self.lists.len() + self.jsons.len()
    }

    /// True if there is no value; nulls are none.
    pub fn is_empty(&self) -> bool {
        let numbers = self.ints.is_empty() && self.floats.is_empty() && self.bigs.is_empty() && self.spelled.is_empty();
        numbers && self.strs.is_empty() && self.bools.is_empty() && self.lists.is_empty() && self.jsons.is_empty()
    }

    /// Bytes of memory in use.
    pub fn weight(&self) -> usize {
        let numbers = self.ints.weight() + self.floats.weight() + self.bigs.weight() + self.spelled.weight();
        let lists: usize = self.lists.values.iter().map(|list| 16 * list.len()).sum();
        let others = self.strs.weight() + self.bools.weight() + self.lists.weight() + self.jsons.weight();
        size_of::<Self>() + self.nulls.weight() + numbers + others + lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_append_and_renumber() {
        let mut a = Texts::default();
        a.push(0, "x");
        a.push(2, "");
        let mut b = Texts::default();
        b.push(1, "yz");
        a.append(&b, 3);
        assert_eq!(a.iter().collect::<Vec<_>>(), [(0, "x"), (2, ""), (4, "yz")]);
        a.renumber(&[None, Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(a.iter().collect::<Vec<_>>(), [(1, ""), (3, "yz")]);
    }

    #[test]
    fn parts_and_other_orders() {
        let (mut texts, mut pairs) = (Texts::default(), Pairs::default());
        for row in [1, 2, 5, 7] {
            texts.push(row, &"x".repeat(row as usize));
            pairs.push(row, row);
        }
        assert_eq!(texts.part(&(2..7)).collect::<Vec<_>>(), [(0, "xx"), (3, "xxxxx")]);
        assert_eq!(pairs.part(&(2..7)).collect::<Vec<_>>(), [(0, &2), (3, &5)]);
        assert_eq!(pairs.part(&(8..9)).count() + texts.part(&(3..5)).count(), 0);
        let turned: Vec<Option<u32>> = (0..8).map(|row| Some(7 - row)).collect();
        texts.renumber(&turned);
        pairs.renumber(&turned);
        assert_eq!(
            texts.iter().map(|(row, text)| (row, text.len())).collect::<Vec<_>>(),
            [(0, 7), (2, 5), (5, 2), (6, 1)]
        );
        assert_eq!(pairs.iter().collect::<Vec<_>>(), [(0, &7), (2, &5), (5, &2), (6, &1)]);
    }
}
