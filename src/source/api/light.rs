//! The small questions: who answers, which projects there are, and which runs, by name, state and times only.

use super::ApiSource;
use super::client::Client;
use super::filter::{Pager, Window};
use super::loader;
use super::plan::{self, Slice};
use super::query::{Ask, Queries, Query};
use super::remote::{Listing, Remote};
use super::shards::{Counters, Gathered, Shards};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Run, Timestamp, Wanted};
use futures_util::future::{self, Either};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Instant;

/// Names that the first question asks for. One answer that holds them all is the set of one moment, and no more need be asked.
const ALL: usize = 100_000;
/// Whole runs that are asked for beside the names, on the guess that they have changed.
#[cfg_attr(not(feature = "frame"), allow(dead_code))]
const RECENT: usize = 256;

/// Name, state and times of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LightRun {
    /// The entity.
    pub entity: String,
    /// The project.
    pub project: String,
    /// The server's id; a run that is deleted and made again has another.
    pub id: String,
    /// The unique run name within the project.
    pub name: String,
    /// The last change of anything about the run; `None` if the server does not tell.
    pub updated_at: Option<Timestamp>,
    /// The last sign of life.
    pub heartbeat_at: Option<Timestamp>,
    /// running, finished, …, as W&B says it.
    pub state: Option<String>,
}

/// The runs of a [`ApiSource::light_listing`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LightListing {
    /// The runs, by project and name.
    pub runs: Vec<LightRun>,
    /// True if they are each project's set of runs at one moment.
    pub complete: bool,
    /// Requests that it took.
    pub requests: u64,
    /// Bytes that came, decompressed.
    pub bytes: u64,
}

impl LightListing {
    fn count(&mut self, client: &Client) {
        let get = |tally: &std::sync::atomic::AtomicU64| tally.load(std::sync::atomic::Ordering::Relaxed);
        (self.requests, self.bytes) = (get(&client.tallies.requests), get(&client.tallies.bytes));
    }
}

/// Who answers; `None` is anonymous.
pub(super) async fn viewer(client: &Client) -> Result<Option<String>> {
    let viewer = ask_viewer(client).await?;
    Ok(text_in(&viewer, "username").or_else(|| text_in(&viewer, "entity")))
}

/// The entity that the account's projects belong to where none is named; `None` if it has none, or is anonymous.
pub(super) async fn default_entity(client: &Client) -> Result<Option<String>> {
    Ok(text_in(&ask_viewer(client).await?, "entity"))
}

async fn ask_viewer(client: &Client) -> Result<Value> {
    let queries = Queries::new(Ask::default());
    let mut data = client.ask_value(Query::Viewer.name(), &queries.text(Query::Viewer), &|| json!({})).await?;
    Ok(data.get_mut("viewer").map(Value::take).unwrap_or_default())
}

