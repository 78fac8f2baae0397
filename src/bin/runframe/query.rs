//! `query`: the run table, filtered, sorted, cut, with the columns that were asked for.

use crate::load::Loaded;
use crate::plan::{Output, Query};
use polars::prelude::*;
use runframe::expr::{self, Context, SortKey};
use runframe::sorted;
use runframe::{Error, ErrorKind, Result, Timestamp, sink};

/// Writes what the query finds.
pub(crate) fn run(query: &Query, loaded: &Loaded, output: &Output) -> Result<()> {
    let frame = &loaded.frame;
    if output.format == sink::Format::Parquet && !sink::is_stdout(&output.path) && is_whole(query) {
        return sink::write_runs(frame, &[], &output.path);
    }
    let mut table = table(query, loaded, context(output)?)?;
    if output.format == sink::Format::Table && query.select.is_empty() {
        table = table.select(sink::telling_first(&table))?;
    }
    let mut options = output.options.clone();
    options.metadata = frame.metadata();
    options.json_columns = frame.json_columns().to_vec();
    sink::write_file(&table, &output.path, output.format, &options)
}

/// True if every row and every column is asked for, as they stand.
fn is_whole(query: &Query) -> bool {
    let Query { select, drop, filters, filter, sort, limit, .. } = query;
    [select, drop, filters, sort].iter().all(|texts| texts.is_empty()) && filter.is_none() && limit.is_none()
}

/// The present, and the zone that times are shown in, for days and hours.
pub(crate) fn context(output: &Output) -> Result<Context> {
    let context = Context::new(Timestamp::now());
    output.options.zone.map_or(Ok(context.clone()), |zone| context.in_zone(zone.name()))
}

fn table(query: &Query, loaded: &Loaded, context: impl Into<Context>) -> Result<DataFrame> {
    let (context, frame) = (&context.into(), &loaded.frame);
    // Everything is parsed before anything is computed, so that a typo costs no wait.
    let schema = frame.schema();
    let conditions = conditions(loaded, &query.filters, query.filter.as_deref(), context)?;
    let keys = match query.sort.is_empty() {
        true => Vec::new(),
        false => pointed("--sort", &query.sort.join(","), |text| expr::parse_sort(text, schema, context))?,
    };
    let selected = match query.select.is_empty() {
        true => None,
        false => Some(pointed("--select", &query.select.join(","), |text| expr::parse_select(text, schema, context))?),
    };
    let keys = pairs(keys);
    let mut lazy = match query.limit {
        Some(limit) if !conditions.is_empty() || !keys.is_empty() => {
            frame.top(limit as usize, &conditions, &keys)?.lazy()
        }
        limit => {
            let lazy = conditions.into_iter().fold(frame.lazy(), LazyFrame::filter);
            let lazy = if keys.is_empty() { lazy } else { sorted(lazy, &keys)? };
            limit.map_or(lazy.clone(), |limit| lazy.limit(limit))
        }
    };
    if let Some(selected) = selected {
        lazy = lazy.select(selected);
    }
    if !query.drop.is_empty() {
        let schema = lazy.collect_schema()?;
        let dropped = columns("--drop", &query.drop, &schema)?;
        let kept = schema.iter_names().filter(|name| !dropped.iter().any(|dropped| *dropped == name.as_str()));
        let kept: Vec<Expr> = kept.map(|name| col(name.clone())).collect();
        if kept.is_empty() {
            // A table without columns has no rows either.
            return Err(Error::new(ErrorKind::Usage, "no column is left").hint("--drop leaves out all of them"));
        }
        lazy = lazy.select(kept);
    }
    Ok(lazy.collect()?)
}

/// The runs for which every filter is true. What a server evaluated is evaluated again, all but --filter.
pub(crate) fn filtered(
    loaded: &Loaded,
    filters: &[String],
    mongo: Option<&str>,
    context: &Context,
) -> Result<LazyFrame> {
    let conditions = conditions(loaded, filters, mongo, context)?;
    Ok(conditions.into_iter().fold(loaded.frame.lazy(), LazyFrame::filter))
}

/// What must be true of a run, each as an expression.
fn conditions(loaded: &Loaded, filters: &[String], mongo: Option<&str>, context: &Context) -> Result<Vec<Expr>> {
    let schema = loaded.frame.schema();
    let mut conditions = Vec::new();
    for filter in filters {
        let parse = |text: &str| match loaded.partial {
            true => expr::parse_partial_filter(text, schema, context),
            false => expr::parse_filter(text, schema, context),
        };
        conditions.push(pointed("--where", filter, parse)?);
    }
    if let (Some(json), false) = (mongo, loaded.narrowed) {
        conditions.push(pointed("--filter", json, |text| expr::mongo::parse(text)?.to_expr(schema))?);
    }
    Ok(conditions)
}

