//! Lists of columns: `--select`, `--drop` and `--sort`, and what of a run a text may need.

use super::names::{Names, needs_quotes};
use super::value::Value;
use super::{Context, fault, fault_of, lexer, tree_of, value_of};
use crate::columns::FIELDS;
use crate::error::{ErrorKind, Result};
use crate::record::Wanted;
use polars::prelude::{Expr, NULL, Schema, lit};
use std::collections::HashSet;

/// One key of a sort. Sort with nulls last: NaN has become null in it, so that no direction puts it on top.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// What is sorted by; its NaN are null.
    pub expr: Expr,
    /// True for highest first.
    pub descending: bool,
}

/// Parses a comma-separated list of columns, globs and expressions with names: `name, summary.val*, runtime / 3600 as hours`.
///
/// An expression without a name is called by its text. A column that comes twice is taken once.
///
/// # Errors
/// An unknown column, a glob that matches nothing, a bad expression, or two different columns of one name; with the byte offset.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let runs = df!("name" => ["r1"], "runtime" => [7200.0], "summary.acc" => [0.9], "summary.loss" => [0.1])?;
/// let columns = expr::parse_select("name, summary.*, runtime / 3600 as hours", runs.schema(), Timestamp::now())?;
/// let out = runs.lazy().select(columns).collect()?;
/// assert_eq!(out.get_column_names(), ["name", "summary.acc", "summary.loss", "hours"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_select(text: &str, schema: &Schema, context: impl Into<Context>) -> Result<Vec<Expr>> {
    let names = Names::new(schema).within(context.into());
    let mut taken: HashSet<String> = HashSet::new();
    let mut columns = Vec::new();
    for (item, at) in items(text)? {
        match plain(&item, text, at, &names)? {
            Some(found) => {
                for column in found {
                    if taken.insert(column.clone()) {
                        columns.push(Expr::Column(column.into()));
                    }
                }
            }
            None => {
                let (expr, name) = named(&item, text, at, &names)?;
                if !taken.insert(name.clone()) {
                    return Err(fault(
                        at,
                        &format!("two columns are called {name}"),
                        "give one another name: … as name",
                    ));
                }
                columns.push(expr.alias(name));
            }
        }
    }
    Ok(columns)
}

/// The columns that the patterns name, each once, in the order of the patterns: names, aliases, and globs with `*` and `?`.
///
/// # Errors
/// An unknown column, or a glob that matches nothing, with the nearest names.
///
/// ```
/// use polars::prelude::*;
/// use runframe::expr;
///
/// let runs = df!("name" => ["r1"], "config.lr" => [0.1], "config.seed" => [1])?;
/// assert_eq!(expr::expand_columns(&["config.*", "runName"], runs.schema())?, ["config.lr", "config.seed", "name"]);
/// assert_eq!(expr::expand_columns(&["config.sed"], runs.schema()).unwrap_err().to_string(),
///            "unknown column config.sed (did you mean config.seed?)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expand_columns<S: AsRef<str>>(patterns: &[S], schema: &Schema) -> Result<Vec<String>> {
    let names = Names::new(schema);
    let mut taken: HashSet<String> = HashSet::new();
    let mut columns = Vec::new();
    for pattern in patterns {
        let pattern = pattern.as_ref().trim();
        if pattern.is_empty() {
            return Err(fault_of(ErrorKind::Column, None, "an empty column name", "leave out the extra comma"));
        }
        let pattern = unquoted(pattern).unwrap_or_else(|| pattern.to_owned());
        columns.extend(names.expand(&pattern, None)?.into_iter().filter(|column| taken.insert(column.clone())));
    }
    Ok(columns)
}

/// Parses a comma-separated list of sort keys: `-summary.acc, created_at`; `-` or `desc` is highest first.
///
/// # Errors
/// An unknown column or a bad expression, with the byte offset.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let runs = df!("name" => ["r1"], "summary.acc" => [0.9])?;
/// let keys = expr::parse_sort("-summary.acc, name", runs.schema(), Timestamp::now())?;
/// assert!(keys[0].descending && !keys[1].descending);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_sort(text: &str, schema: &Schema, context: impl Into<Context>) -> Result<Vec<SortKey>> {
    let names = Names::new(schema).within(context.into());
    let mut keys = Vec::new();
    for (item, at) in items(text)? {
        let sign = item.starts_with(['-', '+']);
        let lower = item.to_ascii_lowercase();
        let word = ["desc", "asc"]
            .into_iter()
            .find(|word| lower.strip_suffix(word).is_some_and(|rest| rest.ends_with(char::is_whitespace)));
        let start = usize::from(sign);
        let end = item.len() - word.map_or(0, str::len);
        let (key, shift) = trimmed(item.get(start..end).unwrap_or_default());
        let at = at + start + shift;
        let descending = item.starts_with('-') != (word == Some("desc"));
        let values = match plain(key, text, at, &names)? {
            Some(found) => {
                found.into_iter().map(|column| Value::column(&column, &names, at)).collect::<Result<Vec<Value>>>()?
            }
            None => vec![value_of(&text[..at + key.len()], at, &names)?],
        };
        for value in values {
            let expr = if value.is_float() { value.expr.fill_nan(lit(NULL)) } else { value.expr };
            keys.push(SortKey { expr, descending });
        }
    }
    Ok(keys)
}

