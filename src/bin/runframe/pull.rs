//! `pull`: all runs into one Parquet file, or the file brought up to date.

use crate::chat::Chat;
use crate::load;
use crate::plan::{Load, Pull};
use crate::query::point;
use runframe::{ErrorKind, HistoryPulled, Progress, Receipt, Result, RunFrame};
use std::sync::Arc;

/// What became of the histories.
fn told(history: &HistoryPulled) -> String {
    let folder = history.folder.display();
    if !history.written {
        return format!("{folder} is up to date");
    }
    let mut text = format!("{folder}: {} loaded of {}", count(history.added, "row"), count(history.asked, "run"));
    for (number, what) in [(history.anew, "anew"), (history.removed, "removed")] {
        if number > 0 {
            text += &format!(", {} {what}", count(number, "run"));
        }
    }
    text += &format!(", {} in all", count(history.rows, "row"));
    if history.columns.is_empty() {
        return text;
    }
    let files = count(history.rewritten, "file");
    text + &format!("; columns changed ({}): {files} rewritten", history.columns.join(", "))
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Pulls, tells what was done, and returns the receipt.
pub(crate) fn run(pull: &Pull, plan: &Load, chat: &Chat) -> Result<Receipt> {
    if plan.rows.explain {
        load::explain(&plan.rows)?;
        return Ok(Receipt::default());
    }
    let progress = Arc::new(Progress::default());
    let mut loader = chat
        .following(RunFrame::loader())
        .limits(plan.limits)
        .wanted(plan.wanted)
        .progress(progress.clone())
        .options(pull.options.clone());
    if let Some(filter) = &plan.rows.filter {
        loader = loader.filter(filter);
    }
    if let Some(redaction) = &plan.redaction {
        loader = loader.redact(redaction.clone());
    }
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    let done = {
        let _bar = chat.follow(&progress);
        let mut start = runframe::Pull::new(loader, &pull.output).full(pull.full);
        if let Some(keys) = &pull.history {
            start = start.history(keys);
        } else if pull.no_history {
            start = start.without_history();
        }
        let work = plan.rows.filters.iter().fold(start, runframe::Pull::condition);
        work.run().map_err(|error| match (&plan.rows.filters[..], error.kind()) {
            // Other errors have places in other texts.
            ([text], ErrorKind::Expression | ErrorKind::Column) => point("--where", text, error),
            _ => error,
        })?
    };
    chat.receipt(&done.receipt);
    let file = pull.output.display();
    chat.tell(&match (done.written, done.removed) {
        (false, _) => format!("{file} is up to date"),
        (true, 0) => format!("{file}: {} loaded, {} in all", done.loaded, done.receipt.runs),
        (true, removed) => format!("{file}: {} loaded, {removed} removed, {} in all", done.loaded, done.receipt.runs),
    });
    match &done.history {
        Some(history) => chat.tell(&told(history)),
        None if pull.no_history => chat.tell("histories beside it are not brought up to date"),
        None => {}
    }
    if let Some(path) = &plan.receipt {
        load::save(&done.receipt, path)?;
    }
    Ok(done.receipt)
}
