//! Logged steps of runs: made up from a seed, sampled and cut as the server does it, and exported as Parquet.

use super::rng::Rng;
use super::text::{members, object};
use hyper::body::Bytes;
use polars::prelude::*;
use polars_io::prelude::{ParquetCompression, ParquetWriter, StatisticsOptions};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock};

/// What histories to make up.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecipe {
    pub rows: usize,
    /// From one row's step to the next one's.
    pub stride: i64,
    /// The last rows, which are in no file yet.
    pub live: usize,
    /// Rows that are in a file and live as well.
    pub overlap: usize,
    pub files: usize,
    pub row_group: usize,
    /// Metrics `wide_0`, `wide_1`, … beside the usual ones, each in every row.
    pub wide: usize,
    /// The files' row groups tell their first and last step.
    pub statistics: bool,
    /// Objects and lists of one form are exported as structs and lists rather than as JSON in bytes.
    pub structs: bool,
}

impl HistoryRecipe {
    /// Everything exported, in one file.
    pub fn rows(rows: usize) -> HistoryRecipe {
        HistoryRecipe {
            rows,
            stride: 1,
            live: 0,
            overlap: 0,
            files: 1,
            row_group: 64,
            wide: 0,
            statistics: true,
            structs: false,
        }
    }
}

/// Which rows pages and samples are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Of {
    /// All of them.
    #[default]
    All,
    /// Those that are in no file yet: the SDK's own reader, which drops no copies, would then have none.
    Live,
}

/// One run's history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Each row's step, and the row as JSON; non-finite numbers are spelled as strings, as the server does it.
    pub rows: Vec<(i64, String)>,
    /// How many of the first rows are in files.
    pub exported: usize,
    /// How many of those are live as well.
    pub overlap: usize,
    pub files: usize,
    pub row_group: usize,
    pub statistics: bool,
    pub structs: bool,
    keys: OnceLock<String>,
    parquet: OnceLock<Vec<Bytes>>,
}

/// Answers since the world changed last, so that each is made once.
#[derive(Debug, Default)]
pub struct Answers(Mutex<HashMap<String, Arc<str>>>);

impl Answers {
    /// To be called whenever the world has changed.
    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The answer to a question.
    pub fn get(&self, asked: String, make: impl FnOnce() -> Result<String, String>) -> Result<Arc<str>, String> {
        if let Some(known) = self.0.lock().unwrap().get(&asked) {
            return Ok(known.clone());
        }
        let made: Arc<str> = make()?.into();
        self.0.lock().unwrap().insert(asked, made.clone());
        Ok(made)
    }
}

impl PartialEq for History {
    fn eq(&self, other: &History) -> bool {
        self.rows == other.rows && (self.exported, self.overlap) == (other.exported, other.overlap)
    }
}

impl History {
    /// A history of these rows, all live.
    pub fn of(rows: Vec<(i64, String)>) -> History {
        History { rows, files: 1, row_group: 64, statistics: true, ..History::default() }
    }

    /// Made up: sparse, nested, listed, mixed and missing values, some of them not finite.
    pub fn generate(recipe: &HistoryRecipe, mut rng: Rng, begin: i64) -> History {
        let row = |at: usize| {
            let step = at as i64 * recipe.stride;
            (step, row(&mut rng, at, step, begin as f64 / 1e6, recipe.wide))
        };
        let rows: Vec<(i64, String)> = (0..recipe.rows).map(row).collect();
        History {
            exported: rows.len().saturating_sub(recipe.live),
            overlap: recipe.overlap,
            files: recipe.files,
            row_group: recipe.row_group,
            statistics: recipe.statistics,
            structs: recipe.structs,
            ..History::of(rows)
        }
    }

    fn of_rows(&self, of: Of) -> &[(i64, String)] {
        if of == Of::Live { self.live() } else { &self.rows }
    }

