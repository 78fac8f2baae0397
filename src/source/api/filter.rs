//! Filters as the server reads them (Mongo's JSON in a string), windows of creation time, and the size of pages.

use crate::error::{Error, ErrorKind, Result};
use crate::record::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What runs the caller wants of a project; windows and names are added to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter(Option<Value>);

impl Filter {
    /// Reads a filter in W&B's language.
    ///
    /// # Errors
    /// If it is no JSON object, or names `summary.`, which the server does not know.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = |what: String| Error::new(ErrorKind::Usage, format!("the filter {what}"));
        let value: Value = serde_json::from_str(text).map_err(|e| bad(format!("is no JSON: {e}")))?;
        let Value::Object(members) = &value else {
            return Err(bad("is no JSON object".to_owned()).hint(r#"write it like {"state": "finished"}"#));
        };
        if let Some(key) = wrong_key(&value) {
            let right = key.replacen("summary.", "summary_metrics.", 1);
            return Err(bad(format!("names {key}, which the server does not know")).hint(format!("write {right}")));
        }
        Ok(Filter((!members.is_empty()).then_some(value)))
    }

    /// All runs that are wanted.
    pub(super) fn all(&self) -> String {
        self.0.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string)
    }

    /// Those created in a window.
    pub(super) fn window(&self, window: Window) -> String {
        let bound = |op: &str, at: i64| json!({"created_at": {op: Timestamp::from_micros(at).to_string()}});
        let from = window.from.map(|at| bound("$gte", at));
        let to = window.to.map(|at| bound("$lt", at));
        self.and(from.into_iter().chain(to).collect())
    }

    /// Those with these names.
    pub(super) fn names(&self, names: &[String]) -> String {
        self.and(vec![json!({"name": {"$in": names}})])
    }

    /// Those that were created or gave a sign of life later than this.
    #[cfg_attr(not(feature = "frame"), allow(dead_code))]
    pub(super) fn heard_since(&self, heartbeat: Option<Timestamp>, created: Option<Timestamp>) -> String {
        let later = |field: &str, at: Timestamp| json!({field: {"$gt": at.to_string()}});
        let heartbeat = heartbeat.map(|at| later("heartbeat_at", at));
        let terms: Vec<Value> = heartbeat.into_iter().chain(created.map(|at| later("created_at", at))).collect();
        self.and(if terms.is_empty() { terms } else { vec![json!({"$or": terms})] })
    }

    fn and(&self, more: Vec<Value>) -> String {
        let mut terms: Vec<Value> = self.0.iter().cloned().chain(more).collect();
        match terms.len() {
            0 => "{}".to_owned(),
            1 => terms.remove(0).to_string(),
            _ => json!({"$and": terms}).to_string(),
        }
    }
}

/// A key that the server would answer with HTTP 400.
fn wrong_key(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| match key {
            key if key.starts_with("summary.") => Some(key.as_str()),
            key if key.starts_with('$') => wrong_key(value),
            _ => None,
        }),
        Value::Array(items) => items.iter().find_map(wrong_key),
        _ => None,
    }
}

/// Runs created at `from` or later and before `to`, in microseconds; open where `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Window {
    /// Both windows, which touch, as one.
    pub(super) fn join(self, next: Window) -> Window {
        Window { from: self.from, to: next.to }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bound = |at: Option<i64>| at.map(|at| Timestamp::from_micros(at).to_string()).unwrap_or_default();
        write!(f, "{}..{}", bound(self.from), bound(self.to))
    }
}

/// How many runs to ask for: as many as the bytes of the pages before allow, and fewer after trouble.
#[derive(Debug)]
pub(super) struct Pager {
    /// The most that is asked for.
    largest: usize,
    /// Bytes that a page should have.
    bytes: usize,
    /// Bytes of a run, measured; 0 before the first page.
    weight: AtomicUsize,
    /// What the server could bear so far.
    limit: AtomicUsize,
    /// Up to here the limit doubles again after trouble that may have had another cause; 0 if there was none.
    suspected: AtomicUsize,
    /// Asked for before anything is known.
    first: usize,
}

impl Pager {
    /// Pages of about `bytes`, and never more than `largest` runs.
    pub(super) fn new(first: usize, largest: usize, bytes: usize) -> Self {
        let largest = largest.max(1);
        let limit = AtomicUsize::new(largest);
        let first = first.min(largest);
        Pager { largest, bytes, weight: AtomicUsize::new(0), limit, suspected: AtomicUsize::new(0), first }
    }

