//! What of the runs' histories a question needs.

use super::RunKey;
use std::collections::BTreeSet;

/// What of the runs' histories a question needs: never too little, sometimes too much.
///
/// Rows are not chosen by what they hold: of a run and a step that are needed there is a row, whether or not it has any of the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryNeeds {
    /// Names that the columns of metrics may have, with or without a kind; `None`: all metrics.
    pub metrics: Option<BTreeSet<String>>,
    /// The first step; `None`: from the beginning.
    pub first_step: Option<i64>,
    /// The last step; `None`: to the end. Where steps are limited, rows without a step are not needed.
    pub last_step: Option<i64>,
    /// Entities of runs; `None`: all runs. What is not `None` must hold of a run all at once.
    pub entities: Option<BTreeSet<String>>,
    /// Projects of runs; `None`: all runs.
    pub projects: Option<BTreeSet<String>>,
    /// Names of runs; `None`: all runs.
    pub names: Option<BTreeSet<String>>,
}

impl HistoryNeeds {
    /// Everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Needs no steps before `first`, nor after `last`, either.
    #[cfg(feature = "frame")]
    pub(crate) fn keep_steps(&mut self, first: Option<i64>, last: Option<i64>) {
        // The greater of none and some is some.
        self.first_step = self.first_step.max(first);
        self.last_step = self.last_step.into_iter().chain(last).min();
    }

    /// True if not all rows of all runs are needed.
    pub fn limits_rows(&self) -> bool {
        *self != self.of_all_rows()
    }

    /// The same metrics, of all runs and steps.
    pub fn of_all_rows(&self) -> Self {
        HistoryNeeds { metrics: self.metrics.clone(), ..Self::default() }
    }

    /// True if rows of this run are needed.
    pub fn takes_run(&self, run: &RunKey) -> bool {
        let takes = |wanted: &Option<BTreeSet<String>>, part: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| part.is_some_and(|part| wanted.contains(part)))
        };
        takes(&self.entities, run.entity.as_ref())
            && takes(&self.projects, run.project.as_ref())
            && takes(&self.names, Some(&run.name))
    }
}
