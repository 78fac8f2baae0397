//! The functions of the expression language: one table of name, arguments, result and meaning.

mod parts;
mod times;

use super::compare::{self, Sign};
use super::names::Names;
use super::time::{parse_date, parse_span, parse_time};
use super::value::{Const, Kind, TIME, Value, unify};
use super::walk::{Walker, expect};
use super::{Context, fault};
use crate::error::{Error, Result, did_you_mean};
use crate::ops::run;
use polars::lazy::dsl;
use polars::prelude::*;
use std::time::Duration;

/// A function of the expression language.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name, in lower case; texts may write it in any case.
    pub name: &'static str,
    /// How it is called and what it gives: `round(number, digits = 0) → number`.
    pub signature: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    least: usize,
    most: usize,
    make: fn(Call<'_>) -> Result<Value>,
}

/// One call: the arguments and what is around it.
struct Call<'a> {
    arguments: Vec<Value>,
    at: usize,
    name: &'static str,
    names: &'a Names<'a>,
}

const MANY: usize = 64;

macro_rules! functions {
    ($($name:literal $least:literal..=$most:tt $signature:literal $meaning:literal $make:expr;)*) => {
        /// All functions, by theme.
        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: $name, signature: $signature, meaning: $meaning, least: $least, most: $most, make: $make,
        }),*];
    };
}

