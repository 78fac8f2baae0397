//! The one table of the run table's fixed columns; builders, docs, `schema`, README and tests read it.

use crate::record::{ArtifactVersion, Run};

/// The type of a fixed column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit float.
    Float64,
    /// Microseconds since the epoch, UTC: `Datetime[μs, UTC]`.
    Timestamp,
    /// List of text.
    ListString,
    /// List of artifact versions: `List(Struct{name, type, version, aliases, size, digest, state, created_at, id})`.
    ListArtifact,
}

impl Type {
    /// The type's name, as in docs and `schema`.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "String",
            Type::Int64 => "Int64",
            Type::Float64 => "Float64",
            Type::Timestamp => "Datetime[μs, UTC]",
            Type::ListString => "List(String)",
            Type::ListArtifact => "List(Struct)",
        }
    }
}

/// One value of a fixed column, borrowed from its run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// For [`Type::String`].
    Str(&'a str),
    /// For [`Type::Int64`], and microseconds for [`Type::Timestamp`].
    Int(i64),
    /// For [`Type::Float64`].
    Float(f64),
    /// For [`Type::ListString`].
    Strs(&'a [String]),
    /// For [`Type::ListArtifact`].
    Artifacts(&'a [ArtifactVersion]),
}

/// A fixed column of the run table.
#[derive(Debug)]
pub struct Field {
    /// The column's name.
    pub name: &'static str,
    /// Its type.
    pub dtype: Type,
    /// The unit, where there is one.
    pub unit: Option<&'static str>,
    /// When it is null.
    pub nulls: &'static str,
    /// Where W&B holds it: GraphQL field; log record.
    pub source: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Other spellings that are accepted: W&B's ops, its SDK and its GraphQL.
    pub aliases: &'static [&'static str],
    /// Reads it from a run.
    pub get: fn(&Run) -> Cell<'_>,
}

fn text(value: &Option<String>) -> Cell<'_> {
    value.as_deref().map_or(Cell::Null, Cell::Str)
}

fn time(value: Option<crate::record::Timestamp>) -> Cell<'static> {
    value.map_or(Cell::Null, |t| Cell::Int(t.micros()))
}

fn float(value: Option<f64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Float)
}

fn artifacts(value: &Option<Vec<ArtifactVersion>>) -> Cell<'_> {
    value.as_deref().map_or(Cell::Null, Cell::Artifacts)
}

macro_rules! fields {
    ($($name:literal: $dtype:ident $([$unit:literal])?, $nulls:literal, $source:literal, $meaning:literal, [$($alias:literal),*], $get:expr;)*) => {
        /// The fixed columns, in the order of the run table. The flattened `config.*` and `summary.*` columns come
        /// between `history_rows` and `logged_artifacts`.
        pub const FIELDS: &[Field] = &[$(Field {
            name: $name, dtype: Type::$dtype, unit: fields!(@unit $($unit)?), nulls: $nulls, source: $source,
            meaning: $meaning, aliases: &[$($alias),*], get: $get,
        }),*];
    };
    (@unit $unit:literal) => { Some($unit) };
    (@unit) => { None };
}

