//! Writing rows as part files of a sane size.

use super::cursor::JSON_COLUMNS;
use super::state::{Part, Segment};
use crate::error::Result;
use crate::history::chunk::NONE;
use crate::history::layout::Layout;
use crate::history::table::HistoryTable;
use crate::record::RunKey;
use crate::sink;
use crate::sink::row_groups::{self, Chunk};
use polars::prelude::DataFrame;
use std::path::Path;

/// Cells of a part: some tens of megabytes.
const CELLS: usize = 1 << 24;
/// Rows of a part, at least and at most.
const ROWS: (usize, usize) = (1 << 16, 1 << 22);

/// How many rows a part has, in a table of this width.
pub(super) fn rows_of_a_part(width: usize) -> usize {
    (CELLS / width.max(1)).clamp(ROWS.0, ROWS.1)
}

/// Names for new parts, none of which was ever used in the data set.
#[derive(Debug)]
pub(super) struct Names {
    generation: u64,
    next: usize,
}

impl Names {
    /// Names of a generation, other than those of `taken`.
    pub(super) fn new<'a>(generation: u64, taken: impl Iterator<Item = &'a str>) -> Self {
        let prefix = format!("part-{generation:06}-");
        let number = |name: &str| name.strip_prefix(&prefix)?.strip_suffix(".parquet")?.parse::<usize>().ok();
        Names { generation, next: taken.filter_map(number).max().map_or(0, |last| last + 1) }
    }

    fn next(&mut self) -> String {
        self.next += 1;
        format!("part-{:06}-{:04}.parquet", self.generation, self.next - 1)
    }
}

/// Writes the rows that `next` hands out, each time no more than a group of rows, to new parts in `folder`. `segments` says whose
/// rows they are.
///
/// # Errors
/// Those of `next`, or if a file cannot be written.
pub(super) fn write(
    folder: &Path,
    names: &mut Names,
    layout: &Layout,
    segments: Vec<Segment>,
    next: &mut dyn FnMut() -> Result<Option<DataFrame>>,
) -> Result<Vec<Part>> {
    let most = rows_of_a_part(layout.schema.len());
    let json = serde_json::Value::from(layout.json_columns.clone()).to_string();
    let metadata =
        [("runframe.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()), (JSON_COLUMNS.to_owned(), json)];
    let (mut parts, mut waiting, mut segments) = (Vec::new(), next()?, segments.into_iter().peekable());
    while waiting.is_some() {
        let (file, mut rows) = (names.next(), 0);
        sink::save(&folder.join(&file), |out| {
            row_groups::write(out, &layout.schema, &metadata, |groups| {
                while let Some(frame) = waiting.take() {
                    let column = |at: usize| Ok(Chunk::Values(frame.select_at_idx(at).cloned().unwrap_or_default()));
                    groups.group(frame.height(), &column)?;
                    rows += frame.height();
                    waiting = next()?;
                    if rows >= most {
                        break;
                    }
                }
                Ok(())
            })
        })?;
        let mut own = Vec::new();
        // A run whose rows go on in the next part is in both.
        while let (true, Some(segment)) = (rows > 0, segments.peek_mut()) {
            let taken = segment.rows.min(rows);
            own.push(Segment { rows: taken, ..segment.clone() });
            segment.rows -= taken;
            rows -= taken;
            if segment.rows == 0 {
                segments.next();
            }
        }
        parts.push(Part { folder: folder.to_owned(), file, segments: own });
    }
    Ok(parts)
}

/// Writes a loaded history to new parts in `folder`.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_table(folder: &Path, names: &mut Names, table: &HistoryTable) -> Result<Vec<Part>> {
    let layout = table.layout().clone();
    let width = layout.schema.len();
    let rows = row_groups::rows_of_a_group(rows_of_a_part(width), width);
    write(folder, names, &layout, segments(table), &mut table.frames(rows))
}

/// Whose rows the table has.
fn segments(table: &HistoryTable) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut add = |run: &RunKey, rows: usize, (first, last): (i64, i64)| {
        // Rows without a step stand last.
        let steps = (first != NONE && last != NONE).then_some((first, last));
        match segments.last_mut().filter(|segment| segment.run == *run) {
            Some(segment) => {
                segment.rows += rows;
                segment.steps = segment.steps.zip(steps).map(|((first, _), (_, last))| (first, last));
            }
            None => segments.push(Segment { run: run.clone(), rows, steps, keep: true }),
        }
    };
    for part in table.parts().iter().filter(|part| part.rows() > 0) {
        part.run().into_iter().for_each(|run| add(run, part.rows(), part.ends()));
    }
    segments
}
