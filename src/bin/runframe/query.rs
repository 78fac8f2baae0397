//! `query`: the run table, filtered, sorted, cut, with the columns that were asked for.

use crate::plan::{Output, Query};
use crate::stub as expr;
use polars::prelude::*;
use runframe::{Result, RunFrame, Timestamp, sink};

/// Writes what the query finds.
pub(crate) fn run(query: &Query, frame: &RunFrame, mut output: Output) -> Result<()> {
    let table = table(query, frame, Timestamp::now())?;
    output.options.metadata = frame.metadata();
    output.options.json_columns = frame.json_columns().to_vec();
    sink::write_file(&table, &output.path, output.format, &output.options)
}

fn table(query: &Query, frame: &RunFrame, now: Timestamp) -> Result<DataFrame> {
    let mut lazy = filtered(frame, &query.filters, now)?;
    let schema = frame.schema();
    // Everything is parsed before anything is computed, so that a typo costs no wait.
    let selected = match query.select.is_empty() {
        true => None,
        false => Some(expr::parse_select(&query.select.join(","), schema, now)?),
    };
    let mut keys = Vec::new();
    for text in &query.sort {
        keys.extend(expr::parse_sort(text, schema)?);
    }
    if !keys.is_empty() {
        lazy = sorted(lazy, keys)?;
    }
    if let Some(limit) = query.limit {
        lazy = lazy.limit(limit);
    }
    if let Some(selected) = selected {
        lazy = lazy.select(selected);
    }
    if !query.drop.is_empty() {
        lazy = without(lazy, &query.drop)?;
    }
    Ok(lazy.collect()?)
}

/// The runs for which every filter is true.
pub(crate) fn filtered(frame: &RunFrame, filters: &[String], now: Timestamp) -> Result<LazyFrame> {
    let mut lazy = frame.lazy();
    for filter in filters {
        lazy = lazy.filter(expr::parse_filter(filter, frame.schema(), now)?);
    }
    Ok(lazy)
}

/// Sorted with NaN after all numbers and nulls after all values, whatever the direction.
fn sorted(lazy: LazyFrame, keys: Vec<(Expr, bool)>) -> Result<LazyFrame> {
    let (mut by, mut descending) = (Vec::new(), Vec::new());
    for (key, down) in keys {
        let types = lazy.clone().select([key.clone().alias("key")]).collect_schema()?;
        if types.get("key").is_some_and(DataType::is_float) {
            by.push(key.clone().is_nan());
            descending.push(false);
        }
        by.push(key);
        descending.push(down);
    }
    let options = SortMultipleOptions::new()
        .with_order_descending_multi(descending.clone())
        .with_nulls_last_multi(vec![true; descending.len()])
        .with_maintain_order(true);
    Ok(lazy.sort_by_exprs(by, options))
}

/// The table without the columns that the patterns name.
fn without(mut lazy: LazyFrame, patterns: &[String]) -> Result<LazyFrame> {
    let schema = lazy.collect_schema()?;
    let patterns: Vec<&str> = patterns.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    let dropped = expr::expand_columns(&patterns, &schema)?;
    let kept = schema.iter_names().filter(|name| !dropped.iter().any(|dropped| *dropped == name.as_str()));
    let kept: Vec<Expr> = kept.map(|name| col(name.clone())).collect();
    Ok(lazy.select(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runframe::{Document, Run};

    fn frame() -> RunFrame {
        let run = |name: &str, acc: &str| Run {
            name: name.into(),
            summary: Some(Document::plain(format!("{{\"acc\": {acc}}}"))),
            ..Run::default()
        };
        RunFrame::from_runs([run("a", "0.5"), run("b", "\"NaN\""), run("c", "null"), run("d", "0.9")]).unwrap()
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
    }
}
