//! Verbs on a lazy run table that change its height.

use super::artifact::version_dtype;
use super::best::{self, Best};
use polars::prelude::*;

/// Whether a run made an artifact version or read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Outputs: `logged_artifacts`.
    Logged,
    /// Inputs: `used_artifacts`.
    Used,
    /// Outputs, then inputs.
    Both,
}

pub(super) mod sealed {
    pub trait Sealed {}
    impl Sealed for polars::prelude::LazyFrame {}
}

/// Verbs on a lazy run table that change its height. Implemented for [`LazyFrame`] only.
pub trait RunVerbs: sealed::Sealed {
    /// One row per (run, direction, artifact version); runs without any have no row.
    ///
    /// The run's other columns stay; `direction` (String: `logged` or `used`) and the flat columns `artifact.name`,
    /// `artifact.type`, `artifact.version`, `artifact.aliases`, `artifact.size` (bytes), `artifact.digest`,
    /// `artifact.state`, `artifact.created_at` and `artifact.id` are added. Select the run's columns first if you need few.
    /// With [`Direction::Both`] all logged rows come before the used ones; within each the runs keep their order.
    ///
    /// ```
    /// # use polars::prelude::*;
    /// # use runframe::{Direction, RunVerbs, run};
    /// # let list = |names: &[&str]| Series::new("".into(), names);
    /// # let versions = |names: &[&str]| df!("name" => names, "type" => names, "version" => vec![0i64; names.len()],
    /// #     "aliases" => vec![list(&["latest"]); names.len()], "size" => vec![1i64; names.len()], "digest" => names,
    /// #     "state" => names, "created_at" => vec![0i64; names.len()], "id" => names).unwrap()
    /// #     .lazy().with_column(col("created_at").cast(DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))))
    /// #     .collect().unwrap().into_struct("a".into()).into_series();
    /// # let runs = df!("name" => ["r1", "r2"], "logged_artifacts" => [versions(&["model", "eval"]), versions(&["x"]).head(Some(0))])?;
    /// // `runs` has r1, which logged two artifacts, and r2, which logged none.
    /// let rows = runs.lazy().explode_artifacts(Direction::Logged).select([run::name(), col("artifact.name")]).collect()?;
    /// assert_eq!(rows.height(), 2);
    /// assert_eq!(rows.column("artifact.name")?.str()?.get(1), Some("eval"));
    /// # Ok::<(), PolarsError>(())
    /// ```
    fn explode_artifacts(self, direction: Direction) -> LazyFrame;

    /// The whole row of the best run of each group: the keys, then the table's other columns. The groups come in the order in which
    /// they first appear.
    ///
    /// The best has the highest or lowest `metric`; null and NaN are no values. Of equals it is the earliest created, then the first by
    /// name. A group without a value keeps its row: the keys, and nulls. Without keys there is always one row.
    ///
    /// ```
    /// # use polars::prelude::*;
    /// # use runframe::{Best, RunVerbs, run};
    /// let runs = df!("name" => ["r1", "r2", "r3"], "user.username" => ["ada", "ada", "bob"], "summary.acc" => [Some(0.5), Some(0.75), None])?;
    /// let best = runs.lazy().best_by([run::username()], run::summary("acc"), Best::Highest).collect()?;
    /// let expected = df!("user.username" => ["ada", "bob"], "name" => [Some("r2"), None], "summary.acc" => [Some(0.75), None])?;
    /// assert!(best.equals_missing(&expected));
    /// # Ok::<(), PolarsError>(())
    /// ```
    fn best_by(self, by: impl AsRef<[Expr]>, metric: Expr, best: Best) -> LazyFrame;
}

impl RunVerbs for LazyFrame {
    fn best_by(self, by: impl AsRef<[Expr]>, metric: Expr, best: Best) -> LazyFrame {
        best::best_by(self, by.as_ref(), metric, best)
    }

    fn explode_artifacts(self, direction: Direction) -> LazyFrame {
        let logged = |frame| explode(frame, "logged_artifacts", "logged");
        let used = |frame| explode(frame, "used_artifacts", "used");
        match direction {
            Direction::Logged => logged(self),
            Direction::Used => used(self),
            Direction::Both => {
                let parts = [logged(self.clone()), used(self.clone())];
                // Concatenation of two frames cannot fail; were it to, the logged half alone would be wrong.
                let both = concat(parts, UnionArgs::default()).unwrap_or_else(|_| self.limit(0));
                // Polars 0.55 counts the rows of a concatenation in UInt128, which is not built here; not behind this.
                both.map(Ok, AllowedOptimizations::all(), None, Some("ARTIFACTS"))
            }
        }
    }
}

fn explode(frame: LazyFrame, column: &str, direction: &str) -> LazyFrame {
    const ITEM: &str = "artifact";
    let DataType::Struct(fields) = version_dtype() else { return frame.limit(0) };
    let flat = fields.iter().map(|field| {
        let name = field.name();
        col(ITEM).struct_().field_by_name(name).alias(format!("{ITEM}.{name}"))
    });
    let flat: Vec<Expr> = flat.collect();
    let others = by_name(["logged_artifacts", "used_artifacts"], false, false);
    frame
        .filter(col(column).list().len().gt(lit(0)))
        .with_columns([lit(direction.to_owned()).alias("direction"), col(column).alias(ITEM)])
        .drop(others)
        .explode(by_name([ITEM], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
        .with_columns(flat)
        .drop(by_name([ITEM], true, false))
}
