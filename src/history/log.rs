//! History from `.wandb` logs.

use super::query::HistoryQuery;
use super::rows::Shared;
use super::{HistorySink, HistorySource};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Receipt;
use crate::source::Progress;
use crate::source::log::LogSource;
use crate::source::log::history::Rows;

impl HistorySource for LogSource {
    fn history(&self, query: &HistoryQuery, sink: &dyn HistorySink, progress: &Progress) -> Result<Receipt> {
        if query.sampled().is_some() {
            return Err(
                Error::new(ErrorKind::Usage, "logs are not sampled").hint("leave --samples out: all rows are read")
            );
        }
        let shared = Shared::new(query, sink);
        let rows = if query.is_system() { Rows::System } else { Rows::History };
        self.rows(rows, query.chosen_runs(), &|folders| shared.taker(folders), progress)
    }
}
