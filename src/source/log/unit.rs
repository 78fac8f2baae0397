//! A unit: the files of one run id, which are read together, one run or several.

use super::discover::{id_of, is_in_place};
use super::framing::Buffers;
use super::reading::{Identity, Scratch, peek, read};
use crate::error::Error;
use crate::record::{Limits, Receipt, Run, Timestamp, Wanted};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The files of one run id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) id: String,
    /// Sorted by path.
    pub(super) files: Vec<PathBuf>,
}

/// Scratch memory, as much as there are threads at work.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Scratch>>,
    limits: Limits,
}

impl Pool {
    /// A pool for reading within these limits.
    pub(super) fn new(limits: Limits) -> Self {
        Pool { idle: Mutex::default(), limits }
    }

    /// Lends scratch memory to `work`.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let lent = self.idle.lock().ok().and_then(|mut all| all.pop());
        let mut scratch = lent.unwrap_or_else(|| Scratch::new(self.limits));
        let result = work(&mut scratch);
        if let Ok(mut all) = self.idle.lock() {
            all.push(scratch);
        }
        result
    }
}

/// Sorts files into units, in the order of each unit's first file.
///
/// The id is that of the file's name where its folder has the same; other files (copies, renamed ones) are looked into.
pub(super) fn units(files: &[PathBuf], pool: &Pool) -> Vec<Unit> {
    let id = |file: &PathBuf| match id_of(file) {
        Some(id) if is_in_place(file, id) => id.to_owned(),
        named => {
            let inside = pool.with(|scratch| peek(file, &mut scratch.buffers)).id;
            inside.unwrap_or_else(|| named.map_or_else(|| stem(file), str::to_owned))
        }
    };
    let ids: Vec<String> = files.par_iter().with_min_len(32).map(id).collect();
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(files.len());
    let mut units: Vec<Unit> = Vec::new();
    for (id, file) in ids.iter().zip(files) {
        let at = *known.entry(id).or_insert(units.len());
        match units.get_mut(at) {
            Some(unit) => unit.files.push(file.clone()),
            None => units.push(Unit { id: id.clone(), files: vec![file.clone()] }),
        }
    }
    units
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What reading units gives beside the runs.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) receipt: Receipt,
    /// The first file that could not be read.
    pub(super) error: Option<Error>,
    /// What the machine ran out of: open files, memory.
    pub(super) exhausted: Option<Error>,
    /// Files that hold a run of another id than their unit's.
    pub(super) strays: Vec<PathBuf>,
    /// Ids of units that gave no run.
    pub(super) barren: Vec<String>,
}

/// How to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) wanted: Wanted,
    pub(super) now: Timestamp,
}

impl Unit {
    /// Reads all files and appends the runs in them to `runs`.
    pub(super) fn read(&self, how: How, scratch: &mut Scratch, runs: &mut Vec<Run>, outcome: &mut Outcome) {
        let before = runs.len();
        self.read_files(how, scratch, runs, outcome);
        if runs.len() == before {
            outcome.barren.push(self.id.clone());
        }
    }

    fn read_files(&self, how: How, scratch: &mut Scratch, runs: &mut Vec<Run>, outcome: &mut Outcome) {
        if let [file] = &self.files[..] {
            // The usual case: what the file holds shows while it is read.
            let mut single = Outcome::default();
            let run = self.fold(&[file], how, scratch, &mut single);
            if run.as_ref().is_some_and(|run| run.name != self.id) {
                return outcome.strays.push(file.clone());
            }
            runs.extend(run);
            outcome.add(single);
            return;
        }
        for group in self.parts(&mut scratch.buffers, outcome) {
            let run = self.fold(&group, how, scratch, outcome);
            runs.extend(run);
        }
    }

    /// The files of each run, in the order of time; files that hold a run of another id go to the strays.
    pub(super) fn parts(&self, buffers: &mut Buffers, outcome: &mut Outcome) -> Vec<Vec<&PathBuf>> {
        let mut files = Vec::new();
        for file in &self.files {
            let identity = peek(file, buffers);
            match identity.id.as_ref().is_none_or(|id| *id == self.id) {
                true => files.push((identity, file)),
                false => outcome.strays.push(file.clone()),
            }
        }
        groups(files, &mut outcome.receipt)
    }

    /// True if a file of this unit may hold the same run as that one: not if all belong to other projects.
    fn may_hold(&self, id: &str, other: &Identity, buffers: &mut Buffers) -> bool {
        let mut own = self.files.iter().map(|file| peek(file, buffers));
        own.any(|own| own.id.as_deref().is_none_or(|own| own == id) && may_be_one(&own, other))
    }

