//! W&B's own filters, Mongo queries in JSON: checked, and evaluated on a run table with Mongo's rules for null and types.
//!
//! A server evaluates them on the runs' documents, this on columns. It differs where a column does not tell: an explicit
//! `null` counts as missing, a flat key `a.b` as the nested path, and `"nan"` as `"NaN"`.

mod fields;
mod local;

use super::fault_of;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use fields::Field;
use polars::prelude::{Expr, Schema};
use serde_json::{Map, Value as Json};

/// What a test of a field may be.
const TESTS: [&str; 10] = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex"];
const GROUPS: [&str; 3] = ["$and", "$or", "$nor"];
const MAX_TESTS: usize = 2000;

/// A checked filter in W&B's Mongo JSON.
///
/// ```
/// use polars::prelude::*;
/// use runframe::expr::mongo;
///
/// let filter = mongo::parse(r#"{"$or": [{"state": "failed"}, {"summary_metrics.acc": {"$lt": 0.5}}]}"#)?;
/// let runs = df!("name" => ["r1", "r2"], "state" => ["failed", "finished"], "summary.acc" => [None, Some(0.9)])?;
/// let keep = filter.to_expr(runs.schema())?;
/// assert_eq!(runs.lazy().filter(keep).collect()?.height(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mongo {
    json: Json,
    filter: Filter,
}

#[derive(Debug, Clone, PartialEq)]
enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    None(Vec<Filter>),
    /// A field, its operator and operand, and where it stands.
    Test(Field, Test, String),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// `$in`; `$eq` is a list of one.
    In(Vec<Json>),
    Order(Order, Json),
    Exists(bool),
    Regex(String),
    Not(Box<Test>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Gt,
    GtEq,
    Lt,
    LtEq,
}

/// Reads and checks a filter: operators, operands and field names.
///
/// # Errors
/// Text that is not JSON, and what W&B's servers do not know: they answer it with an error 400 or, worse, with no runs.
///
/// ```
/// use runframe::expr::mongo;
///
/// let error = mongo::parse(r#"{"$and": [{"summary.acc": {"$gt": 0.5}}]}"#).unwrap_err();
/// assert_eq!(error.to_string(), "$and[0]: unknown field summary.acc (W&B calls it summary_metrics.acc)");
/// ```
pub fn parse(text: &str) -> Result<Mongo> {
    let json: Json = serde_json::from_str(text).map_err(|error| bad_json(text, &error))?;
    Mongo::from_json(json)
}

fn bad_json(text: &str, error: &serde_json::Error) -> Error {
    let lines: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let cure = r#"for example {"state": "finished", "summary_metrics.acc": {"$gt": 0.9}}"#;
    let at = lines + error.column().saturating_sub(1);
    fault_of(ErrorKind::Json, Some(at), &format!("the filter is not JSON: {message}"), cure)
}

/// An error at a place in the filter.
fn wrong(place: &str, message: &str, cure: &str) -> Error {
    let message = if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") };
    fault_of(ErrorKind::Expression, None, &message, cure)
}

impl Mongo {
    /// Checks a filter that is JSON already.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn from_json(json: Json) -> Result<Mongo> {
        let mut left = MAX_TESTS;
        let filter = group(&json, "", &mut left)?;
        Ok(Mongo { json, filter })
    }

    /// The filter as the server takes it.
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// This filter and another one: both must hold.
    pub fn and(self, other: Mongo) -> Mongo {
        let json = serde_json::json!({ "$and": [self.json, other.json] });
        Mongo { json, filter: Filter::All(vec![self.filter, other.filter]) }
    }

    /// The filter as a condition on a run table. It is never null. Columns that the table lacks hold no values.
    ///
    /// # Errors
    /// Fields that were not loaded, the keys of histories, and operands that a field cannot be compared with.
    pub fn to_expr(&self, schema: &Schema) -> Result<Expr> {
        local::expr(&self.filter, schema)
    }

    /// The columns that the filter names and the table lacks: mistyped names, perhaps.
    pub fn missing(&self, schema: &Schema) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        self.filter.each_field(&mut |field| {
            let column = field.path().filter(|column| !local::exists(column, schema)).map(str::to_owned);
            missing.extend(column.filter(|column| !missing.contains(column)));
        });
        missing
    }
}

impl Filter {
    fn each_field(&self, see: &mut impl FnMut(&Field)) {
        match self {
            Filter::All(parts) | Filter::Any(parts) | Filter::None(parts) => {
                parts.iter().for_each(|part| part.each_field(see));
            }
            Filter::Test(field, ..) => see(field),
        }
    }
}

