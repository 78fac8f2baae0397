//! What a server says of runs' histories: how long they are, which keys they have, where their files are.

use super::super::answer::{self, Fault};
use super::super::query::{Queries, Query};
use super::super::remote::Remote;
use super::Keys;
use crate::error::Result;
use crate::json::{self, JsonError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One run's history, as the server describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Described {
    /// The run's name.
    pub run: String,
    /// False if there is no such run.
    pub found: bool,
    /// Rows that were logged.
    pub lines: Option<i64>,
    /// The last step.
    pub last: Option<i64>,
    /// The metrics by name, nested ones with dots; `None` if the server does not say.
    pub keys: Option<BTreeMap<String, Key>>,
    /// Signed URLs of exported files, in no order.
    pub urls: Vec<String>,
    /// First and last step of rows that are in no file yet.
    pub live: Option<(i64, i64)>,
}

/// A metric, as the server knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Key {
    /// Rows that have a value of it.
    pub count: i64,
    /// Some of its values are objects.
    pub map: bool,
}

impl Described {
    /// Every row has a value for this key, as far as the server's counts tell.
    pub(super) fn all_have(&self, key: &str) -> bool {
        let count = self.keys.as_ref().and_then(|keys| keys.get(key)).map(|key| key.count);
        matches!((count, self.lines), (Some(count), Some(lines)) if count >= lines)
    }

    /// The keys to ask for, `_step` among them if rows are wanted that have none of the others; `None` if they are all wanted, or which
    /// ones cannot be known.
    pub(super) fn names(&self, wanted: &dyn Keys) -> Option<Vec<String>> {
        if wanted.all() {
            return None;
        }
        let exact = wanted.exact();
        let Some(keys) = &self.keys else { return exact };
        let is = |name: &str, key: &Key| wanted.takes(name) || (key.map && wanted.may_take_below(name));
        let known = keys.iter().filter(|(name, key)| !name.starts_with('_') && is(name, key));
        let mut names: Vec<String> = known.map(|(name, _)| name.clone()).collect();
        // The server's list may lag behind its rows: what it does not have is asked for all the same.
        for key in exact.into_iter().flatten() {
            let bare = key.replace('\\', "");
            let literal = bare != key;
            if !names.contains(&bare) && (literal || !keys.contains_key(&bare)) {
                names.push(bare);
            }
        }
        if wanted.keeps_all_rows() {
            names.push("_step".to_owned());
        }
        Some(names)
    }

    pub(super) fn read(run: &str, text: &str) -> std::result::Result<Described, JsonError> {
        let mut found = Described { run: run.to_owned(), ..Described::default() };
        let mut inner = Ok(());
        found.found = json::members(text, |key, value| {
            let read = match key.raw {
                "historyLineCount" => {
                    found.lines = integer(value);
                    Ok(())
                }
                "historyKeys" => found.read_keys(value),
                "parquetHistory" => found.read_parquet(value),
                _ => Ok(()),
            };
            inner = std::mem::replace(&mut inner, Ok(())).and(read);
        })?;
        inner.map(|()| found)
    }

    fn read_keys(&mut self, text: &str) -> std::result::Result<(), JsonError> {
        let mut inner = Ok(());
        json::members(text, |key, value| match key.raw {
            "lastStep" => self.last = integer(value).filter(|last| *last >= 0),
            "keys" => {
                let mut keys = BTreeMap::new();
                let read = json::members(value, |key, value| {
                    keys.insert(key.decode().0.into_owned(), type_counts(value));
                });
                inner = read.map(|is_object| self.keys = is_object.then_some(keys));
            }
            _ => {}
        })?;
        inner
    }

    fn read_parquet(&mut self, text: &str) -> std::result::Result<(), JsonError> {
        let mut inner = Ok(true);
        json::members(text, |key, value| match key.raw {
            "parquetUrls" => self.urls = serde_json::from_str(value).unwrap_or_default(),
            "liveData" => {
                let live = &mut self.live;
                inner = json::items(value, |row| {
                    if let Some(step) = step_of(row) {
                        let (first, last) = live.unwrap_or((step, step));
                        *live = Some((first.min(step), last.max(step)));
                    }
                });
            }
            _ => {}
        })?;
        inner.map(drop)
    }
}

/// How often a key was logged, and whether ever as an object.
fn type_counts(text: &str) -> Key {
    let mut found = Key::default();
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    for counts in told.get("typeCounts").and_then(Value::as_array).into_iter().flatten() {
        let kind = counts.get("type").and_then(Value::as_str);
        if kind != Some("nil") {
            found.count += counts.get("count").and_then(Value::as_i64).unwrap_or_default();
        }
        found.map |= kind == Some("map");
    }
    found
}

/// The step of a row.
pub(super) fn step_of(row: &str) -> Option<i64> {
    let mut step = None;
    // A row that is no JSON is told of where it is read.
    let _ = json::members(row, |key, value| {
        if key.raw == "_step" {
            step = integer(value);
        }
    });
    step
}

/// An integer, also where it is written as a float.
pub(super) fn integer(text: &str) -> Option<i64> {
    let float = || text.parse::<f64>().ok().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64);
    text.parse().ok().or_else(float)
}

/// How many runs are asked for in one request: fewer, once a server was overcharged.
#[derive(Debug)]
pub(super) struct Parts(AtomicUsize);

impl Parts {
    pub(super) fn new(most: usize) -> Self {
        Parts(AtomicUsize::new(most.max(1)))
    }

