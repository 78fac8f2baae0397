//! One chunk of a run's history, put together from exported columns and from rows of JSON.

use super::exported::{Exported, OWN, Own, Row, clash, exported_rows};
use super::flat::Metric;
use super::job::Job;
use super::join::Known;
use super::open::integer;
use super::parquet::{Cell, Column};
use super::{HistoryAsk, HistoryChunk, Keys, Steps};
use crate::columns::Sparse;
use crate::error::{Error, ErrorKind, Result};
use crate::flatten::{Flattener, Leaf, NameId, Root};
use crate::json::{self, JsonError, NonFinite};
use crate::record::{Document, JsonFault, Limits, OverLimit, Receipt, Timestamp};
use std::borrow::Cow;

/// What the summary's columns begin with, whose rules the names of metrics follow.
const PREFIX: &str = "summary.";
/// What the names of system metrics begin with.
const SYSTEM: &str = "system.";

/// What was put together.
#[derive(Default)]
pub(super) struct Made {
    pub chunk: HistoryChunk,
    /// Rows that were read, before copies were joined.
    pub read: u64,
    /// Rows of a step that another part of the history had, too; the two became one.
    pub copies: u64,
    /// Rows of a step that the same part had before; the two became one.
    pub repeats: u64,
    /// What could not be read.
    pub notes: Receipt,
    /// Metrics that were seen, and not asked for.
    pub others: Vec<String>,
}

/// Step, time in microseconds and runtime of each row.
pub(super) type OwnColumns = (Vec<Option<i64>>, Vec<Option<i64>>, Vec<Option<f64>>);

/// Makes chunks; keeps what it learnt of names from one to the next.
pub(super) struct Assembler<'k> {
    keys: &'k dyn Keys,
    steps: Steps,
    /// Rows are system metrics.
    system: bool,
    flattener: Flattener,
    /// By [`NameId`]: whether the column is asked for; `None` if nobody looked yet.
    asked: Vec<Option<bool>>,
    /// By [`NameId`].
    columns: Vec<Sparse>,
    /// Integers and floats that the columns of the chunk before had: the next one is mostly like it.
    rooms: Vec<(usize, usize)>,
    pub(super) others: Vec<String>,
    limits: Limits,
    /// The keys of flat rows.
    pub(super) known: Known,
    /// There were more metrics than there may be: the error is the load's, not one file's.
    pub(super) refused: bool,
}

impl<'k> Assembler<'k> {
    pub(super) fn new(HistoryAsk { keys, steps, system, .. }: HistoryAsk<'k>, limits: Limits) -> Self {
        let (asked, columns, others) = (Vec::new(), Vec::new(), Vec::new());
        Assembler {
            keys,
            steps,
            system,
            flattener: Flattener::default(),
            asked,
            columns,
            rooms: Vec::new(),
            others,
            limits,
            known: Known::new(),
            refused: false,
        }
    }

    /// True if rows are kept that have no metric that is asked for.
    pub(super) fn keeps_all_rows(&self) -> bool {
        self.keys.keeps_all_rows()
    }

    /// True if a metric of this key, or below it, may be asked for.
    pub(super) fn takes_below(&self, key: &str) -> bool {
        self.keys.all() || self.keys.may_take_below(key)
    }

    /// How many metrics a row may have.
    pub(super) fn most_keys(&self) -> u64 {
        self.limits.keys
    }

    /// True if there are more names than there may be.
    pub(super) fn is_full(&self) -> bool {
        self.flattener.names() as u64 > self.limits.keys
    }

    /// Puts a chunk together. Of values for the same step and key, those of JSON rows win over exported ones: the server has them
    /// later. Of the exported ones those of the later row group win.
    ///
    /// # Errors
    /// If an exported column is damaged, or there are more metrics than there may be.
    pub(super) fn make(&mut self, job: &mut Job) -> Result<Made> {
        let mut made = Made::default();
        self.columns.clear();
        self.steps = job.steps;
        made.chunk.run.clone_from(&job.run);
        made.chunk.order = job.order;
        let simple = match (job.groups.is_empty(), job.rows.is_empty()) {
            (false, true) => self.columnwise(&job.groups, &mut made)?,
            (true, false) if !self.system => self.flat(job, &mut made),
            _ => false,
        };
        if !simple {
            self.rowwise(job, &mut made)?;
        }
        if self.is_full() {
            let ask = HistoryAsk { keys: self.keys, steps: self.steps, samples: None, system: self.system, had: None };
            *self = Assembler { refused: true, ..Assembler::new(ask, self.limits) };
            let error = Error::new(ErrorKind::Format, format!("more metrics than --max-keys {}", self.limits.keys));
            return Err(error);
        }
        made.chunk.columns = self.finished();
        made.others = std::mem::take(&mut self.others);
        made.notes.over_limits.iter_mut().for_each(|over| over.run.clone_from(&job.path));
        made.notes.json_faults.iter_mut().for_each(|fault| fault.run.clone_from(&job.path));
        Ok(made)
    }

