//! The law of a load over thousands of random schedules, against a model of a server in memory: whatever comes and goes
//! between two answers, what is proved complete is the server's set at one moment.

use super::filter::{Filter, Pager, Window};
use super::page::{Listed, Page};
use super::plan::{Slice, plan};
use super::remote::{Listing, More};
use super::shards::{Counters, Found, Shards};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Run, Timestamp};
use crate::source::api::artifacts::List;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

/// Schedules of each test.
const SCHEDULES: u64 = 1_000;

/// A server that changes before each answer.
struct Model {
    state: Mutex<State>,
    /// The most runs in a page.
    cap: usize,
    /// Ties come in another order each time.
    unstable: bool,
    /// Filters of time are refused.
    plain: bool,
}

struct State {
    seed: u64,
    /// Id, name, time of creation in seconds.
    runs: Vec<(String, String, i64)>,
    /// The ids at each moment.
    moments: Vec<BTreeSet<String>>,
    /// Changes still to come, and a number for the next id.
    left: usize,
    next: usize,
    cursors: HashMap<String, usize>,
}

impl State {
    fn below(&mut self, n: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as usize % n.max(1)
    }

    fn insert(&mut self, name: Option<String>, created: i64) {
        self.next += 1;
        let id = format!("id{}", self.next);
        self.runs.push((id, name.unwrap_or_else(|| format!("n{}", self.next)), created));
    }

    fn note(&mut self) {
        let ids = self.runs.iter().map(|(id, ..)| id.clone()).collect();
        self.moments.push(ids);
    }

    /// Inserts at the end or anywhere, deletes, and deletes and makes again under the same name.
    fn change(&mut self) {
        for _ in 0..self.below(3).min(self.left) {
            self.left -= 1;
            let at = self.below(self.runs.len());
            let when = self.below(1_000) as i64;
            match self.below(5) {
                0 => self.insert(None, 1_000 + when),
                1 => self.insert(None, when),
                2 if !self.runs.is_empty() => {
                    let (_, name, created) = self.runs.remove(at);
                    self.note();
                    self.insert(Some(name), created);
                }
                _ if !self.runs.is_empty() => drop(self.runs.remove(at)),
                _ => {}
            }
            self.note();
        }
    }
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut state = State {
            seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            runs: Vec::new(),
            moments: Vec::new(),
            left: seed as usize % 40,
            next: 0,
            cursors: HashMap::new(),
        };
        for _ in 0..state.below(80) {
            // Few distinct times, so that there are ties.
            let created = state.below(200) as i64 * 5;
            state.insert(None, created);
        }
        state.note();
        let cap = [2, 5, 13, 1_000][seed as usize % 4];
        Model { state: Mutex::new(state), cap, unstable: seed.is_multiple_of(3), plain: seed % 7 == 6 }
    }

    fn matching(&self, state: &mut State, filter: &str) -> Result<Vec<(String, String, i64)>> {
        if self.plain && filter.contains("created_at") {
            return Err(Error::new(ErrorKind::Usage, "unknown field"));
        }
        let filter: Value = serde_json::from_str(filter).unwrap();
        let terms = filter.get("$and").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![filter]);
        let time = |text: &Value| Timestamp::parse(text.as_str().unwrap()).unwrap().micros() / 1_000_000;
        let mut runs = state.runs.clone();
        for term in &terms {
            if let Some(from) = term.pointer("/created_at/$gte") {
                runs.retain(|run| run.2 >= time(from));
            }
            if let Some(to) = term.pointer("/created_at/$lt") {
                // Windows end at whole seconds, or a microsecond behind one.
                let end = Timestamp::parse(to.as_str().unwrap()).unwrap().micros();
                runs.retain(|run| run.2 * 1_000_000 < end);
            }
            if let Some(names) = term.pointer("/name/$in").and_then(Value::as_array) {
                runs.retain(|run| names.iter().any(|name| name.as_str() == Some(&run.1)));
            }
        }
        let shuffled = self.unstable;
        let mut keyed: Vec<_> =
            runs.into_iter().map(|run| ((run.2, if shuffled { state.below(1_000) } else { 0 }), run)).collect();
        keyed.sort_by_key(|keyed| keyed.0);
        Ok(keyed.into_iter().map(|(_, run)| run).collect())
    }

    fn answer(&self, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        let state = &mut *self.state.lock().unwrap();
        state.change();
        let runs = self.matching(state, filter)?;
        let from = after.map_or(0, |cursor| state.cursors[cursor]).min(runs.len());
        let to = (from + pager.size().min(self.cap)).min(runs.len());
        let listed = |(id, name, created): &(String, String, i64)| {
            let created_at = Some(Timestamp::from_micros(created * 1_000_000));
            let run = Run { name: name.clone(), created_at, ..Run::default() };
            Listed { id: id.clone(), run, ..Listed::default() }
        };
        let cursor = format!("cursor{to}");
        state.cursors.insert(cursor.clone(), to);
        let more = to < runs.len();
        Ok(Page {
            found: true,
            count: Some(runs.len() as u64),
            newest: runs.last().map(|run| Timestamp::from_micros(run.2 * 1_000_000)),
            runs: runs[from..to].iter().map(listed).collect(),
            next: more.then_some(cursor),
            more,
            bytes: 100 * (to - from),
            ..Page::default()
        })
    }
}

