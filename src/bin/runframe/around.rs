//! What surrounds the program: terminals, environment, signals.

use crate::plan::Surroundings;
use std::env;
use std::io::{IsTerminal, stderr, stdout};

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
        runframe::sink::abandon();
        std::process::exit(130);
    };
    // Without a handler the system's own remains: the program ends all the same.
    let _ = ctrlc::set_handler(handler);
}