    /// The columns of the chunk by their paths, sorted.
    pub(super) fn finished(&mut self) -> Vec<(String, Sparse)> {
        self.rooms.clear();
        self.rooms.extend(self.columns.iter().map(|values| (values.ints.len(), values.floats.len())));
        let values = std::mem::take(&mut self.columns).into_iter().enumerate();
        let named = values.filter(|(_, values)| !is_empty(values)).map(|(at, mut values)| {
            values.shrink();
            (self.path(NameId::from_index(at)), values)
        });
        let mut columns: Vec<(String, Sparse)> = named.collect();
        columns.sort_by(|(a, _), (b, _)| a.cmp(b));
        columns
    }

    /// The path that a column is called by.
    fn path(&self, id: NameId) -> String {
        let name = self.flattener.name(id);
        let path = name.strip_prefix(PREFIX).unwrap_or(name);
        if self.system { format!("{SYSTEM}{path}") } else { path.to_owned() }
    }

    /// True if the metric of this name is asked for, of which nothing is told.
    pub(super) fn takes(&self, id: NameId) -> bool {
        let known = self.asked.get(id.index()).copied().flatten();
        known.unwrap_or_else(|| self.keys.takes(&self.path(id)))
    }

    /// True if the metric of this name is asked for; if not, it is told that there is such a metric.
    pub(super) fn is_asked(&mut self, id: NameId) -> bool {
        let at = id.index();
        if self.asked.len() <= at {
            self.asked.resize(at + 1, None);
        }
        if let Some(Some(asked)) = self.asked.get(at) {
            return *asked;
        }
        let path = self.path(id);
        let asked = self.keys.takes(&path);
        if !asked {
            self.others.push(path);
        }
        if let Some(slot) = self.asked.get_mut(at) {
            *slot = Some(asked);
        }
        asked
    }

    /// The column of a name.
    #[inline]
    fn column_of(&mut self, id: NameId) -> Option<&mut Sparse> {
        while self.columns.len() <= id.index() {
            let room = self.rooms.get(self.columns.len()).copied().unwrap_or_default();
            self.columns.push(Sparse::with_room(room));
        }
        self.columns.get_mut(id.index())
    }

