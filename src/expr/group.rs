//! Groups of runs: what is grouped by, the aggregates over each group, and the best run of each.

mod apply;
mod lists;

use super::aggregates::{self, Groups};
use super::bucket::Every;
use super::calls::{arguments, function_name};
use super::names::{Names, is_name_char};
use super::select::{items, plain, split_alias};
use super::value::{Kind, Value};
use super::walk::{Walker, at};
use super::{Context, fault, parse_select, tree_of, value_of};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::ops::{Best, free_prefix};
use polars::prelude::*;
use sqlparser::ast::Expr as Ast;

/// Words for what runs are most often grouped by, where the table has no column of that name.
const SHORT: &[(&str, &str)] = &[("user", "user.username"), ("date", "created_at:1d"), ("day", "created_at:1d")];

/// Rows of a table put into groups, and a row for each group: its keys and aggregates.
///
/// One native `group_by().agg()` of Polars. Groups without a value of a key are kept, under null. They come by their keys,
/// ascending, nulls last. Without aggregates there are the number of `runs`, one column for each state that occurs, the total
/// `runtime` in seconds, and `first_created` and `last_created`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr::Grouping};
///
/// let runs = df!("user.username" => [Some("ada"), Some("ada"), None], "summary.acc" => [0.5, 0.75, 0.25])?;
/// let groups = Grouping::by("user", runs.schema(), Timestamp::now())?.aggregates("n() as runs, max(summary.acc) * 100 as top")?;
/// let table = groups.apply(runs.lazy())?.collect()?;
/// assert_eq!(table, df!("user" => [Some("ada"), None], "runs" => [2i64, 1], "top" => [75.0, 25.0])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Grouping {
    schema: Schema,
    context: Context,
    keys: Vec<Key>,
    groups: Groups,
    /// What each group's row holds besides its keys; `None`: the default.
    columns: Option<Vec<Item>>,
    best: Best,
    /// The columns of the best run's row; `None`: all.
    select: Option<Vec<Expr>>,
}

/// Something to group by.
#[derive(Debug, Clone)]
struct Key {
    /// As the user calls it.
    name: String,
    /// The helper column that holds it.
    helper: String,
    expr: Expr,
    /// A list: its row counts under each element.
    is_list: bool,
}

/// A column of the result, or several.
#[derive(Debug, Clone)]
enum Item {
    /// An expression of the native aggregates, and its name.
    Value(Expr, String),
    /// The row with the best of this.
    BestRow(Expr),
}

impl Grouping {
    /// All rows of a table of this schema as one group. `context` says what `now()` means, and the zone of days.
    pub fn all(schema: &Schema, context: impl Into<Context>) -> Grouping {
        Grouping {
            schema: schema.clone(),
            context: context.into(),
            keys: Vec::new(),
            groups: Groups { prefix: free_prefix(schema), ..Groups::default() },
            columns: None,
            best: Best::Highest,
            select: None,
        }
    }

    /// Groups by a comma-separated list: columns, expressions (`… as name`), calendar buckets (`created_at:1d`, `1w`, `1mo`, `1q`, `1y`,
    /// `6h`, `15m`), and lists such as `tags`, whose rows count under each element. `user`, `date` and `day` are short for
    /// `user.username` and `created_at:1d`.
    ///
    /// # Errors
    /// An unknown column, a bad expression or bucket, a key that cannot be grouped by, or two keys of one name; with the byte offset.
    pub fn by(text: &str, schema: &Schema, context: impl Into<Context>) -> Result<Grouping> {
        let mut grouping = Grouping::all(schema, context);
        let names = Names::new(schema).within(grouping.context.clone());
        for (item, at) in items(text)? {
            for (value, name) in keys(&item, text, at, &names)? {
                grouping.add(value, name)?;
            }
        }
        Ok(grouping)
    }

