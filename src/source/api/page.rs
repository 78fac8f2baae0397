//! One page of the run listing: bytes to records, in one pass.

#[cfg(any(test, fuzzing))]
#[path = "../../fuzz/pages.rs"]
pub(crate) mod fuzz;

use super::answer::{self, Fault};
use super::artifacts::List;
use super::walk::Walk;
use crate::json::{Event, JsonError};
use crate::record::{Run, Timestamp};
use std::sync::Arc;

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// False if `project` is null: missing, or not visible.
    pub found: bool,
    /// The account that answers, where the query asks for it.
    pub account: Option<String>,
    /// `runCount`: runs that match the filter.
    pub count: Option<u64>,
    /// When the newest run was created, where the query asks for it.
    pub newest: Option<Timestamp>,
    /// The runs, in the server's order.
    pub runs: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// True if the server says that there is a next page.
    pub more: bool,
    /// Bytes of the answer.
    pub bytes: usize,
    /// Run nodes that are null or lack id and name.
    pub null_runs: u64,
    /// Times that do not parse.
    pub bad_times: u64,
    /// Texts that had to be repaired.
    pub repaired: u64,
}

/// A run of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// The storage id, by which runs are told apart.
    pub id: String,
    /// The run; its artifacts are in the lists until both are whole.
    pub run: Run,
    /// Outputs; `None` if not asked for or null.
    pub logged: Option<List>,
    /// Inputs; `None` if not asked for or null.
    pub used: Option<List>,
    /// Why config and summary were not asked for, though they are wanted.
    pub left_out: Option<String>,
}

impl Page {
    /// Reads an answer to `Open`, `Runs` or `Names`.
    pub(super) fn read(body: Vec<u8>) -> Result<Page, Fault> {
        let mut page = Page { bytes: body.len(), ..Page::default() };
        let text = Arc::new(String::from_utf8(body).unwrap_or_else(|error| {
            page.repaired += 1;
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }));
        let (mut refused, mut data) = (false, false);
        let (mut walk, first) = Walk::with_documents(&text)?;
        walk.members(first, &mut |walk, key, value| match key {
            "errors" => walk
                .items(value, &mut |walk, item| {
                    refused = true;
                    walk.skip(item)
                })
                .map(drop),
            "data" => walk.members(value, &mut |walk, key, value| page.top(walk, key, value)).map(|there| data = there),
            _ => walk.skip(value),
        })?;
        walk.end()?;
        page.bad_times += walk.bad_times;
        page.repaired += walk.repaired;
        if refused {
            return Err(answer::refusal(text.as_bytes()));
        }
        if data { Ok(page) } else { Err(Fault::Malformed("no data in it".to_owned())) }
    }

    fn top<'a>(&mut self, walk: &mut Walk<'a>, key: &str, value: Event<'a>) -> Result<(), JsonError> {
        match key {
            "viewer" => walk
                .members(value, &mut |walk, key, value| match key {
                    "username" => walk.text(value).map(|text| self.account = text.or(self.account.take())),
                    "entity" => walk.text(value).map(|text| self.account = self.account.take().or(text)),
                    _ => walk.skip(value),
                })
                .map(drop),
            "project" => walk
                .members(value, &mut |walk, key, value| match key {
                    "runCount" => walk.integer(value).map(|n| self.count = n.and_then(|n| u64::try_from(n).ok())),
                    "newest" => self.newest(walk, value),
                    "runs" => self.runs(walk, value),
                    _ => walk.skip(value),
                })
                .map(|there| self.found = there),
            _ => walk.skip(value),
        }
    }

    fn newest<'a>(&mut self, walk: &mut Walk<'a>, value: Event<'a>) -> Result<(), JsonError> {
        let mut page = Page::default();
        page.runs(walk, value)?;
        self.newest = page.runs.first().and_then(|listed| listed.run.created_at);
        Ok(())
    }

    fn runs<'a>(&mut self, walk: &mut Walk<'a>, value: Event<'a>) -> Result<(), JsonError> {
        let (mut end, mut last) = (None, None);
        walk.members(value, &mut |walk, key, value| match key {
            "pageInfo" => walk
                .members(value, &mut |walk, key, value| match key {
                    "hasNextPage" => walk.flag(value).map(|flag| self.more = flag),
                    "endCursor" => walk.text(value).map(|text| end = text),
                    _ => walk.skip(value),
                })
                .map(drop),
            "edges" => walk.items(value, &mut |walk, edge| self.edge(walk, edge, &mut last)).map(drop),
            _ => walk.skip(value),
        })?;
        // W&B's client goes by the last edge's cursor, and not by endCursor.
        self.next = last.or(end).filter(|_| self.more);
        Ok(())
    }

    fn edge<'a>(&mut self, walk: &mut Walk<'a>, edge: Event<'a>, last: &mut Option<String>) -> Result<(), JsonError> {
        let mut found = None;
        walk.members(edge, &mut |walk, key, value| match key {
            "node" => run(walk, value).map(|run| found = run),
            "cursor" => walk.text(value).map(|text| *last = text),
            _ => walk.skip(value),
        })?;
        match found {
            Some(listed) => self.runs.push(listed),
            None => self.null_runs += 1,
        }
        Ok(())
    }
}

