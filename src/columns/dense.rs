//! One typed column, made dense from its path's sparse values.

use super::resolve::{Facts, Kind, fits};
use super::sparse::Sparse;
use crate::flatten::List;
use std::borrow::Cow;
use std::ops::Range;

/// A column with a value or null for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Dense<'a> {
    /// Integers.
    Ints(Vec<Option<i64>>),
    /// Floats.
    Floats(Vec<Option<f64>>),
    /// Strings, or JSON text.
    Texts(Vec<Option<Cow<'a, str>>>),
    /// Booleans.
    Bools(Vec<Option<bool>>),
    /// Lists; the column's [`LeafType`](super::LeafType) tells of what.
    Lists(Vec<Option<&'a List>>),
}

impl<'a> Dense<'a> {
    /// The column of `kind` that `values` make, `height` rows long.
    pub fn of(values: &'a Sparse, kind: Kind, height: usize) -> Self {
        Self::part(values, Facts::of(values), kind, &(0..height))
    }

    /// Some rows of the column of `kind` that `values` make; `facts` are those of all rows.
    pub fn part(values: &'a Sparse, facts: Facts, kind: Kind, rows: &Range<usize>) -> Self {
        let height = rows.len();
        match kind {
            Kind::Number if facts.floats => Dense::Floats(floats(values, facts, rows)),
            Kind::Number => Dense::Ints(scatter(height, values.ints.part(rows).map(|(row, v)| (row, *v)))),
            Kind::String => {
                let spelled = values.spelled.part(rows).filter(|_| !facts.spelled_are_numbers);
                let spelled = spelled.map(|(row, (_, text))| (row, Cow::Borrowed(&**text)));
                Dense::Texts(scatter(height, borrowed(values.strs.part(rows)).chain(spelled)))
            }
            Kind::Bool => Dense::Bools(scatter(height, values.bools.part(rows).map(|(row, v)| (row, *v)))),
            Kind::List => Dense::Lists(scatter(height, values.lists.part(rows).filter(|(_, list)| facts.takes(list)))),
            Kind::Json => {
                let ints = values.ints.part(rows).filter(|(_, v)| !fits(**v, facts.floats));
                let ints = ints.map(|(row, v)| (row, Cow::Owned(v.to_string())));
                let lists = values.lists.part(rows).filter(|(_, list)| !facts.takes(list));
                let lists = lists.map(|(row, list)| (row, Cow::Owned(list.to_json())));
                let texts = borrowed(values.jsons.part(rows)).chain(borrowed(values.bigs.part(rows)));
                Dense::Texts(scatter(height, texts.chain(ints).chain(lists)))
            }
        }
    }
}

fn floats(values: &Sparse, facts: Facts, rows: &Range<usize>) -> Vec<Option<f64>> {
    let ints = values.ints.part(rows).filter(|(_, v)| fits(**v, true)).map(|(row, v)| (row, *v as f64));
    let floats = values.floats.part(rows).map(|(row, v)| (row, *v));
    let spelled = values.spelled.part(rows).filter(|_| facts.spelled_are_numbers).map(|(row, (v, _))| (row, v.value()));
    scatter(rows.len(), ints.chain(floats).chain(spelled))
}

fn borrowed<'a>(texts: impl Iterator<Item = (usize, &'a str)>) -> impl Iterator<Item = (usize, Cow<'a, str>)> {
    texts.map(|(row, text)| (row, Cow::Borrowed(text)))
}

fn scatter<T: Clone>(height: usize, values: impl Iterator<Item = (usize, T)>) -> Vec<Option<T>> {
    let mut dense = vec![None; height];
    for (row, value) in values {
        if let Some(cell) = dense.get_mut(row) {
            *cell = Some(value);
        }
    }
    dense
}