    /// Makes these values of a metric its column; nothing if it is not asked for, or all its rows are outside. Those of a row
    /// stand in `text`.
    pub(super) fn put<'t>(&mut self, id: NameId, metric: Metric, inside: &[bool], text: impl Fn(usize) -> &'t str) {
        let is_inside = |row: usize| inside.get(row) == Some(&true);
        if !metric.rows().any(|row| is_inside(row as usize)) || !self.is_asked(id) {
            return;
        }
        if self.columns.len() <= id.index() {
            self.columns.resize_with(id.index() + 1, Sparse::default);
        }
        if let Some(column) = self.columns.get_mut(id.index()) {
            *column = Sparse::of_numbers(metric.ints, metric.floats);
        }
        for (row, value) in metric.others.into_iter().map(|(row, value)| (row as usize, value)) {
            if is_inside(row) {
                self.push(id, row, value.leaf(text(row)));
            }
        }
    }

    /// Adds a value to a row; false if it is none. One null of a column is kept, to tell that there is such a metric.
    pub(super) fn push(&mut self, id: NameId, row: usize, leaf: Leaf<'_>) -> bool {
        if !self.is_asked(id) {
            return false;
        }
        let Some(column) = self.column_of(id) else { return false };
        match leaf {
            Leaf::Null if !column.nulls.is_empty() => false,
            Leaf::Null => {
                column.push(0, Leaf::Null);
                false
            }
            leaf => {
                column.push(row as u32, leaf);
                true
            }
        }
    }

    /// Flattens a document into a row; how many values it gave.
    fn document(&mut self, text: String, row: usize, notes: &mut Receipt) -> usize {
        if self.is_full() || json::more_keys_than(&text, self.limits.keys) {
            notes.over_limit(OverLimit {
                run: String::new(),
                place: "a row of the history".to_owned(),
                reason: self.limits.too_many_keys(),
            });
            return 0;
        }
        let mut flattener = std::mem::take(&mut self.flattener);
        let mut values: Vec<(NameId, Owned)> = Vec::new();
        let read = flattener.document(Root::Summary, &Document::plain(text), |id, leaf| values.push((id, leaf.into())));
        self.flattener = flattener;
        match read {
            Ok(read) => {
                notes.repeated_keys += read.repeated_keys;
                notes.repaired_texts += read.repaired_texts;
            }
            Err(fault) => notes.json_fault(told(&fault)),
        }
        let mut count = 0;
        for (id, leaf) in values {
            count += usize::from(self.push(id, row, leaf.leaf()));
        }
        count
    }

    /// Takes row groups column by column; false if their rows have to be read one by one: nested values may share a name with others.
    fn columnwise(&mut self, groups: &[Exported], made: &mut Made) -> Result<bool> {
        let mut own = Own::default();
        for exported in groups {
            own.append(Own::read(exported)?);
        }
        let rows = own.steps.len();
        let rising = own.steps.windows(2).all(|pair| matches!(pair, [Some(a), Some(b)] if a < b));
        if !rising || own.steps.first() == Some(&None) || groups.iter().any(|exported| clash(&exported.columns)) {
            return Ok(false);
        }
        let inside: Vec<bool> = own.steps.iter().map(|step| self.steps.contain(*step)).collect();
        let mut has = vec![self.keys.keeps_all_rows(); rows];
        let mut first = 0;
        for exported in groups {
            for name in exported.columns.iter().filter(|name| !OWN.contains(&name.as_str())) {
                let column = exported.column(name)?;
                self.column((name, &column), first, &inside, &mut has, &mut made.notes);
            }
            first += exported.rows();
        }
        let times = own.times.into_iter().map(|time| time.map(Timestamp::micros)).collect();
        self.keep([&inside, &has], (own.steps, times, own.runtimes), made);
        Ok(true)
    }

    /// Keeps, of the columns that were taken with all rows, those rows that are inside of the asked steps and have a value.
    pub(super) fn keep(&mut self, [inside, has]: [&[bool]; 2], (steps, times, runtimes): OwnColumns, made: &mut Made) {
        made.read += inside.iter().filter(|inside| **inside).count() as u64;
        let mut next = 0;
        let number = |(inside, has): (&bool, &bool)| {
            let kept = *inside && *has;
            next += u32::from(kept);
            kept.then(|| next - 1)
        };
        let numbers: Vec<Option<u32>> = inside.iter().zip(has).map(number).collect();
        if next as usize == numbers.len() {
            (made.chunk.steps, made.chunk.times, made.chunk.runtimes) = (steps, times, runtimes);
            return;
        }
        // The null that tells of a column is in the first row, whatever becomes of it.
        for column in self.columns.iter_mut().filter(|column| !is_empty(column)) {
            let told = !column.nulls.is_empty();
            column.renumber(&numbers);
            if told && column.nulls.is_empty() {
                column.push(0, Leaf::Null);
            }
        }
        made.chunk.steps = kept(steps, &numbers);
        made.chunk.times = kept(times, &numbers);
        made.chunk.runtimes = kept(runtimes, &numbers);
    }

    /// Takes a column whose first row is the chunk's row `first`.
    fn column(
        &mut self,
        (name, column): (&str, &Column),
        first: usize,
        inside: &[bool],
        has: &mut [bool],
        notes: &mut Receipt,
    ) {
        let mut key = String::new();
        json::quote(name, &mut key);
        let mut plain = None;
        let wanted = |row: usize| inside.get(row) == Some(&true);
        let mut values = 0;
        column.each(|row, cell| {
            values += 1;
            let row = first + row;
            if !wanted(row) {
                return;
            }
            let leaf = match cell {
                Cell::Json(text) => {
                    let found = self.document(format!("{{{key}:{text}}}"), row, notes) > 0;
                    has.get_mut(row).into_iter().for_each(|has| *has |= found);
                    return;
                }
                Cell::Null => return,
                Cell::Int(value) => Leaf::Int(value),
                Cell::Float(value) => Leaf::Float(value),
                Cell::Bool(value) => Leaf::Bool(value),
                Cell::Str(text) => match NonFinite::from_spelling(text) {
                    Some(value) => Leaf::Float(value.value()),
                    None => Leaf::Str(text.into()),
                },
            };
            let id = *plain.get_or_insert_with(|| self.plain(&key));
            if let Some(id) = id {
                let found = self.push(id, row, leaf);
                has.get_mut(row).into_iter().for_each(|has| *has |= found);
            }
        });
        if values == 0
            && !column.may_nest()
            && let Some(id) = self.plain(&key)
        {
            self.push(id, 0, Leaf::Null);
        }
    }

    /// The name of a key that holds plain values; none if it is W&B's own.
    pub(super) fn plain(&mut self, key: &str) -> Option<NameId> {
        let mut found = None;
        let text = format!("{{{key}:0}}");
        // A text of our own, which is JSON.
        let _ = self.flattener.document(Root::Summary, &Document::plain(text), |id, _| found = Some(id));
        found
    }

    pub(super) fn rowwise(&mut self, job: &Job, made: &mut Made) -> Result<()> {
        let mut rows = Vec::new();
        for (origin, exported) in job.groups.iter().enumerate() {
            rows.extend(exported_rows(exported, origin)?);
        }
        let texts = job.rows.texts();
        for text in &texts {
            match self.parse(text, job.groups.len()) {
                Ok(row) => rows.push(row),
                Err(fault) => made.notes.json_fault(told(&fault)),
            }
        }
        rows.retain(|row| self.steps.contain(row.step));
        made.read += rows.len() as u64;
        // Stable: of rows with the same step the later origin comes last.
        match self.system {
            true => rows.sort_by_key(|row| (row.time.is_none(), row.time)),
            false => rows.sort_by_key(|row| row.step),
        }
        let mut rows = rows.into_iter().peekable();
        while let Some(mut row) = rows.next() {
            while let Some(next) = rows.next_if(|next| next.step == row.step && row.step.is_some()) {
                match next.origin == row.origin {
                    false => made.copies += 1,
                    true if job.by_key => made.read -= 1,
                    true => made.repeats += 1,
                }
                row.join(next);
            }
            let at = made.chunk.steps.len();
            let found = self.document(row.text(), at, &mut made.notes);
            if found > 0 || self.keys.keeps_all_rows() {
                made.chunk.steps.push(row.step);
                made.chunk.times.push(row.time.map(Timestamp::micros));
                made.chunk.runtimes.push(row.runtime);
            }
        }
        Ok(())
    }

    fn parse<'a>(&self, text: &'a str, origin: usize) -> std::result::Result<Row<'a>, JsonError> {
        let mut row = Row { origin, ..Row::default() };
        json::members(text, |key, value| match key.raw {
            "_step" if self.system => {}
            "_step" => row.step = integer(value),
            "_timestamp" => row.time = value.parse().ok().and_then(Timestamp::from_float),
            "_runtime" => row.runtime = value.parse().ok().filter(|runtime: &f64| runtime.is_finite()),
            raw => {
                let name = if key.escaped { key.decode().0 } else { Cow::Borrowed(raw) };
                let wanted = match self.system {
                    true => self.keys.may_take_below(&format!("{SYSTEM}{}", bare(&name))),
                    false => self.keys.may_take_below(&name),
                };
                if self.keys.all() || wanted {
                    row.members.push((if self.system { bare(raw) } else { raw }.into(), value.into()));
                }
            }
        })?;
        Ok(row)
    }
}

