//! Where data goes, in which format, and how it looks there.

use super::Surroundings;
use crate::args;
use runframe::sink::{self, Format};
use runframe::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// Rows of a terminal table unless -n says otherwise.
pub(super) const TERMINAL_ROWS: usize = 50;

/// Where data goes and how.
#[derive(Debug)]
pub(crate) struct Output {
    /// `-` is the standard output.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) options: sink::Options,
}

/// `fallback` is the format where neither a flag nor a file's ending says one; `None`: a table on a terminal, else CSV.
pub(super) fn output(
    typed: args::Output,
    fallback: Option<Format>,
    limit: Option<u32>,
    around: &Surroundings,
    color: bool,
) -> Result<Output> {
    let path = typed.output.unwrap_or_else(|| "-".into());
    let is_stdout = sink::is_stdout(&path);
    let is_terminal = is_stdout && around.stdout_is_terminal;
    let default = fallback.unwrap_or(if is_terminal { Format::Table } else { Format::Csv });
    let format = match typed.format.or_else(|| Format::from_path(&path)) {
        Some(format) => format,
        // Devices have no ending: what would go to a pipe goes there.
        None if is_stdout || ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) => default,
        None => {
            let error = Error::new(ErrorKind::Usage, "the file's ending tells no format").file(path);
            return Err(error.hint("add --format, or end it in .parquet, .csv, .json, …"));
        }
    };
    if format.is_binary() && is_terminal {
        let error = Error::new(ErrorKind::Usage, format!("{format} is no format for a terminal"));
        return Err(error.hint("name a file with -o, or pipe it on"));
    }
    let mut options = sink::Options::default();
    options.precision = typed.precision.map(usize::from);
    options.zone = typed.tz;
    options.safe_cells = typed.safe_cells;
    options.color = color && is_stdout;
    options.width = is_terminal.then_some(around.width).flatten();
    options.rows = (is_terminal && limit.is_none()).then_some(TERMINAL_ROWS);
    Ok(Output { path, format, options })
}
