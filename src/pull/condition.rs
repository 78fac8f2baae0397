//! The conditions of a pull: what the server evaluates, what is evaluated here, and which runs were found not to match.

use super::changes::{FINAL, states, times};
use crate::columns::Columns;
use crate::error::Result;
use crate::expr::{self, Context};
use crate::frame::RunFrame;
use crate::load::{Loader, keys};
use crate::record::Timestamp;
use crate::source::api::{ApiSource, LightListing, LightRun};
use polars::prelude::{Expr, col, lit};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a file's manifest holds the runs that were loaded and did not match.
const REJECTED: &str = "rejected";

/// The runs on which conditions are evaluated.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    /// Those that a server sent.
    Part,
    /// All runs, of which no server has left out any; the filter in W&B's language is evaluated, too.
    All(Option<&'a str>),
}

/// Conditions that all runs of the file must meet, and how they are split.
pub(super) struct Condition {
    texts: Vec<String>,
    context: Context,
    /// What the server is asked.
    pushed: Vec<Value>,
    /// Something is left to be evaluated here.
    here: bool,
    /// Whether a run matches depends on nothing but the run.
    exact: bool,
    /// Whether a run matches depends on the time.
    timed: bool,
    names: Vec<String>,
}

impl Condition {
    /// Splits the conditions; `now()` is now.
    ///
    /// # Errors
    /// Text that does not parse, and names that are neither a field of runs nor below `config.` or `summary.`.
    pub(super) fn new(texts: &[String]) -> Result<Self> {
        let context = Context::new(Timestamp::now());
        let told = |text: &String| {
            let lower = text.to_lowercase();
            lower.contains("now") || lower.contains("is_active")
        };
        let mut condition = Condition {
            texts: texts.to_vec(),
            context,
            pushed: Vec::new(),
            here: false,
            exact: true,
            timed: texts.iter().any(told),
            names: Vec::new(),
        };
        for text in texts {
            let split = expr::push_down(text, &condition.context)?;
            condition.pushed.extend(split.pushed);
            condition.here |= split.rest.is_some();
            condition.exact &= split.exact;
            condition.names.extend(split.names);
        }
        Ok(condition)
    }

    /// The source, asked for no more than the runs that may match.
    ///
    /// # Errors
    /// If the filter that the source had before is none.
    pub(super) fn narrow(&self, source: ApiSource, filter: Option<&str>) -> Result<ApiSource> {
        let before = filter.and_then(|text| serde_json::from_str(text).ok());
        let mut parts: Vec<Value> = before.into_iter().chain(self.pushed.iter().cloned()).collect();
        match parts.len() {
            _ if self.pushed.is_empty() => Ok(source),
            1 => source.filter(&parts.remove(0).to_string()),
            _ => source.filter(&json!({ "$and": parts }).to_string()),
        }
    }

    /// The manifest of a file whose runs meet these conditions. Their texts count, since what is sent may change with the time.
    pub(super) fn in_manifest(&self, mut manifest: Value) -> Value {
        if !self.texts.is_empty() {
            manifest["where"] = json!(self.texts);
        }
        manifest
    }

    /// True if a file can be brought up to date by looking at the runs that changed. Where the kinds of other runs' values
    /// decide what a condition means, it must see all of them.
    pub(super) fn is_of_each_run(&self) -> bool {
        self.exact
    }

    /// True if a run may match or not without having changed, in a way that the server does not tell.
    pub(super) fn moves(&self) -> bool {
        self.timed && self.here
    }

    /// Checks the names that none of the runs has: runs that the server left out may have them.
    ///
    /// # Errors
    /// An unknown column.
    pub(super) fn check(&self, loader: &Loader, frame: &RunFrame) -> Result<()> {
        if self.names.iter().all(|name| frame.schema().contains(name)) {
            return Ok(());
        }
        self.texts.iter().try_for_each(|text| loader.check_names(text, &self.context))
    }

    /// The runs that match, and those that do not.
    ///
    /// # Errors
    /// Conditions that do not fit the columns.
    pub(super) fn apply(&self, frame: RunFrame, seen: Seen<'_>) -> Result<(RunFrame, Vec<Snapshot>)> {
        let schema = frame.schema();
        let parse = |text: &String| match seen {
            Seen::Part => expr::parse_partial_filter(text, schema, &self.context),
            Seen::All(_) => expr::parse_filter(text, schema, &self.context),
        };
        let mut tests = self.texts.iter().map(parse).collect::<Result<Vec<Expr>>>()?;
        if let Seen::All(Some(json)) = seen {
            tests.push(expr::mongo::parse(json)?.to_expr(schema)?);
        }
        let Some(all) = tests.into_iter().reduce(Expr::and).filter(|_| frame.height() > 0) else {
            return Ok((frame, Vec::new()));
        };
        let table = frame.lazy().select([col("name"), all.fill_null(lit(false)).alias("keep")]).collect()?;
        let keep: Vec<bool> = table.column("keep")?.bool()?.iter().map(|keep| keep == Some(true)).collect();
        if keep.iter().all(|keep| *keep) {
            return Ok((frame, Vec::new()));
        }
        let mut columns = frame.to_columns()?;
        let dropped =
            snapshots(&columns).into_iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(run, _)| run).collect();
        columns.retain(&keep);
        // The frame's receipt has what flattening told.
        columns.forget_receipt();
        Ok((RunFrame::from_columns(columns, frame.receipt().clone())?, dropped))
    }
}

