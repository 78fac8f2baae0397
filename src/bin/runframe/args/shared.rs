//! The flags that verbs share: sources, rows, loading, output.

use super::{Limits, no_flag};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use runframe::sink::{Format, Zone};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// entity/project on a W&B server, or project alone for the default entity; folders or files of .wandb logs, .parquet
    /// run tables. Of a run in several, the last one counts.
    #[arg(required = true, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rows {
    /// Only runs for which this is true, as in SQL's WHERE; repeatable: all must be.
    #[arg(short = 'w', long = "where", value_name = "EXPR", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) filters: Vec<String>,
    /// Only runs that match this filter in W&B's own language, Mongo's JSON; servers evaluate it themselves.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Say which part of --where a server evaluates and which is evaluated here, and stop.
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Leave logged_artifacts and used_artifacts unread.
    #[arg(long)]
    pub(crate) no_artifacts: bool,
    /// Exit with 5 if anything could not be read.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write what was read and what was lost, and where, to this file as JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) receipt: Option<PathBuf>,
    /// Replace what looks like a secret by a keyed hash (redacted:…), and all texts of these columns too: a comma list;
    /// globs allowed. Conditions see the hashes.
    #[arg(long, value_name = "COLS", num_args = 0..=1, require_equals = true, value_delimiter = ',', value_parser = column)]
    pub(crate) redact: Option<Vec<String>>,
    /// The key of the hashes, 16 bytes or more; else RUNFRAME_REDACT_KEY, else a new one for this output alone.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "redact")]
    pub(crate) redact_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Output {
    /// Write to this file, whole or not at all; `-` is the standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// The format; else the file's ending tells; else a table on a terminal and CSV in a pipe.
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// Show times in this zone (Europe/Berlin) instead of UTC; Parquet and Arrow hold UTC always.
    #[arg(long, value_name = "ZONE", value_parser = |text: &str| text.parse::<Zone>())]
    pub(crate) tz: Option<Zone>,
    /// Significant digits of floats in table, md, latex and html; the other formats have all of them.
    #[arg(long, value_name = "DIGITS", value_parser = clap::value_parser!(u8).range(1..=17))]
    pub(crate) precision: Option<u8>,
    /// In csv, tsv and xlsx, put ' before texts and names that spreadsheet programs would run as formulas.
    #[arg(long)]
    pub(crate) safe_cells: bool,
}

/// The name of a column, without space around it.
fn column(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it names no column: write --redact alone, or --redact=config.host,user.*".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}
