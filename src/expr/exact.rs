//! Comparisons of columns of numbers with fixed numbers, exact also where floats are not, and with the digits in `PATH:json`.

use super::compare::{Sign, guarded};
use super::value::{Const, Value};
use polars::prelude::*;
use std::cmp::Ordering;

/// 2^63, the first integer beyond Int64.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;
/// Numbers spelled with a larger exponent are not read.
const MAX_EXPONENT: i64 = 5_000;

/// `value SIGN constant`. `digits`: the column in which the path keeps the numbers that its column of numbers cannot hold.
pub(super) fn compare(value: Value, sign: Sign, constant: &Const, digits: Option<Expr>) -> Expr {
    let Some(digits) = digits else { return plain(value, sign, constant) };
    let constant_there = constant.clone();
    let there = test(digits, move |text| Some(holds(sign, order(text, &constant_there)?)));
    match sign {
        // Never null, so that what stands in the other column has to be asked first.
        Sign::Same => there.fill_null(plain(value, sign, constant)),
        _ => coalesce(&[plain(value, sign, constant), there]),
    }
}

/// `value in (constants)`; see [`compare`].
pub(super) fn one_of(value: Value, constants: Vec<Const>, digits: Option<Expr>) -> Expr {
    let plain = match value.is_float() {
        true => {
            let held = constants.iter().filter_map(as_float).collect::<Vec<f64>>();
            within(value.expr.cast(DataType::Float64), Series::new("in".into(), held))
        }
        false => {
            let held = constants.iter().filter_map(as_integer).collect::<Vec<i64>>();
            within(value.expr.cast(DataType::Int64), Series::new("in".into(), held))
        }
    };
    let Some(digits) = digits else { return plain };
    let there = test(digits, move |text| {
        order(text, &Const::Int(0))?;
        Some(constants.iter().any(|constant| order(text, constant) == Some(Some(Ordering::Equal))))
    });
    coalesce(&[plain, there])
}

fn within(column: Expr, list: Series) -> Expr {
    match list.is_empty() {
        // False, or null where the value is.
        true => column.clone().neq(column),
        false => column.is_in(lit(list).implode(true), false),
    }
}

/// The float that is exactly this number. NaN is in no list.
fn as_float(constant: &Const) -> Option<f64> {
    match constant {
        Const::Int(number) => Some(*number as f64).filter(|float| *float as i128 == i128::from(*number)),
        Const::Float(number) => Some(*number).filter(|float| !float.is_nan()),
        Const::Digits(text) => text.parse().ok().filter(|float| ordered(&whole(*float), text) == Some(Ordering::Equal)),
        _ => None,
    }
}

/// The integer that is exactly this number.
fn as_integer(constant: &Const) -> Option<i64> {
    match constant {
        Const::Int(number) => Some(*number),
        Const::Float(number) if number.fract() == 0.0 && (-BEYOND..BEYOND).contains(number) => Some(*number as i64),
        _ => None,
    }
}

/// The comparison with the column of numbers.
fn plain(value: Value, sign: Sign, constant: &Const) -> Expr {
    let at = value.at;
    let with = |value: Value, sign, constant| guarded(value, sign, Value::constant(constant, at));
    if value.is_float() {
        let nearest = match constant {
            Const::Int(number) => *number as f64,
            Const::Digits(text) => text.parse().unwrap_or(f64::NAN),
            _ => return with(value, sign, constant.clone()),
        };
        // How the nearest float lies to the number itself.
        let text = if let Const::Digits(text) = constant { text.clone() } else { spelled(constant) };
        let lies = match nearest.is_infinite() {
            true if nearest > 0.0 => Ordering::Greater,
            true => Ordering::Less,
            false => ordered(&whole(nearest), &text).unwrap_or(Ordering::Equal),
        };
        return match (lies, sign) {
            (Ordering::Equal, _) => with(value, sign, Const::Float(nearest)),
            (_, Sign::Eq | Sign::NotEq | Sign::Same) => never(value, sign),
            (Ordering::Greater, Sign::Gt | Sign::GtEq) => with(value, Sign::GtEq, Const::Float(nearest)),
            (Ordering::Greater, _) => with(value, Sign::Lt, Const::Float(nearest)),
            (Ordering::Less, Sign::Gt | Sign::GtEq) => with(value, Sign::Gt, Const::Float(nearest)),
            (Ordering::Less, _) => with(value, Sign::LtEq, Const::Float(nearest)),
        };
    }
    match constant {
        Const::Float(number) if number.abs() >= BEYOND && as_integer(constant).is_none() => {
            beyond(value, sign, *number < 0.0)
        }
        Const::Digits(text) => beyond(value, sign, text.starts_with('-')),
        _ => {
            let constant = as_integer(constant).map_or_else(|| constant.clone(), Const::Int);
            with(value, sign, constant)
        }
    }
}

