//! The words of a statement: column names are found here, and calls of our own functions.

use super::super::names::Names;
use super::super::{Context, fault, functions, value_of};
use super::Computed;
use crate::error::{Error, Result};
use crate::ops::history::OWN;
use polars::prelude::Schema;
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::collections::HashSet;

/// Functions of the expression language that Polars' SQL has, too: there its own are meant, which also take what it computed.
const OF_POLARS: &[&str] = &[
    "abs",
    "ceil",
    "coalesce",
    "ends_with",
    "exp",
    "floor",
    "greatest",
    "least",
    "length",
    "ln",
    "lower",
    "replace",
    "round",
    "sqrt",
    "starts_with",
    "strftime",
    "trim",
    "upper",
];

/// Words that follow a `*` that stands for columns.
const BEHIND_STARS: [Keyword; 5] =
    [Keyword::FROM, Keyword::EXCLUDE, Keyword::EXCEPT, Keyword::REPLACE, Keyword::RENAME];

/// A table's name and columns.
pub(super) struct Table<'a> {
    name: &'static str,
    names: Names<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn new(name: &'static str, schema: &'a Schema, context: &Context) -> Self {
        Table { name, names: Names::new(schema).within(context.clone()) }
    }
}

/// The tokens of a statement without white space, each with the bytes that it takes.
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize, usize)>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self> {
        let places = Places::of(text);
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().map_err(|error| {
            let at = places.offset(error.location);
            fault(at, &error.message.to_lowercase(), "every quote needs its end")
        })?;
        let tokens = tokens.into_iter().filter(|found| !matches!(found.token, Token::Whitespace(_)));
        let mut tokens: Vec<(Token, usize, usize)> =
            tokens.map(|found| (found.token, places.offset(found.span.start), places.offset(found.span.end))).collect();
        while tokens.last().is_some_and(|found| found.0 == Token::SemiColon) {
            tokens.pop();
        }
        match tokens.iter().find(|found| found.0 == Token::SemiColon) {
            Some((_, at, _)) => Err(fault(*at, "there is more than one statement", "ask one at a time")),
            None => Ok(Words { text, tokens }),
        }
    }

    /// Where the first word stands, and its text.
    pub(super) fn first(&self) -> Option<(usize, &'a str)> {
        self.tokens.first().map(|(_, start, end)| (*start, self.text.get(*start..*end).unwrap_or_default()))
    }

    /// True if this word stands there, not as a part of a dotted name.
    pub(super) fn has_word(&self, name: &str) -> bool {
        (0..self.tokens.len()).any(|at| {
            let word = matches!(&self.tokens[at].0, Token::Word(word) if word.value.eq_ignore_ascii_case(name));
            word && !self.is(at.wrapping_sub(1), &Token::Period)
        })
    }

    /// True if a `*` may stand for all columns.
    pub(super) fn has_wildcard(&self) -> bool {
        (0..self.tokens.len()).filter(|at| self.is(*at, &Token::Mul)).any(|at| {
            // Behind `distinct on (…)`: nothing is there that it could be multiplied by.
            let ends = match self.tokens.get(at + 1).map(|found| &found.0) {
                None | Some(Token::Comma) => true,
                Some(Token::RParen) => !self.is(at.wrapping_sub(1), &Token::LParen),
                Some(Token::Word(word)) => BEHIND_STARS.contains(&word.keyword),
                _ => false,
            };
            if ends {
                return true;
            }
            let before = at.checked_sub(1).and_then(|before| self.tokens.get(before)).map(|found| &found.0);
            match before {
                Some(Token::LParen) => !self.is(at + 1, &Token::RParen),
                Some(Token::Comma | Token::Period) => true,
                Some(Token::Word(word)) => [Keyword::SELECT, Keyword::DISTINCT, Keyword::ALL].contains(&word.keyword),
                _ => false,
            }
        })
    }

    /// The text with a blank for every `*`, which elsewhere is a glob.
    pub(super) fn without_stars(&self) -> String {
        let mut bytes = self.text.as_bytes().to_vec();
        let stars = self.tokens.iter().filter(|found| found.0 == Token::Mul);
        stars.for_each(|found| bytes[found.1] = b' ');
        String::from_utf8(bytes).unwrap_or_else(|_| self.text.to_owned())
    }

    fn is(&self, at: usize, token: &Token) -> bool {
        self.tokens.get(at).is_some_and(|found| found.0 == *token)
    }

    fn is_keyword(&self, at: usize, keyword: Keyword) -> bool {
        matches!(self.tokens.get(at), Some((Token::Word(word), ..)) if word.keyword == keyword)
    }

    /// The tokens with whole column names, quoted, and what must be computed for them. Spans hold byte offset + 1 as the column.
    pub(super) fn bound(&self, tables: &[Table<'_>]) -> Result<(Vec<TokenWithSpan>, Vec<Computed>)> {
        let mut computed: Vec<Computed> = Vec::new();
        let tokens = self.tokens_with(tables, |start, end| {
            let column = self.computed(start, end, tables)?;
            if !computed.iter().any(|other| other.name == column.name) {
                computed.push(column);
            }
            Ok(())
        })?;
        Ok((tokens, computed))
    }

    /// The tokens as far as these tables' columns are known; `None` if a name of the statement's own is one of them.
    pub(super) fn outlined(&self, tables: &[Table<'_>]) -> Option<Vec<TokenWithSpan>> {
        let hidden = self.defined().into_iter().any(|name| OWN.contains(&name.trim_matches(['"', '`'])));
        self.tokens_with(tables, |_, _| Ok(())).ok().filter(|_| !hidden)
    }

    /// The tokens; a call of one of our functions, which `called` is told of, is one word.
    fn tokens_with(
        &self,
        tables: &[Table<'_>],
        mut called: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<TokenWithSpan>> {
        let defined = self.defined();
        let mut tokens: Vec<TokenWithSpan> = Vec::new();
        let mut at = 0;
        while let Some((token, start, end)) = self.tokens.get(at) {
            let (mut token, start, mut end, mut next) = (token.clone(), *start, *end, at + 1);
            if let Some(last) = self.call(at) {
                end = self.tokens.get(last).map_or(end, |found| found.2);
                next = last + 1;
                called(start, end)?;
                token = Token::make_word(self.text.get(start..end).unwrap_or_default(), Some('"'));
            } else if let Some((column, length)) = self.column(at, tables, &defined) {
                end = start + length;
                next = at + self.tokens[at..].iter().take_while(|found| found.1 < end).count();
                token = Token::make_word(&column, Some('"'));
            }
            let place = |offset: usize| Location { line: 1, column: offset as u64 + 1 };
            tokens.push(TokenWithSpan { token, span: Span { start: place(start), end: place(end) } });
            at = next;
        }
        Ok(tokens)
    }

    /// Names that the statement itself gives: what follows `as`.
    fn defined(&self) -> HashSet<&str> {
        let named = (0..self.tokens.len()).filter(|at| self.is_keyword(at.wrapping_sub(1), Keyword::AS));
        named.map(|at| self.text.get(self.tokens[at].1..self.tokens[at].2).unwrap_or_default()).collect()
    }

    /// The column that is spelled from this token on, and how many bytes that takes.
    fn column(&self, at: usize, tables: &[Table<'_>], defined: &HashSet<&str>) -> Option<(String, usize)> {
        let (token, start, end) = self.tokens.get(at)?;
        let Token::Word(word) = token else { return None };
        if word.quote_style.is_some() {
            return None;
        }
        let text = self.text.get(*start..)?;
        let (length, table) =
            tables.iter().filter_map(|table| Some((table.names.longest(text)?, table))).max_by_key(|found| found.0)?;
        let whole = self.tokens.iter().any(|found| found.2 == start + length);
        let is_word = length == end - start;
        // `group by` is SQL's, `group` alone the column; a word before a parenthesis is a function.
        let is_sql = word.keyword == Keyword::GROUP && self.is_keyword(at + 1, Keyword::BY);
        if !whole || (is_word && (is_sql || self.is(at + 1, &Token::LParen))) {
            return None;
        }
        let spelled = &text[..length];
        let column = if defined.contains(spelled) { spelled.to_owned() } else { table.names.resolve(spelled)? };
        Some((column, length))
    }

    /// The columns that hold other kinds of values of the paths that are named.
    pub(super) fn kinds(&self, schema: &Schema) -> Vec<String> {
        let names = Names::new(schema);
        let found = self.tokens.iter().filter_map(|(token, start, _)| {
            let text = self.text.get(*start..).filter(|_| matches!(token, Token::Word(_)))?;
            names.resolve(&text[..names.longest(text)?])
        });
        found.flat_map(|column| names.kinds(&column).into_iter().skip(1)).collect()
    }

    /// The last token of the call of one of our functions that begins here, with the field that is taken of its result.
    fn call(&self, at: usize) -> Option<usize> {
        let (Token::Word(word), ..) = self.tokens.get(at)? else { return None };
        let name = word.value.to_ascii_lowercase();
        let ours =
            word.quote_style.is_none() && !OF_POLARS.contains(&name.as_str()) && functions::find(&name).is_some();
        if !ours || !self.is(at + 1, &Token::LParen) {
            return None;
        }
        let mut depth = 0usize;
        for (last, (token, ..)) in self.tokens.iter().enumerate().skip(at + 1) {
            match token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 1 => {
                    let field = self.is(last + 1, &Token::Period)
                        && matches!(self.tokens.get(last + 2), Some((Token::Word(_), ..)));
                    return Some(if field { last + 2 } else { last });
                }
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }

    /// The call between these bytes, over the first table that has its columns.
    fn computed(&self, start: usize, end: usize, tables: &[Table<'_>]) -> Result<Computed> {
        let mut first: Option<Error> = None;
        for table in tables {
            match value_of(self.text.get(..end).unwrap_or_default(), start, &table.names) {
                Ok(value) => {
                    let name = self.text.get(start..end).unwrap_or_default().into();
                    return Ok(Computed { table: table.name, name, expr: value.expr });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| fault(start, "no table is named", "… from runs")))
    }
}

/// Where lines begin, so that the tokenizer's lines and columns become offsets.
struct Places<'a> {
    lines: Vec<(usize, &'a str)>,
    end: usize,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let mut start = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let here = start;
            start += line.len();
            (here, line)
        });
        Places { lines: lines.collect(), end: text.len() }
    }

    fn offset(&self, place: Location) -> usize {
        let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
        let Some((start, text)) = self.lines.get(line) else { return self.end };
        start + text.char_indices().nth(column).map_or(text.len(), |(offset, _)| offset)
    }
}
