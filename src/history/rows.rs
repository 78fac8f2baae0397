//! The rows of one run of logs, taken from their records into typed columns; only what is asked for is decoded.

use super::HistorySink;
use super::chunk::{HistoryChunk, NONE, follows};
use super::query::{Axis, HistoryQuery};
use crate::columns::Sparse;
use crate::error::Error;
use crate::flatten::{Flattener, Leaf, NameId, Root, number};
use crate::json::{self, Event, JsonError, NonFinite, Reader};
use crate::record::{Document, JsonFault, Receipt, RunKey, Timestamp};
use crate::source::log::history::{Documents, Item, Malformed, Row, RunRows, step_of};
use hashbrown::HashTable;
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Rows of a chunk, and bytes of their records, at most. A row group of Parquet has as many.
pub(super) const ROWS: usize = 65_536;
const BYTES: usize = 64 << 20;

/// What the summary's columns begin with, whose rules the names of metrics follow.
const PREFIX: &str = "summary.";

/// What all takers of rows share.
pub(super) struct Shared<'a> {
    query: &'a HistoryQuery,
    sink: &'a dyn HistorySink,
    /// Keys that were seen, as much memory as there are threads at work.
    pool: Mutex<Vec<Keys>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(query: &'a HistoryQuery, sink: &'a dyn HistorySink) -> Self {
        Shared { query, sink, pool: Mutex::default() }
    }

    /// A taker of one run's rows.
    pub(super) fn taker(&'a self, folders: usize) -> Taker<'a> {
        let keys = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Taker {
            shared: self,
            keys,
            whole: folders > 1,
            start: None,
            before: 0,
            run: Arc::default(),
            order: 0,
            steps: Vec::new(),
            times: Vec::new(),
            runtimes: Vec::new(),
            columns: Vec::new(),
            stamps: Vec::new(),
            touched: Vec::new(),
            now: Now::default(),
            bytes: 0,
            rising: true,
            notes: Receipt::default(),
            failed: None,
        }
    }
}

/// Takes the rows of one run.
pub(super) struct Taker<'a> {
    shared: &'a Shared<'a>,
    keys: Keys,
    /// The run is handed over in one piece: rows of a later folder may come before those of an earlier one.
    whole: bool,
    start: Option<Timestamp>,
    before: i64,
    run: Arc<OnceLock<RunKey>>,
    order: u32,
    steps: Vec<i64>,
    times: Vec<i64>,
    runtimes: Vec<f64>,
    /// By [`NameId`].
    columns: Vec<Sparse>,
    /// By [`NameId`]: one more than the last row that has a value.
    stamps: Vec<usize>,
    /// The columns that the row in progress has values in.
    touched: Vec<NameId>,
    now: Now,
    bytes: usize,
    rising: bool,
    notes: Receipt,
    failed: Option<Error>,
}

/// The row in progress.
#[derive(Debug, Default, Clone, Copy)]
struct Now {
    step: Option<i64>,
    time: Option<Timestamp>,
    runtime: Option<f64>,
    /// It has nested values: all of it is flattened as one document.
    nested: bool,
    malformed: bool,
}

/// The keys that a thread has seen, and what they mean.
#[derive(Debug, Default)]
struct Keys {
    flattener: Flattener,
    table: HashTable<(Box<[u8]>, Meaning)>,
    hasher: hashbrown::DefaultHashBuilder,
    /// By [`NameId`]: whether the column is asked for; `None` if nobody looked yet.
    asked: Vec<Option<bool>>,
    documents: Documents,
}

/// What a top-level key means.
#[derive(Debug, Clone, Copy)]
struct Meaning {
    slot: Slot,
    /// What lies below may be asked for.
    below: bool,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Step,
    Time,
    Runtime,
    Column(NameId),
    Skip,
}

