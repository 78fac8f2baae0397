//! Reading chosen rows of a Parquet file, group by group of rows, on all threads.

use super::{footer, skip};
use crate::record::seal::Seal;
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;
use polars_io::mmap::ReaderBytes;
use polars_io::parquet::read::_internal::to_deserializer;
use polars_parquet::read::{FileMetadata, Filter, RowGroupMetadata};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;

/// Of a list or struct, rows are left out while reading only if fewer than one in this many are wanted: leaving out costs too.
const SPARSE_NESTED: usize = 8;
/// The same for plain values.
const SPARSE: usize = 3;

/// Which rows of a group are wanted.
#[derive(Debug, Clone)]
pub(super) enum Pick {
    None,
    All,
    First(usize),
    Rows(Bitmap),
}

impl Pick {
    /// How many rows of a group of this many they are.
    fn rows(&self, height: usize) -> usize {
        match self {
            Pick::None => 0,
            Pick::All => height,
            Pick::First(rows) => *rows,
            Pick::Rows(mask) => mask.set_bits(),
        }
    }
}

/// The first `rows` rows of the file, whose groups have so many.
pub(super) fn first(heights: &[usize], rows: usize) -> Vec<Pick> {
    let mut left = rows;
    let mut pick = |height: &usize| {
        let taken = left.min(*height);
        left -= taken;
        match taken {
            0 => Pick::None,
            _ if taken == *height => Pick::All,
            _ => Pick::First(taken),
        }
    };
    heights.iter().map(&mut pick).collect()
}

/// The rows of the file from one to another.
pub(super) fn between(heights: &[usize], rows: &Range<usize>) -> Vec<Pick> {
    let mut start = 0;
    let mut pick = |height: &usize| {
        let (first, height) = (start, *height);
        start += height;
        let inside = rows.start.clamp(first, start) - first..rows.end.clamp(first, start) - first;
        match inside.len() {
            0 => Pick::None,
            taken if taken == height => Pick::All,
            _ => Pick::Rows((0..height).map(|row| inside.contains(&row)).collect()),
        }
    };
    heights.iter().map(&mut pick).collect()
}

/// These rows of the file, which all exist.
pub(super) fn these(heights: &[usize], rows: &[IdxSize]) -> Vec<Pick> {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    let (mut start, mut rest) = (0, sorted.as_slice());
    let mut picks = Vec::with_capacity(heights.len());
    for height in heights {
        let end = start + height;
        let (inside, behind) = rest.split_at(rest.partition_point(|row| (*row as usize) < end));
        let mut mask = vec![false; if inside.is_empty() { 0 } else { *height }];
        for row in inside {
            if let Some(bit) = mask.get_mut(*row as usize - start) {
                *bit = true;
            }
        }
        picks.push(if inside.is_empty() { Pick::None } else { Pick::Rows(mask.into_iter().collect()) });
        (start, rest) = (end, behind);
    }
    picks
}

/// What was read of [`these`] rows, in their own order, repeated ones repeated.
pub(super) fn ordered(table: &DataFrame, rows: &[IdxSize]) -> PolarsResult<DataFrame> {
    if rows.is_sorted_by(|a, b| a < b) {
        return Ok(table.clone());
    }
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let place = rows.iter().map(|row| sorted.partition_point(|other| other < row) as IdxSize);
    table.take(&IdxCa::from_vec("row".into(), place.collect()))
}

/// Checks a part of the file against its seal, if it has one.
pub(super) fn sound(seal: Option<&Seal>, bytes: &ReaderBytes<'_>, range: Range<u64>) -> PolarsResult<()> {
    let Err(at) = seal.map_or(Ok(()), |seal| seal.check(bytes, range)) else { return Ok(()) };
    polars_bail!(ComputeError: "the bytes from {at} on do not have the checksum that they were written with")
}

/// Some columns of the groups of rows of an open file.
pub(super) struct Groups<'a> {
    /// Tells of these columns at least.
    pub(super) footer: &'a FileMetadata,
    pub(super) fields: &'a ArrowSchema,
    pub(super) seal: Option<&'a Seal>,
    pub(super) bytes: &'a ReaderBytes<'a>,
}

