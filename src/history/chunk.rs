//! Rows of one run: their steps and times, and the sparse columns of what was logged.

use super::query::Axis;
use crate::columns::Sparse;
use crate::record::RunKey;
use std::sync::{Arc, OnceLock};

/// In place of a step or time that a row does not have.
pub(crate) const NONE: i64 = i64::MIN;

/// Rows of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct HistoryChunk {
    /// The run. It may be set after the chunk is handed over; chunks whose run is never named are dropped.
    pub(crate) run: Arc<OnceLock<RunKey>>,
    /// Its place among the run's chunks.
    pub(crate) order: u32,
    /// `_step`, or [`NONE`].
    pub(crate) steps: Vec<i64>,
    /// `_timestamp` in microseconds, or [`NONE`].
    pub(crate) times: Vec<i64>,
    /// `_runtime` in seconds, or NaN for none.
    pub(crate) runtimes: Vec<f64>,
    /// Paths, sorted, and their values by row of the chunk.
    pub(crate) columns: Vec<(Arc<str>, Sparse)>,
}

impl HistoryChunk {
    /// Rows.
    pub(crate) fn height(&self) -> usize {
        self.steps.len()
    }

    /// What the rows are ordered by.
    pub(crate) fn keys(&self, axis: Axis) -> &[i64] {
        match axis {
            Axis::Step => &self.steps,
            Axis::Time => &self.times,
        }
    }

    /// Bytes of memory in use.
    pub(crate) fn weight(&self) -> usize {
        self.height() * 24 + self.columns.iter().map(|(_, values)| values.weight()).sum::<usize>()
    }

    /// Sorts the rows, and joins those of the same step: of each column's values the last one stays. How many rows vanished.
    pub(crate) fn settle(&mut self, axis: Axis) -> u64 {
        let keys = self.keys(axis);
        if keys.windows(2).all(|pair| follows(pair[0], pair[1], axis)) {
            return 0;
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|row| place(keys[*row]));
        // The new number of each row.
        let (mut rows, mut last) = (vec![0u32; keys.len()], 0u32);
        for (at, row) in order.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| order.get(at)).map(|row| keys[*row]);
            let joins = axis == Axis::Step && keys[*row] != NONE && before == Some(keys[*row]);
            last += u32::from(at > 0 && !joins);
            rows[*row] = last;
        }
        let height = last as usize + 1;
        let vanished = (keys.len() - height) as u64;
        for (_, values) in self.columns.iter_mut().filter(|(_, values)| !values.is_empty()) {
            renumber(values, &rows, height);
        }
        self.steps = moved(&self.steps, &rows, height, NONE, |value| value != NONE);
        self.times = moved(&self.times, &rows, height, NONE, |value| value != NONE);
        self.runtimes = moved(&self.runtimes, &rows, height, f64::NAN, |value| !value.is_nan());
        vanished
    }

    /// Appends rows of the same run.
    pub(crate) fn append(&mut self, other: HistoryChunk) {
        let offset = self.height() as u32;
        self.steps.extend(other.steps);
        self.times.extend(other.times);
        self.runtimes.extend(other.runtimes);
        for (name, values) in other.columns {
            let at = match self.columns.binary_search_by(|(own, _)| own.cmp(&name)) {
                Ok(at) => at,
                Err(at) => {
                    self.columns.insert(at, (name, Sparse::default()));
                    at
                }
            };
            if let Some((_, own)) = self.columns.get_mut(at) {
                own.append(&values, offset);
            }
        }
    }

    /// The values of a path.
    pub(crate) fn values(&self, path: &str) -> Option<&Sparse> {
        let at = self.columns.binary_search_by(|(own, _)| (**own).cmp(path)).ok()?;
        self.columns.get(at).map(|(_, values)| values)
    }

    /// The rows from `from` to before `to`.
    pub(crate) fn piece(&self, from: usize, to: usize) -> HistoryChunk {
        let new = |row: usize| (from..to).contains(&row).then(|| (row - from) as u32);
        let rows: Vec<Option<u32>> = (0..self.height()).map(new).collect();
        let columns = self.columns.iter().map(|(name, values)| {
            let mut values = values.clone();
            values.renumber(&rows);
            (name.clone(), values)
        });
        HistoryChunk {
            run: self.run.clone(),
            order: self.order,
            steps: self.steps.get(from..to).unwrap_or_default().to_vec(),
            times: self.times.get(from..to).unwrap_or_default().to_vec(),
            runtimes: self.runtimes.get(from..to).unwrap_or_default().to_vec(),
            columns: columns.collect(),
        }
    }

    /// The chunk in pieces of at most so many rows.
    pub(crate) fn pieces(self: Arc<Self>, rows: usize) -> Vec<Arc<HistoryChunk>> {
        if self.height() <= rows {
            return vec![self];
        }
        let starts = (0..self.height()).step_by(rows.max(1));
        starts.map(|from| Arc::new(self.piece(from, (from + rows).min(self.height())))).collect()
    }

    /// The chunk as bytes, for a temporary file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.weight());
        out.extend((self.height() as u64).to_le_bytes());
        self.steps.iter().chain(&self.times).for_each(|value| out.extend(value.to_le_bytes()));
        self.runtimes.iter().for_each(|value| out.extend(value.to_le_bytes()));
        for (name, values) in &self.columns {
            out.extend((name.len() as u64).to_le_bytes());
            out.extend(name.as_bytes());
            values.write_bytes(&mut out);
        }
        out
    }

    /// Reads what [`HistoryChunk::to_bytes`] made; `None` if it is something else.
    pub(crate) fn from_bytes(mut from: &[u8]) -> Option<HistoryChunk> {
        let from = &mut from;
        let height = number(from)? as usize;
        let numbers = |from: &mut &[u8]| (0..height).map(|_| number(from)).collect::<Option<Vec<u64>>>();
        let integers = |from: &mut &[u8]| Some(numbers(from)?.into_iter().map(u64::cast_signed).collect());
        let (steps, times) = (integers(from)?, integers(from)?);
        let runtimes = numbers(from)?.into_iter().map(f64::from_bits).collect();
        let mut columns = Vec::new();
        while !from.is_empty() {
            let (name, rest) = {
                let length = number(from)? as usize;
                from.split_at_checked(length)?
            };
            *from = rest;
            columns.push((std::str::from_utf8(name).ok()?.into(), Sparse::read_bytes(from)?));
        }
        Some(HistoryChunk { steps, times, runtimes, columns, ..HistoryChunk::default() })
    }
}

