//! The verbs on several runs as typed: diff, vary, artifacts.

use super::{Load, Output, Rows, Sources, no_flag};
use clap::{Args, ValueHint};

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// entity/project on a W&B server, a folder or file of .wandb logs, or a .parquet run table.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: String,
    /// The runs: their names (the ids in their URLs), display names, or entity/project/name.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub(crate) runs: Vec<String>,
    /// One more source of runs; repeatable.
    #[arg(long = "source", value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) more_sources: Vec<String>,
    /// Compare summary metrics too.
    #[arg(long)]
    pub(crate) summary: bool,
    /// Compare fields too: state, times, tags, user, commit, ….
    #[arg(long)]
    pub(crate) fields: bool,
    /// Show equal keys too, and a column that says which differ.
    #[arg(long)]
    pub(crate) all: bool,
    /// Columns to leave out: a comma list; globs allowed; repeatable.
    #[arg(long, value_name = "COLS", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Exit with 6 if the runs differ.
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Vary {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Columns to look at instead of config.*: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Columns to leave out: a comma list; globs allowed; repeatable.
    #[arg(long, value_name = "COLS", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Tell this many of the most frequent values.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) top: usize,
    /// List keys that never vary too.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Outputs only.
    #[arg(long, conflicts_with = "used")]
    pub(crate) logged: bool,
    /// Inputs only.
    #[arg(long)]
    pub(crate) used: bool,
    /// Artifacts of this type only: model, dataset, ….
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "question")]
    pub(crate) kind: Option<String>,
    /// Artifacts of this name only; globs allowed.
    #[arg(long, value_name = "GLOB", conflicts_with = "question")]
    pub(crate) name: Option<String>,
    /// Runs that did not log (with --used: did not use) all of these, and what they lack; exit with 6 if there are any.
    #[arg(long, value_name = "NAME:ALIAS,…", value_delimiter = ',', group = "question", value_parser = artifact)]
    pub(crate) require: Vec<String>,
    /// Runs that used exactly this version.
    #[arg(long, value_name = "NAME:ALIAS", group = "question", value_parser = artifact, conflicts_with_all = ["logged", "used"])]
    pub(crate) used_by: Option<String>,
    /// Runs that used an older version than the newest one.
    #[arg(long, value_name = "NAME", group = "question", value_parser = artifact, conflicts_with_all = ["logged", "used"])]
    pub(crate) stale: Option<String>,
    /// What this run was made from and what was made from it: a tree, or with another format than table rows.
    #[arg(long, value_name = "RUN", group = "question", conflicts_with_all = ["logged", "used", "select", "sort", "limit"])]
    pub(crate) lineage: Option<String>,
    /// Columns or expressions to write, the runs' own too: a comma list; globs allowed; repeatable.
    #[arg(short, long, value_name = "COLS", allow_hyphen_values = true, value_parser = no_flag)]
    pub(crate) select: Vec<String>,
    /// Columns or expressions to sort by: a comma list; `-` before one means descending.
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

/// A text that names an artifact, with or without an alias.
fn artifact(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.split(':').next() {
        Some("") | None => Err("it names no artifact: write NAME:ALIAS, for example model:latest".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}
