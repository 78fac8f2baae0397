//! Mongo's tests as conditions on the columns of a run table: never null, and numbers compare with numbers only.

use super::super::names::Names;
use super::super::value::{Const, Value};
use super::super::walk::balanced;
use super::super::{compare, time};
use super::fields::Field;
use super::{Filter, Order, Test, wrong};
use crate::columns::Kind;
use crate::error::Result;
use crate::ops::time_lit;
use polars::prelude::*;
use serde_json::Value as Json;

pub(super) fn expr(filter: &Filter, schema: &Schema) -> Result<Expr> {
    let each = |parts: &[Filter]| parts.iter().map(|part| expr(part, schema)).collect::<Result<Vec<Expr>>>();
    match filter {
        Filter::All(parts) if parts.is_empty() => Ok(lit(true)),
        Filter::All(parts) => Ok(balanced(each(parts)?, Expr::and)),
        Filter::Any(parts) => Ok(balanced(each(parts)?, Expr::or)),
        Filter::None(parts) => Ok(balanced(each(parts)?, Expr::or).not()),
        Filter::Test(field, test, place) => Columns::of(field, schema, place)?.test(test, place),
    }
}

/// True if the table has a column for the path, or below it.
pub(super) fn exists(path: &str, schema: &Schema) -> bool {
    schema.iter_names().any(|name| belongs(name, path) || is_below(name, path))
}

/// True for the path's plain column and its columns of other kinds.
fn belongs(column: &str, path: &str) -> bool {
    column == path || matches!(Kind::split(column), (plain, Some(_)) if plain == path)
}