    fn add(&mut self, value: Value, name: String) -> Result<()> {
        if self.keys.iter().any(|key| key.name == name) {
            return Err(fault(value.at, &format!("{name} is grouped by twice"), "leave one out, or write … as name"));
        }
        let kind = value.kind();
        let inner = if let DataType::List(inner) = &value.dtype { Kind::of(inner) } else { kind };
        if matches!(inner, Kind::List | Kind::Struct | Kind::Other) {
            let cure = "group by a field or a part of it, such as logged('model').version";
            return Err(value.mismatch(&format!("cannot group by {}", value.called()), cure));
        }
        let helper = format!("{}key{}", self.groups.prefix, self.keys.len());
        if let (Some(column), false) = (&value.column, kind == Kind::List) {
            self.groups.keys.push((column.clone(), helper.clone()));
        }
        let expr = if kind == Kind::Null { value.expr.cast(DataType::String) } else { value.expr };
        self.keys.push(Key { name, helper, expr, is_list: kind == Kind::List });
        Ok(())
    }

    /// What each group's row holds besides its keys, instead of the default: a comma-separated list of expressions over aggregates,
    /// `… as name`, and at most one `best(…)`. An expression without a name is called by its text.
    ///
    /// # Errors
    /// An unknown column or aggregate, a bad expression, a column that is neither grouped by nor inside an aggregate, or two columns
    /// of one name; with the byte offset.
    pub fn aggregates(mut self, text: &str) -> Result<Grouping> {
        let names = Names::new(&self.schema).within(self.context.clone());
        let mut taken: Vec<String> = self.keys.iter().map(|key| key.name.clone()).collect();
        let mut columns = Vec::new();
        let mut groups = std::mem::take(&mut self.groups);
        for (item, at) in items(text)? {
            let (body, name) = split_alias(&item);
            let text = &text[..at + body.len()];
            let tree = tree_of(text, at, &names)?;
            let mut walker = Walker::new(&names, text);
            walker.groups = Some(groups);
            if let Some(metric) = best(&tree, &mut walker)? {
                let twice = columns.iter().any(|item| matches!(item, Item::BestRow(_)));
                if twice || name.is_some() {
                    let message = if twice { "best stands twice" } else { "best gives a whole row, which has no name" };
                    return Err(fault(at, message, "one best(…) without a name; -s chooses the columns of its row"));
                }
                columns.push(Item::BestRow(metric));
            } else {
                let value = walker.value(&tree)?;
                let name = name.unwrap_or_else(|| item.clone());
                if taken.contains(&name) {
                    let message = format!("two columns are called {name}");
                    return Err(fault(at, &message, "give one another name: … as name"));
                }
                taken.push(name.clone());
                columns.push(Item::Value(value.expr, name));
            }
            groups = walker.groups.unwrap_or_default();
        }
        Ok(Grouping { groups, columns: Some(columns), ..self })
    }

    /// Which end of its values `best(…)` takes; the highest if nothing is said.
    pub fn best(self, best: Best) -> Grouping {
        Grouping { best, ..self }
    }

    /// The columns of the row that `best(…)` gives, as for [`parse_select`](crate::expr::parse_select); all if nothing is said.
    ///
    /// # Errors
    /// As [`parse_select`](crate::expr::parse_select).
    pub fn select(self, text: &str) -> Result<Grouping> {
        let select = parse_select(text, &self.schema, &self.context)?;
        Ok(Grouping { select: Some(select), ..self })
    }

    /// True if each group's row holds the row of its best run.
    pub fn has_best(&self) -> bool {
        self.columns.iter().flatten().any(|item| matches!(item, Item::BestRow(_)))
    }
}