/// A run as it was when it was seen: what a light listing tells.
pub(super) struct Snapshot {
    /// `entity/project/name`.
    pub(super) path: String,
    updated_at: Option<i64>,
    heartbeat_at: Option<i64>,
    state: Option<String>,
}

impl Snapshot {
    fn listed(run: &LightRun) -> Self {
        Snapshot {
            path: format!("{}/{}/{}", run.entity, run.project, run.name),
            updated_at: run.updated_at.map(Timestamp::micros),
            heartbeat_at: run.heartbeat_at.map(Timestamp::micros),
            state: run.state.clone(),
        }
    }

    /// A number that changes when the run does; `None` if a change cannot be told, see `is_same`.
    fn mark(&self) -> Option<u128> {
        let over = self.state.as_deref().is_some_and(|state| FINAL.contains(&state));
        (self.updated_at.is_some() || over)
            .then(|| fnv(&format!("{}\n{:?}\n{:?}\n{:?}", self.path, self.updated_at, self.heartbeat_at, self.state)))
    }
}

/// The rows as a light listing would tell them.
fn snapshots(columns: &Columns) -> Vec<Snapshot> {
    let (updated, heartbeats) = (times(columns, "updated_at"), times(columns, "heartbeat_at"));
    let states = states(columns);
    let run = |(row, key): (usize, &super::Key<'_>)| Snapshot {
        path: super::path(key),
        updated_at: updated.get(row).copied().flatten(),
        heartbeat_at: heartbeats.get(row).copied().flatten(),
        state: states.get(row).copied().flatten().map(str::to_owned),
    };
    keys(columns).iter().enumerate().map(run).collect()
}

/// The runs that the server lists and that were found not to match, as marks. While they do not change they are not loaded again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rejected(BTreeSet<u128>);

impl Rejected {
    /// Takes the marks out of a file's manifest.
    pub(super) fn take_from(manifest: &mut Value) -> Self {
        let text = manifest.as_object_mut().and_then(|members| members.remove(REJECTED));
        let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
        Rejected(text.split(' ').filter_map(|mark| u128::from_str_radix(mark, 16).ok()).collect())
    }

    /// Puts the marks into the manifest that a file gets.
    pub(super) fn put_into(&self, mut manifest: Value) -> Value {
        if !self.0.is_empty() {
            let marks: Vec<String> = self.0.iter().map(|mark| format!("{mark:x}")).collect();
            manifest[REJECTED] = marks.join(" ").into();
        }
        manifest
    }

    pub(super) fn has(&self, run: &LightRun) -> bool {
        !self.0.is_empty() && Snapshot::listed(run).mark().is_some_and(|mark| self.0.contains(&mark))
    }

    /// Those that are still listed as they were, and the runs that were dropped now.
    pub(super) fn renewed(&self, listing: &LightListing, dropped: &[Snapshot]) -> Self {
        let still = listing.runs.iter().filter(|run| self.has(run)).filter_map(|run| Snapshot::listed(run).mark());
        Rejected(still.chain(dropped.iter().filter_map(Snapshot::mark)).collect())
    }
}

/// FNV-1a of 128 bits: the same in every version and on every machine.
fn fnv(text: &str) -> u128 {
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(updated: Option<i64>, state: &str) -> LightRun {
        LightRun {
            entity: "e".into(),
            project: "p".into(),
            name: "r".into(),
            updated_at: updated.map(Timestamp::from_micros),
            state: Some(state.into()),
            ..LightRun::default()
        }
    }

    #[test]
    fn marks_are_of_the_run_as_it_was() {
        assert_eq!(fnv(""), 0x6c62272e07bb014262b821756295c58d);
        assert_eq!(fnv("a"), 0xd228cb696f1a8caf78912b704e4a8964);
        let dropped = [Snapshot::listed(&run(Some(1), "running")), Snapshot::listed(&run(None, "running"))];
        let rejected = Rejected::default().renewed(&LightListing::default(), &dropped);
        let mut manifest = rejected.put_into(json!({"server": "x"}));
        let read = Rejected::take_from(&mut manifest);
        assert_eq!((&read, manifest), (&rejected, json!({"server": "x"})));
        assert!(read.has(&run(Some(1), "running")) && !read.has(&run(Some(2), "running")));
        assert!(!read.has(&run(Some(1), "finished")) && !read.has(&run(None, "running")));
        assert_eq!(read.renewed(&LightListing::default(), &[]), Rejected::default(), "what is gone is forgotten");
    }

    #[test]
    fn what_conditions_depend_on() {
        let of = |text: &str| Condition::new(&[text.to_owned()]).unwrap();
        let pushed = of("state = 'finished'");
        assert!(pushed.is_of_each_run() && !pushed.moves() && pushed.pushed.len() == 1 && !pushed.here);
        let moving = of("summary.loss < 1 and heartbeat_at - now() > interval '-7 days'");
        assert!(moving.is_of_each_run() && moving.moves());
        assert!(!of("config.opt like 'a%'").is_of_each_run());
        assert!(Condition::new(&["sate = 'x'".to_owned()]).is_err());
    }
}
