//! New runs put into an old file: groups of rows that nothing changed in are copied as they are, unread.

use super::order::{Rank, ranks};
use crate::columns::Columns;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{RunFrame, declare_all, import};
use crate::sink::{self, row_groups};
use crate::source::parquet::StoredTable;
use crate::threads::lock;
use polars::prelude::*;
use polars_io::SerReader;
use polars_io::prelude::ParquetReader;
use polars_parquet::read::{ColumnChunkMetadata, FileMetadata, PageReader, RowGroupMetadata, read_metadata};
use polars_parquet::write::CompressedPage;
use row_groups::{Chunk, RowGroups};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

/// The columns that tell where a run stands.
pub(super) const PLACE: [&str; 4] = ["entity", "project", "name", "created_at"];

/// An old file, and what is to become of it.
pub(super) struct Splice<'a> {
    /// The file's runs; at least the columns of [`PLACE`], in the file's order.
    pub old: &'a Columns,
    pub file: &'a RunFrame,
    /// Rows of the file that are not kept.
    pub gone: &'a HashSet<usize>,
    /// Runs that are put in, sorted.
    pub fresh: &'a RunFrame,
}

/// Some rows of the new file.
struct Part {
    /// The old group, and where its rows are in the old file.
    group: usize,
    rows: Range<usize>,
    /// Runs that come to it.
    fresh: Range<usize>,
    /// Its rows in their new order, counted through the old ones and then the fresh ones; `None` if the group stays as it is.
    order: Option<Vec<IdxSize>>,
}

/// Makes `fresh` such that it can be put into `file`; false if the file's columns would not stay what they are.
pub(super) fn prepare(fresh: &mut Columns, file: &RunFrame) -> bool {
    let schema = file.schema();
    // A spelling like "NaN" is a number where the path has other numbers; these runs alone do not tell.
    let is_number = |path: &str| schema.get(path).is_some_and(DataType::is_primitive_numeric);
    let spelled = fresh.paths().iter().any(|(path, _, values)| !values.spelled.is_empty() && is_number(path));
    !spelled && file.receipt().skipped_columns.is_empty() && declare_all(fresh, schema, file.json_columns())
}

impl Splice<'_> {
    /// Writes the new file over `path`; false if it must be written anew instead, or the old one is damaged.
    ///
    /// # Errors
    /// If the new file cannot be written.
    pub(super) fn write(&self, path: &Path, metadata: &[(String, String)]) -> Result<bool> {
        // Polars panics on some damaged files; whoever reads all of it has the words for what is wrong.
        let done = catch_unwind(AssertUnwindSafe(|| self.attempt(path, metadata)));
        match done.unwrap_or(Ok(false)) {
            Err(error) if error.kind() != ErrorKind::Io => Ok(false),
            done => done,
        }
    }

    fn attempt(&self, path: &Path, metadata: &[(String, String)]) -> Result<bool> {
        // What is copied unread would get new checksums: first the old ones are looked at.
        StoredTable::open(path)?.check_all()?;
        let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
        let footer = read_metadata(&mut file)?;
        let Some(parts) = self.plan(&footer)? else { return Ok(false) };
        let old = Old { path, file: Mutex::new(file), footer, frame: self.file };
        // The closure takes the old file, which is closed when the new one takes its place.
        sink::save(path, move |out| {
            let old = old;
            row_groups::write(out, self.fresh.schema(), metadata, |file| {
                parts.iter().try_for_each(|part| self.part(file, &old, part))
            })
        })?;
        Ok(true)
    }

    /// What becomes of each group; `None` if the columns or the order do not allow it.
    fn plan(&self, footer: &FileMetadata) -> Result<Option<Vec<Part>>> {
        let (schema, new) = (self.file.schema(), self.fresh.schema());
        let is_json = |frame: &RunFrame, name: &str| frame.json_columns().iter().any(|json| json == name);
        let same = |(name, dtype): (&PlSmallStr, &DataType)| {
            new.get(name) == Some(dtype) && is_json(self.file, name) == is_json(self.fresh, name)
        };
        let heights: Vec<usize> = footer.row_groups.iter().map(RowGroupMetadata::num_rows).collect();
        let ranks_of_old = ranks(self.old);
        let rows: usize = heights.iter().sum();
        if !schema.iter().all(same) || !ranks_of_old.is_sorted() || rows != ranks_of_old.len() || rows == 0 {
            return Ok(None);
        }
        let place = import(&self.fresh.select(&PLACE)?, &[])?;
        let ranks_of_fresh = ranks(&place);
        let (mut parts, mut start, mut first) = (Vec::new(), 0, 0);
        for (group, height) in heights.iter().enumerate() {
            let rows = start..start + height;
            start = rows.end;
            let last: Option<&Rank<'_>> = ranks_of_old.get(rows.end.wrapping_sub(1));
            let end = match group + 1 == heights.len() {
                true => ranks_of_fresh.len(),
                false => ranks_of_fresh.partition_point(|rank| Some(rank) <= last).max(first),
            };
            let changed = end > first || rows.clone().any(|row| self.gone.contains(&row));
            let order = changed.then(|| {
                let kept = rows.clone().filter(|row| !self.gone.contains(row));
                let kept = kept.filter_map(|row| Some((ranks_of_old.get(row)?, row - rows.start)));
                let come = (first..end).filter_map(|row| Some((ranks_of_fresh.get(row)?, height + row - first)));
                let mut order: Vec<_> = kept.chain(come).collect();
                order.sort();
                order.into_iter().map(|(_, row)| row as IdxSize).collect()
            });
            parts.push(Part { group, rows, fresh: first..end, order });
            first = end;
        }
        Ok(Some(parts))
    }

    fn part(&self, file: &mut RowGroups<'_, '_>, old: &Old<'_>, part: &Part) -> Result<()> {
        let names: Vec<&PlSmallStr> = self.fresh.schema().iter_names().collect();
        let null = |at: usize, rows: usize| {
            let field = self.fresh.schema().get_at_index(at).map(|(name, dtype)| (name.clone(), dtype));
            let (name, dtype) = field.unwrap_or((PlSmallStr::EMPTY, &DataType::Null));
            Column::full_null(name, rows, dtype)
        };
        let Some(order) = &part.order else {
            return file.group(part.rows.len(), &|at| match names.get(at) {
                Some(name) if self.file.schema().contains(name) => old.chunk(part, name),
                _ => Ok(Chunk::Values(null(at, part.rows.len()))),
            });
        };
        let before = old.read(part, None)?;
        let size = row_groups::rows_of_a_group(order.len(), names.len());
        // A group that has grown is cut in equal parts before it is twice as large as it should be.
        let pieces = (order.len() / size).max(1);
        for piece in order.chunks(order.len().div_ceil(pieces).max(1)) {
            let rows = IdxCa::from_slice(PlSmallStr::EMPTY, piece);
            file.group(piece.len(), &|at| {
                let Some(name) = names.get(at) else { return Ok(Chunk::Values(null(at, piece.len()))) };
                let mut column = match before.column(name) {
                    Ok(column) => column.clone(),
                    Err(_) => null(at, part.rows.len()),
                };
                column.append_owned(self.fresh.part(name, part.fresh.clone())?)?;
                Ok(Chunk::Values(column.take(&rows)?))
            })?;
        }
        Ok(())
    }
}

