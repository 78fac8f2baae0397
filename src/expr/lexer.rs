//! From text to the parser's tokens: column names are found here, and every token keeps its byte offset in the text.

use super::fault;
use super::names::{Names, is_name_char};
use crate::error::Result;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

/// Words that are never column names unless quoted. All other words may be names, SQL keywords or not.
pub(super) const KEYWORDS: &[&str] = &[
    "AND", "OR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE", "LIKE", "ILIKE", "RLIKE", "REGEXP", "BETWEEN", "ESCAPE",
    "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "TRY_CAST", "AS", "INTERVAL", "ASC", "DESC", "DISTINCT", "FROM",
];

/// Punctuation, longer signs before shorter ones that they begin with.
const SIGNS: &[(&str, Token)] = &[
    ("!~*", Token::ExclamationMarkTildeAsterisk),
    ("!~", Token::ExclamationMarkTilde),
    ("~*", Token::TildeAsterisk),
    ("~", Token::Tilde),
    ("<=", Token::LtEq),
    (">=", Token::GtEq),
    ("<>", Token::Neq),
    ("!=", Token::Neq),
    ("==", Token::DoubleEq),
    ("=", Token::Eq),
    ("<", Token::Lt),
    (">", Token::Gt),
    ("||", Token::StringConcat),
    ("::", Token::DoubleColon),
    ("(", Token::LParen),
    (")", Token::RParen),
    (",", Token::Comma),
    ("+", Token::Plus),
    ("-", Token::Minus),
    ("*", Token::Mul),
    ("/", Token::Div),
    ("%", Token::Mod),
    (".", Token::Period),
];

/// Deeper nesting is refused, so that no later step can run out of stack.
const MAX_DEPTH: usize = 64;
/// More operators are refused: each one can make the parse tree a level deeper. Lists in `in (…)` are not limited.
const MAX_OPERATORS: usize = 1000;

