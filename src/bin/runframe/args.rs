//! The command line as typed.

mod compare;
mod limits;

pub(crate) use compare::{Artifacts, Diff, Vary};
pub(crate) use limits::Limits;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use compare::{ARTIFACTS_EXAMPLES, DIFF_EXAMPLES, VARY_EXAMPLES};
use runframe::sink::{Format, Zone};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, also when no run matches
  1    error: a file is missing, unreadable or no W&B log; the disk is full; the machine gives no more memory, files or threads
  2    usage: a malformed argument or expression, an unknown column
  3    network: no answer, or too many requests for too long
  4    the server does not take the API key
  5    a server's set of runs could not be proved whole; with --strict: some data could not be read
  6    found what was looked for: diff --exit-code a difference, artifacts --require a run that lacks one
  130  interrupted

Data goes to the standard output; progress, warnings and errors to the standard error.";

const EXAMPLES: &str = "\
Examples:
  runframe query ./wandb                              the run table, on the terminal
  runframe query ./wandb -o runs.parquet              … as a file, every column
  runframe query ./wandb -w 'summary.acc > 0.9' -s 'name,config.*' --sort -summary.acc
  runframe group ./wandb -b user,state                runs, runtime, first and last creation of each
  runframe schema runs.parquet                        columns, types, fill, range, conflicts
  runframe show ./wandb 4f7ds2kq                      one run, everything
  runframe diff ./wandb 4f7ds2kq 9dk2m1ab             the config keys in which two runs differ
  runframe vary ./wandb                               the config keys that vary, and over what
  runframe artifacts ./wandb --lineage 4f7ds2kq       what a run was made from, and what was made from it
  runframe pull my-team/mnist -o runs.parquet         every run of a project on a W&B server

SOURCE is a folder or file of .wandb logs, a run table in a .parquet file, or entity/project on a W&B server; \
project alone is one of the default entity's (WANDB_ENTITY, W&B's settings files, else the account's). \
What exists as a path is a path; wandb://project forces the project.";

const QUERY_EXAMPLES: &str = "\
Examples:
  runframe query ./wandb
  runframe query ./wandb -o runs.parquet
  runframe query ./wandb -w 'config.learning_rate > 0.01 and summary.accuracy > 0.95'
  runframe query ./wandb -w \"created_at > now() - interval '7 days'\" --sort -created_at -n 10
  runframe query ./wandb -s name,state,config.optimizer.lr,'summary.val*' --format md
  runframe query a/wandb b/wandb runs.parquet --drop 'summary._*' | xan view
  runframe query ./wandb --format jsonl | jq -r .name

EXPR is SQL's WHERE with dotted names bare: config.lr, summary.val/loss, user.username. \
Names that hold spaces or quotes are quoted: \"summary.val loss\". \
W&B's own spellings (runCreatedAt, summary_metrics.x) are understood too.
Nulls and NaN sort last, in both directions.
A server is asked only for the keys that -s, -w and --sort name; for all of them without -s, and where a glob stands for some. \
-v tells which.";

const GROUP_EXAMPLES: &str = "\
Examples:
  runframe group ./wandb -b user                      runs, states, runtime, first and last creation of each user
  runframe group ./wandb -b created_at:1w -a 'n(), sum(runtime) / 3600 as hours' --tz Europe/Berlin
  runframe group ./wandb -b config.lr,state -a 'max(summary.acc), median(summary.acc)' --sort '-max(summary.acc)'
  runframe group ./wandb -b tags -a \"n() as runs, mean(state = 'failed') as failed\"
  runframe group ./wandb -b user -a 'best(summary.acc)' -s name,summary.acc,config.*
  runframe group ./wandb -b sweep -a 'best(summary.loss), n() as runs' --minimize -o best.parquet

BY is a column, an expression, or a calendar bucket of a time: 1d, 1w, 1mo, 1q, 1y, 1h, 15m, in the zone of --tz. \
user stands for user.username, date and day for created_at:1d. A list such as tags counts a run under each element. \
Runs without a value stand under null.
AGG is an expression of aggregates: n() sum mean median min max std sem q(x, 0.9) first last any all nunique list. \
They pass over nulls. best(x) is the whole row of the run with the highest x. \
Without -a there are the runs, the states, the runtime, and the first and last creation.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  runframe schema ./wandb
  runframe schema ./wandb -s 'config.*' --format csv
  runframe schema runs.parquet -w \"state = 'finished'\"

