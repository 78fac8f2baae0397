//! The verbs on several runs as meant: diff, vary, artifacts.

use super::{Output, Rows, Verb, load, needed};
use crate::args;
use runframe::compare::{ArtifactRows, DiffOptions, VaryOptions};
use runframe::expr::Needs;
use runframe::{Direction, Result, sink::Format};

/// The runs to compare.
#[derive(Debug)]
pub(crate) struct Diff {
    pub(crate) runs: Vec<String>,
    pub(crate) options: DiffOptions,
    pub(crate) exit_code: bool,
}

/// Over which runs to look at which keys.
#[derive(Debug)]
pub(crate) struct Vary {
    pub(crate) filters: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) options: VaryOptions,
}

/// What to ask of the artifact versions of which runs.
#[derive(Debug)]
pub(crate) struct Artifacts {
    pub(crate) filters: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) question: Question,
    pub(crate) select: Vec<String>,
    pub(crate) sort: Vec<String>,
    pub(crate) limit: Option<u32>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// Which there are.
    Rows(ArtifactRows),
    /// Which runs lack one of these; of their inputs if the flag is true, else of their outputs.
    Require(Vec<String>, bool),
    /// Which runs used this version.
    UsedBy(String),
    /// Which runs used an older version than the newest.
    Stale(String),
    /// What a run was made from, and what was made from it.
    Lineage(String),
}

impl Diff {
    pub(super) fn typed(typed: args::Diff, mut output: Output) -> Result<Verb> {
        let mut options = DiffOptions::default();
        options.summary = typed.summary;
        options.fields = typed.fields;
        options.all = typed.all;
        options.ignore = typed.ignore;
        options.zone = output.options.zone;
        // A list of differences with a hole is of no use.
        output.options.rows = None;
        let mut needs = Needs::nothing();
        (needs.wanted.config, needs.config) = (true, None);
        if typed.summary {
            (needs.wanted.summary, needs.summary) = (true, None);
        }
        needs.wanted.heartbeat = typed.fields;
        let sources = std::iter::once(typed.source).chain(typed.more_sources).collect();
        let load = load(sources, typed.load, needs, Rows::default())?;
        Ok(Verb::Diff(Diff { runs: typed.runs, options, exit_code: typed.exit_code }, load, output))
    }
}

impl Vary {
    pub(super) fn typed(typed: args::Vary, mut output: Output) -> Result<Verb> {
        output.options.rows = None;
        let rows = Rows::typed(&typed.rows);
        let (filters, filter) = (typed.rows.filters, typed.rows.filter);
        let mut needs = needed(&filters, filter.as_deref(), typed.select.iter());
        if typed.select.is_empty() {
            (needs.wanted.config, needs.config) = (true, None);
        }
        let mut options = VaryOptions::default();
        options.columns = typed.select;
        options.ignore = typed.ignore;
        options.top = typed.top;
        options.all = typed.all;
        Ok(Verb::Vary(Vary { filters, filter, options }, load(typed.sources.sources, typed.load, needs, rows)?, output))
    }
}

impl Artifacts {
    pub(super) fn typed(typed: args::Artifacts, output: Output) -> Result<Verb> {
        let rows = Rows::typed(&typed.rows);
        let question = if !typed.require.is_empty() {
            Question::Require(typed.require, typed.used)
        } else if let Some(reference) = typed.used_by {
            Question::UsedBy(reference)
        } else if let Some(name) = typed.stale {
            Question::Stale(name)
        } else if let Some(run) = typed.lineage {
            Question::Lineage(run)
        } else {
            let mut which = ArtifactRows::default();
            which.direction = match (typed.logged, typed.used) {
                (true, _) => Direction::Logged,
                (_, true) => Direction::Used,
                _ => Direction::Both,
            };
            (which.kind, which.name) = (typed.kind, typed.name);
            Question::Rows(which)
        };
        let artifacts = Artifacts {
            filters: typed.rows.filters,
            filter: typed.rows.filter,
            question,
            select: typed.select,
            sort: typed.sort,
            limit: typed.limit,
        };
        let lists = artifacts.select.iter().chain(&artifacts.sort);
        let mut needs = needed(&artifacts.filters, artifacts.filter.as_deref(), lists);
        needs.wanted.artifacts = true;
        Ok(Verb::Artifacts(artifacts, load(typed.sources.sources, typed.load, needs, rows)?, output))
    }

    /// The format where nothing says one: a lineage is a tree.
    pub(super) fn fallback(typed: &args::Artifacts) -> Option<Format> {
        typed.lineage.is_some().then_some(Format::Table)
    }
}
