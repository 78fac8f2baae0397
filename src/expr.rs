//! The expression language of `--where`, `--select` and `--sort`: text to Polars expressions over a given schema.
//!
//! It is SQL's `where` over the columns, with dotted names bare:
//!
//! ```
//! use polars::prelude::*;
//! use runframe::{Timestamp, expr};
//!
//! let runs = df!("name" => ["r1", "r2"], "config.lr" => [0.1, 0.001], "summary.val/loss" => [0.5, f64::NAN])?;
//! let filter = expr::parse_filter("config.lr > 0.01 and summary.val/loss < 1", runs.schema(), Timestamp::now())?;
//! assert_eq!(runs.lazy().filter(filter).collect()?.height(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/expressions.md` is its page, with an example of everything. In short:
//!
//! * **Names.** A bare name takes the longest column (or alias) that the text spells: `summary.val/loss` is that column if
//!   there is one, else a division. SQL's keywords are names too, but for `and or not in is null true false like ilike rlike
//!   regexp between escape case when then else end cast as interval asc desc distinct from`. Other names are quoted: `"summary.val loss"`.
//! * **Literals.** `'text'` (a quote inside is doubled), `0.01`, `1e-3`, `true`, `false`, `null`, `interval '7 days'`. Text beside
//!   a time is a UTC time: `created_at > '2026-01-01'`.
//! * **Operators.** `= == != <> < <= > >=`, `and or not`, `+ - * / %`, `||`, `in`, `between`, `like`, `ilike`, `regexp` and `~`
//!   (`~*` without case), `is null`, `is true`, `is distinct from`, `case when`, `cast(x as double)`, `x::double`. `/` never truncates.
//! * **Functions.** [`FUNCTIONS`].
//! * **Aggregates.** [`AGGREGATES`], for a [`Grouping`]: `n()`, `max(summary.acc) - min(summary.acc)`, `mean(state = 'failed')`.
//! * **Kinds.** Where a path has values of several kinds, a comparison takes the column of the literal's kind:
//!   `config.opt = 'adam'` asks `config.opt:string` if `config.opt` holds numbers. `config.opt is null` asks all of them. Fixed
//!   numbers are compared exactly, also with the digits that `config.opt:json` keeps.
//! * **Overflow.** Integer `+ - *` beyond Int64 is null.
//! * **Zones.** Days and hours are counted in the [`Context`]'s zone; literals without a zone are UTC.
//! * **Null.** A comparison with a missing value is null, and a filter drops the row. `= null` is refused: write `is null`.
//! * **NaN** is unequal to everything and neither above nor below anything, as in IEEE 754: `x > 0.5` is false for it, `x != 0.5` true.
//!   Ask for it with `is_nan(x)`.
//! * **Servers.** [`push_down`] splits a condition into what a W&B server evaluates and the rest; [`mongo`] reads W&B's own filters.

mod aggregates;
mod arithmetic;
mod bucket;
mod calls;
mod cast;
mod compare;
mod context;
mod exact;
mod functions;
#[cfg(any(test, fuzzing))]
#[path = "fuzz/expressions.rs"]
pub(crate) mod fuzz;
mod group;
mod lexer;
mod literals;
pub mod mongo;
mod names;
mod needs;
mod push;
mod select;
pub mod sql;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod walk;

pub use aggregates::{AGGREGATES, Aggregate};
pub use context::Context;
pub use functions::{FUNCTIONS, Function};
pub use group::Grouping;
pub use needs::{Needs, needs};
pub use push::{Conjunct, Split, parse_partial_filter, push_down};
pub use select::{SortKey, expand_columns, mentions, parse_select, parse_sort};

use crate::error::{Error, ErrorKind, Result};
use names::Names;
use polars::prelude::{Expr, Schema};
use sqlparser::ast::Expr as Ast;
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use value::Value;
use walk::Walker;

/// Parses a condition on the columns of `schema`: a Boolean expression. `context` says what `now()` means, and the zone of days;
/// a [`Timestamp`](crate::Timestamp) alone stands for UTC.
///
/// # Errors
/// Text that does not parse, unknown names, parts that do not fit together, or a result that is not Boolean: with the
/// byte offset in the text and the cure.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let runs = df!("config.lr" => [0.1])?;
/// let error = expr::parse_filter("config.lrr > 0.01", runs.schema(), Timestamp::now()).unwrap_err();
/// assert_eq!(error.to_string(), "byte 0: unknown column config.lrr (did you mean config.lr?)");
/// # Ok::<(), PolarsError>(())
/// ```
pub fn parse_filter(text: &str, schema: &Schema, context: impl Into<Context>) -> Result<Expr> {
    let names = Names::new(schema).within(context.into());
    value_of(text, 0, &names)?.condition("a filter", &names)
}