/// Each key with whether it is descending.
pub(crate) fn pairs(keys: Vec<SortKey>) -> Vec<(Expr, bool)> {
    keys.into_iter().map(|key| (key.expr, key.descending)).collect()
}

/// The columns that lists of names and globs mean.
pub(crate) fn columns(flag: &str, lists: &[String], schema: &Schema) -> Result<Vec<String>> {
    let found = pointed(flag, &lists.join(","), |text| expr::parse_select(text, schema, Timestamp::now()))?;
    let name = |expr: Expr| match expr {
        Expr::Column(name) => Ok(name.into_string()),
        _ => Err(Error::new(ErrorKind::Usage, format!("{flag} takes names of columns, not expressions"))),
    };
    found.into_iter().map(name).collect()
}

/// What `parse` makes of the text; an error shows the text and where in it the fault lies.
pub(crate) fn pointed<T>(flag: &str, text: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    parse(text).map_err(|error| point(flag, text, error))
}

/// The error with the text, and where in it the fault lies.
pub(crate) fn point(flag: &str, text: &str, error: Error) -> Error {
    let Some(pointer) = expr::point_at(text, &error) else { return error };
    let (line, caret) = pointer.split_once('\n').unwrap_or((&pointer, ""));
    let cure = error.cure().map_or_else(String::new, |cure| format!(" ({cure})"));
    let indent = " ".repeat(flag.len());
    let message = format!("{}{cure}\n  {flag} {line}\n  {indent} {caret}", error.message());
    Error::new(error.kind(), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runframe::{Document, Run, RunFrame};

    fn frame() -> Loaded {
        let run = |name: &str, acc: &str| Run {
            name: name.into(),
            summary: Some(Document::plain(format!("{{\"acc\": {acc}}}"))),
            ..Run::default()
        };
        let frame =
            RunFrame::from_runs([run("a", "0.5"), run("b", "\"NaN\""), run("c", "null"), run("d", "0.9")]).unwrap();
        Loaded { frame, narrowed: false, partial: false }
    }

    fn names(query: &Query) -> Vec<String> {
        let table = table(query, &frame(), Timestamp::now()).unwrap();
        table.column("name").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn nan_and_null_sort_last_both_ways() {
        let query = |sort: &str| Query { sort: vec![sort.into()], ..Query::default() };
        assert_eq!(names(&query("summary.acc")), ["a", "d", "b", "c"]);
        assert_eq!(names(&query("-summary.acc")), ["d", "a", "b", "c"]);
        assert_eq!(names(&query("-name")), ["d", "c", "b", "a"]);
    }

    #[test]
    fn sort_comes_before_limit_and_select() {
        let query = Query {
            sort: vec!["-summary.acc".into()],
            select: vec!["name".into()],
            limit: Some(1),
            ..Query::default()
        };
        assert_eq!(names(&query), ["d"]);
        assert_eq!(table(&query, &frame(), Timestamp::now()).unwrap().width(), 1);
    }

    #[test]
    fn dropped_columns_are_gone() {
        let query = Query { drop: vec!["summary.*,entity".into()], ..Query::default() };
        let table = table(&query, &frame(), Timestamp::now()).unwrap();
        assert!(
            table.column("summary.acc").is_err() && table.column("entity").is_err() && table.column("name").is_ok()
        );
        for select in [vec![], vec!["name,entity".to_owned()]] {
            let query = Query { select, drop: vec!["name,entity".into(), "*".into()], ..Query::default() };
            let error = super::table(&query, &frame(), Timestamp::now()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains("no column is left"), "{error}");
        }
    }

    #[test]
    fn faults_are_pointed_at() {
        let fault = |query: Query| table(&query, &frame(), Timestamp::now()).unwrap_err();
        let error = fault(Query { filters: vec!["name = 'a' and summary.ac > 1".into()], ..Query::default() });
        let expected = "unknown column summary.ac (did you mean summary.acc?)\n  \
            --where name = 'a' and summary.ac > 1\n                         ^";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Column, expected));
        assert_eq!(fault(Query { sort: vec!["nam".into()], ..Query::default() }).kind(), ErrorKind::Column);
        assert_eq!(fault(Query { drop: vec!["1 + 1".into()], ..Query::default() }).kind(), ErrorKind::Usage);
    }

    #[test]
    fn filters_are_all_met() {
        let filters = vec!["summary.acc > 0.1".into(), "name != 'a'".into()];
        assert_eq!(names(&Query { filters, ..Query::default() }), ["d"]);
        let select = vec!["name".into(), "summary.acc * 100 as percent".into()];
        let table = table(&Query { select, ..Query::default() }, &frame(), Timestamp::now()).unwrap();
        assert_eq!(table.get_column_names(), ["name", "percent"]);
    }
}