One row per column: its type, where it comes from, how many runs have a value, how many values differ, \
the lowest and the highest, how many are NaN. \
A key that is a number in one run and a text in another has a column for each kind; the note says which and how often.";

const SHOW_EXAMPLES: &str = "\
Examples:
  runframe show ./wandb 4f7ds2kq
  runframe show ./wandb fluffy-cloud-7                by its display name, if only one run has it
  runframe show ./wandb my-team/mnist/4f7ds2kq
  runframe show ./wandb 4f7ds2kq --format json | jq .config";

const PULL_EXAMPLES: &str = "\
Examples:
  runframe pull my-team/mnist -o runs.parquet         every run of a project; the next time only what changed
  runframe pull my-team/mnist my-team/cifar -o both.parquet
  runframe pull 'my-team/*' -o team.parquet --no-artifacts
  runframe pull my-team/mnist -o good.parquet -w \"state = 'finished' and summary.acc > 0.9\"
  runframe pull my-team/mnist -o done.parquet --filter '{\"state\": \"finished\"}'
  runframe pull ./wandb -o runs.parquet
  runframe pull my-team/mnist -o runs.parquet --redact=host,user.* --redact-key-file secret.key
  runframe pull my-team/mnist -o runs.parquet --history 'loss,val/*'
  runframe pull my-team/mnist -o runs.parquet --history all     … and the logged steps beside it

