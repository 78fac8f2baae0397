//! Tables out of the house: one short file per format, and files that are whole or not there.

mod arrow;
mod cell;
mod csv;
mod file;
mod formula;
mod html;
mod json;
mod latex;
mod markdown;
mod markup;
mod pack;
mod parquet;
pub(crate) mod row_groups;
mod runs;
mod spy;
#[cfg(unix)]
mod stale;
mod steady;
mod stream;
mod table;
mod telling;
mod text;
mod xlsx;

#[cfg(feature = "api")]
pub(crate) use file::check_folder;
pub use file::{abandon, save, write_file};
pub use runs::write_runs;
pub use stream::is_stdout;
pub use table::visible;
pub use telling::telling_first;
pub use text::Zone;

use crate::error::{Error, ErrorKind, Result};
use cell::{Cell, Grid, Style, Values};
use polars::prelude::{DataFrame, Series};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For eyes: fitted to the terminal.
    Table,
    /// Comma-separated values, full precision.
    Csv,
    /// Tab-separated values, full precision.
    Tsv,
    /// One array of objects, one object per line.
    ///
    /// `NaN` and infinities are strings, as W&B spells them. Texts that are JSON are nested. If one of a
    /// column's texts is a number for which pandas or Polars would refuse the whole file (an integer beyond 64 bits, or a
    /// number that no finite float comes near, such as `1e400`), the column's numbers are strings with all their digits.
    /// Inside of lists and objects such numbers stay as they are.
    Json,
    /// One object per line, with values as in [`Format::Json`].
    Jsonl,
    /// A Markdown table.
    Md,
    /// A LaTeX `tabular` with the rules of booktabs.
    Latex,
    /// A page with a table.
    Html,
    /// A workbook with one sheet.
    Xlsx,
    /// Parquet, zstd-compressed.
    Parquet,
    /// Arrow IPC file (Feather version 2).
    Arrow,
}

impl Format {
    /// Every format, in the order of the help text.
    pub const ALL: [Format; 11] = [
        Format::Table,
        Format::Csv,
        Format::Tsv,
        Format::Json,
        Format::Jsonl,
        Format::Md,
        Format::Latex,
        Format::Html,
        Format::Xlsx,
        Format::Parquet,
        Format::Arrow,
    ];

    /// Its name, as `--format` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Md => "md",
            Format::Latex => "latex",
            Format::Html => "html",
            Format::Xlsx => "xlsx",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }

    /// The format that a file name's ending means, if it means one.
    pub fn from_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "json" => Format::Json,
            "jsonl" | "ndjson" => Format::Jsonl,
            "md" | "markdown" => Format::Md,
            "tex" | "latex" => Format::Latex,
            "html" | "htm" => Format::Html,
            "xlsx" => Format::Xlsx,
            "parquet" | "pq" => Format::Parquet,
            "arrow" | "feather" | "ipc" => Format::Arrow,
            "txt" => Format::Table,
            _ => return None,
        })
    }

    /// True for formats that are no text, which a terminal cannot show.
    pub fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow | Format::Xlsx)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Format::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(text));
        found.or_else(|| Format::from_path(Path::new(&format!("x.{text}")))).ok_or_else(|| {
            let names = Format::ALL.map(Format::name).join(", ");
            Error::new(ErrorKind::Usage, format!("no format is called {text}")).hint(format!("one of {names}"))
        })
    }
}

/// How a table is shown. What does not apply to a format is ignored.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Significant digits of floats: in terminal tables 6 if `None`, in Markdown, LaTeX and HTML all of them. Data formats always
    /// have all.
    pub precision: Option<usize>,
    /// Columns of the terminal that a table must fit in; `None` is no limit.
    pub width: Option<usize>,
    /// Rows that a terminal table shows at most, the first and the last ones; `None` is no limit.
    pub rows: Option<usize>,
    /// Colours and dimmed text in terminal tables.
    pub color: bool,
    /// The zone that times are shown in, in all text formats; UTC if `None`.
    pub zone: Option<Zone>,
    /// String columns that hold JSON, which JSON and JSON Lines nest instead of quoting it; as
    /// [`RunFrame::json_columns`](crate::RunFrame::json_columns) gives them. Columns whose name ends in `:json` always do.
    pub json_columns: Vec<String>,
    /// In CSV, TSV and XLSX, `'` before texts and names of columns that spreadsheet programs would run as formulas: those that
    /// begin with `=`, `+`, `-`, `@`, a tab or a line's end. Numbers stay numbers.
    pub safe_cells: bool,
    /// Key-value pairs for the file's own metadata, in Parquet and Arrow files.
    pub metadata: Vec<(String, String)>,
}

/// Writes `df` to `out`.
///
/// # Errors
/// If `out` fails ([`Error::is_broken_pipe`] tells a reader that went away), or if the format cannot hold a column.
pub fn write(df: &DataFrame, format: Format, options: &Options, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Table => table::write(&Grid::new(df), options, out),
        Format::Csv => csv::write(&Grid::new(df), b',', options, out),
        Format::Tsv => csv::write(&Grid::new(df), b'\t', options, out),
        Format::Json => json::write(&Grid::new(df), json::Layout::Array, options, out),
        Format::Jsonl => json::write(&Grid::new(df), json::Layout::Lines, options, out),
        Format::Md => markdown::write(&Grid::new(df), options, out),
        Format::Latex => latex::write(&Grid::new(df), options, out),
        Format::Html => html::write(&Grid::new(df), options, out),
        Format::Xlsx => xlsx::write(df, options, out),
        Format::Parquet => parquet::write(df, &options.metadata, out),
        Format::Arrow => arrow::write(df, &options.metadata, out),
    }
}

