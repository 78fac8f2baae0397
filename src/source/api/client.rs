//! One GraphQL question to one server: the key to that host only, retries, limits, deadlines, and what it all cost.

use super::answer::{self, Complaint, Fault};
use super::asked::{Asked, Listener, Seen};
use super::identity::{self, Identity, Trouble};
use super::key::ApiKey;
use super::retry::{self, Backoff, Limits, Pace};
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result, lack};
use crate::record::Limits as Bounds;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Bodies up to here are read on the spot; larger ones on another thread.
const SMALL: usize = 64 << 10;
/// Bytes of an answer that is no success, or that should be short, which are read.
const SHORT: u64 = 4 << 20;
/// Retries of a server that never answered at all: more likely the name is wrong than the network busy.
const RETRIES_OF_STRANGERS: u32 = 3;

/// A connection to one server.
pub(super) struct Client {
    http: reqwest::Client,
    settings: Settings,
    identity: Option<Identity>,
    permits: Semaphore,
    pace: Pace,
    backoff: Backoff,
    retries: u32,
    limits: Bounds,
    listener: Option<Listener>,
    /// What it all cost so far.
    pub tallies: Tallies,
}

/// The cause of an error: the answer is larger than the limit, and cannot be asked for in smaller parts.
#[derive(Debug)]
struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an answer over the limit")
    }
}

impl std::error::Error for TooLarge {}

/// True if an answer was larger than the limit, however little was asked for.
pub(super) fn is_too_large(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<TooLarge>())
}

/// What a client's requests cost.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Requests sent, retries included.
    pub requests: AtomicU64,
    /// Bytes of answers, decompressed.
    pub bytes: AtomicU64,
    /// Requests sent again.
    pub retries: AtomicU64,
    /// Microseconds that requests waited: for a server's limits, or before a retry.
    pub waited: AtomicU64,
    /// Requests that were answered.
    answered: AtomicU64,
}

/// A question, as it is asked at each attempt.
pub(super) struct Call<'a> {
    /// The operation's name.
    pub name: &'static str,
    /// The GraphQL text.
    pub query: &'a str,
    /// The variables of the next attempt.
    pub variables: &'a (dyn Fn() -> Value + Sync),
    /// Makes the next attempt ask for less, since the last was too much for sure or perhaps; false if it cannot.
    pub lighten: &'a (dyn Fn(bool) -> bool + Sync),
    /// The caller asks in parts what is too much, so that it is asked again for this often at most, and not at all if that is sure.
    pub patience: Option<u32>,
}

/// Why a question has no answer.
pub(super) struct Failure {
    /// What the user is told.
    pub error: Error,
    /// What the server said.
    pub complaints: Vec<Complaint>,
    /// Asking again may help.
    retry: bool,
    /// Asking for less may help.
    heavy: Heavy,
    /// The wait that the server asked for.
    wait: Option<Duration>,
}

/// Whether a question was too much for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heavy {
    No,
    /// A 5xx has many causes.
    Perhaps,
    Sure,
}

