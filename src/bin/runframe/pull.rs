//! `pull`: all runs into one Parquet file, or the file brought up to date.

use crate::chat::Chat;
use crate::load;
use crate::plan::{Load, Pull};
use crate::query::point;
use runframe::{ErrorKind, Progress, Receipt, Result, RunFrame};
use std::sync::Arc;

/// Pulls, tells what was done, and returns the receipt.
pub(crate) fn run(pull: &Pull, plan: &Load, chat: &Chat) -> Result<Receipt> {
    if plan.rows.explain {
        load::explain(&plan.rows)?;
        return Ok(Receipt::default());
    }
    let progress = Arc::new(Progress::default());
    let mut loader = RunFrame::loader()
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
        let start = runframe::Pull::new(loader, &pull.output).full(pull.full);
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
    if let Some(path) = &plan.receipt {
        load::save(&done.receipt, path)?;
    }
    Ok(done.receipt)
}
