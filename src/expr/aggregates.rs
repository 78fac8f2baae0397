//! The aggregates of the expression language: one table of name, arguments, result and meaning, and the native parts they are made of.

use super::arithmetic::divided;
use super::fault;
use super::names::Names;
use super::value::{Const, Kind, SPAN, Value};
use super::walk::expect;
use crate::error::{Error, Result, did_you_mean};
use polars::prelude::*;

/// An aggregate of the expression language: one value per group of rows.
#[derive(Debug, Clone, Copy)]
pub struct Aggregate {
    /// Its name, in lower case; texts may write it in any case.
    pub name: &'static str,
    /// How it is called and what it gives: `q(number, fraction) → float`.
    pub signature: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    least: usize,
    most: usize,
    make: fn(Call<'_>) -> Result<Value>,
}

macro_rules! aggregates {
    ($($name:literal $least:literal..=$most:literal $signature:literal $meaning:literal $make:expr;)*) => {
        /// All aggregates. They pass over nulls; over no values at all they are null, but for `n` and `nunique` (0) and `list` (empty).
        pub const AGGREGATES: &[Aggregate] = &[$(Aggregate {
            name: $name, signature: $signature, meaning: $meaning, least: $least, most: $most, make: $make,
        }),*];
    };
}

aggregates! {
    "n" 0..=1 "n(value) → integer" "how many are not null; `n()` counts the runs" count;
    "sum" 1..=1 "sum(number, boolean or interval) → the same" "the sum; true counts 1; an integer beyond Int64 is null" sum;
    "mean" 1..=1 "mean(number, boolean or interval) → float or interval" "the average; of a condition, the part for which it is true" |c| c.average(Expr::mean);
    "median" 1..=1 "median(number or interval) → float or interval" "the middle; between two, their mean; NaN is above all numbers" |c| c.average(Expr::median);
    "min" 1..=1 "min(value) → value" "the smallest number, text, time or interval; NaN only if there is nothing else" |c| c.extreme(Expr::min);
    "max" 1..=1 "max(value) → value" "the largest; NaN only if there is nothing else" |c| c.extreme(Expr::max);
    "std" 1..=1 "std(number) → float" "the sample's standard deviation; null below two values" |c| c.spread(false);
    "sem" 1..=1 "sem(number) → float" "the standard error of the mean: std / √n; null below two values" |c| c.spread(true);
    "q" 2..=2 "q(number, fraction) → float" "the quantile, linear between two values; NaN is above all numbers" quantile;
    "first" 1..=1 "first(value) → value" "of the earliest created run that has one" |c| c.ordered(Expr::first_non_null);
    "last" 1..=1 "last(value) → value" "of the latest created run that has one" |c| c.ordered(Expr::last_non_null);
    "any" 1..=1 "any(condition) → boolean" "whether it is true for one at least" |c| c.truth(Expr::max);
    "all" 1..=1 "all(condition) → boolean" "whether it is true for all that are not null" |c| c.truth(Expr::min);
    "nunique" 1..=1 "nunique(value) → integer" "how many different values; NaN is one" distinct;
    "list" 1..=1 "list(value) → list" "all values, by creation" list;
    "best" 1..=1 "best(number, time or interval) → row" "the whole row of the run with the highest; `--minimize`: the lowest" alone;
}

/// What other languages call them.
const SPELLINGS: &[(&str, &str)] = &[
    ("count", "n() counts runs, n(x) values"),
    ("size", "n() counts runs"),
    ("avg", "mean(x)"),
    ("average", "mean(x)"),
    ("stddev", "std(x)"),
    ("stdev", "std(x)"),
    ("quantile", "q(x, 0.9)"),
    ("percentile", "q(x, 0.9)"),
    ("p90", "q(x, 0.9)"),
    ("count_distinct", "nunique(x)"),
    ("n_unique", "nunique(x)"),
    ("bool_or", "any(condition)"),
    ("bool_and", "all(condition)"),
    ("array_agg", "list(x)"),
    ("top", "best(x)"),
];

/// The aggregate of this name.
pub(super) fn find(name: &str) -> Option<&'static Aggregate> {
    AGGREGATES.iter().find(|aggregate| aggregate.name == name)
}

/// "unknown aggregate or function NAME (did you mean …?)".
pub(super) fn unknown(name: &str, at: usize) -> Error {
    let known = SPELLINGS.iter().find(|(other, _)| *other == name).map(|(_, here)| format!("write {here}"));
    let names = || AGGREGATES.iter().map(|aggregate| aggregate.name);
    let functions = super::FUNCTIONS.iter().map(|function| function.name);
    let hint = known.or_else(|| did_you_mean(name, names().chain(functions)));
    let all = || format!("aggregates: {}", names().collect::<Vec<_>>().join(", "));
    fault(at, &format!("unknown aggregate or function {name}"), &hint.unwrap_or_else(all))
}

