//! Rows of JSON that hold nothing nested, which is most of them: read in one pass, straight into columns.

use super::job::Job;
use super::open::integer;
use super::rows::{Assembler, Made};
use crate::flatten::{self, Leaf, NameId};
use crate::json::{self, Event, NonFinite, Plain, Reader};
use crate::record::Timestamp;

/// Different keys that are remembered; rows with more are read with care.
const KEYS: usize = 1_024;

/// What is done with the value of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Step,
    Time,
    Runtime,
    Column(NameId),
    Skip,
}

/// Keys in the order in which rows have them.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    keys: Vec<(Box<str>, What)>,
    /// The place of the key that is expected next.
    next: usize,
    /// The row has its keys in another order, so that one may come twice.
    mixed: bool,
}

impl Keyring {
    /// Most rows have their keys in the order of the row before.
    fn find(&mut self, key: &str) -> Option<What> {
        let at = match self.keys.get(self.next) {
            Some((known, _)) if **known == *key => self.next,
            _ => self.keys.iter().position(|(known, _)| **known == *key)?,
        };
        self.mixed |= at < self.next;
        self.next = at + 1;
        self.keys.get(at).map(|(_, what)| *what)
    }
}

/// A row, and where its values begin among those of all rows.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    step: Option<i64>,
    time: Option<Timestamp>,
    runtime: Option<f64>,
    values: (usize, usize),
}

/// A value as it stands in the text.
enum Value<'a> {
    Leaf(Leaf<'a>),
    /// An object, a list, or a text with escapes.
    Other,
}

