//! Arithmetic: numbers, times with intervals, joining text.

use super::fault;
use super::names::Names;
use super::value::{Const, Kind, SPAN, TIME, Value};
use crate::error::{Error, Result};
use polars::prelude::*;
use sqlparser::ast::BinaryOperator as Op;

/// `-value`.
pub(super) fn negate(value: Value, at: usize) -> Result<Value> {
    let constant = match &value.constant {
        Some(Const::Int(i64::MIN)) => Some(Const::Digits("9223372036854775808".to_owned())),
        Some(Const::Int(number)) => number.checked_neg().map(Const::Int),
        Some(Const::Digits(digits)) => Some(match digits.strip_prefix('-') {
            Some(positive) => Const::Digits(positive.to_owned()),
            None => format!("-{digits}").parse().map_or_else(|_| Const::Digits(format!("-{digits}")), Const::Int),
        }),
        Some(Const::Float(number)) => Some(Const::Float(-number)),
        Some(Const::Span(span)) => span.negate().map(Const::Span),
        _ => None,
    };
    match (constant, value.kind()) {
        (Some(constant), _) => Ok(Value::constant(constant, at)),
        (None, Kind::Number) if value.is_float() => {
            Ok(Value::new(floats(lit(0.0), value.expr, |_, value| -value), DataType::Float64, at))
        }
        (None, Kind::Number | Kind::Null) => {
            Ok(Value::new(checked(lit(0i64), value.expr, i64::checked_sub), DataType::Int64, at))
        }
        _ => Err(value.mismatch(
            &format!("- needs a number, but {} is {}", value.called(), value.kind().words()),
            "numbers and intervals can be negative",
        )),
    }
}

/// `left OP right`.
pub(super) fn combine(left: Value, op: &Op, right: Value, names: &Names<'_>) -> Result<Value> {
    if *op == Op::StringConcat {
        return join(left, right, names);
    }
    // Text beside a time is a time, so that `created_at - '2026-01-01'` is an interval.
    let time = |value: Value, other: Kind| match (value.text(), other) {
        (Some(text), Kind::Time) => {
            super::time::parse_time(text, value.at).map(|time| Value::constant(Const::Time(time), value.at))
        }
        _ => Ok(value),
    };
    let lacking = |value: Value| if names.partial { value.of_kind_or_null(Kind::Number, names) } else { Ok(value) };
    let (left, right) = (lacking(left)?, lacking(right)?);
    let kinds = (left.kind(), right.kind());
    let (left, right) = (time(left, kinds.1)?, time(right, kinds.0)?);
    let at = left.at;
    match (left.kind(), op, right.kind()) {
        (Kind::Number | Kind::Null, _, Kind::Number | Kind::Null) => Ok(numbers(left, op, right)),
        (Kind::Time | Kind::Date, Op::Plus, Kind::Span) => shift(left.begin(names), right, false),
        (Kind::Time | Kind::Date, Op::Minus, Kind::Span) => shift(left.begin(names), right, true),
        (Kind::Span, Op::Plus, Kind::Time | Kind::Date) => shift(right.begin(names), left, false),
        (Kind::Time | Kind::Date, Op::Minus, Kind::Time | Kind::Date) => {
            let (left, right) = (left.begin(names), right.begin(names));
            Ok(Value::new(checked(left.expr, right.expr, i64::checked_sub).cast(SPAN), SPAN, at))
        }
        (Kind::Span, Op::Plus | Op::Minus, Kind::Span) => spans(left, op, right),
        _ => Err(misfit(&left, op, &right)),
    }
}

fn misfit(left: &Value, op: &Op, right: &Value) -> Error {
    let message = format!("{op} does not go with {} and {}", left.called(), right.called());
    let cure = match (left.kind(), right.kind()) {
        (Kind::Text, _) | (_, Kind::Text) if *op == Op::Plus => "|| joins text",
        (Kind::Time | Kind::Date, Kind::Number) => "add an interval: now() - interval '7 days'",
        _ => "it takes numbers, or a time and an interval",
    };
    fault(left.at, &message, cure)
}

/// Integers stay integers but for `/`, and are null beyond 64 bits; `%` has the sign of its left side, as in SQL; dividing by 0
/// gives ±infinity or NaN, an integer `% 0` null.
fn numbers(left: Value, op: &Op, right: Value) -> Value {
    let at = left.at;
    let float = left.is_float() || right.is_float() || *op == Op::Divide;
    let dtype = if float { DataType::Float64 } else { DataType::Int64 };
    let (a, b) = (left.expr.cast(dtype.clone()), right.expr.cast(dtype.clone()));
    let expr = match op {
        Op::Plus if !float => checked(a, b, i64::checked_add),
        Op::Minus if !float => checked(a, b, i64::checked_sub),
        Op::Multiply if !float => checked(a, b, i64::checked_mul),
        Op::Plus => floats(a, b, |a, b| a + b),
        Op::Minus => floats(a, b, |a, b| a - b),
        Op::Multiply => floats(a, b, |a, b| a * b),
        Op::Divide => divided(a, b),
        _ => a.map_many(remainder, &[b], |_, fields| Ok(fields[0].clone())),
    };
    Value::new(expr, dtype, at)
}

