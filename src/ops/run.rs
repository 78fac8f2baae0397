//! W&B's run operations, one Polars expression each: `use runframe::run;`, then `run::config("lr")`, `run::user()`, ….
//!
//! They name columns of the run table and keep its height, so they work in `select`, `filter`, `with_columns`, `sort`
//! and `group_by` like any other Polars expression.
//!
//! | W&B op | here | type |
//! |---|---|---|
//! | `runName` | [`name`] | String |
//! | `runUser` | [`user`], [`username`] | Struct{username, name, email}, String |
//! | `runJobType` | [`job_type`] | String |
//! | `runCreatedAt` | [`created_at`] | Datetime\[μs, UTC\] |
//! | `runHeartbeatAt` | [`heartbeat_at`], [`is_active`] | Datetime\[μs, UTC\], Boolean |
//! | `runRuntime` | [`runtime`], [`runtime_hm`] | Float64 seconds, String |
//! | `runConfig` | [`config`], [`configs`] | by column |
//! | `runSummary` | [`summary`], [`summaries`] | by column |
//! | `runLoggedArtifactVersions`, `runUsedArtifactVersions` | [`logged_artifact_versions`], [`used_artifact_versions`] | List(Struct) |
//! | `runLoggedArtifactVersion` | [`logged_artifact_version`], [`used_artifact_version`] | Struct |
//!
//! A column that the table does not have makes Polars fail when the plan is resolved, before any work; [`check`] names the
//! nearest columns.

pub use super::artifact::{
    logged_artifact, logged_artifact_version, logged_artifact_versions, logged_containing, logged_of_type,
    missing_logged, missing_used, used_artifact, used_artifact_version, used_artifact_versions, used_containing,
    used_of_type,
};

use super::time_lit;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::record::Timestamp;
use polars::prelude::*;
use std::time::Duration;

/// The unique run name, the id in the run's URL: String, never null. W&B op `runName`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["a1b2c3d4", "e5f6a7b8"])?;
/// let names = runs.lazy().select([run::name()]).collect()?;
/// assert_eq!(names.column("name")?.str()?.get(0), Some("a1b2c3d4"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn name() -> Expr {
    column("name")
}

/// Who started the run: Struct{username, name, email: String}; null for a deleted or unknown user. W&B op `runUser`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("user.username" => [Some("ada"), None], "user.name" => [Some("Ada"), None],
///                "user.email" => [None::<&str>, None])?;
/// let users = runs.lazy().select([run::user(), run::user().struct_().field_by_name("name")]).collect()?;
/// assert_eq!(users.column("user")?.null_count(), 1);
/// assert_eq!(users.column("name")?.str()?.get(0), Some("Ada"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn user() -> Expr {
    let parts = ["username", "name", "email"].map(|part| (part, column(&format!("user.{part}"))));
    let known = parts.iter().fold(lit(false), |known, (_, value)| known.or(value.clone().is_not_null()));
    let parts = parts.map(|(part, value)| value.alias(part)).to_vec();
    when(known).then(as_struct(parts)).otherwise(lit(NULL)).alias("user")
}

/// The account name of who started the run: String; null for a deleted or unknown user. W&B op `runUser`, field `username`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["r1", "r2", "r3"], "user.username" => ["john_doe", "ada", "john_doe"])?;
/// let mine = runs.clone().lazy().filter(run::username().eq(lit("john_doe"))).collect()?;
/// assert_eq!(mine.height(), 2);
///
/// let by_user = runs.lazy().group_by([run::username()]).agg([run::name()])
///     .sort(["user.username"], Default::default()).collect()?;
/// assert_eq!(by_user.column("name")?.list()?.get_as_series(1).unwrap().len(), 2);
/// # Ok::<(), PolarsError>(())
/// ```
pub fn username() -> Expr {
    column("user.username")
}

/// What the run did (train, eval, …): String; null if unset. W&B op `runJobType`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["r1", "r2", "r3"], "job_type" => [Some("train"), Some("eval"), None])?;
/// let training = runs.clone().lazy().filter(run::job_type().eq(lit("train"))).collect()?;
/// let evaluation = runs.lazy().filter(run::job_type().eq(lit("eval"))).collect()?;
/// assert_eq!((training.height(), evaluation.height()), (1, 1));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn job_type() -> Expr {
    column("job_type")
}