    fn fold(&self, files: &[&PathBuf], how: How, scratch: &mut Scratch, outcome: &mut Outcome) -> Option<Run> {
        scratch.fold.clear();
        for file in files {
            if let Err(error) = read(file, scratch, how.wanted, &mut outcome.receipt) {
                outcome.refuse(file, error);
            }
        }
        scratch.fold.finish(&self.id, how.wanted, how.now, &mut outcome.receipt)
    }
}

impl Outcome {
    /// Counts a file that could not be read, or not to its end. Where the machine is out of something, the file is not to blame: that
    /// ends the load.
    pub(super) fn refuse(&mut self, file: &Path, error: Error) {
        if self.exhausted.is_none() && error.is_exhaustion() {
            self.exhausted = Some(error);
            return;
        }
        let place = error.place().offset.map(|offset| format!(" (at byte {offset})")).unwrap_or_default();
        self.receipt.refuse(file, format!("{}{place}", error.message()));
        self.error.get_or_insert(error);
    }

    /// Adds another one's counts; the error that was first stays.
    pub(super) fn add(&mut self, other: Outcome) {
        self.receipt.merge(other.receipt);
        self.strays.extend(other.strays);
        self.barren.extend(other.barren);
        if self.error.is_none() {
            self.error = other.error;
        }
        if self.exhausted.is_none() {
            self.exhausted = other.exhausted;
        }
    }
}

/// Parts the files of one id by entity and project, where both are set and differ; each part in the order of time.
///
/// Files with the same start are copies of one folder; only the longest is kept.
fn groups<'a>(mut files: Vec<(Identity, &'a PathBuf)>, receipt: &mut Receipt) -> Vec<Vec<&'a PathBuf>> {
    files.sort_by(|(a, x), (b, y)| (a.start.is_none(), a.start, x).cmp(&(b.start.is_none(), b.start, y)));
    type Member<'a> = (Option<Timestamp>, &'a PathBuf);
    let mut groups: Vec<(Identity, Vec<Member<'_>>)> = Vec::new();
    for (identity, file) in files {
        let group = groups.iter_mut().find(|(known, _)| may_be_one(known, &identity));
        let start = identity.start;
        let Some((known, members)) = group else {
            groups.push((identity, vec![(start, file)]));
            continue;
        };
        known.entity = known.entity.take().or(identity.entity);
        known.project = known.project.take().or(identity.project);
        let copy = members.iter_mut().find(|(other, _)| start.is_some() && *other == start);
        match copy {
            Some((_, kept)) => {
                receipt.duplicates += 1;
                if length(file) > length(kept) {
                    *kept = file;
                }
            }
            None => members.push((start, file)),
        }
    }
    groups.into_iter().map(|(_, members)| members.into_iter().map(|(_, file)| file).collect()).collect()
}

/// True unless entity or project are set in both and differ.
fn may_be_one(a: &Identity, b: &Identity) -> bool {
    let fits = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    fits(&a.entity, &b.entity) && fits(&a.project, &b.project)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Puts files that were found in a wrong unit into units of their own.
///
/// Those whose run is handed over already, without them, are refused, so that no run comes twice. Only looking into every
/// file before the first run is handed over would find them in time; that takes a quarter longer for all, and such a file
/// has got a wrong name and a folder with the same wrong name.
pub(super) fn regroup(strays: &[PathBuf], known: &[Unit], outcome: &mut Outcome) -> Vec<Unit> {
    let barren: HashSet<String> = std::mem::take(&mut outcome.barren).into_iter().collect();
    let done: HashMap<&str, &Unit> =
        known.iter().filter(|unit| !barren.contains(&unit.id)).map(|unit| (unit.id.as_str(), unit)).collect();
    let mut buffers = Buffers::default();
    let mut units: Vec<Unit> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for file in strays {
        let identity = peek(file, &mut buffers);
        let id = identity.id.clone().unwrap_or_else(|| stem(file));
        if done.get(id.as_str()).is_some_and(|unit| unit.may_hold(&id, &identity, &mut buffers)) {
            outcome.receipt.refuse(
                file,
                format!(
                    "holds run {id}, whose row was done before that showed; name it run-{id}.wandb to have it joined"
                ),
            );
            continue;
        }
        let at = *at.entry(id.clone()).or_insert(units.len());
        match units.get_mut(at) {
            Some(unit) => unit.files.push(file.clone()),
            None => units.push(Unit { id, files: vec![file.clone()] }),
        }
    }
    units
}
