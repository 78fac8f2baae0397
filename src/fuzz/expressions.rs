//! The expression language: what is parsed and printed is parsed the same again, and every condition keeps the rows that a plain
//! evaluator, row by row, keeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::names::Names;
use super::{parse_filter, tree_of, value_of};
use crate::fuzz::conditions::{Node, Source, generate};
use crate::fuzz::rows::{table, truth};
use crate::record::Timestamp;
use polars::prelude::*;

/// The first byte chooses: text, or choices of a generator of conditions.
pub(crate) fn target(data: &[u8]) {
    let Some((rules, rest)) = data.split_first() else { return };
    match rules & 1 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            printed_and_parsed(text);
        }
        _ => {
            let condition = generate(&mut Source::new(rest));
            evaluated(&condition);
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000, 0).unwrap()
}

/// Parsing, printing and parsing again gives the same tree and the same expression.
fn printed_and_parsed(text: &str) {
    let frame = table();
    let names = Names::new(frame.schema()).within(now().into());
    let Ok(tree) = tree_of(text, 0, &names) else {
        let error = parse_filter(text, frame.schema(), now()).unwrap_err();
        assert!(error.place().offset.is_none_or(|at| at as usize <= text.len()), "{text:?}: {error}");
        return;
    };
    // sqlparser takes two quotes in a row, and one behind a backslash, for one that is escaped already.
    if text.contains("''''") || text.contains("\\'") || text.contains("\"\"\"") {
        return;
    }
    // What is refused has no print that means the same: a field of a number looks like another number.
    let first = match value_of(text, 0, &names) {
        Ok(first) => first,
        Err(error) => {
            return assert!(error.place().offset.is_none_or(|at| at as usize <= text.len()), "{text:?}: {error}");
        }
    };
    let printed = tree.to_string();
    let again = tree_of(&printed, 0, &names);
    assert!(again.as_ref().is_ok_and(|again| *again == tree), "{text:?} is printed as {printed:?}: {again:?}");
    let second = value_of(&printed, 0, &names);
    assert!(second.is_ok_and(|second| second.dtype == first.dtype), "{text:?} is printed as {printed:?}");
}

/// A generated condition keeps the rows that it should.
fn evaluated(condition: &Node) {
    let text = condition.to_string();
    printed_and_parsed(&text);
    let frame = table();
    let filter = match parse_filter(&text, frame.schema(), now()) {
        Ok(filter) => filter,
        Err(error) if error.to_string().contains("too large") || error.to_string().contains("nested too") => return,
        Err(error) => panic!("{text}: {error}"),
    };
    let collect = || frame.clone().lazy().with_columns([filter.clone().alias("keep")]).collect();
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(collect));
    let answer = answer.unwrap_or_else(|_| panic!("Polars panics over {text}"));
    let answer = answer.unwrap_or_else(|error| panic!("{text}: {error}"));
    let keep = answer.column("keep").unwrap().bool().unwrap().clone();
    for row in 0..frame.height() {
        assert_eq!(keep.get(row), truth(condition, row), "row {row} of {text}");
    }
}
