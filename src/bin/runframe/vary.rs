//! `vary`: which keys vary over the runs.

use crate::chat::Chat;
use crate::load::Loaded;
use crate::plan::{Output, Vary};
use crate::query::{context, filtered};
use runframe::{Result, compare, sink};

/// Writes a row for each key that varies, and says how many never do.
pub(crate) fn run(plan: &Vary, loaded: &Loaded, output: &Output, chat: &Chat) -> Result<()> {
    let runs = filtered(loaded, &plan.filters, plan.filter.as_deref(), &context(output)?)?;
    let mut options = plan.options.clone();
    options.json_columns = loaded.frame.json_columns().to_vec();
    let vary = compare::vary(runs, &options)?;
    sink::write_file(&vary.to_frame()?, &output.path, output.format, &output.options)?;
    let plural = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let (keys, runs) = (plural(vary.varying(), "key"), plural(vary.runs(), "run"));
    let verb = if vary.varying() == 1 { "varies" } else { "vary" };
    let steady = vary.steady();
    chat.tell(&format!("{keys} {verb} over {runs}, {steady} never {}", if steady == 1 { "does" } else { "do" }));
    Ok(())
}