    /// Runs to ask for now.
    pub(super) fn size(&self) -> usize {
        self.wish().min(self.limit.load(Ordering::Relaxed)).max(1)
    }

    /// Runs that a page should have where there is no trouble.
    pub(super) fn wish(&self) -> usize {
        let wish = match self.weight.load(Ordering::Relaxed) {
            0 => self.first,
            weight => self.bytes / weight,
        };
        wish.clamp(1, self.largest)
    }

    /// Takes in an answer of `runs` runs to a question for `asked`.
    pub(super) fn note(&self, asked: usize, runs: usize, bytes: usize, more: bool) {
        if runs == 0 {
            return;
        }
        // The heaviest of late counts most, so that one light page does not open the gates.
        let weight = (bytes / runs).max(1);
        let before = self.weight.load(Ordering::Relaxed);
        let now = if weight > before { weight } else { (before * 3 + weight) / 4 };
        self.weight.store(now.max(1), Ordering::Relaxed);
        if more && runs < asked {
            // The server has a cap of its own.
            self.limit.fetch_min(runs, Ordering::Relaxed);
        } else {
            let limit = self.limit.load(Ordering::Relaxed);
            let suspected = self.suspected.load(Ordering::Relaxed);
            let next = if limit < suspected { (limit * 2).min(suspected) } else { limit + limit / 8 + 1 };
            self.limit.store(next.min(self.largest), Ordering::Relaxed);
        }
    }

    /// A question for `asked` runs was too much, for sure or perhaps. False if it cannot be less.
    pub(super) fn lighten(&self, asked: usize, sure: bool) -> bool {
        let half = (asked / 2).max(1);
        if sure {
            self.suspected.store(0, Ordering::Relaxed);
        } else {
            self.suspected.fetch_max(half, Ordering::Relaxed);
        }
        self.limit.fetch_min(half, Ordering::Relaxed);
        asked > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_names_are_added_to_the_filter() {
        let window = Window { from: Some(0), to: Some(1_500_000) };
        let plain = Filter::default();
        assert_eq!(plain.all(), "{}");
        assert_eq!(
            plain.window(window),
            r#"{"$and":[{"created_at":{"$gte":"1970-01-01T00:00:00Z"}},{"created_at":{"$lt":"1970-01-01T00:00:01.500Z"}}]}"#
        );
        let filter = Filter::parse(r#"{"state": "finished"}"#).unwrap();
        assert_eq!(filter.names(&["a".to_owned()]), r#"{"$and":[{"state":"finished"},{"name":{"$in":["a"]}}]}"#);
        assert_eq!(filter.window(Window::default()), r#"{"state":"finished"}"#);
    }

    #[test]
    fn wrong_filters_are_refused_here() {
        for text in ["", "[]", "{", r#"{"summary.loss": 1}"#, r#"{"$and":[{"summary.x":{"$gt":1}}]}"#] {
            assert_eq!(Filter::parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text}");
        }
        assert!(Filter::parse(r#"{"config.summary.x": 1}"#).is_ok());
    }

    #[test]
    fn a_server_that_was_only_busy_is_soon_asked_for_full_pages_again() {
        let pager = Pager::new(64, 64, usize::MAX);
        for asked in [64, 32, 16, 8] {
            assert!(pager.lighten(asked, false));
        }
        let mut sizes = vec![pager.size()];
        for _ in 0..4 {
            pager.note(sizes[sizes.len() - 1], 1, 1, false);
            sizes.push(pager.size());
        }
        assert_eq!(sizes, [4, 8, 16, 32, 37]);
    }

    #[test]
    fn pages_follow_weight_trouble_and_caps() {
        let pager = Pager::new(100, 1_000, 4_000_000);
        assert_eq!(pager.size(), 100);
        pager.note(100, 100, 1_000_000, true);
        assert_eq!(pager.size(), 400);
        assert!(pager.lighten(400, true) && pager.lighten(400, true));
        assert_eq!(pager.size(), 200);
        pager.note(200, 50, 500_000, true);
        assert_eq!(pager.size(), 50);
        pager.note(50, 1, 9_000_000, false);
        assert_eq!(pager.size(), 1);
        assert!(!pager.lighten(1, true));
        assert_eq!(pager.size(), 1);
    }
}
