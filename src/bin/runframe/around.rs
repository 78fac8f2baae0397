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
        Err(Error::new(ErrorKind::Compute, format!("internal error: {words}")).hint("please report it"))
    })
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
    fn places_are_short() {
        let file = "/root/.cargo/registry/src/index.crates.io-1/polars-parquet-0.55.2/src/arrow/read.rs";
        assert_eq!(within_crate(file), "polars-parquet-0.55.2/src/arrow/read.rs");
        assert_eq!(within_crate("src/bin/runframe/around.rs"), "src/bin/runframe/around.rs");
    }
}
