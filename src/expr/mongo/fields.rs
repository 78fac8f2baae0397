//! The names of fields in W&B's filters, and the columns they are here.

use super::wrong;
use crate::columns::{Kind, resolve_alias};
use crate::error::{Result, did_you_mean};

/// Spellings at the server, and the column.
const NAMES: [(&[&str], &str); 14] = [
    (&["name"], "name"),
    (&["display_name", "displayName"], "display_name"),
    (&["state"], "state"),
    (&["created_at", "createdAt"], "created_at"),
    (&["heartbeat_at", "heartbeatAt"], "heartbeat_at"),
    (&["updated_at", "updatedAt"], "updated_at"),
    (&["duration"], "runtime"),
    (&["group"], "group"),
    (&["host"], "host"),
    (&["jobType", "job_type"], "job_type"),
    (&["tags"], "tags"),
    (&["username"], "user.username"),
    (&["sweep"], "sweep"),
    (&["notes"], "notes"),
];

/// What a filter tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// A column that every run table has.
    Fixed(&'static str),
    /// A path below config or summary, as the column's plain name.
    Path(String),
    /// A key of the history, of which the run table knows nothing.
    History(String),
}

impl Field {
    pub(super) fn parse(name: &str, place: &str) -> Result<Field> {
        if let Some((_, column)) = NAMES.iter().find(|(spellings, _)| spellings.contains(&name)) {
            return Ok(Field::Fixed(column));
        }
        let key = |prefix: &str| name.strip_prefix(prefix).filter(|key| !key.is_empty());
        if let Some(key) = key("config.") {
            // The server holds {"lr": {"value": 0.1}}.
            let unwrapped = match key.split_once(".value") {
                Some((first, rest)) if !first.contains('.') && (rest.is_empty() || rest.starts_with('.')) => {
                    format!("{first}{rest}")
                }
                _ => key.to_owned(),
            };
            return Ok(Field::Path(format!("config.{}", escaped(&unwrapped))));
        }
        if let Some(key) = key("summary_metrics.") {
            return Ok(Field::Path(format!("summary.{}", escaped(key))));
        }
        if let Some(key) = key("keys_info.keys.") {
            return Ok(Field::History(key.to_owned()));
        }
        Err(wrong(place, &format!("unknown field {name}"), &cure(name)))
    }

    /// The column of a path.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Field::Path(column) => Some(column),
            _ => None,
        }
    }
}

/// A key that ends like a column's kind has its colon escaped in the column's name.
fn escaped(key: &str) -> String {
    match Kind::split(key) {
        (path, Some(kind)) => format!("{path}\\:{kind}"),
        _ => key.to_owned(),
    }
}

/// The server's name for what was probably meant.
fn cure(name: &str) -> String {
    let column = resolve_alias(name).unwrap_or_else(|| name.to_owned());
    if let Some(key) = column.strip_prefix("summary.").or(name.strip_prefix("summaryMetrics.")) {
        return format!("W&B calls it summary_metrics.{key}");
    }
    if let Some(key) = column.strip_prefix("config.") {
        return format!("W&B calls it config.{key}");
    }
    if matches!(name, "config" | "summary" | "summary_metrics") {
        return "a key must follow: config.lr, summary_metrics.acc".to_owned();
    }
    if let Some((spellings, _)) = NAMES.iter().find(|(_, known)| *known == column) {
        return format!("W&B calls it {}", spellings.first().unwrap_or(&""));
    }
    let spellings = || NAMES.iter().flat_map(|(spellings, _)| spellings.iter().copied());
    did_you_mean(name, spellings()).unwrap_or_else(|| {
        format!("fields: {}, config.KEY, summary_metrics.KEY", spellings().collect::<Vec<_>>().join(", "))
    })
}
