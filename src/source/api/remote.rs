//! A project on a server, as the loader sees it: counts, pages, names, follow-ups.

use super::answer::{self, Fault};
use super::artifacts::List;
use super::client::{Call, Client, Failure, is_too_large};
use super::filter::Pager;
use super::page::Page;
use super::query::{Queries, Query};
use super::walk::Walk;
use crate::error::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often many runs are asked for again, before they are asked for in parts.
#[cfg(feature = "frame")]
const PATIENCE: u32 = 1;
/// Runs that a page may ask for anywhere.
const USUAL: usize = 1_000;

/// What the loader asks of a project. Each answer is one moment of the server.
pub(super) trait Listing: Sync {
    /// Runs that match each of these filters.
    fn counts(&self, filters: Vec<String>) -> impl Future<Output = Result<Vec<u64>>> + Send;
    /// A page of whole runs, oldest first.
    fn page(&self, filter: &str, after: Option<&str>, pager: &Pager) -> impl Future<Output = Result<Page>> + Send;
    /// A page of names, oldest first.
    fn names(&self, filter: &str, after: Option<&str>, pager: &Pager) -> impl Future<Output = Result<Page>> + Send;
    /// The next page of some artifact lists; `None` where the run is gone.
    fn more_artifacts(&self, wanted: &[More]) -> impl Future<Output = Result<Vec<Option<List>>>> + Send;
}

/// A run with more artifacts than its page held.
#[derive(Debug, Clone)]
pub(super) struct More {
    pub run: String,
    /// Inputs rather than outputs.
    pub used: bool,
    pub after: String,
}

/// A project on a server.
#[derive(Clone)]
pub(super) struct Remote<'a> {
    pub client: &'a Client,
    pub queries: &'a Queries,
    pub entity: String,
    pub project: String,
    pub config_keys: &'a [String],
    pub summary_keys: &'a [String],
}

