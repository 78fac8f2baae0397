//! The filters of runs: MongoDB's language in JSON, as far as W&B's clients are known to use it.

use super::Nulls;
use super::text::{member, parse_time};
use super::world::Run;
use regex::Regex;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Levels of keys that are looked at in config and in the summary; deeper ones are never found.
const CONFIG_DEPTH: usize = 3;
const SUMMARY_DEPTH: usize = 4;

/// A filter that was understood.
#[derive(Debug)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Neither(Vec<Filter>),
    Field(Field, Op),
    /// W&B's server lets some misspelled fields pass and finds nothing.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A column of the run, by the name that the API has for it.
    Column(&'static str),
    Config(Vec<String>),
    Summary(Vec<String>),
    HistoryKey(String),
}

#[derive(Debug)]
pub enum Op {
    Eq(Value),
    Ne(Value),
    Order(fn(Ordering) -> bool, Value),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Exists(bool),
    Regex(Regex),
}

const COLUMNS: &[(&str, &[&str])] = &[
    ("createdAt", &["created_at"]),
    ("heartbeatAt", &["heartbeat_at"]),
    ("updatedAt", &["updated_at"]),
    ("displayName", &["display_name"]),
    ("jobType", &["job_type"]),
    ("duration", &[]),
    ("group", &[]),
    ("host", &[]),
    ("name", &[]),
    ("state", &[]),
    ("tags", &[]),
    ("username", &[]),
    ("sweep", &[]),
];

impl Field {
    /// The field of this name; `lacking` ones are unknown.
    pub fn parse(name: &str, lacking: &BTreeSet<String>) -> Result<Field, String> {
        let unknown = || format!("invalid filter: unknown field \"{name}\"");
        if lacking.contains(name) {
            return Err(unknown());
        }
        if let Some((column, _)) = COLUMNS.iter().find(|(main, others)| *main == name || others.contains(&name)) {
            return Ok(Field::Column(column));
        }
        let path = |rest: &str| rest.split('.').map(str::to_owned).collect::<Vec<_>>();
        if let Some(rest) = name.strip_prefix("config.") {
            let mut keys = path(rest);
            if keys.get(1).is_some_and(|key| key == "value") {
                keys.remove(1);
            }
            return Ok(Field::Config(keys));
        }
        if let Some(rest) = name.strip_prefix("summary_metrics.") {
            return Ok(Field::Summary(path(rest)));
        }
        name.strip_prefix("keys_info.keys.").map(|key| Field::HistoryKey(key.to_owned())).ok_or_else(unknown)
    }

    fn is_time(&self) -> bool {
        matches!(self, Field::Column("createdAt" | "heartbeatAt" | "updatedAt"))
    }

    /// The values a run has here: none if null, several for tags.
    pub fn values(&self, run: &Run) -> Vec<Value> {
        let text = |text: &Option<String>| text.iter().map(|text| Value::from(text.as_str())).collect();
        match self {
            Field::Column("createdAt") => vec![Value::from(run.created_at)],
            Field::Column("heartbeatAt") => run.heartbeat_at.map(Value::from).into_iter().collect(),
            Field::Column("updatedAt") => run.updated_at.map(Value::from).into_iter().collect(),
            Field::Column("displayName") => text(&run.display_name),
            Field::Column("jobType") => text(&run.job_type),
            Field::Column("duration") => vec![Value::from(run.compute_seconds)],
            Field::Column("group") => text(&run.group),
            Field::Column("host") => text(&run.host),
            Field::Column("name") => vec![Value::from(run.name.as_str())],
            Field::Column("state") => text(&run.state),
            Field::Column("tags") => run.tags.iter().flatten().map(|tag| Value::from(tag.as_str())).collect(),
            Field::Column("username") => run.user.iter().flat_map(|user| text(&user.username)).collect(),
            Field::Column("sweep") => text(&run.sweep),
            Field::Column(other) => unreachable!("{other}"),
            Field::Config(keys) => nested(run.config.as_deref(), keys, true, CONFIG_DEPTH).into_iter().collect(),
            Field::Summary(keys) => nested(run.summary.as_deref(), keys, false, SUMMARY_DEPTH).into_iter().collect(),
            Field::HistoryKey(key) => {
                nested(run.history_keys().as_deref(), &["keys".to_owned(), key.clone()], false, 9).into_iter().collect()
            }
        }
    }
}

/// The value at a path of keys; keys that hold dots themselves cannot be named.
fn nested(text: Option<&str>, keys: &[String], wrapped: bool, depth: usize) -> Option<Value> {
    if keys.len() > depth {
        return None;
    }
    let top = member(text?, &keys[0])?;
    let mut value: Value = serde_json::from_str(top).ok()?;
    if wrapped && value.get("value").is_some() {
        value = value["value"].take();
    }
    keys[1..].iter().try_fold(&value, |value, key| value.get(key)).filter(|value| !value.is_null()).cloned()
}

impl Filter {
    /// Reads a filter. The error is what the server says, with status 400.
    pub fn parse(text: &str, lacking: &BTreeSet<String>) -> Result<Filter, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("invalid filter: {error}"))?;
        match value {
            Value::Null => Ok(Filter::All(Vec::new())),
            Value::Object(members) => object(&members, lacking),
            _ => Err("invalid filter: not an object".to_owned()),
        }
    }

    pub fn holds(&self, run: &Run, nulls: Nulls) -> bool {
        match self {
            Filter::All(parts) => parts.iter().all(|part| part.holds(run, nulls)),
            Filter::Any(parts) => parts.iter().any(|part| part.holds(run, nulls)),
            Filter::Neither(parts) => !parts.iter().any(|part| part.holds(run, nulls)),
            Filter::Field(field, op) => op.holds(&field.values(run), nulls),
            Filter::Nothing => false,
        }
    }
}

