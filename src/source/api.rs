//! Runs from a W&B server, over its GraphQL API.

mod answer;
mod artifacts;
mod asked;
mod base_url;
mod client;
mod filter;
#[cfg(feature = "frame")]
pub(crate) mod history;
mod identity;
mod key;
mod light;
mod loader;
mod netrc;
mod page;
mod plan;
mod prove;
mod query;
mod remote;
mod retry;
mod settings;
mod shards;
mod walk;

#[cfg(any(test, fuzzing))]
pub(crate) use page::fuzz as fuzz_pages;
#[cfg(any(test, fuzzing))]
pub(crate) use settings::fuzz as fuzz_settings;

pub use asked::Asked;
pub(crate) use asked::Listener;
pub use base_url::BaseUrl;
pub use key::ApiKey;
#[cfg(feature = "frame")]
pub(crate) use light::Heard;
pub use light::{LightListing, LightRun};
pub use settings::{Settings, Surroundings};

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Limits, Receipt, Run, Wanted};
use crate::source::{Batch, Progress, Source};
use crate::threads::{into_inner, lock};
use client::Client;
use filter::Filter;
use loader::Out;
use retry::Backoff;
use std::sync::Mutex;
use std::time::Duration;

/// How a server is asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ApiOptions {
    /// Requests under way at once; 8.
    pub concurrency: usize,
    /// How long the whole load may take; no limit.
    pub timeout: Option<Duration>,
    /// The most runs that a page asks for; 1,000. Pages of heavy runs are smaller.
    pub page_size: usize,
    /// Bytes that a page should have; 2 MB.
    pub page_bytes: usize,
    /// How often a request is sent again; 20, as W&B's own client does.
    pub retries: u32,
    /// How much one answer, one run and one file may take.
    pub limits: Limits,
}

impl Default for ApiOptions {
    fn default() -> Self {
        ApiOptions {
            concurrency: 8,
            timeout: None,
            page_size: 1_000,
            page_bytes: 2_000_000,
            retries: 20,
            limits: Limits::default(),
        }
    }
}

/// The top-level keys of config and summary that are wanted; `None` is all of them.
///
/// A server that cannot choose keys sends all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Keys of config.
    pub config: Option<Vec<String>>,
    /// Keys of the summary.
    pub summary: Option<Vec<String>>,
}

/// Projects on a W&B server.
///
/// ```no_run
/// use runframe::{ApiSource, Settings};
///
/// # fn main() -> runframe::Result<()> {
/// let source = ApiSource::new(Settings::find()?).project("my-team", "my-project");
/// for run in source.light_listing()?.runs {
///     println!("{} {}", run.name, run.state.unwrap_or_default());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ApiSource {
    settings: Settings,
    options: ApiOptions,
    /// Entity and project; `None` for all of the entity's.
    targets: Vec<(String, Option<String>)>,
    filter: Filter,
    projection: Projection,
    names: Option<Vec<String>>,
    backoff: Backoff,
    listener: Option<Listener>,
}

impl ApiSource {
    /// A source that names no project yet.
    pub fn new(settings: Settings) -> Self {
        ApiSource {
            settings,
            options: ApiOptions::default(),
            targets: Vec::new(),
            filter: Filter::default(),
            projection: Projection::default(),
            names: None,
            backoff: Backoff::default(),
            listener: None,
        }
    }

    /// The runs in one answer of a server to a query for a project's runs, `{"data": {"project": {"runs": {"edges": …}}}}`, for
    /// answers that were kept. They are in the server's order, and without entity and project.
    ///
    /// # Errors
    /// If it is no JSON, holds no data, or holds errors.
    pub fn runs_in(answer: Vec<u8>) -> Result<Vec<Run>> {
        match page::Page::read(answer) {
            Ok(page) => Ok(page.runs.into_iter().map(|listed| listed.run).collect()),
            Err(fault) => Err(Error::new(ErrorKind::Format, format!("no answer with runs: {}", fault.reason()))
                .hint("it should be a server's whole answer to a GraphQL query for a project's runs")),
        }
    }

    /// Adds a project.
    pub fn project(mut self, entity: impl Into<String>, project: impl Into<String>) -> Self {
        self.targets.push((entity.into(), Some(project.into())));
        self
    }

    /// This project and no other, asked in the same way.
    #[cfg(feature = "frame")]
    pub(crate) fn only(mut self, entity: &str, project: &str) -> Self {
        self.targets = vec![(entity.to_owned(), Some(project.to_owned()))];
        self
    }

    /// Adds all projects of an entity.
    pub fn all_projects(mut self, entity: impl Into<String>) -> Self {
        self.targets.push((entity.into(), None));
        self
    }

    /// Says how the server is asked.
    pub fn options(mut self, options: ApiOptions) -> Self {
        self.options = options;
        self
    }

