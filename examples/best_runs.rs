//! runSummary, runJobType, runName, runUser: metrics, the best run, thresholds, one user's runs, runs by user.
#![allow(clippy::print_stdout)]

use runframe::polars::prelude::*;
use runframe::{Result, RunFrame, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;
    let by_name = || SortMultipleOptions::default();

    // Final metrics.
    let metrics = ["accuracy", "best_val_loss", "training_time_seconds"].map(run::summary);
    let table = runs.lazy().select([&[run::name()][..], &metrics].concat()).drop_nulls(None);
    println!("metrics:\n{}", table.sort(["name"], by_name()).limit(3).collect()?);

    // The best run by accuracy. NaN is a value in W&B, and no accuracy: leave it out first.
    let accuracy = run::summary("accuracy");
    let best = runs
        .lazy()
        .filter(accuracy.clone().is_not_nan())
        .sort(["summary.accuracy"], by_name().with_order_descending(true));
    println!("best:\n{}", best.select([run::name(), run::username(), accuracy.clone()]).limit(1).collect()?);

    // Accuracy above 0.95 with a loss below 0.1.
    let good = accuracy.gt(lit(0.95)).and(run::summary("val_loss").lt(lit(0.1)));
    println!("good runs: {}", runs.lazy().filter(good).collect()?.height());

    // Train and eval runs.
    for job in ["train", "eval"] {
        let names = runs.lazy().filter(run::job_type().eq(lit(job))).select([run::name()]).collect()?;
        println!("{job}: {} runs", names.height());
    }

    // One user's runs, and all runs by user.
    let mine = runs.lazy().filter(run::username().eq(lit("ada"))).select([run::name()]).collect()?;
    println!("ada: {} runs", mine.height());
    let users = runs.lazy().group_by([run::username()]).agg([len().alias("runs"), run::runtime().sum()]);
    println!("by user:\n{}", users.sort(["user.username"], by_name()).collect()?);
    Ok(())
}
