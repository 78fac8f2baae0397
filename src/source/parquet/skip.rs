//! Proving from a group's statistics that no row of it can match.

use polars::prelude::*;
use polars_parquet::parquet::statistics::Statistics;
use polars_parquet::read::{ColumnChunkMetadata, RowGroupMetadata};

/// What is asked of each group: a part of the predicate that can be decided from least and greatest values.
///
/// Only predicates that cannot fail are looked at, so that passing over a group hides no error.
pub(super) struct Prover(Option<Test>);

enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Compare(PlSmallStr, Operator, Bound),
    Null(PlSmallStr),
    NotNull(PlSmallStr),
    /// Nothing is known.
    Maybe,
}

/// The literal of a comparison.
enum Bound {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Prover {
    pub(super) fn new(predicate: &Expr, fields: &ArrowSchema) -> Self {
        Prover(cannot_fail(predicate).then(|| test(predicate, fields)))
    }

    /// True if certainly no row of the group matches.
    pub(super) fn never(&self, group: &RowGroupMetadata, footer: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|test| test.never(group, footer))
    }
}

/// True for expressions made only of columns, literals, comparisons and logic: of those none fails for a row.
fn cannot_fail(expr: &Expr) -> bool {
    expr.into_iter().all(|part| match part {
        Expr::Column(_) | Expr::Literal(_) | Expr::Alias(..) => true,
        Expr::BinaryExpr { op, .. } => op.is_comparison_or_bitwise(),
        Expr::Function { function, .. } => matches!(function, FunctionExpr::Boolean(_)),
        _ => false,
    })
}

fn test(expr: &Expr, fields: &ArrowSchema) -> Test {
    match expr {
        Expr::Alias(inner, _) => test(inner, fields),
        Expr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } => {
            Test::All(vec![test(left, fields), test(right, fields)])
        }
        Expr::BinaryExpr { left, op: Operator::Or | Operator::LogicalOr, right } => {
            Test::Any(vec![test(left, fields), test(right, fields)])
        }
        Expr::BinaryExpr { left, op, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(name), Expr::Literal(value)) => compare(name, *op, value, fields),
            (Expr::Literal(value), Expr::Column(name)) => compare(name, turned(*op), value, fields),
            _ => Test::Maybe,
        },
        Expr::Function { input, function: FunctionExpr::Boolean(function) } => match (function, input.as_slice()) {
            (BooleanFunction::IsNull, [Expr::Column(name)]) => Test::Null(name.clone()),
            (BooleanFunction::IsNotNull, [Expr::Column(name)]) => Test::NotNull(name.clone()),
            _ => Test::Maybe,
        },
        _ => Test::Maybe,
    }
}

/// The operator with its sides changed.
fn turned(op: Operator) -> Operator {
    match op {
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => other,
    }
}

fn compare(name: &PlSmallStr, op: Operator, value: &LiteralValue, fields: &ArrowSchema) -> Test {
    use ArrowDataType as T;
    let Some(field) = fields.get(name) else { return Test::Maybe };
    let any = value.to_any_value();
    let bound = match (&field.dtype, any) {
        (T::Int32 | T::Int64, Some(value)) => {
            value.dtype().is_integer().then(|| value.extract::<i64>()).flatten().map(Bound::Int)
        }
        // Polars reads every time as a timestamp in the unit of the file.
        (T::Timestamp(unit, _), Some(AnyValue::Datetime(time, of, _))) => {
            same_unit(*unit, of).then_some(Bound::Int(time))
        }
        (T::Timestamp(unit, _), Some(AnyValue::DatetimeOwned(time, of, _))) => {
            same_unit(*unit, of).then_some(Bound::Int(time))
        }
        (T::Float64, Some(value)) if value.dtype().is_float() => value.extract::<f64>().map(Bound::Float),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, Some(value)) => value.get_str().map(|text| Bound::Text(text.to_owned())),
        _ => None,
    };
    bound.map_or(Test::Maybe, |bound| Test::Compare(name.clone(), op, bound))
}