/// The metric of an item that is `best(…)`.
fn best(tree: &Ast, walker: &mut Walker<'_>) -> Result<Option<Expr>> {
    let Ast::Function(call) = tree else { return Ok(None) };
    let (name, place) = (function_name(call), at(tree));
    let Some(aggregate) = aggregates::find(&name).filter(|found| found.name == "best") else { return Ok(None) };
    let list = arguments(call, &name, place)?;
    aggregates::check(aggregate, list.len(), place)?;
    let Some(value) = walker.inside_of(aggregate, list, place)?.pop() else { return Ok(None) };
    let value = value.of_kind(Kind::Number, walker.names)?;
    match value.kind() {
        Kind::Number | Kind::Time | Kind::Date | Kind::Span => Ok(Some(value.expr)),
        kind => {
            let message = format!("best needs a number, but {} is {}", value.called(), kind.words());
            Err(value.mismatch(&message, "check the column with the schema verb"))
        }
    }
}

/// The keys that one item means, with their names.
fn keys(item: &str, text: &str, start: usize, names: &Names<'_>) -> Result<Vec<(Value, String)>> {
    let (body, name) = split_alias(item);
    let called = |default: &str| name.clone().unwrap_or_else(|| default.to_owned());
    if names.resolve(body).is_none_or(|column| column != body)
        && let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == body)
    {
        return Ok(vec![(short_key(long, start, names)?, called(body))]);
    }
    if let Some(bucket) = bucket(body, text, start, names)? {
        return Ok(vec![(bucket, called(body))]);
    }
    let Some(found) = plain(body, text, start, names)? else {
        let value =
            value_of(&text[..start + body.len()], start, names).map_err(|error| nearest_key(error, body, names))?;
        return Ok(vec![(value, called(body))]);
    };
    let single = found.len() == 1 && !body.contains(['*', '?', '"', '`']);
    let mut keys = Vec::new();
    for column in found {
        let typed = if single { called(body) } else { called(&column) };
        // A path with values of several kinds is grouped by all of them: a run has a value in one at most.
        let whole = if single { names.kinds(&column) } else { vec![column.clone()] };
        for kind in whole {
            let suffix = kind.strip_prefix(column.as_str()).unwrap_or_default();
            keys.push((Value::column(&kind, names, start)?, format!("{typed}{suffix}")));
        }
    }
    Ok(keys)
}

/// The error of a misspelled name, with the short words among the nearest.
fn nearest_key(error: Error, body: &str, names: &Names<'_>) -> Error {
    let words = SHORT.iter().map(|(short, _)| *short).chain(names.schema.iter_names().map(|name| name.as_str()));
    match did_you_mean(body, words) {
        Some(hint) if error.kind() == ErrorKind::Column && body.chars().all(is_name_char) => error.hint(hint),
        _ => error,
    }
}

/// The key that a short word stands for.
fn short_key(long: &str, start: usize, names: &Names<'_>) -> Result<Value> {
    let (column, every) = long.split_once(':').map_or((long, None), |(column, every)| (column, Some(every)));
    let value = Value::column(column, names, start).map_err(|error| error.offset(start as u64))?;
    every.map_or(Ok(value.clone()), |every| Every::parse(every, start)?.of(value, &names.context))
}

/// `created_at:1d`: the bucket of what stands before the last colon. A column of that name, or of that kind, comes first.
fn bucket(body: &str, text: &str, start: usize, names: &Names<'_>) -> Result<Option<Value>> {
    let Some((value, every)) = body.rsplit_once(':') else { return Ok(None) };
    let word = !every.is_empty() && every.chars().all(char::is_alphanumeric);
    if !word || value.ends_with(':') || value.trim().is_empty() || names.resolve(body).is_some() {
        return Ok(None);
    }
    let place = start + value.len() + 1;
    if !every.starts_with(|c: char| c.is_ascii_digit()) {
        // `config.lr:strin` is a column misspelled, `created_at:day` a bucket.
        let time = names.resolve(value).map(|column| Value::column(&column, names, start)).transpose()?;
        return match time.map(|value| value.kind()) {
            Some(Kind::Time | Kind::Date) => Every::parse(every, place).map(|_| None),
            _ => Ok(None),
        };
    }
    let every = Every::parse(every, place)?;
    every.of(value_of(&text[..start + value.len()], start, names)?, &names.context).map(Some)
}
