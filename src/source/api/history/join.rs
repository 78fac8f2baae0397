//! Rows that hold nothing nested, joined by their steps, straight into columns.

use super::flat::{FlatRows, KEYS, Metric};
use super::job::Job;
use super::lists::{List, RowText};
use super::rows::{Assembler, Made};
use crate::flatten::{Leaf, NameId};
use crate::json;
use std::borrow::Cow;
use std::collections::HashMap;

/// What the keys of metrics are as columns; none if they are not asked for.
pub(super) type Known = HashMap<Box<str>, Option<NameId>>;

/// A list of rows, and the columns of its metrics.
struct Listed<'j> {
    list: &'j List,
    rows: Cow<'j, FlatRows>,
    ids: Vec<Option<NameId>>,
}

impl Listed<'_> {
    /// When a row was logged, in microseconds.
    fn time(&self, at: usize) -> Option<i64> {
        self.rows.times.get(at).copied().flatten()
    }

    fn runtime(&self, at: usize) -> Option<f64> {
        self.rows.runtimes.get(at).copied().flatten()
    }

    /// The metrics of a row that are asked for.
    #[inline]
    fn leaves(&self, at: usize) -> impl Iterator<Item = (NameId, Leaf<'_>)> {
        let metrics = self.rows.metrics.iter().zip(&self.ids);
        metrics.filter_map(move |(metric, id)| Some(((*id)?, metric.get(at)?.leaf(self.list.text(at)))))
    }
}

/// A row by its list and its place there.
type At = (u32, u32);