/// The tokens of `text` from byte `start` on, without white space; spans hold byte offset + 1 as the column.
pub(super) fn lex(text: &str, start: usize, names: &Names<'_>) -> Result<Vec<TokenWithSpan>> {
    let mut lexer = Lexer { text, at: start, tokens: Vec::new(), depth: 0, operators: 0 };
    while let Some(next) = lexer.rest().chars().next() {
        if next.is_whitespace() {
            lexer.at += next.len_utf8();
        } else {
            lexer.token(next, names)?;
        }
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<TokenWithSpan>,
    depth: usize,
    operators: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self, next: char, names: &Names<'_>) -> Result<()> {
        match next {
            '\'' => {
                let (value, length) = quoted(self.rest(), '\'')
                    .ok_or_else(|| fault(self.at, "string without an end", "add the closing '"))?;
                self.push(Token::SingleQuotedString(value), length);
            }
            '"' | '`' => {
                let (value, length) = quoted(self.rest(), next)
                    .ok_or_else(|| fault(self.at, "quoted name without an end", &format!("add the closing {next}")))?;
                self.push(Token::make_word(&value, Some('"')), length);
            }
            '0'..='9' => self.number(),
            '.' if !self.after_operand() && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            _ => return self.name_or_sign(next, names),
        }
        Ok(())
    }

    fn name_or_sign(&mut self, next: char, names: &Names<'_>) -> Result<()> {
        let rest = self.rest();
        if self.in_type() || self.in_interval() || self.is_field() {
            if let Some(length) = word(rest) {
                let quote = if self.is_field() { Some('"') } else { None };
                self.push(Token::make_word(&rest[..length], quote), length);
                return Ok(());
            }
        } else if let Some(length) = word(rest) {
            let spelled = &rest[..length];
            if KEYWORDS.contains(&spelled.to_ascii_uppercase().as_str()) && !names.is_longer(rest, length) {
                let value = ["null", "true", "false"].contains(&spelled.to_ascii_lowercase().as_str());
                self.operators += usize::from(!value);
                self.push(Token::make_word(spelled, None), length);
                return self.limits(self.at - length);
            }
            let after = rest[length..].trim_start();
            let call = after.starts_with('(');
            let literal =
                after.starts_with('\'') && ["date", "timestamp"].contains(&spelled.to_ascii_lowercase().as_str());
            if literal {
                self.push(Token::make_word(spelled, None), length);
                return Ok(());
            }
            if !call || names.is_longer(rest, length) {
                let length = names.longest(rest).unwrap_or_else(|| dotted(rest));
                self.push(Token::make_word(&rest[..length], Some('"')), length);
            } else {
                self.push(Token::make_word(spelled, Some('"')), length);
            }
            return Ok(());
        } else if let Some(length) = names.longest(rest) {
            // Columns that do not begin like a word, such as an emoji.
            self.push(Token::make_word(&rest[..length], Some('"')), length);
            return Ok(());
        }
        let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return Err(fault(
                self.at,
                &format!("unexpected character {next}"),
                "quote names with such characters: \"summary.val loss\"",
            ));
        };
        match token {
            Token::LParen => self.depth += 1,
            Token::RParen => self.depth = self.depth.saturating_sub(1),
            Token::Comma => {}
            _ => self.operators += 1,
        }
        self.push(token.clone(), sign.len());
        self.limits(self.at - sign.len())
    }

    fn limits(&self, at: usize) -> Result<()> {
        if self.depth > MAX_DEPTH {
            return Err(fault(at, "nested too deeply", &format!("at most {MAX_DEPTH} levels of parentheses")));
        }
        if self.operators > MAX_OPERATORS {
            return Err(fault(
                at,
                "too many operators",
                &format!("at most {MAX_OPERATORS}; write lists of values as name in ('a', 'b')"),
            ));
        }
        Ok(())
    }

    fn push(&mut self, token: Token, length: usize) {
        let place = |offset: usize| Location { line: 1, column: offset as u64 + 1 };
        self.tokens.push(TokenWithSpan { token, span: Span { start: place(self.at), end: place(self.at + length) } });
        self.at += length;
    }

    fn number(&mut self) {
        let text = self.rest();
        let bytes = text.as_bytes();
        let digits = |mut i: usize| {
            while bytes.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(exponent);
            end = if after > exponent { after } else { end };
        }
        self.push(Token::Number(text[..end].to_owned(), false), end);
    }

    fn last(&self, back: usize) -> Option<&Token> {
        self.tokens.len().checked_sub(back).and_then(|i| self.tokens.get(i)).map(|t| &t.token)
    }

    fn last_is(&self, back: usize, keyword: Keyword) -> bool {
        matches!(self.last(back), Some(Token::Word(word)) if word.keyword == keyword && word.quote_style.is_none())
    }

    /// After `as` and `::` comes a type, possibly of several words; its words are no columns.
    fn in_type(&self) -> bool {
        let mut back = 1;
        while matches!(self.last(back), Some(Token::Word(word)) if word.quote_style.is_none() && word.keyword != Keyword::AS)
            && back < 5
        {
            back += 1;
        }
        (back == 1 || !self.is_operator_word())
            && (self.last_is(back, Keyword::AS) || self.last(back) == Some(&Token::DoubleColon))
    }

    /// The last word is one of ours, so that a type before it is over (`x::double and …`).
    fn is_operator_word(&self) -> bool {
        matches!(self.last(1), Some(Token::Word(word)) if KEYWORDS.contains(&word.value.to_ascii_uppercase().as_str()))
    }

    /// After `interval 7` and `interval '7'` may come a unit.
    fn in_interval(&self) -> bool {
        let unit = word(self.rest()).is_some_and(|length| {
            let unit = self.rest()[..length].to_ascii_lowercase();
            ["second", "minute", "hour", "day", "week", "month", "year"].contains(&unit.trim_end_matches('s'))
        });
        unit && self.last_is(2, Keyword::INTERVAL)
            && matches!(self.last(1), Some(Token::Number(..) | Token::SingleQuotedString(_)))
    }

    /// After `).` or `"struct".` comes a field's name.
    fn is_field(&self) -> bool {
        matches!(self.last(1), Some(Token::Period))
    }

    fn after_operand(&self) -> bool {
        matches!(self.last(1), Some(Token::RParen | Token::Word(_) | Token::Number(..)))
    }
}

/// The text in quotes at the start of `text`, quotes doubled inside undone, and the length with the quotes.
pub(super) fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, next)) = chars.next() {
        if next != quote {
            value.push(next);
        } else if chars.peek().is_some_and(|(_, after)| *after == quote) {
            value.push(quote);
            chars.next();
        } else {
            return Some((value, at + quote.len_utf8()));
        }
    }
    None
}

/// The length of the word at the start of `text`.
fn word(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if !(first.is_alphabetic() || first == '_') {
        return None;
    }
    Some(text.find(|c: char| !is_name_char(c)).unwrap_or(text.len()))
}

/// The length of the words joined by `.` and `:` at the start of `text`: what an unknown column is called in the error.
pub(super) fn dotted(text: &str) -> usize {
    let mut end = word(text).unwrap_or_default();
    while text[end..].starts_with(['.', ':']) {
        let next = &text[end + 1..];
        let more = next.find(|c: char| !is_name_char(c)).unwrap_or(next.len());
        if more == 0 {
            break;
        }
        end += 1 + more;
    }
    end
}
