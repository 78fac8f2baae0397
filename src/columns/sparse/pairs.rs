//! Values of one type and the rows they stand in. Rows at the front that have a value each are not written down.

use super::super::room::Growth;
use std::ops::Range;

/// Values of one type with the rows they stand in, rows ascending. Of a column that every row has, the rows take no memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs<T> {
    /// The rows of the last values. Those before them stand in the first rows, one in each.
    behind: Vec<u32>,
    pub(super) values: Vec<T>,
}

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Pairs { behind: Vec::new(), values: Vec::new() }
    }
}

impl<T> Pairs<T> {
    /// The values and the rows of the last ones; `None` if there are more rows than values.
    pub(super) fn of(behind: Vec<u32>, values: Vec<T>) -> Option<Self> {
        (behind.len() <= values.len()).then_some(Pairs { behind, values })
    }

    /// The rows that are written down, and the values.
    pub(super) fn parts(&self) -> (&Vec<u32>, &Vec<T>) {
        (&self.behind, &self.values)
    }

    #[cfg(feature = "frame")]
    pub(crate) fn with_room(values: usize) -> Self {
        Pairs { behind: Vec::new(), values: Vec::with_capacity(values) }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Rows from 0 on that have a value each.
    fn front(&self) -> u32 {
        (self.values.len() - self.behind.len()) as u32
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> + use<'_, T> {
        (0..self.front()).chain(self.behind.iter().copied())
    }

    /// Each row and its value.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.rows().map(|row| row as usize).zip(&self.values)
    }

    /// The values, in the order of their rows.
    #[cfg(feature = "frame")]
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// The values, to be changed.
    #[cfg(feature = "frame")]
    pub(in crate::columns) fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The value of a row.
    pub(crate) fn get(&self, row: usize) -> Option<&T> {
        let front = self.front() as usize;
        if row < front {
            return self.values.get(row);
        }
        let behind = self.behind.binary_search(&u32::try_from(row).ok()?).ok()?;
        self.values.get(front + behind)
    }

    /// True if the row has a value.
    pub fn has(&self, row: usize) -> bool {
        self.get(row).is_some()
    }

    /// The values of some rows; rows are counted from the first of these.
    pub fn part(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, &T)> {
        let (first, within, front) = (rows.start, self.within(rows), self.front() as usize);
        let behind = within.start.max(front) - front..within.end.max(front) - front;
        let behind = self.behind.get(behind).unwrap_or_default().iter().map(|row| *row as usize);
        let rows = (within.start.min(front)..within.end.min(front)).chain(behind);
        rows.map(move |row| row - first).zip(self.values.get(within).unwrap_or_default())
    }

    /// The values of some rows, if each of them is known to have one.
    #[cfg(feature = "frame")]
    pub(crate) fn of_all(&self, rows: &Range<usize>) -> Option<&[T]> {
        if rows.end <= self.front() as usize { self.values.get(rows.clone()) } else { None }
    }

    /// Where the values of these rows are.
    pub(super) fn within(&self, rows: &Range<usize>) -> Range<usize> {
        let before =
            |end: usize| (self.front() as usize).min(end) + self.behind.partition_point(|row| (*row as usize) < end);
        let start = before(rows.start);
        start..before(rows.end).max(start)
    }

    #[inline]
    pub(crate) fn push(&mut self, row: u32, value: T) {
        if !self.behind.is_empty() || row as usize != self.values.len() {
            self.behind.push(row);
        }
        self.values.push(value);
    }

    /// The same for some rows and their values, one for each.
    pub(in crate::columns) fn extend(&mut self, rows: impl Iterator<Item = u32>, values: impl Iterator<Item = T>) {
        if self.behind.is_empty() {
            rows.zip(values).for_each(|(row, value)| self.push(row, value));
        } else {
            self.behind.extend(rows);
            self.values.extend(values);
        }
    }

    /// Appends the rows of `other`, `offset` rows later; what they hold is to be appended next.
    pub(super) fn append_rows<U>(&mut self, other: &Pairs<U>, offset: u32) {
        if !self.behind.is_empty() || offset as usize != self.values.len() {
            self.behind.extend((0..other.front()).map(|row| row + offset));
        }
        self.behind.extend(other.behind.iter().map(|row| row + offset));
    }

    pub(super) fn append(&mut self, other: &Pairs<T>, offset: u32)
    where
        T: Clone,
    {
        // Of a wide table most columns have values of one kind: what is empty is not even looked for.
        if !other.is_empty() {
            self.append_rows(other, offset);
            self.values.extend_from_slice(&other.values);
        }
    }

    /// Keeps the rows that have a new number.
    pub(super) fn renumber(&mut self, new_rows: &[Option<u32>])
    where
        T: Clone,
    {
        let keep: Vec<Option<u32>> = self.rows().map(|row| new_rows.get(row as usize).copied().flatten()).collect();
        let mut at = 0;
        self.values.retain(|_| {
            at += 1;
            keep.get(at - 1).copied().flatten().is_some()
        });
        let mut rows: Vec<u32> = keep.into_iter().flatten().collect();
        if !rows.is_sorted() {
            let order = order(&rows);
            rows.sort_unstable();
            self.values = order.into_iter().filter_map(|at| self.values.get(at).cloned()).collect();
        }
        let front = rows.iter().zip(0..).take_while(|(row, at)| *row == at).count();
        rows.drain(..front);
        self.behind = rows;
    }

