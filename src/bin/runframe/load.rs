//! Loads the sources, with a progress bar, and hands out the receipt.

use crate::chat::Chat;
use crate::plan::Load;
use runframe::{Error, ErrorKind, Progress, Receipt, Result, RunFrame, Wanted, sink};
use std::path::Path;
use std::sync::Arc;

/// Loads what is wanted, does `work` with it and returns the receipt.
///
/// If a column is missing and parts of the runs were left unread, everything is read after all: the column may be there,
/// and if not, the error can name the nearest of all columns.
pub(crate) fn with(plan: &Load, chat: &Chat, work: impl Fn(&RunFrame) -> Result<()>) -> Result<Receipt> {
    let frame = load(plan, plan.wanted, chat)?;
    chat.receipt(frame.receipt());
    if let Some(path) = &plan.receipt {
        save(frame.receipt(), path)?;
    }
    match work(&frame) {
        Err(error) if error.kind() == ErrorKind::Column && plan.wanted != plan.all => {
            work(&load(plan, plan.all, chat)?)?;
        }
        done => done?,
    }
    Ok(frame.receipt().clone())
}

/// The run table of all sources.
fn load(plan: &Load, wanted: Wanted, chat: &Chat) -> Result<RunFrame> {
    let progress = Arc::new(Progress::default());
    let mut loader = RunFrame::loader().wanted(wanted).progress(progress.clone());
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    let _bar = chat.follow(&progress);
    loader.load()
}

pub(crate) fn save(receipt: &Receipt, path: &Path) -> Result<()> {
    let text = format!("{:#}\n", receipt.to_json());
    sink::save(path, |out| out.write_all(text.as_bytes()).map_err(|error| Error::io(path, error)))
}