impl Listing for Model {
    async fn counts(&self, filters: Vec<String>) -> Result<Vec<u64>> {
        let state = &mut *self.state.lock().unwrap();
        state.change();
        filters.iter().map(|filter| Ok(self.matching(state, filter)?.len() as u64)).collect()
    }

    async fn page(&self, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        self.answer(filter, after, pager)
    }

    async fn names(&self, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        self.answer(filter, after, pager)
    }

    async fn more_artifacts(&self, wanted: &[More]) -> Result<Vec<Option<List>>> {
        Ok(wanted.iter().map(|_| None).collect())
    }
}

/// Ids that a load ends with, and whether it says that they are the set of a moment.
async fn load(model: &Model) -> (BTreeSet<String>, bool) {
    let (filter, counters) = (Filter::default(), Counters::default());
    let (pager, light) = (Pager::new(10, 10, 100_000), Pager::new(30, 30, 100_000));
    let shards = Shards {
        listing: model,
        filter: &filter,
        pager: &pager,
        light: &light,
        counters: &counters,
        artifacts: false,
        concurrency: 4,
    };
    let page = model.answer(&filter.all(), None, &pager).unwrap();
    let span = page.runs.first().and_then(|first| Some((first.run.created_at?.micros(), page.newest?.micros())));
    let total = page.count.unwrap();
    let first = shards.begin(page);
    if first.snapshot {
        return (first.runs.into_keys().collect(), true);
    }
    let planned = plan(model, &filter, span.unwrap(), total, 6).await.unwrap();
    let slices = planned.unwrap_or_else(|| vec![Slice { window: Window::default(), count: total }]);
    let mut have = Found::new();
    for slice in &slices {
        have.extend(shards.window(&filter.window(slice.window)).await.unwrap().runs);
    }
    let names: HashMap<String, String> = have.iter().map(|(id, l)| (id.clone(), l.run.name.clone())).collect();
    let verdict = shards.prove(names, &slices).await.unwrap();
    // What a loader does: of each name that is withdrawn, the first row goes.
    let mut rows: Vec<(String, String)> = have.into_iter().map(|(id, l)| (l.run.name, id)).collect();
    rows.extend(verdict.extra.into_iter().map(|(id, l)| (l.run.name, id)));
    for gone in &verdict.gone {
        let at = rows.iter().position(|(name, _)| name == gone).unwrap();
        rows.remove(at);
    }
    let ids: BTreeSet<String> = rows.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(ids.len(), rows.len());
    (ids, verdict.proved)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[test]
fn a_proved_set_is_the_set_of_a_moment() {
    let mut unproved = 0_u64;
    for seed in 0..SCHEDULES {
        let model = Model::new(seed);
        let (ids, proved) = run(load(&model));
        let state = model.state.into_inner().unwrap();
        if proved {
            let found = state.moments.contains(&ids);
            assert!(found, "seed {seed}: none of {} moments has {ids:?}", state.moments.len());
        } else {
            unproved += 1;
        }
    }
    assert!(unproved * 20 < SCHEDULES, "{unproved} loads were not proved");
}

#[test]
fn a_proved_light_listing_is_the_set_of_a_moment() {
    let mut unproved = 0_u64;
    for seed in 0..SCHEDULES {
        let model = Model::new(seed);
        let (filter, counters, light) = (Filter::default(), Counters::default(), Pager::new(30, 30, 100_000));
        let shards = Shards {
            listing: &model,
            filter: &filter,
            pager: &light,
            light: &light,
            counters: &counters,
            artifacts: false,
            concurrency: 4,
        };
        let first = shards.begin(model.answer(&filter.all(), None, &light).unwrap());
        let slices = [Slice { window: Window::default(), count: 100 }];
        let (listed, proved) = match first.snapshot {
            true => (first, true),
            false => run(shards.light(&slices, first)).unwrap(),
        };
        let ids: BTreeSet<String> = listed.runs.into_keys().collect();
        match proved {
            true => assert!(model.state.into_inner().unwrap().moments.contains(&ids), "seed {seed}"),
            false => unproved += 1,
        }
    }
    assert!(unproved * 20 < SCHEDULES, "{unproved} listings were not proved");
}
