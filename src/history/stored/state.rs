//! What a stored data set says of itself: its keys, its runs and how far their histories are there, its part files.

use crate::columns::{Kind, LeafType, Sparse};
use crate::error::{Error, ErrorKind, Result};
use crate::flatten::{Leaf, List};
use crate::history::store::Digests;
use crate::record::RunKey;
use crate::sink;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The file's name in the folder; readers of Parquet pass over names that begin so.
pub(super) const FILE: &str = "_state.json";
/// Other numbers are of other versions.
const FORMAT: u64 = 1;

/// A data set, or a batch of rows that is to become part of one.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// How often the data set was changed.
    pub(super) generation: u64,
    /// The metrics that were asked for; all, if empty.
    pub(super) keys: Vec<String>,
    /// The server that it comes from; `None` for logs.
    pub(super) server: Option<String>,
    /// What replaced secrets, and where; `None` if nothing did.
    pub(super) redacted: Option<String>,
    /// What decides each path's columns. It only grows: columns stay when the runs that had them go.
    pub(super) digests: Digests,
    pub(super) runs: BTreeMap<RunKey, Known>,
    /// In the order of their age: of a run in several the rows of the later one come later.
    pub(super) parts: Vec<Part>,
}

/// What is known of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    /// Rows as the server counts them.
    pub(super) lines: i64,
    /// All rows are there that the server had.
    pub(super) whole: bool,
    /// The rows beside this are all of it, whatever was there before.
    pub(super) alone: bool,
    pub(super) mark: Mark,
}

/// The run as the run table had it when its history was loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mark {
    pub(crate) created_at: Option<i64>,
    pub(crate) updated_at: Option<i64>,
    pub(crate) heartbeat_at: Option<i64>,
    pub(crate) state: Option<String>,
}

/// A part file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The folder that it lies in.
    pub(super) folder: PathBuf,
    pub(super) file: String,
    /// Its rows by runs, in order.
    pub(super) segments: Vec<Segment>,
}

/// The rows of a run in a part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) run: RunKey,
    pub(super) rows: usize,
    /// The first and the last step; `None` if there are rows without one.
    pub(super) steps: Option<(i64, i64)>,
    /// False for rows that are in the file, and no more in the data set.
    pub(super) keep: bool,
}

impl Part {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// Rows that belong to the data set.
    pub(super) fn rows(&self) -> usize {
        self.segments.iter().filter(|segment| segment.keep).map(|segment| segment.rows).sum()
    }

    /// Rows in the file that do not.
    pub(super) fn is_stale(&self) -> bool {
        self.segments.iter().any(|segment| !segment.keep)
    }
}

impl State {
    pub(super) fn rows(&self) -> usize {
        self.parts.iter().map(Part::rows).sum()
    }

    /// The last stored step of each run; `None` for runs with rows without a step, which cannot be gone on with.
    pub(super) fn last_steps(&self) -> BTreeMap<&RunKey, Option<i64>> {
        let mut steps: BTreeMap<&RunKey, Option<i64>> = BTreeMap::new();
        for segment in self.parts.iter().flat_map(|part| &part.segments).filter(|segment| segment.keep) {
            let last = segment.steps.map(|(_, last)| last);
            steps
                .entry(&segment.run)
                .and_modify(|known| *known = known.zip(last).map(|(a, b)| a.max(b)))
                .or_insert(last);
        }
        steps
    }

    /// Takes these runs' rows out.
    pub(super) fn drop_rows(&mut self, runs: &HashSet<RunKey>) {
        for segment in self.parts.iter_mut().flat_map(|part| &mut part.segments) {
            segment.keep &= !runs.contains(&segment.run);
        }
    }

    /// Adds later rows; of runs that come as a whole nothing else is kept.
    pub(super) fn absorb(&mut self, later: State) {
        self.drop_rows(&later.runs.iter().filter(|(_, known)| known.alone).map(|(run, _)| run.clone()).collect());
        self.parts.extend(later.parts);
        self.runs.extend(later.runs);
        for (path, digest) in &later.digests {
            self.digests.entry(path.clone()).or_default().add_digest(digest);
        }
    }

