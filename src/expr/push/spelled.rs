//! The names in a text when no schema is known: where they end, and where that is in doubt.

use super::super::functions;
use super::super::lexer::{KEYWORDS, dotted, quoted};
use super::super::names::{is_flattened, is_name_char, needs_quotes};
use crate::columns::{FIELDS, PREFIXES, resolve_alias};
use polars::prelude::{DataType, Schema};

/// Signs that are operators of the language, and may also stand in a key.
const OPERATORS: &[char] = &['/', '-', '+', '*', '%', '~', '|', ':', '.'];

/// What a text names.
pub(super) struct Spelled {
    /// The columns of config and summary, each once, in the order of the text.
    pub(super) found: Vec<String>,
    /// Bytes at which a name stands that may go on: `summary.val/2` is a column or a division.
    pub(super) doubtful: Vec<usize>,
    /// All fields, and what was found; the types mean nothing.
    pub(super) schema: Schema,
}

impl Spelled {
    pub(super) fn of(text: &str) -> Self {
        let mut schema: Schema = FIELDS.iter().map(|field| (field.name.into(), DataType::String)).collect();
        for raw in ["config_json", "summary_json"] {
            schema.with_column(raw.into(), DataType::String);
        }
        let mut spelled = Spelled { found: Vec::new(), doubtful: Vec::new(), schema };
        let mut at = 0;
        while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
            at += spelled.step(text, at, next);
        }
        spelled
    }

    /// Looks at what begins at `at` and says how long it is.
    fn step(&mut self, text: &str, at: usize, next: char) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        match next {
            '\'' => quoted(rest, next).map_or(1, |(_, length)| length),
            '"' | '`' => {
                let Some((name, length)) = quoted(rest, next) else { return 1 };
                self.name(&name);
                length
            }
            _ if next.is_alphabetic() || next == '_' => {
                let Some((prefix, _)) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix)) else {
                    return rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
                };
                let (length, doubt) = extent(rest, prefix.len());
                if doubt {
                    self.doubtful.push(at);
                }
                if length > prefix.len() {
                    self.name(rest.get(..length).unwrap_or(rest));
                }
                length
            }
            _ => next.len_utf8(),
        }
    }

    fn name(&mut self, name: &str) {
        let column = resolve_alias(name).unwrap_or_else(|| name.to_owned());
        if is_flattened(&column) && !self.found.contains(&column) {
            self.schema.with_column(column.as_str().into(), DataType::String);
            self.found.push(column);
        }
    }
}

/// The length of the name at the start of `text`, of which `end` bytes are known, and whether it may be longer.
///
/// Beyond an operator it goes on if what follows cannot be an operand, because no column or function is called so.
fn extent(text: &str, start: usize) -> (usize, bool) {
    let mut end = start;
    while let Some(next) = text.get(end..).and_then(|rest| rest.chars().next()) {
        let after = text.get(end + next.len_utf8()..).unwrap_or_default();
        let first = after.chars().next();
        if is_name_char(next) || end == start && !needs_quotes(next) {
            end += next.len_utf8();
        } else if needs_quotes(next) {
            break;
        } else if matches!(next, '.' | ':') && first.is_some_and(is_name_char) {
            end += 1;
        } else if !OPERATORS.contains(&next) {
            end += next.len_utf8();
        } else if first.is_none_or(|first| needs_quotes(first) || first == next || (next == '~' && first == '*')) {
            break;
        } else if first.is_some_and(|first| first.is_alphabetic() || first == '_') && !is_operand(after) {
            end += 1;
        } else {
            return (end, true);
        }
    }
    (end, false)
}

/// True if `text` begins with a word that means something of its own.
fn is_operand(text: &str) -> bool {
    let word = text.get(..dotted(text)).unwrap_or(text);
    let field = || FIELDS.iter().any(|field| field.name == word || field.aliases.contains(&word));
    let call = || text.get(word.len()..).is_some_and(|after| after.trim_start().starts_with('('));
    field()
        || PREFIXES.iter().any(|(prefix, _)| word.starts_with(prefix))
        || matches!(word, "config_json" | "summary_json")
        || KEYWORDS.contains(&word.to_ascii_uppercase().as_str())
        || (call() && functions::find(&word.to_lowercase()).is_some())
        || (["date", "timestamp"].contains(&word.to_ascii_lowercase().as_str()) && {
            text.get(word.len()..).is_some_and(|after| after.trim_start().starts_with('\''))
        })
}
