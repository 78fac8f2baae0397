//! Files that are whole or not there: written beside the target, then renamed over it.

#[cfg(unix)]
use super::stale;
use super::steady::Steady;
use super::{Format, Options, output, stream, write};
use crate::error::{Error, Result};
use crate::threads::lock;
use polars::prelude::DataFrame;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

/// How often the list is asked for, every 10 ms: whoever ends the program may be the one that holds it.
const PATIENCE: usize = 50;

/// Temporary files that are being written, for [`abandon`].
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes `df` to the file `path`; `-` is the standard output. See [`save`].
///
/// # Errors
/// Those of [`save`], or if the format cannot hold a column.
pub fn write_file(df: &DataFrame, path: &Path, format: Format, options: &Options) -> Result<()> {
    save(path, |out| write(df, format, options, out))
}

/// Gives `write` a file to write that appears as `path` when it is whole; `-` is the standard output.
///
/// The bytes go to a temporary file in the same folder that takes the target's place when all of them are on disk, so
/// that a failed or interrupted write leaves an old file as it was. An old file's permissions are kept, and a link stays
/// a link. A device or a FIFO (`/dev/null`) is written to directly, and so is a stream that is open already: `/dev/stdout`,
/// `/dev/fd/3`, `/proc/self/fd/1`, also where it goes to a file.
///
/// # Errors
/// If `write` fails, if the folder is missing or not writable, or if the disk is full.
pub fn save(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if let Some(stream) = stream::find(path) {
        let name = if stream == stream::Stream::Stdout { Path::new("stdout") } else { path };
        let open = stream.open(path).map_err(output);
        return open.and_then(|open| send(open, write)).map_err(|error| error.file(name));
    }
    let old = fs::metadata(path).ok();
    let written = match &old {
        Some(old) if old.is_dir() => Err(output(io::Error::from(io::ErrorKind::IsADirectory))),
        Some(old) if !old.is_file() => {
            let file = OpenOptions::new().write(true).open(path).map_err(|error| Error::io(path, error));
            file.and_then(|file| send(file, write))
        }
        _ => replace(path, old.as_ref(), write),
    };
    written.map_err(|error| if error.place().file.is_some() { error } else { error.file(path) })
}

/// Checks that a file can be made beside `path`, to be its next version.
///
/// # Errors
/// If the folder is missing or not writable, or `path` is a folder.
#[cfg(feature = "api")]
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(old) if old.is_dir() => Err(output(io::Error::from(io::ErrorKind::IsADirectory)).file(path)),
        Ok(old) if !old.is_file() => Ok(()),
        old => {
            let target = place(path, old.is_ok())?;
            begin(&target, folder_of(&target)).map(drop)
        }
    }
}

/// The file that takes the data: where `path` is a link, the file that it leads to.
fn place(path: &Path, is_there: bool) -> Result<PathBuf> {
    if is_there { fs::canonicalize(path).map_err(|error| Error::io(path, error)) } else { Ok(path.into()) }
}

fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes the temporary files of writes that are under way; for a handler of Ctrl-C.
///
/// The writes themselves fail or write to files without a name from then on.
pub fn abandon() {
    remove(&UNFINISHED);
}

fn remove(files: &Mutex<Vec<PathBuf>>) {
    for _ in 0..PATIENCE {
        let mut files = match files.try_lock() {
            Ok(files) => files,
            Err(TryLockError::Poisoned(files)) => files.into_inner(),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        for path in files.drain(..) {
            // Nobody is left to be told of a failure.
            let _ = fs::remove_file(path);
        }
        return;
    }
}

fn send(out: impl Write, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let result = write(&mut out);
    // What a failed writer left in the buffer is not for the output.
    if result.is_err() {
        let _ = out.into_parts();
        return result;
    }
    out.flush().map_err(output)
}

fn replace(path: &Path, old: Option<&fs::Metadata>, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    // The file that a link leads to is replaced, not the link.
    let target = place(path, old.is_some())?;
    let folder = folder_of(&target);
    let (temporary, _listed) = begin(&target, folder)?;
    let mut steady = Steady::new(temporary.as_file());
    send(&mut steady, write)?;
    steady.end().map_err(output)?;
    if let Some(old) = old {
        temporary.as_file().set_permissions(old.permissions()).map_err(output)?;
    }
    // Full disks and quotas may speak up only here.
    temporary.as_file().sync_all().map_err(output)?;
    temporary.persist(&target).map_err(|error| output(error.error))?;
    // Makes the rename itself last; folders cannot be synced everywhere.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Begins a temporary file beside the target, once those are gone that killed processes left there.
fn begin(target: &Path, folder: &Path) -> Result<(tempfile::NamedTempFile, Listed)> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    #[cfg(unix)]
    stale::remove(folder, &prefix, SUFFIX);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    let begin = || {
        // Nobody can come between its making and its place in the list.
        let mut unfinished = lock(&UNFINISHED);
        let file = builder.tempfile_in(folder)?;
        unfinished.push(file.path().into());
        let listed = Listed(file.path().into());
        Ok((file, listed))
    };
    let result = loop {
        let begun: io::Result<_> = begin();
        #[cfg(unix)]
        if let Ok((file, _)) = &begun
            && !stale::claim(file.as_file())
        {
            continue;
        }
        break begun;
    };
    result.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::io(folder, error).hint("create the folder first"),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Error::io(folder, error).hint("write to another folder")
        }
        io::ErrorKind::NotADirectory => Error::io(folder, error).hint("it is a file; name a folder that exists"),
        _ => Error::io(folder, error),
    })
}

/// What the names of temporary files end in.
const SUFFIX: &str = ".tmp";

/// An entry of [`UNFINISHED`] for as long as it lives.
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&UNFINISHED).retain(|path| *path != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use crate::error::ErrorKind;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn new_files_appear_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        write_file(&sample(), &path, Format::Csv, &Options::default()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
        assert_eq!(names(folder.path()), ["runs.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn old_permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("runs.csv"), folder.path().join("link.csv"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_file(&sample(), &link, Format::Csv, &Options::default()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_ne!(fs::read_to_string(&path).unwrap(), "old");
        let fresh = folder.path().join("fresh.csv");
        write_file(&sample(), &fresh, Format::Csv, &Options::default()).unwrap();
        fs::write(folder.path().join("plain"), "").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("fresh.csv"), mode("plain"), "the umask rules new files");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.parquet");
        fs::write(&path, "old").unwrap();
        // No Parquet file can hold a table without columns.
        let error = write_file(&DataFrame::empty(), &path, Format::Parquet, &Options::default());
        if error.is_err() {
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        }
        assert_eq!(names(folder.path()), ["runs.parquet"]);
    }

    #[test]
    fn missing_folders_and_folders_are_errors_with_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/such/runs.csv");
        let error = write_file(&sample(), &path, Format::Csv, &Options::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no/such: "), "{error}");
        let error = write_file(&sample(), folder.path(), Format::Csv, &Options::default()).unwrap_err();
        assert_eq!(error.place().file.as_deref(), Some(folder.path()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_to_directly() {
        for format in Format::ALL {
            write_file(&sample(), Path::new("/dev/null"), format, &Options::default()).unwrap();
            let error = write_file(&sample(), Path::new("/dev/full"), format, &Options::default()).unwrap_err();
            let expected = "/dev/full: no space left on device (free some, or write to another disk)";
            assert_eq!(error.to_string(), expected);
        }
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn abandoned_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tmp");
        fs::write(&path, "").unwrap();
        // Not the real list: other tests are writing.
        remove(&Mutex::new(vec![path.clone()]));
        assert!(!path.exists());
    }
}