/// What the aggregates of one grouping are made of: expressions of the rows, and native aggregates of those. Equal ones are made once.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    /// What the names of helper columns begin with; no column of the table does.
    pub(super) prefix: String,
    /// Columns that are grouped by, and the helper columns that hold them.
    pub(super) keys: Vec<(String, String)>,
    /// Helper columns of the rows.
    pub(super) rows: Vec<Expr>,
    /// Native aggregates of columns and helper columns.
    pub(super) parts: Vec<Expr>,
    /// An aggregate depends on the order of the rows.
    pub(super) ordered: bool,
}

impl Groups {
    /// A column of the rows with the values of `expr`.
    fn row(&mut self, expr: Expr) -> Expr {
        if matches!(expr, Expr::Column(_)) { expr } else { helper(&mut self.rows, expr, format!("{}row", self.prefix)) }
    }

    /// A column of the groups with the values of the native aggregate `part`.
    fn part(&mut self, part: Expr) -> Expr {
        helper(&mut self.parts, part, format!("{}part", self.prefix))
    }

    /// The columns that [`Groups::rows`] and [`Groups::parts`] are kept in, by their helper names.
    pub(super) fn named(exprs: &[Expr], prefix: &str, what: &str) -> Vec<Expr> {
        exprs.iter().enumerate().map(|(at, expr)| expr.clone().alias(format!("{prefix}{what}{at}"))).collect()
    }
}

fn helper(known: &mut Vec<Expr>, expr: Expr, name: String) -> Expr {
    let at = known.iter().position(|other| *other == expr).unwrap_or_else(|| {
        known.push(expr);
        known.len() - 1
    });
    col(format!("{name}{at}"))
}

/// One call: the arguments, typed over the rows, and what is around it.
pub(super) struct Call<'a> {
    arguments: Vec<Value>,
    at: usize,
    name: &'static str,
    names: &'a Names<'a>,
    groups: &'a mut Groups,
}

/// Refuses a number of arguments that the aggregate does not take.
pub(super) fn check(aggregate: &Aggregate, arguments: usize, at: usize) -> Result<()> {
    if (aggregate.least..=aggregate.most).contains(&arguments) {
        return Ok(());
    }
    let values = if arguments == 1 { "1 value".to_owned() } else { format!("{arguments} values") };
    let message = format!("{} does not take {values}", aggregate.name);
    Err(fault(at, &message, &format!("it is {}", aggregate.signature)))
}

/// The aggregate over groups.
pub(super) fn call(
    aggregate: &'static Aggregate,
    arguments: Vec<Value>,
    at: usize,
    names: &Names<'_>,
    groups: &mut Groups,
) -> Result<Value> {
    check(aggregate, arguments.len(), at)?;
    (aggregate.make)(Call { arguments, at, name: aggregate.name, names, groups })
}

impl Call<'_> {
    /// The next argument. Their number has been checked.
    fn next(&mut self) -> Value {
        if self.arguments.is_empty() { Value::constant(Const::Null, self.at) } else { self.arguments.remove(0) }
    }

    fn give(&self, expr: Expr, dtype: DataType) -> Result<Value> {
        Ok(Value::new(expr, dtype, self.at))
    }

    /// The next argument as a column of Int64, Float64, Duration or, where they count, of true and false as 1 and 0.
    fn number(&mut self, intervals: bool, conditions: bool) -> Result<(Expr, DataType)> {
        let value = self.next();
        let value = match value.kind() {
            Kind::Span if intervals => return Ok((self.groups.row(value.expr.cast(SPAN)), SPAN)),
            Kind::Bool if conditions => Value::new(value.expr.cast(DataType::Int64), DataType::Int64, value.at),
            _ => expect(value, Kind::Number, self.name, self.names)?,
        };
        let dtype = if value.is_float() { DataType::Float64 } else { DataType::Int64 };
        let expr = if value.dtype == dtype { value.expr } else { value.expr.cast(dtype.clone()) };
        Ok((self.groups.row(expr), dtype))
    }

    fn average(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let conditions = self.name == "mean";
        let (row, dtype) = self.number(true, conditions)?;
        let part = self.groups.part(make(row));
        let dtype = if dtype == SPAN { SPAN } else { DataType::Float64 };
        self.give(part, dtype)
    }

    fn extreme(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let value = self.next();
        match value.kind() {
            Kind::Number | Kind::Text | Kind::Time | Kind::Date | Kind::Span => {}
            Kind::Null => return self.give(lit(NULL), DataType::Null),
            kind => {
                let cure = if kind == Kind::Bool {
                    "write any(…) or all(…)"
                } else {
                    "it takes numbers, texts, times and intervals"
                };
                let message = format!("{} has no order: {} is {}", self.name, value.called(), kind.words());
                return Err(value.mismatch(&message, cure));
            }
        }
        let row = self.groups.row(value.expr);
        let part = self.groups.part(make(row));
        self.give(part, value.dtype)
    }

    fn spread(mut self, of_mean: bool) -> Result<Value> {
        let (row, _) = self.number(false, false)?;
        let std = self.groups.part(row.clone().std(1));
        if !of_mean {
            return self.give(std, DataType::Float64);
        }
        let count = self.groups.part(row.count()).cast(DataType::Float64);
        let root = |column: Column| Ok(column.f64()?.apply_values(f64::sqrt).into_column());
        self.give(divided(std, count.map(root, |_, field| Ok(field.clone()))), DataType::Float64)
    }

    fn ordered(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let value = self.next();
        self.groups.ordered = true;
        let row = self.groups.row(value.expr);
        let part = self.groups.part(make(row));
        self.give(part, value.dtype)
    }

    fn truth(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let condition = self.next().condition(self.name, self.names)?;
        let row = self.groups.row(condition);
        let part = self.groups.part(make(row));
        self.give(part, DataType::Boolean)
    }

    /// The columns of all kinds of the path that the value names; the value itself if it is no path of several kinds.
    fn kinds(&self, value: Value) -> Result<Vec<Value>> {
        let Some(column) = &value.column else { return Ok(vec![value]) };
        let kinds = self.names.kinds(column);
        kinds.iter().map(|kind| Value::column(kind, self.names, value.at)).collect()
    }
}

