//! A writer that remembers its first failure, because Polars turns I/O errors into text.

use super::output;
use crate::error::Result;
use polars::prelude::PolarsError;
use std::io::{self, Write};

/// Passes bytes on and keeps the first error.
pub(super) struct Spy<'a> {
    out: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl<'a> Spy<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Spy { out, error: None }
    }

    /// The result of a Polars writer that wrote here, with the true cause if the output failed.
    pub(super) fn result<T>(self, result: std::result::Result<T, PolarsError>) -> Result<()> {
        match (self.error, result) {
            (Some(cause), _) => Err(output(cause)),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// The result of a writer of our own that wrote here, with the true cause if the output failed.
    pub(super) fn cause<T>(self, result: Result<T>) -> Result<T> {
        match self.error {
            Some(cause) => Err(output(cause)),
            None => result,
        }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted && self.error.is_none() {
                let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
                self.error = Some(copy);
            }
        })
    }
}

impl Write for Spy<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.note(result)
    }
}
