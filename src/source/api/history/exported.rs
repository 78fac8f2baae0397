//! Rows before they are joined: those of an exported row group, and what any row is until then.

use super::parquet::{Cell, Column, Footer};
use crate::error::{Error, Result};
use crate::json;
use crate::record::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Columns that every row may have.
pub(super) const OWN: [&str; 3] = ["_step", "_timestamp", "_runtime"];

/// Bytes of a file: a part of what came in one answer.
#[derive(Clone)]
pub(super) struct Bytes {
    all: Arc<Vec<u8>>,
    part: Range<usize>,
}

impl From<Vec<u8>> for Bytes {
    fn from(all: Vec<u8>) -> Self {
        Bytes { part: 0..all.len(), all: Arc::new(all) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.all.get(self.part.clone()).unwrap_or_default()
    }
}

impl Bytes {
    /// A part of these bytes; `None` if they are fewer.
    pub(super) fn part(&self, part: Range<usize>) -> Option<Bytes> {
        let inside = part.start <= part.end && part.end <= self.part.len();
        let part = self.part.start + part.start..self.part.start + part.end;
        inside.then(|| Bytes { all: self.all.clone(), part })
    }
}

/// A row group of which the wanted columns are there.
#[derive(Clone)]
pub(super) struct Exported {
    /// What the file is called, for messages.
    pub file: Arc<str>,
    pub footer: Arc<Footer>,
    pub group: usize,
    pub columns: Arc<[String]>,
    pub chunks: BTreeMap<usize, Bytes>,
}

impl Exported {
    /// Rows of the row group, as the file tells.
    pub(super) fn rows(&self) -> usize {
        self.footer.groups.get(self.group).map_or(0, |group| group.rows)
    }

    /// The values of a column.
    ///
    /// # Errors
    /// If they are damaged; with the file's name.
    pub(super) fn column(&self, name: &str) -> Result<Column> {
        let told = |error: Error| Error::new(error.kind(), format!("{}: {}", self.file, error.message()));
        self.footer.column(self.group, name, &self.chunks).map_err(told)
    }
}

/// A row whose values are still text.
#[derive(Default)]
pub(super) struct Row<'a> {
    /// Where it came from: rows of one step and different origins are copies of each other.
    pub origin: usize,
    pub step: Option<i64>,
    pub time: Option<Timestamp>,
    pub runtime: Option<f64>,
    /// Keys as they stand between quotes, and their values.
    pub members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Row<'a> {
    /// Takes over what another row of the same step has.
    pub(super) fn join(&mut self, later: Row<'a>) {
        self.origin = later.origin;
        self.time = later.time.or(self.time);
        self.runtime = later.runtime.or(self.runtime);
        for (key, value) in later.members {
            match self.members.iter_mut().find(|(known, _)| *known == key) {
                Some(known) if value != "null" => known.1 = value,
                Some(_) => {}
                None => self.members.push((key, value)),
            }
        }
    }

    /// The metrics as one object.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("{");
        for (key, value) in &self.members {
            if text.len() > 1 {
                text.push(',');
            }
            text.push('"');
            text.push_str(key);
            text.push_str("\":");
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

/// `_step`, `_timestamp` and `_runtime` of row groups.
#[derive(Default)]
pub(super) struct Own {
    pub steps: Vec<Option<i64>>,
    pub times: Vec<Option<Timestamp>>,
    pub runtimes: Vec<Option<f64>>,
}

impl Own {
    pub(super) fn read(exported: &Exported) -> Result<Own> {
        let rows = exported.rows();
        let read = |name: &str| -> Result<Vec<Option<f64>>> {
            let mut values = vec![None; rows];
            if !exported.columns.iter().any(|column| column == name) {
                return Ok(values);
            }
            exported.column(name)?.each(|row, cell| {
                let value = match cell {
                    Cell::Int(value) => Some(value as f64),
                    Cell::Float(value) => Some(value),
                    _ => None,
                };
                values.get_mut(row).into_iter().for_each(|slot| *slot = value);
            });
            Ok(values)
        };
        // Steps beyond 2^53 would lose their last digits here; no counter gets there.
        let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
        let steps = read("_step")?.into_iter().map(|value| value.and_then(whole)).collect();
        let times = read("_timestamp")?.into_iter().map(|value| value.and_then(Timestamp::from_float)).collect();
        let runtimes = read("_runtime")?.into_iter().map(|value| value.filter(|value| value.is_finite())).collect();
        Ok(Own { steps, times, runtimes })
    }

    /// Adds those of the next row group.
    pub(super) fn append(&mut self, mut next: Own) {
        self.steps.append(&mut next.steps);
        self.times.append(&mut next.times);
        self.runtimes.append(&mut next.runtimes);
    }
}

/// The rows of a row group, as texts.
pub(super) fn exported_rows(exported: &Exported, origin: usize) -> Result<Vec<Row<'static>>> {
    let own = Own::read(exported)?;
    let each = own.steps.into_iter().zip(own.times).zip(own.runtimes);
    let row = |((step, time), runtime)| Row { origin, step, time, runtime, members: Vec::new() };
    let mut rows: Vec<Row<'static>> = each.map(row).collect();
    for name in exported.columns.iter().filter(|name| !OWN.contains(&name.as_str())) {
        let mut key = String::new();
        json::quote(name, &mut key);
        let key = key.get(1..key.len() - 1).unwrap_or_default().to_owned();
        exported.column(name)?.each(|at, cell| {
            let mut text = String::new();
            cell.write(&mut text);
            if let Some(row) = rows.get_mut(at) {
                row.members.push((key.clone().into(), text.into()));
            }
        });
    }
    Ok(rows)
}

/// True if a column's name lies below another's, as `a.b` below `a`: then nested values of the one may be called like the other.
pub(super) fn clash(columns: &[String]) -> bool {
    let tops: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let below =
        |name: &&String| name.match_indices('.').any(|(at, _)| name.get(..at).is_some_and(|top| tops.contains(top)));
    columns.iter().any(|name| below(&name))
}
