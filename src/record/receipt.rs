//! What a load says of itself: what was read, what was lost and where.

mod secrets;
mod served;

pub use secrets::{Redacted, SecretColumn};
pub use served::{Served, Shard};

use super::OverLimit;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;

/// Entries of each kind that a receipt keeps in full; beyond it they are only counted.
const KEPT: usize = 1_000;

/// What a load says of itself. Counts are complete; the lists keep the first 1,000 entries each.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Receipt {
    /// What was read, as the user named it.
    pub sources: Vec<String>,
    /// Rows of the run table.
    pub runs: u64,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Runs found in more than one folder and joined into one.
    pub joined: u64,
    /// Runs that a later source replaced.
    pub duplicates: u64,
    /// Files that hold no run yet: empty, or only the header.
    pub empty_files: u64,
    /// Records whose end is not in the file: cut, or still being written.
    pub cut_records: u64,
    /// Bytes that could not be read as records.
    pub lost_bytes: u64,
    /// Records known to be missing: damaged or counted by gaps in the record numbers.
    pub lost_records: u64,
    /// Each damaged place.
    pub damages: Vec<Damage>,
    /// Files that are no W&B log or could not be opened.
    pub refused: Vec<Refused>,
    /// How many files were refused.
    pub refused_files: u64,
    /// Each JSON text that did not parse.
    pub json_faults: Vec<JsonFault>,
    /// How many JSON texts did not parse.
    pub json_errors: u64,
    /// Each config or summary that was left out since it exceeds a limit.
    pub over_limits: Vec<OverLimit>,
    /// How many were left out since they exceed a limit.
    pub left_out: u64,
    /// Keys that one JSON object held twice; the last one counts, as in Python.
    pub repeated_keys: u64,
    /// Texts with invalid UTF-8 or lone surrogates, kept with U+FFFD in their place.
    pub repaired_texts: u64,
    /// Columns of a stored table whose types cannot be read: file, column and type.
    pub skipped_columns: Vec<String>,
    /// Runs whose heartbeat lies before their creation; their runtime is null.
    pub negative_runtimes: u64,
    /// Rows of a history table.
    pub rows: u64,
    /// Rows of a history that had the step of another one of their run, and became one row with it.
    pub joined_rows: u64,
    /// How the load from a server went; `None` for logs and files.
    pub served: Option<Box<Served>>,
    /// Whether what was loaded is the source's set of runs at one moment; `None` where nobody can say, as for logs.
    pub complete: Option<bool>,
    /// Paths (`entity/project/name`) of runs that were handed over and then deleted on the server before the load was
    /// over. Who collects the batches drops, for each entry, the first row that has it.
    pub withdrawn: Vec<String>,
    /// Each link to logs outside of the tree that was walked. Such links are not followed.
    pub links: Vec<PathBuf>,
    /// How many links to logs elsewhere were not followed.
    pub skipped_links: u64,
    /// Columns of config and summary with values that look like secrets; never the values. Of stored tables nothing is known.
    pub secrets: Vec<SecretColumn>,
    /// How values that look like secrets were replaced; `None` if they are as they were logged.
    pub redacted: Option<Redacted>,
}

/// A place in a file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
    /// Bytes lost there.
    pub bytes: u64,
    /// What is wrong.
    pub reason: String,
}

/// A file that was not read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// Why not.
    pub reason: String,
}

