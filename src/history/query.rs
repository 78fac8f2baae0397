//! What of a history is asked for.

use crate::columns::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{HistoryNeeds, RunKey};
use polars::prelude::{AnyValue, DataFrame};
use std::collections::{BTreeSet, HashSet};
use std::ops::{Bound, RangeBounds};

/// Which metrics, steps and runs of a history are wanted; everything, unless something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    keys: Vec<String>,
    min: Option<i64>,
    max: Option<i64>,
    system: bool,
    samples: Option<u32>,
    runs: Option<HashSet<RunKey>>,
    /// What of all this is needed; metrics by their paths.
    needs: HistoryNeeds,
}

/// By what the rows of a run are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// By `_step`; rows of the same step are one.
    Step,
    /// By `_timestamp`.
    Time,
}

impl HistoryQuery {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these metrics: paths as the columns are called, without kinds; `*` and `?` stand for any characters and for one. A row is
    /// kept if it has a value of any of them. System metrics begin with `system.`.
    pub fn keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Only rows whose `_step` is in this range.
    pub fn steps(mut self, steps: impl RangeBounds<i64>) -> Self {
        self.min = match steps.start_bound() {
            Bound::Included(min) => Some(*min),
            Bound::Excluded(below) => Some(below.saturating_add(1)),
            Bound::Unbounded => None,
        };
        self.max = match steps.end_bound() {
            Bound::Included(max) => Some(*max),
            Bound::Excluded(above) => Some(above.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        self
    }

    /// What the SDK measured of the machine, in columns `system.*`, instead of what the run logged. It has no steps.
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// At most about this many rows of each run, sampled by the server that has them. Logs cannot do that.
    pub fn samples(mut self, rows: u32) -> Self {
        self.samples = Some(rows);
        self
    }

    /// Only these runs; see [`run_keys`].
    pub fn runs(mut self, runs: impl IntoIterator<Item = RunKey>) -> Self {
        self.runs = Some(runs.into_iter().collect());
        self
    }

    /// Only metrics whose columns have these names, with or without a kind. Unlike [`keys`](Self::keys), every row is kept, and a name
    /// that no metric has is no error. Beside keys it says nothing.
    pub fn columns<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        let mut metrics = BTreeSet::new();
        names.into_iter().for_each(|name| metrics.extend(paths(name.as_ref())));
        self.needs.metrics = Some(metrics);
        self
    }

    /// Only what is needed; the rest of what is asked for goes on to hold.
    pub fn needs(mut self, needs: HistoryNeeds) -> Self {
        let metrics = needs.metrics.iter().map(|names| names.iter().flat_map(|name| paths(name)).collect()).next();
        self.needs = HistoryNeeds { metrics, ..needs };
        self
    }

    pub(crate) fn asked(&self) -> &[String] {
        &self.keys
    }

    pub(crate) fn is_system(&self) -> bool {
        self.system
    }

    pub(crate) fn sampled(&self) -> Option<u32> {
        self.samples
    }

    pub(crate) fn chosen_runs(&self) -> Option<&HashSet<RunKey>> {
        self.runs.as_ref()
    }

    /// True if the run is asked for.
    pub(crate) fn takes_run(&self, run: &RunKey) -> bool {
        self.runs.as_ref().is_none_or(|runs| runs.contains(run)) && self.needs.takes_run(run)
    }

    /// The names that runs have that are asked for; `None` if they may have any.
    pub(crate) fn run_names(&self) -> Option<HashSet<&str>> {
        let chosen = self.runs.as_ref().map(|runs| runs.iter().map(|run| run.name.as_str()).collect::<HashSet<_>>());
        let needed = self.needs.names.as_ref().map(|names| names.iter().map(String::as_str).collect::<HashSet<_>>());
        match (chosen, needed) {
            (Some(chosen), Some(needed)) => Some(chosen.intersection(&needed).copied().collect()),
            (chosen, needed) => chosen.or(needed),
        }
    }

    /// True if rows are kept whatever they hold.
    pub(crate) fn keeps_all_rows(&self) -> bool {
        self.keys.is_empty()
    }

    /// True if every metric is asked for.
    #[cfg(feature = "api")]
    pub(crate) fn takes_all(&self) -> bool {
        self.keys.is_empty() && self.needs.metrics.is_none()
    }

    pub(crate) fn axis(&self) -> Axis {
        if self.system { Axis::Time } else { Axis::Step }
    }

    /// The first and the last step that is asked for.
    pub(crate) fn limits(&self) -> (Option<i64>, Option<i64>) {
        let needs = &self.needs;
        // The least of none and some is none.
        (self.min.max(needs.first_step), self.max.into_iter().chain(needs.last_step).min())
    }

    /// The same metrics, of all runs and steps that it may choose from.
    pub(crate) fn of_all_rows(&self) -> Self {
        let needs = self.needs.of_all_rows();
        HistoryQuery { needs, ..self.clone().steps(..) }
    }

    /// True if there may be rows that are left out for their steps, or for not being needed.
    pub(crate) fn limits_rows(&self) -> bool {
        self.limits_steps() || self.is_narrowed()
    }

    /// True if there may be rows that are left out for not being needed.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.needs.limits_rows()
    }

    /// True if rows are chosen by their steps.
    pub(crate) fn limits_steps(&self) -> bool {
        self.min.is_some() || self.max.is_some() || self.needs.first_step.is_some() || self.needs.last_step.is_some()
    }

