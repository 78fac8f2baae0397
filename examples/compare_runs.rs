//! runConfig, runSummary: the keys in which runs differ, and the keys that vary over a whole sweep.
#![allow(clippy::print_stdout)]

use runframe::compare::{DiffCell, DiffOptions, VaryOptions, vary};
use runframe::polars::prelude::*;
use runframe::{Result, RunFrame, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;

    // Two runs of a sweep, key by key: the config, and what came of it.
    let mut options = DiffOptions::default();
    options.summary = true;
    options.ignore = vec!["summary._*".into(), "config.optimizer.*".into()];
    let diff = runs.diff(&["winter-sweep-1", "winter-sweep-3"], &options)?;
    println!("{} of {} keys differ:\n{}", diff.differing(), diff.compared(), diff.to_frame()?);

    // A key that a run does not have is told apart from one that is null.
    let diff = runs.diff(&["fluffy-cloud-1", "quiet-moon-4"], &DiffOptions::default())?;
    for key in diff.keys() {
        let told = |cell: &DiffCell| match cell {
            DiffCell::Missing => "no such key".to_owned(),
            DiffCell::Null => "null".to_owned(),
            DiffCell::Value { text, .. } => text.clone(),
        };
        println!("{}: {} | {}", key.key, told(&key.cells[0]), told(&key.cells[1]));
    }

    // What varies over the sweep, and which keys always move together.
    let sweep = runs.lazy().filter(col("display_name").str().starts_with(lit("winter-sweep")));
    let varying = vary(sweep, &VaryOptions::default())?;
    println!("over {} runs {} keys never vary; these do:", varying.runs(), varying.steady());
    println!(
        "{}",
        varying.to_frame()?.lazy().select([cols(["key", "values", "runs", "top", "together"]).as_expr()]).collect()?
    );

    // The answer is a frame like any other: the training keys with the most values.
    let train = vary(runs.lazy().filter(run::job_type().eq(lit("train"))), &VaryOptions::default())?;
    let most = train
        .to_frame()?
        .lazy()
        .sort(["values", "key"], SortMultipleOptions::default().with_order_descending_multi([true, false]));
    println!("{}", most.select([col("key"), col("values"), col("missing")]).limit(3).collect()?);
    Ok(())
}