/// A JSON text that did not parse. Only this value, or this run's config or summary, is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// The run, as `entity/project/name`; or the file, where the run is not known yet.
    pub run: String,
    /// `config`, `summary`, or a key in it.
    pub place: String,
    /// Bytes from the start of the JSON text.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl Receipt {
    /// Counts a damaged place.
    pub fn damage(&mut self, damage: Damage) {
        self.lost_bytes += damage.bytes;
        keep(&mut self.damages, damage);
    }

    /// Counts a file that was not read.
    pub fn refuse(&mut self, file: impl Into<PathBuf>, reason: impl Into<String>) {
        self.refused_files += 1;
        keep(&mut self.refused, Refused { file: file.into(), reason: reason.into() });
    }

    /// Counts a link to logs elsewhere, which is not followed.
    pub fn skip_link(&mut self, link: impl Into<PathBuf>) {
        self.skipped_links += 1;
        keep(&mut self.links, link.into());
    }

    /// Counts a JSON text that did not parse.
    pub fn json_fault(&mut self, fault: JsonFault) {
        self.json_errors += 1;
        keep(&mut self.json_faults, fault);
    }

    /// Counts a config or summary that exceeds a limit.
    pub fn over_limit(&mut self, over: OverLimit) {
        self.left_out += 1;
        keep(&mut self.over_limits, over);
    }

    /// Adds another part's receipt to this one.
    pub fn merge(&mut self, other: Receipt) {
        self.sources.extend(other.sources);
        self.runs += other.runs;
        self.files += other.files;
        self.bytes += other.bytes;
        self.joined += other.joined;
        self.duplicates += other.duplicates;
        self.empty_files += other.empty_files;
        self.cut_records += other.cut_records;
        self.lost_bytes += other.lost_bytes;
        self.lost_records += other.lost_records;
        self.refused_files += other.refused_files;
        self.json_errors += other.json_errors;
        self.left_out += other.left_out;
        self.repeated_keys += other.repeated_keys;
        self.repaired_texts += other.repaired_texts;
        self.negative_runtimes += other.negative_runtimes;
        self.rows += other.rows;
        self.joined_rows += other.joined_rows;
        self.skipped_columns.extend(other.skipped_columns);
        self.complete = match (self.complete, other.complete) {
            (Some(a), Some(b)) => Some(a && b),
            (a, b) => a.or(b),
        };
        self.withdrawn.extend(other.withdrawn);
        if let Some(served) = other.served {
            self.served.get_or_insert_default().merge(*served);
        }
        secrets::merge(&mut self.secrets, other.secrets);
        self.redacted = self.redacted.take().or(other.redacted);
        self.skipped_links += other.skipped_links;
        other.links.into_iter().for_each(|link| keep(&mut self.links, link));
        other.damages.into_iter().for_each(|d| keep(&mut self.damages, d));
        other.refused.into_iter().for_each(|r| keep(&mut self.refused, r));
        other.json_faults.into_iter().for_each(|j| keep(&mut self.json_faults, j));
        other.over_limits.into_iter().for_each(|over| keep(&mut self.over_limits, over));
    }

    /// Puts the lists in an order that does not depend on which thread came first.
    pub fn sort(&mut self) {
        self.damages.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
        self.refused.sort_by(|a, b| a.file.cmp(&b.file));
        self.skipped_columns.sort();
        self.links.sort();
        self.json_faults.sort_by(|a, b| (&a.run, &a.place).cmp(&(&b.run, &b.place)));
        self.over_limits.sort_by(|a, b| (&a.run, &a.place).cmp(&(&b.run, &b.place)));
        self.withdrawn.sort();
        if let Some(served) = &mut self.served {
            served.sort();
        }
    }

    /// True if anything at all could not be read or had to be changed.
    pub fn has_losses(&self) -> bool {
        self.lost_bytes + self.lost_records + self.refused_files + self.json_errors + self.left_out > 0
            || !self.skipped_columns.is_empty()
    }

    /// One line for each place where something was lost or left out.
    pub fn details(&self) -> Vec<String> {
        let damages = self
            .damages
            .iter()
            .map(|d| format!("{}, byte {}: {} ({} bytes lost)", d.file.display(), d.offset, d.reason, d.bytes));
        let refused = self.refused.iter().map(|r| format!("{}: {}", r.file.display(), r.reason));
        let json =
            self.json_faults.iter().map(|j| format!("run {}, {}, byte {}: {}", j.run, j.place, j.offset, j.reason));
        let skipped = self.skipped_columns.iter().map(|column| format!("{column}: not read"));
        let served = self.served.iter().flat_map(|served| served.details());
        let links = self.links.iter().map(|l| format!("{}: a link to logs elsewhere, not followed", l.display()));
        let over = self.over_limits.iter().map(|o| format!("run {}, {}: left out, {}", o.run, o.place, o.reason));
        served.chain(damages).chain(refused).chain(json).chain(over).chain(skipped).chain(links).collect()
    }

    /// The receipt as one JSON object.
    pub fn to_json(&self) -> Value {
        let mut receipt = json!({
            "sources": self.sources,
            "runs": self.runs,
            "files": self.files,
            "bytes": self.bytes,
            "joined": self.joined,
            "duplicates": self.duplicates,
            "empty_files": self.empty_files,
            "cut_records": self.cut_records,
            "lost_bytes": self.lost_bytes,
            "lost_records": self.lost_records,
            "refused_files": self.refused_files,
            "json_errors": self.json_errors,
            "left_out": self.left_out,
            "repeated_keys": self.repeated_keys,
            "repaired_texts": self.repaired_texts,
            "negative_runtimes": self.negative_runtimes,
            "rows": self.rows,
            "joined_rows": self.joined_rows,
            "skipped_columns": self.skipped_columns,
            "complete": self.complete,
            "withdrawn": self.withdrawn,
            "server": self.served.as_ref().map(|served| served.to_json()),
            "skipped_links": self.skipped_links,
            "damages": self.damages.iter().map(|d| json!({
                "file": d.file.to_string_lossy(), "offset": d.offset, "bytes": d.bytes, "reason": d.reason,
            })).collect::<Vec<_>>(),
            "refused": self.refused.iter().map(|r| json!({
                "file": r.file.to_string_lossy(), "reason": r.reason,
            })).collect::<Vec<_>>(),
            "json_faults": self.json_faults.iter().map(|j| json!({
                "run": j.run, "place": j.place, "offset": j.offset, "reason": j.reason,
            })).collect::<Vec<_>>(),
            "over_limits": self.over_limits.iter().map(|o| json!({
                "run": o.run, "place": o.place, "reason": o.reason,
            })).collect::<Vec<_>>(),
            "links": self.links.iter().map(|l| l.to_string_lossy()).collect::<Vec<_>>(),
        });
        self.secrets_to_json(&mut receipt);
        receipt
    }
}

