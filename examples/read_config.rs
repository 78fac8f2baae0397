//! runConfig: reading a hyper-parameter, filtering by one, and the keys in which two runs differ.
#![allow(clippy::print_stdout)]

use runframe::polars::prelude::*;
use runframe::{Result, RunFrame, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;

    // One hyper-parameter of every run that has it.
    let rates = runs.lazy().filter(run::config("learning_rate").is_not_null());
    let rates = rates.select([run::name(), run::config("learning_rate"), run::config("batch_size")]);
    let rates = rates.sort(["config.learning_rate", "name"], SortMultipleOptions::default()).limit(4).collect()?;
    println!("lowest learning rates:\n{rates}");

    // Runs with learning rate > 0.01.
    let fast = runs.lazy().filter(run::config("learning_rate").gt(lit(0.01)));
    println!("learning rate > 0.01: {} of {} runs", fast.collect()?.height(), runs.height());

    // The keys in which two configs differ: a column each, compared null-safe.
    let two = runs
        .lazy()
        .filter(run::name().is_in(lit(Series::new("".into(), ["1ch3bknw", "85zm8htx"])).implode(true), false));
    let two = two.select([run::configs()]).collect()?;
    let differ = two.columns().iter().filter(|column| {
        let cell = |row| column.slice(row, 1).take_materialized_series();
        !cell(0).equals_missing(&cell(1))
    });
    let names: Vec<&str> = differ.map(|column| column.name().as_str()).collect();
    println!("1ch3bknw and 85zm8htx differ in {} keys: {}", names.len(), names.join(", "));
    Ok(())
}
