//! History from `.wandb` logs.

use super::query::HistoryQuery;
use super::shared::Shared;
use super::{HistorySink, HistorySource};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Receipt;
use crate::source::Progress;
use crate::source::log::LogSource;
use crate::source::log::history::Wanted;

impl HistorySource for LogSource {
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt> {
        if query.sampled().is_some() {
            return Err(
                Error::new(ErrorKind::Usage, "logs are not sampled").hint("leave --samples out: all rows are read")
            );
        }
        let shared = Shared::new(query, sink, self.what_limits());
        let wanted = Wanted { rows: shared.rows(), names: query.run_names(), takes: &|run| query.takes_run(run) };
        self.rows(wanted, &|folders| shared.taker(folders), progress)
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
