//! The chunks of a load, kept until all are there: types are decided by all values of all runs. Beyond a budget they go to a
//! temporary file.

use super::HistorySink;
use super::chunk::{HistoryChunk, NONE, follows};
use super::layout::Layout;
use super::query::{Axis, HistoryQuery, means};
use super::rows::ROWS;
use super::table::HistoryTable;
use crate::columns::{Kind, LeafType, Sparse};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::record::{Limits, RunKey};
use crate::threads::{into_inner, lock};
#[cfg(feature = "api")]
use std::collections::HashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Bytes of values that are held in memory.
const HELD: usize = 256 << 20;

/// Columns that are not metrics.
pub(crate) use crate::ops::history::OWN as FIXED;

/// The chunks of a load.
pub(super) struct Store {
    axis: Axis,
    budget: usize,
    limits: Limits,
    inner: Mutex<Inner>,
    /// Metrics that some run has, as far as they are not in the chunks.
    metrics: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Inner {
    parts: Vec<Part>,
    held: usize,
    spill: Option<File>,
    end: u64,
    digests: Digests,
    /// That part of the digests which does not come from the chunks.
    told: Digests,
}

/// What decides each path's columns.
pub(super) type Digests = BTreeMap<Arc<str>, Sparse>;

/// A chunk, wherever it is.
pub(super) struct Part {
    run: Arc<OnceLock<RunKey>>,
    order: u32,
    rows: usize,
    /// Step or time of the first row and of the last one.
    ends: (i64, i64),
    body: Body,
}

enum Body {
    Held(Arc<HistoryChunk>),
    Spilled { at: u64, bytes: usize },
}

/// The chunks of all runs, in order.
pub(super) struct Parts {
    parts: Vec<Part>,
    spill: Option<Mutex<File>>,
}

impl Store {
    pub(super) fn new(axis: Axis, limits: Limits) -> Self {
        Store { axis, budget: HELD, limits, inner: Mutex::default(), metrics: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn with_budget(self, budget: usize) -> Self {
        Store { budget, ..self }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// The metrics that are asked for and that nobody has.
    pub(super) fn unknown<'q>(&self, query: &'q HistoryQuery) -> Vec<&'q str> {
        let (inner, metrics) = (self.inner(), self.metrics());
        let known = |key: &str| {
            inner.digests.keys().any(|path| means(key, path)) || metrics.iter().any(|path| means(key, path))
        };
        query.asked().iter().map(String::as_str).filter(|key| !known(key)).collect()
    }

    fn metrics(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.metrics)
    }

    /// The error of an unknown metric.
    pub(super) fn refuse(&self, key: &str) -> Error {
        let (inner, metrics) = (self.inner(), self.metrics());
        let all: BTreeSet<&str> =
            inner.digests.keys().map(|path| &**path).chain(metrics.iter().map(String::as_str)).collect();
        let error = Error::new(ErrorKind::Column, format!("no run logged {key}"));
        if let Some(hint) = did_you_mean(key, all.iter().copied()) {
            return error.hint(hint);
        }
        let below = format!("{key}.");
        let shown: Vec<&str> = match all.iter().any(|path| path.starts_with(&below)) {
            true => all.iter().copied().filter(|path| path.starts_with(&below)).collect(),
            false => all.into_iter().collect(),
        };
        match shown.len() {
            0 => error.hint("no run logged anything"),
            more => {
                let rest = if more > 8 { ", …" } else { "" };
                error.hint(format!("there are {}{rest}", shown.get(..8).unwrap_or(&shown).join(", ")))
            }
        }
    }

    /// Takes the metrics that are asked for as numbers that are there.
    pub(super) fn suppose(&self, query: &HistoryQuery) {
        let mut inner = self.inner();
        let Inner { digests, told, .. } = &mut *inner;
        for key in query.asked().iter().filter(|key| !key.contains(['*', '?'])) {
            let digest = digests.entry(key.as_str().into()).or_default();
            if digest.declared.is_empty() {
                digest.declare(Kind::Number, LeafType::Float64);
                add(told, key.as_str().into(), digest.clone());
            }
        }
    }