/// When the run was first started: Datetime\[μs, UTC\]; null if unknown, never "now". W&B op `runCreatedAt`.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use polars::prelude::*;
/// use runframe::run;
///
/// let times = ["2026-03-02T08:00:00Z", "2026-03-08T09:00:00Z", "2026-03-08T23:00:00Z"]
///     .map(|text| DateTime::parse_from_rfc3339(text).unwrap().naive_utc());
/// let runs = df!("name" => ["r1", "r3", "r2"], "created_at" => [times[0], times[2], times[1]])?
///     .lazy().with_column(run::created_at().dt().replace_time_zone(Some(TimeZone::UTC), lit("raise"), NonExistent::Raise));
///
/// // The runs of the last week; `now` is fixed here.
/// let now = lit(times[2] + TimeDelta::days(1)).dt().replace_time_zone(Some(TimeZone::UTC), lit("raise"), NonExistent::Raise);
/// let week = runs.clone().filter(run::created_at().gt(now - lit(TimeDelta::days(7)))).collect()?;
/// assert_eq!(week.height(), 2);
///
/// // In the order of time.
/// let sorted = runs.clone().sort_by_exprs([run::created_at()], Default::default()).collect()?;
/// assert_eq!(sorted.column("name")?.str()?.get(1), Some("r2"));
///
/// // By date.
/// let days = runs.group_by([run::created_at().dt().date().alias("day")]).agg([len()])
///     .sort(["day"], Default::default()).collect()?;
/// assert_eq!(days.column("len")?.u32()?.to_vec(), [Some(1), Some(2)]);
/// # Ok::<(), PolarsError>(())
/// ```
pub fn created_at() -> Expr {
    column("created_at")
}

/// The last sign of life: Datetime\[μs, UTC\]; null if the run never reported. W&B op `runHeartbeatAt`.
pub fn heartbeat_at() -> Expr {
    column("heartbeat_at")
}

/// Whether the last heartbeat came within `window` before now: Boolean, never null; false if there was none.
///
/// It is the test that W&B shows for op `runHeartbeatAt`, with five minutes. "Now" is when the expression is made.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
/// use std::time::Duration;
///
/// let now = chrono::Utc::now().naive_utc();
/// let runs = df!("heartbeat_at" => [Some(now), Some(now - chrono::TimeDelta::hours(1)), None])?
///     .lazy().with_column(run::heartbeat_at().dt().replace_time_zone(Some(TimeZone::UTC), lit("raise"), NonExistent::Raise));
/// let active = runs.filter(run::is_active(Duration::from_secs(5 * 60))).collect()?;
/// assert_eq!(active.height(), 1);
/// # Ok::<(), PolarsError>(())
/// ```
pub fn is_active(window: Duration) -> Expr {
    is_active_at(window, Timestamp::now())
}

/// [`is_active`] with the present given: whether the last heartbeat is later than `now` − `window`. Never null.
pub fn is_active_at(window: Duration, now: Timestamp) -> Expr {
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(now.micros().saturating_sub(window));
    heartbeat_at().gt(time_lit(since)).fill_null(lit(false)).alias("is_active")
}

/// How long the run took, from `created_at` to `heartbeat_at`: Float64, seconds; null if either is unknown or the
/// clock ran back. W&B op `runRuntime`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["r1", "r2"], "runtime" => [93_784.0, 600.0])?;
/// let long = runs.lazy().filter(run::runtime().gt(lit(3600.0))).select([run::runtime_hm()]).collect()?;
/// assert_eq!(long.column("runtime")?.str()?.get(0), Some("26h 3m"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn runtime() -> Expr {
    column("runtime")
}

/// The runtime as text in whole hours and minutes, `26h 3m`: String; null where [`runtime`] is.
pub fn runtime_hm() -> Expr {
    let minutes = (runtime() / lit(60.0)).floor().cast(DataType::Int64);
    let hours = (runtime() / lit(3600.0)).floor().cast(DataType::Int64);
    let rest = minutes - hours.clone() * lit(60i64);
    let text = |part: Expr| part.cast(DataType::String);
    concat_str([text(hours), lit("h "), text(rest), lit("m")], "", false).alias("runtime")
}

