//! What a load from a W&B server adds to its receipt.

use serde_json::{Value, json};
use std::fmt;

/// How much of what is missing the one line tells; the receipt as JSON has all.
const SHOWN: usize = 5;

/// How a load from a server went. Counts are complete; lists keep the first 1,000 entries.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Served {
    /// The servers' base URLs.
    pub servers: Vec<String>,
    /// The accounts that answered; none when anonymous.
    pub accounts: Vec<String>,
    /// The filters that were sent, as JSON.
    pub filters: Vec<String>,
    /// The windows that were loaded one by one.
    pub shards: Vec<Shard>,
    /// How many windows there were.
    pub shard_count: u64,
    /// Copies of runs that pages held twice, and that were dropped.
    pub copies_dropped: u64,
    /// Runs that pages had missed, and that were loaded after all.
    pub holes_repaired: u64,
    /// Runs that were read, or announced, and were deleted before the load was over.
    pub deleted_meanwhile: u64,
    /// Pages read.
    pub pages: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// Seconds that requests waited, together: for a rate limit, or before a retry.
    pub waited_seconds: f64,
    /// Fields that the server does not have, as `Type.field`; their columns are null.
    pub fields_dropped: Vec<String>,
    /// The top-level keys that were asked for, one line for each part of which not all were: `config: lr, seed`.
    pub projected: Vec<String>,
    /// Artifacts that are null or whose collection this account may not see.
    pub artifacts_hidden: u64,
    /// DELETED artifact versions, left out.
    pub artifacts_deleted: u64,
    /// Artifact lists with another length than the server says.
    pub artifact_lists_short: u64,
    /// Run entries that were null.
    pub null_runs: u64,
    /// Times that do not parse; they are null.
    pub bad_times: u64,
    /// Rows of a history that came both exported and live, or from two files, and became one.
    pub row_copies: u64,
    /// Rows of a history whose step came twice from one place, and became one.
    pub row_repeats: u64,
    /// Signed addresses of exported histories that had expired and were asked for anew.
    pub urls_renewed: u64,
    /// Rows that were asked for of each run's history, where that is a sample chosen by the server; `None` if all were.
    pub sampled: Option<u32>,
    /// What cannot be said to be there, one line for each project. Empty if the load is complete.
    pub incomplete: Vec<String>,
    /// Where server and key came from, and what could not be used; for verbose output.
    pub notes: Vec<String>,
}

/// A window of creation time that was loaded on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shard {
    /// `entity/project`.
    pub project: String,
    /// `FROM..TO` in UTC, open where empty; `FROM` belongs to it.
    pub window: String,
    /// Runs that the server counted in it when it was read.
    pub counted: Option<u64>,
    /// Runs that were read.
    pub read: u64,
}

impl Served {
    /// Adds another load's.
    pub(crate) fn merge(&mut self, other: Served) {
        for (list, more) in [
            (&mut self.servers, other.servers),
            (&mut self.accounts, other.accounts),
            (&mut self.filters, other.filters),
            (&mut self.fields_dropped, other.fields_dropped),
            (&mut self.projected, other.projected),
            (&mut self.notes, other.notes),
            (&mut self.incomplete, other.incomplete),
        ] {
            for entry in more {
                if !list.contains(&entry) {
                    super::keep(list, entry);
                }
            }
        }
        other.shards.into_iter().for_each(|shard| super::keep(&mut self.shards, shard));
        self.shard_count += other.shard_count;
        self.copies_dropped += other.copies_dropped;
        self.holes_repaired += other.holes_repaired;
        self.deleted_meanwhile += other.deleted_meanwhile;
        self.pages += other.pages;
        self.requests += other.requests;
        self.retries += other.retries;
        self.waited_seconds += other.waited_seconds;
        self.artifacts_hidden += other.artifacts_hidden;
        self.artifacts_deleted += other.artifacts_deleted;
        self.artifact_lists_short += other.artifact_lists_short;
        self.null_runs += other.null_runs;
        self.bad_times += other.bad_times;
        self.row_copies += other.row_copies;
        self.row_repeats += other.row_repeats;
        self.urls_renewed += other.urls_renewed;
        self.sampled = self.sampled.or(other.sampled);
    }