    /// The rows that are live.
    pub fn live(&self) -> &[(i64, String)] {
        &self.rows[self.exported.saturating_sub(self.overlap).min(self.rows.len())..]
    }

    /// What the server knows of the keys, as JSON: nested ones with dots.
    pub fn keys(&self) -> &str {
        self.keys.get_or_init(|| self.count())
    }

    fn count(&self) -> String {
        let mut counts: BTreeMap<String, BTreeMap<&'static str, usize>> = BTreeMap::new();
        for (_, row) in &self.rows {
            count(&serde_json::from_str(row).unwrap(), "", &mut counts);
        }
        let told = counts.into_iter().map(|(key, types)| {
            let types = types.iter().map(|(kind, count)| format!("{{\"type\":\"{kind}\",\"count\":{count}}}"));
            let types = types.collect::<Vec<_>>().join(",");
            (key, format!("{{\"typeCounts\":[{types}],\"monotonic\":false}}"))
        });
        let last = self.rows.last().map_or(-1, |(step, _)| *step);
        format!("{{\"sets\":[],\"keys\":{},\"lastStep\":{last}}}", object(told))
    }

    /// `Run.history`: rows as texts, from `min` to before `max`, at most `samples` of them.
    pub fn page(&self, rows: Of, min: Option<i64>, max: Option<i64>, samples: usize) -> Vec<String> {
        let inside = |step: i64| min.is_none_or(|min| step >= min) && max.is_none_or(|max| step < max);
        let rows: Vec<&String> =
            self.of_rows(rows).iter().filter(|(step, _)| inside(*step)).map(|(_, row)| row).collect();
        sample(&rows, samples).into_iter().cloned().collect()
    }

    /// `Run.sampledHistory` for one spec: rows that have all keys, and only those keys of them, as a list of objects.
    pub fn spec(&self, rows: Of, spec: &str) -> Result<String, String> {
        let spec: Value = serde_json::from_str(spec).map_err(|error| error.to_string())?;
        let keys = spec["keys"].as_array().ok_or("a spec without keys")?;
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let (min, max) = (spec["minStep"].as_i64(), spec["maxStep"].as_i64());
        let inside = |step: i64| min.is_none_or(|min| step >= min) && max.is_none_or(|max| step <= max);
        let rows =
            self.of_rows(rows).iter().filter(|(step, _)| inside(*step)).filter_map(|(_, row)| picked(row, &keys));
        let rows: Vec<String> = rows.collect();
        Ok(format!("[{}]", sample(&rows, spec["samples"].as_u64().unwrap_or(500) as usize).join(",")))
    }

    /// [`History::spec`] for each of several specs.
    pub fn specs(&self, rows: Of, specs: &[&str]) -> Result<String, String> {
        let lists = specs.iter().map(|spec| self.spec(rows, spec)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("[{}]", lists.join(",")))
    }

    /// `parquetHistory.liveData`: the live rows' values of these keys; steps come as floats.
    pub fn live_data(&self, keys: &[&str]) -> String {
        let float = |row: String| {
            let step = members(&row).into_iter().find(|(key, _)| key == "_step").map(|(_, step)| step.to_owned());
            step.map_or(row.clone(), |step| {
                row.replacen(&format!("\"_step\":{step}"), &format!("\"_step\":{step}.0"), 1)
            })
        };
        let rows = self.live().iter().filter_map(|(_, row)| picked(row, keys)).map(float);
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    }

    /// The exported files.
    pub fn parquet(&self) -> &[Bytes] {
        self.parquet.get_or_init(|| {
            let rows = &self.rows[..self.exported];
            let size = rows.len().div_ceil(self.files.max(1)).max(1);
            rows.chunks(size).map(|part| Bytes::from(self.file(part))).collect()
        })
    }