/// What `make` gives of two columns as integers; null where that is beyond 64 bits.
fn checked(a: Expr, b: Expr, make: fn(i64, i64) -> Option<i64>) -> Expr {
    let apply = move |columns: &mut [Column]| {
        let both = |a: Option<i64>, b: Option<i64>| make(a?, b?);
        let out: Int64Chunked = arity::broadcast_binary_elementwise(columns[0].i64()?, columns[1].i64()?, both);
        Ok(out.into_column())
    };
    a.cast(DataType::Int64).map_many(apply, &[b.cast(DataType::Int64)], |_, fields| Ok(fields[0].clone()))
}

/// `a / b` as Float64.
pub(super) fn divided(a: Expr, b: Expr) -> Expr {
    floats(a, b, |a, b| a / b)
}

/// What `make` gives of two columns as floats. Polars' own arithmetic divides by one number in that it multiplies with its inverse,
/// whose last digit may differ, and gives -0 for `0 - 0`.
fn floats(a: Expr, b: Expr, make: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Expr {
    let apply = move |columns: &mut [Column]| {
        let (a, b) = (columns[0].f64()?, columns[1].f64()?);
        let out: Float64Chunked = arity::broadcast_binary_elementwise_values(a, b, &make);
        Ok(out.into_column())
    };
    a.cast(DataType::Float64).map_many(apply, &[b.cast(DataType::Float64)], |_, fields| Ok(fields[0].clone()))
}

/// The remainder of two columns of one type, Int64 or Float64.
fn remainder(columns: &mut [Column]) -> PolarsResult<Column> {
    let (a, b) = (&columns[0], &columns[1]);
    if a.dtype() == &DataType::Float64 {
        let rest = |a: Option<f64>, b: Option<f64>| Some(a? % b?);
        let out: Float64Chunked = arity::broadcast_binary_elementwise(a.f64()?, b.f64()?, rest);
        return Ok(out.into_column());
    }
    let rest = |a: Option<i64>, b: Option<i64>| b.filter(|b| *b != 0).and_then(|b| Some(a?.wrapping_rem(b)));
    let out: Int64Chunked = arity::broadcast_binary_elementwise(a.i64()?, b.i64()?, rest);
    Ok(out.into_column())
}

/// A time plus or minus an interval.
fn shift(time: Value, span: Value, back: bool) -> Result<Value> {
    let at = time.at;
    let bad = || fault(at, "the time is out of range", "use a shorter interval");
    let Some(Const::Span(fixed)) = span.constant else {
        let (time, span) = (time.expr.cast(TIME), span.expr);
        let moved = checked(time, span, if back { i64::checked_sub } else { i64::checked_add });
        return Ok(Value::new(moved.cast(TIME), TIME, at));
    };
    let fixed = if back { fixed.negate().ok_or_else(bad)? } else { fixed };
    if let Some(Const::Time(time)) = time.constant {
        return Ok(Value::constant(Const::Time(fixed.after(time).ok_or_else(bad)?), at));
    }
    let mut expr = time.expr.cast(TIME);
    if fixed.months != 0 {
        expr = expr.dt().offset_by(lit(fixed.polars()));
    }
    if fixed.micros != 0 {
        expr = checked(expr, lit(fixed.micros), i64::checked_add).cast(TIME);
    }
    Ok(Value::new(expr, TIME, at))
}

fn spans(left: Value, op: &Op, right: Value) -> Result<Value> {
    let at = left.at;
    let months = |value: &Value| matches!(value.constant, Some(Const::Span(span)) if span.months != 0);
    if let (Some(Const::Span(a)), Some(Const::Span(b))) = (&left.constant, &right.constant) {
        let b = if *op == Op::Minus { b.negate() } else { Some(*b) };
        if let Some(sum) = b.and_then(|b| a.plus(b)) {
            return Ok(Value::constant(Const::Span(sum), at));
        }
    }
    if months(&left) || months(&right) {
        return Err(fault(at, "months have no fixed length", "use days: interval '30 days'"));
    }
    let make = if *op == Op::Minus { i64::checked_sub } else { i64::checked_add };
    Ok(Value::new(checked(left.expr.cast(SPAN), right.expr.cast(SPAN), make).cast(SPAN), SPAN, at))
}

/// `left || right`: text; null if either is.
fn join(left: Value, right: Value, names: &Names<'_>) -> Result<Value> {
    let at = left.at;
    let text = |value: Value| super::cast::to_text(value, names);
    let (left, right) = (text(left)?, text(right)?);
    Ok(Value::new(concat_str([left.expr, right.expr], "", false), DataType::String, at))
}
