//! Temporary files that a killed process left beside its target: told by a lock that dies with whoever holds it.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Locks a temporary file that was just made, for as long as it is open. False if somebody took it for a leftover before that.
pub(super) fn claim(file: &File) -> bool {
    // Where a file system knows no locks, nobody can take the file for a leftover either.
    let _ = file.lock();
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

/// Removes the files in `folder` whose names begin and end like this and that nobody is writing.
pub(super) fn remove(folder: &Path, prefix: &OsStr, suffix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle =
            name.as_bytes().strip_prefix(prefix.as_bytes()).and_then(|rest| rest.strip_suffix(suffix.as_bytes()));
        // What stands between is random, and of letters and digits.
        let ours = middle.is_some_and(|middle| middle.len() == 6 && middle.iter().all(u8::is_ascii_alphanumeric));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if !matches!(file.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))) {
        // It is only in the way; that it cannot be removed is no reason to fail.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in
            [".runs.csv.aB3xY9.tmp", ".runs.csv.writng.tmp", ".other.csv.aB3xY9.tmp", ".runs.csv.mine.tmp", "runs.csv"]
        {
            fs::write(path(name), "x").unwrap();
        }
        let held = File::open(path(".runs.csv.writng.tmp")).unwrap();
        assert!(claim(&held));
        remove(folder.path(), OsStr::new(".runs.csv."), ".tmp");
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".other.csv.aB3xY9.tmp", ".runs.csv.mine.tmp", ".runs.csv.writng.tmp", "runs.csv"]);
        fs::remove_file(path(".runs.csv.writng.tmp")).unwrap();
        assert!(!claim(&held), "somebody took it away");
    }
}