/// The old file, open.
struct Old<'a> {
    path: &'a Path,
    file: Mutex<File>,
    footer: FileMetadata,
    frame: &'a RunFrame,
}

impl Old<'_> {
    /// The old rows of a part; of one column, or of all.
    fn read(&self, part: &Part, column: Option<&str>) -> Result<DataFrame> {
        let file = File::open(self.path).map_err(|error| Error::io(self.path, error))?;
        let names = |name: &str| vec![name.to_owned()];
        let all = || self.frame.schema().iter_names().map(|name| name.to_string()).collect();
        Ok(ParquetReader::new(file)
            .with_columns(Some(column.map_or_else(all, names)))
            .with_slice(Some((part.rows.start, part.rows.len())))
            .finish()?)
    }

    /// A column of a group as it is in the file.
    fn chunk(&self, part: &Part, name: &str) -> Result<Chunk> {
        let leaves = self.footer.row_groups.get(part.group).and_then(|group| group.columns_under_root_iter(name));
        let pages = leaves.into_iter().flatten().map(|leaf| self.pages(leaf, part.rows.len()));
        match pages.collect::<Result<Option<Vec<_>>>>()? {
            Some(pages) if !pages.is_empty() => Ok(Chunk::Pages(pages)),
            _ => Ok(Chunk::Values(self.read(part, Some(name))?.column(name)?.clone())),
        }
    }

    /// The pages of a leaf; `None` for lists in several pages, whose headers do not tell how many rows each has.
    fn pages(&self, leaf: &ColumnChunkMetadata, rows: usize) -> Result<Option<Vec<CompressedPage>>> {
        let range = leaf.byte_range();
        let mut bytes = vec![0; (range.end - range.start) as usize];
        {
            let mut file = lock(&self.file);
            let read = file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut bytes));
            read.map_err(|error| Error::io(self.path, error))?;
        }
        let (size, nested) = (bytes.len(), leaf.descriptor().descriptor.max_rep_level > 0);
        let reader = PageReader::new(Cursor::new(bytes.into()), leaf, Vec::new(), size);
        let mut pages = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(PolarsError::from)?;
        let mut data = 0;
        for page in &mut pages {
            if let CompressedPage::Data(page) = page {
                data += 1;
                page.num_rows = Some(if nested { rows } else { page.num_values() });
            }
        }
        Ok((!nested || data == 1).then_some(pages))
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
