//! Paths that name a stream which is open already, such as `/dev/stdout`: written to as it is, never replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Links that are followed in search of a stream; more are a circle.
const LINKS: usize = 16;

/// A stream that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdin,
    Stdout,
    Stderr,
    /// Another open file, of this process or of another one.
    Other,
}

/// True for `-` and for the system's names of the standard output: `/dev/stdout`, `/dev/fd/1`, `/proc/self/fd/1`.
pub fn is_stdout(path: &Path) -> bool {
    named(path) == Some(Stream::Stdout)
}

/// The stream that a path names, or that a link leads to.
///
/// The last link of all is not followed: where the standard output goes to a file, `/proc/self/fd/1` seems to be that file.
pub(super) fn find(path: &Path) -> Option<Stream> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        if let Some(stream) = named(&path) {
            return Some(stream);
        }
        let target = fs::read_link(&path).ok()?;
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    None
}

fn named(path: &Path) -> Option<Stream> {
    if path == Path::new("-") {
        return Some(Stream::Stdout);
    }
    if !cfg!(unix) || !path.is_absolute() {
        return None;
    }
    let parts: Vec<&str> = path.iter().skip(1).map(|part| part.to_str().unwrap_or_default()).collect();
    let is_self =
        |process: &str| matches!(process, "self" | "thread-self") || process == std::process::id().to_string();
    match parts[..] {
        ["dev", "stdin"] => Some(Stream::Stdin),
        ["dev", "stdout"] => Some(Stream::Stdout),
        ["dev", "stderr"] => Some(Stream::Stderr),
        ["dev", "fd", number] => Some(numbered(number)),
        ["proc", process, "fd", number] | ["proc", process, "task", _, "fd", number] => {
            Some(if is_self(process) { numbered(number) } else { Stream::Other })
        }
        _ => None,
    }
}

fn numbered(number: &str) -> Stream {
    match number {
        "0" => Stream::Stdin,
        "1" => Stream::Stdout,
        "2" => Stream::Stderr,
        _ => Stream::Other,
    }
}

impl Stream {
    /// Opens the stream that `path` names, to be written where it stands.
    ///
    /// # Errors
    /// If it is not open, or not for writing.
    #[cfg(unix)]
    pub(super) fn open(self, path: &Path) -> io::Result<File> {
        use std::os::fd::AsFd;
        let copy = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(File::from);
        match self {
            Stream::Stdin => copy(&io::stdin()),
            Stream::Stdout => {
                // What was printed before comes first. Rust's own handle would take a closed stream for a patient reader.
                io::stdout().flush()?;
                copy(&io::stdout())
            }
            Stream::Stderr => copy(&io::stderr()),
            // A second opening of a file would start at its beginning.
            Stream::Other => OpenOptions::new().append(true).open(path),
        }
    }

    /// Opens the stream that `path` names, to be written where it stands.
    ///
    /// # Errors
    /// If it is not open, or not for writing.
    #[cfg(not(unix))]
    pub(super) fn open(self, path: &Path) -> io::Result<Box<dyn Write>> {
        match self {
            Stream::Stdout => Ok(Box::new(io::stdout())),
            _ => Ok(Box::new(OpenOptions::new().append(true).open(path)?)),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_names() {
        for path in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "//dev//stdout"] {
            assert!(is_stdout(Path::new(path)), "{path}");
        }
        assert!(is_stdout(Path::new(&format!("/proc/{}/fd/1", std::process::id()))));
        assert_eq!(find(Path::new("/dev/stderr")), Some(Stream::Stderr));
        assert_eq!(find(Path::new("/dev/fd/7")), Some(Stream::Other));
        assert_eq!(find(Path::new("/proc/1/fd/1")), Some(Stream::Other));
        for path in ["runs.csv", "dev/stdout", "/dev/null", "/dev/fd", "/tmp/stdout", "/proc/self/fd"] {
            assert_eq!(named(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_link_to_a_stream_is_the_stream() {
        let folder = tempfile::tempdir().unwrap();
        let (link, round) = (folder.path().join("out.csv"), folder.path().join("round"));
        std::os::unix::fs::symlink("/dev/stdout", &link).unwrap();
        std::os::unix::fs::symlink("round", &round).unwrap();
        assert_eq!(find(&link), Some(Stream::Stdout));
        assert_eq!(find(&round), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn open_files_are_appended_to() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let name = format!("/proc/self/fd/{}", open.as_raw_fd());
        super::super::save(Path::new(&name), |out| {
            out.write_all(b"new\n").unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\nnew\n");
    }
}