    fn file(&self, rows: &[(i64, String)]) -> Vec<u8> {
        let mut columns: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (at, (_, row)) in rows.iter().enumerate() {
            let Value::Object(row) = serde_json::from_str(row).unwrap() else { panic!("{row}") };
            for (key, value) in row {
                let values = columns.entry(key).or_default();
                values.resize(at, Value::Null);
                values.push(value);
            }
        }
        let columns = columns.into_iter().map(|(key, mut values)| {
            values.resize(rows.len(), Value::Null);
            column(&key, &values, self.structs).into_column()
        });
        let mut frame = DataFrame::new(rows.len(), columns.collect()).unwrap();
        let mut out = Vec::new();
        let statistics = if self.statistics { StatisticsOptions::full() } else { StatisticsOptions::empty() };
        ParquetWriter::new(&mut out)
            .with_compression(ParquetCompression::Snappy)
            .with_statistics(statistics)
            .with_row_group_size(Some(self.row_group))
            .finish(&mut frame)
            .unwrap();
        // Polars notes its own types of texts beside the file's, which the SDK's reader does not know.
        let note = b"ARROW:schema";
        while let Some(at) = out.windows(note.len()).rposition(|bytes| bytes == note) {
            out[at..at + note.len()].copy_from_slice(b"_not_for_us_");
        }
        out
    }
}

/// System metrics, made up: a row every fifteen seconds.
pub fn events(rows: usize, mut rng: Rng, begin: i64) -> Vec<String> {
    let row = |at: usize| {
        let (runtime, begin) = (at as f64 * 15.0, begin as f64 / 1e6);
        let own = format!("\"_wandb\":true,\"_runtime\":{runtime:?},\"_timestamp\":{:?}", begin + runtime);
        let gpu =
            if at.is_multiple_of(3) { String::new() } else { format!(",\"system.gpu.0.gpu\":{}", rng.below(100)) };
        format!("{{{own},\"system.cpu\":{:?}{gpu}}}", rng.unit() * 100.0)
    };
    (0..rows).map(row).collect()
}

/// A column as W&B exports it: integers, floats, booleans, strings; everything else is JSON in bytes.
fn column(key: &str, values: &[Value], structs: bool) -> Series {
    let spelled = |value: &Value| match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    };
    let all = |is: &dyn Fn(&Value) -> bool| values.iter().filter(|value| !value.is_null()).all(is);
    let name = PlSmallStr::from(key);
    if all(&Value::is_i64) {
        return Series::new(name, values.iter().map(Value::as_i64).collect::<Vec<_>>());
    }
    if all(&|value| value.is_number() || spelled(value).is_some()) {
        let float = |value: &Value| value.as_f64().or_else(|| spelled(value));
        return Series::new(name, values.iter().map(float).collect::<Vec<_>>());
    }
    if all(&Value::is_boolean) {
        return Series::new(name, values.iter().map(Value::as_bool).collect::<Vec<_>>());
    }
    if all(&Value::is_string) {
        return Series::new(name, values.iter().map(Value::as_str).collect::<Vec<_>>());
    }
    if structs && all(&Value::is_object) {
        return structs_of(name, values);
    }
    if structs && all(&Value::is_array) {
        let items = |value: &Value| Some(column("item", value.as_array()?, true));
        let lists: ListChunked = values.iter().map(items).collect();
        return lists.into_series().with_name(name);
    }
    let json = values.iter().map(|value| (!value.is_null()).then(|| value.to_string()));
    Series::new(name, json.collect::<Vec<_>>()).cast(&DataType::Binary).unwrap()
}

fn structs_of(name: PlSmallStr, values: &[Value]) -> Series {
    let keys: BTreeSet<&String> = values.iter().filter_map(Value::as_object).flat_map(|of| of.keys()).collect();
    let member = |key: &&String| {
        let values: Vec<Value> = values.iter().map(|value| value.get(key).cloned().unwrap_or_default()).collect();
        column(key, &values, true)
    };
    let members: Vec<Series> = keys.iter().map(member).collect();
    let there = values.iter().map(|value| !value.is_null()).collect();
    let all = StructChunked::from_series(name, values.len(), members.iter()).unwrap();
    all.with_outer_validity(Some(there)).into_series()
}

