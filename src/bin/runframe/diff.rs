//! `diff`: runs side by side.

use crate::chat::Chat;
use crate::load::Loaded;
use crate::plan::{Diff, Output};
use runframe::compare::{DiffCell, DiffKey};
use runframe::sink::{self, Format};
use runframe::{Error, Result};

/// Writes the keys in which the runs differ; true if they do and the exit code is to tell.
pub(crate) fn run(plan: &Diff, loaded: &Loaded, output: &Output, chat: &Chat) -> Result<bool> {
    let diff = loaded.frame.diff(&plan.runs, &plan.options)?;
    match output.format {
        Format::Json | Format::Jsonl => {
            let text = diff.to_json(output.format == Format::Jsonl);
            let failed = |error| Error::io(&output.path, error);
            sink::save(&output.path, |out| out.write_all(text.as_bytes()).map_err(failed))?;
        }
        format => sink::write_file(&diff.to_frame()?, &output.path, format, &output.options)?,
    }
    let (differing, compared) = (diff.differing(), diff.compared());
    chat.tell(&format!("{differing} of {compared} key{} differ", if compared == 1 { "" } else { "s" }));
    let is_missing = |key: &DiffKey| key.cells.contains(&DiffCell::Missing);
    if !diff.knows_nulls() && diff.keys().iter().any(is_missing) {
        chat.tell("a stored table does not tell null from missing: both are shown as missing");
    }
    Ok(plan.exit_code && differing > 0)
}