fn object(members: &Map<String, Value>, lacking: &BTreeSet<String>) -> Result<Filter, String> {
    let parts = members.iter().map(|(key, value)| entry(key, value, lacking)).collect::<Result<_, _>>()?;
    Ok(Filter::All(parts))
}

fn entry(key: &str, value: &Value, lacking: &BTreeSet<String>) -> Result<Filter, String> {
    let parts = || -> Result<Vec<Filter>, String> {
        let list = value.as_array().ok_or_else(|| format!("invalid filter: {key} needs a list"))?;
        let each = list.iter().map(|part| match part {
            Value::Object(members) => object(members, lacking),
            _ => Err(format!("invalid filter: {key} needs a list of objects")),
        });
        each.collect()
    };
    match key {
        "$and" => Ok(Filter::All(parts()?)),
        "$or" => Ok(Filter::Any(parts()?)),
        "$nor" => Ok(Filter::Neither(parts()?)),
        "Name" | "State" => Ok(Filter::Nothing),
        operator if operator.starts_with('$') => Err(format!("invalid filter: unknown operator \"{operator}\"")),
        name => tests(&Field::parse(name, lacking)?, value),
    }
}

/// `{field: value}` or `{field: {$op: value, …}}`.
fn tests(field: &Field, value: &Value) -> Result<Filter, String> {
    let operators = value.as_object().filter(|members| members.keys().any(|key| key.starts_with('$')));
    let Some(operators) = operators else { return Ok(Filter::Field(field.clone(), Op::Eq(literal(field, value)?))) };
    let each = operators.iter().map(|(name, value)| Ok(Filter::Field(field.clone(), op(field, name, value)?)));
    Ok(Filter::All(each.collect::<Result<_, String>>()?))
}

fn op(field: &Field, name: &str, value: &Value) -> Result<Op, String> {
    let list = || -> Result<Vec<Value>, String> {
        let list = value.as_array().ok_or_else(|| format!("invalid filter: {name} needs a list"))?;
        list.iter().map(|value| literal(field, value)).collect()
    };
    Ok(match name {
        "$eq" => Op::Eq(literal(field, value)?),
        "$ne" => Op::Ne(literal(field, value)?),
        "$gt" => Op::Order(Ordering::is_gt, literal(field, value)?),
        "$gte" => Op::Order(Ordering::is_ge, literal(field, value)?),
        "$lt" => Op::Order(Ordering::is_lt, literal(field, value)?),
        "$lte" => Op::Order(Ordering::is_le, literal(field, value)?),
        "$in" => Op::In(list()?),
        "$nin" => Op::Nin(list()?),
        "$exists" => Op::Exists(value.as_bool().ok_or("invalid filter: $exists needs true or false")?),
        "$regex" => {
            let text = value.as_str().ok_or("invalid filter: $regex needs a text")?;
            Op::Regex(Regex::new(text).map_err(|error| format!("invalid filter: {error}"))?)
        }
        _ => return Err(format!("invalid filter: unknown operator \"{name}\"")),
    })
}

/// Times are compared as microseconds, whatever their spelling.
fn literal(field: &Field, value: &Value) -> Result<Value, String> {
    match value.as_str().filter(|_| field.is_time()) {
        Some(text) => {
            parse_time(text).map(Value::from).ok_or_else(|| format!("invalid filter: \"{text}\" is not a time"))
        }
        None => Ok(value.clone()),
    }
}

impl Op {
    fn holds(&self, values: &[Value], nulls: Nulls) -> bool {
        let absent = values.is_empty();
        let any = |wanted: &Value| values.iter().any(|value| compare(value, wanted) == Some(Ordering::Equal));
        match self {
            Op::Eq(Value::Null) => absent,
            Op::Ne(Value::Null) => !absent,
            Op::Eq(wanted) => any(wanted),
            Op::Ne(wanted) => {
                if absent {
                    nulls == Nulls::Mongo
                } else {
                    !any(wanted)
                }
            }
            Op::Order(test, wanted) => values.iter().any(|value| compare(value, wanted).is_some_and(test)),
            Op::In(list) => list.iter().any(any) || nulls == Nulls::Mongo && absent && list.contains(&Value::Null),
            Op::Nin(list) => {
                if absent {
                    nulls == Nulls::Mongo
                } else {
                    !list.iter().any(any)
                }
            }
            Op::Exists(wanted) => absent != *wanted,
            Op::Regex(regex) => values.iter().filter_map(Value::as_str).any(|text| regex.is_match(text)),
        }
    }
}

/// The order of two values of one kind; `None` across kinds.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => Some(x.cmp(&y)),
            _ => x.as_f64()?.partial_cmp(&y.as_f64()?),
        },
        (Value::String(x), Value::String(y)) => Some(x.cmp(y)),
        (Value::Bool(x), Value::Bool(y)) => Some(x.cmp(y)),
        _ if a == b => Some(Ordering::Equal),
        _ => None,
    }
}
