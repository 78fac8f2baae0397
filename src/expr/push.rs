//! The split of a condition into what the server evaluates and what is evaluated here, before any schema is known.

mod kinds;
mod server;
mod spelled;
mod times;

use super::names::Names;
use super::{Context, lexer, tree_of, value_of};
use crate::error::Result;
use polars::prelude::{DataType, Expr, Schema};
use serde_json::{Value as Json, json};
use spelled::Spelled;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use std::fmt::Write;
use std::ops::Range;

/// One of the conditions that a filter joins by `and`, and where it is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Conjunct {
    /// As it was written.
    pub text: String,
    /// What the server is asked: it keeps at least the runs that the condition keeps.
    pub pushed: Option<Json>,
    /// Why it is evaluated here, be it also asked of the server; `None` if the server's answer is exact.
    pub here: Option<&'static str>,
}

/// A condition split into the part that the server evaluates and the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The filter to send, in W&B's Mongo JSON. Runs that it leaves out are left out by the whole condition.
    pub pushed: Option<Json>,
    /// The conditions that the server evaluates, as written, the narrowed ones included.
    pub pushed_text: Vec<String>,
    /// The conditions to evaluate here on what the server sends, with [`parse_partial_filter`].
    pub rest: Option<String>,
    /// True if the rest means the same on the runs that the server sends as on all runs. False if it asks for something
    /// that depends on the kinds of values in other runs, such as `config.x like 'a%'` of a path with numbers and texts.
    pub exact: bool,
    /// The whole condition: evaluating it all here never changes the answer, and guards against a server that sends too much.
    pub recheck: String,
    /// The columns of config and summary that the text names, in its order.
    pub names: Vec<String>,
    /// All conditions, in the order of the text.
    pub conjuncts: Vec<Conjunct>,
}

/// Splits a condition into what W&B's server evaluates and the rest. No schema is needed. `context` is as for
/// [`parse_filter`](super::parse_filter).
///
/// Conditions joined by `and` are split one by one. One whose answer at the server may hold too many runs is sent to
/// narrow the load and stays in the rest; one whose answer might lack a run is not sent.
///
/// # Errors
/// Text that does not parse, and names that are neither a field of runs nor below `config.` or `summary.`.
///
/// ```
/// use runframe::{Timestamp, expr};
///
/// let split = expr::push_down("state = 'finished' and summary.acc is not null", Timestamp::now())?;
/// assert_eq!(split.pushed.map(|json| json.to_string()).as_deref(), Some(r#"{"state":"finished"}"#));
/// assert_eq!(split.rest.as_deref(), Some("summary.acc is not null"));
/// # Ok::<(), runframe::Error>(())
/// ```
pub fn push_down(text: &str, context: impl Into<Context>) -> Result<Split> {
    let spelled = Spelled::of(text);
    let names = Names::new(&spelled.schema).within(context.into());
    tree_of(text, 0, &names)?;
    let tokens = lexer::lex(text, 0, &names)?;
    check_names(&tokens, text, &names)?;
    let mut ranges = Vec::new();
    split(&tokens, &mut ranges);
    let mut conjuncts = Vec::with_capacity(ranges.len());
    let mut exact = true;
    for range in ranges {
        let place = range.clone();
        let tree = tree_of(text.get(..range.end).unwrap_or(text), range.start, &names)?;
        let doubt = spelled.doubtful.iter().any(|at| place.contains(at));
        let (pushed, here) = match doubt {
            true => (None, Some("a name in it may be a column or a division")),
            false => server::push(&tree, &names),
        };
        exact &= here.is_none() || (!doubt && kinds::independent(&tree, &names));
        conjuncts.push(Conjunct { text: text.get(range).unwrap_or(text).to_owned(), pushed, here });
    }
    Ok(Split::of(conjuncts, exact, text, &spelled))
}

/// Parses a condition as [`parse_filter`](super::parse_filter) does, for a table of only those runs that a server sent.
///
/// Which columns of config and summary there are, and of which kinds, depends on the runs: what the condition names and
/// these runs lack is null, not an error.
///
/// # Errors
/// As [`parse_filter`](super::parse_filter), but for columns below `config.` and `summary.`.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let runs = df!("name" => ["r1"], "config.lr" => [0.1])?;
/// let filter = expr::parse_partial_filter("config.lr > 0 and config.opt = 'adam'", runs.schema(), Timestamp::now())?;
/// assert_eq!(runs.lazy().filter(filter).collect()?.height(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_partial_filter(text: &str, schema: &Schema, context: impl Into<Context>) -> Result<Expr> {
    let mut schema = schema.clone();
    for name in Spelled::of(text).found {
        if !schema.contains(&name) {
            schema.with_column(name.into(), DataType::Null);
        }
    }
    let mut names = Names::new(&schema).within(context.into());
    names.partial = true;
    value_of(text, 0, &names)?.condition("a filter", &names)
}

