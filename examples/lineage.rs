//! runLoggedArtifactVersions, runUsedArtifactVersions across runs: who made what from what, who lacks what, who is behind.
#![allow(clippy::print_stdout)]

use runframe::compare::{ArtifactRows, artifact_rows, lacking, lineage, stale, used_by};
use runframe::polars::prelude::*;
use runframe::{Direction, Result, RunFrame, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;
    let by_name = || SortMultipleOptions::default();

    // What an evaluation was made from, and what was made from it.
    let table = runs.collect()?;
    print!("{}", lineage(&table, "eval-1")?.tree());

    // The same from the other end, as rows: all runs that hang on one training run.
    let rows = lineage(&table, "still-lake-7")?.rows()?.lazy();
    let users = rows.filter(col("direction").eq(lit("downstream")).and(col("name").is_not_null()));
    println!("{}", users.select([cols(["depth", "artifact", "name", "by"]).as_expr()]).collect()?);

    // Runs that lack a required output.
    let train = runs.lazy().filter(run::job_type().eq(lit("train")).and(run::state().eq(lit("finished"))));
    let missing = lacking(train, run::missing_logged(["model:latest"]))?;
    println!("finished training runs without a model: {}", missing.collect()?.height());

    // Runs that used exactly version 2 of the training data, and those that are behind the newest version.
    let second = used_by(runs.lazy(), "training-data:v2")?.select([run::name(), col("artifact.version")]);
    println!("{}", second.sort(["name"], by_name()).collect()?);
    let behind = stale(runs.lazy(), "training-data")?.select([run::name(), col("artifact.version"), col("newest")]);
    println!("{}", behind.sort(["name"], by_name()).collect()?);

    // How many data sets were logged, and how large they are together.
    let mut datasets = ArtifactRows::default();
    (datasets.direction, datasets.kind) = (Direction::Logged, Some("dataset".into()));
    let sizes = artifact_rows(runs.lazy(), &datasets)?.select([len().alias("data sets"), col("artifact.size").sum()]);
    println!("{}", sizes.collect()?);
    Ok(())
}
