//! Operations on a long history: what a run's curve says in one number, and curves made smaller or smoother.
//!
//! The rows of a run must be in the order of their steps, as [`Loader::history`](crate::Loader::history) gives them.

use super::best::Best;
use super::verbs::sealed;
use crate::columns::Kind;
use polars::prelude::*;
use std::collections::VecDeque;

/// The columns that tell a run from all others.
pub const RUN: [&str; 3] = ["entity", "project", "name"];

/// The columns of a history that are not metrics.
pub(crate) const OWN: [&str; 6] = ["entity", "project", "name", "_step", "_timestamp", "_runtime"];

/// False if the columns of these rows may be called otherwise than those of all rows: of a path with values of several kinds the numbers
/// have the plain name, also where these rows have none.
pub(crate) fn kinds_are_sure(schema: &Schema) -> bool {
    let mut metrics = schema.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    metrics.all(|(name, dtype)| match Kind::split(name).1 {
        None => dtype.is_primitive_numeric(),
        Some(kind) => kind != Kind::List,
    })
}

/// An aggregate: the value of `column` in the row where `metric`, a number, is best; of several such rows the first.
///
/// Null and NaN are passed over. Null if the run has no other value of `metric`, or none of `column` in that row. `column` may be
/// `_step`, or `metric` itself.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Best, history::{self, HistoryVerbs}};
///
/// let long = df!("entity" => ["me"; 3], "project" => ["p"; 3], "name" => ["r"; 3], "_step" => [0i64, 1, 2],
///     "val/loss" => [0.5, 0.2, f64::NAN], "test/f1" => [0.6, 0.8, 0.7])?;
/// let best = long.lazy().per_run([history::at_best("test/f1", "val/loss", Best::Lowest)]).collect()?;
/// assert_eq!(best.column("test/f1")?.f64()?.get(0), Some(0.8));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn at_best(column: &str, metric: &str, best: Best) -> Expr {
    let metric = col(metric);
    let numbers = metric.clone().filter(metric.clone().is_not_nan());
    let end = match best {
        Best::Lowest => numbers.min(),
        Best::Highest => numbers.max(),
    };
    col(column).filter(metric.eq(end)).first().alias(column)
}

/// An aggregate: the first `_step` at which `metric` is as good as `threshold`, or better. Null if it never is.
pub fn first_reaching(metric: &str, threshold: f64, best: Best) -> Expr {
    let reaches = match best {
        Best::Lowest => col(metric).lt_eq(lit(threshold)),
        // NaN is above all numbers for Polars.
        Best::Highest => col(metric).gt_eq(lit(threshold)).and(col(metric).is_not_nan()),
    };
    col("_step").filter(reaches).first().alias(metric)
}

/// An aggregate: the last value of `metric`; null if there is none. NaN is a value.
pub fn last(metric: &str) -> Expr {
    col(metric).last_non_null().alias(metric)
}

/// The mean of a number and of up to `values - 1` values of its run before it, Float64. Null where the row has no value; rows without one
/// are passed over. NaN makes the means NaN that it takes part in.
pub fn rolling_mean(metric: &str, values: usize) -> Expr {
    let mean = move |column: Column| {
        let floats = column.cast(&DataType::Float64)?;
        let mut window: VecDeque<f64> = VecDeque::with_capacity(values.clamp(1, 1 << 16));
        let means = floats.f64()?.iter().map(|value| {
            let value = value?;
            if window.len() >= values.max(1) {
                window.pop_front();
            }
            window.push_back(value);
            Some(window.iter().sum::<f64>() / window.len() as f64)
        });
        Ok(Float64Chunked::from_iter_options(column.name().clone(), means).into_column())
    };
    let float = |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Float64));
    within_run(col(metric).apply(mean, float))
}

/// Evaluates the expression for each run on its own.
fn within_run(expr: Expr) -> Expr {
    // Only an empty list of columns is refused.
    expr.clone().over(RUN).unwrap_or(expr)
}

/// Verbs on a lazy long history. Implemented for [`LazyFrame`] only.
pub trait HistoryVerbs: sealed::Sealed {
    /// One row per run, with `entity`, `project`, `name` and these aggregates, runs in the order they come. To be joined with a run table
    /// by those three columns, nulls being equal.
    fn per_run<E: AsRef<[Expr]>>(self, aggregates: E) -> LazyFrame;

    /// At most `points` rows of each run, and its first and last: of rows with a value of `metric`, in `points / 2` stretches of
    /// equal length, the first lowest and the first highest one. Runs with no more rows keep all of them that have a value.
    ///
    /// NaN is passed over where a stretch has other values.
    fn downsample(self, metric: &str, points: usize) -> LazyFrame;
}

impl HistoryVerbs for LazyFrame {
    fn per_run<E: AsRef<[Expr]>>(self, aggregates: E) -> LazyFrame {
        self.group_by_stable(RUN.map(col)).agg(aggregates)
    }

    fn downsample(self, metric: &str, points: usize) -> LazyFrame {
        let kept = move |column: Column| {
            let floats = column.cast(&DataType::Float64)?;
            let values: Vec<f64> = floats.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            let kept = extremes(&values, points);
            Ok(BooleanChunked::from_slice(column.name().clone(), &kept).into_column())
        };
        let boolean = |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Boolean));
        self.filter(col(metric).is_not_null()).filter(within_run(col(metric).apply(kept, boolean)))
    }
}

