//! The command line as meant: plain values, decided without touching a file but those of a statement and of a key.

mod compare;
mod history;
mod load;
mod output;
mod runs;

pub(crate) use compare::{Artifacts, Diff, Question, Vary};
pub(crate) use history::{Form, History};
pub(crate) use load::{Load, Rows};
pub(crate) use output::Output;
pub(crate) use runs::{Group, Query, Schema, Show};

use crate::args::{self, Cli, When};
use crate::query::pointed;
use history::stored;
use load::{everything, load, needed};
use output::output;
use runframe::expr::sql::Statement;
use runframe::sink::Format;
use runframe::{ApiOptions, Error, ErrorKind, Result};
use std::path::PathBuf;
use std::time::Duration;

/// What is known about the surroundings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
    /// Columns of the terminal.
    pub(crate) width: Option<usize>,
    /// NO_COLOR is set to something, or the terminal is dumb.
    pub(crate) no_color: bool,
    /// CLICOLOR_FORCE is set to something but 0.
    pub(crate) force_color: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) verb: Verb,
    pub(crate) chat: Chat,
}

#[derive(Debug)]
pub(crate) enum Verb {
    Pull(Pull, Load),
    Query(Query, Load, Output),
    Group(Group, Load, Output),
    Schema(Schema, Load, Output),
    Show(Show, Load, Output),
    History(History, Load, Output),
    Diff(Diff, Load, Output),
    Vary(Vary, Load, Output),
    Artifacts(Artifacts, Load, Output),
    Sql(Sql, Load, Output),
    Completions(clap_complete::Shell),
}

/// What is said on the standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chat {
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Each request is told of.
    pub(crate) requests: bool,
    pub(crate) progress: bool,
    pub(crate) color: bool,
}

/// What to pull into which file.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) output: PathBuf,
    pub(crate) full: bool,
    /// The metrics whose histories are stored; all, if there are none; `None` for what is stored already.
    pub(crate) history: Option<Vec<String>>,
    pub(crate) no_history: bool,
    pub(crate) options: ApiOptions,
}

/// A statement of SQL, read.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) statement: Statement,
}

/// What the command line means here.
pub(crate) fn plan(cli: Cli, around: &Surroundings) -> Result<Plan> {
    let color = |is_terminal: bool| match cli.chat.color {
        When::Always => true,
        When::Never => false,
        When::Auto => !around.no_color && (around.force_color || is_terminal),
    };
    let chat = Chat {
        quiet: cli.chat.quiet,
        verbose: cli.chat.verbose > 0,
        requests: cli.chat.verbose > 1,
        // A bar and lines about requests would write over each other.
        progress: around.stderr_is_terminal && !cli.chat.quiet && !cli.chat.no_progress && cli.chat.verbose < 2,
        color: color(around.stderr_is_terminal),
    };
    let out = |typed: &mut args::Output, fallback, limit| {
        output(std::mem::take(typed), fallback, limit, around, color(around.stdout_is_terminal))
    };
    let verb = match cli.verb {
        args::Verb::Pull(typed) => Pull::typed(typed)?,
        args::Verb::Query(mut typed) => {
            let out = out(&mut typed.output, None, typed.limit)?;
            Query::typed(typed, out)?
        }
        args::Verb::Group(mut typed) => {
            let out = out(&mut typed.output, None, typed.limit)?;
            Group::typed(typed, out)?
        }
        args::Verb::Schema(mut typed) => {
            let out = out(&mut typed.output, None, None)?;
            Schema::typed(typed, out)?
        }
        args::Verb::Show(mut typed) => {
            let out = out(&mut typed.output, Some(Format::Table), None)?;
            Show::typed(typed, out)?
        }
        args::Verb::History(mut typed) => {
            let out = out(&mut typed.output, None, typed.limit)?;
            History::typed(typed, out)?
        }
        args::Verb::Diff(mut typed) => {
            let out = out(&mut typed.output, None, None)?;
            Diff::typed(typed, out)?
        }
        args::Verb::Vary(mut typed) => {
            let out = out(&mut typed.output, None, None)?;
            Vary::typed(typed, out)?
        }
        args::Verb::Artifacts(mut typed) => {
            let fallback = Artifacts::fallback(&typed);
            let out = out(&mut typed.output, fallback, typed.limit)?;
            Artifacts::typed(typed, out)?
        }
        args::Verb::Sql(mut typed) => {
            let out = out(&mut typed.output, None, None)?;
            Sql::typed(typed, out)?
        }
        args::Verb::Completions { shell } => Verb::Completions(shell),
    };
    Ok(Plan { verb, chat })
}

impl Pull {
    fn typed(typed: args::Pull) -> Result<Verb> {
        if Format::from_path(&typed.output) != Some(Format::Parquet) {
            let error = Error::new(ErrorKind::Usage, "pull writes Parquet").file(typed.output);
            return Err(error.hint("end the file in .parquet; `query` writes the other formats"));
        }
        let mut options = ApiOptions::default();
        options.concurrency = usize::from(typed.concurrency);
        options.timeout = typed.timeout.map(Duration::from_secs);
        let (history, no_history) = (stored(&typed.history)?, typed.no_history);
        let pull = Pull { output: typed.output, full: typed.full, history, no_history, options };
        let rows = Rows::typed(&typed.rows);
        Ok(Verb::Pull(pull, load(typed.sources.sources, typed.load, everything(typed.raw), rows)?))
    }
}

impl Sql {
    fn typed(typed: args::Sql, output: Output) -> Result<Verb> {
        let (text, sources) = statement(typed.words, typed.file)?;
        let statement = pointed("sql", &text, Statement::parse)?;
        let needs = statement.needs();
        Ok(Verb::Sql(Sql { text, statement }, load(sources, typed.load, needs, Rows::default())?, output))
    }
}

/// The statement, from its file or as the first word, and the sources.
fn statement(mut words: Vec<String>, file: Option<PathBuf>) -> Result<(String, Vec<String>)> {
    let text = match file {
        Some(path) => std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?,
        None => words.remove(0),
    };
    if words.is_empty() {
        let error = Error::new(ErrorKind::Usage, "no source is named");
        return Err(error.hint("runframe sql 'select … from runs' SOURCE"));
    }
    Ok((text, words))
}

#[cfg(test)]
mod tests;
