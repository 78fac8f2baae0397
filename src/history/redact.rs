//! Texts of a history redacted as they come, before they are kept anywhere.

use super::HistorySink;
use super::chunk::HistoryChunk;
use crate::error::Result;
use crate::record::{Receipt, SecretColumn};
use crate::secrets::{self, Redaction};
use std::sync::{Mutex, PoisonError};

/// Hands chunks on with their secrets replaced.
pub(super) struct Redacting<'a> {
    sink: &'a dyn HistorySink,
    redaction: &'a Redaction,
    found: Mutex<Receipt>,
}

impl<'a> Redacting<'a> {
    pub(super) fn new(sink: &'a dyn HistorySink, redaction: &'a Redaction) -> Self {
        Redacting { sink, redaction, found: Mutex::default() }
    }

    /// Columns with values that were replaced.
    pub(super) fn found(self) -> Vec<SecretColumn> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner).secrets
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
            self.found.lock().unwrap_or_else(PoisonError::into_inner).found_secrets(found);
        }
        self.sink.chunk(chunk)
    }

    fn metric(&self, path: &str) {
        self.sink.metric(path);
    }
}
