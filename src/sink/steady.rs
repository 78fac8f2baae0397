//! A file whose bytes go to the disk while more are made, so that the wait at the end is short.

use std::fs::File;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

/// Bytes that gather before they are sent to the disk.
const PORTION: usize = 4 << 20;

/// Writes to a file, and has another thread sync it now and then.
pub(super) struct Steady<'f> {
    file: &'f File,
    /// Bytes since the last sync began.
    gathered: usize,
    /// The sync that is under way. Its error would not be told a second time.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl<'f> Steady<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Steady { file, gathered: 0, syncing: None }
    }

    /// Waits for the sync that is under way. What was written after it began is not on the disk.
    ///
    /// # Errors
    /// If a sync failed.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.wait()
    }

    fn wait(&mut self) -> io::Result<()> {
        let done = self.syncing.take().map(JoinHandle::join);
        // It does nothing that could panic.
        done.map_or(Ok(()), |done| done.unwrap_or(Ok(())))
    }

    /// Begins a sync, unless one is under way. Without threads or handles to spare there is none: the end has one in any case.
    fn sync(&mut self) -> io::Result<()> {
        if self.syncing.as_ref().is_some_and(|syncing| !syncing.is_finished()) {
            return Ok(());
        }
        self.wait()?;
        self.gathered = 0;
        if let Ok(file) = self.file.try_clone() {
            self.syncing = thread::Builder::new().spawn(move || file.sync_data()).ok();
        }
        Ok(())
    }
}

impl Write for Steady<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.gathered += written;
        if self.gathered >= PORTION {
            self.sync()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = File::create(&path).unwrap();
        let mut steady = Steady::new(&file);
        let portions: Vec<Vec<u8>> = (0..9).map(|number| vec![number; PORTION / 2 + 1]).collect();
        portions.iter().for_each(|portion| steady.write_all(portion).unwrap());
        assert!(steady.gathered < portions.concat().len(), "nothing was synced");
        steady.end().unwrap();
        assert!(std::fs::read(&path).unwrap() == portions.concat());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_sync_says_is_told() {
        // A pipe's end cannot be synced.
        let (_reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut steady = Steady::new(&file);
        steady.sync().unwrap();
        assert!(steady.end().is_err());
    }
}
