//! Runs side by side, key by key.

use super::find::Names;
use super::value;
use crate::columns::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::expand_columns;
use crate::frame::RunFrame;
use crate::json::quote;
use crate::sink;
use polars::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Columns that are dense at the same time.
const BATCH: usize = 128;

/// What names the run, is a table of its own, or is there once more in other columns.
const NOT_COMPARED: [&str; 7] =
    ["entity", "project", "name", "logged_artifacts", "used_artifacts", "config_json", "summary_json"];

/// What is compared. The default is the config, and only what differs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DiffOptions {
    /// Summary metrics too.
    pub summary: bool,
    /// Fields too: state, times, tags, user, ….
    pub fields: bool,
    /// Keys that are equal too.
    pub all: bool,
    /// Columns to leave out: names and globs.
    pub ignore: Vec<String>,
    /// The zone that times are shown in; UTC if `None`.
    pub zone: Option<sink::Zone>,
}

/// What a run has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffCell {
    /// The run does not have the key.
    Missing,
    /// The run has the key, and it is an explicit `null`.
    Null,
    /// A value: as text, texts in quotes where they would read as another kind of value, and as JSON.
    Value {
        /// For eyes, with all digits.
        text: String,
        /// Its JSON.
        json: String,
    },
}

/// One key of the runs that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiffKey {
    /// The path, `config.optimizer.lr`, whatever kinds its values are of; or the field, `state`.
    pub key: String,
    /// What each run has, in the order of the runs.
    pub cells: Vec<DiffCell>,
    /// Whether not all of them are the same.
    pub differs: bool,
}

/// How runs differ.
#[derive(Debug, Clone)]
pub struct Diff {
    runs: Vec<String>,
    keys: Vec<DiffKey>,
    compared: usize,
    differing: usize,
    knows_nulls: bool,
    all: bool,
}

impl RunFrame {
    /// The keys under which these runs do not have the same: fields, then config, then summary, each in the table's order.
    ///
    /// Numbers are equal by value (1 is 1.0, NaN is NaN), lists element by element, JSON by what it holds, whatever the order
    /// of its keys. Text is never equal to a number. A key that a run does not have differs from one that is `null`, where
    /// that is known: see [`RunFrame::explicit_nulls`]. Runs are named as for [`RunFrame::find_run`].
    ///
    /// ```
    /// # fn main() -> runframe::Result<()> {
    /// use runframe::RunFrame;
    /// use runframe::compare::DiffOptions;
    ///
    /// let runs = RunFrame::open("examples/wandb")?;
    /// let diff = runs.diff(&["winter-sweep-1", "winter-sweep-3"], &DiffOptions::default())?;
    /// let keys: Vec<&str> = diff.keys().iter().map(|key| key.key.as_str()).collect();
    /// assert_eq!(keys, ["config.learning_rate", "config.optimizer.lr"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fewer than two runs, one named twice, unknown or ambiguous names, columns to ignore that do not exist.
    pub fn diff<S: AsRef<str>>(&self, runs: &[S], options: &DiffOptions) -> Result<Diff> {
        let mut named = vec!["entity", "project", "name", "display_name"];
        named.retain(|name| self.schema().contains(name));
        let table = self.select(&named)?;
        let names = Names::of(&table)?;
        let rows = runs.iter().map(|run| names.find(run.as_ref())).collect::<Result<Vec<usize>>>()?;
        if rows.len() < 2 {
            return Err(Error::new(ErrorKind::Usage, "one run alone does not differ").hint("name two runs or more"));
        }
        if let Some(row) = rows.iter().enumerate().find(|(at, row)| rows[..*at].contains(row)).map(|(_, row)| *row) {
            return Err(Error::new(ErrorKind::Usage, format!("{} is named twice", names.path(row))));
        }
        let mut keys = self.compared_keys(&rows, options)?;
        let compared = keys.len();
        let differing = keys.iter().filter(|key| key.differs).count();
        keys.retain(|key| options.all || key.differs);
        let knows_nulls = rows.iter().all(|row| self.explicit_nulls(*row).is_some());
        Ok(Diff { runs: headers(&names, &rows), keys, compared, differing, knows_nulls, all: options.all })
    }

