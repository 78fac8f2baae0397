//! Where runs come from, which of them are wanted, and what of them has to be read.

use crate::args;
use runframe::expr::{self, Needs, mongo};
use runframe::{Limits, Projection, Redaction, Result, Wanted};
use std::path::PathBuf;

/// Where runs come from and how they are read.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) sources: Vec<String>,
    /// What the work needs.
    pub(crate) wanted: Wanted,
    /// The keys of config and summary that it needs.
    pub(crate) keys: Projection,
    /// All that the user lets us read.
    pub(crate) all: Wanted,
    pub(crate) strict: bool,
    pub(crate) receipt: Option<PathBuf>,
    /// How much one run, one answer and one file may take.
    pub(crate) limits: Limits,
    pub(crate) rows: Rows,
    /// What replaces secrets.
    pub(crate) redaction: Option<Redaction>,
}

/// Which runs are wanted, where that is told before loading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// The conditions of --where; all must be true.
    pub(crate) filters: Vec<String>,
    /// Mongo's JSON.
    pub(crate) filter: Option<String>,
    /// Tell how the conditions are split, and do nothing.
    pub(crate) explain: bool,
}

impl Rows {
    pub(super) fn typed(typed: &args::Rows) -> Self {
        Rows { filters: typed.filters.clone(), filter: typed.filter.clone(), explain: typed.explain }
    }
}

pub(super) fn load(sources: Vec<String>, typed: args::Load, mut needs: Needs, rows: Rows) -> Result<Load> {
    let redaction = match typed.redact {
        None => None,
        Some(columns) => {
            // They are loaded, so that a name that is none is told.
            columns.iter().for_each(|name| needs.add_list(name));
            Some(Redaction::find(typed.redact_key_file.as_deref())?.columns(columns))
        }
    };
    let allowed = |wanted: Wanted| Wanted { artifacts: wanted.artifacts && !typed.no_artifacts, ..wanted };
    let wanted = allowed(needs.wanted);
    let all = allowed(Wanted { raw: wanted.raw, ..Wanted::default() });
    let (keys, strict, receipt, limits) = (needs.into(), typed.strict, typed.receipt, typed.limits.into());
    Ok(Load { sources, wanted, keys, all, strict, receipt, limits, rows, redaction })
}

pub(super) fn everything(raw: bool) -> Needs {
    let mut needs = Needs::everything();
    needs.wanted.raw = raw;
    needs
}

/// What any of the texts may need. The untouched texts only if one is named: a glob such as `*` does not mean them.
pub(super) fn needed<'a>(
    filters: &'a [String],
    filter: Option<&str>,
    lists: impl Iterator<Item = &'a String>,
) -> Needs {
    let lists: Vec<&String> = lists.collect();
    let mut needs = expr::needs(&filters.iter().collect::<Vec<_>>(), &lists);
    let named = |text: &String| ["config_json", "summary_json"].iter().any(|name| text.contains(name));
    needs.wanted.raw = filters.iter().chain(lists).any(named);
    match filter.map(mongo::parse) {
        None => {}
        Some(Ok(filter)) => needs.add_mongo(&filter),
        // It is told with its place when it is used.
        Some(Err(_)) => return everything(needs.wanted.raw),
    }
    needs
}
