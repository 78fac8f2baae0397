//! Texts of a history redacted as they come, before they are kept anywhere.

use super::HistorySink;
use super::chunk::HistoryChunk;
use crate::error::Result;
use crate::record::{Receipt, RunKey, SecretColumn};
use crate::secrets::{self, Redaction};
use crate::threads::{into_inner, lock};
use std::sync::{Arc, Mutex, OnceLock};

/// Hands chunks on with their secrets replaced.
pub(super) struct Redacting<'a> {
    sink: &'a dyn HistorySink,
    redaction: &'a Redaction,
    found: Mutex<Vec<Found>>,
}

/// Columns with secrets, and their run, which is told later, if at all.
type Found = (Arc<OnceLock<RunKey>>, Vec<SecretColumn>);

impl<'a> Redacting<'a> {
    pub(super) fn new(sink: &'a dyn HistorySink, redaction: &'a Redaction) -> Self {
        Redacting { sink, redaction, found: Mutex::default() }
    }

    /// Columns with values that were replaced, once the load is over. Chunks whose run is never named are dropped.
    pub(super) fn found(self) -> Vec<SecretColumn> {
        let mut all = Receipt::default();
        let found = into_inner(self.found);
        found.into_iter().filter(|(run, _)| run.get().is_some()).for_each(|(_, columns)| all.found_secrets(columns));
        all.secrets
    }
}

impl HistorySink for Redacting<'_> {
    fn chunk(&self, mut chunk: HistoryChunk) -> Result<()> {
        let found = secrets::look(Some(self.redaction), |editor| {
            for (path, values) in &mut chunk.columns {
                editor.begin(path);
                values.edit_texts(editor);
            }
        });
        if !found.is_empty() {
            lock(&self.found).push((chunk.run.clone(), found));
        }
        self.sink.chunk(chunk)
    }

    fn metric(&self, path: &str) {
        self.sink.metric(path);
    }
}
