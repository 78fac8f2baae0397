//! The journal of a pull: what has arrived so far, beside the target, so that an interrupted pull need not start over.

use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::frame::RunFrame;
use crate::record::Receipt;
use crate::sink::{self, Format, Options};
use crate::threads::lock;
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const MANIFEST: &str = "pull.json";
/// Runs of a part; smaller ones cost more to write than they save.
const PART: usize = 500;

/// A folder of Parquet parts, `TARGET.partial`.
pub(super) struct Journal {
    dir: PathBuf,
    next: AtomicUsize,
    /// What waits for more, to be written with it.
    waiting: Mutex<Option<Columns>>,
    /// What is pulled; `None` once the folder says so.
    manifest: Mutex<Option<Value>>,
}

impl Journal {
    /// Opens the journal beside `target`, and names the parts that an earlier pull of the same thing left. The folder is made when
    /// there is something to keep.
    ///
    /// `manifest` says what is pulled; a journal of anything else is thrown away.
    ///
    /// # Errors
    /// If the folder cannot be read, or removed.
    pub(super) fn open(target: &Path, manifest: &Value) -> Result<(Journal, Vec<PathBuf>)> {
        let dir = folder(target);
        let found = fs::read(dir.join(MANIFEST)).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let same = found.as_ref() == Some(manifest);
        if !same && dir.exists() {
            fs::remove_dir_all(&dir).map_err(|error| Error::io(&dir, error))?;
        }
        let parts = if same { parts(&dir)? } else { Vec::new() };
        let next = parts.iter().filter_map(|part| number(part)).max().map_or(0, |last| last + 1);
        let manifest = Mutex::new((!same).then(|| manifest.clone()));
        Ok((Journal { dir, next: AtomicUsize::new(next), waiting: Mutex::default(), manifest }, parts))
    }

    /// Makes the folder, unless it is there.
    fn make(&self) -> Result<()> {
        let mut manifest = lock(&self.manifest);
        let Some(told) = &*manifest else { return Ok(()) };
        fs::create_dir_all(&self.dir).map_err(|error| Error::io(&self.dir, error))?;
        let path = self.dir.join(MANIFEST);
        sink::save(&path, |out| write!(out, "{told:#}").map_err(|error| Error::io(&path, error)))?;
        *manifest = None;
        Ok(())
    }

    /// Keeps what has arrived, when it is enough for a part.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep(&self, columns: &Columns) -> Result<()> {
        let full = {
            let mut waiting = lock(&self.waiting);
            let part = waiting.get_or_insert_with(|| Columns::new(columns.wanted()));
            part.merge(columns);
            if part.height() < PART { None } else { waiting.take() }
        };
        full.map_or(Ok(()), |part| self.write(part))
    }

    /// Keeps what waits for more.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn flush(&self) -> Result<()> {
        let rest = lock(&self.waiting).take();
        rest.map_or(Ok(()), |part| self.write(part))
    }

    fn write(&self, part: Columns) -> Result<()> {
        let frame = RunFrame::from_columns(part, Receipt::default())?;
        self.make()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let options = Options { metadata: frame.metadata(), ..Options::default() };
        sink::write_file(&frame.collect()?, &self.dir.join(format!("{number:06}.parquet")), Format::Parquet, &options)
    }

    /// Keeps what waits for more, after a pull that failed; a journal with nothing in it goes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn leave(self) -> Result<()> {
        self.flush()?;
        let empty = self.dir.exists() && parts(&self.dir)?.is_empty();
        if empty { self.close() } else { Ok(()) }
    }

    /// The target is written: the journal is no longer needed.
    ///
    /// # Errors
    /// If the folder cannot be removed.
    pub(super) fn close(self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&self.dir, error)),
            _ => Ok(()),
        }
    }
}

/// `runs.parquet` → `runs.parquet.partial`.
pub(super) fn folder(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

/// The parts in the order in which they were written; temporary files of a write that was cut off are no parts.
fn parts(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|error| Error::io(dir, error))?;
    let mut parts: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    parts.sort();
    Ok(parts)
}

fn number(part: &Path) -> Option<usize> {
    part.file_name()?.to_str()?.strip_suffix(".parquet")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Run, Wanted};
    use serde_json::json;

    fn columns(name: &str) -> Columns {
        let mut columns = Columns::new(Wanted::default());
        columns.push(&Run { name: name.into(), ..Run::default() });
        columns
    }

    #[test]
    fn parts_are_found_again_by_the_same_pull_only() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("runs.parquet");
        let (journal, parts) = Journal::open(&target, &json!({"project": "a/b"})).unwrap();
        assert!(parts.is_empty());
        for name in ["r1", "r2"] {
            journal.keep(&columns(name)).unwrap();
            journal.flush().unwrap();
        }
        drop(journal);
        fs::write(folder(&target).join(".tmp123"), b"cut off").unwrap();
        let (journal, parts) = Journal::open(&target, &json!({"project": "a/b"})).unwrap();
        assert_eq!(parts.len(), 2);
        (0..PART).for_each(|run| journal.keep(&columns(&format!("s{run}"))).unwrap());
        let (journal, parts) = Journal::open(&target, &json!({"project": "a/b"})).unwrap();
        assert_eq!(parts.len(), 3);
        drop(journal);
        let (journal, parts) = Journal::open(&target, &json!({"project": "a/c"})).unwrap();
        assert!(parts.is_empty());
        journal.close().unwrap();
        assert!(!folder(&target).exists());
    }
}
