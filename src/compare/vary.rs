//! Which keys vary over runs, over what, and which of them always move together.

use super::value;
use crate::columns::Kind;
use crate::error::Result;
use crate::expr::expand_columns;
use crate::sink;
use polars::prelude::*;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

/// Columns that are dense at the same time.
const BATCH: usize = 128;

/// Other keys that a row of the table names.
const NAMED: usize = 8;

/// What is looked at. The default is every config key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VaryOptions {
    /// Columns to look at, names and globs, with the other kinds of their paths; if there is none, every config key.
    pub columns: Vec<String>,
    /// Columns to leave out: names and globs.
    pub ignore: Vec<String>,
    /// How many of the most frequent values are told.
    pub top: usize,
    /// Keys that never vary too.
    pub all: bool,
    /// Columns of JSON text whose name does not tell, as [`RunFrame::json_columns`](crate::RunFrame::json_columns) gives them.
    pub json_columns: Vec<String>,
}

impl Default for VaryOptions {
    fn default() -> Self {
        VaryOptions { columns: Vec::new(), ignore: Vec::new(), top: 5, all: false, json_columns: Vec::new() }
    }
}

/// One key and what the runs have under it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaryKey {
    /// The path, `config.optimizer.lr`, whatever kinds its values are of.
    pub key: String,
    /// How many different values there are.
    pub values: usize,
    /// Runs that have a value.
    pub runs: usize,
    /// Runs that have none: the key is missing, or null.
    pub missing: usize,
    /// The most frequent values and how many runs have each, the most frequent first, of equally frequent ones the lowest.
    pub top: Vec<(String, usize)>,
    /// The number of the group of keys that always move together, from 1; `None` if this one moves alone or not at all.
    pub together: Option<usize>,
}

impl VaryKey {
    /// Whether not all runs have the same here; that a run has no value counts as one.
    pub fn varies(&self) -> bool {
        self.values + usize::from(self.missing > 0) > 1
    }
}

/// What varies over runs.
#[derive(Debug, Clone)]
pub struct Vary {
    runs: usize,
    keys: Vec<VaryKey>,
    varying: usize,
    steady: usize,
}

/// Which config keys vary over the runs, how many values they have, the most frequent ones, and which keys always move together.
///
/// A key varies if two runs do not have the same value, or if some runs have one and others not; a null is no value. Keys that
/// none of the runs has do not count. The columns of one path with several kinds are one key, and text is never equal
/// to a number. Numbers are equal by value, NaN is one value, lists and JSON are equal by what they hold.
/// Keys move together if they part the runs in the same way: wherever one changes the others change too.
///
/// ```
/// use polars::prelude::*;
/// use runframe::compare::{VaryOptions, vary};
///
/// let runs = df!("name" => ["r1", "r2", "r3"], "config.lr" => [0.1, 0.1, 0.01], "config.epochs" => [4, 4, 8],
///                "config.seed" => [Some(1), None, Some(1)], "config.depth" => [3, 3, 3])?;
/// let varying = vary(runs.lazy(), &VaryOptions::default())?;
/// let keys: Vec<(&str, usize)> = varying.keys().iter().map(|key| (key.key.as_str(), key.values)).collect();
/// assert_eq!(keys, [("config.epochs", 2), ("config.lr", 2), ("config.seed", 1)]);
/// assert_eq!(varying.groups(), [["config.epochs", "config.lr"]]);
/// assert_eq!(varying.steady(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Columns that do not exist, with the nearest names; a frame that cannot be collected.
pub fn vary(runs: LazyFrame, options: &VaryOptions) -> Result<Vary> {
    let schema = runs.clone().collect_schema()?;
    let ignored: HashSet<String> =
        expand_columns(&options.ignore, &schema)?.iter().map(|name| path_of(name).to_owned()).collect();
    let asked: HashSet<String> =
        expand_columns(&options.columns, &schema)?.iter().map(|name| path_of(name).to_owned()).collect();
    let is_asked = |name: &str| match options.columns.is_empty() {
        true => name.starts_with("config."),
        false => asked.contains(path_of(name)),
    };
    let names = schema.iter_names().map(|name| name.to_string());
    let mut columns: Vec<String> = names.filter(|name| is_asked(name) && !ignored.contains(path_of(name))).collect();
    // The columns of one path stand together, so that a batch has all of them, in the order of kinds.
    columns.sort_by(|a, b| path_of(a).cmp(path_of(b)).then(Kind::split(a).1.cmp(&Kind::split(b).1)));
    let mut height = runs.clone().select([len().alias("runs")]).collect()?.column("runs")?.u32()?.get(0).unwrap_or(0);
    let mut keys = Vec::new();
    let paths: Vec<&[String]> = columns.chunk_by(|a, b| path_of(a) == path_of(b)).collect();
    for batch in paths.chunks(BATCH) {
        let names: Vec<Expr> = batch.iter().copied().flatten().map(|name| Expr::Column(name.as_str().into())).collect();
        let values = runs.clone().select(names).collect()?;
        height = values.height() as u32;
        for path in batch {
            let columns = path.iter().map(|name| values.column(name)).collect::<PolarsResult<Vec<_>>>()?;
            keys.push(key(path_of(&path[0]), &columns, options));
        }
    }
    keys.retain(|(key, _)| key.runs > 0);
    let varying = keys.iter().filter(|(key, _)| key.varies()).count();
    let steady = keys.len() - varying;
    let mut keys = grouped(keys);
    keys.retain(|key| options.all || key.varies());
    Ok(Vary { runs: height as usize, keys, varying, steady })
}

