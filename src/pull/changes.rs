//! What a listing of names, states and times tells against the runs that are there already.

use super::condition::Rejected;
use crate::columns::{Columns, Fixed};
use crate::load::keys;
use crate::record::{Run, Timestamp};
use crate::source::api::{Heard, LightListing, LightRun};
use std::collections::{BTreeMap, HashMap, HashSet};

/// States that no run leaves by itself.
pub(super) const FINAL: [&str; 4] = ["finished", "failed", "crashed", "killed"];

/// What a listing tells against what is known.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// Names to load, by entity and project.
    pub load: BTreeMap<(String, String), Vec<String>>,
    /// Rows that are gone.
    pub gone: HashSet<usize>,
}

/// The times, or other integers, in a column; none if it is not there.
pub(super) fn times(known: &Columns, name: &str) -> Vec<Option<i64>> {
    match known.fixed_by_name(name) {
        Some(Fixed::Ints(times)) => times.clone(),
        _ => vec![None; known.height()],
    }
}

/// The runs' states; none if the column is not there.
pub(super) fn states(known: &Columns) -> Vec<Option<&str>> {
    match known.fixed_by_name("state") {
        Some(Fixed::Strs(states)) => states.iter().collect(),
        _ => vec![None; known.height()],
    }
}

/// The latest signs of life that are known, by project.
pub(super) fn heard(known: &Columns) -> Heard {
    let mut heard = Heard::new();
    let times = times(known, "heartbeat_at").into_iter().zip(times(known, "created_at"));
    for ((entity, project, _), (heartbeat, created)) in keys(known).into_iter().zip(times) {
        let (Some(entity), Some(project)) = (entity, project) else { continue };
        let last = heard.entry((entity.to_owned(), project.to_owned())).or_default();
        last.0 = last.0.max(heartbeat.map(Timestamp::from_micros));
        last.1 = last.1.max(created.map(Timestamp::from_micros));
    }
    heard
}

impl Changes {
    /// Takes the runs that are to be loaded and that `guess` has as the server lists them.
    pub(super) fn take(&mut self, guess: Vec<Run>, listing: &LightListing) -> Vec<Run> {
        let listed: HashMap<_, _> = listing
            .runs
            .iter()
            .map(|run| ((run.entity.as_str(), run.project.as_str(), run.name.as_str()), run))
            .collect();
        let mut taken = Vec::new();
        for run in guess {
            let (Some(entity), Some(project)) = (&run.entity, &run.project) else { continue };
            let Some(light) = listed.get(&(entity.as_str(), project.as_str(), run.name.as_str())) else { continue };
            let micros = |time: Option<Timestamp>| time.map(Timestamp::micros);
            if !is_same(light, micros(run.updated_at), micros(run.heartbeat_at), run.state.as_deref()) {
                continue;
            }
            let key = (entity.clone(), project.clone());
            let Some(names) = self.load.get_mut(&key) else { continue };
            let Some(at) = names.iter().position(|name| *name == run.name) else { continue };
            names.swap_remove(at);
            if names.is_empty() {
                self.load.remove(&key);
            }
            taken.push(run);
        }
        taken
    }
}

/// Compares what the server lists with what is known; `rejected` need not be loaded again.
pub(super) fn changes(known: &Columns, listing: &LightListing, rejected: &Rejected) -> Changes {
    let (updated, heartbeats) = (times(known, "updated_at"), times(known, "heartbeat_at"));
    let states = states(known);
    let keys = keys(known);
    let rows: HashMap<_, usize> = keys.iter().enumerate().map(|(row, key)| (*key, row)).collect();
    let mut changes = Changes::default();
    let mut listed = HashSet::new();
    for run in &listing.runs {
        let key = (Some(run.entity.as_str()), Some(run.project.as_str()), Some(run.name.as_str()));
        let row = rows.get(&key).copied();
        listed.extend(row);
        let same = row.is_some_and(|row| {
            let time = |times: &[Option<i64>]| times.get(row).copied().flatten();
            let state = states.get(row).copied().flatten();
            is_same(run, time(&updated), time(&heartbeats), state)
        });
        let known_not_to_match = row.is_none() && rejected.has(run);
        if !same && !known_not_to_match {
            changes.load.entry((run.entity.clone(), run.project.clone())).or_default().push(run.name.clone());
        }
    }
    if listing.complete {
        changes.gone = (0..known.height()).filter(|row| !listed.contains(row)).collect();
    }
    changes
}

/// True if nothing tells that the run has changed: neither its last change, nor its last sign of life, nor its state. Where the
/// server does not tell the last change, a run that is not over counts as changed.
fn is_same(run: &LightRun, updated: Option<i64>, heartbeat: Option<i64>, state: Option<&str>) -> bool {
    let micros = |time: Option<Timestamp>| time.map(Timestamp::micros);
    let over = state.is_some_and(|state| FINAL.contains(&state));
    let equal =
        micros(run.updated_at) == updated && micros(run.heartbeat_at) == heartbeat && run.state.as_deref() == state;
    equal && (updated.is_some() || over)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
