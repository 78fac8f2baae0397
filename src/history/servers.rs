//! History from W&B servers.

use super::chunk::{HistoryChunk, NONE};
use super::query::HistoryQuery;
use super::{HistorySink, HistorySource};
use crate::error::Result;
use crate::record::{Receipt, RunKey};
use crate::source::Progress;
use crate::source::api::ApiSource;
use crate::source::api::history::{self as server, HistoryAsk, Keys, Steps};
use crate::threads::lock;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

/// A project and the names of its runs.
type Runs = BTreeMap<(String, String), Vec<String>>;

/// The projects of a server.
pub(super) struct Projects(pub(super) ApiSource);

impl Projects {
    /// The runs that are asked for, by project, and what it took to learn their names.
    fn runs(&self, query: &HistoryQuery) -> Result<(Runs, Receipt)> {
        let (mut runs, mut receipt) = (Runs::new(), Receipt::default());
        match query.chosen_runs() {
            Some(chosen) => {
                for RunKey { entity, project, name } in chosen.iter().filter(|run| query.takes_run(run)) {
                    let (Some(entity), Some(project)) = (entity, project) else { continue };
                    runs.entry((entity.clone(), project.clone())).or_default().push(name.clone());
                }
            }
            None => {
                let listing = self.0.light_listing()?;
                receipt.complete = Some(listing.complete);
                receipt.served.get_or_insert_default().requests = listing.requests;
                for run in listing.runs {
                    let run = RunKey { entity: Some(run.entity), project: Some(run.project), name: run.name };
                    if !query.takes_run(&run) {
                        continue;
                    }
                    if let RunKey { entity: Some(entity), project: Some(project), name } = run {
                        runs.entry((entity, project)).or_default().push(name);
                    }
                }
            }
        }
        runs.values_mut().for_each(|names| names.sort_unstable());
        Ok((runs, receipt))
    }
}

impl HistorySource for Projects {
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt> {
        let (runs, mut receipt) = self.runs(query)?;
        let (min, max) = query.limits();
        let asked = Asked(query);
        let (samples, system) = (query.sampled(), query.is_system());
        let ask = HistoryAsk { keys: &asked, steps: Steps { min, max }, samples, system, had: None };
        for ((entity, project), names) in &runs {
            let taker = Taker::new(sink, (entity, project));
            receipt.merge(self.0.history((entity, project), names, ask, &taker, progress)?);
        }
        Ok(receipt)
    }
}

/// What the query says of metrics.
pub(super) struct Asked<'a>(pub(super) &'a HistoryQuery);

impl Keys for Asked<'_> {
    fn all(&self) -> bool {
        self.0.takes_all()
    }

    fn keeps_all_rows(&self) -> bool {
        self.0.keeps_all_rows()
    }

    fn takes(&self, path: &str) -> bool {
        self.0.takes(path)
    }

    fn may_take_below(&self, top: &str) -> bool {
        self.0.may_take_below(top)
    }

    fn exact(&self) -> Option<Vec<String>> {
        let keys = self.0.asked();
        let globs = keys.is_empty() || keys.iter().any(|key| key.contains(['*', '?']));
        (!globs).then(|| keys.to_vec())
    }
}

/// Gives the chunks of one project their runs.
pub(super) struct Taker<'a> {
    sink: &'a dyn HistorySink,
    entity: &'a str,
    project: &'a str,
    runs: Mutex<HashMap<String, Arc<OnceLock<RunKey>>>>,
}

impl<'a> Taker<'a> {
    pub(super) fn new(sink: &'a dyn HistorySink, (entity, project): (&'a str, &'a str)) -> Self {
        Taker { sink, entity, project, runs: Mutex::default() }
    }

    fn run(&self, name: String) -> Arc<OnceLock<RunKey>> {
        let mut runs = lock(&self.runs);
        let run = runs.entry(name.clone()).or_default();
        run.get_or_init(|| RunKey {
            entity: Some(self.entity.to_owned()),
            project: Some(self.project.to_owned()),
            name,
        });
        run.clone()
    }
}

impl server::HistorySink for Taker<'_> {
    fn chunk(&self, chunk: server::HistoryChunk) -> Result<()> {
        let whole = |values: Vec<Option<i64>>| values.into_iter().map(|value| value.unwrap_or(NONE)).collect();
        self.sink.chunk(HistoryChunk {
            run: self.run(chunk.run),
            order: chunk.order,
            steps: whole(chunk.steps),
            times: whole(chunk.times),
            runtimes: chunk.runtimes.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
            columns: chunk.columns.into_iter().map(|(path, values)| (path.into(), values)).collect(),
        })
    }

    fn metric(&self, path: &str) {
        self.sink.metric(path);
    }
}