fn text_in(viewer: &Value, name: &str) -> Option<String> {
    viewer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The projects that the source names, each once.
pub(super) async fn projects(source: &ApiSource, client: &Client) -> Result<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (entity, project) in &source.targets {
        match project {
            Some(project) => found.push((entity.clone(), project.clone())),
            None => found.extend(projects_of(client, entity).await?.into_iter().map(|name| (entity.clone(), name))),
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|target| seen.insert(target.clone()));
    if found.is_empty() {
        return Err(
            Error::new(ErrorKind::NotFound, "no project is named, or there is none").hint("name it as entity/project")
        );
    }
    Ok(found)
}

async fn projects_of(client: &Client, entity: &str) -> Result<Vec<String>> {
    let text = Queries::new(Ask::default()).text(Query::Projects);
    let (mut names, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let variables = || json!({"entity": entity, "first": 200, "after": after});
        let data = client.ask_value(Query::Projects.name(), &text, &variables).await?;
        let edges = data.pointer("/models/edges").and_then(Value::as_array).cloned().unwrap_or_default();
        names.extend(edges.iter().filter_map(|edge| Some(edge.pointer("/node/name")?.as_str()?.to_owned())));
        let more = data.pointer("/models/pageInfo/hasNextPage").and_then(Value::as_bool) == Some(true);
        let next = edges.last().and_then(|edge| edge.get("cursor")?.as_str()).map(str::to_owned);
        if !more || next.is_none() || next == after {
            names.sort_unstable();
            names.dedup();
            return Ok(names);
        }
        after = next;
    }
}

/// When something was last heard from a project's runs: the latest heartbeat and the latest creation.
#[cfg_attr(not(feature = "frame"), allow(dead_code))]
pub(crate) type Heard = HashMap<(String, String), (Option<Timestamp>, Option<Timestamp>)>;

/// [`listing`], and beside it whole runs of a single project that have been heard from since, as far as one page holds them.
///
/// They are a guess at what has changed, which saves asking for them by name: whoever takes one compares it with the listing.
#[cfg_attr(not(feature = "frame"), allow(dead_code))]
pub(super) async fn listing_and_recent(
    source: &ApiSource,
    wanted: Wanted,
    heard: &Heard,
) -> Result<(LightListing, Vec<Run>)> {
    let client = source.client()?;
    let targets = projects(source, &client).await?;
    let guess = async {
        // Over many projects, most of which are at rest, it would cost more requests than it saves.
        let [target] = targets.as_slice() else { return Vec::new() };
        // A server that does not know the filter, or is in trouble, is no reason to fail: the listing tells.
        recent(source, &client, wanted, target, heard).await.unwrap_or_default()
    };
    let began = Instant::now();
    let (listing, guess) = (pin!(listing_of(source, &client, &targets)), pin!(guess));
    let (listing, recent) = match future::select(listing, guess).await {
        // Nobody waits long for a guess.
        Either::Left((listing, guess)) => {
            (listing, tokio::time::timeout(began.elapsed(), guess).await.unwrap_or_default())
        }
        Either::Right((recent, listing)) => (listing.await, recent),
    };
    let mut listing = listing?;
    listing.count(&client);
    Ok((listing, recent))
}

#[cfg_attr(not(feature = "frame"), allow(dead_code))]
async fn recent(
    source: &ApiSource,
    client: &Client,
    wanted: Wanted,
    (entity, project): &(String, String),
    heard: &Heard,
) -> Result<Vec<Run>> {
    let Some(heard) = heard.get(&(entity.clone(), project.clone())) else { return Ok(Vec::new()) };
    let queries = Queries::new(loader::ask(source, wanted));
    let counters = Counters { limits: source.options.limits, ..Counters::default() };
    let keys = &source.projection;
    let remote = Remote {
        client,
        queries: &queries,
        entity: entity.clone(),
        project: project.clone(),
        config_keys: keys.config.as_deref().unwrap_or_default(),
        summary_keys: keys.summary.as_deref().unwrap_or_default(),
    };
    let pager = Pager::new(RECENT, RECENT, usize::MAX);
    let shards = Shards {
        listing: &remote,
        filter: &source.filter,
        pager: &pager,
        light: &pager,
        counters: &counters,
        artifacts: wanted.artifacts,
        concurrency: source.options.concurrency.max(1),
    };
    let page = remote.page(&source.filter.heard_since(heard.0, heard.1), None, &pager).await?;
    let mut found = shards.begin(page).runs;
    if wanted.artifacts {
        shards.complete_artifacts(&mut found).await?;
    }
    Ok(shards.finish(found, entity, project))
}

/// Every run of every project, by name, state and times.
pub(super) async fn listing(source: &ApiSource) -> Result<LightListing> {
    let client = source.client()?;
    let targets = projects(source, &client).await?;
    listing_of(source, &client, &targets).await
}

async fn listing_of(source: &ApiSource, client: &Client, targets: &[(String, String)]) -> Result<LightListing> {
    let queries = Queries::new(Ask::default());
    let pager = Pager::new(ALL, ALL, source.options.page_bytes);
    let counters = Counters::default();
    let mut whole = LightListing { complete: true, ..LightListing::default() };
    for (entity, project) in targets {
        let remote = Remote {
            client,
            queries: &queries,
            entity: entity.clone(),
            project: project.clone(),
            config_keys: &[],
            summary_keys: &[],
        };
        let shards = Shards {
            listing: &remote,
            filter: &source.filter,
            pager: &pager,
            light: &pager,
            counters: &counters,
            artifacts: false,
            concurrency: source.options.concurrency.max(1),
        };
        let (found, complete) = one_project(&remote, &shards, &pager).await?;
        whole.complete &= complete;
        whole.runs.extend(found.runs.into_iter().map(|(id, listed)| LightRun {
            entity: entity.clone(),
            project: project.clone(),
            id,
            name: listed.run.name,
            updated_at: listed.run.updated_at,
            heartbeat_at: listed.run.heartbeat_at,
            state: listed.run.state,
        }));
    }
    whole.runs.sort_by(|a, b| (&a.entity, &a.project, &a.name).cmp(&(&b.entity, &b.project, &b.name)));
    whole.count(client);
    Ok(whole)
}

/// One request where one answer holds them all; windows side by side where not.
async fn one_project(remote: &Remote<'_>, shards: &Shards<'_, Remote<'_>>, pager: &Pager) -> Result<(Gathered, bool)> {
    let all = shards.filter.all();
    let page = remote.names(&all, None, pager).await?;
    let total = page.count.unwrap_or_default();
    let first = shards.begin(page);
    if first.snapshot {
        return Ok((first, true));
    }
    let sample = remote.open(&all, &Pager::new(1, 1, 1)).await?;
    let oldest = sample.runs.first().and_then(|listed| listed.run.created_at);
    let slices = match (oldest, sample.newest) {
        (Some(oldest), Some(newest)) => {
            let span = (oldest.micros(), newest.micros());
            plan::plan(remote, shards.filter, span, total, (pager.size() as u64 * 2 / 3).max(1)).await?
        }
        _ => None,
    };
    let whole = || vec![Slice { window: Window::default(), count: total }];
    shards.light(&slices.unwrap_or_else(whole), first).await
}