impl Keys {
    #[inline]
    fn meaning(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> Meaning {
        let hash = self.hasher.hash_one(key);
        match self.table.find(hash, |(known, _)| **known == *key) {
            Some((_, meaning)) => *meaning,
            None => self.learn(key, hash, nested, shared),
        }
    }

    fn learn(&mut self, key: &[u8], hash: u64, nested: bool, shared: &Shared<'_>) -> Meaning {
        let special = |slot| Meaning { slot, below: false };
        let meaning = match key {
            b"_step" => special(Slot::Step),
            b"_timestamp" => special(Slot::Time),
            b"_runtime" => special(Slot::Runtime),
            _ => self.column(key, nested, shared),
        };
        let hasher = &self.hasher;
        self.table.insert_unique(hash, (key.into(), meaning), |(known, _)| hasher.hash_one(&**known));
        meaning
    }

    /// The column of a key that holds plain values; none if it is W&B's own or not asked for.
    fn column(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> Meaning {
        let mut text = String::from("{");
        json::quote(&String::from_utf8_lossy(key), &mut text);
        text.push_str(":0}");
        let mut found = None;
        // A text of our own; and were it wrong, the key would only be passed over.
        let _ = self.flattener.document(Root::Summary, &Document::plain(text), |id, _| found = Some(id));
        let Some(id) = found else { return Meaning { slot: Slot::Skip, below: false } };
        let path = self.path(id, shared);
        let below = shared.query.may_take_below(&path);
        if self.is_asked(id, shared) {
            return Meaning { slot: Slot::Column(id), below };
        }
        if !nested {
            shared.sink.metric(&path);
        }
        Meaning { slot: Slot::Skip, below }
    }

    /// The path that a column is called by.
    fn path(&self, id: NameId, shared: &Shared<'_>) -> String {
        let name = self.flattener.name(id);
        let path = name.strip_prefix(PREFIX).unwrap_or(name);
        if shared.query.is_system() { format!("system.{path}") } else { path.to_owned() }
    }

    fn is_asked(&mut self, id: NameId, shared: &Shared<'_>) -> bool {
        if self.asked.len() <= id.index() {
            self.asked.resize(id.index() + 1, None);
        }
        if let Some(Some(asked)) = self.asked.get(id.index()) {
            return *asked;
        }
        let asked = shared.query.takes(&self.path(id, shared));
        if let Some(slot) = self.asked.get_mut(id.index()) {
            *slot = Some(asked);
        }
        asked
    }
}

impl RunRows for Taker<'_> {
    fn folder(&mut self, start: Option<Timestamp>, before: i64) {
        (self.start, self.before) = (start, before);
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let query = self.shared.query;
        if self.failed.is_some() || (query.limits_steps() && !query.takes_step(row.step()?)) {
            return Ok(());
        }
        self.touched.clear();
        self.now = Now::default();
        let read = self.read(row);
        if read.is_err() {
            self.take_back();
            return read;
        }
        if self.touched.is_empty() && !query.asked().is_empty() {
            return Ok(());
        }
        self.keep(row.weight());
        Ok(())
    }

    fn finish(mut self, run: RunKey, receipt: &mut Receipt) -> crate::error::Result<()> {
        self.hand_over();
        for fault in &mut self.notes.json_faults {
            fault.run = run.path();
        }
        receipt.merge(std::mem::take(&mut self.notes));
        self.keys.documents.tell(&run, receipt);
        // Nobody else sets it.
        let _ = self.run.set(run);
        self.shared.pool.lock().unwrap_or_else(PoisonError::into_inner).push(self.keys);
        self.failed.map_or(Ok(()), Err)
    }
}

impl Taker<'_> {
    fn read(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let beside = row.items(|item| self.item(&item))?;
        if self.now.malformed {
            return Err(Malformed);
        }
        self.now.step = self.now.step.or(beside);
        if self.shared.query.is_system() {
            self.now.time = row.time()?;
            let since = self.start.zip(self.now.time).map(|(start, time)| start.seconds_until(time));
            self.now.runtime = since.map(|seconds| seconds + self.before as f64);
        }
        if self.now.nested {
            self.take_back();
            self.flatten(row)?;
        }
        Ok(())
    }

    #[inline]
    fn item(&mut self, item: &Item<'_>) {
        let nested = item.single().is_none();
        let Meaning { slot, below } = self.keys.meaning(item.top(), nested, self.shared);
        if nested {
            self.now.nested |= below;
            return;
        }
        let Ok(json) = item.value() else {
            self.now.malformed = true;
            return;
        };
        let float = || std::str::from_utf8(&json).ok().and_then(|text| text.trim().parse::<f64>().ok());
        match slot {
            Slot::Step => self.now.step = step_of(&json),
            Slot::Time => self.now.time = float().and_then(Timestamp::from_float),
            Slot::Runtime => self.now.runtime = float(),
            Slot::Skip => self.now.nested |= below && json.trim_ascii_start().first() == Some(&b'{'),
            Slot::Column(_) if self.now.nested => {}
            Slot::Column(id) => self.scalar(id, &json),
        }
    }

