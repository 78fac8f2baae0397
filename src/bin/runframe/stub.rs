//! Stands in for `runframe::expr` until that is merged.

use polars::prelude::*;
use runframe::{Error, ErrorKind, Result, Timestamp};

pub(crate) fn parse_filter(text: &str, _: &Schema, _: Timestamp) -> Result<Expr> {
    Err(Error::new(ErrorKind::Unsupported, text))
}

pub(crate) fn parse_select(text: &str, schema: &Schema, _: Timestamp) -> Result<Vec<Expr>> {
    Ok(expand_columns(&text.split(',').collect::<Vec<_>>(), schema)?.into_iter().map(col).collect())
}

pub(crate) fn expand_columns(patterns: &[&str], schema: &Schema) -> Result<Vec<String>> {
    let hit = |p: &str, n: &str| p.strip_suffix('*').map_or(p == n, |start| n.starts_with(start));
    Ok(patterns
        .iter()
        .flat_map(|p| schema.iter_names().filter(|n| hit(p, n)).map(|n| n.to_string()).collect::<Vec<_>>())
        .collect())
}

pub(crate) fn parse_sort(text: &str, _: &Schema) -> Result<Vec<(Expr, bool)>> {
    Ok(text.split(',').map(|t| (col(t.trim_start_matches('-')), t.starts_with('-'))).collect())
}
