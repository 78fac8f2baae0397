//! One error: what happened, where (file and offset, run, column), and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with a kind, a place and, where there is one, a cure.
///
/// One pointer wide. The message reads `PLACE: WHAT (CURE)`; [`Error::kind`] is for programs.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    place: Place,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file system said no: missing, unreadable, full.
    Io,
    /// Nothing is there under the name that was given: no file, no run, no log in the folder.
    NotFound,
    /// A file is not what its name says: no W&B log, no Parquet, no run table.
    Format,
    /// A JSON text does not parse.
    Json,
    /// A column is named that the table does not have, or has another type.
    Column,
    /// An expression does not parse, or its parts do not fit together.
    Expression,
    /// What was asked for cannot be meant: contradictory or malformed arguments.
    Usage,
    /// It is understood, but this version cannot do it.
    Unsupported,
    /// Polars or Arrow refused a computation.
    Compute,
    /// A server cannot be reached, keeps failing, or limits us for longer than we wait.
    Network,
    /// A server does not take the key, or does not show the account what was asked for.
    Auth,
}

/// Where it happened. Every part is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file or folder.
    pub file: Option<PathBuf>,
    /// Bytes from the start of the file, or of the text that was parsed.
    pub offset: Option<u64>,
    /// The run, as `entity/project/name` as far as known.
    pub run: Option<String>,
    /// The column or key.
    pub column: Option<String>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), place: Place::default(), hint: None, source: None }))
    }

    /// An I/O error on `file`.
    pub fn io(file: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        let error = Error::new(kind, io_message(&source)).file(file);
        match lack(&source) {
            Some(cure) => error.hint(cure).source(source),
            None => error.source(source),
        }
    }

    /// Names the file or folder.
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.place.file = Some(file.into());
        self
    }

    /// Names the byte offset.
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.place.offset = Some(offset);
        self
    }

    /// Names the run.
    pub fn run(mut self, run: impl Into<String>) -> Self {
        self.0.place.run = Some(run.into());
        self
    }

    /// Names the column or key.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.0.place.column = Some(column.into());
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error that caused this one.
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it happened.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// What happened, without place and cure.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it, if there is something.
    pub fn cure(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// True if the cause is that the machine ran out of something for this process, so that no input is to blame: open files, memory.
    pub(crate) fn is_exhaustion(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(error) = cause {
            if error.downcast_ref::<std::io::Error>().is_some_and(|error| lack(error).is_some()) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// True if the cause is a reader that went away (`runframe … | head`).
    pub fn is_broken_pipe(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(error) = cause {
            if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// The cure where a process may not have more of something.
pub(crate) fn lack(error: &std::io::Error) -> Option<&'static str> {
    // The numbers are the same on every Unix; libraries that add a path leave only the words.
    let text = error.to_string();
    if cfg!(unix)
        && (text.ends_with("(os error 24)") || text.contains("(os error 24) at") || text.contains("(os error 23)"))
    {
        return Some("allow more open files: ulimit -n");
    }
    (error.kind() == std::io::ErrorKind::OutOfMemory).then_some("allow more memory: ulimit -v")
}

/// The system's words without `(os error 2)`, which tells a reader nothing.
fn io_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, place, hint, .. } = &*self.0;
        write!(f, "{place}{message}")?;
        match hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.file.as_ref().map(|file| file.display().to_string()),
            self.run.as_ref().map(|run| format!("run {run}")),
            self.column.as_ref().map(|column| format!("column {column}")),
            self.offset.map(|offset| format!("byte {offset}")),
        ];
        let text: Vec<String> = parts.into_iter().flatten().collect();
        if text.is_empty() { Ok(()) } else { write!(f, "{}: ", text.join(", ")) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

#[cfg(feature = "frame")]
impl From<polars::prelude::PolarsError> for Error {
    /// A column that a query names and the table lacks becomes an error with the nearest names in it.
    fn from(error: polars::prelude::PolarsError) -> Self {
        use polars::prelude::PolarsError::{ColumnNotFound, IO};
        let kind = match &error {
            ColumnNotFound(_) => ErrorKind::Column,
            IO { .. } => ErrorKind::Io,
            _ => ErrorKind::Compute,
        };
        let text = error.to_string();
        match missing_column(&text) {
            Some((name, known)) => {
                let better = Error::new(ErrorKind::Column, format!("unknown column {name}")).source(error);
                match did_you_mean(&name, known.iter().map(String::as_str)) {
                    Some(hint) => better.hint(hint),
                    None => better,
                }
            }
            None => Error::new(kind, text).source(error),
        }
    }
}

/// Reads name and known columns out of Polars' `unable to find column "x"; valid columns: ["a", "b"]`.
///
/// The version of Polars is pinned, and a test of ours fails when the wording changes.
#[cfg(feature = "frame")]
fn missing_column(text: &str) -> Option<(String, Vec<String>)> {
    let rest = text.split_once("unable to find column ")?.1;
    let (name, rest) = rest.split_once("; valid columns: ")?;
    let known = serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()?;
    Some((serde_json::from_str(name).ok()?, known))
}

#[cfg(feature = "frame")]
impl From<Error> for polars::prelude::PolarsError {
    fn from(error: Error) -> Self {
        polars::prelude::PolarsError::ComputeError(error.to_string().into())
    }
}

/// The names in `known` that are nearest to `name`, nearest first, at most three; for "did you mean".
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|candidate| (likeness(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    // What is much less alike than the best is noise.
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored.into_iter().take_while(|(score, _)| *score >= best - 0.04).take(3).map(|(_, candidate)| candidate).collect()
}

/// How alike two lower-case names are, 0 to 1; the last part of a dotted name counts on its own,
/// so that `lr` finds `config.optimizer.lr`.
fn likeness(wanted: &str, candidate: &str) -> f64 {
    // A root that both share says nothing of how alike they are.
    for root in ["config.", "summary."] {
        if let (Some(a), Some(b)) = (wanted.strip_prefix(root), candidate.strip_prefix(root)) {
            return likeness(a, b);
        }
    }
    let whole = strsim::jaro_winkler(wanted, candidate);
    let last = |name: &str| name.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    let (a, b) = (last(wanted), last(candidate));
    if a.is_empty() || b.is_empty() {
        return whole;
    }
    if a == b {
        return whole.max(0.97);
    }
    whole.max(strsim::jaro_winkler(&a, &b) * 0.95)
}

/// `" (did you mean a, b?)"`'s inside, or `None` when nothing is near.
#[cfg(feature = "frame")]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(name, known);
    if near.is_empty() { None } else { Some(format!("did you mean {}?", near.join(" or "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_place_and_cure() {
        let error = Error::new(ErrorKind::Format, "not a W&B log").file("a.wandb").offset(7).hint("give a .wandb file");
        assert_eq!(error.to_string(), "a.wandb, byte 7: not a W&B log (give a .wandb file)");
        assert_eq!(error.place().offset, Some(7));
    }

    #[test]
    fn broken_pipe_is_seen_through_the_chain() {
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Error::new(ErrorKind::Io, "x").source(pipe).is_broken_pipe());
        assert!(!Error::new(ErrorKind::Io, "x").is_broken_pipe());
    }

    #[test]
    fn nearest_finds_typos_and_last_parts() {
        let known = ["config.learning_rate", "config.optimizer.lr", "created_at", "summary.accuracy"];
        assert_eq!(nearest("config.learning_rat", known)[0], "config.learning_rate");
        assert_eq!(nearest("lr", known)[0], "config.optimizer.lr");
        assert!(nearest("zzzzqqq", known).is_empty());
    }
}