/// An object of fields and groups, all of which must hold. JSON's own limit of 128 levels holds for the recursion.
fn group(json: &Json, place: &str, left: &mut usize) -> Result<Filter> {
    let Json::Object(members) = json else {
        return Err(wrong(place, "a filter must be an object", r#"for example {"state": "finished"}"#));
    };
    let mut parts = Vec::with_capacity(members.len());
    for (key, value) in members {
        *left = left.checked_sub(1).ok_or_else(|| wrong(place, "too many tests", "use $in for lists of values"))?;
        let below = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        parts.push(match key.as_str() {
            "$and" => Filter::All(list(value, &below, left)?),
            "$or" => Filter::Any(list(value, &below, left)?),
            "$nor" => Filter::None(list(value, &below, left)?),
            _ if key.starts_with('$') => {
                return Err(unknown_operator(key, place, &GROUPS, &TESTS, "stands below a field"));
            }
            _ => tests(Field::parse(key, place)?, value, &below)?,
        });
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => Filter::All(parts),
    })
}

fn list(json: &Json, place: &str, left: &mut usize) -> Result<Vec<Filter>> {
    match json {
        Json::Array(items) if !items.is_empty() => {
            items.iter().enumerate().map(|(at, item)| group(item, &format!("{place}[{at}]"), left)).collect()
        }
        _ => Err(wrong(
            place,
            "it takes a list of filters",
            r#"for example {"$or": [{"state": "failed"}, {"state": "crashed"}]}"#,
        )),
    }
}

/// `value` or `{"$gt": value, …}`.
fn tests(field: Field, json: &Json, place: &str) -> Result<Filter> {
    let Json::Object(members) = json else {
        return Ok(Filter::Test(field, Test::In(vec![scalar(json, place)?.clone()]), place.to_owned()));
    };
    if members.is_empty() {
        return Err(wrong(place, "an empty test", r#"for example {"$gt": 0.5}"#));
    }
    let mut parts = Vec::with_capacity(members.len());
    for (operator, operand) in members {
        parts.push(Filter::Test(field.clone(), test(operator, operand, members, place)?, place.to_owned()));
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
}

fn test(operator: &str, operand: &Json, members: &Map<String, Json>, place: &str) -> Result<Test> {
    let order = |order| Ok(Test::Order(order, ordered(operand, operator, place)?));
    let values = || match operand {
        Json::Array(items) => items.iter().map(|item| scalar(item, place).cloned()).collect::<Result<Vec<Json>>>(),
        _ => Err(wrong(place, &format!("{operator} takes a list"), &format!(r#"{{"{operator}": [{operand}]}}"#))),
    };
    match operator {
        "$eq" => Ok(Test::In(vec![scalar(operand, place)?.clone()])),
        "$ne" => Ok(Test::Not(Box::new(Test::In(vec![scalar(operand, place)?.clone()])))),
        "$in" => Ok(Test::In(values()?)),
        "$nin" => Ok(Test::Not(Box::new(Test::In(values()?)))),
        "$gt" => order(Order::Gt),
        "$gte" => order(Order::GtEq),
        "$lt" => order(Order::Lt),
        "$lte" => order(Order::LtEq),
        "$exists" => match operand {
            Json::Bool(flag) => Ok(Test::Exists(*flag)),
            _ => Err(wrong(place, "$exists takes true or false", r#"{"$exists": true}"#)),
        },
        "$regex" => match operand {
            Json::String(pattern) => Ok(Test::Regex(pattern.clone())),
            _ => Err(wrong(place, "$regex takes a text", r#"{"$regex": "^adam"}"#)),
        },
        _ if operator.starts_with('$') => {
            Err(unknown_operator(operator, place, &TESTS, &GROUPS, "stands above fields, with a list of filters"))
        }
        _ => {
            let cure = match members.len() {
                1 => format!(r#"write the path with dots: "{place}.{operator}""#),
                _ => "write paths with dots".to_owned(),
            };
            Err(wrong(place, &format!("{operator} is no operator"), &cure))
        }
    }
}

/// Null, a flag, a number or a text.
fn scalar<'a>(json: &'a Json, place: &str) -> Result<&'a Json> {
    match json {
        Json::Array(_) => {
            Err(wrong(place, "a list is compared with nothing", r#"one of several values is {"$in": […]}"#))
        }
        Json::Object(_) => Err(wrong(place, "an object is compared with nothing", "compare its members one by one")),
        _ => Ok(json),
    }
}

/// A number or a text: what has an order.
fn ordered(json: &Json, operator: &str, place: &str) -> Result<Json> {
    match json {
        Json::Number(_) | Json::String(_) => Ok(json.clone()),
        _ => Err(wrong(
            place,
            &format!("{operator} takes a number or a text"),
            "null, true and false are compared with $eq and $ne",
        )),
    }
}

/// `known` may stand here, `elsewhere` somewhere else.
fn unknown_operator(operator: &str, place: &str, known: &[&str], elsewhere: &[&str], where_to: &str) -> Error {
    if elsewhere.contains(&operator) {
        return wrong(
            place,
            &format!("{operator} {where_to}"),
            r#"for example {"$or": [{"state": {"$eq": "failed"}}]}"#,
        );
    }
    let cure = match operator {
        "$not" => "write $ne or $nin, or {\"$nor\": [{…}]}".to_owned(),
        "$all" => "write one test a value: {\"$and\": [{\"tags\": \"a\"}, {\"tags\": \"b\"}]}".to_owned(),
        "$options" => "write (?i) at the start of the pattern".to_owned(),
        _ => did_you_mean(operator, known.iter().copied()).unwrap_or_else(|| format!("operators: {}", known.join(" "))),
    };
    wrong(place, &format!("unknown operator {operator}"), &cure)
}