impl fmt::Display for Receipt {
    /// One line: `41 runs from 42 files (310.2 kB); 1 run joined from several folders; 1 record cut`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = match &self.served {
            Some(served) if self.files == 0 => count(served.requests, "request"),
            _ => count(self.files, "file"),
        };
        if self.rows > 0 {
            write!(f, "{} of ", count(self.rows, "row"))?;
        }
        write!(f, "{} from {read} ({})", count(self.runs, "run"), bytes(self.bytes))?;
        if self.complete == Some(true) {
            f.write_str(", complete")?;
        }
        let notes = [
            (self.joined, "run", "joined from several folders"),
            (self.duplicates, "run", "replaced by a later source"),
            (self.empty_files, "file", "still empty"),
            (self.cut_records, "record", "cut at the end of a file"),
            (self.lost_bytes, "byte", "unreadable"),
            (self.lost_records, "record", "lost"),
            (self.refused_files, "file", "refused"),
            (self.json_errors, "JSON text", "invalid"),
            (self.left_out, "value", "left out: over a limit"),
            (self.repeated_keys, "key", "given twice in one object"),
            (self.repaired_texts, "text", "with invalid UTF-8 repaired"),
            (self.skipped_columns.len() as u64, "column", "of a type that cannot be read"),
            (self.joined_rows, "row", "joined with another of the same step"),
            (self.negative_runtimes, "run", "with a heartbeat before its creation"),
            (self.skipped_links, "link", "to logs elsewhere not followed"),
        ];
        for (number, noun, what) in notes.into_iter().filter(|(number, ..)| *number > 0) {
            write!(f, "; {} {what}", count(number, noun))?;
        }
        self.served.iter().try_for_each(|served| write!(f, "{served}"))
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < KEPT {
        list.push(entry);
    }
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn bytes(number: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut size = number as f64;
    if size < 1_000.0 {
        return format!("{number} bytes");
    }
    let mut unit = units[0];
    for name in units {
        size /= 1_000.0;
        unit = name;
        if size < 1_000.0 {
            break;
        }
    }
    format!("{size:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_only_what_happened() {
        let mut receipt = Receipt { runs: 2, files: 3, bytes: 1_500, joined: 1, ..Receipt::default() };
        assert_eq!(receipt.to_string(), "2 runs from 3 files (1.5 kB); 1 run joined from several folders");
        receipt.damage(Damage { file: "a".into(), offset: 9, bytes: 4, reason: "bad checksum".into() });
        assert!(receipt.has_losses());
        assert_eq!(receipt.details(), ["a, byte 9: bad checksum (4 bytes lost)"]);
    }

    #[test]
    fn completeness_of_parts_is_that_of_the_worst() {
        let part = |complete| Receipt { complete, ..Receipt::default() };
        let both = |a, b| {
            let mut a = part(a);
            a.merge(part(b));
            a.complete
        };
        assert_eq!(both(None, Some(true)), Some(true));
        assert_eq!(both(Some(true), Some(false)), Some(false));
        assert_eq!(both(None, None), None);
    }

    #[test]
    fn a_load_from_a_server_is_one_short_line() {
        let mut receipt = Receipt { runs: 9, bytes: 2_000, complete: Some(true), ..Receipt::default() };
        receipt.served = Some(Box::new(Served { requests: 3, copies_dropped: 2, ..Served::default() }));
        assert_eq!(receipt.to_string(), "9 runs from 3 requests (2.0 kB), complete; 2 copies dropped");
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let mut receipt = Receipt::default();
        for _ in 0..3_000 {
            receipt.refuse("x", "y");
        }
        assert_eq!((receipt.refused_files, receipt.refused.len()), (3_000, KEPT));
    }

    #[test]
    fn links_are_counted_named_and_no_loss() {
        let mut receipt = Receipt::default();
        receipt.skip_link("b");
        let mut other = Receipt::default();
        other.skip_link("a");
        receipt.merge(other);
        receipt.sort();
        assert_eq!(receipt.to_string(), "0 runs from 0 files (0 bytes); 2 links to logs elsewhere not followed");
        let line = |name: &str| format!("{name}: a link to logs elsewhere, not followed");
        assert_eq!(receipt.details(), [line("a"), line("b")]);
        assert_eq!((&receipt.to_json()["skipped_links"], &receipt.to_json()["links"]), (&json!(2), &json!(["a", "b"])));
        assert!(!receipt.has_losses());
    }
}