    /// Asks for everything, part by part; a part that is too much for the server, of which `each` gives `None`, in smaller ones.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(super) async fn ask<A, T>(
        &self,
        all: &[A],
        each: impl AsyncFn(&[A]) -> Result<Option<Vec<T>>>,
    ) -> Result<Vec<T>> {
        let (mut found, mut rest) = (Vec::with_capacity(all.len()), all);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.0.load(Ordering::Relaxed).clamp(1, rest.len()));
            match each(now).await? {
                Some(some) => {
                    found.extend(some);
                    rest = later;
                }
                // One run is never too many.
                None => drop(self.0.fetch_min((now.len() / 2).max(1), Ordering::Relaxed)),
            }
        }
        Ok(found)
    }
}

/// Describes these runs, in as few requests as the server bears.
///
/// # Errors
/// If the project is not there, or the server does not answer.
pub(super) async fn describe(remote: &Remote<'_>, parts: &Parts, runs: &[String]) -> Result<Vec<Described>> {
    parts.ask(runs, async |part| describe_at_once(remote, part).await).await
}

async fn describe_at_once(remote: &Remote<'_>, runs: &[String]) -> Result<Option<Vec<Described>>> {
    let variables = || {
        let mut variables = remote.place();
        runs.iter().enumerate().for_each(|(at, run)| variables[format!("run_{at}")] = run.as_str().into());
        variables
    };
    let text = |queries: &Queries| queries.repeated(Query::HistoryOpen, runs.len());
    let names = runs.to_vec();
    let decode = move |body: Vec<u8>| {
        let Some(answers) = each_run(&body, names.len())? else { return Ok(None) };
        let described = names.iter().zip(answers).map(|(run, text)| match text {
            Some(text) => Described::read(run, &text),
            None => Ok(Described { run: run.clone(), ..Described::default() }),
        });
        Ok(Some(described.collect::<std::result::Result<Vec<_>, JsonError>>()?))
    };
    let found = remote.ask_in_parts(Query::HistoryOpen, text, &variables, runs.len(), decode).await?;
    found.map(|found| found.ok_or_else(|| remote.missing(true))).transpose()
}

fn is_empty_list(text: &str) -> bool {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| inner.trim().is_empty())
}

/// The texts of the answer's `r_0`, `r_1`, …, as the server wrote them; `None` if there is no such project.
pub(super) fn each_run(body: &[u8], count: usize) -> std::result::Result<Option<Vec<Option<String>>>, Fault> {
    let text = String::from_utf8_lossy(body);
    let (mut refused, mut project) = (false, None);
    let mut inner = Ok(true);
    json::members(&text, |key, value| match key.raw {
        "errors" => refused = value != "null" && !is_empty_list(value),
        "data" => {
            inner = json::members(value, |key, value| {
                if key.raw == "project" {
                    project = Some(value);
                }
            });
        }
        _ => {}
    })?;
    if refused {
        return Err(answer::refusal(body));
    }
    inner?;
    let project = project.ok_or_else(|| Fault::Malformed("no data in it".to_owned()))?;
    let mut runs = vec![None; count];
    let there = json::members(project, |key, value| {
        let at = key.raw.strip_prefix("r_").and_then(|at| at.parse::<usize>().ok());
        if let Some(slot) = at.and_then(|at| runs.get_mut(at)).filter(|_| value != "null") {
            *slot = Some(value.to_owned());
        }
    })?;
    Ok(there.then_some(runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_a_refusal_with_a_reason() {
        for (errors, reason) in [
            (r#"[{"message":"no"}]"#, "no"),
            (r#"[{"mess\ud800age":"no"}]"#, "errors without a message"),
            ("\"x\"", "errors without a message"),
        ] {
            let body = format!(r#"{{"errors":{errors},"data":{{"project":null}}}}"#);
            let Err(Fault::Refused(told)) = each_run(body.as_bytes(), 1) else { panic!("{body}") };
            assert_eq!(answer::joined(&told), reason);
        }
        for errors in ["null", "[]", "[ ]"] {
            let body = format!(r#"{{"errors":{errors},"data":{{"project":null}}}}"#);
            assert!(matches!(each_run(body.as_bytes(), 1), Ok(None)), "{body}");
        }
    }

    #[test]
    fn descriptions_are_read_whatever_is_missing() {
        let body = br#"{"data":{"project":{"r_1":null,"r_0":{"historyLineCount":7,
            "historyKeys":{"sets":[],"keys":{"a.b":{"typeCounts":[{"type":"number","count":3},{"type":"map","count":1}]}},"lastStep":9},
            "parquetHistory":{"parquetUrls":["u"],"liveData":[{"_step":8.0},{"_step":6.0},{"x":1}]}}}}}"#;
        let texts = each_run(body, 2).unwrap().unwrap();
        let run = Described::read("r", texts[0].as_deref().unwrap()).unwrap();
        let keys = BTreeMap::from([("a.b".to_owned(), Key { count: 4, map: true })]);
        let expected = Described {
            run: "r".into(),
            found: true,
            lines: Some(7),
            last: Some(9),
            keys: Some(keys),
            urls: vec!["u".into()],
            live: Some((6, 8)),
        };
        assert_eq!((run, &texts[1]), (expected, &None));
        let empty = Described::read("r", r#"{"historyKeys":null,"parquetHistory":null}"#).unwrap();
        assert_eq!(empty, Described { run: "r".into(), found: true, ..Described::default() });
        assert_eq!(each_run(br#"{"data":{"project":null}}"#, 1).unwrap(), None);
        assert!(matches!(each_run(br#"{"data":null,"errors":["x"]}"#, 1), Err(Fault::Refused(_))));
    }
}
