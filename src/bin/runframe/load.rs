//! Loads the sources, with a progress bar, and hands out the receipt.

use crate::chat::Chat;
use crate::plan::Load;
use runframe::{Error, Progress, Receipt, Result, RunFrame, sink};
use std::path::Path;
use std::sync::Arc;

/// The run table of all sources.
pub(crate) fn load(plan: &Load, chat: &Chat) -> Result<RunFrame> {
    let progress = Arc::new(Progress::default());
    let mut loader = RunFrame::loader().wanted(plan.wanted).progress(progress.clone());
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    let bar = chat.follow(&progress);
    let loaded = loader.load();
    drop(bar);
    let frame = loaded?;
    chat.receipt(frame.receipt());
    if let Some(path) = &plan.receipt {
        save(frame.receipt(), path)?;
    }
    Ok(frame)
}

fn save(receipt: &Receipt, path: &Path) -> Result<()> {
    let text = format!("{:#}\n", receipt.to_json());
    sink::save(path, |out| out.write_all(text.as_bytes()).map_err(|error| Error::io(path, error)))
}
