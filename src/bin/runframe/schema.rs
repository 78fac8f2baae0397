//! `schema`: what every column holds.

use crate::load::Loaded;
use crate::plan::{Output, Schema};
use crate::query::{columns, context, filtered};
use polars::prelude::*;
use runframe::sink::{self, Format};
use runframe::{Conflict, FIELDS, Kind, Result};
use std::collections::HashMap;

/// Columns that are dense at the same time.
const BATCH: usize = 128;

/// Characters of a lowest or highest text that are shown.
const LONGEST: usize = 40;

/// Significant digits of a float in a terminal table.
const DIGITS: usize = 6;

/// Writes one row per column.
pub(crate) fn run(plan: &Schema, loaded: &Loaded, output: &Output) -> Result<()> {
    let facts = facts(plan, loaded, output)?;
    sink::write_file(&table(&facts)?, &output.path, output.format, &output.options)
}

/// What is told of one column.
struct Facts {
    column: String,
    dtype: String,
    kind: &'static str,
    values: u64,
    fill: Option<f64>,
    distinct: Option<u64>,
    min: Option<String>,
    max: Option<String>,
    nan: Option<u64>,
    note: Option<String>,
}

fn facts(plan: &Schema, loaded: &Loaded, output: &Output) -> Result<Vec<Facts>> {
    let frame = &loaded.frame;
    let names = match plan.select.is_empty() {
        true => frame.schema().iter_names().map(|name| name.to_string()).collect(),
        false => columns("--select", &plan.select, frame.schema())?,
    };
    let lazy = filtered(loaded, &plan.filters, plan.filter.as_deref(), &context(output)?)?;
    let notes = notes(&frame.conflicts()?);
    let mut options = output.options.clone();
    options.precision = options.precision.or((output.format == Format::Table).then_some(DIGITS));
    let mut facts = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        let values = match plan.filters.is_empty() && plan.filter.is_none() {
            true => frame.select(batch)?,
            false => lazy.clone().select(batch.iter().map(|name| col(name.as_str())).collect::<Vec<_>>()).collect()?,
        };
        for column in values.columns() {
            let is_json = Kind::split(column.name()).1 == Some(Kind::Json)
                || frame.json_columns().iter().any(|name| name == column.name().as_str());
            facts.push(of(column, is_json, &notes, &options));
        }
    }
    Ok(facts)
}

fn of(column: &Column, is_json: bool, notes: &HashMap<String, String>, options: &sink::Options) -> Facts {
    let series = column.as_materialized_series();
    let (name, rows) = (column.name().as_str(), column.len());
    let values = rows - column.null_count();
    // What cannot be compared has no range; text that is JSON has no useful one.
    let has_range = values > 0 && !is_json && !series.dtype().is_nested();
    let edge = |edge: PolarsResult<Scalar>| {
        let edge = edge.ok().filter(|_| has_range)?.into_series("edge".into());
        sink::text(&edge, 0, options).map(shortened)
    };
    let nan = series.f64().ok().map(|floats| floats.iter().flatten().filter(|value| value.is_nan()).count() as u64);
    let meaning = FIELDS.iter().find(|field| field.name == name).map(|field| match field.unit {
        Some(unit) => format!("{} [{unit}]", field.meaning),
        None => field.meaning.to_owned(),
    });
    Facts {
        column: name.to_owned(),
        dtype: if is_json { "String (JSON)".to_owned() } else { type_name(series.dtype()) },
        kind: kind(name),
        values: values as u64,
        // Four digits: the exact share follows from non_null.
        fill: (rows > 0).then(|| (values as f64 / rows as f64 * 1e4).round() / 1e4),
        distinct: series.drop_nulls().n_unique().ok().map(|count| count as u64),
        min: edge(series.min_reduce()),
        max: edge(series.max_reduce()),
        nan,
        note: meaning.or_else(|| notes.get(name).cloned()),
    }
}

/// Where a column comes from.
fn kind(name: &str) -> &'static str {
    match name {
        "logged_artifacts" | "used_artifacts" => "artifacts",
        _ if name.starts_with("config.") || name == "config_json" => "config",
        _ if name.starts_with("summary.") || name == "summary_json" => "summary",
        _ => "field",
    }
}

/// The types' names as in the documentation.
fn type_name(dtype: &DataType) -> String {
    match dtype {
        DataType::String => "String".to_owned(),
        DataType::Int64 => "Int64".to_owned(),
        DataType::Float64 => "Float64".to_owned(),
        DataType::Boolean => "Boolean".to_owned(),
        DataType::Datetime(TimeUnit::Microseconds, Some(_)) => "Datetime[μs, UTC]".to_owned(),
        DataType::List(inner) => format!("List({})", type_name(inner)),
        DataType::Struct(_) => "Struct".to_owned(),
        other => other.to_string(),
    }
}