impl Assembler<'_> {
    /// Takes rows that are all flat and that nothing is wrong with; false, and nothing taken, if there is another one.
    pub(super) fn flat(&mut self, job: &Job, made: &mut Made) -> bool {
        let mut ring = std::mem::take(&mut self.ring);
        let (mut values, mut rows) = (Vec::new(), Vec::with_capacity(job.rows.len()));
        let all_flat = job.rows.iter().all(|text| match self.flat_row(text, &mut ring, &mut values) {
            Some(row) => {
                rows.push(row);
                true
            }
            None => false,
        });
        self.ring = ring;
        if !all_flat || self.is_full() {
            return false;
        }
        rows.retain(|row| job.steps.contain(row.step));
        made.read += rows.len() as u64;
        if !rows.is_sorted_by_key(|row| row.step) {
            rows.sort_by_key(|row| row.step);
        }
        self.join_flat(job, &rows, &values, made);
        true
    }

    /// Joins rows of one step, and pushes what they hold.
    fn join_flat(&mut self, job: &Job, rows: &[Row], values: &[(NameId, Leaf<'_>)], made: &mut Made) {
        let of = |row: &Row| values.get(row.values.0..row.values.1).unwrap_or_default();
        let mut joined: Vec<(NameId, Leaf<'_>)> = Vec::new();
        let mut rest = rows;
        while let Some((first, later)) = rest.split_first() {
            let same = later.iter().take_while(|row| row.step == first.step && row.step.is_some()).count();
            let (same, later) = later.split_at(same);
            rest = later;
            let mut row = *first;
            let mut found = 0;
            let at = made.chunk.steps.len();
            if same.is_empty() {
                for (id, leaf) in of(first) {
                    found += usize::from(self.push(*id, at, leaf.clone()));
                }
            } else {
                joined.clear();
                for next in std::iter::once(first).chain(same) {
                    row.time = next.time.or(row.time);
                    row.runtime = next.runtime.or(row.runtime);
                    for (id, leaf) in of(next) {
                        match joined.iter_mut().find(|(known, _)| known == id) {
                            Some(known) if *leaf != Leaf::Null => known.1 = leaf.clone(),
                            Some(_) => {}
                            None => joined.push((*id, leaf.clone())),
                        }
                    }
                }
                match job.by_key {
                    true => made.read -= same.len() as u64,
                    false => made.repeats += same.len() as u64,
                }
                for (id, leaf) in joined.drain(..) {
                    found += usize::from(self.push(id, at, leaf));
                }
            }
            if found > 0 || self.keeps_all_rows() {
                made.chunk.steps.push(row.step);
                made.chunk.times.push(row.time.map(Timestamp::micros));
                made.chunk.runtimes.push(row.runtime);
            }
        }
    }

    /// Reads a row, and appends its values; `None` if it is not flat, or anything is odd with it.
    fn flat_row<'a>(&mut self, text: &'a str, ring: &mut Keyring, values: &mut Vec<(NameId, Leaf<'a>)>) -> Option<Row> {
        let bytes = text.as_bytes();
        let mut row = Row { values: (values.len(), 0), ..Row::default() };
        (ring.next, ring.mixed) = (0, false);
        let mut at = 1;
        if *bytes.first()? != b'{' {
            return None;
        }
        loop {
            let (key, behind) = plain_text(text, at)?;
            if *bytes.get(behind)? != b':' {
                return None;
            }
            let what = match ring.find(key) {
                Some(what) => what,
                None => self.meaning(key, ring)?,
            };
            let start = behind + 1;
            let (value, end) = value(text, start)?;
            let number = || text.get(start..end).and_then(|text| text.parse::<f64>().ok());
            match (what, value) {
                (What::Skip, _) => {}
                (What::Column(id), Value::Leaf(leaf)) => {
                    // A key that comes twice is counted where rows are read with care.
                    if ring.mixed && values.iter().skip(row.values.0).any(|(known, _)| *known == id) {
                        return None;
                    }
                    values.push((id, leaf));
                }
                (What::Column(_), Value::Other) => return None,
                (What::Step, Value::Leaf(Leaf::Int(step))) => row.step = Some(step),
                (What::Step, _) => row.step = integer(text.get(start..end)?),
                (What::Time, Value::Leaf(Leaf::Float(time))) => row.time = Timestamp::from_float(time),
                (What::Time, _) => row.time = number().and_then(Timestamp::from_float),
                (What::Runtime, Value::Leaf(Leaf::Float(runtime))) => {
                    row.runtime = Some(runtime).filter(|r| r.is_finite())
                }
                (What::Runtime, _) => row.runtime = number().filter(|runtime| runtime.is_finite()),
            }
            match bytes.get(end)? {
                b',' => at = end + 1,
                b'}' if end + 1 == bytes.len() => break,
                _ => return None,
            }
        }
        row.values.1 = values.len();
        // More metrics than there may be in a row are told of elsewhere.
        (((row.values.1 - row.values.0) as u64) < self.most_keys()).then_some(row)
    }

    /// What a key that was not seen before stands for.
    fn meaning(&mut self, key: &str, ring: &mut Keyring) -> Option<What> {
        let what = match key {
            "_step" => What::Step,
            "_timestamp" => What::Time,
            "_runtime" => What::Runtime,
            key if self.takes_below(key) => {
                let mut quoted = String::new();
                json::quote(key, &mut quoted);
                self.plain(&quoted).map_or(What::Skip, What::Column)
            }
            _ => What::Skip,
        };
        if self.is_full() || ring.keys.len() >= KEYS {
            return None;
        }
        ring.keys.push((key.into(), what));
        ring.next = ring.keys.len();
        Some(what)
    }
}

/// The text without escapes that begins with the quote at `at`, and where it ends.
#[inline]
fn plain_text(text: &str, at: usize) -> Option<(&str, usize)> {
    if *text.as_bytes().get(at)? != b'"' {
        return None;
    }
    let end = json::find::<true>(text.as_bytes(), at + 1)?;
    let plain = text.as_bytes().get(end) == Some(&b'"');
    text.get(at + 1..end).filter(|_| plain).map(|inside| (inside, end + 1))
}

/// The value that begins at `at`, and where it ends; `None` if none does.
#[inline]
fn value(text: &str, at: usize) -> Option<(Value<'_>, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(at)?.is_ascii_whitespace() {
        return None;
    }
    if let Some((plain, end)) = json::number_at(bytes, at) {
        let leaf = match plain {
            Some(Plain::Int(value)) => Leaf::Int(value),
            Some(Plain::Float(value)) => Leaf::Float(value),
            _ => flatten::number(text.get(at..end)?),
        };
        return Some((Value::Leaf(leaf), end));
    }
    if let Some((inside, end)) = plain_text(text, at) {
        let leaf = match NonFinite::from_spelling(inside) {
            Some(value) => Leaf::Float(value.value()),
            None => Leaf::Str(inside.into()),
        };
        return Some((Value::Leaf(leaf), end));
    }
    let mut reader = Reader::from_offset(text, at);
    let leaf = match reader.next().ok()? {
        Event::Null => Value::Leaf(Leaf::Null),
        Event::Bool(value) => Value::Leaf(Leaf::Bool(value)),
        Event::NonFinite(value) => Value::Leaf(Leaf::Float(value.value())),
        other => {
            reader.skip(other).ok()?;
            Value::Other
        }
    };
    Some((leaf, reader.offset()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::keys;
    use super::super::{HistoryAsk, HistoryChunk, Steps};
    use super::*;
    use crate::record::Limits;
    use proptest::prelude::*;

    /// What is made of rows in one pass, and row by row; none if the pass does not take them.
    fn both(rows: &[String], by_key: bool, steps: Steps) -> (Option<String>, String) {
        let wanted = keys(&["a", "b", "c.d", "e"]);
        let ask = HistoryAsk { keys: &wanted, steps, samples: None, system: false, had: None };
        let rows = rows.iter().cloned().map(Into::into).collect();
        let (run, path, order, groups, clusters) = ("r".to_owned(), "e/p/r".to_owned(), 0, Vec::new(), Vec::new());
        let job = Job { run, path, order, groups, rows, by_key, clusters, places: 1, steps };
        let told = |made: Made, assembler: &mut Assembler<'_>| {
            let HistoryChunk { steps, times, runtimes, .. } = made.chunk;
            let columns = assembler.finished();
            format!("{} {} {} {steps:?} {times:?} {runtimes:?} {columns:?}", made.read, made.copies, made.repeats)
        };
        let mut assembler = Assembler::new(ask, Limits::default());
        let mut made = Made::default();
        let taken = assembler.flat(&job, &mut made);
        let flat = taken.then(|| told(made, &mut assembler));
        let mut assembler = Assembler::new(ask, Limits::default());
        let mut made = Made::default();
        assembler.rowwise(&job, &mut made).unwrap();
        let faults = made.notes.json_faults.len() as u64 + made.notes.repeated_keys + made.notes.repaired_texts;
        assert!(faults == 0 || !taken, "{:?}", made.notes);
        (flat, told(made, &mut assembler))
    }

    #[test]
    fn common_rows_are_taken() {
        let row = |step: i64| {
            let loss = ["1.5", "\"NaN\"", "-2", "null", "true", "\"wärm\"", "NaN", "12345678901234567890123"];
            let loss = loss[step as usize % 8];
            format!(
                "{{\"_step\":{step},\"_timestamp\":1.7e9,\"_runtime\":{step}.0,\"a\":{loss},\"z\":[{{}}],\"b\":{step}}}"
            )
        };
        let rows: Vec<String> = (0..40).map(row).collect();
        let (flat, careful) = both(&rows, false, Steps { min: Some(3), max: Some(30) });
        assert_eq!(flat.unwrap(), careful);
    }

    #[test]
    fn odd_rows_are_left_to_care() {
        for odd in [
            r#"{"_step":1,"a":{"x":1}}"#,
            r#"{"_step":1,"a":[1]}"#,
            r#"{"_step":1,"a":"\n"}"#,
            r#"{"_step":1,"a":1,"a":2}"#,
            r#"{"_step":1,"b":1,"a":2,"b":3}"#,
            r#"{"_step":1,"a":01}"#,
            r#"{"_step":1,"a":1"#,
            r#"{"_step":1,"a":1}}"#,
            r#"[1]"#,
            "",
            "{}",
            r#"{"_step": 1}"#,
        ] {
            let rows = [r#"{"_step":0,"a":1,"b":2}"#.to_owned(), odd.to_owned()];
            assert_eq!(both(&rows, false, Steps::default()).0, None, "{odd}");
        }
    }

    fn member() -> impl Strategy<Value = String> {
        let key =
            prop::sample::select(vec!["_step", "_step", "_timestamp", "_runtime", "a", "b", "c.d", "e", "_wandb", "f"]);
        let value = prop::sample::select(vec![
            "0",
            "1",
            "2",
            "3.0",
            "1.5",
            "-0",
            "1e400",
            "null",
            "true",
            "\"x\"",
            "\"Inf\"",
            "NaN",
            "[1]",
            "{}",
            "\"\\u0041\"",
        ]);
        (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
    }

    proptest! {
        #[test]
        fn in_one_pass_or_with_care_is_the_same(
            rows in prop::collection::vec(prop::collection::vec(member(), 1..5), 0..6),
            by_key in any::<bool>(),
            limited in any::<bool>(),
        ) {
            let rows: Vec<String> = rows.into_iter().map(|members| format!("{{{}}}", members.join(","))).collect();
            let steps = if limited { Steps { min: Some(1), max: Some(2) } } else { Steps::default() };
            if let (Some(flat), careful) = both(&rows, by_key, steps) {
                prop_assert_eq!(flat, careful);
            }
        }
    }
}