functions! {
    "lower" 1..=1 "lower(text) → text" "in lower case" |c| c.text(|x| x.str().to_lowercase());
    "upper" 1..=1 "upper(text) → text" "in upper case" |c| c.text(|x| x.str().to_uppercase());
    "trim" 1..=1 "trim(text) → text" "without white space at both ends" |c| c.text(|x| x.str().strip_chars(lit(NULL)));
    "length" 1..=1 "length(text or list) → integer" "number of characters, or of elements" length;
    "len" 1..=1 "len(text or list) → integer" "number of characters, or of elements" length;
    "contains" 2..=2 "contains(text or list, value) → boolean" "whether the text has this part, or the list this element" contains;
    "starts_with" 2..=2 "starts_with(text, text) → boolean" "whether the text begins so" |c| c.part(|x, y| x.str().starts_with(y));
    "ends_with" 2..=2 "ends_with(text, text) → boolean" "whether the text ends so" |c| c.part(|x, y| x.str().ends_with(y));
    "replace" 3..=3 "replace(text, part, by) → text" "every occurrence of the part replaced" replace;
    "substr" 2..=3 "substr(text, start, length = all) → text" "a part of the text; characters are counted from 1, or from -1 at the end" parts::substr;
    "split" 2..=2 "split(text, text) → list" "the parts between" parts::split;
    "split_part" 3..=3 "split_part(text, text, n) → text" "the n-th part, from 1, or from -1 at the end; null if there is none" parts::split_part;
    "regexp_extract" 2..=3 "regexp_extract(text, pattern, group = 0) → text" "what the pattern, or its n-th (…), matches first; null if nothing" parts::regexp_extract;
    "abs" 1..=1 "abs(number) → number" "without sign" abs;
    "round" 1..=2 "round(number, digits = 0) → number" "rounded, halves away from zero" round;
    "floor" 1..=1 "floor(number) → number" "the next integer below" |c| c.number(Expr::floor);
    "ceil" 1..=1 "ceil(number) → number" "the next integer above" |c| c.number(Expr::ceil);
    "sqrt" 1..=1 "sqrt(number) → float" "square root; NaN below 0" |c| c.float(f64::sqrt);
    "ln" 1..=1 "ln(number) → float" "natural logarithm; -inf at 0, NaN below" |c| c.float(f64::ln);
    "log10" 1..=1 "log10(number) → float" "decimal logarithm; -inf at 0, NaN below" |c| c.float(f64::log10);
    "log2" 1..=1 "log2(number) → float" "binary logarithm; -inf at 0, NaN below" |c| c.float(f64::log2);
    "exp" 1..=1 "exp(number) → float" "e to this power" |c| c.float(f64::exp);
    "pow" 2..=2 "pow(number, number) → float" "the first to the power of the second" |c| c.two_floats(f64::powf);
    "is_nan" 1..=1 "is_nan(number) → boolean" "whether it is NaN; null stays null" is_nan;
    "least" 2..=MANY "least(value, …) → value" "the smallest; nulls are passed over" |c| c.extreme(|values| dsl::min_horizontal(values));
    "greatest" 2..=MANY "greatest(value, …) → value" "the largest; nulls are passed over" |c| c.extreme(|values| dsl::max_horizontal(values));
    "coalesce" 1..=MANY "coalesce(value, …) → value" "the first that is not null" first_known;
    "nullif" 2..=2 "nullif(value, other) → value" "null where they are equal, else the first" parts::nullif;
    "element" 2..=2 "element(list, n) → value" "the n-th element, from 1, or from -1 at the end; null if there is none" parts::element;
    "join" 2..=2 "join(list, text) → text" "the elements in one text, with the other text between" parts::join;
    "list_min" 1..=1 "list_min(list) → number" "the smallest element; of no elements null" |c| c.of_list(|x| x.list().min(), false);
    "list_max" 1..=1 "list_max(list) → number" "the largest element; of no elements null" |c| c.of_list(|x| x.list().max(), false);
    "list_sum" 1..=1 "list_sum(list) → number" "the sum of the elements; of no elements null" |c| c.of_list(|x| x.list().sum(), false);
    "list_mean" 1..=1 "list_mean(list) → float" "the average of the elements; of no elements null" |c| c.of_list(|x| x.list().mean(), true);
    "now" 0..=0 "now() → time" "the present, one for the whole expression" |c| Ok(Value::constant(Const::Time(c.names.context.now), c.at));
    "date" 1..=1 "date(time) → date" "its day, in UTC or the zone of --tz" |c| c.time(|x| x.dt().date(), DataType::Date);
    "year" 1..=1 "year(time) → integer" "its year, in the same zone" |c| c.time(|x| x.dt().year(), DataType::Int64);
    "month" 1..=1 "month(time) → integer" "its month, 1 to 12" |c| c.time(|x| x.dt().month(), DataType::Int64);
    "day" 1..=1 "day(time) → integer" "its day of the month, 1 to 31" |c| c.time(|x| x.dt().day(), DataType::Int64);
    "hour" 1..=1 "hour(time) → integer" "its hour, 0 to 23" |c| c.time(|x| x.dt().hour(), DataType::Int64);
    "minute" 1..=1 "minute(time) → integer" "its minute, 0 to 59" |c| c.time(|x| x.dt().minute(), DataType::Int64);
    "second" 1..=1 "second(time) → integer" "its second, 0 to 59" |c| c.time(|x| x.dt().second(), DataType::Int64);
    "quarter" 1..=1 "quarter(time) → integer" "its quarter of the year, 1 to 4" |c| c.time(|x| x.dt().quarter(), DataType::Int64);
    "week" 1..=1 "week(time) → integer" "its ISO week, 1 to 53; weeks begin on Monday" |c| c.time(|x| x.dt().week(), DataType::Int64);
    "weekday" 1..=1 "weekday(time) → integer" "its day of the week, 1 (Monday) to 7 (Sunday)" |c| c.time(|x| x.dt().weekday(), DataType::Int64);
    "date_trunc" 2..=2 "date_trunc('unit', time) → date or time" "where its year, quarter, month, week, day, hour, minute or second began" times::date_trunc;
    "strftime" 2..=2 "strftime(time, 'format') → text" "as text, in strftime's format" times::strftime;
    "epoch" 1..=1 "epoch(time) → float" "seconds since 1970" times::epoch;
    "is_active" 0..=1 "is_active(window = '5m') → boolean" "whether the last heartbeat came within the window before now" is_active;
    "logged" 1..=1 "logged('name:alias') → artifact version" "the version that the run logged; without alias the highest of that name; null if none" |c| artifact(c, "logged_artifacts");
    "used" 1..=1 "used('name:alias') → artifact version" "the version that the run used; without alias the highest of that name; null if none" |c| artifact(c, "used_artifacts");
}

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// True for functions that read columns which their arguments do not name.
pub(super) fn reads_the_run(function: &Function) -> bool {
    ["is_active", "logged", "used"].contains(&function.name)
}

