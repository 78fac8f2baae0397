//! Comparisons: `=`, `<`, `between`, `in`, `like`, regular expressions; kinds by literal, and NaN as in IEEE 754.

use super::exact;
use super::fault;
use super::names::Names;
use super::time::{parse_date, parse_time};
use super::value::{Const, Kind, Value};
use crate::error::Result;
use polars::prelude::*;

/// A comparison sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    /// `is not distinct from`: null equals null.
    Same,
}

impl Sign {
    /// The sign with its sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Sign::Lt => Sign::Gt,
            Sign::LtEq => Sign::GtEq,
            Sign::Gt => Sign::Lt,
            Sign::GtEq => Sign::LtEq,
            same => same,
        }
    }
}

/// `left SIGN right` as a Boolean expression.
pub(super) fn compare(left: Value, sign: Sign, right: Value, names: &Names<'_>) -> Result<Expr> {
    if sign != Sign::Same {
        for (side, other) in [(&left, &right), (&right, &left)] {
            if side.kind() == Kind::Null && !names.may_lack(side.column.as_deref()) {
                let name = other.column.as_deref().unwrap_or("…");
                return Err(side.mismatch(
                    "a comparison with null is never true",
                    &format!("write {name} is null, or {name} is not null"),
                ));
            }
        }
    }
    if sign == Sign::Same {
        match (left.kind(), right.kind()) {
            (_, Kind::Null) if right.constant.is_some() => return left.absent(names),
            (Kind::Null, _) if left.constant.is_some() => return right.absent(names),
            _ => {}
        }
    }
    let digits = left.column.as_deref().or(right.column.as_deref()).and_then(|column| names.digits(column));
    let lacking = names.may_lack(left.column.as_deref()) || names.may_lack(right.column.as_deref());
    let (left, right) = match fit(left, right, names) {
        Ok((left, right)) if left.kind() != Kind::Null || right.kind() != Kind::Null => (left, right),
        // In a partial table, two columns of different kinds have no run that holds a value in both.
        Err(_) | Ok(_) if lacking => return Ok(lit(NULL).cast(DataType::Boolean)),
        fitted => fitted?,
    };
    if left.kind() == Kind::Bool && !matches!(sign, Sign::Eq | Sign::NotEq | Sign::Same) {
        return Err(left.mismatch("true and false have no order", "compare with = or !="));
    }
    Ok(match (left.constant.clone(), right.constant.clone()) {
        (None, Some(constant)) if left.kind() == Kind::Number => exact::compare(left, sign, &constant, digits),
        (Some(constant), None) if right.kind() == Kind::Number => {
            exact::compare(right, sign.turned(), &constant, digits)
        }
        _ => guarded(left, sign, right),
    })
}

/// Makes two values comparable, or says why they are not.
fn fit(left: Value, right: Value, names: &Names<'_>) -> Result<(Value, Value)> {
    let (left, right) = match (left.constant.is_some(), right.constant.is_some()) {
        (false, true) => (left.of_kind_or_null(right.kind(), names)?, right),
        (true, false) => {
            let kind = left.kind();
            (left, right.of_kind_or_null(kind, names)?)
        }
        _ => (left, right),
    };
    let (left, right) = as_times(left, right)?;
    use Kind::{Bool, Date, Null, Number, Span, Text, Time};
    match (left.kind(), right.kind()) {
        (Number, Number) | (Text, Text) | (Bool, Bool) | (Time, Time) | (Date, Date) => Ok((left, right)),
        (Span, Span) => Ok((whole_span(left)?, whole_span(right)?)),
        (Null, _) | (_, Null) => Ok((left, right)),
        (Time, Date) | (Date, Time) => Ok((left.begin(names), right.begin(names))),
        _ => Err(unlike(&left, &right)),
    }
}

