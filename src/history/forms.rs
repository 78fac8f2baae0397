//! Other forms of a history: one row per value, and one column per run.

use super::HistoryFrame;
use super::query::means;
use super::store::FIXED;
use crate::columns::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::unknown_column;
use crate::sink;
use polars::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// The largest integer up to which a float holds every one.
const EXACT: u64 = 1 << 53;

/// One row for each value of a long history: the row's own columns, `key`, `value` (Float64) and `text` (String), in the order of the
/// rows and then of the metrics.
///
/// `key` is the metric's path, without a kind. A number is in `value`, and NaN is one; anything else is in `text`: strings, JSON, `true`
/// and `false`, lists as JSON, integers that a float cannot hold. The other one is null.
///
/// # Errors
/// If Polars refuses a column.
///
/// ```
/// use polars::prelude::*;
///
/// let long = df!("name" => ["r1", "r1"], "_step" => [0i64, 1], "loss" => [Some(0.5), None], "phase" => ["warm", "main"])?;
/// let tidy = runframe::history::tidy(&long)?;
/// assert_eq!(tidy.get_column_names(), ["name", "_step", "key", "value", "text"]);
/// assert_eq!(tidy.column("key")?.str()?.iter().flatten().collect::<Vec<_>>(), ["loss", "phase", "phase"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tidy(long: &DataFrame) -> Result<DataFrame> {
    let (fixed, metrics): (Vec<&Column>, Vec<&Column>) =
        long.columns().iter().partition(|column| FIXED.contains(&column.name().as_str()));
    let metrics: Vec<Series> = metrics.iter().map(|column| column.as_materialized_series().rechunk()).collect();
    let keys: Vec<&str> = metrics.iter().map(|series| Kind::split(series.name()).0).collect();
    let valid: Vec<BooleanChunked> = metrics.iter().map(|series| series.is_not_null()).collect();
    let count: usize = valid.iter().filter_map(|valid| valid.sum()).map(|sum| sum as usize).sum();
    let mut rows: Vec<IdxSize> = Vec::with_capacity(count);
    let (mut names, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut texts: Vec<Option<String>> = Vec::with_capacity(count);
    for row in 0..long.height() {
        for ((series, key), _) in
            metrics.iter().zip(&keys).zip(&valid).filter(|(_, valid)| valid.get(row) == Some(true))
        {
            let (value, text) = value(series, row);
            rows.push(row as IdxSize);
            names.push(*key);
            values.push(value);
            texts.push(text);
        }
    }
    let rows = IdxCa::from_vec("".into(), rows);
    let mut columns = fixed.into_iter().map(|column| column.take(&rows)).collect::<PolarsResult<Vec<_>>>()?;
    columns.push(Column::new("key".into(), names));
    columns.push(Column::new("value".into(), values));
    columns.push(Column::new("text".into(), texts));
    Ok(DataFrame::new(count, columns)?)
}

/// A value as a number, or else as text.
fn value(series: &Series, row: usize) -> (Option<f64>, Option<String>) {
    match series.get(row) {
        Ok(AnyValue::Float64(value)) => (Some(value), None),
        Ok(AnyValue::Int64(value)) if value.unsigned_abs() <= EXACT => (Some(value as f64), None),
        Ok(AnyValue::String(text)) => (None, Some(text.to_owned())),
        Ok(AnyValue::List(_)) => (None, Some(sink::json(series, row, &sink::Options::default()))),
        _ => (None, sink::text(series, row, &sink::Options::default())),
    }
}