/// "unknown function NAME (did you mean …?)".
pub(super) fn unknown(name: &str, at: usize) -> Error {
    let hint = did_you_mean(name, FUNCTIONS.iter().map(|function| function.name));
    let all = || format!("functions: {}", FUNCTIONS.iter().map(|f| f.name).collect::<Vec<_>>().join(", "));
    fault(at, &format!("unknown function {name}"), &hint.unwrap_or_else(all))
}

/// Calls `function`, after a look at the number of arguments.
pub(super) fn call(
    function: &'static Function,
    arguments: Vec<Value>,
    at: usize,
    walker: &Walker<'_>,
) -> Result<Value> {
    if !(function.least..=function.most).contains(&arguments.len()) {
        return Err(fault(
            at,
            &format!("{} does not take {} values", function.name, arguments.len()),
            &format!("it is {}", function.signature),
        ));
    }
    (function.make)(Call { arguments, at, names: walker.names, name: function.name })
}

impl Call<'_> {
    /// The next argument. Their number has been checked.
    fn next(&mut self) -> Value {
        if self.arguments.is_empty() { Value::constant(Const::Null, self.at) } else { self.arguments.remove(0) }
    }

    fn next_of(&mut self, kind: Kind) -> Result<Value> {
        let value = self.next();
        expect(value, kind, self.name, self.names)
    }

    fn text(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let text = self.next_of(Kind::Text)?;
        Ok(Value::new(make(text.expr.cast(DataType::String)), DataType::String, self.at))
    }

    fn part(mut self, make: fn(Expr, Expr) -> Expr) -> Result<Value> {
        let (text, part) = (self.next_of(Kind::Text)?, self.next_of(Kind::Text)?);
        Ok(Value::new(make(text.expr, part.expr), DataType::Boolean, self.at))
    }

    fn number(mut self, make: fn(Expr) -> Expr) -> Result<Value> {
        let number = self.next_of(Kind::Number)?;
        Ok(Value::new(make(number.expr), number.dtype, self.at))
    }

    fn float(mut self, make: fn(f64) -> f64) -> Result<Value> {
        let number = self.next_of(Kind::Number)?;
        let apply = move |column: Column| Ok(column.f64()?.apply_values(make).into_column());
        let expr = number.expr.cast(DataType::Float64).map(apply, |_, field| Ok(field.clone()));
        Ok(Value::new(expr, DataType::Float64, self.at))
    }

    /// A part of a time, as clocks in the context's zone show it. Text that is a date is that date in any zone.
    fn time(mut self, make: fn(Expr) -> Expr, dtype: DataType) -> Result<Value> {
        let mut time = self.next();
        if let Some(text) = time.text() {
            let day = parse_date(text, time.at).map(Const::Date);
            let constant = day.or_else(|_| parse_time(text, time.at).map(Const::Time))?;
            time = Value::constant(constant, time.at);
        }
        let clock = match time.kind() {
            Kind::Date => Context::naive(time.expr),
            _ => self.names.context.local(expect(time, Kind::Time, self.name, self.names)?.expr.cast(TIME)),
        };
        Ok(Value::new(make(clock).cast(dtype.clone()), dtype, self.at))
    }

    /// The smallest or largest; nulls are passed over, NaN counts only if there is nothing else.
    fn extreme(self, pick: fn(&[Expr]) -> PolarsResult<Expr>) -> Result<Value> {
        let at = self.at;
        let (values, dtype) = unify(self.arguments, self.names)?;
        let kind = Kind::of(&dtype);
        if !matches!(kind, Kind::Number | Kind::Text | Kind::Time | Kind::Date | Kind::Null) {
            return Err(fault(
                at,
                &format!("{} does not take {}", self.name, kind.words()),
                "it takes numbers, texts or times",
            ));
        }
        let mut exprs: Vec<Expr> = values.into_iter().map(|value| value.expr).collect();
        if !dtype.is_float() {
            return Ok(Value::new(pick(&exprs)?, dtype, at));
        }
        let numbers: Vec<Expr> = exprs.iter().map(|expr| expr.clone().fill_nan(lit(NULL))).collect();
        exprs.insert(0, pick(&numbers)?);
        Ok(Value::new(coalesce(&exprs), dtype, at))
    }
}