fields! {
    "entity": String, "offline log that did not say", "path; log RunRecord.entity", "team or user that owns the project",
        ["entityName"], |r| text(&r.entity);
    "project": String, "offline log that did not say", "path; log RunRecord.project", "project",
        ["projectName", "run-project"], |r| text(&r.project);
    "name": String, "never", "Run.name; log RunRecord.run_id", "unique run name, the id in its URL",
        ["runName", "run-name", "id", "run_id", "runId"], |r| Cell::Str(&r.name);
    "display_name": String, "unset", "Run.displayName; log RunRecord.display_name", "human name",
        ["displayName", "runDisplayName"], |r| text(&r.display_name);
    "state": String, "unknown", "Run.state; log exit record", "running, finished, failed, crashed, killed, …",
        ["runState", "status"], |r| text(&r.state);
    "created_at": Timestamp, "unknown", "Run.createdAt; log RunRecord.start_time", "when the run was first started",
        ["runCreatedAt", "run-createdAt", "createdAt", "start_time"], |r| time(r.created_at);
    "heartbeat_at": Timestamp, "it never reported", "Run.heartbeatAt; log latest time in its records", "last sign of life",
        ["runHeartbeatAt", "run-heartbeatAt", "heartbeatAt"], |r| time(r.heartbeat_at);
    "updated_at": Timestamp, "logs, older servers", "Run.updatedAt", "last change of anything about the run",
        ["runUpdatedAt", "run-updatedAt", "updatedAt"], |r| time(r.updated_at);
    "runtime": Float64 ["s"], "either time is null, or negative (counted)", "heartbeat_at − created_at", "how long the run took",
        ["runRuntime", "run-runtime", "duration"], |r| float(r.runtime());
    "compute_seconds": Float64 ["s"], "unknown", "Run.computeSeconds; log exit record", "seconds that W&B itself says it ran",
        ["computeSeconds"], |r| float(r.compute_seconds);
    "job_type": String, "unset", "Run.jobType; log RunRecord.job_type", "what the run did: train, eval, …",
        ["runJobType", "run-jobType", "jobType", "jobtype"], |r| text(&r.job_type);
    "group": String, "unset", "Run.group; log RunRecord.run_group", "group of runs it belongs to",
        ["runGroup", "run_group"], |r| text(&r.group);
    "sweep": String, "not in a sweep", "Run.sweepName; log RunRecord.sweep_id", "sweep id",
        ["sweepName", "sweep_id", "sweepId"], |r| text(&r.sweep);
    "notes": String, "unset", "Run.notes; log RunRecord.notes", "the user's notes",
        ["runNotes"], |r| text(&r.notes);
    "host": String, "unknown", "Run.host; log RunRecord.host", "host it ran on",
        ["hostname"], |r| text(&r.host);
    "commit": String, "no git", "Run.commit; log RunRecord.git.commit", "git commit",
        ["gitCommit", "git_commit"], |r| text(&r.commit);
    "tags": ListString, "unknown; none is an empty list", "Run.tags; log RunRecord.tags", "labels",
        ["runTags"], |r| r.tags.as_deref().map_or(Cell::Null, Cell::Strs);
    "user.username": String, "deleted user; log that did not say", "User.username; log environment.username", "account of who started it",
        ["runUser", "run-user", "username", "user"], |r| text(&r.user.username);
    "user.name": String, "deleted user; logs", "User.name", "full name of who started it",
        ["userName"], |r| text(&r.user.name);
    "user.email": String, "not shown; log that did not say", "User.email; log environment.email", "e-mail of who started it",
        ["email", "userEmail"], |r| text(&r.user.email);
    "history_rows": Int64 ["rows"], "unknown", "Run.historyLineCount; log count of history records", "history rows logged",
        ["historyLineCount", "history_line_count"], |r| r.history_rows.map_or(Cell::Null, Cell::Int);
    "logged_artifacts": ListArtifact, "never when loaded; none is an empty list", "Run.outputArtifacts; log ArtifactRecord", "artifact versions the run logged",
        ["runLoggedArtifactVersions", "run-loggedArtifactVersions", "loggedArtifacts", "outputArtifacts"], |r| artifacts(&r.logged_artifacts);
    "used_artifacts": ListArtifact, "never when loaded; none is an empty list", "Run.inputArtifacts; log UseArtifactRecord", "artifact versions the run used",
        ["runUsedArtifactVersions", "run-usedArtifactVersions", "usedArtifacts", "inputArtifacts"], |r| artifacts(&r.used_artifacts);
}

/// How flattened columns may be spelled to begin, here, by W&B and by the SDK, and how they do begin.
#[cfg(any(test, feature = "frame"))]
pub(crate) const PREFIXES: [(&str, &str); 6] = [
    ("config.", "config."),
    ("summary.", "summary."),
    ("summary_metrics.", "summary."),
    ("summaryMetrics.", "summary."),
    ("runSummary.", "summary."),
    ("runConfig.", "config."),
];

/// The column name that `name` means: an alias of a field or of a prefix (`summary_metrics.x`), else `None`.
#[cfg(any(test, feature = "frame"))]
pub fn resolve_alias(name: &str) -> Option<String> {
    if let Some(field) = FIELDS.iter().find(|field| field.aliases.contains(&name)) {
        return Some(field.name.to_owned());
    }
    let known = |(alias, prefix): (&str, &str)| name.strip_prefix(alias).map(|rest| format!("{prefix}{rest}"));
    prefix_aliases().find_map(known)
}

/// Those of [`PREFIXES`] that are not how the columns do begin.
#[cfg(any(test, feature = "frame"))]
pub(crate) fn prefix_aliases() -> impl Iterator<Item = (&'static str, &'static str)> {
    PREFIXES.into_iter().filter(|(alias, prefix)| alias != prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_spelling_means_two_columns() {
        let mut seen = HashSet::new();
        for field in FIELDS {
            assert!(seen.insert(field.name), "{}", field.name);
            for alias in field.aliases {
                assert!(seen.insert(alias), "{alias}");
            }
        }
    }

    #[test]
    fn aliases_resolve() {
        assert_eq!(resolve_alias("runCreatedAt").as_deref(), Some("created_at"));
        assert_eq!(resolve_alias("summary_metrics.val/loss").as_deref(), Some("summary.val/loss"));
        assert_eq!(resolve_alias("created_at"), None);
        assert_eq!(resolve_alias("config.lr"), None);
    }
}