impl Groups<'_> {
    /// The columns of the picked rows; there is a pick for each group.
    pub(super) fn read(&self, picks: &[Pick]) -> PolarsResult<DataFrame> {
        let fields: Vec<&ArrowField> = self.fields.iter_values().collect();
        let picked = self.footer.row_groups.iter().zip(picks).filter(|(group, pick)| pick.rows(group.num_rows()) > 0);
        let picked: Vec<(&RowGroupMetadata, &Pick)> = picked.collect();
        let height = picked.iter().map(|(group, pick)| pick.rows(group.num_rows())).sum();
        if fields.is_empty() {
            return Ok(DataFrame::empty_with_height(height));
        }
        // Group by group, so that what lies together in the file is read together.
        let parts = (0..picked.len() * fields.len()).into_par_iter().map(|at| {
            let (group, pick) = picked[at / fields.len()];
            self.chunk(group, fields[at % fields.len()], pick)
        });
        let mut parts = parts.collect::<PolarsResult<Vec<Series>>>()?.into_iter();
        let mut whole: Vec<Series> = parts.by_ref().take(fields.len()).collect();
        if whole.is_empty() {
            whole = fields.iter().map(|f| Series::new_empty(f.name.clone(), &DataType::from_arrow_field(f))).collect();
        }
        for (at, part) in parts.enumerate() {
            if let Some(column) = whole.get_mut(at % fields.len()) {
                column.append_owned(part)?;
            }
        }
        DataFrame::new(height, whole.into_iter().map(Column::from).collect())
    }

    /// One column of one group.
    fn chunk(&self, group: &RowGroupMetadata, field: &ArrowField, pick: &Pick) -> PolarsResult<Series> {
        let height = pick.rows(group.num_rows());
        let Some(leaves) = group.columns_under_root_iter(&field.name) else {
            polars_bail!(ComputeError: "a group of rows has no column {}", field.name);
        };
        let ReaderBytes::Owned(bytes) = self.bytes else {
            polars_bail!(ComputeError: "the file is not in memory");
        };
        let mut parts = Vec::with_capacity(1);
        for leaf in leaves.filter(|leaf| super::narrow::has(&field.dtype, &leaf.descriptor().path_in_schema)) {
            let range = leaf.byte_range();
            let (start, end) = (range.start as usize, range.end as usize);
            polars_ensure!(start <= end && end <= bytes.len(), ComputeError: "column {} lies behind the end", field.name);
            sound(self.seal, self.bytes, range)?;
            let chunk = bytes.clone().sliced(start..end);
            footer::check_pages(leaf, &chunk)
                .map_err(|what| polars_err!(ComputeError: "column {}: {what}", field.name))?;
            parts.push((leaf, chunk));
        }
        let sparse = if field.dtype.is_nested() { SPARSE_NESTED } else { SPARSE };
        let (filter, later) = match pick {
            Pick::None | Pick::All => (None, None),
            Pick::First(rows) => (Some(Filter::Range(0..*rows)), None),
            Pick::Rows(mask) if height * sparse < mask.len() => (Some(Filter::Mask(mask.clone())), None),
            Pick::Rows(mask) => (None, Some(mask)),
        };
        let (arrays, _) = to_deserializer(parts, field.clone(), filter)?;
        let mut series = Series::try_from((field, arrays))?;
        if let Some(mask) = later {
            polars_ensure!(series.len() == mask.len(), ComputeError: "column {} has {} rows, not {}", field.name, series.len(), mask.len());
            series = series.filter(&BooleanChunked::from_bitmap("keep".into(), mask.clone()))?;
        }
        polars_ensure!(series.len() == height, ComputeError: "column {} has {} rows, not {height}", field.name, series.len());
        Ok(series)
    }
}

/// The columns that an expression names.
pub(super) fn named(predicate: &Expr) -> HashSet<&str> {
    let columns = predicate.into_iter().filter_map(|expr| match expr {
        Expr::Column(name) => Some(name.as_str()),
        _ => None,
    });
    columns.collect()
}

/// The rows for which the predicate is true, of groups with the columns that it names. The outer error is the file's, the inner
/// one the predicate's.
pub(super) fn matching(groups: &Groups<'_>, predicate: &Expr) -> PolarsResult<PolarsResult<Vec<Pick>>> {
    let skip = skip::Prover::new(predicate, groups.fields);
    let masks = groups.footer.row_groups.par_iter().map(|group| -> PolarsResult<PolarsResult<Pick>> {
        if skip.never(group, &groups.footer.footer_buf) {
            return Ok(Ok(Pick::None));
        }
        let columns =
            groups.fields.iter_values().map(|field| Ok(Column::from(groups.chunk(group, field, &Pick::All)?)));
        let table = DataFrame::new(group.num_rows(), columns.collect::<PolarsResult<Vec<_>>>()?)?;
        Ok(evaluate(table, predicate))
    });
    Ok(masks.collect::<PolarsResult<Vec<_>>>()?.into_iter().collect())
}

/// The rows of the table for which the predicate is true, not false and not null.
fn evaluate(table: DataFrame, predicate: &Expr) -> PolarsResult<Pick> {
    let height = table.height();
    let found = table.lazy().select([predicate.clone().alias("keep")]).collect()?;
    let keep = found.column("keep")?.bool()?;
    if keep.len() != height {
        // It names no column, so that all rows are alike.
        return Ok(if keep.get(0) == Some(true) { Pick::All } else { Pick::None });
    }
    Ok(match keep.sum() {
        None | Some(0) => Pick::None,
        Some(rows) if rows as usize == height => Pick::All,
        Some(_) => Pick::Rows(keep.iter().map(|bit| bit == Some(true)).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::StoredTable;
    use polars::prelude::*;
    use polars_io::prelude::ParquetWriter;
    use std::fs::File;

    #[test]
    fn a_slice_is_that_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i.parquet");
        let mut whole =
            df!("i" => 0..100_i64, "j" => (0..100_i64).map(|i| (i % 3 > 0).then_some(i)).collect::<Vec<_>>()).unwrap();
        let file = File::create(&path).unwrap();
        ParquetWriter::new(file).with_row_group_size(Some(7)).finish(&mut whole).unwrap();
        let stored = StoredTable::open(&path).unwrap();
        assert!(stored.groups().count() > 10);
        for first in 0..=100 {
            for last in [first, first + 1, first + 6, first + 7, first + 20, 100] {
                let rows = first..last.clamp(first, 100);
                let found = stored.read_slice(&["i", "j"], rows.clone()).unwrap();
                assert!(found.equals_missing(&whole.slice(first as i64, rows.len())), "{rows:?}");
            }
        }
    }
}
