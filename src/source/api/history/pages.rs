//! Rows from the server itself: windows of steps, one after the other, of several runs in one request.

use super::super::query::{Queries, Query};
use super::super::remote::Remote;
use super::lists::{Form, Page, PagesOf, rows};
use super::open::Described;
use crate::error::Result;
use crate::record::Limits;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Rows that one request asks for, of all its windows together.
const ROWS: usize = 16_000;
/// The most rows of one window. The SDK asks for 1,000, and its users for 10,000 and more.
const WINDOW: usize = 5_000;
/// Bytes that an answer should have.
const BYTES: usize = 8 << 20;
/// How often windows are halved where an answer is too large: down to a single step.
const HALVES: u32 = 13;
/// More keys than this are not asked for one by one.
const SPECS: usize = 40;
/// Windows without a row, each wider than the one before, after which a history of unknown length is over.
const EMPTY: u32 = 16;

/// Part of a run's history that is still to be read.
#[derive(Debug, Clone)]
pub(super) struct Need {
    /// The run's place among those described.
    pub at: usize,
    /// The first step.
    pub from: i64,
    /// The step before which it ends; `None` where nobody knows.
    pub end: Option<i64>,
    /// Keys to ask for, one by one; `None` for whole rows.
    pub names: Option<Vec<String>>,
    /// Metrics that every row should have are asked for together; false where it turned out that not every row has them.
    together: bool,
    width: i64,
    empty: u32,
    /// Rows read so far.
    rows: i64,
}

impl Need {
    pub(super) fn new(at: usize, of: &Described, from: i64, end: Option<i64>, names: Option<Vec<String>>) -> Self {
        // As wide as its rows are far between, if the server tells; a window that turns out too full is read again in halves.
        let steps = of.last.map_or(1, |last| last.saturating_add(1).max(1)) as f64;
        let sparse = of.lines.filter(|lines| *lines > 0).map_or(1.0, |lines| (steps / lines as f64).max(1.0));
        let width = if sparse > 1.5 { (WINDOW as f64 * sparse * 0.7).min(1e15) as i64 } else { WINDOW as i64 };
        let names = names.filter(|names| names.len() <= SPECS);
        Need { at, from, end, names, together: true, width, empty: 0, rows: 0 }
    }

    /// Asks for whole rows.
    pub(super) fn of_whole_rows(self) -> Self {
        Need { names: None, ..self }
    }

    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.from >= end)
    }

    /// The step before which the next window ends.
    fn window(&self) -> i64 {
        let to = self.from.saturating_add(self.width);
        self.end.map_or(to, |end| end.min(to))
    }
}

/// Reads pages; shared by all groups of runs.
#[derive(Debug)]
pub(super) struct Pages {
    /// Rows that a request asks for; fewer where the server's answers grow too large.
    rows: AtomicUsize,
    /// Pages read.
    pub pages: AtomicUsize,
    /// Metrics that a row may have.
    most: u64,
}

/// One window as it is asked for.
struct Window<'a> {
    run: &'a str,
    from: Option<i64>,
    to: Option<i64>,
    samples: usize,
    /// It may be asked for in part, should it be too much for the server.
    divisible: bool,
    specs: Vec<Vec<String>>,
    /// The first list must have as many rows as the last, which is of all steps.
    proven: bool,
}

impl Window<'_> {
    /// The step before which it ends, and its rows, after it was halved so often.
    fn halved(&self, times: u32) -> (Option<i64>, usize) {
        match (self.from, self.to) {
            (Some(from), Some(to)) if self.divisible => {
                (Some(from + ((to - from) >> times.min(62)).max(1)), (self.samples >> times.min(62)).max(2))
            }
            _ => (self.to, self.samples),
        }
    }

    fn specs(&self, halved: u32) -> Value {
        let (to, samples) = self.halved(halved);
        let spec = |keys: &Vec<String>| {
            let mut spec = json!({"keys": keys, "samples": samples});
            // Here the last step belongs to the range.
            let bounds = [("minStep", self.from), ("maxStep", to.map(|to| to - 1))];
            bounds.into_iter().filter_map(|(name, bound)| Some((name, bound?))).for_each(|(n, b)| spec[n] = b.into());
            Value::from(spec.to_string())
        };
        self.specs.iter().map(spec).collect()
    }
}

/// The answer to a request for windows.
struct Answer {
    /// Each window's rows.
    pages: PagesOf,
    /// How often the windows were halved.
    halved: u32,
}