/// Reads a run node; `None` if it is null.
fn run<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<Listed>, JsonError> {
    let mut listed = Listed::default();
    let there = walk.members(first, &mut |walk, key, value| {
        let run = &mut listed.run;
        match key {
            "id" => listed.id = walk.text(value)?.unwrap_or_default(),
            "name" => run.name = walk.text(value)?.unwrap_or_default(),
            "displayName" => run.display_name = walk.text(value)?,
            "state" => run.state = walk.text(value)?,
            "createdAt" => run.created_at = walk.time(value)?,
            "heartbeatAt" => run.heartbeat_at = walk.time(value)?,
            "updatedAt" => run.updated_at = walk.time(value)?,
            "computeSeconds" => run.compute_seconds = walk.number(value)?,
            "jobType" => run.job_type = walk.text(value)?,
            "group" => run.group = walk.text(value)?,
            "sweepName" => run.sweep = walk.text(value)?,
            "notes" => run.notes = walk.text(value)?,
            "host" => run.host = walk.text(value)?,
            "commit" => run.commit = walk.text(value)?,
            "tags" => run.tags = tags(walk, value)?,
            "historyLineCount" => run.history_rows = walk.integer(value)?,
            "user" => user(run, walk, value)?,
            "config" => run.config = walk.document(value, true)?,
            "summaryMetrics" => run.summary = walk.document(value, false)?,
            "logged" => listed.logged = List::read(walk, value)?,
            "used" => listed.used = List::read(walk, value)?,
            _ => walk.skip(value)?,
        }
        Ok(())
    })?;
    if listed.id.is_empty() {
        // A server without ids: names are distinct within a project.
        listed.id.clone_from(&listed.run.name);
    }
    Ok(Some(listed).filter(|listed| there && !listed.id.is_empty()))
}

fn tags<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<Vec<String>>, JsonError> {
    let mut tags = Vec::new();
    let there = walk.items(first, &mut |walk, item| {
        tags.extend(walk.text(item)?);
        Ok(())
    })?;
    Ok(there.then_some(tags))
}

fn user<'a>(run: &mut Run, walk: &mut Walk<'a>, first: Event<'a>) -> Result<(), JsonError> {
    walk.members(first, &mut |walk, key, value| {
        match key {
            "username" => run.user.username = walk.text(value)?,
            "name" => run.user.name = walk.text(value)?,
            "email" => run.user.email = walk.text(value)?,
            _ => walk.skip(value)?,
        }
        Ok(())
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Document;

    const PAGE: &str = r#"{"data":{"viewer":{"username":"u","entity":"e"},"project":{"runCount":3,
        "newest":{"edges":[{"node":{"createdAt":"2024-02-01T00:00:00Z","id":"x"}}]},
        "runs":{"pageInfo":{"hasNextPage":true,"endCursor":"end"},"edges":[
        {"cursor":"c1","node":{"id":"r1","name":"a","displayName":"A \"q\" \ud83d\ude00","state":"finished","createdAt":"2024-01-01T00:00:00",
          "heartbeatAt":null,"updatedAt":"soon","computeSeconds":12.5,"tags":["t",null],"historyLineCount":4,
          "user":{"username":"bob","name":null,"email":null},"config":"{\"lr\": {\"value\": 1e-3}}","summaryMetrics":"",
          "logged":{"edges":[],"totalCount":0,"pageInfo":{"hasNextPage":false,"endCursor":null}},"used":null,"new":[{"x":1}]}},
        {"cursor":"c2","node":null},
        {"cursor":"c3","node":{"id":"r2","name":"b","createdAt":"2024-01-02T00:00:00.5","user":null,"tags":null,"config":null}}]}}}}"#;

    #[test]
    fn a_page_with_nulls() {
        let page = Page::read(PAGE.into()).unwrap();
        assert_eq!((page.found, page.account.as_deref(), page.count), (true, Some("u"), Some(3)));
        assert_eq!((page.next.as_deref(), page.null_runs, page.bad_times), (Some("c3"), 1, 1));
        assert_eq!(page.newest, Timestamp::parse("2024-02-01T00:00:00Z"));
        let [a, b] = page.runs.as_slice() else { panic!("{page:?}") };
        assert_eq!((a.id.as_str(), a.run.display_name.as_deref()), ("r1", Some("A \"q\" 😀")));
        assert_eq!((a.run.updated_at, a.run.compute_seconds), (None, Some(12.5)));
        assert_eq!(a.run.config, Some(Document::wrapped(r#"{"lr": {"value": 1e-3}}"#)));
        assert_eq!((&a.run.summary, &a.run.tags), (&None, &Some(vec!["t".to_owned()])));
        assert!(a.logged.is_some() && a.used.is_none() && b.run.tags.is_none() && b.run.config.is_none());
    }

    #[test]
    fn a_cut_page_is_malformed_and_errors_are_failures() {
        for end in (0..PAGE.len()).filter(|end| PAGE.is_char_boundary(*end)) {
            assert!(matches!(Page::read(PAGE[..end].into()), Err(Fault::Malformed(_))), "{end}");
        }
        let errors = PAGE.replacen("{\"data\"", "{\"errors\":[{\"message\":\"no\"}],\"data\"", 1);
        assert!(matches!(Page::read(errors.into()), Err(Fault::Refused(_))));
        let page = Page::read(br#"{"data":{"project":null}}"#.to_vec()).unwrap();
        assert!(!page.found);
    }
}
