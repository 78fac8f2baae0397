//! The rows in which values stand: those at the front that have one each are only counted.

/// Rows in ascending order. Of a column that every row has, they take no memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::columns) struct Rows {
    /// So many rows from 0 on come first.
    front: u32,
    /// What comes behind them.
    rest: Vec<u32>,
}

impl Rows {
    #[inline]
    pub(super) fn push(&mut self, row: u32) {
        if row == self.front && self.rest.is_empty() {
            self.front += 1;
        } else {
            self.rest.push(row);
        }
    }

    pub(super) fn append(&mut self, other: &Rows, offset: u32) {
        let mut from = 0;
        if self.rest.is_empty() && offset == self.front {
            self.front += other.front;
            from = other.front;
        }
        self.rest.extend((from..other.front).map(|row| row + offset));
        self.rest.extend(other.rest.iter().map(|row| row + offset));
    }

    pub(super) fn len(&self) -> usize {
        self.front as usize + self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.front == 0 && self.rest.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.front).chain(self.rest.iter().copied())
    }

    /// The rows at these places.
    pub(super) fn part(&self, places: std::ops::Range<usize>) -> impl Iterator<Item = u32> + '_ {
        let front = self.front as usize;
        let (start, end) = (places.start, places.end.max(places.start));
        let rest = self.rest.get(start.max(front) - front..end.max(front) - front).unwrap_or_default();
        (start.min(front) as u32..end.min(front) as u32).chain(rest.iter().copied())
    }

    /// How many rows come before this one.
    pub(super) fn before(&self, row: usize) -> usize {
        (self.front as usize).min(row) + self.rest.partition_point(|found| (*found as usize) < row)
    }

    pub(super) fn has(&self, row: u32) -> bool {
        row < self.front || self.rest.binary_search(&row).is_ok()
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.rest.last().copied().or(self.front.checked_sub(1))
    }

    pub(super) fn pop(&mut self) {
        if self.rest.pop().is_none() {
            self.front = self.front.saturating_sub(1);
        }
    }

    pub(super) fn clear(&mut self) {
        self.front = 0;
        self.rest.clear();
    }

    pub(super) fn shrink(&mut self) {
        self.rest.shrink_to_fit();
    }

    /// Bytes of memory in use.
    pub(super) fn weight(&self) -> usize {
        self.rest.capacity() * size_of::<u32>()
    }
}

impl FromIterator<u32> for Rows {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut all = Rows::default();
        rows.into_iter().for_each(|row| all.push(row));
        all
    }
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

    proptest! {
        #[test]
        fn rows_are_what_was_pushed(plain in rows(), next in rows(), at in 0usize..25, more in 0usize..25) {
            let kept: Rows = plain.iter().copied().collect();
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), plain.clone());
            prop_assert_eq!((kept.len(), kept.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!(kept.before(at), plain.iter().filter(|row| (**row as usize) < at).count());
            prop_assert_eq!(kept.has(at as u32), plain.contains(&(at as u32)));
            prop_assert_eq!(kept.last(), plain.last().copied());
            let places = at.min(plain.len())..(at + more).min(plain.len());
            prop_assert_eq!(kept.part(places.clone()).collect::<Vec<_>>(), plain[places].to_vec());

            let other: Rows = next.iter().copied().collect();
            for offset in [plain.len() as u32, 20, 21] {
                if plain.last().is_some_and(|last| *last >= offset) {
                    continue;
                }
                let mut both = kept.clone();
                both.append(&other, offset);
                let expected: Vec<u32> = plain.iter().copied().chain(next.iter().map(|row| row + offset)).collect();
                prop_assert_eq!(both.iter().collect::<Vec<_>>(), expected.clone());
                // However they came, the same rows are kept in the same way.
                prop_assert_eq!(both, expected.into_iter().collect::<Rows>());
            }

            let mut fewer = kept.clone();
            fewer.pop();
            prop_assert_eq!(fewer, plain.iter().copied().take(plain.len().saturating_sub(1)).collect::<Rows>());
        }

        #[test]
        fn a_row_may_come_twice(row in 0u32..3, times in 1usize..4) {
            let rows: Rows = (0..row).chain(std::iter::repeat_n(row, times)).collect();
            prop_assert_eq!(rows.len(), row as usize + times);
            prop_assert_eq!(rows.before(row as usize + 1), rows.len());
            prop_assert_eq!(rows.before(row as usize), row as usize);
        }
    }
}
