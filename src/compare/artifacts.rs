//! Artifact versions as rows, and the runs that lack, used or should have used one.

use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::ops::{Direction, RunVerbs, run};
use polars::lazy::dsl;
use polars::prelude::*;

/// Which artifact versions of the runs are wanted. The default is all of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ArtifactRows {
    /// Outputs, inputs, or both.
    pub direction: Direction,
    /// Only those of this type: `model`, `dataset`.
    pub kind: Option<String>,
    /// Only those whose name matches: `*` stands for any text, `?` for one character.
    pub name: Option<String>,
}

impl Default for ArtifactRows {
    fn default() -> Self {
        ArtifactRows { direction: Direction::Both, kind: None, name: None }
    }
}

/// One row per run, direction and artifact version, as [`RunVerbs::explode_artifacts`], of those that are wanted.
///
/// # Errors
/// [`ErrorKind::Column`] if the artifacts were not loaded.
pub fn artifact_rows(mut runs: LazyFrame, which: &ArtifactRows) -> Result<LazyFrame> {
    let wanted: &[&str] = match which.direction {
        Direction::Logged => &["logged_artifacts"],
        Direction::Used => &["used_artifacts"],
        Direction::Both => &["logged_artifacts", "used_artifacts"],
    };
    loaded(&mut runs, wanted)?;
    let mut rows = runs.explode_artifacts(which.direction);
    if let Some(kind) = &which.kind {
        rows = rows.filter(col("artifact.type").eq(lit(kind.clone())));
    }
    if let Some(glob) = &which.name {
        rows = rows.filter(match glob.contains(['*', '?']) {
            true => col("artifact.name").str().contains(lit(pattern(glob)), true),
            false => col("artifact.name").eq(lit(glob.clone())),
        });
    }
    Ok(rows)
}