    /// Has `listener` told of each request, once it is over, on the thread that makes it. It gets to see no key.
    pub fn on_request(mut self, listener: impl Fn(&Asked<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// The same for one who listens elsewhere already.
    #[cfg(feature = "frame")]
    pub(crate) fn listened(mut self, listener: Option<Listener>) -> Self {
        self.listener = listener;
        self
    }

    /// Loads only runs that match a filter in W&B's language: Mongo's JSON, with W&B's field names.
    ///
    /// # Errors
    /// If it is no JSON object, or names a field that the server is known not to have.
    pub fn filter(mut self, json: &str) -> Result<Self> {
        self.filter = Filter::parse(json)?;
        Ok(self)
    }

    /// Loads only these top-level keys of config and summary.
    pub fn projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Loads only the runs of these names ([`crate::Run::name`]), from each project. Names that are not there are no error.
    pub fn only_names(mut self, names: Vec<String>) -> Self {
        self.names = Some(names);
        self
    }

    /// What is loaded, as `entity/project` or `entity/*`.
    #[cfg(feature = "frame")]
    pub(crate) fn targets(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(|(entity, project)| format!("{entity}/{}", project.as_deref().unwrap_or("*")))
    }

    /// How the server is reached.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The account that answers: its name, or `None` if it is anonymous.
    ///
    /// # Errors
    /// If the server cannot be reached or does not take the key.
    pub fn viewer(&self) -> Result<Option<String>> {
        on_own_runtime(async || light::viewer(&self.client()?).await)
    }

    /// The entity of projects that are named without one: that of the settings, else the account's default entity.
    ///
    /// # Errors
    /// If there is none; if the server cannot be reached or does not take the key.
    pub fn default_entity(&self) -> Result<String> {
        if let Some(entity) = &self.settings.entity {
            return Ok(entity.clone());
        }
        let none = |what: &str| Error::new(ErrorKind::NotFound, format!("no entity is named, and {what}"));
        let cure = "write entity/project, or set WANDB_ENTITY";
        if self.settings.is_anonymous() {
            return Err(none("without an API key there is no default one").hint(cure));
        }
        let found = on_own_runtime(async || light::default_entity(&self.client()?).await)?;
        found.ok_or_else(|| none("the account has no default one").hint(cure))
    }

    /// Name, state and times of every run: what there is to know before loading only what changed.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access, or does not have a project.
    pub fn light_listing(&self) -> Result<LightListing> {
        on_own_runtime(async || self.light_listing_async().await)
    }

    /// [`ApiSource::light_listing`], and whole runs that have been heard from since, as a guess at what has changed.
    #[cfg(feature = "frame")]
    pub(crate) fn light_listing_and_recent(
        &self,
        wanted: Wanted,
        heard: &light::Heard,
    ) -> Result<(LightListing, Vec<crate::record::Run>)> {
        on_own_runtime(async || self.within_deadline(light::listing_and_recent(self, wanted, heard)).await)
    }

    /// [`ApiSource::light_listing`] for programs with a Tokio runtime of their own.
    ///
    /// # Errors
    /// As there.
    pub async fn light_listing_async(&self) -> Result<LightListing> {
        self.within_deadline(light::listing(self)).await
    }

    /// [`Source::load`] for programs with a Tokio runtime of their own. `each` runs between requests on the caller's task.
    ///
    /// # Errors
    /// As there.
    pub async fn load_async(
        &self,
        wanted: Wanted,
        each: &(dyn Fn(Batch) -> Result<()> + Sync),
        progress: &Progress,
    ) -> Result<Receipt> {
        self.within_deadline(loader::load(self, wanted, &Out::Here(each), progress)).await
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(timeout) = self.options.timeout else { return work.await };
        tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
            let what = format!("{}: not done within {timeout:?}", self.settings.base_url);
            Err(Error::new(ErrorKind::Network, what).hint("allow more time with --timeout, or load less"))
        })
    }

    /// The same source, of which the deadline began to run so long ago.
    #[cfg_attr(not(feature = "frame"), allow(dead_code))]
    pub(crate) fn after(&self, spent: Duration) -> Self {
        let mut source = self.clone();
        source.options.timeout =
            self.options.timeout.map(|time| time.saturating_sub(spent).max(Duration::from_millis(1)));
        source
    }

    fn client(&self) -> Result<Client> {
        let ApiOptions { concurrency, retries, limits, .. } = self.options;
        let client = Client::new(self.settings.clone(), concurrency.max(1), retries, self.backoff, limits)?;
        Ok(client.told_to(self.listener.clone()))
    }

    #[cfg(test)]
    fn hasty(mut self) -> Self {
        self.backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(4), jitter: || 0.0 };
        self
    }
}

impl Source for ApiSource {
    /// Asks on a thread of its own; batches are handed over on others while the next pages are on their way.
    fn load(
        &self,
        wanted: Wanted,
        each: &(dyn Fn(Batch) -> Result<()> + Sync),
        progress: &Progress,
    ) -> Result<Receipt> {
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).clamp(1, 16);
        let (sender, receiver) = tokio::sync::mpsc::channel::<Batch>(2);
        let (receiver, failed) = (Mutex::new(receiver), Mutex::new(None));
        let work = || {
            loop {
                let next = lock(&receiver).blocking_recv();
                let Some(batch) = next else { return };
                if let Err(error) = each(batch) {
                    lock(&failed).get_or_insert(error);
                    return lock(&receiver).close();
                }
            }
        };
        let receipt = std::thread::scope(|scope| {
            (0..workers).for_each(|_| drop(scope.spawn(work)));
            on_own_runtime(async || {
                let out = Out::There(sender);
                self.within_deadline(loader::load(self, wanted, &out, progress)).await
            })
        });
        match into_inner(failed) {
            Some(error) => Err(error),
            None => receipt,
        }
    }
}

/// Runs `work` to its end, also where the caller is inside a runtime, which may not block.
fn on_own_runtime<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = |what: String| Error::new(ErrorKind::Io, what);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(threads).build();
            runtime.map_err(|error| failed(format!("no runtime for network requests: {error}")))?.block_on(work())
        });
        thread.join().unwrap_or_else(|_| Err(failed("the thread for network requests died".to_owned())))
    })
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