impl Assembler<'_> {
    /// Takes rows that are all flat and that nothing is wrong with; false, and nothing taken, if there is another one.
    pub(super) fn flat(&mut self, job: &mut Job, made: &mut Made) -> bool {
        let mut lists = Vec::with_capacity(job.rows.lists().len());
        for list in job.rows.lists() {
            let rows = match list {
                List::Flat(_, rows) => Cow::Borrowed(rows),
                List::Texts(texts) => match self.read(texts) {
                    Some(rows) => Cow::Owned(rows),
                    None => return false,
                },
            };
            let ids = self.meanings(&rows);
            lists.push(Listed { list, rows, ids });
        }
        if self.is_full() {
            return false;
        }
        if is_rising(&lists) {
            let (rows, ids) = lists.pop().map(|Listed { rows, ids, .. }| (rows, ids)).unwrap_or_default();
            let own = if let Cow::Owned(rows) = rows { Some(rows) } else { None };
            drop(lists);
            self.columns_of(own, ids, job, made);
            return true;
        }
        let mut order: Vec<(Option<i64>, At)> = Vec::with_capacity(job.rows.len());
        for (of, list) in lists.iter().enumerate() {
            let rows = list.rows.steps.iter().enumerate().filter(|(_, step)| job.steps.contain(**step));
            order.extend(rows.map(|(at, step)| (*step, (of as u32, at as u32))));
        }
        made.read += order.len() as u64;
        if !order.is_sorted_by_key(|(step, _)| *step) {
            // Stable: of rows with the same step the later one comes last.
            order.sort_by_key(|(step, _)| *step);
        }
        self.join(job, &lists, &order, made);
        true
    }

    /// Takes the columns of the only list of rows, whose steps rise; its own unless they are given.
    fn columns_of(&mut self, rows: Option<FlatRows>, ids: Vec<Option<NameId>>, job: &mut Job, made: &mut Made) {
        let rows = rows.or_else(|| job.rows.take_flat()).unwrap_or_default();
        let inside: Vec<bool> = rows.steps.iter().map(|step| job.steps.contain(*step)).collect();
        let has = self.have_some(&rows, &ids);
        let list = job.rows.lists().first();
        let text = |row: usize| list.map_or("", |list| list.text(row));
        for (metric, id) in rows.metrics.into_iter().zip(ids) {
            if let Some(id) = id {
                self.put(id, metric, &inside, text);
            }
        }
        self.keep([&inside, &has], (rows.steps, rows.times, rows.runtimes), made);
    }

    /// Whether each row has a value that is asked for, or needs none to be kept.
    fn have_some(&self, rows: &FlatRows, ids: &[Option<NameId>]) -> Vec<bool> {
        let asked = |id: &Option<NameId>| id.is_some_and(|id| self.takes(id));
        let asked = || rows.metrics.iter().zip(ids).filter(|(_, id)| asked(id)).map(|(metric, _)| metric);
        if self.keeps_all_rows() || asked().any(|metric| metric.is_in_all(rows.len())) {
            return vec![true; rows.len()];
        }
        let mut has = vec![false; rows.len()];
        for row in asked().flat_map(Metric::rows_with_values) {
            has.get_mut(row as usize).into_iter().for_each(|has| *has = true);
        }
        has
    }

    fn meanings(&mut self, rows: &FlatRows) -> Vec<Option<NameId>> {
        rows.metrics.iter().map(|metric| self.meaning(&metric.key)).collect()
    }

    /// The rows that are these texts, without what is not asked for.
    fn read(&self, texts: &[RowText]) -> Option<FlatRows> {
        let mut rows = FlatRows::default();
        let mut wanted = |key: &str| self.takes_below(key);
        texts.iter().all(|text| rows.push(text, self.most_keys(), &mut wanted)).then_some(rows)
    }

    /// The column of a metric of this key.
    fn meaning(&mut self, key: &str) -> Option<NameId> {
        if let Some(known) = self.known.get(key) {
            return *known;
        }
        let id = if self.takes_below(key) {
            let mut quoted = String::new();
            json::quote(key, &mut quoted);
            self.plain(&quoted)
        } else {
            None
        };
        if self.known.len() < KEYS {
            self.known.insert(key.into(), id);
        }
        id
    }

    /// Joins rows of one step, and pushes what they hold.
    fn join(&mut self, job: &Job, lists: &[Listed<'_>], order: &[(Option<i64>, At)], made: &mut Made) {
        let find = |(list, at): At| Some((lists.get(list as usize)?, at as usize));
        made.chunk.steps.reserve(order.len());
        made.chunk.times.reserve(order.len());
        made.chunk.runtimes.reserve(order.len());
        let mut joined: Vec<(NameId, Leaf<'_>)> = Vec::new();
        let mut rest = order;
        while let Some(((step, first), later)) = rest.split_first() {
            let same = later.iter().take_while(|(next, _)| next == step && step.is_some()).count();
            let (same, later) = later.split_at(same);
            rest = later;
            let Some((list, place)) = find(*first) else { continue };
            let (mut time, mut runtime) = (list.time(place), list.runtime(place));
            joined.extend(list.leaves(place));
            for (list, place) in same.iter().filter_map(|(_, next)| find(*next)) {
                time = list.time(place).or(time);
                runtime = list.runtime(place).or(runtime);
                for (id, leaf) in list.leaves(place) {
                    match joined.iter_mut().find(|(known, _)| *known == id) {
                        Some(known) if leaf != Leaf::Null => known.1 = leaf,
                        Some(_) => {}
                        None => joined.push((id, leaf)),
                    }
                }
            }
            match job.by_key {
                true => made.read -= same.len() as u64,
                false => made.repeats += same.len() as u64,
            }
            let at = made.chunk.steps.len();
            let mut found = 0;
            for (id, leaf) in joined.drain(..) {
                found += usize::from(self.push(id, at, leaf));
            }
            if found > 0 || self.keeps_all_rows() {
                made.chunk.steps.push(*step);
                made.chunk.times.push(time);
                made.chunk.runtimes.push(runtime);
            }
        }
    }
}

/// True if there is one list, of rows whose steps rise: its columns are the chunk's.
fn is_rising(lists: &[Listed<'_>]) -> bool {
    let [Listed { rows, .. }] = lists else { return false };
    rows.steps.first().is_none_or(Option::is_some) && rows.steps.is_sorted_by(|step, next| step < next)
}

#[cfg(test)]
mod tests {
    use super::super::lists::{self, Form, Page};
    use super::super::tests::keys;
    use super::super::{HistoryAsk, HistoryChunk, Steps};
    use super::*;
    use crate::record::Limits;
    use proptest::prelude::*;

    fn job(rows: Page, by_key: bool, steps: Steps) -> Job {
        let (run, path, order, groups, clusters) = ("r".to_owned(), "e/p/r".to_owned(), 0, Vec::new(), Vec::new());
        Job { run, path, order, groups, rows, by_key, clusters, places: 1, steps }
    }

    /// What is made of rows in one pass, and row by row; none if the pass does not take them.
    fn both(rows: &[String], by_key: bool, steps: Steps) -> (Option<String>, String) {
        let wanted = keys(&["a", "b", "c.d", "e"]);
        let ask = HistoryAsk { keys: &wanted, steps, samples: None, system: false, had: None };
        let texts: Vec<RowText> = rows.iter().cloned().map(Into::into).collect();
        let mut job = job(texts.into(), by_key, steps);
        let told = |made: Made, assembler: &mut Assembler<'_>| {
            let HistoryChunk { steps, times, runtimes, .. } = made.chunk;
            let columns = assembler.finished();
            format!("{} {} {} {steps:?} {times:?} {runtimes:?} {columns:?}", made.read, made.copies, made.repeats)
        };
        let flat = |job: &mut Job| {
            let mut assembler = Assembler::new(ask, Limits::default());
            let mut made = Made::default();
            assembler.flat(job, &mut made).then(|| told(made, &mut assembler))
        };
        let careful = |job: &Job| {
            let mut assembler = Assembler::new(ask, Limits::default());
            let mut made = Made::default();
            assembler.rowwise(job, &mut made).unwrap();
            let faults = made.notes.json_faults.len() as u64 + made.notes.repeated_keys + made.notes.repaired_texts;
            (told(made, &mut assembler), faults)
        };
        let taken = flat(&mut job);
        let (one_by_one, faults) = careful(&job);
        assert!(faults == 0 || taken.is_none(), "{faults}");
        // The same in an answer, in two lists and in one.
        let (first, second) = rows.split_at(rows.len() / 2);
        for body in [format!("[{}], [{}]", first.join(","), second.join(" , ")), format!("[{}]", rows.join(","))] {
            let body = format!(r#"{{"data":{{"project":{{"r_0":{{"rows":[{body}]}}}}}}}}"#);
            let read = lists::rows(body.into_bytes(), Form { count: 1, by_key: true, most: 100 });
            // A row that is no text at all is none there.
            if let (Ok(Some(mut pages)), false) = (read, rows.iter().any(String::is_empty)) {
                job.rows = pages.remove(0);
                assert_eq!(job.rows.texts().iter().map(|text| text.to_string()).collect::<Vec<_>>(), rows);
                assert_eq!(careful(&job), (one_by_one.clone(), faults));
                assert_eq!(flat(&mut job), taken);
            }
        }
        (taken, one_by_one)
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
    fn columns_of_rows_that_rise_are_taken_without_those_that_are_not_asked_for() {
        let wanted = keys(&["a", "b"]);
        let ask = HistoryAsk { keys: &wanted, steps: Steps::default(), samples: None, system: false, had: None };
        let from_1 = Steps { min: Some(1), max: None };
        for (rows, steps, taken) in [
            (
                r#"{"_step":0,"a":1,"c":7},{"_step":4,"a":"x","b":0.5},{"_step":9,"b":null,"a":2.5}"#,
                Steps::default(),
                true,
            ),
            // Of some rows nothing is asked for, be it that they have nothing else or a null.
            (r#"{"_step":0,"a":1},{"_step":4,"c":2},{"_step":5,"b":null},{"_step":6,"b":3}"#, Steps::default(), true),
            (r#"{"_step":0,"c":1},{"_step":4,"c":2}"#, Steps::default(), true),
            // Of others the step is not asked for, with values that the rest has none of.
            (r#"{"_step":0,"a":"x","b":null},{"_step":4,"a":2},{"_step":5}"#, from_1, true),
            (r#"{"_step":0,"a":1,"c":2,"b":0.5},{"_step":4,"a":2,"b":null}"#, from_1, true),
            // A step comes twice; one is behind the next; one has none.
            (r#"{"_step":0,"a":1},{"_step":0,"a":2}"#, Steps::default(), false),
            (r#"{"_step":1,"a":1},{"_step":0,"a":2}"#, Steps::default(), false),
            (r#"{"a":1},{"_step":0,"a":2}"#, Steps::default(), false),
        ] {
            let ask = HistoryAsk { steps, ..ask };
            let body = format!(r#"{{"data":{{"project":{{"r_0":{{"rows":[[{rows}]]}}}}}}}}"#);
            let mut pages =
                lists::rows(body.into_bytes(), Form { count: 1, by_key: true, most: 100 }).unwrap().unwrap();
            let mut job = job(pages.remove(0), true, steps);
            let texts = job.rows.texts();
            let made = Assembler::new(ask, Limits::default()).make(&mut job).unwrap();
            assert_eq!(job.rows.is_empty(), taken, "{rows}");
            job.rows = texts.into();
            let mut careful = Made::default();
            let mut assembler = Assembler::new(ask, Limits::default());
            assembler.rowwise(&job, &mut careful).unwrap();
            assert_eq!(format!("{:?}", made.chunk.columns), format!("{:?}", assembler.finished()), "{rows}");
            assert_eq!((made.chunk.steps, made.read), (careful.chunk.steps, careful.read), "{rows}");
            let sorted = |mut others: Vec<String>| {
                others.sort();
                others
            };
            assert_eq!(sorted(made.others), sorted(assembler.others), "{rows}");
        }
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
