//! A run, an artifact version and a user as every source gives them, what of them is wanted, and the receipt of a load.

mod history;
mod limits;
mod receipt;
#[cfg(feature = "frame")]
pub(crate) mod seal;
mod time;

pub use history::HistoryNeeds;
pub use limits::{Limits, OverLimit};
pub use receipt::{Damage, JsonFault, Receipt, Redacted, Refused, SecretColumn, Served, Shard};
pub use time::Timestamp;

use std::borrow::Cow;
#[cfg(feature = "api")]
use std::{ops::Range, sync::Arc};

/// One W&B run before flattening: one row of the run table.
///
/// What a source does not know is `None`; it is never made up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// The team or user that owns the project; `None` where an offline log did not say.
    pub entity: Option<String>,
    /// The project; `None` where an offline log did not say.
    pub project: Option<String>,
    /// The unique run name (id), the last part of a run's URL. GraphQL `Run.name`, log `RunRecord.run_id`.
    pub name: String,
    /// The human name ("fluffy-cloud-7").
    pub display_name: Option<String>,
    /// running, finished, failed, crashed, killed, … as W&B says it.
    pub state: Option<String>,
    /// When the run was first started.
    pub created_at: Option<Timestamp>,
    /// The last sign of life.
    pub heartbeat_at: Option<Timestamp>,
    /// The last change of anything about the run; only servers know it.
    pub updated_at: Option<Timestamp>,
    /// Seconds that the server or the log itself says the run took.
    pub compute_seconds: Option<f64>,
    /// What the run did: train, eval, ….
    pub job_type: Option<String>,
    /// The group of runs it belongs to.
    pub group: Option<String>,
    /// The sweep's id.
    pub sweep: Option<String>,
    /// The user's notes.
    pub notes: Option<String>,
    /// The host it ran on.
    pub host: Option<String>,
    /// The git commit.
    pub commit: Option<String>,
    /// Labels; `Some(vec![])` is "none", `None` is "unknown".
    pub tags: Option<Vec<String>>,
    /// Who started it.
    pub user: User,
    /// History rows logged.
    pub history_rows: Option<i64>,
    /// Config as JSON text of one object; `None` if not loaded or absent.
    pub config: Option<Document>,
    /// Summary as JSON text of one object; `None` if not loaded or absent.
    pub summary: Option<Document>,
    /// Artifact versions the run logged (outputs); `None` only if not loaded.
    pub logged_artifacts: Option<Vec<ArtifactVersion>>,
    /// Artifact versions the run used (inputs); `None` only if not loaded.
    pub used_artifacts: Option<Vec<ArtifactVersion>>,
}

impl Run {
    /// `entity/project/name`, with `-` for a part that is unknown; for messages.
    pub fn path(&self) -> String {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        format!("{}/{}/{}", part(&self.entity), part(&self.project), self.name)
    }

    /// Seconds from `created_at` to `heartbeat_at`, the run's runtime.
    ///
    /// `None` if either is unknown or if the heartbeat lies before the creation; [`Run::clock_ran_back`] tells the latter.
    pub fn runtime(&self) -> Option<f64> {
        let seconds = self.created_at?.seconds_until(self.heartbeat_at?);
        (seconds >= 0.0).then_some(seconds)
    }

    /// True if the heartbeat lies before the creation, so that no runtime can be given.
    pub fn clock_ran_back(&self) -> bool {
        matches!((self.created_at, self.heartbeat_at), (Some(start), Some(end)) if end < start)
    }
}

/// What tells a run from all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// The team or user that owns the project; `None` where an offline log did not say.
    pub entity: Option<String>,
    /// The project; `None` where an offline log did not say.
    pub project: Option<String>,
    /// The unique run name.
    pub name: String,
}

impl RunKey {
    /// `entity/project/name`, with `-` for a part that is unknown.
    pub fn path(&self) -> String {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        format!("{}/{}/{}", part(&self.entity), part(&self.project), self.name)
    }
}

/// A JSON text that holds one object, and how its top-level values are wrapped.
///
/// Bare `NaN`, `Infinity` and `-Infinity` are allowed in it, as W&B's clients write them.
#[derive(Debug, Clone)]
pub struct Document {
    written: Written,
    /// True for config from the API, where each top-level value is `{"value": …, "desc": …}`.
    pub wrapped: bool,
}

