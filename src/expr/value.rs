//! A typed expression on its way from text to Polars: its type, the constant it is, the column it names.

use super::names::Names;
use super::time::Span;
use super::{fault, fault_of};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::time_lit;
use crate::record::Timestamp;
use polars::prelude::*;

/// A value known while parsing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// An integer beyond Int64.
    Digits(String),
    Text(String),
    Time(Timestamp),
    Date(i32),
    Span(Span),
}

/// What comparisons go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Time,
    Date,
    Span,
    List,
    Struct,
    Other,
}

impl Kind {
    pub(super) fn of(dtype: &DataType) -> Self {
        match dtype {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Bool,
            DataType::String => Kind::Text,
            DataType::Datetime(..) => Kind::Time,
            DataType::Date => Kind::Date,
            DataType::Duration(_) => Kind::Span,
            DataType::List(_) => Kind::List,
            DataType::Struct(_) => Kind::Struct,
            other if other.is_primitive_numeric() => Kind::Number,
            _ => Kind::Other,
        }
    }

    /// The kind in words, with its article.
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "text",
            Kind::Time => "a time",
            Kind::Date => "a date",
            Kind::Span => "an interval",
            Kind::List => "a list",
            Kind::Struct => "an artifact version",
            Kind::Other => "of a type that expressions do not know",
        }
    }

    /// How the column of this kind of a path that has several is called.
    fn suffix(self) -> Option<&'static str> {
        match self {
            Kind::Text => Some(":string"),
            Kind::Bool => Some(":bool"),
            Kind::List => Some(":list"),
            _ => None,
        }
    }
}

/// An expression with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) expr: Expr,
    pub(super) dtype: DataType,
    /// Its value, if it does not depend on the row.
    pub(super) constant: Option<Const>,
    /// The column it is, if it is just that.
    pub(super) column: Option<String>,
    /// Its byte offset in the text.
    pub(super) at: usize,
}

pub(super) const TIME: DataType = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
pub(super) const SPAN: DataType = DataType::Duration(TimeUnit::Microseconds);

impl Value {
    pub(super) fn new(expr: Expr, dtype: DataType, at: usize) -> Self {
        Value { expr, dtype, constant: None, column: None, at }
    }

    pub(super) fn constant(constant: Const, at: usize) -> Self {
        let (expr, dtype) = match &constant {
            Const::Null => (lit(NULL), DataType::Null),
            Const::Bool(value) => (lit(*value), DataType::Boolean),
            // Polars would make an Int32 of a literal without a type beside nothing but literals.
            Const::Int(value) => (scalar(DataType::Int64, AnyValue::Int64(*value)), DataType::Int64),
            Const::Float(value) => (lit(*value), DataType::Float64),
            Const::Digits(value) => (lit(value.parse().unwrap_or(f64::NAN)), DataType::Float64),
            Const::Text(value) => (lit(value.clone()), DataType::String),
            Const::Time(value) => (time_lit(*value), TIME),
            Const::Date(days) => (scalar(DataType::Date, AnyValue::Date(*days)), DataType::Date),
            Const::Span(span) => (scalar(SPAN, AnyValue::Duration(span.micros, TimeUnit::Microseconds)), SPAN),
        };
        Value { expr, dtype, constant: Some(constant), column: None, at }
    }

    /// The column `name`; times of any unit and zone become `Datetime[μs, UTC]`, those without a zone are UTC.
    pub(super) fn column(name: &str, names: &Names<'_>, at: usize) -> Result<Self> {
        let Some(dtype) = names.schema.get(name) else { return Err(names.unknown(name, None)) };
        let expr = if *dtype == DataType::Null { lit(NULL) } else { Expr::Column(name.into()) };
        let (expr, dtype) = match dtype {
            DataType::Datetime(..) if *dtype != TIME => (expr.cast(TIME), TIME),
            other => (expr, other.clone()),
        };
        Ok(Value { expr, dtype, constant: None, column: Some(name.to_owned()), at })
    }