/// See [`HistoryFrame::wide_of`].
pub(super) fn wide(history: &HistoryFrame, metrics: &[&str]) -> Result<DataFrame> {
    if !history.schema().contains("_step") {
        return Err(Error::new(ErrorKind::Usage, "system metrics have no steps to be wide on"));
    }
    let named = metrics.iter().map(|metric| columns_of(history, metric)).collect::<Result<Vec<_>>>()?;
    let mut shown: Vec<&str> = Vec::new();
    for column in named.into_iter().flatten() {
        if !shown.contains(&column) {
            shown.push(column);
        }
    }
    let paths: BTreeSet<&str> = shown.iter().map(|column| Kind::split(column).0).collect();
    let label = |run: &str, column: &str| match (shown.len(), paths.len()) {
        (1, _) => run.to_owned(),
        (_, 1) => format!("{run}{}", column.strip_prefix(Kind::split(column).0).unwrap_or_default()),
        _ => format!("{run}/{column}"),
    };
    let read: Vec<&str> = ["entity", "project", "name", "_step"].into_iter().chain(shown.iter().copied()).collect();
    let any = shown.iter().map(|column| Expr::Column((*column).into()).is_not_null()).reduce(Expr::or);
    let has = any.unwrap_or_else(|| lit(false)).and(col("_step").is_not_null());
    let long = history.select(&read)?.lazy().filter(has).collect()?;
    let runs = runs(&long)?;
    let all = long.column("_step")?.i64()?.rechunk().into_owned();
    let steps: Vec<i64> = all.iter().flatten().collect::<BTreeSet<i64>>().into_iter().collect();
    let mut shared: HashMap<&str, usize> = HashMap::from([("_step", 1)]);
    runs.iter().for_each(|run| *shared.entry(&run.name).or_default() += 1);
    let mut columns = vec![Column::new("_step".into(), &steps)];
    for run in &runs {
        let mut rows: Vec<Option<IdxSize>> = vec![None; steps.len()];
        for row in run.first..run.last {
            if let Some(step) = all.get(row)
                && let Ok(at) = steps.binary_search(&step)
                && let Some(slot) = rows.get_mut(at)
            {
                *slot = Some(row as IdxSize);
            }
        }
        let rows = IdxCa::from_iter_options("".into(), rows.into_iter());
        let name = if shared.get(run.name.as_str()) == Some(&1) { &run.name } else { &run.path };
        for column in &shown {
            let values = long.column(column)?.take(&rows)?;
            if values.null_count() < values.len() {
                columns.push(values.with_name(label(name, column).into()));
            }
        }
    }
    Ok(DataFrame::new(steps.len(), columns)?)
}

/// The columns that a metric means: the one of that name with a kind, or those of all kinds; or of all that a glob matches.
fn columns_of<'h>(history: &'h HistoryFrame, metric: &str) -> Result<Vec<&'h str>> {
    let exact = |name: &&str| *name == metric && Kind::split(name).1.is_some();
    let found: Vec<&str> = match history.metrics().find(exact) {
        Some(name) => vec![name],
        None => history.metrics().filter(|name| means(metric, Kind::split(name).0)).collect(),
    };
    if found.is_empty() { Err(unknown_column(metric, history.metrics())) } else { Ok(found) }
}

/// A run and its rows.
struct Run {
    name: String,
    path: String,
    first: usize,
    last: usize,
}

/// The runs in the order of their rows, which lie together.
fn runs(long: &DataFrame) -> Result<Vec<Run>> {
    let texts = |name: &str| -> Result<StringChunked> { Ok(long.column(name)?.str()?.rechunk().into_owned()) };
    let (entities, projects, names) = (texts("entity")?, texts("project")?, texts("name")?);
    let mut runs: Vec<Run> = Vec::new();
    let mut before = None;
    for row in 0..long.height() {
        let key = (entities.get(row), projects.get(row), names.get(row));
        if before.replace(key) != Some(key) {
            let path = [key.0, key.1, key.2].map(|part| part.unwrap_or("-")).join("/");
            runs.push(Run { name: key.2.unwrap_or("-").to_owned(), path, first: row, last: row });
        }
        if let Some(run) = runs.last_mut() {
            run.last = row + 1;
        }
    }
    Ok(runs)
}