    /// Counts a window.
    pub fn shard(&mut self, shard: Shard) {
        self.shard_count += 1;
        super::keep(&mut self.shards, shard);
    }

    /// The windows in order of project and time.
    pub(super) fn sort(&mut self) {
        self.shards.sort_by(|a, b| (&a.project, &a.window).cmp(&(&b.project, &b.window)));
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "servers": self.servers,
            "accounts": self.accounts,
            "filters": self.filters,
            "shard_count": self.shard_count,
            "shards": self.shards.iter().map(|s| json!({
                "project": s.project, "window": s.window, "counted": s.counted, "read": s.read,
            })).collect::<Vec<_>>(),
            "copies_dropped": self.copies_dropped,
            "holes_repaired": self.holes_repaired,
            "deleted_meanwhile": self.deleted_meanwhile,
            "pages": self.pages,
            "requests": self.requests,
            "retries": self.retries,
            "waited_seconds": self.waited_seconds,
            "fields_dropped": self.fields_dropped,
            "projected": self.projected,
            "artifacts_hidden": self.artifacts_hidden,
            "artifacts_deleted": self.artifacts_deleted,
            "artifact_lists_short": self.artifact_lists_short,
            "null_runs": self.null_runs,
            "bad_times": self.bad_times,
            "row_copies": self.row_copies,
            "row_repeats": self.row_repeats,
            "urls_renewed": self.urls_renewed,
            "sampled": self.sampled,
            "incomplete": self.incomplete,
            "notes": self.notes,
        })
    }

    /// One line for each thing that verbose output tells.
    pub(super) fn details(&self) -> Vec<String> {
        let mut lines = self.notes.clone();
        lines.extend(self.accounts.iter().map(|account| format!("answered as {account}")));
        lines.extend(self.shards.iter().map(|s| {
            let counted = s.counted.map_or_else(|| "an unknown number".to_owned(), |n| n.to_string());
            format!("{} {}: {} runs read, {counted} counted", s.project, s.window, s.read)
        }));
        if !self.fields_dropped.is_empty() {
            lines.push(format!("not known to the server: {}", self.fields_dropped.join(", ")));
        }
        lines.extend(self.projected.iter().map(|keys| format!("asked only for keys of {keys}")));
        lines.extend(self.incomplete.iter().cloned());
        lines
    }
}

impl fmt::Display for Served {
    /// What happened beside the rule: `; 3 holes repaired; 2 retries; waited 4.0 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notes = [
            (self.copies_dropped, "copy", "dropped"),
            (self.holes_repaired, "hole", "repaired"),
            (self.deleted_meanwhile, "run", "deleted meanwhile"),
            (self.retries, "request", "sent again"),
            (self.artifacts_hidden, "artifact", "hidden or null"),
            (self.artifacts_deleted, "artifact", "deleted"),
            (self.artifact_lists_short, "artifact list", "of another length than the server says"),
            (self.null_runs, "run entry", "null"),
            (self.bad_times, "time", "unreadable"),
            (self.row_copies, "row", "exported and live"),
            (self.row_repeats, "row", "of a step that was there before"),
            (self.urls_renewed, "expired URL", "renewed"),
        ];
        for (number, noun, what) in notes.into_iter().filter(|(number, ..)| *number > 0) {
            write!(f, "; {} {what}", super::count(number, noun).replace("ys", "ies"))?;
        }
        if let Some(rows) = self.sampled {
            write!(f, "; SAMPLED: about {} of each run or metric", super::count(u64::from(rows), "row"))?;
        }
        if self.waited_seconds >= 0.1 {
            write!(f, "; waited {:.1} s", self.waited_seconds)?;
        }
        if !self.fields_dropped.is_empty() {
            write!(f, "; without {}, which the server does not know", self.fields_dropped.join(", "))?;
        }
        self.incomplete.iter().take(SHOWN).try_for_each(|line| write!(f, "; INCOMPLETE: {line}"))?;
        match self.incomplete.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; INCOMPLETE in {more} more places, which --receipt lists"),
        }
    }
}
