//! Looks through all texts of a table, counts what looks like a secret by column, and replaces it if that is asked for.

use super::names::Named;
use super::redaction::Redaction;
use super::{SecretRule, find_secret, json};
use crate::columns::{TextEditor, TextForm};
use crate::record::SecretColumn;
use std::collections::BTreeMap;

/// Counts the secrets in all texts of config and summary by column, and replaces them if there is a redaction. `edit` shows the
/// texts to the editor that it is given.
pub(crate) fn look(redaction: Option<&Redaction>, edit: impl FnOnce(&mut dyn TextEditor)) -> Vec<SecretColumn> {
    let mut looking = Looking::new(redaction);
    edit(&mut looking);
    looking.into_columns()
}

/// What was found, by column.
#[derive(Default)]
pub(crate) struct Found(BTreeMap<String, (u64, &'static str)>);

impl Found {
    fn add(&mut self, column: &str, rule: &'static SecretRule) {
        match self.0.get_mut(column) {
            Some((count, _)) => *count += 1,
            None => drop(self.0.insert(column.to_owned(), (1, rule.name))),
        }
    }

    fn into_columns(self) -> Vec<SecretColumn> {
        let column =
            |(column, (values, what)): (String, (u64, &str))| SecretColumn { column, values, what: what.into() };
        self.0.into_iter().map(column).collect()
    }
}

/// Sees texts, counts the secrets in them by column, and replaces them if there is a redaction.
pub(crate) struct Looking<'a> {
    redaction: Option<&'a Redaction>,
    found: Found,
    column: Option<Column<'a>>,
}

impl<'a> Looking<'a> {
    pub(crate) fn new(redaction: Option<&'a Redaction>) -> Self {
        Looking { redaction, found: Found::default(), column: None }
    }

    /// What was found.
    pub(crate) fn into_columns(self) -> Vec<SecretColumn> {
        self.found.into_columns()
    }
}

impl TextEditor for Looking<'_> {
    fn begin(&mut self, path: &str) {
        self.column = Some(Column::new(path, self.redaction));
    }

    fn field(&mut self, name: &str) -> bool {
        let column = Column::of_field(name, self.redaction);
        let chosen = column.chosen;
        self.column = Some(column);
        chosen
    }

    fn edit(&mut self, text: &str, form: TextForm) -> Option<String> {
        self.column.as_ref()?.edit(text, form, &mut self.found)
    }
}

/// What is done with the texts of one column.
pub(crate) struct Column<'a> {
    path: String,
    redaction: Option<&'a Redaction>,
    named: Named,
    /// The user named the column: all of its texts are replaced.
    chosen: bool,
    /// Its texts are searched.
    searched: bool,
}

impl<'a> Column<'a> {
    /// A column of config or summary, or of history.
    pub(crate) fn new(path: &str, redaction: Option<&'a Redaction>) -> Self {
        let chosen = redaction.is_some_and(|redaction| redaction.takes(path));
        Column { path: path.to_owned(), redaction, named: Named::of(path), chosen, searched: true }
    }

    /// A field of runs: replaced if it is named, else as it is.
    pub(crate) fn of_field(name: &str, redaction: Option<&'a Redaction>) -> Self {
        Column { searched: false, ..Column::new(name, redaction) }
    }

    /// True if no text of the column will be changed.
    pub(crate) fn is_left(&self) -> bool {
        !self.chosen && !self.searched
    }

    /// The text that replaces this one, if any does; what is found is counted.
    pub(crate) fn edit(&self, text: &str, form: TextForm, found: &mut Found) -> Option<String> {
        match (self.redaction.filter(|_| self.chosen), form) {
            (Some(redaction), TextForm::Plain) => return Some(redaction.hash(text)),
            (Some(redaction), TextForm::Json) => return Some(format!("\"{}\"", redaction.hash(text))),
            (None, _) if !self.searched => return None,
            (None, _) => {}
        }
        match form {
            TextForm::Plain => {
                let (new, rule) = self.replace(text, self.named)?;
                found.add(&self.path, rule);
                new
            }
            TextForm::Json => {
                let mut first = None;
                let new = json::edit(text, self.named, |text, named| {
                    let (new, rule) = self.replace(text, named)?;
                    first.get_or_insert(rule);
                    new
                });
                if let Some(rule) = first {
                    found.add(&self.path, rule);
                }
                new
            }
        }
    }

    /// The first rule that a text meets, and the text with its secrets replaced; `None` if it holds none.
    fn replace(&self, text: &str, named: Named) -> Option<(Option<String>, &'static SecretRule)> {
        let mut secret = find_secret(text, 0, named)?;
        let rule = secret.rule;
        let Some(redaction) = self.redaction else { return Some((None, rule)) };
        let (mut out, mut copied) = (String::new(), 0);
        loop {
            out.push_str(text.get(copied..secret.range.start).unwrap_or_default());
            out.push_str(&redaction.hash(text.get(secret.range.clone()).unwrap_or_default()));
            copied = secret.range.end;
            match find_secret(text, copied, Named::Plain) {
                Some(next) if copied < text.len() => secret = next,
                _ => break,
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some((Some(out), rule))
    }
}