    /// Takes a value that is no container; one that is makes the row a document.
    fn scalar(&mut self, id: NameId, json: &[u8]) {
        let text = match std::str::from_utf8(json) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.notes.repaired_texts += 1;
                String::from_utf8_lossy(json)
            }
        };
        match scalar(&text, &mut self.notes.repaired_texts) {
            Ok(Some(leaf)) => self.push(id, leaf),
            Ok(None) => self.now.nested = true,
            Err(JsonError { offset, reason }) => {
                let place = format!("history.{}", self.keys.path(id, self.shared));
                let (offset, reason) = (offset as u64, reason.to_owned());
                self.notes.json_fault(JsonFault { run: String::new(), place, offset, reason });
            }
        }
    }

    #[inline]
    fn push(&mut self, id: NameId, leaf: Leaf<'_>) {
        let (row, at) = (self.steps.len(), id.index());
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, Sparse::default);
            self.stamps.resize(at + 1, 0);
        }
        let (Some(column), Some(stamp)) = (self.columns.get_mut(at), self.stamps.get_mut(at)) else { return };
        if *stamp == row + 1 {
            // The row names the key again; the last one counts.
            column.take_back(row as u32);
            self.touched.retain(|touched| *touched != id);
            self.notes.repeated_keys += 1;
        }
        if leaf == Leaf::Null {
            // No value; but one of them tells that there is such a key.
            if column.nulls.is_empty() {
                column.push(0, leaf);
                self.shared.sink.metric(&self.keys.path(id, self.shared));
            }
            return;
        }
        *stamp = row + 1;
        column.push(row as u32, leaf);
        self.touched.push(id);
    }

    /// Takes back the values of the row in progress.
    fn take_back(&mut self) {
        let row = self.steps.len() as u32;
        for id in self.touched.drain(..) {
            if let (Some(column), Some(stamp)) = (self.columns.get_mut(id.index()), self.stamps.get_mut(id.index())) {
                column.take_back(row);
                *stamp = 0;
            }
        }
    }

    /// Takes a row with nested values, by the rules of a summary.
    fn flatten(&mut self, row: &Row<'_>) -> Result<(), Malformed> {
        let shared = self.shared;
        let mut documents = std::mem::take(&mut self.keys.documents);
        let text = row.document(&mut documents, |top| self.keys.meaning(top, true, shared).below);
        self.keys.documents = documents;
        let document = Document::plain(text?);
        let mut flattener = std::mem::take(&mut self.keys.flattener);
        let mut nulls = Vec::new();
        let flattened = flattener.document(Root::Summary, &document, |id, leaf| {
            if self.keys.asked.get(id.index()).copied().flatten() == Some(false) {
                return;
            }
            match leaf {
                Leaf::Null => nulls.push(id),
                leaf => self.push(id, leaf),
            }
        });
        self.keys.flattener = flattener;
        for id in nulls {
            if self.keys.is_asked(id, shared) {
                self.push(id, Leaf::Null);
            }
        }
        if let Ok(notes) = flattened {
            // Each value was checked on its own before.
            self.notes.repeated_keys += notes.repeated_keys;
            self.notes.repaired_texts += notes.repaired_texts;
        }
        let at = self.steps.len() as u32;
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|id| {
            let asked = self.keys.is_asked(*id, shared);
            if !asked {
                shared.sink.metric(&self.keys.path(*id, shared));
                self.columns.get_mut(id.index()).into_iter().for_each(|column| column.take_back(at));
            }
            asked
        });
        self.touched = touched;
        Ok(())
    }

    /// Ends the row in progress.
    fn keep(&mut self, weight: usize) {
        let axis = self.shared.query.axis();
        let step = self.now.step.unwrap_or(NONE);
        let time = self.now.time.map_or(NONE, Timestamp::micros);
        let (last, key) = match axis {
            Axis::Step => (self.steps.last(), step),
            Axis::Time => (self.times.last(), time),
        };
        self.rising &= last.is_none_or(|last| follows(*last, key, axis));
        self.steps.push(step);
        self.times.push(time);
        self.runtimes.push(self.now.runtime.unwrap_or(f64::NAN));
        self.bytes += weight;
        if !self.whole && self.rising && (self.steps.len() >= ROWS || self.bytes >= BYTES) {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let values = std::mem::take(&mut self.columns).into_iter().enumerate();
        let named =
            values.filter(|(_, values)| !(values.is_empty() && values.nulls.is_empty())).map(|(at, mut values)| {
                values.shrink();
                (Arc::from(self.keys.path(NameId::from_index(at), self.shared)), values)
            });
        let mut columns: Vec<(Arc<str>, Sparse)> = named.collect();
        columns.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut chunk = HistoryChunk {
            run: self.run.clone(),
            order: self.order,
            columns,
            steps: std::mem::take(&mut self.steps),
            times: std::mem::take(&mut self.times),
            runtimes: std::mem::take(&mut self.runtimes),
        };
        self.stamps.clear();
        self.bytes = 0;
        self.order += 1;
        if chunk.height() == 0 {
            return;
        }
        if !self.rising {
            self.notes.joined_rows += chunk.settle(self.shared.query.axis());
        }
        if let Err(error) = self.shared.sink.chunk(chunk) {
            self.failed = Some(error);
        }
    }
}

/// A JSON text that is no object and no list, as in a summary; `None` if it is one.
#[inline]
fn scalar<'a>(text: &'a str, repaired: &mut u64) -> Result<Option<Leaf<'a>>, JsonError> {
    let mut reader = Reader::new(text);
    let leaf = match reader.next()? {
        Event::Number(digits) => number(digits),
        Event::Null => Leaf::Null,
        Event::Bool(value) => Leaf::Bool(value),
        Event::NonFinite(value) => Leaf::Float(value.value()),
        Event::Str(text) => {
            let (text, changed) = text.decode();
            *repaired += u64::from(changed);
            match NonFinite::from_spelling(&text) {
                Some(value) => Leaf::Float(value.value()),
                None => Leaf::Str(text),
            }
        }
        _ => return Ok(None),
    };
    match reader.next()? {
        Event::End => Ok(Some(leaf)),
        _ => Err(JsonError { offset: reader.offset(), reason: "more text after the value" }),
    }
}