    pub(super) fn clear(&mut self) {
        if !self.is_empty() {
            self.behind.clear();
            self.values.clear();
        }
    }

    pub(super) fn make_room(&mut self, growth: Growth) {
        growth.of(&mut self.behind);
        growth.of(&mut self.values);
    }

    pub(super) fn shrink(&mut self) {
        self.behind.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// Takes the last value back, if it stands in this row.
    pub(super) fn take_back(&mut self, row: u32) {
        while self.behind.last().copied().or(self.front().checked_sub(1)) == Some(row) {
            self.behind.pop();
            self.values.pop();
        }
    }

    /// Bytes of memory in use.
    pub(super) fn weight(&self) -> usize {
        self.behind.capacity() * size_of::<u32>() + self.values.capacity() * size_of::<T>()
    }
}

/// The places of the rows in ascending order.
fn order(rows: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|at| rows.get(*at));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of which many come first, from the first one on.
    fn rows() -> impl Strategy<Value = Vec<u32>> {
        (0u32..6, proptest::collection::btree_set(0u32..20, 0..6)).prop_map(|(front, more)| {
            let behind = more.into_iter().filter(|row| *row >= front);
            (0..front).chain(behind).collect()
        })
    }

    /// Each row with ten times itself.
    fn pairs(rows: &[u32]) -> Pairs<u32> {
        let mut pairs = Pairs::default();
        rows.iter().for_each(|row| pairs.push(*row, row * 10));
        pairs
    }

    fn plain(rows: &[u32]) -> Vec<(usize, u32)> {
        rows.iter().map(|row| (*row as usize, row * 10)).collect()
    }

    fn told(pairs: &Pairs<u32>) -> Vec<(usize, u32)> {
        pairs.iter().map(|(row, value)| (row, *value)).collect()
    }

    proptest! {
        #[test]
        fn pairs_are_what_was_pushed(rows in rows(), at in 0usize..25, more in 0usize..25) {
            let kept = pairs(&rows);
            prop_assert_eq!(told(&kept), plain(&rows));
            prop_assert_eq!((kept.len(), kept.is_empty()), (rows.len(), rows.is_empty()));
            prop_assert_eq!(kept.has(at), rows.contains(&(at as u32)));
            prop_assert_eq!(kept.get(at).copied(), kept.has(at).then_some(at as u32 * 10));
            let part: Vec<_> = kept.part(&(at..at + more)).map(|(row, value)| (row + at, *value)).collect();
            let expected = plain(&rows).into_iter().filter(|(row, _)| (at..at + more).contains(row));
            prop_assert_eq!(part, expected.collect::<Vec<_>>());
            #[cfg(feature = "frame")]
            if let Some(all) = kept.of_all(&(at..at + more)) {
                let expected: Vec<u32> = (at..at + more).map(|row| row as u32 * 10).collect();
                prop_assert_eq!(all, expected);
            }
            if let Some((last, others)) = rows.split_last() {
                let mut fewer = kept.clone();
                fewer.take_back(last + 1);
                prop_assert_eq!(&fewer, &kept);
                fewer.take_back(*last);
                prop_assert_eq!(fewer, pairs(others));
            }
        }

        #[test]
        fn what_is_appended_comes_behind(first in rows(), second in rows(), gap in 0u32..3) {
            let offset = first.last().map_or(0, |last| last + 1) + gap;
            let mut other = pairs(&second);
            other.values.iter_mut().for_each(|value| *value += offset * 10);
            let mut both = pairs(&first);
            both.append(&other, offset);
            let expected: Vec<u32> = first.into_iter().chain(second.into_iter().map(|row| row + offset)).collect();
            prop_assert_eq!(told(&both), plain(&expected));
            // However they came, the same rows are kept in the same way.
            prop_assert_eq!(both, pairs(&expected));
        }

        #[test]
        fn new_numbers_are_those_that_are_given(rows in rows(), new in proptest::collection::vec(proptest::option::of(0u32..40), 20)) {
            let mut seen = std::collections::BTreeSet::new();
            let new: Vec<Option<u32>> = new.into_iter().map(|row| row.filter(|row| seen.insert(*row))).collect();
            let mut kept = pairs(&rows);
            kept.renumber(&new);
            let moved = |row: &u32| Some((new[*row as usize]? as usize, row * 10));
            let mut expected: Vec<_> = rows.iter().filter_map(moved).collect();
            expected.sort_unstable();
            prop_assert_eq!(told(&kept), expected);
            let rows: Vec<u32> = kept.rows().collect();
            prop_assert_eq!(kept.behind, pairs(&rows).behind);
        }

        #[test]
        fn a_row_may_come_twice(row in 0u32..3, times in 1usize..4) {
            let rows: Vec<u32> = (0..row).chain(std::iter::repeat_n(row, times)).collect();
            let mut twice = pairs(&rows);
            prop_assert_eq!(told(&twice), plain(&rows));
            prop_assert_eq!(twice.within(&(0..row as usize + 1)).len(), rows.len());
            prop_assert_eq!(twice.within(&(0..row as usize)).len(), row as usize);
            twice.take_back(row);
            prop_assert_eq!(twice.len(), row as usize);
        }
    }
}