    /// Reads the state of the data set in a folder; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Option<State>> {
        Self::read_file(&folder.join(FILE), folder)
    }

    /// Reads a state whose parts lie in `folder`.
    ///
    /// # Errors
    /// As [`State::read`].
    pub(super) fn read_file(path: &Path, folder: &Path) -> Result<Option<State>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io(path, error)),
        };
        let found = serde_json::from_slice(&text).ok().and_then(|value| State::parse(&value, folder));
        let broken = || {
            let error = Error::new(ErrorKind::Format, "it is damaged, or of another version of runframe").file(path);
            error.hint("remove the folder, and pull --history again")
        };
        found.map(Some).ok_or_else(broken)
    }

    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        sink::save(path, |out| {
            serde_json::to_writer(out, &self.to_json()).map_err(|error| Error::io(path, error.into()))
        })
    }

    fn to_json(&self) -> Value {
        let mut indices = BTreeMap::new();
        let runs: Vec<Value> = self
            .runs
            .iter()
            .enumerate()
            .map(|(at, (run, Known { lines, whole, alone, mark }))| {
                indices.insert(run, at);
                let Mark { created_at, updated_at, heartbeat_at, state } = mark;
                json!([
                    run.entity,
                    run.project,
                    run.name,
                    lines,
                    whole,
                    created_at,
                    updated_at,
                    heartbeat_at,
                    state,
                    alone
                ])
            })
            .collect();
        let part = |part: &Part| {
            let kept = part.segments.iter().filter(|segment| segment.keep);
            let segment = |segment: &Segment| {
                let (first, last) = segment.steps.unzip();
                json!([indices.get(&segment.run), segment.rows, first, last])
            };
            json!({"file": part.file, "rows": part.rows(), "runs": kept.map(segment).collect::<Vec<_>>()})
        };
        json!({
            "format": FORMAT,
            "generation": self.generation,
            "keys": self.keys,
            "server": self.server,
            "redacted": self.redacted,
            "rows": self.rows(),
            "columns": ["entity", "project", "name", "lines", "whole", "created_at", "updated_at", "heartbeat_at", "state", "alone"],
            "runs": runs,
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "types": self.digests.iter().map(|(path, digest)| (path.to_string(), hex(digest))).collect::<serde_json::Map<_, _>>(),
        })
    }

    fn parse(value: &Value, folder: &Path) -> Option<State> {
        if value["format"].as_u64()? != FORMAT {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut names = Vec::new();
        let mut runs = BTreeMap::new();
        for run in value["runs"].as_array()? {
            let key = RunKey { entity: text(&run[0]), project: text(&run[1]), name: text(&run[2])? };
            let (created_at, updated_at, heartbeat_at) = (run[5].as_i64(), run[6].as_i64(), run[7].as_i64());
            let mark = Mark { created_at, updated_at, heartbeat_at, state: text(&run[8]) };
            runs.insert(
                key.clone(),
                Known { lines: run[3].as_i64()?, whole: run[4].as_bool()?, alone: run[9].as_bool()?, mark },
            );
            names.push(key);
        }
        let segment = |value: &Value| {
            let run = names.get(usize::try_from(value[0].as_u64()?).ok()?)?.clone();
            let rows = usize::try_from(value[1].as_u64()?).ok()?;
            Some(Segment { run, rows, steps: value[2].as_i64().zip(value[3].as_i64()), keep: true })
        };
        let part = |value: &Value| {
            let segments = value["runs"].as_array()?.iter().map(segment).collect::<Option<Vec<_>>>()?;
            Some(Part { folder: folder.to_owned(), file: text(&value["file"])?, segments })
        };
        let digests =
            value["types"].as_object()?.iter().map(|(path, hex)| Some((path.as_str().into(), unhex(hex.as_str()?)?)));
        Some(State {
            generation: value["generation"].as_u64()?,
            keys: value["keys"].as_array()?.iter().map(text).collect::<Option<_>>()?,
            server: text(&value["server"]),
            redacted: text(&value["redacted"]),
            digests: digests.collect::<Option<_>>()?,
            parts: value["parts"].as_array()?.iter().map(part).collect::<Option<_>>()?,
            runs,
        })
    }
}