    /// Forgets the rows of these runs, but not what they told of types.
    #[cfg(feature = "api")]
    pub(super) fn forget(&self, runs: &HashSet<RunKey>) {
        let mut inner = self.inner();
        inner.parts.retain(|part| part.run.get().is_none_or(|run| !runs.contains(run)));
        inner.told = inner.digests.clone();
    }

    /// Takes over what another load of the same source found out about types.
    pub(super) fn learn(&self, other: Store) {
        let known = into_inner(other.metrics);
        let other = into_inner(other.inner);
        let mut inner = self.inner();
        for (path, digest) in other.digests {
            add(&mut inner.told, path.clone(), digest.clone());
            add(&mut inner.digests, path, digest);
        }
        self.metrics().extend(known);
    }

    /// The table, and how many rows were joined with others of the same step in another chunk.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub(super) fn finish(self, query: &HistoryQuery) -> Result<(HistoryTable, u64)> {
        let axis = self.axis;
        let (parts, digests, joined) = self.settle(query)?;
        Ok((HistoryTable::new(parts, Layout::new(axis, &digests)), joined))
    }

    /// The chunks in order, what decides each path's columns, and how many rows were joined with others of the same step.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub(super) fn settle(self, query: &HistoryQuery) -> Result<(Parts, Digests, u64)> {
        let axis = self.axis;
        let metrics = into_inner(self.metrics);
        let mut inner = into_inner(self.inner);
        // Files that turned out to hold another run were read again.
        inner.parts.retain(|part| part.run.get().is_some());
        inner.parts.sort_by(|a, b| (a.run.get(), a.order).cmp(&(b.run.get(), b.order)));
        let mut parts = Parts { parts: inner.parts, spill: inner.spill.map(Mutex::new) };
        let joined = parts.settle(axis)?;
        let mut digests = inner.digests;
        if joined > 0 {
            // What a later row of the same step said in place of a value decides nothing, in whichever chunk it came.
            digests = inner.told;
            for part in &parts.parts {
                let chunk = parts.chunk(part)?;
                digests_of(&chunk).for_each(|(path, digest)| add(&mut digests, path, digest));
            }
        }
        // Asked for and there, but without a value in these rows.
        for metric in metrics.iter().filter(|metric| !query.keeps_all_rows() && query.takes(metric)) {
            let digest = digests.entry(metric.as_str().into()).or_default();
            digest.push(0, crate::flatten::Leaf::Null);
        }
        Ok((parts, digests, joined))
    }
}

impl HistorySink for Store {
    fn chunk(&self, chunk: HistoryChunk) -> Result<()> {
        let weight = chunk.weight();
        let digests: Vec<(Arc<str>, Sparse)> = digests_of(&chunk).collect();
        let mut part = Part::of(Arc::new(chunk), self.axis);
        let mut inner = self.inner();
        digests.into_iter().for_each(|(path, digest)| add(&mut inner.digests, path, digest));
        if inner.digests.len() as u64 > self.limits.keys {
            return Err(too_many_metrics(self.limits));
        }
        if inner.held + weight <= self.budget {
            inner.held += weight;
        } else if let Body::Held(chunk) = &part.body {
            let bytes = chunk.to_bytes();
            let at = inner.spill(&bytes).map_err(|error| Error::io(std::env::temp_dir(), error))?;
            part.body = Body::Spilled { at, bytes: bytes.len() };
        }
        inner.parts.push(part);
        Ok(())
    }

    fn metric(&self, path: &str) {
        let mut metrics = self.metrics();
        // Only as much is remembered as there may be.
        if !metrics.contains(path) && metrics.len() as u64 <= self.limits.keys {
            metrics.insert(path.to_owned());
        }
    }
}