impl Split {
    fn of(conjuncts: Vec<Conjunct>, exact: bool, text: &str, spelled: &Spelled) -> Self {
        let sent: Vec<Json> = conjuncts.iter().filter_map(|part| part.pushed.clone()).collect();
        let rest: Vec<&str> =
            conjuncts.iter().filter(|part| part.here.is_some()).map(|part| part.text.as_str()).collect();
        Split {
            pushed: all_of(sent),
            pushed_text: conjuncts.iter().filter(|p| p.pushed.is_some()).map(|part| part.text.clone()).collect(),
            rest: (!rest.is_empty()).then(|| rest.join(" and ")),
            exact,
            recheck: text.to_owned(),
            names: spelled.found.clone(),
            conjuncts,
        }
    }

    /// What is evaluated where, in which order, and why, as lines of text.
    ///
    /// ```
    /// use runframe::{Timestamp, expr};
    ///
    /// let split = expr::push_down("state = 'finished' and config.opt like 'a%'", Timestamp::now())?;
    /// assert_eq!(split.explain(), "\
    /// 1. the server keeps the runs with {\"state\":\"finished\"}
    ///      state = 'finished'
    /// 2. of these, here are kept the runs with
    ///      config.opt like 'a%'
    ///        here, because the server's patterns are of another dialect
    /// note: what is evaluated here sees only the runs that the server sends; their values decide which kind of column a path is
    /// ");
    /// # Ok::<(), runframe::Error>(())
    /// ```
    pub fn explain(&self) -> String {
        let mut out = String::new();
        let mut step = 1;
        match &self.pushed {
            Some(json) => {
                let _ = writeln!(out, "1. the server keeps the runs with {json}");
                step = 2;
            }
            None => out.push_str("the server sends all runs\n"),
        }
        for part in self.conjuncts.iter().filter(|part| part.pushed.is_some()) {
            let too = if part.here.is_some() { "   (asked again here)" } else { "" };
            let _ = writeln!(out, "     {}{too}", part.text);
        }
        if self.rest.is_some() {
            let _ = writeln!(out, "{step}. of these, here are kept the runs with");
        }
        for part in &self.conjuncts {
            if let Some(reason) = part.here {
                let _ = writeln!(out, "     {}\n       here, because {reason}", part.text);
            }
        }
        if !self.exact && self.pushed.is_some() {
            out.push_str(
                "note: what is evaluated here sees only the runs that the server sends; their values decide which kind of column a path is\n",
            );
        }
        out
    }
}

/// One filter of several that must all hold.
pub(super) fn all_of(mut filters: Vec<Json>) -> Option<Json> {
    match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(json!({ "$and": filters })),
    }
}

/// Names that are no field and no path can be told before anything is loaded.
fn check_names(tokens: &[TokenWithSpan], text: &str, names: &Names<'_>) -> Result<()> {
    for (at, found) in tokens.iter().enumerate() {
        let Token::Word(word) = &found.token else { continue };
        let beside = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|found| &found.token);
        let other = beside(at.checked_sub(1)) == Some(&Token::Period) || beside(Some(at + 1)) == Some(&Token::LParen);
        if word.quote_style.is_some() && !other && names.resolve(&word.value).is_none() {
            return Err(names.unknown(&word.value, Some((text, span(found).start))));
        }
    }
    Ok(())
}

/// The bytes of a token.
fn span(token: &TokenWithSpan) -> Range<usize> {
    let place = |column: u64| (column as usize).saturating_sub(1);
    place(token.span.start.column)..place(token.span.end.column)
}

/// The byte ranges of the conditions that the tokens join by `and` at the top.
fn split(tokens: &[TokenWithSpan], out: &mut Vec<Range<usize>>) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    let whole = span(first).start..span(last).end;
    let Some(parts) = parts(tokens) else {
        out.push(whole);
        return;
    };
    if parts.len() > 1 {
        parts.into_iter().for_each(|part| split(part, out));
        return;
    }
    // Parentheses around all of it: what they hold may be conditions joined by `and`.
    let inner = tokens.get(1..tokens.len().saturating_sub(1)).filter(|_| encloses(tokens));
    let mut found = Vec::new();
    split(inner.unwrap_or_default(), &mut found);
    if found.len() > 1 { out.append(&mut found) } else { out.push(whole) }
}

/// The tokens between the `and`s outside of parentheses; `None` if there is an `or` beside them.
fn parts(tokens: &[TokenWithSpan]) -> Option<Vec<&[TokenWithSpan]>> {
    let (mut parts, mut start, mut depth, mut betweens) = (Vec::new(), 0, 0usize, 0usize);
    for (at, found) in tokens.iter().enumerate() {
        match &found.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if word.quote_style.is_none() => match word.value.to_ascii_lowercase().as_str() {
                "case" => depth += 1,
                "end" => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                "between" => betweens += 1,
                "and" if betweens > 0 => betweens -= 1,
                "and" => {
                    parts.push(tokens.get(start..at).unwrap_or_default());
                    start = at + 1;
                }
                "or" => return None,
                _ => {}
            },
            _ => {}
        }
    }
    parts.push(tokens.get(start..).unwrap_or_default());
    Some(parts)
}

/// True if the first parenthesis is closed by the last token.
fn encloses(tokens: &[TokenWithSpan]) -> bool {
    let mut depth = 0usize;
    for (at, found) in tokens.iter().enumerate() {
        match found.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at > 0 && at + 1 == tokens.len();
        }
    }
    false
}