    pub(crate) fn takes_step(&self, step: Option<i64>) -> bool {
        let (min, max) = self.limits();
        let inside = |step| min.is_none_or(|min| step >= min) && max.is_none_or(|max| step <= max);
        !self.limits_steps() || step.is_some_and(inside)
    }

    /// True if some step between these two may be asked for.
    pub(crate) fn meets_steps(&self, (first, last): (i64, i64)) -> bool {
        let (min, max) = self.limits();
        min.is_none_or(|min| last >= min) && max.is_none_or(|max| first <= max)
    }

    /// True if the metric is asked for.
    pub(crate) fn takes(&self, path: &str) -> bool {
        match &self.needs.metrics {
            _ if !self.keys.is_empty() => self.keys.iter().any(|key| means(key, path)),
            Some(needed) => needed.contains(path),
            None => true,
        }
    }

    /// False if surely no metric whose path begins with `top` is asked for.
    pub(crate) fn may_take_below(&self, top: &str) -> bool {
        let bare = |text: &str| text.replace('\\', "");
        let top = bare(top);
        let may = |key: &String| {
            let literal = bare(key.split(['*', '?']).next().unwrap_or_default());
            literal.starts_with(&top) || top.starts_with(&literal)
        };
        match &self.needs.metrics {
            _ if !self.keys.is_empty() => self.keys.iter().any(may),
            Some(needed) => {
                let below =
                    |path: &str| path.strip_prefix(&top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                needed.iter().any(|path| below(&bare(path)))
            }
            None => true,
        }
    }

    /// # Errors
    /// If it contradicts itself.
    pub(crate) fn check(&self) -> Result<()> {
        if self.system && (self.min.is_some() || self.max.is_some()) {
            return Err(
                Error::new(ErrorKind::Usage, "system metrics have no steps").hint("choose by _timestamp or _runtime")
            );
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => {
                Err(Error::new(ErrorKind::Usage, format!("no step is from {min} to {max}")))
            }
            _ => Ok(()),
        }
    }
}

/// The paths that a column of this name may be of.
fn paths(name: &str) -> impl Iterator<Item = String> {
    let path = Some(Kind::split(name).0).filter(|path| *path != name);
    std::iter::once(name).chain(path).map(str::to_owned)
}

/// The path of the metric that a column of this name is of: without its kind.
pub fn metric_of(column: &str) -> &str {
    Kind::split(column).0
}

/// True if `key`, a path or a glob, means `path`.
pub(crate) fn means(key: &str, path: &str) -> bool {
    key == path || (key.contains(['*', '?']) && is_like(key, path))
}

/// `*` stands for any characters, `?` for one.
fn is_like(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where the last star stood, and up to where it reaches now.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                g = at + 1;
                t = reach + 1;
            }
        }
    }
    glob.iter().skip(g).all(|c| *c == '*')
}

/// The runs that are the rows of a run table: for [`HistoryQuery::runs`].
///
/// ```
/// use polars::prelude::*;
/// use runframe::{HistoryQuery, RunFrame, run, run_keys};
///
/// # fn main() -> runframe::Result<()> {
/// let fast = RunFrame::open("examples/wandb")?.lazy().filter(run::config("learning_rate").gt(lit(0.01))).collect()?;
/// let query = HistoryQuery::new().runs(run_keys(&fast)?);
/// # Ok(()) }
/// ```
///
/// # Errors
/// If it has no column `name`, or a null in it.
pub fn run_keys(runs: &DataFrame) -> Result<Vec<RunKey>> {
    let no_names = || Error::new(ErrorKind::Column, "no run table: a run without a name").column("name");
    let part = |column: &str, row: usize| match runs.column(column).ok()?.get(row).ok()? {
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        _ => None,
    };
    let key = |row| {
        let name = part("name", row).ok_or_else(no_names)?;
        Ok(RunKey { entity: part("entity", row), project: part("project", row), name })
    };
    (0..runs.height()).map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_what_shells_mean() {
        for (key, path, expected) in [
            ("loss", "loss", true),
            ("loss", "loss2", false),
            ("*", "", true),
            ("train/*", "train/loss", true),
            ("*/loss", "train/val/loss", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxc", false),
            ("acc?", "acc", false),
            ("acc?", "accé", true),
            ("a*", "ba", false),
            ("[x]*", "[x]y", true),
        ] {
            assert_eq!(means(key, path), expected, "{key} {path}");
        }
    }

    #[test]
    fn what_lies_below_is_guessed_wide() {
        let below = |key: &str, top: &str| HistoryQuery::new().keys([key]).may_take_below(top);
        assert!(below("val.loss", "val") && below("val*", "val") && below("*loss", "val") && below("v?l", "val"));
        assert!(below(r"a\.b", "a.b") && below("a.b", "a"));
        assert!(!below("train.loss", "val"));
        assert!(HistoryQuery::new().may_take_below("x"));
    }

    #[test]
    fn steps_are_ranges() {
        let takes = |query: HistoryQuery| (0..6).filter(|step| query.takes_step(Some(*step))).collect::<Vec<i64>>();
        assert_eq!(takes(HistoryQuery::new().steps(2..4)), [2, 3]);
        assert_eq!(takes(HistoryQuery::new().steps(2..=4)), [2, 3, 4]);
        assert_eq!(takes(HistoryQuery::new().steps(..2)), [0, 1]);
        assert!(HistoryQuery::new().takes_step(None) && !HistoryQuery::new().steps(2..).takes_step(None));
        let (from, to) = (5, 3);
        assert!(HistoryQuery::new().steps(from..=to).check().is_err());
        assert!(HistoryQuery::new().system().steps(3..).check().is_err());
    }
}
