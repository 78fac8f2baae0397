//! A run table to Parquet, a group of rows at a time, so that it is never dense in memory as a whole.

use super::row_groups::{self, Chunk};
use super::save;
use crate::error::Result;
use crate::frame::RunFrame;
use std::path::Path;

/// Writes all runs to a Parquet file, over what is there: zstd, statistics, and [`RunFrame::metadata`] with `more` in the footer.
///
/// Memory holds one group of rows beside the table, however wide and sparse it is; [`write_file`](super::write_file) of
/// [`RunFrame::collect`] writes the same rows from a table in which every column is dense.
///
/// # Errors
/// If a stored table cannot be read, or if the file cannot be written: `path` is then what it was.
///
/// ```
/// # fn main() -> runframe::Result<()> {
/// let runs = runframe::RunFrame::open("examples/wandb")?;
/// let file = std::env::temp_dir().join("runs.parquet");
/// runframe::sink::write_runs(&runs, &[], &file)?;
/// assert_eq!(runframe::RunFrame::open(&file.to_string_lossy())?.height(), runs.height());
/// # Ok(()) }
/// ```
pub fn write_runs(frame: &RunFrame, more: &[(String, String)], path: &Path) -> Result<()> {
    let names: Vec<&str> = frame.schema().iter_names().map(|name| name.as_str()).collect();
    let name = |at: usize| names.get(at).copied().unwrap_or_default();
    let metadata: Vec<_> = frame.metadata().into_iter().chain(more.iter().cloned()).collect();
    // Rows of a stored table are read together, once for all columns; others are made column by column, by several threads.
    let together = frame.is_stored();
    save(path, |out| {
        row_groups::write(out, frame.schema(), &metadata, |file| {
            for rows in row_groups::groups(frame.height(), names.len(), frame.values()) {
                let read = if together { Some(frame.rows(rows.clone())?) } else { None };
                file.group(rows.len(), &|at| match &read {
                    Some(read) => Ok(Chunk::Values(read.column(name(at))?.clone())),
                    None => frame.part(name(at), rows.clone()).map(Chunk::Values),
                })?;
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Options, write_file};
    use super::*;

    #[test]
    fn writes_what_the_whole_table_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let loaded = RunFrame::open("examples/wandb").unwrap();
        write_runs(&loaded, &[("more".into(), "1".into())], &file("groups.parquet")).unwrap();
        let options = Options { metadata: loaded.metadata(), ..Options::default() };
        write_file(&loaded.collect().unwrap(), &file("whole.parquet"), Format::Parquet, &options).unwrap();
        let stored = RunFrame::open(&file("groups.parquet").to_string_lossy()).unwrap();
        assert!(stored.is_stored() && !loaded.is_stored());
        write_runs(&stored, &[], &file("again.parquet")).unwrap();
        for name in ["groups.parquet", "whole.parquet", "again.parquet"] {
            let back = RunFrame::open(&file(name).to_string_lossy()).unwrap();
            assert!(back.collect().unwrap().equals_missing(&loaded.collect().unwrap()), "{name}");
            assert_eq!(back.json_columns(), loaded.json_columns(), "{name}");
        }
    }
}
