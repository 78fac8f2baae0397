//! Groups over small tables: expectations computed by hand.

use super::super::{Context, Grouping};
use super::{now, runs};
use polars::prelude::*;

/// What grouping gives: the names of the columns, then a line for each row.
fn grouped(frame: &DataFrame, by: &str, aggregates: &str, context: &Context) -> Result<String, String> {
    let grouping = match by {
        "" => Ok(Grouping::all(frame.schema(), context)),
        by => Grouping::by(by, frame.schema(), context),
    };
    let grouping = match aggregates {
        "" => grouping,
        aggregates => grouping.and_then(|grouping| grouping.aggregates(aggregates)),
    };
    let table = grouping.and_then(|grouping| Ok(grouping.apply(frame.clone().lazy())?.collect()?));
    let table = table.map_err(|error| error.to_string())?;
    let cell = |column: &Column, row: usize| match column.get(row).unwrap() {
        AnyValue::String(text) => text.to_owned(),
        AnyValue::List(list) => format!("{:?}", list.iter().map(|value| value.to_string()).collect::<Vec<_>>()).replace('"', ""),
        value => value.to_string(),
    };
    let line = |row: usize| table.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(" ");
    let names = table.get_column_names().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    Ok(std::iter::once(names).chain((0..table.height()).map(line)).collect::<Vec<_>>().join("\n"))
}

#[test]
fn explore() {
    let frame = runs();
    let context = Context::new(now());
    for (by, aggs) in [
        ("", "n()"), ("", "n(runtime), sum(runtime), mean(runtime), median(runtime), min(runtime), max(runtime), std(runtime), sem(runtime), q(runtime, 0.9)"),
        ("", "n(config.lr), sum(config.lr), mean(config.lr), median(config.lr), min(config.lr), max(config.lr), std(config.lr), q(config.lr, 0.5), nunique(config.lr), list(config.lr)"),
        ("state", "n() as runs, sum(config.lr), median(config.lr), min(config.lr), max(config.lr), std(config.lr), q(config.lr, 0.9), nunique(config.lr), list(config.lr), first(config.lr), last(config.lr)"),
        ("tags", "n(), list(name), any(config.flag), all(config.flag), max(summary.val/loss) - min(summary.val/loss) as spread"),
        ("state", ""), ("", ""), ("user", ""),
        ("created_at:1d", "n()"), ("created_at:1mo as month, state", "n()"), ("date", "n()"), ("config.opt", "n(config.opt), nunique(config.opt)"),
        ("state", "best(summary.val/loss)"),
        ("state", "best(config.lr), n() as m"),
        ("", "sum(name)"), ("", "state"), ("state", "state"), ("", "max(min(runtime))"), ("", "logged('model').version"), ("", "first(logged('model').version)"),("", "first(logged('model')).version"),
        ("created_at:1x", ""), ("name:1d", ""), ("nam", ""), ("created_at:day", ""), ("", "maen(runtime)"), ("", "count(*)"), ("", "n(*)"),
        ("state", "1 as one"), ("", "now() - max(created_at) as age, mean(heartbeat_at - created_at)"), ("", "first(tags), last(config.layers)"),
        ("", "list(logged_artifacts)"), ("", "first(logged_artifacts)"), ("logged_artifacts", ""), ("", "sum(1), any(true), n(1)"),
    ] {
        println!("== {by} | {aggs}");
        match grouped(&frame, by, aggs, &context) { Ok(t) => println!("{t}"), Err(e) => println!("ERR {e}") }
        let empty = frame.head(Some(0));
        match grouped(&empty, by, aggs, &context) { Ok(t) => println!("empty: {t}"), Err(e) => println!("ERR {e}") }
    }
}
