//! Columns of numbers, booleans and texts, made from the values that are there without a step between.

use super::bridge;
use crate::columns::{Dense, Facts, Kind, LeafType, Pairs, Sparse, Texts};
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
        Kind::String if values.spelled.is_empty() => texts(name, &values.strs, rows)?,
        Kind::Json if only_texts(values, facts) => texts(name, &values.jsons, rows)?,
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

/// A column of texts; it shares their bytes where that is possible, so that they are not copied.
fn texts(name: &str, texts: &Texts, rows: &Range<usize>) -> Result<Series> {
    if let Some(bytes) = texts.shared().filter(|bytes| u32::try_from(bytes.len()).is_ok()) {
        let array = bridge::texts(bytes, texts.places(rows), rows.len());
        return Ok(StringChunked::with_chunk(name.into(), array).into_series());
    }
    let mut column = StringChunkedBuilder::new(name.into(), rows.len());
    let mut next = 0;
    for (row, text) in texts.part(rows) {
        // Two values of one row cannot be: rows go up.
        (next..row).for_each(|_| column.append_null());
        column.append_value(text);
        next = row + 1;
    }
    (next..rows.len()).for_each(|_| column.append_null());
    Ok(column.finish().into_series())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Columns;
    use crate::frame::RunFrame;
    use crate::record::{Document, Receipt, Run, Wanted};

    fn columns(texts: &[Option<&str>]) -> Columns {
        let mut columns = Columns::new(Wanted { raw: false, ..Wanted::default() });
        for (number, text) in texts.iter().enumerate() {
            let json = |text: &str| Document::plain(serde_json::json!({ "t": text, "j": [{ "x": text }] }).to_string());
            columns.push(&Run { name: format!("r{number}"), config: text.map(json), ..Run::default() });
        }
        columns
    }

    fn column(frame: &DataFrame, name: &str) -> Vec<Option<String>> {
        frame.column(name).unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn texts_that_are_shared_are_those_that_are_copied() {
        let texts = [
            Some("short"),
            None,
            Some(""),
            Some("längér than twelve bytes"),
            Some("of twelve by"),
            None,
            Some("another of the longer ones"),
        ];
        let (columns, runs) = (columns(&texts), RunFrame::from_columns(columns(&texts), Receipt::default()).unwrap());
        let owned: Vec<Option<String>> = texts.iter().map(|text| text.map(str::to_owned)).collect();
        let whole = runs.collect().unwrap();
        assert_eq!(column(&whole, "config.t"), owned);
        let json = |text: &Option<&str>| text.map(|text| serde_json::json!([{ "x": text }]).to_string());
        assert_eq!(column(&whole, "config.j"), texts.iter().map(json).collect::<Vec<_>>());
        let id = columns.paths().into_iter().find(|(path, ..)| *path == "config.t").unwrap().2;
        assert!(id.strs.shared().is_none(), "only what is a frame's is shared");
        for (first, last) in [(0, 7), (0, 1), (1, 2), (3, 6), (6, 7), (4, 4)] {
            let part = runs.part("config.t", first..last).unwrap();
            let part: Vec<Option<String>> = part.str().unwrap().iter().map(|text| text.map(str::to_owned)).collect();
            assert_eq!(part, owned[first..last], "{first}..{last}");
            let copied = super::texts("t", &id.strs, &(first..last)).unwrap();
            assert!(copied.str().unwrap().iter().map(|text| text.map(str::to_owned)).eq(part));
        }
        // What is joined later does not change what was handed out.
        let mut more = runs.to_columns().unwrap();
        more.merge(&columns);
        let both = RunFrame::from_columns(more, Receipt::default()).unwrap().collect().unwrap();
        assert_eq!(column(&both, "config.t"), [owned.clone(), owned.clone()].concat());
        drop(runs);
        assert_eq!(column(&whole, "config.t"), owned);
        assert_eq!(whole.column("config.t").unwrap().null_count(), 2);
    }
}