impl Remote<'_> {
    /// The first page, the newest run's time and the account, in one request.
    pub(super) async fn open(&self, filter: &str, pager: &Pager) -> Result<Page> {
        self.listing(Query::Open, filter, None, pager).await
    }

    async fn listing(&self, query: Query, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        let asked = AtomicUsize::new(0);
        let variables = || {
            let first = pager.size();
            asked.store(first, Ordering::Relaxed);
            let mut variables = self.place();
            variables["filters"] = filter.into();
            variables["first"] = first.into();
            if query != Query::Open {
                variables["after"] = after.into();
            }
            variables
        };
        let lighten = |sure| pager.lighten(asked.load(Ordering::Relaxed), sure);
        let ask = || self.ask(query, |queries| queries.text(query), &variables, &lighten, Page::read);
        let page = match ask().await {
            // A server may refuse large pages rather than cut them; its users are known to ask for a thousand.
            Err(error) if error.kind() == ErrorKind::Usage && asked.load(Ordering::Relaxed) > USUAL => {
                pager.lighten(2 * USUAL, true);
                ask().await?
            }
            Err(error) if is_too_large(&error) => return self.bare(query, filter, after, error).await,
            answer => answer?,
        };
        pager.note(asked.load(Ordering::Relaxed), page.runs.len(), page.bytes, page.more);
        if page.found { Ok(page) } else { Err(self.missing(query != Query::Open || page.account.is_some())) }
    }

    /// The run whose config and summary are more than one answer may be, without them.
    async fn bare(&self, query: Query, filter: &str, after: Option<&str>, error: Error) -> Result<Page> {
        let Some(queries) = self.queries.bare() else { return Err(error) };
        let remote = Remote { queries: &queries, ..self.clone() };
        let pager = Pager::new(1, 1, 1);
        let mut page = Box::pin(remote.listing(query, filter, after, &pager)).await?;
        let reason = format!("more than --max-answer-bytes {}", self.client.limits().answer_bytes);
        page.runs.iter_mut().for_each(|listed| listed.left_out = Some(reason.clone()));
        Ok(page)
    }

    /// As [`Remote::ask`], of several runs; `None` if they may be too many for one request.
    #[cfg(feature = "frame")]
    pub(super) async fn ask_in_parts<T, D>(
        &self,
        query: Query,
        text: impl Fn(&Queries) -> String,
        variables: &(dyn Fn() -> Value + Sync),
        runs: usize,
        decode: D,
    ) -> Result<Option<T>>
    where
        T: Send + 'static,
        D: Fn(Vec<u8>) -> Result<T, Fault> + Clone + Send + 'static,
    {
        let patience = (runs > 1).then_some(PATIENCE);
        match self.ask_patiently(query, text, variables, &|_| false, patience, decode).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if runs > 1 && failure.is_heavy() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Asks, and asks again without the fields that the server turns out to lack.
    pub(super) async fn ask<T, D>(
        &self,
        query: Query,
        text: impl Fn(&Queries) -> String,
        variables: &(dyn Fn() -> Value + Sync),
        lighten: &(dyn Fn(bool) -> bool + Sync),
        decode: D,
    ) -> Result<T>
    where
        T: Send + 'static,
        D: Fn(Vec<u8>) -> Result<T, Fault> + Clone + Send + 'static,
    {
        Ok(self.ask_patiently(query, text, variables, lighten, None, decode).await?)
    }

    async fn ask_patiently<T, D>(
        &self,
        query: Query,
        text: impl Fn(&Queries) -> String,
        variables: &(dyn Fn() -> Value + Sync),
        lighten: &(dyn Fn(bool) -> bool + Sync),
        patience: Option<u32>,
        decode: D,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        D: Fn(Vec<u8>) -> Result<T, Fault> + Clone + Send + 'static,
    {
        loop {
            let sent = text(self.queries);
            // A variable that the text does not declare would be refused.
            let declared = || {
                let mut values = variables();
                for (name, keys) in [("configKeys", self.config_keys), ("summaryKeys", self.summary_keys)] {
                    if sent.contains(&format!("${name}:")) {
                        values[name] = json!(keys);
                    }
                }
                values
            };
            let call = Call { name: query.name(), query: &sent, variables: &declared, lighten, patience };
            match self.client.ask(call, decode.clone()).await {
                Ok(answer) => return Ok(answer),
                // Another request may have learnt the same meanwhile.
                Err(failure) if self.queries.learn(&failure.complaints) || text(self.queries) != sent => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn value(&self, query: Query, times: usize, variables: &(dyn Fn() -> Value + Sync)) -> Result<Value> {
        let text = |queries: &Queries| queries.repeated(query, times);
        let mut data = self.ask(query, text, variables, &|_| false, |body| answer::data(&body)).await?;
        match data.get_mut("project").map(Value::take) {
            Some(project @ Value::Object(_)) => Ok(project),
            _ => Err(self.missing(true)),
        }
    }

    /// `entity/project`.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.entity, self.project)
    }

    pub(super) fn place(&self) -> Value {
        json!({"entity": self.entity, "project": self.project})
    }

    /// `project: null` has three causes that the server does not tell apart.
    pub(super) fn missing(&self, known: bool) -> Error {
        let path = format!("{}/{}", self.entity, self.project);
        let settings = self.client.settings();
        let what = "does not exist, is private, or this account may not see it";
        let error = Error::new(ErrorKind::NotFound, format!("{}: {path} {what}", settings.base_url));
        match (settings.is_anonymous(), known) {
            (true, _) => error.hint("no API key was found: set WANDB_API_KEY or log in with `wandb login`"),
            (false, false) => {
                let what = if settings.identity.is_some() { "access token" } else { "API key" };
                Error::new(ErrorKind::Auth, format!("{}: the {what} is not recognised", settings.base_url))
                    .hint(self.client.whose_key())
            }
            (false, true) => error.hint(self.client.whose_key()),
        }
    }
}

impl Listing for Remote<'_> {
    async fn counts(&self, filters: Vec<String>) -> Result<Vec<u64>> {
        let variables = || {
            let mut variables = self.place();
            filters
                .iter()
                .enumerate()
                .for_each(|(at, filter)| variables[format!("filters_{at}")] = filter.as_str().into());
            variables
        };
        let project = self.value(Query::Counts, filters.len(), &variables).await?;
        let count = |at: usize| {
            project.get(format!("c_{at}")).and_then(Value::as_u64).ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, format!("{}: no runCount", self.client.settings().base_url))
            })
        };
        (0..filters.len()).map(count).collect()
    }

    async fn page(&self, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        self.listing(Query::Runs, filter, after, pager).await
    }

    async fn names(&self, filter: &str, after: Option<&str>, pager: &Pager) -> Result<Page> {
        self.listing(Query::Names, filter, after, pager).await
    }

    async fn more_artifacts(&self, wanted: &[More]) -> Result<Vec<Option<List>>> {
        let variables = || {
            let mut variables = self.place();
            for (at, more) in wanted.iter().enumerate() {
                variables[format!("run_{at}")] = more.run.as_str().into();
                variables[format!("after_{at}")] = more.after.as_str().into();
            }
            variables
        };
        let text = |queries: &Queries| {
            // The file asks for outputs; the inputs' connection has the same form.
            let text = queries.repeated(Query::MoreArtifacts, wanted.len());
            let mut used = wanted.iter().map(|more| more.used);
            let mut out = String::with_capacity(text.len());
            for (at, piece) in text.split("outputArtifacts").enumerate() {
                if at > 0 {
                    out.push_str(if used.next() == Some(true) { "inputArtifacts" } else { "outputArtifacts" });
                }
                out.push_str(piece);
            }
            out
        };
        let count = wanted.len();
        self.ask(Query::MoreArtifacts, text, &variables, &|_| false, move |body| lists(&body, count)).await
    }
}

/// Reads an answer to `MoreArtifacts`.
fn lists(body: &[u8], count: usize) -> Result<Vec<Option<List>>, Fault> {
    let text = String::from_utf8_lossy(body);
    let mut found: Vec<Option<List>> = Vec::new();
    found.resize_with(count, || None);
    let (mut refused, mut data) = (false, false);
    let (mut walk, first) = Walk::new(&text)?;
    walk.members(first, &mut |walk, key, value| match key {
        "errors" => walk
            .items(value, &mut |walk, item| {
                refused = true;
                walk.skip(item)
            })
            .map(drop),
        "data" => walk
            .members(value, &mut |walk, _, value| {
                data = true;
                let project = walk.members(value, &mut |walk, key, value| {
                    let place = key.strip_prefix("r_").and_then(|at| at.parse::<usize>().ok());
                    let mut list = None;
                    walk.members(value, &mut |walk, key, value| match key {
                        "list" => List::read(walk, value).map(|read| list = read),
                        _ => walk.skip(value),
                    })?;
                    if let Some(place) = place.and_then(|at| found.get_mut(at)) {
                        *place = list;
                    }
                    Ok(())
                });
                project.map(drop)
            })
            .map(drop),
        _ => walk.skip(value),
    })?;
    walk.end()?;
    match (refused, data) {
        (true, _) => Err(Fault::Refused(answer::complaints_of(body))),
        (false, true) => Ok(found),
        (false, false) => Err(Fault::Malformed("no data in it".to_owned())),
    }
}
