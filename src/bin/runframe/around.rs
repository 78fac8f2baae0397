//! What surrounds the program: terminals, environment, signals, and the net under it.

use crate::plan::Surroundings;
use runframe::{Error, ErrorKind, Result, sink};
use std::env;
use std::io::{IsTerminal, stderr, stdout};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

/// A terminal that does not tell its width has this one.
const USUAL_WIDTH: usize = 100;

/// Looks around.
pub(crate) fn look() -> Surroundings {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    Surroundings {
        stdout_is_terminal: stdout().is_terminal(),
        stderr_is_terminal: stderr().is_terminal(),
        width: Some(width()),
        no_color: set("NO_COLOR") || env::var_os("TERM").is_some_and(|term| term == "dumb"),
        force_color: set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
    }
}

fn width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    let columns = || env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0);
    terminal.or_else(columns).unwrap_or(USUAL_WIDTH)
}

/// On Ctrl-C, and when told to end: no half-written file stays behind.
pub(crate) fn clean_up_when_interrupted() {
    #[allow(clippy::exit, reason = "the handler's thread has nobody to return to")]
    let handler = || {
        sink::abandon();
        std::process::exit(130);
    };
    // Without a handler the system's own remains: the program ends all the same.
    let _ = ctrlc::set_handler(handler);
}

/// From here on a file that grows beyond `ulimit -f` fails to be written, and says so, where the signal would end the program.
pub(crate) fn outlive_file_limits() {
    // What only sets a flag lets the write return. Without it the system's own remains: the program ends all the same.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
}

/// From here on a refused allocation, of which Rust's runtime tells before it aborts, is an error as others are: exit code 1, no core.
pub(crate) fn end_plainly_without_memory() {
    // Without it the program ends all the same, with 134.
    #[cfg(unix)]
    let _ = signal_hook::flag::register_conditional_shutdown(SIGABRT, 1, std::sync::Arc::new(true.into()));
}

/// The program gives up; it has this number on every Unix.
#[cfg(unix)]
const SIGABRT: std::ffi::c_int = 6;

/// A file is too large; it has this number on every Unix but some MIPS.
#[cfg(unix)]
const SIGXFSZ: std::ffi::c_int = 25;

/// What the last panic said of itself.
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// From here on panics are silent; [`caught`] tells of those that nobody else caught.
pub(crate) fn silence_panics() {
    panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("unknown");
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", within_crate(at.file()), at.line()));
        *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}{place}"));
    }));
}

/// The file from its crate's folder on.
fn within_crate(file: &str) -> &str {
    let folder = file.rfind("/src/").and_then(|src| file.get(..src));
    folder.and_then(|folder| folder.rfind('/')).and_then(|slash| file.get(slash + 1..)).unwrap_or(file)
}

/// Does the work. A panic in it, ours or a library's, is an error, and no half-written file stays behind.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // After a panic nothing that the work has touched is used again.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        sink::abandon();
        let last = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take();
        let words = last.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(error) = lack(&words) {
            return Err(error);
        }
        Err(Error::new(ErrorKind::Compute, format!("internal error: {words}")).hint("please report it"))
    })
}

/// The error for the words of a panic that is no defect: libraries panic where the system refuses a thread or a file.
fn lack(words: &str) -> Option<Error> {
    let any = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let (what, cure) = if any(&["Too many open files"]) {
        ("too many open files", "allow more open files: ulimit -n")
    } else if any(&["spawn thread", "spawn worker thread", "ThreadPoolBuildError", "WouldBlock"]) {
        let cure = "allow more with ulimit -u and -v, or use fewer: RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1";
        ("the system gives no more threads", cure)
    } else if any(&["Cannot allocate memory"]) {
        ("out of memory", "allow more memory: ulimit -v")
    } else {
        return None;
    };
    Some(Error::new(ErrorKind::Io, what).hint(cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        std::fs::write(&path, "old").unwrap();
        let usual = panic::take_hook();
        silence_panics();
        let error = caught(|| sink::save(&path, |_| panic!("index out\nof bounds"))).unwrap_err();
        panic::set_hook(usual);
        let text = error.to_string();
        assert!(text.starts_with("internal error: index out of bounds at "), "{text}");
        assert!(text.contains("src/bin/runframe/around.rs:") && text.ends_with(" (please report it)"), "{text}");
        assert_eq!((error.kind(), text.lines().count()), (ErrorKind::Compute, 1));
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["runs.csv"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn what_the_system_refuses_is_no_defect() {
        let told = |words: &str| lack(words).map(|error| error.message().to_owned());
        let file = r#"called `Result::unwrap()` on an `Err` value: Os { code: 24, kind: Uncategorized, message: "Too many open files" }"#;
        assert_eq!(told(file).as_deref(), Some("too many open files"));
        let thread =
            "The global thread pool has not been initialized.: ThreadPoolBuildError { kind: IOError(Os { code: 11 }) }";
        assert_eq!(told(thread).as_deref(), Some("the system gives no more threads"));
        assert_eq!(told("index out of bounds"), None);
    }

    #[test]
    fn places_are_short() {
        let file = "/root/.cargo/registry/src/index.crates.io-1/polars-parquet-0.55.2/src/arrow/read.rs";
        assert_eq!(within_crate(file), "polars-parquet-0.55.2/src/arrow/read.rs");
        assert_eq!(within_crate("src/bin/runframe/around.rs"), "src/bin/runframe/around.rs");
    }
}
