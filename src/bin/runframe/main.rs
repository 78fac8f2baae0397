//! The command line of `runframe`: parse, plan, do.

mod args;
mod around;
mod artifacts;
mod chat;
mod completions;
mod diff;
mod group;
mod history;
mod load;
mod plan;
mod pull;
mod query;
mod schema;
mod show;
mod sql;
mod vary;

use chat::Chat;
use clap::Parser;
use runframe::{Error, ErrorKind, Result, sink};
use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;

/// Threads that grow each other's columns do not wait for one another, and memory that was given back is at hand again.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Data is missing: a server's set could not be proved whole, or `--strict` was given.
const INCOMPLETE: u8 = 5;

/// What was looked for was found: runs differ, a run lacks what is required.
const FINDINGS: u8 = 6;

fn main() -> ExitCode {
    around::silence_panics();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(help) => return told(&help),
    };
    // Not before: its thread costs more than all that --version does.
    around::clean_up_when_interrupted();
    around::outlive_file_limits();
    around::end_plainly_without_memory();
    let (chat, result) = match around::caught(|| plan::plan(cli, &around::look())) {
        Ok(plan) => {
            let chat = Chat::new(plan.chat);
            let result = around::caught(|| run(plan.verb, &chat));
            (chat, result)
        }
        Err(error) => (plain(), Err(error)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            chat.error(&error);
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

/// Help and version go to the standard output, as data do.
fn told(help: &clap::Error) -> ExitCode {
    let around = around::look();
    let text = help.render();
    let colored = around.stdout_is_terminal && !around.no_color;
    let text = if colored { text.ansi().to_string() } else { text.to_string() };
    let write =
        sink::save(Path::new("-"), |out| out.write_all(text.as_bytes()).map_err(|error| Error::io("stdout", error)));
    match write {
        Err(error) if !error.is_broken_pipe() => {
            plain().error(&error);
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Talk before it is known how much of it is wanted.
fn plain() -> Chat {
    Chat::new(plan::Chat { quiet: false, verbose: false, requests: false, progress: false, color: false })
}

fn run(verb: plan::Verb, chat: &Chat) -> Result<u8> {
    let found = Cell::new(false);
    let (strict, receipt) = match verb {
        plan::Verb::Query(query, load, output) => {
            (load.strict, load::with(&load, chat, |loaded| query::run(&query, loaded, &output))?)
        }
        plan::Verb::Group(group, load, output) => {
            (load.strict, load::with(&load, chat, |loaded| group::run(&group, loaded, &output))?)
        }
        plan::Verb::Schema(schema, load, output) => {
            (load.strict, load::with(&load, chat, |loaded| schema::run(&schema, loaded, &output))?)
        }
        plan::Verb::Show(show, load, output) => {
            (load.strict, load::with(&load, chat, |loaded| show::run(&show, &loaded.frame, &output))?)
        }
        plan::Verb::Diff(diff, load, output) => (
            load.strict,
            load::with(&load, chat, |loaded| diff::run(&diff, loaded, &output, chat).map(|yes| found.set(yes)))?,
        ),
        plan::Verb::Vary(vary, load, output) => {
            (load.strict, load::with(&load, chat, |loaded| vary::run(&vary, loaded, &output, chat))?)
        }
        plan::Verb::Artifacts(artifacts, load, output) => (
            load.strict,
            load::with(&load, chat, |loaded| {
                artifacts::run(&artifacts, loaded, &output, chat).map(|yes| found.set(yes))
            })?,
        ),
        plan::Verb::Sql(sql, load, output) => {
            let history = Cell::new(None);
            let work =
                |loaded: &load::Loaded| sql::run(&sql, &load, chat, loaded, &output).map(|read| history.set(read));
            let mut receipt = load::with(&load, chat, work)?;
            history.take().into_iter().for_each(|read| receipt.merge(read));
            (load.strict, receipt)
        }
        plan::Verb::History(history, load, output) => (load.strict, history::run(&history, &load, chat, &output)?),
        plan::Verb::Pull(pull, load) => (load.strict, pull::run(&pull, &load, chat)?),
        plan::Verb::Completions(shell) => return completions::run(shell).map(|()| 0),
    };
    let incomplete = receipt.complete == Some(false) || (strict && receipt.has_losses());
    // What was found in incomplete data proves little.
    Ok(match (incomplete, found.get()) {
        (true, _) => INCOMPLETE,
        (false, true) => FINDINGS,
        (false, false) => 0,
    })
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage | ErrorKind::Expression | ErrorKind::Column => 2,
        ErrorKind::Network => 3,
        ErrorKind::Auth => 4,
        _ => 1,
    }
}