/// For every column of a path with several kinds: which the others are, and how often.
fn notes(conflicts: &[Conflict]) -> HashMap<String, String> {
    let mut notes = HashMap::new();
    for conflict in conflicts {
        for (column, ..) in &conflict.columns {
            let others = conflict.columns.iter().filter(|(other, ..)| other != column);
            let others: Vec<String> = others
                .map(|(other, kind, runs)| {
                    format!("{kind} in {runs} run{} as {other}", if *runs == 1 { "" } else { "s" })
                })
                .collect();
            notes.insert(column.clone(), format!("also {}", others.join(", ")));
        }
    }
    notes
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn table(facts: &[Facts]) -> Result<DataFrame> {
    fn column<'a, T>(facts: &'a [Facts], name: &str, get: impl Fn(&'a Facts) -> T) -> Column
    where
        Series: NamedFrom<Vec<T>, [T]>,
        Vec<T>: AsRef<[T]>,
    {
        Series::new(name.into(), facts.iter().map(get).collect::<Vec<T>>()).into()
    }
    let count = |name: &str, get: fn(&Facts) -> Option<u64>| -> Column {
        let counts: Vec<Option<i64>> =
            facts.iter().map(|facts| get(facts).and_then(|n| i64::try_from(n).ok())).collect();
        Series::new(name.into(), counts).into()
    };
    Ok(DataFrame::new(
        facts.len(),
        vec![
            column(facts, "column", |f| f.column.as_str()),
            column(facts, "type", |f| f.dtype.as_str()),
            column(facts, "kind", |f| f.kind),
            count("non_null", |f| Some(f.values)),
            column(facts, "fill", |f| f.fill),
            count("distinct", |f| f.distinct),
            column(facts, "min", |f| f.min.as_deref()),
            column(facts, "max", |f| f.max.as_deref()),
            count("nan", |f| f.nan),
            column(facts, "note", |f| f.note.as_deref()),
        ],
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runframe::{Document, Run};
    use std::path::PathBuf;

    fn described(select: &[&str]) -> DataFrame {
        let run = |name: &str, opt: &str, acc: &str| Run {
            name: name.into(),
            config: Some(Document::plain(format!("{{\"opt\": {opt}}}"))),
            summary: Some(Document::plain(format!("{{\"acc\": {acc}}}"))),
            ..Run::default()
        };
        let runs = [run("a", "1", "0.5"), run("b", "\"adam\"", "\"NaN\""), run("c", "2", "null")];
        let frame = Loaded { frame: runframe::RunFrame::from_runs(runs).unwrap(), narrowed: false, partial: false };
        let plan = Schema { filters: vec![], filter: None, select: select.iter().map(|s| (*s).to_owned()).collect() };
        let output = Output { path: PathBuf::from("-"), format: Format::Csv, options: sink::Options::default() };
        table(&facts(&plan, &frame, &output).unwrap()).unwrap()
    }

    fn cell(df: &DataFrame, column: &str, row: usize) -> String {
        sink::text(df.column(column).unwrap().as_materialized_series(), row, &sink::Options::default())
            .unwrap_or_default()
    }

    #[test]
    fn conflicts_are_told_on_every_column_of_the_path() {
        let df = described(&["config.opt*"]);
        assert_eq!(df.height(), 2);
        assert_eq!(cell(&df, "note", 0), "also string in 1 run as config.opt:string");
        assert_eq!(cell(&df, "note", 1), "also number in 2 runs as config.opt");
        assert_eq!((cell(&df, "min", 0), cell(&df, "max", 0)), ("1".into(), "2".into()));
        assert_eq!((cell(&df, "min", 1), cell(&df, "type", 1)), ("adam".into(), "String".into()));
    }

    #[test]
    fn nan_is_counted_and_is_not_null() {
        let df = described(&["summary.acc"]);
        let cells = ["kind", "non_null", "fill", "distinct", "min", "max", "nan"].map(|column| cell(&df, column, 0));
        assert_eq!(cells, ["summary", "2", "0.6667", "2", "0.5", "0.5", "1"]);
    }

    #[test]
    fn fields_say_what_they_mean() {
        let df = described(&["runtime", "name"]);
        assert_eq!(cell(&df, "note", 0), "how long the run took [s]");
        assert_eq!(cell(&df, "distinct", 1), "3");
        assert_eq!(described(&[]).height(), described(&["*"]).height());
    }
}