/// One value as text, as CSV has it, floats rounded if `options` say so; `None` for a null, and for rows that are not there.
pub fn text(values: &Series, row: usize, options: &Options) -> Option<String> {
    let style = Style { zone: options.zone };
    let mut out = String::new();
    match Values::new(values, style).get(row) {
        Cell::Null => return None,
        cell => {
            if !text::push_plain(&mut out, &cell, options.precision) {
                json::push(&mut out, &cell, style);
            }
        }
    }
    Some(out)
}

/// One value for eyes: as [`text`], but lists and structs are JSON, and a text that would read as another kind of value (a
/// number, `true`, nothing) is in quotes; `None` for a null, and for rows that are not there.
pub fn shown(values: &Series, row: usize, options: &Options) -> Option<String> {
    if values.dtype().is_nested() {
        return Some(json(values, row, options)).filter(|text| text != "null");
    }
    let text = text(values, row, options)?;
    let reads_as_other = text.is_empty()
        || text.trim() != text
        || text.parse::<f64>().is_ok()
        || matches!(text.as_str(), "true" | "false" | "null")
        || text.starts_with(['"', '[', '{'])
        || text.chars().any(char::is_control);
    let quoted = values.dtype() == &polars::prelude::DataType::String && reads_as_other;
    Some(if quoted { json(values, row, options) } else { text })
}

/// One value as JSON; `null` for rows that are not there.
pub fn json(values: &Series, row: usize, options: &Options) -> String {
    let style = Style { zone: options.zone };
    let mut out = String::new();
    let cell = Values::new(values, style).get(row);
    match json::is_json(values.name(), options) {
        true => json::push_json(&mut out, &cell, style),
        false => json::push(&mut out, &cell, style),
    }
    out
}

/// A failed write to something that has no name here; whoever knows the name adds it.
fn output(error: std::io::Error) -> Error {
    // The system's words without `(os error 28)`, in the lower case of all our messages.
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut message = text.get(..1).unwrap_or_default().to_lowercase();
    message.push_str(text.get(1..).unwrap_or_default());
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let cure = match error.kind() {
        StorageFull | QuotaExceeded => Some("free some, or write to another disk"),
        FileTooLarge => Some("allow larger files: ulimit -f"),
        _ => None,
    };
    let told = Error::new(ErrorKind::Io, message).source(error);
    match cure {
        Some(cure) => told.hint(cure),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    pub(super) fn sample() -> DataFrame {
        let times =
            Column::new("created_at".into(), [Some(1_714_566_790_000_000_i64), Some(1_714_566_790_250_000), None])
                .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
                .unwrap();
        let tags = Series::new("".into(), ["a", "b|c"]);
        let none = Series::new_empty("".into(), &DataType::String);
        let lists = ListChunked::from_iter([Some(tags), Some(none), None]).with_name("tags".into());
        DataFrame::new_infer_height(vec![
            Column::new("name".into(), [Some("r1"), Some(""), None]),
            times,
            Column::new("config.n".into(), [Some(9_007_199_254_740_993_i64), Some(-1), None]),
            Column::new("summary.x".into(), [Some(0.1 + 0.2), Some(f64::NAN), Some(f64::NEG_INFINITY)]),
            Column::new("ok".into(), [Some(true), None, Some(false)]),
            lists.into_series().into(),
        ])
        .unwrap()
    }

    pub(super) fn text(df: &DataFrame, format: Format, options: &Options) -> String {
        let mut out = Vec::new();
        write(df, format, options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Takes so many bytes, then fails as a full disk does.
    pub(super) struct Full(pub(super) usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn names_and_endings() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        assert_eq!(Format::from_path(Path::new("a/b.PARQUET")), Some(Format::Parquet));
        assert_eq!(Format::from_path(Path::new("a/ndjson")), None);
        assert_eq!("ndjson".parse::<Format>().unwrap(), Format::Jsonl);
        let error = "ods".parse::<Format>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("parquet"), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error_of_every_format() {
        for format in Format::ALL {
            for room in [0, 20] {
                let error = write(&sample(), format, &Options::default(), &mut Full(room)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Io, "{format}: {error}");
                assert!(!error.is_broken_pipe());
            }
        }
    }

    #[test]
    fn a_reader_that_left_is_told_from_other_errors() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for format in Format::ALL {
            let error = write(&sample(), format, &Options::default(), &mut Closed).unwrap_err();
            assert!(error.is_broken_pipe(), "{format}");
        }
    }

    #[test]
    fn no_rows_and_no_columns_are_fine() {
        let none = sample().clear();
        assert_eq!(text(&none, Format::Json, &Options::default()), "[]\n");
        assert_eq!(text(&none, Format::Jsonl, &Options::default()), "");
        assert_eq!(text(&none, Format::Csv, &Options::default()), "name,created_at,config.n,summary.x,ok,tags\n");
        for format in Format::ALL {
            write(&none, format, &Options::default(), &mut Vec::new()).unwrap();
            if !format.is_binary() {
                write(&DataFrame::empty(), format, &Options::default(), &mut Vec::new()).unwrap();
            }
        }
    }
}