/// What of a run a filter, a selection or a sort key may need, by a look at the text alone: when unsure, yes.
///
/// ```
/// use runframe::expr;
///
/// let wanted = expr::mentions("config.lr > 0.1 and created_at > '2026-01-01'");
/// assert!(wanted.config && !wanted.summary && !wanted.artifacts && !wanted.heartbeat);
/// ```
pub fn mentions(text: &str) -> Wanted {
    let lower = text.to_lowercase();
    // A glob may stand for any column that begins like it.
    let glob = |root: &str| {
        let words =
            lower.split(|c: char| needs_quotes(c) || c == '-' || c == '+').filter(|word| word.contains(['*', '?']));
        words.into_iter().any(|word| {
            let start = word.split(['*', '?']).next().unwrap_or_default();
            root.starts_with(start) || start.starts_with(root)
        })
    };
    let fields = |names: &[&str]| {
        FIELDS.iter().filter(|field| names.contains(&field.name)).any(|field| {
            let spelled = |name: &str| lower.contains(&name.to_lowercase());
            spelled(field.name) || field.aliases.iter().any(|alias| spelled(alias)) || glob(field.name)
        })
    };
    let artifacts = fields(&["logged_artifacts", "used_artifacts"])
        || ["logged", "used", "artifact"].iter().any(|word| lower.contains(word));
    Wanted {
        config: lower.contains("config") || glob("config."),
        summary: lower.contains("summary") || glob("summary."),
        artifacts,
        heartbeat: fields(&["heartbeat_at", "runtime", "state"]) || lower.contains("active"),
        raw: lower.contains("_json") || glob("config_json") || glob("summary_json"),
    }
}

/// The items between top-level commas, trimmed, each with its byte offset.
pub(super) fn items(text: &str) -> Result<Vec<(String, usize)>> {
    let mut items = Vec::new();
    let (mut start, mut depth, mut at) = (0, 0usize, 0);
    while let Some(next) = text[at..].chars().next() {
        match next {
            '\'' | '"' | '`' => {
                let cure = format!("add the closing {next}");
                let (_, length) =
                    lexer::quoted(&text[at..], next).ok_or_else(|| fault(at, "quote without an end", &cure))?;
                at += length;
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push((start, at));
                start = at + 1;
            }
            _ => {}
        }
        at += next.len_utf8();
    }
    items.push((start, text.len()));
    let items = items.into_iter().map(|(start, end)| {
        let (item, shift) = trimmed(&text[start..end]);
        match item.is_empty() {
            true if text.trim().is_empty() => Err(fault(start, "no column is given", "for example name, summary.*")),
            true => Err(fault(start, "an empty column name", "leave out the extra comma")),
            false => Ok((item.to_owned(), start + shift)),
        }
    });
    items.collect()
}

/// The text without white space around it, and how far in it begins.
fn trimmed(text: &str) -> (&str, usize) {
    (text.trim(), text.len() - text.trim_start().len())
}

/// The columns of an item that is a name, an alias or a glob; `None` for an expression.
pub(super) fn plain(item: &str, text: &str, at: usize, names: &Names<'_>) -> Result<Option<Vec<String>>> {
    if let Some(name) = unquoted(item) {
        return match names.resolve(&name) {
            Some(column) => Ok(Some(vec![column])),
            None => Err(names.unknown(&name, Some((text, at)))),
        };
    }
    if let Some(column) = names.resolve(item) {
        return Ok(Some(vec![column]));
    }
    // `a*b` is a product if no column looks like it and it reads as one; `config.*` never does.
    if item.contains(['*', '?']) && !item.contains(needs_quotes) {
        return match names.expand(item, Some((text, at))) {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                if tree_of(item, 0, names).is_ok() {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
        };
    }
    Ok(None)
}

/// The name in an item that is one quoted name.
pub(super) fn unquoted(item: &str) -> Option<String> {
    let quote = item.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    lexer::quoted(item, quote).filter(|(_, length)| *length == item.len()).map(|(name, _)| name)
}

/// `expr as name`, or an expression that is called by its text.
fn named(item: &str, text: &str, at: usize, names: &Names<'_>) -> Result<(Expr, String)> {
    let (body, name) = split_alias(item);
    let expr = value_of(&text[..at + body.len()], at, names)?.expr;
    Ok((expr, name.unwrap_or_else(|| item.to_owned())))
}

/// Splits at the last ` as ` that stands outside of quotes and parentheses.
pub(super) fn split_alias(item: &str) -> (&str, Option<String>) {
    let (mut at, mut depth, mut found) = (0, 0usize, None);
    while let Some(next) = item[at..].chars().next() {
        match next {
            '\'' | '"' | '`' => {
                at += lexer::quoted(&item[at..], next).map_or(next.len_utf8(), |(_, length)| length);
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && next.is_whitespace() => {
                let rest = item[at..].trim_start();
                let word = rest.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("as"));
                if word && rest[2..].starts_with(char::is_whitespace) {
                    found = Some((at, item.len() - rest.len() + 2));
                }
            }
            _ => {}
        }
        at += next.len_utf8();
    }
    match found {
        Some((end, start)) if !item[start..].trim().is_empty() => {
            let name = item[start..].trim();
            (&item[..end], Some(unquoted(name).unwrap_or_else(|| name.to_owned())))
        }
        _ => (item, None),
    }
}
