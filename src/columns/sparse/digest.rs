//! What of many values decides their columns: one value of each sort.

use super::Sparse;
use crate::columns::resolve::fits;
use crate::flatten::{Leaf, List};

impl Sparse {
    /// A few of the values that make the same columns, of the same types, as all of them. Digests of parts, one appended to the
    /// other, make the columns of the whole.
    pub fn digest(&self) -> Sparse {
        let mut few =
            Sparse { declared: self.declared.clone(), declared_empty: self.declared_empty, ..Sparse::default() };
        if !self.nulls.is_empty() {
            few.push(0, Leaf::Null);
        }
        let ints = || self.ints.iter().map(|(_, value)| *value);
        let exact = ints().find(|value| fits(*value, true));
        let wide = ints().find(|value| !fits(*value, true));
        exact.into_iter().chain(wide).for_each(|value| few.push(0, Leaf::Int(value)));
        if let Some((_, value)) = self.floats.iter().next() {
            few.push(0, Leaf::Float(*value));
        }
        if let Some((_, digits)) = self.bigs.iter().next() {
            few.push(0, Leaf::Big(digits));
        }
        if let Some((_, (value, text))) = self.spelled.iter().next() {
            few.push(0, Leaf::Spelled(*value, (&**text).into()));
        }
        if !self.strs.is_empty() {
            few.push(0, Leaf::Str("".into()));
        }
        if let Some((_, value)) = self.bools.iter().next() {
            few.push(0, Leaf::Bool(*value));
        }
        let mut sorts = [false; 7];
        for (_, list) in self.lists.iter() {
            let seen = sorts.get_mut(sort(list));
            if seen.is_some_and(|seen| !std::mem::replace(seen, true)) {
                few.push(0, Leaf::List(list.clone()));
            }
        }
        if !self.jsons.is_empty() {
            few.push(0, Leaf::Json("{}".into()));
        }
        few
    }

    /// Adds the digest of other values.
    pub fn add_digest(&mut self, other: &Sparse) {
        self.append(other, 0);
        *self = self.digest();
    }
}

/// Lists of one sort always end up in the same column.
fn sort(list: &List) -> usize {
    match list {
        List::Nulls(_) => 0,
        List::Ints(values) if values.iter().flatten().all(|value| fits(*value, true)) => 1,
        List::Ints(_) => 2,
        List::Floats(_) => 3,
        List::Strs(_) if list.spelled_numbers().is_some() => 4,
        List::Strs(_) => 5,
        List::Bools(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Shape, shapes};
    use proptest::prelude::*;

    fn kinds(values: &Sparse) -> Vec<Shape> {
        shapes(values).into_iter().map(|shape| Shape { count: 0, ..shape }).collect()
    }

    fn leaf() -> impl Strategy<Value = Leaf<'static>> {
        let list = prop_oneof![
            Just(List::Nulls(1)),
            Just(List::Ints(vec![Some(3)])),
            Just(List::Ints(vec![Some(i64::MAX), None])),
            Just(List::Floats(vec![Some(0.5)])),
            Just(List::Strs(vec![Some("NaN".into())])),
            Just(List::Strs(vec![Some("a".into())])),
            Just(List::Bools(vec![Some(true)])),
        ];
        prop_oneof![
            Just(Leaf::Null),
            Just(Leaf::Int(7)),
            Just(Leaf::Int((1 << 53) + 1)),
            Just(Leaf::Float(0.5)),
            Just(Leaf::Big("123456789012345678901234567890")),
            Just(Leaf::Str("x".into())),
            Just(Leaf::Bool(true)),
            Just(Leaf::Json("[{}]".into())),
            list.prop_map(Leaf::List),
        ]
    }

    proptest! {
        #[test]
        fn digests_make_the_same_columns(parts in proptest::collection::vec(proptest::collection::vec(leaf(), 0..4), 0..4)) {
            let (mut whole, mut few) = (Sparse::default(), Sparse::default());
            for leaves in parts {
                let mut part = Sparse::default();
                leaves.into_iter().enumerate().for_each(|(row, leaf)| part.push(row as u32, leaf));
                whole.append(&part, 100);
                few.add_digest(&part.digest());
            }
            prop_assert_eq!(kinds(&few), kinds(&whole));
        }
    }
}
