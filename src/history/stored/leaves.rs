//! Values of a stored column, as they were before they became one.

use crate::columns::{Kind, Sparse};
use crate::error::Result;
use crate::flatten::{Leaf, reread};
use crate::frame::scalars;
use polars::prelude::*;

/// Adds the values of a column; `row` gives their rows, and `None` for those that are left out.
///
/// # Errors
/// If the column has a type that no metric has.
pub(super) fn fill(into: &mut Sparse, column: &Series, kind: Kind, row: impl Fn(usize) -> Option<u32>) -> Result<()> {
    fn push<'a, T>(
        into: &mut Sparse,
        values: impl Iterator<Item = Option<T>>,
        row: impl Fn(usize) -> Option<u32>,
        leaf: impl Fn(T) -> Leaf<'a>,
    ) {
        for (at, value) in values.enumerate() {
            if let Some((value, row)) = value.zip(row(at)) {
                into.push(row, leaf(value));
            }
        }
    }
    match column.dtype() {
        DataType::Int64 => push(into, column.i64()?.iter(), row, Leaf::Int),
        DataType::Float64 => push(into, column.f64()?.iter(), row, Leaf::Float),
        DataType::Boolean => push(into, column.bool()?.iter(), row, Leaf::Bool),
        DataType::List(_) => {
            let lists = column.list()?;
            for at in 0..lists.len() {
                if let (Some(list), Some(row)) = (lists.get_as_series(at), row(at)) {
                    into.push(row, Leaf::List(scalars(&list)?));
                }
            }
        }
        _ if kind == Kind::Json => push(into, column.str()?.iter(), row, reread),
        _ => push(into, column.str()?.iter(), row, |text| Leaf::Str(text.into())),
    }
    Ok(())
}