/// Text beside a time or a date is read as one.
fn as_times(left: Value, right: Value) -> Result<(Value, Value)> {
    let read = |value: Value, beside: Kind| -> Result<Value> {
        let Some(text) = value.text().map(str::to_owned) else { return Ok(value) };
        match beside {
            Kind::Time => Ok(Value::constant(Const::Time(parse_time(&text, value.at)?), value.at)),
            Kind::Date if text.trim().len() > 10 => {
                Ok(Value::constant(Const::Time(parse_time(&text, value.at)?), value.at))
            }
            Kind::Date => Ok(Value::constant(Const::Date(parse_date(&text, value.at)?), value.at)),
            _ => Ok(value),
        }
    };
    let (left_kind, right_kind) = (left.kind(), right.kind());
    Ok((read(left, right_kind)?, read(right, left_kind)?))
}

/// Months have no fixed length, so they cannot be compared.
fn whole_span(value: Value) -> Result<Value> {
    match value.constant {
        Some(Const::Span(span)) if span.months != 0 => {
            Err(value.mismatch("months have no fixed length", "compare with days: interval '30 days'"))
        }
        _ => Ok(value),
    }
}

fn unlike(left: &Value, right: &Value) -> crate::error::Error {
    let message = format!("cannot compare {} with {}", left.called(), right.called());
    let number = |value: &Value| value.text().and_then(|text| text.parse::<f64>().ok());
    let (lists, texts) = ([left, right].map(|v| v.kind() == Kind::List), [left, right].map(number));
    let cure = match (left.kind(), right.kind()) {
        _ if lists[0] || lists[1] => "for lists: contains(list, value), len(list) > 0".to_owned(),
        (Kind::Number, Kind::Text) if texts[1].is_some() => bare(left, right, texts[1]),
        (Kind::Text, Kind::Number) if texts[0].is_some() => bare(right, left, texts[0]),
        (Kind::Struct, _) | (_, Kind::Struct) => "take a field of it, such as .version".to_owned(),
        (Kind::Text, _) if left.constant.is_none() => format!("it is text: write {} in single quotes", right.called()),
        (_, Kind::Text) if right.constant.is_none() => format!("it is text: write {} in single quotes", left.called()),
        // `created_at > 2026-01-31` is a comparison with 1994.
        (Kind::Time | Kind::Date, Kind::Number) | (Kind::Number, Kind::Time | Kind::Date) => {
            "a time stands in single quotes: '2026-01-31' or '2026-01-31T17:30'".to_owned()
        }
        (kind, _) if left.constant.is_none() => format!("it is {}", kind.words()),
        (_, kind) => format!("it is {}", kind.words()),
    };
    fault(right.at, &message, &cure)
}

/// How to write the number that stands in a text beside numbers.
fn bare(beside: &Value, text: &Value, number: Option<f64>) -> String {
    let text = text.text().unwrap_or_default();
    match number {
        Some(number) if number.is_nan() => format!("write is_nan({})", beside.column.as_deref().unwrap_or("…")),
        Some(number) if number.is_infinite() => format!("write cast('{text}' as double)"),
        _ => format!("write {text} without quotes"),
    }
}

/// The comparison with NaN as in IEEE 754: it is unequal to everything and neither above nor below anything.
/// Polars alone takes NaN for the greatest number and for equal to itself.
pub(super) fn guarded(left: Value, sign: Sign, right: Value) -> Expr {
    let nan = |value: &Value| match value.constant {
        Some(Const::Float(number)) => number.is_nan(),
        _ => value.is_float(),
    };
    let (left_nan, right_nan) = (nan(&left), nan(&right));
    let fixed = [left.constant.is_some(), right.constant.is_some()];
    let (a, b) = (left.expr, right.expr);
    // Beside null it is null, NaN or not; a constant is none.
    let not_nan = |plain: Expr, side: &Expr, other: &Expr, fixed: bool| match fixed {
        true => plain.and(side.clone().is_not_nan()),
        false => plain.and(side.clone().is_not_nan().or(other.clone().is_null())),
    };
    let left_not_nan = |plain: Expr, guard: bool| if guard { not_nan(plain, &a, &b, fixed[1]) } else { plain };
    let right_not_nan = |plain: Expr, guard: bool| if guard { not_nan(plain, &b, &a, fixed[0]) } else { plain };
    let (left, right) = (a.clone(), b.clone());
    match sign {
        Sign::Eq => left_not_nan(left.eq(right), left_nan && right_nan),
        Sign::NotEq if left_nan && right_nan => {
            left.clone().neq(right.clone()).or(left.is_nan().and(right.is_not_null()))
        }
        Sign::NotEq => left.neq(right),
        Sign::Gt => left_not_nan(left.gt(right), left_nan),
        Sign::GtEq => left_not_nan(left.gt_eq(right), left_nan),
        Sign::Lt => right_not_nan(left.lt(right), right_nan),
        Sign::LtEq => right_not_nan(left.lt_eq(right), right_nan),
        Sign::Same => left.eq_missing(right),
    }
}

