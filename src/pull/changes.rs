//! What a listing of names, states and times tells against the runs that are there already.

use crate::columns::{Columns, Fixed};
use crate::load::keys;
use crate::record::Timestamp;
use crate::source::api::{LightListing, LightRun};
use std::collections::{BTreeMap, HashMap, HashSet};

/// States that no run leaves by itself.
const FINAL: [&str; 4] = ["finished", "failed", "crashed", "killed"];

/// What a listing tells against what is known.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// Names to load, by entity and project.
    pub load: BTreeMap<(String, String), Vec<String>>,
    /// Rows that are gone.
    pub gone: HashSet<usize>,
}

/// Compares what the server lists with what is known.
pub(super) fn changes(known: &Columns, listing: &LightListing) -> Changes {
    let times = |name: &str| match known.fixed_by_name(name) {
        Some(Fixed::Ints(times)) => times.clone(),
        _ => vec![None; known.height()],
    };
    let (updated, heartbeats) = (times("updated_at"), times("heartbeat_at"));
    let states: Vec<Option<&str>> = match known.fixed_by_name("state") {
        Some(Fixed::Strs(states)) => states.iter().collect(),
        _ => vec![None; known.height()],
    };
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
        if !same {
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