    fn compared_keys(&self, rows: &[usize], options: &DiffOptions) -> Result<Vec<DiffKey>> {
        let ignored: HashSet<String> =
            expand_columns(&options.ignore, self.schema())?.iter().map(|name| path_of(name).to_owned()).collect();
        let wanted = |name: &str| match Part::of(name) {
            Some(Part::Fields) => options.fields,
            Some(Part::Config) => true,
            Some(Part::Summary) => options.summary,
            None => false,
        };
        let names = self.schema().iter_names().map(|name| name.as_str());
        let names: Vec<&str> = names.filter(|name| wanted(name) && !ignored.contains(path_of(name))).collect();
        // By part, then in the order of the table; the columns of one path are one key.
        let mut keys: BTreeMap<(Part, usize), Found> = BTreeMap::new();
        let mut places: BTreeMap<String, (Part, usize)> = BTreeMap::new();
        let at: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
        let json_columns = self.json_columns().to_vec();
        let shown = sink::Options { zone: options.zone, json_columns, ..sink::Options::default() };
        for batch in names.chunks(BATCH) {
            let values = self.select(batch)?.take(&IdxCa::from_vec("rows".into(), at.clone()))?;
            for column in values.columns() {
                let (name, series) = (column.name().as_str(), column.as_materialized_series());
                let Some(part) = Part::of(name) else { continue };
                let next = (part, places.len());
                let place = *places.entry(path_of(name).to_owned()).or_insert(next);
                let found = keys.entry(place).or_insert_with(|| Found::new(path_of(name), rows.len()));
                found.add(series, value::is_json(name, self.json_columns()), &shown);
            }
        }
        for (run, row) in rows.iter().enumerate() {
            for path in self.explicit_nulls(*row).unwrap_or_default() {
                if let Some(found) = places.get(path).and_then(|place| keys.get_mut(place)) {
                    found.null(run);
                }
            }
        }
        Ok(keys.into_values().filter(Found::is_anywhere).map(Found::key).collect())
    }
}

/// The part of the run table that a column belongs to, in the order they are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Fields,
    Config,
    Summary,
}

impl Part {
    /// `None` for what is never compared.
    fn of(column: &str) -> Option<Self> {
        match column {
            _ if column.starts_with("config.") => Some(Part::Config),
            _ if column.starts_with("summary.") => Some(Part::Summary),
            _ if NOT_COMPARED.contains(&column) => None,
            _ => Some(Part::Fields),
        }
    }
}

/// The path without the kind at its end.
fn path_of(column: &str) -> &str {
    match Part::of(column) {
        Some(Part::Config | Part::Summary) => Kind::split(column).0,
        _ => column,
    }
}

/// What the runs have under one path, and the spellings that tell whether it is the same.
struct Found {
    key: String,
    cells: Vec<DiffCell>,
    spellings: Vec<Option<String>>,
}

impl Found {
    fn new(key: &str, runs: usize) -> Self {
        Found { key: key.to_owned(), cells: vec![DiffCell::Missing; runs], spellings: vec![None; runs] }
    }

    /// Takes the values of one column of the path; a run has a value in one of them at most.
    fn add(&mut self, values: &Series, is_json: bool, options: &sink::Options) {
        for (run, (cell, known)) in self.cells.iter_mut().zip(&mut self.spellings).enumerate() {
            if let Some(spelling) = value::spelled(values, run, is_json) {
                let text = value::shown(values, run, is_json, options);
                let json = sink::json(values, run, options);
                *cell = DiffCell::Value { text, json };
                *known = Some(spelling);
            }
        }
    }

    fn null(&mut self, run: usize) {
        if let (Some(cell @ DiffCell::Missing), Some(known)) = (self.cells.get_mut(run), self.spellings.get_mut(run)) {
            *cell = DiffCell::Null;
            *known = Some("null".to_owned());
        }
    }