fn length(mut c: Call<'_>) -> Result<Value> {
    let value = c.next();
    let (text, list) = text_and_list(&value, c.names)?;
    let lengths = [text.map(|text| text.expr.str().len_chars()), list.map(|list| list.expr.list().len())];
    let mut lengths: Vec<Expr> = lengths.into_iter().flatten().map(|length| length.cast(DataType::Int64)).collect();
    if lengths.is_empty() {
        lengths.push(expect(value, Kind::Text, c.name, c.names)?.expr.str().len_chars().cast(DataType::Int64));
    }
    Ok(Value::new(coalesce(&lengths), DataType::Int64, c.at))
}

/// The value's columns of texts and of lists, as far as its path has them; a run has a value in one of them at most.
fn text_and_list(value: &Value, names: &Names<'_>) -> Result<(Option<Value>, Option<Value>)> {
    let of = |kind: Kind| value.clone().of_kind(kind, names).map(|value| Some(value).filter(|v| v.kind() == kind));
    Ok((of(Kind::Text)?, of(Kind::List)?))
}

/// Without sign; the lowest integer has no opposite, and becomes null.
fn abs(mut c: Call<'_>) -> Result<Value> {
    let number = c.next_of(Kind::Number)?;
    let size = number.expr.clone().abs();
    let expr = match number.is_float() {
        true => size,
        false => when(size.clone().lt(lit(0))).then(lit(NULL)).otherwise(size),
    };
    Ok(Value::new(expr, number.dtype, c.at))
}

fn contains(mut c: Call<'_>) -> Result<Value> {
    let (value, wanted) = (c.next(), c.next());
    let (text, list) = text_and_list(&value, c.names)?;
    // A path with texts and lists: what is looked for tells which of them can hold it.
    let element = |list: &Value| if let DataType::List(inner) = &list.dtype { Kind::of(inner) } else { Kind::Other };
    let found = match (text, list) {
        (Some(text), Some(list)) => match (wanted.kind() == Kind::Text, element(&list) == wanted.kind()) {
            (true, true) => coalesce(&[part_of(text, wanted.clone(), &c)?, element_of(list, wanted, &c)?]),
            (false, true) => element_of(list, wanted, &c)?,
            _ => part_of(text, wanted, &c)?,
        },
        (None, Some(list)) => element_of(list, wanted, &c)?,
        (text, None) => part_of(text.unwrap_or(value), wanted, &c)?,
    };
    Ok(Value::new(found, DataType::Boolean, c.at))
}

fn part_of(text: Value, part: Value, c: &Call<'_>) -> Result<Expr> {
    let (text, part) = (expect(text, Kind::Text, c.name, c.names)?, expect(part, Kind::Text, c.name, c.names)?);
    Ok(text.expr.str().contains_literal(part.expr))
}

