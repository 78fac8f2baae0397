//! Loads the sources, with a progress bar, and hands out the receipt.

use crate::chat::Chat;
use crate::plan::{Load, Rows};
use crate::query::pointed;
use runframe::expr::{self, mongo};
use runframe::{Error, ErrorKind, Location, Progress, Receipt, Result, RunFrame, Timestamp, Wanted, sink};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Loads what is wanted, does `work` with it and returns the receipt.
///
/// If a column is missing and parts of the runs were left unread, everything is read after all: the column may be there,
/// and if not, the error can name the nearest of all columns.
pub(crate) fn with(plan: &Load, chat: &Chat, work: impl Fn(&Loaded) -> Result<()>) -> Result<Receipt> {
    if plan.rows.explain {
        explain(&plan.rows)?;
        return Ok(Receipt::default());
    }
    let loaded = load(plan, plan.wanted, chat)?;
    let frame = &loaded.frame;
    chat.receipt(frame.receipt());
    if let Some(path) = &plan.receipt {
        save(frame.receipt(), path)?;
    }
    match work(&loaded) {
        Err(error) if error.kind() == ErrorKind::Column && plan.wanted != plan.all => {
            work(&load(plan, plan.all, chat)?)?;
        }
        done => done?,
    }
    Ok(frame.receipt().clone())
}

/// The run table, and whether a server left out runs already.
pub(crate) struct Loaded {
    pub(crate) frame: RunFrame,
    /// A server evaluated what it could of --where, and all of --filter.
    pub(crate) narrowed: bool,
}

/// The run table of all sources.
pub(crate) fn load(plan: &Load, wanted: Wanted, chat: &Chat) -> Result<Loaded> {
    let progress = Arc::new(Progress::default());
    let mut loader = RunFrame::loader().wanted(wanted).progress(progress.clone());
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    // Where sources are mixed everything is evaluated here, so that all rows are chosen alike.
    let narrowed = loader.locations().all(|location| matches!(location, Location::Project { .. }));
    if narrowed && let Some(filter) = server_filter(&plan.rows)? {
        loader = loader.filter(filter);
    }
    let _bar = chat.follow(&progress);
    Ok(Loaded { frame: loader.load()?, narrowed })
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