fn digests_of(chunk: &HistoryChunk) -> impl Iterator<Item = (Arc<str>, Sparse)> {
    chunk.columns.iter().map(|(path, values)| (path.clone(), values.digest()))
}

fn add(digests: &mut Digests, path: Arc<str>, digest: Sparse) {
    match digests.get_mut(&path) {
        Some(known) => known.add_digest(&digest),
        None => drop(digests.insert(path, digest)),
    }
}

/// The error of a history with more metrics than there may be.
pub(super) fn too_many_metrics(limits: Limits) -> Error {
    let error = Error::new(ErrorKind::Format, format!("more metrics than --max-keys {}", limits.keys));
    error.hint("name some with -k, or raise --max-keys")
}

impl Inner {
    /// Appends to the temporary file; where the bytes begin.
    fn spill(&mut self, bytes: &[u8]) -> std::io::Result<u64> {
        let file = match &mut self.spill {
            Some(file) => file,
            None => self.spill.insert(tempfile::tempfile()?),
        };
        file.write_all(bytes)?;
        let at = self.end;
        self.end += bytes.len() as u64;
        Ok(at)
    }
}

impl Part {
    fn of(chunk: Arc<HistoryChunk>, axis: Axis) -> Part {
        let keys = chunk.keys(axis);
        let ends = (keys.first().copied().unwrap_or(NONE), keys.last().copied().unwrap_or(NONE));
        Part { run: chunk.run.clone(), order: chunk.order, rows: chunk.height(), ends, body: Body::Held(chunk) }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn run(&self) -> Option<&RunKey> {
        self.run.get()
    }

    /// Step or time of the first row and of the last one, or [`NONE`].
    pub(super) fn ends(&self) -> (i64, i64) {
        self.ends
    }
}

impl Parts {
    pub(super) fn all(&self) -> &[Part] {
        &self.parts
    }

    /// The chunk itself.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub(super) fn chunk(&self, part: &Part) -> Result<Arc<HistoryChunk>> {
        let (at, bytes) = match &part.body {
            Body::Held(chunk) => return Ok(chunk.clone()),
            Body::Spilled { at, bytes } => (*at, *bytes),
        };
        let failed = |error| Error::io(std::env::temp_dir(), error);
        let broken = || failed(std::io::ErrorKind::InvalidData.into());
        let mut buffer = vec![0; bytes];
        {
            let file = self.spill.as_ref().ok_or_else(broken)?;
            let mut file = lock(file);
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut buffer)).map_err(failed)?;
        }
        let chunk = HistoryChunk::from_bytes(&buffer).ok_or_else(broken)?;
        Ok(Arc::new(HistoryChunk { run: part.run.clone(), order: part.order, ..chunk }))
    }

    /// Joins the chunks of every run that does not rise from chunk to chunk. How many rows vanished.
    fn settle(&mut self, axis: Axis) -> Result<u64> {
        let disordered: BTreeSet<RunKey> = self
            .parts
            .windows(2)
            .filter(|pair| pair[0].run.get() == pair[1].run.get() && !follows(pair[0].ends.1, pair[1].ends.0, axis))
            .filter_map(|pair| pair[0].run.get().cloned())
            .collect();
        let mut joined = 0;
        for run in disordered {
            let of_run = |part: &Part| part.run.get() == Some(&run);
            let first = self.parts.partition_point(|part| part.run.get() < Some(&run));
            let last = first + self.parts.iter().skip(first).take_while(|part| of_run(part)).count();
            let mut whole = HistoryChunk::default();
            for part in self.parts.get(first..last).unwrap_or_default() {
                let chunk = self.chunk(part)?;
                whole.append(Arc::unwrap_or_clone(chunk));
            }
            whole.run = Arc::new(OnceLock::from(run.clone()));
            joined += whole.settle(axis);
            let pieces = Arc::new(whole).pieces(ROWS).into_iter().map(|piece| Part::of(piece, axis));
            self.parts.splice(first..last, pieces);
        }
        Ok(joined)
    }
}