fn same_unit(file: ArrowTimeUnit, literal: TimeUnit) -> bool {
    matches!(
        (file, literal),
        (ArrowTimeUnit::Microsecond, TimeUnit::Microseconds)
            | (ArrowTimeUnit::Millisecond, TimeUnit::Milliseconds)
            | (ArrowTimeUnit::Nanosecond, TimeUnit::Nanoseconds)
    )
}

impl Test {
    fn never(&self, group: &RowGroupMetadata, footer: &[u8]) -> bool {
        match self {
            Test::Maybe => false,
            Test::All(tests) => tests.iter().any(|test| test.never(group, footer)),
            Test::Any(tests) => tests.iter().all(|test| test.never(group, footer)),
            Test::Null(name) => nulls(group, name, footer) == Some(0),
            Test::NotNull(name) => nulls(group, name, footer) == Some(group.num_rows() as i64),
            Test::Compare(name, op, bound) => {
                statistics(group, name, footer).is_some_and(|found| bound.misses(*op, &found))
            }
        }
    }
}

/// The statistics of a column that is not nested.
fn statistics(group: &RowGroupMetadata, name: &str, footer: &[u8]) -> Option<Statistics> {
    let leaf = only_leaf(group, name)?;
    leaf.statistics(footer)?.ok()
}

fn only_leaf<'a>(group: &'a RowGroupMetadata, name: &str) -> Option<&'a ColumnChunkMetadata> {
    let mut leaves = group.columns_under_root_iter(name)?;
    let leaf = leaves.next()?;
    (leaves.next().is_none() && leaf.descriptor().path_in_schema.len() == 1).then_some(leaf)
}

fn nulls(group: &RowGroupMetadata, name: &str, footer: &[u8]) -> Option<i64> {
    match statistics(group, name, footer)? {
        Statistics::Binary(found) => found.null_count,
        Statistics::Boolean(found) => found.null_count,
        Statistics::FixedLen(found) => found.null_count,
        Statistics::Int32(found) => found.null_count,
        Statistics::Int64(found) => found.null_count,
        Statistics::Int96(found) => found.null_count,
        Statistics::Float(found) => found.null_count,
        Statistics::Double(found) => found.null_count,
    }
}

impl Bound {
    /// True if no value between least and greatest compares so; null never does.
    fn misses(&self, op: Operator, found: &Statistics) -> bool {
        match (self, found) {
            (Bound::Int(bound), Statistics::Int64(found)) => {
                outside(op, bound, found.min_value.as_ref(), found.max_value.as_ref())
            }
            (Bound::Int(bound), Statistics::Int32(found)) => {
                let (least, most) = (found.min_value.map(i64::from), found.max_value.map(i64::from));
                outside(op, bound, least.as_ref(), most.as_ref())
            }
            // NaN, which statistics leave out, is greater than all numbers and equal to itself.
            (Bound::Float(bound), Statistics::Double(found)) if !bound.is_nan() => {
                let known = |value: &Option<f64>| value.filter(|value| !value.is_nan());
                let (least, most) = (known(&found.min_value), known(&found.max_value));
                match op {
                    Operator::Lt | Operator::LtEq | Operator::Eq => outside(op, bound, least.as_ref(), most.as_ref()),
                    _ => false,
                }
            }
            (Bound::Text(bound), Statistics::Binary(found)) => {
                outside(op, &bound.as_bytes(), found.min_value.as_deref().as_ref(), found.max_value.as_deref().as_ref())
            }
            _ => false,
        }
    }
}

/// True if no value from `least` to `most` stands so to `bound`.
fn outside<T: PartialOrd>(op: Operator, bound: &T, least: Option<&T>, most: Option<&T>) -> bool {
    match op {
        Operator::Lt => least.is_some_and(|least| least >= bound),
        Operator::LtEq => least.is_some_and(|least| least > bound),
        Operator::Gt => most.is_some_and(|most| most <= bound),
        Operator::GtEq => most.is_some_and(|most| most < bound),
        Operator::Eq => least.is_some_and(|least| least > bound) || most.is_some_and(|most| most < bound),
        _ => false,
    }
}
