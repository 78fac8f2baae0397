//! What replaces secrets: hashes that only the holder of a key can make again.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// What hashes begin with.
pub(crate) const MARK: &str = "redacted:";
/// Where the key is looked for, unless a file is named.
const VARIABLE: &str = "RUNFRAME_REDACT_KEY";
/// Bytes of a key, at least: shorter ones can be guessed, and with them what was hashed.
const SHORTEST: usize = 16;
/// Fields that tell runs apart; without them files could be neither joined nor brought up to date.
const KEPT: [&str; 3] = ["entity", "project", "name"];

/// Replaces texts that look like secrets, and all texts of further columns, by keyed hashes: `redacted:` and 32 hexadecimal
/// digits, 128 bits of keyed BLAKE3.
///
/// Equal texts have equal hashes wherever the key is the same, so that groups, comparisons and joins still work; without
/// the key nobody can tell from a hash what was there, also not by trying.
///
/// ```
/// use runframe::{Redaction, RunFrame};
///
/// # fn main() -> runframe::Result<()> {
/// let redaction = Redaction::with_key(b"a key that is long enough")?.columns(["host"]);
/// let runs = RunFrame::loader().source("examples/wandb")?.redact(redaction).load()?;
/// let hosts = runs.select(&["host"])?;
/// assert!(hosts.column("host")?.str()?.iter().flatten().all(|host| host.starts_with("redacted:")));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Redaction {
    key: Zeroizing<[u8; 32]>,
    random: bool,
    columns: Vec<String>,
}

impl Redaction {
    /// With a key made for this occasion: hashes of another one are others.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|error| {
            Error::new(ErrorKind::Io, format!("no random key: {error}")).hint("give one with a key file")
        })?;
        Ok(Redaction { key, random: true, columns: Vec::new() })
    }

    /// With this key, which is best 32 random bytes, as text or not.
    ///
    /// # Errors
    /// If it is shorter than 16 bytes.
    pub fn with_key(key: &[u8]) -> Result<Self> {
        if key.len() < SHORTEST {
            let error = Error::new(ErrorKind::Usage, format!("the key for --redact has {} bytes", key.len()));
            return Err(error.hint("give 16 or more, best random ones: head -c 32 /dev/urandom | base64"));
        }
        let key = Zeroizing::new(blake3::derive_key("runframe 2026 redacted values v1", key));
        Ok(Redaction { key, random: false, columns: Vec::new() })
    }

    /// With the key in this file (white space at its ends does not count), else in `RUNFRAME_REDACT_KEY`, else with a new one.
    ///
    /// # Errors
    /// If the file cannot be read, or if the key is too short.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        if let Some(path) = file {
            let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| Error::io(path, error))?);
            return Self::with_key(bytes.trim_ascii()).map_err(|error| error.file(path));
        }
        match std::env::var(VARIABLE) {
            Ok(key) if !key.trim().is_empty() => Self::with_key(Zeroizing::new(key).trim().as_bytes()),
            _ => Self::new(),
        }
    }

    /// Replaces all texts of these columns too: names, or globs with `*` and `?`. Numbers stay.
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns.extend(columns.into_iter().map(Into::into));
        self
    }

    /// The hash of a text; one that is a hash already stays.
    pub fn hash(&self, text: &str) -> String {
        if is_hash(text) {
            return text.to_owned();
        }
        let hash = blake3::keyed_hash(&self.key, text.as_bytes());
        format!("{MARK}{}", hash.to_hex().get(..32).unwrap_or_default())
    }

    /// True if the key was made for this occasion.
    pub fn is_random(&self) -> bool {
        self.random
    }

    /// What tells this key from others, and nothing else of it.
    pub fn key_check(&self) -> String {
        let check = blake3::keyed_hash(&self.key, b"which key is this?");
        check.to_hex().get(..16).unwrap_or_default().to_owned()
    }

    /// The further columns, as they were given.
    pub(crate) fn chosen(&self) -> &[String] {
        &self.columns
    }

    /// True if all texts of the column are replaced.
    pub(crate) fn takes(&self, column: &str) -> bool {
        let plain = ["string", "list", "json"].iter().find_map(|kind| column.strip_suffix(kind)?.strip_suffix(':'));
        let names = [Some(column), plain];
        let takes = |pattern: &String| names.iter().flatten().any(|name| is_like(pattern, name));
        !KEPT.contains(&column) && self.columns.iter().any(takes)
    }

    /// Checks that the further columns are there; `columns` are all that there are, with whether they hold texts.
    ///
    /// # Errors
    /// If a name or a glob means no column of texts, or one that tells runs apart.
    pub(crate) fn check(&self, columns: &[(&str, bool)]) -> Result<()> {
        for pattern in &self.columns {
            if KEPT.contains(&pattern.as_str()) {
                let error = Error::new(ErrorKind::Usage, format!("{pattern} tells runs apart and is not redacted"));
                return Err(error.hint("leave the column out with --drop"));
            }
            let mut meant = columns.iter().filter(|(name, _)| is_like(pattern, name) || pattern == name).peekable();
            if meant.peek().is_none() {
                let known = columns.iter().map(|(name, _)| *name);
                let error = Error::new(ErrorKind::Column, format!("--redact: unknown column {pattern}"));
                return Err(match crate::error::did_you_mean(pattern, known) {
                    Some(hint) => error.hint(hint),
                    None => error.hint("`runframe schema SOURCE` lists the columns"),
                });
            }
            if !meant.any(|(_, is_text)| *is_text) {
                let error =
                    Error::new(ErrorKind::Usage, format!("{pattern} holds no texts, and only texts are redacted"));
                return Err(error.hint("leave the column out with --drop"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Redaction {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("random", &self.random)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// `redacted:` and 32 hexadecimal digits.
fn is_hash(text: &str) -> bool {
    text.strip_prefix(MARK).is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// True if the glob's `*` and `?` can stand for what makes it the text.
fn is_like(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    // Which beginnings of the text the glob's beginning can be.
    let mut is = vec![false; text.len() + 1];
    is[0] = true;
    for wanted in glob {
        if wanted == '*' {
            let first = is.iter().position(|is| *is).unwrap_or(is.len());
            is.iter_mut().enumerate().for_each(|(at, is)| *is = at >= first);
        } else {
            for at in (1..is.len()).rev() {
                is[at] = is[at - 1] && (wanted == '?' || text.get(at - 1) == Some(&wanted));
            }
            is[0] = false;
        }
    }
    is.last().copied().unwrap_or_default()
}
