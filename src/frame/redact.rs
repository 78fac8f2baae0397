//! A table whose texts are redacted as they are read: for stored tables, of which no column is held in memory.

use super::Table;
use crate::columns::{Columns, FIELDS, Kind, TextForm};
use crate::error::Result;
use crate::record::Redacted;
use crate::secrets::{self, Found, Looking, Redaction};
use polars::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// What a receipt says of a redaction.
pub fn told(redaction: &Redaction) -> Redacted {
    let columns = redaction.chosen().to_vec();
    Redacted { key_check: redaction.key_check(), random: redaction.is_random(), columns }
}

/// Looks for secrets in all texts of the columns, replaces them if that is asked for, and says so in the columns' receipt.
pub fn look(columns: &mut Columns, redaction: Option<&Redaction>) {
    let found = secrets::look(redaction, |editor| columns.edit_texts(editor));
    if let Some(redaction) = redaction {
        columns.edit_raw(|text| redaction.hash(text));
    }
    columns.note(|receipt| {
        receipt.found_secrets(found);
        receipt.redacted = redaction.map(told);
    });
}

/// Looks for secrets in all texts of the columns, on all threads, and says in their receipt what was found.
pub fn look_through(columns: &mut Columns) {
    let looked = columns.edit_texts_apart(|| Looking::new(None));
    columns.note(|receipt| looked.into_iter().for_each(|looking| receipt.found_secrets(looking.into_columns())));
}

/// Checks that the columns that a redaction names are there.
///
/// # Errors
/// If one is not, or holds no texts.
pub fn check(redaction: &Redaction, schema: &Schema) -> Result<()> {
    let is_text = |dtype: &DataType| match dtype {
        DataType::List(inner) => inner.is_string(),
        dtype => dtype.is_string(),
    };
    let columns: Vec<(&str, bool)> = schema.iter().map(|(name, dtype)| (name.as_str(), is_text(dtype))).collect();
    redaction.check(&columns)
}

/// A table and what is to be redacted in it.
pub(super) struct Redacting {
    pub(super) table: Arc<dyn Table>,
    pub(super) redaction: Arc<Redaction>,
}

impl Redacting {
    fn column(&self, column: &Column) -> Result<Column> {
        let name = column.name().as_str();
        let redaction = Some(self.redaction.as_ref());
        if matches!(name, "config_json" | "summary_json") {
            let texts = column.str()?.iter().map(|text| text.map(|text| self.redaction.hash(text)));
            return Ok(StringChunked::from_iter_options(column.name().clone(), texts).into_series().into());
        }
        let rules = match FIELDS.iter().any(|field| field.name == name) {
            true => secrets::Column::of_field(name, redaction),
            false => secrets::Column::new(name, redaction),
        };
        if rules.is_left() {
            return Ok(column.clone());
        }
        let is_json = Kind::split(name).1 == Some(Kind::Json) || self.json_columns().iter().any(|json| json == name);
        let form = if is_json { TextForm::Json } else { TextForm::Plain };
        match column.dtype() {
            DataType::String => Ok(edited(column.as_materialized_series(), &rules, form)?.into()),
            DataType::List(inner) if inner.is_string() => {
                let lists = column.list()?;
                let each = lists.apply_to_inner(&|texts| {
                    edited(&texts, &rules, form).map_err(|error| polars_err!(ComputeError: "{error}"))
                })?;
                Ok(each.with_name(column.name().clone()).into_series().into())
            }
            _ => Ok(column.clone()),
        }
    }

    fn frame(&self, frame: &DataFrame) -> Result<DataFrame> {
        let columns = frame.columns().iter().map(|column| self.column(column)).collect::<Result<Vec<_>>>()?;
        Ok(DataFrame::new(frame.height(), columns)?)
    }

    /// True if the column may be changed.
    fn may_change(&self, name: &str) -> bool {
        let holds_text = |dtype: &DataType| dtype.is_string() || dtype.is_list();
        let is_field = FIELDS.iter().any(|field| field.name == name);
        self.schema().get(name).is_none_or(holds_text) && (!is_field || self.redaction.takes(name))
    }
}

fn edited(texts: &Series, rules: &secrets::Column<'_>, form: TextForm) -> Result<Series> {
    let values = texts.str()?;
    let mut found = Found::default();
    let new: Vec<Option<String>> =
        values.iter().map(|text| text.and_then(|text| rules.edit(text, form, &mut found))).collect();
    if new.iter().all(Option::is_none) {
        return Ok(texts.clone());
    }
    let all = values.iter().zip(&new).map(|(old, new)| new.as_deref().or(old));
    Ok(StringChunked::from_iter_options(texts.name().clone(), all).into_series())
}

impl Table for Redacting {
    fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    fn height(&self) -> usize {
        self.table.height()
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.frame(&self.table.read(columns)?)
    }

    fn filters(&self) -> bool {
        self.table.filters()
    }

    fn read_where(&self, columns: &[&str], predicate: &Expr) -> Result<DataFrame> {
        // What is redacted is redacted for conditions too: else their answers would tell of it.
        let asked: Vec<PlSmallStr> = predicate.clone().meta().root_names();
        if !asked.iter().any(|name| self.may_change(name)) {
            return self.frame(&self.table.read_where(columns, predicate)?);
        }
        let mut seen = HashSet::new();
        let both = columns.iter().copied().chain(asked.iter().map(|name| name.as_str()));
        let names: Vec<&str> = both.filter(|name| seen.insert(*name)).collect();
        let chosen: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
        Ok(self.read(&names)?.lazy().filter(predicate.clone()).select(chosen).collect()?)
    }

    fn read_first(&self, columns: &[&str], rows: usize) -> Result<DataFrame> {
        self.frame(&self.table.read_first(columns, rows)?)
    }

    fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        self.frame(&self.table.read_slice(columns, rows)?)
    }

    fn read_rows(&self, columns: &[&str], rows: &[IdxSize]) -> Result<DataFrame> {
        self.frame(&self.table.read_rows(columns, rows)?)
    }

    fn with_artifact_fields(&self, fields: &[&str]) -> Option<Arc<dyn Table>> {
        let table = self.table.with_artifact_fields(fields)?;
        Some(Arc::new(Redacting { table, redaction: self.redaction.clone() }))
    }

    fn json_columns(&self) -> &[String] {
        self.table.json_columns()
    }

    fn columns(&self) -> Result<Columns> {
        let mut columns = self.table.columns()?;
        look(&mut columns, Some(&self.redaction));
        Ok(columns)
    }

    fn nulls(&self, row: usize) -> Option<Vec<&str>> {
        self.table.nulls(row)
    }
}