/// No value is equal; null stays null.
fn never(value: Value, sign: Sign) -> Expr {
    let unequal = value.expr.clone().neq(value.expr.clone());
    match sign {
        Sign::NotEq => value.expr.clone().eq(value.expr),
        Sign::Same => lit(false),
        _ => unequal,
    }
}

/// A column of integers beside a number that lies above, or below, all of them.
fn beyond(value: Value, sign: Sign, below: bool) -> Expr {
    match (sign, below) {
        (Sign::Eq | Sign::NotEq | Sign::Same, _) => never(value, sign),
        (Sign::Gt | Sign::GtEq, true) | (Sign::Lt | Sign::LtEq, false) => never(value, Sign::NotEq),
        _ => never(value, Sign::Eq),
    }
}

fn holds(sign: Sign, order: Option<Ordering>) -> bool {
    match sign {
        Sign::Eq | Sign::Same => order == Some(Ordering::Equal),
        Sign::NotEq => order != Some(Ordering::Equal),
        Sign::Lt => order == Some(Ordering::Less),
        Sign::LtEq => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Sign::Gt => order == Some(Ordering::Greater),
        Sign::GtEq => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// What `passes` says of each text; null where it says nothing.
fn test(texts: Expr, passes: impl Fn(&str) -> Option<bool> + Send + Sync + 'static) -> Expr {
    let apply = move |column: Column| {
        let texts = column.as_materialized_series().str()?;
        let passed: BooleanChunked = texts.iter().map(|text| text.and_then(&passes)).collect();
        Ok(passed.with_name(column.name().clone()).into_column())
    };
    texts.map(apply, |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)))
}

/// How the number in a text lies to a constant: `None` if it is no number, `Some(None)` beside NaN.
fn order(text: &str, constant: &Const) -> Option<Option<Ordering>> {
    decimal(text)?;
    match constant {
        Const::Float(number) if number.is_nan() => Some(None),
        Const::Float(number) if number.is_infinite() => {
            Some(Some(if *number > 0.0 { Ordering::Less } else { Ordering::Greater }))
        }
        other => Some(ordered(text, &spelled(other))),
    }
}

fn spelled(constant: &Const) -> String {
    match constant {
        Const::Int(number) => number.to_string(),
        Const::Float(number) => number.to_string(),
        Const::Digits(text) => text.clone(),
        _ => String::new(),
    }
}

/// A float's exact value, which is an integer.
fn whole(float: f64) -> String {
    format!("{float:.0}")
}

/// The order of two numbers in decimal digits.
fn ordered(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (decimal(left)?, decimal(right)?);
    let size = |a: &Decimal, b: &Decimal| {
        let whole = a.whole.len().cmp(&b.whole.len()).then_with(|| a.whole.cmp(&b.whole));
        whole.then_with(|| a.fraction.cmp(&b.fraction))
    };
    Some(match (left.negative, right.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => size(&left, &right),
        (true, true) => size(&right, &left),
    })
}

/// A number without leading and trailing zeros. Zero is not negative.
struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

fn decimal(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i64>().ok().filter(|e| e.abs() <= MAX_EXPONENT)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= all.len() => (format!("{all}{}", "0".repeat(point - all.len())), String::new()),
        Ok(point) => (all[..point].to_owned(), all[point..].to_owned()),
        Err(_) => (String::new(), format!("{}{all}", "0".repeat(usize::try_from(-point).ok()?))),
    };
    let (whole, fraction) = (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned());
    Some(Decimal { negative: text.starts_with('-') && !(whole.is_empty() && fraction.is_empty()), whole, fraction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_an_order() {
        for (left, right, wanted) in [
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740993.0", Ordering::Equal),
            ("-9007199254740993", "5", Ordering::Less),
            ("-12", "-2", Ordering::Less),
            ("1e400", "18446744073709551616", Ordering::Greater),
            ("1.5e1", "15", Ordering::Equal),
            ("0.5", "0.25", Ordering::Greater),
            ("15e-3", "0.015", Ordering::Equal),
            ("-0", "0", Ordering::Equal),
        ] {
            assert_eq!(ordered(left, right), Some(wanted), "{left} {right}");
            assert_eq!(ordered(right, left), Some(wanted.reverse()), "{right} {left}");
        }
        for text in ["", "-", "[1]", "\"1\"", "1e9999999", "{}", ".5", "1x"] {
            assert!(decimal(text).is_none(), "{text}");
        }
    }
}
