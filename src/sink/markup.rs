//! What Markdown, LaTeX and HTML share: one text per cell, row by row.

use super::cell::{Cell, Grid, Style, Values};
use super::{Options, json, output, text};
use crate::error::Result;
use std::io::Write;

/// Bytes gathered before they are handed on.
const CHUNK: usize = 1 << 16;

/// Writes `before`, one `row` for each row and `after`; a row gets its cells' texts, `None` for a null. Lists and structs are JSON.
pub(super) fn write(
    grid: &Grid,
    options: &Options,
    out: &mut dyn Write,
    before: impl Fn(&mut String, &[Values<'_>]),
    row: impl Fn(&mut String, &[Values<'_>], &[Option<String>]),
    after: &str,
) -> Result<()> {
    let style = Style { zone: options.zone };
    let columns = grid.columns(style);
    let mut page = String::new();
    before(&mut page, &columns);
    for at in 0..if columns.is_empty() { 0 } else { grid.height() } {
        let cells: Vec<Option<String>> = columns.iter().map(|column| shown(&column.get(at), options, style)).collect();
        row(&mut page, &columns, &cells);
        if page.len() >= CHUNK {
            out.write_all(page.as_bytes()).map_err(output)?;
            page.clear();
        }
    }
    page.push_str(after);
    out.write_all(page.as_bytes()).and_then(|()| out.flush()).map_err(output)
}

fn shown(cell: &Cell<'_>, options: &Options, style: Style) -> Option<String> {
    let mut shown = String::new();
    match cell {
        Cell::Null => return None,
        cell => {
            if !text::push_plain(&mut shown, cell, options.precision) {
                json::push(&mut shown, cell, style);
            }
        }
    }
    Some(shown)
}