fn element_of(value: Value, wanted: Value, c: &Call<'_>) -> Result<Expr> {
    let DataType::List(inner) = &value.dtype else { return Ok(lit(NULL).cast(DataType::Boolean)) };
    let kind = Kind::of(inner);
    if kind == Kind::Struct {
        return Err(value.mismatch(
            &format!("{} is a list of artifact versions", value.called()),
            "ask logged('name:alias') is not null",
        ));
    }
    let wanted = expect(wanted, kind, c.name, c.names)?;
    let inner = if kind == Kind::Number && (wanted.is_float() || inner.is_float()) {
        DataType::Float64
    } else {
        (**inner).clone()
    };
    let list = value.expr.cast(DataType::List(Box::new(inner.clone())));
    Ok(list.list().contains(wanted.expr.cast(inner), false))
}

fn replace(mut c: Call<'_>) -> Result<Value> {
    let (text, part, by) = (c.next_of(Kind::Text)?, c.next_of(Kind::Text)?, c.next_of(Kind::Text)?);
    if part.constant.is_none() || by.constant.is_none() {
        return Err(fault(
            c.at,
            "replace needs its part and its replacement in single quotes",
            "for example replace(display_name, '-', ' ')",
        ));
    }
    Ok(Value::new(text.expr.str().replace_all(part.expr, by.expr, true), DataType::String, c.at))
}

fn round(mut c: Call<'_>) -> Result<Value> {
    let number = c.next_of(Kind::Number)?;
    let digits = if c.arguments.is_empty() { Some(Const::Int(0)) } else { c.next().constant };
    let Some(Const::Int(digits @ 0..=15)) = digits else {
        return Err(fault(c.at, "round needs a number of digits from 0 to 15", "for example round(summary.acc, 3)"));
    };
    let expr =
        if number.is_float() { number.expr.round(digits as u32, RoundMode::HalfAwayFromZero) } else { number.expr };
    Ok(Value::new(expr, number.dtype, c.at))
}

fn is_nan(mut c: Call<'_>) -> Result<Value> {
    let number = c.next_of(Kind::Number)?;
    Ok(Value::new(number.expr.cast(DataType::Float64).is_nan(), DataType::Boolean, c.at))
}

fn first_known(c: Call<'_>) -> Result<Value> {
    let (values, dtype) = unify(c.arguments, c.names)?;
    let exprs: Vec<Expr> = values.into_iter().map(|value| value.expr).collect();
    Ok(Value::new(coalesce(&exprs), dtype, c.at))
}

fn is_active(mut c: Call<'_>) -> Result<Value> {
    let now = c.names.context.now;
    let micros = match c.arguments.is_empty() {
        true => 300_000_000,
        false => {
            let window = c.next();
            let span = match &window.constant {
                Some(Const::Text(text)) => parse_span(text, None, window.at)?,
                Some(Const::Span(span)) => *span,
                _ => return Err(window.mismatch("is_active needs a fixed window", "for example is_active('5m')")),
            };
            if span.months != 0 || span.micros < 0 {
                return Err(window.mismatch(
                    "is_active needs a window of days or less, not below zero",
                    "for example is_active('5m')",
                ));
            }
            span.micros
        }
    };
    Value::column("heartbeat_at", c.names, c.at).map_err(|error| error.offset(c.at as u64))?;
    let window = Duration::from_micros(micros.unsigned_abs());
    Ok(Value::new(run::is_active_at(window, now), DataType::Boolean, c.at))
}

fn artifact(mut c: Call<'_>, column: &str) -> Result<Value> {
    let reference = c.next();
    let Some(text) = reference.text() else {
        return Err(reference.mismatch(
            &format!("{} needs an artifact's name in single quotes", c.name),
            "for example logged('model:latest')",
        ));
    };
    let Some(DataType::List(inner)) = c.names.schema.get(column) else {
        return Err(fault(
            c.at,
            &format!("{} needs the column {column}, which was not loaded", c.name),
            "load the runs with their artifacts",
        ));
    };
    let make = match (column == "logged_artifacts", text.contains(':')) {
        (true, true) => run::logged_artifact_version,
        (true, false) => run::logged_artifact,
        (false, true) => run::used_artifact_version,
        (false, false) => run::used_artifact,
    };
    Ok(Value::new(make(text), (**inner).clone(), c.at))
}