/// Which values are kept.
fn extremes(values: &[f64], points: usize) -> Vec<bool> {
    if values.len() <= points {
        return vec![true; values.len()];
    }
    let mut kept = vec![false; values.len()];
    let mut keep = |at: Option<usize>| {
        if let Some(slot) = at.and_then(|at| kept.get_mut(at)) {
            *slot = true;
        }
    };
    keep(Some(0));
    keep(values.len().checked_sub(1));
    let stretches = (points / 2).max(1);
    for stretch in 0..stretches {
        let from = values.len() * stretch / stretches;
        let to = values.len() * (stretch + 1) / stretches;
        let (mut low, mut high): (Option<usize>, Option<usize>) = (None, None);
        for at in from..to {
            let value = values[at];
            if value.is_nan() {
                continue;
            }
            if low.is_none_or(|low| value < values[low]) {
                low = Some(at);
            }
            if high.is_none_or(|high| value > values[high]) {
                high = Some(at);
            }
        }
        keep(low.or(Some(from)));
        keep(high);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> DataFrame {
        let none: Option<&str> = None;
        df!(
            "entity" => [none, none, none, none, Some("me"), Some("me")],
            "project" => ["p", "p", "p", "p", "p", "p"],
            "name" => ["a", "a", "a", "a", "b", "b"],
            "_step" => [0i64, 1, 2, 5, 0, 1],
            "loss" => [Some(0.5), None, Some(0.25), Some(0.25), Some(f64::NAN), None],
            "acc" => [Some(1i64), Some(9), None, Some(4), Some(3), Some(7)],
        )
        .unwrap()
    }

    fn column(frame: &DataFrame, name: &str) -> Vec<Option<f64>> {
        frame.column(name).unwrap().cast(&DataType::Float64).unwrap().f64().unwrap().iter().collect()
    }

    #[test]
    fn the_first_of_the_best_rows_counts() {
        let best = |best| {
            let exprs = [at_best("_step", "loss", best), at_best("loss", "loss", best), at_best("acc", "loss", best)];
            long().lazy().per_run(exprs).collect().unwrap()
        };
        let (low, high) = (best(Best::Lowest), best(Best::Highest));
        // Step 2 comes before step 5, though it has no acc; run b has only NaN.
        assert_eq!(column(&low, "_step"), [Some(2.0), None]);
        assert_eq!((column(&low, "loss"), column(&low, "acc")), (vec![Some(0.25), None], vec![None, None]));
        assert_eq!((column(&high, "_step"), column(&high, "acc")), (vec![Some(0.0), None], vec![Some(1.0), None]));
        assert_eq!(low.get_column_names(), ["entity", "project", "name", "_step", "loss", "acc"]);
        let whole = long().lazy().per_run([at_best("_step", "acc", Best::Highest)]).collect().unwrap();
        assert_eq!(column(&whole, "_step"), [Some(1.0), Some(1.0)]);
    }

    #[test]
    fn thresholds_are_reached_and_nan_reaches_none() {
        let first = |metric: &str, threshold, best| {
            column(&long().lazy().per_run([first_reaching(metric, threshold, best)]).collect().unwrap(), metric)
        };
        assert_eq!(first("loss", 0.3, Best::Lowest), [Some(2.0), None]);
        assert_eq!(first("loss", 0.1, Best::Highest), [Some(0.0), None]);
        assert_eq!(first("acc", 5.0, Best::Highest), [Some(1.0), Some(1.0)]);
        assert_eq!(first("acc", 0.0, Best::Lowest), [None, None]);
    }

    #[test]
    fn the_last_value_may_be_nan() {
        let last = long().lazy().per_run([last("loss"), last("acc")]).collect().unwrap();
        assert_eq!(column(&last, "acc"), [Some(4.0), Some(7.0)]);
        let loss = column(&last, "loss");
        assert_eq!(loss[0], Some(0.25));
        assert!(loss[1].is_some_and(f64::is_nan));
    }

    #[test]
    fn means_roll_within_a_run() {
        let means = |values| {
            let frame = long().lazy().select([rolling_mean("acc", values), rolling_mean("loss", values).alias("l")]);
            let frame = frame.collect().unwrap();
            (column(&frame, "acc"), column(&frame, "l"))
        };
        let (acc, loss) = means(2);
        assert_eq!(acc, [Some(1.0), Some(5.0), None, Some(6.5), Some(3.0), Some(5.0)]);
        assert_eq!(loss[..4], [Some(0.5), None, Some(0.375), Some(0.25)]);
        assert!(loss[4].is_some_and(f64::is_nan) && loss[5].is_none());
        assert_eq!(means(0).0, [Some(1.0), Some(9.0), None, Some(4.0), Some(3.0), Some(7.0)]);
    }

    #[test]
    fn extremes_survive() {
        let values: Vec<f64> = (0..1000).map(|at| if at == 617 { 99.0 } else { f64::from(at % 10) }).collect();
        let kept = extremes(&values, 20);
        let rows: Vec<usize> = (0..1000).filter(|at| kept[*at]).collect();
        assert!(rows.len() <= 22 && rows.contains(&617) && rows.contains(&0) && rows.contains(&999), "{rows:?}");
        assert_eq!(extremes(&[1.0, f64::NAN, 2.0], 3), [true; 3]);
        assert_eq!(extremes(&[f64::NAN; 5], 2), [true, false, false, false, true]);
        let frame = long().lazy().downsample("acc", 2).collect().unwrap();
        // Of run a: first, highest, last; run b has two rows.
        assert_eq!(column(&frame, "_step"), [Some(0.0), Some(1.0), Some(5.0), Some(0.0), Some(1.0)]);
    }
}
