//! Loads the sources, with a progress bar, and hands out the receipt.

use crate::chat::Chat;
use crate::plan::{Load, Rows};
use crate::query::pointed;
use runframe::expr::{self, mongo};
use runframe::{
    Error, ErrorKind, Loader, Location, Progress, Projection, Receipt, Result, RunFrame, Timestamp, Wanted, sink,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Loads what is wanted, does `work` with it and returns the receipt.
pub(crate) fn with(plan: &Load, chat: &Chat, work: impl Fn(&Loaded) -> Result<()>) -> Result<Receipt> {
    if plan.rows.explain {
        explain(&plan.rows)?;
        return Ok(Receipt::default());
    }
    let tell = |receipt: &Receipt| {
        chat.receipt(receipt);
        plan.receipt.as_ref().map_or(Ok(()), |path| save(receipt, path))
    };
    attempt(plan, chat, tell, work).map(|((), receipt)| receipt)
}

/// Loads what is wanted, tells its receipt and does `work` with it.
///
/// If a column is missing and parts or keys of the runs were left unread, everything is read after all: the column may be
/// there, and if not, the error can name the nearest of all columns. If it is missing and a server left out runs, the
/// column may be one of theirs.
pub(crate) fn attempt<T>(
    plan: &Load,
    chat: &Chat,
    tell: impl FnOnce(&Receipt) -> Result<()>,
    work: impl Fn(&Loaded) -> Result<T>,
) -> Result<(T, Receipt)> {
    let needed = Parts { wanted: plan.wanted, keys: plan.keys.clone() };
    let all = Parts { wanted: plan.all, keys: Projection::default() };
    let loaded = load(plan, &needed, true, chat)?;
    let frame = &loaded.frame;
    tell(frame.receipt())?;
    let lacks = |done: &Result<T>| done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Column);
    let mut done = work(&loaded);
    if lacks(&done) && needed != all {
        done = work(&load(plan, &all, true, chat)?);
    }
    if lacks(&done) && loaded.partial {
        let anyway = work(&load(plan, &needed, false, chat)?);
        done = if lacks(&anyway) { done } else { anyway };
    }
    done.map(|work| (work, frame.receipt().clone()))
}

/// How much of each run is loaded.
#[derive(PartialEq)]
struct Parts {
    wanted: Wanted,
    keys: Projection,
}

/// The run table, and whether a server left out runs already.
pub(crate) struct Loaded {
    pub(crate) frame: RunFrame,
    /// A server evaluated what it could of --where, and all of --filter.
    pub(crate) narrowed: bool,
    /// It left out runs, perhaps: of those that it sent none need have a key that others have.
    pub(crate) partial: bool,
}

/// The run table of all sources. `push`: servers evaluate what they can of --where and --filter.
fn load(plan: &Load, parts: &Parts, push: bool, chat: &Chat) -> Result<Loaded> {
    let progress = Arc::new(Progress::default());
    let mut loader = chat
        .following(RunFrame::loader())
        .limits(plan.limits)
        .wanted(parts.wanted)
        .projection(parts.keys.clone())
        .progress(progress.clone());
    if let Some(redaction) = &plan.redaction {
        loader = loader.redact(redaction.clone());
    }
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    // Where sources are mixed everything is evaluated here, so that all rows are chosen alike.
    let narrowed = push && loader.locations().all(|location| matches!(location, Location::Project { .. }));
    let filter = if narrowed { server_filter(&plan.rows)? } else { None };
    let partial = filter.is_some();
    if let Some(filter) = filter {
        loader = loader.filter(filter);
    }
    let _bar = chat.follow(&progress);
    let frame = loader.load()?;
    if partial {
        check_names(&loader, &plan.rows, &frame)?;
    }
    Ok(Loaded { frame, narrowed, partial })
}

/// A name that none of the runs has that a server sent is one of another run's, or mistyped.
fn check_names(loader: &Loader, rows: &Rows, frame: &RunFrame) -> Result<()> {
    let now = Timestamp::now();
    for text in &rows.filters {
        let names = pointed("--where", text, |text| expr::push_down(text, now))?.names;
        if !names.iter().all(|name| frame.schema().contains(name)) {
            pointed("--where", text, |text| loader.check_names(text, now))?;
        }
    }
    Ok(())
}

/// What servers are asked to evaluate: what can be pushed of --where, and --filter.
fn server_filter(rows: &Rows) -> Result<Option<String>> {
    let mut parts: Vec<Value> = Vec::new();
    for text in &rows.filters {
        let split = pointed("--where", text, |text| expr::push_down(text, Timestamp::now()))?;
        parts.extend(split.pushed);
    }
    if let Some(json) = &rows.filter {
        parts.push(pointed("--filter", json, mongo::parse)?.json().clone());
    }
    Ok(match parts.len() {
        0 => None,
        1 => Some(parts.remove(0).to_string()),
        _ => Some(json!({ "$and": parts }).to_string()),
    })
}

/// Tells how each --where is split.
pub(crate) fn explain(rows: &Rows) -> Result<()> {
    let mut told = String::new();
    for text in &rows.filters {
        told += &pointed("--where", text, |text| expr::push_down(text, Timestamp::now()))?.explain();
        told.push('\n');
    }
    if let Some(json) = &rows.filter {
        told += &format!("--filter is sent as it is: {}\n", pointed("--filter", json, mongo::parse)?.json());
    }
    if told.is_empty() {
        return Err(
            Error::new(ErrorKind::Usage, "there is nothing to explain").hint("--explain goes with --where or --filter")
        );
    }
    sink::save(Path::new("-"), |out| out.write_all(told.as_bytes()).map_err(|error| Error::io("stdout", error)))
}

pub(crate) fn save(receipt: &Receipt, path: &Path) -> Result<()> {
    let text = format!("{:#}\n", receipt.to_json());
    sink::save(path, |out| out.write_all(text.as_bytes()).map_err(|error| Error::io(path, error)))
}