fn is_below(column: &str, path: &str) -> bool {
    column.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// The columns that hold a field's values, by what they are.
#[derive(Default)]
struct Columns {
    numbers: Vec<(Expr, bool)>,
    texts: Vec<Expr>,
    flags: Vec<Expr>,
    times: Vec<Expr>,
    lists: Vec<(Expr, DataType)>,
    /// All of them, and what lies below the path.
    all: Vec<Expr>,
}

impl Columns {
    fn of(field: &Field, schema: &Schema, place: &str) -> Result<Self> {
        let mut found = Columns::default();
        match field {
            Field::History(key) => {
                let message =
                    format!("which keys a run logged is known to the server only, so {key} cannot be asked here");
                return Err(wrong(place, &message, "load from entity/project"));
            }
            Field::Fixed(column) => match schema.get(column) {
                Some(dtype) => found.add(column, dtype),
                None => return Err(wrong(place, &format!("{column} was not loaded"), "load the runs with it")),
            },
            Field::Path(path) => {
                for (name, dtype) in schema.iter().filter(|(name, _)| belongs(name, path) || is_below(name, path)) {
                    let is_json = is_below(name, path) || Kind::split(name).1 == Some(Kind::Json);
                    if is_json { found.all.push(Expr::Column(name.clone())) } else { found.add(name, dtype) }
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, name: &str, dtype: &DataType) {
        let column = Expr::Column(name.into());
        self.all.push(column.clone());
        match dtype {
            DataType::String => self.texts.push(column),
            DataType::Boolean => self.flags.push(column),
            DataType::Datetime(..) => self.times.push(column.cast(super::super::value::TIME)),
            DataType::List(inner) => self.lists.push((column, inner.as_ref().clone())),
            other if other.is_primitive_numeric() => self.numbers.push((column, other.is_float())),
            _ => {}
        }
    }

    fn test(&self, test: &Test, place: &str) -> Result<Expr> {
        match test {
            Test::Not(inner) => Ok(self.test(inner, place)?.not()),
            Test::Exists(wanted) => Ok(if *wanted { self.present() } else { self.present().not() }),
            Test::In(values) => {
                let equal = values.iter().map(|value| self.equal(value, place)).collect::<Result<Vec<Expr>>>()?;
                Ok(balanced(equal, Expr::or))
            }
            Test::Order(order, value) => self.ordered(*order, value, place),
            Test::Regex(pattern) => self.regex(pattern, place),
        }
    }

    fn present(&self) -> Expr {
        balanced(self.all.iter().map(|column| column.clone().is_not_null()).collect(), Expr::or)
    }

    fn equal(&self, value: &Json, place: &str) -> Result<Expr> {
        match value {
            Json::Null => Ok(self.present().not()),
            Json::Bool(flag) => Ok(self.any(&self.flags, DataType::is_bool, |x| x.eq(lit(*flag)))),
            Json::Number(number) => {
                let number = literal(number);
                let equal = |x: Expr| x.eq(number.clone());
                Ok(self.any(&self.plain_numbers(), DataType::is_primitive_numeric, equal))
            }
            Json::String(text) => {
                if let Some(equal) = self.at_time(text, place, Expr::eq)? {
                    return Ok(equal);
                }
                let plain = self.any(&self.texts, DataType::is_string, |x| x.eq(lit(text.clone())));
                Ok(match self.spelled(text) {
                    Some(spelled) => plain.or(spelled),
                    None => plain,
                })
            }
            Json::Array(_) | Json::Object(_) => {
                Err(wrong(place, "it is compared with nothing", "compare with a value"))
            }
        }
    }

    fn ordered(&self, order: Order, value: &Json, place: &str) -> Result<Expr> {
        let compare = |left: Expr, right: Expr| match order {
            Order::Gt => left.gt(right),
            Order::GtEq => left.gt_eq(right),
            Order::Lt => left.lt(right),
            Order::LtEq => left.lt_eq(right),
        };
        match value {
            Json::Number(number) => {
                let number = literal(number);
                // The server holds numbers that are not finite as texts.
                let finite = |x: Expr| x.clone().cast(DataType::Float64).is_finite().and(compare(x, number.clone()));
                Ok(self.any(&self.plain_numbers(), DataType::is_primitive_numeric, finite))
            }
            Json::String(text) => match self.at_time(text, place, compare)? {
                Some(compared) => Ok(compared),
                None => Ok(self.any(&self.texts, DataType::is_string, |x| compare(x, lit(text.clone())))),
            },
            _ => Err(wrong(place, "it has no order", "compare with a number or a text")),
        }
    }

    fn regex(&self, pattern: &str, place: &str) -> Result<Expr> {
        if !self.times.is_empty() {
            return Err(wrong(place, "a time has no text", "compare it with $gte and $lt"));
        }
        let schema = Schema::default();
        let names = Names::new(&schema);
        let found = |x: Expr| {
            let pattern = Value::constant(Const::Text(pattern.to_owned()), 0);
            compare::regex(Value::new(x, DataType::String, 0), pattern, false, &names)
        };
        if let Err(error) = found(lit("")) {
            return Err(wrong(place, error.message(), error.cure().unwrap_or("check the pattern")));
        }
        Ok(self.any(&self.texts, DataType::is_string, |x| found(x).unwrap_or_else(|_| lit(false))))
    }

    /// The comparison with a time, if the field is one.
    fn at_time(&self, text: &str, place: &str, compare: impl Fn(Expr, Expr) -> Expr) -> Result<Option<Expr>> {
        let Some(column) = self.times.first() else { return Ok(None) };
        let time = time::parse_time(text, 0);
        let time = time.map_err(|error| wrong(place, error.message(), error.cure().unwrap_or_default()))?;
        Ok(Some(compare(column.clone(), time_lit(time)).fill_null(lit(false))))
    }

    /// Numbers that the server holds as this text.
    fn spelled(&self, text: &str) -> Option<Expr> {
        let number = match text {
            "NaN" | "nan" => f64::NAN,
            "Infinity" | "Inf" => f64::INFINITY,
            "-Infinity" | "-Inf" => f64::NEG_INFINITY,
            _ => return None,
        };
        let floats = self.numbers.iter().filter(|(_, float)| *float);
        let equal = |(x, _): &(Expr, bool)| {
            if number.is_nan() { x.clone().is_nan() } else { x.clone().eq(lit(number)) }.fill_null(lit(false))
        };
        Some(balanced(floats.map(equal).collect(), Expr::or))
    }

    fn plain_numbers(&self) -> Vec<Expr> {
        self.numbers.iter().map(|(column, _)| column.clone()).collect()
    }

    /// True where one of the columns, or an element of a list, passes.
    fn any(&self, columns: &[Expr], of_kind: impl Fn(&DataType) -> bool, passes: impl Fn(Expr) -> Expr) -> Expr {
        let single = columns.iter().map(|column| passes(column.clone()).fill_null(lit(false)));
        let lists = self.lists.iter().filter(|(_, inner)| of_kind(inner)).map(|(list, _)| {
            let passed = list.clone().list().eval(passes(element()).fill_null(lit(false)));
            passed.list().contains(lit(true), false).fill_null(lit(false))
        });
        balanced(single.chain(lists).collect(), Expr::or)
    }
}

fn literal(number: &serde_json::Number) -> Expr {
    match number.as_i64() {
        Some(integer) => lit(integer),
        None => lit(number.as_f64().unwrap_or(f64::NAN)),
    }
}
