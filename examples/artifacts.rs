//! runLoggedArtifactVersion(s), runUsedArtifactVersions: latest models, missing outputs, inputs, stale data sets.
#![allow(clippy::print_stdout)]

use runframe::polars::prelude::*;
use runframe::{Direction, Result, RunFrame, RunVerbs, run};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;

    // The latest model of each run, with its version, size and creation time. Logs know sizes; only servers know versions.
    let model = run::logged_artifact_version("model:latest");
    let field = |name: &str| model.clone().struct_().field_by_name(name).alias(format!("model.{name}"));
    let models = runs.lazy().filter(model.clone().is_not_null());
    let models = models.select([run::name(), field("version"), field("size"), field("created_at")]);
    println!("models:\n{}", models.sort(["model.size"], SortMultipleOptions::default()).limit(3).collect()?);

    // Runs that lack a required output.
    let missing = run::missing_logged(["model:latest", "evaluation:latest"]).alias("missing");
    let train = runs.lazy().filter(run::job_type().eq(lit("train"))).select([run::name(), missing]);
    let lacking = train.filter(col("missing").list().len().gt(lit(0))).collect()?;
    println!("training runs that lack a model or an evaluation: {}", lacking.height());

    // All outputs, one row each.
    let outputs = runs.lazy().explode_artifacts(Direction::Logged);
    let outputs = outputs.select([
        run::name(),
        col("artifact.name"),
        col("artifact.aliases").list().join(lit(","), true),
        col("artifact.size"),
    ]);
    println!(
        "outputs:\n{}",
        outputs.sort(["name", "artifact.name"], SortMultipleOptions::default()).limit(4).collect()?
    );

    // How many outputs are models, how many data sets.
    let count = |part: &str| run::logged_containing(part).list().len().sum().alias(part);
    println!("outputs by name:\n{}", runs.lazy().select([count("model"), count("data")]).collect()?);

    // Inputs, and runs that used another version of the training data than 3.
    let inputs = runs.lazy().explode_artifacts(Direction::Used).select([
        run::name(),
        col("artifact.name"),
        col("artifact.version"),
    ]);
    println!("inputs:\n{}", inputs.sort(["name", "artifact.name"], SortMultipleOptions::default()).limit(4).collect()?);
    let version = run::used_artifact("training-data").struct_().field_by_name("version");
    let stale =
        runs.lazy().filter(version.neq(lit(3))).select([run::name()]).sort(["name"], SortMultipleOptions::default());
    println!("not on training-data v3:\n{}", stale.collect()?);
    Ok(())
}
