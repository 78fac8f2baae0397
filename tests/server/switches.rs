//! Everything about the server that a test can switch while it runs.

use super::Dates;
use super::history::Of;
use super::storage::StorageSwitches;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The switches; `Default` is a healthy server that wants the key [`super::KEY`] and lets nobody in without one.
#[derive(Debug, Clone)]
pub struct Switches {
    /// Waited before every answer.
    pub latency: Duration,
    /// The key that is right.
    pub key: String,
    /// An access token that is as good as the key.
    pub bearer: Option<String>,
    /// Public projects are shown without a key.
    pub anonymous: bool,
    /// What goes wrong with every GraphQL request.
    pub always: Option<Fault>,
    /// What goes wrong with the next GraphQL requests, one each, before `always`; `None` is a request that goes well.
    pub next: VecDeque<Option<Fault>>,
    /// Projects that are hidden (`entity/project`): they are `null` as if they did not exist.
    pub hidden: BTreeSet<String>,
    /// Requests in a window of time; more of them get a 429.
    pub limiter: Option<Limiter>,
    /// Answers are compressed for clients that accept it.
    pub gzip: bool,
    /// The most runs in a page.
    pub max_first: Option<MaxFirst>,
    /// Answers of more bytes are refused with this status (413, 502, …).
    pub max_bytes: Option<(usize, u16)>,
    /// Fields that an old server does not know, as `Run.updatedAt`; also arguments, as `Run.config(keys)`.
    pub lacking: BTreeSet<String>,
    /// Fields that filters do not know, as `updated_at`.
    pub lacking_filters: BTreeSet<String>,
    /// `runCount` and `totalCount` of runs are off by this many.
    pub count_lag: i64,
    /// Runs that are equal in the order come in another order with every request.
    pub unstable_ties: bool,
    /// How nulls compare in filters.
    pub nulls: Nulls,
    /// How times are written.
    pub dates: Dates,
    /// The server's features by name, for `serverInfo`.
    pub features: Vec<(String, bool)>,
    /// Which rows `Run.history` and `Run.sampledHistory` give; no public text says it.
    pub pages: Of,
    /// Rows of system metrics that a run gives at most.
    pub max_events: usize,
    /// The storage host.
    pub storage: StorageSwitches,
}

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// An error status with W&B's plain body `{"error": …}`: 401, 403, 404, 409, 5xx, ….
    Status(u16),
    /// 429, with the headers given.
    TooMany { retry_after: Option<String>, limits: Option<Limits> },
    /// 500 with a GraphQL body: "context deadline exceeded", `project: null`.
    Deadline,
    /// 502, 503 or 504 from a proxy: a page of HTML.
    Proxy(u16),
    /// No answer at all, the connection stays open for this long.
    Hang(Duration),
    /// The connection is closed without an answer.
    Drop,
    /// The body ends after this part of it (0.0 to 1.0), and the connection with it; `chunked`: no length was announced.
    Cut { part: f64, chunked: bool },
    /// The body comes in this many pieces with a pause between them.
    Slow { pieces: usize, pause: Duration },
    /// 200, but with `errors`; `partial`: the data is there beside them.
    Errors { message: String, code: Option<String>, partial: bool },
    /// A redirect: status, and where to.
    Redirect(u16, String),
    /// 200 with this body in place of the answer.
    Body(String),
    /// 200 with a compressed body that is so many bytes once it is not.
    Bomb(usize),
    /// 200 with a body that begins like an answer and never ends.
    Endless,
}

/// The rate limit headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub limit: String,
    pub remaining: String,
    pub reset: String,
}

/// A rate limit in fixed windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Limiter {
    pub requests: u32,
    pub window: Duration,
    /// `RateLimit-*` on every answer.
    pub headers: bool,
    /// `Retry-After` on refused ones.
    pub retry_after: bool,
}

/// What a page that asks for too many gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxFirst {
    /// No more than this many, silently.
    Cap(usize),
    /// An error with status 400.
    Refuse(usize),
}

/// How a filter compares a value that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nulls {
    /// As SQL: a null is neither equal nor unequal, so `$ne` and `$nin` leave it out.
    #[default]
    Sql,
    /// As MongoDB: a null is unequal to every value.
    Mongo,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            latency: Duration::ZERO,
            key: super::KEY.to_owned(),
            bearer: None,
            anonymous: false,
            always: None,
            next: VecDeque::new(),
            hidden: BTreeSet::new(),
            limiter: None,
            gzip: false,
            max_first: None,
            max_bytes: None,
            lacking: BTreeSet::new(),
            lacking_filters: BTreeSet::new(),
            count_lag: 0,
            unstable_ties: false,
            nulls: Nulls::Sql,
            dates: Dates::Zulu,
            features: super::schema::features(),
            pages: Of::All,
            max_events: usize::MAX,
            storage: StorageSwitches::default(),
        }
    }
}

impl Switches {
    /// The next `times` requests go wrong in this way.
    pub fn fail(&mut self, fault: Fault, times: usize) {
        self.next.extend(std::iter::repeat_n(Some(fault), times));
    }

    /// The next `times` requests go well, whatever follows.
    pub fn pass(&mut self, times: usize) {
        self.next.extend(std::iter::repeat_n(None, times));
    }

    /// A server that lacks every field that old servers are known to lack.
    pub fn old(mut self) -> Self {
        let lacking = ["Run.updatedAt", "Run.computeSeconds", "Run.host", "Artifact.digestAlgorithm", "Artifact.tags"];
        self.lacking.extend(lacking.map(str::to_owned));
        self
    }
}
