//! Values written in the text: numbers, texts, dates.

use super::fault;
use super::time::{parse_date, parse_time};
use super::value::{Const, Value};
use crate::error::Result;
use sqlparser::ast;

/// A number, text, true, false or null.
pub(super) fn literal(value: &ast::Value, place: usize) -> Result<Value> {
    let constant = match value {
        ast::Value::Number(digits, _) => match (digits.parse::<i64>(), digits.parse::<f64>()) {
            (Ok(number), _) => Const::Int(number),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => Const::Digits(digits.clone()),
            (_, Ok(number)) => Const::Float(number),
            _ => return Err(fault(place, &format!("bad number {digits}"), "for example 0.01 or 1e-3")),
        },
        ast::Value::SingleQuotedString(text) => Const::Text(text.clone()),
        ast::Value::Boolean(value) => Const::Bool(*value),
        ast::Value::Null => Const::Null,
        other => {
            return Err(fault(
                place,
                &format!("{other} is not understood here"),
                "literals are numbers, 'text', true, false and null",
            ));
        }
    };
    Ok(Value::constant(constant, place))
}

/// `date '2026-01-31'`, `timestamp '2026-01-31T10:00'`.
pub(super) fn typed_string(typed: &ast::TypedString, place: usize) -> Result<Value> {
    let ast::Value::SingleQuotedString(text) = &typed.value.value else {
        return Err(fault(place, "a text in single quotes must follow the type", "for example date '2026-01-31'"));
    };
    let constant = match typed.data_type {
        ast::DataType::Date => Const::Date(parse_date(text, place)?),
        _ => Const::Time(parse_time(text, place)?),
    };
    Ok(Value::constant(constant, place))
}