#[cfg(feature = "frame")]
impl Failure {
    /// True if the question may have been too much.
    pub(super) fn is_heavy(&self) -> bool {
        self.heavy != Heavy::No
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Client {
    /// A client for the server in `settings`.
    ///
    /// # Errors
    /// If the system's certificates cannot be used.
    pub(super) fn new(
        settings: Settings,
        concurrency: usize,
        retries: u32,
        backoff: Backoff,
        limits: Bounds,
    ) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        // Another part of the program may have chosen one before; then that one serves.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("runframe/", env!("CARGO_PKG_VERSION")))
            // A redirect could lead the key to another host; none is followed.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(concurrency)
            .tcp_nodelay(true)
            .connect_timeout(settings.attempt_timeout.min(Duration::from_secs(10)))
            .timeout(settings.attempt_timeout);
        if settings.base_url.is_loopback() {
            http = http.no_proxy();
            if settings.base_url.as_str().starts_with("http:") {
                // No certificates are needed, and a bare container may have none.
                http = http.tls_certs_only([]);
            }
        }
        let http = http.build().map_err(|error| {
            Error::new(ErrorKind::Network, format!("no secure connections are possible here: {}", chain(&error)))
                .hint("are the system's certificates (ca-certificates) installed?")
        })?;
        let permits = Semaphore::new(concurrency.max(1));
        let identity = settings.identity.clone().map(Identity::new);
        Ok(Client {
            http,
            settings,
            identity,
            permits,
            pace: Pace::default(),
            backoff,
            retries,
            limits,
            listener: None,
            tallies: Tallies::default(),
        })
    }

    /// The client, of whose requests somebody is told.
    pub(super) fn told_to(self, listener: Option<Listener>) -> Self {
        Client { listener, ..self }
    }

    /// Tells of an attempt that is over; of one that was not sent there is nothing to tell.
    pub(super) fn tell(&self, what: &str, place: &str, seen: &Seen, trouble: Option<&Error>) {
        let (Some(listener), Some(sent)) = (&self.listener, seen.sent) else { return };
        let (status, bytes, time) = (seen.status, seen.bytes, sent.elapsed());
        listener.tell(&Asked { what, place, status, bytes, time, trouble: trouble.map(Error::message) });
    }

    /// How much one answer, and one part of a file, may have.
    pub(super) fn limits(&self) -> Bounds {
        self.limits
    }

    /// The server and how it is reached.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Waits before another attempt after `failures` that came before it, and counts the attempt; false if there were too many.
    #[cfg(feature = "frame")]
    pub(super) async fn try_again(&self, failures: u32, most: u32) -> bool {
        if failures >= most.min(self.retries) {
            return false;
        }
        self.tallies.retries.fetch_add(1, Ordering::Relaxed);
        self.wait(self.backoff.wait(failures)).await;
        true
    }

    /// Asks until there is an answer that `decode` can read, or no hope of one.
    pub(super) async fn ask<T, D>(&self, call: Call<'_>, decode: D) -> Result<T, Failure>
    where
        T: Send + 'static,
        D: Fn(Vec<u8>) -> Result<T, Fault> + Clone + Send + 'static,
    {
        let mut failures = 0;
        loop {
            self.wait(self.pace.turn(Instant::now())).await;
            let mut seen = Seen::default();
            let attempt = self.attempt(&call, decode.clone(), &mut seen).await;
            let trouble = attempt.as_ref().err().map(|failure| &failure.error);
            self.tell(call.name, self.settings.base_url.as_str(), &seen, trouble);
            let failure = match attempt {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let lighter = failure.heavy != Heavy::No && (call.lighten)(failure.heavy == Heavy::Sure);
            let known = self.tallies.answered.load(Ordering::Relaxed) > 0;
            let limit = if known { self.retries } else { self.retries.min(RETRIES_OF_STRANGERS) };
            let limit = if failure.wait.is_some() { self.retries } else { limit };
            let limit = match (failure.heavy, call.patience) {
                (Heavy::Perhaps, Some(patience)) => limit.min(patience),
                (Heavy::Sure, Some(_)) => 0,
                _ => limit,
            };
            if !(failure.retry || lighter) || failures >= limit {
                return Err(given_up(failure, failures));
            }
            self.tallies.retries.fetch_add(1, Ordering::Relaxed);
            match failure.wait {
                Some(wait) => self.pace.close_for(wait, Instant::now()),
                None if !failure.retry => {}
                None => self.wait(self.backoff.wait(failures)).await,
            }
            failures += 1;
        }
    }

    /// Asks for something small.
    pub(super) async fn ask_value(
        &self,
        name: &'static str,
        query: &str,
        variables: &(dyn Fn() -> Value + Sync),
    ) -> Result<Value, Failure> {
        let call = Call { name, query, variables, lighten: &|_| false, patience: None };
        self.ask(call, |body: Vec<u8>| answer::data(&body)).await
    }

    async fn wait(&self, wait: Duration) {
        if !wait.is_zero() {
            self.tallies.waited.fetch_add(wait.as_micros() as u64, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt<T, D>(&self, call: &Call<'_>, decode: D, seen: &mut Seen) -> Result<T, Failure>
    where
        T: Send + 'static,
        D: Fn(Vec<u8>) -> Result<T, Fault> + Clone + Send + 'static,
    {
        // Closed only when dropped; then there is nobody left to ask.
        let permit = self.permits.acquire().await;
        let bearer = match &self.identity {
            Some(identity) => Some(self.access(identity).await?),
            None => None,
        };
        let body = json!({"operationName": call.name, "query": call.query, "variables": (call.variables)()});
        self.tallies.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = self.http.post(self.settings.base_url.graphql()).header(CONTENT_TYPE, "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token.reveal());
        } else if let Some(key) = &self.settings.key {
            request = request.basic_auth("api", Some(key.reveal()));
        }
        seen.sent = Some(Instant::now());
        let answer = request.body(body.to_string()).send().await.map_err(|error| self.transport(&error))?;
        seen.status = Some(answer.status().as_u16());
        let (status, limits) = (answer.status(), Limits::of(answer.headers()));
        self.pace.note(limits, Instant::now());
        let location = answer.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
        let body = self.body(call.name, answer, seen).await?;
        // The server is done; while this answer is read the next one may be asked for.
        drop(permit);
        self.tallies.answered.fetch_add(1, Ordering::Relaxed);
        if status != StatusCode::OK {
            return Err(self.refusal(status, limits, location.as_deref(), &body));
        }
        let read = if body.len() <= SMALL {
            decode(body)
        } else {
            let work = tokio::task::spawn_blocking(move || decode(body));
            work.await.unwrap_or_else(|_| Err(Fault::Malformed("reading it failed".to_owned())))
        };
        read.map_err(|fault| self.fault(fault))
    }

    /// An access token for the identity token.
    async fn access(&self, identity: &Identity) -> Result<ApiKey, Failure> {
        let failure = |what: &str, retry: bool| {
            let kind = if retry { ErrorKind::Network } else { ErrorKind::Auth };
            let error = self.error(kind, &format!("no access token: {what}")).hint(self.whose_key());
            Failure { error, complaints: Vec::new(), retry, heavy: Heavy::No, wait: None }
        };
        identity.access(&self.http, &self.settings.base_url).await.map_err(|trouble| match trouble {
            Trouble::File(why) => failure(&format!("the identity token's file is not used: {why}"), false),
            Trouble::Transport(error) => Failure { heavy: Heavy::No, ..self.transport(&error) },
            Trouble::Refused(status, body) => {
                let said = identity::said(&body);
                let again = retry::worth_retrying(status.as_u16());
                failure(&format!("the identity token is not accepted (HTTP {}{said})", status.as_u16()), again)
            }
            Trouble::Malformed => failure("the answer holds none", true),
        })
    }

    /// The body, decompressed as it comes, as far as the limit. Of an answer that is no success the beginning is enough.
    async fn body(&self, name: &str, mut answer: reqwest::Response, seen: &mut Seen) -> Result<Vec<u8>, Failure> {
        let success = answer.status() == StatusCode::OK;
        let most = if success { self.limits.answer_bytes } else { SHORT };
        let length = answer.content_length().unwrap_or_default().min(16 << 20);
        let mut body = Vec::with_capacity(length as usize);
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.transport(&error))? {
            self.tallies.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            seen.bytes += chunk.len() as u64;
            if (body.len() + chunk.len()) as u64 <= most {
                body.extend_from_slice(&chunk);
            } else if success {
                return Err(self.too_large(name));
            } else {
                break;
            }
        }
        Ok(body)
    }

    fn too_large(&self, name: &str) -> Failure {
        // It is no stranger that sends so much.
        self.tallies.answered.fetch_add(1, Ordering::Relaxed);
        let what = format!("the answer to {name} has more than {} bytes", self.limits.answer_bytes);
        let error = self.error(ErrorKind::Network, &what).source(TooLarge);
        let error = error.hint("raise --max-answer-bytes if the server is to be trusted");
        Failure { error, complaints: Vec::new(), retry: false, heavy: Heavy::Sure, wait: None }
    }

    /// An error that names the server and, whatever the server echoes, not the key.
    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{}: {}", self.settings.base_url, self.hidden(what)))
    }

    /// What a server said, without the key.
    fn hidden(&self, said: &str) -> String {
        let said = self.settings.key.as_ref().map_or_else(|| said.to_owned(), |key| key.hide_in(said, "[key]"));
        self.identity.as_ref().map_or(said.clone(), |identity| identity.redact(&said))
    }

    fn hide_in(&self, complaints: Vec<Complaint>) -> Vec<Complaint> {
        let hide = |text: Option<String>| text.map(|text| self.hidden(&text));
        let one =
            |c: Complaint| Complaint { message: self.hidden(&c.message), code: hide(c.code), denied: hide(c.denied) };
        complaints.into_iter().map(one).collect()
    }

    /// No answer at all.
    fn transport(&self, error: &reqwest::Error) -> Failure {
        let lacking = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).find_map(lack);
        if let Some(cure) = lacking {
            // Not the network's fault, and asking again does not help.
            let error = self.error(ErrorKind::Io, &chain(error)).hint(cure);
            return Failure { error, complaints: Vec::new(), retry: false, heavy: Heavy::No, wait: None };
        }
        let tls = causes(error).any(|cause| {
            let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
        });
        let what = match error {
            e if tls => format!("no secure connection: {}", chain(e)),
            e if e.is_timeout() => format!("no answer within {:?}", self.settings.attempt_timeout),
            e if e.is_connect() => format!("cannot be reached: {}", chain(e)),
            e => format!("the connection broke: {}", chain(e)),
        };
        let mut told = self.error(ErrorKind::Network, &what);
        if tls {
            told = told.hint("is its certificate authority among the system's, or in SSL_CERT_FILE?");
        } else if error.is_connect() {
            told = told.hint("check WANDB_BASE_URL and the network");
        }
        Failure {
            error: told,
            complaints: Vec::new(),
            retry: !tls,
            heavy: if error.is_timeout() { Heavy::Sure } else { Heavy::No },
            wait: None,
        }
    }

    /// An answer whose status is no success.
    fn refusal(&self, status: StatusCode, limits: Limits, location: Option<&str>, body: &[u8]) -> Failure {
        let complaints = self.hide_in(answer::complaints_of(body));
        let said = answer::joined(&complaints);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let code = status.as_u16();
        let error = match code {
            300..=399 => self
                .error(ErrorKind::Network, &format!("answers {code} and sends us elsewhere, where the key does not go"))
                .hint(match location.and_then(|to| reqwest::Url::parse(to).ok()?.host_str().map(str::to_owned)) {
                    Some(host) => self.hidden(&format!("if {host} is the right server, set WANDB_BASE_URL to it")),
                    None => "check WANDB_BASE_URL".to_owned(),
                }),
            401 => self.unauthorised(&said),
            403 => self.error(ErrorKind::Auth, &format!("permission denied{said}")).hint(self.whose_key()),
            404 => self
                .error(ErrorKind::NotFound, &format!("no W&B API there (HTTP 404{said})"))
                .hint("check WANDB_BASE_URL"),
            400 | 422 => self.error(ErrorKind::Usage, &format!("the query is refused (HTTP {code}{said})")),
            429 => self
                .error(ErrorKind::Network, &format!("rate limit exceeded{said}"))
                .hint("try again later, or with a lower concurrency"),
            _ => self.error(ErrorKind::Network, &format!("HTTP {code}{said}")),
        };
        let heavy = match code {
            413 => Heavy::Sure,
            _ if retry::says_too_heavy(&said) => Heavy::Sure,
            500..=599 if code != 501 => Heavy::Perhaps,
            _ => Heavy::No,
        };
        Failure { error, complaints, retry: retry::worth_retrying(code), heavy, wait: limits.told(code) }
    }

    fn unauthorised(&self, said: &str) -> Error {
        match self.settings.is_anonymous() {
            false if self.identity.is_some() => {
                self.error(ErrorKind::Auth, &format!("the access token is not accepted{said}")).hint(self.whose_key())
            }
            false => self.error(ErrorKind::Auth, &format!("the API key is not accepted{said}")).hint(self.whose_key()),
            true => self
                .error(ErrorKind::Auth, &format!("an API key is needed{said}"))
                .hint("set WANDB_API_KEY, or write the key into ~/.netrc (wandb login does)"),
        }
    }

    /// Where the key came from, as a hint.
    pub(super) fn whose_key(&self) -> String {
        let from = self.settings.origins.iter().find(|o| o.contains("API key") || o.contains("identity token"));
        from.cloned().unwrap_or_else(|| {
            if self.settings.key.is_some() { "API key given by the program" } else { "no API key" }.to_owned()
        })
    }

    /// A success that holds no data.
    fn fault(&self, fault: Fault) -> Failure {
        match fault {
            // Most likely cut on its way; W&B's own servers answer with JSON.
            Fault::Malformed(what) => Failure {
                error: self.error(ErrorKind::Network, &format!("the answer is not what was asked for: {what}")),
                complaints: Vec::new(),
                retry: true,
                heavy: Heavy::No,
                wait: None,
            },
            Fault::Refused(complaints) => {
                let complaints = self.hide_in(complaints);
                let said = answer::joined(&complaints);
                let heavy = retry::says_too_heavy(&said);
                let denied = complaints.iter().any(|c| c.code.as_deref() == Some(answer::DENIED));
                let error = match denied {
                    true => self.error(ErrorKind::Auth, &format!("permission denied: {said}")).hint(self.whose_key()),
                    // As with HTTP 400, which other servers answer in this case: asking again does not help.
                    false if !heavy => self.error(ErrorKind::Usage, &format!("the query is refused: {said}")),
                    false => self.error(ErrorKind::Network, &format!("the query failed: {said}")),
                };
                Failure {
                    error,
                    complaints,
                    retry: heavy,
                    heavy: if heavy { Heavy::Sure } else { Heavy::No },
                    wait: None,
                }
            }
        }
    }
}

/// Says how often it was tried.
fn given_up(failure: Failure, failures: u32) -> Failure {
    if failures == 0 || is_too_large(&failure.error) {
        return failure;
    }
    let error = failure.error;
    let told = Error::new(error.kind(), format!("{} (tried {} times)", error.message(), failures + 1));
    let error = match error.cure() {
        Some(cure) => told.hint(cure),
        None => told,
    };
    Failure { error, ..failure }
}

fn causes<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

/// The innermost cause: the outer ones name the URL again.
pub(super) fn chain(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "no reason given".to_owned(), ToString::to_string)
}