/// The digest, in which values stand for what was declared: those are kept.
fn valued(digest: &Sparse) -> Sparse {
    let mut valued = digest.clone();
    for (kind, dtype) in &digest.declared {
        let leaf = match (kind, dtype) {
            (Kind::Json, _) => Leaf::Json("{}".into()),
            (_, LeafType::Int64) => Leaf::Int(0),
            (_, LeafType::Float64) => Leaf::Float(0.0),
            (_, LeafType::Boolean) => Leaf::Bool(false),
            (_, LeafType::String) => Leaf::Str("".into()),
            (_, LeafType::ListInt64) => Leaf::List(List::Ints(vec![Some(0)])),
            (_, LeafType::ListFloat64) => Leaf::List(List::Floats(vec![Some(0.0)])),
            (_, LeafType::ListBoolean) => Leaf::List(List::Bools(vec![Some(false)])),
            (_, LeafType::ListString) => Leaf::List(List::Strs(vec![Some("x".to_owned())])),
        };
        valued.push(0, leaf);
    }
    if digest.declared_empty {
        valued.push(0, Leaf::Null);
    }
    valued.digest()
}

fn hex(digest: &Sparse) -> Value {
    let mut bytes = Vec::new();
    valued(digest).write_bytes(&mut bytes);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

fn unhex(text: &str) -> Option<Sparse> {
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digits).collect::<Option<_>>()?;
    Sparse::read_bytes(&mut bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::shapes;

    fn key(name: &str) -> RunKey {
        RunKey { entity: Some("e".into()), project: None, name: name.into() }
    }

    type Rows<'a> = (&'a str, usize, Option<(i64, i64)>);

    fn part(file: &str, runs: &[Rows<'_>]) -> Part {
        let segment =
            |(name, rows, steps): &(&str, usize, _)| Segment { run: key(name), rows: *rows, steps: *steps, keep: true };
        Part { folder: "f".into(), file: file.into(), segments: runs.iter().map(segment).collect() }
    }

    fn known(lines: i64) -> Known {
        let mark =
            Mark { created_at: Some(1), updated_at: None, heartbeat_at: Some(-3), state: Some("running".into()) };
        Known { lines, whole: lines > 1, alone: true, mark }
    }

    #[test]
    fn a_state_is_read_as_it_was_written_without_what_was_dropped() {
        let mut digest = Sparse::default();
        digest.push(0, Leaf::Int(1 << 60));
        digest.push(0, Leaf::Str("".into()));
        digest.declare(Kind::Number, LeafType::Float64);
        let mut state = State {
            generation: 4,
            keys: vec!["val/*".into()],
            redacted: None,
            server: Some("https://x".into()),
            digests: [("val/a".into(), digest)].into(),
            runs: [(key("a"), known(3)), (key("b"), known(1))].into(),
            parts: vec![part("p1", &[("a", 2, Some((0, 5))), ("b", 1, None)]), part("p2", &[("a", 1, Some((6, 6)))])],
        };
        assert_eq!(state.last_steps(), [(&key("a"), Some(6)), (&key("b"), None)].into());
        let parts = vec![part("p3", &[("b", 4, Some((0, 9)))])];
        state.absorb(State { parts, runs: [(key("b"), known(4))].into(), ..State::default() });
        assert_eq!((state.rows(), state.parts[0].is_stale(), state.parts[1].is_stale()), (7, true, false));
        let dir = tempfile::tempdir().unwrap();
        assert!(State::read(dir.path()).unwrap().is_none());
        state.write(&dir.path().join(FILE)).unwrap();
        let back = State::read(dir.path()).unwrap().unwrap();
        assert_eq!(
            (back.generation, &back.keys, &back.server, &back.runs),
            (4, &state.keys, &state.server, &state.runs)
        );
        assert_eq!((back.rows(), back.parts[0].segments.len(), &back.parts[0].folder), (7, 1, &dir.path().to_owned()));
        assert_eq!(back.last_steps()[&key("b")], Some(9));
        let digest = &back.digests["val/a"];
        let kinds = |values: &Sparse| shapes(values).iter().map(|shape| (shape.kind, shape.dtype)).collect::<Vec<_>>();
        assert_eq!(kinds(digest), kinds(&state.digests["val/a"]));
        assert_eq!(kinds(digest).len(), 3, "numbers, a text, and an integer that no float holds");
        fs::write(dir.path().join(FILE), "{\"format\": 99}").unwrap();
        assert!(State::read(dir.path()).unwrap_err().to_string().contains("pull --history again"));
    }
}