    /// False for keys that only other runs have.
    fn is_anywhere(&self) -> bool {
        self.spellings.iter().any(Option::is_some)
    }

    fn key(self) -> DiffKey {
        let differs = self.spellings.windows(2).any(|pair| pair[0] != pair[1]);
        DiffKey { key: self.key, cells: self.cells, differs }
    }
}

/// What the runs are called in headers: their names; `entity/project/name` where two have the same.
fn headers(names: &Names<'_>, rows: &[usize]) -> Vec<String> {
    let plain: Vec<&str> = rows.iter().map(|row| names.name(*row).unwrap_or("-")).collect();
    let taken = |name: &str| ["key", "differs"].contains(&name) || plain.iter().filter(|n| **n == name).count() > 1;
    rows.iter().zip(&plain).map(|(row, name)| if taken(name) { names.path(*row) } else { (*name).to_owned() }).collect()
}

impl Diff {
    /// The runs' headers, in the order they were named: name, or `entity/project/name` where two have the same name.
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// The keys that differ; all of them with [`DiffOptions::all`].
    pub fn keys(&self) -> &[DiffKey] {
        &self.keys
    }

    /// How many keys at least one of the runs has, those to be ignored left out.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// How many of them differ.
    pub fn differing(&self) -> usize {
        self.differing
    }

    /// Whether a key that is null is told apart from one that a run does not have: not in a stored table.
    pub fn knows_nulls(&self) -> bool {
        self.knows_nulls
    }

    /// One row per key: `key`, a column per run, and with [`DiffOptions::all`] `differs` (Boolean). The runs' columns are text,
    /// as a key's values may be of several kinds; null where the run does not have the key, `null` where it is null.
    ///
    /// # Errors
    /// Only if Polars refuses a column.
    pub fn to_frame(&self) -> Result<DataFrame> {
        let texts = |run: usize| {
            let text = |key: &DiffKey| match &key.cells[run] {
                DiffCell::Missing => None,
                DiffCell::Null => Some("null".to_owned()),
                DiffCell::Value { text, .. } => Some(text.clone()),
            };
            self.keys.iter().map(text).collect::<Vec<Option<String>>>()
        };
        let keys: Vec<&str> = self.keys.iter().map(|key| key.key.as_str()).collect();
        let mut columns = vec![Column::new("key".into(), keys)];
        columns.extend(self.runs.iter().enumerate().map(|(run, name)| Column::new(name.as_str().into(), texts(run))));
        if self.all {
            columns.push(Column::new("differs".into(), self.keys.iter().map(|key| key.differs).collect::<Vec<bool>>()));
        }
        Ok(DataFrame::new(self.keys.len(), columns)?)
    }

    /// One object per key, with the values as they are: `{"key": …, RUN: value, …}`. A run that does not have the key has no
    /// member. An array, or with `lines` an object per line.
    pub fn to_json(&self, lines: bool) -> String {
        let object = |key: &DiffKey| {
            let mut out = String::from("{\"key\":");
            quote(&key.key, &mut out);
            for (run, cell) in self.runs.iter().zip(&key.cells) {
                let value = match cell {
                    DiffCell::Missing => continue,
                    DiffCell::Null => "null",
                    DiffCell::Value { json, .. } => json,
                };
                out.push(',');
                quote(run, &mut out);
                out.push(':');
                out.push_str(value);
            }
            if self.all {
                out.push_str(if key.differs { ",\"differs\":true" } else { ",\"differs\":false" });
            }
            out + "}"
        };
        let objects: Vec<String> = self.keys.iter().map(object).collect();
        match (lines, objects.is_empty()) {
            (true, true) => String::new(),
            (true, false) => objects.join("\n") + "\n",
            (false, true) => "[]\n".to_owned(),
            (false, false) => format!("[\n{}\n]\n", objects.join(",\n")),
        }
    }
}
