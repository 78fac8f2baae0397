//! Columns of numbers, booleans and texts, made from the values that are there without a step between.

use crate::columns::{Dense, Facts, Kind, LeafType, Pairs, Sparse};
use crate::error::Result;
use polars::prelude::*;
use polars_arrow::array::BooleanArray;
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;
use std::ops::Range;

/// Some rows of the column of `kind` that `values` make; `facts` are those of all rows.
pub(super) fn column(
    name: &str,
    values: &Sparse,
    facts: Facts,
    (kind, dtype): (Kind, LeafType),
    rows: &Range<usize>,
) -> Result<Series> {
    // What has values of several sorts in one column is left to `Dense`.
    Ok(match kind {
        Kind::Number if facts.floats && values.ints.is_empty() && values.spelled.is_empty() => {
            numbers::<Float64Type>(name, &values.floats, rows)?
        }
        Kind::Number if facts.floats => {
            let mut cells = Cells::<f64>::new(rows.len());
            let ints = values.ints.part(rows).filter(|(_, value)| crate::columns::fits(**value, true));
            ints.for_each(|(row, value)| cells.set(row, *value as f64));
            values.floats.part(rows).for_each(|(row, value)| cells.set(row, *value));
            if facts.spelled_are_numbers {
                values.spelled.part(rows).for_each(|(row, (value, _))| cells.set(row, value.value()));
            }
            cells.series::<Float64Type>(name)?
        }
        Kind::Number => numbers::<Int64Type>(name, &values.ints, rows)?,
        Kind::Bool => {
            let mut cells = Cells::<()>::new(0);
            cells.valid = vec![0; rows.len().div_ceil(8)];
            let mut bits = vec![0u8; rows.len().div_ceil(8)];
            for (row, value) in values.bools.part(rows) {
                cells.mark(row);
                if let Some(byte) = bits.get_mut(row / 8) {
                    *byte |= u8::from(*value) << (row % 8);
                }
            }
            let (bits, valid) = (Bitmap::try_new(bits, rows.len())?, cells.validity(rows.len())?);
            let array = BooleanArray::try_new(ArrowDataType::Boolean, bits, valid)?;
            BooleanChunked::with_chunk(name.into(), array).into_series()
        }
        Kind::String if values.spelled.is_empty() => texts(name, values.strs.part(rows), rows.len()),
        Kind::Json if only_texts(values, facts) => texts(name, values.jsons.part(rows), rows.len()),
        _ => super::series::leaf(name, &Dense::part(values, facts, kind, rows), dtype)?,
    })
}

/// True if the json column holds nothing but what was JSON text from the start.
fn only_texts(values: &Sparse, facts: Facts) -> bool {
    let displaced = |(_, value): (usize, &i64)| !crate::columns::fits(*value, facts.floats);
    values.bigs.is_empty() && values.lists.is_empty() && !(facts.floats && values.ints.iter().any(displaced))
}

fn numbers<T: PolarsNumericType>(name: &str, values: &Pairs<T::Native>, rows: &Range<usize>) -> Result<Series> {
    if let Some(values) = values.of_all(rows) {
        return Ok(ChunkedArray::<T>::from_slice(name.into(), values).into_series());
    }
    let mut cells = Cells::new(rows.len());
    values.part(rows).for_each(|(row, value)| cells.set(row, *value));
    cells.series::<T>(name)
}

/// A column on its way: values, and a bit for each that is there.
struct Cells<T> {
    values: Vec<T>,
    valid: Vec<u8>,
    count: usize,
}

impl<T: Copy + Default> Cells<T> {
    fn new(height: usize) -> Self {
        Cells { values: vec![T::default(); height], valid: vec![0; height.div_ceil(8)], count: 0 }
    }

    #[inline]
    fn set(&mut self, row: usize, value: T) {
        if let Some(cell) = self.values.get_mut(row) {
            *cell = value;
            self.mark(row);
        }
    }

    #[inline]
    fn mark(&mut self, row: usize) {
        if let Some(byte) = self.valid.get_mut(row / 8) {
            let bit = 1 << (row % 8);
            self.count += usize::from(*byte & bit == 0);
            *byte |= bit;
        }
    }

    /// `None` if all are there.
    fn validity(self, height: usize) -> Result<Option<Bitmap>> {
        Ok(if self.count == height { None } else { Some(Bitmap::try_new(self.valid, height)?) })
    }

    fn series<N: PolarsNumericType<Native = T>>(mut self, name: &str) -> Result<Series> {
        let values = std::mem::take(&mut self.values);
        let valid = self.validity(values.len())?;
        Ok(ChunkedArray::<N>::from_vec_validity(name.into(), values, valid).into_series())
    }
}

fn texts<'a>(name: &str, texts: impl Iterator<Item = (usize, &'a str)>, height: usize) -> Series {
    let mut column = StringChunkedBuilder::new(name.into(), height);
    let mut next = 0;
    for (row, text) in texts {
        // Two values of one row cannot be: rows go up.
        (next..row).for_each(|_| column.append_null());
        column.append_value(text);
        next = row + 1;
    }
    (next..height).for_each(|_| column.append_null());
    column.finish().into_series()
}
