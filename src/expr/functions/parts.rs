//! Functions that take texts and lists apart.

use super::super::fault;
use super::super::value::{Const, Kind, Value};
use super::times::place;
use super::{Call, Sign, compare};
use crate::error::Result;
use polars::prelude::*;

/// From a place counted from 1, or from -1 at the end, to one counted from 0.
fn from_zero(place: i64) -> i64 {
    if place > 0 { place - 1 } else { place }
}

/// `substr(text, start, length)`.
pub(super) fn substr(mut c: Call<'_>) -> Result<Value> {
    let (text, start) = (c.next_of(Kind::Text)?, place(&c.next(), c.name)?);
    let length = match c.arguments.is_empty() {
        true => lit(NULL).cast(DataType::UInt64),
        false => match c.next().constant {
            Some(Const::Int(length @ 0..)) => lit(length as u64),
            _ => return Err(fault(c.at, "substr needs a fixed length", "for example substr(name, 1, 4)")),
        },
    };
    Ok(Value::new(text.expr.str().slice(lit(from_zero(start)), length), DataType::String, c.at))
}

fn pieces(c: &mut Call<'_>) -> Result<Expr> {
    let (text, by) = (c.next_of(Kind::Text)?, c.next());
    let by = match by.text() {
        Some(by) if !by.is_empty() => by.to_owned(),
        _ => return Err(by.mismatch(&format!("{} needs what stands between the parts", c.name), "for example '-'")),
    };
    Ok(text.expr.str().split(lit(by)))
}

/// `split(text, '-')`.
pub(super) fn split(mut c: Call<'_>) -> Result<Value> {
    Ok(Value::new(pieces(&mut c)?, DataType::List(Box::new(DataType::String)), c.at))
}

/// `split_part(text, '-', 1)`.
pub(super) fn split_part(mut c: Call<'_>) -> Result<Value> {
    let pieces = pieces(&mut c)?;
    let place = place(&c.next(), c.name)?;
    Ok(Value::new(pieces.list().get(lit(from_zero(place)), true), DataType::String, c.at))
}

/// `regexp_extract(text, 'seed-([0-9]+)', 1)`.
pub(super) fn regexp_extract(mut c: Call<'_>) -> Result<Value> {
    let (text, pattern) = (c.next_of(Kind::Text)?, c.next());
    let group = match c.arguments.is_empty() {
        true => 0,
        false => match c.next().constant {
            Some(Const::Int(group @ 0..=99)) => group as usize,
            _ => {
                return Err(fault(
                    c.at,
                    "regexp_extract needs the number of a group",
                    "0 is the whole match, 1 the first (…)",
                ));
            }
        },
    };
    // The same trial as for `regexp`, so that a bad pattern is an error with a place.
    let _ = compare::regex(text.clone(), pattern.clone(), false, c.names)?;
    let pattern = pattern.text().unwrap_or_default().to_owned();
    Ok(Value::new(text.expr.str().extract(lit(pattern), group), DataType::String, c.at))
}

/// `nullif(value, other)`.
pub(super) fn nullif(mut c: Call<'_>) -> Result<Value> {
    let (value, other) = (c.next(), c.next());
    let value = if other.constant.is_some() { value.of_kind(other.kind(), c.names)? } else { value };
    let equal = compare::compare(value.clone(), Sign::Eq, other, c.names)?;
    Ok(Value::new(when(equal).then(lit(NULL)).otherwise(value.expr), value.dtype, c.at))
}

/// The list, and the type of its elements.
fn elements(c: &mut Call<'_>) -> Result<(Value, DataType)> {
    let list = c.next_of(Kind::List)?;
    match &list.dtype {
        DataType::List(inner) => {
            let inner = (**inner).clone();
            Ok((list, inner))
        }
        _ => Ok((
            Value::new(list.expr.cast(DataType::List(Box::new(DataType::Null))), DataType::Null, list.at),
            DataType::Null,
        )),
    }
}

/// `element(list, 1)`.
pub(super) fn element(mut c: Call<'_>) -> Result<Value> {
    let (list, inner) = elements(&mut c)?;
    let place = place(&c.next(), c.name)?;
    Ok(Value::new(list.expr.list().get(lit(from_zero(place)), true), inner, c.at))
}

/// `join(list, ', ')`.
pub(super) fn join(mut c: Call<'_>) -> Result<Value> {
    let (list, inner) = elements(&mut c)?;
    let by = c.next();
    let Some(by) = by.text() else {
        return Err(by.mismatch("join needs what stands between the parts", "for example join(tags, ', ')"));
    };
    if matches!(Kind::of(&inner), Kind::List | Kind::Struct) {
        return Err(list.mismatch(
            &format!("join takes texts and numbers, not {}", list.called()),
            "for example join(tags, ', ')",
        ));
    }
    let texts = list.expr.cast(DataType::List(Box::new(DataType::String)));
    Ok(Value::new(texts.list().join(lit(by.to_owned()), true), DataType::String, c.at))
}

impl Call<'_> {
    /// One number of a list of numbers; null for an empty list.
    pub(super) fn of_list(mut self, make: fn(Expr) -> Expr, is_float: bool) -> Result<Value> {
        let (list, inner) = elements(&mut self)?;
        if !matches!(Kind::of(&inner), Kind::Number | Kind::Null) {
            let message = format!("{} needs a list of numbers, but {} is none", self.name, list.called());
            return Err(list.mismatch(&message, "check the column with the schema verb"));
        }
        let dtype = if is_float || inner.is_float() { DataType::Float64 } else { DataType::Int64 };
        let numbers = list.expr.cast(DataType::List(Box::new(dtype.clone())));
        let made = when(numbers.clone().list().len().gt(lit(0))).then(make(numbers)).otherwise(lit(NULL));
        Ok(Value::new(made.cast(dtype.clone()), dtype, self.at))
    }

    /// A number made of two, as Float64.
    pub(super) fn two_floats(mut self, make: fn(f64, f64) -> f64) -> Result<Value> {
        let (a, b) = (self.next_of(Kind::Number)?, self.next_of(Kind::Number)?);
        let apply = move |columns: &mut [Column]| {
            let both = |a: Option<f64>, b: Option<f64>| Some(make(a?, b?));
            let out: Float64Chunked = arity::broadcast_binary_elementwise(columns[0].f64()?, columns[1].f64()?, both);
            Ok(out.into_column())
        };
        let (a, b) = (a.expr.cast(DataType::Float64), b.expr.cast(DataType::Float64));
        Ok(Value::new(a.map_many(apply, &[b], |_, fields| Ok(fields[0].clone())), DataType::Float64, self.at))
    }
}
