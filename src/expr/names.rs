//! Column names as people spell them: aliases, the longest match, globs, and the nearest names for errors.

use super::{Context, fault_of};
use crate::columns::{FIELDS, Kind, prefix_aliases, resolve_alias};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::record::Timestamp;
use polars::prelude::{DataType, Expr, Schema};

/// The columns of a table and their aliases, and what is known besides them.
pub(super) struct Names<'a> {
    pub(super) schema: &'a Schema,
    /// The table lacks runs that the server left out: flattened columns that it does not have are null. The schema holds
    /// them with the type Null.
    pub(super) partial: bool,
    pub(super) context: Context,
}

/// True for the columns made from config and summary.
pub(super) fn is_flattened(column: &str) -> bool {
    column.starts_with("config.") || column.starts_with("summary.")
}

/// True for columns made from config and summary whose name has no kind at its end: such a name stands for all kinds.
pub(super) fn is_whole_path(column: &str) -> bool {
    is_flattened(column) && Kind::split(column).1.is_none()
}

/// True for characters that go on with a word.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl<'a> Names<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Names { schema, partial: false, context: Context::new(Timestamp::from_micros(0)) }
    }

    pub(super) fn within(self, context: Context) -> Self {
        Names { context, ..self }
    }

    /// True if `column` comes from config or summary, so that it depends on the runs whether it exists, and its kind.
    pub(super) fn may_lack(&self, column: Option<&str>) -> bool {
        self.partial && column.is_some_and(is_flattened)
    }

    /// The columns that hold the values of the column's path: it, and those of other kinds where its name stands for all.
    pub(super) fn kinds(&self, column: &str) -> Vec<String> {
        let suffixes = Kind::ALL.into_iter().filter(|_| is_whole_path(column));
        let others = suffixes.map(|kind| format!("{column}:{kind}")).filter(|name| self.schema.contains(name));
        std::iter::once(column.to_owned()).chain(others).collect()
    }

    /// The column with the numbers that the path's column of numbers cannot hold, as digits.
    pub(super) fn digits(&self, column: &str) -> Option<Expr> {
        let name = format!("{column}:{}", Kind::Json);
        let is_text = self.schema.get(&name) == Some(&DataType::String);
        (is_whole_path(column) && is_text).then(|| Expr::Column(name.into()))
    }

    /// The length of the longest column name or alias that `text` spells at its start.
    pub(super) fn longest(&self, text: &str) -> Option<usize> {
        // Looked for when it is asked for, and not listed before: of thousands of columns a text names a few.
        let fits = |name: &str| {
            let bare = !name.is_empty() && !name.contains(needs_quotes);
            bare && text.get(name.len()..).is_some_and(|after| self.ends_well(name, after))
        };
        let begins = |name: &&str| text.starts_with(*name) && fits(name);
        let own = self.spellings().filter(begins).map(str::len).max();
        let renamed = prefix_aliases().filter_map(|(alias, prefix)| {
            let rest = text.strip_prefix(alias)?;
            let tails = self.spellings().filter_map(|name| name.strip_prefix(prefix));
            let lengths = tails.filter(|tail| rest.starts_with(tail)).map(|tail| alias.len() + tail.len());
            lengths.filter(|length| text.get(..*length).is_some_and(fits)).max()
        });
        let fields = FIELDS.iter().filter(|field| self.schema.contains(field.name));
        let aliases = fields.flat_map(|field| field.aliases).copied().filter(begins).map(str::len);
        own.into_iter().chain(renamed).chain(aliases).max()
    }

    /// True if a column name goes beyond the word of this length at the start of `text`.
    pub(super) fn is_longer(&self, text: &str, length: usize) -> bool {
        self.longest(text).is_some_and(|longest| longest > length)
    }

    /// True if a name can end before `after`: `config.lr` does not begin `config.lr2`, `config.lr.x` or `config.lr:string`.
    fn ends_well(&self, name: &str, after: &str) -> bool {
        let mut after = after.chars();
        match after.next() {
            None => true,
            Some('.') => {
                let is_struct = matches!(self.schema.get(name), Some(DataType::Struct(_)));
                is_struct || !after.next().is_some_and(is_name_char)
            }
            Some(':') => !after.next().is_some_and(is_name_char),
            Some(next) => !is_name_char(next),
        }
    }

    /// The column that `name` means: itself, or what it is an alias of.
    pub(super) fn resolve(&self, name: &str) -> Option<String> {
        if self.schema.contains(name) {
            return Some(name.to_owned());
        }
        resolve_alias(name).filter(|column| self.schema.contains(column))
    }

    /// "unknown column NAME (did you mean …?)". `text` from the name on may spell more of it, such as `summary.val/lss`.
    pub(super) fn unknown(&self, name: &str, text: Option<(&str, usize)>) -> Error {
        let mut name = name.to_owned();
        if let Some((text, at)) = text {
            let rest = text.get(at..).unwrap_or_default();
            let spelled = &rest[..rest.find(|c: char| needs_quotes(c) || c == '*').unwrap_or(rest.len())];
            let loose = crate::error::nearest(spelled, self.spellings())
                .first()
                .is_some_and(|near| near.contains(['/', '-', ':']));
            if spelled.len() > name.len() && loose {
                name = spelled.to_owned();
            }
        }
        let error = Error::new(ErrorKind::Column, format!("unknown column {name}"));
        let error = match text {
            Some((_, at)) => error.offset(at as u64),
            None => error,
        };
        if let Some(field) = FIELDS.iter().find(|field| field.name == name || field.aliases.contains(&name.as_str())) {
            return error.hint(format!("{} was not loaded", field.name));
        }
        match name.to_ascii_lowercase().as_str() {
            "nan" => return error.hint("ask is_nan(…): NaN is equal to nothing"),
            "inf" | "infinity" => return error.hint("write cast('inf' as double)"),
            _ => {}
        }
        match did_you_mean(&name, self.spellings()) {
            Some(hint) => error.hint(hint),
            None if text.is_some_and(|(text, at)| text.as_bytes().get(at) == Some(&b'"')) => {
                error.hint(format!("text takes single quotes: '{name}'"))
            }
            None => error.hint("the schema verb lists all columns"),
        }
    }

    fn spellings(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(|name| name.as_str())
    }

    /// The columns that a pattern names, in the table's order: a name, an alias, or a glob with `*` and `?`.
    ///
    /// # Errors
    /// If there is none; `at` is the pattern's offset for the error.
    pub(super) fn expand(&self, pattern: &str, at: Option<(&str, usize)>) -> Result<Vec<String>> {
        if let Some(column) = self.resolve(pattern) {
            return Ok(vec![column]);
        }
        if !pattern.contains(['*', '?']) {
            return Err(self.unknown(pattern, at));
        }
        let resolved = resolve_alias(pattern);
        let glob = resolved.as_deref().unwrap_or(pattern);
        let found: Vec<String> = self.spellings().filter(|name| matches_glob(glob, name)).map(str::to_owned).collect();
        if found.is_empty() {
            let message = format!("no column matches {pattern}");
            let plain: String = glob.chars().filter(|c| !matches!(c, '*' | '?')).collect();
            let hint = did_you_mean(&plain, self.spellings())
                .unwrap_or_else(|| "the schema verb lists all columns".to_owned());
            return Err(fault_of(ErrorKind::Column, at.map(|(_, at)| at), &message, &hint));
        }
        Ok(found)
    }
}

/// True for characters that end a bare name: names that hold them must be quoted.
pub(super) fn needs_quotes(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\'' | '"' | '`' | '(' | ')' | ',' | '<' | '>' | '=' | '!' | ';')
}

/// Whether `name` matches `glob`: `*` stands for any text, `?` for one character.
pub(super) fn matches_glob(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where to go on after the last `*` if what follows does not match.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g, n));
                g += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    g = star + 1;
                    n = from + 1;
                    retry = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}
