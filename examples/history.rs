//! runHistory: every logged step of many runs as one table, values at the best step, thresholds, smoother and smaller curves.
#![allow(clippy::print_stdout)]

use runframe::history::{self, HistoryQuery, HistoryVerbs};
use runframe::polars::prelude::*;
use runframe::{Best, Loader, Result, RunFrame, run, run_keys};

fn main() -> Result<()> {
    // Two metrics of the runs with a large learning rate: chosen in the run table, read from their logs.
    let source = "examples/wandb";
    let runs = RunFrame::open(source)?.lazy();
    let large = runs.clone().filter(run::config("learning_rate").gt(lit(0.005))).collect()?;
    let query = HistoryQuery::new().keys(["val/loss", "accuracy"]).runs(run_keys(&large)?);
    let curves = Loader::default().source(source)?.history(&query)?;
    println!("{}", curves.receipt());
    println!(
        "{}",
        curves.lazy().select([cols(["name", "_step", "val/loss", "accuracy"]).as_expr()]).limit(3).collect()?
    );

    // One row per run: the accuracy where the loss was lowest, the first step below 0.1, the last value.
    let told = curves.lazy().per_run([
        history::at_best("_step", "val/loss", Best::Lowest).alias("best_step"),
        history::at_best("accuracy", "val/loss", Best::Lowest).alias("accuracy_at_best"),
        history::first_reaching("val/loss", 0.1, Best::Lowest).alias("below_0.1_at"),
        history::last("val/loss").alias("last_loss"),
    ]);
    println!("{}", told.clone().drop(cols(["entity", "project"])).limit(4).collect()?);

    // Beside what the run table knows.
    let joined = told.join(runs, [col("name")], [col("name")], JoinType::Inner.into());
    let columns = [col("name"), run::username(), run::config("learning_rate"), col("accuracy_at_best")];
    println!("{}", joined.select(columns).sort(["name"], SortMultipleOptions::default()).limit(3).collect()?);

    // A mean over three values, and at most four rows of each curve, its extremes among them.
    let smooth = curves.lazy().with_columns([history::rolling_mean("val/loss", 3).alias("smooth")]);
    let small = smooth.downsample("val/loss", 4);
    println!("{}", small.select([cols(["name", "_step", "val/loss", "smooth"]).as_expr()]).limit(6).collect()?);

    // One column per run.
    println!("{}", curves.wide("val/loss")?.select(["_step", "1ch3bknw"])?.head(Some(3)));
    Ok(())
}