/// How long W&B itself says the run took, without pauses of a resumed run: Float64, seconds; null if unknown.
/// GraphQL `Run.computeSeconds`, in logs the exit record.
pub fn compute_seconds() -> Expr {
    column("compute_seconds")
}

/// running, finished, failed, crashed, killed, … as W&B says it: String; null if unknown. GraphQL `Run.state`.
pub fn state() -> Expr {
    column("state")
}

/// The run's labels: List(String); empty if there are none, null if unknown. GraphQL `Run.tags`.
pub fn tags() -> Expr {
    column("tags")
}

/// The config value at the dotted path `key`: type by column; null where the run has none. W&B op `runConfig`.
///
/// A path with several kinds of values has more columns: `run::config("opt:string")` (see the flattening rules).
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["r1", "r2"], "config.learning_rate" => [0.001, 0.02], "config.batch_size" => [32, 32])?;
/// let high = runs.lazy().filter(run::config("learning_rate").gt(lit(0.01))).collect()?;
/// assert_eq!(high.column("name")?.str()?.get(0), Some("r2"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn config(key: &str) -> Expr {
    column(&format!("config.{key}"))
}

/// The summary value at the dotted path `key`: type by column; null where the run has none. W&B op `runSummary`.
///
/// NaN is a value, not null, and Polars sorts it above all numbers: drop it before you look for a maximum.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["r1", "r2", "r3"], "summary.accuracy" => [Some(0.97), Some(f64::NAN), None],
///                "summary.val_loss" => [0.05, 0.2, 0.3])?;
/// let good = runs.clone().lazy()
///     .filter(run::summary("accuracy").gt(lit(0.95)).and(run::summary("val_loss").lt(lit(0.1)))).collect()?;
/// assert_eq!(good.height(), 1);
///
/// let best = runs.lazy().filter(run::summary("accuracy").is_not_nan())
///     .sort_by_exprs([run::summary("accuracy")], SortMultipleOptions::default().with_order_descending(true).with_nulls_last(true))
///     .first().collect()?;
/// assert_eq!(best.column("name")?.str()?.get(0), Some("r1"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn summary(key: &str) -> Expr {
    column(&format!("summary.{key}"))
}

/// All config columns. W&B op `runConfig`.
///
/// The keys in which two configs differ:
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("name" => ["base", "test", "other"], "config.lr" => [0.1, 0.2, 0.3], "config.seed" => [1, 1, 7])?;
/// let pair = runs.lazy().filter(run::name().eq(lit("base")).or(run::name().eq(lit("test"))))
///     .select([run::configs()]).collect()?;
/// let mut differ = Vec::new();
/// for key in pair.columns() {
///     if key.get(0)? != key.get(1)? {
///         differ.push(key.name().as_str());
///     }
/// }
/// assert_eq!(differ, ["config.lr"]);
/// # Ok::<(), PolarsError>(())
/// ```
pub fn configs() -> Expr {
    col(r"^config\..*$")
}

/// All summary columns. W&B op `runSummary`.
pub fn summaries() -> Expr {
    col(r"^summary\..*$")
}

/// Checks that the table has every column that the expression names, before any work is done.
///
/// # Errors
/// [`ErrorKind::Column`], with the nearest names.
///
/// ```
/// use polars::prelude::*;
/// use runframe::run;
///
/// let runs = df!("config.lr" => [0.1])?;
/// let error = run::check(&run::config("lrr").gt(lit(0.01)), runs.schema()).unwrap_err();
/// assert_eq!(error.to_string(), "unknown column config.lrr (did you mean config.lr?)");
/// # Ok::<(), PolarsError>(())
/// ```
pub fn check(expr: &Expr, schema: &Schema) -> Result<()> {
    for part in expr {
        if let Expr::Column(name) = part
            && !schema.contains(name)
        {
            let error = Error::new(ErrorKind::Column, format!("unknown column {name}"));
            let known = schema.iter_names().map(|known| known.as_str());
            return Err(did_you_mean(name, known).into_iter().fold(error, Error::hint));
        }
    }
    Ok(())
}

/// A column by its very name: [`col`] would take `^…$` for a pattern.
fn column(name: &str) -> Expr {
    Expr::Column(name.into())
}