/// What is asked for each key: rows that lack one of a spec's keys are left out, so metrics are asked for one by one, and beside each
/// other, or beside the times, only where every row has them. The latter come first.
fn specs(of: &Described, names: &[String], together: bool) -> Vec<Vec<String>> {
    let step = || vec!["_step".to_owned()];
    let own = ["_timestamp", "_runtime"];
    let (beside, alone): (Vec<&str>, Vec<&str>) = own.into_iter().partition(|key| of.all_have(key));
    let with = |names: &[String]| {
        let mut keys = step();
        keys.extend(beside.iter().map(|key| (*key).to_owned()));
        keys.extend(names.iter().filter(|name| *name != "_step").cloned());
        keys
    };
    let (everywhere, others) = match together {
        true => everywhere(of, names),
        false => (Vec::new(), names.to_vec()),
    };
    let mut all: Vec<Vec<String>> = Vec::new();
    all.extend((!everywhere.is_empty()).then(|| with(&everywhere)));
    all.extend(others.iter().map(|name| with(std::slice::from_ref(name))));
    for key in alone {
        let mut keys = step();
        keys.push(key.to_owned());
        all.push(keys);
    }
    all
}

/// The metrics that every row has, as far as the server's counts tell, if they are several; and the others.
fn everywhere(of: &Described, names: &[String]) -> (Vec<String>, Vec<String>) {
    let plain = |name: &str| {
        !name.contains('.') && of.keys.as_ref().is_some_and(|keys| keys.get(name).is_some_and(|key| !key.map))
    };
    let is = |name: &String| name != "_step" && plain(name) && of.all_have(name);
    let (everywhere, others): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is);
    if everywhere.len() > 1 { (everywhere, others) } else { (Vec::new(), names.to_vec()) }
}

/// How many lists of rows a sample of these metrics has.
pub(super) fn lists(of: &Described, names: &[String]) -> usize {
    specs(of, names, true).len()
}

impl Pages {
    pub(super) fn new(limits: Limits) -> Self {
        Pages { rows: AtomicUsize::new(ROWS), pages: AtomicUsize::new(0), most: limits.keys }
    }

    /// Reads all that is needed, window by window, and hands over the pages with the need they belong to. A need's windows come in
    /// the order of their steps.
    ///
    /// # Errors
    /// If the server does not answer, or `each` fails.
    pub(super) async fn read(
        &self,
        remote: &Remote<'_>,
        described: &[Described],
        needs: Vec<Need>,
        mut each: impl AsyncFnMut(&Need, Page) -> Result<()>,
    ) -> Result<()> {
        let mut open: Vec<Need> = needs.into_iter().filter(|need| !need.is_done()).collect();
        while !open.is_empty() {
            // Windows of one form go together.
            open.sort_by_key(|need| need.names.is_some());
            let whole = open.partition_point(|need| need.names.is_none());
            let count = if whole > 0 { whole } else { open.len() };
            let mut now: Vec<Need> = open.drain(..count).collect();
            let share = (self.rows.load(Ordering::Relaxed) / now.len().max(1)).clamp(1, WINDOW);
            let mut windows = Vec::new();
            for need in &mut now {
                need.width = if need.width <= WINDOW as i64 { need.width.min(share as i64) } else { need.width };
                let of = described.get(need.at);
                let mut specs =
                    of.zip(need.names.as_ref()).map_or_else(Vec::new, |(of, names)| specs(of, names, need.together));
                let proven = need.together
                    && of.zip(need.names.as_ref()).is_some_and(|(of, names)| !everywhere(of, names).0.is_empty());
                specs.extend(proven.then(|| vec!["_step".to_owned()]));
                windows.push(Window {
                    run: of.map_or("", |of| of.run.as_str()),
                    from: Some(need.from),
                    to: Some(need.window()),
                    // One more than there may be, so that what was sampled shows.
                    samples: share + 1,
                    divisible: true,
                    specs,
                    proven,
                });
            }
            let ends: Vec<i64> = now.iter().map(Need::window).collect();
            let Answer { pages, halved } = self.ask(remote, &windows).await?;
            let asked: Vec<(Option<i64>, usize)> = windows.iter().map(|window| window.halved(halved)).collect();
            for (at, (mut need, mut page)) in now.into_iter().zip(pages).enumerate() {
                let lists = page.lens();
                let fullest = lists.iter().copied().max().unwrap_or_default();
                let (to, samples) = asked.get(at).copied().unwrap_or((None, usize::MAX));
                let to = to.or(ends.get(at).copied()).unwrap_or(need.from);
                if fullest >= samples && to - need.from > 1 {
                    need.width = ((to - need.from) / 2).max(1);
                    open.push(need);
                    continue;
                }
                if windows.get(at).is_some_and(|window| window.proven) {
                    if lists.first() != lists.last() {
                        need.together = false;
                        open.push(need);
                        continue;
                    }
                    // The steps alone, which the other rows have, too.
                    page.drop_last();
                }
                need.advance(to, &page, (fullest, samples));
                let lines = described.get(need.at).and_then(|of| of.lines);
                need.give_up(lines);
                if !page.is_empty() {
                    each(&need, page).await?;
                }
                if !need.is_done() {
                    open.push(need);
                }
            }
        }
        Ok(())
    }

