//! A server's reading of W&B's filters, made without the crate's: Mongo's rules on documents, and how servers may differ.

use super::runs::Record;
use runframe::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

/// How a server takes the questions that Mongo's manual and SQL answer differently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Temper {
    /// `$ne` and `$nin` keep missing values; a list matches by its elements.
    Mongo,
    /// `$ne` and `$nin` drop missing values; lists match nothing.
    Sql,
}

impl Temper {
    pub(super) const ALL: [Temper; 2] = [Temper::Mongo, Temper::Sql];
}

/// Whether the server keeps the run.
pub(super) fn keeps(filter: &Value, record: &Record, temper: Temper) -> bool {
    holds(filter, &record.document(), temper)
}

fn holds(filter: &Value, document: &Value, temper: Temper) -> bool {
    filter.as_object().unwrap().iter().all(|(key, test)| {
        let each = || test.as_array().unwrap().iter().map(|part| holds(part, document, temper));
        match key.as_str() {
            "$and" => each().all(|kept| kept),
            "$or" => each().any(|kept| kept),
            "$nor" => !each().any(|kept| kept),
            field => {
                let found = find(document, field);
                let time = ["created_at", "heartbeat_at"].contains(&field);
                match test.as_object() {
                    Some(tests) => {
                        tests.iter().all(|(operator, operand)| passes(found, operator, operand, time, temper))
                    }
                    None => passes(found, "$eq", test, time, temper),
                }
            }
        }
    })
}

/// The value at a path; config's values are wrapped, whether the path says so or not.
fn find<'a>(document: &'a Value, field: &str) -> Option<&'a Value> {
    let mut parts = field.split('.');
    let mut at = document.get(parts.next().unwrap())?;
    if field.starts_with("config.") {
        at = at.get(parts.next().unwrap())?.get("value")?;
        let rest: Vec<&str> = parts.collect();
        let rest = if rest.first() == Some(&"value") { &rest[1..] } else { &rest[..] };
        return rest.iter().try_fold(at, |at, part| at.get(part));
    }
    parts.try_fold(at, |at, part| at.get(part))
}

fn passes(found: Option<&Value>, operator: &str, operand: &Value, time: bool, temper: Temper) -> bool {
    let known = found.filter(|value| !value.is_null());
    let negative = |kept: bool| !kept && (temper == Temper::Mongo || known.is_some());
    let equal = |operand: &Value| match known {
        None => operand.is_null(),
        Some(value) => elements(value, temper, |value| order(value, operand, time) == Some(Ordering::Equal)),
    };
    let listed = || operand.as_array().unwrap().iter().any(equal);
    let ordered = |wanted: &[Ordering]| {
        known.is_some_and(|value| {
            elements(value, temper, |value| {
                value.is_boolean() == operand.is_boolean()
                    && order(value, operand, time).is_some_and(|order| wanted.contains(&order))
            })
        })
    };
    match operator {
        "$eq" => equal(operand),
        "$ne" => negative(equal(operand)),
        "$in" => listed(),
        "$nin" => negative(listed()),
        "$gt" => ordered(&[Ordering::Greater]),
        "$gte" => ordered(&[Ordering::Greater, Ordering::Equal]),
        "$lt" => ordered(&[Ordering::Less]),
        "$lte" => ordered(&[Ordering::Less, Ordering::Equal]),
        "$exists" => known.is_some() == operand.as_bool().unwrap(),
        // Patterns in these tests are a plain beginning.
        "$regex" => known.is_some_and(|value| {
            elements(value, temper, |v| {
                v.as_str().is_some_and(|v| v.starts_with(operand.as_str().unwrap().trim_start_matches('^')))
            })
        }),
        other => panic!("{other}"),
    }
}

/// Tags are a set to any server; other lists match by their elements in Mongo.
fn elements(value: &Value, temper: Temper, passes: impl Fn(&Value) -> bool) -> bool {
    match value.as_array() {
        Some(items) if temper == Temper::Mongo || items.iter().all(Value::is_string) => items.iter().any(passes),
        Some(_) => false,
        None => passes(value),
    }
}

/// Values of one type compare, others do not.
fn order(value: &Value, operand: &Value, time: bool) -> Option<Ordering> {
    match (value, operand) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) if time => Timestamp::parse(a)?.partial_cmp(&Timestamp::parse(b)?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
