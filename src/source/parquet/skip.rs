//! Proving from a group's statistics that no row of it can match.

use polars::prelude::*;
use polars_parquet::parquet::statistics::Statistics;
use polars_parquet::read::{ColumnChunkMetadata, ParquetTimeUnit, PrimitiveLogicalType, RowGroupMetadata};

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
    /// Since 1970, in the unit of the column.
    Time(i64, TimeUnit),
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
        (T::Timestamp(unit, _), Some(AnyValue::Datetime(time, of, _) | AnyValue::DatetimeOwned(time, of, _))) => {
            (TimeUnit::from(unit) == of && *unit != ArrowTimeUnit::Second).then_some(Bound::Time(time, of))
        }
        (T::Float64, Some(value)) if value.dtype().is_float() => value.extract::<f64>().map(Bound::Float),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, Some(value)) => value.get_str().map(|text| Bound::Text(text.to_owned())),
        _ => None,
    };
    bound.map_or(Test::Maybe, |bound| Test::Compare(name.clone(), op, bound))
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
                let leaf = only_leaf(group, name);
                leaf.is_some_and(
                    |leaf| matches!(leaf.statistics(footer), Some(Ok(found)) if bound.misses(*op, &found, leaf)),
                )
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

/// The least and the greatest value of a column of integers without nulls.
pub(super) fn range(group: &RowGroupMetadata, name: &str, footer: &[u8]) -> Option<(i64, i64)> {
    match statistics(group, name, footer)? {
        Statistics::Int64(found) if found.null_count == Some(0) => found.min_value.zip(found.max_value),
        _ => None,
    }
}

impl Bound {
    /// True if no value between least and greatest compares so; null never does.
    fn misses(&self, op: Operator, found: &Statistics, leaf: &ColumnChunkMetadata) -> bool {
        match (self, found) {
            (Bound::Int(bound), Statistics::Int64(found)) => {
                outside(op, bound, found.min_value.as_ref(), found.max_value.as_ref())
            }
            (Bound::Int(bound), Statistics::Int32(found)) => {
                let (least, most) = (found.min_value.map(i64::from), found.max_value.map(i64::from));
                outside(op, bound, least.as_ref(), most.as_ref())
            }
            (Bound::Time(bound, unit), Statistics::Int64(found)) if unit_of(leaf) == Some(*unit) => {
                outside(op, bound, found.min_value.as_ref(), found.max_value.as_ref())
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

/// The unit in which the file holds times, which the Arrow schema may tell otherwise.
fn unit_of(leaf: &ColumnChunkMetadata) -> Option<TimeUnit> {
    match leaf.descriptor().descriptor.primitive_type.logical_type {
        Some(PrimitiveLogicalType::Timestamp { unit, .. }) => Some(match unit {
            ParquetTimeUnit::Milliseconds => TimeUnit::Milliseconds,
            ParquetTimeUnit::Microseconds => TimeUnit::Microseconds,
            ParquetTimeUnit::Nanoseconds => TimeUnit::Nanoseconds,
        }),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use polars_io::parquet::write::{ParquetWriter, StatisticsOptions};
    use polars_parquet::read::{infer_schema, read_metadata};
    use std::io::Cursor;

    /// Four groups of ten rows. In the second `gap` is null, in the third `x` has a NaN, and the fourth has no `x`.
    fn bytes() -> Vec<u8> {
        let x = |i: i64| match i {
            25 => Some(f64::NAN),
            30.. => None,
            _ => Some(i as f64),
        };
        let times = Series::new("t".into(), (0..40i64).map(|i| i * 1_000_000).collect::<Vec<_>>());
        let mut table = df!(
            "i" => (0..40i64).collect::<Vec<_>>(),
            "x" => (0..40i64).map(x).collect::<Vec<_>>(),
            "s" => (0..40).map(|i| format!("run{i:02}")).collect::<Vec<_>>(),
            "gap" => (0..40i64).map(|i| (i / 10 != 1).then_some(i)).collect::<Vec<_>>(),
            "t" => times.cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))).unwrap(),
        )
        .unwrap();
        let mut bytes = Vec::new();
        let writer = ParquetWriter::new(&mut bytes).with_row_group_size(Some(10));
        writer.with_statistics(StatisticsOptions::full()).finish(&mut table).unwrap();
        bytes
    }

    /// The groups that are passed over, as digits.
    fn skipped(predicate: &Expr) -> String {
        let footer = read_metadata(&mut Cursor::new(bytes())).unwrap();
        assert_eq!(footer.row_groups.len(), 4);
        let prover = Prover::new(predicate, &infer_schema(&footer).unwrap());
        let groups = footer.row_groups.iter().enumerate();
        groups.filter(|(_, group)| prover.never(group, &footer.footer_buf)).map(|(at, _)| at.to_string()).collect()
    }

    #[test]
    fn groups_without_a_match_are_passed_over() {
        let (i, s) = (|| col("i"), || col("s"));
        for (predicate, groups) in [
            (i().gt(lit(19)), "01"),
            (i().gt_eq(lit(19i64)), "0"),
            (i().lt(lit(20i64)), "23"),
            (i().lt_eq(lit(20i64)), "3"),
            (i().eq(lit(20i64)), "013"),
            (lit(20i64).lt(i()), "01"),
            (i().neq(lit(20i64)), ""),
            (s().eq(lit("run15")), "023"),
            (s().gt(lit("run195")), "01"),
            (s().gt(lit("run")), ""),
            (i().gt(lit(19i64)).and(s().lt(lit("run30"))), "013"),
            (i().gt(lit(29i64)).or(s().lt(lit("run10"))), "12"),
            (i().gt(lit(29i64)).or(i().is_in(lit(Series::new("".into(), [1i64])).implode(true), false)), ""),
            (col("gap").is_null(), "023"),
            (col("gap").is_not_null(), "1"),
        ] {
            assert_eq!(skipped(&predicate), groups, "{predicate}");
        }
    }

    #[test]
    fn nan_is_greater_than_all_statistics() {
        let x = || col("x");
        for (predicate, groups) in [
            // Polars writes no least and greatest of the third group; others write them without the NaN.
            (x().lt(lit(10.0)), "1"),
            (x().eq(lit(3.0)), "1"),
            (x().gt(lit(100.0)), ""),
            (x().gt_eq(lit(100.0)), ""),
            (x().eq(lit(f64::NAN)), ""),
            (x().lt(lit(f64::NAN)), ""),
            (x().lt(lit(-0.0)), "01"),
            (x().lt_eq(lit(-0.0)), "1"),
            (x().is_not_null(), "3"),
        ] {
            assert_eq!(skipped(&predicate), groups, "{predicate}");
        }
    }

    #[test]
    fn times_are_compared_in_their_unit() {
        let at = |seconds: i64, unit: TimeUnit, of: i64| {
            lit(Scalar::new(DataType::Datetime(unit, None), AnyValue::Datetime(seconds * of, unit, None)))
        };
        assert_eq!(skipped(&col("t").gt_eq(at(20, TimeUnit::Microseconds, 1_000_000))), "01");
        assert_eq!(skipped(&col("t").gt_eq(at(20, TimeUnit::Milliseconds, 1_000))), "");
    }

    #[test]
    fn what_can_fail_is_asked_of_every_group() {
        let never = col("i").gt(lit(100i64));
        assert_eq!(skipped(&never), "0123");
        let fails = col("s").strict_cast(DataType::Int64).gt(lit(1i64));
        assert_eq!(skipped(&never.clone().and(fails.clone())), "");
        assert_eq!(skipped(&fails.or(never)), "");
    }
}