    pub(super) fn kind(&self) -> Kind {
        match self.constant {
            Some(Const::Null) => Kind::Null,
            _ => Kind::of(&self.dtype),
        }
    }

    pub(super) fn is_float(&self) -> bool {
        self.dtype.is_float()
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.constant {
            Some(Const::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What to call it in an error.
    pub(super) fn called(&self) -> String {
        match (&self.constant, &self.column) {
            (Some(Const::Text(text)), _) => format!("'{text}'"),
            (Some(Const::Int(value)), _) => value.to_string(),
            (Some(Const::Float(value)), _) => value.to_string(),
            (Some(Const::Digits(value)), _) => value.clone(),
            (Some(Const::Bool(value)), _) => value.to_string(),
            (Some(Const::Null), _) => "null".to_owned(),
            (_, Some(column)) => format!("{column} ({})", type_name(&self.dtype)),
            _ => format!("a value of type {}", type_name(&self.dtype)),
        }
    }

    /// The value as it is meant beside something of `kind`: a path with several kinds takes the column of that kind.
    pub(super) fn of_kind(self, kind: Kind, names: &Names<'_>) -> Result<Self> {
        if self.kind() == kind {
            return Ok(self);
        }
        let (Some(column), Some(suffix)) = (&self.column, kind.suffix()) else { return Ok(self) };
        let other = format!("{column}{suffix}");
        match names.schema.get(&other) {
            Some(dtype) if Kind::of(dtype) == kind => Value::column(&other, names, self.at),
            _ => Ok(self),
        }
    }

    /// As [`Value::of_kind`]; where the runs of a partial table hold no value of this kind, null.
    pub(super) fn of_kind_or_null(self, kind: Kind, names: &Names<'_>) -> Result<Self> {
        let value = self.of_kind(kind, names)?;
        if value.kind() == kind || !names.may_lack(value.column.as_deref()) {
            return Ok(value);
        }
        let dtype = match kind {
            Kind::Number => DataType::Float64,
            Kind::Text => DataType::String,
            Kind::Bool => DataType::Boolean,
            Kind::List => DataType::List(Box::new(DataType::String)),
            _ => return Ok(value),
        };
        // Beside numbers in runs that are not here, config's "NaN" and its like are numbers.
        let expr = match (kind, value.kind()) {
            (Kind::Number, Kind::Text) => spelled_numbers(value.expr),
            _ => lit(NULL).cast(dtype.clone()),
        };
        // Another name, so that the kinds of one path do not pass for one column.
        let column = value.column.map(|column| format!("{column}:{kind:?}"));
        Ok(Value { expr, dtype, column, ..value })
    }

    /// True where the value is null; a path that has several kinds is null where the columns of all of them are.
    pub(super) fn absent(self, names: &Names<'_>) -> Result<Expr> {
        let Some(column) = &self.column else { return Ok(self.expr.is_null()) };
        let all = names.kinds(column).into_iter().map(|name| Ok(Value::column(&name, names, self.at)?.expr.is_null()));
        Ok(super::walk::balanced(all.collect::<Result<Vec<Expr>>>()?, Expr::and))
    }

    /// A date as the time at which it begins: a written one in UTC, any other in the zone of the context.
    pub(super) fn begin(self, names: &Names<'_>) -> Self {
        if self.kind() != Kind::Date {
            return self;
        }
        let expr = if self.constant.is_some() { self.expr.cast(TIME) } else { names.context.midnight(self.expr) };
        Value { expr, dtype: TIME, ..self }
    }

    /// The value as a condition.
    pub(super) fn condition(self, what: &str, names: &Names<'_>) -> Result<Expr> {
        let value = self.of_kind_or_null(Kind::Bool, names)?;
        match value.kind() {
            Kind::Bool => Ok(value.expr),
            Kind::Null => Ok(value.expr.cast(DataType::Boolean)),
            kind => {
                let cure = match kind {
                    Kind::Number => "compare it: … > 0",
                    Kind::Text => "compare it: … = 'text'",
                    Kind::Struct => "ask: … is not null",
                    Kind::List => "ask: len(…) > 0 or contains(…, 'x')",
                    _ => "compare it with something",
                };
                Err(value.mismatch(
                    &format!("{what} must be true or false, but {} is {}", value.called(), kind.words()),
                    cure,
                ))
            }
        }
    }

    /// An error at this value.
    pub(super) fn mismatch(&self, message: &str, cure: &str) -> Error {
        fault(self.at, message, cure)
    }
}

/// The types' names as in the documentation.
fn type_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(TimeUnit::Microseconds, Some(zone)) => format!("Datetime[μs, {zone}]"),
        DataType::Duration(TimeUnit::Microseconds) => "Duration[μs]".to_owned(),
        DataType::List(inner) => format!("List({})", type_name(inner)),
        DataType::Struct(_) => "Struct".to_owned(),
        other => format!("{other:?}"),
    }
}

/// W&B's spellings of numbers that are not finite as numbers; other texts are null.
fn spelled_numbers(text: Expr) -> Expr {
    let spelled =
        |one: &str, other: &str| text.clone().eq(lit(one.to_owned())).or(text.clone().eq(lit(other.to_owned())));
    when(spelled("NaN", "nan"))
        .then(lit(f64::NAN))
        .when(spelled("Infinity", "Inf"))
        .then(lit(f64::INFINITY))
        .when(spelled("-Infinity", "-Inf"))
        .then(lit(f64::NEG_INFINITY))
        .otherwise(lit(NULL).cast(DataType::Float64))
}

fn scalar(dtype: DataType, value: AnyValue<'static>) -> Expr {
    Expr::Literal(LiteralValue::Scalar(Scalar::new(dtype, value)))
}

/// The type in which two values can stand in one column (`coalesce`, `case`), and both cast to it.
pub(super) fn unify(values: Vec<Value>, names: &Names<'_>) -> Result<(Vec<Value>, DataType)> {
    let Some(first) = values
        .iter()
        .find(|value| value.constant.is_none())
        .or_else(|| values.iter().find(|v| v.kind() != Kind::Null))
        .cloned()
    else {
        return Ok((values, DataType::Null));
    };
    // A path with several kinds follows the kind of a constant beside it.
    let wanted = match values.iter().find(|value| !matches!(value.constant, None | Some(Const::Null))) {
        Some(constant) if !matches!(first.kind(), Kind::Time | Kind::Date) => constant.kind(),
        _ => first.kind(),
    };
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        let value = match (wanted, value.text()) {
            (Kind::Time, Some(text)) => {
                Value::constant(Const::Time(super::time::parse_time(text, value.at)?), value.at)
            }
            (Kind::Date, Some(text)) => {
                Value::constant(Const::Date(super::time::parse_date(text, value.at)?), value.at)
            }
            _ => value.of_kind(wanted, names)?,
        };
        if !matches!(value.kind(), Kind::Null) && value.kind() != wanted {
            let message = format!("{} is {}, not {}", value.called(), value.kind().words(), wanted.words());
            return Err(value.mismatch(&message, "all results must be of one type; cast(… as varchar) makes text"));
        }
        out.push(value);
    }
    let known = || out.iter().filter(|value| value.kind() != Kind::Null);
    let dtype = match wanted {
        Kind::Number if known().any(Value::is_float) => DataType::Float64,
        Kind::Number => DataType::Int64,
        _ => known().next().map_or(DataType::Null, |value| value.dtype.clone()),
    };
    if let Some(odd) = known().find(|value| wanted != Kind::Number && value.dtype != dtype) {
        return Err(fault_of(
            ErrorKind::Expression,
            Some(odd.at),
            &format!("{} is of another type than {}", odd.called(), type_name(&dtype)),
            "all results must be of one type",
        ));
    }
    for value in &mut out {
        if value.dtype != dtype {
            value.expr = value.expr.clone().cast(dtype.clone());
        }
    }
    Ok((out, dtype))
}