/// `value between low and high`, both ends included.
pub(super) fn between(value: Value, low: Value, high: Value, names: &Names<'_>) -> Result<Expr> {
    let above = compare(value.clone(), Sign::GtEq, low, names)?;
    Ok(above.and(compare(value, Sign::LtEq, high, names)?))
}

/// `value in (list)`; literals of several kinds ask the columns of those kinds. `negated` is for the error only.
pub(super) fn is_in(value: Value, list: Vec<Value>, negated: bool, names: &Names<'_>) -> Result<Expr> {
    let partial = |item: &Value| names.may_lack(item.column.as_deref());
    if let Some(null) = list.iter().find(|item| item.kind() == Kind::Null && !partial(item)) {
        let name = value.column.as_deref().unwrap_or("…");
        let cure = if negated { format!("and {name} is not null") } else { format!("or {name} is null") };
        return Err(null.mismatch("null is never equal to anything", &format!("leave it out and write: {cure}")));
    }
    let mut parts: Vec<(Option<String>, Expr)> = Vec::new();
    let mut groups: Vec<(Kind, Vec<Value>)> = Vec::new();
    for item in list {
        // What is no plain constant is compared on its own.
        if item.constant.is_none() || value.constant.is_some() {
            let column = value.clone().of_kind_or_null(item.kind(), names)?.column;
            parts.push((column, compare(value.clone(), Sign::Eq, item, names)?));
            continue;
        }
        match groups.iter_mut().find(|(kind, _)| *kind == item.kind()) {
            Some((_, group)) => group.push(item),
            None => groups.push((item.kind(), vec![item])),
        }
    }
    let digits = value.column.as_deref().and_then(|column| names.digits(column));
    for (kind, group) in groups {
        let side = value.clone().of_kind_or_null(kind, names)?;
        parts.push((side.column.clone(), one_of(side, group, digits.clone(), names)?));
    }
    // Columns of several kinds of one path: at most one holds a value, the others are null and must not hide it.
    let several = parts.iter().any(|(column, _)| *column != parts[0].0);
    let exprs: Vec<Expr> = parts.into_iter().map(|(_, expr)| expr).collect();
    if several { Ok(coalesce(&exprs)) } else { Ok(super::walk::balanced(exprs, Expr::or)) }
}

/// `value in (constants of one kind)`.
fn one_of(value: Value, group: Vec<Value>, digits: Option<Expr>, names: &Names<'_>) -> Result<Expr> {
    let mut constants = Vec::with_capacity(group.len());
    let mut fitted = value.clone();
    for item in group {
        let (left, right) = fit(value.clone(), item, names)?;
        fitted = left;
        constants.extend(right.constant.clone());
    }
    let series = match fitted.kind() {
        Kind::Number => return Ok(exact::one_of(fitted, constants, digits)),
        Kind::Text => Series::new(
            "in".into(),
            constants
                .iter()
                .filter_map(|c| if let Const::Text(t) = c { Some(t.as_str()) } else { None })
                .collect::<Vec<&str>>(),
        ),
        _ => {
            let equal = constants
                .into_iter()
                .map(|c| Value::constant(c, fitted.at))
                .map(|item| compare(fitted.clone(), Sign::Eq, item, names));
            return Ok(super::walk::balanced(equal.collect::<Result<Vec<Expr>>>()?, Expr::or));
        }
    };
    Ok(fitted.expr.is_in(lit(series).implode(true), false))
}

