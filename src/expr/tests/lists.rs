//! Selections, sort keys, patterns of names, and what a text may need.

use super::super::{expand_columns, mentions, parse_filter, parse_select, parse_sort, point_at};
use super::{now, runs};
use polars::prelude::*;

fn select(text: &str) -> Result<Vec<String>, String> {
    let frame = runs();
    let columns = parse_select(text, frame.schema(), now()).map_err(|error| error.to_string())?;
    let out = frame.lazy().select(columns).collect().map_err(|error| error.to_string())?;
    Ok(out.get_column_names().into_iter().map(ToString::to_string).collect())
}

fn sort(text: &str) -> Result<String, String> {
    let frame = runs();
    let keys = parse_sort(text, frame.schema(), now()).map_err(|error| error.to_string())?;
    let (exprs, descending): (Vec<Expr>, Vec<bool>) = keys.into_iter().map(|key| (key.expr, key.descending)).unzip();
    let options = SortMultipleOptions::default().with_order_descending_multi(descending).with_nulls_last(true);
    let out = frame.lazy().sort_by_exprs(exprs, options).collect().map_err(|error| error.to_string())?;
    Ok(out.column("name").unwrap().str().unwrap().iter().flatten().collect::<String>().replace('r', ""))
}

#[test]
fn selections() {
    assert_eq!(select("name, config.lr").unwrap(), ["name", "config.lr"]);
    assert_eq!(select("config.opt*").unwrap(), ["config.opt", "config.opt:string", "config.opt:bool"]);
    assert_eq!(select("config.opt:*").unwrap(), ["config.opt:string", "config.opt:bool"]);
    assert_eq!(select("name,user.*,name").unwrap(), ["name", "user.username", "user.name"]);
    assert_eq!(select("runName, summary_metrics.val/*").unwrap(), ["name", "summary.val/loss"]);
    assert_eq!(select("\"summary.val loss\", `group`").unwrap(), ["summary.val loss", "group"]);
    assert_eq!(select("runtime / 3600 as hours, upper(state) AS \"S t\"").unwrap(), ["hours", "S t"]);
    assert_eq!(select("config.a * 2").unwrap(), ["config.a * 2"]);
    assert_eq!(select("config.a*config.b").unwrap(), ["config.a*config.b"]);
    assert_eq!(select("config.lr as lr, cast(config.a as double) as a, 'as, x' as t").unwrap(), ["lr", "a", "t"]);
    assert_eq!(select("*").unwrap().len(), runs().width());
    assert_eq!(select("logged('model:latest').version as v").unwrap(), ["v"]);
    assert_eq!(
        select("config.epoch?x").unwrap_err(),
        "byte 0: no column matches config.epoch?x (did you mean config.epochs?)"
    );
}

#[test]
fn selections_that_are_wrong() {
    let fault = |text: &str| select(text).unwrap_err();
    assert_eq!(fault("name, config.lrr"), "byte 6: unknown column config.lrr (did you mean config.lr?)");
    assert_eq!(fault("name, confg.lr*"), "byte 6: no column matches confg.lr* (did you mean config.lr?)");
    assert_eq!(fault("name,,state"), "byte 5: an empty column name (leave out the extra comma)");
    assert_eq!(fault(""), "byte 0: no column is given (for example name, summary.*)");
    assert_eq!(fault("name as x, state as x"), "byte 11: two columns are called x (give one another name: … as name)");
    assert_eq!(fault("name, 1 + as x"), "byte 9: expected an expression at the end (see docs/expressions.md)");
}

#[test]
fn sort_keys() {
    assert_eq!(sort("-config.epochs").unwrap(), "53124");
    assert_eq!(sort("config.epochs").unwrap(), "21354");
    assert_eq!(sort("config.epochs desc").unwrap(), "53124");
    assert_eq!(sort("-group,-name").unwrap(), "24153");
    assert_eq!(sort("group ASC, created_at").unwrap(), "54123");
    assert_eq!(sort("-abs(config.epochs)").unwrap(), "53214");
    assert_eq!(sort("-\"summary.val loss\"").unwrap(), "54321");
    assert_eq!(sort("-summary.val/loss, name").unwrap(), "31524");
    assert_eq!(sort("summary.val/loss, name").unwrap(), "51324");
    assert_eq!(sort("-config.lr * 2, name").unwrap(), "12345");
    assert_eq!(sort("-created_att").unwrap_err(), "byte 1: unknown column created_att (did you mean created_at?)");
    assert_eq!(sort("name,").unwrap_err(), "byte 5: an empty column name (leave out the extra comma)");
}

#[test]
fn patterns() {
    let frame = runs();
    let expand = |patterns: &[&str]| expand_columns(patterns, frame.schema()).map_err(|error| error.to_string());
    assert_eq!(expand(&["config.a*", "config.a"]).unwrap(), ["config.a", "config.a-b"]);
    assert_eq!(expand(&["summary.val loss", "\"group\""]).unwrap(), ["summary.val loss", "group"]);
    assert_eq!(expand(&["config.a", "nam"]).unwrap_err(), "unknown column nam (did you mean name?)");
    assert!(expand(&["x*y*z"]).unwrap_err().starts_with("no column matches x*y*z"));
    assert_eq!(expand(&[""]).unwrap_err(), "an empty column name (leave out the extra comma)");
}

#[test]
fn mentions_are_never_too_few() {
    let needs = |text: &str| {
        let wanted = mentions(text);
        let flags = [(wanted.config, 'c'), (wanted.summary, 's'), (wanted.artifacts, 'a'), (wanted.heartbeat, 'h')];
        flags.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect::<String>()
    };
    assert_eq!(needs("name, created_at, user.username"), "");
    assert_eq!(needs("config.lr > 0.1"), "c");
    assert_eq!(needs("runConfig.lr > 0.1 and runSummary.x < 1"), "cs");
    assert_eq!(needs("summary_metrics.x"), "s");
    assert_eq!(needs("is_active('5m')"), "h");
    assert_eq!(needs("STATUS = 'finished' or runRuntime > 1 or duration > 2"), "h");
    assert_eq!(needs("logged('x').version > 1"), "a");
    assert_eq!(needs("len(inputArtifacts)"), "a");
    assert_eq!(needs("*"), "csah");
    assert_eq!(needs("*.lr"), "csah");
    assert_eq!(needs("c*"), "c");
    assert_eq!(needs("s?mmary.x"), "sh");
    assert_eq!(needs("su*"), "s");
    assert_eq!(needs("-run*"), "h");
}

#[test]
fn the_caret_stands_below_the_place() {
    let frame = runs();
    let text = "state = 'é' and\n  config.lrr > 1";
    let error = parse_filter(text, frame.schema(), now()).unwrap_err();
    assert_eq!(point_at(text, &error).unwrap(), "  config.lrr > 1\n  ^");
}