fn count(mut c: Call<'_>) -> Result<Value> {
    if c.arguments.is_empty() {
        let runs = c.groups.part(len()).cast(DataType::Int64);
        return c.give(runs, DataType::Int64);
    }
    let value = c.next();
    let mut sum: Option<Expr> = None;
    // Of the columns of several kinds, one at most has a value.
    for kind in c.kinds(value)? {
        let row = c.groups.row(kind.expr);
        let part = c.groups.part(row.count()).cast(DataType::Int64);
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    c.give(sum.unwrap_or_else(|| lit(0i64)), DataType::Int64)
}

/// Polars' sum of nothing is 0, and its integers wrap around: null both, as sums of unknown or impossible size.
fn sum(mut c: Call<'_>) -> Result<Value> {
    const MOST: f64 = 9.2233720368e18;
    let is_condition = c.arguments.first().is_some_and(|value| value.kind() == Kind::Bool);
    let (row, dtype) = c.number(true, true)?;
    let (sum, count) = (c.groups.part(row.clone().sum()), c.groups.part(row.clone().count()));
    let mut known = count.gt(lit(0));
    if dtype == DataType::Int64 && !is_condition {
        let about = c.groups.part(row.cast(DataType::Float64).sum());
        known = known.and(about.abs().lt(lit(MOST)));
    }
    c.give(when(known).then(sum).otherwise(lit(NULL)), dtype)
}

fn quantile(mut c: Call<'_>) -> Result<Value> {
    let (row, _) = c.number(false, false)?;
    let fraction = c.next();
    let fraction = match fraction.constant {
        Some(Const::Float(number)) if (0.0..=1.0).contains(&number) => number,
        Some(Const::Int(number @ (0 | 1))) => number as f64,
        _ => {
            let cure = "for example q(runtime, 0.9)";
            return Err(fraction.mismatch("q needs a fixed fraction from 0 to 1", cure));
        }
    };
    let part = c.groups.part(row.quantile(lit(fraction), QuantileMethod::Linear));
    c.give(part, DataType::Float64)
}

fn distinct(mut c: Call<'_>) -> Result<Value> {
    let value = c.next();
    let mut sum = lit(0i64);
    for kind in c.kinds(value)? {
        if matches!(kind.kind(), Kind::List | Kind::Struct | Kind::Other) {
            let message =
                format!("nunique does not count {}: {} is {}", kind.kind().words(), kind.called(), kind.kind().words());
            return Err(kind.mismatch(&message, "it takes numbers, texts, times, true and false"));
        }
        let row = c.groups.row(kind.expr);
        let (all, values, different) =
            (c.groups.part(len()), c.groups.part(row.clone().count()), c.groups.part(row.n_unique()));
        // Polars counts null as a value.
        sum = sum + different.cast(DataType::Int64) - all.neq(values).cast(DataType::Int64);
    }
    c.give(sum, DataType::Int64)
}

fn list(mut c: Call<'_>) -> Result<Value> {
    let value = c.next();
    if matches!(value.kind(), Kind::List | Kind::Struct | Kind::Other) {
        let message = format!("list does not take {}: {}", value.kind().words(), value.called());
        return Err(value.mismatch(&message, "it takes numbers, texts, times, true and false"));
    }
    c.groups.ordered = true;
    let row = c.groups.row(value.expr);
    let part = c.groups.part(row.drop_nulls().implode(true));
    c.give(part, DataType::List(Box::new(value.dtype)))
}

/// `best` is not a value: [`super::group`] takes it where it stands alone.
fn alone(c: Call<'_>) -> Result<Value> {
    Err(fault(c.at, "best gives a whole row, not a value", "let it stand alone: -a 'best(summary.acc), n() as runs'"))
}