/// The line of `text` in which `error` lies and a caret below the place; `None` if the error names no place in it.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let text = "config.lr > 0.1 and config.x = 1";
/// let runs = df!("config.lr" => [0.1])?;
/// let error = expr::parse_filter(text, runs.schema(), Timestamp::now()).unwrap_err();
/// assert_eq!(expr::point_at(text, &error).as_deref(), Some("config.lr > 0.1 and config.x = 1\n                    ^"));
/// # Ok::<(), PolarsError>(())
/// ```
pub fn point_at(text: &str, error: &Error) -> Option<String> {
    let offset = usize::try_from(error.place().offset?).ok()?;
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    Some(format!("{line}\n{}^", " ".repeat(text[start..offset].chars().count())))
}

/// Parses and checks `text` from byte `start` on.
fn value_of(text: &str, start: usize, names: &Names<'_>) -> Result<Value> {
    let tree = tree_of(text, start, names)?;
    Walker::new(names, text).value(&tree)
}

/// Parses `text` from byte `start` on.
fn tree_of(text: &str, start: usize, names: &Names<'_>) -> Result<Ast> {
    let tokens = lexer::lex(text, start, names)?;
    if tokens.is_empty() {
        return Err(fault(start, "the expression is empty", "for example config.lr > 0.01"));
    }
    let wrong = |error: ParserError| parse_fault(text, start, &error, names);
    // Above what the lexer lets through: at its own limit the parser takes keywords for names.
    let mut parser = Parser::new(&GenericDialect {}).with_recursion_limit(8192).with_tokens_with_locations(tokens);
    let tree = parser.parse_expr().map_err(wrong)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let at = (next.span.start.column as usize).saturating_sub(1);
        return Err(fault(
            at,
            &format!("{} is not expected here", spelled(&next.token)),
            "an operator such as and, or, =, > is missing before it",
        ));
    }
    Ok(tree)
}

/// The parser's error in our words, with the offset that our spans carry as the column.
fn parse_fault(text: &str, start: usize, error: &ParserError, names: &Names<'_>) -> Error {
    let (at, what) = match expected(text, error) {
        Ok(found) => found,
        Err(deep) => return deep,
    };
    if let Some(cure) = lexer::lex(text, start, names).ok().and_then(|tokens| element_cure(text, &tokens, at)) {
        return fault(at, "in takes values in parentheses", &cure);
    }
    fault(at, &format!("expected {what}"), "see docs/expressions.md")
}

/// Where the parser stopped, and what it expected, in our words; our spans carry the offset as the column.
///
/// # Errors
/// Text that is nested too deeply for the parser to say.
fn expected(text: &str, error: &ParserError) -> Result<(usize, String)> {
    let message = match error {
        ParserError::RecursionLimitExceeded => return Err(fault(0, "nested too deeply", "use fewer parentheses")),
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    let (what, column) = message.rsplit_once(" at Line: 1, Column: ").unwrap_or((message, ""));
    let at = column.parse::<usize>().map_or(text.len(), |column| column.saturating_sub(1));
    let what = what.trim_start_matches("Expected: ").replace(", found: EOF", " at the end");
    Ok((at, what.replace(", found: ", " instead of ").replace('"', "")))
}

/// For `'x' in list`: how to ask whether the list at byte `at` holds what stands before `in`.
fn element_cure(text: &str, tokens: &[TokenWithSpan], at: usize) -> Option<String> {
    let list = tokens.iter().position(|token| token.span.start.column == at as u64 + 1)?;
    let word = |back: usize, keyword: Keyword| {
        matches!(&tokens.get(list.checked_sub(back)?)?.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none()).then_some(())
    };
    word(1, Keyword::IN)?;
    let not = word(2, Keyword::NOT).is_some();
    let (value, list) = (tokens.get(list.checked_sub(if not { 3 } else { 2 })?)?, tokens.get(list)?);
    let part =
        |token: &TokenWithSpan| text.get(token.span.start.column as usize - 1..token.span.end.column as usize - 1);
    matches!(list.token, Token::Word(_)).then_some(())?;
    Some(format!("write {}contains({}, {})", if not { "not " } else { "" }, part(list)?, part(value)?))
}

fn spelled(token: &Token) -> String {
    match token {
        Token::Word(word) => word.value.clone(),
        other => other.to_string(),
    }
}

/// An error in the text at byte `at`.
fn fault(at: usize, message: &str, cure: &str) -> Error {
    fault_of(ErrorKind::Expression, Some(at), message, cure)
}

fn fault_of(kind: ErrorKind, at: Option<usize>, message: &str, cure: &str) -> Error {
    let error = Error::new(kind, message).hint(cure);
    match at {
        Some(at) => error.offset(at as u64),
        None => error,
    }
}
