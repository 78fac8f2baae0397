//! The command line as typed.

mod compare;
mod help;
mod limits;
mod shared;

pub(crate) use compare::{Artifacts, Diff, Vary};
pub(crate) use limits::Limits;
pub(crate) use shared::{Load, Output, Rows, Sources};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use help::*;
use std::path::PathBuf;

/// Weights & Biases runs as fast, typed, complete dataframes.
#[derive(Debug, Parser)]
#[command(name = "runframe", version, max_term_width = 120, arg_required_else_help = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) chat: Chat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// All runs into one Parquet file; if the file exists, bring it up to date.
    #[command(after_long_help = format!("{PULL_EXAMPLES}\n\n{EXIT_CODES}"))]
    Pull(Pull),
    /// The run table: filter, sort, limit, choose columns, write.
    #[command(after_long_help = format!("{QUERY_EXAMPLES}\n\n{EXIT_CODES}"))]
    Query(Query),
    /// Runs in groups, by user, date, config or anything: aggregates of each group, or its best run.
    #[command(after_long_help = format!("{GROUP_EXAMPLES}\n\n{EXIT_CODES}"))]
    Group(Group),
    /// Columns with their types, fill, range, and keys whose kind differs between runs.
    #[command(after_long_help = format!("{SCHEMA_EXAMPLES}\n\n{EXIT_CODES}"))]
    Schema(Schema),
    /// One run, everything.
    #[command(after_long_help = format!("{SHOW_EXAMPLES}\n\n{EXIT_CODES}"))]
    Show(Show),
    /// The logged steps of many runs: long, tidy or wide; or what was logged where a metric was best.
    #[command(after_long_help = format!("{HISTORY_EXAMPLES}\n\n{EXIT_CODES}"))]
    History(History),
    /// Runs side by side: the keys in which they differ.
    #[command(after_long_help = format!("{DIFF_EXAMPLES}\n\n{EXIT_CODES}"))]
    Diff(Diff),
    /// The config keys that vary over the runs, their values, and which of them move together.
    #[command(after_long_help = format!("{VARY_EXAMPLES}\n\n{EXIT_CODES}"))]
    Vary(Vary),
    /// Artifact versions that runs logged and used; runs that lack one or used an old one; lineage.
    #[command(after_long_help = format!("{ARTIFACTS_EXAMPLES}\n\n{EXIT_CODES}"))]
    Artifacts(Artifacts),
    /// SQL over the tables runs, artifacts and history.
    #[command(after_long_help = format!("{SQL_EXAMPLES}\n\n{EXIT_CODES}"))]
    Sql(Sql),
    /// The completion script for a shell.
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// The Parquet file: written whole or not at all.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Load everything anew, whatever the file holds.
    #[arg(long)]
    pub(crate) full: bool,
    /// Store the runs' histories, too, in a folder beside the file (runs.history): metrics as of the verb history, or all.
    #[arg(long, value_name = "KEYS|all", value_parser = no_flag)]
    pub(crate) history: Vec<String>,
    /// Leave the histories beside the file as they are.
    #[arg(long, conflicts_with = "history")]
    pub(crate) no_history: bool,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Requests under way at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) concurrency: u16,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Add the untouched texts as columns config_json and summary_json.
    #[arg(long, conflicts_with = "redact")]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) load: Load,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Columns or expressions to write, in this order: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) select: Vec<String>,
    /// Columns to leave out: a comma list; globs allowed; repeatable.
    #[arg(long, value_name = "COLS")]
    pub(crate) drop: Vec<String>,
    /// Columns or expressions to sort by: a comma list; `-` before one means descending.
    #[arg(long, value_name = "COLS", allow_hyphen_values = true)]
    pub(crate) sort: Vec<String>,
    /// Write this many rows at most.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Add the untouched texts as columns config_json and summary_json.
    #[arg(long, conflicts_with = "redact")]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// What to group by: a comma list of columns, expressions (… as name) and buckets (created_at:1d); repeatable.
    #[arg(short, long, value_name = "BY", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) by: Vec<String>,
    /// What to tell of each group: a comma list of expressions of aggregates (… as name); repeatable.
    #[arg(short, long = "agg", value_name = "AGG", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) aggregates: Vec<String>,
    /// best(…) takes the run with the lowest value.
    #[arg(long)]
    pub(crate) minimize: bool,
    /// The columns of best(…)'s row, in this order: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) select: Vec<String>,
    /// Columns of the result to sort by: a comma list; `-` before one means descending.
    #[arg(long, value_name = "COLS", allow_hyphen_values = true)]
    pub(crate) sort: Vec<String>,
    /// Write this many rows at most.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Columns to describe: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS")]
    pub(crate) select: Vec<String>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// entity/project (or project) on a W&B server, a folder or file of .wandb logs, or a .parquet run table.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: String,
    /// The run: its name (the id in its URL), its display name, or entity/project/name.
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Metrics to read, as the columns are called: a comma list; globs allowed; repeatable. Without it, all.
    #[arg(short, long, value_name = "KEYS", value_parser = no_flag)]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Only these steps: MIN..MAX, both included; either may be left out.
    #[arg(long, value_name = "MIN..MAX", allow_hyphen_values = true)]
    pub(crate) step: Option<String>,
    /// What the SDK measured of the machine instead: columns system.*, by time.
    #[arg(long, conflicts_with_all = ["step", "wide", "at_best"])]
    pub(crate) system: bool,
    /// At most about this many rows of each run, sampled by the server; logs are not sampled.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) samples: Option<u32>,
    /// One row per run, step and metric.
    #[arg(long, conflicts_with_all = ["wide", "at_best"])]
    pub(crate) tidy: bool,
    /// One column per run, one row per step: the values of this metric; of several, a column for each: a comma list.
    #[arg(long, value_name = "METRIC", conflicts_with_all = ["keys", "at_best"], value_parser = no_flag)]
    pub(crate) wide: Vec<String>,
    /// One row per run: where this metric is best.
    #[arg(long, value_name = "METRIC:min|max", conflicts_with = "keys")]
    pub(crate) at_best: Option<String>,
    /// With --at-best, other metrics to show from that row: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS", requires = "at_best", value_parser = no_flag)]
    pub(crate) select: Vec<String>,
    /// Write this many rows at most.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The statement, one select; then the sources, as of query. With --file, sources only.
    #[arg(required = true, value_name = "STATEMENT> <SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<String>,
    /// Read the statement from this file.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What is said besides the data.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct Chat {
    /// Say nothing but errors.
    #[arg(short, long, global = true, action = ArgAction::SetTrue, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// List everything that could not be read, and tell how a server was asked; -vv tells of each request.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// No progress bar.
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(crate) no_progress: bool,
    /// Colours; auto heeds NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub(crate) color: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

/// The text, unless it is one of our flags: an expression may begin with a minus, but `-w -q` lacks one.
fn no_flag(text: &str) -> Result<String, String> {
    let short = matches!(
        text.as_bytes(),
        [b'-', b'a' | b'b' | b'f' | b'h' | b'k' | b'n' | b'o' | b'q' | b's' | b'v' | b'w' | b'V']
    );
    let long = text.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    if short || long {
        return Err(format!("{text} is a flag, and the value before it is missing"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