/// Every n-th row, so that at most `samples` are left.
pub fn sample<T: Clone>(rows: &[T], samples: usize) -> Vec<T> {
    match rows.len() {
        all if all <= samples => rows.to_vec(),
        all => (0..samples).map(|at| rows[at * all / samples].clone()).collect(),
    }
}

/// These keys of a row; `None` if it lacks one of them, or it is null.
fn picked(row: &str, keys: &[&str]) -> Option<String> {
    let all = members(row);
    let value = |key: &&str| {
        let top = all.iter().find(|(name, _)| name == key).map(|(_, value)| (*value).to_owned());
        let below = || {
            let (top, rest) = key.split_once('.')?;
            let top = all.iter().find(|(name, _)| name == top)?.1;
            let found: Value = serde_json::from_str(top).ok()?;
            Some(rest.split('.').try_fold(&found, |value, key| value.get(key))?.to_string())
        };
        let value = top.or_else(below).filter(|value| value != "null")?;
        Some(((*key).to_owned(), value))
    };
    Some(object(keys.iter().map(value).collect::<Option<Vec<_>>>()?))
}

fn count(value: &Value, path: &str, counts: &mut BTreeMap<String, BTreeMap<&'static str, usize>>) {
    let kind = match value {
        Value::Object(of) if path.is_empty() || !of.contains_key("_type") => {
            let dot = if path.is_empty() { "" } else { "." };
            return of.iter().for_each(|(key, value)| count(value, &format!("{path}{dot}{key}"), counts));
        }
        Value::Object(_) => "histogram",
        Value::Array(_) => "list",
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::String(text) if !["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => "string",
        _ => "number",
    };
    *counts.entry(path.to_owned()).or_default().entry(kind).or_default() += 1;
}

fn row(rng: &mut Rng, at: usize, step: i64, begin: f64, wide: usize) -> String {
    let mut out =
        format!("{{\"_step\":{step},\"_runtime\":{:?},\"_timestamp\":{:?}", at as f64 * 0.25, begin + at as f64 * 0.25);
    let mut put = |key: &str, value: String| write!(out, ",\"{key}\":{value}").unwrap();
    let loss = match rng.below(40) {
        0 => "\"NaN\"".to_owned(),
        1 => "\"Infinity\"".to_owned(),
        _ => format!("{:?}", 4.0 / (1.0 + at as f64) + rng.unit()),
    };
    put("loss", loss);
    put("epoch", (at / 10).to_string());
    if at % 10 == 9 {
        put("val/loss", format!("{:?}", rng.unit()));
    }
    if at % 4 == 1 {
        put("status", format!("\"{}\"", rng.pick(&["ok", "wärm", "n/a"])));
    }
    if at % 3 == 2 {
        put("flag", rng.percent(50).to_string());
    }
    if at % 5 == 2 {
        put("grad", format!("{{\"mean\":{:?},\"deep\":{{\"max\":{}}}}}", rng.unit(), rng.below(9)));
    }
    if at % 16 == 3 {
        put("hist", format!("{{\"_type\":\"histogram\",\"bins\":[0.0,0.5,1.0],\"values\":[{},4]}}", rng.below(9)));
    }
    if at % 7 == 6 {
        put("list", format!("[{},{}]", rng.below(100), rng.below(100)));
    }
    if at % 6 == 1 {
        put("mixed", if at % 12 == 1 { rng.below(50).to_string() } else { "\"auto\"".to_owned() });
    }
    if at % 9 == 4 {
        put("gap", if at % 18 == 4 { "null".to_owned() } else { format!("{:?}", rng.unit()) });
    }
    for key in 0..wide {
        put(&format!("wide_{key}"), format!("{:?}", rng.unit()));
    }
    out + "}"
}