    /// A sample of each run's rows, chosen by the server.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(super) async fn sample(
        &self,
        remote: &Remote<'_>,
        runs: &[(&Described, Option<Vec<String>>)],
        samples: u32,
        steps: (Option<i64>, Option<i64>),
    ) -> Result<Vec<Page>> {
        let windows = runs.iter().map(|(of, names)| Window {
            run: &of.run,
            from: steps.0,
            to: steps.1.map(|max| max.saturating_add(1)),
            samples: samples as usize,
            divisible: false,
            specs: names.as_ref().map_or_else(Vec::new, |names| specs(of, names, true)),
            proven: false,
        });
        let windows: Vec<Window<'_>> = windows.collect();
        Ok(self.ask(remote, &windows).await?.pages)
    }

    async fn ask(&self, remote: &Remote<'_>, windows: &[Window<'_>]) -> Result<Answer> {
        let by_key = windows.first().is_some_and(|window| !window.specs.is_empty());
        let query = if by_key { Query::HistorySampled } else { Query::HistoryRows };
        let (halved, sent) = (AtomicU32::new(0), AtomicU32::new(0));
        let variables = || {
            let times = halved.load(Ordering::Relaxed);
            sent.store(times, Ordering::Relaxed);
            let mut variables = remote.place();
            for (at, window) in windows.iter().enumerate() {
                variables[format!("run_{at}")] = window.run.into();
                if by_key {
                    variables[format!("specs_{at}")] = window.specs(times);
                } else {
                    let (to, samples) = window.halved(times);
                    variables[format!("min_{at}")] = window.from.into();
                    variables[format!("max_{at}")] = to.into();
                    variables[format!("samples_{at}")] = samples.into();
                }
            }
            variables
        };
        let text = |queries: &Queries| queries.repeated(query, windows.len());
        let form = Form { count: windows.len(), by_key, most: self.most };
        let decode = move |body: Vec<u8>| {
            let bytes = body.len();
            Ok((rows(body, form)?, bytes))
        };
        let lighten = |_| {
            let less = halved.load(Ordering::Relaxed) < HALVES && windows.iter().any(|window| window.divisible);
            halved.fetch_add(u32::from(less), Ordering::Relaxed);
            less
        };
        let (pages, bytes) = remote.ask(query, text, &variables, &lighten, decode).await?;
        let halved = sent.load(Ordering::Relaxed);
        self.pages.fetch_add(1, Ordering::Relaxed);
        if bytes > BYTES || halved > 0 {
            let less = |rows: usize| Some((rows / 2).max(256));
            let _ = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        Ok(Answer { pages: pages.ok_or_else(|| remote.missing(true))?, halved })
    }
}

impl Need {
    /// Goes on behind a window. After one with few rows the next one is wider.
    fn advance(&mut self, to: i64, page: &Page, (fullest, samples): (usize, usize)) {
        self.from = to;
        self.rows += page.len() as i64;
        self.empty = if page.is_empty() { self.empty + 1 } else { 0 };
        if fullest * 4 < samples {
            self.width = self.width.saturating_mul(4).min(1 << 50);
        }
    }

    /// Ends a history of unknown length where all its rows are there, or none came for long.
    fn give_up(&mut self, lines: Option<i64>) {
        let all = self.names.is_none() && lines.is_some_and(|lines| self.rows >= lines);
        if self.end.is_none() && (all || self.empty >= EMPTY) {
            self.end = Some(self.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_asked_for_beside_a_metric_only_where_all_rows_have_them() {
        use super::super::open::Key;
        let key = |count| Key { count, map: false };
        let keys = [("_timestamp".to_owned(), key(5)), ("_runtime".to_owned(), key(4))].into();
        let of = Described { lines: Some(5), keys: Some(keys), ..Described::default() };
        assert_eq!(specs(&of, &["a".to_owned()], true), [vec!["_step", "_timestamp", "a"], vec!["_step", "_runtime"]]);
    }

    #[test]
    fn windows_are_as_wide_as_rows_are_far_between() {
        let of = |lines, last| Described { lines: Some(lines), last: Some(last), ..Described::default() };
        assert_eq!(Need::new(0, &of(100, 99), 0, Some(100), None).window(), 100);
        let wide = Need::new(0, &of(1_000, 999_999), 0, Some(1_000_000), None);
        assert!(wide.width > 3_000_000, "{wide:?}");
    }
}