/// Where a document's text is.
#[derive(Debug, Clone)]
enum Written {
    Plain(String),
    /// In a string of a larger text, which all its documents share; see [`Form::Quoted`].
    #[cfg(feature = "api")]
    Quoted(Arc<String>, Range<usize>),
}

/// How a document's text is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form<'a> {
    /// As it is.
    Plain(&'a str),
    /// As the inside of a JSON string, in which quotes and backslashes are escaped and nothing else.
    #[cfg(feature = "api")]
    Quoted(&'a str),
}

impl Document {
    /// A document whose values are plain, as in logs.
    pub fn plain(text: impl Into<String>) -> Self {
        Document { written: Written::Plain(text.into()), wrapped: false }
    }

    /// A config as the API gives it, each top-level value wrapped in `{"value": …}`.
    pub fn wrapped(text: impl Into<String>) -> Self {
        Document { written: Written::Plain(text.into()), wrapped: true }
    }

    /// A document inside a JSON string of a larger text, where quotes and backslashes are escaped and nothing else.
    #[cfg(feature = "api")]
    pub(crate) fn quoted(all: &Arc<String>, inside: Range<usize>, wrapped: bool) -> Self {
        Document { written: Written::Quoted(all.clone(), inside), wrapped }
    }

    /// The JSON text.
    pub fn text(&self) -> Cow<'_, str> {
        match self.form() {
            Form::Plain(text) => Cow::Borrowed(text),
            #[cfg(feature = "api")]
            Form::Quoted(quoted) => {
                let mut text = String::with_capacity(quoted.len());
                crate::json::push_unquoted(quoted, &mut text);
                Cow::Owned(text)
            }
        }
    }

    /// How many bytes the text is as it is written; it has no more.
    #[cfg(feature = "api")]
    pub(crate) fn written_bytes(&self) -> usize {
        match &self.written {
            Written::Plain(text) => text.len(),
            Written::Quoted(_, inside) => inside.len(),
        }
    }

    /// The JSON text as it is written.
    pub(crate) fn form(&self) -> Form<'_> {
        match &self.written {
            Written::Plain(text) => Form::Plain(text),
            #[cfg(feature = "api")]
            Written::Quoted(all, inside) => Form::Quoted(all.get(inside.clone()).unwrap_or_default()),
        }
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.wrapped == other.wrapped && self.text() == other.text()
    }
}

impl Eq for Document {}

/// Who started a run. All `None` for a deleted user, or where an offline log did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The account name.
    pub username: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// One version of an artifact, as a run logged or used it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactVersion {
    /// The collection's name, without version or alias.
    pub name: String,
    /// The artifact type: model, dataset, ….
    pub kind: Option<String>,
    /// 3 for `v3`; `None` while pending, and in logs, which do not know the version of what they logged.
    pub version: Option<i64>,
    /// Aliases such as `latest`, sorted.
    pub aliases: Vec<String>,
    /// Bytes; `None` where unknown.
    pub size: Option<i64>,
    /// The manifest's digest.
    pub digest: Option<String>,
    /// PENDING, COMMITTED or DELETED, as W&B says it; `None` in logs.
    pub state: Option<String>,
    /// When the version was created; `None` in logs.
    pub created_at: Option<Timestamp>,
    /// The server's id; in logs the id the client gave it.
    pub id: Option<String>,
}

/// Which parts of a run somebody asked for, so that a source can leave the rest unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Config columns.
    pub config: bool,
    /// Summary columns.
    pub summary: bool,
    /// `logged_artifacts` and `used_artifacts`.
    pub artifacts: bool,
    /// `heartbeat_at`, and `runtime` and `state`, which need it: every timed record must be looked at.
    pub heartbeat: bool,
    /// The untouched texts as `config_json` and `summary_json`.
    pub raw: bool,
}

impl Default for Wanted {
    /// Everything but the raw texts.
    fn default() -> Self {
        Wanted { config: true, summary: true, artifacts: true, heartbeat: true, raw: false }
    }
}

impl Wanted {
    /// What either asks for.
    pub fn or(self, other: Wanted) -> Wanted {
        Wanted {
            config: self.config || other.config,
            summary: self.summary || other.summary,
            artifacts: self.artifacts || other.artifacts,
            heartbeat: self.heartbeat || other.heartbeat,
            raw: self.raw || other.raw,
        }
    }
}