/// The runs that lack an artifact version they should have: those with something in `missing`, which is
/// [`run::missing_logged`] or [`run::missing_used`] of what is required.
///
/// The frame's columns and `missing` (List(String)): what is lacking. It is null where it is not known what the run
/// logged or used; such runs are kept, as nothing tells that they have what they should.
///
/// ```
/// # fn main() -> runframe::Result<()> {
/// use runframe::{RunFrame, compare, run};
///
/// let runs = RunFrame::open("examples/wandb")?;
/// let missing = run::missing_logged(["model:latest", "evaluation:latest"]);
/// let lacking = compare::lacking(runs.lazy(), missing)?.collect()?;
/// assert_eq!(lacking.height(), 35);
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ErrorKind::Column`] if the artifacts were not loaded.
pub fn lacking(mut runs: LazyFrame, missing: Expr) -> Result<LazyFrame> {
    let wanted = missing.into_iter().find_map(|part| match part {
        Expr::Column(name) => Some(name.clone()),
        _ => None,
    });
    loaded(&mut runs, &wanted.as_deref().into_iter().collect::<Vec<&str>>())?;
    let lacks = col("missing").list().len().gt(lit(0)).or(col("missing").is_null());
    Ok(runs.with_column(missing.alias("missing")).filter(lacks))
}

/// The runs that used exactly the artifact version that `reference` means, `dataset:v3`; see [`run::used_artifact_version`].
///
/// The frame's columns but its lists of artifacts, and the version's own as `artifact.name`, `artifact.version`, ….
///
/// # Errors
/// [`ErrorKind::Usage`] for a text without a name; [`ErrorKind::Column`] if the artifacts were not loaded.
pub fn used_by(mut runs: LazyFrame, reference: &str) -> Result<LazyFrame> {
    named(reference)?;
    loaded(&mut runs, &["used_artifacts"])?;
    let version = run::used_artifact_version(reference);
    // As if this version were all that the run used.
    let only = concat_list([version.clone()])?.alias("used_artifacts");
    Ok(runs
        .filter(version.is_not_null())
        .with_column(only)
        .explode_artifacts(Direction::Used)
        .drop(cols(["direction"])))
}

/// The runs that used the artifact `name`, but not its newest version: the highest that any run of the frame in the same
/// entity and project logged or used. Of a run that used several versions the highest counts.
///
/// The frame's columns, `artifact.name`, `artifact.version` (Int64, what the run used), `newest` (Int64) and `stale`
/// (Boolean): true, or null where the version that the run used is not known, as of `name:latest` in logs. Runs that used the
/// newest version, and those that did not use the artifact at all, have no row.
///
/// ```
/// # fn main() -> runframe::Result<()> {
/// use runframe::polars::prelude::*;
/// use runframe::{RunFrame, compare, run};
///
/// let runs = RunFrame::open("examples/wandb")?;
/// let stale = compare::stale(runs.lazy(), "training-data")?.select([run::name(), col("newest")]);
/// let stale = stale.sort(["name"], Default::default()).collect()?;
/// assert_eq!(stale, df!("name" => ["cazhcz18", "o4u591nh"], "newest" => [3i64, 3])?);
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ErrorKind::Usage`] for an empty name; [`ErrorKind::Column`] if the artifacts were not loaded.
pub fn stale(mut runs: LazyFrame, name: &str) -> Result<LazyFrame> {
    named(name)?;
    if let Some((name, alias)) = name.split_once(':') {
        let error = Error::new(ErrorKind::Usage, format!("{name}:{alias} is one version, not an artifact's name"));
        return Err(error.hint(format!("write {name}")));
    }
    loaded(&mut runs, &["logged_artifacts", "used_artifacts"])?;
    let schema = runs.collect_schema()?;
    let version = |artifact: Expr| artifact.struct_().field_by_name("version");
    let used = version(run::used_artifact(name));
    let highest = dsl::max_horizontal([version(run::logged_artifact(name)), used.clone()])?.max();
    let places: Vec<Expr> = ["entity", "project"].into_iter().filter(|name| schema.contains(name)).map(col).collect();
    let newest = if places.is_empty() { highest } else { highest.over(places)? };
    let known = col("artifact.version").is_not_null();
    Ok(runs
        .with_columns([
            run::used_artifact(name).struct_().field_by_name("name").alias("artifact.name"),
            used.alias("artifact.version"),
            newest.alias("newest"),
        ])
        .filter(col("artifact.name").is_not_null())
        .filter(known.clone().not().or(col("artifact.version").lt(col("newest"))))
        .with_column(when(known).then(lit(true)).otherwise(lit(NULL).cast(DataType::Boolean)).alias("stale")))
}

/// Checks that any of the runs logged or used the artifact that `reference` names. An empty frame knows none, and is no fault.
///
/// # Errors
/// [`ErrorKind::NotFound`], with the nearest names; [`ErrorKind::Column`] if the artifacts were not loaded.
pub fn known_artifact(mut runs: LazyFrame, reference: &str) -> Result<()> {
    let wanted = named(reference)?;
    loaded(&mut runs, &["logged_artifacts", "used_artifacts"])?;
    let lists = runs.select([run::logged_artifact_versions(), run::used_artifact_versions()]).collect()?;
    let rows = lists.height();
    let names = lists.lazy().explode_artifacts(Direction::Both).select([col("artifact.name").unique()]).collect()?;
    let known: Vec<&str> = names.column("artifact.name")?.str()?.iter().flatten().collect();
    if rows == 0 || known.contains(&wanted) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::NotFound, format!("no run logged or used an artifact called {wanted}"));
    Err(match did_you_mean(wanted, known.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error.hint("`runframe artifacts SOURCE` lists them"),
    })
}

/// The name in `name:alias`.
fn named(reference: &str) -> Result<&str> {
    match reference.split(':').next().map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(Error::new(ErrorKind::Usage, format!("'{reference}' names no artifact"))
            .hint("write name:alias or name:v3, for example model:latest")),
    }
}

/// Checks that the lists of artifacts are there.
fn loaded(runs: &mut LazyFrame, columns: &[&str]) -> Result<()> {
    let schema = runs.collect_schema()?;
    match columns.iter().find(|name| !schema.contains(name)) {
        Some(name) => Err(not_loaded(name)),
        None => Ok(()),
    }
}

pub(super) fn not_loaded(column: &str) -> Error {
    Error::new(ErrorKind::Column, format!("{column} was not loaded")).hint("load the runs with their artifacts")
}

/// A glob as a regular expression for the whole text.
fn pattern(glob: &str) -> String {
    let mut pattern = String::from("(?s)^");
    for c in glob.chars() {
        match c {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            c if c.is_alphanumeric() => pattern.push(c),
            c => pattern.push_str(&format!("\\x{{{:x}}}", u32::from(c))),
        }
    }
    pattern + "$"
}