/// The values of the rows that have a new number.
fn kept<T>(values: Vec<T>, numbers: &[Option<u32>]) -> Vec<T> {
    values.into_iter().zip(numbers).filter(|(_, number)| number.is_some()).map(|(value, _)| value).collect()
}

/// The name of a system metric as a log has it.
fn bare(name: &str) -> &str {
    name.strip_prefix(SYSTEM).unwrap_or(name)
}

fn is_empty(values: &Sparse) -> bool {
    let numbers = values.ints.is_empty() && values.floats.is_empty() && values.bigs.is_empty();
    let texts = values.strs.is_empty() && values.jsons.is_empty() && values.spelled.is_empty();
    numbers && texts && values.bools.is_empty() && values.lists.is_empty() && values.nulls.is_empty()
}

fn told(fault: &JsonError) -> JsonFault {
    let (place, reason) = ("history".to_owned(), fault.reason.to_owned());
    JsonFault { run: String::new(), place, offset: fault.offset as u64, reason }
}

/// A leaf that owns its texts.
enum Owned {
    Big(String),
    Leaf(Leaf<'static>),
}

impl From<Leaf<'_>> for Owned {
    fn from(leaf: Leaf<'_>) -> Self {
        Owned::Leaf(match leaf {
            Leaf::Big(digits) => return Owned::Big(digits.to_owned()),
            Leaf::Null => Leaf::Null,
            Leaf::Int(value) => Leaf::Int(value),
            Leaf::Float(value) => Leaf::Float(value),
            Leaf::Spelled(value, text) => Leaf::Spelled(value, text.into_owned().into()),
            Leaf::Str(text) => Leaf::Str(text.into_owned().into()),
            Leaf::Bool(value) => Leaf::Bool(value),
            Leaf::List(list) => Leaf::List(list),
            Leaf::Json(text) => Leaf::Json(text.into_owned().into()),
        })
    }
}

impl Owned {
    fn leaf(&self) -> Leaf<'_> {
        match self {
            Owned::Big(digits) => Leaf::Big(digits),
            Owned::Leaf(leaf) => leaf.clone(),
        }
    }
}