fn number(from: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = from.split_first_chunk::<8>()?;
    *from = rest;
    Some(u64::from_le_bytes(*bytes))
}

/// True if a row may stand behind another one as they are.
pub(crate) fn follows(before: i64, after: i64, axis: Axis) -> bool {
    match axis {
        Axis::Step => place(before) < place(after) || after == NONE,
        Axis::Time => place(before) <= place(after),
    }
}

/// Rows without a key come last.
pub(crate) fn place(key: i64) -> (bool, i64) {
    (key == NONE, key)
}

/// Gives a column's values their new rows; of several for one row the last one stays, whatever its kind.
fn renumber(values: &mut Sparse, rows: &[u32], height: usize) {
    let mut winner: Vec<Option<u32>> = vec![None; height];
    for row in values.rows() {
        if let Some(new) = rows.get(row as usize)
            && let Some(slot) = winner.get_mut(*new as usize)
        {
            *slot = (*slot).max(Some(row));
        }
    }
    let stays = |(old, new): (usize, &u32)| (winner.get(*new as usize) == Some(&Some(old as u32))).then_some(*new);
    let new_rows: Vec<Option<u32>> = rows.iter().enumerate().map(stays).collect();
    values.renumber(&new_rows);
}

/// The values in their new rows, a later one over an earlier one.
fn moved<T: Copy>(values: &[T], rows: &[u32], height: usize, none: T, is_some: impl Fn(T) -> bool) -> Vec<T> {
    let mut out = vec![none; height];
    for (value, row) in values.iter().zip(rows).filter(|(value, _)| is_some(**value)) {
        if let Some(slot) = out.get_mut(*row as usize) {
            *slot = *value;
        }
    }
    out
}