/// The path without the kind at its end.
fn path_of(column: &str) -> &str {
    match column.starts_with("config.") || column.starts_with("summary.") {
        true => Kind::split(column).0,
        false => column,
    }
}

/// What the runs have under one path, and a hash of how it parts them.
fn key(path: &str, columns: &[&Column], options: &VaryOptions) -> (VaryKey, u128) {
    let mut groups = Groups { of_row: vec![0; columns.first().map_or(0, |column| column.len())], found: Vec::new() };
    let series: Vec<&Series> = columns.iter().map(|column| column.as_materialized_series()).collect();
    for (at, values) in series.iter().enumerate() {
        groups.add(at, values, value::is_json(values.name(), &options.json_columns));
    }
    let Groups { of_row, mut found } = groups;
    let parting = parting(&of_row, found.len());
    let (values, runs) = (found.len(), found.iter().map(|group| group.runs).sum());
    if options.top < found.len() {
        found.select_nth_unstable_by(options.top, |a, b| a.cmp(b));
        found.truncate(options.top);
    }
    found.sort_unstable_by(|a, b| a.cmp(b));
    let shown = sink::Options::default();
    let text = |group: &Group<'_>| {
        let values = series[group.column];
        value::shown(values, group.row, value::is_json(values.name(), &options.json_columns), &shown)
    };
    let top = found.iter().map(|group| (text(group), group.runs)).collect();
    (VaryKey { key: path.to_owned(), values, runs, missing: of_row.len() - runs, top, together: None }, parting)
}

/// A value as it is told from others of its column.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Known<'a> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Cow<'a, str>),
}

/// The runs that have one value.
struct Group<'a> {
    column: usize,
    value: Known<'a>,
    /// The first row that has it.
    row: usize,
    runs: usize,
}

impl Group<'_> {
    /// Most frequent first, then by kind, then lowest first, NaN last. Does not depend on the order of the runs.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = || match (&self.value, &other.value) {
            (Known::Float(a), Known::Float(b)) => a.total_cmp(b),
            (a, b) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        };
        other.runs.cmp(&self.runs).then(self.column.cmp(&other.column)).then_with(by_value)
    }
}

/// The runs parted by their values under one path.
struct Groups<'a> {
    /// The group of each row, from 1; 0 has no value.
    of_row: Vec<u32>,
    found: Vec<Group<'a>>,
}