The key comes from WANDB_API_KEY or from netrc, the server from WANDB_BASE_URL or W&B's settings files; -v tells which.
An interrupted pull goes on where it was: what has arrived is kept in FILE.partial until the file is whole.
With --where the file is as if loaded anew each time: runs that no longer match are removed. What the server cannot tell \
is loaded and evaluated here; runs that did not match are loaded again only when they change, or each time if that part asks \
now() or is_active(). If it depends on the kinds of other runs' values (--explain says so), all that the server sends is loaded as soon as one of these runs changes.
--history writes Parquet files of one schema to runs.history, for any reader of runs.history/*.parquet, and for `history`, `sql` and all else on runs.parquet. The next pull, with or without --history, loads only rows behind the last stored step of runs that have changed. Other KEYS need --full.";

const SQL_EXAMPLES: &str = "\
Examples:
  runframe sql 'select name, summary.accuracy from runs order by summary.accuracy desc limit 5' ./wandb
  runframe sql 'select user, count(*) as runs, sum(runtime) / 3600 as hours from runs group by user' runs.parquet
  runframe sql \"select name from runs where logged('model:latest').version >= 3\" my-team/mnist
  runframe sql 'select r.name, a.artifact.name from runs r join artifacts a on r.name = a.name' ./wandb
  runframe sql 'select name, min(loss) from history group by name' ./wandb
  runframe sql -f report.sql a/wandb b/wandb -o report.parquet

Tables: runs, one row per run; artifacts, one row per run, direction and artifact version: entity, project, name, \
direction (logged or used), artifact.name, artifact.type, artifact.version, artifact.aliases, artifact.size, \
artifact.digest, artifact.state, artifact.created_at, artifact.id; history, one row per run and step, as the verb history has it.
Dotted names stand bare; what SQL would take for something else is quoted: \"summary.val loss\".
It is Polars' SQL with joins, subqueries, with, windows, and the functions of --where that Polars lacks: logged, used, contains, \
len, is_nan, is_active, now, year, month, day, hour, minute.
NaN is above all numbers and equals itself; nulls sort last. Only the tables and columns that are named are loaded.";

const HISTORY_EXAMPLES: &str = "\
Examples:
  runframe history ./wandb -k loss,val/acc                  every logged row with a value of either
  runframe history ./wandb -k 'val/*' --step 1000..2000 -o val.parquet
  runframe history ./wandb -w \"state = 'finished' and config.lr < 0.01\" --wide loss
  runframe history ./wandb --at-best val/loss:min -s test/f1,val/acc
  runframe history ./wandb --system -k 'system.gpu*' -o gpu.parquet
  runframe history ./wandb -k loss --tidy --format csv
  runframe history my-team/mnist -k loss -w \"created_at > now() - interval '7 days'\"
  runframe history my-team/mnist -k loss --samples 500      a sample of each run, chosen by the server

One row per run and step: entity, project, name, _step, _timestamp, _runtime (seconds), then one column per metric, typed by all rows \
of all runs. Nothing is sampled unless --samples says so. A row is kept if it has a value of any key; what it lacks is null, and NaN is not null. \
Rows of a run with the same step become one, the later folder's values win.
Of a server's runs the files that W&B has exported are read, only the asked columns of them, and the rows that are not exported yet.
--tidy writes one row per value: key, value (numbers), text (all else). --at-best writes one row per run: the values of COLS in the row \
where METRIC is best.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  runframe completions bash > ~/.local/share/bash-completion/completions/runframe
  runframe completions zsh > ~/.zfunc/_runframe
  runframe completions fish > ~/.config/fish/completions/runframe.fish";

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

/// What is said besides the data.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct Chat {
    /// Say nothing but errors.
    #[arg(short, long, global = true, action = ArgAction::SetTrue, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// List everything that could not be read, and tell how a server was asked.
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub(crate) verbose: bool,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples() {
        let mut command = Cli::command();
        for verb in command.get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
            assert!(!verb.render_help().to_string().contains("Examples:"), "-h is short");
        }
        assert!(command.render_long_help().to_string().contains("Exit codes:"));
    }

    #[test]
    fn every_example_parses() {
        for text in [
            DIFF_EXAMPLES,
            VARY_EXAMPLES,
            ARTIFACTS_EXAMPLES,
            EXAMPLES,
            PULL_EXAMPLES,
            QUERY_EXAMPLES,
            GROUP_EXAMPLES,
            SCHEMA_EXAMPLES,
            SHOW_EXAMPLES,
            HISTORY_EXAMPLES,
            SQL_EXAMPLES,
            COMPLETIONS_EXAMPLES,
        ] {
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("runframe ")) {
                let line = line.split([' ']).collect::<Vec<_>>().join(" ");
                let line = line.split(" | ").next().unwrap().split(" > ~").next().unwrap();
                let line = line.split("     ").next().unwrap();
                Cli::try_parse_from(std::iter::once("runframe".to_owned()).chain(words(line))).unwrap();
            }
        }
    }

    #[test]
    fn prose_is_for_clap_to_wrap() {
        for text in [
            EXIT_CODES,
            DIFF_EXAMPLES,
            VARY_EXAMPLES,
            ARTIFACTS_EXAMPLES,
            EXAMPLES,
            QUERY_EXAMPLES,
            GROUP_EXAMPLES,
            SCHEMA_EXAMPLES,
            SHOW_EXAMPLES,
            HISTORY_EXAMPLES,
            SQL_EXAMPLES,
            COMPLETIONS_EXAMPLES,
        ] {
            for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')) {
                assert!(line.ends_with(['.', ':']), "broken by hand: {line}");
            }
        }
        let mut command = Cli::command().term_width(50);
        command.build();
        let help = command.find_subcommand_mut("query").unwrap().render_long_help().to_string();
        assert!(help.contains("Names\nthat hold spaces or quotes are quoted:\n"), "{help}");
    }

    #[test]
    fn expressions_may_begin_with_a_minus() {
        let parsed = |words: &[&str]| Cli::try_parse_from([&["runframe", "query", "x"], words].concat());
        for words in [["-w", "-config.g = -1"], ["--where", "-1 < x"], ["-s", "-config.g"], ["--sort", "-name"]] {
            parsed(&words).unwrap();
        }
        for words in [["-w", "-q"], ["-s", "-n"], ["-s", "--sort"], ["--where", "--quiet"]] {
            let error = parsed(&words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("is a flag"), "{error}");
        }
    }

    #[test]
    fn every_short_flag_is_known_to_be_one() {
        for verb in Cli::command().get_subcommands() {
            for short in verb.get_arguments().chain(Cli::command().get_arguments()).filter_map(clap::Arg::get_short) {
                assert!(no_flag(&format!("-{short}")).is_err(), "-{short}");
            }
        }
    }

    /// Words as a shell splits them, as far as the examples go.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for c in line.trim().chars() {
            match (c, quote) {
                (' ', None) => words.push(String::new()),
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(q)) if c == q => quote = None,
                (c, _) => words.last_mut().unwrap().push(c),
            }
        }
        words
    }
}