/// `value like pattern`: `%` is any text, `_` one character; `escape` takes away their meaning.
pub(super) fn like(
    value: Value,
    pattern: Value,
    ignore_case: bool,
    escape: Option<char>,
    names: &Names<'_>,
) -> Result<Expr> {
    let value = text_side(value, if ignore_case { "ilike" } else { "like" }, names)?;
    let Some(pattern) = pattern.text() else {
        return Err(pattern.mismatch("the pattern must be text in single quotes", "for example like 'adam%'"));
    };
    let parts = like_parts(pattern, escape);
    let literal: String =
        parts.iter().filter_map(|part| if let Part::Char(c) = part { Some(*c) } else { None }).collect();
    let any = parts.iter().filter(|part| **part == Part::Any).count();
    // The plain cases need no regular expression, and readers of files can use them.
    if !ignore_case && !parts.contains(&Part::One) {
        let (starts, ends) = (parts.first() == Some(&Part::Any), parts.last() == Some(&Part::Any));
        match (any, starts, ends) {
            (0, ..) => return Ok(value.expr.eq(lit(literal))),
            (1, true, _) if parts.len() > 1 => return Ok(value.expr.str().ends_with(lit(literal))),
            (1, _, true) if parts.len() > 1 => return Ok(value.expr.str().starts_with(lit(literal))),
            (2, true, true) if parts.len() > 2 => return Ok(value.expr.str().contains_literal(lit(literal))),
            _ => {}
        }
    }
    let mut regex = String::from(if ignore_case { "(?is)^" } else { "(?s)^" });
    for part in &parts {
        match part {
            Part::Any => regex.push_str(".*"),
            Part::One => regex.push('.'),
            Part::Char(c) => escape_into(&mut regex, *c),
        }
    }
    regex.push('$');
    Ok(value.expr.str().contains(lit(regex), true))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Char(char),
}

fn like_parts(pattern: &str, escape: Option<char>) -> Vec<Part> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(next) = chars.next() {
        parts.push(match next {
            c if Some(c) == escape => Part::Char(chars.next().unwrap_or(c)),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Char(c),
        });
    }
    parts
}

fn escape_into(regex: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(c);
}

/// `value regexp pattern`: true if the pattern is found anywhere in the text.
pub(super) fn regex(value: Value, pattern: Value, ignore_case: bool, names: &Names<'_>) -> Result<Expr> {
    let value = text_side(value, "a regular expression", names)?;
    let Some(text) = pattern.text() else {
        return Err(pattern.mismatch("the pattern must be text in single quotes", "for example regexp '^adam'"));
    };
    // Polars itself must take it; trying it here gives the error its place.
    let trial = DataFrame::new(1, vec![Column::new("x".into(), [""])])?
        .lazy()
        .select([col("x").str().contains(lit(text.to_owned()), true)]);
    if let Err(error) = trial.collect() {
        let error = error.to_string();
        let reason = error
            .lines()
            .rfind(|line| line.contains("error:"))
            .unwrap_or(&error)
            .trim()
            .trim_start_matches("error: ")
            .to_owned();
        return Err(pattern
            .mismatch(&format!("bad regular expression: {reason}"), "put \\ before signs that stand for themselves"));
    }
    let text = if ignore_case { format!("(?i){text}") } else { text.to_owned() };
    Ok(value.expr.str().contains(lit(text), true))
}

fn text_side(value: Value, what: &str, names: &Names<'_>) -> Result<Value> {
    let value = value.of_kind_or_null(Kind::Text, names)?;
    if value.kind() == Kind::Text {
        return Ok(value);
    }
    let message = format!("{what} needs text, but {} is {}", value.called(), value.kind().words());
    Err(value.mismatch(&message, "cast(… as varchar) makes text"))
}