impl<'a> Groups<'a> {
    /// Takes the values of one column of the path; a run has a value in one of them at most.
    fn add(&mut self, column: usize, values: &'a Series, is_json: bool) {
        match values.dtype() {
            DataType::Int64 => {
                let ints = values.i64().into_iter().flat_map(|values| values.iter());
                self.take(column, ints, |value| value, Known::Int);
            }
            DataType::Float64 => {
                let floats = values.f64().into_iter().flat_map(|values| values.iter());
                // One spelling of NaN, and of zero.
                let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
                self.take(column, floats, bits, |value| Known::Float(if value.is_nan() { f64::NAN } else { value }));
            }
            DataType::Boolean => {
                let flags = values.bool().into_iter().flat_map(|values| values.iter());
                self.take(column, flags, |value| value, Known::Bool);
            }
            DataType::String if !is_json => {
                let texts = values.str().into_iter().flat_map(|values| values.iter());
                self.take(column, texts, |value| value, |value| Known::Text(Cow::Borrowed(value)));
            }
            _ => {
                let texts = (0..values.len()).map(|row| value::spelled(values, row, is_json).map(Cow::Owned));
                self.take(column, texts, |value: Cow<'a, str>| value, Known::Text);
            }
        }
    }

    fn take<T: Clone, K: std::hash::Hash + Eq>(
        &mut self,
        column: usize,
        values: impl Iterator<Item = Option<T>>,
        key: impl Fn(T) -> K,
        known: impl Fn(T) -> Known<'a>,
    ) {
        let mut ids: PlHashMap<K, u32> = PlHashMap::new();
        for ((row, group), value) in self.of_row.iter_mut().enumerate().zip(values) {
            let Some(value) = value else { continue };
            let id = *ids.entry(key(value.clone())).or_insert_with(|| {
                self.found.push(Group { column, value: known(value), row, runs: 0 });
                self.found.len() as u32
            });
            *group = id;
            if let Some(group) = self.found.get_mut(id as usize - 1) {
                group.runs += 1;
            }
        }
    }
}

/// A hash of how the groups part the rows, whatever their numbers: each group is numbered by the row it comes first in.
fn parting(of_row: &[u32], groups: usize) -> u128 {
    let mut numbers = vec![u32::MAX; groups + 1];
    let mut next = 0u32;
    let mut bytes = Vec::with_capacity(size_of_val(of_row));
    for group in of_row {
        let Some(number) = numbers.get_mut(*group as usize) else { continue };
        if *number == u32::MAX {
            *number = next;
            next += 1;
        }
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let half = |salt: u8| {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(&bytes);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Numbers the groups of varying keys that part the runs in the same way.
fn grouped(keys: Vec<(VaryKey, u128)>) -> Vec<VaryKey> {
    let mut sizes: HashMap<u128, usize> = HashMap::new();
    keys.iter().filter(|(key, _)| key.varies()).for_each(|(_, parting)| *sizes.entry(*parting).or_default() += 1);
    let mut numbers: HashMap<u128, usize> = HashMap::new();
    let number = |(mut key, parting): (VaryKey, u128)| {
        if key.varies() && sizes.get(&parting).is_some_and(|size| *size > 1) {
            let next = numbers.len() + 1;
            key.together = Some(*numbers.entry(parting).or_insert(next));
        }
        key
    };
    keys.into_iter().map(number).collect()
}

impl Vary {
    /// The keys that vary, sorted; with [`VaryOptions::all`] those that do not, too.
    pub fn keys(&self) -> &[VaryKey] {
        &self.keys
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// How many keys vary.
    pub fn varying(&self) -> usize {
        self.varying
    }

    /// How many keys never vary: all runs have them, with one value.
    pub fn steady(&self) -> usize {
        self.steady
    }

    /// The keys that always move together, group by group in the order of their numbers.
    pub fn groups(&self) -> Vec<Vec<&str>> {
        let mut groups: Vec<Vec<&str>> = Vec::new();
        for key in &self.keys {
            if let Some(number) = key.together {
                if groups.len() < number {
                    groups.resize(number, Vec::new());
                }
                groups[number - 1].push(&key.key);
            }
        }
        groups
    }

    /// One row per key: `key`, `values` (Int64, different ones), `runs` and `missing` (Int64), `top` (String, `0.01×12, 0.1×3`),
    /// `together` (Int64, the group's number; null if none) and `with` (String, the group's other keys, the first 8).
    ///
    /// # Errors
    /// Only if Polars refuses a column.
    pub fn to_frame(&self) -> Result<DataFrame> {
        let groups = self.groups();
        let with = |key: &VaryKey| {
            let group = groups.get(key.together?.checked_sub(1)?)?;
            let others = group.iter().copied().filter(|other| *other != key.key).take(NAMED);
            let mut named = others.collect::<Vec<&str>>().join(", ");
            if group.len() - 1 > NAMED {
                named.push_str(&format!(", … {} more", group.len() - 1 - NAMED));
            }
            Some(named)
        };
        let top = |key: &VaryKey| {
            let values: Vec<String> = key.top.iter().map(|(value, runs)| format!("{value}×{runs}")).collect();
            values.join(", ")
        };
        let texts = |name: &str, get: &dyn Fn(&VaryKey) -> Option<String>| {
            Column::new(name.into(), self.keys.iter().map(get).collect::<Vec<Option<String>>>())
        };
        let counts = |name: &str, get: &dyn Fn(&VaryKey) -> Option<usize>| {
            let counts = self.keys.iter().map(|key| get(key).and_then(|count| i64::try_from(count).ok()));
            Column::new(name.into(), counts.collect::<Vec<Option<i64>>>())
        };
        let columns = vec![
            texts("key", &|key| Some(key.key.clone())),
            counts("values", &|key| Some(key.values)),
            counts("runs", &|key| Some(key.runs)),
            counts("missing", &|key| Some(key.missing)),
            texts("top", &|key| Some(top(key))),
            counts("together", &|key| key.together),
            texts("with", &with),
        ];
        Ok(DataFrame::new(self.keys.len(), columns)?)
    }
}
