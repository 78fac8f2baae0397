//! Runs in groups: by user, by calendar day, by tag, the best run of each, and plain Polars for the rest.
#![allow(clippy::print_stdout)]

use runframe::expr::{Context, Grouping};
use runframe::polars::prelude::*;
use runframe::{Best, Result, RunFrame, RunVerbs, Timestamp, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;
    let schema = runs.schema();
    let berlin = Context::new(Timestamp::now()).in_zone("Europe/Berlin")?;

    // What the command line's `group -b user -a '…'` does: one native group_by of Polars.
    let users = Grouping::by("user", schema, &berlin)?.aggregates(
        "n() as runs, sum(runtime) / 3600 as hours, max(summary.accuracy) - min(summary.accuracy) as spread",
    )?;
    println!("by user:\n{}", users.apply(runs.lazy())?.collect()?);

    // By calendar day in Berlin: how many runs, and which part of them trained.
    let days = Grouping::by("created_at:1d as day", schema, &berlin)?
        .aggregates("n() as runs, mean(job_type = 'train') as train")?;
    println!("by day:\n{}", days.apply(runs.lazy())?.limit(4).collect()?);

    // A run counts under each of its tags.
    let tags = Grouping::by("tags", schema, &berlin)?.aggregates("n() as runs, list(name)")?;
    println!("by tag:\n{}", tags.apply(runs.lazy())?.limit(3).collect()?);

    // The best run of each user, as a verb on any lazy frame; the row is whole.
    let best = runs.lazy().best_by([run::username()], run::summary("accuracy"), Best::Highest);
    let columns = [run::username(), run::name(), run::summary("accuracy"), run::config("learning_rate")];
    println!(
        "best of each user:\n{}",
        best.select(columns).sort(["user.username"], SortMultipleOptions::default()).collect()?
    );

    // Any group_by of Polars takes the run's expressions, too.
    let hosts = runs.lazy().group_by([col("host")]).agg([run::runtime().sum(), run::summary("loss").min()]);
    println!("by host:\n{}", hosts.sort(["host"], SortMultipleOptions::default()).collect()?);
    Ok(())
}
